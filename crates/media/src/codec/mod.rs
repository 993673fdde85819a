//! Encoded voice to linear samples and back, at whichever of 8, 16 and 48 kHz is wanted.
//!
//! One [`Decoder`] or [`Encoder`] is one stream's: G.722 and Opus go on from what was. Which packet comes when, and what
//! is heard in place of lost ones, is not decided here.

mod decoder;
mod encoder;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// Longest packet in milliseconds (RFC 6716 §3.2.5; the same limit is kept for the others).
pub const MAX_PACKET_MS: usize = 120;
/// Most samples that a packet decodes to, at 48 kHz.
pub const MAX_SAMPLES: usize = MAX_PACKET_MS * 48;
/// Most bytes that [`Encoder::encode`] makes of 60 ms.
pub const MAX_ENCODED: usize = 480;

#[cfg(test)]
mod tests;
