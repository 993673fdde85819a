//! Notices a peer that has gone silent.

use std::time::{Duration, Instant};

/// Says once when nothing was heard for too long, and again after the next silence.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    limit: Duration,
    /// When the peer was last heard; none while it need not send.
    heard: Option<Instant>,
    told: bool,
}

impl Watch {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, heard: None, told: false }
    }

    /// Starts or pauses. Starting grants the whole limit anew.
    pub(crate) fn run(&mut self, running: bool, now: Instant) {
        if running != self.heard.is_some() {
            self.heard = running.then_some(now);
            self.told = false;
        }
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        if let Some(heard) = &mut self.heard {
            *heard = now;
            self.told = false;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.heard.filter(|_| !self.told).map(|heard| heard + self.limit)
    }

    /// Whether the limit has just been passed.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        let silent = self.deadline().is_some_and(|deadline| deadline <= now);
        self.told |= silent;
        silent
    }
}
