//! Waiting for the thing itself, with a bound.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a condition is looked at. Short against everything that is waited for.
const STEP: Duration = Duration::from_millis(20);

/// Looks at `ready` until it yields something, at most for `limit`.
///
/// # Panics
/// When the limit passes, with `what` was waited for.
pub fn until<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} for {what}, in vain");
        std::thread::sleep(STEP);
    }
}

/// Says that something is over when it is dropped: at the end of its scope, and when a test fails before that. A thread
/// that goes on until then would be waited for for ever.
#[derive(Debug)]
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
