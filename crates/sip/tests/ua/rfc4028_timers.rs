//! RFC 4028: sessions that are kept alive, by us or by the peer, and those that are not.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::ua::{Command, Ending, Event, SessionId};

use crate::world::{PHONE, SDP, Script, Sent, TRUNK, World};

const CONTACT: &str = "Contact: <sip:gw@192.0.2.77>\r\n";
const KNOWS_UPDATE: &str = "Supported: timer\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n";
const KNOWS_NO_UPDATE: &str = "Supported: timer\r\nAllow: INVITE, ACK, BYE\r\n";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn sdp(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// A trunk's call with these headers is accepted and acknowledged; our 200 is returned.
fn accepted(world: &mut World, extra: &str) -> (SessionId, Script, Sent) {
    let mut call = Script::new("timed");
    call.extra = extra.into();
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: sdp("answer") });
    let ok = world.take().pop().unwrap();
    call.to_tag = ok.to_tag();
    world.datagram(TRUNK, &call.ack());
    world.happened();
    (session, call, ok)
}

/// A phone is rung and answers with these headers.
fn answered(world: &mut World, extra: &str) -> (SessionId, Sent) {
    let (session, invite) = world.ring();
    world.datagram(PHONE, &invite.answer("200 OK", "d1", extra, SDP));
    world.take();
    world.happened();
    (session, invite)
}

/// Lets time pass until something is sent.
fn next_sent(world: &mut World, within: Duration) -> Option<Sent> {
    let until = world.elapsed() + within;
    while world.sent.is_empty() && world.elapsed() < until {
        world.pass(Duration::from_millis(500));
    }
    let mut sent = world.take();
    (!sent.is_empty()).then(|| sent.remove(0))
}

#[test]
fn section_9_what_a_caller_asks_for_and_what_it_gets() {
    // asked for -> Session-Expires, Require
    let cases = [
        // Nobody asked, and who knows nothing of it is left alone.
        ("", None, None),
        ("Supported: timer\r\n", Some("1800;refresher=uas"), Some("timer")),
        ("Supported: timer\r\nSession-Expires: 600\r\n", Some("600;refresher=uas"), Some("timer")),
        ("Supported: timer\r\nx: 600;refresher=uac\r\n", Some("600;refresher=uac"), Some("timer")),
        ("k: timer\r\nSession-Expires: 600;refresher=uas\r\n", Some("600;refresher=uas"), Some("timer")),
        // Longer than we like, but not below what is asked for at least.
        ("Supported: timer\r\nSession-Expires: 7200\r\n", Some("1800;refresher=uas"), Some("timer")),
        (
            "Supported: timer\r\nSession-Expires: 7200\r\nMin-SE: 3600\r\n",
            Some("3600;refresher=uas"),
            Some("timer"),
        ),
        // A proxy asks for it; the caller knows nothing of it, so it is for us to refresh.
        ("Session-Expires: 600\r\nMin-SE: 90\r\n", Some("600;refresher=uas"), None),
        ("Require: timer\r\nSession-Expires: 90\r\n", Some("90;refresher=uas"), Some("timer")),
    ];
    for (extra, expires, require) in cases {
        let mut world = World::new();
        let (_, _, ok) = accepted(&mut world, extra);
        assert_eq!((ok.header("Session-Expires"), ok.header("Require")), (expires, require), "{extra}");
        assert!(ok.header("Supported").unwrap().contains("timer"));
    }
}

#[test]
fn section_9_too_short_is_422_with_the_least() {
    let mut world = World::new();
    let mut call = Script::new("short");
    call.extra = "Supported: timer\r\nSession-Expires: 89\r\n".into();
    world.datagram(TRUNK, &call.invite());
    let refused = world.only();
    assert_eq!((refused.status(), refused.header("Min-SE")), (Some(422), Some("90")));
    assert!(world.happened().is_empty());
    // Within the dialog it changes nothing.
    let (_, mut call, _) = accepted(&mut world, "Supported: timer\r\nSession-Expires: 600\r\n");
    world.datagram(TRUNK, &call.next("UPDATE", &format!("{CONTACT}Session-Expires: 30\r\n"), ""));
    assert_eq!(world.only().status(), Some(422));
    assert_eq!(world.ua.counters().sessions, 1);
}

