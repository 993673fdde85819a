//! The key hierarchy.
//!
//! ```text
//! key-encryption key (KEK, versioned; file, systemd credential or environment)
//!  ├─ day key K(class, customer, day)          one row in the key store, wrapped under the KEK
//!  │   ├─ slot secret (recording, slot)        one row each, wrapped under K(Recording, customer, day)
//!  │   ├─ sealed fields                        in the database, under K(CallData, …) and K(Directory, …)
//!  │   └─ blind indexes                        in the database, under K(Index, all customers, day)
//!  └─ signing key                              one row, wrapped under the KEK
//! ```
//!
//! `day` is the day on which what the key seals is due. Destroying a row is destroying all that hangs below it. The
//! key store is one file, meant to be backed up apart from data and recordings (Law 2).

mod class;
mod header;
mod index;
mod inner;
pub mod kek;
mod ops;
mod rotate;
mod row;
mod secret;
pub mod storage;
mod store;
mod store_id;

pub use class::{ALL_CUSTOMERS, Class, KeyId, NO_EXPIRY};
pub use kek::{KekSource, KeyEncryptionKey};
pub use rotate::Rotation;
pub use secret::{DayKey, SlotSecret};
pub use store::{Destroyed, KeyRows, KeyStore};
pub use store_id::StoreId;
