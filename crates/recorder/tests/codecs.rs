//! Every codec in, and changes between them in the middle of a talk: the exported sound is whole, at the right rate, and
//! both tracks are aligned.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod common;

use std::f64::consts::TAU;
use std::io::Cursor;

use common::{Rig, epoch, ms, read};
use vorzimmer_media::codec::{Encoder, MAX_ENCODED};
use vorzimmer_recorder::{Codec, FrameRef, Kept, export};
use vorzimmer_types::audio::{self, OpusWish};
use vorzimmer_types::event::RecordingResult;
use vorzimmer_vault::callrec::EndReason;

const HZ: [f64; 2] = [440.0, 1015.0];

/// A talker of one tone: what it has said so far counts in milliseconds.
struct Voice {
    slot: usize,
    said_ms: u32,
    sequence: u16,
    timestamp: u32,
}

impl Voice {
    fn new(slot: usize) -> Self {
        Self { slot, said_ms: 0, sequence: 65_500, timestamp: u32::MAX - 5000 }
    }

    /// Talks on in this codec, packets of 20 ms, and skips what `lost` names.
    fn talk(&mut self, rig: &mut Rig, codec: audio::Codec, count: u32, lost: impl Fn(u32) -> bool) {
        let mut encoder = Encoder::new(codec, 16_000, OpusWish::default()).unwrap();
        let mut out = [0; MAX_ENCODED];
        for number in 0..count {
            let from = self.said_ms * 16;
            let sample = |at: u32| ((TAU * HZ[self.slot] * f64::from(at) / 16_000.0).sin() * 8000.0) as i16;
            let samples: Vec<i16> = (from..from + 320).map(sample).collect();
            let length = encoder.encode(&samples, &mut out).unwrap();
            self.said_ms += 20;
            if !lost(number) {
                rig.poll_at(epoch() + ms(self.said_ms.into()));
                assert_eq!(self.send(rig, codec.into(), &out[..length]), Kept::Yes);
            }
            self.sequence = self.sequence.wrapping_add(1);
            self.timestamp = self.timestamp.wrapping_add(codec.clock_hz() / 50);
        }
    }

    fn send(&self, rig: &mut Rig, codec: Codec, payload: &[u8]) -> Kept {
        let (sequence, rtp_timestamp, ssrc) = (self.sequence, self.timestamp, self.slot as u32 + 1);
        rig.frame(self.slot, &FrameRef { codec, ssrc, rtp_timestamp, sequence, payload })
    }
}

/// The exported WAV: its rate, and both channels.
fn exported(file: &[u8]) -> (u32, [Vec<i16>; 2]) {
    let mut wav = Cursor::new(Vec::new());
    let written = export::wav(&mut read(file), &mut wav).unwrap();
    let reader = hound::WavReader::new(Cursor::new(wav.into_inner())).unwrap();
    let rate = reader.spec().sample_rate;
    assert_eq!((written.hz, written.samples), (rate, reader.duration().into()));
    assert_eq!(written.ms(), written.samples * 1000 / u64::from(rate));
    let samples: Vec<i16> = reader.into_samples().map(Result::unwrap).collect();
    let channel = |first: usize| samples.iter().skip(first).step_by(2).copied().collect();
    (rate, [channel(0), channel(1)])
}

/// Windows of 10 ms in which the tone is missing.
fn without(samples: &[i16], hz: f64, rate: u32) -> Vec<usize> {
    let window = rate as usize / 100;
    let power = |samples: &[i16]| {
        let step = TAU * hz / f64::from(rate);
        let (mut re, mut im) = (0.0, 0.0);
        for (at, sample) in samples.iter().enumerate() {
            re += f64::from(*sample) * (step * at as f64).cos();
            im += f64::from(*sample) * (step * at as f64).sin();
        }
        (re * re + im * im) * 4.0 / (samples.len() as f64).powi(2)
    };
    let windows = samples.chunks_exact(window).enumerate();
    windows.filter(|(_, samples)| power(samples) < 3000.0 * 3000.0).map(|(at, _)| at).collect()
}

