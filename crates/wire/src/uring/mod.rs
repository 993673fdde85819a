//! The ring: what is armed, what is handed over, what comes back.
//!
//! One call into the kernel a turn: [`Uring::wait`] hands over what was sent since the last one, sleeps, and brings what
//! came. The kernel does its part of the work in that call too (`IORING_SETUP_DEFER_TASKRUN`, Linux 6.1), so that a
//! thread that waits for its tick is not woken for each datagram.
#![expect(unsafe_code, reason = "what is handed to the kernel lies in memory that we keep")]

mod probe;
#[cfg(test)]
mod tests;
mod ticket;

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::ptr;
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, Fixed, RecvMsgOut, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::address::{self, ROOM};
use crate::ahead::soon;
use crate::buffers::{self, Buffers, GROUP};
use crate::came::Came;
use crate::outbox::{self, Outbox};
use crate::{DATAGRAM, Error};
pub use probe::probe;
use ticket::{Kind, Ticket};

/// Entries that can be handed over with one call: a full outbox.
const SUBMISSIONS: u32 = outbox::PLACES as u32;
/// Completions that can wait: every buffer, every datagram on its way, and what is armed and cancelled meanwhile.
const COMPLETIONS: u32 = 8_192;
/// How many sockets the kernel is asked to number; fewer if our limit of open files is lower.
const SOCKETS: [u32; 4] = [32_768, 8_192, 1_000, 200];

/// A socket that is received from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    index: u32,
    generation: u32,
}

/// Many sockets behind one ring. It belongs to the thread that made it.
pub struct Uring {
    /// Dropped by hand, after everything that the kernel still works on was cancelled.
    ring: ManuallyDrop<IoUring>,
    buffers: ManuallyDrop<Buffers>,
    outbox: ManuallyDrop<Outbox>,
    /// What every receive looks like: room for an address, no control data.
    header: ManuallyDrop<Box<libc::msghdr>>,
    sockets: Vec<Socket>,
    free: Vec<u32>,
    limit: u32,
    /// Sockets whose receive ended and has to be armed again, longest ago first.
    unarmed: VecDeque<Key>,
    /// Buffers that hold a datagram that nobody has looked at yet.
    arrived: VecDeque<(Ticket, u16, usize)>,
    failed: u64,
    waker: Option<RawFd>,
}

struct Socket {
    generation: u32,
    name: Option<u64>,
    /// Who is to be its only peer, and whether that is so by now.
    only: Option<(SocketAddr, bool)>,
    /// That peer, as the kernel reads it. Stays where it is once it was made; whatever is read from it last counts.
    address: Option<Box<[u8; ROOM]>>,
}

impl Uring {
    /// A ring for this thread.
    ///
    /// # Errors
    /// The kernel does not allow it, or is too old.
    pub fn new() -> Result<Self, Error> {
        let ring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .build(SUBMISSIONS)
            .map_err(Error::unavailable("deferred work"))?;
        let mut buffers = Buffers::new();
        buffers.register(&ring.submitter()).map_err(Error::unavailable("a ring of buffers"))?;
        let limit = numbered(&ring).map_err(Error::unavailable("numbered sockets"))?;
        Ok(Self {
            ring: ManuallyDrop::new(ring),
            buffers: ManuallyDrop::new(buffers),
            outbox: ManuallyDrop::new(Outbox::new()),
            header: ManuallyDrop::new(Box::new(header())),
            sockets: Vec::new(),
            free: Vec::new(),
            limit,
            unarmed: VecDeque::new(),
            arrived: VecDeque::with_capacity(usize::from(buffers::COUNT)),
            failed: 0,
            waker: None,
        })
    }

