//! Junk at the ports of a protected call, 20,000 packets a second: nothing of it is heard, the call goes on, and the
//! server's memory stays as it was.
//!
//! `JUNK_SECONDS=60` goes on for a minute.

use std::f64::consts::TAU;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use vorzimmer_media::Codec;
use vorzimmer_tests::server::Server;
use vorzimmer_tests::tone;
use vorzimmer_tests::wait::Over;

use crate::house::{CALLER_HZ, House, Kind, RECEPTIONIST_HZ, talk};
use crate::insider::Insider;

const ATTESTED: &str = "+493023125013";
/// Packets a second.
const RATE: u64 = 20_000;
/// Packets at once.
const BURST: u64 = 100;
const SECONDS: u64 = 5;
/// What an allocator may keep, and a log that grows.
const GROWTH_KB: u64 = 8_000;

fn seconds() -> u64 {
    std::env::var("JUNK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS)
}

/// A frame of a tone in A-law.
fn frame(count: u64) -> Vec<u8> {
    let sample = |at: u64| {
        let angle = TAU * CALLER_HZ * (count * 160 + at) as f64 / 8_000.0;
        vorzimmer_media::encode(Codec::Pcma, (angle.sin() * 12_000.0) as i16)
    };
    (0..160).map(sample).collect()
}

/// Memory of the server's that is in use, in kB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim_end_matches("kB").trim().parse().expect("a number")
}

/// One packet of each kind of junk in turn; `next` is about the number that the caller's next packet has.
fn junk(count: u64, next: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend((next.wrapping_add((count % 7) as u16)).to_be_bytes());
    packet.extend((count as u32).to_be_bytes());
    packet.extend(*b"insd");
    packet.extend([(count % 251) as u8; 182]);
    match count % 8 {
        // Its own source and numbers, not made with its key.
        0..=3 => {}
        4 => packet[8..12].copy_from_slice(&(count as u32).to_be_bytes()),
        5 => packet[1] = 200,
        6 => packet[0] = 22,
        _ => packet.truncate((count % 30) as usize),
    }
    packet
}

/// Sends junk to both ports of a leg until it is over, at the rate: from the caller's own socket, from beside it, and from elsewhere.
fn attack(
    caller: &UdpSocket,
    to: std::net::SocketAddr,
    next: &AtomicU64,
    over: &AtomicBool,
) -> (u64, Duration) {
    let others = ["127.0.0.1:0", "127.0.0.66:0"].map(|at| UdpSocket::bind(at).expect("a port"));
    let control = std::net::SocketAddr::new(to.ip(), to.port() + 1);
    let (begun, mut sent) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        for _ in 0..BURST {
            let from = match sent % 4 {
                0 | 1 => caller,
                2 => &others[0],
                _ => &others[1],
            };
            let to = if sent % 16 == 9 { control } else { to };
            let packet = junk(sent / 4, next.load(Ordering::Relaxed) as u16);
            drop(from.send_to(&packet, to));
            sent += 1;
        }
        let due = begun + Duration::from_micros(1_000_000 * sent / RATE);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    (sent, begun.elapsed())
}

#[test]
fn junk_at_a_protected_call_is_not_heard_and_costs_no_memory() {
    let house = House::open();
    let mut anna = house.phone("anna", Kind::Debian("srtp-mand"), "tls");
    let mut caller = Insider::rings(&house.server, ATTESTED, None);
    let (over, next) = (AtomicBool::new(false), AtomicU64::new(0));
    let (socket, to) = (caller.rtp.try_clone().expect("the socket twice"), caller.to);
    let ((sent, took), before, after) = std::thread::scope(|scope| {
        let talker = scope.spawn(|| {
            let (begun, mut count) = (Instant::now(), 0);
            while !over.load(Ordering::Relaxed) {
                let packet = caller.says(&frame(count));
                next.store(u64::from(caller.sequence), Ordering::Relaxed);
                drop(caller.rtp.send_to(&packet, caller.to));
                count += 1;
                let due = begun + Duration::from_millis(20 * count);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        let call = Over(&over);
        assert!(anna.is_established(Duration::from_secs(30)), "the receptionist was never connected");
        talk(9);
        anna.press("*6");
        talk(1);
        let stop = AtomicBool::new(false);
        let figures = std::thread::scope(|attackers| {
            let running = Over(&stop);
            let attacker = attackers.spawn(|| attack(&socket, to, &next, &stop));
            talk(1);
            let before = resident(&house.server);
            talk(seconds());
            let after = resident(&house.server);
            drop(running);
            (attacker.join().expect("the attack"), before, after)
        });
        talk(1);
        anna.hangup();
        talk(1);
        drop(call);
        talker.join().expect("the caller");
        figures
    });
    let shown = house.server.call_record("the recording to end", |record| {
        !record["recordings"][0]["result"].is_null() && !record["ended_at"].is_null()
    });
    let rate = sent as f64 / took.as_secs_f64();
    let quality = &shown["record"]["quality"];
    println!("{sent} packets of junk, {rate:.0} a second; {before} kB before, {after} kB after; {quality}");
    assert!(after < before + GROWTH_KB, "{before} kB grew to {after} kB");
    assert_eq!(shown["record"]["disposition"], "handled", "{shown}");
    assert_eq!(shown["record"]["ended_by"], "receptionist", "{shown}");
    let tracks = tone::read_wav(&house.export(&shown));
    for (track, own, other) in [(0, CALLER_HZ, RECEPTIONIST_HZ), (1, RECEPTIONIST_HZ, CALLER_HZ)] {
        let heard = tone::find(&tracks[track], own).expect("its tone");
        let silent: usize = heard.holes.iter().map(|(_, length)| length).sum();
        println!("track {track}: {} ms heard, {silent} ms of it holes", heard.length_ms());
        // The kernel throws away what a busy machine does not read in time, the caller's packets among the junk.
        assert!(
            heard.length_ms() as u64 > seconds() * 1_000 && silent * 10 < heard.length_ms(),
            "{track}: {heard:?}"
        );
        assert!(
            tone::leakage_db(&tracks[track], own, other) < -40.0,
            "junk, or the other, is heard on track {track}"
        );
    }
}
