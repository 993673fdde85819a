//! Stream connections: accepted ones and ours, each with a reader and a writer task.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use vorzimmer_sip::ua::{ConnectionId, Flow, Input, Transport};

use super::{LocalAddresses, NetCounters, StreamLimits};

/// Messages that may wait for a peer that reads slowly; then the connection is closed.
pub(super) const WRITE_QUEUE: usize = 64;
/// One read.
const READ_BYTES: usize = 16 * 1024;
/// How long a peer may take to accept a connection of ours: well within SIP's 32 s for a transaction.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a peer may take to accept one message.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// After a failed accept (no file descriptors left) new connections wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All stream connections.
pub(super) struct Connections {
    shared: Arc<Shared>,
}

struct Shared {
    open: Mutex<Open>,
    next: AtomicU64,
    limits: StreamLimits,
    arrivals: mpsc::Sender<Input>,
    counters: Arc<NetCounters>,
}

/// Open connections. The lock is held for look-ups only.
#[derive(Default)]
struct Open {
    writers: HashMap<ConnectionId, mpsc::Sender<Bytes>>,
    per_address: HashMap<IpAddr, usize>,
}

impl Connections {
    pub(super) fn start(
        listeners: Vec<std::net::TcpListener>,
        addresses: &LocalAddresses,
        arrivals: mpsc::Sender<Input>,
        limits: StreamLimits,
        counters: Arc<NetCounters>,
    ) -> Self {
        let next = AtomicU64::new(0);
        let shared = Arc::new(Shared { open: Mutex::default(), next, limits, arrivals, counters });
        for listener in listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    tokio::spawn(accept(listener, addresses.clone(), Arc::clone(&shared)));
                }
                Err(error) => tracing::error!(%error, "a TCP listener cannot be read"),
            }
        }
        Self { shared }
    }

    pub(super) fn send(&self, connection: ConnectionId, bytes: Bytes) {
        let mut open = self.shared.lock();
        let Some(writer) = open.writers.get(&connection) else { return };
        if writer.try_send(bytes).is_err() {
            // The peer does not read: forgetting the writer ends both tasks.
            open.writers.remove(&connection);
            NetCounters::count(&self.shared.counters.streams_refused);
        }
    }

    pub(super) fn close(&self, connection: ConnectionId) {
        self.shared.lock().writers.remove(&connection);
    }

    pub(super) fn connect(&self, connection: ConnectionId, remote: SocketAddr) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            match timeout(CONNECT_WITHIN, TcpStream::connect(remote)).await {
                Ok(Ok(stream)) => {
                    let local = stream.local_addr().unwrap_or(remote);
                    run(stream, connection, local, remote, shared).await;
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
    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tell(&self, input: Input) {
        // The receiver is gone only when the server ends; then nobody needs to know.
        let _ = self.arrivals.send(input).await;
    }

    /// Takes a place for a connection, if there is one.
    fn admit(&self, connection: ConnectionId, remote: IpAddr) -> Option<mpsc::Receiver<Bytes>> {
        let mut open = self.lock();
        let from_there = open.per_address.get(&remote).copied().unwrap_or(0);
        if open.writers.len() >= self.limits.total || from_there >= self.limits.per_address {
            NetCounters::count(&self.counters.streams_refused);
            return None;
        }
        open.per_address.insert(remote, from_there + 1);
        let (writer, outgoing) = mpsc::channel(WRITE_QUEUE);
        open.writers.insert(connection, writer);
        Some(outgoing)
    }

    fn release(&self, connection: ConnectionId, remote: IpAddr) {
        let mut open = self.lock();
        open.writers.remove(&connection);
        if let Some(count) = open.per_address.get_mut(&remote) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.per_address.remove(&remote);
            }
        }
    }
}

async fn accept(listener: TcpListener, addresses: LocalAddresses, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let Ok(bound) = stream.local_addr() else { continue };
                // The listener's port and the address that the peer really reached.
                let local = addresses.known_as(bound, remote);
                let connection = ConnectionId(shared.next.fetch_add(1, Ordering::Relaxed));
                tokio::spawn(run(stream, connection, local, remote, Arc::clone(&shared)));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, from its opening to its end; both are told.
async fn run(
    stream: TcpStream,
    connection: ConnectionId,
    local: SocketAddr,
    remote: SocketAddr,
    shared: Arc<Shared>,
) {
    let Some(outgoing) = shared.admit(connection, remote.ip()) else {
        shared.tell(Input::Closed { connection }).await;
        return;
    };
    // Answers are small and awaited (Nagle would hold them back); a peer that cannot set it is served all the same.
    let _ = stream.set_nodelay(true);
    let flow = Flow { transport: Transport::Tcp, local, remote, connection: Some(connection) };
    shared.tell(Input::Opened { flow }).await;
    let (incoming, outgoing_half) = stream.into_split();
    let mut writer = tokio::spawn(write(outgoing_half, outgoing));
    let why = tokio::select! {
        read = read(incoming, connection, &shared) => read,
        _ = &mut writer => Ok(()),
    };
    if let Err(error) = why {
        tracing::debug!(%error, "a connection ended");
    }
    shared.release(connection, remote.ip());
    shared.tell(Input::Closed { connection }).await;
    // What was handed over before the end is still sent, within its time, unless it was the writer that ended first.
    if !writer.is_finished() {
        let _ = timeout(WRITE_WITHIN, writer).await;
    }
}

/// Reads until the peer closes or says nothing for too long.
async fn read(mut incoming: OwnedReadHalf, connection: ConnectionId, shared: &Shared) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        buffer.reserve(READ_BYTES);
        let read = timeout(shared.limits.idle, incoming.read_buf(&mut buffer)).await;
        let length = read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if length == 0 {
            return Ok(());
        }
        shared.tell(Input::Stream { connection, bytes: buffer.split().freeze() }).await;
    }
}

/// Writes until nobody can hand anything over any more, then closes.
async fn write(mut half: OwnedWriteHalf, mut outgoing: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = outgoing.recv().await {
        match timeout(WRITE_WITHIN, half.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let _ = half.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody awaits the task in the server, so a panic at its end would be seen by nobody.
    #[tokio::test]
    async fn a_connection_that_we_close_ends_its_task_well() {
        let (arrivals, mut told) = mpsc::channel(8);
        let limits = StreamLimits { total: 1, per_address: 1, idle: Duration::from_secs(60) };
        let shared = Arc::new(Shared {
            open: Mutex::default(),
            next: AtomicU64::new(0),
            limits,
            arrivals,
            counters: Arc::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let _peer = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        let (stream, remote) = listener.accept().await.expect("accepted");
        let local = stream.local_addr().expect("bound");
        let task = tokio::spawn(run(stream, ConnectionId(7), local, remote, Arc::clone(&shared)));
        assert!(matches!(told.recv().await, Some(Input::Opened { .. })));
        Connections { shared }.close(ConnectionId(7));
        timeout(WRITE_WITHIN, task).await.expect("it ends").expect("without a panic");
        assert!(matches!(told.recv().await, Some(Input::Closed { .. })));
    }
}
