//! RFC 3311: UPDATE, theirs and ours.

use bytes::Bytes;
use vorzimmer_sip::ua::{Command, Event};

use crate::s12_dialog::talking;
use crate::world::{PHONE, SDP, Script, TRUNK, World};

const CONTACT: &str = "Contact: <sip:gw@192.0.2.77>\r\n";
const OFFER: &str = "Contact: <sip:gw@192.0.2.77>\r\nContent-Type: application/sdp\r\n";

fn sdp(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// A call whose caller allows UPDATE.
fn allowing(world: &mut World) -> (vorzimmer_sip::ua::SessionId, Script) {
    let mut call = Script::new("updates");
    call.extra = "Allow: INVITE, ACK, BYE, UPDATE\r\n".into();
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: sdp("answer") });
    call.to_tag = world.take().pop().unwrap().to_tag();
    world.datagram(TRUNK, &call.ack());
    world.happened();
    (session, call)
}

#[test]
fn section_4_we_say_that_we_know_it() {
    let mut world = World::new();
    let (_, invite) = world.ring();
    assert!(invite.header("Allow").unwrap().contains("UPDATE"));
    let call = Script::new("c1");
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: sdp("answer") });
    assert!(world.take().pop().unwrap().header("Allow").unwrap().contains("UPDATE"));
}

#[test]
fn section_5_2_without_an_offer_it_only_moves_the_target() {
    let mut world = World::new();
    let (session, mut call) = talking(&mut world);
    world.datagram(TRUNK, &call.next("UPDATE", CONTACT, ""));
    let ok = world.only();
    assert_eq!((ok.status(), ok.body()), (Some(200), ""));
    assert_eq!(ok.header("Contact"), Some("<sip:198.51.100.1:5060>"));
    assert!(world.happened().is_empty());
    world.command(Command::Hangup { session, reason: None });
    assert_eq!(world.only().start(), "BYE sip:gw@192.0.2.77 SIP/2.0");
}

#[test]
fn section_5_2_an_offer_is_answered_in_the_2xx_and_not_acknowledged() {
    let mut world = World::new();
    let (session, mut call) = talking(&mut world);
    world.datagram(TRUNK, &call.next("UPDATE", OFFER, SDP));
    assert!(world.take().is_empty());
    assert!(matches!(world.happened()[..], [Event::Reoffered { sdp: Some(_), .. }]));
    world.command(Command::Accept { session, sdp: sdp("held") });
    let ok = world.only();
    assert_eq!((ok.status(), ok.body()), (Some(200), "held"));
    assert!(ok.header("CSeq").unwrap().ends_with("UPDATE"));
    world.pass(std::time::Duration::from_secs(40));
    assert!(world.take().is_empty(), "nothing waits for an ACK");
    assert_eq!(world.ua.counters().sessions, 1);
}

#[test]
fn section_5_2_a_refused_offer_changes_nothing() {
    let mut world = World::new();
    let (session, mut call) = talking(&mut world);
    world.datagram(TRUNK, &call.next("UPDATE", OFFER, SDP));
    world.command(Command::Refuse { session, status: 488, reason: None, retry_after: None });
    assert_eq!(world.only().status(), Some(488));
    world.happened();
    world.datagram(TRUNK, &call.next("UPDATE", OFFER, SDP));
    assert!(matches!(world.happened()[..], [Event::Reoffered { .. }]), "the next one is welcome");
}

#[test]
fn section_5_2_while_theirs_is_unanswered_500_with_a_time() {
    for (first, second) in [("UPDATE", "UPDATE"), ("INVITE", "UPDATE"), ("UPDATE", "INVITE")] {
        let mut world = World::new();
        let (_, mut call) = talking(&mut world);
        world.datagram(TRUNK, &call.next(first, OFFER, SDP));
        world.take();
        world.datagram(TRUNK, &call.next(second, OFFER, SDP));
        let refused = world.only();
        assert_eq!(refused.status(), Some(500), "{first} {second}");
        let seconds: u8 = refused.header("Retry-After").unwrap().parse().unwrap();
        assert!(seconds <= 10);
    }
}

#[test]
fn section_5_2_glare_is_491_both_ways() {
    let mut world = World::new();
    let (session, mut call) = allowing(&mut world);
    world.command(Command::Update { session, sdp: sdp("our offer") });
    let ours = world.only();
    assert_eq!((ours.method(), ours.body()), ("UPDATE", "our offer"));
    for method in ["UPDATE", "INVITE"] {
        world.datagram(TRUNK, &call.next(method, OFFER, SDP));
        assert_eq!(world.only().status(), Some(491), "{method}");
    }
    // A sign of life is no glare.
    world.datagram(TRUNK, &call.next("UPDATE", CONTACT, ""));
    assert_eq!(world.statuses(), [200]);
    world.datagram(TRUNK, &ours.answer("491 Request Pending", "", "", ""));
    assert!(world.happened().is_empty());
    world.pass(std::time::Duration::from_secs(2));
    let again = world.take().into_iter().find(|sent| sent.method() == "UPDATE").unwrap();
    assert_eq!((again.method(), again.body()), ("UPDATE", "our offer"));
    world.datagram(TRUNK, &again.answer("200 OK", "", OFFER, "their answer"));
    assert!(world.take().is_empty(), "no ACK for an UPDATE");
    let [Event::ReinviteEnded { status: 200, sdp: Some(answer), .. }] = &world.happened()[..] else {
        panic!()
    };
    assert_eq!(answer, "their answer");
}

