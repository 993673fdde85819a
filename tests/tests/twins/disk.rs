//! The disk of a call: key store, database and recordings, as the server lays them out.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Runtime;
use vorzimmer_call::api::StopWhy;
use vorzimmer_consent::Permit;
use vorzimmer_recorder::queue::{QUEUE_PAGES, queue};
use vorzimmer_recorder::{Finished, FrameRef, PageDrain, Params, Recorder};
use vorzimmer_store::{EventLog, LogSettings, Settings, Store};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::{CustomerId, Day, EventRecord, PartyId, RecordingId};
use vorzimmer_vault::callrec::EndReason;
use vorzimmer_vault::callrec::file::{RecordingFile, path};
use vorzimmer_vault::{KekSource, KeyStore};

/// A disk on which the server was installed and nobody has called yet. Each call begins with a copy of it: when its
/// tables were made is written in the database, and is the same for all.
pub struct Template(tempfile::TempDir);

impl Template {
    pub fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["data", "keys", "kek", "recordings"] {
            std::fs::create_dir(folder.path().join(part)).expect("a folder");
        }
        Disk::open(folder.path()).close();
        Self(folder)
    }

    pub fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a folder");
        for part in ["data", "keys", "kek", "recordings"] {
            let to = copy.path().join(part);
            std::fs::create_dir(&to).expect("a folder");
            for file in std::fs::read_dir(self.0.path().join(part)).expect("a folder") {
                let file = file.expect("a file");
                std::fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
            }
        }
        copy
    }
}

/// An opened disk.
pub struct Disk {
    runtime: Runtime,
    pub keys: Arc<KeyStore>,
    store: Store,
    log: EventLog,
    recordings: std::path::PathBuf,
    entropy: Seeded,
}

impl Disk {
    pub fn open(folder: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut entropy = Seeded::new(11);
        let kek = KekSource::choose(None, None, folder.join("kek/vorzimmer.key"));
        let keys = folder.join("keys/keys.db");
        let remembered = keys
            .exists()
            .then(|| KeyStore::open(&keys, kek.clone()).expect("the key store of before").store_id());
        let keys = KeyStore::open_or_create(&keys, kek, remembered, &mut entropy).expect("a key store");
        let keys = Arc::new(keys);
        let url = format!("sqlite:{}", folder.join("data/vorzimmer.db").display());
        let seeded = Box::new(Seeded::new(12));
        let opened = Store::open(&url, Settings::default(), Arc::clone(&keys), seeded);
        let store = runtime.block_on(opened).expect("a store");
        let log = {
            let _inside = runtime.enter();
            let spool = folder.join("data/events.spool");
            EventLog::start(store.clone(), &spool, LogSettings::default()).expect("a log")
        };
        Self { runtime, keys, store, log, recordings: folder.join("recordings"), entropy }
    }

    /// Writes an event, alone, so that no two runs group theirs differently.
    pub fn tell(&self, event: EventRecord) {
        self.log.append(event);
        self.runtime.block_on(self.log.flush()).expect("a durable event");
    }

    /// Whether any file stands among the recordings.
    pub fn holds_recordings(&self) -> bool {
        std::fs::read_dir(&self.recordings).expect("the recordings").next().is_some()
    }

    pub fn record(
        &mut self,
        recording: RecordingId,
        customer: CustomerId,
        parties: Vec<PartyId>,
        day: Day,
        permit: Permit,
        now: Instant,
    ) -> Tape {
        let secrets = (0..2).map(|slot| {
            let made = self.keys.new_slot_secret(recording, slot, customer, day, &mut self.entropy);
            made.expect("a key")
        });
        let secrets = secrets.collect();
        let (pages, drain) = queue(QUEUE_PAGES, parties.len());
        let key_version = self.keys.kek_version();
        let params = Params {
            recording,
            customer,
            expiry: day,
            key_version,
            parties,
            secrets,
            consented: now,
            queue: pages,
        };
        let started = Recorder::start(permit, params, now, &mut self.entropy);
        let (recorder, header) = started.expect("a recorder");
        let mut file = RecordingFile::create(&path(&self.recordings, recording)).expect("a file");
        file.append(&header.0).expect("room");
        Tape { recording, recorder, file, drain, entropy: Seeded::new(13) }
    }

    /// Tells the store which pages are safe.
    pub fn acknowledge(&self, tape: &Tape) {
        self.keys.sync().expect("keys on disk");
        tape.file.sync().expect("pages on disk");
        self.log.acknowledge_pages(tape.recording, tape.recorder.pages());
        self.runtime.block_on(self.log.flush()).expect("a durable count");
    }

    pub fn close(self) {
        self.runtime.block_on(async {
            self.log.close().await.expect("everything is written");
            self.store.close().await;
        });
    }
}

/// A recording that runs.
pub struct Tape {
    pub recording: RecordingId,
    recorder: Recorder,
    file: RecordingFile,
    drain: PageDrain,
    entropy: Seeded,
}

impl Tape {
    pub fn frame(&mut self, slot: usize, frame: &FrameRef<'_>, now: Instant) {
        let _counted = self.recorder.frame(slot, frame, now, &mut self.entropy);
    }

    pub fn pass(&mut self, slot: usize, ssrc: u32, sequence: u16) {
        self.recorder.pass(slot, ssrc, sequence);
    }

    /// Does what is due; says whether a page was written.
    pub fn tick(&mut self, now: Instant) -> bool {
        self.recorder.poll(now, &mut self.entropy);
        let mut written = false;
        while let Ok(Some(page)) = self.drain.next_page() {
            self.file.append(&page.bytes).expect("room");
            self.drain.recycle(page);
            written = true;
        }
        written
    }

    pub fn finish(mut self, why: StopWhy, now: Instant) -> Finished {
        self.tick(now);
        let reason = match why {
            StopWhy::CallEnded => EndReason::HungUp,
            StopWhy::EpochEnded => EndReason::EpochEnded,
            StopWhy::Withdrawn(_) => EndReason::Withdrawn,
        };
        let finished = self.recorder.finish(reason, now, &mut self.entropy).expect("a final page");
        for page in &finished.last_pages {
            self.file.append(&page.bytes).expect("room");
        }
        self.file.sync().expect("pages on disk");
        finished
    }
}
