//! The timers of RFC 3261 §17 and RFC 6026, by name, and a queue of moments at which something named is due.
//!
//! The queue reads no clock: it is told what time it is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::own::ByOwn;

/// Round-trip estimate (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// The longest interval between retransmissions of what is not an INVITE request (RFC 3261 §17.1.2.2).
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may linger in the network (RFC 3261 §17.1.2.2).
pub const T4: Duration = Duration::from_secs(5);
/// 64·T1: how long anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(32);

/// A transaction's timers. RFC 3261 Table 4; L and M from RFC 6026 §8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// INVITE request again, unreliable transports only (§17.1.1.2).
    A,
    /// INVITE unanswered (§17.1.1.2).
    B,
    /// Answers to our ACKs may still come (§17.1.1.2).
    D,
    /// Other request again, unreliable transports only (§17.1.2.2).
    E,
    /// Other request unanswered (§17.1.2.2).
    F,
    /// Refusal of an INVITE again (§17.2.1).
    G,
    /// Refusal of an INVITE unacknowledged (§17.2.1).
    H,
    /// ACKs of a refusal may still come (§17.2.1).
    I,
    /// Retransmitted other requests may still come (§17.2.2).
    J,
    /// Retransmitted answers may still come (§17.1.2.2).
    K,
    /// Retransmitted INVITEs may still come after a 2xx (RFC 6026 §7.1).
    L,
    /// Further 2xx may still come (RFC 6026 §7.2).
    M,
}

/// When what is due. At most one moment for each key: setting it again moves it.
///
/// A moment that was given up stays in the heap until it is the earliest, or until half of the heap is like that.
#[derive(Debug)]
pub struct Timers<K> {
    at: ByOwn<K, Instant>,
    /// The earliest is one of `at`, always.
    due: BinaryHeap<Reverse<(Instant, K)>>,
}

/// A heap of fewer moments is not worth tidying.
const FEW: usize = 64;

impl<K: Ord> Default for Timers<K> {
    fn default() -> Self {
        Self { at: ByOwn::default(), due: BinaryHeap::new() }
    }
}

impl<K: Ord + Hash + Copy> Timers<K> {
    /// Lets `key` be due at `at`, and at no other moment.
    pub fn set(&mut self, key: K, at: Instant) {
        let before = self.at.insert(key, at);
        if before == Some(at) {
            return;
        }
        self.due.push(Reverse((at, key)));
        if before.is_some() {
            self.tidy();
        }
    }

    /// Whether `key` is due at any moment.
    #[must_use]
    pub fn is_set(&self, key: K) -> bool {
        self.at.contains_key(&key)
    }

    /// Forgets `key`.
    pub fn stop(&mut self, key: K) {
        if self.at.remove(&key).is_some() {
            self.tidy();
        }
    }

    /// Takes the earliest key that is due at `now`, if there is one.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let &Reverse((at, key)) = self.due.peek()?;
        if at > now {
            return None;
        }
        self.stop(key);
        Some(key)
    }

    /// The next moment at which something is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// How many keys are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether no key is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    fn tidy(&mut self) {
        while let Some(Reverse((at, key))) = self.due.peek()
            && self.at.get(key) != Some(at)
        {
            self.due.pop();
        }
        if self.due.len() > FEW + self.at.len() * 2 {
            self.due = self.at.iter().map(|(key, at)| Reverse((*at, *key))).collect();
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use std::time::{Duration, Instant};

    use super::{PATIENCE, T1, Timers};

    #[test]
    fn patience_is_sixty_four_round_trips() {
        assert_eq!(PATIENCE, T1 * 64);
    }

    #[test]
    fn keys_come_in_the_order_of_their_moments_and_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set('b', at(20));
        timers.set('a', at(10));
        timers.set('c', at(30));
        timers.set('a', at(25));
        timers.stop('c');
        assert_eq!(timers.next(), Some(at(20)));
        assert_eq!(timers.pop(at(19)), None);
        assert_eq!(timers.pop(at(30)), Some('b'));
        assert_eq!(timers.pop(at(30)), Some('a'));
        assert_eq!(timers.pop(at(30)), None);
        assert!(timers.is_empty());
    }

    #[test]
    fn moments_that_were_given_up_do_not_pile_up() {
        let start = Instant::now();
        let mut timers = Timers::default();
        for round in 0..10_000_u64 {
            timers.set(0, start + Duration::from_secs(1));
            timers.set(1 + round % 7, start + Duration::from_millis(2_000 + round));
            timers.stop(1 + (round + 3) % 7);
        }
        assert!(timers.due.len() < 200, "{} moments for {} keys", timers.due.len(), timers.len());
        assert_eq!(timers.pop(start + Duration::from_secs(1)), Some(0));
        let mut last = None;
        while let Some(at) = timers.next() {
            assert!(last <= Some(at) && timers.pop(at).is_some(), "in order, and no moment without a key");
            last = Some(at);
        }
        assert!(timers.is_empty());
    }
}
