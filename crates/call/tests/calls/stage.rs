//! A stage for scripts: it plays user agent, media workers and recorder, keeps the time, and writes down what happens.
//!
//! Legs open at once, prompts last as long as [`prompt_seconds`] says, the ACK follows the 200, a BYE is answered, a
//! recorder starts and stops when told: unless a script says otherwise with [`Stage::quirks`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vorzimmer_call::{
    Exchange, ExchangeConfig, Input, MediaCommand, MediaEvent, Output, PlayId, Sound, StopWhy,
};
use vorzimmer_consent::Permit;
use vorzimmer_sdp::{Description, Negotiated};
use vorzimmer_sip::ua::{Command, Ending, Event as SipEvent, FromParty, Peer, Reason, SessionId};
use vorzimmer_types::consent::{Answer, Role};
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::event::{Event, EventRecord, RecordingResult};
use vorzimmer_types::{CallId, CallRecord, LegId, Now, PartyId, Pii, RecordingId, TrunkId, UnixMillis};

use crate::world::{CALLER, DID, FakeWorld, flow};

/// What of the world does not behave.
#[derive(Debug, Default)]
pub struct Quirks {
    pub legs_do_not_open: bool,
    pub no_ports: bool,
    pub no_ack: bool,
    pub prompts_never_end: bool,
    pub recorder_is_dead: bool,
    pub recorder_never_closes: bool,
    pub byes_unanswered: bool,
    pub destruction_unreported: bool,
}

pub struct Stage {
    pub exchange: Exchange,
    pub world: FakeWorld,
    pub quirks: Quirks,
    pub now: Now,
    start: Now,
    entropy: Seeded,
    sessions: u64,
    ports: u16,
    coming: BTreeMap<(Instant, u64), Input>,
    ticket: u64,
    lines: Vec<String>,
    pub events: Vec<EventRecord>,
    legs: BTreeMap<LegId, String>,
    leg_sessions: BTreeMap<String, SessionId>,
    ringing: VecDeque<String>,
    calls: Vec<CallId>,
    open: BTreeSet<LegId>,
    closed: BTreeSet<LegId>,
    recording: BTreeMap<RecordingId, CallId>,
    invites: u64,
    /// Every leg and recording there ever was.
    pub all_legs: Vec<(CallId, LegId)>,
    pub all_recordings: Vec<(CallId, RecordingId)>,
    opened: BTreeSet<LegId>,
    /// Who is being asked before being connected.
    asked: BTreeMap<PartyId, CallId>,
    pub permits: Vec<Permit>,
    pub connected: BTreeMap<String, Negotiated>,
    pub offers: BTreeMap<String, Bytes>,
    pub answers: BTreeMap<String, Bytes>,
    pub shown: BTreeMap<String, FromParty>,
}

/// Sessions below this one are the callers'.
const FIRST_OF_OURS: u64 = 100_000;

/// How long each prompt is.
pub fn prompt_seconds(name: &str) -> u64 {
    match name {
        "greeting-default" => 3,
        "consent-thanks" | "consent-declined" | "withdrawn" => 2,
        _ => 5,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an instant can only be had from the clock; nothing waits on it"
)]
fn some_moment() -> Now {
    Now { mono: Instant::now(), wall: UnixMillis(1_790_000_000_000) }
}

impl Stage {
    pub fn new(world: FakeWorld) -> Self {
        Self::with_config(world, ExchangeConfig::default())
    }

    pub fn with_config(world: FakeWorld, config: ExchangeConfig) -> Self {
        let now = some_moment();
        Self {
            exchange: Exchange::new(config),
            world,
            quirks: Quirks::default(),
            now,
            start: now,
            entropy: Seeded::new(7),
            sessions: FIRST_OF_OURS,
            ports: 20_000,
            coming: BTreeMap::new(),
            ticket: 0,
            lines: Vec::new(),
            events: Vec::new(),
            legs: BTreeMap::new(),
            leg_sessions: BTreeMap::new(),
            ringing: VecDeque::new(),
            calls: Vec::new(),
            open: BTreeSet::new(),
            closed: BTreeSet::new(),
            recording: BTreeMap::new(),
            invites: 0,
            all_legs: Vec::new(),
            all_recordings: Vec::new(),
            opened: BTreeSet::new(),
            asked: BTreeMap::new(),
            permits: Vec::new(),
            connected: BTreeMap::new(),
            offers: BTreeMap::new(),
            answers: BTreeMap::new(),
            shown: BTreeMap::new(),
        }
    }

