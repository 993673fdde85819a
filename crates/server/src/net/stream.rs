//! Stream connections: accepted ones and ours, over TCP, TLS and WebSockets, each with a place of its own.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use vorzimmer_sip::ua::{ConnectionId, Flow, Input, Transport};
use vorzimmer_types::TrunkId;

use super::channel::{self, Open};
use super::websocket::Door;
use super::{LocalAddresses, NetCounters, StreamLimits};
use crate::tls::Tls;

/// Messages that may wait for a peer that reads slowly; then the connection is closed.
pub(super) const WRITE_QUEUE: usize = 64;
/// How long a peer may take to accept a connection of ours: well within SIP's 32 s for a transaction.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// After a failed accept (no file descriptors left) new connections wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All stream connections.
pub(super) struct Connections {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    places: Mutex<Places>,
    next: AtomicU64,
    pub limits: StreamLimits,
    pub arrivals: mpsc::Sender<Input>,
    pub tls: Arc<Tls>,
    pub door: Door,
    pub counters: Arc<NetCounters>,
}

/// Connections that have a place. The lock is held for look-ups only.
#[derive(Default)]
struct Places {
    writers: HashMap<ConnectionId, mpsc::Sender<Bytes>>,
    per_address: HashMap<IpAddr, usize>,
}

/// What is known of a connection before anything was said on it.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub connection: ConnectionId,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

/// A connection that we are to open.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The name it will have.
    pub connection: ConnectionId,
    /// TCP or TLS.
    pub transport: Transport,
    /// Where to.
    pub remote: SocketAddr,
    /// Whose certificate must be shown there; needed for TLS.
    pub trunk: Option<TrunkId>,
}

impl Connections {
    pub(super) fn start(
        listeners: Vec<(Transport, std::net::TcpListener)>,
        addresses: &LocalAddresses,
        shared: Shared,
    ) -> Self {
        let shared = Arc::new(shared);
        for (transport, listener) in listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    tokio::spawn(accept(listener, transport, addresses.clone(), Arc::clone(&shared)));
                }
                Err(error) => tracing::error!(%error, ?transport, "a listener cannot be read"),
            }
        }
        Self { shared }
    }

    #[cfg(test)]
    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn send(&self, connection: ConnectionId, bytes: Bytes) {
        let mut places = self.shared.lock();
        let Some(writer) = places.writers.get(&connection) else { return };
        if writer.try_send(bytes).is_err() {
            // The peer does not read: forgetting the writer ends both tasks.
            places.writers.remove(&connection);
            NetCounters::count(&self.shared.counters.streams_refused);
        }
    }

    pub(super) fn close(&self, connection: ConnectionId) {
        self.shared.lock().writers.remove(&connection);
    }

    pub(super) fn connect(&self, call: Call) {
        let shared = Arc::clone(&self.shared);
        let Call { connection, transport, remote, trunk } = call;
        tokio::spawn(async move {
            match timeout(CONNECT_WITHIN, TcpStream::connect(remote)).await {
                Ok(Ok(stream)) => {
                    let local = stream.local_addr().unwrap_or(remote);
                    let ends = Ends { connection, transport, local, remote };
                    let open = channel::dial(stream, transport, trunk, Arc::clone(&shared));
                    run(ends, open, shared).await;
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a peer could not be connected to");
                    shared.tell(Input::Closed { connection }).await;
                }
                Err(_) => shared.tell(Input::Closed { connection }).await,
            }
        });
    }
}

impl Shared {
    pub(super) fn new(
        limits: StreamLimits,
        arrivals: mpsc::Sender<Input>,
        tls: Arc<Tls>,
        door: Door,
        counters: Arc<NetCounters>,
    ) -> Self {
        Self { places: Mutex::default(), next: AtomicU64::new(0), limits, arrivals, tls, door, counters }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn tell(&self, input: Input) {
        // The receiver is gone only when the server ends; then nobody needs to know.
        let _ = self.arrivals.send(input).await;
    }

    /// Takes a place for a connection, if there is one.
    fn admit(&self, connection: ConnectionId, remote: IpAddr) -> Option<mpsc::Receiver<Bytes>> {
        let mut places = self.lock();
        let from_there = places.per_address.get(&remote).copied().unwrap_or(0);
        if places.writers.len() >= self.limits.total || from_there >= self.limits.per_address {
            NetCounters::count(&self.counters.streams_refused);
            return None;
        }
        places.per_address.insert(remote, from_there + 1);
        let (writer, outgoing) = mpsc::channel(WRITE_QUEUE);
        places.writers.insert(connection, writer);
        Some(outgoing)
    }

    /// A connection is over, but for what is still to be sent: its place is free.
    pub(super) async fn ended(&self, ends: &Ends) {
        self.release(ends.connection, ends.remote.ip());
        self.tell(Input::Closed { connection: ends.connection }).await;
    }

    fn release(&self, connection: ConnectionId, remote: IpAddr) {
        let mut places = self.lock();
        places.writers.remove(&connection);
        if let Some(count) = places.per_address.get_mut(&remote) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                places.per_address.remove(&remote);
            }
        }
    }
}

async fn accept(listener: TcpListener, transport: Transport, addresses: LocalAddresses, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let Ok(bound) = stream.local_addr() else { continue };
                // The listener's port and the address that the peer really reached.
                let local = addresses.known_as(bound, remote);
                let connection = ConnectionId(shared.next.fetch_add(1, Ordering::Relaxed));
                let ends = Ends { connection, transport, local, remote };
                let open = channel::answer(stream, transport, Arc::clone(&shared));
                tokio::spawn(run(ends, open, Arc::clone(&shared)));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, from its handshake to its end. It has its place before a byte of the handshake is read, and nobody is
/// told of it before the handshake is over.
pub(super) async fn run(ends: Ends, open: impl Future<Output = Open>, shared: Arc<Shared>) {
    let Ends { connection, transport, local, remote } = ends;
    if let Some(outgoing) = shared.admit(connection, remote.ip()) {
        match timeout(shared.limits.handshake, open).await {
            Ok(Ok((channel, certified))) => {
                let flow = Flow { transport, local, remote, connection: Some(connection) };
                shared.tell(Input::Opened { flow, certified }).await;
                return channel.converse(ends, outgoing, &shared).await;
            }
            Ok(Err(error)) => {
                NetCounters::count(&shared.counters.handshakes_failed);
                tracing::debug!(%error, ?transport, "a handshake failed");
            }
            Err(_) => {
                NetCounters::count(&shared.counters.handshakes_failed);
                tracing::debug!(?transport, "a handshake took too long");
            }
        }
        return shared.ended(&ends).await;
    }
    shared.tell(Input::Closed { connection }).await;
}
