//! Whatever comes, in whatever order: no panic, no table beyond its limit, no stranger who gets more than he sent, one
//! last word for each session, and nothing left when all is over.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use vorzimmer_sip::ua::{Command, ConnectionId, Event, Flow, Input, Limits, SessionId, Transport, UaConfig};

use crate::world::{
    ANNA, Over, PHONE, SDP, STRANGER, Script, Sent, TRUNK, World, config_with_digest_trunk, invite, register,
};

const SMALL: Limits = Limits {
    sessions: 6,
    transactions: 14,
    bindings: 3,
    connections: 4,
    known_flows: 5,
    message: Duration::from_secs(20),
    flow_timer: Duration::from_secs(120),
};

fn small() -> UaConfig {
    UaConfig { limits: SMALL, ..config_with_digest_trunk() }
}

/// One thing that happens. Numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
enum Step {
    Request { from: u8, method: u8, call: u8, cseq: u8, body: u8, damage: Option<(u16, u8)> },
    Answer { which: u8, status: u8, tag: u8, damage: Option<(u16, u8)> },
    Command { which: u8, session: u8 },
    Noise { from: u8, bytes: Vec<u8> },
    Open { connection: u8 },
    Stream { connection: u8, bytes: Vec<u8> },
    StreamRequest { connection: u8, method: u8, call: u8, cseq: u8 },
    Close { connection: u8 },
    Register { damage: Option<(u16, u8)> },
    Pass { millis: u32 },
    Drain(bool),
}

fn damage() -> impl Strategy<Value = Option<(u16, u8)>> {
    prop_oneof![4 => Just(None), 1 => any::<(u16, u8)>().prop_map(Some)]
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        8 => (0..3_u8, 0..12_u8, 0..5_u8, 1..6_u8, 0..4_u8, damage()).prop_map(
            |(from, method, call, cseq, body, damage)| Step::Request { from, method, call, cseq, body, damage }
        ),
        6 => (any::<u8>(), 0..11_u8, 0..4_u8, damage())
            .prop_map(|(which, status, tag, damage)| Step::Answer { which, status, tag, damage }),
        8 => (0..11_u8, any::<u8>()).prop_map(|(which, session)| Step::Command { which, session }),
        1 => (0..3_u8, bytes()).prop_map(|(from, bytes)| Step::Noise { from, bytes }),
        1 => (0..6_u8).prop_map(|connection| Step::Open { connection }),
        1 => (0..6_u8, bytes()).prop_map(|(connection, bytes)| Step::Stream { connection, bytes }),
        2 => (0..6_u8, 0..12_u8, 0..5_u8, 1..6_u8)
            .prop_map(|(connection, method, call, cseq)| Step::StreamRequest { connection, method, call, cseq }),
        1 => (0..6_u8).prop_map(|connection| Step::Close { connection }),
        2 => damage().prop_map(|damage| Step::Register { damage }),
        4 => prop_oneof![0..700_u32, 0..40_000_u32].prop_map(|millis| Step::Pass { millis }),
        1 => any::<bool>().prop_map(Step::Drain),
    ]
}

const METHODS: [&str; 12] = [
    "INVITE", "PRACK", "ACK", "BYE", "CANCEL", "INFO", "OPTIONS", "UPDATE", "INVITE", "REGISTER", "X-ODD",
    "ACK",
];
const STATUSES: [&str; 11] = [
    "422 Too Small",
    "500 Error",
    "100 Trying",
    "180 Ringing",
    "183 Progress",
    "200 OK",
    "200 OK",
    "302 Moved",
    "486 Busy",
    "491 Pending",
    "481 Gone",
];

/// The world, and what must hold of it.
struct Watch {
    world: World,
    /// Everything that was sent and can still be answered.
    heard: Vec<Sent>,
    /// Sessions and how many last words each had.
    sessions: BTreeMap<SessionId, u32>,
    tags: BTreeMap<String, String>,
    from_stranger: usize,
    to_stranger: usize,
    registered: u32,
}

