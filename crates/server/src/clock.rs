//! The only place that reads clocks and draws randomness: everything else takes both as parameters (Law 6).

#![expect(clippy::disallowed_methods, reason = "this is the clock that all the others are handed")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vorzimmer_types::{Entropy, Now, UnixMillis};

/// This moment, by both clocks.
pub fn now() -> Now {
    Now { mono: Instant::now(), wall: wall() }
}

/// This moment, for timers.
pub fn mono() -> Instant {
    Instant::now()
}

/// This moment, as people call it. Before 1970 is 1970.
pub fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The system's random generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// Ends the process if the kernel has no randomness to give: keys and consent ids made from anything less would
    /// look right and be worthless. Linux never fails here once it has booted.
    fn fill(&mut self, out: &mut [u8]) {
        if let Err(error) = getrandom::fill(out) {
            tracing::error!(%error, "the kernel gives no randomness");
            std::process::abort();
        }
    }
}
