//! How loud each party was in each second: what a copy must agree with, whatever the codec did to the samples.

/// Root mean square, of samples of 16 bits, below which a second counts as silent: some -50 dB.
const AUDIBLE: f64 = 100.0;
/// An audible second may be so many times as loud or as quiet: 6 dB.
const FACTOR: f64 = 2.0;

/// Each slot's seconds.
#[derive(Clone, Debug)]
pub(super) struct Loudness {
    hz: u32,
    slots: Vec<Seconds>,
    /// Samples of the block that fills.
    block: u64,
    samples: u64,
}

#[derive(Clone, Debug, Default)]
struct Seconds {
    whole: Vec<f64>,
    squares: f64,
    count: u32,
}

impl Loudness {
    pub(super) fn new(hz: u32, slots: usize) -> Self {
        Self { hz, slots: vec![Seconds::default(); slots], block: 0, samples: 0 }
    }

    /// Samples a second.
    pub(super) fn hz(&self) -> u32 {
        self.hz
    }

    /// Samples of each slot so far.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    pub(super) fn slot(&mut self, slot: usize, samples: &[i16]) {
        self.block = self.block.max(samples.len() as u64);
        if let Some(seconds) = self.slots.get_mut(slot) {
            samples.iter().for_each(|sample| seconds.add(*sample, self.hz));
        }
    }

    pub(super) fn end_block(&mut self) {
        self.samples += std::mem::take(&mut self.block);
    }

    /// Whether each second that is audible in either is about as loud in the other.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let pairs = self.slots.iter().zip(&other.slots);
        self.slots.len() == other.slots.len() && pairs.into_iter().all(|(own, other)| own.is_like(other))
    }
}

impl Seconds {
    fn add(&mut self, sample: i16, hz: u32) {
        self.squares += f64::from(sample).powi(2);
        self.count += 1;
        if self.count == hz {
            self.whole.push(self.level());
            (self.squares, self.count) = (0.0, 0);
        }
    }

    fn level(&self) -> f64 {
        (self.squares / f64::from(self.count.max(1))).sqrt()
    }

    fn levels(&self) -> impl Iterator<Item = f64> {
        self.whole.iter().copied().chain([self.level()])
    }

    fn is_like(&self, other: &Self) -> bool {
        let close = |(one, other): (f64, f64)| {
            let (quieter, louder) = (one.min(other), one.max(other));
            louder < AUDIBLE || quieter * FACTOR >= louder
        };
        self.whole.len() == other.whole.len() && self.levels().zip(other.levels()).all(close)
    }
}

#[cfg(test)]
mod tests {
    use super::Loudness;

    fn heard(levels: &[i16]) -> Loudness {
        let mut loudness = Loudness::new(8000, 1);
        for level in levels {
            loudness.slot(0, &[*level; 4000]);
            loudness.end_block();
        }
        loudness
    }

    #[test]
    fn seconds_are_compared_one_by_one() {
        let table: [(&str, &[i16], bool); 6] = [
            ("the same", &[1000, 1000, 0, 0, 500], true),
            ("a little louder", &[1500, 1500, 20, 20, 700], true),
            ("noise where there was silence", &[1000, 1000, 90, 90, 500], true),
            ("a second is missing", &[0, 0, 0, 0, 500], false),
            ("a voice where there was none", &[1000, 1000, 1000, 1000, 500], false),
            ("the end is missing", &[1000, 1000, 0, 0, 0], false),
        ];
        for (what, levels, like) in table {
            assert_eq!(heard(levels).is_like(&heard(&[1000, 1000, 0, 0, 500])), like, "{what}");
        }
        assert!(!heard(&[1000, 1000]).is_like(&heard(&[1000; 4])), "another length");
    }
}
