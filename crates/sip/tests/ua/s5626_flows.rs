//! RFC 5626 and RFC 7118: telephones behind NATs and browsers are reached over the flows that they open and keep alive.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::ua::{ConnectionId, Event, Input, Limits, Transport};

use crate::world::{ANNA, Over, PHONE, SDP, STRANGER, TRUNK, World, config, invite, register};

/// As JsSIP writes it: nobody can be reached there.
const BROWSER: &str = "<sip:8v2p3q@k3b9q7.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"";

fn flow(reg_id: u32) -> String {
    format!("<sip:anna@10.0.0.7:5060;transport=tcp>;reg-id={reg_id};+sip.instance=\"<urn:uuid:1>\"")
}

#[test]
fn section_6_a_flow_is_granted_and_its_timer_told() {
    let mut world = World::new();
    world.open_over(Transport::Wss, 1, PHONE, None);
    let ok = world.register(&Over::Tcp(1), "anna", BROWSER, 1);
    assert_eq!((ok.header("Require"), ok.header("Flow-Timer")), (Some("outbound"), Some("120")));
    let contact = ok.header("Contact").unwrap();
    assert!(contact.contains(";reg-id=1") && contact.contains("+sip.instance=\"<urn:uuid:1>\""), "{contact}");
    assert!(!ok.text.contains("gruu"), "some clients would use it as Contact from then on");
    // Over UDP the device's own default holds: NATs forget sooner there.
    let ok = world.register(&Over::Udp(PHONE), "berta", &flow(1), 1);
    assert_eq!((ok.header("Require"), ok.header("Flow-Timer")), (Some("outbound"), None));
}

#[test]
fn section_6_who_does_not_say_outbound_has_no_flow() {
    let mut world = World::new();
    world.open(1, PHONE);
    let over = Over::Tcp(1);
    let without =
        register(&over, "anna", &flow(1), 1, "").replace("Supported: outbound, path", "Supported: path");
    world.hand(&over, &without);
    let credentials = crate::world::authorize(
        &world.only(),
        "anna",
        "anna",
        "REGISTER",
        &format!("sip:{}", crate::world::REALM),
    );
    let extra = format!("Authorization: {credentials}\r\n");
    let without =
        register(&over, "anna", &flow(1), 2, &extra).replace("Supported: outbound, path", "Supported: path");
    world.hand(&over, &without);
    let ok = world.only();
    assert_eq!((ok.status(), ok.header("Require"), ok.header("Flow-Timer")), (Some(200), None, None));
    assert!(!ok.header("Contact").unwrap().contains("reg-id"));
}

#[test]
fn section_6_a_proxy_that_does_not_keep_the_flow_is_told() {
    let mut world = World::new();
    world.open(1, PHONE);
    let proxied = "Via: SIP/2.0/TCP 10.0.0.7;branch=z9hG4bKdevice\r\n";
    assert_eq!(world.register_with(&Over::Tcp(1), "anna", &flow(1), 1, proxied).status(), Some(439));
    assert_eq!(world.ua.counters().bindings, 0);
    let kept = format!("{proxied}Path: <sip:token@10.0.0.1;lr;ob>\r\n");
    assert_eq!(world.register_with(&Over::Tcp(1), "anna", &flow(1), 11, &kept).status(), Some(200));
}

#[test]
fn a_browser_is_rung_over_its_own_websocket() {
    let mut world = World::new();
    let flow = world.open_over(Transport::Wss, 1, PHONE, None);
    world.register(&Over::Tcp(1), "anna", BROWSER, 1);
    let (_, rung) = world.ring_again();
    assert_eq!((rung.flow, world.connects.len()), (flow, 0));
    assert!(
        rung.start().starts_with("INVITE sip:8v2p3q@k3b9q7.invalid;transport=ws SIP/2.0"),
        "{}",
        rung.start()
    );
    assert!(rung.header("Via").unwrap().starts_with("SIP/2.0/WSS 198.51.100.1:5060;"));
    assert_eq!(rung.header("Contact"), Some("<sip:198.51.100.1:5060;transport=ws>"));
}

