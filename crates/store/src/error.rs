//! What can go wrong in the store. No text here holds personal data: rows are named by id, values are not shown.

use std::io;
use std::path::PathBuf;

use vorzimmer_types::{CallId, RecordingId};

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no database we know.
    #[error("a database URL starts with sqlite: or postgres:, not {found:?}")]
    Scheme {
        /// What stood before the first colon.
        found: String,
    },
    /// The URL cannot be read.
    #[error("the database URL cannot be read: {source}")]
    Url {
        /// Why not.
        source: sqlx::Error,
    },
    /// No connection could be made.
    #[error("the database cannot be opened: {source}")]
    Open {
        /// Why not.
        source: sqlx::Error,
    },
    /// The tables could not be brought up to date.
    #[error("the database's tables cannot be brought up to date: {source}")]
    Migrate {
        /// Why not.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed.
    #[error("the database refused ({doing}): {source}")]
    Database {
        /// The statement, without its values.
        doing: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// The database did not answer in time.
    #[error("the database did not answer within {waited_ms} ms")]
    Stalled {
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// The vault refused to seal or to open something.
    #[error(transparent)]
    Vault {
        /// Why.
        #[from]
        source: vorzimmer_vault::Error,
    },
    /// The database was sealed with the keys of another key store.
    #[error("the data was sealed with key store {expected}, but this is key store {found}")]
    OtherKeyStore {
        /// The one that the database remembers.
        expected: vorzimmer_vault::StoreId,
        /// The one that was given.
        found: vorzimmer_vault::StoreId,
    },
    /// A row is not what the statement asked for.
    #[error("column {column} of a row should hold {wanted}")]
    Shape {
        /// The column, from 0.
        column: usize,
        /// What should have been there.
        wanted: &'static str,
    },
    /// A row opened, but what was in it makes no sense.
    #[error("a row of {table} does not read as what it should be: {source}")]
    Content {
        /// The table.
        table: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Something is in a row that should not be there.
    #[error("a row of {table} contradicts itself: {what}")]
    Contradiction {
        /// The table.
        table: &'static str,
        /// What does not fit.
        what: &'static str,
    },
    /// A file or folder of ours could not be used.
    #[error("{} cannot be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process writes the spool.
    #[error("{} is in use by another Vorzimmer", path.display())]
    SpoolInUse {
        /// The spool's file.
        path: PathBuf,
    },
    /// The spool has reached its limit.
    #[error("the spool is full at {limit} bytes")]
    SpoolFull {
        /// The limit.
        limit: u64,
    },
    /// Events are only in memory: database and spool both refuse.
    #[error("{events} events are only in memory: neither the database nor the spool takes them")]
    Unsaved {
        /// How many.
        events: usize,
    },
    /// No such call.
    #[error("there is no call {call}")]
    NoCall {
        /// The id that was asked for.
        call: CallId,
    },
    /// No such recording.
    #[error("there is no recording {recording}")]
    NoRecording {
        /// The id that was asked for.
        recording: RecordingId,
    },
    /// Another run of retention was faster.
    #[error("certificate {number} was made by another run in the meantime; run again")]
    CertificateTaken {
        /// Its number.
        number: u64,
    },
    /// The writer has been shut down.
    #[error("the store's writer has been shut down")]
    Closed,
}
