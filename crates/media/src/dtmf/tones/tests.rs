//! The tolerances of ITU-T Q.24, and voices that must press no key.

use std::f64::consts::TAU;

use super::{KEYPAD, ToneDetector};
use crate::dtmf::Key;
use crate::{Codec, encode, g711};

/// Peak of a sine at 0 dBm0: full scale is +3.14 dBm0 (G.711 table 5).
const PEAK_0_DBM0: f64 = 22_500.0;

/// SplitMix64, as a fraction of one around zero.
struct Noise(vorzimmer_types::entropy::Seeded);

impl Noise {
    fn new(seed: u64) -> Self {
        Self(vorzimmer_types::entropy::Seeded::new(seed))
    }

    fn next(&mut self) -> f64 {
        let bytes: [u8; 4] = vorzimmer_types::entropy::array(&mut self.0);
        f64::from(i32::from_be_bytes(bytes)) / f64::from(i32::MAX)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (self.next() + 1.0) / 2.0 * (high - low)
    }
}

/// A key's tones as a sender makes them.
#[derive(Clone, Copy)]
struct Sent {
    key: char,
    ms: f64,
    low_dbm0: f64,
    high_dbm0: f64,
    off: f64,
}

fn plain(key: char) -> Sent {
    Sent { key, ms: 80.0, low_dbm0: -9.0, high_dbm0: -9.0, off: 1.0 }
}

fn tones(sent: Sent) -> Vec<f64> {
    let place = KEYPAD.iter().position(|key| *key == sent.key).unwrap();
    let (low, high) = (f64::from(super::LOW[place / 4]), f64::from(super::HIGH[place % 4]));
    let peak = |dbm0: f64| PEAK_0_DBM0 * 10_f64.powf(dbm0 / 20.0);
    let sine = |hz: f64, n: usize| (TAU * hz * sent.off * n as f64 / 8000.0).sin();
    let count = (sent.ms * 8.0) as usize;
    (0..count).map(|n| peak(sent.low_dbm0) * sine(low, n) + peak(sent.high_dbm0) * sine(high, n)).collect()
}

fn silence(ms: usize) -> Vec<f64> {
    vec![0.0; ms * 8]
}

/// What is heard of samples that come in 20 ms packets after `lead` samples of silence: keys and their lengths.
fn heard(codec: Codec, lead: usize, samples: &[f64], lost: &[usize]) -> Vec<Key> {
    let all: Vec<u8> = vec![0.0; lead]
        .iter()
        .chain(samples)
        .map(|sample| encode(codec, sample.clamp(-32_768.0, 32_767.0) as i16))
        .collect();
    let (mut detector, mut keys) = (ToneDetector::default(), Vec::new());
    for (place, packet) in all.chunks(160).enumerate() {
        if !lost.contains(&place) {
            let samples = packet.iter().map(|code| g711::decode(codec, *code));
            detector.audio(7_u32.wrapping_sub(800).wrapping_add(place as u32 * 160), samples, |key| {
                keys.push(key)
            });
        }
    }
    keys
}

fn pressed(keys: &[Key]) -> String {
    keys.iter()
        .filter_map(|key| if let Key::Down(digit) = key { Some(digit.as_char()) } else { None })
        .collect()
}

fn alone(sent: Sent, lead: usize) -> String {
    let samples = [tones(sent), silence(100)].concat();
    pressed(&heard(Codec::Pcma, lead, &samples, &[]))
}

#[test]
fn every_key_in_both_laws_at_every_alignment() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        for key in KEYPAD {
            for lead in [0, 13, 40, 79, 80, 133, 159] {
                let samples = [tones(plain(key)), silence(100)].concat();
                let keys = heard(codec, lead, &samples, &[]);
                assert_eq!(pressed(&keys), key.to_string(), "{codec:?} {key} after {lead}");
                let Some(Key::Up(_, length)) = keys.last() else { panic!("{key} never came up") };
                assert!((70..=100).contains(&length.as_millis()), "{key} was {length:?}");
            }
        }
    }
}

