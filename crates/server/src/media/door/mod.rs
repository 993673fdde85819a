//! The browsers' door: one UDP port for all of them.
//!
//! A thread of its own reads the port and hands each datagram to the worker whose leg it is for, in a queue of fixed
//! places: no allocation, no lock, and a worker that does not keep up loses packets of its own legs only. A STUN check
//! says itself whom it is for, since the user name fragment that we give out begins with the worker's number
//! ([`label`]). Anything else is handed on only if it comes from an address that a worker has named as proven. The rest
//! ends here. Workers send through the same sockets themselves.
//!
//! What is in a datagram is not the door's: whether a check is genuine, the leg's agent decides.

mod paths;
mod sockets;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use mio::{Events, Poll, Token};
use vorzimmer_media::ice;
use vorzimmer_wire::Waker;

use super::bell::{Bell, Rung};
use super::counters::{Counters, Turn};
use super::order::WAKER;
use crate::clock;
use paths::Paths;
pub use sockets::Sockets;

/// Largest datagram that is handed on; what a network of 1500 bytes carries.
pub const PARCEL: usize = 1_472;
/// Datagrams that may wait for a worker: about 100 ms of 100 browsers.
const PARCELS_WAITING: usize = 512;
/// Orders of the workers that may wait for the door. An order that finds no place is given again at the next check.
const ORDERS_WAITING: usize = 4_096;
/// Datagrams taken from a socket before orders are looked at again.
const BURST: usize = 64;

/// A datagram on its way to a worker.
pub struct Parcel {
    /// Who sent it.
    pub from: SocketAddr,
    length: usize,
    bytes: [u8; PARCEL],
}

impl Parcel {
    /// The datagram.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }
}

/// What workers tell the door.
#[derive(Clone, Copy)]
enum Order {
    Proven { peer: SocketAddr, worker: usize },
    Gone { peer: SocketAddr, worker: usize },
    End,
}

/// The door's side of a worker.
struct Room {
    parcels: SyncSender<Parcel>,
    bell: Bell,
}

/// A worker's side of the door.
pub struct Doorway {
    worker: usize,
    parcels: Receiver<Parcel>,
    rung: Rung,
    orders: SyncSender<Order>,
    door: Arc<mio::Waker>,
    sockets: Arc<Sockets>,
}

impl Doorway {
    /// What every user name fragment of this worker's legs begins with.
    pub fn label(&self) -> String {
        label(self.worker)
    }

    /// The socket that a leg on this local address sends by, and where it is reached.
    pub fn socket(&self, local: IpAddr) -> Option<(Arc<std::net::UdpSocket>, SocketAddr)> {
        self.sockets.like(local)
    }

    /// The next datagram for one of this worker's legs.
    pub fn next(&self) -> Option<Parcel> {
        self.rung.looked();
        self.parcels.try_recv().ok()
    }

    /// An address has proven itself, or has done so again.
    pub fn proven(&self, peer: SocketAddr) {
        self.order(Order::Proven { peer, worker: self.worker });
    }

    /// Nobody is there any more.
    pub fn gone(&self, peer: SocketAddr) {
        self.order(Order::Gone { peer, worker: self.worker });
    }

