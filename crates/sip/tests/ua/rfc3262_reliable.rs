//! RFC 3262: provisional answers that are acknowledged, ours and theirs.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::ua::{Command, Ending, Event, SessionId};

use crate::world::{PHONE, SDP, Script, Sent, TRUNK, World};

const CONTENT: &str = "Contact: <sip:gw@192.0.2.77>\r\nContent-Type: application/sdp\r\n";
const REQUIRED: &str = "Require: 100rel\r\n";
const SUPPORTED: &str = "Supported: 100rel\r\n";

fn sdp(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn progress(session: SessionId, status: u16, sdp: Option<Bytes>) -> Command {
    Command::Progress { session, status, sdp }
}

/// A call that says this about reliable answers.
fn invited(world: &mut World, extra: &str) -> (SessionId, Script) {
    let mut call = Script::new("reliable");
    call.extra = extra.into();
    let session = world.invited(&call);
    world.take();
    world.happened();
    (session, call)
}

/// The PRACK of an answer of ours.
fn prack(call: &mut Script, answer: &Sent, extra: &str, body: &str) -> String {
    call.to_tag = answer.to_tag();
    let rseq = answer.header("RSeq").unwrap();
    call.next("PRACK", &format!("RAck: {rseq} 1 INVITE\r\n{extra}"), body)
}

#[test]
fn section_3_who_gets_reliable_answers() {
    // what the caller says, with a description or without -> reliable or not
    let cases = [
        ("", true, false),
        ("", false, false),
        (SUPPORTED, false, false),
        (SUPPORTED, true, true),
        (REQUIRED, false, true),
        (REQUIRED, true, true),
    ];
    for (extra, described, reliable) in cases {
        let mut world = World::new();
        let (session, _) = invited(&mut world, extra);
        world.command(progress(session, 183, described.then(|| sdp("early"))));
        let sent = world.only();
        assert_eq!(sent.status(), Some(183));
        assert_eq!(sent.header("Require") == Some("100rel"), reliable, "{extra} {described}");
        assert_eq!(sent.header("RSeq").is_some(), reliable);
        if reliable {
            let rseq: u32 = sent.header("RSeq").unwrap().parse().unwrap();
            assert!((1..1 << 31).contains(&rseq));
        }
    }
}

#[test]
fn section_3_repeated_until_its_prack() {
    let mut world = World::new();
    let (session, mut call) = invited(&mut world, REQUIRED);
    let start = world.elapsed();
    world.command(progress(session, 180, None));
    world.pass(Duration::from_secs(8));
    let sent = world.take();
    let at: Vec<u128> = sent.iter().map(|sent| (sent.at - start).as_millis()).collect();
    assert_eq!(at, [0, 500, 1500, 3500, 7500]);
    assert!(sent.iter().all(|again| again.text == sent[0].text));
    let text = prack(&mut call, &sent[0], "", "");
    world.datagram(TRUNK, &text);
    assert_eq!(world.only().status(), Some(200));
    world.datagram(TRUNK, &text);
    assert_eq!(world.only().status(), Some(200), "the PRACK again, and the same answer");
    world.pass(Duration::from_secs(40));
    assert!(world.take().is_empty());
}

#[test]
fn section_3_without_a_prack_the_invite_is_refused() {
    let mut world = World::new();
    let (session, _) = invited(&mut world, REQUIRED);
    world.command(progress(session, 183, Some(sdp("early"))));
    world.command(Command::Accept { session, sdp: sdp("answer") });
    world.pass(Duration::from_secs(33));
    assert!(world.statuses().contains(&504));
    assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::NoAck, .. }]));
    world.pass(Duration::from_secs(60));
    assert_eq!(world.ua.counters().sessions, 0);
    assert_eq!(world.ua.counters().server_transactions, 0);
}

#[test]
fn section_3_a_prack_of_something_else_is_481() {
    for rack in ["0 1 INVITE", "RSEQ 2 INVITE", "RSEQ 1 UPDATE"] {
        let mut world = World::new();
        let (session, mut call) = invited(&mut world, REQUIRED);
        world.command(progress(session, 180, None));
        let sent = world.only();
        call.to_tag = sent.to_tag();
        let rack = rack.replace("RSEQ", sent.header("RSeq").unwrap());
        world.datagram(TRUNK, &call.next("PRACK", &format!("RAck: {rack}\r\n"), ""));
        assert_eq!(world.only().status(), Some(481), "{rack}");
    }
    let mut world = World::new();
    let (session, mut call) = invited(&mut world, "");
    world.command(progress(session, 180, None));
    call.to_tag = world.only().to_tag();
    world.datagram(TRUNK, &call.next("PRACK", "RAck: 1 1 INVITE\r\n", ""));
    assert_eq!(world.only().status(), Some(481), "nothing was reliable");
    world.datagram(TRUNK, &call.next("PRACK", "RAck: soon\r\n", ""));
    assert_eq!(world.only().status(), Some(400));
    world.datagram(TRUNK, &Script::new("none").request("PRACK", 2, "RAck: 1 1 INVITE\r\n", ""));
    assert_eq!(world.only().status(), Some(481), "outside any dialog");
}