    // What scripts do.

    /// A forwarded call with this description.
    pub fn invite(&mut self, sdp: Option<&str>) {
        let request = request(DID);
        self.invite_with(request, sdp, trunk());
    }

    pub fn invite_with(&mut self, request: rsip::Request, sdp: Option<&str>, peer: Peer) {
        self.invites += 1;
        let session = SessionId(self.invites);
        self.leg_sessions.insert("caller".into(), session);
        let sdp = sdp.map(|sdp| Bytes::copy_from_slice(sdp.as_bytes()));
        self.give(Input::Sip(SipEvent::Invited {
            session,
            peer,
            request: Box::new(request),
            sdp,
            flow: flow(),
        }));
    }

    /// Lets time pass until this many seconds after the beginning.
    pub fn until(&mut self, seconds: f64) {
        let target = self.start.mono + Duration::from_secs_f64(seconds);
        loop {
            let coming = self.coming.keys().next().copied();
            let wake = self.exchange.next_wake();
            let next = coming.map(|(at, _)| at).into_iter().chain(wake).min();
            let Some(next) = next.filter(|next| *next <= target) else { break };
            self.set_clock(next.max(self.now.mono));
            match coming.filter(|(at, _)| *at <= self.now.mono) {
                Some(key) => {
                    let input = self.coming.remove(&key).expect("it is there");
                    self.give(input);
                }
                None => {
                    self.give(Input::Timer);
                    let next = self.exchange.next_wake();
                    assert!(next.is_none_or(|at| at > self.now.mono), "a timer that does not go away");
                }
            }
        }
        self.set_clock(target);
    }

    /// The phone with this name answers.
    pub fn answers(&mut self, phone: &str) {
        self.answers_with(phone, "sendrecv");
    }

    pub fn answers_with(&mut self, phone: &str, direction: &str) {
        let sdp = Some(Bytes::from(sdp_of(phone, &[8, 0], direction)));
        self.give(Input::Sip(SipEvent::Answered { session: self.session(phone), sdp }));
    }

    pub fn answers_without_description(&mut self, phone: &str) {
        self.give(Input::Sip(SipEvent::Answered { session: self.session(phone), sdp: None }));
    }

    pub fn refuses(&mut self, phone: &str, status: u16) {
        let session = self.session(phone);
        self.give(Input::Sip(SipEvent::Refused { session, status, retry_after: None }));
    }

    pub fn hangs_up(&mut self, phone: &str) {
        self.session_ends(phone, Ending::PeerHungUp);
    }

    pub fn session_ends(&mut self, phone: &str, why: Ending) {
        self.give(Input::Sip(SipEvent::Ended { session: self.session(phone), why }));
    }

    pub fn cancels(&mut self) {
        self.give(Input::Sip(SipEvent::Cancelled { session: self.session("caller") }));
    }

    /// A key, heard in the media.
    pub fn presses(&mut self, phone: &str, keys: &str) {
        for digit in keys.chars() {
            let (call, leg) = (self.call(), self.leg(phone));
            self.note(format!("{phone} presses {digit}"));
            self.give(Input::Media(MediaEvent::Digit { call, leg, digit }));
        }
    }

    /// A key, by SIP INFO.
    pub fn informs(&mut self, phone: &str, keys: &str) {
        for digit in keys.chars() {
            let session = self.session(phone);
            self.note(format!("{phone} informs {digit}"));
            self.give(Input::Sip(SipEvent::Digit { session, digit, duration: None }));
        }
    }

