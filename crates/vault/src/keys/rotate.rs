//! Moving from one key-encryption key to the next, in steps of which any may be the last before a kill.
//!
//! 1. the new key is in the source (in a file: written and synced);
//! 2. the header names both versions: new rows use the new one, either opens rows;
//! 3. each row under the old version is wrapped again and overwritten in place; sync;
//! 4. the header names the new version alone; sync;
//! 5. the old key is wiped from a file of ours.

use vorzimmer_types::Entropy;

use super::header::KekMark;
use super::inner::Inner;
use super::row::{self, Row};
use crate::error::{Error, Result};

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The version left behind.
    pub from: u32,
    /// The version that now wraps every row.
    pub to: u32,
    /// Rows wrapped again by this call.
    pub rows: usize,
    /// Whether this call finished one that was interrupted.
    pub resumed: bool,
    /// Whether the old key was wiped. If not, its source is not a file of ours: remove it there.
    pub old_key_wiped: bool,
}

impl Inner {
    pub(super) fn rotate(&mut self, entropy: &mut dyn Entropy) -> Result<Rotation> {
        self.ring = self.source.load()?;
        let from = self.header.kek.version;
        if let Some(next) = self.header.next_kek {
            return self.finish(from, next, true, entropy);
        }
        if self.ring.holds_older_than(from) && self.source.wipe_others(from)? {
            // Killed before step 5: that was all that was left to do.
            self.ring = self.source.load()?;
            return Ok(Rotation { from, to: from, rows: 0, resumed: true, old_key_wiped: true });
        }
        self.ring = self.source.next(&self.ring, from, entropy)?;
        let to = self.ring.with_version(self.ring.newest())?;
        let next = KekMark { version: to.version(), check: to.check(self.header.store.as_bytes()) };
        self.header.next_kek = Some(next);
        self.write_header()?;
        self.sync()?;
        self.finish(from, next, false, entropy)
    }

    fn finish(
        &mut self,
        from: u32,
        next: KekMark,
        resumed: bool,
        entropy: &mut dyn Entropy,
    ) -> Result<Rotation> {
        let rows = self.rewrap_all(next.version, entropy)?;
        self.sync()?;
        self.header.kek = next;
        self.header.next_kek = None;
        self.write_header()?;
        self.sync()?;
        let old_key_wiped = self.source.wipe_others(next.version)?;
        if old_key_wiped {
            self.ring = self.source.load()?;
        }
        Ok(Rotation { from, to: next.version, rows, resumed, old_key_wiped })
    }

    fn rewrap_all(&mut self, to: u32, entropy: &mut dyn Entropy) -> Result<usize> {
        let mut numbers: Vec<u32> = self.index.day_keys().map(|(_, row)| row).collect();
        numbers.extend(self.index.signing());
        let mut rewrapped = 0;
        for number in numbers {
            if let Some(row) = self.rewrapped(number, to, entropy)? {
                self.replace(number, &row)?;
                rewrapped += 1;
            }
        }
        Ok(rewrapped)
    }

    /// The row under version `to`; `None` if it is that already.
    fn rewrapped(&self, number: u32, to: u32, entropy: &mut dyn Entropy) -> Result<Option<Row>> {
        let store = self.header.store;
        let new = self.ring.with_version(to)?;
        match self.row(number)? {
            Row::DayKey { kek, .. } | Row::Signing { kek, .. } if kek == to => Ok(None),
            Row::DayKey { id, kek, wrapped } => {
                let key = row::open_day_key(id, &wrapped, self.ring.with_version(kek)?, store)?;
                Row::day_key(&key, new, store, entropy).map(Some)
            }
            Row::Signing { kek, wrapped } => {
                let seed = row::open_signing(&wrapped, self.ring.with_version(kek)?, store)?;
                Row::signing(&seed, new, store, entropy).map(Some)
            }
            _ => Err(Error::KeyStoreRow { row: number }),
        }
    }
}
