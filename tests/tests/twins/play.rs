//! One call from the INVITE to the last BYE, in steps of 5 ms.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vorzimmer_call::{Exchange, ExchangeConfig, Input, MediaCommand, MediaEvent, Output, PlayId, Sound};
use vorzimmer_media as media;
use vorzimmer_media::{Channel, LegConfig, LegKey, Session, Sink, Tap};
use vorzimmer_recorder::FrameRef;
use vorzimmer_sip::ua::{Command, Ending, Event as SipEvent, SessionId};
use vorzimmer_types::consent::Policy;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::event::{Event, RecordingResult};
use vorzimmer_types::{CallId, LegId, Now, Quality, UnixMillis};

use crate::disk::{Disk, Tape};
use crate::phones::{Phone, Speech};
use crate::world::{House, flow, invite, trunk};

const STEP: Duration = Duration::from_millis(5);
/// Sound in a packet of a telephone.
const FRAME: Duration = Duration::from_millis(20);
/// Steps between two packets.
const FRAME_STEPS: u64 = 4;
const CALLER: SessionId = SessionId(1);
/// How long they talk after the yes.
const TALK: Duration = Duration::from_secs(3);
/// No call of these takes longer.
const AT_MOST: Duration = Duration::from_secs(120);
/// When the receptionist asks, after she was connected.
const ASKS_AFTER: Duration = Duration::from_secs(4);
/// How long the caller thinks after the question.
const THINKS: Duration = Duration::from_millis(400);

/// What the session said during one step.
#[derive(Default)]
struct Heard {
    taps: Vec<(usize, u32, u32, u16, Vec<u8>)>,
    passed: Vec<(usize, u32, u16)>,
    events: Vec<media::Event>,
}

impl Sink for Heard {
    fn send(&mut self, _: LegKey, _: Channel, _: SocketAddr, _: &[u8]) {}

    fn tap(&mut self, tap: Tap<'_>) {
        self.taps.push((tap.slot.into(), tap.ssrc, tap.timestamp, tap.sequence, tap.payload.to_vec()));
    }

    fn passed(&mut self, _: LegKey, slot: u8, ssrc: u32, sequence: u16) {
        self.passed.push((slot.into(), ssrc, sequence));
    }

    fn event(&mut self, event: media::Event) {
        self.events.push(event);
    }
}

/// One leg and whoever holds the other end: 0 is the caller, 1 the receptionist.
struct Leg {
    id: LegId,
    key: LegKey,
    connected: bool,
    playing: Option<PlayId>,
    question: bool,
}

struct Play {
    exchange: Exchange,
    session: Session,
    house: House,
    disk: Disk,
    now: Now,
    entropy: Seeded,
    sessions: u64,
    phones: [Phone; 2],
    call: Option<CallId>,
    legs: Vec<Leg>,
    tape: Option<Tape>,
    coming: VecDeque<(Instant, Coming)>,
    inputs: VecDeque<Input>,
    speech: Speech,
    policy: Policy,
    permitted_at: Option<Instant>,
    hung_up: bool,
    result: String,
}

