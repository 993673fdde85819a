//! Addresses from which somebody has proven who she is: she may be told more than a stranger, but is served no more.
//!
//! Service always asks for proof again: an INVITE needs a trunk's address or a digest. Being known only means that a
//! 481, a 405 or the answer to an OPTIONS is not withheld.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::{ConnectionId, Flow, Peer};

/// How long a datagram address stays known after the last proof.
const MEMORY: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Datagram(IpAddr, u16),
    Stream(ConnectionId),
}

impl Place {
    fn of(flow: &Flow) -> Self {
        let remote: SocketAddr = flow.remote;
        flow.connection.map_or(Self::Datagram(remote.ip().to_canonical(), remote.port()), Self::Stream)
    }
}

pub(super) struct Known {
    limit: usize,
    peers: HashMap<Place, (Peer, Instant)>,
    by_age: BTreeSet<(Instant, Place)>,
}

impl Known {
    pub fn new(limit: usize) -> Self {
        Self { limit, peers: HashMap::new(), by_age: BTreeSet::new() }
    }

    /// This peer has proven itself over this flow.
    pub fn note(&mut self, flow: &Flow, peer: Peer, now: Instant) {
        let place = Place::of(flow);
        if let Some((_, before)) = self.peers.insert(place, (peer, now)) {
            self.by_age.remove(&(before, place));
        }
        self.by_age.insert((now, place));
        while self.peers.len() > self.limit {
            let Some((_, oldest)) = self.by_age.pop_first() else { return };
            self.peers.remove(&oldest);
        }
    }

    /// Who was last heard there.
    pub fn peer(&self, flow: &Flow, now: Instant) -> Option<&Peer> {
        let place = Place::of(flow);
        let (peer, noted) = self.peers.get(&place)?;
        let fresh = matches!(place, Place::Stream(_)) || now.saturating_duration_since(*noted) < MEMORY;
        fresh.then_some(peer)
    }

    /// A connection is gone.
    pub fn forget(&mut self, connection: ConnectionId) {
        let place = Place::Stream(connection);
        if let Some((_, noted)) = self.peers.remove(&place) {
            self.by_age.remove(&(noted, place));
        }
    }
}
