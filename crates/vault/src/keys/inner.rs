//! The key store behind its lock: rows in the file, their index in memory, and keeping the two alike.
//!
//! Methods of [`Inner`] expect the file's lock to be held; [`Inner::with_lock`] takes it.

use std::collections::HashSet;

use vorzimmer_types::{Entropy, RecordingId};

use super::StoreId;
use super::header::{Header, KekMark, PAGE_LEN};
use super::index::Index;
use super::kek::{KekRing, KekSource};
use super::row::{ROW_LEN, Row, SlotId, Wrapped};
use super::storage::Storage;
use crate::error::{Error, Result};

/// The file grows by this many rows at a time.
const GROWTH: u32 = 64;
/// A key store has at most this many rows (2 GiB): 20,000 recordings a day of two parties for a year.
const MAX_ROWS: u32 = 1 << 24;
/// Rows read at once when the file is opened.
const READ_ROWS: u32 = 512;

/// Whether the file was made but its first header never written.
pub(super) fn is_unborn(storage: &dyn Storage) -> Result<bool> {
    let len = storage.size().map_err(Error::io("look at the key store"))?;
    if len > PAGE_LEN {
        return Ok(false);
    }
    let mut page = vec![0; len as usize];
    storage.read_at(0, &mut page).map_err(Error::io("read the key store"))?;
    Ok(page.iter().all(|byte| *byte == 0))
}

pub(super) fn write_first_header(
    storage: &mut dyn Storage,
    ring: &KekRing,
    entropy: &mut dyn Entropy,
) -> Result<()> {
    let store = StoreId::from_bytes(vorzimmer_types::entropy::array(entropy));
    let kek = ring.with_version(ring.newest())?;
    let mark = KekMark { version: kek.version(), check: kek.check(store.as_bytes()) };
    storage.grow(PAGE_LEN).map_err(Error::io("grow the key store"))?;
    Header::new(store, mark).write(storage)?;
    storage.sync().map_err(Error::io("sync the key store"))
}

/// The key store behind its mutex. Its methods expect the file's lock to be held.
pub(super) struct Inner {
    pub(super) storage: Box<dyn Storage>,
    pub(super) source: KekSource,
    pub(super) ring: KekRing,
    pub(super) header: Header,
    pub(super) index: Index,
    /// Memory and file may differ: read the file again before anything else.
    pub(super) stale: bool,
}

impl Inner {
    pub(super) fn load(storage: Box<dyn Storage>, source: KekSource, ring: KekRing) -> Result<Self> {
        let header = Header::read(&*storage)?;
        let mut inner = Self { storage, source, ring, header, index: Index::default(), stale: false };
        inner.check_keks()?;
        inner.load_rows()?;
        Ok(inner)
    }

    pub(super) fn with_lock<T>(
        &mut self,
        exclusive: bool,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.storage.lock(exclusive).map_err(Error::io("lock the key store"))?;
        let result = self.refresh().and_then(|()| work(self));
        if exclusive && result.is_err() {
            self.stale = true;
        }
        self.storage.unlock().map_err(Error::io("unlock the key store"))?;
        result
    }

    /// Takes in what other processes changed.
    fn refresh(&mut self) -> Result<()> {
        let header = Header::read(&*self.storage)?;
        if header.generation == self.header.generation && !self.stale {
            return Ok(());
        }
        let seen = std::mem::replace(&mut self.header, header);
        self.header.durable_rows = self.header.durable_rows.max(seen.durable_rows);
        let changes = self.header.changes_since(seen.generation).filter(|_| !self.stale);
        // Until all of it is taken in, the next call must not believe memory.
        self.stale = true;
        if seen.kek != self.header.kek || seen.next_kek != self.header.next_kek {
            self.ring = self.source.load()?;
        }
        self.check_keks()?;
        match changes {
            Some(rows) => self.reload_rows(rows)?,
            None => self.load_rows()?,
        }
        self.stale = false;
        Ok(())
    }

    /// Refuses key-encryption keys other than those that the header names.
    fn check_keks(&self) -> Result<()> {
        for mark in [Some(self.header.kek), self.header.next_kek].into_iter().flatten() {
            let kek = self.ring.with_version(mark.version)?;
            if !bool::from(subtle::ConstantTimeEq::ct_eq(
                &kek.check(self.header.store.as_bytes())[..],
                &mark.check,
            )) {
                return Err(Error::WrongKek { version: mark.version });
            }
        }
        Ok(())
    }

    /// How many whole rows the file has. What follows the last of them is a growth that was cut short.
    fn rows_in_file(&self) -> Result<u32> {
        let len = self.storage.size().map_err(Error::io("look at the key store"))?;
        let rows = len.saturating_sub(PAGE_LEN) / ROW_LEN as u64;
        let rows = u32::try_from(rows).unwrap_or(u32::MAX).min(MAX_ROWS);
        if rows < self.header.durable_rows {
            return Err(Error::KeyStoreTruncated { expected: self.header.durable_rows, found: rows });
        }
        Ok(rows)
    }

