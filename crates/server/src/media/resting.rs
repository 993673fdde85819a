//! Pairs of ports whose legs are gone. They rest with their sockets open, so that late packets of one call are never heard
//! in another; the next leg takes one that has rested as it is, since opening and closing sockets is most of what a
//! leg without voices costs. What nobody wants for a while is closed.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::sockets::Pair;

/// Pairs that are kept open at most; further ones are closed at once, and their ports rest closed.
const KEPT: usize = 2_048;
/// How long a pair that has rested is still kept for the next leg.
const LINGER: Duration = Duration::from_secs(2);

/// The pairs that rest, longest first.
#[derive(Debug)]
pub struct Resting {
    pairs: VecDeque<(Instant, Pair)>,
    rest: Duration,
}

impl Resting {
    /// None yet; each will rest for `rest`.
    pub fn new(rest: Duration) -> Self {
        Self { pairs: VecDeque::new(), rest }
    }

    /// Lets a pair rest from now on.
    ///
    /// # Errors
    /// There are enough: it comes back, to be closed.
    pub fn put(&mut self, pair: Pair, now: Instant) -> Result<(), Pair> {
        if self.pairs.len() >= KEPT {
            return Err(pair);
        }
        self.pairs.push_back((now, pair));
        Ok(())
    }

    /// A pair on this address that has rested; the one that has rested longest.
    pub fn take(&mut self, local: IpAddr, now: Instant) -> Option<Pair> {
        let rested = self.pairs.iter().take_while(|(since, _)| *since + self.rest <= now);
        let at = rested.map(|(_, pair)| pair.local()).position(|pair| pair.ip() == local)?;
        self.pairs.remove(at).map(|(_, pair)| pair)
    }

    /// A pair that nobody has wanted since it rested, to be closed.
    pub fn unwanted(&mut self, now: Instant) -> Option<Pair> {
        let (since, _) = self.pairs.front()?;
        (*since + self.rest + LINGER <= now).then(|| self.pairs.pop_front().map(|(_, pair)| pair))?
    }

    /// The pair that has rested longest, if it has rested: its ports are needed on another address.
    pub fn rested(&mut self, now: Instant) -> Option<Pair> {
        let (since, _) = self.pairs.front()?;
        (*since + self.rest <= now).then(|| self.pairs.pop_front().map(|(_, pair)| pair))?
    }

    /// When the next pair is to be closed.
    pub fn next_wake(&self) -> Option<Instant> {
        self.pairs.front().map(|(since, _)| *since + self.rest + LINGER)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use vorzimmer_wire::{Driver, Waker, Wire};

    use super::super::ports::PortPool;
    use super::super::sockets::{self, Pair};
    use super::{LINGER, Resting};
    use crate::clock;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    const REST: Duration = Duration::from_secs(30);

    fn pair(wire: &mut Wire) -> Pair {
        let mut ports = PortPool::new(42_000, 42_999, 0, 1, Duration::ZERO);
        sockets::bind(&mut ports, HERE, clock::mono())
            .expect("free ports")
            .listen(wire, [0, 1])
            .expect("open")
    }

    #[test]
    fn a_pair_is_used_again_after_its_rest_and_on_its_own_address_only() {
        let mut wire = Wire::open(Driver::Epoll, Waker::new().expect("a waker")).expect("a wire");
        let (now, pair) = (clock::mono(), pair(&mut wire));
        let port = pair.port();
        let mut resting = Resting::new(REST);
        resting.put(pair, now).expect("room");
        assert!(resting.take(HERE, now + REST - Duration::from_millis(1)).is_none());
        assert!(resting.take(ELSEWHERE, now + REST).is_none());
        assert!(resting.unwanted(now + REST).is_none());
        assert_eq!(resting.take(HERE, now + REST).map(|pair| pair.port()), Some(port));
        assert!(resting.next_wake().is_none());
    }

    #[test]
    fn what_nobody_wants_is_closed() {
        let mut wire = Wire::open(Driver::Epoll, Waker::new().expect("a waker")).expect("a wire");
        let (now, pair) = (clock::mono(), pair(&mut wire));
        let mut resting = Resting::new(REST);
        resting.put(pair, now).expect("room");
        assert_eq!(resting.next_wake(), Some(now + REST + LINGER));
        let unwanted = resting.unwanted(now + REST + LINGER).expect("due");
        unwanted.close(&mut wire).expect("closed");
    }
}
