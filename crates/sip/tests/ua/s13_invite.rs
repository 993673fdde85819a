//! RFC 3261 §13: INVITE, its answers, their ACK; forks.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::transaction::{PATIENCE, T1};
use vorzimmer_sip::ua::{Command, Ending, Event};

use crate::world::{PHONE, SDP, Script, TRUNK, World};

fn answer() -> Bytes {
    Bytes::from_static(b"answer")
}

#[test]
fn section_13_3_1_4_a_2xx_is_repeated_until_its_ack_then_no_more() {
    let mut world = World::new();
    let mut call = Script::new("c1");
    let session = world.invited(&call);
    world.take();
    world.command(Command::Accept { session, sdp: answer() });
    world.pass(Duration::from_secs(8));
    let at: Vec<_> = world.sent.iter().map(|sent| sent.at.as_millis()).collect();
    assert_eq!(at, [0, 500, 1500, 3500, 7500], "T1 doubling up to T2");
    let repeated = world.take();
    assert!(repeated.iter().all(|sent| sent.text == repeated[0].text));
    // The INVITE again, in Accepted: absorbed (RFC 6026 §7.1).
    world.datagram(TRUNK, &call.invite());
    assert!(world.take().is_empty());
    call.to_tag = repeated[0].to_tag();
    world.datagram(TRUNK, &call.ack());
    world.datagram(TRUNK, &call.ack());
    world.pass(Duration::from_secs(60));
    assert!(world.take().is_empty());
    let happened = world.happened();
    assert!(matches!(happened[..], [Event::Invited { .. }, Event::Acknowledged { .. }]), "{happened:?}");
    assert_eq!(world.ua.counters().server_transactions, 0, "Timer L");
}

#[test]
fn section_13_3_1_4_without_any_ack_the_session_ends_with_bye() {
    for transport in ["udp", "tcp"] {
        let mut world = World::new();
        let mut call = Script::new("c1");
        if transport == "tcp" {
            call.via = "SIP/2.0/TCP 192.0.2.10:5060".into();
            world.open(1, TRUNK);
            world.stream(1, &call.invite());
        } else {
            world.datagram(TRUNK, &call.invite());
        }
        let session = world.session();
        world.happened();
        world.command(Command::Accept { session, sdp: answer() });
        world.pass(PATIENCE - Duration::from_millis(1));
        assert!(world.happened().is_empty());
        let repeats = world.take().iter().filter(|sent| sent.status() == Some(200)).count();
        assert_eq!(repeats, 11, "on a reliable transport too");
        world.pass(Duration::from_millis(1));
        let bye = world.only();
        assert_eq!(bye.method(), "BYE");
        world.pass(PATIENCE);
        assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::NoAck, .. }]), "{transport}");
    }
}

#[test]
fn section_13_3_1_1_ringing_is_repeated_each_minute() {
    let mut world = World::new();
    let session = world.invited(&Script::new("c1"));
    world.command(Command::Progress { session, status: 180, sdp: None });
    world.take();
    world.pass(Duration::from_secs(185));
    assert_eq!(world.statuses(), [180, 180, 180]);
    world.command(Command::Progress { session, status: 183, sdp: Some(answer()) });
    assert_eq!(world.only().body(), "answer");
    world.pass(Duration::from_secs(60));
    let again = world.only();
    assert_eq!((again.status(), again.body()), (Some(183), "answer"));
    world.command(Command::Accept { session, sdp: answer() });
    world.take();
    world.pass(Duration::from_secs(400));
    assert!(!world.statuses().contains(&183));
}

#[test]
fn section_13_3_1_an_invitation_expires() {
    let mut world = World::new();
    let mut call = Script::new("c1");
    call.extra = "Expires: 20\r\n".into();
    world.invited(&call);
    world.take();
    world.happened();
    world.pass(Duration::from_secs(20));
    assert_eq!(world.only().status(), Some(487));
    assert!(matches!(world.happened()[..], [Event::Cancelled { .. }]));
}

#[test]
fn section_13_2_1_late_offer_the_answer_comes_in_the_ack() {
    let mut world = World::new();
    let mut call = Script::new("late");
    let invite = call.request("INVITE", 1, "Contact: <sip:gw@192.0.2.10>\r\n", "");
    world.datagram(TRUNK, &invite);
    let Some(Event::Invited { session, sdp: None, .. }) = world.happened().pop() else { panic!() };
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"our offer") });
    let ok = world.take().pop().unwrap();
    assert_eq!(ok.body(), "our offer");
    call.to_tag = ok.to_tag();
    let ack = Script { branch: "z9hG4bK-a".into(), ..call };
    world.datagram(TRUNK, &ack.request("ACK", 1, "Content-Type: application/sdp\r\n", SDP));
    let [Event::Acknowledged { sdp: Some(sdp), .. }] = &world.happened()[..] else { panic!() };
    assert_eq!(sdp, SDP);
}

