//! Single values sealed under a customer's day, and blind indexes to find them again.
//!
//! A [`SealedField`] is bound to its place by a context that the caller names (`calls.caller:<row id>`): moved to
//! another row, column, customer or day it does not open. It also fits a record of a spool: the context then names the
//! spool and the record's number. A [`BlindIndex`] finds a number without showing it: the same number gives the same
//! index on the same day, and nothing once the day's key is destroyed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use vorzimmer_types::{CustomerId, Day, E164, Entropy};
use zeroize::Zeroizing;

use crate::aead::{self, Cipher, NONCE_LEN, TAG_LEN};
use crate::error::{Error, Result};
use crate::keys::{Class, DayKey, KeyId};

const VERSION: u8 = 1;
/// version, class, day
const PREFIX_LEN: usize = 6;
const OVERHEAD: usize = PREFIX_LEN + NONCE_LEN + TAG_LEN;
const WHAT: &str = "field";

/// A value sealed with AES-256-GCM under a day key.
///
/// ```text
/// 0 u8 version=1 | 1 u8 class | 2 u32 day | 6 nonce [12] | 18 ciphertext | tag [16]
/// associated data: "vorzimmer field" | bytes 0..6 | customer id [16] | context
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedField(Vec<u8>);

impl SealedField {
    /// Seals `plaintext` under `key` for the place that `context` names: table, column and row id.
    ///
    /// # Errors
    /// [`Error::TooLong`] beyond 64 GiB.
    pub fn seal(key: &DayKey, context: &str, plaintext: &[u8], entropy: &mut dyn Entropy) -> Result<Self> {
        FieldKey::of(key).seal(context, plaintext, entropy)
    }