#[test]
fn rfc_7118_each_websocket_message_is_one_sip_message() {
    let mut world = World::new();
    world.open_over(Transport::Ws, 1, PHONE, None);
    let over = Over::Tcp(1);
    // §5.3: Content-Length may be missing; what a stream would wait for is not waited for.
    let bare = register(&over, "anna", BROWSER, 1, "").replace("Content-Length: 0\r\n", "");
    world.hand(&over, &bare);
    assert_eq!(world.only().status(), Some(401));
    // Half a message is no beginning of the next one.
    world.hand(&over, &bare[..bare.len() / 2]);
    assert!(world.take().is_empty());
    world.hand(&over, &register(&over, "anna", BROWSER, 3, ""));
    assert_eq!(world.only().status(), Some(401));
    for (sent, answered) in [("\r\n\r\n", Some("\r\n")), ("\r\n", None), ("", None)] {
        world.hand(&over, sent);
        assert_eq!(world.take().first().map(|sent| sent.text.as_str()), answered, "{sent:?}");
    }
    assert!(world.closed.is_empty());
}

#[test]
fn section_5_3_of_two_flows_of_one_device_one_is_rung_and_the_other_stands_in() {
    let mut world = World::new();
    for connection in [1, 2] {
        world.open(connection, PHONE);
        let reg_id = u32::try_from(connection).unwrap();
        world.register(&Over::Tcp(connection), "anna", &flow(reg_id), 10 * reg_id);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(world.ua.counters().bindings, 2, "the same Contact, and yet two flows");
    let device = world.ua.bindings(ANNA, world.now);
    assert_eq!(device.len(), 1, "one device rings once");
    let (_, rung) = world.ring_again();
    assert_eq!(rung.flow.connection, Some(ConnectionId(2)), "the one that was registered last");
    world.input(Input::Closed { connection: ConnectionId(2) });
    world.happened();
    world.take();
    let session = world.ua.next_session();
    world.command(invite(session, device[0].clone()));
    assert_eq!(world.only().flow.connection, Some(ConnectionId(1)));
    world.input(Input::Closed { connection: ConnectionId(1) });
    assert!(world.ua.bindings(ANNA, world.now).is_empty());
}

#[test]
fn section_5_3_a_flow_that_dies_while_it_rings_is_stood_in_for() {
    for rang in [true, false] {
        let mut world = World::new();
        for connection in [1, 2] {
            world.open(connection, PHONE);
            let reg_id = u32::try_from(connection).unwrap();
            world.register(&Over::Tcp(connection), "anna", &flow(reg_id), 10 * reg_id);
            world.pass(Duration::from_secs(1));
        }
        let (session, first) = world.ring_again();
        assert_eq!(first.flow.connection, Some(ConnectionId(2)));
        if rang {
            world.stream(2, &first.answer("180 Ringing", "p1", "", ""));
        }
        world.happened();
        world.input(Input::Closed { connection: ConnectionId(2) });
        let mut sent = world.take();
        let second = sent.pop().unwrap();
        // What it said of its ringing may have been lost with the connection.
        let cancel = sent.pop().unwrap();
        assert_eq!((cancel.method(), cancel.branch()), ("CANCEL", first.branch()), "it may still ring there");
        assert_eq!(cancel.header("Reason"), Some("SIP ;cause=430 ;text=\"Rung over another flow\""));
        assert!(sent.is_empty());
        assert_eq!((second.method(), second.flow.connection), ("INVITE", Some(ConnectionId(1))));
        assert_ne!(first.header("Call-ID"), second.header("Call-ID"), "RFC 3261 §8.2.2.2");
        assert_eq!((first.body(), second.header("CSeq")), (second.body(), Some("1 INVITE")));
        assert!(
            world.happened().iter().all(|event| matches!(event, Event::BindingsChanged { .. })),
            "nobody above is troubled"
        );
        let answer = "Contact: <sip:anna@10.0.0.7>\r\nContent-Type: application/sdp\r\n";
        world.stream(1, &second.answer("200 OK", "p2", answer, SDP));
        assert_eq!(world.only().method(), "ACK");
        assert!(
            matches!(world.happened()[..], [Event::Answered { session: answered, .. }] if answered == session)
        );
        let bye = format!(
            "BYE sip:198.51.100.1:5060 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.7;branch=z9hG4bKbye\r\n\
             Max-Forwards: 70\r\nFrom: {};tag=p2\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\n\
             Content-Length: 0\r\n\r\n",
            second.header("To").unwrap(),
            second.header("From").unwrap(),
            second.header("Call-ID").unwrap()
        );
        world.stream(1, &bye);
        assert_eq!(world.only().status(), Some(200));
    }
}

#[test]
fn section_5_3_with_the_last_flow_the_ringing_ends() {
    let mut world = World::new();
    world.open(1, PHONE);
    world.register(&Over::Tcp(1), "anna", &flow(1), 10);
    world.ring_again();
    world.happened();
    world.input(Input::Closed { connection: ConnectionId(1) });
    assert!(world.take().is_empty());
    assert!(world.happened().iter().any(|event| matches!(event, Event::Refused { status: 430, .. })));
}

#[test]
fn a_flow_registered_again_takes_the_place_of_the_old_one() {
    let mut world = World::new();
    world.open(1, PHONE);
    world.register(&Over::Tcp(1), "anna", &flow(1), 1);
    // The telephone lost its connection, noticed before we did, and comes from another port.
    world.open(2, "203.0.113.7:40999");
    world.register(&Over::Tcp(2), "anna", &flow(1).replace("10.0.0.7", "10.9.9.9"), 11);
    let devices = world.ua.bindings(ANNA, world.now);
    assert_eq!((devices.len(), world.ua.counters().bindings), (1, 1));
    let (_, rung) = world.ring_again();
    assert_eq!(rung.flow.connection, Some(ConnectionId(2)));
}

#[test]
fn section_5_4_a_flow_that_falls_silent_is_dead() {
    let mut world = World::new();
    world.open(1, PHONE);
    world.open(2, "203.0.113.8:1000");
    world.register(&Over::Tcp(1), "anna", &flow(1), 1);
    world.register(&Over::Tcp(2), "berta", "<sip:berta@10.0.0.8>", 1);
    world.happened();
    let limits = Limits::default();
    for _ in 0..3 {
        world.pass(limits.flow_timer);
        world.stream(1, "\r\n\r\n");
        assert_eq!(world.only().text, "\r\n");
    }
    assert!(world.closed.is_empty() && world.happened().is_empty());
    world.pass(limits.flow_timer + Limits::FLOW_GRACE);
    assert_eq!(world.closed, [ConnectionId(1)], "and nobody who promised nothing");
    assert!(
        matches!(&world.happened()[..], [Event::BindingsChanged { bindings, .. }] if bindings.is_empty())
    );
}

#[test]
fn a_message_that_dribbles_is_not_waited_for() {
    let mut world = World::new();
    for connection in [1, 2, 3] {
        world.open(connection, TRUNK);
    }
    let limit = Limits::default().message;
    world.stream(1, "OPTIONS sip:x SIP/2.0\r\n");
    // Half a keep-alive is none, and asks for no hurry.
    world.stream(2, "\r\n");
    let options = crate::world::Script::new("c1").request("OPTIONS", 1, "", "");
    for piece in options.as_bytes().chunks(options.len() / 5 + 1) {
        world.stream(3, std::str::from_utf8(piece).unwrap());
        world.pass(limit / 8);
        world.stream(1, "X");
    }
    assert_eq!(world.only().status(), Some(200), "slow, but in time");
    world.pass(limit / 8 * 3 - Duration::from_millis(1));
    assert!(world.closed.is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.closed, [ConnectionId(1)], "however many bytes came in between");
    world.pass(limit * 3);
    assert_eq!(world.closed.len(), 1);
}

/// The datagram of RFC 5769's examples without attributes.
const STUN: &[u8] = b"\x00\x01\x00\x00\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";

#[test]
fn section_4_4_2_stun_is_answered_to_those_who_have_proven_themselves() {
    let mut world = World::new();
    let ask = |world: &mut World, from: &str| {
        let flow = world.udp(from);
        let before = world.sent.len();
        // Binary answers are no text for the world to keep, so that they are looked at here.
        let answers = world.raw(Input::Datagram { flow, bytes: Bytes::from_static(STUN) });
        assert_eq!(world.sent.len(), before);
        answers
    };
    assert!(ask(&mut world, PHONE).is_empty(), "it would be longer than the question");
    assert!(ask(&mut world, STRANGER).is_empty());
    world.register(&Over::Udp(PHONE), "anna", "<sip:anna@10.0.0.7>", 1);
    let answers = ask(&mut world, PHONE);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].get(..2), Some(&[1, 1][..]));
    assert_eq!(answers[0].get(8..20), STUN.get(8..20));
    assert_eq!(world.ua.counters().malformed, 0);
}

