//! RFC 3261 §22: who proves what, and what everybody else is told.

use std::time::Duration;

use vorzimmer_sip::ua::{Event, Peer};

use crate::world::{
    ANNA, DIGEST_TRUNK_USER, Over, PHONE, REALM, STRANGER, Script, Sent, World, authorize,
    config_with_digest_trunk, register,
};

const URI: &str = "sip:+4930555@198.51.100.1:5060";

fn call(id: &str, credentials: &str) -> Script {
    let mut call = Script { from: STRANGER, via: format!("SIP/2.0/UDP {STRANGER}"), ..Script::new(id) };
    call.branch.push_str(&credentials.len().to_string());
    call.extra =
        if credentials.is_empty() { String::new() } else { format!("Authorization: {credentials}\r\n") };
    call.extra.push_str(
        "User-Agent: Some PBX that has quite a long name\r\nSupported: 100rel, timer, replaces\r\n",
    );
    call.extra.push_str("Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, REFER, MESSAGE, UPDATE\r\n");
    call
}

#[test]
fn a_trunk_by_digest_from_anywhere() {
    let mut world = World::with(config_with_digest_trunk());
    world.datagram(STRANGER, &call("d1", "").invite());
    let challenge = world.only();
    assert_eq!(challenge.status(), Some(401));
    let offered = challenge.headers("WWW-Authenticate");
    assert!(offered[0].contains("algorithm=SHA-256") && offered[1].contains("algorithm=MD5"), "{offered:?}");
    assert!(offered.iter().all(|line| line.contains("qop=\"auth\"")));
    assert_eq!(world.ua.counters().server_transactions, 0, "nothing is kept for a stranger");
    let credentials = authorize(&challenge, DIGEST_TRUNK_USER, "secret", "INVITE", URI);
    let mut second = call("d1", &credentials);
    second.cseq = 2;
    world.datagram(STRANGER, &second.invite());
    let trying = world.only();
    assert_eq!(trying.status(), Some(100));
    let Some(Event::Invited { session, peer: Peer::Trunk { name, .. }, .. }) = world.happened().pop() else {
        panic!()
    };
    assert_eq!(name, "by digest");
    world.command(vorzimmer_sip::ua::Command::Accept { session, sdp: bytes::Bytes::from_static(b"answer") });
    second.to_tag = world.only().to_tag();
    world.datagram(STRANGER, &second.ack());
    world.datagram(STRANGER, &second.next("BYE", "", ""));
    assert_eq!(world.only().status(), Some(200), "within the dialog, from the same flow, nobody asks again");
    world.datagram(
        STRANGER,
        &Script::new("none").request("BYE", 2, "", "").replace("192.0.2.10", "203.0.113.99"),
    );
    assert_eq!(world.only().status(), Some(481), "somebody who has proven itself is told what is wrong");
}

#[test]
fn a_nonce_count_is_good_once() {
    let mut world = World::with(config_with_digest_trunk());
    world.datagram(STRANGER, &call("n1", "").invite());
    let credentials = authorize(&world.only(), DIGEST_TRUNK_USER, "secret", "INVITE", URI);
    world.datagram(STRANGER, &call("n1", &credentials).invite());
    assert_eq!(world.only().status(), Some(100));
    let replay = call("n2", &credentials);
    world.datagram(STRANGER, &replay.invite());
    let again = world.only();
    assert_eq!(again.status(), Some(401));
    assert!(again.header("WWW-Authenticate").unwrap().contains("stale=true"), "the password was right");
    assert_eq!(world.happened().len(), 1);
}

#[test]
fn an_old_nonce_is_stale() {
    let mut world = World::with(config_with_digest_trunk());
    world.datagram(STRANGER, &call("o1", "").invite());
    let credentials = authorize(&world.only(), DIGEST_TRUNK_USER, "secret", "INVITE", URI);
    world.pass(Duration::from_secs(601));
    world.datagram(STRANGER, &call("o1", &credentials).invite());
    assert!(world.only().header("WWW-Authenticate").unwrap().contains("stale=true"));
}

#[test]
fn a_wrong_password_an_unknown_user_and_nonsense_look_alike() {
    let mut world = World::with(config_with_digest_trunk());
    let mut seen = Vec::new();
    for (user, password) in [(DIGEST_TRUNK_USER, "wrong"), ("nobody", "secret"), ("anna", "wrong")] {
        world.datagram(STRANGER, &call("w", "").invite());
        let credentials = authorize(&world.only(), user, password, "INVITE", URI);
        world.datagram(STRANGER, &call("w", &credentials).invite());
        let answer = world.only();
        assert_eq!(answer.status(), Some(401));
        assert!(!answer.text.contains("stale"));
        seen.push(answer.headers("WWW-Authenticate").len());
    }
    world.datagram(STRANGER, &call("w", "Digest nonsense").invite());
    assert_eq!(world.only().status(), Some(401));
    assert!(seen.iter().all(|n| *n == 2));
    assert_eq!(world.ua.counters().unauthenticated, 4);
    assert!(world.happened().is_empty());
}

