//! Every codec on its way through: relayed as it came, played to, its keys found.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail loudly")]

mod world;

use std::f64::consts::TAU;
use std::sync::Arc;

use vorzimmer_media::codec::{Decoder, Encoder, MAX_ENCODED, MAX_SAMPLES};
use vorzimmer_media::{Channel, Codec, Command, Content, Prompt, RingBack, Sound};
use vorzimmer_types::audio::{NoisePayload, OpusWish};
use world::{A, B, Phone, World, agreed, steps};

const ANN: &str = "192.0.2.1:10000";
const BOB: &str = "198.51.100.2:20000";

fn pair(codec: Codec) -> (World, Phone, Phone) {
    let world = World::with_peers(agreed(ANN, codec), agreed(BOB, codec));
    (world, Phone::new(A, ANN, codec), Phone::new(B, BOB, codec))
}

fn tone(hz: &[f64], rate: u32, ms: u32) -> Vec<i16> {
    let sample = |at: u32| {
        let sum: f64 = hz.iter().map(|hz| (TAU * hz * f64::from(at) / f64::from(rate)).sin()).sum();
        (sum * 6000.0) as i16
    };
    (0..rate / 1000 * ms).map(sample).collect()
}

fn encoded(codec: Codec, hz: &[f64], ms: u32, packet_ms: u32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, 16_000, OpusWish::default()).unwrap();
    let mut out = [0; MAX_ENCODED];
    let voice = tone(hz, 16_000, ms);
    let blocks = voice.chunks((16 * packet_ms) as usize);
    blocks
        .map(|block| encoder.encode(block, &mut out).map(|length| out[..length].to_vec()).unwrap())
        .collect()
}

/// How much of what a leg was sent is a tone of `hz`, and for how many milliseconds it lasted.
fn heard(world: &World, leg: vorzimmer_media::LegKey, codec: Codec, hz: f64) -> (f64, usize) {
    let mut decoder = Decoder::new(codec, 8000).unwrap();
    let mut out = vec![0; MAX_SAMPLES];
    let mut samples = Vec::new();
    for packet in world.heard_by(leg) {
        let count = decoder.decode(&packet.payload, &mut out).unwrap();
        samples.extend_from_slice(&out[..count]);
    }
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let angle = TAU * hz * at as f64 / 8000.0;
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
        energy += f64::from(*sample).powi(2);
    }
    (2.0 * (re * re + im * im) / (energy * samples.len() as f64), samples.len() / 8)
}

#[test]
fn a_codec_that_both_have_goes_through_untouched() {
    for codec in Codec::ALL {
        for packet_ms in [10, 20, 40, 60] {
            let (mut world, mut ann, _) = pair(codec);
            world.bridge();
            let units = codec.clock_hz() / 1000 * packet_ms;
            let said = encoded(codec, &[440.0], 600, packet_ms);
            for payload in &said {
                let packet = ann.packet(ann.pt, false, payload.clone(), units);
                world.receive(A, Channel::Rtp, ann.addr, &packet);
                world.until(world.now_ms() + u64::from(packet_ms));
            }
            let packets = world.heard_by(B);
            assert!(steps(&packets).iter().all(|step| *step == units), "{codec:?} {packet_ms} ms");
            assert!(packets.iter().map(|packet| &packet.payload[..]).eq(said.iter().map(Vec::as_slice)));
            assert!(packets.iter().all(|packet| packet.header.payload_type == codec.usual_payload_type()));
            assert!(world.said.taps.iter().all(|tap| tap.content == Content::Voice(codec)));
            assert!(world.said.taps.iter().map(|tap| &tap.payload).eq(&said), "the recorder gets what came");
        }
    }
}

#[test]
fn a_prompt_is_spoken_in_every_codec_for_exactly_its_length() {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: format };
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    tone(&[440.0], 8000, 1010).iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
    let prompt = Sound::Prompt(Arc::new(Prompt::from_wav(&bytes.into_inner(), 1).unwrap()));
    for codec in Codec::ALL {
        let (mut world, ..) = pair(codec);
        world.play(A, prompt.clone(), 1, false);
        world.until(1500);
        let (share, ms) = heard(&world, A, codec, 440.0);
        assert!(share > 0.97, "{codec:?}: {share}");
        // Opus is only sent in whole packets.
        let (sent_ms, end) = if codec == Codec::Opus { (1020, 1020) } else { (1010, 1010) };
        assert_eq!(ms, sent_ms, "{codec:?}");
        let complete = format!("{end}: PromptEnded {{ leg: LegKey(1), prompt: PlayId(1), complete: true }}");
        assert_eq!(world.events(), [complete], "{codec:?}");
        let units = codec.clock_hz() / 50;
        assert!(steps(&world.heard_by(A)).iter().all(|step| *step == units), "{codec:?}");
    }
}

