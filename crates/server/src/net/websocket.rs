//! SIP over WebSockets (RFC 7118): one SIP message in each of its messages. Who may open one is in `door`.
//!
//! Not understood here: SIP itself, whose keep-alives (§6) are the user agent's. The bytes of frames are the library's
//! business; how large a message may be, how long one may take, and how often the peer must show that it lives, is ours.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use vorzimmer_sip::ua::Input;

use super::door::Watched;
use super::shared::{Ends, Shared, WRITE_WITHIN};

/// Pings without any sign of life after which the peer is gone.
const PATIENT_PINGS: u32 = 2;

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
            socket.get_mut().settle();
            Poll::Ready(Turn::Heard(heard))
        }
        Poll::Pending if socket.get_mut().settle() && wanted => Poll::Ready(Turn::Begun),
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
