//! RTP bleed and injection: while 200 calls talk, an attacker sprays voice, keys and goodbyes over every port for voices.
//! Nothing comes back to it, nothing that it says is heard or recorded, no call ends by it, and the operator sees it.
#![expect(clippy::expect_used, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "calls and attacks happen in real time")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use vorzimmer_tests::crowd::{Crowd, FORGED, holds_forged, read};
use vorzimmer_tests::datagrams::Peer;
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::wait::Over;
use vorzimmer_tests::{ports, sipp, wait};

const ATTESTED: &str = "+493023125013";
const CALLS: usize = 200;
/// Two ports for each of two legs, and room for those that rest.
const PORTS: u16 = 1_000;
const LONG: Duration = Duration::from_secs(120);
/// Recordings that are listened to.
const HEARD: usize = 6;

/// Voice as a peer would send it, the number going up with each round.
fn voice(round: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(round.to_be_bytes());
    packet.extend((u32::from(round) * 160).to_be_bytes());
    packet.extend(*b"evil");
    packet.extend(FORGED);
    packet
}

/// The key 9, twice of which with a star would withdraw every consent.
fn key(round: u16, key: u8) -> Vec<u8> {
    let mut packet = voice(round)[..12].to_vec();
    packet[1] = 101;
    packet.extend([key, 0x80 | 10, 3, 0x20]);
    packet
}

/// A receiver report and the goodbye of any source that a crowd's stream may have (RFC 3550 §6.6).
fn goodbye(source: u32) -> Vec<u8> {
    let source = source.to_be_bytes();
    [&[0x80, 201, 0, 1][..], &source, &[0x81, 203, 0, 1], &source].concat()
}

/// Sprays until it is over, round after round; gives what it sent.
fn spray(from: &Peer, server: &Server, over: &AtomicBool, sent: &AtomicU64) {
    let mut round: u16 = 1;
    while !over.load(Ordering::Relaxed) {
        for port in server.media.clone() {
            let packet = match (port % 2, round % 4) {
                (1, _) => goodbye(u32::from(round) % 512),
                (_, 3) => key(round, if round % 8 == 3 { 10 } else { 9 }),
                _ => voice(round),
            };
            from.send_to(&packet, port);
            sent.fetch_add(1, Ordering::Relaxed);
            if port % 50 == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        round = round.wrapping_add(1);
    }
}

fn metric(server: &Server, name: &str) -> u64 {
    let (_, metrics) = server.get("/metrics").unwrap_or_default();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|count| count.trim().parse::<f64>().ok()).map_or(0, |count| count as u64)
}

#[test]
fn two_hundred_calls_are_sprayed_and_nothing_leaks_or_gets_in() {
    let server = Server::start(&Setup { media_ports: PORTS, ..Setup::default() });
    let phone = ports::block(2);
    sipp::register(&server, "anna", phone);
    let crowd = Crowd::open(&server.sip, phone);
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    // One from elsewhere, from before the first call on; one from the address that all peers are at.
    let stranger = Peer::at("127.0.0.66", &server);
    let neighbour = Peer::at("127.0.0.1", &server);
    std::thread::scope(|scope| {
        let attack = Over(&over);
        scope.spawn(|| spray(&stranger, &server, &over, &sent));
        for wave in 1..=10 {
            crowd.ring(ATTESTED, CALLS / 10);
            wait::until("everybody to talk", LONG, || (crowd.talking() == wave * CALLS / 10).then_some(()));
        }
        crowd.press("*6");
        wait::until("calls to be recorded", LONG, || {
            (metric(&server, "vorzimmer_recordings_running ") as usize >= CALLS * 9 / 10).then_some(())
        });
        scope.spawn(|| spray(&neighbour, &server, &over, &sent));
        std::thread::sleep(Duration::from_secs(6));
        drop(attack);
    });
    let sprayed = sent.load(Ordering::Relaxed);
    assert_eq!(crowd.talking(), CALLS, "no goodbye ended a call");
    assert_eq!(stranger.bytes_within(Duration::from_millis(50)), 0, "something leaked");
    // The peers never send RTCP. That makes nobody at their address one of them: it gets no voice, and no report either.
    assert_eq!(neighbour.bytes_within(Duration::from_millis(50)), 0, "something leaked to another port");
    assert!(crowd.heard() > 0 && crowd.forged() == 0, "{} forged packets were passed on", crowd.forged());
    let refused = wait::until("the operator to see it", LONG, || {
        Some(metric(&server, "vorzimmer_rtp_packets_total{way=\"dropped\"} "))
            .filter(|dropped| *dropped > 1_000)
    });
    println!("{sprayed} packets sprayed, {refused} refused at ports with a call");
    crowd.hang_up();
    wait::until("every call to end", LONG, || (crowd.ended() == CALLS).then_some(()));
    nothing_was_recorded(&server);
}

fn nothing_was_recorded(server: &Server) {
    let list = ["recording", "list", "--limit", "500", "--purpose", "acceptance test"];
    let rows = wait::until("every recording to end", LONG, || {
        let rows = server.json(&list);
        let rows = rows.as_array()?.clone();
        rows.iter().all(|row| !row["result"].is_null()).then_some(rows)
    });
    assert!(rows.len() >= CALLS * 9 / 10, "{} recordings", rows.len());
    let withdrawn = rows.iter().filter(|row| row["result"] == "withdrawn").count();
    assert_eq!(withdrawn, 0, "nobody's consent was withdrawn by a stranger's keys");
    for row in rows.iter().take(HEARD) {
        let id = row["recording"].as_str().expect("an id");
        let out = server.folder().join(format!("{id}.wav"));
        let to = out.to_string_lossy();
        server.cli_ok(&["recording", "export", id, "--purpose", "acceptance test", "--out", &to]);
        let reader = hound::WavReader::open(&out).expect("an exported WAV");
        let samples: Vec<i16> = reader.into_samples().map(|sample| sample.expect("a sample")).collect();
        for channel in [0, 1] {
            let track: Vec<i16> = samples.iter().skip(channel).step_by(2).copied().collect();
            assert!(!holds_forged(&track), "{id} holds what the attacker said");
            let heard = read(&track);
            assert!(heard.iter().all(|one| one.stream == heard[0].stream), "{id}: two voices on one track");
        }
    }
}