#[test]
fn section_3_one_at_a_time_and_numbers_go_up_by_one() {
    let mut world = World::new();
    let (session, mut call) = invited(&mut world, REQUIRED);
    for status in [181, 182, 180] {
        world.command(progress(session, status, None));
    }
    let mut last: Option<u32> = None;
    for status in [181, 182, 180] {
        let sent = world.only();
        assert_eq!(sent.status(), Some(status));
        let rseq: u32 = sent.header("RSeq").unwrap().parse().unwrap();
        assert!(last.is_none_or(|last| last + 1 == rseq));
        last = Some(rseq);
        let text = prack(&mut call, &sent, "", "");
        world.datagram(TRUNK, &text);
        assert_eq!(world.sent.remove(0).status(), Some(200));
    }
    assert!(world.take().is_empty());
}

#[test]
fn section_3_the_2xx_waits_for_the_prack_of_a_description() {
    let mut world = World::new();
    let (session, mut call) = invited(&mut world, SUPPORTED);
    world.command(progress(session, 183, Some(sdp("answer"))));
    let early = world.only();
    world.command(Command::Accept { session, sdp: sdp("answer") });
    assert!(world.take().is_empty());
    let text = prack(&mut call, &early, "", "");
    world.datagram(TRUNK, &text);
    let sent = world.take();
    assert_eq!(sent.iter().filter_map(Sent::status).collect::<Vec<_>>(), [200, 200]);
    assert!(sent[0].header("CSeq").unwrap().ends_with("PRACK"));
    assert!(sent[1].header("CSeq").unwrap().ends_with("INVITE"));
    world.datagram(TRUNK, &call.request("ACK", 1, "", ""));
    assert!(matches!(world.happened()[..], [Event::Acknowledged { sdp: None, .. }]));
}

#[test]
fn section_3_without_a_description_it_does_not_wait_and_the_prack_may_come_late() {
    let mut world = World::new();
    let (session, mut call) = invited(&mut world, REQUIRED);
    world.command(progress(session, 180, None));
    let ringing = world.only();
    world.command(Command::Accept { session, sdp: sdp("answer") });
    assert_eq!(world.only().status(), Some(200));
    let text = prack(&mut call, &ringing, "", "");
    world.datagram(TRUNK, &text);
    let ok = world.only();
    assert_eq!((ok.status(), ok.header("CSeq")), (Some(200), Some("2 PRACK")));
    world.datagram(TRUNK, &call.request("ACK", 1, "", ""));
    world.pass(Duration::from_secs(40));
    assert!(world.take().is_empty(), "the reliable answer is not repeated after the final one");
    assert_eq!(world.ua.counters().sessions, 1);
}

#[test]
fn section_3_a_cancelled_invite_is_not_repeated_any_more() {
    let mut world = World::new();
    let (session, call) = invited(&mut world, REQUIRED);
    world.command(progress(session, 180, None));
    world.take();
    world.datagram(TRUNK, &call.cancel());
    assert_eq!(world.statuses(), [200, 487]);
    world.datagram(TRUNK, &call.request("ACK", 1, "", ""));
    world.pass(Duration::from_secs(60));
    assert!(world.take().iter().all(|sent| sent.status() == Some(487)));
    assert_eq!(world.ua.counters().server_transactions, 0);
}

#[test]
fn section_5_a_prack_with_a_further_offer_is_answered_in_its_2xx() {
    let mut world = World::new();
    let (session, mut call) = invited(&mut world, SUPPORTED);
    world.command(progress(session, 183, Some(sdp("first answer"))));
    let early = world.only();
    let text = prack(&mut call, &early, CONTENT, "second offer");
    world.datagram(TRUNK, &text);
    assert!(world.take().is_empty(), "the layer above is asked first");
    assert!(matches!(world.happened()[..], [Event::Reoffered { sdp: Some(_), .. }]));
    world.command(Command::Accept { session, sdp: sdp("second answer") });
    let ok = world.only();
    assert_eq!((ok.header("CSeq"), ok.body()), (Some("2 PRACK"), "second answer"));
    // And now an UPDATE is possible, while it still rings.
    world.datagram(TRUNK, &call.next("UPDATE", CONTENT, "third offer"));
    world.command(Command::Accept { session, sdp: sdp("third answer") });
    assert_eq!(world.only().body(), "third answer");
    world.command(Command::Accept { session, sdp: sdp("third answer") });
    let ok = world.only();
    assert_eq!(ok.header("CSeq"), Some("1 INVITE"));
}

