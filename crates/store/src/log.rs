//! The way of an event into the database, which never makes a call wait and never loses one quietly.
//!
//! [`EventLog`] is the handle, held by everything that has something to tell. Behind it one task, [`Writer`], takes
//! events from a bounded queue and writes them in groups; when the database stalls or is gone, to the sealed spool.

mod commit;
mod late;
mod replay;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, mpsc, oneshot};
use vorzimmer_types::{Day, Event, EventRecord, ReceptionistId, RecordingId};

use crate::bindings::Binding;
use crate::error::StoreError;
use crate::settings::LogSettings;
use crate::spool::Spool;
use crate::store::Store;
use late::Late;
use writer::Writer;

/// The handle on the event log. Cheap to clone.
#[derive(Clone)]
pub struct EventLog {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

/// Where everything that was appended before a flush is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// In the database.
    Database,
    /// In the spool, some of it, because the database is away.
    Spool,
}

/// How the event log is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogHealth {
    /// Whether the database is away: events go to the spool.
    pub away: bool,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// Events written to the spool since start.
    pub spooled: u64,
    /// Events that neither database nor spool takes; they wait in memory.
    pub held: u64,
    /// Events lost since start, because every place was full.
    pub lost: u64,
    /// Events dropped since start, because they were due before they could be written.
    pub forgotten: u64,
    /// Call records that could not be folded since start; their events are in the log.
    pub unfolded: u64,
}

/// What somebody wants done once what was told before is durable.
type Once = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

enum Request {
    Append(Arc<EventRecord>),
    Once(Once),
    Flush(oneshot::Sender<Result<Durable, StoreError>>),
    Purge(Day, oneshot::Sender<Result<u64, StoreError>>),
    Close(oneshot::Sender<Result<Durable, StoreError>>),
}

#[derive(Debug, Default)]
struct Shared {
    late: Late,
    /// Somebody waits for what is being gathered.
    hurry: Notify,
    /// What is being gathered should not wait for long.
    soon: Notify,
    away: AtomicBool,
    spool_bytes: AtomicU64,
    spooled: AtomicU64,
    held: AtomicU64,
    lost: AtomicU64,
    forgotten: AtomicU64,
    unfolded: AtomicU64,
}

impl EventLog {
    /// Starts the log with its spool in the file `spool`. What an earlier run left there is written first.
    ///
    /// # Errors
    /// [`StoreError::SpoolInUse`] if another server writes it, [`StoreError::File`] if it cannot be opened.
    pub fn start(store: Store, spool: &Path, settings: LogSettings) -> Result<Self, StoreError> {
        let spool = Spool::open(spool, settings.spool_bytes)?;
        let (requests, inbox) = mpsc::channel(settings.queue_records.max(1));
        let shared = Arc::new(Shared::default());
        let writer = Writer::new(store, spool, inbox, Arc::clone(&shared), settings);
        tokio::spawn(writer.run());
        Ok(Self { requests, shared })
    }

    /// Takes an event. Never waits and never fails: if the queue is full, the event is lost, counted and told.
    pub fn append(&self, record: EventRecord) {
        let soon = of_consequence(&record.event);
        if let Err(refused) = self.requests.try_send(Request::Append(Arc::new(record))) {
            let (mpsc::error::TrySendError::Full(request) | mpsc::error::TrySendError::Closed(request)) =
                refused;
            if let Request::Append(record) = request {
                self.shared.lose(&record, "the queue is full or closed");
            }
        } else if soon {
            self.shared.soon.notify_one();
        }
    }

    /// Takes note that `pages` pages of a recording are safely on disk. Written about once a second, newest count
    /// only; while the database is away the count waits in memory.
    pub fn acknowledge_pages(&self, recording: RecordingId, pages: u64) {
        self.shared.late.acknowledge(recording, pages);
    }

    /// Takes note of all of a receptionist's bindings, in place of those from before. Written about once a second.
    pub fn replace_bindings(&self, receptionist: ReceptionistId, bindings: Vec<Binding>) {
        self.shared.late.bind(receptionist, bindings);
    }

    /// Returns once everything that was appended before is durable.
    ///
    /// # Errors
    /// [`StoreError::Unsaved`] if neither database nor spool took it; [`StoreError::Closed`].
    pub async fn flush(&self) -> Result<Durable, StoreError> {
        self.ask(Request::Flush).await
    }

    /// Has `done` called once everything that was appended before is durable, or with the error if it cannot be. Never
    /// waits, and makes nobody hurry more than an event of consequence does.
    pub fn once_durable(&self, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let Err(refused) = self.requests.try_send(Request::Once(Box::new(done))) else {
            self.shared.soon.notify_one();
            return;
        };
        if let Request::Once(done) = refused.into_inner() {
            done(Err(StoreError::Closed));
        }
    }

    /// Drops what is due on `through` or before from the spool, and says how many events that were.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Closed`].
    pub async fn purge_spool(&self, through: Day) -> Result<u64, StoreError> {
        self.ask(|answer| Request::Purge(through, answer)).await
    }

    /// Writes what is left and ends the log. Events appended afterwards are lost, loudly.
    ///
    /// # Errors
    /// As [`EventLog::flush`].
    pub async fn close(&self) -> Result<Durable, StoreError> {
        self.ask(Request::Close).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.shared.hurry.notify_one();
        self.requests.send(request(answer)).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// How the log is doing.
    #[must_use]
    pub fn health(&self) -> LogHealth {
        let shared = &self.shared;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LogHealth {
            away: shared.away.load(Ordering::Relaxed),
            spool_bytes: count(&shared.spool_bytes),
            spooled: count(&shared.spooled),
            held: count(&shared.held),
            lost: count(&shared.lost),
            forgotten: count(&shared.forgotten),
            unfolded: count(&shared.unfolded),
        }
    }
}

/// Whether a recording stands or falls by an event: then it waits only [`LogSettings::batch_wait`] for company.
fn of_consequence(event: &Event) -> bool {
    matches!(
        event,
        Event::Consented { .. }
            | Event::RecordingStarted { .. }
            | Event::RecordingFinished { .. }
            | Event::RecordingDestroyed { .. }
            | Event::RecordingReencoded { .. }
            | Event::RecordingNotReencoded { .. }
    )
}

impl std::fmt::Debug for EventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLog").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Shared {
    /// An event is gone for good: each one is told on its own.
    fn lose(&self, record: &EventRecord, why: &'static str) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        tracing::error!(call = %record.call, seq = record.seq, why, "an event was lost");
    }
}
