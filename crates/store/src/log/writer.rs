//! The one task that writes events: in groups to the database, or to the spool while that is away.
//!
//! While anything waits in the spool, new events go there too, so that they reach the database in order. Sealing and
//! spooling are disk work and run on threads that may block.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use vorzimmer_types::EventRecord;

use super::late::Values;
use super::{Durable, Request, Shared};
use crate::error::StoreError;
use crate::events::Prepared;
use crate::project;
use crate::seal::is_forgotten;
use crate::settings::LogSettings;
use crate::spool::Spool;
use crate::store::Store;

pub(super) struct Writer {
    store: Store,
    spool: Arc<Mutex<Spool>>,
    inbox: mpsc::Receiver<Request>,
    shared: Arc<Shared>,
    settings: LogSettings,
    /// Whether the database is taken to be away.
    away: bool,
    /// Events that could be neither sealed nor spooled; tried again with each batch.
    held: VecDeque<EventRecord>,
    late: Interval,
    retry: Interval,
}

/// What became of sealing a batch.
struct Sealing {
    prepared: Vec<Prepared>,
    refused: Vec<EventRecord>,
    forgotten: u64,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        spool: Spool,
        inbox: mpsc::Receiver<Request>,
        shared: Arc<Shared>,
        settings: LogSettings,
    ) -> Self {
        let ticking = |every| {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        Self {
            store,
            // What an earlier run left behind is written before anything new.
            away: !spool.is_empty(),
            spool: Arc::new(Mutex::new(spool)),
            inbox,
            shared,
            settings,
            held: VecDeque::new(),
            late: ticking(settings.late_every),
            retry: ticking(settings.retry_every),
        }
    }

    pub(super) async fn run(mut self) {
        let mut requests = Vec::new();
        loop {
            self.report();
            let most = self.settings.batch_records.max(1);
            tokio::select! {
                taken = self.inbox.recv_many(&mut requests, most) => {
                    if taken == 0 {
                        self.settle(Vec::new()).await;
                        return;
                    }
                    self.wait_for_company(&mut requests).await;
                    if self.handle(std::mem::take(&mut requests)).await.is_break() {
                        return;
                    }
                }
                _ = self.retry.tick(), if self.away => self.catch_up().await,
                _ = self.late.tick(), if !self.away => {
                    self.settle(Vec::new()).await;
                    self.write_late().await;
                }
            }
        }
    }

    /// Lets a batch fill up for a moment: one sync serves many events.
    async fn wait_for_company(&mut self, requests: &mut Vec<Request>) {
        let missing = self.settings.batch_records.saturating_sub(requests.len());
        let only_events = requests.iter().all(|request| matches!(request, Request::Append(_)));
        if missing == 0 || !only_events {
            return;
        }
        // Running out of time here is the usual end: the batch is what it is.
        let _ = timeout(self.settings.batch_wait, self.inbox.recv_many(requests, missing)).await;
    }

    async fn handle(&mut self, requests: Vec<Request>) -> std::ops::ControlFlow<()> {
        let mut batch = Vec::new();
        for request in requests {
            match request {
                Request::Append(record) => batch.push(*record),
                Request::Flush(answer) => {
                    let durable = self.flush(std::mem::take(&mut batch)).await;
                    answered(answer, durable);
                }
                Request::Purge(through, answer) => {
                    self.settle(std::mem::take(&mut batch)).await;
                    let purged = self.on_spool(move |spool| spool.purge(through)).await;
                    answered(answer, purged);
                }
                Request::Close(answer) => {
                    self.inbox.close();
                    while let Some(request) = self.inbox.recv().await {
                        if let Request::Append(record) = request {
                            batch.push(*record);
                        }
                    }
                    let durable = self.flush(batch).await;
                    answered(answer, durable);
                    return std::ops::ControlFlow::Break(());
                }
            }
        }
        self.settle(batch).await;
        std::ops::ControlFlow::Continue(())
    }

    async fn flush(&mut self, batch: Vec<EventRecord>) -> Result<Durable, StoreError> {
        self.settle(batch).await;
        if self.away {
            self.catch_up().await;
        }
        self.write_late().await;
        self.report();
        match (self.held.len(), self.away) {
            (0, false) => Ok(Durable::Database),
            (0, true) => Ok(Durable::Spool),
            (held, _) => Err(StoreError::Unsaved { events: held }),
        }
    }

    /// Brings a batch, and what was held back before, to the database or to the spool.
    async fn settle(&mut self, batch: Vec<EventRecord>) {
        let mut records: Vec<EventRecord> = self.held.drain(..).collect();
        records.extend(batch);
        if records.is_empty() {
            return;
        }
        let sealing = self.seal(records).await;
        self.shared.forgotten.fetch_add(sealing.forgotten, Ordering::Relaxed);
        self.hold(sealing.refused);
        let prepared = sealing.prepared;
        if prepared.is_empty() {
            return;
        }
        if !self.away {
            match self.commit(&prepared, None).await {
                Ok(()) => return,
                Err(error) => self.leave(&error),
            }
        }
        self.spool(prepared).await;
    }

    async fn seal(&self, records: Vec<EventRecord>) -> Sealing {
        let inner = Arc::clone(&self.store.inner);
        let backup = records.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let mut sealing = Sealing { prepared: Vec::new(), refused: Vec::new(), forgotten: 0 };
            for record in records {
                match Prepared::seal(&inner.seals, &inner.settings.lifetimes, record.clone()) {
                    Ok(prepared) => sealing.prepared.push(prepared),
                    Err(StoreError::Vault { source }) if is_forgotten(&source) => sealing.forgotten += 1,
                    Err(error) => {
                        tracing::error!(call = %record.call, seq = record.seq, %error, "an event cannot be sealed");
                        sealing.refused.push(record);
                    }
                }
            }
            sealing
        });
        // The thread is gone only while the process ends; nothing is given up even then.
        sealing.await.unwrap_or(Sealing { prepared: Vec::new(), refused: backup, forgotten: 0 })
    }

    /// One transaction, given up after its time. It may still take effect later: writing it again does no harm.
    async fn commit(&self, batch: &[Prepared], late: Option<&Values>) -> Result<(), StoreError> {
        let inner = &self.store.inner;
        let work = async {
            let mut tx = inner.database.begin().await?;
            let unfolded = project::write(&mut tx, &inner.seals, &inner.settings.lifetimes, batch).await?;
            if let Some(late) = late {
                late.write(&mut tx, &inner.seals).await?;
            }
            tx.commit().await?;
            Ok(unfolded)
        };
        let patience = self.settings.commit_timeout;
        let waited_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let unfolded = timeout(patience, work).await.unwrap_or(Err(StoreError::Stalled { waited_ms }))?;
        for call in unfolded {
            self.shared.unfolded.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%call, "a call's record could not be folded; its events are in the log");
        }
        Ok(())
    }

    async fn spool(&mut self, prepared: Vec<Prepared>) {
        let count = prepared.len() as u64;
        let records: Vec<EventRecord> = prepared.iter().map(|event| event.record.clone()).collect();
        let written =
            self.on_spool(move |spool| spool.append(prepared.iter().map(|event| &event.sealed))).await;
        match written {
            Ok(()) => {
                self.shared.spooled.fetch_add(count, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::error!(%error, count, "events can be neither stored nor spooled; they wait in memory");
                self.hold(records);
            }
        }
    }

    /// Keeps events in memory, as many as the queue may hold. The newest are lost first: the older ones tell how a
    /// call began, and whose it is.
    fn hold(&mut self, records: Vec<EventRecord>) {
        for record in records {
            if self.held.len() < self.settings.queue_records {
                self.held.push_back(record);
            } else {
                self.shared.lose(&record, "database, spool and memory are full");
            }
        }
    }

    /// Writes one batch from the spool to the database; comes back at once if there is more.
    async fn catch_up(&mut self) {
        match self.replay().await {
            Ok(true) => self.retry.reset_immediately(),
            Ok(false) => {
                self.away = false;
                tracing::info!("the database is back, and nothing waits in the spool");
            }
            Err(error) => tracing::debug!(%error, "the database is still away"),
        }
    }

    /// Says whether more is left in the spool.
    async fn replay(&mut self) -> Result<bool, StoreError> {
        let most = self.settings.batch_records.max(1);
        let store = self.store.clone();
        let shared = Arc::clone(&self.shared);
        let (events, place) = self
            .on_spool(move |spool| {
                let (sealed, place) = spool.peek(most)?;
                let mut events = Vec::with_capacity(sealed.len());
                for event in sealed {
                    let (call, seq) = (event.call, event.seq);
                    match Prepared::open(&store.inner.seals, event) {
                        Ok(event) => events.push(event),
                        Err(StoreError::Vault { source }) if is_forgotten(&source) => {
                            shared.forgotten.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error @ (StoreError::Content { .. } | StoreError::Contradiction { .. })) => {
                            shared.lost.fetch_add(1, Ordering::Relaxed);
                            tracing::error!(%call, seq, %error, "an event in the spool makes no sense and was lost");
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok((events, place))
            })
            .await?;
        self.commit(&events, None).await?;
        self.on_spool(move |spool| spool.advance(place).map(|()| !spool.is_empty())).await
    }

    async fn write_late(&mut self) {
        if self.away {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let Some(values) = shared.late.pending() else {
            return;
        };
        match self.commit(&[], Some(&values)).await {
            Ok(()) => shared.late.settle(&values),
            Err(error) => self.leave(&error),
        }
    }

    fn leave(&mut self, error: &StoreError) {
        self.away = true;
        self.retry.reset();
        tracing::warn!(%error, "the database is away; events go to the sealed spool");
    }

    async fn on_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let spool = Arc::clone(&self.spool);
        let done = tokio::task::spawn_blocking(move || {
            // A panic in the spool leaves at worst an unfinished record behind its end, which the next one overwrites.
            work(&mut spool.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.unwrap_or(Err(StoreError::Closed))
    }

    fn report(&self) {
        let spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.away.store(self.away, Ordering::Relaxed);
        self.shared.spool_bytes.store(spool.bytes(), Ordering::Relaxed);
        self.shared.held.store(self.held.len() as u64, Ordering::Relaxed);
    }
}

/// Answers a request. Whoever asked may have gone away; then nobody wants to know.
fn answered<T>(to: oneshot::Sender<T>, answer: T) {
    drop(to.send(answer));
}
