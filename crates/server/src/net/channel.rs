//! One connection: the handshakes that open it, and the conversation until one side ends it.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsStream;
use tokio_tungstenite::WebSocketStream;
use vorzimmer_sip::ua::{ConnectionId, Input, Transport};
use vorzimmer_types::TrunkId;

use super::door::{Refused, Watched};
use super::shared::{Ends, Shared, WRITE_WITHIN};
use super::websocket;

/// One read.
const READ_BYTES: usize = 16 * 1024;

/// A connection whose handshakes are over.
pub(super) enum Channel {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Ws(Box<WebSocketStream<Watched<TcpStream>>>),
    Wss(Box<WebSocketStream<Watched<TlsStream<TcpStream>>>>),
}

/// What a handshake comes to: the channel, and the trunk whose certificate was shown.
pub(super) type Open = Result<(Channel, Option<TrunkId>), HandshakeError>;

/// Why a handshake failed. Says nothing of what the peer wrote.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("TLS: {0}")]
    Tls(#[from] io::Error),
    #[error("WebSocket: {0}")]
    WebSocket(#[from] Refused),
    #[error("nothing says by which certificate this trunk is known")]
    Unknown,
    #[error("this transport is never dialled")]
    NotDialled,
}

/// The handshakes of a connection that a peer opened.
pub(super) async fn answer(stream: TcpStream, transport: Transport, shared: Arc<Shared>) -> Open {
    // Answers are small and awaited (Nagle would hold them back); a peer that cannot set it is served all the same.
    let _ = stream.set_nodelay(true);
    match transport {
        Transport::Udp | Transport::Tcp => Ok((Channel::Tcp(stream), None)),
        Transport::Tls => {
            let stream = shared.tls.sip().accept(stream).await?;
            let certified = stream.get_ref().1.peer_certificates();
            let certified = certified.and_then(|chain| shared.tls.trunk_of(chain));
            Ok((Channel::Tls(Box::new(stream.into())), certified))
        }
        Transport::Ws => Ok((Channel::Ws(Box::new(shared.door.answer(stream).await?)), None)),
        Transport::Wss => {
            let stream = shared.tls.web().accept(stream).await?;
            Ok((Channel::Wss(Box::new(shared.door.answer(stream.into()).await?)), None))
        }
    }
}

/// The handshake of a connection that we opened.
pub(super) async fn dial(
    stream: TcpStream,
    transport: Transport,
    trunk: Option<TrunkId>,
    shared: Arc<Shared>,
) -> Open {
    let _ = stream.set_nodelay(true);
    match transport {
        Transport::Tcp => Ok((Channel::Tcp(stream), None)),
        Transport::Tls => {
            let dial = trunk.and_then(|trunk| shared.tls.dial(trunk)).ok_or(HandshakeError::Unknown)?;
            let stream = dial.connector.connect(dial.name, stream).await?;
            Ok((Channel::Tls(Box::new(stream.into())), trunk))
        }
        Transport::Udp | Transport::Ws | Transport::Wss => Err(HandshakeError::NotDialled),
    }
}

impl Channel {
    /// Moves messages both ways until one side has had enough.
    pub(super) async fn converse(self, ends: Ends, outgoing: mpsc::Receiver<Bytes>, shared: &Shared) {
        match self {
            Self::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                converse(reader, writer, ends, outgoing, shared).await;
            }
            Self::Tls(stream) => {
                let (reader, writer) = tokio::io::split(*stream);
                converse(reader, writer, ends, outgoing, shared).await;
            }
            Self::Ws(socket) => websocket::converse(*socket, ends, outgoing, shared).await,
            Self::Wss(socket) => websocket::converse(*socket, ends, outgoing, shared).await,
        }
    }
}

async fn converse(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin + Send + 'static,
    ends: Ends,
    outgoing: mpsc::Receiver<Bytes>,
    shared: &Shared,
) {
    let mut writer = tokio::spawn(write(writer, outgoing));
    let why = tokio::select! {
        read = read(reader, ends.connection, shared) => read,
        _ = &mut writer => Ok(()),
    };
    if let Err(error) = why {
        tracing::debug!(%error, "a connection ended");
    }
    shared.ended(&ends).await;
    // What was handed over before the end is still sent, within its time, unless it was the writer that ended first.
    if !writer.is_finished() {
        let _ = timeout(WRITE_WITHIN, writer).await;
    }
}

/// Reads until the peer closes or says nothing for too long.
async fn read(
    mut incoming: impl AsyncRead + Unpin,
    connection: ConnectionId,
    shared: &Shared,
) -> io::Result<()> {
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
async fn write(mut half: impl AsyncWrite + Unpin, mut outgoing: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = outgoing.recv().await {
        let sent = timeout(WRITE_WITHIN, async {
            half.write_all(&bytes).await?;
            // TLS may hold back what the kernel did not take at once.
            half.flush().await
        });
        match sent.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let _ = timeout(WRITE_WITHIN, half.shutdown()).await;
}
