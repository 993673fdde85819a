//! A stage for scripts: it plays user agent, media workers and recorder, keeps the time, and writes down what happens.
//!
//! Legs open at once, prompts last as long as [`behaviour::prompt_seconds`] says, the ACK follows the 200, a BYE is answered, a
//! recorder starts and stops when told: unless a script says otherwise with [`Stage::quirks`].

mod behaviour;
mod messages;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use vorzimmer_call::{Exchange, ExchangeConfig, Input, MediaEvent};
use vorzimmer_consent::Permit;
use vorzimmer_sdp::Negotiated;
use vorzimmer_sip::ua::{Ending, Event as SipEvent, FromParty, Peer, Reason, ReferId, Replaced, SessionId};
use vorzimmer_sip::uri::Uri;
use vorzimmer_types::cause::Cause;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::event::{Event, EventRecord};
use vorzimmer_types::{CallId, CallRecord, LegId, Now, PartyId, Pii, RecordingId, UnixMillis};

pub use messages::{alaw, known, request, sdp_of, trunk};

use crate::world::{DID, FakeWorld, flow, receptionist};

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
    /// What the next leg that is opened is called.
    next_leg: Option<String>,
    refers: u32,
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
    /// The latest description that each phone got, offer or answer.
    pub described: BTreeMap<String, Bytes>,
    pub shown: BTreeMap<String, FromParty>,
    /// What the phones whose descriptions were refused were told, and those that were hung up on.
    pub told: BTreeMap<String, Reason>,
}

/// Sessions below this one are the callers'.
const FIRST_OF_OURS: u64 = 100_000;

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
            next_leg: None,
            refers: 0,
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
            described: BTreeMap::new(),
            shown: BTreeMap::new(),
            told: BTreeMap::new(),
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
            replaces: None,
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
        self.answers_with_sdp(phone, &sdp_of(phone, &[8, 0], direction));
    }

    pub fn answers_with_sdp(&mut self, phone: &str, sdp: &str) {
        let sdp = Some(Bytes::copy_from_slice(sdp.as_bytes()));
        self.give(Input::Sip(SipEvent::Answered { session: self.session(phone), sdp }));
    }

    /// The phone answers with these very words.
    pub fn answers_saying(&mut self, phone: &str, sdp: &str) {
        let sdp = Some(Bytes::copy_from_slice(sdp.as_bytes()));
        self.give(Input::Sip(SipEvent::Answered { session: self.session(phone), sdp }));
    }

    pub fn answers_without_description(&mut self, phone: &str) {
        self.give(Input::Sip(SipEvent::Answered { session: self.session(phone), sdp: None }));
    }

    pub fn refuses(&mut self, phone: &str, status: u16) {
        let session = self.session(phone);
        self.give(Input::Sip(SipEvent::Refused { session, status, retry_after: None }));
    }

    /// A phone says why it will end what it is about to end.
    pub fn explains(&mut self, phone: &str, cause: Cause) {
        let session = self.session(phone);
        self.give(Input::Sip(SipEvent::Explained { session, cause }));
    }

    /// A phone says that it rings.
    pub fn rings(&mut self, phone: &str) {
        let session = self.session(phone);
        self.give(Input::Sip(SipEvent::Progressed { session, status: 180, sdp: None }));
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

    /// The phone asks by REFER to put its call through to this address.
    pub fn refers(&mut self, phone: &str, to: &str) {
        self.refers_replacing(phone, to, Replaced::Nothing);
    }

    pub fn refers_replacing(&mut self, phone: &str, to: &str, replaced: Replaced) {
        self.refers += 1;
        let (session, refer) = (self.session(phone), ReferId(self.refers));
        let target = Pii::new(Uri::parse(to).expect("an address"));
        self.note(format!("{phone} refers"));
        self.give(Input::Sip(SipEvent::Referred { session, refer, target, replaced }));
    }

    /// The receptionist's phone makes a second call, which is called `name` here.
    pub fn calls_too(&mut self, name: &str, who: &str, to: &str) {
        self.calls_replacing(name, who, to, None);
    }

    pub fn calls_replacing(&mut self, name: &str, who: &str, to: &str, replaces: Option<SessionId>) {
        self.invites += 1;
        let session = SessionId(self.invites);
        self.leg_sessions.insert(name.into(), session);
        self.next_leg = Some(name.into());
        let mut request = request(to);
        request.uri = rsip::Uri::from(Uri::parse(to).expect("an address"));
        self.note(format!("{name} calls"));
        self.give(Input::Sip(SipEvent::Invited {
            session,
            peer: Peer::Receptionist(receptionist(who)),
            request: Box::new(request),
            sdp: Some(Bytes::from(sdp_of(name, &[8, 0], "sendrecv"))),
            replaces,
            flow: flow(),
        }));
        self.next_leg = None;
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

    /// The phone says that it can show whether it is recorded.
    pub fn is_record_aware(&mut self, phone: &str) {
        self.give(Input::Sip(SipEvent::RecordAware { session: self.session(phone) }));
    }

    /// The session has to be refreshed, and the phone knows no UPDATE.
    pub fn is_to_be_refreshed(&mut self, phone: &str) {
        self.give(Input::Sip(SipEvent::RefreshDue { session: self.session(phone) }));
    }

    /// What became of an offer of ours within the dialog.
    pub fn ends_our_offer(&mut self, phone: &str, status: u16, sdp: Option<&str>) {
        let sdp = sdp.map(|sdp| Bytes::copy_from_slice(sdp.as_bytes()));
        self.give(Input::Sip(SipEvent::ReinviteEnded { session: self.session(phone), status, sdp }));
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
        let mut named = self.legs.iter().filter(|(_, name)| *name == phone);
        *named.next_back().unwrap_or_else(|| panic!("no leg {phone}")).0
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
}