#[test]
fn without_a_digest_trunk_a_stranger_hears_nothing() {
    let mut world = World::new();
    for method in ["INVITE", "OPTIONS", "BYE", "INFO", "SUBSCRIBE", "CANCEL", "ACK"] {
        let extra = "Contact: <sip:x@203.0.113.99>\r\n";
        world.datagram(STRANGER, &call(method, "").request(method, 1, extra, ""));
    }
    assert!(world.take().is_empty() && world.happened().is_empty());
    assert_eq!(world.ua.counters().unknown, 6);
    assert_eq!(world.ua.counters().server_transactions, 0);
}

#[test]
fn a_receptionist_calls_with_her_digest_only() {
    let mut world = World::new();
    world.ring();
    let invite = |credentials: &str| {
        let mut invite = call("r1", credentials);
        invite.via = format!("SIP/2.0/UDP {PHONE}");
        invite.invite()
    };
    world.datagram(PHONE, &invite(""));
    let challenge = world.only();
    assert_eq!(challenge.status(), Some(401));
    let credentials = authorize(&challenge, "anna", "anna", "INVITE", URI);
    world.happened();
    world.datagram(PHONE, &invite(&credentials));
    assert_eq!(world.only().status(), Some(100));
    let happened = world.happened();
    assert!(
        matches!(&happened[..], [Event::Invited { peer: Peer::Receptionist(who), .. }] if *who == ANNA),
        "{happened:?}"
    );
}

#[test]
fn registering_without_the_right_password() {
    let mut world = World::new();
    let mut sizes = Vec::new();
    world.open(1, PHONE);
    for (login, password) in [("anna", "wrong"), ("erna", "erna")] {
        world.stream(1, &register(&Over::Tcp(1), login, "<sip:x@10.0.0.1>", 1, ""));
        let challenge = world.only();
        sizes.push(challenge.text.len());
        let credentials = authorize(&challenge, login, password, "REGISTER", &format!("sip:{REALM}"));
        let extra = format!("Authorization: {credentials}\r\n");
        world.stream(1, &register(&Over::Tcp(1), login, "<sip:x@10.0.0.1>", 2, &extra));
        let again = world.only();
        assert_eq!(again.status(), Some(401));
        sizes.push(again.text.len());
    }
    assert_eq!(sizes[..2], sizes[2..], "known and unknown look the same");
    let counters = world.ua.counters();
    assert_eq!((counters.bindings, counters.server_transactions, counters.unauthenticated), (0, 0, 2));
}

#[test]
fn a_challenge_is_never_larger_than_what_it_answers() {
    let mut world = World::new();
    let full = register(&Over::Udp(PHONE), "anna", "<sip:x@10.0.0.1>", 1, "");
    world.datagram(PHONE, &full);
    assert_eq!(world.only().headers("WWW-Authenticate").len(), 2);
    let without = |text: &str, names: &[&str]| -> String {
        text.split_inclusive("\r\n").filter(|line| !names.iter().any(|name| line.starts_with(name))).collect()
    };
    let shorter = without(&full, &["Supported", "User-Agent"]);
    world.datagram(PHONE, &shorter);
    let answer: Sent = world.only();
    assert_eq!(answer.headers("WWW-Authenticate").len(), 1, "room for one algorithm only");
    assert!(answer.text.len() <= shorter.len());
    let shortest = without(&full, &["Supported", "User-Agent", "Allow", "Contact", "Max-Forwards"]);
    world.datagram(PHONE, &shortest);
    assert!(world.take().is_empty());
    assert_eq!(world.ua.counters().amplifying, 1);
    world.open(1, PHONE);
    let over_stream = shortest.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    world.stream(1, &over_stream);
    assert_eq!(world.only().status(), Some(401), "a connection proves the address");
}

#[test]
fn a_registration_that_comes_twice_is_answered_twice_alike() {
    let mut world = World::new();
    let over = Over::Udp(PHONE);
    world.datagram(PHONE, &register(&over, "anna", "<sip:x@10.0.0.1>", 1, ""));
    let credentials = authorize(&world.only(), "anna", "anna", "REGISTER", &format!("sip:{REALM}"));
    let extra = format!("Authorization: {credentials}\r\n");
    let good = register(&over, "anna", "<sip:x@10.0.0.1>", 2, &extra);
    world.datagram(PHONE, &good);
    let ok = world.only();
    world.datagram(PHONE, &good);
    assert_eq!(world.only().text, ok.text, "the 200 was lost; the nonce count is not spent twice");
    assert_eq!(world.happened().len(), 1);
    assert_eq!(ok.status(), Some(200));
}
