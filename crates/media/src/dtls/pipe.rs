//! What stands in for a socket under OpenSSL: one datagram comes in at a time, and those that go out are kept, since a
//! flight that gets lost is said again.

use std::io::{Error, ErrorKind, Read, Result, Write};

use super::DATAGRAM;

/// Datagrams of one flight that are kept: the largest that is sane, of ours, takes two.
const FLIGHT: usize = 16;
/// The largest datagram that is taken: more than any path carries unfragmented.
const TAKEN: usize = 2_048;

/// Both directions.
#[derive(Default)]
pub(super) struct Pipe {
    came: Vec<u8>,
    waiting: bool,
    /// What was said and not yet taken from here.
    pub(super) said: Flight,
}

/// Datagrams that belong together.
pub(super) type Flight = Vec<Vec<u8>>;

impl Pipe {
    /// Lays a datagram down to be read; one that was not read is forgotten.
    pub(super) fn lay(&mut self, datagram: &[u8]) {
        self.came.clear();
        // An empty one would be the end of a stream.
        self.waiting = (1..=TAKEN).contains(&datagram.len());
        if self.waiting {
            self.came.extend_from_slice(datagram);
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        if !std::mem::take(&mut self.waiting) {
            return Err(Error::from(ErrorKind::WouldBlock));
        }
        let length = self.came.len().min(room.len());
        room.iter_mut().zip(&self.came).for_each(|(to, from)| *to = *from);
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, datagram: &[u8]) -> Result<usize> {
        if self.said.len() < FLIGHT && datagram.len() <= DATAGRAM {
            self.said.push(datagram.to_vec());
        }
        Ok(datagram.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
