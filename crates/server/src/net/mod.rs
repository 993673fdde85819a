//! The sockets that SIP travels over: bytes in, bytes out, nothing understood.
//!
//! Datagrams are read by whoever takes them, the control task; every stream by a task of its own, which hands what it
//! read to the control task over a bounded queue. The control task sends without waiting: a datagram that the kernel does
//! not take is dropped and counted (SIP sends it again), a stream whose peer does not read is closed.
//!
//! A [`Flow`]'s local address is the one that *peers* know: where `sip.advertise` is set, this module translates.

mod channel;
mod door;
mod listeners;
#[cfg(test)]
mod secure_tests;
mod shared;
mod stream;
#[cfg(test)]
mod tests;
mod udp;
mod websocket;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use door::Door;
use tokio::sync::mpsc;
use vorzimmer_sip::ua::{ConnectionId, Flow, Input};

pub use listeners::{Listeners, LocalAddresses};
use shared::Shared;
pub use stream::Call;
use stream::Connections;
pub use udp::Datagrams;
use udp::UdpSockets;

use crate::tls::Tls;

/// Pieces of streams that may wait for the control task; then their readers wait, and their peers with them.
const STREAM_QUEUE: usize = 1024;

/// What happens at the sockets, for the control task.
pub struct Arrivals {
    /// Datagrams: [`Input::Datagram`].
    pub datagrams: Datagrams,
    /// Streams: [`Input::Opened`], [`Input::Stream`], [`Input::Closed`].
    pub streams: mpsc::Receiver<Input>,
}

/// Counts since the start, shared with the sockets' tasks.
#[derive(Debug, Default)]
struct NetCounters {
    dropped_in: AtomicU64,
    dropped_out: AtomicU64,
    streams_refused: AtomicU64,
    handshakes_failed: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetCounts {
    /// Datagrams dropped because the control task was behind.
    pub dropped_in: u64,
    /// Datagrams that the kernel did not take.
    pub dropped_out: u64,
    /// Streams closed because a limit was reached or their peer did not read.
    pub streams_refused: u64,
    /// TLS and WebSocket handshakes that failed or took too long.
    pub handshakes_failed: u64,
}

impl NetCounters {
    fn read(&self) -> NetCounts {
        NetCounts {
            dropped_in: self.dropped_in.load(Ordering::Relaxed),
            dropped_out: self.dropped_out.load(Ordering::Relaxed),
            streams_refused: self.streams_refused.load(Ordering::Relaxed),
            handshakes_failed: self.handshakes_failed.load(Ordering::Relaxed),
        }
    }

    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the control task sends through.
pub struct Net {
    udp: UdpSockets,
    connections: Connections,
    counters: Arc<NetCounters>,
}

/// What is too much on streams.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Connections, all peers together.
    pub total: usize,
    /// Connections from one address.
    pub per_address: usize,
    /// After this long without a byte from the peer a connection is closed.
    pub idle: Duration,
    /// TLS and WebSocket handshakes together may take so long.
    pub handshake: Duration,
    /// One WebSocket message may take so long, from its first byte to its last.
    pub message: Duration,
    /// How often a WebSocket's peer is asked whether it is there.
    pub ping: Duration,
}

impl Net {
    /// Starts reading all listeners for streams, in this tokio runtime; connections of ours are opened in it as well.
    pub fn start(listeners: Listeners, limits: StreamLimits, tls: Arc<Tls>) -> (Self, Arrivals) {
        let counters = Arc::new(NetCounters::default());
        let (stream_tx, streams) = mpsc::channel(STREAM_QUEUE);
        let Listeners { udp, streams: bound, origins, addresses } = listeners;
        let (udp, datagrams) = UdpSockets::start(udp, &addresses, &counters);
        let shared = Shared::new(limits, stream_tx, tls, Door::new(&origins), Arc::clone(&counters));
        let connections = Connections::start(bound, &addresses, shared);
        (Self { udp, connections, counters }, Arrivals { datagrams, streams })
    }

    /// Sends one message on its way, or drops it and counts. Datagrams go with the next [`Self::flush`].
    pub fn transmit(&mut self, flow: &Flow, bytes: Bytes) {
        match flow.connection {
            Some(connection) => self.connections.send(connection, bytes),
            None if !flow.transport.is_reliable() && self.udp.send(flow, bytes) => {}
            None => NetCounters::count(&self.counters.dropped_out),
        }
    }

    /// Sends the datagrams that were gathered.
    pub fn flush(&mut self) {
        self.udp.flush();
    }

    /// Opens a connection in the background; the answer comes as [`Input::Opened`] or [`Input::Closed`].
    /// On TLS it is open once the peer has shown the trunk's certificate.
    pub fn connect(&mut self, call: Call) {
        self.connections.connect(call);
    }

    /// Closes a connection after what was sent before.
    pub fn close(&mut self, connection: ConnectionId) {
        self.connections.close(connection);
    }

    /// Counts since the start.
    pub fn counts(&self) -> NetCounts {
        self.counters.read()
    }
}

/// Addresses of ours, by how peers know them.
type ByKnownAddress<T> = HashMap<SocketAddr, T>;
