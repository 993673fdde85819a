//! How long a message takes, and how long `rsip`'s own parser takes for the same: `cargo bench -p vorzimmer-sip --bench parse`.
//! Ours unfolds, expands, checks every header that routes the message, and cuts the body besides.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a stopwatch that prints")]

use std::hint::black_box;
use std::time::Instant;

use mimalloc::MiMalloc;
use vorzimmer_sip::wire::{Framing, Parsed, Untrusted, parse, print};

/// As in the server.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// An INVITE as a trunk sends it, about 1 kB.
const INVITE: &str = "INVITE sip:+493023125100@192.0.2.10:5060;user=phone SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK3k2j1h4g5f6d7s8a;rport\r\n\
Via: SIP/2.0/UDP 198.51.100.7:5060;received=198.51.100.7;branch=z9hG4bKaaaa\r\n\
Max-Forwards: 68\r\n\
Record-Route: <sip:192.0.2.1;lr>\r\n\
From: \"Erika Muster\" <sip:+4922147100011@tel.example.net;user=phone>;tag=8a7b6c5d\r\n\
To: <sip:+493023125100@tel.example.net;user=phone>\r\n\
Call-ID: 7f3a9b2c4d5e6f70@198.51.100.7\r\n\
CSeq: 102 INVITE\r\n\
Contact: <sip:+4922147100011@192.0.2.1:5060>\r\n\
P-Asserted-Identity: <sip:+4922147100011@tel.example.net;user=phone>\r\n\
Diversion: <sip:+4969900090001@tel.example.net>;reason=unconditional;counter=1\r\n\
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK\r\n\
Supported: timer, 100rel\r\n\
User-Agent: Trunk/1.0\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 201\r\n\r\n\
v=0\r\no=- 20518 0 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 54400 RTP/AVP 8 0 101\r\n\
a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n";

const ROUNDS: u32 = 200;
const RUNS: u32 = 500;

/// The best of many short runs, in nanoseconds a round: what it costs when nobody else has the core.
fn best(mut one: impl FnMut()) -> u128 {
    let run = |_| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| one());
        start.elapsed().as_nanos() / u128::from(ROUNDS)
    };
    (0..RUNS).map(run).min().unwrap_or_default()
}

fn main() {
    let bytes = INVITE.as_bytes();
    let read = || parse(Untrusted::new(black_box(bytes)), Framing::Datagram);
    let Ok(Parsed::Request(request)) = read() else {
        println!("the sample is not an INVITE: {:?}", read().err());
        return;
    };
    let mut out = Vec::with_capacity(2048);
    println!("parse {} bytes: {} ns", bytes.len(), best(|| drop(black_box(read()))));
    let theirs = || rsip::Request::try_from(black_box(bytes));
    if let Err(error) = theirs() {
        println!("rsip does not read the sample: {error}");
    }
    println!("parse by rsip: {} ns", best(|| drop(black_box(theirs()))));
    println!(
        "print: {} ns",
        best(|| {
            out.clear();
            black_box(print(&request, &mut out).is_ok());
        })
    );
}
