//! Stream connections: accepted ones and ours, over TCP, TLS and WebSockets, each with a place of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::timeout;
use vorzimmer_sip::ua::{ConnectionId, Flow, Input, Transport};
use vorzimmer_types::TrunkId;

use super::channel::{self, Open};
use super::shared::{Ends, Shared};
use super::{LocalAddresses, NetCounters};

/// How long a peer may take to accept a connection of ours: well within SIP's 32 s for a transaction.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// After a failed accept (no file descriptors left) new connections wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All stream connections.
pub(super) struct Connections {
    shared: Arc<Shared>,
    /// Where connections live, whoever opens them: handshakes keep nobody waiting there.
    runtime: Handle,
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
        Self { shared, runtime: Handle::current() }
    }

    #[cfg(test)]
    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared, runtime: Handle::current() }
    }

    pub(super) fn send(&self, connection: ConnectionId, bytes: Bytes) {
        self.shared.send(connection, bytes);
    }

    pub(super) fn close(&self, connection: ConnectionId) {
        self.shared.close(connection);
    }

    pub(super) fn connect(&self, call: Call) {
        let shared = Arc::clone(&self.shared);
        let Call { connection, transport, remote, trunk } = call;
        self.runtime.spawn(async move {
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

async fn accept(listener: TcpListener, transport: Transport, addresses: LocalAddresses, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let Ok(bound) = stream.local_addr() else { continue };
                // The listener's port and the address that the peer really reached.
                let local = addresses.known_as(bound, remote);
                let connection = shared.name();
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
