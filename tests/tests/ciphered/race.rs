//! The race that others had to patch: an attacker's ClientHello comes first at the port where a telephone's handshake is
//! awaited. It wins nothing, and the telephone loses nothing.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use vorzimmer_media::dtls::{Engine, Fingerprint, Output, Role};
use vorzimmer_tests::browser::{Browser, Library, Setup as Web, Stage};
use vorzimmer_tests::datagrams::Peer;
use vorzimmer_tests::server::{PASSWORD, Server};
use vorzimmer_tests::wait::Over;

use crate::house::{ASK, ASKED, House, Kind, SOON, press_until_connected, protected, talk};
use crate::insider::{Insider, identity, received, shake};

/// Somebody else, and somebody who shares the telephone's address.
const ATTACKERS: [&str; 2] = ["127.0.0.66", "127.0.0.1"];

#[test]
fn whoever_is_first_is_not_therefore_the_peer() {
    let house = House::open();
    let ours = identity();
    let mut caller = Insider::rings(&house.server, ASK, Some(ours.fingerprint()));
    let thieves = ATTACKERS.map(|at| UdpSocket::bind((at, 0)).expect("a port"));
    for thief in &thieves {
        let (who, nobodys) = (identity(), Fingerprint::ZERO);
        shake(thief, caller.to, &who, nobodys, Duration::from_millis(400));
    }
    caller.shakes(&ours, SOON);
    for thief in &thieves {
        let (who, nobodys) = (identity(), Fingerprint::ZERO);
        shake(thief, caller.to, &who, nobodys, Duration::from_millis(400));
    }
    let (read, not) = caller.hears(Duration::from_secs(2));
    assert!(read > 50 && not == 0, "{read} packets of the greeting can be read, {not} cannot");
    for thief in &thieves {
        let mut voice = 0;
        received(thief, Duration::from_millis(300), |packet| {
            voice += usize::from(packet[0] >= 128);
            false
        });
        assert_eq!(voice, 0, "a thief was sent media");
    }
    let running = house.server.json(&["call", "list"]);
    assert!(running[0]["ended_at"].is_null(), "the call goes on: {running}");
}

/// A ClientHello in its datagrams.
fn hello() -> Vec<Vec<u8>> {
    let (who, mut said) = (identity(), Vec::new());
    let mut engine = Engine::new(&who, Role::Client, who.fingerprint(), std::time::Instant::now());
    engine.poll(std::time::Instant::now(), &mut |output| {
        if let Output::Send(bytes) = output {
            said.push(bytes.to_vec());
        }
    });
    said
}

/// While `meanwhile` runs both attackers say hello at these ports, round after round. How many datagrams they sent.
fn greeted(
    server: &Server,
    ports: impl Iterator<Item = u16> + Clone + Send,
    meanwhile: impl FnOnce(),
) -> u64 {
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for at in ATTACKERS {
            let (ports, over, sent) = (ports.clone(), &over, &sent);
            scope.spawn(move || {
                let (peer, hello) = (Peer::at(at, server), hello());
                while !over.load(Ordering::Relaxed) {
                    for (count, port) in ports.clone().enumerate() {
                        hello.iter().for_each(|datagram| peer.send_to(datagram, port));
                        sent.fetch_add(hello.len() as u64, Ordering::Relaxed);
                        if count % 20 == 0 {
                            std::thread::sleep(Duration::from_millis(5));
                        }
                    }
                }
            });
        }
        // Whatever becomes of the talk, the attack ends.
        let _attack = Over(&over);
        meanwhile();
    });
    sent.load(Ordering::Relaxed)
}

#[test]
fn a_telephone_is_connected_while_others_say_hello_at_every_port() {
    let house = House::open();
    let ports = house.server.media.clone();
    let greetings = greeted(&house.server, ports, || {
        let mut anna = house.phone("anna", Kind::Baresip("dtls"), "udp");
        let mut caller = house.phone("caller", Kind::Baresip("dtls"), "udp");
        house.ring(&mut caller, ASK);
        press_until_connected(&mut caller, &mut anna, "1");
        talk(3);
        caller.hangup();
        anna.closed(SOON);
    });
    println!("{greetings} datagrams of others that said hello");
    let shown = house.server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(protected(&shown), ["dtls", "dtls"], "{shown}");
    assert_eq!(shown["record"]["disposition"], "handled", "{shown}");
}

#[test]
fn a_browser_is_connected_while_others_say_hello_at_its_port() {
    let stage = Stage::open();
    let house = House::open_with(vec![("VORZIMMER_SIP__ORIGINS".to_owned(), stage.origin.clone())]);
    let secure: u16 = house.server.wss.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let browsers = secure + 1;
    let setup = Web {
        library: Library::JsSip,
        wss: &house.server.wss,
        user: "anna",
        password: Some(PASSWORD),
        speaks: house.folder.path().join("anna.wav"),
        answers: true,
        events: false,
        peer_connection: json!({}),
        codecs: &[],
    };
    let greetings = greeted(&house.server, browsers..=browsers, || {
        let mut anna = Browser::start(stage, &setup);
        anna.event("registered", Duration::from_secs(60));
        let mut caller = house.phone("caller", Kind::Debian(""), "udp");
        house.ring(&mut caller, ASK);
        let end = std::time::Instant::now() + ASKED;
        while !anna.has("talking", Duration::from_millis(700)) {
            assert!(std::time::Instant::now() < end, "the browser never took the call");
            caller.press("1");
        }
        talk(3);
        caller.hangup();
        caller.closed(SOON);
    });
    println!("{greetings} datagrams of others that said hello");
    let shown = house.server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(protected(&shown), ["plain", "dtls"], "{shown}");
    assert_eq!(shown["record"]["disposition"], "handled", "{shown}");
}
