//! Secrets in memory: wiped when dropped, never printed.

use std::fmt;

use subtle::ConstantTimeEq;
use vorzimmer_types::Entropy;
use zeroize::Zeroizing;

use super::KeyId;
use crate::aead::{self, KEY_LEN};

/// A day key K(class, customer, day). Never used itself: each use derives a key of its own.
#[derive(Clone)]
pub struct DayKey {
    id: KeyId,
    bytes: Zeroizing<[u8; KEY_LEN]>,
}

impl DayKey {
    /// The day key with these bytes; for tests and for [`super::KeyStore`].
    #[must_use]
    pub fn from_bytes(id: KeyId, bytes: [u8; KEY_LEN]) -> Self {
        Self { id, bytes: Zeroizing::new(bytes) }
    }

    pub(crate) fn random(id: KeyId, entropy: &mut dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        entropy.fill(&mut *bytes);
        Self { id, bytes }
    }

    /// Which key this is.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.bytes
    }

    /// The key for one use of this day key; `purpose` keeps the uses apart.
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY_LEN]> {
        aead::expand(&self.bytes, &[b"vorzimmer day key v1 ", purpose.as_bytes(), b":", &self.id.to_bytes()])
    }
}

impl fmt::Debug for DayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DayKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The secret of one party's slot in one recording: the key of its FLOE stream.
#[derive(Clone)]
pub struct SlotSecret(Zeroizing<[u8; KEY_LEN]>);

impl SlotSecret {
    /// The secret with these bytes; for tests and for [`super::KeyStore`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn random(entropy: &mut dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        entropy.fill(&mut *bytes);
        Self(bytes)
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl SlotSecret {
    /// Whether both are the same secret, in constant time.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl fmt::Debug for SlotSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlotSecret(..)")
    }
}
