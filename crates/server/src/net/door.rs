//! Who may open a WebSocket, and its handshake (RFC 6455 §4, RFC 7118 §4).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};
use vorzimmer_sip::wire::MAX_DATAGRAM;

/// RFC 7118 §4.1: what both sides must name.
const SUBPROTOCOL: &str = "sip";
/// What may wait in one connection's buffers besides the message being read, in bytes.
const READ_BUFFER: usize = 16 * 1024;
/// The largest backlog of frames that the peer has not taken yet, our answers to its pings included.
const WRITE_BUFFER: usize = 4 * MAX_DATAGRAM;
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

/// A stream that remembers whether anything came.
pub(super) struct Watched<S> {
    inner: S,
    fresh: bool,
}

impl<S> Watched<S> {
    fn new(inner: S) -> Self {
        Self { inner, fresh: false }
    }

    /// Whether anything came since this was asked last.
    pub(super) fn settle(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
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
