//! RFC 3326, RFC 6432, RFC 3398: why something ends, told and heard; Warning (RFC 3261 §20.43); Retry-After (§20.33).

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::ua::{Command, Event, Reason, SessionId};
use vorzimmer_types::cause::Cause;

use crate::world::{PHONE, SDP, Script, TRUNK, World};

fn explained(world: &mut World) -> Vec<(SessionId, Cause)> {
    let said = |event| match event {
        Event::Explained { session, cause } => Some((session, cause)),
        _ => None,
    };
    world.happened().into_iter().filter_map(said).collect()
}

fn refuse(world: &mut World, session: SessionId, status: u16, reason: Option<Reason>) {
    world.command(Command::Refuse { session, status, reason, retry_after: Some(Duration::from_secs(7)) });
}

#[test]
fn a_trunk_is_told_the_cause_of_a_refusal() {
    let encrypted =
        || Reason { protocol: "SIP", cause: 488, text: "SRTP is \"required\"".into(), warning: Some(399) };
    for (status, reason, expected, warning) in [
        (404, None, vec!["Q.850 ;cause=1"], None),
        (480, None, vec!["Q.850 ;cause=18"], None),
        (486, None, vec!["Q.850 ;cause=17"], None),
        (503, None, vec!["Q.850 ;cause=41"], None),
        (487, None, vec![], None),
        (488, None, vec!["Q.850 ;cause=65"], None),
        (
            488,
            Some(encrypted()),
            vec!["SIP ;cause=488 ;text=\"SRTP is required\"", "Q.850 ;cause=65"],
            Some("399 vorzimmer \"SRTP is required\""),
        ),
        (
            480,
            Some(Reason { protocol: "Q.850", cause: 19, text: String::new(), warning: None }),
            vec!["Q.850 ;cause=19"],
            None,
        ),
    ] {
        let mut world = World::new();
        let call = Script::new("why");
        let session = world.invited(&call);
        world.take();
        refuse(&mut world, session, status, reason);
        let answer = world.only();
        assert_eq!(answer.headers("Reason"), expected, "{status}");
        assert_eq!(answer.header("Warning"), warning, "{status}");
        assert_eq!(answer.header("Retry-After"), Some("7"));
    }
}

#[test]
fn a_trunks_cancel_and_bye_are_heard_with_their_reason() {
    let mut world = World::new();
    let mut call = Script::new("cancel");
    let session = world.invited(&call);
    world.happened();
    call.extra = String::new();
    let cancel =
        call.cancel().replace("Content-Length", "Reason: Q.850;cause=16;text=\"x\"\r\nContent-Length");
    world.datagram(TRUNK, &cancel);
    let happened = world.happened();
    assert!(
        matches!(
            happened[..],
            [Event::Explained { cause: Cause::Q850(16), .. }, Event::Cancelled { session: over }] if over == session
        ),
        "first why, then what: {happened:?}"
    );
    let mut call = Script::new("bye");
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    call.to_tag = world.take().last().unwrap().to_tag();
    world.datagram(TRUNK, &call.ack());
    world.happened();
    world.datagram(TRUNK, &call.next("BYE", "Reason: SIP;cause=503, Q.850;cause=38\r\n", ""));
    assert_eq!(explained(&mut world), [(session, Cause::Q850(38))]);
}

#[test]
fn what_a_phone_says_in_a_refusal_is_heard_and_nothing_is_made_up() {
    for (header, expected) in [
        ("Reason: Q.850;cause=21\r\n", vec![Cause::Q850(21)]),
        ("Reason: SIP;cause=600;text=\"dnd\"\r\n", vec![Cause::Sip(600)]),
        ("Reason: nonsense\r\n", vec![]),
        ("", vec![]),
    ] {
        let mut world = World::new();
        let (session, invite) = world.ring();
        world.happened();
        world.datagram(PHONE, &invite.answer("480 Temporarily Unavailable", "p", header, ""));
        let said: Vec<_> = expected.into_iter().map(|cause| (session, cause)).collect();
        assert_eq!(explained(&mut world), said, "{header}");
    }
}

#[test]
fn a_phone_that_redirects_is_not_followed_anywhere() {
    for contact in ["<sip:+4990012345@carrier.example>", "<tel:+4990012345>", "<sip:anna@203.0.113.99>"] {
        for status in
            ["300 Multiple Choices", "301 Moved Permanently", "302 Moved Temporarily", "305 Use Proxy"]
        {
            let mut world = World::new();
            let (session, invite) = world.ring();
            world.happened();
            world.datagram(PHONE, &invite.answer(status, "p", &format!("Contact: {contact}\r\n"), ""));
            let ack = world.only();
            assert_eq!(
                (ack.method(), ack.flow.remote.to_string().as_str()),
                ("ACK", PHONE),
                "{status} to {contact}"
            );
            let code: u16 = status[..3].parse().unwrap();
            assert!(
                matches!(world.happened()[..], [Event::Refused { session: over, status, .. }] if over == session && status == code)
            );
            world.pass(Duration::from_secs(60));
            assert!(world.take().is_empty() && world.connects.is_empty());
        }
    }
}

#[test]
fn section_20_43_what_cannot_be_read_is_refused_with_a_word() {
    let text = |kind: &str| format!("Content-Type: {kind}\r\n");
    for (extra, body, status, warning) in [
        (
            text("text/plain"),
            "hello",
            415,
            Some("399 vorzimmer \"A call is described by application/sdp alone\""),
        ),
        (
            format!("{}Content-Encoding: gzip\r\n", text("application/sdp")),
            SDP,
            415,
            Some("399 vorzimmer \"Bodies are read as they are, without an encoding\""),
        ),
        (
            format!("{}Accept: application/isup, text/*\r\n", text("application/sdp")),
            SDP,
            406,
            Some("399 vorzimmer \"We describe calls by application/sdp alone\""),
        ),
        (
            format!("{}Accept: application/isup, Application/SDP;q=0.3\r\n", text("application/sdp")),
            SDP,
            100,
            None,
        ),
        (format!("{}Accept: */*\r\n", text("application/sdp")), SDP, 100, None),
        (format!("{}Accept: application/*\r\n", text("application/sdp")), SDP, 100, None),
        (format!("{}Accept: \r\n", text("application/sdp")), SDP, 100, None),
    ] {
        let mut world = World::new();
        let call = Script::new("word");
        let invite = call.request("INVITE", 1, &format!("Contact: <sip:gw@{TRUNK}>\r\n{extra}"), body);
        world.datagram(TRUNK, &invite);
        let answer = world.only();
        assert_eq!((answer.status(), answer.header("Warning")), (Some(status), warning), "{extra}");
    }
}
