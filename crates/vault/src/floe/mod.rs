//! FLOE, the Fast Lightweight Online Encryption of C2SP (c2sp.org/FLOE), with AES-256-GCM and HKDF-Expand-SHA-384.
//!
//! ```text
//! header    params 10 (u8 AEAD=0 | u8 KDF=0 | u32 segment length | u32 IV length=32) | IV [32] | tag [32]
//! segment   u32 0xFFFFFFFF, or the length of the last one | nonce [12] | ciphertext | tag [16]
//! ```
//! [`Encryptor`] and [`Decryptor`] are the scheme's random-access functions. They do not keep their callers from
//! sealing a position twice or behind the last one; [`crate::callrec`] does, and is what the rest of the house uses.

mod stream;

pub use stream::{Decryptor, Encryptor};

use crate::aead::{NONCE_LEN, TAG_LEN};
use crate::error::{Error, Result};

/// Bytes of a key ("Key Generation").
pub const KEY_LEN: usize = 32;
/// Bytes of the stream's IV (`FLOE_IV_LEN`).
pub const IV_LEN: usize = 32;
/// Bytes of the header ("FLOE Ciphertext Layout").
pub const HEADER_LEN: usize = PARAMS_LEN + IV_LEN + HEADER_TAG_LEN;
/// Bytes that sealing adds to a segment: length, nonce, tag.
pub const OVERHEAD: usize = SEGMENT_PREFIX_LEN + TAG_LEN;
/// Where the plaintext, and later the ciphertext, begins within a segment.
pub const TEXT_AT: usize = SEGMENT_PREFIX_LEN;
/// Segments of one stream at most (`AEAD_MAX_SEGMENTS`).
pub const MAX_SEGMENTS: u64 = 1 << 40;

const PARAMS_LEN: usize = 10;
const HEADER_TAG_LEN: usize = 32;
const SEGMENT_PREFIX_LEN: usize = 4 + NONCE_LEN;
/// Stands where the last segment says its length (`0xFFFFFFFF`).
const NOT_LAST: [u8; 4] = [0xff; 4];
/// 2^20 segments under one key (`AEAD_ROTATION_MASK`).
const ROTATION_MASK: u8 = 20;

/// The parameters that streams may differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    segment_len: u32,
    rotation_mask: u8,
}

impl Params {
    /// Streams whose sealed segments are `segment_len` bytes long (`ENC_SEG_LEN`).
    ///
    /// # Errors
    /// [`Error::FloeParams`] unless a byte of plaintext fits into a segment.
    pub fn new(segment_len: u32) -> Result<Self> {
        let usable = segment_len as usize > OVERHEAD && segment_len < u32::MAX;
        if usable { Ok(Self { segment_len, rotation_mask: ROTATION_MASK }) } else { Err(Error::FloeParams) }
    }

    /// The same with another rotation mask: known-answer tests use a small one, streams never do.
    #[must_use]
    pub fn with_rotation_mask(self, bits: u8) -> Self {
        Self { rotation_mask: bits.min(63), ..self }
    }

    /// The parameters that a header claims.
    ///
    /// # Errors
    /// [`Error::FloeParams`] if they are none that are known here.
    pub fn of_header(header: &[u8; HEADER_LEN]) -> Result<Self> {
        let [_, _, a, b, c, d, ..] = *header;
        let params = Self::new(u32::from_be_bytes([a, b, c, d]))?;
        if header.starts_with(&params.encode()) { Ok(params) } else { Err(Error::FloeParams) }
    }

    /// Bytes of a sealed segment, of the last one at most.
    #[must_use]
    pub const fn segment_len(self) -> usize {
        self.segment_len as usize
    }

    /// Bytes of plaintext in a segment, in the last one at most.
    #[must_use]
    pub const fn plaintext_len(self) -> usize {
        self.segment_len as usize - OVERHEAD
    }

    /// `PARAM_ENCODE`.
    fn encode(self) -> [u8; PARAMS_LEN] {
        let mut out = [0; PARAMS_LEN];
        out[2..6].copy_from_slice(&self.segment_len.to_be_bytes());
        out[6..].copy_from_slice(&(IV_LEN as u32).to_be_bytes());
        out
    }

    /// `MASK(position, AEAD_ROTATION_MASK)`: the first of the segments that share a key with this one.
    fn masked(self, position: u64) -> u64 {
        position >> self.rotation_mask << self.rotation_mask
    }
}

/// Whether a segment is the last of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// More follow; it is full.
    Inner,
    /// Nothing follows.
    Last,
}

impl Place {
    /// What a sealed segment says about itself. Not to be believed before it opens.
    #[must_use]
    pub fn claimed_by(segment: &[u8]) -> Self {
        if segment.starts_with(&NOT_LAST) { Self::Inner } else { Self::Last }
    }

    const fn aad_tail(self) -> u8 {
        match self {
            Self::Inner => 0,
            Self::Last => 1,
        }
    }
}
