//! Legs without a codec in common, and more than two of them: what each hears is the others' tones, whole, for as long as
//! they lasted, and the recorder gets what was sent.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use std::f64::consts::TAU;

use vorzimmer_media::codec::{Decoder, Encoder, MAX_ENCODED, MAX_SAMPLES};
use vorzimmer_media::{Channel, Codec, Command, LegConfig, LegKey};
use vorzimmer_types::Entropy;
use vorzimmer_types::audio::{NoisePayload, OpusWish};
use vorzimmer_types::entropy::Seeded;
use world::{A, B, Phone, World, agreed, steps};

const ANN: &str = "192.0.2.1:10000";
const BOB: &str = "198.51.100.2:20000";
const TALK_MS: u32 = 2400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Calm,
    /// One packet in twenty is lost.
    Lossy,
    /// Packets are late by up to 40 ms, and overtake each other.
    Jittery,
}

fn encoded(codec: Codec, hz: f64, ms: u32, packet_ms: u32) -> Vec<Vec<u8>> {
    let wish = OpusWish { fec: true, ..OpusWish::default() };
    let mut encoder = Encoder::new(codec, 16_000, wish).unwrap();
    let mut out = [0; MAX_ENCODED];
    let sample = |at: u32| ((TAU * hz * f64::from(at) / 16_000.0).sin() * 8000.0) as i16;
    let voice: Vec<i16> = (0..16 * ms).map(sample).collect();
    let blocks = voice.chunks((16 * packet_ms) as usize);
    blocks
        .map(|block| encoder.encode(block, &mut out).map(|length| out[..length].to_vec()).unwrap())
        .collect()
}

/// What arrives when, and what of it is lost; with the longest run of packets that are.
fn arrivals(count: u64, packet_ms: u64, network: Network, seed: u64) -> (Vec<(u64, usize)>, u64) {
    let mut random = Seeded::new(seed);
    let mut draw = |below: u64| {
        let mut byte = [0; 8];
        random.fill(&mut byte);
        u64::from_le_bytes(byte) % below
    };
    let (mut all, mut run, mut longest) = (Vec::new(), 0, 0);
    for number in 0..count {
        let lost = network == Network::Lossy && number > 10 && draw(20) == 0;
        run = if lost { run + 1 } else { 0 };
        longest = longest.max(run);
        let late = if network == Network::Jittery { draw(41) } else { 0 };
        if !lost {
            all.push((100 + number * packet_ms + late, number as usize));
        }
    }
    all.sort_unstable();
    (all, longest * packet_ms)
}

/// What a leg was sent, decoded, each packet where its timestamp says.
fn heard(world: &World, leg: LegKey, codec: Codec) -> Vec<i16> {
    let mut decoder = Decoder::new(codec, 8000).unwrap();
    let mut out = vec![0; MAX_SAMPLES];
    let mut samples = Vec::new();
    let packets = world.heard_by(leg);
    let first = packets.first().map_or(0, |packet| packet.header.timestamp);
    for packet in packets.iter().filter(|packet| packet.header.payload_type != 13) {
        let at = packet.header.timestamp.wrapping_sub(first) / (codec.clock_hz() / 8000);
        let count = decoder.decode(&packet.payload, &mut out).unwrap();
        samples.resize((at as usize).max(samples.len()), 0);
        samples.truncate(at as usize);
        samples.extend_from_slice(&out[..count]);
    }
    samples
}

fn power(window: &[i16], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (at, sample) in window.iter().enumerate() {
        let angle = TAU * hz * at as f64 / 8000.0;
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
    }
    (re * re + im * im) * 4.0 / (window.len() as f64).powi(2)
}

/// From the first to the last 20 ms with the tone in it, and the longest hole between: in milliseconds.
fn tone_in(samples: &[i16], hz: f64) -> (u64, u64) {
    let there: Vec<bool> =
        samples.chunks_exact(160).map(|window| power(window, hz) > 1600.0 * 1600.0).collect();
    let Some(first) = there.iter().position(|there| *there) else { return (0, 0) };
    let last = there.iter().rposition(|there| *there).unwrap();
    // What is made up after the last word may die away unevenly.
    let spoken = last.min(first + (TALK_MS as usize - 40) / 20);
    let holes = there[first..spoken].split(|there| *there);
    (20 * (last + 1 - first) as u64, 20 * holes.map(<[bool]>::len).max().unwrap_or(0) as u64)
}

struct Case {
    from: Codec,
    to: Codec,
    packet_ms: u32,
    network: Network,
}

