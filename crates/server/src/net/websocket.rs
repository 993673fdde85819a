//! SIP over WebSockets (RFC 7118): who may open one, and one SIP message in each of its messages.
//!
//! Not understood here: SIP itself, whose keep-alives (§6) are the user agent's. The bytes of frames are the library's
//! business; how large a message may be, how long one may take, and how often the peer must show that it lives, is ours.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};
use vorzimmer_sip::ua::Input;
use vorzimmer_sip::wire::MAX_DATAGRAM;

use super::channel::WRITE_WITHIN;
use super::stream::{Ends, Shared};

/// RFC 7118 §4.1: what both sides must name.
const SUBPROTOCOL: &str = "sip";
/// What may wait in one connection's buffers besides the message being read, in bytes.
const READ_BUFFER: usize = 16 * 1024;
/// The largest backlog of frames that the peer has not taken yet, our answers to its pings included.
const WRITE_BUFFER: usize = 4 * MAX_DATAGRAM;
/// Pings without any sign of life after which the peer is gone.
const PATIENT_PINGS: u32 = 2;

/// Why no WebSocket was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the page is none of sip.origins")]
    Origin,
    #[error("the subprotocol sip was not offered")]
    Subprotocol,
    #[error("it was no WebSocket handshake")]
    Handshake,
}

/// Decides who may open a WebSocket.
#[derive(Clone, Debug)]
pub(super) struct Door {
    origins: Arc<[String]>,
}

impl Door {
    pub fn new(origins: &[String]) -> Self {
        Self { origins: origins.into() }
    }

    /// The WebSocket handshake with whoever connected.
    pub async fn answer<S>(&self, stream: S) -> Result<WebSocketStream<Watched<S>>, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(MAX_DATAGRAM))
            .max_frame_size(Some(MAX_DATAGRAM));
        let answered = accept_hdr_async_with_config(Watched::new(stream), self.clone(), Some(config)).await;
        answered.map_err(|error| match error {
            Error::Http(response) if response.status() == StatusCode::FORBIDDEN => Refused::Origin,
            Error::Http(_) => Refused::Subprotocol,
            _ => Refused::Handshake,
        })
    }

    /// A browser always says which page the script is of (RFC 6455 §10.2), and cannot be made to lie. What is no browser
    /// may leave it out: against it the list would be no protection, and the log-in is.
    fn admits(&self, request: &Request) -> Result<(), Refused> {
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let known =
            |origin: &HeaderValue| self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
        if !origins.all(known) {
            return Err(Refused::Origin);
        }
        let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        let mut names = offered.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        if names.any(|name| name.trim() == SUBPROTOCOL) { Ok(()) } else { Err(Refused::Subprotocol) }
    }
}

impl Callback for Door {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        match self.admits(request) {
            Ok(()) => {
                let chosen = HeaderValue::from_static(SUBPROTOCOL);
                response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, chosen);
                Ok(response)
            }
            Err(why) => {
                let mut refusal = ErrorResponse::new(Some(format!("{why}\n")));
                *refusal.status_mut() = match why {
                    Refused::Origin => StatusCode::FORBIDDEN,
                    Refused::Subprotocol | Refused::Handshake => StatusCode::BAD_REQUEST,
                };
                Err(refusal)
            }
        }
    }
}

/// What happens in a conversation.
enum Turn {
    /// A whole message or control frame, an error, or the end.
    Heard(Option<Result<Message, Error>>),
    /// Bytes came, but not enough of them.
    Begun,
    /// Something to send; none: we are to close.
    Send(Option<Bytes>),
    /// Time to ask whether the peer is there.
    Ping,
    /// What began to arrive is not here in time.
    TooSlow,
}

/// Moves messages both ways until one side has had enough.
pub(super) async fn converse<S>(
    mut socket: WebSocketStream<Watched<S>>,
    ends: Ends,
    mut outgoing: mpsc::Receiver<Bytes>,
    shared: &Shared,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let every = shared.limits.ping;
    let mut pings = interval_at(Instant::now() + every, every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    let mut begun: Option<Instant> = None;
    let why = loop {
        let late = begun.unwrap_or_else(Instant::now) + shared.limits.message;
        let turn = tokio::select! {
            heard = hear(&mut socket, begun.is_none()) => heard,
            bytes = outgoing.recv() => Turn::Send(bytes),
            _ = pings.tick() => Turn::Ping,
            () = sleep_until(late), if begun.is_some() => Turn::TooSlow,
        };
        let message = match turn {
            Turn::Begun => {
                begun = Some(Instant::now());
                continue;
            }
            Turn::Heard(Some(Ok(message))) => {
                (begun, unanswered) = (None, 0);
                if let Some(bytes) = content(message) {
                    shared.tell(Input::Stream { connection: ends.connection, bytes }).await;
                }
                continue;
            }
            Turn::Heard(Some(Err(Error::Capacity(_)))) => break "a message was too large",
            Turn::Heard(Some(Err(_))) => break "the peer broke the protocol, or the connection broke",
            Turn::Heard(None) => break "the peer closed it",
            Turn::TooSlow => break "a message took too long",
            Turn::Send(None) => break "we closed it",
            Turn::Ping if unanswered == PATIENT_PINGS => break "the peer did not answer pings",
            Turn::Ping => {
                unanswered += 1;
                Message::Ping(Bytes::new())
            }
            Turn::Send(Some(bytes)) => framed(bytes),
        };
        if !matches!(timeout(WRITE_WITHIN, socket.send(message)).await, Ok(Ok(()))) {
            break "the peer does not read";
        }
    };
    tracing::debug!(why, "a WebSocket ended");
    shared.ended(&ends).await;
    // The library sends the peer's own close back, or says why we close (RFC 6455 §7); nobody waits for more.
    let _ = timeout(WRITE_WITHIN, socket.close(None)).await;
}

/// Waits for something whole; or, if that is `wanted`, for its first bytes.
async fn hear<S>(socket: &mut WebSocketStream<Watched<S>>, wanted: bool) -> Turn
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|context| match socket.poll_next_unpin(context) {
        Poll::Ready(heard) => {
            socket.get_mut().fresh = false;
            Poll::Ready(Turn::Heard(heard))
        }
        Poll::Pending if std::mem::take(&mut socket.get_mut().fresh) && wanted => Poll::Ready(Turn::Begun),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// What a message carries; control frames are the library's own business.
fn content(message: Message) -> Option<Bytes> {
    match message {
        Message::Text(text) => Some(text.into()),
        Message::Binary(bytes) => Some(bytes),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
    }
}

/// RFC 7118 §5.1: text where it is text; session descriptions and names may hold other bytes.
fn framed(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}

/// A stream that remembers whether anything came.
pub(super) struct Watched<S> {
    inner: S,
    fresh: bool,
}

impl<S> Watched<S> {
    fn new(inner: S) -> Self {
        Self { inner, fresh: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.fresh |= buffer.filled().len() > before;
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
