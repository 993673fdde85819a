//! RFC 3261 §14: changing a session, theirs, ours, and both at once.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::transaction::PATIENCE;
use vorzimmer_sip::ua::{Command, Ending, Event};

use crate::s12_dialog::talking;
use crate::world::{PHONE, SDP, Script, Sent, TRUNK, World};

fn offer() -> Bytes {
    Bytes::from_static(b"our offer")
}

const CONTENT: &str = "Contact: <sip:gw@192.0.2.77>\r\nContent-Type: application/sdp\r\n";

#[test]
fn section_14_2_hold_from_the_peer_and_target_refresh() {
    let mut world = World::new();
    let (session, mut call) = talking(&mut world);
    world.datagram(TRUNK, &call.next("INVITE", CONTENT, SDP));
    assert_eq!(world.statuses(), [100]);
    assert!(matches!(world.happened()[..], [Event::Reoffered { sdp: Some(_), .. }]));
    world.command(Command::Accept { session, sdp: offer() });
    assert_eq!(world.only().status(), Some(200));
    world.datagram(TRUNK, &call.ack());
    assert!(matches!(world.happened()[..], [Event::Acknowledged { .. }]));
    // Without offer: ours is in the 2xx, the answer in the ACK.
    world.datagram(TRUNK, &call.next("INVITE", "Contact: <sip:gw@192.0.2.77>\r\n", ""));
    world.take();
    assert!(matches!(world.happened()[..], [Event::Reoffered { sdp: None, .. }]));
    world.command(Command::Accept { session, sdp: offer() });
    let ack = Script { branch: "z9hG4bK-late".into(), ..call.clone() };
    world.datagram(TRUNK, &ack.request("ACK", call.cseq, "Content-Type: application/sdp\r\n", SDP));
    assert!(matches!(world.happened()[..], [Event::Acknowledged { sdp: Some(_), .. }]));
    world.take();
    world.command(Command::Hangup { session, reason: None });
    assert_eq!(world.only().start(), "BYE sip:gw@192.0.2.77 SIP/2.0", "§12.2.2: the target was refreshed");
}

#[test]
fn a_refused_reinvite_changes_nothing() {
    let mut world = World::new();
    let (session, mut call) = talking(&mut world);
    world.datagram(TRUNK, &call.next("INVITE", CONTENT, SDP));
    world.take();
    world.command(Command::Refuse { session, status: 488, reason: None, retry_after: None });
    assert_eq!(world.only().status(), Some(488));
    assert_eq!(world.ua.counters().sessions, 1);
    world.datagram(TRUNK, &call.next("BYE", "", ""));
    assert_eq!(world.only().status(), Some(200));
}

#[test]
fn section_14_2_one_at_a_time() {
    let mut world = World::new();
    let (session, mut call) = talking(&mut world);
    world.datagram(TRUNK, &call.next("INVITE", CONTENT, SDP));
    world.take();
    world.datagram(TRUNK, &call.next("INVITE", CONTENT, SDP));
    let second = world.only();
    assert_eq!(second.status(), Some(500));
    let seconds: u8 = second.header("Retry-After").unwrap().parse().unwrap();
    assert!(seconds <= 10);
    // Accepted but not acknowledged: still pending.
    world.command(Command::Accept { session, sdp: offer() });
    world.take();
    world.datagram(TRUNK, &call.next("INVITE", CONTENT, SDP));
    assert_eq!(world.only().status(), Some(491));
}

#[test]
fn section_14_2_an_invite_while_the_first_is_unanswered() {
    let mut world = World::new();
    let mut call = Script::new("early");
    let session = world.invited(&call);
    world.command(Command::Progress { session, status: 180, sdp: None });
    call.to_tag = world.take().pop().unwrap().to_tag();
    world.datagram(TRUNK, &call.next("INVITE", CONTENT, SDP));
    assert_eq!(world.only().status(), Some(500));
}

#[test]
fn section_14_1_ours_is_accepted() {
    let mut world = World::new();
    let (session, _) = talking(&mut world);
    world.command(Command::Reinvite { session, sdp: offer() });
    let invite = world.only();
    assert_eq!(
        (invite.method(), invite.body(), invite.header("CSeq")),
        ("INVITE", "our offer", Some("1 INVITE"))
    );
    world.datagram(TRUNK, &invite.answer("200 OK", "", CONTENT, SDP));
    let ack = world.only();
    assert_eq!((ack.method(), ack.start()), ("ACK", "ACK sip:gw@192.0.2.77 SIP/2.0"));
    let [Event::ReinviteEnded { status: 200, sdp: Some(sdp), .. }] = &world.happened()[..] else { panic!() };
    assert_eq!(sdp, SDP);
    world.datagram(TRUNK, &invite.answer("200 OK", "", CONTENT, SDP));
    assert_eq!(world.only().text, ack.text, "the ACK was lost");
    assert!(world.happened().is_empty());
}