/// Ann talks to Bob in one codec, Bob hears another.
fn talk(case: &Case) -> (World, u64) {
    let Case { from, to, packet_ms, network } = *case;
    let mut world = World::with_peers(agreed(ANN, from), agreed(BOB, to));
    let mut ann = Phone::new(A, ANN, from);
    world.bridge();
    let units = from.clock_hz() / 1000 * packet_ms;
    let said = encoded(from, 440.0, TALK_MS, packet_ms);
    let packets: Vec<Vec<u8>> =
        said.iter().map(|payload| ann.packet(ann.pt, false, payload.clone(), units)).collect();
    let seed = u64::from(packet_ms) + from as u64 * 1000 + to as u64 * 10_000;
    let (arrivals, longest) = arrivals(packets.len() as u64, packet_ms.into(), network, seed);
    for (at, number) in &arrivals {
        world.until(*at);
        world.receive(A, Channel::Rtp, ann.addr, &packets[*number]);
    }
    world.until(u64::from(TALK_MS) + 1000);
    let taped: Vec<&Vec<u8>> = world.said.taps.iter().map(|tap| &tap.payload).collect();
    let sent: Vec<&Vec<u8>> = arrivals.iter().map(|(_, number)| &said[*number]).collect();
    assert_eq!(taped, sent, "the recorder gets every packet as it came");
    (world, longest)
}

/// What is wrong with what Bob hears; nothing, if all is well.
fn wrong(case: &Case) -> Option<String> {
    let (world, lost_ms) = talk(case);
    let samples = heard(&world, B, case.to);
    let (length, hole) = tone_in(&samples, 440.0);
    // What was made up for a tone that stopped fades within 100 ms; delays may have grown by 60.
    let allowed = if case.network == Network::Calm { 100 } else { 160 };
    let concealed = if case.network == Network::Lossy { lost_ms + 20 } else { 0 };
    let units = case.to.clock_hz() / 50;
    let steady = steps(&world.heard_by(B)).iter().all(|step| *step == units);
    let all: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let elsewhere = power(&samples, 620.0) * samples.len() as f64 / 2.0 / all;
    let well = length.abs_diff(TALK_MS.into()) <= allowed && hole <= concealed && steady && elsewhere < 0.02;
    let said = format!(
        "{length} ms, a hole of {hole} ms, lost {lost_ms} ms, steady {steady}, elsewhere {elsewhere:.4}"
    );
    (!well).then_some(said)
}

