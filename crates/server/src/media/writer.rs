//! Puts sealed pages on disk, on two threads: this one appends, and lets nothing keep a page waiting; the
//! [`keeper`] does what a disk may take its time for.
//!
//! Neither ever sees a voice: pages arrive sealed. Both may wait for the disk as long as the disk likes; no worker waits
//! for them: each recording has a bounded queue of pages, and a full one is a gap that the recorder names.

mod file;
mod keeper;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, channel, sync_channel,
};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vorzimmer_recorder::{HeaderPage, PageDrain, SealedPage};
use vorzimmer_types::{CallId, CustomerId, Day, RecordingId, UnixMillis};
use vorzimmer_vault::keys::{KeyStore, SlotSecret};

use self::file::{Draining, OpenFile};
use self::keeper::{Closing, Keeper, Making, Task, Told};
use crate::clock;

/// Jobs that may wait for the disk, all calls together.
const JOBS_WAITING: usize = 4_096;

/// How often what was written is made safe against a power cut.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// With so many recordings a page comes every millisecond or three: the writer is woken by the clock then and takes all that
/// have come, instead of being woken for each. The pause is part of the 200 ms that a kill may cost.
const MANY: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// How often every queue is looked at, should the word that a page waits have been lost to a full queue of jobs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Called when what permits a recording is durable, or with the reason why it cannot be.
pub type OncePermitted = Box<dyn FnOnce(Result<(), String>) + Send>;

/// What the store is told about recordings. Implementations do not wait.
pub trait RecordingLog: Send + Sync {
    /// A recording's file exists and its keys are made; nothing of a voice is in it yet, and nothing will be before
    /// `then` is called: no voice lies on disk whose consent a kill could take away.
    fn begun(&self, recording: &Begun, then: OncePermitted);
    /// This many of its pages of sound survive a power cut.
    fn acknowledged(&self, recording: RecordingId, pages: u64);
}

/// A recording that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The call.
    pub call: CallId,
    /// Whose call.
    pub customer: CustomerId,
    /// The recording.
    pub recording: RecordingId,
    /// When.
    pub at: UnixMillis,
    /// The day on which it is destroyed.
    pub expiry: Day,
}

/// Something for the writer to do.
#[derive(Debug)]
pub enum Job {
    /// Make keys and a file.
    Begin {
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
    /// Write the first page, and from now on what comes through the queue.
    Run {
        /// Which recording.
        recording: RecordingId,
        /// The page that the file begins with.
        header: HeaderPage,
        /// The queue of its pages of sound.
        drain: PageDrain,
    },
    /// A page waits in a recording's queue.
    Look {
        /// Which recording.
        recording: RecordingId,
    },
    /// Write what is left in the queue, then these, and close the file.
    Finish {
        /// Which recording.
        recording: RecordingId,
        /// The last sound, if any was left, and the final page.
        last: Vec<SealedPage>,
    },
    /// Close and remove a file into which no voice went.
    Discard {
        /// Which recording.
        recording: RecordingId,
    },
}

/// What the writer has to say to a worker.
#[derive(Debug)]
pub enum Report {
    /// Keys and file are there.
    Ready {
        /// The recording.
        recording: RecordingId,
        /// The secrets of the slots.
        secrets: Vec<SlotSecret>,
        /// The day on which it is destroyed.
        expiry: Day,
        /// The version of the key-encryption key.
        key_version: u32,
    },
    /// The recording cannot be begun.
    Refused {
        /// The recording.
        recording: RecordingId,
        /// In the operator's words.
        why: String,
    },
    /// The disk did not take page `stored` and what followed; the file ends before it.
    TakeBack {
        /// The recording.
        recording: RecordingId,
        /// Pages of sound that are written.
        stored: u64,
    },
    /// The file is closed.
    Closed {
        /// The recording.
        recording: RecordingId,
        /// Pages of sound in it.
        pages: u64,
        /// Why it has no final page, if it has none: the next start will close it.
        why: Option<String>,
    },
}

/// How a worker takes the writer's reports: into its own queue, waking it.
pub type Reporter = Arc<dyn Fn(Report) + Send + Sync>;

/// Where workers hand in their jobs.
#[derive(Clone, Debug)]
pub struct Pages(SyncSender<Job>);

impl Pages {
    /// Hands a job over, or gives it back because the disk cannot follow. Never waits.
    ///
    /// # Errors
    /// The queue is full, or the writer is gone.
    pub fn offer(&self, job: Job) -> Result<(), Box<Job>> {
        self.0.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => Box::new(job),
        })
    }
}