impl Watch {
    fn new() -> Self {
        Self {
            world: World::with(small()),
            heard: Vec::new(),
            sessions: BTreeMap::new(),
            tags: BTreeMap::new(),
            from_stranger: 0,
            to_stranger: 0,
            registered: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Request { from, method, call, cseq, body, damage } => {
                let text = self.request(*method, *call, *cseq, *body, *from == 2);
                self.datagram([TRUNK, PHONE, STRANGER][usize::from(*from)], &harm(text, *damage));
            }
            Step::Answer { which, status, tag, damage } => self.answer(*which, *status, *tag, *damage),
            Step::Command { which, session } => self.command(*which, *session),
            Step::Noise { from, bytes } => {
                let from = [TRUNK, PHONE, STRANGER][usize::from(*from)];
                let flow = self.world.udp(from);
                self.count_in(from, bytes.len());
                self.world.input(Input::Datagram { flow, bytes: Bytes::from(bytes.clone()) });
            }
            Step::Open { connection } => self.open(*connection),
            Step::Stream { connection, bytes } => {
                let connection = ConnectionId(u64::from(*connection));
                self.world.input(Input::Stream { connection, bytes: Bytes::from(bytes.clone()) });
            }
            Step::StreamRequest { connection, method, call, cseq } => {
                let text = self.request(*method, *call, *cseq, 0, false);
                self.world.stream(u64::from(*connection), &text);
            }
            Step::Close { connection } => {
                self.world.input(Input::Closed { connection: ConnectionId(u64::from(*connection)) });
            }
            Step::Register { damage } => self.register(*damage),
            Step::Pass { millis } => self.world.pass(Duration::from_millis(u64::from(*millis))),
            Step::Drain(on) => self.world.ua.set_draining(on.then_some(Duration::from_secs(1))),
        }
        self.look();
    }

    fn count_in(&mut self, from: &str, bytes: usize) {
        if from == STRANGER {
            self.from_stranger += bytes;
        }
    }

    fn datagram(&mut self, from: &str, text: &str) {
        self.count_in(from, text.len());
        self.world.datagram(from, text);
    }

    fn open(&mut self, connection: u8) {
        let from = [TRUNK, PHONE, STRANGER][usize::from(connection % 3)];
        let asked = self.world.connects.pop();
        let flow = match asked {
            // Sometimes it is the connection that we asked for that opens.
            Some((id, remote)) if connection.is_multiple_of(2) => {
                Flow { transport: Transport::Tcp, connection: Some(id), remote, ..self.world.udp(from) }
            }
            _ => {
                let transports = [Transport::Tcp, Transport::Tls, Transport::Wss, Transport::Ws];
                let transport = transports[usize::from(connection % 4)];
                self.world.open_over(transport, u64::from(connection), from, None);
                return;
            }
        };
        self.world.input(Input::Opened { flow, certified: None });
    }

    fn request(&self, method: u8, call: u8, cseq: u8, body: u8, strange: bool) -> String {
        let mut script = Script::new(&format!("p{call}{}", if strange { "s" } else { "" }));
        let method = METHODS[usize::from(method)];
        script.cseq = u32::from(cseq);
        script.branch = match method {
            "CANCEL" => format!("z9hG4bKINVITE{call}{cseq}"),
            method => format!("z9hG4bK{method}{call}{cseq}"),
        };
        if (method != "INVITE" && method != "CANCEL") || cseq > 2 {
            script.to_tag = self.tags.get(&script.call_id).cloned().unwrap_or_default();
        }
        let (kind, content) = match body {
            0 => ("", ""),
            1 => ("application/sdp", SDP),
            2 => ("application/dtmf-relay", "Signal=5\r\n"),
            _ => ("text/plain", "?"),
        };
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let heard = self.heard.iter().rev().find_map(|sent| sent.header("RSeq")).unwrap_or("1");
        let more = match (method, call) {
            ("PRACK", _) => format!("RAck: {heard} 1 INVITE\r\n"),
            ("INVITE" | "UPDATE", 1) => "Require: 100rel, timer\r\nAllow: UPDATE\r\n".into(),
            ("INVITE" | "UPDATE", 2) => "k: 100rel, timer\r\nSession-Expires: 100;refresher=uas\r\n".into(),
            ("INVITE" | "UPDATE", 3) => "Session-Expires: 3\r\n".into(),
            _ => String::new(),
        };
        let extra = format!("Contact: <sip:gw@192.0.2.10>\r\n{kind}{more}");
        script.request(method, script.cseq, &extra, content)
    }

