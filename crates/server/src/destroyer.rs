//! Destroys withdrawn recordings, off the control task: keys first, then the file. Then the call's history says so.
//!
//! A destruction that fails is tried again until it succeeds. One that a crash interrupts is found again at the next
//! start, because its recording is marked as withdrawn and not as destroyed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
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
    runtime: Handle,
}

impl Destroyer {
    /// Starts the task. What is destroyed comes out of the channel.
    pub fn start(keys: Arc<KeyStore>, folder: PathBuf, store: Store) -> (Self, mpsc::Receiver<Doomed>) {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (tell, done) = mpsc::channel(QUEUE);
        tokio::spawn(destroy_all(keys, folder, jobs, tell));
        (Self { queue, overflow: VecDeque::new(), store, runtime: Handle::current() }, done)
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
        self.runtime.spawn(async move {
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

/// Destroys whatever comes, and tries again what could not be destroyed, which keeps nothing else waiting.
async fn destroy_all(
    keys: Arc<KeyStore>,
    folder: PathBuf,
    mut jobs: mpsc::Receiver<Doomed>,
    tell: mpsc::Sender<Doomed>,
) {
    let mut stubborn: VecDeque<Doomed> = VecDeque::new();
    let mut again = Instant::now();
    loop {
        let now_tried = tokio::select! {
            Some(doomed) = jobs.recv() => VecDeque::from([doomed]),
            () = sleep_until(again), if !stubborn.is_empty() => std::mem::take(&mut stubborn),
            else => return,
        };
        for doomed in now_tried {
            if destroy(&keys, &folder, doomed.recording).await {
                if tell.send(doomed).await.is_err() {
                    return;
                }
            } else if stubborn.len() < OVERFLOW {
                if stubborn.is_empty() {
                    again = Instant::now() + RETRY_AFTER;
                }
                stubborn.push_back(doomed);
            } else {
                tracing::error!(recording = %doomed.recording, "too many cannot be destroyed: the next start tries this one");
            }
        }
    }
}

/// Whether nothing is left of it.
async fn destroy(keys: &Arc<KeyStore>, folder: &Path, recording: RecordingId) -> bool {
    let (keys, folder) = (Arc::clone(keys), folder.to_owned());
    match tokio::task::spawn_blocking(move || destroy_voices(&keys, &folder, recording)).await {
        Ok(Ok(_)) => return true,
        Ok(Err(error)) => tracing::error!(%recording, %error, "a recording could not be destroyed yet"),
        Err(error) => tracing::error!(%recording, %error, "a destruction was interrupted"),
    }
    false
}

#[cfg(test)]
mod tests {
    use vorzimmer_vault::callrec::file;

    use super::*;
    use crate::config;
    use crate::rooms::{FirstStart, Rooms};

    #[tokio::test]
    async fn one_that_cannot_be_destroyed_keeps_no_other_waiting() {
        let home = tempfile::tempdir().expect("a folder");
        let text = "[data]\nfolder = \"data\"\nrecordings = \"rec\"\nkeys = \"keys/keys.db\"\n[key]\nfile = \"kek/key\"\n";
        let settings = config::parse(text, "test", home.path(), []).expect("valid").settings;
        let rooms = Rooms::open(&settings, FirstStart::Welcome).await.expect("a first start");
        let folder = home.path().join("rec");
        let call = CallId::from_bytes([1; 16]);
        let [stuck, other] = [2, 3].map(|n| Doomed { call, recording: RecordingId::from_bytes([n; 16]) });
        // No file can be removed where a folder stands.
        let in_the_way = file::path(&folder, stuck.recording);
        std::fs::create_dir_all(in_the_way.join("x")).expect("a folder in the way");
        std::fs::write(file::path(&folder, other.recording), "voices").expect("a file");

        let (mut destroyer, mut gone) =
            Destroyer::start(Arc::clone(&rooms.keys), folder.clone(), rooms.store);
        destroyer.destroy(stuck);
        destroyer.destroy(other);
        assert_eq!(gone.recv().await, Some(other));
        assert!(!file::path(&folder, other.recording).exists());
        std::fs::remove_dir_all(&in_the_way).expect("out of the way");
        assert_eq!(gone.recv().await, Some(stuck), "it is tried until it succeeds");
    }
}