    /// Receives from this socket from now on, under this name, and can send by it. The caller may close its own
    /// descriptor.
    ///
    /// # Errors
    /// There are too many sockets, or the kernel does not take it.
    pub fn add(&mut self, socket: &impl AsFd, name: u64) -> Result<Key, Error> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.sockets.len()).ok().filter(|index| *index < self.limit);
                let index = index.ok_or(Error::TooManySockets { limit: self.limit })?;
                self.sockets.push(Socket { generation: 0, name: None, only: None, address: None });
                index
            }
        };
        let fd = socket.as_fd().as_raw_fd();
        if let Err(error) = self.ring.submitter().register_files_update(index, &[fd]) {
            self.free.push(index);
            return Err(Error::Wait(error));
        }
        let Some(entry) = self.sockets.get_mut(index as usize) else { return Err(Error::NothingCame) };
        (entry.name, entry.only) = (Some(name), None);
        let key = Key { index, generation: entry.generation };
        self.arm(key)?;
        Ok(key)
    }

    /// Receives no longer. What has come already is not told any more.
    ///
    /// # Errors
    /// The kernel does not take it.
    pub fn remove(&mut self, key: Key) -> Result<(), Error> {
        if self.name(key).is_none() {
            return Ok(());
        }
        let receive = Ticket::new(Kind::Receive, key.index, key.generation);
        let cancel = opcode::AsyncCancel::new(receive.number()).build();
        self.push(&cancel.user_data(Ticket::new(Kind::Other, 0, 0).number()))?;
        // The cancellation names the request, not the socket, and is handed over before the number means another one.
        self.submit()?;
        self.ring.submitter().register_files_update(key.index, &[-1]).map_err(Error::Wait)?;
        if let Some(entry) = self.sockets.get_mut(key.index as usize) {
            entry.generation = ticket::next_generation(entry.generation);
            entry.name = None;
            self.free.push(key.index);
        }
        Ok(())
    }

    /// See [`Wire::fasten`](crate::Wire::fasten).
    ///
    /// # Errors
    /// The ring cannot go on.
    pub fn fasten(&mut self, key: Key, peer: SocketAddr) -> Result<(), Error> {
        let Some(entry) = self.entry(key) else { return Ok(()) };
        entry.only = Some((peer, false));
        address::write(peer, entry.address.get_or_insert_default());
        self.connect(key)
    }

    /// See [`Wire::loosen`](crate::Wire::loosen).
    ///
    /// # Errors
    /// The ring cannot go on.
    pub fn loosen(&mut self, key: Key) -> Result<(), Error> {
        let Some(entry) = self.entry(key) else { return Ok(()) };
        entry.only = None;
        match &mut entry.address {
            Some(address) => {
                address::nobody(address);
                self.connect(key)
            }
            // It never had an only peer.
            None => Ok(()),
        }
    }

    /// Hands over who is to be a socket's only peer.
    fn connect(&mut self, key: Key) -> Result<(), Error> {
        let Some(address) = self.entry(key).and_then(|entry| entry.address.as_deref()) else { return Ok(()) };
        let entry =
            opcode::Connect::new(Fixed(key.index), address.as_ptr().cast(), ROOM as libc::socklen_t).build();
        self.push(&entry.user_data(Ticket::new(Kind::Fasten, key.index, key.generation).number()))?;
        self.submit()
    }

    /// Has whatever makes this descriptor readable end a wait that was to end with the first thing that happens.
    ///
    /// # Errors
    /// The kernel does not take it.
    pub fn wake_by(&mut self, fd: &impl AsFd) -> Result<(), Error> {
        self.waker = Some(fd.as_fd().as_raw_fd());
        self.arm_waker()
    }

    /// Hands a datagram over; it leaves with the next wait, or before. What the kernel does not take then is counted
    /// ([`Uring::take_failed`]).
    ///
    /// # Errors
    /// It is too long, the socket is gone, or as many as can be are on their way.
    pub fn send(&mut self, key: Key, peer: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let Some(entry) = self.entry(key) else { return Err(io::ErrorKind::NotConnected.into()) };
        let only = entry.only;
        if only.is_some_and(|(only, _)| only != peer) {
            self.loosen(key).map_err(io::Error::other)?;
        }
        if !self.outbox.has_room() {
            self.submit().map_err(io::Error::other)?;
            self.reap();
        }
        let id = self.outbox.put(peer, bytes).ok_or(io::ErrorKind::WouldBlock)?;
        let Some(place) = self.outbox.at(id) else { return Err(io::ErrorKind::WouldBlock.into()) };
        let (bytes, to) = (place.bytes(), place.to());
        let length = u32::try_from(bytes.len()).unwrap_or(0);
        // To its only peer the socket knows the way.
        let (at, at_length) =
            if only == Some((peer, true)) { (ptr::null(), 0) } else { (to.as_ptr(), to.len()) };
        let entry = opcode::Send::new(Fixed(key.index), bytes.as_ptr(), length)
            .dest_addr(at.cast())
            .dest_addr_len(libc::socklen_t::try_from(at_length).unwrap_or(0))
            .flags(libc::MSG_DONTWAIT)
            .build()
            .user_data(Ticket::new(Kind::Send, u32::from(id), 0).number());
        self.push(&entry).map_err(io::Error::other)
    }

    /// Hands over what is to be sent, waits until `want` things have happened, but no longer than `patience`, and takes
    /// what came. With a large `want` it sleeps through its tick.
    ///
    /// # Errors
    /// The ring cannot go on.
    pub fn wait(&mut self, patience: Duration, want: usize) -> Result<(), Error> {
        self.arm_ended()?;
        let (patience, want) = match (self.unarmed.is_empty(), self.arrived.is_empty()) {
            (false, _) => (Duration::ZERO, 1),
            (true, false) => (patience, 1),
            (true, true) => (patience, want.max(1)),
        };
        let timespec = Timespec::from(patience);
        let args = SubmitArgs::new().timespec(&timespec);
        match self.ring.submitter().submit_with_args(want, &args) {
            Ok(_) => {}
            Err(error) if is_harmless(&error) => {}
            Err(error) => return Err(Error::Wait(error)),
        }
        self.reap();
        self.buffers.suit(self.arrived.len());
        Ok(())
    }

    /// Has what tells the name of the socket brought near of the datagram that comes so many after the next one.
    pub fn soon(&self, after: usize) {
        let socket = self.arrived.get(after).and_then(|(ticket, ..)| self.sockets.get(ticket.index as usize));
        socket.into_iter().for_each(|socket| soon(socket, 0..size_of_val(socket)));
    }

    /// The name of the socket of the datagram that comes so many after the next one.
    pub fn upcoming(&self, after: usize) -> Option<u64> {
        let (ticket, ..) = self.arrived.get(after)?;
        self.name(Key { index: ticket.index, generation: ticket.generation })
    }

    /// The next datagram that came, copied into `out`.
    pub fn next(&mut self, out: &mut [u8; DATAGRAM]) -> Option<Came> {
        while let Some((ticket, id, length)) = self.arrived.pop_front() {
            let came = self.looked_at(ticket, id, length, out);
            self.buffers.give(id);
            if came.is_some() {
                return came;
            }
        }
        None
    }

    /// How many datagrams the kernel did not send since this was asked last.
    pub fn take_failed(&mut self) -> u64 {
        std::mem::take(&mut self.failed)
    }

    fn looked_at(&self, ticket: Ticket, id: u16, length: usize, out: &mut [u8; DATAGRAM]) -> Option<Came> {
        let name = self.name(Key { index: ticket.index, generation: ticket.generation })?;
        let message = RecvMsgOut::parse(self.buffers.filled(id, length), &self.header).ok()?;
        let from = address::read(message.name_data())?;
        let payload = message.payload_data();
        let length = payload.len().min(DATAGRAM);
        out.get_mut(..length)?.copy_from_slice(payload.get(..length)?);
        Some(Came { name, from, length })
    }

    fn name(&self, key: Key) -> Option<u64> {
        let entry = self.sockets.get(key.index as usize)?;
        entry.name.filter(|_| entry.generation == key.generation)
    }

    fn entry(&mut self, key: Key) -> Option<&mut Socket> {
        let entry = self.sockets.get_mut(key.index as usize)?;
        (entry.name.is_some() && entry.generation == key.generation).then_some(entry)
    }

    /// A receive that stays armed until the kernel says that it ended.
    fn arm(&mut self, key: Key) -> Result<(), Error> {
        let header: *const libc::msghdr = &raw const **self.header;
        let entry = opcode::RecvMsgMulti::new(Fixed(key.index), header, GROUP).build();
        self.push(&entry.user_data(Ticket::new(Kind::Receive, key.index, key.generation).number()))
    }

    /// Arms the receives that ended, as they do when no buffer is left: those first that ended first, or sockets whose
    /// turn never came would overflow while others are served; and no more at a time than there are buffers, or they
    /// would end again at once, all of them, each turn.
    fn arm_ended(&mut self) -> Result<(), Error> {
        for _ in 0..self.buffers.lent().saturating_sub(self.arrived.len()) {
            let Some(key) = self.unarmed.pop_front() else { break };
            if self.name(key).is_some() {
                self.arm(key)?;
            }
        }
        Ok(())
    }

    fn arm_waker(&mut self) -> Result<(), Error> {
        let Some(fd) = self.waker else { return Ok(()) };
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).multi(true).build();
        self.push(&entry.user_data(Ticket::new(Kind::Wake, 0, 0).number()))
    }

    fn push(&mut self, entry: &squeue::Entry) -> Result<(), Error> {
        if self.ring.submission().is_full() {
            self.submit()?;
        }
        // SAFETY: what entries point to lives in `outbox` and `header`, which neither move nor are freed before every
        // request was cancelled or this memory is given up for good (see `drop`), or in the box of a socket's address,
        // which is kept as long as this and read when an entry is handed over, not later. A place of the outbox is not written
        // again until its completion has come. Descriptors are numbers in the ring's own table, or the waker's, whose
        // file the kernel holds by itself.
        let pushed = unsafe { self.ring.submission().push(entry) };
        pushed.map_err(|_| Error::Wait(io::Error::other("the submission queue is full")))
    }

    /// Hands over what is to be sent.
    ///
    /// # Errors
    /// The ring cannot go on.
    pub fn submit(&mut self) -> Result<(), Error> {
        match self.ring.submit() {
            Err(error) if !is_harmless(&error) => Err(Error::Wait(error)),
            _ => Ok(()),
        }
    }

    /// Takes every completion that is there.
    fn reap(&mut self) {
        loop {
            let Some(entry) = self.ring.completion().next() else { return };
            let ticket = Ticket::read(entry.user_data());
            match ticket.kind {
                Kind::Send => {
                    self.failed += u64::from(entry.result() < 0);
                    self.outbox.free(u16::try_from(ticket.index).unwrap_or(0));
                }
                Kind::Receive => self.received(ticket, &entry),
                Kind::Wake if !cqueue::more(entry.flags()) => {
                    // What it says is said by coming back; if it cannot be armed, orders are seen at the next tick.
                    drop(self.arm_waker());
                }
                Kind::Fasten => {
                    self.fastened(Key { index: ticket.index, generation: ticket.generation }, entry.result())
                }
                Kind::Wake | Kind::Other => {}
            }
        }
    }

    /// The kernel did, or did not, what it was asked for last; by now it may be asked for something else, but in this order.
    fn fastened(&mut self, key: Key, result: i32) {
        let Some(entry) = self.entry(key) else { return };
        entry.only = entry.only.filter(|_| result >= 0).map(|(peer, _)| (peer, true));
    }

    fn received(&mut self, ticket: Ticket, entry: &cqueue::Entry) {
        if let (Some(id), Ok(length)) =
            (cqueue::buffer_select(entry.flags()), usize::try_from(entry.result()))
        {
            self.arrived.push_back((ticket, id, length));
        }
        let key = Key { index: ticket.index, generation: ticket.generation };
        if !cqueue::more(entry.flags()) {
            self.unarmed.push_back(key);
        }
        // An error of the way, which only a socket with an only peer is told: anybody could have sent it.
        if entry.result() < 0 && entry.result() != -libc::ENOBUFS {
            // If the ring cannot go on, the next wait says so.
            drop(self.loosen(key));
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        let all = self.ring.submitter().register_sync_cancel(None, CancelBuilder::any());
        let none_left = all.is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT));
        // SAFETY: nothing is used after this. The ring goes first; if the kernel says that no request is left, nobody
        // reads or writes the memory any more and it is freed, else it stays for as long as the process.
        unsafe {
            let mut left = none_left;
            if !left {
                let again = self.ring.submitter().register_sync_cancel(None, CancelBuilder::any());
                left = again.is_ok() || again.is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT));
            }
            ManuallyDrop::drop(&mut self.ring);
            if left {
                ManuallyDrop::drop(&mut self.buffers);
                ManuallyDrop::drop(&mut self.outbox);
                ManuallyDrop::drop(&mut self.header);
            }
        }
    }
}

/// Asks for as many numbers for sockets as we may have; how many there are.
fn numbered(ring: &IoUring) -> io::Result<u32> {
    let mut last = io::ErrorKind::InvalidInput.into();
    for count in SOCKETS {
        match ring.submitter().register_files_sparse(count) {
            Ok(()) => return Ok(count),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn header() -> libc::msghdr {
    // SAFETY: a `msghdr` is integers and pointers; all zeros is one without an address, buffers and control data.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_namelen = ROOM as libc::socklen_t;
    header
}

/// The time is up, a signal came, or completions have to be taken first.
fn is_harmless(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN))
}
