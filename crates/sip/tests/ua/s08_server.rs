//! RFC 3261 §8.2: what a server refuses, in which order, and how.

use std::time::Duration;

use vorzimmer_sip::ua::{Event, Limits};

use crate::s12_dialog::talking;
use crate::world::{LOCAL, PHONE, STRANGER, Script, Sent, TRUNK, World, config};

/// A request outside a dialog from the trunk.
fn out_of_dialog(method: &str, extra: &str, body: &str) -> String {
    Script::new(&format!("s8-{}", method.len())).request(method, 1, extra, body)
}

#[test]
fn section_8_2_1_methods() {
    for method in ["SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH", "FOO", "invite"] {
        let mut world = World::new();
        world.datagram(TRUNK, &out_of_dialog(method, "", ""));
        let answer = world.only();
        assert_eq!(answer.status(), Some(405), "{method}");
        assert_eq!(
            answer.header("Allow"),
            Some("INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE, REFER, REGISTER"),
            "{method}"
        );
        assert!(!answer.to_tag().is_empty());
        world.datagram(STRANGER, &out_of_dialog(method, "", "").replace("s8-", "s8-stranger"));
        assert!(world.take().is_empty(), "a stranger is not helped");
        assert_eq!(world.ua.counters().unknown, 1);
    }
}

#[test]
fn section_8_2_2_headers_and_content() {
    let contact = "Contact: <sip:gw@192.0.2.10>\r\n";
    let sdp = "Content-Type: application/sdp\r\n";
    /// Extra headers, the answer, the header that explains it.
    type Case<'a> = (&'a str, u16, Option<(&'a str, &'a str)>);
    let cases: [Case<'_>; 9] = [
        (
            &format!("{contact}{sdp}Require: 100rel, timer, x-wonder\r\n"),
            420,
            Some(("Unsupported", "x-wonder")),
        ),
        (&format!("{contact}{sdp}Proxy-Require: x-wonder\r\n"), 100, None),
        (&format!("{contact}{sdp}Supported: 100rel, timer\r\n"), 100, None),
        (&format!("{contact}Content-Type: text/plain\r\n"), 415, Some(("Accept", "application/sdp"))),
        (&format!("{contact}{sdp}Content-Encoding: gzip\r\n"), 415, Some(("Accept-Encoding", "identity"))),
        (&format!("{contact}{sdp}Content-Encoding: identity\r\n"), 100, None),
        (
            &format!(
                "{contact}Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n"
            ),
            100,
            None,
        ),
        (sdp, 400, None),
        (&format!("{contact}{sdp}Max-Forwards: 0\r\n"), 483, None),
    ];
    for (extra, status, explained) in cases {
        let mut world = World::new();
        let mut text = out_of_dialog("INVITE", extra, "v=0\r\n");
        if status == 483 {
            text = text.replacen("Max-Forwards: 70\r\n", "", 1);
        }
        world.datagram(TRUNK, &text);
        let answer = world.only();
        assert_eq!(answer.status(), Some(status), "{extra}");
        if let Some((name, value)) = explained {
            assert_eq!(answer.header(name), Some(value));
        }
        assert_eq!(world.happened().len(), usize::from(status == 100), "{extra}");
    }
}

#[test]
fn section_8_2_2_1_foreign_schemes() {
    let mut world = World::new();
    for (scheme, status) in [("mailto:a@b", 416), ("tel:+4930555", 100), ("sips:a@b", 100)] {
        let text = Script::new(scheme).invite().replacen(&format!("sip:+4930555@{LOCAL}"), scheme, 1);
        world.datagram(TRUNK, &text);
        assert_eq!(world.only().status(), Some(status), "{scheme}");
    }
}

#[test]
fn section_8_2_2_2_merged_requests_and_loops() {
    let mut world = World::new();
    let call = Script::new("merged");
    world.invited(&call);
    world.take();
    let other_way = Script { branch: "z9hG4bK-other-way".into(), ..call };
    world.datagram(TRUNK, &other_way.invite());
    assert_eq!(world.only().status(), Some(482));
    let third_way = Script { branch: "z9hG4bK-third-way".into(), ..other_way };
    world.datagram(TRUNK, &third_way.invite());
    assert_eq!(world.only().status(), Some(482));

    let (_, ours) = world.ring();
    let back = Script::new("looped").invite().replacen(
        "Max-Forwards",
        &format!("Via: {}\r\nMax-Forwards", ours.header("Via").unwrap()),
        1,
    );
    world.datagram(TRUNK, &back);
    assert_eq!(world.only().status(), Some(482), "a request that we sent came back");
    assert_eq!(world.ua.counters().loops, 3);
}