#[test]
fn sips_contacts_are_taken_in_secret_alone_and_rung_as_such() {
    let mut world = World::new();
    let contact = "<sips:anna@10.0.0.7>";
    assert_eq!(world.register(&Over::Udp(PHONE), "anna", contact, 1).status(), Some(400));
    world.open_over(Transport::Tls, 1, PHONE, None);
    assert_eq!(world.register(&Over::Tcp(1), "anna", contact, 11).status(), Some(200));
    let (session, rung) = world.ring_again();
    assert!(rung.start().starts_with("INVITE sips:anna@10.0.0.7 SIP/2.0"), "{}", rung.start());
    assert_eq!(rung.header("Contact"), Some("<sips:198.51.100.1:5060;transport=tls>"));
    // What is begun in secret is not ended in the open, even from the same address.
    let answer = format!("Contact: {contact}\r\nContent-Type: application/sdp\r\n");
    world.stream(1, &rung.answer("200 OK", "p1", &answer, SDP));
    world.take();
    let bye = |branch: &str| {
        format!(
            "BYE sips:198.51.100.1:5060;transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.7;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: {};tag=p1\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\n\
             Content-Length: 0\r\n\r\n",
            rung.header("To").unwrap(),
            rung.header("From").unwrap(),
            rung.header("Call-ID").unwrap()
        )
    };
    world.happened();
    world.datagram(PHONE, &bye("open"));
    assert!(world.happened().is_empty());
    world.take();
    world.stream(1, &bye("secret"));
    assert_eq!(world.only().status(), Some(200));
    assert!(matches!(world.happened()[..], [Event::Ended { session: ended, .. }] if ended == session));
}

#[test]
fn nothing_is_left_of_closed_connections() {
    let mut world = World::with(config());
    for n in 0..50 {
        world.open(n, PHONE);
        world.register(
            &Over::Tcp(n),
            "anna",
            &flow(u32::try_from(n).unwrap() + 1),
            1 + 10 * u32::try_from(n).unwrap(),
        );
        world.stream(n, "INVITE");
        world.input(Input::Closed { connection: ConnectionId(n) });
    }
    let counters = world.ua.counters();
    assert_eq!((counters.connections, counters.bindings), (0, 0));
    world.pass(Duration::from_secs(60));
    assert!(world.closed.is_empty() && world.ua.next_wake().is_none(), "no timer outlives its connection");
}
