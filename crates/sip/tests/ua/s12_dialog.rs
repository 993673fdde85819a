//! RFC 3261 §12: requests within a dialog.

use bytes::Bytes;
use vorzimmer_sip::ua::{Command, Event, SessionId};

use crate::world::{PHONE, STRANGER, Script, TRUNK, World};

/// A call from the trunk that is answered and acknowledged.
pub fn talking(world: &mut World) -> (SessionId, Script) {
    let mut call = Script::new("talk");
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    call.to_tag = world.take().last().unwrap().to_tag();
    world.datagram(TRUNK, &call.ack());
    world.happened();
    (session, call)
}

#[test]
fn section_12_2_2_what_matches_no_dialog_gets_481() {
    for method in ["BYE", "INFO", "INVITE", "OPTIONS"] {
        let mut world = World::new();
        let (_, call) = talking(&mut world);
        for (n, wrong) in [
            Script { to_tag: "other".into(), ..call.clone() },
            Script { call_id: "other".into(), ..call.clone() },
        ]
        .into_iter()
        .enumerate()
        {
            let mut wrong = Script { branch: format!("z9hG4bK-w{n}"), cseq: 9, ..wrong };
            world.datagram(TRUNK, &wrong.next(method, "", ""));
            assert_eq!(world.only().status(), Some(481), "{method}");
        }
        let from_tag = call.clone().next(method, "", "").replace(";tag=f1", ";tag=f2");
        world.datagram(TRUNK, &from_tag);
        assert_eq!(world.only().status(), Some(481), "{method} with a foreign From tag");
        assert_eq!(world.ua.counters().unmatched, 3);
        assert!(world.happened().is_empty());
        let mut stray = Script { call_id: "stray".into(), ..call };
        world.datagram(STRANGER, &stray.next(method, "", ""));
        assert!(world.take().is_empty(), "a stranger hears nothing");
    }
}

#[test]
fn a_bye_outside_any_dialog_is_481_too() {
    let mut world = World::new();
    world.datagram(TRUNK, &Script::new("none").request("BYE", 2, "", ""));
    assert_eq!(world.only().status(), Some(481));
}

#[test]
fn section_12_2_2_numbers_go_up() {
    let mut world = World::new();
    let (_, mut call) = talking(&mut world);
    call.cseq = 10;
    world.datagram(TRUNK, &call.next("INFO", "", ""));
    assert_eq!(world.statuses(), [200]);
    for stale in [3, 10] {
        call.cseq = stale;
        world.datagram(TRUNK, &call.next("INFO", "", "").replace("z9hG4bK", "z9hG4bKold"));
        assert_eq!(world.statuses(), [500], "{}", stale + 1);
    }
    call.cseq = 400;
    world.datagram(TRUNK, &call.next("INFO", "", ""));
    assert_eq!(world.statuses(), [200], "gaps are fine");
}

#[test]
fn section_12_1_1_routes_are_kept_and_followed() {
    let mut world = World::new();
    let mut call = Script::new("routed");
    call.extra = "Record-Route: <sip:192.0.2.20:5070;lr>\r\nRecord-Route: <sip:192.0.2.30;lr;x=y>\r\n".into();
    let session = world.invited(&call);
    world.take();
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    let ok = world.only();
    assert_eq!(ok.headers("Record-Route"), ["<sip:192.0.2.20:5070;lr>", "<sip:192.0.2.30;lr;x=y>"]);
    call.to_tag = ok.to_tag();
    world.datagram(TRUNK, &call.ack());
    world.command(Command::Hangup { session, reason: None });
    let bye = world.only();
    assert_eq!(bye.headers("Route"), ["<sip:192.0.2.20:5070;lr>", "<sip:192.0.2.30;lr;x=y>"]);
    assert_eq!(bye.start(), "BYE sip:gw@192.0.2.10:5060 SIP/2.0");
    assert_eq!(
        bye.flow.remote,
        "192.0.2.20:5070".parse().unwrap(),
        "an address of the trunk's own is followed"
    );
}

#[test]
fn a_next_hop_that_is_not_the_trunks_is_not_followed() {
    for contact in ["<sip:x@203.0.113.50:9>", "<sip:x@victim.example>", "<sip:x@[::1]>"] {
        let mut world = World::new();
        let mut call = Script::new("elsewhere");
        let invite = call.invite().replace("<sip:gw@192.0.2.10:5060>", contact);
        world.datagram(TRUNK, &invite);
        let session = world.session();
        world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
        call.to_tag = world.take().last().unwrap().to_tag();
        world.datagram(TRUNK, &call.ack());
        world.command(Command::Hangup { session, reason: None });
        let bye = world.only();
        assert_eq!(bye.flow.remote, TRUNK.parse().unwrap());
        assert_eq!(bye.start(), format!("BYE {} SIP/2.0", contact.trim_matches(['<', '>'])));
    }
}

