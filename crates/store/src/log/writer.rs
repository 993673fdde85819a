//! The one task that writes events: in groups to the database, or to the spool while that is away.
//!
//! While anything waits in the spool, new events go there too, so that they reach the database in order. Sealing and
//! spooling are disk work and run on threads that may block.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use vorzimmer_types::EventRecord;

use super::commit::commit;
use super::replay::{on_spool, replay};
use super::{Durable, Once, Request, Shared};
use crate::error::StoreError;
use crate::events::Prepared;
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
    /// Events that could be neither sealed nor spooled; tried again now and then.
    held: VecDeque<Arc<EventRecord>>,
    /// The way back from the spool, while it is being tried.
    replay: Option<JoinHandle<Result<bool, StoreError>>>,
    late: Interval,
    retry: Interval,
}

/// What became of sealing a batch.
struct Sealing {
    prepared: Vec<Prepared>,
    refused: Vec<Arc<EventRecord>>,
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
            replay: None,
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
                        self.settle_held().await;
                        return;
                    }
                    self.wait_for_company(&mut requests).await;
                    if let ControlFlow::Break(Closed { durable, answer }) =
                        self.handle(std::mem::take(&mut requests)).await
                    {
                        // Whoever asked may open the spool at once.
                        drop(self);
                        answered(answer, durable);
                        return;
                    }
                }
                outcome = finished(&mut self.replay) => self.replayed(outcome),
                _ = self.retry.tick(), if self.away && self.replay.is_none() => {
                    self.settle_held().await;
                    self.start_replay();
                }
                _ = self.late.tick(), if !self.away => {
                    self.settle_held().await;
                    self.write_late().await;
                }
            }
        }
    }

    /// Lets a batch fill up for a moment, unless somebody waits for it: one transaction and one sync serve many events.
    async fn wait_for_company(&mut self, requests: &mut Vec<Request>) {
        let unhurried = |request: &Request| matches!(request, Request::Append(_) | Request::Once(_));
        if requests.len() >= self.settings.batch_records || !requests.iter().all(unhurried) {
            return;
        }
        // Not waiting for the next event itself, which would wake this task for each.
        tokio::select! {
            () = sleep(self.settings.gather) => {}
            () = self.shared.hurry.notified() => {}
            () = self.shared.soon.notified() => {
                tokio::select! {
                    () = sleep(self.settings.batch_wait) => {}
                    () = self.shared.hurry.notified() => {}
                }
            }
        }
        while requests.len() < self.settings.batch_records
            && let Ok(request) = self.inbox.try_recv()
        {
            requests.push(request);
        }
    }

    async fn handle(&mut self, requests: Vec<Request>) -> ControlFlow<Closed> {
        let (mut batch, mut then) = (Vec::new(), Vec::new());
        for request in requests {
            match request {
                Request::Append(record) => batch.push(record),
                Request::Once(done) => then.push(done),
                Request::Flush(answer) => {
                    let durable = self.flush(std::mem::take(&mut batch)).await;
                    answered(answer, durable);
                }
                Request::Purge(through, answer) => {
                    self.settle(std::mem::take(&mut batch)).await;
                    // A replay under way knows places in the file that is about to be replaced.
                    self.end_replay().await;
                    let purged = on_spool(&self.spool, move |spool| spool.purge(through)).await;
                    answered(answer, purged);
                }
                Request::Close(answer) => {
                    self.inbox.close();
                    while let Some(request) = self.inbox.recv().await {
                        match request {
                            Request::Append(record) => batch.push(record),
                            Request::Once(done) => then.push(done),
                            Request::Flush(_) | Request::Purge(..) | Request::Close(_) => {}
                        }
                    }
                    let durable = self.flush(batch).await;
                    self.tell(then);
                    return ControlFlow::Break(Closed { durable, answer });
                }
            }
        }
        self.settle(batch).await;
        self.tell(then);
        ControlFlow::Continue(())
    }

    /// Everything taken so far is in the database, in the spool, or held.
    fn tell(&self, then: Vec<Once>) {
        for done in then {
            done(match self.held.len() {
                0 => Ok(()),
                events => Err(StoreError::Unsaved { events }),
            });
        }
    }

    async fn flush(&mut self, batch: Vec<Arc<EventRecord>>) -> Result<Durable, StoreError> {
        let was_away = self.away;
        self.settle(batch).await;
        if was_away && self.away {
            if self.replay.is_none() {
                self.start_replay();
            }
            self.end_replay().await;
        }
        self.settle_held().await;
        self.write_late().await;
        self.report();
        match (self.held.len(), self.away) {
            (0, false) => Ok(Durable::Database),
            (0, true) => Ok(Durable::Spool),
            (held, _) => Err(StoreError::Unsaved { events: held }),
        }
    }

    /// Tries again what was held back.
    async fn settle_held(&mut self) {
        let held = self.held.drain(..).collect();
        self.settle(held).await;
    }

    /// Brings a batch to the database or to the spool, or holds it back.
    async fn settle(&mut self, batch: Vec<Arc<EventRecord>>) {
        if batch.is_empty() {
            return;
        }
        let sealing = self.seal(batch).await;
        if sealing.forgotten > 0 {
            self.shared.forgotten.fetch_add(sealing.forgotten, Ordering::Relaxed);
            tracing::warn!(
                events = sealing.forgotten,
                "events of a day that is already forgotten were dropped; is the clock right?"
            );
        }
        self.hold(sealing.refused);
        let prepared = sealing.prepared;
        if prepared.is_empty() {
            return;
        }
        if !self.away {
            match commit(&self.store, &self.shared, &self.settings, &prepared, None).await {
                Ok(()) => return,
                Err(error) => self.leave(&error),
            }
        }
        self.set_aside(prepared).await;
    }

    async fn seal(&self, records: Vec<Arc<EventRecord>>) -> Sealing {
        let inner = Arc::clone(&self.store.inner);
        let backup = records.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let mut sealing = Sealing { prepared: Vec::new(), refused: Vec::new(), forgotten: 0 };
            let mut keys = inner.seals.keyring();
            for record in records.iter() {
                match Prepared::seal(&mut keys, &inner.settings.lifetimes, Arc::clone(record)) {
                    Ok(prepared) => sealing.prepared.push(prepared),
                    Err(StoreError::Vault { source }) if is_forgotten(&source) => sealing.forgotten += 1,
                    Err(error) => {
                        tracing::error!(call = %record.call, seq = record.seq, %error, "an event cannot be sealed");
                        sealing.refused.push(Arc::clone(record));
                    }
                }
            }
            sealing
        });
        // The thread is gone only while the process ends; nothing is given up even then.
        sealing.await.unwrap_or_else(|_| Sealing { prepared: Vec::new(), refused: backup, forgotten: 0 })
    }

    async fn set_aside(&mut self, prepared: Vec<Prepared>) {
        let count = prepared.len() as u64;
        let records: Vec<_> = prepared.iter().map(|event| Arc::clone(&event.record)).collect();
        let written =
            on_spool(&self.spool, move |spool| spool.append(prepared.iter().map(|event| &event.sealed)))
                .await;
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
    fn hold(&mut self, records: Vec<Arc<EventRecord>>) {
        for record in records {
            if self.held.len() < self.settings.queue_records {
                self.held.push_back(record);
            } else {
                self.shared.lose(&record, "database, spool and memory are full");
            }
        }
    }

    /// Sets out to write the spool's next batch to the database.
    fn start_replay(&mut self) {
        let work =
            replay(self.store.clone(), Arc::clone(&self.spool), Arc::clone(&self.shared), self.settings);
        self.replay = Some(tokio::spawn(work));
    }

    async fn end_replay(&mut self) {
        if self.replay.is_some() {
            let outcome = finished(&mut self.replay).await;
            self.replayed(outcome);
        }
    }

    fn replayed(&mut self, outcome: Result<bool, StoreError>) {
        match outcome {
            Ok(true) => self.retry.reset_immediately(),
            Ok(false) => {
                // Only now may events go to the database directly: whatever was told before them is there.
                let empty = self.spool().is_empty();
                self.away = !empty;
                if empty {
                    tracing::info!("the database is back, and nothing waits in the spool");
                }
            }
            Err(error) => tracing::debug!(%error, "the database is still away"),
        }
    }

    async fn write_late(&mut self) {
        if self.away {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let Some(values) = shared.late.pending() else {
            return;
        };
        match commit(&self.store, &shared, &self.settings, &[], Some(&values)).await {
            Ok(()) => shared.late.settle(&values),
            Err(error) => self.leave(&error),
        }
    }

    fn leave(&mut self, error: &StoreError) {
        self.away = true;
        self.retry.reset();
        tracing::warn!(%error, "the database is away; events go to the sealed spool");
    }

    fn spool(&self) -> std::sync::MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) {
        self.shared.away.store(self.away, Ordering::Relaxed);
        self.shared.spool_bytes.store(self.spool().bytes(), Ordering::Relaxed);
        self.shared.held.store(self.held.len() as u64, Ordering::Relaxed);
    }
}

/// Waits for a replay and takes it out; for ever if none is under way.
async fn finished(replay: &mut Option<JoinHandle<Result<bool, StoreError>>>) -> Result<bool, StoreError> {
    let Some(handle) = replay else {
        return std::future::pending().await;
    };
    let outcome = handle.await.unwrap_or(Err(StoreError::Closed));
    *replay = None;
    outcome
}

/// Answers a request. Whoever asked may have gone away; then nobody wants to know.
/// The log has come to its end, and who wants to know.
struct Closed {
    durable: Result<Durable, StoreError>,
    answer: oneshot::Sender<Result<Durable, StoreError>>,
}

fn answered<T>(to: oneshot::Sender<T>, answer: T) {
    drop(to.send(answer));
}
