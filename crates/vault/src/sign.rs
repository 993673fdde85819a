//! Signatures (Ed25519, RFC 8032) on consent receipts and retention certificates.
//!
//! Each use names its purpose, which is signed along with the message: a receipt's signature is never a certificate's.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, VerifyingKey};
use zeroize::Zeroizing;

use crate::aead;
use crate::error::{Error, Result};

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;
/// Bytes of a public key.
pub const PUBLIC_KEY_LEN: usize = 32;

/// The installation's private signing key; see [`crate::KeyStore::signing_key`]. Wiped when dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Signs `message` for `purpose`.
    #[must_use]
    pub fn sign(&self, purpose: &str, message: &[u8]) -> Signature {
        Signature(self.0.sign(&framed(purpose, message)).to_bytes())
    }

    /// The key that signs consent receipts. They are signed without a purpose around them, so that anybody can check
    /// them with Ed25519 alone; a key of their own keeps such a signature from being taken for anything else's.
    #[must_use]
    pub fn receipt_key(&self) -> ed25519_dalek::SigningKey {
        let seed = Zeroizing::new(self.0.to_bytes());
        let receipt_seed: Zeroizing<[u8; 32]> = aead::expand(&seed, &[b"vorzimmer receipt key v1"]);
        ed25519_dalek::SigningKey::from_bytes(&receipt_seed)
    }

    /// The key by which anybody can check what this one signed.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public_key()).finish_non_exhaustive()
    }
}

/// What checks signatures. Prints and parses as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key with these bytes (RFC 8032 §5.1.5).
    ///
    /// # Errors
    /// [`Error::Form`] if they are not a point of the curve.
    pub fn from_bytes(bytes: &[u8; PUBLIC_KEY_LEN]) -> Result<Self> {
        VerifyingKey::from_bytes(bytes).map(Self).map_err(|_| Error::Form { what: "public key" })
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; PUBLIC_KEY_LEN] {
        self.0.to_bytes()
    }

    /// Checks that `signature` is on `message` for `purpose`.
    ///
    /// # Errors
    /// [`Error::Signature`] if it is not.
    pub fn verify(&self, purpose: &str, message: &[u8], signature: &Signature) -> Result<()> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(&framed(purpose, message), &signature).map_err(|_| Error::Signature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; PUBLIC_KEY_LEN];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| Error::Form { what: "public key" })?;
        Self::from_bytes(&bytes)
    }
}

/// A signature. Prints and parses as 128 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_LEN]);

impl Signature {
    /// The signature with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SIGNATURE_LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_LEN] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; SIGNATURE_LEN];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| Error::Form { what: "signature" })?;
        Ok(Self(bytes))
    }
}

/// `"vorzimmer signature v1" | u32 length of purpose | purpose | message`: no two pairs give the same bytes.
fn framed(purpose: &str, message: &[u8]) -> Vec<u8> {
    let length = (purpose.len() as u32).to_be_bytes();
    [b"vorzimmer signature v1", length.as_slice(), purpose.as_bytes(), message].concat()
}

#[cfg(test)]
mod tests {
    use super::{PublicKey, Signature, SigningKey};

    #[test]
    fn a_signature_holds_for_its_purpose_message_and_key_only() {
        let key = SigningKey::from_seed(&[1; 32]);
        let signature = key.sign("receipt", b"yes");
        let public: PublicKey = key.public_key().to_string().parse().unwrap();
        public.verify("receipt", b"yes", &signature).unwrap();
        assert!(public.verify("receipt", b"no", &signature).is_err());
        assert!(public.verify("certificate", b"yes", &signature).is_err());
        assert!(public.verify("receip", b"tyes", &signature).is_err());
        let other = SigningKey::from_seed(&[2; 32]);
        assert!(other.public_key().verify("receipt", b"yes", &signature).is_err());
        for bit in 0..512 {
            let mut bytes = *signature.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(public.verify("receipt", b"yes", &Signature::from_bytes(bytes)).is_err(), "bit {bit}");
        }
        assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
    }
}