    pub fn reoffers(&mut self, phone: &str, sdp: Option<&str>) {
        let sdp = sdp.map(|sdp| Bytes::copy_from_slice(sdp.as_bytes()));
        self.give(Input::Sip(SipEvent::Reoffered { session: self.session(phone), sdp }));
    }

    pub fn holds(&mut self, phone: &str) {
        self.reoffers(phone, Some(&sdp_of(phone, &[8, 0], "sendonly")));
    }

    pub fn resumes(&mut self, phone: &str) {
        self.reoffers(phone, Some(&sdp_of(phone, &[8, 0], "sendrecv")));
    }

    pub fn acknowledges(&mut self, phone: &str, sdp: Option<&str>) {
        let sdp = sdp.map(|sdp| Bytes::copy_from_slice(sdp.as_bytes()));
        self.give(Input::Sip(SipEvent::Acknowledged { session: self.session(phone), sdp }));
    }

    pub fn falls_silent(&mut self, phone: &str) {
        let (call, leg) = (self.call(), self.leg(phone));
        self.give(Input::Media(MediaEvent::Silent { call, leg }));
    }

    // What scripts look at.

    pub fn call(&self) -> CallId {
        *self.calls.last().expect("a call with a leg")
    }

    pub fn leg(&self, phone: &str) -> LegId {
        let named = self.legs.iter().filter(|(_, name)| *name == phone);
        *named.last().unwrap_or_else(|| panic!("no leg {phone}")).0
    }

    pub fn session(&self, phone: &str) -> SessionId {
        *self.leg_sessions.get(phone).unwrap_or_else(|| panic!("no session {phone}"))
    }

    /// What happened since the last look, one line each.
    pub fn seen(&mut self) -> String {
        std::mem::take(&mut self.lines).join("\n")
    }

    /// What happened since the last look must be this.
    #[track_caller]
    pub fn expect(&mut self, expected: &str) {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let seen = self.seen();
        let seen: Vec<&str> = seen.lines().collect();
        assert_eq!(seen, expected, "\nseen:\n{}\n", seen.join("\n"));
    }

    pub fn record(&self) -> CallRecord {
        CallRecord::fold(&self.events).expect("events")
    }

