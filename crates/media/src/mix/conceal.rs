//! What is heard in place of packets that did not come, for codecs that have nothing of their own: the last pitch period
//! again and again, softer and softer (the idea of ITU-T G.711 appendix I).

/// Sound that is remembered, in milliseconds.
const MEMORY_MS: usize = 40;
/// The lowest and the highest voice: periods of 2.5 to 16 ms.
const PERIODS_US: (usize, usize) = (2500, 16_000);
/// What is compared to find the period, in milliseconds.
const TEMPLATE_MS: usize = 8;
/// For so long the period is as loud as it was; after [`SILENT_MS`] it is gone.
const LOUD_MS: usize = 20;
const SILENT_MS: usize = 100;
/// Over so long what is real again fades in.
const FADE_MS: usize = 4;

/// Conceals the losses of one stream.
pub(crate) struct Concealer {
    /// Samples a millisecond.
    per_ms: usize,
    memory: Box<[i16]>,
    period: usize,
    /// Samples made up since the last real one.
    made: usize,
}

impl Concealer {
    pub(crate) fn new(hz: u32) -> Self {
        let per_ms = hz as usize / 1000;
        Self { per_ms, memory: vec![0; MEMORY_MS * per_ms].into(), period: 1, made: 0 }
    }

    /// Real sound goes by; the first after a loss fades in.
    pub(crate) fn real(&mut self, samples: &mut [i16]) {
        if self.made > 0 {
            let length = (FADE_MS * self.per_ms).min(samples.len());
            for (at, sample) in samples.iter_mut().enumerate().take(length) {
                let made_up = self.next();
                let (new, old) = (i32::from(*sample), i32::from(made_up));
                let (at, length) = (at as i32, length as i32);
                *sample = ((new * at + old * (length - at)) / length) as i16;
            }
            self.made = 0;
        }
        let kept = samples.len().min(self.memory.len());
        let length = self.memory.len();
        self.memory.copy_within(kept.., 0);
        self.memory[length - kept..].copy_from_slice(&samples[samples.len() - kept..]);
    }

    /// Fills `out` with what might have been.
    pub(crate) fn make_up(&mut self, out: &mut [i16]) {
        if self.made == 0 {
            self.period = self.find_period();
        }
        for sample in out {
            *sample = self.next();
        }
    }

    fn next(&mut self) -> i16 {
        let from = self.memory.len() - self.period + self.made % self.period;
        let (loud, silent) = (LOUD_MS * self.per_ms, SILENT_MS * self.per_ms);
        let left = silent.saturating_sub(self.made.max(loud));
        self.made = self.made.saturating_add(1);
        let sample = i32::from(self.memory.get(from).copied().unwrap_or(0));
        (sample * left as i32 / (silent - loud) as i32) as i16
    }

    /// How far back the sound was most like now.
    fn find_period(&self) -> usize {
        let (shortest, longest) = (PERIODS_US.0 * self.per_ms / 1000, PERIODS_US.1 * self.per_ms / 1000);
        let length = TEMPLATE_MS * self.per_ms;
        let now = &self.memory[self.memory.len() - length..];
        let likeness = |period: &usize| {
            let begin = self.memory.len() - length - period;
            let then = &self.memory[begin..begin + length];
            let dot = |a: &[i16], b: &[i16]| -> f32 {
                a.iter().zip(b).map(|(a, b)| f32::from(*a) * f32::from(*b)).sum()
            };
            dot(now, then) / (dot(then, then) + 1.0).sqrt()
        };
        (shortest..=longest).max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or(longest)
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::Concealer;

    fn tone(hz: f64, from: usize, count: usize) -> Vec<i16> {
        let sample = |at: usize| ((TAU * hz * at as f64 / 8000.0).sin() * 10_000.0) as i16;
        (from..from + count).map(sample).collect()
    }

    #[test]
    fn a_lost_piece_of_a_tone_is_hardly_heard() {
        for hz in [200.0, 440.0, 1015.0] {
            let mut concealer = Concealer::new(8000);
            concealer.real(&mut tone(hz, 0, 480));
            let mut made_up = vec![0; 160];
            concealer.make_up(&mut made_up);
            let worst = made_up.iter().zip(tone(hz, 480, 160)).map(|(a, b)| (a - b).abs()).max();
            assert!(worst < Some(4000), "{hz} Hz: off by {worst:?} of 10000");
            let mut real = tone(hz, 640, 160);
            concealer.real(&mut real);
            assert_eq!(real[40..], tone(hz, 680, 120));
        }
    }

    #[test]
    fn what_stays_away_dies_away() {
        let mut concealer = Concealer::new(8000);
        concealer.real(&mut tone(440.0, 0, 480));
        let mut out = vec![0; 1600];
        concealer.make_up(&mut out);
        let loudest = |samples: &[i16]| samples.iter().map(|sample| sample.abs()).max();
        assert!(loudest(&out[..160]) > Some(9000));
        assert!(loudest(&out[480..560]) < Some(6000));
        assert_eq!(loudest(&out[800..]), Some(0));
    }

    #[test]
    fn out_of_silence_comes_silence() {
        let mut out = [1; 80];
        Concealer::new(16_000).make_up(&mut out);
        assert_eq!(out, [0; 80]);
    }
}