/// What people do after a while.
enum Coming {
    Input(Input),
    Press(usize, &'static str),
    Event(media::Event),
}

/// Plays a call onto the disk in `folder`, and gives the result of its recording.
pub fn play(folder: &Path, policy: Policy, speech: Speech) -> String {
    let disk = Disk::open(folder);
    let key = disk.keys.signing_key(&mut Seeded::new(14)).expect("a signing key");
    #[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
    let mono = Instant::now();
    let mut play = Play {
        exchange: Exchange::new(ExchangeConfig::default()),
        session: Session::new(),
        house: House::new(policy, key),
        disk,
        now: Now { mono, wall: UnixMillis(1_790_000_000_000) },
        entropy: Seeded::new(15),
        sessions: 100,
        phones: [Phone::new(0), Phone::new(1)],
        call: None,
        legs: Vec::new(),
        tape: None,
        coming: VecDeque::new(),
        inputs: VecDeque::new(),
        speech,
        policy,
        permitted_at: None,
        hung_up: false,
        result: String::new(),
    };
    let sdp = Some(Bytes::from(play.phones[0].description()));
    let request = Box::new(invite());
    play.give(Input::Sip(SipEvent::Invited {
        session: CALLER,
        peer: trunk(),
        request,
        sdp,
        replaces: None,
        flow: flow(),
    }));
    let end = mono + AT_MOST;
    let mut step = 0;
    while play.exchange.running() > 0 {
        assert!(play.now.mono < end, "the call does not end");
        play.step(step);
        step += 1;
    }
    play.disk.close();
    play.result
}

impl Play {
    fn step(&mut self, number: u64) {
        self.now = self.now.after(STEP);
        while self.coming.front().is_some_and(|(at, _)| *at <= self.now.mono) {
            match self.coming.pop_front() {
                Some((_, Coming::Input(input))) => self.give(input),
                Some((_, Coming::Event(event))) => self.media_event(event),
                Some((_, Coming::Press(phone, keys))) => {
                    keys.chars().for_each(|key| self.phones[phone].press(key))
                }
                None => {}
            }
        }
        if self.exchange.next_wake().is_some_and(|at| at <= self.now.mono) {
            self.give(Input::Timer);
        }
        if number.is_multiple_of(FRAME_STEPS) {
            self.phones_speak();
        }
        let mut heard = Heard::default();
        self.session.poll(self.now.mono, &mut self.entropy, &mut heard);
        self.digest(heard);
        self.turn_tape();
        self.hang_up_in_time();
    }

    fn phones_speak(&mut self) {
        for at in 0..self.legs.len() {
            if !self.legs[at].connected {
                continue;
            }
            let (leg, from) = (self.legs[at].key, self.phones[at].address);
            // What comes now was begun one frame ago.
            let after = self.permitted_at.is_some_and(|yes| self.now.mono >= yes + FRAME);
            let seed = if after { self.speech.after } else { self.speech.before };
            let mut bytes = self.phones[at].packet(seed);
            let mut heard = Heard::default();
            let input = media::Input { leg, channel: Channel::Rtp, from, bytes: &mut bytes };
            self.session.handle(input, self.now.mono, &mut heard);
            self.digest(heard);
        }
    }

    /// Hands on what the session said: voices to the tape, the rest to the call.
    fn digest(&mut self, heard: Heard) {
        if let Some(tape) = &mut self.tape {
            for (slot, ssrc, rtp_timestamp, sequence, payload) in &heard.taps {
                let codec = vorzimmer_recorder::Codec::Pcma;
                let frame = FrameRef {
                    codec,
                    ssrc: *ssrc,
                    rtp_timestamp: *rtp_timestamp,
                    sequence: *sequence,
                    payload,
                };
                tape.frame(*slot, &frame, self.now.mono);
            }
            for (slot, ssrc, sequence) in heard.passed {
                tape.pass(slot, ssrc, sequence);
            }
        }
        for event in heard.events {
            self.media_event(event);
        }
    }

    fn media_event(&mut self, event: media::Event) {
        let Some(call) = self.call else { return };
        match event {
            media::Event::Digit { leg, digit, .. } => {
                if let Some(leg) = self.legs.iter().find(|known| known.key == leg).map(|leg| leg.id) {
                    self.give(Input::Media(MediaEvent::Digit { call, leg, digit: digit.as_char() }));
                }
            }
            media::Event::PromptEnded { leg, complete, .. } => {
                let Some(at) = self.legs.iter().position(|known| known.key == leg) else { return };
                let Some(play) = self.legs[at].playing.take() else { return };
                if std::mem::take(&mut self.legs[at].question) && at == 0 {
                    self.later(THINKS, Coming::Press(0, "1"));
                }
                let leg = self.legs[at].id;
                self.give(Input::Media(MediaEvent::PlayEnded { call, leg, play, complete }));
            }
            media::Event::Closed { leg, stats } => {
                if let Some(leg) = self.legs.iter().find(|known| known.key == leg).map(|leg| leg.id) {
                    let jitter_us = u32::try_from(stats.jitter.as_micros()).unwrap_or(u32::MAX);
                    let (received, lost) = (stats.received, stats.lost);
                    let quality = Quality { received, lost, jitter_us, mos: stats.mos, ..Quality::default() };
                    self.give(Input::Media(MediaEvent::Quality { call, leg, quality }));
                }
            }
            media::Event::Silent { .. } => panic!("somebody fell silent"),
            _ => {}
        }
    }

