//! Messages out of a byte stream: TCP, TLS (RFC 3261 §18.3, RFC 5626 §3.5.1).

use bytes::{Buf, Bytes, BytesMut};

use super::lex::{self, Line};
use super::parse::number;
use super::{MAX_BODY, MAX_HEAD, names};
use crate::fault::Fault;

/// Which end of the connection we are: it tells what a lone CRLF means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer connected to us and may send pings.
    Accepted,
    /// We connected and may be sent the pongs to our pings.
    Connected,
}

/// What came out of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message, to be given to [`parse`](super::parse) with [`Framing::Stream`](super::Framing::Stream).
    Message(Bytes),
    /// CRLF CRLF between messages: a keep-alive to be answered with one CRLF (RFC 5626 §4.4.1).
    Ping,
    /// CRLF: the answer to our keep-alive.
    Pong,
    /// From here on nobody can tell where a message starts. What was read may still be worth an answer; then the
    /// connection must be closed (RFC 3261 §18.3, RFC 4475 §3.1.2.3).
    Broken {
        /// The head of the offending message as far as it was read.
        head: Bytes,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// Collects the bytes of one connection and cuts them into messages.
///
/// Holds at most [`StreamFramer::CAPACITY`] bytes: whoever [`push`](Self::push)es drains with [`next`](Self::next) first.
#[derive(Debug)]
pub struct StreamFramer {
    role: Role,
    buffer: BytesMut,
    /// Bytes at the start of `buffer` known not to contain the end of the head.
    scanned: usize,
    /// Length of the message being collected, once its head has been read.
    whole: Option<usize>,
    broken: bool,
}

impl StreamFramer {
    /// The most bytes that are held: one message of the largest size.
    pub const CAPACITY: usize = MAX_HEAD + 4 + MAX_BODY;

    /// For a new connection.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self { role, buffer: BytesMut::new(), scanned: 0, whole: None, broken: false }
    }

    /// Takes as many of `bytes` as there is room for and says how many; the rest is to be pushed again after draining.
    ///
    /// A broken stream takes everything and gives nothing.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        if self.broken {
            return bytes.len();
        }
        let room = Self::CAPACITY.saturating_sub(self.buffer.len());
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.buffer.extend_from_slice(taken);
        taken.len()
    }

    /// Whether part of a message is waiting for its rest. Half a keep-alive is none: some devices send no more.
    #[must_use]
    pub fn is_amid_message(&self) -> bool {
        !b"\r\n\r\n".starts_with(&self.buffer)
    }

    /// The next frame, or none until more bytes come.
    #[expect(clippy::should_implement_trait, reason = "none means not yet, which an Iterator cannot say")]
    pub fn next(&mut self) -> Option<Frame> {
        if self.broken {
            return None;
        }
        if self.whole.is_none() {
            if let Some(frame) = self.keep_alive() {
                return Some(frame);
            }
            match self.read_head() {
                Ok(found) => self.whole = found,
                Err(fault) => return Some(self.break_off(fault)),
            }
        }
        let whole = self.whole.filter(|&whole| whole <= self.buffer.len())?;
        self.whole = None;
        self.scanned = 0;
        Some(Frame::Message(self.buffer.split_to(whole).freeze()))
    }

    /// CRLFs at the start. An accepted connection waits for the second pair: one alone says nothing (RFC 3261 §7.5).
    fn keep_alive(&mut self) -> Option<Frame> {
        match self.role {
            Role::Connected if self.buffer.starts_with(b"\r\n") => {
                self.buffer.advance(2);
                Some(Frame::Pong)
            }
            Role::Accepted if self.buffer.starts_with(b"\r\n\r\n") => {
                self.buffer.advance(4);
                Some(Frame::Ping)
            }
            Role::Accepted if self.buffer.starts_with(b"\r\n") && !b"\r\n\r\n".starts_with(&self.buffer) => {
                self.buffer.advance(2);
                self.keep_alive()
            }
            _ => None,
        }
    }

    /// The length of the whole message, once the end of its head is here.
    fn read_head(&mut self) -> Result<Option<usize>, Fault> {
        let from = self.scanned.min(self.buffer.len());
        let unread = self.buffer.get(from..).unwrap_or_default();
        let Some(found) = lex::EMPTY_LINE.find(unread) else {
            // The empty line itself is not counted, wherever the stream was cut.
            if self.buffer.len() >= MAX_HEAD + 4 {
                return Err(lex::too_long());
            }
            self.scanned = self.buffer.len().saturating_sub(3);
            return Ok(None);
        };
        let head = from + found;
        if head > MAX_HEAD {
            return Err(lex::too_long());
        }
        let body = content_length(self.buffer.get(..head).unwrap_or_default())?;
        Ok(Some(head + 4 + body))
    }

    fn break_off(&mut self, fault: Fault) -> Frame {
        self.broken = true;
        let mut head = std::mem::take(&mut self.buffer).freeze();
        let end = lex::EMPTY_LINE.find(&head).map_or(head.len(), |at| at + 4);
        Frame::Broken { head: head.split_to(end.min(MAX_HEAD + 4)), fault }
    }
}

/// RFC 3261 §20.14: on a stream it must be there, once.
fn content_length(head: &[u8]) -> Result<usize, Fault> {
    let header = "Content-Length";
    let text = lex::text(head);
    let (_, lines) = lex::lines(&text);
    let mut length = None;
    for Line { name, value } in lines.flatten() {
        if names::known(name).is_some_and(|(_, known)| known.name == header) {
            let this = number(header, &value, u64::from(u32::MAX))?;
            if length.replace(this).is_some() {
                return Err(Fault::Duplicate { header });
            }
        }
    }
    let length = length.ok_or(Fault::Missing { header })?;
    usize::try_from(length)
        .ok()
        .filter(|&length| length <= MAX_BODY)
        .ok_or(Fault::TooLong { part: "the body", limit: MAX_BODY })
}