#[test]
fn levels_lengths_twist_and_tolerance() {
    let sent = plain('1');
    let with = |low_dbm0, high_dbm0| Sent { low_dbm0, high_dbm0, ..sent };
    let cases = [
        ("-3 dBm0 each", with(-3.0, -3.0), true),
        ("-25 dBm0 each", with(-25.0, -25.0), true),
        ("-29 dBm0 each", with(-29.0, -29.0), true),
        ("-40 dBm0 each", with(-40.0, -40.0), false),
        ("low 8 dB above high", with(-8.0, -16.0), true),
        ("high 4 dB above low", with(-14.0, -10.0), true),
        ("low 14 dB above high", with(-6.0, -20.0), false),
        ("high 12 dB above low", with(-20.0, -8.0), false),
        ("only the low tone", with(-9.0, -90.0), false),
        ("only the high tone", with(-90.0, -9.0), false),
        ("1.5 % too high", Sent { off: 1.015, ..sent }, true),
        ("1.5 % too low", Sent { off: 0.985, ..sent }, true),
        ("3.5 % too high", Sent { off: 1.035, ..sent }, false),
        ("3.5 % too low", Sent { off: 0.965, ..sent }, false),
        ("40 ms", Sent { ms: 40.0, ..sent }, true),
        ("20 ms", Sent { ms: 20.0, ..sent }, false),
    ];
    for (what, sent, found) in cases {
        for key in KEYPAD {
            for lead in (0..160).step_by(11) {
                let expected = if found { key.to_string() } else { String::new() };
                assert_eq!(alone(Sent { key, ..sent }, lead), expected, "{what}: {key} after {lead} samples");
            }
        }
    }
}

