//! Time as a parameter: a monotonic instant for timers, a wall clock for records and expiry.

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The moment at which something is handled, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For timers: never goes back.
    pub mono: Instant,
    /// For records and expiry: what people call the time.
    pub wall: UnixMillis,
}

impl Now {
    /// This moment, `later`.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        let millis = i64::try_from(later.as_millis()).unwrap_or(i64::MAX);
        Self { mono: self.mono + later, wall: UnixMillis(self.wall.0.saturating_add(millis)) }
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// The UTC day that this moment is part of.
    #[must_use]
    pub fn day(self) -> Day {
        Day(u32::try_from(self.0.div_euclid(86_400_000)).unwrap_or(0))
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC with milliseconds: `2026-01-31T09:05:00.123Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "@{}ms", self.0),
        }
    }
}

impl fmt::Debug for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whole UTC days since 1970-01-01: the grain of keys and of forgetting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub u32);

impl Day {
    /// The day `days` later.
    #[must_use]
    pub fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// The day that [`Day`]'s `Display` writes like this; none if `text` is written any other way.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let date: jiff::civil::Date = text.parse().ok()?;
        let days = date.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24;
        let day = Self(u32::try_from(days).ok()?);
        (day.to_string() == text).then_some(day)
    }

    /// The moment at which this day begins.
    #[must_use]
    pub fn start(self) -> UnixMillis {
        UnixMillis(i64::from(self.0) * 86_400_000)
    }
}

impl fmt::Display for Day {
    /// `2026-01-31`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.start().to_string();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::{Day, UnixMillis};

    #[test]
    fn days_and_moments_print_as_people_write_them() {
        assert_eq!(UnixMillis(1_769_850_300_123).to_string(), "2026-01-31T09:05:00.123Z");
        assert_eq!(UnixMillis(1_769_850_300_123).day(), Day(20_484));
        assert_eq!(Day(20_484).to_string(), "2026-01-31");
        assert_eq!(Day::parse("2026-01-31"), Some(Day(20_484)));
        for wrong in ["2026-02-30", "20260131", "2026-1-31", "2026-01-31T00:00", "1969-12-31", ""] {
            assert_eq!(Day::parse(wrong), None, "{wrong}");
        }
    }
}