#[test]
fn section_5_1_a_500_with_a_time_is_waited_for() {
    let mut world = World::new();
    let (session, _) = allowing(&mut world);
    world.command(Command::Update { session, sdp: sdp("our offer") });
    let ours = world.only();
    world.datagram(TRUNK, &ours.answer("500 Server Internal Error", "", "Retry-After: 7\r\n", ""));
    world.pass(std::time::Duration::from_millis(6_900));
    assert!(world.take().is_empty() && world.happened().is_empty());
    world.pass(std::time::Duration::from_millis(200));
    assert_eq!(world.only().body(), "our offer");
}

#[test]
fn section_5_1_who_does_not_know_it_gets_a_reinvite() {
    let mut world = World::new();
    let (session, _) = talking(&mut world);
    world.command(Command::Update { session, sdp: sdp("our offer") });
    assert_eq!(world.only().method(), "INVITE", "never said to be allowed");

    let mut world = World::new();
    let (session, _) = allowing(&mut world);
    world.command(Command::Update { session, sdp: sdp("our offer") });
    let update = world.only();
    world.datagram(TRUNK, &update.answer("501 Not Implemented", "", "", ""));
    let invite = world.only();
    assert_eq!((invite.method(), invite.body()), ("INVITE", "our offer"), "said to be allowed, and is not");
}

#[test]
fn section_5_2_an_offer_of_theirs_takes_the_place_of_one_of_ours_that_waits() {
    let mut world = World::new();
    let (session, mut call) = allowing(&mut world);
    world.datagram(TRUNK, &call.next("UPDATE", OFFER, SDP));
    world.happened();
    world.command(Command::Update { session, sdp: sdp("version 2") });
    assert!(world.take().is_empty(), "theirs first");
    world.command(Command::Accept { session, sdp: sdp("version 3") });
    assert_eq!(world.only().body(), "version 3");
    assert!(matches!(world.happened()[..], [Event::ReinviteEnded { status: 491, .. }]));
    world.pass(std::time::Duration::from_secs(10));
    assert!(world.take().is_empty(), "an older version is never sent after a newer one");
}

#[test]
fn section_5_2_in_an_early_dialog_the_first_offer_comes_first() {
    // Theirs: the INVITE's offer is not answered.
    let mut world = World::new();
    let mut call = Script::new("early");
    let session = world.invited(&call);
    world.command(Command::Progress { session, status: 180, sdp: None });
    call.to_tag = world.take().pop().unwrap().to_tag();
    world.datagram(TRUNK, &call.next("UPDATE", OFFER, SDP));
    let refused = world.only();
    assert_eq!(refused.status(), Some(500));
    assert!(refused.header("Retry-After").is_some());
    world.datagram(TRUNK, &call.next("UPDATE", CONTACT, ""));
    assert_eq!(world.only().status(), Some(200));
    // And a phone's, while it rings.
    let (_, invite) = world.ring();
    world.datagram(PHONE, &invite.answer("180 Ringing", "d1", CONTACT, ""));
    let update = |cseq: u32, extra: &str, body: &str| {
        format!(
            "UPDATE sip:198.51.100.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKu{cseq};rport\r\n\
             From: {};tag=d1\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} UPDATE\r\nMax-Forwards: 70\r\n{extra}\
             Content-Length: {}\r\n\r\n{body}",
            invite.header("To").unwrap(),
            invite.header("From").unwrap(),
            invite.header("Call-ID").unwrap(),
            body.len()
        )
    };
    world.datagram(PHONE, &update(1, OFFER, SDP));
    assert_eq!(world.only().status(), Some(491), "the offer is ours");
    world.datagram(PHONE, &update(2, CONTACT, ""));
    assert_eq!(world.only().status(), Some(200));
}

#[test]
fn what_it_carries_must_be_a_description() {
    let mut world = World::new();
    let (_, mut call) = talking(&mut world);
    world.datagram(TRUNK, &call.next("UPDATE", "Content-Type: text/plain\r\n", "hello"));
    let refused = world.only();
    assert_eq!((refused.status(), refused.header("Accept")), (Some(415), Some("application/sdp")));
}

#[test]
fn outside_a_dialog_it_is_481() {
    let mut world = World::new();
    world.datagram(TRUNK, &Script::new("none").request("UPDATE", 2, "", ""));
    assert_eq!(world.only().status(), Some(481));
}