    fn answer(&mut self, which: u8, status: u8, tag: u8, damage: Option<(u16, u8)>) {
        let requests: Vec<_> = self.heard.iter().filter(|sent| !sent.method().is_empty()).collect();
        let Some(request) = requests.get(usize::from(which) % requests.len().max(1)).copied() else { return };
        let from = request.flow.remote.to_string();
        let more = match tag {
            1 => "Require: 100rel\r\nRSeq: 1\r\nAllow: UPDATE\r\nSession-Expires: 90;refresher=uac\r\n",
            2 => "Require: 100rel\r\nRSeq: 2\r\nSession-Expires: 90;refresher=uas\r\nMin-SE: 2000\r\n",
            _ => "Retry-After: 3\r\n",
        };
        let extra = format!("Contact: <sip:anna@{PHONE}>\r\nContent-Type: application/sdp\r\n{more}");
        let text = request.answer(STATUSES[usize::from(status)], &format!("t{tag}"), &extra, SDP);
        let connection = request.flow.connection;
        match connection {
            Some(ConnectionId(id)) => self.world.stream(id, &text),
            None => self.datagram(&from, &harm(text, damage)),
        }
    }

    fn command(&mut self, which: u8, session: u8) {
        let known: Vec<_> = self.sessions.keys().copied().collect();
        let session = known.get(usize::from(session) % known.len().max(1)).copied();
        let sdp = Bytes::from_static(SDP.as_bytes());
        let command = match (which, session) {
            (0, Some(session)) => Command::Progress { session, status: 180, sdp: None },
            (1 | 2, Some(session)) => Command::Accept { session, sdp },
            (3, Some(session)) => Command::Refuse { session, status: 486, reason: None, retry_after: None },
            (4, Some(session)) => Command::Reinvite { session, sdp },
            (5, Some(session)) => Command::Hangup { session, reason: None },
            (6, Some(session)) => Command::Cancel { session, reason: None },
            (7, Some(session)) => Command::Progress { session, status: 183, sdp: Some(sdp) },
            (8, Some(session)) => Command::Update { session, sdp },
            (9, Some(session)) => Command::Answer { session, sdp },
            _ => match self.world.ua.bindings(ANNA, self.world.now).pop() {
                Some(device) => {
                    let session = self.world.ua.next_session();
                    self.sessions.insert(session, 0);
                    invite(session, device)
                }
                None => return,
            },
        };
        if let Command::Refuse { session, .. } = command {
            // Of a first INVITE this is the last word, and it is ours.
            let before = self.world.ua.counters().sessions;
            self.world.command(command);
            if self.world.ua.counters().sessions < before {
                *self.sessions.entry(session).or_default() += 1;
            }
            return;
        }
        self.world.command(command);
    }

    fn register(&mut self, damage: Option<(u16, u8)>) {
        self.registered += 10;
        let over = Over::Udp(PHONE);
        let contact = format!("<sip:anna@{PHONE};n={}>", self.registered % 5);
        match damage {
            Some(_) => {
                let text = register(&over, "anna", &contact, self.registered, "");
                self.datagram(PHONE, &harm(text, damage));
            }
            None => {
                self.keep();
                let plain = register(&over, "anna", &contact, self.registered, "");
                self.datagram(PHONE, &plain);
                let Some(challenge) = self.world.sent.last().filter(|sent| sent.status() == Some(401)) else {
                    return;
                };
                let uri = "sip:vorzimmer.example";
                let credentials = crate::world::authorize(challenge, "anna", "anna", "REGISTER", uri);
                let extra = format!("Authorization: {credentials}\r\n");
                self.datagram(PHONE, &register(&over, "anna", &contact, self.registered + 1, &extra));
            }
        }
    }

    /// Files what was sent.
    fn keep(&mut self) {
        for sent in self.world.take() {
            if sent.flow.remote == STRANGER.parse().unwrap() && sent.flow.transport == Transport::Udp {
                self.to_stranger += sent.text.len();
            }
            if let (Some(101..), tag, Some(call_id)) = (sent.status(), sent.to_tag(), sent.header("Call-ID"))
            {
                self.tags.insert(call_id.to_owned(), tag);
            }
            self.heard.push(sent);
        }
        let surplus = self.heard.len().saturating_sub(40);
        self.heard.drain(..surplus);
    }

