//! Two user agents over a link that loses, doubles and reorders, in virtual time and with a seed.
//!
//! One rings, the other answers as a device would: to it the first one is a trunk.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vorzimmer_sip::ua::{
    Binding, Command, Ending, Event, Flow, FromParty, Input, Output, SessionId, Transport, Trunk, Ua,
};
use vorzimmer_types::entropy::{Seeded, array};
use vorzimmer_types::{Now, Pii, TrunkId, UnixMillis};

use crate::world::{ANNA, SDP, Staff, config};

const A: &str = "192.0.2.1:5060";
const B: &str = "192.0.2.2:5060";

/// What the link does to datagrams, in percent and milliseconds.
#[derive(Clone, Copy)]
struct Weather {
    loss: u8,
    doubled: u8,
    delay_ms: u16,
}

struct Pair {
    uas: [Ua; 2],
    now: Now,
    link: BTreeMap<(Instant, u64), (usize, Bytes)>,
    sent: u64,
    /// How many INVITEs met another one.
    glares: usize,
    weather: Weather,
    chance: Seeded,
    entropy: [Seeded; 2],
    events: [Vec<Event>; 2],
    /// What each side does when something happens.
    plans: [fn(&Event) -> Vec<Command>; 2],
}

#[expect(clippy::disallowed_methods, reason = "virtual time needs some instant to start from")]
fn some_instant() -> Instant {
    Instant::now()
}

impl Pair {
    fn new(seed: u64, weather: Weather, plans: [fn(&Event) -> Vec<Command>; 2]) -> Self {
        Self::with_timer(seed, weather, plans, Duration::from_secs(1800))
    }

    fn with_timer(
        seed: u64,
        weather: Weather,
        plans: [fn(&Event) -> Vec<Command>; 2],
        interval: Duration,
    ) -> Self {
        let ua = |peer: &str, secret: u8| {
            let mut config = config();
            config.session_timer.interval = interval;
            let trunk = Trunk {
                id: TrunkId::from_bytes([secret; 16]),
                name: "peer".into(),
                addresses: vec![format!("{peer}/32").parse().unwrap()],
                digest: None,
                certificate: false,
                provider: None,
                outbound: None,
            };
            config.trunks = vec![trunk];
            Ua::new(config, [secret; 32])
        };
        Self {
            uas: [ua("192.0.2.2", 1), ua("192.0.2.1", 2)],
            now: Now { mono: some_instant(), wall: UnixMillis(1_800_000_000_000) },
            link: BTreeMap::new(),
            sent: 0,
            glares: 0,
            weather,
            chance: Seeded::new(seed),
            entropy: [Seeded::new(seed ^ 0xaaaa), Seeded::new(seed ^ 0xbbbb)],
            events: [Vec::new(), Vec::new()],
            plans,
        }
    }

    fn flow(side: usize) -> Flow {
        let (local, remote) = if side == 0 { (A, B) } else { (B, A) };
        Flow {
            transport: Transport::Udp,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            connection: None,
        }
    }

    fn input(&mut self, side: usize, input: Input) {
        self.uas[side].handle(input, self.now, &Staff, &mut self.entropy[side]);
        let mut commands = Vec::new();
        while let Some(output) = self.uas[side].poll() {
            match output {
                Output::Transmit { flow, bytes } => {
                    assert_eq!(flow.remote, Self::flow(side).remote);
                    self.launch(1 - side, bytes);
                }
                Output::Event(event) => {
                    commands.extend((self.plans[side])(&event));
                    self.events[side].push(event);
                }
                Output::Connect { .. } | Output::Close { .. } => unreachable!("only datagrams here"),
            }
        }
        for command in commands {
            self.input(side, Input::Command(command));
        }
    }

