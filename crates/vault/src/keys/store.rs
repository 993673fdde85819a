//! The key store: one file of wrapped keys, shared by the server and its command-line tools.
//!
//! A page of header, then rows of 128 bytes (see `header` and `row`). Nothing is appended: a key is written into a
//! free row and destroyed by overwriting that row, so no older copy is left in the file. (Beneath the file, a
//! copy-on-write file system or a flash drive may keep blocks for a while; the disk under the key store should be
//! encrypted or be one that overwrites.)
//!
//! Every call takes the file's lock and looks at the header's generation, so that several processes can work at once.
//! Any write may be the last one: each leaves a store that opens and is consistent.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vorzimmer_types::{CustomerId, Day, Entropy, RecordingId};

use super::inner::{Inner, is_unborn, write_first_header};
use super::kek::KekSource;
use super::ops::FREE_AT_ONCE;
use super::row::{Row, SlotId};
use super::storage::{FileStorage, Storage};
use super::{Class, DayKey, KeyId, Rotation, SlotSecret, StoreId};
use crate::error::{Error, Result};
use crate::sign::SigningKey;

/// One line of [`KeyStore::list`]: what exists for a class, customer and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRows {
    /// What the key seals.
    pub class: Class,
    /// Whose data.
    pub customer: CustomerId,
    /// The day on which it is due.
    pub day: Day,
    /// Whether the day key itself still stands; not so after a destruction that was interrupted.
    pub key: bool,
    /// Slot secrets below it (class [`Class::Recording`] only).
    pub slots: usize,
}

/// What a destruction found and destroyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destroyed {
    /// Day keys.
    pub keys: usize,
    /// Slot secrets.
    pub slots: usize,
}

/// The wrapped keys of one installation. Shared by reference between threads.
pub struct KeyStore {
    inner: Mutex<Inner>,
    /// Held by whoever is next: a thread that lets `inner` go and wants it again at once comes after one that waits.
    turn: Mutex<()>,
}

impl KeyStore {
    /// Opens the key store that stands at `path`.
    ///
    /// # Errors
    /// [`Error::NoKeyStore`] if there is none; [`Error::NoKek`], [`Error::KekVersionMissing`] or [`Error::WrongKek`]
    /// without the right key-encryption key; [`Error::NotPrivate`]; what says that the file is damaged.
    pub fn open(path: &Path, source: KekSource) -> Result<Self> {
        let storage = FileStorage::open(path)?.ok_or_else(|| Error::NoKeyStore { path: path.into() })?;
        Self::open_storage(Box::new(storage), source)
    }

    /// Opens the key store at `path`, or makes it if the data remembers none (`remembered` is `None`): the first start.
    ///
    /// # Errors
    /// As [`KeyStore::open`]; [`Error::OtherKeyStore`] if it is not the one that the data remembers.
    pub fn open_or_create(
        path: &Path,
        source: KekSource,
        remembered: Option<StoreId>,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        let Some(expected) = remembered else {
            let storage = match FileStorage::open(path)? {
                Some(storage) => storage,
                None => FileStorage::create(path)?,
            };
            return Self::open_or_create_storage(Box::new(storage), source, entropy);
        };
        let store = Self::open(path, source)?;
        let found = store.store_id();
        if found == expected { Ok(store) } else { Err(Error::OtherKeyStore { expected, found }) }
    }

    /// Opens a key store in any storage.
    ///
    /// # Errors
    /// As [`KeyStore::open`].
    pub fn open_storage(storage: Box<dyn Storage>, source: KekSource) -> Result<Self> {
        let ring = source.load()?;
        locked(storage, false, |storage| Inner::load(storage, source, ring))
    }

    /// Opens a key store in any storage, making it first if the storage holds nothing but zeros.
    ///
    /// # Errors
    /// As [`KeyStore::open`].
    pub fn open_or_create_storage(
        storage: Box<dyn Storage>,
        source: KekSource,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        locked(storage, true, |mut storage| {
            if is_unborn(&*storage)? {
                let ring = source.load_or_create(entropy)?;
                write_first_header(&mut *storage, &ring, entropy)?;
            }
            let ring = source.load()?;
            Inner::load(storage, source, ring)
        })
    }

    /// Which key store this is.
    #[must_use]
    pub fn store_id(&self) -> StoreId {
        self.inner().header.store
    }

    /// The version of the key-encryption key that new keys are wrapped under.
    #[must_use]
    pub fn kek_version(&self) -> u32 {
        self.inner().header.wrapping_kek()
    }

    /// K(class, customer, day), made if it is not there yet, and then durable before this returns.
    ///
    /// # Errors
    /// [`Error::Destroyed`] if it was destroyed, or would have been by now.
    pub fn day_key(
        &self,
        class: Class,
        customer: CustomerId,
        day: Day,
        entropy: &mut dyn Entropy,
    ) -> Result<DayKey> {
        let id = KeyId { class, customer, day };
        if let Some(key) = self.existing_day_key(class, customer, day)? {
            return Ok(key);
        }
        self.write(|inner| inner.day_key(id, entropy))
    }

    /// K(class, customer, day) if it exists.
    ///
    /// # Errors
    /// If the file cannot be read or the row does not open.
    pub fn existing_day_key(&self, class: Class, customer: CustomerId, day: Day) -> Result<Option<DayKey>> {
        let id = KeyId { class, customer, day };
        self.read(|inner| inner.existing_day_key(&id))
    }