    fn turn_tape(&mut self) {
        if let Some(mut tape) = self.tape.take() {
            if tape.tick(self.now.mono) {
                self.disk.acknowledge(&tape);
            }
            self.tape = Some(tape);
        }
    }

    fn hang_up_in_time(&mut self) {
        if !self.hung_up && self.permitted_at.is_some_and(|at| self.now.mono >= at + TALK) {
            self.hung_up = true;
            self.give(Input::Sip(SipEvent::Ended { session: CALLER, why: Ending::PeerHungUp }));
        }
    }

    fn later(&mut self, after: Duration, what: Coming) {
        let at = self.now.mono + after;
        let place = self.coming.partition_point(|(other, _)| *other <= at);
        self.coming.insert(place, (at, what));
    }

    fn give(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let sessions = &mut self.sessions;
            let mut next = || {
                *sessions += 1;
                SessionId(*sessions)
            };
            self.exchange.handle(input, self.now, &self.house, &mut next, &mut self.entropy);
            while let Some(output) = self.exchange.poll() {
                self.carry_out(output);
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Sip(command) => self.signal(command),
            Output::Media(command) => self.order(command),
            Output::Event(record) => {
                if let Event::Connected { .. } = &record.event {
                    self.connected();
                }
                self.disk.tell(record);
            }
            Output::DestroyRecording { .. } => panic!("nobody withdrew"),
        }
    }

    /// The receptionist does what the policy asks of her.
    fn connected(&mut self) {
        match self.policy {
            Policy::AskInCall => self.later(ASKS_AFTER, Coming::Press(1, "*5")),
            Policy::Attested => self.later(ASKS_AFTER, Coming::Press(1, "*6")),
            Policy::Off | Policy::AskBeforeConnect => {}
        }
    }

    fn signal(&mut self, command: Command) {
        let soon = |event| Coming::Input(Input::Sip(event));
        match command {
            Command::Accept { session, .. } => {
                self.later(STEP, soon(SipEvent::Acknowledged { session, sdp: None }));
            }
            Command::Invite { session, .. } => {
                let sdp = Some(Bytes::from(self.phones[1].description()));
                self.later(Duration::from_secs(1), soon(SipEvent::Answered { session, sdp }));
            }
            Command::Hangup { session, .. } => {
                self.later(STEP, soon(SipEvent::Ended { session, why: Ending::WeHungUp }));
            }
            Command::Refuse { status, .. } => panic!("the call is refused with {status}"),
            Command::Progress { .. }
            | Command::Cancel { .. }
            | Command::Answer { .. }
            | Command::Reinvite { .. }
            | Command::Update { .. } => {}
            Command::Trunk { .. } | Command::Leave => panic!("a call says nothing to carriers"),
            Command::Dial { .. } | Command::AnswerRefer { .. } | Command::Notify { .. } => {
                panic!("nobody is put through")
            }
        }
    }

