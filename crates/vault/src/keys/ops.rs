//! What the key store does with its rows: making, finding and destroying keys.

use std::collections::BTreeMap;

use vorzimmer_types::{CustomerId, Day, Entropy, RecordingId};
use zeroize::Zeroizing;

use super::inner::Inner;
use super::row::{self, Row, SlotId};
use super::{Class, DayKey, KeyId, KeyRows, SlotSecret};
use crate::callrec::MAX_SLOTS;
use crate::error::{Error, Result};
use crate::sign::SigningKey;

/// Slot rows freed before others get the lock: a day of recordings must not keep a call waiting for its key.
pub(super) const FREE_AT_ONCE: usize = 256;

impl Inner {
    pub(super) fn existing_day_key(&self, id: &KeyId) -> Result<Option<DayKey>> {
        let Some(number) = self.index.day_key(id).filter(|_| !self.index.is_destroyed(id)) else {
            return Ok(None);
        };
        match self.row(number)? {
            Row::DayKey { id: found, kek, wrapped } if found == *id => {
                let kek = self.ring.with_version(kek)?;
                row::open_day_key(found, &wrapped, kek, self.header.store).map(Some)
            }
            _ => Err(Error::KeyStoreRow { row: number }),
        }
    }

    pub(super) fn day_key(&mut self, id: KeyId, entropy: &mut dyn Entropy) -> Result<DayKey> {
        if self.index.is_destroyed(&id) {
            return Err(Error::Destroyed { class: id.class, day: id.day });
        }
        if let Some(key) = self.existing_day_key(&id)? {
            return Ok(key);
        }
        let key = DayKey::random(id, entropy);
        let kek = self.ring.with_version(self.header.wrapping_kek())?;
        let row = Row::day_key(&key, kek, self.header.store, entropy)?;
        self.put(&row)?;
        self.sync()?;
        Ok(key)
    }

    pub(super) fn new_slot_secret(&mut self, id: SlotId, entropy: &mut dyn Entropy) -> Result<SlotSecret> {
        if self.slot(id.recording, id.slot)?.is_some() {
            return Err(Error::SlotExists { recording: id.recording, slot: id.slot });
        }
        let under = self.day_key(recording_key(id.customer, id.day), entropy)?;
        let secret = SlotSecret::random(entropy);
        let row = Row::slot(id, &secret, &under, entropy)?;
        self.put(&row)?;
        Ok(secret)
    }

    pub(super) fn slot_secret(&self, recording: RecordingId, slot: u8) -> Result<Option<SlotSecret>> {
        let Some((_, id, wrapped)) = self.slot(recording, slot)? else {
            return Ok(None);
        };
        match self.existing_day_key(&recording_key(id.customer, id.day))? {
            Some(under) => row::open_slot(id, &wrapped, &under).map(Some),
            None => Ok(None),
        }
    }

    /// Whether any slot of a recording has a secret, and a day key above it.
    pub(super) fn has_secret(&self, recording: RecordingId) -> Result<bool> {
        for slot in (0..=u8::MAX).take(MAX_SLOTS) {
            let Some((_, id, _)) = self.slot(recording, slot)? else { continue };
            let key = recording_key(id.customer, id.day);
            if self.index.day_key(&key).is_some() && !self.index.is_destroyed(&key) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first half of destroying a day: the key, durably. Says how many keys there were.
    pub(super) fn destroy_day_key(&mut self, id: KeyId) -> Result<usize> {
        let key = self.index.day_key(&id);
        match key {
            Some(number) => self.replace(number, &Row::Tombstone(id))?,
            None if !self.index.is_destroyed(&id) => self.put(&Row::Tombstone(id))?,
            None => {}
        }
        // Also when there was no key: an earlier call may have been interrupted before its sync.
        self.sync()?;
        Ok(usize::from(key.is_some()))
    }

    /// The first half of destroying all days up to one: watermark and keys, durably. Says how many keys there were.
    pub(super) fn destroy_keys_through(&mut self, class: Class, through: Day) -> Result<usize> {
        let mark = Row::Watermark { class, through };
        match self.index.watermark(class) {
            Some((reached, _)) if reached >= through => {}
            Some((_, number)) => self.replace(number, &mark)?,
            None => self.put(&mark)?,
        }
        self.sync()?;
        let due = |id: &KeyId| id.class == class && id.day <= through;
        let keys: Vec<u32> = self.index.day_keys().filter(|(id, _)| due(id)).map(|(_, row)| row).collect();
        let stones: Vec<u32> =
            self.index.tombstones().filter(|(id, _)| due(id)).map(|(_, row)| row).collect();
        for number in keys.iter().chain(&stones) {
            self.replace(*number, &Row::Free)?;
        }
        self.sync()?;
        Ok(keys.len())
    }

    /// The second half: up to [`FREE_AT_ONCE`] slot rows that hang below nothing any more. Says how many there were.
    pub(super) fn free_orphans(&mut self, is_destroyed: impl Fn(CustomerId, Day) -> bool) -> Result<usize> {
        let days = self.index.slot_days().filter(|(customer, day, _)| is_destroyed(*customer, *day));
        let rows = days.flat_map(|(customer, day, _)| self.index.slots_of(customer, day));
        let rows: Vec<u32> = rows.take(FREE_AT_ONCE).collect();
        for number in &rows {
            self.replace(*number, &Row::Free)?;
        }
        if !rows.is_empty() {
            self.sync()?;
        }
        Ok(rows.len())
    }

    pub(super) fn signing_key(&mut self, entropy: &mut dyn Entropy) -> Result<SigningKey> {
        if let Some(number) = self.index.signing() {
            let Row::Signing { kek, wrapped } = self.row(number)? else {
                return Err(Error::KeyStoreRow { row: number });
            };
            let seed = row::open_signing(&wrapped, self.ring.with_version(kek)?, self.header.store)?;
            return Ok(SigningKey::from_seed(&seed));
        }
        let seed = Zeroizing::new(vorzimmer_types::entropy::array(entropy));
        let kek = self.ring.with_version(self.header.wrapping_kek())?;
        let row = Row::signing(&seed, kek, self.header.store, entropy)?;
        self.put(&row)?;
        self.sync()?;
        Ok(SigningKey::from_seed(&seed))
    }

    pub(super) fn list(&self) -> Vec<KeyRows> {
        let mut rows: BTreeMap<KeyId, (bool, usize)> = BTreeMap::new();
        for (id, _) in self.index.day_keys() {
            rows.entry(id).or_default().0 = true;
        }
        for (customer, day, slots) in self.index.slot_days() {
            rows.entry(recording_key(customer, day)).or_default().1 = slots;
        }
        let line =
            |(KeyId { class, customer, day }, (key, slots))| KeyRows { class, customer, day, key, slots };
        rows.into_iter().map(line).collect()
    }
}

fn recording_key(customer: CustomerId, day: Day) -> KeyId {
    KeyId { class: Class::Recording, customer, day }
}
