//! Where events wait while the database is away: one append-only file of sealed records.
//!
//! ```text
//! record   u32 length of body | body | first 8 bytes of SHA-256(body)
//! body     call id [16] | u32 seq | i64 at | customer id [16] | u32 expiry day | sealed event
//! ```
//! Big-endian. The sealed event is byte for byte what will stand in the database: the spool has no key of its own, and
//! what is due in it is as unreadable as what is due there. A record that a crash cut short ends the file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use vorzimmer_types::{CallId, CustomerId, Day, UnixMillis};

use crate::error::StoreError;
use crate::events::SealedEvent;

const LENGTH_LEN: usize = 4;
const SUM_LEN: usize = 8;
/// Bytes of a body before the sealed event.
const HEAD_LEN: usize = 16 + 4 + 8 + 16 + 4;
/// A body longer than this was not written by us. The largest event is a few kilobytes.
const MAX_BODY: usize = 1 << 20;

/// The spool's file, locked for this process.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    file: File,
    limit: u64,
    /// Where the next record is read.
    read_at: u64,
    /// Where the next record is written: behind the last whole one.
    end: u64,
}

impl Spool {
    /// Opens the spool at `path`, making it if it is not there, and cuts off a record that a crash left unfinished.
    pub(crate) fn open(path: &Path, limit: u64) -> Result<Self, StoreError> {
        let refused = |source| StoreError::File { path: path.into(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::SpoolInUse { path: path.into() }),
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        let end = whole_records(&mut file).map_err(refused)?;
        let found = file.metadata().map_err(refused)?.len();
        if found > end {
            tracing::warn!(bytes = found - end, "the spool ended in an unfinished record, which was cut off");
            file.set_len(end).and_then(|()| file.sync_all()).map_err(refused)?;
        }
        sync_folder(path).map_err(refused)?;
        Ok(Self { path: path.into(), file, limit, read_at: 0, end })
    }

    /// Whether nothing waits here.
    pub(crate) fn is_empty(&self) -> bool {
        self.read_at >= self.end
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Writes records behind the last one and syncs. All of them are safe when this returns, or none is there.
    pub(crate) fn append<'a>(
        &mut self,
        events: impl IntoIterator<Item = &'a SealedEvent>,
    ) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        for event in events {
            encode(event, &mut bytes);
        }
        if self.end + bytes.len() as u64 > self.limit {
            return Err(StoreError::SpoolFull { limit: self.limit });
        }
        let written = self.file.write_all_at(&bytes, self.end).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What got through of these records must not stand before the next ones. If cutting fails too, the next
            // append overwrites it, and a crash before that leaves an unfinished record, which `open` cuts off.
            if let Err(cut) = self.file.set_len(self.end) {
                tracing::error!(error = %cut, "the spool could not be cut back after a failed write");
            }
            return Err(self.refused(source));
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// The next records, up to `most`, and the place behind them; see [`Spool::advance`].
    pub(crate) fn peek(&mut self, most: usize) -> Result<(Vec<SealedEvent>, u64), StoreError> {
        let mut events = Vec::new();
        let mut at = self.read_at;
        while events.len() < most && at < self.end {
            let body = read_record(&self.file, at, self.end).map_err(|source| self.refused(source))?;
            let Some(body) = body else {
                break;
            };
            at += (LENGTH_LEN + body.len() + SUM_LEN) as u64;
            match decode(&body) {
                Some(event) => events.push(event),
                None => tracing::error!(at, "a record of the spool has no head; it was left out"),
            }
        }
        Ok((events, at))
    }

    /// Records before `place` are safe elsewhere. Once that is all of them, the file is emptied.
    pub(crate) fn advance(&mut self, place: u64) -> Result<(), StoreError> {
        self.read_at = place;
        if !self.is_empty() {
            return Ok(());
        }
        self.file
            .set_len(0)
            .and_then(|()| self.file.sync_all())
            .map_err(|source| StoreError::File { path: self.path.clone(), source })?;
        (self.read_at, self.end) = (0, 0);
        Ok(())
    }

    /// Drops every record that was due on `through` or before, and says how many. The rest is written to a new file
    /// that takes the old one's place, so that a crash leaves one of the two.
    pub(crate) fn purge(&mut self, through: Day) -> Result<u64, StoreError> {
        let (events, _) = self.peek(usize::MAX)?;
        let before = events.len();
        let kept: Vec<SealedEvent> = events.into_iter().filter(|event| event.expiry > through).collect();
        if kept.len() == before {
            return Ok(0);
        }
        let mut bytes = Vec::new();
        for event in &kept {
            encode(event, &mut bytes);
        }
        let file = self.replace(&bytes).map_err(|source| self.refused(source))?;
        (self.file, self.read_at, self.end) = (file, 0, bytes.len() as u64);
        Ok((before - kept.len()) as u64)
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<File> {
        let fresh = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.lock()?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        sync_folder(&self.path)?;
        Ok(file)
    }

    fn refused(&self, source: io::Error) -> StoreError {
        StoreError::File { path: self.path.clone(), source }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Closing it unlocks it too, but not while a process that is just being started still has it open. Nothing is lost if
        // this fails.
        let _ = self.file.unlock();
    }
}

/// Drops what is due on `through` or before from a spool that no server is writing. Says how many events that were.
///
/// # Errors
/// [`StoreError::SpoolInUse`] if a server is writing it: that one does it itself.
pub fn purge(path: &Path, through: Day) -> Result<u64, StoreError> {
    if path.exists() { Spool::open(path, u64::MAX)?.purge(through) } else { Ok(0) }
}

/// Makes the file's entry in its folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// How many bytes at the front of the file are whole records.
fn whole_records(file: &mut File) -> io::Result<u64> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    while let Some(body) = read_record(file, at, end)? {
        at += (LENGTH_LEN + body.len() + SUM_LEN) as u64;
    }
    Ok(at)
}

/// The body of the record at `at`; none if no whole one stands there.
fn read_record(file: &File, at: u64, end: u64) -> io::Result<Option<Vec<u8>>> {
    let mut reader = At { file, at, end };
    let mut length = [0; LENGTH_LEN];
    if !reader.fill(&mut length)? {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_BODY {
        return Ok(None);
    }
    let mut body = vec![0; length];
    let mut sum = [0; SUM_LEN];
    let whole = reader.fill(&mut body)? && reader.fill(&mut sum)? && checksum(&body) == sum;
    Ok(whole.then_some(body))
}

/// Reads a file from a place, up to an end, without moving anybody's cursor.
struct At<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl At<'_> {
    /// Fills `out`; says no if the end comes first.
    fn fill(&mut self, out: &mut [u8]) -> io::Result<bool> {
        let next = self.at + out.len() as u64;
        if next > self.end {
            return Ok(false);
        }
        self.file.read_exact_at(out, self.at)?;
        self.at = next;
        Ok(true)
    }
}

fn checksum(body: &[u8]) -> [u8; SUM_LEN] {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let mut sum = [0; SUM_LEN];
    sum.copy_from_slice(&digest[..SUM_LEN]);
    sum
}

fn encode(event: &SealedEvent, out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(HEAD_LEN + event.payload.len());
    body.extend_from_slice(event.call.as_bytes());
    body.extend_from_slice(&event.seq.to_be_bytes());
    body.extend_from_slice(&event.at.0.to_be_bytes());
    body.extend_from_slice(event.customer.as_bytes());
    body.extend_from_slice(&event.expiry.0.to_be_bytes());
    body.extend_from_slice(&event.payload);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&body);
    out.extend_from_slice(&checksum(&body));
}