    /// Takes bytes from a database as a sealed field.
    ///
    /// # Errors
    /// [`Error::Form`] if they cannot be one.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let known = bytes.len() >= OVERHEAD && bytes[0] == VERSION && Class::from_code(bytes[1]).is_some();
        if known { Ok(Self(bytes)) } else { Err(Error::Form { what: WHAT }) }
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to store.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Which key opens it, if it is `customer`'s.
    #[must_use]
    pub fn key_id(&self, customer: CustomerId) -> Option<KeyId> {
        let (prefix, _) = self.0.split_first_chunk::<PREFIX_LEN>()?;
        let [_, class, day @ ..] = *prefix;
        Some(KeyId { class: Class::from_code(class)?, customer, day: Day(u32::from_be_bytes(day)) })
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Error::DoesNotOpen`] with another key, in another place, or if it was changed.
    pub fn open(&self, key: &DayKey, context: &str) -> Result<Zeroizing<Vec<u8>>> {
        FieldKey::of(key).open(self, context)
    }
}

/// A day key made ready to seal and open many fields. Wiped when it is dropped.
pub struct FieldKey {
    id: KeyId,
    cipher: Cipher,
}

impl FieldKey {
    /// Derives the key for fields from a day key.
    #[must_use]
    pub fn of(key: &DayKey) -> Self {
        Self { id: key.id(), cipher: Cipher::new(&key.derive("field")) }
    }

    /// As [`SealedField::seal`].
    ///
    /// # Errors
    /// [`Error::TooLong`] beyond 64 GiB.
    pub fn seal(&self, context: &str, plaintext: &[u8], entropy: &mut dyn Entropy) -> Result<SealedField> {
        let nonce = aead::nonce(entropy);
        let mut out = Vec::with_capacity(OVERHEAD + plaintext.len());
        out.extend_from_slice(&prefix(self.id));
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plaintext);
        let aad = associated_data(self.id, context);
        let tag = self.cipher.seal(&nonce, &aad, &mut out[PREFIX_LEN + NONCE_LEN..])?;
        out.extend_from_slice(&tag);
        Ok(SealedField(out))
    }

    /// As [`SealedField::open`].
    ///
    /// # Errors
    /// [`Error::DoesNotOpen`] if it was sealed with another key, for another place, or was changed.
    pub fn open(&self, field: &SealedField, context: &str) -> Result<Zeroizing<Vec<u8>>> {
        let closed = Error::DoesNotOpen { what: WHAT };
        let parts = field.0.split_first_chunk::<PREFIX_LEN>().and_then(|(found, rest)| {
            let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
            let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>()?;
            (*found == prefix(self.id)).then_some((nonce, ciphertext, tag))
        });
        let Some((nonce, ciphertext, tag)) = parts else {
            return Err(closed);
        };
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        let aad = associated_data(self.id, context);
        let opens = self.cipher.open(nonce, &aad, &mut plaintext, tag);
        if opens { Ok(plaintext) } else { Err(closed) }
    }
}

impl std::fmt::Debug for FieldKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FieldKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn prefix(id: KeyId) -> [u8; PREFIX_LEN] {
    let [a, b, c, d] = id.day.0.to_be_bytes();
    [VERSION, id.class.code(), a, b, c, d]
}

fn associated_data(id: KeyId, context: &str) -> Vec<u8> {
    [b"vorzimmer field", prefix(id).as_slice(), id.customer.as_bytes(), context.as_bytes()].concat()
}

/// Sixteen bytes by which a number can be found on one day, and that tell nothing without that day's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlindIndex([u8; 16]);

impl BlindIndex {
    /// The index of a number: HMAC-SHA-256 under K(Index, …, day), truncated to 16 bytes.
    #[must_use]
    pub fn of(key: &DayKey, number: &E164) -> Self {
        BlindKey::of(key).index(number)
    }

    /// The index of any text; the caller brings it into one normal form first.
    #[must_use]
    pub fn of_text(key: &DayKey, normalized: &str) -> Self {
        BlindKey::of(key).index_text(normalized)
    }

    /// The bytes to store and to search for.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A day key made ready to blind many numbers. Wiped when it is dropped.
pub struct BlindKey(Zeroizing<[u8; 64]>);

impl BlindKey {
    /// Derives the key for blind indexes from a day key.
    #[must_use]
    pub fn of(key: &DayKey) -> Self {
        let mut block = Zeroizing::new([0; 64]);
        block[..aead::KEY_LEN].copy_from_slice(&*key.derive("blind index"));
        Self(block)
    }

    /// As [`BlindIndex::of`].
    #[must_use]
    pub fn index(&self, number: &E164) -> BlindIndex {
        self.index_text(number.as_str())
    }

    fn index_text(&self, normalized: &str) -> BlindIndex {
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*self.0).into());
        mac.update(normalized.as_bytes());
        let digest = <[u8; 32]>::from(mac.finalize().into_bytes());
        let mut index = [0; 16];
        index.copy_from_slice(&digest[..16]);
        BlindIndex(index)
    }
}

impl std::fmt::Debug for BlindKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlindKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vorzimmer_types::entropy::Seeded;
    use vorzimmer_types::{CustomerId, Day};

    use super::{BlindIndex, SealedField};
    use crate::keys::{ALL_CUSTOMERS, Class, DayKey, KeyId};

    const CONTEXT: &str = "calls.caller:7";

    fn key(class: Class, customer: u8, day: u32, byte: u8) -> DayKey {
        let id = KeyId { class, customer: CustomerId::from_bytes([customer; 16]), day: Day(day) };
        DayKey::from_bytes(id, [byte; 32])
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_in_its_place(text: Vec<u8>, context: String, seed: u64) {
            let key = key(Class::CallData, 1, 20_500, 9);
            let sealed = SealedField::seal(&key, &context, &text, &mut Seeded::new(seed)).unwrap();
            let read = SealedField::from_bytes(sealed.clone().into_bytes()).unwrap();
            prop_assert_eq!(read.key_id(key.id().customer), Some(key.id()));
            prop_assert_eq!(&**read.open(&key, &context).unwrap(), &text);
        }
    }

    #[test]
    fn it_opens_nowhere_else() {
        let right = key(Class::CallData, 1, 20_500, 9);
        let sealed = SealedField::seal(&right, CONTEXT, b"+4930123456", &mut Seeded::new(1)).unwrap();
        assert!(sealed.open(&right, "calls.caller:8").is_err(), "another row");
        for (wrong, why) in [
            (key(Class::Directory, 1, 20_500, 9), "another class"),
            (key(Class::CallData, 2, 20_500, 9), "another customer"),
            (key(Class::CallData, 1, 20_501, 9), "another day"),
            (key(Class::CallData, 1, 20_500, 8), "another key"),
        ] {
            assert!(sealed.open(&wrong, CONTEXT).is_err(), "{why}");
        }
    }

    #[test]
    fn every_bit_counts_and_so_does_every_length() {
        let key = key(Class::CallData, 1, 20_500, 9);
        let bytes =
            SealedField::seal(&key, CONTEXT, b"Frau Muster", &mut Seeded::new(1)).unwrap().into_bytes();
        let opens =
            |bytes: Vec<u8>| SealedField::from_bytes(bytes).is_ok_and(|f| f.open(&key, CONTEXT).is_ok());
        assert!(opens(bytes.clone()));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(changed), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(!opens(bytes[..len].to_vec()), "length {len}");
        }
    }

    /// A record of a spool names its spool and its number, and so stays in its place.
    #[test]
    fn spooled_records_keep_their_order() {
        let key = key(Class::Spool, 0, 20_500, 9);
        let mut entropy = Seeded::new(1);
        let context = |number| format!("spool:7f:{number}");
        let seal = |(number, text): (usize, &&str)| {
            SealedField::seal(&key, &context(number), text.as_bytes(), &mut entropy).unwrap()
        };
        let spool: Vec<_> =
            ["a call came", "it was answered", "it ended"].iter().enumerate().map(seal).collect();
        for (at, record) in spool.iter().enumerate() {
            for place in 0..spool.len() {
                assert_eq!(record.open(&key, &context(place)).is_ok(), place == at);
            }
        }
    }

    #[test]
    fn equal_values_look_different() {
        let key = key(Class::CallData, 1, 20_500, 9);
        let mut entropy = Seeded::new(1);
        let [a, b] = [(), ()].map(|()| SealedField::seal(&key, CONTEXT, b"same", &mut entropy).unwrap());
        assert_ne!(a, b);
    }

    #[test]
    fn a_number_is_found_on_its_day_and_not_on_another() {
        let index_key = |day, byte| {
            DayKey::from_bytes(KeyId { class: Class::Index, customer: ALL_CUSTOMERS, day }, [byte; 32])
        };
        let number = "+4930123456".parse().unwrap();
        let other = "+4930123457".parse().unwrap();
        let today = index_key(Day(1), 5);
        assert_eq!(BlindIndex::of(&today, &number), BlindIndex::of(&today, &number));
        assert_ne!(BlindIndex::of(&today, &number), BlindIndex::of(&today, &other));
        assert_ne!(BlindIndex::of(&today, &number), BlindIndex::of(&index_key(Day(2), 5), &number));
        assert_ne!(BlindIndex::of(&today, &number), BlindIndex::of(&index_key(Day(1), 6), &number));
    }
}
