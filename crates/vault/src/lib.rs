//! Everything that is sealed: recordings, fields, keys and signatures, and how they are destroyed.
//!
//! * [`floe`]: the C2SP FLOE scheme, random-access authenticated encryption of long streams.
//! * [`callrec`]: the CALLREC1 container of one recording: written page by page, read whole or not at all.
//! * [`keys`]: the key hierarchy and the key store, a file of its own.
//! * [`field`]: single values sealed under a customer's day, and blind indexes to search them.
//! * [`sign`]: signatures on consent receipts and retention certificates.
//!
//! This crate reads no clock and draws no randomness; [`vorzimmer_types::Entropy`] comes in as a parameter. Files are
//! touched in two places only: [`keys::storage`] with [`keys::kek`], and [`callrec::file`].

mod aead;
pub mod callrec;
pub mod error;
pub mod field;
pub mod floe;
pub mod keys;
mod refusal;
pub mod sign;

pub use error::{Error, Result};
pub use field::{BlindIndex, BlindKey, FieldKey, SealedField};
pub use keys::{
    ALL_CUSTOMERS, Class, DayKey, KekSource, KeyRows, KeyStore, NO_EXPIRY, Rotation, SlotSecret, StoreId,
};
pub use sign::{PublicKey, Signature, SigningKey};
