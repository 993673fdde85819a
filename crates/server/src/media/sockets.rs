//! What a leg receives and sends by: two sockets of its own, RTP on an even port and RTCP on the next, or a share in the
//! browsers' port.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;
use socket2::{Domain, Protocol, Socket, Type};
use vorzimmer_media::{Channel, ice};
use vorzimmer_wire::{Error, Key, Wire};

use super::ports::PortPool;

/// Ports tried before giving up: others on the machine may hold some of our range.
const TRIES: usize = 16;

/// Room for packets that arrive while a worker is busy: about 100 ms of a leg that goes wild.
const RECEIVE_BUFFER: usize = 256 * 1_024;

/// Expedited forwarding (RFC 3246), what voice is marked with.
const DSCP_EF: u32 = 0xb8;

/// What one leg receives and sends by.
#[derive(Debug)]
pub enum LegSockets {
    /// Ports of its own.
    Own(Pair),
    /// The browsers' port.
    Shared(Box<Share>),
}

impl LegSockets {
    /// Where RTP comes to.
    pub fn local(&self) -> SocketAddr {
        match self {
            Self::Own(pair) => pair.local,
            Self::Shared(share) => share.local,
        }
    }

    /// Has the kernel serve nobody but this peer on the RTP port, or everybody again. What cannot be done costs only time.
    pub fn fasten(&mut self, wire: &mut Wire, peer: Option<SocketAddr>) {
        if let Self::Own(pair) = self {
            pair.fasten(wire, peer);
        }
    }

    /// Sends a datagram. The browsers' port is the door's: what leaves by it goes at once.
    ///
    /// # Errors
    /// The system's, `WouldBlock` if its buffer is full.
    pub fn send(&self, wire: &mut Wire, channel: Channel, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Own(pair) => wire.send(pair.of(channel), to, bytes),
            Self::Shared(share) => share.socket.send_to(bytes, to).map(drop),
        }
    }
}

/// A leg's share in the browsers' port.
#[derive(Debug)]
pub struct Share {
    /// The door's socket.
    pub socket: Arc<std::net::UdpSocket>,
    /// Where browsers reach it.
    pub local: SocketAddr,
    /// How its checks are addressed.
    pub ufrag: String,
    /// Where its browser was found, longest ago first: the addresses to forget with it.
    pub paths: SmallVec<[SocketAddr; 4]>,
}

impl Share {
    /// Its browser was found here. Gives the address to forget instead, where there are more than its agent knows.
    pub fn found(&mut self, peer: SocketAddr) -> Option<SocketAddr> {
        let known = self.paths.iter().position(|known| *known == peer);
        let oldest = (known.is_none() && self.paths.len() >= ice::MAX_PATHS).then_some(0);
        let left = known.or(oldest).map(|at| self.paths.remove(at));
        self.paths.push(peer);
        left.filter(|left| *left != peer)
    }
}

/// The sockets of one leg.
#[derive(Debug)]
pub struct Pair {
    keys: [Key; 2],
    local: SocketAddr,
    names: [u64; 2],
    /// The only peer of the RTP port.
    fastened: Option<SocketAddr>,
}

/// A pair of ports that nobody listens on yet.
pub struct Bound {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    local: SocketAddr,
}

/// Binds a pair of ports that rested; none if none can be had.
pub fn bind(ports: &mut PortPool, local: IpAddr, now: Instant) -> Option<Bound> {
    for _ in 0..TRIES {
        let port = ports.take(now)?;
        match (open(local, port), open(local, port + 1)) {
            (Ok(rtp), Ok(rtcp)) => {
                return Some(Bound { rtp, rtcp, local: SocketAddr::new(local, port) });
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::debug!(port, %error, "a media port is taken by somebody else");
                ports.give_back(port, now);
            }
        }
    }
    None
}

fn open(local: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(local, port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let marked = if local.is_ipv4() { socket.set_tos_v4(DSCP_EF) } else { socket.set_tclass_v6(DSCP_EF) };
    if let Err(error) = marked {
        tracing::trace!(%error, "voice packets are not marked");
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

impl Bound {
    /// The RTP port.
    pub fn port(&self) -> u16 {
        self.local.port()
    }

    /// Begins to listen on both, RTP under the first name.
    ///
    /// # Errors
    /// The system's; both are closed then.
    pub fn listen(self, wire: &mut Wire, names: [u64; 2]) -> Result<Pair, Error> {
        let rtp = wire.add(self.rtp, names[0])?;
        match wire.add(self.rtcp, names[1]) {
            Ok(rtcp) => Ok(Pair { keys: [rtp, rtcp], local: self.local, names, fastened: None }),
            Err(error) => {
                wire.remove(rtp)?;
                Err(error)
            }
        }
    }
}

impl Pair {
    /// The address of the RTP port.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The RTP port.
    pub fn port(&self) -> u16 {
        self.local.port()
    }

    /// The names under which the sockets are listened on.
    pub fn names(&self) -> [u64; 2] {
        self.names
    }

    /// See [`LegSockets::fasten`].
    pub fn fasten(&mut self, wire: &mut Wire, peer: Option<SocketAddr>) {
        // A port on every address would be left with one of them.
        if self.fastened == peer || self.local.ip().is_unspecified() {
            return;
        }
        self.fastened = peer;
        let done = match peer {
            Some(peer) => wire.fasten(self.keys[0], peer),
            None => wire.loosen(self.keys[0]),
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a port goes on with or without its only peer");
        }
    }

    /// Closes both.
    ///
    /// # Errors
    /// The system's; both were tried.
    pub fn close(&self, wire: &mut Wire) -> Result<(), Error> {
        let rtp = wire.remove(self.keys[0]);
        wire.remove(self.keys[1]).and(rtp)
    }

    fn of(&self, channel: Channel) -> Key {
        match channel {
            Channel::Rtp => self.keys[0],
            Channel::Rtcp => self.keys[1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_addresses_are_remembered_than_the_agent_knows() {
        let at = |n: usize| SocketAddr::from(([127, 0, 0, 1], u16::try_from(n).expect("a port")));
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
        let (socket, ufrag) = (Arc::new(socket), "00abcd".to_owned());
        let mut share = Share { socket, local: at(1), ufrag, paths: SmallVec::new() };
        for n in 1..=ice::MAX_PATHS {
            assert_eq!(share.found(at(n)), None);
        }
        // The one in use is found again and again, and stays.
        assert_eq!(share.found(at(1)), None);
        assert_eq!(share.found(at(1000)), Some(at(2)));
        assert_eq!(share.found(at(2)), Some(at(3)));
        assert_eq!(share.paths.len(), ice::MAX_PATHS);
        assert!(share.paths.contains(&at(1)));
    }
}