fn decode(mut body: &[u8]) -> Option<SealedEvent> {
    let mut event = SealedEvent {
        call: CallId::from_bytes(take(&mut body)?),
        seq: u32::from_be_bytes(take(&mut body)?),
        at: UnixMillis(i64::from_be_bytes(take(&mut body)?)),
        customer: CustomerId::from_bytes(take(&mut body)?),
        expiry: Day(u32::from_be_bytes(take(&mut body)?)),
        payload: Vec::new(),
    };
    body.read_to_end(&mut event.payload).ok()?;
    Some(event)
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;
    use vorzimmer_types::{CallId, CustomerId, Day, UnixMillis};

    use super::Spool;
    use crate::error::StoreError;
    use crate::events::SealedEvent;

    fn event(seq: u32, expiry: u32) -> SealedEvent {
        SealedEvent {
            call: CallId::from_bytes([3; 16]),
            seq,
            at: UnixMillis(-5),
            customer: CustomerId::from_bytes([9; 16]),
            expiry: Day(expiry),
            payload: vec![0xaa; seq as usize % 40],
        }
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("events.spool");
        (folder, path)
    }

    fn all(spool: &mut Spool) -> Vec<u32> {
        spool.peek(usize::MAX).expect("peek").0.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn a_spool_that_was_closed_can_be_opened_though_a_starting_process_still_has_it() {
        let (_folder, path) = folder();
        let spool = Spool::open(&path, 1 << 20).expect("open");
        // As between the fork and the exec of whatever is started at this moment.
        let inherited = spool.file.try_clone().expect("another descriptor");
        assert!(matches!(Spool::open(&path, 1 << 20), Err(StoreError::SpoolInUse { .. })));
        drop(spool);
        Spool::open(&path, 1 << 20).expect("open again");
        drop(inherited);
    }

    #[test]
    fn records_come_back_in_order_and_the_file_is_emptied_when_they_are_safe_elsewhere() {
        let (_folder, path) = folder();
        let mut spool = Spool::open(&path, 1 << 20).expect("open");
        let events: Vec<SealedEvent> = (0..10).map(|seq| event(seq, 7)).collect();
        spool.append(&events[..4]).expect("append");
        spool.append(&events[4..]).expect("append");
        drop(spool);
        let mut spool = Spool::open(&path, 1 << 20).expect("open again");
        let (first, place) = spool.peek(6).expect("peek");
        assert_eq!(first, events[..6]);
        spool.advance(place).expect("advance");
        let (rest, place) = spool.peek(6).expect("peek");
        assert_eq!(rest, events[6..]);
        spool.advance(place).expect("advance");
        assert!(spool.is_empty());
        assert_eq!(std::fs::metadata(&path).expect("file").len(), 0);
    }

    #[test]
    fn one_spool_has_one_writer_and_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, path) = folder();
        let _held = Spool::open(&path, 1 << 20).expect("open");
        assert!(matches!(Spool::open(&path, 1 << 20), Err(StoreError::SpoolInUse { .. })));
        assert_eq!(std::fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_full_spool_says_so_and_keeps_what_it_has() {
        let (_folder, path) = folder();
        let mut spool = Spool::open(&path, 150).expect("open");
        spool.append(&[event(1, 7), event(2, 7)]).expect("append");
        assert!(matches!(spool.append(&[event(3, 7)]), Err(StoreError::SpoolFull { limit: 150 })));
        assert_eq!(all(&mut spool), [1, 2]);
    }

    #[test]
    fn what_is_due_is_dropped_from_the_file_and_the_rest_stays() {
        let (_folder, path) = folder();
        let mut spool = Spool::open(&path, 1 << 20).expect("open");
        spool.append(&[event(1, 7), event(2, 8), event(3, 9)]).expect("append");
        assert_eq!(spool.purge(Day(8)).expect("purge"), 2);
        assert_eq!(spool.purge(Day(8)).expect("purge"), 0);
        assert!(matches!(Spool::open(&path, 1 << 20), Err(StoreError::SpoolInUse { .. })));
        spool.append(&[event(4, 9)]).expect("append");
        drop(spool);
        assert_eq!(all(&mut Spool::open(&path, 1 << 20).expect("open again")), [3, 4]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_cut_anywhere_loses_only_what_was_cut(cut in 0_usize..400) {
            let (_folder, path) = folder();
            let mut spool = Spool::open(&path, 1 << 20).expect("open");
            let mut ends = vec![0];
            for seq in 0..6 {
                spool.append(&[event(seq, 7)]).expect("append");
                ends.push(spool.bytes());
            }
            drop(spool);
            let bytes = std::fs::read(&path).expect("read");
            let cut = cut.min(bytes.len());
            std::fs::write(&path, &bytes[..cut]).expect("cut");
            let mut spool = Spool::open(&path, 1 << 20).expect("open again");
            let whole = ends.iter().rposition(|end| *end <= cut as u64).expect("zero is there");
            prop_assert_eq!(all(&mut spool), (0..whole as u32).collect::<Vec<_>>());
            spool.append(&[event(99, 7)]).expect("append");
            let last = all(&mut spool).pop();
            prop_assert_eq!(last, Some(99));
        }
    }
}
