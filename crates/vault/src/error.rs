//! What can go wrong in the vault. No variant holds a key, a number or a name.

use std::io;
use std::path::PathBuf;

use vorzimmer_types::{Day, RecordingId};

use crate::keys::{Class, StoreId};
use crate::refusal::Refusal;

/// A result of the vault.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the vault refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be opened or made.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no key store where one should be.
    #[error("no key store at {}: restore it from the key backup; without it nothing sealed can be read", path.display())]
    NoKeyStore {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The key store is another one than the data was sealed with.
    #[error("the data was sealed with key store {expected}, but this is key store {found}")]
    OtherKeyStore {
        /// The one the data remembers.
        expected: StoreId,
        /// The one that was opened.
        found: StoreId,
    },
    /// A file that must be private can be read by others.
    #[error("{} can be read by others (mode {mode:o}); only its owner may: chmod 600", path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key-encryption key is nowhere to be found.
    #[error("no key-encryption key in {place}")]
    NoKek {
        /// Where it was looked for.
        place: String,
    },
    /// The key-encryption key is not written as it should be.
    #[error("{place} line {line}: a key-encryption key is VERSION:64 hexadecimal digits, VERSION from 1")]
    KekSyntax {
        /// Where it was read from.
        place: String,
        /// The line, from 1.
        line: usize,
    },
    /// The key store needs a version of the key-encryption key that was not given.
    #[error("the key store is wrapped under key-encryption key version {version}, which was not given")]
    KekVersionMissing {
        /// The version that is needed.
        version: u32,
    },
    /// A key-encryption key of the right version has the wrong bytes.
    #[error("key-encryption key version {version} is not the one that this key store was made with")]
    WrongKek {
        /// The version that did not match.
        version: u32,
    },
    /// A rotation was asked for, but there is no newer key-encryption key to move to.
    #[error("no key-encryption key newer than version {current} was given to rotate to")]
    NoNextKek {
        /// The version in use.
        current: u32,
    },
    /// The key store's header pages are both unreadable, or the file is something else.
    #[error("this is not a key store, or both copies of its header are damaged")]
    KeyStoreHeader,
    /// A row of the key store does not match its checksum.
    #[error("row {row} of the key store is damaged; restore the key store from the key backup")]
    KeyStoreRow {
        /// The row, from 0.
        row: u32,
    },
    /// The key store is shorter than what it said was safely on disk.
    #[error("the key store has {found} rows but had {expected}; restore it from the key backup")]
    KeyStoreTruncated {
        /// Rows known to have been synced.
        expected: u32,
        /// Rows in the file.
        found: u32,
    },
    /// The key store has reached its limit of rows.
    #[error("the key store is full ({rows} rows)")]
    KeyStoreFull {
        /// How many rows it has.
        rows: u32,
    },
    /// The key for this day was destroyed and will not be made again.
    #[error("the {class} key of {day} was destroyed")]
    Destroyed {
        /// What the key was for.
        class: Class,
        /// The day it belonged to.
        day: Day,
    },
    /// A slot secret exists already and is not made twice.
    #[error("recording {recording} already has a secret for slot {slot}")]
    SlotExists {
        /// The recording.
        recording: RecordingId,
        /// The slot.
        slot: u8,
    },
    /// Sealed bytes did not open: wrong key, wrong context, or changed.
    #[error("sealed {what} does not open: wrong key, wrong place, or changed")]
    DoesNotOpen {
        /// What kind of thing.
        what: &'static str,
    },
    /// Sealed bytes are not of a form known here.
    #[error("sealed {what} has an unknown form")]
    Form {
        /// What kind of thing.
        what: &'static str,
    },
    /// More bytes than the cipher may seal at once.
    #[error("{len} bytes are too many to seal at once")]
    TooLong {
        /// How many were given.
        len: usize,
    },
    /// The cipher's library could not take a key: it has no memory.
    #[error("the cipher takes no key")]
    NoCipher,
    /// A FLOE header has parameters that are not known here.
    #[error("unknown FLOE parameters")]
    FloeParams,
    /// A FLOE header does not belong to this key and associated data.
    #[error("the stream's header does not match: wrong key, wrong context, or changed")]
    FloeHeaderTag,
    /// A FLOE segment has the wrong length, or says it has another.
    #[error("a segment of {found} bytes cannot stand here")]
    FloeSegmentLength {
        /// Its bytes.
        found: usize,
    },
    /// A FLOE segment would stand beyond the end of any stream.
    #[error("no stream has a segment {position}")]
    FloePosition {
        /// The segment, from 0.
        position: u64,
    },
    /// A recording is not accepted.
    #[error("recording refused: {0}")]
    Refused(#[from] Refusal),
    /// A recording's page was given too much, or what was given does not fit its slots.
    #[error("a page of {slots} slots was given {given} plaintexts, the longest of {longest} bytes")]
    PageContent {
        /// Slots of the recording.
        slots: usize,
        /// Plaintexts given.
        given: usize,
        /// Bytes of the longest.
        longest: usize,
    },
    /// A recording was written to after its final page.
    #[error("the recording is closed")]
    Closed,
    /// A recording cannot have this many slots.
    #[error("a recording has 1 to {most} slots, not {found}")]
    Slots {
        /// How many were asked for.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A slot's secret is needed but was destroyed.
    #[error("the secret of slot {slot} was destroyed")]
    SlotDestroyed {
        /// The slot.
        slot: usize,
    },
    /// A signature does not match.
    #[error("the signature does not match")]
    Signature,
}

impl Error {
    /// For `map_err` on I/O.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
