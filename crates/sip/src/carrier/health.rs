//! Whether a carrier is there: up, degraded or down, by the answers to OPTIONS (RFC 3261 §11).
//!
//! One lost answer takes nothing down, and one answer brings nothing back.

use std::time::{Duration, Instant};

/// Failures in a row after which a carrier is down.
const DOWN_AFTER: u32 = 3;
/// Answers in a row after which a carrier that was down is up.
const UP_AFTER: u32 = 2;
/// How soon is asked again while it is not clear how things are.
const DOUBTFUL: Duration = Duration::from_secs(10);

/// How a carrier is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pulse {
    /// It answers.
    Up,
    /// Nobody has asked it yet.
    #[default]
    Unknown,
    /// It missed something lately, or has just come back: others are preferred.
    Degraded,
    /// It does not answer: it is used only if nobody else is left.
    Down,
}

impl Pulse {
    /// As people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// One carrier's health.
#[derive(Clone, Debug)]
pub struct Health {
    every: Option<Duration>,
    pulse: Pulse,
    /// Failures in a row, or since the first, answers in a row.
    failures: u32,
    answers: u32,
    next: Option<Instant>,
}

impl Health {
    /// For a carrier that is asked every so often; none: it is judged by what it does with calls alone.
    #[must_use]
    pub fn new(every: Option<Duration>, now: Instant) -> Self {
        Self { every, pulse: Pulse::Unknown, failures: 0, answers: 0, next: every.map(|_| now) }
    }

    /// How it is.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When OPTIONS is wanted next.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.next
    }

    /// Whether OPTIONS is to be sent now; if so it counts as sent.
    pub fn due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = None;
        }
        due
    }

    /// It answered, whatever the answer was. The pulse, if it changed.
    pub fn answered(&mut self, now: Instant) -> Option<Pulse> {
        self.answers = self.answers.saturating_add(1);
        self.failures = 0;
        let pulse = match self.pulse {
            Pulse::Down | Pulse::Degraded if self.answers < UP_AFTER => Pulse::Degraded,
            _ => Pulse::Up,
        };
        self.become_(pulse, now)
    }

    /// It did not answer, or only to say that it cannot (503). The pulse, if it changed.
    pub fn failed(&mut self, now: Instant) -> Option<Pulse> {
        self.failures = self.failures.saturating_add(1);
        self.answers = 0;
        let pulse = if self.failures >= DOWN_AFTER { Pulse::Down } else { self.pulse.max(Pulse::Degraded) };
        self.become_(pulse, now)
    }

    fn become_(&mut self, pulse: Pulse, now: Instant) -> Option<Pulse> {
        let changed = self.pulse != pulse;
        self.pulse = pulse;
        self.next = self.every.map(|every| match pulse {
            Pulse::Up | Pulse::Unknown => now + every,
            Pulse::Degraded | Pulse::Down => now + every.min(DOUBTFUL),
        });
        changed.then_some(pulse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_more_or_less_decides_nothing() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        let now = Instant::now();
        let mut health = Health::new(Some(Duration::from_secs(60)), now);
        assert!(health.due(now) && !health.due(now));
        let mut seen = Vec::new();
        for answered in [true, false, true, true, false, false, false, false, true, false, true, true] {
            let changed = if answered { health.answered(now) } else { health.failed(now) };
            seen.push(changed);
        }
        use Pulse::{Degraded, Down, Up};
        let expected = [
            Some(Up),
            Some(Degraded),
            None,
            Some(Up),
            Some(Degraded),
            None,
            Some(Down),
            None,
            Some(Degraded),
            None,
            None,
            Some(Up),
        ];
        assert_eq!(seen, expected);
        assert_eq!(health.next_wake(), Some(now + Duration::from_secs(60)));
        health.failed(now);
        assert_eq!(health.next_wake(), Some(now + DOUBTFUL), "sooner while in doubt");
        assert_eq!(Health::new(None, now).next_wake(), None);
    }
}
