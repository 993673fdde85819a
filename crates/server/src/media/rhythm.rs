//! When a worker ticks: takes what came together, instead of being woken for each datagram.

use std::time::{Duration, Instant};

/// From one tick of a worker to the next, its work included. What comes in it waits half of it on average and hardly ever
/// longer than all of it, and costs a share of one call into the kernel.
const TICK: Duration = Duration::from_micros(2_200);
/// However much there is to do, so long is left for more to come.
const SHORTEST_PAUSE: Duration = Duration::from_micros(300);

/// So many datagrams in this time begin the ticking (25 calls), and fewer than the second number end it.
const COUNTED: Duration = Duration::from_millis(20);
const MUCH: usize = 50;
const LITTLE: usize = 30;

/// Whether so much comes that it is taken in ticks.
pub struct Rhythm {
    /// Whether it is.
    pub ticking: bool,
    since: Instant,
    moved: usize,
    /// When the turn before began, and how long it was to pause.
    before: (Instant, Duration),
    /// How long turns work, as far as can be told without asking for the time again.
    work: Duration,
}

impl Rhythm {
    /// A quiet one.
    pub fn new(now: Instant) -> Self {
        Self { since: now, moved: 0, ticking: false, before: (now, Duration::ZERO), work: Duration::ZERO }
    }

    /// A tick's pause: what the work leaves of it.
    pub fn pause(&mut self) -> Duration {
        let pause = TICK.saturating_sub(self.work).max(SHORTEST_PAUSE);
        self.before.1 = pause;
        pause
    }

    /// So many datagrams were moved in the turn that began now.
    pub fn count(&mut self, moved: usize, now: Instant) {
        let (began, pause) = std::mem::replace(&mut self.before, (now, Duration::ZERO));
        if self.ticking {
            let worked = now.saturating_duration_since(began).saturating_sub(pause).min(TICK);
            self.work = (self.work * 7 + worked) / 8;
        }
        self.moved += moved;
        if now.saturating_duration_since(self.since) >= COUNTED {
            self.ticking = self.moved >= if self.ticking { LITTLE } else { MUCH };
            (self.since, self.moved) = (now, 0);
        }
    }
}
