//! One FLOE stream: starting it, sealing and opening its segments.

use std::fmt;

use subtle::ConstantTimeEq;
use vorzimmer_types::Entropy;
use zeroize::Zeroizing;

use super::{
    HEADER_LEN, IV_LEN, KEY_LEN, MAX_SEGMENTS, NOT_LAST, PARAMS_LEN, Params, Place, SEGMENT_PREFIX_LEN,
};
use crate::aead::{self, Cipher, Sealer, TAG_LEN};
use crate::error::{Error, Result};

/// `KDF_KEY_LEN`.
const MESSAGE_KEY_LEN: usize = 48;

/// What sealing and opening share: the message key, and the segment key of the last rotation.
struct Stream<C> {
    params: Params,
    iv: [u8; IV_LEN],
    aad: Box<[u8]>,
    message_key: Zeroizing<[u8; MESSAGE_KEY_LEN]>,
    cipher: Option<(u64, C)>,
}

/// `FLOE_KDF(key, iv, aad, purpose, N)`.
fn kdf<const N: usize, const K: usize>(
    params: Params,
    key: &[u8; K],
    iv: &[u8; IV_LEN],
    aad: &[u8],
    purpose: &[&[u8]; 2],
) -> Zeroizing<[u8; N]> {
    aead::expand(key, &[&params.encode(), iv, purpose[0], purpose[1], aad])
}

impl<C> Stream<C> {
    fn new(params: Params, key: &[u8; KEY_LEN], iv: [u8; IV_LEN], aad: &[u8]) -> Self {
        let message_key = kdf(params, key, &iv, aad, &[b"MESSAGE_KEY:", b""]);
        Self { params, iv, aad: aad.into(), message_key, cipher: None }
    }

    /// `startDecryption`.
    fn from_header(
        params: Params,
        key: &[u8; KEY_LEN],
        aad: &[u8],
        header: &[u8; HEADER_LEN],
    ) -> Result<Self> {
        if !header.starts_with(&params.encode()) {
            return Err(Error::FloeParams);
        }
        let mut iv = [0; IV_LEN];
        iv.copy_from_slice(&header[PARAMS_LEN..PARAMS_LEN + IV_LEN]);
        let tag = kdf::<32, KEY_LEN>(params, key, &iv, aad, &[b"HEADER_TAG:", b""]);
        if !bool::from(tag.ct_eq(&header[PARAMS_LEN + IV_LEN..])) {
            return Err(Error::FloeHeaderTag);
        }
        Ok(Self::new(params, key, iv, aad))
    }

    /// `DERIVE_KEY`, remembered until the key rotates.
    fn cipher(&mut self, position: u64, make: fn(&[u8; KEY_LEN]) -> C) -> &C {
        let first = self.params.masked(position);
        let known = self.cipher.take().filter(|(of, _)| *of == first);
        let (_, cipher) = self.cipher.insert(known.unwrap_or_else(|| {
            let purpose: [&[u8]; 2] = [b"DEK:", &first.to_be_bytes()];
            let key = kdf::<KEY_LEN, MESSAGE_KEY_LEN>(
                self.params,
                &self.message_key,
                &self.iv,
                &self.aad,
                &purpose,
            );
            (first, make(&key))
        }));
        cipher
    }
}

/// `I2BE(position, 8) || aad_tail`.
fn segment_aad(position: u64, place: Place) -> [u8; 9] {
    let mut aad = [0; 9];
    aad[..8].copy_from_slice(&position.to_be_bytes());
    aad[8] = place.aad_tail();
    aad
}

/// Seals the segments of one stream.
pub struct Encryptor(Stream<Sealer>);

impl Encryptor {
    /// `startEncryption`: a fresh stream and its header.
    pub fn start(
        params: Params,
        key: &[u8; KEY_LEN],
        aad: &[u8],
        entropy: &mut dyn Entropy,
    ) -> (Self, [u8; HEADER_LEN]) {
        let iv = vorzimmer_types::entropy::array(entropy);
        let tag = kdf::<32, KEY_LEN>(params, key, &iv, aad, &[b"HEADER_TAG:", b""]);
        let mut header = [0; HEADER_LEN];
        header[..PARAMS_LEN].copy_from_slice(&params.encode());
        header[PARAMS_LEN..PARAMS_LEN + IV_LEN].copy_from_slice(&iv);
        header[PARAMS_LEN + IV_LEN..].copy_from_slice(&*tag);
        (Self(Stream::new(params, key, iv, aad)), header)
    }

