//! The way that is always there: epoll says which sockets hold something, and each datagram is a call into the kernel.
//!
//! Sockets are watched by level: one read for each that is named, no second one to learn that it is empty. Through a tick
//! the thread sleeps, and then asks until no socket holds anything any more, or it has asked often enough.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use crate::ahead::soon;
use crate::came::{Came, Pause};
use crate::{DATAGRAM, Error};

/// Sockets that one question names at most.
const NAMED: usize = 1_024;
/// How often a turn asks again at most: so many datagrams of one socket it takes before its tick begins anew.
const PASSES: u32 = 32;
/// The waker's event; no socket's index is as high.
const WAKER: u64 = u64::MAX;

/// Sockets behind an epoll instance.
pub(crate) struct Epoll {
    epoll: OwnedFd,
    sockets: Vec<Option<Watched>>,
    free: Vec<u32>,
    events: Vec<Event>,
    ready: VecDeque<u32>,
    /// How often this turn may still ask again.
    passes: u32,
}

struct Watched {
    socket: UdpSocket,
    name: u64,
}

impl Epoll {
    pub(crate) fn new() -> Result<Self, Error> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|error| Error::Wait(error.into()))?;
        Ok(Self {
            epoll,
            sockets: Vec::new(),
            free: Vec::new(),
            events: Vec::with_capacity(NAMED),
            ready: VecDeque::with_capacity(NAMED),
            passes: 0,
        })
    }

    pub(crate) fn wake_by(&mut self, fd: &impl AsFd) -> Result<(), Error> {
        // By edge: its count is never read.
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&self.epoll, fd, EventData::new_u64(WAKER), flags)
            .map_err(|error| Error::Wait(error.into()))
    }

    pub(crate) fn add(&mut self, socket: UdpSocket, name: u64) -> Result<u32, Error> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.sockets.push(None);
            u32::try_from(self.sockets.len() - 1).unwrap_or(u32::MAX)
        });
        let data = EventData::new_u64(u64::from(index));
        let added = socket
            .set_nonblocking(true)
            .and_then(|()| Ok(epoll::add(&self.epoll, &socket, data, EventFlags::IN)?));
        if let Err(error) = added {
            self.free.push(index);
            return Err(Error::Wait(error));
        }
        if let Some(place) = self.sockets.get_mut(index as usize) {
            *place = Some(Watched { socket, name });
        }
        Ok(index)
    }

    /// Closing a socket takes it out of the epoll instance.
    pub(crate) fn remove(&mut self, index: u32) {
        if self.sockets.get_mut(index as usize).and_then(Option::take).is_some() {
            self.free.push(index);
        }
    }

    pub(crate) fn send(&self, index: u32, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let watched = self.sockets.get(index as usize).and_then(Option::as_ref);
        let watched = watched.ok_or(io::ErrorKind::NotConnected)?;
        if bytes.len() > DATAGRAM {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        watched.socket.send_to(bytes, to).map(drop)
    }

    pub(crate) fn wait(&mut self, patience: Duration, pause: Pause) -> Result<(), Error> {
        if !self.ready.is_empty() {
            return Ok(());
        }
        match pause {
            Pause::UntilSomething => {
                self.passes = 0;
                self.ask(patience)
            }
            Pause::Tick => {
                self.passes = PASSES;
                sleep(patience);
                self.ask(Duration::ZERO)
            }
        }
    }

    /// Has what tells the name of the socket brought near that is read so many after the next one.
    pub(crate) fn soon(&self, after: usize) {
        let socket = self.ready.get(after).and_then(|index| self.sockets.get(*index as usize));
        socket.into_iter().for_each(|socket| soon(socket, 0..size_of_val(socket)));
    }

    /// The name of the socket that is read so many after the next one.
    pub(crate) fn upcoming(&self, after: usize) -> Option<u64> {
        let index = *self.ready.get(after)?;
        self.sockets.get(index as usize)?.as_ref().map(|watched| watched.name)
    }

    /// The next datagram.
    pub(crate) fn next(&mut self, out: &mut [u8; DATAGRAM]) -> Option<Came> {
        loop {
            let Some(index) = self.ready.pop_front() else {
                let more = self.passes.checked_sub(1)?;
                self.passes = more;
                // A question that fails is asked again by the next wait, which says so.
                self.ask(Duration::ZERO).ok()?;
                if self.ready.is_empty() {
                    self.passes = 0;
                    return None;
                }
                continue;
            };
            let Some(watched) = self.sockets.get(index as usize).and_then(Option::as_ref) else { continue };
            // What cannot be read is about an earlier datagram of ours, or was read by somebody else.
            if let Ok((length, from)) = watched.socket.recv_from(out) {
                return Some(Came { name: watched.name, from, length });
            }
        }
    }

    fn ask(&mut self, patience: Duration) -> Result<(), Error> {
        self.events.clear();
        let timeout = Timespec::try_from(patience).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let buffer = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, buffer, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::Wait(error.into())),
        }
        let named = self.events.iter().map(|event| event.data.u64()).filter(|name| *name != WAKER);
        self.ready.extend(named.filter_map(|name| u32::try_from(name).ok()));
        Ok(())
    }
}

/// Sleeps through a tick.
fn sleep(time: Duration) {
    if let Ok(time) = Timespec::try_from(time) {
        // What is left of it after a signal is not slept: the next tick comes anyway.
        let _left = rustix::thread::nanosleep(&time);
    }
}
