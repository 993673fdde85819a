//! Datagrams: read by the control task itself, without a task between, so that one that comes wakes one thread only.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::net::UdpSocket;
use vorzimmer_sip::ua::{Flow, Input, Transport};

use super::{ByKnownAddress, LocalAddresses, NetCounters};

/// Datagrams that may wait for the control task; further ones are dropped and counted.
const QUEUE: usize = 2048;
/// Datagrams that are read from a socket at once; then somebody else's turn comes.
const BURST: usize = 256;
/// No datagram is larger (RFC 768); what is larger than SIP allows is refused by the parser.
const LARGEST_DATAGRAM: usize = 65_535;

/// Datagrams that may wait for the end of a turn before they are sent.
const GATHERED: usize = 256;

/// All UDP listeners, to send by.
pub(super) struct UdpSockets {
    bound: Vec<Arc<std::net::UdpSocket>>,
    /// Which socket a local address of a flow stands for, remembered as flows are answered.
    by_known: ByKnownAddress<Arc<std::net::UdpSocket>>,
    addresses: LocalAddresses,
    /// What goes out at the end of the turn: a peer that is woken for the first finds the rest there.
    gathered: Vec<Outgoing>,
    counters: Arc<NetCounters>,
}

/// A datagram on its way.
struct Outgoing {
    socket: Arc<std::net::UdpSocket>,
    remote: SocketAddr,
    bytes: Bytes,
}

impl UdpSockets {
    /// These sockets, and what comes by them.
    pub(super) fn start(
        sockets: Vec<std::net::UdpSocket>,
        addresses: &LocalAddresses,
        counters: &Arc<NetCounters>,
    ) -> (Self, Datagrams) {
        let bound: Vec<_> = sockets.into_iter().map(Arc::new).collect();
        let inbox = Inbox {
            queue: VecDeque::new(),
            buffer: vec![0; LARGEST_DATAGRAM],
            addresses: addresses.clone(),
            counters: Arc::clone(counters),
        };
        let datagrams = Datagrams { bound: bound.clone(), readers: Vec::new(), inbox };
        let sockets = Self {
            bound,
            by_known: ByKnownAddress::new(),
            addresses: addresses.clone(),
            gathered: Vec::with_capacity(GATHERED),
            counters: Arc::clone(counters),
        };
        (sockets, datagrams)
    }

    /// Takes a datagram that [`Self::flush`] sends. False if no socket of ours stands for the flow.
    pub(super) fn send(&mut self, flow: &Flow, bytes: Bytes) -> bool {
        let socket = match self.by_known.get(&flow.local) {
            Some(socket) => socket,
            None => {
                let Some(socket) = self.find(flow) else { return false };
                self.by_known.entry(flow.local).or_insert(socket)
            }
        };
        self.gathered.push(Outgoing { socket: Arc::clone(socket), remote: flow.remote, bytes });
        if self.gathered.len() >= GATHERED {
            self.flush();
        }
        true
    }

    /// Sends what was taken, in its order. What the kernel does not take is dropped and counted.
    pub(super) fn flush(&mut self) {
        for Outgoing { socket, remote, bytes } in self.gathered.drain(..) {
            if socket.send_to(&bytes, remote).is_err() {
                NetCounters::count(&self.counters.dropped_out);
            }
        }
    }

    /// The socket whose address looks like the flow's from outside. Flows outlive restarts, so ours may be gone.
    fn find(&self, flow: &Flow) -> Option<Arc<std::net::UdpSocket>> {
        let known = |socket: &&Arc<std::net::UdpSocket>| {
            socket.local_addr().is_ok_and(|bound| {
                bound.is_ipv4() == flow.remote.is_ipv4()
                    && self.addresses.known_as(bound, flow.remote) == flow.local
            })
        };
        self.bound.iter().find(known).map(Arc::clone)
    }
}

/// What comes by the UDP listeners, in the order in which it is read.
pub struct Datagrams {
    /// Listeners that are still to be read from: by the runtime that asks for the first datagram.
    bound: Vec<Arc<std::net::UdpSocket>>,
    readers: Vec<Reader>,
    inbox: Inbox,
}

struct Reader {
    /// Says when there is something.
    socket: UdpSocket,
    /// The same, asked without waiting for that.
    direct: Arc<std::net::UdpSocket>,
    bound: SocketAddr,
}

/// What was read.
struct Inbox {
    queue: VecDeque<Input>,
    buffer: Vec<u8>,
    addresses: LocalAddresses,
    counters: Arc<NetCounters>,
}

impl Datagrams {
    /// The next datagram: [`Input::Datagram`].
    pub async fn recv(&mut self) -> Input {
        self.open();
        poll_fn(|context| self.poll(context)).await
    }

    /// The next datagram that was read already.
    pub fn try_recv(&mut self) -> Option<Input> {
        self.inbox.queue.pop_front()
    }

    /// To be called in every turn: reads what is there, without waiting, whatever the turn began with.
    pub fn turn(&mut self) {
        for reader in &self.readers {
            for _ in 0..BURST {
                let read = reader.direct.recv_from(&mut self.inbox.buffer);
                if !self.inbox.take(read, reader.bound) {
                    break;
                }
            }
        }
    }

    /// Begins to read in this runtime.
    fn open(&mut self) {
        for direct in self.bound.drain(..) {
            let opened =
                direct.local_addr().and_then(|bound| Ok((UdpSocket::from_std(direct.try_clone()?)?, bound)));
            match opened {
                Ok((socket, bound)) => self.readers.push(Reader { socket, direct, bound }),
                Err(error) => tracing::error!(%error, "a UDP listener cannot be read"),
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Input> {
        for reader in &self.readers {
            for _ in 0..BURST {
                if reader.socket.poll_recv_ready(context).is_pending() {
                    break;
                }
                let read = reader.socket.try_recv_from(&mut self.inbox.buffer);
                self.inbox.take(read, reader.bound);
            }
        }
        if let Some(input) = self.inbox.queue.pop_front() {
            return Poll::Ready(input);
        }
        // A burst of nothing but errors leaves sockets that are still ready, and nobody who would say so again.
        let mut ready = self.readers.iter().map(|reader| reader.socket.poll_recv_ready(context));
        if ready.any(|ready| ready.is_ready()) {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Inbox {
    /// Whether more may be there. What comes while the queue is full is read all the same, dropped and counted: what
    /// waits in the kernel meanwhile would only grow older.
    fn take(&mut self, read: io::Result<(usize, SocketAddr)>, bound: SocketAddr) -> bool {
        let (length, remote) = match read {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // ICMP errors of datagrams sent earlier come up here; they are about one peer, not about us.
            Err(error) => {
                tracing::trace!(%error, "a datagram was not delivered");
                return true;
            }
        };
        if self.queue.len() >= QUEUE {
            NetCounters::count(&self.counters.dropped_in);
            return true;
        }
        let local = self.addresses.known_as(bound, remote);
        let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
        let bytes = Bytes::copy_from_slice(self.buffer.get(..length).unwrap_or_default());
        self.queue.push_back(Input::Datagram { flow, bytes });
        true
    }
}