    /// A fresh secret for one party's slot in a recording. Not yet durable: call [`KeyStore::sync`] before anything
    /// sealed under it is said to be safe; one call serves many secrets.
    ///
    /// # Errors
    /// [`Error::SlotExists`], [`Error::Destroyed`].
    pub fn new_slot_secret(
        &self,
        recording: RecordingId,
        slot: u8,
        customer: CustomerId,
        day: Day,
        entropy: &mut dyn Entropy,
    ) -> Result<SlotSecret> {
        self.write(|inner| inner.new_slot_secret(SlotId { recording, slot, customer, day }, entropy))
    }

    /// The secret of one party's slot; `None` if it was destroyed or never made.
    ///
    /// # Errors
    /// If the file cannot be read or the row does not open.
    pub fn slot_secret(&self, recording: RecordingId, slot: u8) -> Result<Option<SlotSecret>> {
        self.read(|inner| inner.slot_secret(recording, slot))
    }

    /// Which of these recordings have any secret left.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn with_secrets(&self, recordings: &[RecordingId]) -> Result<Vec<RecordingId>> {
        self.read(|inner| {
            let mut found = Vec::new();
            for recording in recordings {
                if inner.has_secret(*recording)? {
                    found.push(*recording);
                }
            }
            Ok(found)
        })
    }

    /// Destroys one party's secret of one recording: what was sealed under it is gone when this returns. Says whether
    /// there was one.
    ///
    /// # Errors
    /// If the file cannot be written or synced: the secret may then still be there.
    pub fn destroy_slot(&self, recording: RecordingId, slot: u8) -> Result<bool> {
        self.write(|inner| match inner.slot(recording, slot)? {
            Some((number, ..)) => {
                inner.replace(number, &Row::Free).and_then(|()| inner.sync()).map(|()| true)
            }
            None => Ok(false),
        })
    }

    /// Destroys K(class, customer, day), and the slot secrets below it. The key is not made again.
    ///
    /// # Errors
    /// If the file cannot be written or synced: call again until it succeeds.
    pub fn destroy_day(&self, class: Class, customer: CustomerId, day: Day) -> Result<Destroyed> {
        let keys = self.write(|inner| inner.destroy_day_key(KeyId { class, customer, day }))?;
        let below = |owner, due| class == Class::Recording && owner == customer && due == day;
        Ok(Destroyed { keys, slots: self.free_orphans(below)? })
    }

    /// Destroys every key of `class` that was due on `through` or before, for all customers, and lets none of those
    /// days come back, whatever the clock says later.
    ///
    /// # Errors
    /// If the file cannot be written or synced: call again until it succeeds.
    pub fn destroy_through(&self, class: Class, through: Day) -> Result<Destroyed> {
        let keys = self.write(|inner| inner.destroy_keys_through(class, through))?;
        let below = |_, due| class == Class::Recording && due <= through;
        Ok(Destroyed { keys, slots: self.free_orphans(below)? })
    }

    /// The day up to which every key of `class` is destroyed, if any.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn destroyed_through(&self, class: Class) -> Result<Option<Day>> {
        self.read(|inner| Ok(inner.index.watermark(class).map(|(through, _)| through)))
    }

    /// What exists, by class, customer and day, in that order.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn list(&self) -> Result<Vec<KeyRows>> {
        self.read(|inner| Ok(inner.list()))
    }

    /// The key that signs receipts and certificates, made if it is not there yet, and then durable.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn signing_key(&self, entropy: &mut dyn Entropy) -> Result<SigningKey> {
        self.write(|inner| inner.signing_key(entropy))
    }

    /// Moves day keys and the signing key to a new key-encryption key, and destroys the old one where it is ours to
    /// destroy. Slot rows and recordings are not touched. If an earlier rotation was interrupted, finishes that one
    /// and starts no other.
    ///
    /// # Errors
    /// [`Error::NoNextKek`] if the source is not a file and holds no newer key; any error leaves the rotation to be
    /// finished by the next call.
    pub fn rotate(&self, entropy: &mut dyn Entropy) -> Result<Rotation> {
        self.write(|inner| inner.rotate(entropy))
    }

    /// Returns once everything written so far would survive a power cut.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn sync(&self) -> Result<()> {
        self.inner().sync()
    }

    /// Frees the slot rows whose day key was destroyed, letting others in between.
    fn free_orphans(&self, is_destroyed: impl Fn(CustomerId, Day) -> bool) -> Result<usize> {
        let mut slots = 0;
        loop {
            let freed = self.write(|inner| inner.free_orphans(&is_destroyed))?;
            slots += freed;
            if freed < FREE_AT_ONCE {
                return Ok(slots);
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // What a panicking thread left half-done is repaired by reading the file again.
        self.inner.lock().unwrap_or_else(|poisoned| {
            let mut inner = PoisonError::into_inner(poisoned);
            inner.stale = true;
            inner
        })
    }

    fn read<T>(&self, look: impl FnOnce(&mut Inner) -> Result<T>) -> Result<T> {
        self.inner().with_lock(false, look)
    }

    fn write<T>(&self, change: impl FnOnce(&mut Inner) -> Result<T>) -> Result<T> {
        self.inner().with_lock(true, change)
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore").field("id", &self.store_id()).finish_non_exhaustive()
    }
}

/// Runs `load` with the storage locked, and unlocks it whatever comes of that.
fn locked(
    storage: Box<dyn Storage>,
    exclusive: bool,
    load: impl FnOnce(Box<dyn Storage>) -> Result<Inner>,
) -> Result<KeyStore> {
    storage.lock(exclusive).map_err(Error::io("lock the key store"))?;
    // An error drops the storage, and with the file its lock.
    let inner = load(storage)?;
    inner.storage.unlock().map_err(Error::io("unlock the key store"))?;
    Ok(KeyStore { inner: Mutex::new(inner), turn: Mutex::default() })
}
