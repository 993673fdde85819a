//! RFC 3261 §17 and RFC 6026 as seen from the wire: keys, retransmissions, timers.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::transaction::{PATIENCE, T1};
use vorzimmer_sip::ua::{Command, Event};

use crate::world::{Over, PHONE, Script, TRUNK, World};

#[test]
fn section_17_1_1_2_an_invite_is_repeated_by_timer_a() {
    let mut world = World::new();
    world.ring_after_registering();
    world.pass(PATIENCE);
    let first = world.sent[0].at;
    let at: Vec<_> = world.take().iter().map(|sent| (sent.at - first).as_millis()).collect();
    assert_eq!(at, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
}

#[test]
fn section_17_1_1_2_timer_d_keeps_answering_the_same_refusal() {
    let mut world = World::new();
    let (_, invite) = world.ring();
    world.happened();
    let busy = invite.answer("486 Busy Here", "d1", "", "");
    for _ in 0..3 {
        world.datagram(PHONE, &busy);
    }
    let acks = world.take();
    assert_eq!(acks.len(), 3);
    assert!(acks.iter().all(|ack| ack.text == acks[0].text));
    assert_eq!(world.happened().len(), 1);
    world.pass(PATIENCE);
    world.datagram(PHONE, &busy);
    assert!(world.take().is_empty());
    assert_eq!(world.ua.counters().stray_responses, 1);
}

#[test]
fn section_17_2_1_an_invite_again_gets_the_latest_provisional() {
    let mut world = World::new();
    let call = Script::new("c1");
    let session = world.invited(&call);
    world.datagram(TRUNK, &call.invite());
    assert_eq!(world.statuses(), [100, 100]);
    world.command(Command::Progress { session, status: 183, sdp: Some(Bytes::from_static(b"early")) });
    world.datagram(TRUNK, &call.invite());
    assert_eq!(world.statuses(), [183, 183]);
    assert_eq!(world.happened().len(), 1, "one INVITE, however often it comes");
    assert_eq!(world.ua.counters().retransmitted, 2);
}

#[test]
fn section_17_2_1_timer_h_counts_the_missing_ack() {
    let mut world = World::new();
    let session = world.invited(&Script::new("c1"));
    world.command(Command::Refuse { session, status: 486, reason: None, retry_after: None });
    world.pass(PATIENCE);
    let at: Vec<_> = world.take().iter().skip(1).map(|sent| sent.at.as_millis()).collect();
    assert_eq!(at, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500], "Timer G");
    assert_eq!(world.ua.counters().unacknowledged, 1);
    assert_eq!(world.ua.counters().server_transactions, 0);
}

#[test]
fn section_17_2_2_an_answer_is_repeated_until_timer_j() {
    let mut world = World::new();
    let options = Script::new("o").request("OPTIONS", 1, "", "");
    world.datagram(TRUNK, &options);
    let ok = world.only();
    world.pass(PATIENCE - Duration::from_millis(1));
    world.datagram(TRUNK, &options);
    assert_eq!(world.only().text, ok.text);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.ua.counters().server_transactions, 0);
    world.datagram(TRUNK, &options);
    assert_ne!(world.only().to_tag(), ok.to_tag(), "a new transaction");
}

#[test]
fn section_17_2_3_branch_sent_by_and_method_make_the_key() {
    let mut world = World::new();
    let call = Script::new("c1");
    world.invited(&call);
    world.take();
    let mut other = Script { via: "SIP/2.0/UDP 192.0.2.11:5060".into(), ..Script::new("c2") };
    other.branch = call.branch.clone();
    world.datagram(TRUNK, &other.invite());
    assert_eq!(world.happened().len(), 2, "the same branch of somebody else is another transaction");
    // §18.2.1, §20.42: host names have no case, and 5060 is what a missing port means.
    let odd = call.invite().replace("192.0.2.10:5060;branch", "192.0.2.10;branch");
    world.take();
    world.datagram(TRUNK, &odd);
    assert!(world.happened().is_empty());
    assert_eq!(world.statuses(), [100]);
}

#[test]
fn section_17_2_3_peers_of_rfc_2543() {
    let mut world = World::new();
    let mut call = Script::new("old");
    call.branch = "1".into();
    let session = world.invited(&call);
    world.datagram(TRUNK, &call.invite());
    assert_eq!(world.statuses(), [100, 100]);
    assert_eq!(world.happened().len(), 1);
    world.command(Command::Refuse { session, status: 486, reason: None, retry_after: None });
    let refusal = world.only();
    let ack = Script { to_tag: refusal.to_tag(), ..call.clone() };
    world.datagram(TRUNK, &ack.request("ACK", 1, "", ""));
    world.pass(PATIENCE);
    assert!(world.take().is_empty(), "acknowledged by the same Via, without a unique branch");

    let mut call = Script::new("old2");
    call.branch = "2".into();
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    call.to_tag = world.take().pop().unwrap().to_tag();
    world.happened();
    world.datagram(TRUNK, &call.request("ACK", 1, "", ""));
    assert!(matches!(world.happened()[..], [Event::Acknowledged { .. }]));
    let cancel = Script { branch: "3".into(), ..Script::new("old3") };
    world.datagram(TRUNK, &cancel.invite());
    world.take();
    world.happened();
    world.datagram(TRUNK, &cancel.cancel());
    assert_eq!(world.statuses(), [200, 487]);
}

#[test]
fn rfc_6026_section_7_an_ack_of_a_2xx_belongs_to_no_transaction() {
    let mut world = World::new();
    let mut call = Script::new("c1");
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    call.to_tag = world.take().pop().unwrap().to_tag();
    world.datagram(TRUNK, &call.ack());
    assert_eq!(world.ua.counters().stray_acks, 0);
    world.datagram(TRUNK, &Script { to_tag: "none".into(), ..call }.ack());
    assert_eq!(world.ua.counters().stray_acks, 1);
    assert!(world.take().is_empty(), "an ACK is never answered");
}

#[test]
fn on_a_reliable_transport_nothing_is_repeated() {
    let mut world = World::new();
    world.open(5, PHONE);
    world.register(&Over::Tcp(5), "anna", "<sip:anna@10.0.0.7>", 1);
    let (_, invite) = world.ring_again();
    world.pass(T1 * 20);
    assert!(world.take().is_empty());
    world.stream(5, &invite.answer("486 Busy Here", "d1", "", ""));
    assert_eq!(world.only().method(), "ACK");
    assert_eq!(world.ua.counters().client_transactions, 0, "Timer D is zero");
    let call = Script { via: "SIP/2.0/TCP 192.0.2.10:5060".into(), ..Script::new("c1") };
    world.open(6, TRUNK);
    world.stream(6, &call.invite());
    let session = world.session();
    world.take();
    world.command(Command::Refuse { session, status: 486, reason: None, retry_after: None });
    world.pass(T1 * 20);
    assert_eq!(world.take().len(), 1, "Timer G is not set");
}

#[test]
fn answers_to_nothing_are_dropped() {
    let mut world = World::new();
    let (_, invite) = world.ring();
    let foreign = invite.answer("200 OK", "x", "", "").replace(invite.branch(), "z9hG4bKforged");
    world.datagram(PHONE, &foreign);
    world.datagram(PHONE, &invite.answer("200 OK", "x", "", "").replace("1 INVITE", "1 BYE"));
    assert!(world.take().is_empty());
    assert_eq!(world.ua.counters().stray_responses, 2);
}
