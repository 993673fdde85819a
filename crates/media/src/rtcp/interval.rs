//! When the next report is due (RFC 3550 §6.3.1).

use std::time::Duration;

/// The interval without randomness (§6.2). Two parties on a telephone call never reach the bandwidth's limit.
pub const MIN_INTERVAL: Duration = Duration::from_secs(5);
/// e − 3/2: makes up for the shrinking that reconsideration brings (§6.3.1).
const COMPENSATION: f64 = 1.218_28;

/// The time until the next report: half to one and a half of the interval, `random` deciding where; the first half
/// as long (§6.2).
#[must_use]
pub fn interval(first: bool, random: u32) -> Duration {
    let base = if first { MIN_INTERVAL / 2 } else { MIN_INTERVAL };
    let part = 0.5 + f64::from(random) / f64::from(u32::MAX);
    base.mul_f64(part / COMPENSATION)
}

#[cfg(test)]
mod tests {
    use super::interval;

    #[test]
    fn the_interval_spreads_as_the_rfc_says() {
        assert_eq!(interval(false, 0).as_millis(), 2052);
        assert_eq!(interval(false, u32::MAX).as_millis(), 6156);
        assert_eq!(interval(true, u32::MAX).as_millis(), 3078);
    }
}
