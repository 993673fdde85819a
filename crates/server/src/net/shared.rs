//! What all connections share: their places, their limits, and the way to the control task.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use vorzimmer_sip::ua::{ConnectionId, Input, Transport};

use super::door::Door;
use super::{NetCounters, StreamLimits};
use crate::tls::Tls;

/// Messages that may wait for a peer that reads slowly; then the connection is closed.
pub(super) const WRITE_QUEUE: usize = 64;
/// How long a peer may take to accept one message.
pub(super) const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// What every connection knows.
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

    /// A name for a connection that was accepted.
    pub(super) fn name(&self) -> ConnectionId {
        ConnectionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Hands bytes to the connection's writer, if there is one.
    pub(super) fn send(&self, connection: ConnectionId, bytes: Bytes) {
        let mut places = self.lock();
        let Some(writer) = places.writers.get(&connection) else { return };
        if writer.try_send(bytes).is_err() {
            // The peer does not read: forgetting the writer ends both tasks.
            places.writers.remove(&connection);
            NetCounters::count(&self.counters.streams_refused);
        }
    }

    /// Closes the connection after what was sent before.
    pub(super) fn close(&self, connection: ConnectionId) {
        self.lock().writers.remove(&connection);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the control task.
    pub(super) async fn tell(&self, input: Input) {
        // The receiver is gone only when the server ends; then nobody needs to know.
        let _ = self.arrivals.send(input).await;
    }

    /// Takes a place for a connection, if there is one.
    pub(super) fn admit(&self, connection: ConnectionId, remote: IpAddr) -> Option<mpsc::Receiver<Bytes>> {
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
