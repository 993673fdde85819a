//! Messages to and from bytes (RFC 3261 §7, §18.3, §25).
//!
//! [`parse`] turns untrusted bytes into `rsip` types or says what is wrong with them and, where enough could be read, how
//! to answer. [`print`](print()) turns them back and refuses what would break out of its line. [`StreamFramer`] cuts a
//! byte stream into messages. What a message *means* is not judged here: schemes, extensions, loops and bodies are the
//! user agent's business.

mod lex;
mod list;
mod names;
mod parse;
mod print;
mod reason;
mod skeleton;
mod start;
mod stream;
pub mod stun;

pub use list::elements;
pub use names::{header, name, value};
pub(crate) use parse::number;
pub use parse::{Framing, ParseError, Parsed, UnknownMethod, parse};
pub use print::{Printable, print};
pub use reason::reason;
pub use skeleton::Skeleton;
pub use start::{method, method_name};
pub use stream::{Frame, Role, StreamFramer};

/// The largest datagram, in bytes: what UDP can carry.
pub const MAX_DATAGRAM: usize = 65_535;
/// The longest start line and headers together, in bytes.
pub const MAX_HEAD: usize = 16 * 1024;
/// The longest single header, unfolded, in bytes.
pub const MAX_LINE: usize = 8 * 1024;
/// The most headers of a message, each element of a split list counted.
pub const MAX_HEADERS: usize = 256;
/// The most Vias of a message: as many hops as Max-Forwards starts with (RFC 3261 §8.1.1.6).
pub const MAX_VIAS: usize = 70;
/// The longest Request-URI, in bytes.
pub const MAX_URI: usize = 2048;
/// The largest body on a stream, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// Bytes from outside that nobody has looked at yet.
#[derive(Clone, Copy)]
pub struct Untrusted<'a>(&'a [u8]);

impl<'a> Untrusted<'a> {
    /// Marks bytes from the network.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing, or nothing but the CRLFs of a keep-alive (RFC 3261 §7.5, RFC 5626 §4.4.1, RFC 6223).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|b| matches!(b, b'\r' | b'\n' | 0))
    }
}

impl std::fmt::Debug for Untrusted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Untrusted({} bytes)", self.0.len())
    }
}