#[test]
fn section_12_1_2_routes_of_an_answer_are_reversed() {
    let mut world = World::new();
    let (session, invite) = world.ring();
    let routes = format!("Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nContact: <sip:anna@{PHONE}>\r\n");
    world.datagram(PHONE, &invite.answer("200 OK", "d1", &routes, ""));
    assert_eq!(world.only().headers("Route"), ["<sip:p2;lr>", "<sip:p1;lr>"]);
    world.command(Command::Hangup { session, reason: None });
    let bye = world.only();
    assert_eq!(bye.headers("Route"), ["<sip:p2;lr>", "<sip:p1;lr>"]);
    assert_eq!(bye.header("CSeq"), Some("2 BYE"));
    assert_eq!(
        bye.flow.remote,
        PHONE.parse().unwrap(),
        "a device is reached over its flow, whatever the route"
    );
}

#[test]
fn digits_by_info_and_what_else_may_stand_there() {
    let mut world = World::new();
    let (session, mut call) = talking(&mut world);
    let relay = "Content-Type: application/dtmf-relay\r\n";
    let cases: [(&str, &str, u16, Option<char>); 8] = [
        (relay, "Signal=1\r\nDuration=160\r\n", 200, Some('1')),
        (relay, "Signal=*\r\n", 200, Some('*')),
        ("Content-Type: Application/DTMF\r\n", "#", 200, Some('#')),
        ("", "", 200, None),
        (relay, "Signal=hf\r\n", 200, None),
        (relay, "Duration=5\r\n", 400, None),
        ("Content-Type: application/broadsoft; version=1.0\r\n", "event flashhook", 415, None),
        ("Info-Package: foo\r\nContent-Type: application/foo\r\n", "x", 469, None),
    ];
    for (extra, body, status, digit) in cases {
        world.datagram(TRUNK, &call.next("INFO", extra, body));
        let answer = world.only();
        assert_eq!(answer.status(), Some(status), "{extra}{body}");
        if status == 415 {
            assert_eq!(answer.header("Accept"), Some("application/dtmf-relay, application/dtmf"));
        }
        match (&world.happened()[..], digit) {
            ([Event::Digit { session: of, digit, .. }], Some(expected)) => {
                assert_eq!((*of, *digit), (session, expected));
            }
            ([], None) => {}
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_methods_within_a_dialog() {
    let mut world = World::new();
    let (_, mut call) = talking(&mut world);
    for method in ["SUBSCRIBE", "MESSAGE", "NOTIFY"] {
        world.datagram(TRUNK, &call.next(method, "", ""));
        let answer = world.only();
        assert_eq!(answer.status(), Some(405), "{method}");
        assert!(!answer.header("Allow").unwrap().contains(method));
    }
    world.datagram(TRUNK, &call.next("OPTIONS", "", ""));
    assert_eq!(world.only().status(), Some(200));
    world.datagram(TRUNK, &call.next("INFO", "Require: x\r\n", ""));
    assert_eq!(world.only().header("Unsupported"), Some("x"));
}

#[test]
fn requests_of_another_address_need_the_peers_digest() {
    let mut world = World::new();
    let (session, invite) = world.ring();
    let contact = format!("Contact: <sip:anna@{PHONE}>\r\n");
    world.datagram(PHONE, &invite.answer("200 OK", "d1", &contact, ""));
    let ack = world.only();
    world.happened();
    let info = |extra: &str, n: u8| {
        format!(
            "INFO sip:198.51.100.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKi{n};rport\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {n} INFO\r\nMax-Forwards: 70\r\n{extra}\
             User-Agent: A Quite Ordinary Softphone 1.2.3 (test), which likes to talk about itself at length\r\n\
             Supported: outbound, path, gruu, replaces, timer, norefersub, 100rel, from-change, join\r\n\
             Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, REFER, MESSAGE, UPDATE, SUBSCRIBE\r\n\
             Content-Type: application/dtmf\r\nContent-Length: 1\r\n\r\n5",
            ack.header("To").unwrap(),
            ack.header("From").unwrap(),
            ack.header("Call-ID").unwrap()
        )
    };
    world.datagram(STRANGER, &info("", 5));
    let challenge = world.only();
    assert_eq!(challenge.status(), Some(401));
    assert!(world.happened().is_empty());
    let uri = "sip:198.51.100.1:5060";
    let wrong = crate::world::authorize(&challenge, "berta", "berta", "INFO", uri);
    world.datagram(STRANGER, &info(&format!("Authorization: {wrong}\r\n"), 6));
    assert_eq!(world.statuses(), [] as [u16; 0], "another receptionist is not the peer");
    world.datagram(STRANGER, &info("", 7));
    let right = crate::world::authorize(&world.only(), "anna", "anna", "INFO", uri);
    world.datagram(STRANGER, &info(&format!("Authorization: {right}\r\n"), 8));
    assert_eq!(world.statuses(), [200]);
    assert!(matches!(world.happened()[..], [Event::Digit { digit: '5', .. }]));
    world.command(Command::Hangup { session, reason: None });
    assert_eq!(world.only().flow.remote, STRANGER.parse().unwrap(), "the device has moved; we follow");
}
