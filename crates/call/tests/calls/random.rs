//! Whatever comes, in whatever order: no panic, nothing leaks, nothing is recorded without every yes.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use vorzimmer_call::{ExchangeConfig, Input, MediaEvent, PlayId, TransferRules};
use vorzimmer_sip::ua::{Ending, Event as SipEvent, ReferId, Replaced, SessionId};
use vorzimmer_sip::uri::Uri;
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder;
use vorzimmer_types::event::{Event, RecordingResult};
use vorzimmer_types::{CallId, LegId, Pii, Quality, RecordingId};

use crate::stage::{Quirks, Stage, alaw, sdp_of};
use crate::world::FakeWorld;

/// Something that happens. The numbers pick one of what there is; some pick what there is not.
#[derive(Clone, Debug)]
enum Happening {
    Invite(Sdp),
    /// Everybody wants to talk and to be recorded.
    GoodWill,
    TimePasses(u16),
    Sip(usize, OfSession),
    Media(usize, OfLeg),
    Recorder(usize, usize, OfRecording),
    /// A receptionist's phone calls somebody, or wants to replace one of the sessions.
    Calls(bool, &'static str, Option<usize>),
    Timer,
    Drain,
}

#[derive(Clone, Copy, Debug)]
enum Sdp {
    Missing,
    Alaw,
    Ulaw,
    SendOnly,
    Unusable,
}

#[derive(Clone, Debug)]
enum OfSession {
    Cancelled,
    Progressed,
    Answered(Sdp),
    Refused(u16),
    Acknowledged(Sdp),
    Reoffered(Sdp),
    Digit(char),
    Ended(Ending),
    Referred(&'static str, usize),
}

#[derive(Clone, Debug)]
enum OfLeg {
    Opened,
    OpenFailed,
    Digits(&'static str),
    PlayEnded(u64, bool),
    Silent,
    Quality,
}

#[derive(Clone, Debug)]
enum OfRecording {
    Started,
    Ended(RecordingResult),
    Destroyed,
}

fn sdp() -> impl Strategy<Value = Sdp> {
    prop_oneof![
        1 => Just(Sdp::Missing),
        6 => Just(Sdp::Alaw),
        2 => Just(Sdp::Ulaw),
        2 => Just(Sdp::SendOnly),
        1 => Just(Sdp::Unusable),
    ]
}

fn of_session() -> impl Strategy<Value = OfSession> {
    let status = prop_oneof![Just(302_u16), Just(486), Just(487), Just(503), Just(603)];
    let ending = prop_oneof![
        Just(Ending::PeerHungUp),
        Just(Ending::WeHungUp),
        Just(Ending::NoAck),
        Just(Ending::DialogLost)
    ];
    let digit = prop_oneof![Just('1'), Just('2'), Just('*'), Just('9'), Just('5'), Just('6')];
    prop_oneof![
        1 => Just(OfSession::Cancelled),
        1 => Just(OfSession::Progressed),
        8 => sdp().prop_map(OfSession::Answered),
        2 => status.prop_map(OfSession::Refused),
        3 => sdp().prop_map(OfSession::Acknowledged),
        5 => sdp().prop_map(OfSession::Reoffered),
        3 => digit.prop_map(OfSession::Digit),
        2 => ending.prop_map(OfSession::Ended),
        4 => (address(), 0..8_usize).prop_map(|(to, replaced)| OfSession::Referred(to, replaced)),
    ]
}

fn address() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("sip:ben@vorzimmer.example"),
        Just("sip:carol@vorzimmer.example"),
        Just("sip:21@vorzimmer.example"),
        Just("tel:+4990012345"),
    ]
}

fn of_leg() -> impl Strategy<Value = OfLeg> {
    let keys = prop_oneof![4 => Just("1"), 1 => Just("2"), 2 => Just("*5"), 2 => Just("*6"), 1 => Just("*9"), 1 => Just("*"),
        3 => Just("*121#"), 1 => Just("*2"), 2 => Just("*3"), 1 => Just("*0")];
    prop_oneof![
        1 => Just(OfLeg::Opened),
        1 => Just(OfLeg::OpenFailed),
        10 => keys.prop_map(OfLeg::Digits),
        3 => (0..12_u64, any::<bool>()).prop_map(|(play, complete)| OfLeg::PlayEnded(play, complete)),
        1 => Just(OfLeg::Silent),
        1 => Just(OfLeg::Quality),
    ]
}

fn of_recording() -> impl Strategy<Value = OfRecording> {
    prop_oneof![
        Just(OfRecording::Started),
        Just(OfRecording::Ended(RecordingResult::Ok)),
        Just(OfRecording::Ended(RecordingResult::Degraded)),
        Just(OfRecording::Ended(RecordingResult::Failed)),
        Just(OfRecording::Destroyed),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => sdp().prop_map(Happening::Invite),
        5 => Just(Happening::GoodWill),
        12 => (0..90_u16).prop_map(Happening::TimePasses),
        10 => (any::<usize>(), of_session()).prop_map(|(which, what)| Happening::Sip(which, what)),
        10 => (any::<usize>(), of_leg()).prop_map(|(which, what)| Happening::Media(which, what)),
        1 => (any::<usize>(), any::<usize>(), of_recording())
            .prop_map(|(call, which, what)| Happening::Recorder(call, which, what)),
        3 => (any::<bool>(), address(), proptest::option::of(any::<usize>()))
            .prop_map(|(anna, to, of)| Happening::Calls(anna, to, of)),
        1 => Just(Happening::Timer),
        1 => (0..12_u8).prop_map(|n| if n == 0 { Happening::Drain } else { Happening::Timer }),
    ]
}

fn scene() -> impl Strategy<Value = (FakeWorld, Quirks)> {
    let policy = prop_oneof![
        1 => Just(Policy::Off),
        4 => Just(Policy::AskBeforeConnect),
        2 => Just(Policy::AskInCall),
        2 => Just(Policy::Attested),
    ];
    let order = prop_oneof![Just(RingOrder::Together), Just(RingOrder::InOrder)];
    (policy, order, any::<[bool; 8]>(), 0..12_u8).prop_map(|(policy, order, flags, rare)| {
        let team = [("anna", 20), ("carol", 10), ("ben", 300)];
        let mut world =
            FakeWorld::new(policy).team(order, &team).devices("anna", &["anna-desk", "anna-cell"]);
        if flags[0] {
            world = world.without_greeting();
        }
        if flags[1] {
            world = world.keeping_withdrawn();
        }
        if rare == 0 {
            world = world.without_prompt("consent-thanks").without_prompt("nobody-there");
        }
        if rare == 1 {
            world = world.without_prompt("consent-ask-receptionist").without_prompt("goodbye");
        }
        let quirks = Quirks {
            legs_do_not_open: rare == 2,
            no_ports: rare == 3,
            no_ack: rare == 4,
            prompts_never_end: rare == 5,
            recorder_is_dead: flags[2] && flags[3],
            recorder_never_closes: flags[4] && flags[5],
            byes_unanswered: flags[6],
            destruction_unreported: flags[7],
        };
        (world, quirks)
    })
}

impl Sdp {
    fn text(self) -> Option<String> {
        match self {
            Self::Missing => None,
            Self::Alaw => Some(alaw()),
            Self::Ulaw => Some(sdp_of("caller", &[0], "sendrecv")),
            Self::SendOnly => Some(sdp_of("caller", &[8, 0], "sendonly")),
            Self::Unusable => Some(sdp_of("caller", &[9], "sendrecv")),
        }
    }

