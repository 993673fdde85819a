//! Whether the threads that every call depends on still keep up, and so whether new calls may come.
//!
//! A thread is busy while it runs and while it waits for a processor: in neither could it take anything more. The limit is on
//! the busiest, over the last seconds. Decides and tells the operator; whoever holds the calls turns them away.

mod threads;

use std::time::{Duration, Instant};

use threads::Threads;

/// From one look to the next, at least.
const LOOK_EVERY: Duration = Duration::from_millis(900);
/// So many looks in a row above the limit are too much; one may be a burst.
const TOO_MANY: u32 = 2;
/// So many looks in a row well below it, and new calls are taken again.
const ENOUGH: u32 = 5;
/// Well below: this share of the limit, so that the calls of a moment do not open and shut the door by turns.
const WELL_BELOW: f64 = 0.9;

/// How things are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Strain {
    /// The share of the time in which the busiest thread was busy, as of the last look.
    pub busiest: f64,
    /// New calls are turned away.
    pub overloaded: bool,
}

/// Looks at the threads, once a second.
pub struct Busy {
    threads: Threads,
    judge: Judge,
    looked_at: Option<Instant>,
    strain: Strain,
    percent: u8,
}

impl Busy {
    /// New calls are to be turned away while a thread is busy for more than so many hundredths of the time; never, if
    /// that is all of it.
    pub fn new(percent: u8) -> Self {
        Self {
            threads: Threads::default(),
            judge: Judge::new(percent),
            looked_at: None,
            strain: Strain::default(),
            percent,
        }
    }

    /// As of the last look.
    pub fn strain(&self) -> Strain {
        self.strain
    }

    /// Looks, if it is time for that. Says whether new calls are to be turned away, when that changes.
    pub fn look(&mut self, now: Instant, calls: usize) -> Option<bool> {
        let since = match self.looked_at {
            Some(before) => now.saturating_duration_since(before),
            None => Duration::MAX,
        };
        if since < LOOK_EVERY {
            return None;
        }
        self.looked_at = Some(now);
        let busiest = self.threads.busiest(since)?;
        self.strain.busiest = busiest.share;
        let change = self.judge.judge(busiest.share)?;
        self.strain.overloaded = change;
        tell(change, &busiest.name, percent(busiest.share), self.percent, calls);
        Some(change)
    }
}

fn tell(overloaded: bool, thread: &str, busy_percent: u8, limit_percent: u8, calls: usize) {
    if overloaded {
        tracing::warn!(
            thread,
            busy_percent,
            limit_percent,
            calls,
            "too much to do: new calls get 503 until it is less, running calls go on; see what else this machine does, \
             and if nothing, give it more media.workers and processors or lower limits.max_calls"
        );
    } else {
        tracing::info!(
            thread,
            busy_percent,
            limit_percent,
            calls,
            "no longer too much to do: new calls are taken again"
        );
    }
}

/// A share in hundredths.
fn percent(share: f64) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    let percent = (share * 100.0).clamp(0.0, 100.0).round() as u8;
    percent
}

/// Too much, or not.
struct Judge {
    /// The share that is too much; none if nothing is.
    limit: Option<f64>,
    /// Looks in a row that spoke against how it is now.
    against: u32,
    overloaded: bool,
}

impl Judge {
    fn new(percent: u8) -> Self {
        let limit = (percent < 100).then(|| f64::from(percent) / 100.0);
        Self { limit, against: 0, overloaded: false }
    }

    fn judge(&mut self, share: f64) -> Option<bool> {
        let limit = self.limit?;
        let (speaks_against, wanted) =
            if self.overloaded { (share < limit * WELL_BELOW, ENOUGH) } else { (share > limit, TOO_MANY) };
        self.against = if speaks_against { self.against + 1 } else { 0 };
        if self.against < wanted {
            return None;
        }
        (self.against, self.overloaded) = (0, !self.overloaded);
        Some(self.overloaded)
    }
}

#[cfg(test)]
mod tests {
    use super::Judge;

    /// What is said look by look: `+` overloaded, `-` no longer, `.` nothing.
    fn said(percent: u8, shares: &[f64]) -> String {
        let mut judge = Judge::new(percent);
        let sign = |change| match change {
            None => '.',
            Some(true) => '+',
            Some(false) => '-',
        };
        shares.iter().map(|share| sign(judge.judge(*share))).collect()
    }

    #[test]
    fn two_seconds_are_too_much_and_five_well_below_are_enough() {
        for (what, percent, shares, expected) in [
            ("a burst", 90, &[0.95, 0.5, 0.95, 0.5][..], "...."),
            ("just the limit", 90, &[0.9, 0.9, 0.9], "..."),
            ("too much", 90, &[0.95, 0.95, 0.95], ".+."),
            ("hardly less is not over", 90, &[0.95, 0.95, 0.85, 0.85, 0.85, 0.85, 0.85, 0.85], ".+......"),
            ("well below it is over", 90, &[0.95, 0.95, 0.7, 0.7, 0.7, 0.7, 0.7], ".+....-"),
            (
                "one look in between begins it anew",
                90,
                &[1.0, 1.0, 0.7, 0.7, 0.7, 0.7, 0.89, 0.7],
                ".+......",
            ),
            ("it comes back", 50, &[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0], ".+....-.+"),
            ("switched off", 100, &[1.0, 1.0, 1.0], "..."),
        ] {
            assert_eq!(said(percent, shares), expected, "{what}");
        }
    }
}