    fn order(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Open { call, leg, .. } => {
                self.call = Some(call);
                let key = LegKey(u32::try_from(self.legs.len()).expect("two legs"));
                self.session_does(media::Command::Open { leg: key, config: LegConfig::default() });
                self.legs.push(Leg { id: leg, key, connected: false, playing: None, question: false });
                let rtp = SocketAddr::from(([192, 0, 2, 1], 20_000 + 2 * u16::from(key.0 == 1)));
                self.inputs.push_back(Input::Media(MediaEvent::Opened { call, leg, rtp, browser: None }));
            }
            MediaCommand::Connect { leg, negotiated, .. } => {
                let at = self.place(leg);
                self.legs[at].connected = true;
                let (leg, signalling) = (self.legs[at].key, Some(flow().remote.ip()));
                self.session_does(media::Command::Remote { leg, negotiated, signalling });
            }
            MediaCommand::Play { leg, play, sound, .. } => self.sound(leg, play, &sound),
            MediaCommand::StopPlay { leg, .. } => {
                let at = self.place(leg);
                self.legs[at].playing = None;
                self.session_does(media::Command::Stop { leg: self.legs[at].key });
            }
            MediaCommand::Bridge { caller, other, .. } => {
                let (a, b) = (self.legs[self.place(caller)].key, self.legs[self.place(other)].key);
                self.session_does(media::Command::Bridge { a, b, relay_events: false });
            }
            MediaCommand::Mix { legs, .. } => {
                let legs = legs.iter().map(|leg| self.legs[self.place(*leg)].key).collect();
                self.session_does(media::Command::Mix { legs });
            }
            MediaCommand::Unbridge { .. } => self.session_does(media::Command::Unbridge),
            MediaCommand::Close { leg, .. } => {
                let at = self.place(leg);
                self.legs[at].connected = false;
                self.session_does(media::Command::Close { leg: self.legs[at].key });
            }
            recording => self.recording(recording),
        }
    }

    fn recording(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::StartRecording { call, customer, recording, permit, tracks } => {
                assert!(!self.disk.holds_recordings(), "a file before everybody said yes");
                for (slot, (leg, _)) in (0..).zip(&tracks) {
                    let leg = self.legs[self.place(*leg)].key;
                    self.session_does(media::Command::Tap { leg, slot: Some(slot) });
                }
                let parties = tracks.into_iter().map(|(_, party)| party).collect();
                let day = self.now.wall.day().plus(30);
                self.permitted_at = Some(self.now.mono);
                self.tape = Some(self.disk.record(recording, customer, parties, day, permit, self.now.mono));
                self.inputs.push_back(Input::Media(MediaEvent::RecordingStarted { call, recording }));
            }
            MediaCommand::StopRecording { call, recording, why } => {
                let Some(tape) = self.tape.take() else { return };
                let finished = tape.finish(why, self.now.mono);
                let duration = Duration::from_millis(finished.duration_ms);
                let (gaps, pages, result) = (finished.gap_counts(), finished.pages, finished.result);
                self.result = if result == RecordingResult::Ok { "ok".into() } else { finished.why.clone() };
                let why = finished.why;
                self.inputs.push_back(Input::Media(MediaEvent::RecordingEnded {
                    call,
                    recording,
                    result,
                    duration,
                    gaps,
                    pages,
                    why,
                }));
            }
            other => panic!("nobody holds: {other:?}"),
        }
    }

    fn sound(&mut self, leg: LegId, play: PlayId, asked: &Sound) {
        let at = self.place(leg);
        let leg = self.legs[at].key;
        let (sound, looped) = match asked {
            Sound::Prompt { name, .. } => {
                self.legs[at].question = name.starts_with("consent-ask") || name == "consent-in-call";
                (media::Sound::Prompt(self.house.sound(name)), false)
            }
            Sound::Ringback(_) => (media::Sound::RingBack(media::RingBack::Germany), true),
            Sound::HoldTone | Sound::HoldMusic => (media::Sound::Hold, true),
            Sound::Silence => (media::Sound::Silence, true),
        };
        self.legs[at].playing = Some(play);
        let id = media::PlayId(u32::try_from(play.0).expect("a few"));
        self.session_does(media::Command::Play { leg, sound, id, looped });
    }

    fn session_does(&mut self, command: media::Command) {
        let mut heard = Heard::default();
        let done = self.session.command(command, self.now.mono, &mut self.entropy, &mut heard);
        done.expect("a session that obeys");
        for event in heard.events {
            self.later(Duration::ZERO, Coming::Event(event));
        }
    }

    fn place(&self, leg: LegId) -> usize {
        self.legs.iter().position(|known| known.id == leg).expect("a leg that was opened")
    }
}