    pub fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|record| which(&record.event)).count()
    }

    pub fn is_recording(&self) -> bool {
        !self.recording.is_empty()
    }

    /// Everything is given back: call this at the end of a script.
    #[track_caller]
    pub fn expect_nothing_left(&mut self) {
        let later = self.now.mono.duration_since(self.start.mono).as_secs_f64() + 120.0;
        self.until(later);
        assert_eq!(self.exchange.running(), 0, "a call is left");
        assert_eq!(self.exchange.next_wake(), None, "a timer is left");
        assert_eq!(self.open, self.closed, "legs opened and legs closed");
        assert!(self.recording.is_empty(), "a recording is left");
        assert!(self.permits.iter().all(|permit| !permit.is_live()), "a permit is left");
        let seqs: Vec<u32> = self.events.iter().map(|record| record.seq).collect();
        let calls: BTreeSet<CallId> = self.events.iter().map(|record| record.call).collect();
        if calls.len() == 1 && self.invites == 1 {
            assert_eq!(seqs, (0..).take(seqs.len()).collect::<Vec<u32>>(), "every fact has its number");
        }
    }

    // The world behaves.

    pub fn give(&mut self, input: Input) {
        match &input {
            Input::Media(MediaEvent::Opened { leg, .. }) => {
                self.opened.insert(*leg);
            }
            // Unless it was opened or closed before, it never was there.
            Input::Media(MediaEvent::OpenFailed { leg, .. }) => {
                if !self.closed.contains(leg) && self.opened.insert(*leg) {
                    self.open.remove(leg);
                }
            }
            _ => {}
        }
        let sessions = &mut self.sessions;
        let mut next = || {
            *sessions += 1;
            SessionId(*sessions)
        };
        self.exchange.handle(input, self.now, &self.world, &mut next, &mut self.entropy);
        while let Some(output) = self.exchange.poll() {
            self.carry_out(output);
        }
    }

    fn set_clock(&mut self, mono: Instant) {
        let passed = mono.saturating_duration_since(self.now.mono);
        self.now = self.now.after(passed);
    }

    pub fn later(&mut self, seconds: u64, input: Input) {
        self.ticket += 1;
        self.coming.insert((self.now.mono + Duration::from_secs(seconds), self.ticket), input);
    }

    fn note(&mut self, what: String) {
        let at = self.now.mono.duration_since(self.start.mono).as_secs_f64();
        self.lines.push(format!("{at:.1} {what}"));
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Sip(command) => self.user_agent(command),
            Output::Media(command) => self.media(command),
            Output::Event(record) => {
                if let Event::Rung { leg, .. } = &record.event
                    && let Some(name) = self.ringing.pop_front()
                {
                    self.legs.insert(*leg, name);
                }
                self.follow_question(&record);
                self.events.push(record);
            }
            Output::DestroyRecording { recording, call, why, .. } => {
                self.note(format!("destroy recording ({why})"));
                if !self.quirks.destruction_unreported {
                    self.later(1, Input::RecordingDestroyed { call, recording });
                }
            }
        }
    }

    fn follow_question(&mut self, record: &EventRecord) {
        match &record.event {
            Event::Prompted { party, prompt } if prompt.starts_with("consent-ask") => {
                self.asked.insert(*party, record.call);
            }
            Event::Consented { receipt } => {
                let receipt = &receipt.receipt;
                self.note(said(receipt.role, receipt.answer));
                let call = record.call;
                // Anything but a yes ends the question for everybody.
                self.asked.retain(|party, at| {
                    *at != call || (*party != receipt.party && receipt.answer == Answer::Yes)
                });
            }
            _ => {}
        }
    }

    fn user_agent(&mut self, command: Command) {
        match command {
            Command::Progress { status, .. } => self.note(format!("{status} to caller")),
            Command::Accept { session, sdp } => self.accepted(session, sdp),
            Command::Refuse { session, status, retry_after, .. } => {
                let phone = self.phone(session);
                let retry = retry_after.map(|after| format!(", retry after {} s", after.as_secs()));
                self.note(format!("{status} to {phone}{}", retry.unwrap_or_default()));
            }
            Command::Invite { session, to, from, sdp, .. } => {
                let name = to.contact.expose().clone();
                self.note(format!("ring {name}"));
                self.leg_sessions.insert(name.clone(), session);
                self.offers.insert(name.clone(), sdp);
                self.shown.insert(name.clone(), from);
                self.ringing.push_back(name);
            }
            Command::Cancel { session, reason } => {
                let phone = self.phone(session);
                self.note(format!("cancel {phone} ({})", text(reason)));
                let refused = SipEvent::Refused { session, status: 487, retry_after: None };
                self.later(0, Input::Sip(refused));
            }
            Command::Hangup { session, reason } => {
                let phone = self.phone(session);
                self.note(format!("bye {phone} ({})", text(reason)));
                if !self.quirks.byes_unanswered {
                    self.later(0, Input::Sip(SipEvent::Ended { session, why: Ending::WeHungUp }));
                }
            }
            Command::Reinvite { .. } => panic!("nobody re-invites"),
        }
    }

    fn accepted(&mut self, session: SessionId, sdp: Bytes) {
        let phone = self.phone(session);
        self.note(format!("200 to {phone}"));
        Description::parse(&sdp).expect("our own description is in order");
        self.answers.insert(phone, sdp);
        if !self.quirks.no_ack {
            self.later(0, Input::Sip(SipEvent::Acknowledged { session, sdp: None }));
        }
    }

    fn media(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Open { call, leg, .. } => self.open_leg(call, leg),
            MediaCommand::Connect { leg, negotiated, .. } => {
                let phone = self.name(leg);
                self.connected.insert(phone, negotiated);
            }
            MediaCommand::Play { call, leg, play, sound } => self.plays(call, leg, play, &sound),
            MediaCommand::StopPlay { leg, .. } => {
                let phone = self.name(leg);
                self.stop_prompt(leg);
                self.note(format!("{phone} hears the line"));
            }
            MediaCommand::Bridge { call, caller, other } => {
                assert!(!self.asked.values().any(|at| *at == call), "connected while somebody is asked");
                assert!(self.open.contains(&caller) && self.open.contains(&other), "both legs are there");
                let (caller, other) = (self.name(caller), self.name(other));
                self.note(format!("bridge {caller} {other}"));
            }
            MediaCommand::Unbridge { .. } => self.note("unbridge".into()),
            MediaCommand::StartRecording { call, recording, permit, tracks, .. } => {
                self.start_recording(call, recording, permit, tracks);
            }
            MediaCommand::PauseRecording { .. } => self.note("pause recording".into()),
            MediaCommand::ResumeRecording { .. } => self.note("resume recording".into()),
            MediaCommand::StopRecording { call, recording, why } => self.stop_recording(call, recording, why),
            MediaCommand::Close { call, leg } => {
                assert!(self.open.contains(&leg), "closed what was never opened");
                assert!(self.closed.insert(leg), "closed twice");
                self.stop_prompt(leg);
                let quality = MediaEvent::Quality { call, leg, received: 50, lost: 1, jitter_us: 900 };
                self.later(0, Input::Media(quality));
            }
        }
    }

    fn open_leg(&mut self, call: CallId, leg: LegId) {
        if !self.calls.contains(&call) {
            self.calls.push(call);
            self.legs.insert(leg, "caller".into());
        }
        self.all_legs.push((call, leg));
        assert!(self.open.insert(leg), "opened twice");
        if self.quirks.no_ports {
            self.later(0, Input::Media(MediaEvent::OpenFailed { call, leg }));
            return;
        }
        self.ports += 2;
        let rtp = SocketAddr::new(flow().local.ip(), self.ports);
        if !self.quirks.legs_do_not_open {
            self.later(0, Input::Media(MediaEvent::Opened { call, leg, rtp }));
        }
    }

    fn plays(&mut self, call: CallId, leg: LegId, play: PlayId, sound: &Sound) {
        let phone = self.name(leg);
        self.stop_prompt(leg);
        match sound {
            Sound::Prompt { name, language } => {
                self.note(format!("{phone} hears {name} ({language:?})"));
                if !self.quirks.prompts_never_end {
                    let ended = MediaEvent::PlayEnded { call, leg, play, complete: true };
                    self.later(prompt_seconds(name), Input::Media(ended));
                }
            }
            Sound::Ringback(_) => self.note(format!("{phone} hears ring-back")),
            Sound::HoldTone => self.note(format!("{phone} hears the hold tone")),
        }
    }

    /// A prompt that is stopped or replaced does not report its end.
    fn stop_prompt(&mut self, stopped: LegId) {
        self.coming.retain(
            |_, input| !matches!(input, Input::Media(MediaEvent::PlayEnded { leg, .. }) if *leg == stopped),
        );
    }

    fn start_recording(
        &mut self,
        call: CallId,
        recording: RecordingId,
        permit: Permit,
        tracks: [(LegId, PartyId); 2],
    ) {
        assert!(permit.is_live(), "a permit that is dead records nothing");
        assert!(tracks.iter().all(|(leg, party)| self.open.contains(leg) && permit.covers(*party)));
        assert!(!self.recording.values().any(|at| *at == call), "one recording of a call at a time");
        self.all_recordings.push((call, recording));
        self.note(format!("record {} and {}", self.name(tracks[0].0), self.name(tracks[1].0)));
        self.recording.insert(recording, call);
        self.permits.push(permit);
        if !self.quirks.recorder_is_dead {
            self.later(0, Input::Media(MediaEvent::RecordingStarted { call, recording }));
        }
    }

    fn stop_recording(&mut self, call: CallId, recording: RecordingId, why: StopWhy) {
        assert!(self.recording.remove(&recording).is_some(), "stopped what was not running");
        let why = match why {
            StopWhy::CallEnded => "the call ended",
            StopWhy::EpochEnded => "the epoch ended",
            StopWhy::Withdrawn(OnWithdrawal::Destroy) => "withdrawn, to be destroyed",
            StopWhy::Withdrawn(OnWithdrawal::Keep) => "withdrawn, kept",
        };
        self.note(format!("stop recording ({why})"));
        if !self.quirks.recorder_is_dead && !self.quirks.recorder_never_closes {
            self.later(0, Input::Media(ended(call, recording, RecordingResult::Ok, "")));
        }
    }

    /// The recorder gives up by itself.
    pub fn recorder_breaks(&mut self, result: RecordingResult, why: &str) {
        let (recording, call) = self.recording.pop_first().expect("a recording");
        self.give(Input::Media(ended(call, recording, result, why)));
    }

    /// The recorder says that it has closed this recording of this call, which may be the wrong one.
    pub fn recorder_says_ended(&mut self, call: CallId, recording: RecordingId, result: RecordingResult) {
        if self.recording.get(&recording) == Some(&call) {
            self.recording.remove(&recording);
        }
        self.give(Input::Media(ended(call, recording, result, "so it says")));
    }

    pub fn all_sessions(&self) -> Vec<SessionId> {
        (1..=self.invites).chain(FIRST_OF_OURS + 1..=self.sessions).map(SessionId).collect()
    }

    fn name(&self, leg: LegId) -> String {
        self.legs.get(&leg).cloned().unwrap_or_else(|| "a leg".into())
    }

    fn phone(&self, session: SessionId) -> String {
        let found = self.leg_sessions.iter().find(|(_, known)| **known == session);
        found.map_or_else(|| "somebody".into(), |(name, _)| name.clone())
    }
}