    fn launch(&mut self, to: usize, bytes: Bytes) {
        self.glares += usize::from(bytes.starts_with(b"SIP/2.0 491"));
        let [loss, doubled] = array(&mut self.chance);
        let copies =
            usize::from(loss % 100 >= self.weather.loss) + usize::from(doubled % 100 < self.weather.doubled);
        for _ in 0..copies {
            let delay = u16::from_be_bytes(array(&mut self.chance)) % (self.weather.delay_ms + 1);
            self.sent += 1;
            let at = self.now.mono + Duration::from_millis(u64::from(delay));
            self.link.insert((at, self.sent), (to, bytes.clone()));
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now.after(time);
        loop {
            let arrival = self.link.keys().next().map(|(at, _)| *at);
            let wakes = [self.uas[0].next_wake(), self.uas[1].next_wake()];
            let Some(next) = [arrival, wakes[0], wakes[1]].into_iter().flatten().min() else { break };
            if next > end.mono {
                break;
            }
            self.now = self.now.after(next.saturating_duration_since(self.now.mono));
            if arrival == Some(next) {
                let (_, (to, bytes)) = self.link.pop_first().unwrap();
                let flow = Self::flow(to);
                self.input(to, Input::Datagram { flow, bytes });
            } else {
                self.input(usize::from(wakes[0] != Some(next)), Input::Timer);
            }
        }
        self.now = self.now.after(end.mono - self.now.mono);
    }

    fn ring(&mut self) -> SessionId {
        let session = self.uas[0].next_session();
        let to = Binding {
            receptionist: ANNA,
            contact: Pii::new(format!("sip:anna@{B}")),
            flow: Self::flow(0),
            path: Vec::new(),
            call_id: Pii::new("reg".into()),
            cseq: 1,
            instance: None,
            reg_id: None,
            q_milli: 1000,
            expires_at: UnixMillis(i64::MAX),
        };
        let sdp = Some(Bytes::from_static(SDP.as_bytes()));
        let from = FromParty::Anonymous;
        self.input(
            0,
            Input::Command(Command::Invite { session, to: Box::new(to), from, sdp, headers: vec![] }),
        );
        session
    }

    fn count(&self, side: usize, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events[side].iter().filter(|event| wanted(event)).count()
    }

    fn assert_nothing_is_left(&self) {
        for ua in &self.uas {
            let counters = ua.counters();
            assert_eq!(
                (
                    counters.sessions,
                    counters.dialogs,
                    counters.server_transactions,
                    counters.client_transactions
                ),
                (0, 0, 0, 0),
                "{counters:?}"
            );
            assert_eq!(ua.next_wake(), None);
        }
    }
}

fn nothing(_: &Event) -> Vec<Command> {
    Vec::new()
}

fn sdp() -> Bytes {
    Bytes::from_static(b"answer")
}

/// Rings, then answers; accepts whatever is offered later.
fn device(event: &Event) -> Vec<Command> {
    match event {
        Event::Invited { session, .. } => vec![
            Command::Progress { session: *session, status: 180, sdp: None },
            Command::Accept { session: *session, sdp: sdp() },
        ],
        Event::Reoffered { session, .. } => vec![Command::Accept { session: *session, sdp: sdp() }],
        _ => Vec::new(),
    }
}

/// Answers with early media first, which the caller has to acknowledge, then changes its mind about it.
fn early_media(event: &Event) -> Vec<Command> {
    match event {
        Event::Invited { session, .. } => vec![
            Command::Progress { session: *session, status: 183, sdp: Some(sdp()) },
            Command::Progress { session: *session, status: 180, sdp: Some(sdp()) },
            Command::Accept { session: *session, sdp: sdp() },
        ],
        event => device(event),
    }
}

/// The same, and what it wants to change it offers anew when something of the other side's came first.
fn insistent(event: &Event) -> Vec<Command> {
    match event {
        Event::ReinviteEnded { session, status: 491, .. } => {
            vec![Command::Reinvite { session: *session, sdp: sdp() }]
        }
        event => device(event),
    }
}

fn ended(event: &Event) -> bool {
    matches!(event, Event::Ended { .. } | Event::Refused { .. } | Event::Cancelled { .. })
}

/// As bad as 25 % lost, 10 % doubled, and half a second of reordering.
const STORM: Weather = Weather { loss: 25, doubled: 10, delay_ms: 500 };
/// A quarter of everything lost is no reason not to talk; everything lost is.
const SEEDS: u64 = 150;

#[test]
fn calls_are_made_and_ended_through_a_storm() {
    let mut answered = 0;
    for seed in 0..SEEDS {
        let mut pair = Pair::new(seed, STORM, [device, device]);
        let session = pair.ring();
        pair.pass(Duration::from_secs(40));
        let established = pair.count(0, |event| matches!(event, Event::Answered { .. }));
        assert!(pair.count(1, |event| matches!(event, Event::Invited { .. })) <= 1, "seed {seed}");
        assert!(established <= 1 && pair.count(1, |event| matches!(event, Event::Acknowledged { .. })) <= 1);
        answered += established;
        pair.input(0, Input::Command(Command::Hangup { session, reason: None }));
        pair.pass(Duration::from_secs(200));
        pair.assert_nothing_is_left();
        assert_eq!(pair.count(0, ended), 1, "seed {seed}");
        let invited = pair.count(1, |event| matches!(event, Event::Invited { .. }));
        assert_eq!(pair.count(1, ended), invited, "seed {seed}: {:?}", pair.events[1]);
    }
    assert!(answered as u64 >= SEEDS - 2, "{answered} of {SEEDS}");
}

#[test]
fn early_media_comes_through_a_storm_before_the_answer() {
    let mut answered = 0;
    for seed in 0..SEEDS {
        let mut pair = Pair::new(seed, STORM, [device, early_media]);
        let session = pair.ring();
        pair.pass(Duration::from_secs(60));
        let place = |wanted: fn(&Event) -> bool| pair.events[0].iter().position(wanted);
        let early = place(|event| matches!(event, Event::Progressed { status: 183, .. }));
        let answer = place(|event| matches!(event, Event::Answered { .. }));
        if let Some(answer) = answer {
            assert!(early.is_some_and(|early| early < answer), "seed {seed}: {:?}", pair.events[0]);
            assert_eq!(pair.count(0, |event| matches!(event, Event::Progressed { status: 183, .. })), 1);
            answered += 1;
        }
        pair.input(0, Input::Command(Command::Hangup { session, reason: None }));
        pair.pass(Duration::from_secs(300));
        pair.assert_nothing_is_left();
    }
    assert!(answered as u64 >= SEEDS - 5, "{answered} of {SEEDS}");
}

#[test]
fn the_other_side_hangs_up_just_as_well() {
    for seed in 0..SEEDS {
        let mut pair = Pair::new(
            seed,
            STORM,
            [nothing, |event| match event {
                Event::Acknowledged { session, .. } => {
                    vec![Command::Hangup { session: *session, reason: None }]
                }
                event => device(event),
            }],
        );
        pair.ring();
        pair.pass(Duration::from_secs(300));
        pair.assert_nothing_is_left();
        assert_eq!(pair.count(0, ended), 1, "seed {seed}: {:?}", pair.events[0]);
    }
}

#[test]
fn a_cancel_at_any_moment_leaves_nobody_talking() {
    for seed in 0..SEEDS {
        let mut pair = Pair::new(seed, STORM, [nothing, device]);
        let session = pair.ring();
        pair.pass(Duration::from_millis(seed * 11));
        pair.input(0, Input::Command(Command::Hangup { session, reason: None }));
        pair.pass(Duration::from_secs(300));
        pair.assert_nothing_is_left();
        assert_eq!(pair.count(0, ended), 1, "seed {seed}: {:?}", pair.events[0]);
        let invited = pair.count(1, |event| matches!(event, Event::Invited { .. }));
        assert_eq!(pair.count(1, ended), invited, "seed {seed}: {:?}", pair.events[1]);
    }
}

#[test]
fn both_sides_change_the_session_at_once_and_both_succeed() {
    let mut glares = 0;
    for seed in 0..SEEDS {
        let calm = Weather { loss: 0, doubled: 20, delay_ms: 30 };
        let mut pair = Pair::new(seed, calm, [insistent, insistent]);
        let ours = pair.ring();
        pair.pass(Duration::from_secs(2));
        let Some(Event::Invited { session: theirs, .. }) = pair.events[1].first() else { panic!("no call") };
        let theirs = *theirs;
        pair.input(0, Input::Command(Command::Reinvite { session: ours, sdp: sdp() }));
        pair.pass(Duration::from_millis(seed % 40));
        pair.input(1, Input::Command(Command::Reinvite { session: theirs, sdp: sdp() }));
        pair.pass(Duration::from_secs(30));
        for side in 0..2 {
            let done = pair.count(side, |event| matches!(event, Event::ReinviteEnded { status: 200, .. }));
            assert_eq!(done, 1, "seed {seed}, side {side}: {:?}", pair.events[side]);
        }
        glares += usize::from(pair.glares > 0);
        pair.input(0, Input::Command(Command::Hangup { session: ours, reason: None }));
        pair.pass(Duration::from_secs(100));
        pair.assert_nothing_is_left();
        let why = |event: &Event| matches!(event, Event::Ended { why: Ending::PeerHungUp, .. });
        assert_eq!(pair.count(1, why), 1);
    }
    assert!(glares > 20, "{glares} of {SEEDS}");
}

#[test]
fn a_session_is_kept_alive_through_a_storm_and_dies_with_the_link() {
    for seed in 0..SEEDS / 5 {
        let mut pair = Pair::with_timer(seed, STORM, [device, device], Duration::from_secs(120));
        pair.ring();
        pair.pass(Duration::from_secs(1800));
        if pair.count(0, |event| matches!(event, Event::Answered { .. })) == 0 {
            continue;
        }
        for side in 0..2 {
            assert_eq!(pair.count(side, ended), 0, "seed {seed}, side {side}: {:?}", pair.events[side]);
        }
        pair.weather = Weather { loss: 100, doubled: 0, delay_ms: 0 };
        pair.pass(Duration::from_secs(300));
        pair.assert_nothing_is_left();
        // The side that refreshes hears no answer, or not in time; the other one hears no refresh.
        let dead =
            |event: &Event| matches!(event, Event::Ended { why: Ending::Expired | Ending::DialogLost, .. });
        assert_eq!((pair.count(0, dead), pair.count(1, dead)), (1, 1), "seed {seed}");
    }
}

#[test]
fn a_link_that_carries_nothing_ends_everything() {
    let dead = Weather { loss: 100, doubled: 0, delay_ms: 0 };
    let mut pair = Pair::new(1, dead, [nothing, device]);
    pair.ring();
    pair.pass(Duration::from_secs(32));
    assert!(matches!(pair.events[0][..], [Event::Refused { status: 408, .. }]));
    pair.assert_nothing_is_left();
}