#[test]
fn every_pair_of_codecs_through_every_network() {
    let mut failures = Vec::new();
    for from in Codec::ALL {
        for to in Codec::ALL.into_iter().filter(|to| !from.relays_to(*to)) {
            for packet_ms in [10, 20, 40, 60] {
                for network in [Network::Calm, Network::Lossy, Network::Jittery] {
                    let said = wrong(&Case { from, to, packet_ms, network });
                    failures.extend(
                        said.map(|said| format!("{from:?} to {to:?}, {packet_ms} ms, {network:?}: {said}")),
                    );
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn noise_becomes_silence_that_goes_on_and_words_come_after_it() {
    for known in [false, true] {
        let (mut a, mut b) = (agreed(ANN, Codec::G722), agreed(BOB, Codec::Pcma));
        a.format.noise = Some(NoisePayload { send: 13, receive: 13 });
        b.format.noise = a.format.noise.filter(|_| known);
        let mut world = World::with_peers(a, b);
        let mut ann = Phone::new(A, ANN, Codec::G722);
        world.bridge();
        for payload in encoded(Codec::G722, 440.0, 400, 20) {
            let packet = ann.packet(9, false, payload, 160);
            world.receive(A, Channel::Rtp, ann.addr, &packet);
            world.until(world.now_ms() + 20);
        }
        let quiet = ann.packet(13, false, vec![50], 0);
        world.receive(A, Channel::Rtp, ann.addr, &quiet);
        ann.timestamp = ann.timestamp.wrapping_add(8000);
        world.until(world.now_ms() + 1000);
        for payload in encoded(Codec::G722, 440.0, 400, 20) {
            let packet = ann.packet(9, false, payload, 160);
            world.receive(A, Channel::Rtp, ann.addr, &packet);
            world.until(world.now_ms() + 20);
        }
        world.until(world.now_ms() + 200);
        let packets = world.heard_by(B);
        let noises = packets.iter().filter(|packet| packet.header.payload_type == 13).count();
        assert_eq!(noises > 0, known, "{noises}");
        let samples = heard(&world, B, Codec::Pcma);
        let (length, hole) = tone_in(&samples, 440.0);
        assert!(length.abs_diff(1800) <= 120, "{length} ms from the first word to the last");
        assert!(hole.abs_diff(1000) <= 120, "{hole} ms of silence");
        if !known {
            assert!(steps(&packets).iter().all(|step| *step == 160), "nobody thinks that the line is dead");
            let silence = &samples[8 * 800..8 * 1000];
            let loudest = silence.iter().map(|sample| sample.abs()).max();
            assert!((20..400).contains(&loudest.unwrap()), "it is the noise that was asked for: {loudest:?}");
        }
    }
}

#[test]
fn three_hear_the_other_two_and_never_themselves() {
    let carol = LegKey(3);
    let parties = [
        (A, ANN, Codec::Pcma, 440.0, 20),
        (B, BOB, Codec::G722, 1015.0, 40),
        (carol, "203.0.113.3:30000", Codec::Opus, 700.0, 60),
    ];
    let mut world = World::new();
    for (leg, at, codec, ..) in parties {
        world.tell(Command::Open {
            leg,
            config: LegConfig { slot: Some(leg.0 as u8 - 1), ..LegConfig::default() },
        });
        world.tell(Command::Remote { leg, negotiated: agreed(at, codec), signalling: None });
    }
    world.tell(Command::Mix { legs: parties.map(|(leg, ..)| leg).to_vec() });
    let mut packets: Vec<(u64, LegKey, std::net::SocketAddr, Vec<u8>)> = Vec::new();
    for (leg, at, codec, hz, ms) in parties {
        let mut phone = Phone::new(leg, at, codec);
        for (number, payload) in (0..).zip(encoded(codec, hz, TALK_MS, ms)) {
            let packet = phone.packet(phone.pt, false, payload, codec.clock_hz() / 1000 * ms);
            packets.push((number * u64::from(ms), leg, phone.addr, packet));
        }
    }
    packets.sort_by_key(|(at, ..)| *at);
    for (at, leg, from, packet) in &packets {
        world.until(*at);
        world.receive(*leg, Channel::Rtp, *from, packet);
    }
    world.until(u64::from(TALK_MS) + 500);
    for (leg, _, codec, own, _) in parties {
        let samples = heard(&world, leg, codec);
        for (_, _, _, hz, _) in parties {
            let (length, hole) = tone_in(&samples, hz);
            if hz == own {
                let echo = power(&samples[1600..16_000], own)
                    / power(&samples[1600..16_000], 440.0).max(power(&samples[1600..16_000], 1015.0));
                assert!(echo < 0.0005, "{codec:?} hears itself: {echo}");
            } else {
                assert!(length.abs_diff(TALK_MS.into()) <= 160, "{codec:?} hears {hz} Hz for {length} ms");
                assert_eq!(hole, 0, "{codec:?}, {hz} Hz");
            }
        }
    }
    assert_eq!(world.said.taps.len(), packets.len(), "each on its own slot, as it came");
    // One leaves, the others go on; a party too many is refused.
    world.tell(Command::Close { leg: carol });
    let too_many = (1..=9).map(LegKey).collect();
    assert!(world.try_tell(Command::Mix { legs: too_many }).is_err());
    assert!(world.try_tell(Command::Mix { legs: vec![A, B, A] }).is_err());
}

#[test]
fn a_codec_that_changes_in_the_middle_is_heard_through() {
    let mut world = World::with_peers(agreed(ANN, Codec::Pcma), agreed(BOB, Codec::Pcma));
    let mut ann = Phone::new(A, ANN, Codec::Pcma);
    world.bridge();
    for codec in [Codec::Pcma, Codec::Opus, Codec::G722, Codec::Pcmu] {
        world.tell(Command::Remote { leg: A, negotiated: agreed(ANN, codec), signalling: None });
        for payload in encoded(codec, 440.0, 600, 20) {
            let packet = ann.packet(codec.usual_payload_type(), false, payload, codec.clock_hz() / 50);
            world.receive(A, Channel::Rtp, ann.addr, &packet);
            world.until(world.now_ms() + 20);
        }
    }
    world.until(world.now_ms() + 300);
    let packets = world.heard_by(B);
    steps(&packets);
    assert!(packets.iter().all(|packet| packet.header.payload_type == 8));
    let (length, hole) = tone_in(&heard(&world, B, Codec::Pcma), 440.0);
    assert!(length.abs_diff(2400) <= 160, "{length} ms");
    assert!(hole <= 80, "no more than the wait of a new stream: {hole} ms");
}