    /// Refuses a slot that `index` knows already: of two rows for one thing neither can be believed.
    fn check_new(&self, index: &Index, row: &Row) -> Result<()> {
        let Row::Slot { id, .. } = row else { return Ok(()) };
        match self.slot_in(index, id.recording, id.slot)? {
            Some((other, ..)) => Err(Error::KeyStoreRow { row: other }),
            None => Ok(()),
        }
    }

    /// Which row holds this slot, if any, and what it says.
    pub(super) fn slot(&self, recording: RecordingId, slot: u8) -> Result<Option<(u32, SlotId, Wrapped)>> {
        self.slot_in(&self.index, recording, slot)
    }

    fn slot_in(
        &self,
        index: &Index,
        recording: RecordingId,
        slot: u8,
    ) -> Result<Option<(u32, SlotId, Wrapped)>> {
        for number in index.slots_like(recording, slot) {
            let Row::Slot { id, wrapped } = self.row(number)? else {
                return Err(Error::KeyStoreRow { row: number });
            };
            if (id.recording, id.slot) == (recording, slot) {
                return Ok(Some((number, id, wrapped)));
            }
        }
        Ok(None)
    }

    fn load_rows(&mut self) -> Result<()> {
        let rows = self.rows_in_file()?;
        let mut index = Index::default();
        let mut buffer = vec![0; READ_ROWS as usize * ROW_LEN];
        let mut first = 0;
        while first < rows {
            let count = READ_ROWS.min(rows - first);
            let chunk = &mut buffer[..count as usize * ROW_LEN];
            self.storage.read_at(row_at(first), chunk).map_err(Error::io("read the key store"))?;
            index.grow(first + count);
            for (number, bytes) in (first..).zip(chunk.as_chunks::<ROW_LEN>().0) {
                let row = Row::decode(bytes, self.header.store, number)?;
                if row != Row::Free {
                    index.remove(number, &Row::Free);
                    self.check_new(&index, &row)?;
                    index.insert(number, &row)?;
                }
            }
            first += count;
        }
        self.index = index;
        Ok(())
    }

    fn reload_rows(&mut self, changed: Vec<u32>) -> Result<()> {
        let known = self.index.rows();
        let rows = self.rows_in_file()?;
        let changed: HashSet<u32> =
            changed.into_iter().filter(|row| *row < known).chain(known..rows).collect();
        self.index.grow(rows);
        self.index.forget(&changed);
        for number in changed {
            let row = self.row(number)?;
            self.insert(number, &row)?;
        }
        Ok(())
    }

    pub(super) fn row(&self, number: u32) -> Result<Row> {
        let mut bytes = [0; ROW_LEN];
        self.storage.read_at(row_at(number), &mut bytes).map_err(Error::io("read the key store"))?;
        Row::decode(&bytes, self.header.store, number)
    }

    /// Overwrites a row.
    pub(super) fn replace(&mut self, number: u32, row: &Row) -> Result<()> {
        let before = self.row(number)?;
        self.header.note_change(number);
        self.header.write(&mut *self.storage)?;
        let bytes = row.encode(self.header.store, number);
        self.storage.write_at(row_at(number), &bytes).map_err(Error::io("write the key store"))?;
        self.index.remove(number, &before);
        self.insert(number, row)
    }

    fn insert(&mut self, number: u32, row: &Row) -> Result<()> {
        self.check_new(&self.index, row)?;
        self.index.insert(number, row)
    }

    /// Writes a row where none is.
    pub(super) fn put(&mut self, row: &Row) -> Result<()> {
        if self.index.free_row().is_none() {
            let rows = self.index.rows();
            if rows >= MAX_ROWS {
                return Err(Error::KeyStoreFull { rows });
            }
            self.storage.grow(row_at(rows + GROWTH)).map_err(Error::io("grow the key store"))?;
            self.index.grow(rows + GROWTH);
        }
        let rows = self.index.rows();
        let number = self.index.free_row().ok_or(Error::KeyStoreFull { rows })?;
        self.replace(number, row)
    }

    pub(super) fn sync(&mut self) -> Result<()> {
        let rows = self.index.rows();
        self.storage.sync().map_err(Error::io("sync the key store"))?;
        // Written with the next change: only then is it surely true of what is on disk.
        self.header.durable_rows = self.header.durable_rows.max(rows);
        Ok(())
    }

    pub(super) fn write_header(&mut self) -> Result<()> {
        self.header.note_no_row();
        self.header.write(&mut *self.storage)
    }
}

fn row_at(number: u32) -> u64 {
    PAGE_LEN + u64::from(number) * ROW_LEN as u64
}