#[test]
fn section_10_we_refresh_by_update_and_the_session_goes_on() {
    let mut world = World::new();
    let extra = format!("{KNOWS_UPDATE}Session-Expires: 600;refresher=uas\r\n");
    accepted(&mut world, &extra);
    for _ in 0..3 {
        let before = world.elapsed();
        let update = next_sent(&mut world, seconds(400)).expect("a refresh");
        assert_eq!((update.method(), update.body()), ("UPDATE", ""));
        assert_eq!(update.header("Session-Expires"), Some("600;refresher=uac"));
        assert!((update.at - before).abs_diff(seconds(300)) < seconds(1), "half of the interval");
        let extra = "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n";
        world.datagram(TRUNK, &update.answer("200 OK", "", extra, ""));
    }
    assert!(world.happened().is_empty(), "the layer above need not know");
}

#[test]
fn section_10_a_peer_without_update_is_refreshed_by_reinvite() {
    let mut world = World::new();
    let extra = format!("{KNOWS_NO_UPDATE}Session-Expires: 600;refresher=uas\r\n");
    let (session, _, _) = accepted(&mut world, &extra);
    world.pass(seconds(301));
    assert!(matches!(world.happened()[..], [Event::RefreshDue { session: due }] if due == session));
    world.command(Command::Reinvite { session, sdp: sdp("as before") });
    let invite = world.only();
    assert_eq!((invite.method(), invite.header("Session-Expires")), ("INVITE", Some("600;refresher=uac")));
    world.datagram(TRUNK, &invite.answer("200 OK", "", "Session-Expires: 600;refresher=uac\r\n", SDP));
    assert_eq!(world.only().method(), "ACK");
    world.happened();
    world.pass(seconds(301));
    assert!(matches!(world.happened()[..], [Event::RefreshDue { .. }]), "and so on");
}

#[test]
fn section_10_an_update_that_is_not_known_after_all_becomes_a_reinvite() {
    for status in ["405 Method Not Allowed", "501 Not Implemented"] {
        let mut world = World::new();
        accepted(&mut world, &format!("{KNOWS_UPDATE}Session-Expires: 600;refresher=uas\r\n"));
        let update = next_sent(&mut world, seconds(400)).expect("a refresh");
        world.datagram(TRUNK, &update.answer(status, "", "", ""));
        assert!(matches!(world.happened()[..], [Event::RefreshDue { .. }]), "{status}");
    }
}

#[test]
fn section_10_nobody_refreshes_and_the_session_expires() {
    // 32 s or a third before the end, whichever is less.
    for (asked, ends) in [(600, 568), (90, 60)] {
        let mut world = World::new();
        let extra = format!("Supported: timer\r\nSession-Expires: {asked};refresher=uac\r\n");
        accepted(&mut world, &extra);
        world.pass(seconds(ends - 1));
        assert!(world.take().is_empty());
        world.pass(seconds(2));
        let bye = world.take().remove(0);
        assert_eq!(bye.method(), "BYE");
        assert_eq!(bye.header("Reason"), Some("Q.850 ;cause=102 ;text=\"Session timer expired\""));
        world.datagram(TRUNK, &bye.answer("200 OK", "", "", ""));
        assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::Expired, .. }]));
        assert_eq!(world.ua.next_wake().map(|_| world.ua.counters().sessions), Some(0));
    }
}