fn ended(call: CallId, recording: RecordingId, result: RecordingResult, why: &str) -> MediaEvent {
    let duration = Duration::from_secs(9);
    MediaEvent::RecordingEnded { call, recording, result, duration, gaps: [0, 1], pages: 45, why: why.into() }
}

fn text(reason: Option<Reason>) -> String {
    reason.map_or_else(|| "no reason".into(), |reason| format!("{} {}", reason.protocol, reason.cause))
}

fn said(role: Role, answer: Answer) -> String {
    let who = match role {
        Role::Caller => "caller",
        Role::Receptionist => "receptionist",
        Role::Contact => "contact",
    };
    format!("receipt: {who} {answer:?}")
}

pub fn trunk() -> Peer {
    Peer::Trunk { id: TrunkId::from_bytes([9; 16]), name: "carrier".into() }
}

/// An INVITE from the trunk for this number.
pub fn request(number: &str) -> rsip::Request {
    let uri = |user: &str, host: &str| rsip::Uri {
        scheme: Some(rsip::Scheme::Sip),
        auth: Some(rsip::Auth { user: user.into(), password: None }),
        host_with_port: rsip::Domain::from(host).into(),
        ..Default::default()
    };
    let from = format!("<sip:{CALLER}@carrier.example;user=phone>;tag=1");
    let vouched =
        rsip::Header::Other("P-Asserted-Identity".into(), format!("<sip:{CALLER}@carrier.example>"));
    rsip::Request {
        method: rsip::Method::Invite,
        uri: uri(number, "vorzimmer.example"),
        version: rsip::Version::V2,
        headers: vec![rsip::Header::From(from.into()), vouched].into(),
        body: Vec::new(),
    }
}

/// A description of this phone: payload types in its order, telephone-event, direction.
pub fn sdp_of(phone: &str, payload_types: &[u8], direction: &str) -> String {
    let port = 30_000 + phone.bytes().map(u32::from).sum::<u32>() * 2;
    let types: Vec<String> = payload_types.iter().map(u8::to_string).collect();
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {} 101\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n",
        types.join(" ")
    )
}

/// What a caller's network offers: A-law first.
pub fn alaw() -> String {
    sdp_of("caller", &[8, 0], "sendrecv")
}

pub fn known(display: &str, user: &str) -> FromParty {
    FromParty::Known { display: Some(Pii::new(display.into())), user: Pii::new(user.into()) }
}
