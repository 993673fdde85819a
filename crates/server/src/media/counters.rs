//! What the workers count, for metrics: written with a few relaxed additions a turn, read at any time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::MediaHealth;

/// Sums over all workers.
#[derive(Debug, Default)]
pub struct Counters {
    received: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
    legs: AtomicU64,
    recordings: AtomicU64,
    gaps: AtomicU64,
}

/// What one worker counted since it last told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// Packets received.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets that went nowhere.
    pub dropped: u64,
}

impl Counters {
    /// Adds what a worker counted, and empties its count.
    pub fn add(&self, turn: &mut Turn) {
        let turn = std::mem::take(turn);
        for (counter, count) in
            [(&self.received, turn.received), (&self.sent, turn.sent), (&self.dropped, turn.dropped)]
        {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// A leg was opened.
    pub fn leg_opened(&self) {
        self.legs.fetch_add(1, Ordering::Relaxed);
    }

    /// A leg was closed.
    pub fn leg_closed(&self) {
        self.legs.fetch_sub(1, Ordering::Relaxed);
    }

    /// A recording runs.
    pub fn recording_started(&self) {
        self.recordings.fetch_add(1, Ordering::Relaxed);
    }

    /// A recording ended with this many gaps.
    pub fn recording_ended(&self, gaps: u64) {
        self.recordings.fetch_sub(1, Ordering::Relaxed);
        self.gaps.fetch_add(gaps, Ordering::Relaxed);
    }

    /// Everything, without what is known of threads and driver.
    pub fn read(&self) -> MediaHealth {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let count = |counter| usize::try_from(of(counter)).unwrap_or(usize::MAX);
        MediaHealth {
            legs: count(&self.legs),
            recordings: count(&self.recordings),
            received: of(&self.received),
            sent: of(&self.sent),
            dropped: of(&self.dropped),
            gaps: of(&self.gaps),
            ..MediaHealth::default()
        }
    }
}
