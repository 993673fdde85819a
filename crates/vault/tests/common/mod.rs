//! A disk in memory that can lose power: what the key store's tests run on.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io;
use std::sync::{Arc, Mutex};

use vorzimmer_types::{CustomerId, RecordingId};
use vorzimmer_vault::KekSource;
use vorzimmer_vault::keys::storage::Storage;

/// Several openings share one disk, as several processes share a file.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    writes: usize,
    writes_allowed: Option<usize>,
    syncs: usize,
}

impl MemoryDisk {
    pub fn with(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().synced = bytes.clone();
        disk.0.lock().unwrap().bytes = bytes;
        disk
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().bytes.clone()
    }

    /// What a power cut would leave: only what was synced.
    pub fn synced(&self) -> Vec<u8> {
        self.0.lock().unwrap().synced.clone()
    }

    /// Writes, growths and syncs so far.
    pub fn writes(&self) -> usize {
        self.0.lock().unwrap().writes
    }

    pub fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs
    }

    /// After `count` more writes, growths and syncs every further one fails: the process is dead.
    pub fn die_after(&self, count: usize) {
        let mut state = self.0.lock().unwrap();
        state.writes_allowed = Some(state.writes + count);
    }

    pub fn storage(&self) -> Box<dyn Storage> {
        Box::new(self.clone())
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        if self.writes_allowed.is_some_and(|allowed| self.writes >= allowed) {
            return Err(io::Error::other("dead"));
        }
        self.writes += 1;
        Ok(())
    }
}

impl Storage for MemoryDisk {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let from = state.bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        let end = offset as usize + bytes.len();
        if state.bytes.len() < end {
            state.bytes.resize(end, 0);
        }
        state.bytes[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn grow(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        assert!(state.bytes.len() <= len as usize, "a key store never shrinks");
        state.bytes.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        state.synced = state.bytes.clone();
        state.syncs += 1;
        Ok(())
    }

    fn lock(&self, _exclusive: bool) -> io::Result<()> {
        Ok(())
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}

pub fn kek(version: u32, byte: u8) -> String {
    format!("{version}:{}", hex::encode([0xe0 + byte; 32]))
}

pub fn source(keys: &[String]) -> KekSource {
    KekSource::Text(keys.join(",").into())
}

pub fn customer(byte: u8) -> CustomerId {
    CustomerId::from_bytes([0xc0 + byte; 16])
}

pub fn recording(byte: u8) -> RecordingId {
    RecordingId::from_bytes([b'r', byte, b'r', byte, 1, 2, 3, 4, 5, 6, 7, 8, byte, byte, byte, byte])
}

/// Whether `needle` is anywhere in `haystack`.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