#[test]
fn section_10_a_refresh_that_the_dialog_does_not_survive() {
    for answer in [Some("481 Call/Transaction Does Not Exist"), Some("408 Request Timeout"), None] {
        let mut world = World::new();
        accepted(&mut world, &format!("{KNOWS_UPDATE}Session-Expires: 600;refresher=uas\r\n"));
        let update = next_sent(&mut world, seconds(400)).expect("a refresh");
        match answer {
            Some(answer) => world.datagram(TRUNK, &update.answer(answer, "", "", "")),
            None => world.pass(seconds(33)),
        }
        assert!(world.take().iter().any(|sent| sent.method() == "BYE"), "{answer:?}");
    }
}

#[test]
fn section_10_a_refresh_that_is_refused_is_tried_again_until_the_end() {
    let mut world = World::new();
    accepted(&mut world, &format!("{KNOWS_UPDATE}Session-Expires: 600;refresher=uas\r\n"));
    let mut tries = 0;
    while let Some(sent) = next_sent(&mut world, seconds(400)) {
        if sent.method() == "BYE" {
            break;
        }
        tries += 1;
        world.datagram(TRUNK, &sent.answer("500 Server Internal Error", "", "Retry-After: 60\r\n", ""));
    }
    // From 300 s to 568 s, once a minute.
    assert_eq!(tries, 5);
}

#[test]
fn section_9_each_refresh_of_theirs_starts_the_time_anew() {
    for method in ["UPDATE", "INVITE"] {
        let mut world = World::new();
        let extra = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
        let (session, mut call, _) = accepted(&mut world, extra);
        for _ in 0..3 {
            world.pass(seconds(400));
            let sdp_type = if method == "INVITE" { "Content-Type: application/sdp\r\n" } else { "" };
            let body = if method == "INVITE" { SDP } else { "" };
            world.datagram(TRUNK, &call.next(method, &format!("{CONTACT}{extra}{sdp_type}"), body));
            if method == "INVITE" {
                world.command(Command::Accept { session, sdp: sdp("answer") });
                world.datagram(TRUNK, &call.ack());
            }
            let ok = world.take().pop().unwrap();
            assert_eq!(
                (ok.status(), ok.header("Session-Expires")),
                (Some(200), Some("600;refresher=uac")),
                "{method}"
            );
        }
        world.pass(seconds(570));
        assert!(world.take().iter().any(|sent| sent.method() == "BYE"));
    }
}

#[test]
fn section_9_the_roles_change_with_a_refresh() {
    let mut world = World::new();
    let (_, mut call, _) = accepted(&mut world, "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n");
    let extra = format!("{CONTACT}{KNOWS_UPDATE}Session-Expires: 200;refresher=uas\r\n");
    world.datagram(TRUNK, &call.next("UPDATE", &extra, ""));
    assert_eq!(world.only().header("Session-Expires"), Some("200;refresher=uas"));
    world.pass(seconds(101));
    let update = world.take().remove(0);
    assert_eq!(update.method(), "UPDATE", "now it is our turn");
    world.datagram(TRUNK, &update.answer("200 OK", "", "Session-Expires: 200;refresher=uac\r\n", ""));
    // And a refresh without a timer ends it.
    world.datagram(TRUNK, &call.next("UPDATE", CONTACT, ""));
    assert_eq!(world.only().header("Session-Expires"), None);
    world.pass(seconds(1000));
    assert_eq!(world.ua.counters().sessions, 1);
}

