//! Notices a peer that has gone silent.

use std::time::{Duration, Instant};

/// Whoever has closed its end may still hang up properly for so long.
const LEAVING: Duration = Duration::from_secs(2);

/// Says once when nothing was heard for too long, and again after the next silence.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    limit: Duration,
    /// When the peer was last heard; none while it need not send.
    heard: Option<Instant>,
    told: bool,
    /// When the peer has closed its end.
    left: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, heard: None, told: false, left: None }
    }

    /// Starts or pauses. Starting grants the whole limit anew.
    pub(crate) fn run(&mut self, running: bool, now: Instant) {
        if running != self.heard.is_some() {
            self.heard = running.then_some(now);
            self.told = false;
            self.left = None;
        }
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        if let Some(heard) = &mut self.heard {
            *heard = now;
            self.told = false;
            self.left = None;
        }
    }

    /// The peer has closed its end: it need not be waited for as long as for one that may come back.
    pub(crate) fn left(&mut self, now: Instant) {
        self.left = Some(now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let silent = self.heard.filter(|_| !self.told)? + self.limit;
        Some(self.left.map_or(silent, |left| silent.min(left + LEAVING)))
    }

    /// Whether the limit has just been passed.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        let silent = self.deadline().is_some_and(|deadline| deadline <= now);
        self.told |= silent;
        silent
    }
}
