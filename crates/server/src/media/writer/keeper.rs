//! What a disk may take its time for: making keys and files, syncing in groups, closing, taking back.
//!
//! It runs on a thread of its own, so that no sync keeps another recording's page from the file. Keys are synced before
//! pages: pages whose keys a power cut takes away are nothing.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::mpsc::{Receiver, Sender};

use vorzimmer_types::{CallId, CustomerId, Day, RecordingId};
use vorzimmer_vault::callrec::{MAX_SLOTS, file as names};
use vorzimmer_vault::keys::SlotSecret;

use super::file::{OpenFile, Written};
use super::{Begun, Report, WriterParts};
use crate::clock::{self, SystemEntropy};

/// So many recordings that wait to be synced are synced together.
const TOGETHER: usize = 8;

/// Something that may take its time.
#[derive(Debug)]
pub enum Task {
    /// Make keys and a file.
    Make {
        /// Which worker wants to know.
        worker: usize,
        /// The call.
        call: CallId,
        /// Whose call.
        customer: CustomerId,
        /// The new recording.
        recording: RecordingId,
        /// How many voices it holds.
        slots: usize,
    },
    /// Make what was written so far safe.
    Sync {
        /// Which recording.
        recording: RecordingId,
        /// What was written.
        written: Written,
    },
    /// Make all of it safe and tell that it is closed.
    Close {
        /// Which worker wants to know.
        worker: usize,
        /// Which recording.
        recording: RecordingId,
        /// What was written.
        written: Written,
        /// Why it has no final page, if it has none.
        why: Option<String>,
    },
    /// Take back a file and keys that hold nothing.
    Forget {
        /// Which recording.
        recording: RecordingId,
    },
}

impl Task {
    /// What a worker is told if nobody is left to do this.
    pub fn undone(self) -> Option<(usize, Report)> {
        let gone = || "the thread that keeps recordings has ended".to_owned();
        match self {
            Self::Make { worker, recording, .. } => {
                Some((worker, Report::Refused { recording, why: gone() }))
            }
            Self::Close { worker, recording, written, why } => {
                let why = Some(why.unwrap_or_else(gone));
                Some((worker, Report::Closed { recording, pages: written.sound_pages(), why }))
            }
            Self::Sync { .. } | Self::Forget { .. } => None,
        }
    }
}

/// What the writer has to know.
#[derive(Debug)]
pub enum Told {
    /// A file to write to. The worker hears of it after this.
    Made {
        /// The recording.
        recording: RecordingId,
        /// Its file.
        file: OpenFile,
    },
    /// There is no file.
    NotMade {
        /// The recording.
        recording: RecordingId,
    },
    /// What would permit it cannot be kept: its file holds nothing, and is not wanted.
    NotPermitted {
        /// The recording.
        recording: RecordingId,
    },
    /// What was handed over to be synced is done.
    Synced {
        /// The recording.
        recording: RecordingId,
        /// Whether it would survive a power cut.
        safe: bool,
    },
}

/// The thread's own state.
pub struct Keeper {
    parts: WriterParts,
    tell: Sender<Told>,
    new_keys: bool,
}

impl Keeper {
    /// One that has made nothing yet.
    pub fn new(parts: WriterParts, tell: Sender<Told>) -> Self {
        Self { parts, tell, new_keys: false }
    }

