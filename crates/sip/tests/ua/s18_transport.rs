//! RFC 3261 §18, RFC 3581: which way answers and requests go; connections that break.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::transaction::PATIENCE;
use vorzimmer_sip::ua::{Command, ConnectionId, Event, Input};

use crate::s12_dialog::talking;
use crate::world::{Over, PHONE, Script, TRUNK, World, config};

#[test]
fn section_18_2_and_rfc_3581_where_answers_go() {
    let cases = [
        // Without rport: source address, port of sent-by.
        ("SIP/2.0/UDP 192.0.2.10:5080", "192.0.2.10:31337", "192.0.2.10:5080", None, None),
        ("SIP/2.0/UDP 192.0.2.10", "192.0.2.10:31337", "192.0.2.10:5060", None, None),
        ("SIP/2.0/UDP sbc.example:5080", "192.0.2.10:31337", "192.0.2.10:5080", Some("192.0.2.10"), None),
        // With rport: the source, both of it.
        (
            "SIP/2.0/UDP 10.0.0.1:5080;rport",
            "192.0.2.10:31337",
            "192.0.2.10:31337",
            Some("192.0.2.10"),
            Some("31337"),
        ),
        // What the sender writes about itself is not believed.
        (
            "SIP/2.0/UDP 10.0.0.1:5080;received=1.2.3.4;rport=9",
            "192.0.2.10:31337",
            "192.0.2.10:31337",
            Some("192.0.2.10"),
            Some("31337"),
        ),
        ("SIP/2.0/UDP 192.0.2.10:5080;maddr=203.0.113.1", "192.0.2.10:31337", "192.0.2.10:5080", None, None),
        (
            "SIP/2.0/UDP [2001:db8:2::5]:5080;rport",
            "[2001:db8:2::5]:31337",
            "[2001:db8:2::5]:31337",
            Some("2001:db8:2::5"),
            Some("31337"),
        ),
    ];
    for (via, from, to, received, rport) in cases {
        let mut world = World::new();
        let call = Script { via: via.into(), ..Script::new("c1") };
        world.datagram(from, &call.invite());
        let answer = world.only();
        assert_eq!(answer.flow.remote, to.parse().unwrap(), "{via}");
        assert_eq!(answer.flow.local.is_ipv6(), from.starts_with('['));
        let stamped = answer.header("Via").unwrap();
        let param = |name: &str| {
            stamped.split(';').find_map(|p| p.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        assert_eq!((param("received").as_deref(), param("rport").as_deref()), (received, rport), "{via}");
    }
}

#[test]
fn several_vias_come_back_in_order() {
    let mut world = World::new();
    let invite = Script::new("c1").invite().replacen(
        "Max-Forwards",
        "v: SIP/2.0/TCP a.example;branch=z9hG4bKa , SIP/2.0/UDP b.example\r\n ;branch=z9hG4bKb\r\nMax-Forwards",
        1,
    );
    world.datagram(TRUNK, &invite);
    let vias: Vec<_> = world.only().headers("Via").iter().map(|via| via.to_string()).collect();
    assert_eq!(vias.len(), 3);
    assert!(vias[0].contains("z9hG4bK-c1-1") && vias[1].contains("z9hG4bKa") && vias[2].contains("z9hG4bKb"));
}

#[test]
fn ipv4_in_ipv6_clothes_is_the_same_trunk() {
    let mut world = World::new();
    world.datagram("[::ffff:192.0.2.10]:5060", &Script::new("c1").invite());
    assert_eq!(world.only().status(), Some(100));
}

#[test]
fn ipv6_addresses_are_written_in_brackets() {
    let mut world = World::new();
    let from = "[2001:db8:2::5]:5060";
    let mut call = Script { via: format!("SIP/2.0/UDP {from}"), ..Script::new("c1") };
    world.datagram(from, &call.invite().replace("gw@192.0.2.10", "gw@[2001:db8:2::5]"));
    let session = world.session();
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    let ok = world.take().pop().unwrap();
    assert_eq!(ok.header("Contact"), Some("<sip:[2001:db8::1]:5060>"));
    call.to_tag = ok.to_tag();
    world.datagram(from, &call.ack());
    world.command(Command::Hangup { session, reason: None });
    let bye = world.only();
    assert!(bye.header("Via").unwrap().starts_with("SIP/2.0/UDP [2001:db8::1]:5060;branch="));
    assert_eq!(bye.flow.remote, from.parse().unwrap());
}

#[test]
fn a_ping_on_a_stream_gets_its_pong_and_nothing_else() {
    let mut world = World::new();
    world.open(1, PHONE);
    world.stream(1, "\r\n\r\n");
    assert_eq!(world.only().text, "\r\n");
    world.datagram(PHONE, "\r\n\r\n");
    assert!(world.take().is_empty());
    assert_eq!(world.ua.counters().malformed, 0);
}

#[test]
fn a_stream_that_cannot_be_framed_is_closed() {
    let mut world = World::new();
    world.open(1, PHONE);
    world.stream(1, "INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\n\r\n");
    assert_eq!(world.closed, [ConnectionId(1)]);
    world.stream(1, "OPTIONS sip:x SIP/2.0\r\n\r\n");
    assert!(world.take().is_empty());
    world.open(2, TRUNK);
    let headless = Script::new("c1").invite();
    let headless: Vec<_> = headless.lines().filter(|line| !line.starts_with("Content-Length")).collect();
    world.stream(2, &format!("{}\r\n\r\n", headless.join("\r\n")));
    assert_eq!(world.only().status(), Some(400), "a trunk is told");
    assert_eq!(world.closed, [ConnectionId(1), ConnectionId(2)]);
}

#[test]
fn section_18_2_2_an_answer_finds_its_way_when_the_connection_broke() {
    let mut world = World::new();
    world.open(1, "192.0.2.10:40000");
    let call = Script { via: "SIP/2.0/TCP 192.0.2.10:5070".into(), ..Script::new("c1") };
    world.stream(1, &call.invite());
    let session = world.session();
    world.take();
    world.input(Input::Closed { connection: ConnectionId(1) });
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    assert_eq!(world.connects.len(), 1);
    let (connection, remote) = world.connects[0];
    assert_eq!(remote, "192.0.2.10:5070".parse().unwrap(), "source address, port of sent-by");
    assert!(connection.0 >= 1 << 63);
    let mut flow = world.udp("192.0.2.10:5070");
    flow.transport = vorzimmer_sip::ua::Transport::Tcp;
    flow.connection = Some(connection);
    world.input(Input::Opened { flow, certified: None });
    assert_eq!(world.only().status(), Some(200));
}

#[test]
fn a_call_outlives_its_connection() {
    let mut world = World::new();
    world.open(1, "192.0.2.10:40000");
    let mut call = Script { via: "SIP/2.0/TCP 192.0.2.10:5060".into(), ..Script::new("c1") };
    world.stream(1, &call.invite());
    let session = world.session();
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    call.to_tag = world.take().pop().unwrap().to_tag();
    world.stream(1, &call.ack());
    world.happened();
    world.input(Input::Closed { connection: ConnectionId(1) });
    assert!(world.happened().is_empty());
    world.open(2, "192.0.2.10:40001");
    world.stream(2, &call.next("INFO", "", ""));
    assert_eq!(world.only().flow.connection, Some(ConnectionId(2)), "the peer came back on a new one");
    world.command(Command::Hangup { session, reason: None });
    assert_eq!(world.only().flow.connection, Some(ConnectionId(2)));
}

#[test]
fn what_was_sent_over_a_connection_that_breaks_has_failed() {
    let mut world = World::new();
    world.open(5, PHONE);
    world.register(&Over::Tcp(5), "anna", "<sip:anna@10.0.0.7>", 1);
    world.ring_again();
    world.happened();
    world.input(Input::Closed { connection: ConnectionId(5) });
    let happened = world.happened();
    assert!(
        matches!(happened[..], [Event::Refused { status: 430, .. }, Event::BindingsChanged { .. }]),
        "{happened:?}"
    );
    assert_eq!(world.ua.counters().client_transactions, 0);
}

#[test]
fn too_many_connections_are_closed() {
    let mut config = config();
    config.limits.connections = 2;
    let mut world = World::with(config);
    for n in 1..=4 {
        world.open(n, PHONE);
    }
    assert_eq!(world.closed, [ConnectionId(3), ConnectionId(4)]);
}

#[test]
fn datagrams_of_any_size_go_back_over_datagrams() {
    let mut world = World::new();
    let (session, call) = talking(&mut world);
    let long = "x".repeat(2000);
    world.command(Command::Reinvite { session, sdp: Bytes::from(long.clone()) });
    let invite = world.only();
    assert!(invite.text.len() > 2000 && invite.flow.connection.is_none());
    assert_eq!(invite.body(), long);
    drop(call);
}

#[test]
fn a_stranger_may_not_keep_a_connection() {
    let mut config = config();
    config.limits.message = PATIENCE * 2;
    let mut world = World::with(config);
    world.open(1, "203.0.113.50:1000");
    world.open(2, PHONE);
    world.open(3, TRUNK);
    world.register(&Over::Tcp(2), "anna", "<sip:anna@10.0.0.7>", 1);
    world.stream(1, "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP");
    world.pass(PATIENCE - Duration::from_millis(1));
    assert!(world.closed.is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.closed, [ConnectionId(1)], "the phone has proven itself, the trunk's address is known");
    world.pass(PATIENCE);
    assert_eq!((world.closed.len(), world.ua.counters().connections), (1, 2));
}

#[test]
fn acknowledgements_are_routed_like_any_request() {
    let mut world = World::new();
    let mut call = Script::new("routed");
    call.extra = "Record-Route: <sip:192.0.2.20:5070;lr>\r\n".into();
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    call.to_tag = world.take().pop().unwrap().to_tag();
    world.datagram(TRUNK, &call.ack());
    world.command(Command::Reinvite { session, sdp: Bytes::from_static(b"offer") });
    let invite = world.only();
    assert_eq!(invite.flow.remote, "192.0.2.20:5070".parse().unwrap());
    world.datagram("192.0.2.20:5070", &invite.answer("200 OK", "", "Contact: <sip:gw@192.0.2.10>\r\n", ""));
    let ack = world.only();
    assert_eq!((ack.method(), ack.flow.remote), ("ACK", invite.flow.remote));
    assert_eq!(ack.headers("Route"), ["<sip:192.0.2.20:5070;lr>"]);
}