/// What the writer needs.
pub struct WriterParts {
    /// The folder of the recordings.
    pub folder: PathBuf,
    /// How many days a recording lives.
    pub days: u32,
    /// Where keys are made.
    pub keys: Arc<KeyStore>,
    /// Who is told.
    pub log: Arc<dyn RecordingLog>,
    /// One for each worker.
    pub reporters: Vec<Reporter>,
}

/// Starts the writer. It ends, with everything written and synced, when every [`Pages`] is dropped.
///
/// # Errors
/// A thread cannot be started.
pub fn start(parts: WriterParts) -> io::Result<(Pages, JoinHandle<()>)> {
    let (pages, jobs) = sync_channel(JOBS_WAITING);
    let (tasks, given) = sync_channel(JOBS_WAITING);
    let (tell, told) = channel();
    let reporters = parts.reporters.clone();
    let keeper = Keeper::new(parts, tell);
    let keeper = std::thread::Builder::new().name("disk".into()).spawn(move || keeper.run(&given))?;
    let writer = Writer { reporters, open: HashMap::new(), making: HashMap::new(), tasks, told };
    let run = move || {
        writer.run(&jobs);
        if keeper.join().is_err() {
            tracing::error!("the recordings' keeper had panicked");
        }
    };
    let thread = std::thread::Builder::new().name("recordings".into()).spawn(run)?;
    Ok((Pages(pages), thread))
}

struct Writer {
    reporters: Vec<Reporter>,
    open: HashMap<RecordingId, OpenFile>,
    /// Those that the keeper makes, and whether they are still wanted.
    making: HashMap<RecordingId, bool>,
    tasks: SyncSender<Task>,
    told: Receiver<Told>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut next_sync = clock::mono() + SYNC_EVERY;
        let mut next_look = clock::mono() + LOOK_EVERY;
        loop {
            match self.next_job(jobs, next_look.min(next_sync)) {
                Ok(job) => self.work_off(job, jobs),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = clock::mono();
            if now >= next_look {
                self.look_everywhere();
                next_look = after(next_look, LOOK_EVERY, now);
            }
            if now >= next_sync {
                self.sync();
                next_sync = after(next_sync, SYNC_EVERY, now);
            }
        }
        self.look_everywhere();
        self.sync();
    }

    /// The next job, if one comes in time. With many recordings it is not waited for: whoever hands it in then need not
    /// wake anybody.
    fn next_job(&self, jobs: &Receiver<Job>, until: Instant) -> Result<Job, RecvTimeoutError> {
        if self.open.len() < MANY {
            return jobs.recv_timeout(until.saturating_duration_since(clock::mono()));
        }
        std::thread::park_timeout(PAUSE);
        jobs.try_recv().map_err(|none| match none {
            TryRecvError::Empty => RecvTimeoutError::Timeout,
            TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
        })
    }

    /// Works on a job and on all that wait behind it.
    fn work_off(&mut self, first: Job, jobs: &Receiver<Job>) {
        self.work(first);
        while let Ok(job) = jobs.try_recv() {
            self.work(job);
        }
    }

