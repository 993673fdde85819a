//! The key store's header: which store this is, which KEK wraps it, and what changed last.
//!
//! ```text
//!   0 "VZKEYS01"            8 u16 version=1   10 u16 row length=128   12 u32 zero
//!  16 store id [16]        32 u64 generation
//!  40 u32 KEK version      44 u32 KEK version that a rotation moves to, 0 = none runs
//!  48 check of the first [16]                64 check of the second [16]
//!  80 u32 rows known to be durable           84 zero [12]
//!  96 u32 [64] changed rows: generation g changed the row in place g mod 64
//! 352 zero [152]          504 first 8 bytes of SHA-256 of bytes 0..504
//! ```
//! Two copies of 512 bytes stand at 0 and 2048 of a 4096-byte page; generation g is written to copy g mod 2, so that a
//! torn write leaves the one before. The generation rises *before* a row changes: whoever finds a newer generation
//! reads the changed rows again, whether or not the writer lived to finish.

use sha2::{Digest, Sha256};

use super::StoreId;
use super::row::ROW_LEN;
use super::storage::Storage;
use crate::error::{Error, Result};

/// Bytes before the first row.
pub(super) const PAGE_LEN: u64 = 4096;
/// How many changes the header remembers.
pub(super) const CHANGES: usize = 64;

/// Stands among the changes for one that changed no row.
const NO_ROW: u32 = u32::MAX;

const COPY_LEN: usize = 512;
const COPY_AT: [u64; 2] = [0, 2048];
const MAGIC: &[u8; 8] = b"VZKEYS01";
const VERSION: u16 = 1;

/// A KEK version and the value that tells whether a key is that KEK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KekMark {
    pub(super) version: u32,
    pub(super) check: [u8; 16],
}

/// The header as it is in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) store: StoreId,
    pub(super) generation: u64,
    pub(super) kek: KekMark,
    pub(super) next_kek: Option<KekMark>,
    pub(super) durable_rows: u32,
    changes: [u32; CHANGES],
}

impl Header {
    pub(super) fn new(store: StoreId, kek: KekMark) -> Self {
        Self { store, generation: 0, kek, next_kek: None, durable_rows: 0, changes: [0; CHANGES] }
    }

    /// The KEK that new rows are wrapped under.
    pub(super) fn wrapping_kek(&self) -> u32 {
        self.next_kek.map_or(self.kek.version, |next| next.version)
    }

    /// Counts one change, to row `row`.
    pub(super) fn note_change(&mut self, row: u32) {
        self.generation += 1;
        let place = (self.generation % CHANGES as u64) as usize;
        self.changes[place] = row;
    }

    /// Counts a change of the header alone, so that other processes look at it.
    pub(super) fn note_no_row(&mut self) {
        self.note_change(NO_ROW);
    }

    /// The rows that changed since `generation`; `None` if that is too long ago to know.
    pub(super) fn changes_since(&self, generation: u64) -> Option<Vec<u32>> {
        let count = self.generation.checked_sub(generation)?;
        if count > CHANGES as u64 {
            return None;
        }
        let places = (generation + 1..=self.generation).map(|g| (g % CHANGES as u64) as usize);
        Some(places.map(|place| self.changes[place]).filter(|row| *row != NO_ROW).collect())
    }

    pub(super) fn write(&self, storage: &mut dyn Storage) -> Result<()> {
        let at = COPY_AT[(self.generation % 2) as usize];
        storage.write_at(at, &self.encode()).map_err(Error::io("write the key store's header"))
    }

    /// The newer of the two copies that is whole.
    pub(super) fn read(storage: &dyn Storage) -> Result<Self> {
        let mut found: Option<Self> = None;
        for at in COPY_AT {
            let mut copy = [0; COPY_LEN];
            storage.read_at(at, &mut copy).map_err(Error::io("read the key store's header"))?;
            if let Some(header) = Self::decode(&copy)
                && found.as_ref().is_none_or(|other| other.generation < header.generation)
            {
                found = Some(header);
            }
        }
        found.ok_or(Error::KeyStoreHeader)
    }

    fn encode(&self) -> [u8; COPY_LEN] {
        let mut out = [0; COPY_LEN];
        out[..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_be_bytes());
        out[10..12].copy_from_slice(&(ROW_LEN as u16).to_be_bytes());
        out[16..32].copy_from_slice(self.store.as_bytes());
        out[32..40].copy_from_slice(&self.generation.to_be_bytes());
        out[40..44].copy_from_slice(&self.kek.version.to_be_bytes());
        out[48..64].copy_from_slice(&self.kek.check);
        if let Some(next) = self.next_kek {
            out[44..48].copy_from_slice(&next.version.to_be_bytes());
            out[64..80].copy_from_slice(&next.check);
        }
        out[80..84].copy_from_slice(&self.durable_rows.to_be_bytes());
        for (place, row) in out[96..352].chunks_exact_mut(4).zip(self.changes) {
            place.copy_from_slice(&row.to_be_bytes());
        }
        let sum = checksum(&out);
        out[504..].copy_from_slice(&sum);
        out
    }

    fn decode(copy: &[u8; COPY_LEN]) -> Option<Self> {
        let mut changes = [0; CHANGES];
        for (row, place) in changes.iter_mut().zip(copy[96..352].chunks_exact(4)) {
            *row = u32::from_be_bytes(place.try_into().ok()?);
        }
        let number = |at: usize| copy[at..at + 4].try_into().map(u32::from_be_bytes).ok();
        let next = number(44)?;
        let header = Self {
            store: StoreId::from_bytes(copy[16..32].try_into().ok()?),
            generation: u64::from_be_bytes(copy[32..40].try_into().ok()?),
            kek: KekMark { version: number(40)?, check: copy[48..64].try_into().ok()? },
            next_kek: match next {
                0 => None,
                version => Some(KekMark { version, check: copy[64..80].try_into().ok()? }),
            },
            durable_rows: number(80)?,
            changes,
        };
        (header.encode() == *copy).then_some(header)
    }
}

fn checksum(copy: &[u8; COPY_LEN]) -> [u8; 8] {
    let digest = Sha256::digest(&copy[..504]);
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest[..8]);
    sum
}
