//! When a line was made. Lines come in swarms, so that most of a moment is written once a second.

use std::cell::RefCell;
use std::fmt;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use vorzimmer_types::UnixMillis;

use crate::clock;

/// RFC 3339 in UTC with microseconds: `2026-01-31T09:05:00.123456Z`.
pub(super) struct Moment;

/// So much of a moment is the same for a second.
const SECOND: usize = "2026-01-31T09:05:00".len();

thread_local! {
    /// The second that was written last, and how.
    static WRITTEN: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

impl FormatTime for Moment {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        let since = clock::since_1970();
        write(since.as_secs(), since.subsec_micros(), line)
    }
}

fn write(second: u64, micros: u32, line: &mut impl fmt::Write) -> fmt::Result {
    WRITTEN.with_borrow_mut(|(written, text)| {
        if *written != second || text.is_empty() {
            let millis = i64::try_from(second).unwrap_or(i64::MAX).saturating_mul(1_000);
            *text = UnixMillis(millis).to_string();
            text.truncate(SECOND);
            *written = second;
        }
        write!(line, "{text}.{micros:06}Z")
    })
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn each_moment_is_its_own() {
        for (second, micros, expected) in [
            (1_769_850_300, 123_456, "2026-01-31T09:05:00.123456Z"),
            (1_769_850_300, 7, "2026-01-31T09:05:00.000007Z"),
            (1_769_850_301, 0, "2026-01-31T09:05:01.000000Z"),
            (0, 0, "1970-01-01T00:00:00.000000Z"),
        ] {
            let mut line = String::new();
            assert!(write(second, micros, &mut line).is_ok());
            assert_eq!(line, expected);
        }
    }
}