    fn order(&self, order: Order) {
        match self.orders.try_send(order) {
            Ok(()) => woken(self.door.wake()),
            // It is said again at the browser's next check; what is gone is forgotten in time.
            Err(TrySendError::Full(_)) => tracing::warn!("the browsers' door does not keep up"),
            // The process is ending.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

/// The running door.
pub struct Door {
    orders: SyncSender<Order>,
    waker: Arc<mio::Waker>,
    thread: JoinHandle<()>,
}

impl Door {
    /// Binds `port` on each of these addresses and opens the door for as many workers as there are wakers.
    ///
    /// # Errors
    /// An address cannot be bound, or the thread not be made.
    pub fn open(
        port: u16,
        addresses: &[IpAddr],
        workers: &[Waker],
        counters: Arc<Counters>,
    ) -> io::Result<(Self, Vec<Doorway>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
        let (sockets, readers) = sockets::bind(port, addresses, poll.registry())?;
        let sockets = Arc::new(sockets);
        let (orders, inbox) = sync_channel(ORDERS_WAITING);
        let (mut rooms, mut doorways) = (Vec::new(), Vec::new());
        for (worker, theirs) in workers.iter().enumerate() {
            let (sender, parcels) = sync_channel(PARCELS_WAITING);
            let bell = Bell::new(theirs.clone());
            let rung = bell.rung();
            rooms.push(Room { parcels: sender, bell });
            let (orders, door, sockets) = (orders.clone(), Arc::clone(&waker), Arc::clone(&sockets));
            doorways.push(Doorway { worker, parcels, rung, orders, door, sockets });
        }
        let keeper = Keeper { poll, readers, inbox, rooms, paths: Paths::default(), counters };
        let thread = std::thread::Builder::new().name("media-door".to_owned()).spawn(move || keeper.run())?;
        Ok((Self { orders, waker, thread }, doorways))
    }

    /// Whether it still works.
    pub fn is_open(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Ends the thread and waits for that.
    pub fn close(self) {
        if self.orders.send(Order::End).is_ok() {
            woken(self.waker.wake());
        }
        if self.thread.join().is_err() {
            tracing::error!("the browsers' door had panicked");
        }
    }
}

/// What the door's thread owns.
struct Keeper {
    poll: Poll,
    readers: Vec<mio::net::UdpSocket>,
    inbox: Receiver<Order>,
    rooms: Vec<Room>,
    paths: Paths,
    counters: Arc<Counters>,
}

impl Keeper {
    fn run(mut self) {
        let mut events = Events::with_capacity(16);
        let mut waiting: Vec<usize> = Vec::new();
        loop {
            let patience = if waiting.is_empty() { None } else { Some(std::time::Duration::ZERO) };
            if let Err(error) = self.poll.poll(&mut events, patience)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the browsers' door cannot wait for packets");
                return;
            }
            waiting.extend(events.iter().filter(|event| event.token() != WAKER).map(|event| event.token().0));
            waiting.sort_unstable();
            waiting.dedup();
            if !self.take_orders() {
                return;
            }
            let mut turn = Turn::default();
            waiting.retain(|reader| self.read(*reader, &mut turn));
            self.counters.add(&mut turn);
        }
    }

    /// Whether to go on.
    fn take_orders(&mut self) -> bool {
        let now = clock::mono();
        while let Ok(order) = self.inbox.try_recv() {
            match order {
                Order::Proven { peer, worker } => self.paths.proven(peer, worker, now),
                Order::Gone { peer, worker } => self.paths.gone(peer, worker),
                Order::End => return false,
            }
        }
        true
    }

    /// Hands on what waits at a socket; whether something may be left.
    fn read(&mut self, reader: usize, turn: &mut Turn) -> bool {
        for _ in 0..BURST {
            // One byte more than is taken, so that what was cut is seen.
            let mut buffer = [0; PARCEL + 1];
            let Some(socket) = self.readers.get(reader) else { return false };
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) => self.hand_on(&buffer, length, from, turn),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // About an earlier packet of ours: the port it went to is closed.
                Err(_) => {}
            }
        }
        true
    }

    fn hand_on(&self, buffer: &[u8; PARCEL + 1], length: usize, from: SocketAddr, turn: &mut Turn) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let datagram = buffer.get(..length).unwrap_or_default();
        let worker = if ice::is_stun(datagram) {
            ice::addressee(datagram).and_then(labelled)
        } else {
            self.paths.worker(from)
        };
        let room = worker.and_then(|worker| self.rooms.get(worker)).filter(|_| length <= PARCEL);
        let Some(room) = room else {
            turn.received += 1;
            turn.dropped += 1;
            return;
        };
        let mut parcel = Parcel { from, length, bytes: [0; PARCEL] };
        parcel.bytes().copy_from_slice(datagram);
        if room.parcels.try_send(parcel).is_err() {
            turn.received += 1;
            turn.dropped += 1;
        } else {
            woken(room.bell.ring());
        }
    }
}

fn woken(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "a media thread cannot be woken; it looks at its next packet or tick");
    }
}

/// Digits of [`label`].
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A worker's number as two ICE characters.
fn label(worker: usize) -> String {
    let digit = |n: usize| char::from(DIGITS[n % DIGITS.len()]);
    [digit(worker / DIGITS.len()), digit(worker)].into_iter().collect()
}

/// The worker whose label a user name fragment begins with.
fn labelled(ufrag: &str) -> Option<usize> {
    let value = |byte: &u8| DIGITS.iter().position(|digit| digit == byte);
    let [high, low, ..] = ufrag.as_bytes() else { return None };
    Some(value(high)? * DIGITS.len() + value(low)?)
}

/// A name for a socket's events.
fn token(reader: usize) -> Token {
    Token(reader)
}

#[cfg(test)]
mod tests;
