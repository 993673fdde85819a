//! Session descriptions (RFC 8866) and the offer/answer exchange (RFC 3264) for one audio stream.
//!
//! [`Description::parse`] reads what others send, odd dialects included; a [`Session`] per dialog offers, answers
//! and accepts, and says in a [`vorzimmer_types::audio::Negotiated`] what was agreed on.
//!
//! Nothing here opens a port, resolves a name, encrypts a packet, or negotiates video or ICE: lines for those are
//! refused or left out of the answer. No type here prints an address or a key.

mod crypto;
mod description;
pub mod fuzz;
mod lines;
mod local;
mod negotiate;
mod parse;
mod print;
mod protection;
mod record;
mod refusal;
mod session;
mod text;
mod web;

pub use crypto::Crypto;
pub use description::{AudioMedia, Description, Encoding, Media, Origin, OtherMedia, Payload, Transport};
pub use local::Local;
pub use protection::{Profile, Protection};
pub use record::{Preference, Recording};
pub use refusal::Refusal;
pub use session::Session;
pub use vorzimmer_types::audio::{Codec, Direction, Format, Negotiated};
pub use web::{Browser, Dtls, Web};

/// Longest description that is read, in bytes. A browser's offer has about 8000.
pub const MAX_BYTES: usize = 32 * 1024;
/// Most lines that are read.
pub const MAX_LINES: usize = 1024;
/// Most `m=` lines that are read.
pub const MAX_MEDIA: usize = 16;