    fn work(&mut self, job: Job) {
        // A file that was made has been told before anything is to be written to it.
        self.listen();
        match job {
            Job::Begin { worker, call, customer, recording, slots } => {
                self.making.insert(recording, true);
                self.give(Task::Make(Making { worker, call, customer, recording, slots }));
            }
            Job::Run { recording, header, drain } => self.run_file(recording, &header, drain),
            Job::Look { recording } => self.look(recording),
            Job::Finish { recording, last } => self.finish(recording, last),
            Job::Discard { recording } => self.discard(recording),
        }
    }

    /// Takes what the keeper has to say.
    fn listen(&mut self) {
        while let Ok(told) = self.told.try_recv() {
            match told {
                Told::Made { recording, file } => {
                    if self.making.remove(&recording) == Some(true) {
                        self.open.insert(recording, file);
                    } else {
                        self.give(Task::Forget { recording });
                    }
                }
                Told::NotMade { recording } => {
                    self.making.remove(&recording);
                }
                Told::NotPermitted { recording } => self.discard(recording),
                Told::Synced { recording, safe } => {
                    if let Some(open) = self.open.get_mut(&recording) {
                        open.synced(safe);
                    }
                }
            }
        }
    }

    fn give(&self, task: Task) {
        let Err(refused) = self.tasks.send(task) else { return };
        tracing::error!("the recordings' keeper is gone");
        if let Some((worker, report)) = refused.0.undone() {
            self.report(worker, report);
        }
    }

    fn run_file(&mut self, recording: RecordingId, header: &HeaderPage, drain: PageDrain) {
        let Some(open) = self.open.get_mut(&recording) else { return };
        if let Err(error) = open.begin(header, drain) {
            let (worker, why) = (open.worker(), format!("the first page cannot be written: {error}"));
            tracing::error!(%recording, why, "a recording cannot be begun");
            self.discard(recording);
            self.report(worker, Report::Refused { recording, why });
        }
    }

    fn look(&mut self, recording: RecordingId) {
        let Some(open) = self.open.get_mut(&recording) else { return };
        match open.drain() {
            Draining::Written => {}
            Draining::Refused { stored, error, again } => {
                // Once a gap: a full disk must not fill the logs as well.
                if !again {
                    tracing::error!(%recording, %error, "the disk does not take a recording; it has a gap");
                }
                let worker = open.worker();
                self.report(worker, Report::TakeBack { recording, stored });
            }
        }
    }

    fn look_everywhere(&mut self) {
        let all: Vec<_> = self.open.keys().copied().collect();
        for recording in all {
            self.look(recording);
        }
    }

    fn finish(&mut self, recording: RecordingId, last: Vec<SealedPage>) {
        let Some(mut open) = self.open.remove(&recording) else { return };
        let why = open.finish(last).err().map(|error| {
            tracing::error!(%recording, %error, "a recording has no final page; the next start closes it");
            format!("the last pages cannot be written: {error}")
        });
        let worker = open.worker();
        self.give(Task::Close(Closing { worker, recording, written: open.into_written(), why }));
    }

    fn discard(&mut self, recording: RecordingId) {
        if self.open.remove(&recording).is_some() {
            self.give(Task::Forget { recording });
        } else if let Some(wanted) = self.making.get_mut(&recording) {
            *wanted = false;
        }
    }

    /// Has everything written so far made safe.
    fn sync(&mut self) {
        self.listen();
        for (recording, open) in &mut self.open {
            if let Some(written) = open.unsynced() {
                let task = Task::Sync { recording: *recording, written };
                if self.tasks.send(task).is_err() {
                    tracing::error!(%recording, "the recordings' keeper is gone; what was written is not acknowledged");
                }
            }
        }
    }

    fn report(&self, worker: usize, report: Report) {
        if let Some(reporter) = self.reporters.get(worker) {
            reporter(report);
        }
    }
}

/// The next time of something regular; times that were missed are not made up for.
fn after(last: Instant, every: Duration, now: Instant) -> Instant {
    (last + every).max(now)
}
