//! What the key store does with its rows: making, finding and destroying keys.

use std::collections::BTreeMap;

use vorzimmer_types::{CustomerId, Day, Entropy, RecordingId};
use zeroize::Zeroizing;

use super::inner::Inner;
use super::row::{self, Row, SlotId};
use super::{Class, DayKey, Destroyed, KeyId, KeyRows, SlotSecret};
use crate::error::{Error, Result};
use crate::sign::SigningKey;

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
        if self.index.slot(id.recording, id.slot).is_some() {
            return Err(Error::SlotExists { recording: id.recording, slot: id.slot });
        }
        let under = self.day_key(recording_key(id.customer, id.day), entropy)?;
        let secret = SlotSecret::random(entropy);
        let row = Row::slot(id, &secret, &under, entropy)?;
        self.put(&row)?;
        Ok(secret)
    }

    pub(super) fn slot_secret(&self, recording: RecordingId, slot: u8) -> Result<Option<SlotSecret>> {
        let Some(number) = self.index.slot(recording, slot) else {
            return Ok(None);
        };
        let Row::Slot { id, wrapped } = self.row(number)? else {
            return Err(Error::KeyStoreRow { row: number });
        };
        match self.existing_day_key(&recording_key(id.customer, id.day))? {
            Some(under) => row::open_slot(id, &wrapped, &under).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn destroy_day(&mut self, id: KeyId) -> Result<Destroyed> {
        let key = self.index.day_key(&id);
        match key {
            Some(number) => self.replace(number, &Row::Tombstone(id))?,
            None if !self.index.is_destroyed(&id) => self.put(&Row::Tombstone(id))?,
            None => {}
        }
        // Also when there was no key: an earlier call may have been interrupted before its sync.
        self.sync()?;
        let slots = if id.class == Class::Recording { self.free_slots(id.customer, id.day)? } else { 0 };
        Ok(Destroyed { keys: usize::from(key.is_some()), slots })
    }

    pub(super) fn destroy_through(&mut self, class: Class, through: Day) -> Result<Destroyed> {
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
        let mut slots = 0;
        if class == Class::Recording {
            let days: Vec<_> = self.index.slot_days().filter(|(_, day, _)| *day <= through).collect();
            for (customer, day, _) in days {
                slots += self.free_slots(customer, day)?;
            }
        }
        Ok(Destroyed { keys: keys.len(), slots })
    }

    fn free_slots(&mut self, customer: CustomerId, day: Day) -> Result<usize> {
        let rows = self.index.slots_of(customer, day);
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