    fn bytes(self) -> Option<Bytes> {
        self.text().map(Bytes::from)
    }
}

/// One of these, or one that does not exist.
fn pick<T: Copy>(which: usize, all: &[T], none: T) -> T {
    all.get(which % (all.len() + 1)).copied().unwrap_or(none)
}

fn sip_event(session: SessionId, what: OfSession) -> SipEvent {
    match what {
        OfSession::Cancelled => SipEvent::Cancelled { session },
        OfSession::Progressed => SipEvent::Progressed { session, status: 180, sdp: None },
        OfSession::Answered(sdp) => SipEvent::Answered { session, sdp: sdp.bytes() },
        OfSession::Refused(status) => SipEvent::Refused { session, status, retry_after: None },
        OfSession::Acknowledged(sdp) => SipEvent::Acknowledged { session, sdp: sdp.bytes() },
        OfSession::Reoffered(sdp) => SipEvent::Reoffered { session, sdp: sdp.bytes() },
        OfSession::Digit(digit) => SipEvent::Digit { session, digit, duration: None },
        OfSession::Ended(why) => SipEvent::Ended { session, why },
        OfSession::Referred(to, replaced) => SipEvent::Referred {
            session,
            refer: ReferId(1),
            target: Pii::new(Uri::parse(to).expect("an address")),
            replaced: match replaced {
                0..5 => Replaced::Nothing,
                5 => Replaced::Unknown,
                other => Replaced::Session(SessionId(100_000 + other as u64 - 5)),
            },
        },
    }
}

fn happen(stage: &mut Stage, clock: &mut f64, happening: Happening) {
    match happening {
        Happening::Invite(sdp) => stage.invite(sdp.text().as_deref()),
        Happening::GoodWill => good_will(stage, clock),
        Happening::TimePasses(tenths) => {
            *clock += f64::from(tenths) / 10.0;
            stage.until(*clock);
        }
        Happening::Sip(which, what) => {
            let session = pick(which, &stage.all_sessions(), SessionId(7_777_777));
            stage.give(Input::Sip(sip_event(session, what)));
        }
        Happening::Media(which, what) => {
            let none = (CallId::from_bytes([0; 16]), LegId::from_bytes([0; 16]));
            let (call, leg) = pick(which, &stage.all_legs, none);
            leg_happens(stage, call, leg, what);
        }
        Happening::Recorder(whose, which, what) => {
            let none = (CallId::from_bytes([0; 16]), RecordingId::from_bytes([0; 16]));
            let call = if whose % 4 == 0 { none.0 } else { pick(which, &stage.all_recordings, none).0 };
            let recording = pick(which, &stage.all_recordings, none).1;
            match what {
                OfRecording::Started => {
                    stage.give(Input::Media(MediaEvent::RecordingStarted { call, recording }))
                }
                OfRecording::Ended(result) => stage.recorder_says_ended(call, recording, result),
                OfRecording::Destroyed => stage.give(Input::RecordingDestroyed { call, recording }),
            }
        }
        Happening::Calls(anna, to, of) => {
            let (name, who) = if anna { ("anna-2", "anna") } else { ("ben-2", "ben") };
            let of = of.map(|which| pick(which, &stage.all_sessions(), SessionId(7_777_777)));
            stage.calls_replacing(name, who, to, of);
        }
        Happening::Timer => stage.give(Input::Timer),
        Happening::Drain => stage.give(Input::Drain),
    }
}

/// The latest device answers, the receptionist starts the question, everybody says yes to everything.
fn good_will(stage: &mut Stage, clock: &mut f64) {
    let mut everybody = |stage: &mut Stage, keys: &'static str| {
        *clock += 6.0;
        stage.until(*clock);
        for (call, leg) in stage.all_legs.clone() {
            leg_happens(stage, call, leg, OfLeg::Digits(keys));
        }
    };
    everybody(stage, "1");
    everybody(stage, "1");
    if let Some(session) = stage.all_sessions().last() {
        stage.give(Input::Sip(sip_event(*session, OfSession::Answered(Sdp::Alaw))));
    }
    for keys in ["1", "*5", "*6", "1"] {
        everybody(stage, keys);
    }
}

