//! What 20 ms of one voice cost, by what has to be done with them; and how often a plain relay could be done instead.
//!
//! `cargo bench -p vorzimmer-media`. Each case runs a whole session in virtual time: a packet comes in, is judged, passed
//! on or decoded, and whatever is due is sent. What reaches the network and the recorder is only counted.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on shall fail loudly")]
#![expect(clippy::disallowed_methods, reason = "a bench looks at the clock")]

#[path = "frame/call.rs"]
mod call;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use vorzimmer_media::Codec::{self, G722, Opus, Pcma, Pcmu};
use vorzimmer_media::srtp::{Opener, Sealer};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::srtp::{MasterKey, SrtpKeys, Suite};

use call::{Call, Network, Traffic};

/// Every other number is told as a multiple of this one.
const FLOOR: &str = "relay A-law to A-law";

/// What was measured: a case's name, and nanoseconds for 20 ms of one voice.
type Measured = Vec<(String, f64)>;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    let mut measured = Measured::new();
    for (name, from, to) in [
        (FLOOR, Pcma, Pcma),
        ("relay A-law to u-law", Pcma, Pcmu),
        ("relay Opus to Opus", Opus, Opus),
        ("transcode A-law to Opus", Pcma, Opus),
        ("transcode Opus to A-law", Opus, Pcma),
        ("transcode A-law to G.722", Pcma, G722),
        ("transcode G.722 to A-law", G722, Pcma),
        ("transcode G.722 to Opus", G722, Opus),
    ] {
        frames(&mut criterion, &mut measured, name, &[from, to], Network::Calm);
    }
    for (name, from, network) in [
        ("conceal 1 in 10 of A-law, to Opus", Pcma, Network::Lossy),
        ("conceal 1 in 10 of Opus, to A-law", Opus, Network::Lossy),
        ("out of order A-law, to Opus", Pcma, Network::Jittery),
        ("out of order Opus, to A-law", Opus, Network::Jittery),
    ] {
        let to = if from == Opus { Pcma } else { Opus };
        frames(&mut criterion, &mut measured, name, &[from, to], network);
    }
    frames(&mut criterion, &mut measured, "mix 3 of A-law", &[Pcma; 3], Network::Calm);
    frames(&mut criterion, &mut measured, "mix A-law, G.722, Opus", &[Pcma, G722, Opus], Network::Calm);
    for (name, suite) in [
        ("AES-128-CM-SHA1-80", Suite::AesCm128HmacSha1Tag80),
        ("AES-256-CM-SHA1-80", Suite::AesCm256HmacSha1Tag80),
        ("AEAD-AES-128-GCM", Suite::AeadAes128Gcm),
    ] {
        seal_and_open(&mut criterion, &mut measured, name, suite);
    }
    criterion.final_summary();
    print_ratios(&measured);
}

/// Several parties talk; counts for one voice among them.
fn frames(
    criterion: &mut Criterion,
    measured: &mut Measured,
    name: &str,
    codecs: &[Codec],
    network: Network,
) {
    // All talk where all are mixed; where two talk, only one is heard, so that a case is one direction.
    let talking = if codecs.len() > 2 { codecs.len() } else { 1 };
    let mut call = Call::new(codecs, Instant::now());
    let mut traffic = Traffic::new(codecs, talking, network);
    let mut step = || call.take_20_ms(&mut traffic);
    (0..200).for_each(|_| step());
    let mut spent = Spent::default();
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|count| spent.during(count, &mut step));
    });
    assert!(call.sent > 0, "{name}: nobody was sent anything");
    measured.push((name.to_owned(), spent.nanoseconds() / talking as f64));
}

/// A packet of 20 ms of G.711.
fn seal_and_open(criterion: &mut Criterion, measured: &mut Measured, name: &str, suite: Suite) {
    let key = MasterKey::random(suite, &mut Seeded::new(1));
    let mut packet = [0x55_u8; 172];
    packet[..2].copy_from_slice(&[0x80, 8]);
    let mut number = 0_u16;
    let mut next = move || {
        number = number.wrapping_add(1);
        packet[2..4].copy_from_slice(&number.to_be_bytes());
        packet
    };
    let mut sealer = Sealer::new(&key);
    let mut seal = || {
        black_box(sealer.rtp(&next()).unwrap());
    };
    let mut spent = Spent::default();
    criterion.bench_function(&format!("seal {name}"), |bencher| {
        bencher.iter_custom(|count| spent.during(count, &mut seal));
    });
    measured.push((format!("seal {name}"), spent.nanoseconds()));

    // Both from the beginning: who comes in after 65,536 packets cannot know how often their number has gone round.
    let (mut sealer, mut opener) = (Sealer::new(&key), Opener::new(&key, SrtpKeys::MAX_LIFETIME));
    let mut spent = Spent::default();
    criterion.bench_function(&format!("open {name}"), |bencher| {
        bencher.iter_custom(|count| {
            // Each can be opened once, so they are sealed beforehand.
            let mut sealed: Vec<Vec<u8>> =
                (0..count).map(|_| sealer.rtp(&next()).unwrap().to_vec()).collect();
            let mut each = sealed.iter_mut();
            spent.during(count, &mut || {
                black_box(opener.rtp(each.next().unwrap()).unwrap());
            })
        });
    });
    measured.push((format!("open {name}"), spent.nanoseconds()));
}

/// How long things took, and how often.
#[derive(Default)]
struct Spent {
    time: Duration,
    count: u64,
}

impl Spent {
    fn during(&mut self, count: u64, step: &mut dyn FnMut()) -> Duration {
        let begin = Instant::now();
        (0..count).for_each(|_| step());
        let time = begin.elapsed();
        (self.time, self.count) = (self.time + time, self.count + count);
        time
    }

    fn nanoseconds(&self) -> f64 {
        self.time.as_nanos() as f64 / self.count.max(1) as f64
    }
}

fn print_ratios(measured: &Measured) {
    let floor = measured.iter().find(|(name, _)| name == FLOOR).map_or(f64::NAN, |(_, floor)| *floor);
    println!("\n{:38} {:>10} {:>9}", "20 ms of one voice", "µs", "relays");
    for (name, nanoseconds) in measured {
        println!("{name:38} {:>10.3} {:>9.2}", nanoseconds / 1000.0, nanoseconds / floor);
    }
}
