//! Destroys withdrawn recordings, off the control task: keys first, then the file. Then the call's history says so.
//!
//! A destruction that fails is tried again until it succeeds. One that a crash interrupts is found again at the next
//! start, because its recording is marked as withdrawn and not as destroyed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use vorzimmer_retention::destroy_voices;
use vorzimmer_store::{Store, StoreError};
use vorzimmer_types::{CallId, RecordingId};
use vorzimmer_vault::KeyStore;

use crate::clock;

/// Destructions that wait for the task.
const QUEUE: usize = 1024;
/// Destructions that wait while even the queue is full; beyond, the next start finds them.
const OVERFLOW: usize = 65_536;
/// A disk or database that refused is tried again after this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Why, in the call's history.
const WITHDRAWN: &str = "withdrawn";

/// A recording to destroy, and of which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// The call.
    pub call: CallId,
    /// The recording.
    pub recording: RecordingId,
}

/// The control task's side.
pub struct Destroyer {
    queue: mpsc::Sender<Doomed>,
    overflow: VecDeque<Doomed>,
    store: Store,
}

impl Destroyer {
    /// Starts the task. What is destroyed comes out of the channel.
    pub fn start(keys: Arc<KeyStore>, folder: PathBuf, store: Store) -> (Self, mpsc::Receiver<Doomed>) {
        let (queue, mut jobs) = mpsc::channel::<Doomed>(QUEUE);
        let (tell, done) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            while let Some(doomed) = jobs.recv().await {
                destroy_until_gone(&keys, &folder, doomed).await;
                if tell.send(doomed).await.is_err() {
                    return;
                }
            }
        });
        (Self { queue, overflow: VecDeque::new(), store }, done)
    }

    /// Wants a recording destroyed. Never waits.
    pub fn destroy(&mut self, doomed: Doomed) {
        if let Err(refused) = self.queue.try_send(doomed) {
            if self.overflow.len() < OVERFLOW {
                self.overflow.push_back(refused.into_inner());
            } else {
                tracing::error!(recording = %doomed.recording, "too many destructions wait: the next start does this one");
            }
        }
    }

    /// Hands over what had to wait.
    pub fn retry(&mut self) {
        while let Some(doomed) = self.overflow.pop_front() {
            if let Err(refused) = self.queue.try_send(doomed) {
                self.overflow.push_front(refused.into_inner());
                return;
            }
        }
    }

    /// Adds the destruction to the history of a call that is over and no longer known to the exchange.
    pub fn note_afterwards(&self, doomed: Doomed) {
        let store = self.store.clone();
        tokio::spawn(async move {
            let recording = doomed.recording;
            loop {
                match store.note_destroyed(recording, clock::wall(), WITHDRAWN).await {
                    Ok(()) | Err(StoreError::NoRecording { .. }) => return,
                    Err(error) => {
                        tracing::error!(%recording, %error, "a destruction cannot be written down yet");
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                }
            }
        });
    }
}

async fn destroy_until_gone(keys: &Arc<KeyStore>, folder: &Path, doomed: Doomed) {
    loop {
        let (keys, folder) = (Arc::clone(keys), folder.to_owned());
        let recording = doomed.recording;
        let gone = tokio::task::spawn_blocking(move || destroy_voices(&keys, &folder, recording)).await;
        match gone {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => tracing::error!(%recording, %error, "a recording could not be destroyed yet"),
            Err(error) => tracing::error!(%recording, %error, "a destruction was interrupted"),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
