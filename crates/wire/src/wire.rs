//! Many sockets for one thread, in whichever way the kernel allows.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use crate::came::{Came, Pause};
use crate::epoll::Epoll;
use crate::uring::{Key as RingKey, Uring};
use crate::{DATAGRAM, Error};

/// Enough things to happen that no tick ends before its time.
const WHOLE_TICK: usize = 60_000;

/// A way of moving datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// A call into the kernel for each datagram.
    Epoll,
    /// One for all that came and went in a turn.
    IoUring,
}

impl Driver {
    /// `epoll` or `io_uring`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Epoll => "epoll",
            Self::IoUring => "io_uring",
        }
    }
}

/// A socket on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Epoll(u32),
    Ring(RingKey),
}

/// Ends a wait from another thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// A new one, for one wire.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// The wire's thread stops waiting, if it does not wait for its tick.
    ///
    /// # Errors
    /// The system's.
    pub fn wake(&self) -> io::Result<()> {
        match rustix::io::write(&*self.0, &1_u64.to_ne_bytes()) {
            // It has been woken more often than it can count, so it is awake.
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Many sockets for one thread: the one that opens it.
pub struct Wire {
    means: Means,
    /// Kept open for as long as the kernel may look at it.
    _waker: Waker,
}

enum Means {
    Epoll(Epoll),
    Ring(Box<Uring>),
}

impl Wire {
    /// Opens it, without sockets.
    ///
    /// # Errors
    /// The kernel does not allow it.
    pub fn open(driver: Driver, waker: Waker) -> Result<Self, Error> {
        let means = match driver {
            Driver::Epoll => {
                let mut epoll = Epoll::new()?;
                epoll.wake_by(&*waker.0)?;
                Means::Epoll(epoll)
            }
            Driver::IoUring => {
                let mut ring = Box::new(Uring::new()?);
                ring.wake_by(&*waker.0)?;
                Means::Ring(ring)
            }
        };
        Ok(Self { means, _waker: waker })
    }

    /// Receives from this socket from now on, under this name.
    ///
    /// # Errors
    /// The kernel does not take it; the socket is closed then.
    pub fn add(&mut self, socket: UdpSocket, name: u64) -> Result<Key, Error> {
        let place = match &mut self.means {
            Means::Epoll(epoll) => Place::Epoll(epoll.add(socket, name)?),
            Means::Ring(ring) => Place::Ring(ring.add(&socket, name)?),
        };
        Ok(Key(place))
    }

    /// Closes a socket. It must not be named again.
    ///
    /// # Errors
    /// The kernel does not take it.
    pub fn remove(&mut self, key: Key) -> Result<(), Error> {
        match (&mut self.means, key.0) {
            (Means::Epoll(epoll), Place::Epoll(index)) => epoll.remove(index),
            (Means::Ring(ring), Place::Ring(key)) => ring.remove(key)?,
            _ => {}
        }
        Ok(())
    }

    /// Has a socket take datagrams from this peer alone, and hold its way there: whatever else comes is refused by the
    /// kernel, and what is sent there costs it less. Sending elsewhere, or an error of the way, ends that by itself.
    /// By epoll nothing changes. Only for sockets that were bound to a port and an address: what the kernel chose by
    /// itself it takes back in the end.
    ///
    /// # Errors
    /// It cannot be asked for. Whether the kernel does it shows later; until then the socket takes from anybody.
    pub fn fasten(&mut self, key: Key, peer: SocketAddr) -> Result<(), Error> {
        match (&mut self.means, key.0) {
            (Means::Ring(ring), Place::Ring(key)) => ring.fasten(key, peer),
            _ => Ok(()),
        }
    }

    /// Has a socket take datagrams from anybody again.
    ///
    /// # Errors
    /// It cannot be asked for.
    pub fn loosen(&mut self, key: Key) -> Result<(), Error> {
        match (&mut self.means, key.0) {
            (Means::Ring(ring), Place::Ring(key)) => ring.loosen(key),
            _ => Ok(()),
        }
    }

    /// Sends a datagram by a socket, now or with the next wait.
    ///
    /// # Errors
    /// The system's, as far as they are known by now.
    pub fn send(&mut self, key: Key, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        match (&mut self.means, key.0) {
            (Means::Epoll(epoll), Place::Epoll(index)) => epoll.send(index, to, bytes),
            (Means::Ring(ring), Place::Ring(key)) => ring.send(key, to, bytes),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// How many datagrams that seemed to be sent were not, since this was asked last.
    pub fn take_failed(&mut self) -> u64 {
        match &mut self.means {
            Means::Epoll(_) => 0,
            Means::Ring(ring) => ring.take_failed(),
        }
    }

    /// Sends what waits to be sent: for the last words of a thread that waits no more.
    ///
    /// # Errors
    /// It cannot go on.
    pub fn flush(&mut self) -> Result<(), Error> {
        match &mut self.means {
            Means::Epoll(_) => Ok(()),
            Means::Ring(ring) => ring.submit(),
        }
    }

    /// Waits, no longer than `patience`.
    ///
    /// # Errors
    /// It cannot go on.
    pub fn wait(&mut self, patience: Duration, pause: Pause) -> Result<(), Error> {
        match (&mut self.means, pause) {
            (Means::Epoll(epoll), _) => epoll.wait(patience, pause),
            (Means::Ring(ring), Pause::UntilSomething) => ring.wait(patience, 1),
            (Means::Ring(ring), Pause::Tick) => ring.wait(patience, WHOLE_TICK),
        }
    }

    /// Has what [`Wire::upcoming`] looks at brought near.
    pub fn soon(&self, after: usize) {
        match &self.means {
            Means::Epoll(epoll) => epoll.soon(after),
            Means::Ring(ring) => ring.soon(after),
        }
    }

    /// The name of the socket of the datagram that comes so many after the next one, if that is known already.
    #[must_use]
    pub fn upcoming(&self, after: usize) -> Option<u64> {
        match &self.means {
            Means::Epoll(epoll) => epoll.upcoming(after),
            Means::Ring(ring) => ring.upcoming(after),
        }
    }

    /// The next datagram that came, copied into `out`; none when all were taken.
    pub fn next(&mut self, out: &mut [u8; DATAGRAM]) -> Option<Came> {
        match &mut self.means {
            Means::Epoll(epoll) => epoll.next(out),
            Means::Ring(ring) => ring.next(out),
        }
    }
}
