//! Each codec gives back the tone it was given, at each rate, and is who it says it is.

use std::f64::consts::TAU;

use sha2::{Digest, Sha256};
use vorzimmer_types::audio::OpusWish;

use super::{Decoder, Encoder, MAX_ENCODED, MAX_SAMPLES};
use crate::Codec;

fn tone(hz: f64, rate: u32, ms: u32) -> Vec<i16> {
    let step = TAU * hz / f64::from(rate);
    (0..rate / 1000 * ms).map(|at| ((step * f64::from(at)).sin() * 8000.0) as i16).collect()
}

/// How much of `samples` is a tone of `hz`: 1 for a pure one.
fn share(samples: &[i16], hz: f64, rate: u32) -> f64 {
    let step = TAU * hz / f64::from(rate);
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), step * at as f64);
        re += sample * angle.cos();
        im += sample * angle.sin();
        energy += sample * sample;
    }
    2.0 * (re * re + im * im) / (energy * samples.len() as f64)
}

fn packets(codec: Codec, rate: u32, samples: &[i16], ms: u32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, rate, OpusWish::default()).unwrap();
    let mut out = [0; MAX_ENCODED];
    let blocks = samples.chunks((rate / 1000 * ms) as usize);
    blocks
        .map(|block| encoder.encode(block, &mut out).map(|length| out[..length].to_vec()).unwrap())
        .collect()
}

fn decoded(codec: Codec, rate: u32, packets: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = Decoder::new(codec, rate).unwrap();
    let mut out = vec![0; MAX_SAMPLES];
    let decode = |packet: &Vec<u8>| decoder.decode(packet, &mut out).map(|count| out[..count].to_vec());
    packets.iter().flat_map(decode).flatten().collect()
}

#[test]
fn a_tone_comes_back_at_every_rate_and_packet_length() {
    for codec in Codec::ALL {
        for (from, to) in [(8000, 8000), (8000, 16_000), (16_000, 8000), (16_000, 16_000), (16_000, 48_000)] {
            for ms in [10, 20, 40, 60] {
                let sent = packets(codec, from, &tone(1015.0, from, 600), ms);
                let units = codec.clock_hz() / 1000 * ms;
                assert!(sent.iter().all(|packet| codec.units(packet) == units), "{codec:?} of {ms} ms");
                let heard = decoded(codec, to, &sent);
                assert_eq!(heard.len() as u32, to / 1000 * 600, "{codec:?} {from} {to} {ms} ms");
                let share = share(&heard[heard.len() / 4..], 1015.0, to);
                assert!(share > 0.98, "{codec:?} from {from} to {to} in {ms} ms: {share}");
            }
        }
    }
}

/// The tone that we encoded is decoded to the very samples that `ffmpeg -f g722` decodes it to. (Loud noise in the upper
/// band differs by less than a hundredth, since the predictors round differently there.)
#[test]
fn our_g722_is_everybodys() {
    const BY_FFMPEG: &str = "199e94f8adc879ab31b4a9e7f2ea302382fe9f3039157a4b6cb35c8c116a7d5b";
    let sent = packets(Codec::G722, 16_000, &tone(1015.0, 16_000, 200), 20);
    let heard = decoded(Codec::G722, 16_000, &sent);
    let bytes: Vec<u8> = heard.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, BY_FFMPEG);
}

/// Of speech, every tenth packet is lost. How much of the sound of those packets is wrong, 0 to about 2.
fn wrong_by(replace: fn(&mut Decoder, &[u8], &mut [i16]) -> bool) -> f64 {
    let wav = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/prompts/de/consent-ask.wav");
    let speech: Vec<i16> = hound::WavReader::open(wav).unwrap().samples().map(Result::unwrap).collect();
    let mut encoder = Encoder::new(Codec::Opus, 8000, OpusWish { fec: true, ..OpusWish::default() }).unwrap();
    let mut out = [0; MAX_ENCODED];
    let whole = speech.chunks_exact(160);
    let sent: Vec<Vec<u8>> = whole
        .map(|block| encoder.encode(block, &mut out).map(|length| out[..length].to_vec()).unwrap())
        .collect();
    let (mut lossy, mut right) =
        (Decoder::new(Codec::Opus, 8000).unwrap(), Decoder::new(Codec::Opus, 8000).unwrap());
    let (mut error, mut energy) = (0.0, 0.0);
    for (at, packet) in sent.iter().enumerate() {
        let (mut heard, mut meant) = ([0; 160], [0; 160]);
        assert_eq!(right.decode(packet, &mut meant), Some(160));
        if at % 10 != 9 || at + 1 == sent.len() {
            assert_eq!(lossy.decode(packet, &mut heard), Some(160));
            continue;
        }
        assert!(replace(&mut lossy, &sent[at + 1], &mut heard));
        for (heard, meant) in heard.iter().zip(meant) {
            error += (f64::from(*heard) - f64::from(meant)).powi(2);
            energy += f64::from(meant).powi(2);
        }
    }
    error / energy
}

#[test]
fn opus_hides_a_lost_packet_and_gets_it_back_from_the_next() {
    let hidden = wrong_by(|decoder, _, out| decoder.conceal(out));
    let regained = wrong_by(Decoder::regain);
    assert!(hidden < 2.0 && regained < hidden / 2.0, "hidden {hidden:.2}, regained {regained:.2}");
}

#[test]
fn nonsense_is_refused_or_heard_but_never_worse() {
    let mut out = vec![0; MAX_SAMPLES];
    for codec in Codec::ALL {
        let mut decoder = Decoder::new(codec, 16_000).unwrap();
        for length in [0_usize, 1, 2, 3, 160, 1275, 1500, 6000] {
            for byte in [0_u8, 0x55, 0xff] {
                let made = decoder.decode(&vec![byte; length], &mut out);
                assert!(made.is_none_or(|count| count <= out.len()));
            }
        }
    }
}