#[test]
fn section_5_an_offer_of_ours_is_answered_in_the_prack() {
    let mut world = World::new();
    let mut call = Script::new("late");
    call.extra = REQUIRED.into();
    call.body = String::new();
    let invite = call.invite().replace("Content-Type: application/sdp\r\n", "");
    world.datagram(TRUNK, &invite);
    let session = world.session();
    world.take();
    world.happened();
    world.command(progress(session, 180, None));
    assert!(world.take().is_empty(), "it would have to hold our offer: left out");
    world.command(progress(session, 183, Some(sdp("our offer"))));
    let early = world.only();
    world.command(Command::Accept { session, sdp: sdp("our offer") });
    let text = prack(&mut call, &early, CONTENT, SDP);
    world.datagram(TRUNK, &text);
    let sent = world.take();
    assert!(matches!(&world.happened()[..], [Event::ProgressAnswered { sdp, .. }] if sdp == SDP));
    assert_eq!((sent[1].header("CSeq"), sent[1].body()), (Some("1 INVITE"), ""), "no second offer");
    world.datagram(TRUNK, &call.request("ACK", 1, "", ""));
    assert!(matches!(world.happened()[..], [Event::Acknowledged { sdp: None, .. }]));
}

/// A reliable answer of a device.
fn reliable(invite: &Sent, status: &str, tag: &str, rseq: u32, body: &str) -> String {
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let extra = format!("Contact: <sip:anna@10.0.0.7>\r\nRequire: 100rel\r\nRSeq: {rseq}\r\n{content}");
    invite.answer(status, tag, &extra, body)
}

#[test]
fn section_4_we_say_that_we_know_it_and_acknowledge_in_order_and_once() {
    let mut world = World::new();
    let (_, invite) = world.ring();
    assert!(invite.header("Supported").unwrap().contains("100rel"));
    world.happened();
    world.datagram(PHONE, &reliable(&invite, "180 Ringing", "d1", 700, ""));
    let prack = world.only();
    assert_eq!((prack.method(), prack.header("RAck")), ("PRACK", Some("700 1 INVITE")));
    assert_eq!((prack.header("CSeq"), prack.to_tag().as_str()), (Some("2 PRACK"), "d1"));
    assert_eq!(prack.start(), "PRACK sip:anna@10.0.0.7 SIP/2.0");
    // Again: the PRACK is repeated by its transaction, not by us.
    world.datagram(PHONE, &reliable(&invite, "180 Ringing", "d1", 700, ""));
    assert!(world.take().is_empty());
    // One is missing in between.
    world.datagram(PHONE, &reliable(&invite, "183 Session Progress", "d1", 702, SDP));
    assert!(world.take().is_empty());
    world.datagram(PHONE, &prack.answer("200 OK", "", "", ""));
    world.datagram(PHONE, &reliable(&invite, "182 Queued", "d1", 701, ""));
    assert_eq!(world.only().header("RAck"), Some("701 1 INVITE"));
    world.datagram(PHONE, &reliable(&invite, "183 Session Progress", "d1", 702, SDP));
    assert_eq!(world.only().header("RAck"), Some("702 1 INVITE"));
    let told: Vec<u16> = world
        .happened()
        .iter()
        .filter_map(|event| if let Event::Progressed { status, .. } = event { Some(*status) } else { None })
        .collect();
    assert_eq!(told, [180, 182, 183]);
    // Numbers go on after the answer: the BYE is neither 1 nor any PRACK's.
    world.datagram(PHONE, &invite.answer("200 OK", "d1", CONTENT, SDP));
    assert_eq!(world.only().header("CSeq"), Some("1 ACK"));
    let Some(Event::Answered { session, .. }) = world.happened().pop() else { panic!("no answer") };
    world.command(Command::Hangup { session, reason: None });
    assert_eq!(world.only().header("CSeq"), Some("5 BYE"));
}

