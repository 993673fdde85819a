//! AES-256-GCM and HKDF-Expand-SHA-384 on fixed-size arrays: the only place that talks to the cipher crates.

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use hmac::{Hmac, Mac};
use sha2::Sha384;
use vorzimmer_types::Entropy;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Bytes of an AES-256 key, and of every secret here.
pub(crate) const KEY_LEN: usize = 32;
/// Bytes of a GCM nonce (NIST SP 800-38D §5.2.1.1: 96 bits).
pub(crate) const NONCE_LEN: usize = 12;
/// Bytes of a GCM tag.
pub(crate) const TAG_LEN: usize = 16;

/// An expanded AES-256-GCM key. The key schedule is wiped when it is dropped.
pub(crate) struct Cipher(Aes256Gcm);

impl Cipher {
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// Encrypts `in_out` in place and gives the tag.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<[u8; TAG_LEN]> {
        let len = in_out.len();
        let sealed = self.0.encrypt_inout_detached(nonce.into(), aad, in_out.into());
        sealed.map(Into::into).map_err(|_| Error::TooLong { len })
    }

    /// Decrypts `in_out` in place if `tag` is right; otherwise leaves it as it was and says `false`.
    #[must_use]
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> bool {
        self.0.decrypt_inout_detached(nonce.into(), aad, in_out.into(), tag.into()).is_ok()
    }
}

/// The same key for whoever only seals, and seals much: this library does not encrypt block by block what is left of a
/// segment behind its last 64 blocks, which is half of a recording's. It wipes what it frees.
pub(crate) struct Sealer(Option<LessSafeKey>);

impl Sealer {
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new))
    }

    /// As [`Cipher::seal`].
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<[u8; TAG_LEN]> {
        let len = in_out.len();
        let key = self.0.as_ref().ok_or(Error::NoCipher)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let sealed = key.seal_in_place_separate_tag(nonce, Aad::from(aad), in_out);
        let tag = sealed.ok().and_then(|tag| tag.as_ref().try_into().ok());
        tag.ok_or(Error::TooLong { len })
    }
}

/// HKDF-Expand with SHA-384 (RFC 5869 §2.3) of one block: `N` bytes, at most 48, from `key` and the joined `info`.
///
/// `key` is at most the hash's block of 128 bytes, which HMAC pads with zeros (RFC 2104 §2).
pub(crate) fn expand<const N: usize, const K: usize>(key: &[u8; K], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 48 && K <= 128) };
    let mut block = Zeroizing::new([0; 128]);
    block[..K].copy_from_slice(key);
    let mut mac = <Hmac<Sha384> as KeyInit>::new((&*block).into());
    for part in info {
        mac.update(part);
    }
    mac.update(&[1]);
    let bytes = Zeroizing::new(<[u8; 48]>::from(mac.finalize().into_bytes()));
    let mut out = Zeroizing::new([0; N]);
    out.copy_from_slice(&bytes[..N]);
    out
}

/// A fresh random nonce.
pub(crate) fn nonce(entropy: &mut dyn Entropy) -> [u8; NONCE_LEN] {
    vorzimmer_types::entropy::array(entropy)
}

#[cfg(test)]
mod tests {
    use super::{Cipher, Sealer, expand};

    #[test]
    fn both_libraries_seal_alike() {
        for length in [0, 1, 15, 16, 17, 255, 2_016, 5_000] {
            let (key, nonce, text) = ([3; 32], [length as u8; 12], vec![0x5a; length]);
            let (mut one, mut other) = (text.clone(), text.clone());
            let tag = Cipher::new(&key).seal(&nonce, b"aad", &mut one).unwrap();
            assert_eq!(Sealer::new(&key).seal(&nonce, b"aad", &mut other).unwrap(), tag);
            assert_eq!(one, other);
            assert!(Cipher::new(&key).open(&nonce, b"aad", &mut other, &tag));
            assert_eq!(other, text);
        }
    }

    /// A 32-byte key is padded as RFC 2104 says, so this must equal the long way round.
    #[test]
    fn expands_as_the_hkdf_crate_does() {
        let key = [7; 48];
        let mut expected = [0; 40];
        hkdf::Hkdf::<sha2::Sha384>::from_prk(&key).unwrap().expand(b"some info", &mut expected).unwrap();
        assert_eq!(*expand::<40, 48>(&key, &[b"some ", b"info"]), expected);
    }
}
