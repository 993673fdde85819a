//! Puts sealed pages on disk: one thread that makes keys and files, appends, syncs in groups about once a second, and
//! tells the store which pages are safe.
//!
//! It never sees a voice: pages arrive sealed. It may wait for the disk as long as the disk likes; no worker waits for
//! it: each recording has a bounded queue of pages, and a full one is a gap that the recorder names.

mod file;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vorzimmer_recorder::{HeaderPage, PageDrain, SealedPage};
use vorzimmer_types::{CallId, CustomerId, Day, RecordingId, UnixMillis};
use vorzimmer_vault::callrec::file as names;
use vorzimmer_vault::keys::{KeyStore, SlotSecret};

use self::file::{Draining, OpenFile};
use crate::clock::{self, SystemEntropy};

/// Jobs that may wait for the disk, all calls together.
const JOBS_WAITING: usize = 4_096;

/// How often what was written is made safe against a power cut.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How often every queue is looked at, should the word that a page waits have been lost to a full queue of jobs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many parties a recording has slots for.
const SLOTS: u8 = 2;

/// What the store is told about recordings. Implementations do not wait.
pub trait RecordingLog: Send + Sync {
    /// A recording's file exists and its keys are made; nothing of a voice is in it yet.
    fn begun(&self, recording: &Begun);
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
        secrets: [SlotSecret; 2],
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
pub type Reporter = Box<dyn Fn(Report) + Send>;

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
/// The thread cannot be started.
pub fn start(parts: WriterParts) -> io::Result<(Pages, JoinHandle<()>)> {
    let (pages, jobs) = sync_channel(JOBS_WAITING);
    let writer = Writer { parts, open: HashMap::new(), new_keys: false };
    let thread = std::thread::Builder::new().name("recordings".into()).spawn(move || writer.run(&jobs))?;
    Ok((Pages(pages), thread))
}

struct Writer {
    parts: WriterParts,
    open: HashMap<RecordingId, OpenFile>,
    new_keys: bool,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut next_sync = clock::mono() + SYNC_EVERY;
        let mut next_look = clock::mono() + LOOK_EVERY;
        loop {
            let left = next_look.min(next_sync).saturating_duration_since(clock::mono());
            match jobs.recv_timeout(left) {
                Ok(job) => self.work(job),
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

    fn work(&mut self, job: Job) {
        match job {
            Job::Begin { worker, call, customer, recording } => self.begin(worker, call, customer, recording),
            Job::Run { recording, header, drain } => self.run_file(recording, &header, drain),
            Job::Look { recording } => self.look(recording),
            Job::Finish { recording, last } => self.finish(recording, last),
            Job::Discard { recording } => self.discard(recording),
        }
    }

    fn begin(&mut self, worker: usize, call: CallId, customer: CustomerId, recording: RecordingId) {
        let at = clock::wall();
        let expiry = at.day().plus(self.parts.days);
        match self.prepare(worker, customer, recording, expiry) {
            Ok(secrets) => {
                self.parts.log.begun(&Begun { call, customer, recording, at, expiry });
                let key_version = self.parts.keys.kek_version();
                self.report(worker, Report::Ready { recording, secrets, expiry, key_version });
            }
            Err(why) => {
                tracing::error!(%call, %recording, why, "a recording cannot be begun");
                self.report(worker, Report::Refused { recording, why });
            }
        }
    }

    fn prepare(
        &mut self,
        worker: usize,
        customer: CustomerId,
        recording: RecordingId,
        expiry: Day,
    ) -> Result<[SlotSecret; 2], String> {
        let path = names::path(&self.parts.folder, recording);
        let file = OpenFile::create(&path, worker)
            .map_err(|error| format!("the recording's file cannot be made: {error}"))?;
        let secret = |slot| {
            self.parts
                .keys
                .new_slot_secret(recording, slot, customer, expiry, &mut SystemEntropy)
                .map_err(|error| format!("no key for the recording: {error}"))
        };
        match secret(0).and_then(|first| Ok([first, secret(1)?])) {
            Ok(secrets) => {
                self.new_keys = true;
                self.open.insert(recording, file);
                Ok(secrets)
            }
            Err(why) => {
                self.forget(recording);
                Err(why)
            }
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
        let Some(open) = self.open.get_mut(&recording) else { return };
        let why = open.finish(last).err().map(|error| {
            tracing::error!(%recording, %error, "a recording has no final page; the next start closes it");
            format!("the last pages cannot be written: {error}")
        });
        let (worker, pages) = (open.worker(), open.sound_pages());
        self.sync_keys();
        let synced = self.sync_file(recording);
        self.open.remove(&recording);
        self.report(worker, Report::Closed { recording, pages, why: why.or(synced.err()) });
    }

    fn discard(&mut self, recording: RecordingId) {
        if self.open.remove(&recording).is_some() {
            self.forget(recording);
        }
    }

    /// Takes back a file and keys that hold nothing.
    fn forget(&self, recording: RecordingId) {
        for slot in 0..SLOTS {
            if let Err(error) = self.parts.keys.destroy_slot(recording, slot) {
                tracing::error!(%recording, %error, "the unused key of a recording could not be destroyed");
            }
        }
        if let Err(error) = names::remove(&names::path(&self.parts.folder, recording)) {
            tracing::error!(%recording, %error, "an empty recording could not be removed");
        }
    }

    /// Makes everything written so far safe, then says so.
    fn sync(&mut self) {
        self.sync_keys();
        let waiting: Vec<_> =
            self.open.iter().filter(|(_, open)| open.is_unsynced()).map(|(id, _)| *id).collect();
        for recording in waiting {
            // One slow sync at a time: what waits here meanwhile is what a kill would cost.
            self.look_everywhere();
            if let Err(why) = self.sync_file(recording) {
                tracing::error!(%recording, why, "what was written of a recording is not acknowledged");
            }
        }
    }

    fn sync_keys(&mut self) {
        if self.new_keys {
            match self.parts.keys.sync() {
                Ok(()) => self.new_keys = false,
                Err(error) => {
                    tracing::error!(%error, "the key store cannot be synced; no page is acknowledged")
                }
            }
        }
    }

    fn sync_file(&mut self, recording: RecordingId) -> Result<(), String> {
        // Keys first: pages whose keys a power cut takes away are nothing.
        if self.new_keys {
            return Err("the key store cannot be synced".into());
        }
        let Some(open) = self.open.get_mut(&recording) else { return Ok(()) };
        open.sync().map_err(|error| format!("the disk does not keep what was written: {error}"))?;
        self.parts.log.acknowledged(recording, open.sound_pages());
        Ok(())
    }

    fn report(&self, worker: usize, report: Report) {
        if let Some(reporter) = self.parts.reporters.get(worker) {
            reporter(report);
        }
    }
}

/// The next time of something regular; times that were missed are not made up for.
fn after(last: Instant, every: Duration, now: Instant) -> Instant {
    (last + every).max(now)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use vorzimmer_recorder::queue::queue;
    use vorzimmer_recorder::{HeaderPage, SealedPage};
    use vorzimmer_types::entropy::Seeded;
    use vorzimmer_types::{CallId, CustomerId, RecordingId};
    use vorzimmer_vault::keys::{KekSource, KeyStore};

    use super::{Begun, Job, Pages, RecordingLog, Report, Reporter, WriterParts, names, start};

    #[derive(Default)]
    struct Log {
        begun: Mutex<Vec<Begun>>,
        pages: Mutex<Vec<(RecordingId, u64)>>,
    }

    impl RecordingLog for Log {
        fn begun(&self, recording: &Begun) {
            self.begun.lock().unwrap().push(recording.clone());
        }

        fn acknowledged(&self, recording: RecordingId, pages: u64) {
            self.pages.lock().unwrap().push((recording, pages));
        }
    }

    struct Bench {
        _folder: tempfile::TempDir,
        recordings: std::path::PathBuf,
        keys: Arc<KeyStore>,
        log: Arc<Log>,
        pages: Pages,
        reports: Receiver<Report>,
    }

    fn bench() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let recordings = folder.path().join("recordings");
        std::fs::create_dir(&recordings).unwrap();
        let source = KekSource::choose(None, None, folder.path().join("kek"));
        let path = folder.path().join("keys");
        let keys = KeyStore::open_or_create(&path, source, None, &mut Seeded::new(1)).unwrap();
        let keys = Arc::new(keys);
        let log = Arc::new(Log::default());
        let (tell, reports) = channel();
        let reporter: Reporter = Box::new(move |report| tell.send(report).unwrap_or_default());
        let parts = WriterParts {
            folder: recordings.clone(),
            days: 30,
            keys: Arc::clone(&keys),
            log: Arc::clone(&log) as Arc<dyn RecordingLog>,
            reporters: vec![reporter],
        };
        let (pages, _thread) = start(parts).unwrap();
        Bench { _folder: folder, recordings, keys, log, pages, reports }
    }

    fn begin(bench: &Bench, recording: RecordingId) {
        let (call, customer) = (CallId::from_bytes([1; 16]), CustomerId::from_bytes([2; 16]));
        bench.pages.offer(Job::Begin { worker: 0, call, customer, recording }).unwrap();
    }

    fn next(bench: &Bench) -> Report {
        bench.reports.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    #[test]
    fn pages_come_to_lie_one_after_the_other_and_are_acknowledged_before_the_close_is_told() {
        let bench = bench();
        let recording = RecordingId::from_bytes([9; 16]);
        begin(&bench, recording);
        assert!(matches!(next(&bench), Report::Ready { .. }));
        let (_queue, drain) = queue(4, 2);
        let header = HeaderPage(vec![1; 4_096]);
        bench.pages.offer(Job::Run { recording, header, drain }).unwrap();
        let page = |index, byte| SealedPage { index, run: 0, bytes: vec![byte; 4_096].into_boxed_slice() };
        bench.pages.offer(Job::Finish { recording, last: vec![page(0, 2), page(1, 3)] }).unwrap();
        let Report::Closed { pages: closed, why, .. } = next(&bench) else { panic!("it was not closed") };
        assert_eq!(why, None);
        assert_eq!(closed, 1, "pages of sound");
        assert_eq!(bench.log.pages.lock().unwrap().last(), Some(&(recording, 1)));
        let file = std::fs::read(names::path(&bench.recordings, recording)).unwrap();
        assert_eq!(file.len(), 3 * 4_096);
        assert_eq!([file[0], file[4_096], file[8_192]], [1, 2, 3]);
        let row = bench.log.begun.lock().unwrap()[0].clone();
        assert_eq!(row.expiry, row.at.day().plus(30));
    }

    #[test]
    fn a_discarded_recording_leaves_neither_file_nor_key() {
        let bench = bench();
        let recording = RecordingId::from_bytes([8; 16]);
        begin(&bench, recording);
        assert!(matches!(next(&bench), Report::Ready { .. }));
        bench.pages.offer(Job::Discard { recording }).unwrap();
        // A second begin is answered after the discard is done.
        begin(&bench, RecordingId::from_bytes([7; 16]));
        assert!(matches!(next(&bench), Report::Ready { .. }));
        assert!(!names::path(&bench.recordings, recording).exists());
        assert!(bench.keys.slot_secret(recording, 0).unwrap().is_none());
    }

    #[test]
    fn a_recording_that_cannot_be_made_is_told_at_once() {
        let bench = bench();
        std::fs::remove_dir(&bench.recordings).unwrap();
        let recording = RecordingId::from_bytes([6; 16]);
        begin(&bench, recording);
        let Report::Refused { why, .. } = next(&bench) else { panic!("it was begun") };
        assert!(why.contains("file"), "{why}");
        assert!(bench.keys.slot_secret(recording, 0).unwrap().is_none());
    }
}
