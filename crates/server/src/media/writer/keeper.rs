//! What a disk may take its time for: making keys and files, syncing in groups, closing, taking back.
//!
//! It runs on a thread of its own, so that no sync keeps another recording's page from the file. Keys are synced before
//! pages: pages whose keys a power cut takes away are nothing.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
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
    Make(Making),
    /// Make what was written so far safe.
    Sync {
        /// Which recording.
        recording: RecordingId,
        /// What was written.
        written: Written,
    },
    /// Make all of it safe and tell that it is closed.
    Close(Closing),
    /// Take back a file and keys that hold nothing.
    Forget {
        /// Which recording.
        recording: RecordingId,
    },
}

/// A recording that is to be begun.
#[derive(Clone, Copy, Debug)]
pub struct Making {
    /// Which worker wants to know.
    pub worker: usize,
    /// The call.
    pub call: CallId,
    /// Whose call.
    pub customer: CustomerId,
    /// The new recording.
    pub recording: RecordingId,
    /// How many voices it holds.
    pub slots: usize,
}

/// A recording that is to be closed.
#[derive(Debug)]
pub struct Closing {
    /// Which worker wants to know.
    pub worker: usize,
    /// Which recording.
    pub recording: RecordingId,
    /// What was written.
    pub written: Written,
    /// Why it has no final page, if it has none.
    pub why: Option<String>,
}

/// What a recording begins with.
struct Prepared {
    file: OpenFile,
    secrets: Vec<SlotSecret>,
    expiry: Day,
}

impl Task {
    /// What a worker is told if nobody is left to do this.
    pub fn undone(self) -> Option<(usize, Report)> {
        let gone = || "the thread that keeps recordings has ended".to_owned();
        match self {
            Self::Make(Making { worker, recording, .. }) => {
                Some((worker, Report::Refused { recording, why: gone() }))
            }
            Self::Close(Closing { worker, recording, written, why }) => {
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
            waiting.extend(tasks.try_iter());
            // Whoever waits to be recorded goes before whoever waits to be synced.
            self.make_all(&mut waiting);
            self.sync_together(&mut waiting);
            match waiting.pop_front() {
                None | Some(Task::Make(_)) => {}
                Some(Task::Sync { recording, written }) => self.sync(recording, &written),
                Some(Task::Close(closing)) => self.close(closing),
                Some(Task::Forget { recording }) => self.forget(recording),
            }
        }
    }

    /// Makes what is to be made: all of it waits for the disk once.
    fn make_all(&mut self, waiting: &mut VecDeque<Task>) {
        let mut made = Vec::new();
        waiting.retain(|task| {
            let Task::Make(making) = task else { return true };
            made.push((*making, self.prepare(making)));
            false
        });
        if made.iter().any(|(_, prepared)| prepared.is_ok()) {
            let named = File::open(&self.parts.folder).and_then(|folder| folder.sync_all());
            if let Err(error) = named {
                for (making, prepared) in &mut made {
                    if prepared.is_ok() {
                        self.forget(making.recording);
                        *prepared = Err(format!("the recording's file cannot be made: {error}"));
                    }
                }
            }
        }
        for (making, prepared) in made {
            self.made(making, prepared);
        }
    }

    /// With many recordings to sync or to close, one call for the whole disk costs less than one for each file.
    fn sync_together(&mut self, waiting: &mut VecDeque<Task>) {
        let to_sync = |task: &&Task| matches!(task, Task::Sync { .. } | Task::Close(_));
        if waiting.iter().filter(to_sync).count() < TOGETHER {
            return;
        }
        let trim = |task: &Task| match task {
            Task::Close(closing) => closing.written.trim().map_err(|error| not_kept(&error)),
            _ => Ok(()),
        };
        let trimmed = waiting.iter().try_for_each(trim);
        if let Err(why) = trimmed.and_then(|()| self.sync_keys()).and_then(|()| self.sync_disk()) {
            // Each is tried by itself then, and says so.
            tracing::warn!(why, "the recordings cannot be synced together");
            return;
        }
        // All of it was written before the call.
        for task in std::mem::take(waiting) {
            match task {
                Task::Sync { recording, written } => {
                    self.parts.log.acknowledged(recording, written.sound_pages());
                    self.tell(Told::Synced { recording, safe: true });
                }
                Task::Close(closing) => {
                    self.parts.log.acknowledged(closing.recording, closing.written.sound_pages());
                    self.closed(closing, Ok(()));
                }
                Task::Make(_) | Task::Forget { .. } => waiting.push_back(task),
            }
        }
    }

    /// Everything that was written to the recordings' file system survives a power cut when this returns.
    fn sync_disk(&self) -> Result<(), String> {
        let synced = File::open(&self.parts.folder).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
        synced.map_err(|error| not_kept(&error))
    }

    fn sync_keys(&mut self) -> Result<(), String> {
        if self.new_keys {
            self.parts.keys.sync().map_err(|error| format!("the key store cannot be synced: {error}"))?;
            self.new_keys = false;
        }
        Ok(())
    }

    /// Its file and its keys, neither durable yet.
    fn prepare(&mut self, making: &Making) -> Result<Prepared, String> {
        let Making { worker, customer, recording, slots, .. } = *making;
        let expiry = clock::wall().day().plus(self.parts.days);
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
                Ok(Prepared { file, secrets, expiry })
            }
            Err(why) => {
                self.forget(recording);
                Err(why)
            }
        }
    }

    fn made(&self, making: Making, prepared: Result<Prepared, String>) {
        let Making { worker, call, customer, recording, .. } = making;
        let Prepared { file, secrets, expiry } = match prepared {
            Ok(prepared) => prepared,
            Err(why) => {
                tracing::error!(%call, %recording, why, "a recording cannot be begun");
                self.tell(Told::NotMade { recording });
                self.report(worker, Report::Refused { recording, why });
                return;
            }
        };
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

    fn sync(&mut self, recording: RecordingId, written: &Written) {
        let kept = self.keep(recording, written);
        if let Err(why) = &kept {
            tracing::error!(%recording, why, "what was written of a recording is not acknowledged");
        }
        self.tell(Told::Synced { recording, safe: kept.is_ok() });
    }

    fn close(&mut self, closing: Closing) {
        let trimmed = closing.written.trim().map_err(|error| not_kept(&error));
        let kept = trimmed.and_then(|()| self.keep(closing.recording, &closing.written));
        self.closed(closing, kept);
    }

    fn closed(&self, closing: Closing, kept: Result<(), String>) {
        let Closing { worker, recording, written, why } = closing;
        let pages = written.sound_pages();
        self.report(worker, Report::Closed { recording, pages, why: why.or(kept.err()) });
    }

    fn keep(&mut self, recording: RecordingId, written: &Written) -> Result<(), String> {
        self.sync_keys()?;
        written.sync().map_err(|error| not_kept(&error))?;
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

fn not_kept(error: &io::Error) -> String {
    format!("the disk does not keep what was written: {error}")
}