#[test]
fn section_14_1_glare_theirs_is_refused_ours_is_tried_again() {
    // The trunk made the Call-ID: we wait 0 to 2 s. For Anna's phone it is ours: 2.1 to 4 s.
    let mut world = World::new();
    let (session, mut call) = talking(&mut world);
    world.command(Command::Reinvite { session, sdp: offer() });
    let ours = world.only();
    world.datagram(TRUNK, &call.next("INVITE", CONTENT, SDP));
    assert_eq!(world.only().status(), Some(491));
    let sent_at = glare(&mut world, &ours, TRUNK);
    assert!(sent_at <= Duration::from_secs(2), "{sent_at:?}");

    let mut world = World::new();
    let (session, invite) = world.ring();
    world.datagram(PHONE, &invite.answer("200 OK", "d1", "", ""));
    world.take();
    world.happened();
    world.command(Command::Reinvite { session, sdp: offer() });
    let ours = world.only();
    let sent_at = glare(&mut world, &ours, PHONE);
    assert!((Duration::from_millis(2100)..=Duration::from_secs(4)).contains(&sent_at), "{sent_at:?}");
}

/// Answers 491 and returns after which time the re-INVITE came again.
fn glare(world: &mut World, ours: &Sent, peer: &str) -> Duration {
    world.datagram(peer, &ours.answer("491 Request Pending", "", "", ""));
    assert_eq!(world.only().method(), "ACK");
    assert!(world.happened().is_empty(), "the layer above need not know yet");
    let before = world.elapsed();
    while !world.sent.iter().any(|sent| sent.method() == "INVITE") {
        world.pass(Duration::from_millis(10));
        assert!(world.elapsed() - before < Duration::from_secs(5));
    }
    let again = world.take().pop().unwrap();
    assert_ne!(again.branch(), ours.branch());
    assert_eq!(again.body(), "our offer");
    again.at - before
}

#[test]
fn section_14_1_a_peer_that_is_always_busy_ends_the_attempts() {
    let mut world = World::new();
    let (session, _) = talking(&mut world);
    world.command(Command::Reinvite { session, sdp: offer() });
    let mut tries = 0;
    while let Some(invite) = world.take().into_iter().find(|sent| sent.method() == "INVITE") {
        tries += 1;
        world.datagram(TRUNK, &invite.answer("491 Request Pending", "", "", ""));
        world.take();
        world.pass(Duration::from_secs(2));
    }
    assert_eq!(tries, 4);
    assert!(matches!(world.happened()[..], [Event::ReinviteEnded { status: 491, sdp: None, .. }]));
}

#[test]
fn section_12_2_1_2_a_lost_dialog_is_ended() {
    for answer in [Some("481 Call/Transaction Does Not Exist"), Some("408 Request Timeout"), None] {
        let mut world = World::new();
        let (session, _) = talking(&mut world);
        world.command(Command::Reinvite { session, sdp: offer() });
        let invite = world.only();
        match answer {
            Some(answer) => world.datagram(TRUNK, &invite.answer(answer, "", "", "")),
            None => world.pass(PATIENCE),
        }
        assert_eq!(world.take().last().unwrap().method(), "BYE", "{answer:?}");
        world.pass(PATIENCE);
        let happened = world.happened();
        assert!(
            matches!(
                happened[..],
                [
                    Event::ReinviteEnded { status: 408 | 481, .. },
                    Event::Ended { why: Ending::DialogLost, .. }
                ]
            ),
            "{happened:?}"
        );
    }
}

#[test]
fn a_refusal_of_ours_leaves_the_session_as_it_was() {
    let mut world = World::new();
    let (session, _) = talking(&mut world);
    for status in ["488 Not Acceptable Here", "500 Oops", "401 Unauthorized"] {
        world.command(Command::Reinvite { session, sdp: offer() });
        let invite = world.take().pop().unwrap();
        world.datagram(TRUNK, &invite.answer(status, "", "", ""));
        let [Event::ReinviteEnded { status: told, .. }] = world.happened()[..] else { panic!() };
        assert!(status.starts_with(&told.to_string()));
    }
    assert_eq!(world.ua.counters().sessions, 1);
}

#[test]
fn ours_waits_for_the_ack_of_theirs() {
    let mut world = World::new();
    let mut call = Script::new("c1");
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: offer() });
    call.to_tag = world.take().pop().unwrap().to_tag();
    world.command(Command::Reinvite { session, sdp: offer() });
    assert!(world.take().is_empty());
    world.datagram(TRUNK, &call.ack());
    world.pass(Duration::from_secs(2));
    assert_eq!(world.take().first().map(|sent| sent.method().to_owned()), Some("INVITE".into()));
}

#[test]
fn a_second_one_of_ours_is_refused_and_a_silent_one_is_given_up() {
    let mut world = World::new();
    let (session, _) = talking(&mut world);
    world.command(Command::Reinvite { session, sdp: offer() });
    let invite = world.only();
    world.command(Command::Reinvite { session, sdp: offer() });
    assert!(matches!(world.happened()[..], [Event::ReinviteEnded { status: 491, .. }]));
    world.datagram(TRUNK, &invite.answer("100 Trying", "", "", ""));
    world.pass(Duration::from_secs(64));
    assert!(matches!(world.happened()[..], [Event::ReinviteEnded { status: 408, .. }]));
}