#[test]
fn section_7_what_we_ask_of_a_device() {
    // its answer -> who refreshes, when; when it is over
    let cases = [
        ("", None, None),
        ("Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n", Some(300), Some(568)),
        ("Session-Expires: 600\r\n", Some(300), Some(568)),
        ("Session-Expires: 600;refresher=uas\r\n", None, Some(568)),
        // Below the least: followed as far as it is not a flood.
        ("Session-Expires: 1;refresher=uas\r\n", None, Some(20)),
    ];
    for (extra, refresh, end) in cases {
        let mut world = World::new();
        let (_, invite) = answered(&mut world, &format!("{CONTACT}{extra}Allow: UPDATE\r\n"));
        assert_eq!(invite.header("Session-Expires"), Some("1800"));
        assert_eq!(invite.header("Min-SE"), None);
        let from = world.elapsed();
        let (mut refreshed, mut ended) = (None, None);
        while world.elapsed() - from < seconds(700) && ended.is_none() {
            world.pass(seconds(1));
            for sent in world.take() {
                match sent.method() {
                    "UPDATE" => refreshed = refreshed.or(Some((sent.at - from).as_secs())),
                    "BYE" => ended = ended.or(Some((sent.at - from).as_secs())),
                    _ => {}
                }
            }
            // Its refreshes are answered by nobody: with ours the dialog is lost first.
            if refreshed.is_some() {
                break;
            }
        }
        assert_eq!(refreshed, refresh, "{extra}");
        if refresh.is_none() {
            assert_eq!(ended, end, "{extra}");
        }
    }
}

#[test]
fn section_7_3_a_device_that_wants_a_longer_interval_is_rung_again() {
    let mut world = World::new();
    let (session, invite) = world.ring();
    world.datagram(PHONE, &invite.answer("422 Session Interval Too Small", "d0", "Min-SE: 3600\r\n", ""));
    let sent = world.take();
    let [ack, again] = &sent[..] else { panic!("an ACK and another INVITE") };
    assert_eq!((ack.method(), again.method()), ("ACK", "INVITE"));
    assert_eq!((again.header("Session-Expires"), again.header("Min-SE")), (Some("3600"), Some("3600")));
    assert_eq!(
        (again.header("Call-ID"), again.author_tag()),
        (invite.header("Call-ID"), invite.author_tag())
    );
    assert_eq!((again.header("CSeq"), again.body()), (Some("2 INVITE"), invite.body()));
    assert_eq!(again.to_tag(), "");
    world.datagram(PHONE, &again.answer("200 OK", "d1", CONTACT, SDP));
    assert_eq!(world.only().header("CSeq"), Some("2 ACK"));
    assert!(
        matches!(world.happened()[..], [.., Event::Answered { session: answered, .. }] if answered == session)
    );
}

#[test]
fn section_7_3_a_422_that_asks_for_nothing_more_is_a_refusal() {
    for extra in ["", "Min-SE: 90\r\n", "Min-SE: 1800\r\n", "Min-SE: soon\r\n"] {
        let mut world = World::new();
        let (_, invite) = world.ring();
        world.happened();
        world.datagram(PHONE, &invite.answer("422 Session Interval Too Small", "d0", extra, ""));
        assert_eq!(world.only().method(), "ACK");
        assert!(matches!(world.happened()[..], [Event::Refused { status: 422, .. }]), "{extra}");
    }
}

#[test]
fn section_7_3_within_the_dialog_too() {
    let mut world = World::new();
    accepted(&mut world, &format!("{KNOWS_UPDATE}Session-Expires: 600;refresher=uas\r\n"));
    let update = next_sent(&mut world, seconds(400)).expect("a refresh");
    world.datagram(TRUNK, &update.answer("422 Session Interval Too Small", "", "Min-SE: 900\r\n", ""));
    let again = world.only();
    assert_eq!(again.header("Session-Expires"), Some("900;refresher=uac"));
    assert_eq!(again.header("Min-SE"), Some("900"));
    world.datagram(TRUNK, &again.answer("200 OK", "", "Session-Expires: 900;refresher=uac\r\n", ""));
    world.pass(seconds(449));
    assert!(world.take().is_empty());
    world.pass(seconds(2));
    assert_eq!(world.take().remove(0).method(), "UPDATE");
}

#[test]
fn a_bye_stops_the_clock() {
    let mut world = World::new();
    let (_, mut call, _) = accepted(&mut world, "Supported: timer\r\nSession-Expires: 600\r\n");
    world.datagram(TRUNK, &call.next("BYE", "", ""));
    world.pass(seconds(2000));
    assert_eq!(world.statuses(), [200]);
    assert_eq!(world.ua.next_wake(), None);
}
