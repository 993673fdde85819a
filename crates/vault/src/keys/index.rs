//! Where in the key store's file each key stands: look-ups by hash, no key material.
//!
//! A month of recordings has its slots here for as long as the server runs, so that a slot takes a few bytes: its row's
//! number, and so much of its name that hardly any other row must be read to tell them apart.

use std::collections::{BTreeSet, HashMap, HashSet};

use vorzimmer_types::{CustomerId, Day, RecordingId};

use super::row::{Row, SlotId};
use super::{Class, KeyId};
use crate::error::{Error, Result};

/// Row numbers by what the rows hold.
#[derive(Debug, Default)]
pub(super) struct Index {
    day_keys: HashMap<KeyId, u32>,
    /// What a slot's name begins its look-up with, and its row.
    slots: BTreeSet<(u32, u32)>,
    slots_by_day: HashMap<(CustomerId, Day), Vec<u32>>,
    tombstones: HashMap<KeyId, u32>,
    watermarks: HashMap<Class, (Day, u32)>,
    signing: Option<u32>,
    free: Vec<u32>,
    rows: u32,
}

impl Index {
    /// How many rows the file has.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Takes note of rows `self.rows()..rows`, all free until said otherwise.
    pub(super) fn grow(&mut self, rows: u32) {
        self.free.extend((self.rows..rows).rev());
        self.rows = self.rows.max(rows);
    }

    /// A row that holds nothing.
    pub(super) fn free_row(&self) -> Option<u32> {
        self.free.last().copied()
    }

    /// Takes note of what a row, free until now, holds. Whether another row holds the same slot is for the caller to see.
    pub(super) fn insert(&mut self, number: u32, row: &Row) -> Result<()> {
        let previous = match row {
            Row::Free => {
                self.free.push(number);
                None
            }
            Row::DayKey { id, .. } => self.day_keys.insert(*id, number),
            Row::Slot { id, .. } => {
                self.slots_by_day.entry((id.customer, id.day)).or_default().push(number);
                self.slots.insert((likeness(id.recording, id.slot), number));
                None
            }
            Row::Signing { .. } => self.signing.replace(number),
            Row::Tombstone(id) => self.tombstones.insert(*id, number),
            Row::Watermark { class, through } => {
                self.watermarks.insert(*class, (*through, number)).map(|(_, number)| number)
            }
        };
        match previous {
            // Two rows for one thing: neither can be believed.
            Some(_) => Err(Error::KeyStoreRow { row: number }),
            None => Ok(()),
        }
    }

    /// Forgets what these rows held; they are not free until [`Index::insert`] says so.
    pub(super) fn forget(&mut self, rows: &HashSet<u32>) {
        self.day_keys.retain(|_, row| !rows.contains(row));
        self.slots.retain(|(_, row)| !rows.contains(row));
        for list in self.slots_by_day.values_mut() {
            list.retain(|row| !rows.contains(row));
        }
        self.slots_by_day.retain(|_, list| !list.is_empty());
        self.tombstones.retain(|_, row| !rows.contains(row));
        self.watermarks.retain(|_, (_, row)| !rows.contains(row));
        self.signing = self.signing.filter(|row| !rows.contains(row));
        self.free.retain(|row| !rows.contains(row));
    }

    /// Forgets one row of which the content is known.
    pub(super) fn remove(&mut self, number: u32, row: &Row) {
        match row {
            Row::Free => self.take_free(number),
            Row::DayKey { id, .. } => {
                self.day_keys.remove(id);
            }
            Row::Slot { id, .. } => self.remove_slot(number, id),
            Row::Signing { .. } => self.signing = None,
            Row::Tombstone(id) => {
                self.tombstones.remove(id);
            }
            Row::Watermark { class, .. } => {
                self.watermarks.remove(class);
            }
        }
    }

    fn take_free(&mut self, number: u32) {
        if self.free.last() == Some(&number) {
            self.free.pop();
        } else {
            self.free.retain(|free| *free != number);
        }
    }

    fn remove_slot(&mut self, number: u32, id: &SlotId) {
        self.slots.remove(&(likeness(id.recording, id.slot), number));
        if let Some(list) = self.slots_by_day.get_mut(&(id.customer, id.day)) {
            list.retain(|row| *row != number);
            if list.is_empty() {
                self.slots_by_day.remove(&(id.customer, id.day));
            }
        }
    }

    pub(super) fn day_key(&self, id: &KeyId) -> Option<u32> {
        self.day_keys.get(id).copied()
    }

    /// The rows that may hold this slot; what they say decides.
    pub(super) fn slots_like(&self, recording: RecordingId, slot: u8) -> impl Iterator<Item = u32> {
        let likeness = likeness(recording, slot);
        self.slots.range((likeness, 0)..=(likeness, u32::MAX)).map(|(_, row)| *row)
    }

    pub(super) fn slots_of(&self, customer: CustomerId, day: Day) -> impl Iterator<Item = u32> {
        self.slots_by_day.get(&(customer, day)).into_iter().flatten().copied()
    }

    pub(super) fn slot_days(&self) -> impl Iterator<Item = (CustomerId, Day, usize)> {
        self.slots_by_day.iter().map(|((customer, day), rows)| (*customer, *day, rows.len()))
    }

    pub(super) fn day_keys(&self) -> impl Iterator<Item = (KeyId, u32)> {
        self.day_keys.iter().map(|(id, row)| (*id, *row))
    }

    pub(super) fn tombstones(&self) -> impl Iterator<Item = (KeyId, u32)> {
        self.tombstones.iter().map(|(id, row)| (*id, *row))
    }

    pub(super) fn signing(&self) -> Option<u32> {
        self.signing
    }

    pub(super) fn watermark(&self, class: Class) -> Option<(Day, u32)> {
        self.watermarks.get(&class).copied()
    }

    /// Whether this key must not exist any more.
    pub(super) fn is_destroyed(&self, id: &KeyId) -> bool {
        self.tombstones.contains_key(id)
            || self.watermark(id.class).is_some_and(|(through, _)| id.day <= through)
    }
}

/// Alike for one slot in four thousand million: the names of recordings are drawn at random.
fn likeness(recording: RecordingId, slot: u8) -> u32 {
    recording.as_bytes().last_chunk().map_or(0, |last| u32::from_be_bytes(*last)) ^ u32::from(slot)
}