#[test]
fn every_codec_is_exported_whole_at_the_rate_it_needs() {
    for (codec, rate) in [
        (audio::Codec::Pcma, 8000),
        (audio::Codec::Pcmu, 8000),
        (audio::Codec::G722, 16_000),
        (audio::Codec::Opus, 16_000),
    ] {
        let mut rig = Rig::start();
        Voice::new(0).talk(&mut rig, codec, 150, |number| number == 50 || number == 51);
        let (finished, file) = rig.finish(EndReason::HungUp, epoch() + ms(3000));
        assert_eq!(finished.gap_counts(), [1, 0], "{codec:?}");
        let (found, [left, right]) = exported(&file);
        assert_eq!((found, left.len()), (rate, rate as usize * 3), "{codec:?}");
        assert!(right.iter().all(|sample| *sample == 0));
        // What was lost is silent; a codec with a memory takes a window at either end to begin.
        let silent: Vec<usize> =
            without(&left, HZ[0], rate).into_iter().filter(|at| (2..298).contains(at)).collect();
        assert!(silent.starts_with(&[100]) || silent.starts_with(&[101]), "{codec:?}: {silent:?}");
        assert!(
            silent.len() >= 3 && silent.iter().all(|at| (100..=105).contains(at)),
            "{codec:?}: {silent:?}"
        );
    }
}

#[test]
fn a_change_of_codec_leaves_no_gap_and_moves_no_track() {
    let order =
        [audio::Codec::Pcma, audio::Codec::Opus, audio::Codec::G722, audio::Codec::Pcmu, audio::Codec::Opus];
    let mut rig = Rig::start();
    let mut voices = [Voice::new(0), Voice::new(1)];
    for turn in 0..order.len() {
        // Both talk at the same time, a packet at a time so that their clocks go together.
        let [caller, receptionist] = &mut voices;
        let mut encoders = [order[turn], order[(turn + 2) % order.len()]]
            .map(|codec| (codec, Encoder::new(codec, 16_000, OpusWish::default()).unwrap()));
        for _ in 0..50 {
            for (voice, (codec, encoder)) in [&mut *caller, &mut *receptionist].into_iter().zip(&mut encoders)
            {
                let mut out = [0; MAX_ENCODED];
                let hz = HZ[voice.slot];
                let from = voice.said_ms * 16;
                let sample = |at: u32| ((TAU * hz * f64::from(at) / 16_000.0).sin() * 8000.0) as i16;
                let samples: Vec<i16> = (from..from + 320).map(sample).collect();
                let length = encoder.encode(&samples, &mut out).unwrap();
                voice.said_ms += 20;
                rig.poll_at(epoch() + ms(voice.said_ms.into()));
                assert_eq!(voice.send(&mut rig, (*codec).into(), &out[..length]), Kept::Yes);
                voice.sequence = voice.sequence.wrapping_add(1);
                voice.timestamp = voice.timestamp.wrapping_add(codec.clock_hz() / 50);
            }
        }
    }
    let (finished, file) = rig.finish(EndReason::HungUp, epoch() + ms(5000));
    assert_eq!((finished.result, finished.gap_counts()), (RecordingResult::Ok, [0, 0]));
    let said = |turn: usize| Codec::from(order[turn % order.len()]);
    let pages = export::codecs(&mut read(&file)).unwrap();
    assert_eq!(pages[0], [said(0), said(1), said(2), said(3)], "each page names its codec");
    assert_eq!(pages[1], [said(2), said(3), said(4), said(0)]);
    let (rate, channels) = exported(&file);
    for (channel, hz) in channels.iter().zip(HZ) {
        assert_eq!(channel.len(), rate as usize * 5);
        // Codecs that begin take a moment: at most two windows at a change, and never elsewhere.
        let silent = without(channel, hz, rate);
        assert!(silent.iter().all(|at| at % 100 < 2 || at % 100 == 99), "{hz} Hz: {silent:?}");
        assert!(silent.len() <= 12, "{hz} Hz: {silent:?}");
    }
}

#[test]
fn comfort_noise_is_heard_until_the_next_word() {
    let mut rig = Rig::start();
    let mut voice = Voice::new(0);
    voice.talk(&mut rig, audio::Codec::Pcma, 25, |_| false);
    assert_eq!(voice.send(&mut rig, Codec::Noise, &[40]), Kept::Yes);
    voice.sequence = voice.sequence.wrapping_add(1);
    voice.timestamp = voice.timestamp.wrapping_add(8000);
    voice.said_ms += 1000;
    voice.talk(&mut rig, audio::Codec::Pcma, 25, |_| false);
    let (finished, file) = rig.finish(EndReason::HungUp, epoch() + ms(2000));
    assert_eq!((finished.result, finished.gap_counts()), (RecordingResult::Ok, [0, 0]));
    let (rate, [left, _]) = exported(&file);
    assert_eq!((rate, left.len()), (8000, 16_000));
    let noise = &left[4000..12_000];
    let mean = (noise.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / 8000.0).sqrt();
    assert!((mean - 327.0).abs() < 30.0, "40 dB below full scale: {mean}");
    assert_eq!(without(&left[..4000], HZ[0], 8000), without(&left[12_000..], HZ[0], 8000));
    assert_eq!(without(&left[..4000], HZ[0], 8000), Vec::<usize>::new());
}
