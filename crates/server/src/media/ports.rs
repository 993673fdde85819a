//! Which ports voices may use: pairs of an even port for RTP and the next for RTCP (RFC 3550 §11), each pair resting a
//! while after its call, so that late packets of one call are never heard in another.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The ports of one worker. No other worker has any of them.
#[derive(Debug)]
pub struct PortPool {
    free: VecDeque<u16>,
    resting: VecDeque<(Instant, u16)>,
    rest: Duration,
}

impl PortPool {
    /// The share of worker `worker` of `workers` in the ports `first..=last`; a pair then rests for `rest`.
    pub fn new(first: u16, last: u16, worker: usize, workers: usize, rest: Duration) -> Self {
        let first = first.saturating_add(first % 2);
        let free = (first..last).step_by(2).skip(worker).step_by(workers.max(1)).collect();
        Self { free, resting: VecDeque::new(), rest }
    }

    /// How long a pair rests.
    pub fn rest(&self) -> Duration {
        self.rest
    }

    /// The RTP port of a pair that nobody uses and that has rested; the one that has rested longest.
    pub fn take(&mut self, now: Instant) -> Option<u16> {
        while let Some((since, port)) = self.resting.front().copied() {
            if now.saturating_duration_since(since) < self.rest {
                break;
            }
            self.resting.pop_front();
            self.free.push_back(port);
        }
        self.free.pop_front()
    }

    /// A pair is no longer used and has rested already.
    pub fn give_back_rested(&mut self, port: u16) {
        self.free.push_back(port);
    }

    /// A pair is no longer used; it rests from now on.
    pub fn give_back(&mut self, port: u16, now: Instant) {
        self.resting.push_back((now, port));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::PortPool;

    #[expect(clippy::disallowed_methods, reason = "any instant will do to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn workers_never_share_a_port_and_all_pairs_are_used() {
        let mut seen = Vec::new();
        for worker in 0..3 {
            let mut pool = PortPool::new(20_001, 20_019, worker, 3, Duration::ZERO);
            seen.extend(std::iter::from_fn(|| pool.take(start())));
        }
        seen.sort_unstable();
        assert_eq!(seen, (20_002..20_019).step_by(2).collect::<Vec<u16>>());
    }

    #[test]
    fn a_port_rests_before_it_is_used_again() {
        let now = start();
        let mut pool = PortPool::new(20_000, 20_003, 0, 1, Duration::from_secs(30));
        let (first, second) = (pool.take(now).unwrap(), pool.take(now).unwrap());
        pool.give_back(first, now);
        assert_eq!(pool.take(now + Duration::from_secs(29)), None);
        assert_eq!(pool.take(now + Duration::from_secs(30)), Some(first));
        pool.give_back(second, now);
        assert_eq!(pool.take(now + Duration::from_secs(31)), Some(second));
    }
}
