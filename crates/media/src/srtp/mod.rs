//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714): packets sealed and opened in place, under keys from elsewhere.
//!
//! What is not authentic makes no state and is left as it was. A [`Sealer`] never uses an index twice; an [`Opener`]
//! takes each only once. There is no MKI and no key derivation rate: descriptions that ask for them are not taken.
//! The ciphers are RustCrypto's; around them stands what ready-made sessions lack: no allocation for a packet, and no
//! table that strangers can fill.

mod derive;
pub mod fuzz;
mod keystream;
mod open;
mod seal;
mod transform;
mod window;

pub use open::{MAX_SOURCES, Opener, Unopened};
pub use seal::Sealer;

/// Most bytes that protection adds to a packet: a GCM tag and an SRTCP index (RFC 7714 §9.3).
pub const MAX_TRAILER: usize = 20;

/// Bytes of an RTCP packet that stay readable: the first header and its source (RFC 3711 §3.4).
const CONTROL_HEADER: usize = 8;

/// The source of an RTCP packet.
fn control_source(packet: &[u8]) -> Option<u32> {
    packet
        .first_chunk::<CONTROL_HEADER>()
        .map(|[_, _, _, _, a, b, c, d]| u32::from_be_bytes([*a, *b, *c, *d]))
}

#[cfg(test)]
mod tests;