    fn look(&mut self) {
        self.keep();
        for event in self.world.happened() {
            match event {
                Event::Invited { session, .. } => assert_eq!(self.sessions.insert(session, 0), None),
                Event::Cancelled { session }
                | Event::Refused { session, .. }
                | Event::Ended { session, .. } => {
                    *self.sessions.entry(session).or_default() += 1;
                }
                _ => {}
            }
        }
        let counters = self.world.ua.counters();
        assert!(counters.sessions <= SMALL.sessions, "{counters:?}");
        assert!(counters.server_transactions <= SMALL.transactions, "{counters:?}");
        assert!(counters.client_transactions <= SMALL.transactions, "{counters:?}");
        assert!(counters.bindings <= SMALL.bindings, "{counters:?}");
        assert!(counters.connections <= SMALL.connections, "{counters:?}");
        assert_eq!(counters.dialogs, counters.sessions, "{counters:?}");
        assert_eq!(counters.unprintable, 0);
        assert!(self.to_stranger <= self.from_stranger, "{} > {}", self.to_stranger, self.from_stranger);
        assert!(self.sessions.values().all(|words| *words <= 1), "{:?}", self.sessions);
    }

    /// Everybody hangs up and goes home.
    fn finish(&mut self) {
        for session in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.world.command(Command::Hangup { session, reason: None });
        }
        for _ in 0..8 {
            self.world.pass(Duration::from_secs(30 * 60));
            self.look();
        }
        let counters = self.world.ua.counters();
        assert_eq!(
            (
                counters.sessions,
                counters.server_transactions,
                counters.client_transactions,
                counters.bindings
            ),
            (0, 0, 0, 0),
            "{counters:?}"
        );
        assert_eq!(self.world.ua.next_wake(), None);
        assert!(self.sessions.values().all(|words| *words == 1), "{:?}", self.sessions);
    }
}

fn harm(text: String, damage: Option<(u16, u8)>) -> String {
    let Some((place, with)) = damage else { return text };
    let mut bytes = text.into_bytes();
    let place = usize::from(place) % bytes.len();
    match with % 4 {
        0 => bytes.truncate(place),
        1 => {
            bytes.remove(place);
        }
        2 => bytes.insert(place, b" ;,<>\"\r\n:0"[usize::from(with) % 10]),
        _ => bytes[place] = with & 0x7f,
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes(steps in proptest::collection::vec(step(), 1..120)) {
        let mut watch = Watch::new();
        for step in &steps {
            watch.take(step);
        }
        watch.finish();
    }

    #[test]
    fn a_stranger_never_gets_more_than_he_sent(
        method in 0..12_usize,
        drop in proptest::collection::vec(any::<bool>(), 12),
        damage in damage(),
        extra in "[ -~]{0,200}",
    ) {
        let mut world = World::with(config_with_digest_trunk());
        let text = if METHODS[method] == "REGISTER" {
            register(&Over::Udp(STRANGER), "anna", "<sip:a@10.0.0.1>", 1, "")
        } else {
            let mut call = Script::new("x");
            call.via = format!("SIP/2.0/UDP {STRANGER};rport");
            call.request(METHODS[method], 1, &format!("Contact: <sip:x@y>\r\nX-Extra: {extra}\r\n"), "")
        };
        // Any optional part may be missing.
        let lines: Vec<_> = text.split_inclusive("\r\n").collect();
        let last = lines.len() - 1;
        let text: String = lines
            .iter()
            .enumerate()
            .filter(|(n, _)| *n == 0 || *n == last || drop.get(*n).is_none_or(|gone| !gone))
            .map(|(_, line)| *line)
            .collect();
        let text = harm(text, damage);
        world.datagram(STRANGER, &text);
        let sent: usize = world.take().iter().map(|sent| sent.text.len()).sum();
        prop_assert!(sent <= text.len(), "{sent} for {}", text.len());
        prop_assert_eq!(world.ua.counters().server_transactions, 0);
    }
}