#[test]
fn section_11_options() {
    let mut world = World::new();
    let text = out_of_dialog("OPTIONS", "", "").replacen("Max-Forwards: 70", "Max-Forwards: 0", 1);
    world.datagram(TRUNK, &text);
    let answer = world.only();
    assert_eq!(answer.status(), Some(200));
    assert!(answer.header("Allow").unwrap().contains("INVITE"));
    assert_eq!(answer.header("Accept"), Some("application/sdp"));
    assert_eq!(answer.header("Supported"), Some("100rel, timer, replaces, norefersub"));
    world.ring();
    let from_phone = out_of_dialog("OPTIONS", "", "").replace("s8-7", "s8-phone");
    world.datagram(PHONE, &from_phone);
    assert_eq!(world.only().status(), Some(200), "a registered phone may ask");
    world.datagram(STRANGER, &from_phone.replace("s8-phone", "s8-x"));
    assert!(world.take().is_empty());
}

#[test]
fn section_21_4_1_malformed() {
    let mut world = World::new();
    for (broken, status) in [
        (out_of_dialog("INVITE", "", "").replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), 400),
        (out_of_dialog("INVITE", "", "").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), 505),
        (out_of_dialog("INVITE", "", "").replace("Content-Length: 0", "Content-Length: 99"), 400),
        (out_of_dialog("BYE", "", "").replace("CSeq: 1 BYE", "CSeq: 99999999999 BYE"), 400),
        (out_of_dialog("OPTIONS", &format!("X-Long: {}\r\n", "x".repeat(9000)), ""), 513),
    ] {
        world.datagram(TRUNK, &broken);
        assert_eq!(world.only().status(), Some(status), "{broken}");
        world.datagram(STRANGER, &broken);
        assert!(world.take().is_empty());
    }
    for hopeless in
        ["", "\0\0\0\0", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ACK sip:x SIP/2.0\r\n\r\n", "INVITE"]
    {
        world.datagram(TRUNK, hopeless);
        assert!(world.take().is_empty(), "{hopeless:?}");
    }
    let counters = world.ua.counters();
    assert_eq!((counters.refused_malformed, counters.malformed), (5, 5 + 3));
}

#[test]
fn section_21_5_4_a_full_house_and_a_house_that_closes() {
    let mut config = config();
    config.limits = Limits { sessions: 1, ..Limits::default() };
    let mut world = World::with(config);
    world.invited(&Script::new("first"));
    world.take();
    world.datagram(TRUNK, &Script::new("second").invite());
    let answer = world.only();
    assert_eq!((answer.status(), answer.header("Retry-After")), (Some(503), Some("5")));

    let mut world = World::new();
    world.ua.set_draining(Some(Duration::from_secs(90)));
    world.datagram(TRUNK, &Script::new("late").invite());
    let answer = world.only();
    assert_eq!((answer.status(), answer.header("Retry-After")), (Some(503), Some("90")));
    world.ua.set_draining(None);
    world.datagram(TRUNK, &Script::new("early").invite());
    assert_eq!(world.only().status(), Some(100));
}

#[test]
fn a_full_table_refuses_without_remembering() {
    let mut config = config();
    config.limits = Limits { transactions: 3, ..Limits::default() };
    let mut world = World::with(config);
    for n in 0..10 {
        world.datagram(TRUNK, &Script::new(&format!("c{n}")).invite());
    }
    let answers = world.take();
    let refused: Vec<_> = answers.iter().filter(|sent| sent.status() == Some(503)).collect();
    assert_eq!(refused.len(), 7);
    assert!(refused.iter().all(|sent| sent.header("Retry-After").is_some()));
    assert_eq!((world.ua.counters().server_transactions, world.ua.counters().overload), (3, 7));
    // §8.2.7: each copy of a request gets the same tag.
    world.datagram(TRUNK, &Script::new("c9").invite());
    assert_eq!(world.only().to_tag(), refused.last().unwrap().to_tag());
}

#[test]
fn in_a_full_house_whoever_talks_can_hang_up() {
    let mut config = config();
    config.limits = Limits { transactions: 5, ..Limits::default() };
    let mut world = World::with(config);
    // Its INVITE is remembered for 32 s more.
    let (session, mut call) = talking(&mut world);
    for n in 0..4 {
        world.datagram(TRUNK, &Script::new(&format!("c{n}")).invite());
    }
    assert_eq!(world.take().iter().filter_map(Sent::status).filter(|status| *status == 503).count(), 1);
    world.happened();
    world.datagram(TRUNK, &call.next("BYE", "", ""));
    assert_eq!(world.statuses(), [200]);
    assert!(matches!(world.happened()[..], [Event::Ended { session: ended, .. }] if ended == session));
    // That took the last place.
    let counters = world.ua.counters();
    assert_eq!((counters.server_transactions, counters.overload), (5, 1));
}

#[test]
fn section_8_2_6_1_a_100_gives_the_timestamp_back() {
    let mut world = World::new();
    let mut call = Script::new("stamped");
    call.extra = "Timestamp: 54.21\r\n".into();
    world.invited(&call);
    assert_eq!(world.only().header("Timestamp"), Some("54.21"));
    assert!(matches!(world.happened()[..], [Event::Invited { .. }]));
}
