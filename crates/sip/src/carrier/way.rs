//! Which of a carrier's targets is next (RFC 3263 §4.3).
//!
//! Where the targets come from is [`super::Locate`]'s business.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::flow::Transport;

/// For how long a target that failed comes last.
const REST: Duration = Duration::from_secs(60);
/// For how long it does at most because it asked for it: a provider's slip must not cost its customers a day.
const MOST_ASKED: Duration = Duration::from_secs(3_600);
/// The most targets of one carrier that are kept.
pub const MAX_TARGETS: usize = 16;

/// One way to reach a carrier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// By which transport.
    pub transport: Transport,
    /// Our address towards it.
    pub local: SocketAddr,
    /// Its address.
    pub remote: SocketAddr,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({:?} {})", self.transport, self.remote)
    }
}

/// A carrier's targets, the best first.
#[derive(Clone, Debug, Default)]
pub struct Way {
    targets: Vec<Target>,
    /// Those that failed, and until when they come last.
    resting: BTreeMap<Target, Rest>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    /// Whether the target named the time itself: then nothing it says meanwhile makes it shorter.
    asked: bool,
}

impl Way {
    /// The name was looked up anew. What failed before rests on.
    pub fn set(&mut self, targets: impl IntoIterator<Item = Target>) {
        self.targets = targets.into_iter().take(MAX_TARGETS).collect();
        let Self { targets, resting } = self;
        resting.retain(|target, _| targets.contains(target));
    }

    /// All of them, the best first.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Whether one of them is this address.
    #[must_use]
    pub fn holds(&self, ip: IpAddr) -> bool {
        self.targets.iter().any(|target| target.remote.ip().to_canonical() == ip.to_canonical())
    }

    /// The next one that was not `tried`: one that rests only if there is no other.
    #[must_use]
    pub fn next(&self, tried: &[Target], now: Instant) -> Option<Target> {
        let left = || self.targets.iter().filter(|target| !tried.contains(target));
        left().find(|target| !self.rests(**target, now)).or_else(|| left().next()).copied()
    }

    /// Whether it failed lately.
    #[must_use]
    pub fn rests(&self, target: Target, now: Instant) -> bool {
        self.resting.get(&target).is_some_and(|rest| rest.until > now)
    }

    /// A target did not answer, or said 503.
    pub fn failed(&mut self, target: Target, now: Instant) {
        self.rest(target, Rest { until: now + REST, asked: false }, now);
    }

    /// A target said 503 and in Retry-After for how long it wants to be left alone (RFC 3261 §21.5.4).
    pub fn asked_for_rest(&mut self, target: Target, rest: Duration, now: Instant) {
        self.rest(target, Rest { until: now + rest.min(MOST_ASKED), asked: true }, now);
    }

    fn rest(&mut self, target: Target, rest: Rest, now: Instant) {
        let longer = |known: &Rest| known.asked && known.until > now.max(rest.until);
        if self.targets.contains(&target) && !self.resting.get(&target).is_some_and(longer) {
            self.resting.insert(target, rest);
        }
    }

    /// A target answered.
    pub fn worked(&mut self, target: Target, now: Instant) {
        if self.resting.get(&target).is_none_or(|rest| !rest.asked || rest.until <= now) {
            self.resting.remove(&target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(n: u8) -> Target {
        let remote = SocketAddr::from(([192, 0, 2, n], 5060));
        Target { transport: Transport::Udp, local: SocketAddr::from(([198, 51, 100, 1], 5060)), remote }
    }

    #[test]
    fn what_failed_comes_last_for_a_while() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        let now = Instant::now();
        let mut way = Way::default();
        assert_eq!(way.next(&[], now), None);
        way.set([target(1), target(2)]);
        assert_eq!(way.next(&[], now), Some(target(1)));
        way.failed(target(1), now);
        assert_eq!(way.next(&[], now), Some(target(2)));
        assert_eq!(way.next(&[target(2)], now), Some(target(1)), "better than nobody");
        assert_eq!(way.next(&[target(2), target(1)], now), None);
        assert_eq!(way.next(&[], now + REST), Some(target(1)), "the first choice again");
        way.failed(target(1), now);
        way.worked(target(1), now);
        assert_eq!(way.next(&[], now), Some(target(1)));
        assert!(way.holds("192.0.2.2".parse().unwrap()) && way.holds("::ffff:192.0.2.2".parse().unwrap()));
        way.set((0..100).map(target));
        assert_eq!(way.targets().len(), MAX_TARGETS);
    }

    #[test]
    fn who_asks_to_be_left_alone_is_left_alone_for_as_long_and_not_for_a_day() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut way = Way::default();
        way.set([target(1), target(2)]);
        way.asked_for_rest(target(1), Duration::from_secs(300), now);
        way.worked(target(1), after(10));
        way.failed(target(1), after(20));
        assert_eq!(
            way.next(&[], after(299)),
            Some(target(2)),
            "neither an answer nor a failure makes it shorter"
        );
        assert_eq!(way.next(&[], after(300)), Some(target(1)));
        way.failed(target(1), after(300));
        assert_eq!(way.next(&[], after(359)), Some(target(2)), "it is over, and counts no more");
        way.worked(target(1), after(359));
        way.asked_for_rest(target(1), Duration::MAX, after(400));
        assert_eq!(way.next(&[], after(3_999)), Some(target(2)));
        assert_eq!(way.next(&[], after(4_000)), Some(target(1)));
    }
}