#[test]
fn the_codec_changes_in_the_middle_of_a_tone() {
    let (mut world, ..) = pair(Codec::Pcma);
    world.play(A, Sound::RingBack(RingBack::Germany), 1, true);
    world.until(195);
    for (at, codec) in [(395, Codec::Opus), (595, Codec::G722), (795, Codec::Pcmu)] {
        world.tell(Command::Remote { leg: A, negotiated: agreed(ANN, codec), signalling: None });
        world.until(at);
    }
    let packets = world.heard_by(A);
    let types: Vec<u8> = packets.iter().map(|packet| packet.header.payload_type).collect();
    assert_eq!(types, [[8; 10], [111; 10], [9; 10], [0; 10]].concat());
    // 20 ms each, in units of whatever clock holds; where it changes the time that passed is what counts.
    let expected: Vec<u32> = types[1..].iter().map(|pt| if *pt == 111 { 960 } else { 160 }).collect();
    assert_eq!(steps(&packets), expected);
}

#[test]
fn a_key_is_found_as_a_tone_where_the_phone_knows_no_events() {
    for codec in Codec::ALL {
        for events in [false, true] {
            let mut negotiated = agreed(ANN, codec);
            if !events {
                negotiated.format.events = None;
            }
            let mut world = World::with_peers(negotiated, agreed(BOB, codec));
            let mut ann = Phone::new(A, ANN, codec);
            let units = codec.clock_hz() / 50;
            let pause = encoded(codec, &[], 100, 20);
            for payload in [pause.clone(), encoded(codec, &[770.0, 1336.0], 120, 20), pause].concat() {
                let packet = ann.packet(ann.pt, false, payload, units);
                world.receive(A, Channel::Rtp, ann.addr, &packet);
                world.until(world.now_ms() + 20);
            }
            let found = world
                .events()
                .iter()
                .filter(|event| event.contains("Digit { leg: LegKey(1), digit: Digit(5)"))
                .count();
            // A telephone that knows events is believed in those alone, unless listening costs nothing.
            assert_eq!(found, usize::from(!events || codec.is_g711()), "{codec:?}, events: {events}");
        }
    }
}

#[test]
fn a_press_of_ours_is_said_in_the_codecs_own_time() {
    for codec in Codec::ALL {
        let (mut world, ..) = pair(codec);
        world.tell(Command::Press { leg: A, digit: vorzimmer_media::Digit::from_char('5').unwrap() });
        world.until(500);
        let last = world.heard_by(A).pop().unwrap();
        let duration = u16::from_be_bytes([last.payload[2], last.payload[3]]);
        assert_eq!(u32::from(duration), codec.clock_hz() / 10, "{codec:?}: 100 ms");
    }
}

#[test]
fn a_key_held_is_as_long_as_its_clock_says() {
    let (mut world, mut ann, _) = pair(Codec::Opus);
    ann.event(&mut world, true, 5, false, 960);
    ann.event(&mut world, false, 5, true, 4800);
    let events = world.events();
    assert!(events[1].contains("DigitEnded") && events[1].contains("duration: 100ms"), "{events:?}");
}

#[test]
fn comfort_noise_goes_to_whoever_knows_it_and_to_the_recorder() {
    for known in [true, false] {
        let noise = |receive| Some(NoisePayload { send: 13, receive });
        let (mut a, mut b) = (agreed(ANN, Codec::Pcma), agreed(BOB, Codec::Pcmu));
        a.format.noise = noise(13);
        b.format.noise = noise(13).filter(|_| known);
        let mut world = World::with_peers(a, b);
        let mut ann = Phone::new(A, ANN, Codec::Pcma);
        world.bridge();
        ann.talk_on(&mut world, 3);
        let quiet = ann.packet(13, false, vec![60], 0);
        world.receive(A, Channel::Rtp, ann.addr, &quiet);
        ann.timestamp = ann.timestamp.wrapping_add(4000);
        world.until(world.now_ms() + 500);
        ann.talk_on(&mut world, 3);
        let types: Vec<u8> = world.heard_by(B).iter().map(|packet| packet.header.payload_type).collect();
        let expected: &[u8] = if known { &[0, 0, 0, 13, 0, 0, 0] } else { &[0, 0, 0, 0, 0, 0] };
        assert_eq!(types, expected);
        assert_eq!(steps(&world.heard_by(B)).iter().sum::<u32>(), 5 * 160 + 4000, "time passes all the same");
        let kept: Vec<Content> = world.said.taps.iter().map(|tap| tap.content).collect();
        assert_eq!(kept[3], Content::Noise);
        assert_eq!(kept.len(), 7);
    }
}
