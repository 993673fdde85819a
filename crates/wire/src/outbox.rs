//! Datagrams on their way out: each in a place of its own that stays where it is until the kernel has sent it.

use std::net::SocketAddr;

use crate::DATAGRAM;
use crate::address::{self, ROOM};

/// Datagrams that may be on their way at a time.
pub(crate) const PLACES: u16 = 1_024;

/// The places.
pub(crate) struct Outbox {
    /// Never moves and never grows: the kernel reads from in here.
    places: Box<[Place]>,
    free: Vec<u16>,
}

/// One datagram with its address.
pub(crate) struct Place {
    bytes: [u8; DATAGRAM],
    length: usize,
    to: [u8; ROOM],
    to_length: usize,
}

impl Outbox {
    /// Empty.
    pub(crate) fn new() -> Self {
        let place = |_| Place { bytes: [0; DATAGRAM], length: 0, to: [0; ROOM], to_length: 0 };
        Self { places: (0..PLACES).map(place).collect(), free: (0..PLACES).rev().collect() }
    }

    /// Puts a datagram into a free place; none if there is none, or it is too long.
    pub(crate) fn put(&mut self, to: SocketAddr, bytes: &[u8]) -> Option<u16> {
        if bytes.len() > DATAGRAM {
            return None;
        }
        let id = self.free.pop()?;
        let place = self.places.get_mut(usize::from(id))?;
        place.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        place.length = bytes.len();
        place.to_length = address::write(to, &mut place.to);
        Some(id)
    }

    /// What lies in a place.
    pub(crate) fn at(&self, id: u16) -> Option<&Place> {
        self.places.get(usize::from(id))
    }

    /// The kernel is done with a place.
    pub(crate) fn free(&mut self, id: u16) {
        debug_assert!(!self.free.contains(&id), "a place is freed once");
        self.free.push(id);
    }

    /// Whether there is room for another.
    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }
}

impl Place {
    /// The datagram.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Where it goes, as the kernel writes addresses.
    pub(crate) fn to(&self) -> &[u8] {
        self.to.get(..self.to_length).unwrap_or_default()
    }
}
