//! How a media thread is told that something waits for it: with one call into the kernel until it looks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vorzimmer_wire::Waker;

/// A thread's bell. Cheap to clone.
#[derive(Clone)]
pub struct Bell {
    waker: Waker,
    rung: Rung,
}

/// Whether a bell was rung since its thread looked.
#[derive(Clone, Default)]
pub struct Rung(Arc<AtomicBool>);

impl Bell {
    /// A bell that ends the waiting of whoever waits by this waker's wire.
    pub fn new(waker: Waker) -> Self {
        Self { waker, rung: Rung::default() }
    }

    /// What its thread looks at.
    pub fn rung(&self) -> Rung {
        self.rung.clone()
    }

    /// Something was put where the thread will look.
    ///
    /// # Errors
    /// The system's.
    pub fn ring(&self) -> io::Result<()> {
        if self.rung.0.swap(true, Ordering::AcqRel) { Ok(()) } else { self.waker.wake() }
    }
}

impl Rung {
    /// The thread looks now; what is put there from now on rings again. To be called before looking.
    pub fn looked(&self) {
        // A swap, not a store: what was put there before the bell was last rung is seen after this.
        self.0.swap(false, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vorzimmer_wire::{Driver, Pause, Waker, Wire};

    use super::Bell;

    /// Whether a bell that was rung three times wakes, how often, and again after somebody looked.
    #[test]
    fn it_rings_once_until_somebody_looks() {
        let waker = Waker::new().expect("a waker");
        let mut wire = Wire::open(Driver::Epoll, waker.clone()).expect("a wire");
        let bell = Bell::new(waker);
        for _ in 0..2 {
            (0..3).for_each(|_| bell.ring().expect("rung"));
            // Would wait for ever if nobody had rung.
            wire.wait(Duration::from_secs(3600), Pause::UntilSomething).expect("woken");
            bell.rung().looked();
        }
    }
}