#[test]
fn section_5_the_first_reliable_description_is_the_answer() {
    for in_2xx in ["", "something else"] {
        let mut world = World::new();
        let (_, invite) = world.ring();
        world.datagram(PHONE, &reliable(&invite, "183 Session Progress", "d1", 1, "the answer"));
        world.take();
        world.happened();
        let content = if in_2xx.is_empty() { "Contact: <sip:anna@10.0.0.7>\r\n" } else { CONTENT };
        world.datagram(PHONE, &invite.answer("200 OK", "d1", content, in_2xx));
        let [Event::Answered { sdp: Some(sdp), .. }] = &world.happened()[..] else { panic!("no answer") };
        assert_eq!(sdp, "the answer");
    }
}

#[test]
fn forks_are_told_apart_and_only_one_wins() {
    let mut world = World::new();
    let (session, invite) = world.ring();
    for (tag, rseq) in [("d1", 10), ("d2", 900), ("d3", 5)] {
        world.datagram(PHONE, &reliable(&invite, "183 Session Progress", tag, rseq, "early"));
        let prack = world.only();
        assert_eq!(prack.to_tag(), tag);
        assert_eq!(prack.header("RAck"), Some(format!("{rseq} 1 INVITE").as_str()));
    }
    world.happened();
    world.datagram(PHONE, &invite.answer("200 OK", "d2", CONTENT, SDP));
    let ack = world.only();
    assert_eq!((ack.method(), ack.to_tag().as_str()), ("ACK", "d2"));
    assert!(matches!(world.happened()[..], [Event::Answered { .. }]));
    for tag in ["d3", "d9"] {
        world.datagram(PHONE, &invite.answer("200 OK", tag, CONTENT, SDP));
        let sent = world.take();
        let [ack, bye] = &sent[..] else { panic!("ACK and BYE") };
        assert_eq!((ack.method(), ack.to_tag().as_str()), ("ACK", tag));
        assert_eq!((bye.method(), bye.to_tag().as_str()), ("BYE", tag));
        let number: u32 = bye.header("CSeq").unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(number > 2, "above the PRACK's");
        assert!(bye.header("Reason").unwrap().contains("cause=200"));
        // The 2xx again gets the ACK again, and nothing else.
        world.datagram(PHONE, &invite.answer("200 OK", tag, CONTENT, SDP));
        assert_eq!(world.only().method(), "ACK");
    }
    assert!(world.happened().is_empty());
    world.command(Command::Hangup { session, reason: None });
    assert_eq!(world.only().to_tag(), "d2");
}

#[test]
fn rfc_3311_section_5_2_a_device_changes_its_mind_while_it_rings() {
    let mut world = World::new();
    let (session, invite) = world.ring();
    world.datagram(PHONE, &reliable(&invite, "183 Session Progress", "d1", 1, "first answer"));
    world.take();
    world.happened();
    let update = format!(
        "UPDATE sip:198.51.100.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKu;rport\r\nFrom: {};tag=d1\r\n\
         To: {}\r\nCall-ID: {}\r\nCSeq: 4 UPDATE\r\nMax-Forwards: 70\r\n{CONTENT}Content-Length: {}\r\n\r\n{SDP}",
        invite.header("To").unwrap(),
        invite.header("From").unwrap(),
        invite.header("Call-ID").unwrap(),
        SDP.len()
    );
    world.datagram(PHONE, &update);
    assert!(matches!(world.happened()[..], [Event::Reoffered { .. }]));
    world.command(Command::Accept { session, sdp: sdp("our answer") });
    assert_eq!(world.only().body(), "our answer");
    world.datagram(PHONE, &invite.answer("200 OK", "d1", CONTENT, "first answer"));
    assert_eq!(world.only().method(), "ACK");
    assert!(matches!(world.happened()[..], [Event::Answered { sdp: None, .. }]), "settled by the UPDATE");
}

#[test]
fn an_offer_that_nobody_answers_is_refused_with_its_session() {
    let mut world = World::new();
    let (_, invite) = world.ring();
    world.datagram(PHONE, &reliable(&invite, "183 Session Progress", "d1", 1, "first answer"));
    let update = format!(
        "UPDATE sip:198.51.100.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKu;rport\r\nFrom: {};tag=d1\r\n\
         To: {}\r\nCall-ID: {}\r\nCSeq: 4 UPDATE\r\nMax-Forwards: 70\r\n{CONTENT}Content-Length: {}\r\n\r\n{SDP}",
        invite.header("To").unwrap(),
        invite.header("From").unwrap(),
        invite.header("Call-ID").unwrap(),
        SDP.len()
    );
    world.datagram(PHONE, &update);
    world.take();
    world.datagram(PHONE, &invite.answer("486 Busy Here", "d1", "", ""));
    assert!(world.statuses().contains(&481));
    world.pass(Duration::from_secs(120));
    assert_eq!(world.ua.counters().server_transactions, 0);
}