    /// Goes on with a stream that was started before; the caller knows which positions are sealed already.
    ///
    /// # Errors
    /// [`Error::FloeParams`], [`Error::FloeHeaderTag`].
    pub fn resume(
        params: Params,
        key: &[u8; KEY_LEN],
        aad: &[u8],
        header: &[u8; HEADER_LEN],
    ) -> Result<Self> {
        Stream::from_header(params, key, aad, header).map(Self)
    }

    /// `encryptSegment`, in place and without allocating: `segment` holds the plaintext from byte 16 on, with 16 bytes
    /// of room behind it, and holds the sealed segment afterwards.
    ///
    /// # Errors
    /// [`Error::FloeSegmentLength`] unless it has a segment's length, or less if it is the last;
    /// [`Error::FloePosition`].
    pub fn seal_in_place(
        &mut self,
        position: u64,
        place: Place,
        segment: &mut [u8],
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        let claimed = check_length(self.0.params, place, segment.len())?;
        check_position(position, place)?;
        let found = segment.len();
        let wrong_length = Error::FloeSegmentLength { found };
        let Some((prefix, rest)) = segment.split_first_chunk_mut::<SEGMENT_PREFIX_LEN>() else {
            return Err(wrong_length);
        };
        let Some((text, tag)) = rest.split_last_chunk_mut::<TAG_LEN>() else {
            return Err(wrong_length);
        };
        let nonce = aead::nonce(entropy);
        *tag = self.0.cipher(position, Sealer::new).seal(&nonce, &segment_aad(position, place), text)?;
        prefix[..4].copy_from_slice(&claimed);
        prefix[4..].copy_from_slice(&nonce);
        Ok(())
    }
}

/// Opens the segments of one stream.
pub struct Decryptor(Stream<Cipher>);

impl Decryptor {
    /// `startDecryption`.
    ///
    /// # Errors
    /// [`Error::FloeParams`] if the header has other parameters, [`Error::FloeHeaderTag`] if key, associated data or
    /// header are not those of one stream.
    pub fn start(params: Params, key: &[u8; KEY_LEN], aad: &[u8], header: &[u8; HEADER_LEN]) -> Result<Self> {
        Stream::from_header(params, key, aad, header).map(Self)
    }

    /// `decryptSegment`, in place: gives the plaintext within `segment`.
    ///
    /// # Errors
    /// [`Error::FloeSegmentLength`], [`Error::FloePosition`], and [`Error::DoesNotOpen`] if it is not the segment of
    /// this stream, position and place.
    pub fn open_in_place<'a>(
        &mut self,
        position: u64,
        place: Place,
        segment: &'a mut [u8],
    ) -> Result<&'a mut [u8]> {
        let claimed = check_length(self.0.params, place, segment.len())?;
        check_position(position, place)?;
        let found = segment.len();
        let wrong_length = Error::FloeSegmentLength { found };
        let Some((prefix, rest)) = segment.split_first_chunk_mut::<SEGMENT_PREFIX_LEN>() else {
            return Err(wrong_length);
        };
        let Some((text, tag)) = rest.split_last_chunk_mut::<TAG_LEN>() else {
            return Err(wrong_length);
        };
        if prefix[..4] != claimed {
            return Err(wrong_length);
        }
        let mut nonce = [0; aead::NONCE_LEN];
        nonce.copy_from_slice(&prefix[4..]);
        if self.0.cipher(position, Cipher::new).open(&nonce, &segment_aad(position, place), text, tag) {
            Ok(text)
        } else {
            Err(Error::DoesNotOpen { what: "segment" })
        }
    }
}

/// What the length field of a segment of this length and place says.
fn check_length(params: Params, place: Place, len: usize) -> Result<[u8; 4]> {
    let (fits, claimed) = match place {
        Place::Inner => (len == params.segment_len(), NOT_LAST),
        Place::Last => (
            (super::OVERHEAD..=params.segment_len()).contains(&len),
            u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes(),
        ),
    };
    if fits { Ok(claimed) } else { Err(Error::FloeSegmentLength { found: len }) }
}

/// `assert(State.Counter != AEAD_MAX_SEGMENTS - 1)` for all but the last.
fn check_position(position: u64, place: Place) -> Result<()> {
    let limit = match place {
        Place::Inner => MAX_SEGMENTS - 1,
        Place::Last => MAX_SEGMENTS,
    };
    if position < limit { Ok(()) } else { Err(Error::FloePosition { position }) }
}

impl fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryptor").field("params", &self.0.params).finish_non_exhaustive()
    }
}

impl fmt::Debug for Decryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decryptor").field("params", &self.0.params).finish_non_exhaustive()
    }
}
