//! Which worker an address belongs to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use vorzimmer_media::ice;

/// Most addresses that are known: 4096 browsers with several networks each.
const MOST: usize = 16_384;
/// How long an address is known without being named again.
const KNOWN: Duration = ice::CONSENT;

/// The proven addresses of all browsers.
#[derive(Default)]
pub struct Paths(HashMap<SocketAddr, (usize, Instant)>);

impl Paths {
    /// A worker has named an address. Whose it was before does not matter: the peer there has just proven that it talks
    /// to this one now.
    pub fn proven(&mut self, peer: SocketAddr, worker: usize, now: Instant) {
        if self.0.len() >= MOST && !self.0.contains_key(&peer) {
            self.0.retain(|_, (_, named)| now.saturating_duration_since(*named) < KNOWN);
            if self.0.len() >= MOST {
                tracing::warn!("too many browsers at the media port: a new address is not served");
                return;
            }
        }
        self.0.insert(peer, (worker, now));
    }

    /// A worker's leg has ended.
    pub fn gone(&mut self, peer: SocketAddr, worker: usize) {
        if self.worker(peer) == Some(worker) {
            self.0.remove(&peer);
        }
    }

    /// Whose it is.
    pub fn worker(&self, peer: SocketAddr) -> Option<usize> {
        self.0.get(&peer).map(|(worker, _)| *worker)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{KNOWN, MOST, Paths};
    use crate::clock;

    fn at(n: usize) -> SocketAddr {
        let bytes = u32::try_from(n).expect("a small number").to_be_bytes();
        SocketAddr::from((bytes, 4_000))
    }

    #[test]
    fn an_address_is_the_workers_that_named_it_last() {
        let (mut paths, now) = (Paths::default(), clock::mono());
        paths.proven(at(1), 0, now);
        paths.proven(at(1), 1, now);
        paths.gone(at(1), 0);
        assert_eq!(paths.worker(at(1)), Some(1));
        paths.gone(at(1), 1);
        assert_eq!(paths.worker(at(1)), None);
    }

    #[test]
    fn memory_is_bounded_and_those_who_went_without_a_word_make_room() {
        let (mut paths, now) = (Paths::default(), clock::mono());
        (0..MOST + 10).for_each(|n| paths.proven(at(n), 0, now));
        assert_eq!((paths.0.len(), paths.worker(at(MOST))), (MOST, None));
        paths.proven(at(MOST), 0, now + KNOWN);
        assert_eq!((paths.0.len(), paths.worker(at(MOST))), (1, Some(0)));
    }
}
