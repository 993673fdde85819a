//! How long things took: counts in buckets of a microsecond up to ten milliseconds, of a tenth of a millisecond up to
//! two seconds, and one for whatever took longer. The longest is kept as it was.

use serde::{Deserialize, Serialize};

/// Up to here, in microseconds, every microsecond has its bucket.
const FINE: u64 = 10_000;
/// From there on a bucket is so wide, in microseconds.
const WIDTH: u64 = 100;
/// What takes longer, in microseconds, shares one bucket.
const LAST: u64 = 2_000_000;

/// Durations that were noted.
#[derive(Clone, Debug)]
pub struct Delays {
    buckets: Vec<u64>,
    count: u64,
    longest_us: u64,
}

/// What is told of them, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Half of them took no longer.
    pub p50: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// 999 of 1,000 took no longer.
    pub p999: u64,
    /// None took longer.
    pub max: u64,
}

impl Delays {
    /// None yet.
    pub fn new() -> Self {
        Self { buckets: vec![0; bucket(LAST) + 1], count: 0, longest_us: 0 }
    }

    /// One more, in microseconds.
    pub fn note(&mut self, us: u64) {
        self.longest_us = self.longest_us.max(us);
        self.count += 1;
        if let Some(count) = self.buckets.get_mut(bucket(us.min(LAST))) {
            *count += 1;
        }
    }

    /// The usual figures; zeros if nothing was noted.
    pub fn summary(&self) -> Summary {
        Summary {
            p50: self.at_most(500),
            p99: self.at_most(990),
            p999: self.at_most(999),
            max: self.longest_us,
        }
    }

    /// So many of 1,000 took no longer than this.
    fn at_most(&self, per_mille: u64) -> u64 {
        let wanted = (self.count * per_mille).div_ceil(1_000);
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper(at).min(self.longest_us);
            }
        }
        self.longest_us
    }
}

fn bucket(us: u64) -> usize {
    let at = if us < FINE { us } else { FINE + (us - FINE) / WIDTH };
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The longest that falls into a bucket.
fn upper(bucket: usize) -> u64 {
    let at = bucket as u64;
    if at < FINE { at } else { FINE + (at - FINE + 1) * WIDTH - 1 }
}

#[cfg(test)]
mod tests {
    use super::{Delays, Summary};

    #[test]
    fn figures_are_those_of_the_durations() {
        let mut delays = Delays::new();
        for us in 1..=1_000 {
            delays.note(us);
        }
        assert_eq!(delays.summary(), Summary { p50: 500, p99: 990, p999: 999, max: 1_000 });
    }

    #[test]
    fn a_long_one_is_kept_as_it_was_and_rounded_up_in_between() {
        let mut delays = Delays::new();
        delays.note(10);
        delays.note(12_345);
        delays.note(7_000_001);
        let summary = delays.summary();
        assert_eq!((summary.p50, summary.max), (12_399, 7_000_001));
    }

    #[test]
    fn nothing_noted_is_nothing_told() {
        assert_eq!(Delays::new().summary(), Summary::default());
    }
}
