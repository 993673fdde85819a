//! RFC 3261 §9: giving an INVITE up, theirs and ours.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::transaction::PATIENCE;
use vorzimmer_sip::ua::{Command, Ending, Event, Reason};

use crate::world::{PHONE, STRANGER, Script, TRUNK, World};

fn elsewhere() -> Option<Reason> {
    Some(Reason { protocol: "SIP", cause: 200, text: "Call completed elsewhere".into(), warning: None })
}

#[test]
fn section_9_1_a_cancel_waits_for_a_provisional_and_looks_like_its_invite() {
    let mut world = World::new();
    let (session, invite) = world.ring();
    world.command(Command::Cancel { session, reason: elsewhere() });
    assert!(world.take().is_empty(), "nothing came yet");
    world.happened();
    world.datagram(PHONE, &invite.answer("180 Ringing", "d1", "", ""));
    let cancel = world.only();
    assert_eq!(cancel.method(), "CANCEL");
    assert_eq!(cancel.start().split(' ').nth(1), invite.start().split(' ').nth(1));
    for same in ["Via", "From", "To", "Call-ID"] {
        assert_eq!(cancel.header(same), invite.header(same));
    }
    assert_eq!(cancel.header("CSeq"), Some("1 CANCEL"));
    assert_eq!(cancel.header("Reason"), Some("SIP ;cause=200 ;text=\"Call completed elsewhere\""));
    assert_eq!((cancel.headers("Via").len(), cancel.body()), (1, ""));
    assert!(world.happened().is_empty(), "a ringing device that was given up is not told of");
    world.datagram(PHONE, &cancel.answer("200 OK", "d1", "", ""));
    world.datagram(PHONE, &invite.answer("487 Request Terminated", "d1", "", ""));
    assert_eq!(world.only().method(), "ACK");
    assert!(matches!(world.happened()[..], [Event::Refused { status: 487, .. }]));
    assert_eq!(world.ua.counters().sessions, 0);
}

#[test]
fn section_13_2_2_4_a_2xx_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut world = World::new();
    let (session, invite) = world.ring();
    world.datagram(PHONE, &invite.answer("180 Ringing", "d1", "", ""));
    world.command(Command::Cancel { session, reason: elsewhere() });
    assert_eq!(world.only().method(), "CANCEL");
    world.happened();
    let contact = format!("Contact: <sip:anna@{PHONE}>\r\n");
    world.datagram(PHONE, &invite.answer("200 OK", "d1", &contact, ""));
    let sent = world.take();
    assert_eq!(sent.iter().map(|s| s.method()).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert!(world.happened().is_empty(), "nobody answered, as far as anybody above is concerned");
    world.datagram(PHONE, &sent[1].answer("200 OK", "", "", ""));
    assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::WeHungUp, .. }]));
}

#[test]
fn section_9_1_without_any_answer_it_counts_as_cancelled_after_64_t1() {
    let mut world = World::new();
    let (session, invite) = world.ring();
    world.datagram(PHONE, &invite.answer("180 Ringing", "d1", "", ""));
    world.command(Command::Cancel { session, reason: None });
    world.happened();
    world.pass(PATIENCE - Duration::from_millis(1));
    assert!(world.happened().is_empty());
    world.pass(Duration::from_millis(1));
    assert!(matches!(world.happened()[..], [Event::Refused { status: 487, .. }]));
    assert_eq!(world.ua.counters().client_transactions, 0);
    assert_eq!(
        world.ua.next_wake().map(|wake| wake > world.now.mono),
        Some(true),
        "only the binding is left"
    );
}

#[test]
fn a_device_that_never_answers_at_all_times_out_even_if_it_was_given_up() {
    let mut world = World::new();
    let (session, _) = world.ring();
    world.command(Command::Cancel { session, reason: None });
    world.happened();
    world.pass(PATIENCE);
    assert!(matches!(world.happened()[..], [Event::Refused { status: 408, .. }]));
    assert!(world.take().iter().all(|sent| sent.method() == "INVITE"));
}

#[test]
fn section_9_2_theirs_matches_by_branch_and_source() {
    let mut world = World::new();
    let call = Script::new("c1");
    world.invited(&call);
    world.take();
    world.happened();
    world.datagram(STRANGER, &call.cancel());
    assert!(world.take().is_empty() && world.happened().is_empty(), "somebody else's CANCEL");
    world.datagram(TRUNK, &Script { branch: "z9hG4bK-wrong".into(), ..call.clone() }.cancel());
    assert_eq!(world.statuses(), [481]);
    world.datagram(TRUNK, &call.cancel());
    world.datagram(TRUNK, &call.cancel());
    let sent = world.take();
    assert_eq!(sent.iter().filter_map(|s| s.status()).collect::<Vec<_>>(), [200, 487, 200]);
    assert_eq!(sent[0].header("CSeq"), Some("1 CANCEL"));
    assert_eq!(sent[1].header("CSeq"), Some("1 INVITE"));
    assert_eq!(world.happened().len(), 1);
}

#[test]
fn section_9_2_a_cancel_after_the_answer_changes_nothing() {
    let mut world = World::new();
    let mut call = Script::new("c1");
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    call.to_tag = world.take().last().unwrap().to_tag();
    world.happened();
    let crossing = Script { to_tag: String::new(), ..call.clone() };
    world.datagram(TRUNK, &crossing.cancel());
    assert_eq!(world.statuses(), [200]);
    world.datagram(TRUNK, &call.ack());
    assert!(matches!(world.happened()[..], [Event::Acknowledged { .. }]), "the call goes on");
}