/// What a step holds is asked again where it was passed over: it says then what it said at once.
#[test]
fn a_step_that_was_passed_over_counts_when_it_is_needed() {
    let mut keys = [Vec::new(), Vec::new()];
    for (key, lead) in KEYPAD.into_iter().zip((0..160).step_by(10)) {
        let quiet = Sent { ms: 46.0, low_dbm0: -27.0, high_dbm0: -27.0, ..plain(key) };
        let sound = [vec![0.0; lead], tones(quiet), silence(40)].concat();
        let (mut keeps, mut forgets) = (ToneDetector::default(), ToneDetector::default());
        for (place, packet) in sound.chunks_exact(160).enumerate() {
            let samples = || packet.iter().map(|sample| *sample as i16);
            forgets.before = None;
            keeps.audio(place as u32 * 160, samples(), |key| keys[0].push(key));
            forgets.audio(place as u32 * 160, samples(), |key| keys[1].push(key));
            let responses = [&keeps, &forgets].map(|detector| format!("{:?}", detector.before));
            assert_eq!(responses[0], responses[1], "{key} after {lead} samples");
        }
    }
    assert!(keys[0].len() >= 16, "{keys:?}");
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn typing_and_pauses() {
    let typed = |pause: usize, ms: f64, keys: &str| {
        let sound: Vec<f64> = keys
            .chars()
            .flat_map(|key| [tones(Sent { ms, ..plain(key) }), silence(pause)].concat())
            .collect();
        pressed(&heard(Codec::Pcma, 31, &[sound, silence(100)].concat(), &[]))
    };
    assert_eq!(typed(50, 50.0, "*9001123#"), "*9001123#");
    assert_eq!(typed(45, 40.0, "5555"), "5555");
    assert_eq!(typed(10, 60.0, "77"), "7", "a dropout of 10 ms is no new press");
    assert_eq!(typed(0, 80.0, "123"), "123", "no pause between different keys");
}

#[test]
fn one_long_press_counts_once_even_with_packets_lost() {
    let samples = [tones(Sent { ms: 2000.0, ..plain('9') }), silence(200)].concat();
    assert_eq!(pressed(&heard(Codec::Pcma, 3, &samples, &[])), "9");
    assert_eq!(pressed(&heard(Codec::Pcma, 3, &samples, &[5, 20, 21, 44, 60, 61, 62])), "9");
}

#[test]
fn keys_are_found_in_noise_but_not_noise_itself() {
    let mut noise = Noise::new(3);
    // 15 dB below both tones together.
    let level = PEAK_0_DBM0 * 10_f64.powf(-9.0 / 20.0) * 10_f64.powf(-15.0 / 20.0) * 3_f64.sqrt();
    for key in KEYPAD {
        let samples: Vec<f64> = [silence(60), tones(Sent { ms: 90.0, ..plain(key) }), silence(100)].concat();
        let samples: Vec<f64> = samples.iter().map(|sample| sample + level * noise.next()).collect();
        assert_eq!(pressed(&heard(Codec::Pcmu, 17, &samples, &[])), key.to_string());
    }
    let samples: Vec<f64> = (0..60 * 8000).map(|_| 8000.0 * noise.next()).collect();
    assert_eq!(pressed(&heard(Codec::Pcma, 0, &samples, &[])), "");
}

/// Voice-like sound: a pitch that wanders, its harmonics shaped by two moving resonances, syllables and breaks.
fn babble(seed: u64, seconds: usize) -> Vec<f64> {
    let mut noise = Noise::new(seed);
    let mut samples = Vec::with_capacity(seconds * 8000);
    let (mut phase, mut wander) = (0.0, 0.0);
    while samples.len() < seconds * 8000 {
        let (pitch, glide) = (noise.between(80.0, 320.0), noise.between(-0.2, 0.2));
        let (first, second) = (noise.between(250.0, 1000.0), noise.between(900.0, 2600.0));
        let (voiced, length) = (noise.between(0.0, 1.0) > 0.2, noise.between(400.0, 3200.0) as usize);
        let level = noise.between(1000.0, 9000.0);
        for n in 0..length {
            let part = n as f64 / length as f64;
            let hz = pitch * (1.0 + glide * part);
            // No throat holds a pitch exactly, nor is it without breath.
            wander = 0.98 * wander + 0.004 * noise.next();
            phase += TAU * hz * (1.0 + wander) / 8000.0;
            let resonance = |at: f64, of: f64| 1.0 / (1.0 + ((at - of) / 90.0).powi(2));
            let voice: f64 = (1..=12)
                .map(|k| (k, hz * f64::from(k)))
                .filter(|(_, at)| *at < 3600.0)
                .map(|(k, at)| {
                    (resonance(at, first) + 0.6 * resonance(at, second) + 0.02) * (phase * f64::from(k)).sin()
                })
                .sum();
            let envelope = (TAU / 2.0 * part).sin();
            samples.push(
                level * envelope * if voiced { voice + 0.05 * noise.next() } else { 0.4 * noise.next() },
            );
        }
    }
    samples
}

#[test]
fn voices_press_no_keys() {
    for seed in 0..6 {
        let found = pressed(&heard(Codec::Pcma, 0, &babble(seed, 30), &[]));
        assert_eq!(found, "", "seed {seed}");
    }
}

#[test]
fn our_own_announcements_press_no_keys() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/prompts/");
    let mut files = 0;
    for language in ["de", "en"] {
        for file in std::fs::read_dir(format!("{folder}{language}")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "wav") {
                let samples = hound::WavReader::open(&path).unwrap().into_samples::<i16>();
                let samples: Vec<f64> = samples.map(|sample| f64::from(sample.unwrap())).collect();
                assert_eq!(pressed(&heard(Codec::Pcma, 0, &samples, &[])), "", "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files >= 10, "{files} announcements");
}

#[test]
fn whistles_and_progress_tones_press_no_keys() {
    let sine = |hz: f64| -> Vec<f64> {
        (0..16_000).map(|n| 9000.0 * (TAU * hz * f64::from(n) / 8000.0).sin()).collect()
    };
    let sum =
        |a: Vec<f64>, b: Vec<f64>| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| (a + b) / 2.0).collect() };
    for hz in (300..3400).step_by(53) {
        assert_eq!(pressed(&heard(Codec::Pcma, 0, &sine(f64::from(hz)), &[])), "", "{hz} Hz");
    }
    for (a, b) in
        [(350.0, 440.0), (400.0, 450.0), (480.0, 620.0), (440.0, 480.0), (900.0, 1300.0), (1100.0, 2100.0)]
    {
        assert_eq!(pressed(&heard(Codec::Pcma, 0, &sum(sine(a), sine(b)), &[])), "", "{a} and {b} Hz");
    }
}

#[test]
fn late_and_foreign_order_does_no_harm() {
    let mut detector = ToneDetector::default();
    let packet = [0x55_u8; 160];
    for timestamp in [0, 160, 0, 480, u32::MAX, 5, 0x8000_0000, 0] {
        let samples = packet.iter().map(|code| g711::decode(Codec::Pcma, *code));
        detector.audio(timestamp, samples, |key| panic!("{key:?} in silence"));
    }
}
