//! RFC 3264 §4 and RFC 3261 §13.2.1: an INVITE without an offer, ours to a device. Theirs to us is in `s13_invite`.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::ua::{Command, Event, FromParty, SessionId};

use crate::world::{ANNA, Over, PHONE, Sent, World};

const CONTENT: &str = "Contact: <sip:anna@10.0.0.7>\r\nContent-Type: application/sdp\r\n";

fn answer() -> Bytes {
    Bytes::from_static(b"our answer")
}

/// Anna's phone is rung without an offer.
fn ring(world: &mut World) -> (SessionId, Sent) {
    world.register(&Over::Udp(PHONE), "anna", &format!("<sip:anna@{PHONE}>"), 1);
    world.take();
    let to = Box::new(world.ua.bindings(ANNA, world.now).remove(0));
    let session = world.ua.next_session();
    world.command(Command::Invite {
        session,
        to,
        from: FromParty::Anonymous,
        sdp: None,
        headers: Vec::new(),
    });
    world.happened();
    (session, world.only())
}

#[test]
fn the_offer_comes_in_the_2xx_and_the_answer_goes_in_the_ack() {
    let mut world = World::new();
    let (session, invite) = ring(&mut world);
    assert_eq!((invite.body(), invite.header("Content-Type")), ("", None));
    world.datagram(PHONE, &invite.answer("200 OK", "d1", CONTENT, "their offer"));
    let [Event::Answered { sdp: Some(offer), .. }] = &world.happened()[..] else { panic!("no offer") };
    assert_eq!(offer, "their offer");
    world.datagram(PHONE, &invite.answer("200 OK", "d1", CONTENT, "their offer"));
    assert!(world.take().is_empty() && world.happened().is_empty(), "its ACK waits for the answer");
    world.command(Command::Answer { session, sdp: answer() });
    let ack = world.only();
    assert_eq!((ack.method(), ack.body()), ("ACK", "our answer"));
    world.datagram(PHONE, &invite.answer("200 OK", "d1", CONTENT, "their offer"));
    assert_eq!(world.only().text, ack.text, "the ACK was lost");
}

#[test]
fn an_offer_that_is_not_taken_is_acknowledged_and_ended() {
    for hang_up in [true, false] {
        let mut world = World::new();
        let (session, invite) = ring(&mut world);
        world.datagram(PHONE, &invite.answer("200 OK", "d1", CONTENT, "their offer"));
        if hang_up {
            world.command(Command::Hangup { session, reason: None });
        } else {
            world.pass(Duration::from_secs(33));
        }
        let sent = world.take();
        let methods: Vec<&str> = sent.iter().map(Sent::method).take(2).collect();
        assert_eq!(methods, ["ACK", "BYE"]);
    }
}

#[test]
fn the_offer_comes_in_a_reliable_answer_and_ours_goes_in_the_prack() {
    let mut world = World::new();
    let (session, invite) = ring(&mut world);
    let extra = format!("{CONTENT}Require: 100rel\r\nRSeq: 9\r\n");
    world.datagram(PHONE, &invite.answer("183 Session Progress", "d1", &extra, "their offer"));
    assert!(world.take().is_empty());
    let [Event::Progressed { sdp: Some(_), .. }] = world.happened()[..] else { panic!("no offer") };
    world.command(Command::Answer { session, sdp: answer() });
    let prack = world.only();
    assert_eq!((prack.method(), prack.body()), ("PRACK", "our answer"));
    assert_eq!(prack.header("RAck"), Some("9 1 INVITE"));
    world.datagram(PHONE, &prack.answer("200 OK", "", "", ""));
    world.datagram(PHONE, &invite.answer("200 OK", "d1", "Contact: <sip:anna@10.0.0.7>\r\n", ""));
    assert_eq!((world.sent.len(), world.only().body()), (1, ""));
    assert!(matches!(world.happened()[..], [Event::Answered { sdp: None, .. }]));
}

#[test]
fn a_cancel_that_comes_too_late_needs_no_answer() {
    let mut world = World::new();
    let (session, invite) = ring(&mut world);
    world.datagram(PHONE, &invite.answer("180 Ringing", "d1", "", ""));
    world.command(Command::Cancel { session, reason: None });
    world.take();
    world.datagram(PHONE, &invite.answer("200 OK", "d1", CONTENT, "their offer"));
    let methods: Vec<String> = world.take().iter().map(|sent| sent.method().to_owned()).collect();
    assert_eq!(methods, ["ACK", "BYE"]);
}
