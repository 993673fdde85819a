//! Call progress and waiting tones, rendered once.
//!
//! Ring-back follows ITU-T E.180 supplement 2 for each country.

use std::f64::consts::TAU;
use std::sync::{Arc, LazyLock};

use vorzimmer_types::audio::Codec;

use super::clip::Clip;

const HZ: f64 = 8000.0;
/// Amplitude of one tone alone: about −13 dBm0, in the range of E.180 §8.
const TONE: f64 = 5000.0;
/// Amplitude of a note of the hold tone: about −22 dBm0, since one hears it for minutes.
const NOTE: f64 = 1800.0;

/// Whose ring-back tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RingBack {
    /// 425 Hz, 1 s on, 4 s off.
    Germany,
    /// 400 and 450 Hz, 0.4 s on, 0.2 s off, 0.4 s on, 2 s off.
    UnitedKingdom,
}

impl RingBack {
    /// Encodes both countries' tones in this codec, if that has not been done yet.
    pub fn prepare(codec: Codec) {
        [Self::Germany, Self::UnitedKingdom].iter().for_each(|country| country.clip().prepare(codec));
    }

    /// One whole cadence, to be repeated.
    #[must_use]
    pub fn clip(self) -> Arc<Clip> {
        static GERMANY: LazyLock<Arc<Clip>> =
            LazyLock::new(|| Arc::new(Clip::new(&cadence(&[425.0], &[(true, 1000), (false, 4000)]))));
        static UNITED_KINGDOM: LazyLock<Arc<Clip>> = LazyLock::new(|| {
            let rhythm = [(true, 400), (false, 200), (true, 400), (false, 2000)];
            Arc::new(Clip::new(&cadence(&[400.0, 450.0], &rhythm)))
        });
        match self {
            Self::Germany => Arc::clone(&GERMANY),
            Self::UnitedKingdom => Arc::clone(&UNITED_KINGDOM),
        }
    }
}

/// Soft rising and falling notes, to be repeated.
pub(crate) fn hold() -> Arc<Clip> {
    static HOLD: LazyLock<Arc<Clip>> = LazyLock::new(|| Arc::new(Clip::new(&melody())));
    Arc::clone(&HOLD)
}

/// One second of silence, to be repeated.
pub(crate) fn silence() -> Arc<Clip> {
    static SILENCE: LazyLock<Arc<Clip>> = LazyLock::new(|| Arc::new(Clip::new(&[0; 8000])));
    Arc::clone(&SILENCE)
}

/// Tones of these frequencies, on and off for so many milliseconds each.
fn cadence(frequencies: &[f64], rhythm: &[(bool, usize)]) -> Vec<i16> {
    let mut samples = Vec::new();
    let each = TONE / (frequencies.len() as f64).sqrt();
    for (on, ms) in rhythm {
        for place in 0..ms * 8 {
            let sum: f64 = frequencies.iter().map(|hz| (TAU * hz * place as f64 / HZ).sin()).sum();
            samples.push(if *on { (each * sum) as i16 } else { 0 });
        }
    }
    samples
}

/// Eight notes of a C major chord with a breath after each, eight seconds long.
fn melody() -> Vec<i16> {
    const NOTES: [f64; 8] = [261.63, 329.63, 392.0, 523.25, 392.0, 329.63, 293.66, 261.63];
    const NOTE_SAMPLES: usize = 8000;
    let sample = |hz: f64, place: usize| {
        let time = place as f64 / HZ;
        let part = place as f64 / NOTE_SAMPLES as f64;
        // Rises within 50 ms, then dies away to nothing, so that no note clicks.
        let envelope = (time / 0.05).min(1.0) * (1.0 - part).powi(2);
        let voice = (TAU * hz * time).sin() + 0.3 * (TAU * 2.0 * hz * time).sin();
        (NOTE * envelope * voice) as i16
    };
    NOTES.iter().flat_map(|hz| (0..NOTE_SAMPLES).map(move |place| sample(*hz, place))).collect()
}

#[cfg(test)]
mod tests {
    use super::RingBack;
    use crate::{Codec, decode};

    fn power(clip: &super::Clip, hz: f64, from_ms: usize, ms: usize) -> f64 {
        let codes = clip.slice(Codec::Pcma, from_ms * 8, ms * 8);
        let (mut re, mut im) = (0.0, 0.0);
        for (place, code) in codes.iter().enumerate() {
            let angle = super::TAU * hz * place as f64 / super::HZ;
            re += f64::from(decode(Codec::Pcma, *code)) * angle.cos();
            im += f64::from(decode(Codec::Pcma, *code)) * angle.sin();
        }
        (re * re + im * im).sqrt() * 2.0 / codes.len() as f64
    }

    #[test]
    fn germany_rings_one_second_in_five() {
        let clip = RingBack::Germany.clip();
        assert_eq!(clip.samples(), 5 * 8000);
        assert!((power(&clip, 425.0, 0, 1000) - 5000.0).abs() < 100.0);
        assert!(power(&clip, 425.0, 1000, 4000) < 1.0);
    }

    #[test]
    fn britain_rings_twice_in_three() {
        let clip = RingBack::UnitedKingdom.clip();
        assert_eq!(clip.samples(), 3 * 8000);
        for from in [0, 600] {
            assert!(power(&clip, 400.0, from, 400) > 3000.0);
            assert!(power(&clip, 450.0, from, 400) > 3000.0);
        }
        assert!(power(&clip, 400.0, 400, 200) < 1.0);
        assert!(power(&clip, 450.0, 1000, 2000) < 1.0);
    }

    #[test]
    fn the_hold_tone_is_soft_and_ends_where_it_began() {
        let clip = super::hold();
        let codes = clip.slice(Codec::Pcma, 0, usize::MAX);
        let loudest = codes.iter().map(|code| decode(Codec::Pcma, *code).abs()).max();
        assert!(loudest < Some(2600), "{loudest:?}");
        let last = codes.last().map(|code| decode(Codec::Pcma, *code).abs());
        assert!(last <= Some(8), "{last:?}");
    }
}
