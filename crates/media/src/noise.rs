//! Comfort noise (RFC 3389): how it sounds where the other party is, while nobody there speaks.
//!
//! Only the level of a noise payload is heard; its spectrum (§3.2) is passed over, so that all noise is white.

/// Levels are so many decibel below a full scale square wave (§3.1).
const FULL_SCALE: f32 = 32_767.0;
/// What is made for a payload without a level: hardly to be heard.
const SOFT: u8 = 70;

/// A source of noise at one level.
#[derive(Clone, Debug)]
pub struct Noise {
    peak: f32,
    state: u32,
}

impl Noise {
    /// Noise as a payload says it.
    #[must_use]
    pub fn new(payload: &[u8]) -> Self {
        let level = payload.first().map_or(SOFT, |level| level & 0x7f);
        // Evenly spread samples have a power of a third of their peak's square.
        let peak = FULL_SCALE * 10_f32.powf(-f32::from(level) / 20.0) * 3_f32.sqrt();
        Self { peak: peak.min(FULL_SCALE), state: 0x9e37_79b9 }
    }

    /// The payload for noise of this level, in decibel below full scale.
    #[must_use]
    pub fn payload(level: u8) -> [u8; 1] {
        [level.min(127)]
    }

    /// The next samples, at any rate.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            // A sequence that repeats after hours is random enough to be listened to.
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let spread = (self.state >> 8) as f32 / 8_388_608.0 - 1.0;
            *sample = (spread * self.peak) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Noise;

    #[test]
    fn noise_has_the_power_that_was_said() {
        for level in [0_u8, 20, 40, 60] {
            let mut samples = vec![0; 80_000];
            Noise::new(&[level | 0x80, 1, 2, 3]).fill(&mut samples);
            let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
            let level_heard = -10.0 * (power / 80_000.0 / 32_767_f64.powi(2)).log10();
            let expected = f64::from(level).max(4.77);
            assert!((level_heard - expected).abs() < 0.5, "{level}: {level_heard:.1}");
        }
    }
}