    /// Works until the writer is gone and everything is done.
    pub fn run(mut self, tasks: &Receiver<Task>) {
        // Never longer than three for each recording: at most one sync is asked for at a time, then its close.
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                match tasks.recv() {
                    Ok(task) => waiting.push_back(task),
                    Err(_) => return,
                }
            }
            // Whoever waits to be recorded goes before whoever waits to be synced.
            while let Ok(task) = tasks.try_recv() {
                match task {
                    Task::Make { .. } => self.work(task),
                    later => waiting.push_back(later),
                }
            }
            self.sync_together(&mut waiting);
            if let Some(task) = waiting.pop_front() {
                self.work(task);
            }
        }
    }

    /// With many recordings to sync, one call for the whole disk costs less than one for each file.
    fn sync_together(&mut self, waiting: &mut VecDeque<Task>) {
        let syncs = waiting.iter().filter(|task| matches!(task, Task::Sync { .. })).count();
        if syncs < TOGETHER {
            return;
        }
        if let Err(why) = self.sync_keys().and_then(|()| self.sync_disk()) {
            // Each is tried by itself then, and says so.
            tracing::warn!(why, "the recordings cannot be synced together");
            return;
        }
        // All of it was written before the call.
        waiting.retain(|task| match task {
            Task::Sync { recording, written } => {
                self.parts.log.acknowledged(*recording, written.sound_pages());
                self.tell(Told::Synced { recording: *recording, safe: true });
                false
            }
            _ => true,
        });
    }

    /// Everything that was written to the recordings' file system survives a power cut when this returns.
    fn sync_disk(&self) -> Result<(), String> {
        let synced = File::open(&self.parts.folder).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
        synced.map_err(|error| format!("the disk does not keep what was written: {error}"))
    }

    fn sync_keys(&mut self) -> Result<(), String> {
        if self.new_keys {
            self.parts.keys.sync().map_err(|error| format!("the key store cannot be synced: {error}"))?;
            self.new_keys = false;
        }
        Ok(())
    }

    fn work(&mut self, task: Task) {
        match task {
            Task::Make { worker, call, customer, recording, slots } => {
                self.make(worker, call, customer, recording, slots);
            }
            Task::Sync { recording, written } => self.sync(recording, &written),
            Task::Close { worker, recording, written, why } => self.close(worker, recording, &written, why),
            Task::Forget { recording } => self.forget(recording),
        }
    }

    fn make(
        &mut self,
        worker: usize,
        call: CallId,
        customer: CustomerId,
        recording: RecordingId,
        slots: usize,
    ) {
        let expiry = clock::wall().day().plus(self.parts.days);
        match self.prepare(worker, customer, recording, slots, expiry) {
            Ok((file, secrets)) => {
                self.tell(Told::Made { recording, file });
                // It begins now: a slow disk may have taken its time.
                let begun = Begun { call, customer, recording, at: clock::wall(), expiry };
                let key_version = self.parts.keys.kek_version();
                let (tell, reporter) = (self.tell.clone(), self.parts.reporters.get(worker).cloned());
                let then = move |permitted: Result<(), String>| {
                    let report = match permitted {
                        Ok(()) => Report::Ready { recording, secrets, expiry, key_version },
                        Err(why) => {
                            tracing::error!(%call, %recording, why, "a recording cannot be begun");
                            // The writer may be gone already: then so is the file's use.
                            drop(tell.send(Told::NotPermitted { recording }));
                            Report::Refused { recording, why }
                        }
                    };
                    if let Some(reporter) = reporter {
                        reporter(report);
                    }
                };
                self.parts.log.begun(&begun, Box::new(then));
            }
            Err(why) => {
                tracing::error!(%call, %recording, why, "a recording cannot be begun");
                self.tell(Told::NotMade { recording });
                self.report(worker, Report::Refused { recording, why });
            }
        }
    }

    fn prepare(
        &mut self,
        worker: usize,
        customer: CustomerId,
        recording: RecordingId,
        slots: usize,
        expiry: Day,
    ) -> Result<(OpenFile, Vec<SlotSecret>), String> {
        let path = names::path(&self.parts.folder, recording);
        let file = OpenFile::create(&path, worker)
            .map_err(|error| format!("the recording's file cannot be made: {error}"))?;
        let secret = |slot| {
            self.parts
                .keys
                .new_slot_secret(recording, slot, customer, expiry, &mut SystemEntropy)
                .map_err(|error| format!("no key for the recording: {error}"))
        };
        match (0..).take(slots).map(secret).collect() {
            Ok(secrets) => {
                self.new_keys = true;
                Ok((file, secrets))
            }
            Err(why) => {
                self.forget(recording);
                Err(why)
            }
        }
    }

    fn sync(&mut self, recording: RecordingId, written: &Written) {
        let kept = self.keep(recording, written);
        if let Err(why) = &kept {
            tracing::error!(%recording, why, "what was written of a recording is not acknowledged");
        }
        self.tell(Told::Synced { recording, safe: kept.is_ok() });
    }

    fn close(&mut self, worker: usize, recording: RecordingId, written: &Written, why: Option<String>) {
        let kept = self.keep(recording, written);
        let pages = written.sound_pages();
        self.report(worker, Report::Closed { recording, pages, why: why.or(kept.err()) });
    }

    fn keep(&mut self, recording: RecordingId, written: &Written) -> Result<(), String> {
        self.sync_keys()?;
        written.sync().map_err(|error| format!("the disk does not keep what was written: {error}"))?;
        self.parts.log.acknowledged(recording, written.sound_pages());
        Ok(())
    }

    fn forget(&self, recording: RecordingId) {
        for slot in (0..).take(MAX_SLOTS) {
            if let Err(error) = self.parts.keys.destroy_slot(recording, slot) {
                tracing::error!(%recording, %error, "the unused key of a recording could not be destroyed");
            }
        }
        if let Err(error) = names::remove(&names::path(&self.parts.folder, recording)) {
            tracing::error!(%recording, %error, "an empty recording could not be removed");
        }
    }

    fn tell(&self, told: Told) {
        if self.tell.send(told).is_err() {
            tracing::error!("the recordings' writer is gone");
        }
    }

    fn report(&self, worker: usize, report: Report) {
        if let Some(reporter) = self.parts.reporters.get(worker) {
            reporter(report);
        }
    }
}