fn leg_happens(stage: &mut Stage, call: CallId, leg: LegId, what: OfLeg) {
    match what {
        OfLeg::Opened => {
            let rtp = "192.0.2.1:40000".parse().expect("an address");
            stage.give(Input::Media(MediaEvent::Opened { call, leg, rtp, browser: None }));
        }
        OfLeg::OpenFailed => stage.give(Input::Media(MediaEvent::OpenFailed { call, leg })),
        OfLeg::Digits(keys) => {
            for digit in keys.chars() {
                stage.give(Input::Media(MediaEvent::Digit { call, leg, digit }));
            }
        }
        OfLeg::PlayEnded(play, complete) => {
            stage.give(Input::Media(MediaEvent::PlayEnded { call, leg, play: PlayId(play), complete }));
        }
        OfLeg::Silent => stage.give(Input::Media(MediaEvent::Silent { call, leg })),
        OfLeg::Quality => {
            stage.give(Input::Media(MediaEvent::Quality {
                call,
                leg,
                quality: Quality { received: 1, ..Quality::default() },
            }));
        }
    }
}

/// The facts of each call fit together.
fn check_histories(stage: &Stage) {
    let mut histories: BTreeMap<CallId, Vec<&Event>> = BTreeMap::new();
    for record in &stage.events {
        let history = histories.entry(record.call).or_default();
        assert_eq!(usize::try_from(record.seq).expect("small"), history.len(), "every fact has its number");
        history.push(&record.event);
    }
    for (call, history) in histories {
        let count = |which: fn(&Event) -> bool| history.iter().filter(|event| which(event)).count();
        let ended = count(|event| matches!(event, Event::Ended { .. }));
        let refused = count(|event| matches!(event, Event::Refused { .. }));
        assert_eq!(ended + refused, 1, "a call ends once: {history:?}");
        let wanted =
            count(|event| matches!(event, Event::Offered { policy, .. } if *policy != Policy::Off)) == 1;
        let begun = stage.all_recordings.iter().filter(|(of, _)| *of == call).count();
        let finished = count(|event| matches!(event, Event::RecordingFinished { .. }));
        let expected = if begun > 0 { begun } else { usize::from(wanted && ended == 1) };
        assert_eq!(finished, expected, "each recording ends once, or is blocked once: {history:?}");
        let legs = |which: fn(&Event) -> Option<LegId>| {
            let mut legs: Vec<LegId> = history.iter().filter_map(|event| which(event)).collect();
            legs.sort_unstable();
            legs
        };
        let rung = legs(|event| match event {
            Event::Rung { leg, .. } | Event::ContactRung { leg, .. } => Some(*leg),
            _ => None,
        });
        let mut settled = legs(|event| match event {
            Event::RingEnded { leg, .. }
            | Event::Connected { leg, .. }
            | Event::ContactConnected { leg, .. } => Some(*leg),
            _ => None,
        });
        // Who picks a call up was never rung.
        settled.retain(|leg| rung.contains(leg));
        assert_eq!(rung, settled, "each device that rang was connected or ended: {history:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_nothing_breaks_and_nothing_leaks(
        (world, quirks) in scene(),
        happenings in proptest::collection::vec(happening(), 1..60),
    ) {
        let config = ExchangeConfig { max_calls: 3, ..crate::transfer::config(TransferRules::default()) };
        let mut stage = Stage::with_config(world, config);
        stage.quirks = quirks;
        stage.invite(Some(&alaw()));
        let mut clock = 0.0;
        for happening in happenings {
            happen(&mut stage, &mut clock, happening);
            let overview = stage.exchange.overview();
            assert!(overview.running <= 3 && stage.exchange.running() <= 6, "{overview:?}");
        }
        stage.give(Input::EndAll);
        assert_eq!(stage.exchange.overview().running, 0, "everybody was let go");
        stage.expect_nothing_left();
        check_histories(&stage);
    }
}