#[test]
fn section_13_2_2_4_each_fork_is_acknowledged_and_all_but_the_first_are_ended() {
    let mut world = World::new();
    let (_, invite) = world.ring();
    world.happened();
    let fork = |n: usize| {
        let contact = format!("Contact: <sip:anna@10.0.0.{n}>\r\nContent-Type: application/sdp\r\n");
        invite.answer("200 OK", &format!("fork{n}"), &contact, &format!("answer{n}"))
    };
    world.datagram(PHONE, &invite.answer("180 Ringing", "fork2", "", ""));
    world.datagram(PHONE, &fork(1));
    let ack = world.only();
    assert_eq!((ack.method(), ack.to_tag().as_str()), ("ACK", "fork1"));
    world.datagram(PHONE, &fork(2));
    let sent = world.take();
    assert_eq!(
        sent.iter().map(|s| (s.method(), s.to_tag())).collect::<Vec<_>>(),
        [("ACK", "fork2".to_owned()), ("BYE", "fork2".to_owned())]
    );
    assert_eq!(sent[1].start(), "BYE sip:anna@10.0.0.2 SIP/2.0");
    // Repeated 2xx: the same ACK again, nothing else.
    world.datagram(PHONE, &fork(1));
    world.datagram(PHONE, &fork(2));
    let again = world.take();
    assert_eq!(again.iter().map(|s| &s.text).collect::<Vec<_>>(), [&ack.text, &sent[0].text]);
    let answers = world.happened();
    assert!(matches!(answers[..], [Event::Progressed { .. }, Event::Answered { .. }]), "{answers:?}");
}

#[test]
fn a_flood_of_forks_is_bounded() {
    let mut world = World::new();
    let (_, invite) = world.ring();
    for n in 0..50 {
        world.datagram(PHONE, &invite.answer("200 OK", &format!("fork{n}"), "", ""));
    }
    assert_eq!(world.take().iter().filter(|sent| sent.method() == "ACK").count(), 8);
}

#[test]
fn refusals_and_silence() {
    for (answer, status) in [
        ("302 Moved Temporarily", 302),
        ("404 Not Found", 404),
        ("486 Busy Here", 486),
        ("503 Service Unavailable", 503),
        ("603 Decline", 603),
    ] {
        let mut world = World::new();
        let (_, invite) = world.ring();
        world.happened();
        world.datagram(PHONE, &invite.answer(answer, "d1", "Retry-After: 18 (comment);duration=3\r\n", ""));
        let ack = world.only();
        assert_eq!((ack.method(), ack.branch()), ("ACK", invite.branch()));
        assert_eq!(ack.to_tag(), "d1");
        let [Event::Refused { status: told, retry_after, .. }] = &world.happened()[..] else { panic!() };
        assert_eq!((*told, *retry_after), (status, Some(Duration::from_secs(18))));
    }
    let mut world = World::new();
    world.ring();
    world.happened();
    world.pass(PATIENCE);
    assert!(matches!(world.happened()[..], [Event::Refused { status: 408, .. }]), "Timer B");
    assert_eq!(world.ua.counters().client_transactions, 0);
}

#[test]
fn a_device_that_rings_for_ever_is_given_up() {
    let mut world = World::new();
    let (_, invite) = world.ring();
    world.datagram(PHONE, &invite.answer("180 Ringing", "d1", "", ""));
    world.take();
    world.pass(Duration::from_secs(600));
    assert_eq!(world.take().first().map(|sent| sent.method().to_owned()), Some("CANCEL".into()));
}

#[test]
fn what_we_refuse() {
    for (status, retry) in [(486_u16, None), (404, None), (503, Some(Duration::from_secs(30)))] {
        let mut world = World::new();
        let call = Script::new("c1");
        let session = world.invited(&call);
        world.take();
        world.command(Command::Refuse { session, status, reason: None, retry_after: retry });
        let refusal = world.only();
        assert_eq!(refusal.status(), Some(status));
        assert_eq!(refusal.header("Retry-After"), retry.map(|_| "30"));
        assert_eq!(world.ua.counters().sessions, 0);
        // §17.2.1: repeated until the ACK comes.
        world.pass(T1);
        assert_eq!(world.only().text, refusal.text);
        let ack = Script { to_tag: refusal.to_tag(), ..call };
        world.datagram(TRUNK, &ack.request("ACK", 1, "", ""));
        world.pass(PATIENCE);
        assert!(world.take().is_empty());
        assert_eq!(world.ua.counters().unacknowledged, 0);
    }
}

#[test]
fn commands_for_what_is_over_do_nothing() {
    let mut world = World::new();
    let call = Script::new("c1");
    let session = world.invited(&call);
    world.datagram(TRUNK, &call.cancel());
    world.take();
    world.happened();
    world.command(Command::Accept { session, sdp: answer() });
    world.command(Command::Progress { session, status: 180, sdp: None });
    world.command(Command::Refuse { session, status: 486, reason: None, retry_after: None });
    world.command(Command::Hangup { session, reason: None });
    world.command(Command::Cancel { session, reason: None });
    assert!(world.take().is_empty() && world.happened().is_empty());
}

#[test]
fn rfc_5621_a_description_among_other_parts() {
    let mut world = World::new();
    let call = Script::new("isup");
    let body = format!(
        "--x\r\nContent-Type: application/isup; version=itu-t92+\r\n\r\n..\r\n\
         --x\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--x--\r\n"
    );
    let extra = "Contact: <sip:gw@192.0.2.10>\r\nContent-Type: multipart/mixed;boundary=x\r\n";
    world.datagram(TRUNK, &call.request("INVITE", 1, extra, &body));
    assert_eq!(world.only().status(), Some(100));
    let Some(Event::Invited { sdp: Some(sdp), .. }) = world.happened().pop() else {
        panic!("no description")
    };
    assert_eq!(sdp, SDP);
    let without = body.replace("application/sdp", "text/plain");
    world.datagram(TRUNK, &Script::new("none").request("INVITE", 1, extra, &without));
    assert_eq!(world.only().status(), Some(415));
}
