//! One row of the key store.
//!
//! ```text
//!   0 u8 kind: 0 free, 1 day key, 2 slot secret, 3 signing key, 4 tombstone, 5 watermark
//!   1 u8 class (kinds 1, 4, 5) or slot (kind 2)    2 u16 zero
//!   4 u32 day (1, 2, 4, 5)                         8 u32 KEK version that wraps it (1, 3)
//!  12 customer id [16] (1, 2, 4)                  28 recording id [16] (2)
//!  44 nonce [12]                                  56 wrapped secret [32]   88 tag [16]   (1, 2, 3)
//! 104 zero [16]                                  120 first 8 bytes of SHA-256(store id | u32 row | bytes 0..120)
//! ```
//! Big-endian; what a kind does not use is zero, and checked. 128 bytes divide a disk's sector, so that a row is
//! written whole or not at all. A free row is all zeros. The checksum finds damage; forgery is found by the tag, whose
//! associated data names store, class, customer, day and version (day keys) or recording, slot, customer and day
//! (slot secrets).

use sha2::{Digest, Sha256};
use vorzimmer_types::{CustomerId, Day, Entropy, RecordingId};
use zeroize::Zeroizing;

use super::kek::KeyEncryptionKey;
use super::{Class, DayKey, KeyId, SlotSecret, StoreId};
use crate::aead::{self, Cipher, KEY_LEN, NONCE_LEN, TAG_LEN};
use crate::error::{Error, Result};

/// Bytes of a row.
pub(super) const ROW_LEN: usize = 128;

/// A secret under another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrapped {
    nonce: [u8; NONCE_LEN],
    ciphertext: [u8; KEY_LEN],
    tag: [u8; TAG_LEN],
}

impl Wrapped {
    fn seal(
        key: &[u8; KEY_LEN],
        aad: &[u8],
        secret: &[u8; KEY_LEN],
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        let nonce = aead::nonce(entropy);
        let mut ciphertext = *secret;
        let tag = Cipher::new(key).seal(&nonce, aad, &mut ciphertext)?;
        Ok(Self { nonce, ciphertext, tag })
    }

    fn open(&self, key: &[u8; KEY_LEN], aad: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>> {
        let mut secret = Zeroizing::new(self.ciphertext);
        if Cipher::new(key).open(&self.nonce, aad, &mut *secret, &self.tag) {
            Ok(secret)
        } else {
            Err(Error::DoesNotOpen { what: "key" })
        }
    }
}

/// Which slot secret, and what it hangs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SlotId {
    pub(super) recording: RecordingId,
    pub(super) slot: u8,
    pub(super) customer: CustomerId,
    pub(super) day: Day,
}

impl SlotId {
    /// `recording [16] | slot u8 | customer [16] | day u32`.
    fn aad(&self) -> [u8; 37] {
        let mut aad = [0; 37];
        aad[..16].copy_from_slice(self.recording.as_bytes());
        aad[16] = self.slot;
        aad[17..33].copy_from_slice(self.customer.as_bytes());
        aad[33..].copy_from_slice(&self.day.0.to_be_bytes());
        aad
    }
}

/// What a row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Free,
    DayKey {
        id: KeyId,
        kek: u32,
        wrapped: Wrapped,
    },
    Slot {
        id: SlotId,
        wrapped: Wrapped,
    },
    Signing {
        kek: u32,
        wrapped: Wrapped,
    },
    /// This day key was destroyed before its day; it is not made again.
    Tombstone(KeyId),
    /// Every day key of this class up to this day is destroyed; none is made again.
    Watermark {
        class: Class,
        through: Day,
    },
}

impl Row {
    pub(super) fn day_key(
        key: &DayKey,
        kek: &KeyEncryptionKey,
        store: StoreId,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        let aad = day_key_aad(key.id(), kek.version(), store);
        let wrapped = Wrapped::seal(&kek.wrapping(), &aad, key.expose(), entropy)?;
        Ok(Self::DayKey { id: key.id(), kek: kek.version(), wrapped })
    }

    pub(super) fn signing(
        seed: &[u8; KEY_LEN],
        kek: &KeyEncryptionKey,
        store: StoreId,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        let aad = signing_aad(kek.version(), store);
        let wrapped = Wrapped::seal(&kek.wrapping(), &aad, seed, entropy)?;
        Ok(Self::Signing { kek: kek.version(), wrapped })
    }

    pub(super) fn slot(
        id: SlotId,
        secret: &SlotSecret,
        under: &DayKey,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        let wrapped = Wrapped::seal(&under.derive("slot secret"), &id.aad(), secret.expose(), entropy)?;
        Ok(Self::Slot { id, wrapped })
    }
}

/// Opens a day key's row.
pub(super) fn open_day_key(
    id: KeyId,
    wrapped: &Wrapped,
    kek: &KeyEncryptionKey,
    store: StoreId,
) -> Result<DayKey> {
    let bytes = wrapped.open(&kek.wrapping(), &day_key_aad(id, kek.version(), store))?;
    Ok(DayKey::from_bytes(id, *bytes))
}

/// Opens the signing key's row.
pub(super) fn open_signing(
    wrapped: &Wrapped,
    kek: &KeyEncryptionKey,
    store: StoreId,
) -> Result<Zeroizing<[u8; KEY_LEN]>> {
    wrapped.open(&kek.wrapping(), &signing_aad(kek.version(), store))
}

