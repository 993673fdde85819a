//! What is remembered, and how: the log of events, what is folded from it, the directory, bindings and audit.
//!
//! * [`EventLog`]: takes what happens to calls; never makes a call wait, and spools while the database is away.
//! * [`Store`]: everything else: queries, directory, bindings, audit, and what retention removes.
//!
//! The same code runs on SQLite and PostgreSQL, chosen by URL. Whatever is personal is sealed by `vault` before it
//! reaches a row or the spool; this crate never keeps a key. It reads no clock: moments come in with the events.

mod aftermath;
mod audit;
mod bindings;
mod directory;
mod error;
mod events;
mod expiry;
mod finding;
mod fold;
mod log;
mod project;
mod queries;
mod results;
mod seal;
mod settings;
mod spool;
mod sql;
mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use audit::AuditEvent;
pub use bindings::Binding;
pub use directory::{Changes, ImportError, ImportReport, NewPassword, RowError, Unnamed};
pub use error::StoreError;
pub use expiry::{StoredCertificate, Table, Tally};
pub use log::{Durable, EventLog, LogHealth};
pub use queries::{CallStory, Calls, Cursor, MAX_PAGE, Page, RecordingRow};
pub use settings::{Lifetimes, LogSettings, Settings};
pub use spool::purge as purge_spool_file;
pub use store::{Store, Unkeyed};
