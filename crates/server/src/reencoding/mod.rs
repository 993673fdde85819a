//! After the call: recordings are encoded again to Opus while the machine has nothing else to do, if the operator wants it.
//!
//! A reconciler: it looks for a recording that is as it came, makes a smaller copy of it, listens to that, puts it in the
//! original's place and writes down that it did. Killed between any two of these, the next start throws an unfinished
//! copy away, and finds a finished one by what its file says of itself. Calls come first: all work is done in small steps
//! by a thread of the lowest priority, and none while calls are running.

mod copying;
mod idle;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use vorzimmer_api::meters;
use vorzimmer_store::{Cursor, RecordingRow, StoreError};
use vorzimmer_types::{Event, RecordingId, UnixMillis};
use vorzimmer_vault::callrec::file::remove_copy;

use crate::clock;
use crate::config::Reencoding;
use crate::control::Report;
use crate::recordings::Sealed;
use crate::rooms::Rooms;
use copying::{Copied, Outcome, Work};
use idle::Idle;
use worker::Worker;

/// How often is looked for recordings.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Recordings that are looked up at a time.
const BATCH: u32 = 32;
/// A copy for which calls leave no time is given up after this long, and begun again some other time.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Before every recording.
const BEGINNING: Cursor = Cursor { at: UnixMillis(i64::MIN), id: [0; 16] };

/// Why a recording is not encoded again now. It is tried again later.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    NotFound(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Recording(#[from] vorzimmer_recorder::Error),
    #[error(transparent)]
    Vault(#[from] vorzimmer_vault::Error),
    #[error("{doing}: {source}")]
    File { doing: &'static str, source: std::io::Error },
    #[error("calls left no time for it")]
    Busy,
    #[error("the thread has ended")]
    Ended,
}

/// Encodes recordings again.
struct Reencoder {
    rooms: Rooms,
    folder: PathBuf,
    settings: Reencoding,
    idle: Idle,
    worker: Worker,
}

/// Throws away what a killed run left, and encodes until the process ends, if the operator wants that.
pub fn keep_reencoding(rooms: Rooms, folder: PathBuf, settings: Reencoding, report: watch::Receiver<Report>) {
    if let Err(error) = copying::clear(&folder) {
        tracing::error!(%error, "unfinished copies of recordings cannot be removed; the next start tries again");
    }
    if !settings.enabled {
        return;
    }
    let worker = match Worker::start() {
        Ok(worker) => worker,
        Err(error) => {
            tracing::error!(%error, "recordings are not encoded again: there is no thread for it");
            return;
        }
    };
    let idle = Idle::new(&settings, report);
    let reencoder = Reencoder { rooms, folder, settings, idle, worker };
    tokio::spawn(reencoder.run());
}

impl Reencoder {
    async fn run(mut self) {
        let mut after = BEGINNING;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if !self.idle.is_now() {
                continue;
            }
            after = match self.batch(after).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "recordings to be encoded again cannot be looked up");
                    after
                }
            };
        }
    }

    /// Works on what stands after a place in the list, and says where to go on.
    async fn batch(&mut self, after: Cursor) -> Result<Cursor, StoreError> {
        let now = clock::wall();
        let old_enough = UnixMillis(now.0.saturating_sub(self.settings.after_ms()));
        let rows = self.rooms.store.as_they_came(after, old_enough, now.day(), BATCH).await?;
        let mut after = rows.first().map_or(BEGINNING, |_| after);
        for row in rows {
            if !self.idle.is_now() {
                break;
            }
            after = Cursor { at: row.started_at, id: *row.recording.as_bytes() };
            let recording = row.recording;
            if let Err(error) = self.one(row).await {
                tracing::warn!(%recording, %error, "a recording could not be encoded again; it stays as it came for now");
                self.remove_copy(recording).await;
            }
        }
        Ok(after)
    }

    /// Leaves nothing of a copy that was not finished. What cannot be removed now goes with its recording at the latest.
    async fn remove_copy(&self, recording: RecordingId) {
        let folder = self.folder.clone();
        match self.worker.run(move || remove_copy(&folder, recording)).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::error!(%recording, %error, "an unfinished copy cannot be removed; the next start tries again");
            }
            None => {
                tracing::error!(%recording, "an unfinished copy stays: the thread that removes it has ended")
            }
        }
    }

    async fn one(&mut self, row: RecordingRow) -> Result<(), Trouble> {
        let outcome = self.worked(row.clone()).await?;
        let recording = row.recording;
        let (event, label) = match outcome {
            Outcome::Gone => return Ok(()),
            Outcome::Copied(Copied { pages, bytes_before, bytes_after }) => {
                tracing::info!(%recording, bytes_before, bytes_after, "a recording is encoded again");
                (Event::RecordingReencoded { recording, pages, bytes_before, bytes_after }, "copied")
            }
            Outcome::Left(why) => {
                tracing::info!(%recording, why, "a recording stays as it came");
                (Event::RecordingNotReencoded { recording, why }, "left")
            }
        };
        self.rooms.store.note_of(&row, clock::wall(), event).await?;
        counter!(meters::REENCODED, "outcome" => label).increment(1);
        Ok(())
    }

    /// Does the work step by step, each only while the machine is idle.
    async fn worked(&mut self, row: RecordingRow) -> Result<Outcome, Trouble> {
        let sealed = Sealed::of_row(&self.rooms, &self.folder, row).await;
        let sealed = sealed.map_err(|failure| Trouble::NotFound(failure.what))?;
        let (folder, keys) = (self.folder.clone(), Arc::clone(&self.rooms.keys));
        let mut work =
            self.worker.run(move || Work::begin(sealed, folder, keys)).await.ok_or(Trouble::Ended)??;
        loop {
            work = match work {
                Work::Done(outcome) => return Ok(outcome),
                work => {
                    self.idle.wait(PATIENCE).await?;
                    self.worker.run(move || work.go_on()).await.ok_or(Trouble::Ended)??
                }
            };
        }
    }
}

#[cfg(test)]
mod tests;
