//! RFC 3261 §15: the end, from either side and from both.

use bytes::Bytes;
use vorzimmer_sip::transaction::PATIENCE;
use vorzimmer_sip::ua::{Command, Ending, Event, Reason};

use crate::s12_dialog::talking;
use crate::world::{PHONE, SDP, Script, TRUNK, World};

#[test]
fn a_bye_before_the_ack_ends_the_session_and_the_repeating() {
    let mut world = World::new();
    let mut call = Script::new("c1");
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    call.to_tag = world.take().pop().unwrap().to_tag();
    world.happened();
    let ack = call.ack();
    world.datagram(TRUNK, &call.next("BYE", "", ""));
    assert_eq!(world.statuses(), [200]);
    assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::PeerHungUp, .. }]));
    world.datagram(TRUNK, &ack);
    world.pass(PATIENCE);
    assert!(world.take().is_empty() && world.happened().is_empty());
    assert_eq!(world.ua.counters().stray_acks, 1);
}

#[test]
fn section_15_our_bye_waits_for_the_ack() {
    let mut world = World::new();
    let mut call = Script::new("c1");
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    call.to_tag = world.take().pop().unwrap().to_tag();
    let reason = Reason { protocol: "SIP", cause: 408, text: "a \"quoted\"\r\ntext".into(), warning: None };
    world.command(Command::Hangup { session, reason: Some(reason) });
    assert!(world.take().is_empty());
    world.datagram(TRUNK, &call.ack());
    let bye = world.only();
    assert_eq!((bye.method(), bye.header("Reason")), ("BYE", Some("SIP ;cause=408 ;text=\"a quotedtext\"")));
}

#[test]
fn both_sides_at_once() {
    let mut world = World::new();
    let (session, mut call) = talking(&mut world);
    world.command(Command::Hangup { session, reason: None });
    let ours = world.only();
    world.datagram(TRUNK, &call.next("BYE", "", ""));
    assert_eq!(world.statuses(), [200]);
    world.datagram(TRUNK, &ours.answer("481 Gone", "", "", ""));
    assert!(matches!(world.happened()[..], [Event::Ended { .. }]), "told once");
    assert_eq!(world.ua.counters().sessions, 0);
}

#[test]
fn after_our_bye_the_dialog_is_no_more() {
    let mut world = World::new();
    let (session, mut call) = talking(&mut world);
    world.command(Command::Hangup { session, reason: None });
    world.take();
    world.datagram(TRUNK, &call.next("INFO", "", ""));
    assert_eq!(world.statuses(), [481]);
    world.command(Command::Hangup { session, reason: None });
    assert!(world.take().is_empty());
}

#[test]
fn a_bye_that_nobody_answers_is_over_all_the_same() {
    let mut world = World::new();
    let (session, _) = talking(&mut world);
    world.command(Command::Hangup { session, reason: None });
    world.pass(PATIENCE);
    assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::WeHungUp, .. }]));
    assert_eq!(world.take().len(), 11, "Timer E: 0, 0.5, 1.5, 3.5, 7.5 … 31.5");
    assert_eq!(world.ua.next_wake(), None);
}

#[test]
fn a_bye_while_their_reinvite_is_open_refuses_it() {
    let mut world = World::new();
    let (_, mut call) = talking(&mut world);
    let content = "Contact: <sip:gw@192.0.2.10>\r\nContent-Type: application/sdp\r\n";
    world.datagram(TRUNK, &call.next("INVITE", content, SDP));
    world.take();
    world.datagram(TRUNK, &call.next("BYE", "", ""));
    assert_eq!(world.statuses(), [200, 487], "§15.1.2");
}

#[test]
fn a_bye_in_an_early_dialog() {
    // The caller may (§15); the callee must not.
    let mut world = World::new();
    let mut call = Script::new("c1");
    let session = world.invited(&call);
    world.command(Command::Progress { session, status: 180, sdp: None });
    call.to_tag = world.take().pop().unwrap().to_tag();
    world.happened();
    world.datagram(TRUNK, &call.next("BYE", "", ""));
    assert_eq!(world.statuses(), [200, 487]);
    assert!(matches!(world.happened()[..], [Event::Cancelled { .. }]));

    let (_, invite) = world.ring();
    world.datagram(PHONE, &invite.answer("180 Ringing", "d1", "", ""));
    let bye = format!(
        "BYE sip:198.51.100.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKb;rport\r\n\
         From: {};tag=d1\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n",
        invite.header("To").unwrap(),
        invite.header("From").unwrap(),
        invite.header("Call-ID").unwrap()
    );
    world.datagram(PHONE, &bye);
    assert_eq!(world.statuses(), [481]);
}

#[test]
fn hanging_up_on_what_was_never_answered() {
    let mut world = World::new();
    let session = world.invited(&Script::new("c1"));
    world.take();
    world.happened();
    world.command(Command::Hangup { session, reason: None });
    assert_eq!(world.statuses(), [480]);
    assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::WeHungUp, .. }]));
    let (session, invite) = world.ring();
    world.datagram(PHONE, &invite.answer("180 Ringing", "d1", "", ""));
    world.command(Command::Hangup { session, reason: None });
    assert_eq!(world.only().method(), "CANCEL");
}
