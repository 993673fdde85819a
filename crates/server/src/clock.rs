//! The only place that reads clocks and draws randomness: everything else takes both as parameters (Law 6).

#![expect(clippy::disallowed_methods, reason = "this is the clock that all the others are handed")]

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vorzimmer_types::{Entropy, Now, UnixMillis};
use zeroize::Zeroize;

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
    UnixMillis(i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX))
}

/// The same, as exactly as the clock knows it.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// The system's random generator. Each thread draws more than it needs and keeps the rest for the next time: a call of
/// SIP asks for a few bytes a dozen times.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        if out.len() > STOCK / 4 {
            return draw(out);
        }
        STOCKED.with_borrow_mut(|stock| stock.fill(out));
    }
}

/// How many bytes a thread keeps in stock.
const STOCK: usize = 512;

thread_local! {
    static STOCKED: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK], left: 0 }) };
}

/// Bytes that nobody has been given yet. What was given is wiped, so that nobody finds here what a key was made of.
struct Stock {
    bytes: [u8; STOCK],
    left: usize,
}

impl Stock {
    fn fill(&mut self, out: &mut [u8]) {
        if self.left < out.len() {
            draw(&mut self.bytes);
            self.left = STOCK;
        }
        let rest = self.left.saturating_sub(out.len());
        if let Some(given) = self.bytes.get_mut(rest..self.left) {
            out.copy_from_slice(given);
            given.zeroize();
        }
        self.left = rest;
    }
}

/// Ends the process if the kernel has no randomness to give: keys and consent ids made from anything less would look
/// right and be worthless. Linux never fails here once it has booted.
fn draw(out: &mut [u8]) {
    if let Err(error) = getrandom::fill(out) {
        tracing::error!(%error, "the kernel gives no randomness");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use vorzimmer_types::Entropy;

    use super::{STOCK, STOCKED, SystemEntropy};

    #[test]
    fn nothing_is_given_twice_or_kept_once_given() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..STOCK {
            let mut drawn = [0; 16];
            SystemEntropy.fill(&mut drawn);
            assert!(seen.insert(drawn), "sixteen bytes came twice");
            STOCKED.with_borrow(|stock| {
                assert!(stock.bytes[stock.left..].iter().all(|byte| *byte == 0), "what was given is kept");
            });
        }
        let mut many = [0; STOCK * 2];
        SystemEntropy.fill(&mut many);
        assert!(many.iter().any(|byte| *byte != 0));
    }
}