/// Opens a slot secret's row.
pub(super) fn open_slot(id: SlotId, wrapped: &Wrapped, under: &DayKey) -> Result<SlotSecret> {
    let bytes = wrapped.open(&under.derive("slot secret"), &id.aad())?;
    Ok(SlotSecret::from_bytes(*bytes))
}

fn day_key_aad(id: KeyId, kek: u32, store: StoreId) -> Vec<u8> {
    [b"vorzimmer day key".as_slice(), store.as_bytes(), &id.to_bytes(), &kek.to_be_bytes()].concat()
}

fn signing_aad(kek: u32, store: StoreId) -> Vec<u8> {
    [b"vorzimmer signing key".as_slice(), store.as_bytes(), &kek.to_be_bytes()].concat()
}

impl Row {
    /// The row's bytes at place `number` of store `store`.
    pub(super) fn encode(&self, store: StoreId, number: u32) -> [u8; ROW_LEN] {
        let mut out = [0; ROW_LEN];
        match self {
            Self::Free => return out,
            Self::DayKey { id, kek, wrapped } => {
                out[0] = 1;
                put_key_id(&mut out, id);
                out[8..12].copy_from_slice(&kek.to_be_bytes());
                put_wrapped(&mut out, wrapped);
            }
            Self::Slot { id, wrapped } => {
                out[0] = 2;
                out[1] = id.slot;
                out[4..8].copy_from_slice(&id.day.0.to_be_bytes());
                out[12..28].copy_from_slice(id.customer.as_bytes());
                out[28..44].copy_from_slice(id.recording.as_bytes());
                put_wrapped(&mut out, wrapped);
            }
            Self::Signing { kek, wrapped } => {
                out[0] = 3;
                out[8..12].copy_from_slice(&kek.to_be_bytes());
                put_wrapped(&mut out, wrapped);
            }
            Self::Tombstone(id) => {
                out[0] = 4;
                put_key_id(&mut out, id);
            }
            Self::Watermark { class, through } => {
                out[0] = 5;
                out[1] = class.code();
                out[4..8].copy_from_slice(&through.0.to_be_bytes());
            }
        }
        let sum = checksum(&out, store, number);
        out[120..].copy_from_slice(&sum);
        out
    }

    /// Reads the row at place `number` of store `store`.
    ///
    /// # Errors
    /// [`Error::KeyStoreRow`] unless encoding it again gives the same bytes.
    pub(super) fn decode(bytes: &[u8; ROW_LEN], store: StoreId, number: u32) -> Result<Self> {
        let damaged = || Error::KeyStoreRow { row: number };
        let row = match bytes[0] {
            0 => Self::Free,
            1 => {
                let id = key_id(bytes).ok_or_else(damaged)?;
                Self::DayKey { id, kek: number_at(bytes, 8), wrapped: wrapped(bytes) }
            }
            2 => {
                let id = SlotId {
                    recording: RecordingId::from_bytes(array_at(bytes, 28)),
                    slot: bytes[1],
                    customer: CustomerId::from_bytes(array_at(bytes, 12)),
                    day: Day(number_at(bytes, 4)),
                };
                Self::Slot { id, wrapped: wrapped(bytes) }
            }
            3 => Self::Signing { kek: number_at(bytes, 8), wrapped: wrapped(bytes) },
            4 => Self::Tombstone(key_id(bytes).ok_or_else(damaged)?),
            5 => Self::Watermark {
                class: Class::from_code(bytes[1]).ok_or_else(damaged)?,
                through: Day(number_at(bytes, 4)),
            },
            _ => return Err(damaged()),
        };
        if row.encode(store, number) == *bytes { Ok(row) } else { Err(damaged()) }
    }
}

fn put_key_id(out: &mut [u8; ROW_LEN], id: &KeyId) {
    out[1] = id.class.code();
    out[4..8].copy_from_slice(&id.day.0.to_be_bytes());
    out[12..28].copy_from_slice(id.customer.as_bytes());
}

fn key_id(bytes: &[u8; ROW_LEN]) -> Option<KeyId> {
    Some(KeyId {
        class: Class::from_code(bytes[1])?,
        customer: CustomerId::from_bytes(array_at(bytes, 12)),
        day: Day(number_at(bytes, 4)),
    })
}

fn put_wrapped(out: &mut [u8; ROW_LEN], wrapped: &Wrapped) {
    out[44..56].copy_from_slice(&wrapped.nonce);
    out[56..88].copy_from_slice(&wrapped.ciphertext);
    out[88..104].copy_from_slice(&wrapped.tag);
}

fn wrapped(bytes: &[u8; ROW_LEN]) -> Wrapped {
    Wrapped { nonce: array_at(bytes, 44), ciphertext: array_at(bytes, 56), tag: array_at(bytes, 88) }
}

/// The `N` bytes at the fixed place `at` of a row.
fn array_at<const N: usize>(bytes: &[u8; ROW_LEN], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn number_at(bytes: &[u8; ROW_LEN], at: usize) -> u32 {
    u32::from_be_bytes(array_at(bytes, at))
}

fn checksum(bytes: &[u8; ROW_LEN], store: StoreId, number: u32) -> [u8; 8] {
    let digest = Sha256::new()
        .chain_update(store.as_bytes())
        .chain_update(number.to_be_bytes())
        .chain_update(&bytes[..120])
        .finalize();
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest[..8]);
    sum
}
