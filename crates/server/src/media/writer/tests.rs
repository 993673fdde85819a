//! Pages, a disk, and what is told about them.

use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use vorzimmer_recorder::queue::queue;
use vorzimmer_recorder::{HeaderPage, SealedPage};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::{CallId, CustomerId, RecordingId};
use vorzimmer_vault::callrec::file as names;
use vorzimmer_vault::keys::{KekSource, KeyStore};

use super::{Begun, Job, OncePermitted, Pages, RecordingLog, Report, Reporter, WriterParts, start};
use crate::clock;

#[derive(Default)]
struct Log {
    begun: Mutex<Vec<Begun>>,
    pages: Mutex<Vec<(RecordingId, u64)>>,
    /// Why nothing that permits a recording can be kept, if so.
    refuses: Mutex<Option<String>>,
}

impl RecordingLog for Log {
    fn begun(&self, recording: &Begun, then: OncePermitted) {
        self.begun.lock().unwrap().push(recording.clone());
        match &*self.refuses.lock().unwrap() {
            None => then(Ok(())),
            Some(why) => then(Err(why.clone())),
        }
    }

    fn acknowledged(&self, recording: RecordingId, pages: u64) {
        self.pages.lock().unwrap().push((recording, pages));
    }
}

struct Bench {
    folder: tempfile::TempDir,
    recordings: std::path::PathBuf,
    keys: Arc<KeyStore>,
    log: Arc<Log>,
    pages: Pages,
    reports: Receiver<Report>,
    thread: JoinHandle<()>,
}

impl Bench {
    /// Ends the writer and waits until all is done.
    fn end(self) -> (tempfile::TempDir, Arc<KeyStore>) {
        drop(self.pages);
        self.thread.join().unwrap();
        (self.folder, self.keys)
    }
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
    let reporter: Reporter = Arc::new(move |report| tell.send(report).unwrap_or_default());
    let parts = WriterParts {
        folder: recordings.clone(),
        days: 30,
        keys: Arc::clone(&keys),
        log: Arc::clone(&log) as Arc<dyn RecordingLog>,
        reporters: vec![reporter],
    };
    let (pages, thread) = start(parts).unwrap();
    Bench { folder, recordings, keys, log, pages, reports, thread }
}

fn begin(bench: &Bench, recording: RecordingId) {
    let (call, customer) = (CallId::from_bytes([1; 16]), CustomerId::from_bytes([2; 16]));
    bench.pages.offer(Job::Begin { worker: 0, call, customer, recording, slots: 2 }).unwrap();
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
    let days = [29, 30].map(|days| row.at.day().plus(days));
    assert!(days.contains(&row.expiry), "{row:?}: a day less if it was begun at midnight");
}

#[test]
fn a_recording_whose_consent_cannot_be_kept_is_refused_and_leaves_neither_file_nor_key() {
    let bench = bench();
    let recording = RecordingId::from_bytes([8; 16]);
    *bench.log.refuses.lock().unwrap() = Some("the disk is full".into());
    begin(&bench, recording);
    let Report::Refused { why, .. } = next(&bench) else { panic!("it was begun") };
    assert_eq!(why, "the disk is full");
    let path = names::path(&bench.recordings, recording);
    let (_folder, keys) = bench.end();
    assert!(!path.exists());
    assert!(keys.slot_secret(recording, 0).unwrap().is_none());
}

#[test]
fn a_discarded_recording_leaves_neither_file_nor_key() {
    let bench = bench();
    let recording = RecordingId::from_bytes([8; 16]);
    begin(&bench, recording);
    assert!(matches!(next(&bench), Report::Ready { .. }));
    bench.pages.offer(Job::Discard { recording }).unwrap();
    let path = names::path(&bench.recordings, recording);
    let (_folder, keys) = bench.end();
    assert!(!path.exists());
    assert!(keys.slot_secret(recording, 0).unwrap().is_none());
}

#[test]
fn a_recording_that_is_given_up_before_it_is_made_leaves_neither_file_nor_key() {
    let bench = bench();
    let recording = RecordingId::from_bytes([8; 16]);
    begin(&bench, recording);
    bench.pages.offer(Job::Discard { recording }).unwrap();
    assert!(matches!(next(&bench), Report::Ready { .. }));
    // What the keeper made is looked at with the next job.
    let other = RecordingId::from_bytes([7; 16]);
    begin(&bench, other);
    let path = names::path(&bench.recordings, recording);
    let (_folder, keys) = bench.end();
    assert!(!path.exists());
    assert!(keys.slot_secret(recording, 0).unwrap().is_none());
}

#[test]
fn a_disk_that_takes_its_time_for_one_recording_keeps_no_page_of_another_from_its_file() {
    let bench = bench();
    let recording = RecordingId::from_bytes([9; 16]);
    begin(&bench, recording);
    assert!(matches!(next(&bench), Report::Ready { .. }));
    let (queue, drain) = queue(4, 2);
    bench.pages.offer(Job::Run { recording, header: HeaderPage(vec![1; 4_096]), drain }).unwrap();
    // Whoever begins a recording waits from now on.
    let slow = bench.log.begun.lock().unwrap();
    begin(&bench, RecordingId::from_bytes([8; 16]));
    let file = names::path(&bench.recordings, recording);
    let mut written = 4_096;
    for index in 0..20 {
        queue.put(SealedPage { index, run: 0, bytes: vec![2; 4_096].into_boxed_slice() }).unwrap();
        bench.pages.offer(Job::Look { recording }).unwrap();
        written += 4_096;
        let end = clock::mono() + Duration::from_secs(10);
        while std::fs::metadata(&file).unwrap().len() < written {
            assert!(clock::mono() < end, "page {index} waits for another recording");
            std::thread::yield_now();
        }
    }
    assert!(bench.reports.try_recv().is_err(), "the other one is still not begun");
    drop(slow);
    assert!(matches!(next(&bench), Report::Ready { .. }));
}

#[test]
fn what_waited_for_a_slow_disk_is_made_and_closed_all_at_once() {
    let bench = bench();
    let ids = |from: u8| (from..from + 20).map(|id| RecordingId::from_bytes([id; 16]));
    let page = |index, byte| SealedPage { index, run: 0, bytes: vec![byte; 4_096].into_boxed_slice() };
    for recording in ids(10) {
        begin(&bench, recording);
        assert!(matches!(next(&bench), Report::Ready { .. }));
        let (_queue, drain) = queue(4, 2);
        bench.pages.offer(Job::Run { recording, header: HeaderPage(vec![1; 4_096]), drain }).unwrap();
    }
    // Whoever begins a recording waits from now on, and all others behind it.
    let slow = bench.log.begun.lock().unwrap();
    begin(&bench, RecordingId::from_bytes([9; 16]));
    for (recording, new) in ids(10).zip(ids(100)) {
        bench.pages.offer(Job::Finish { recording, last: vec![page(0, 2), page(1, 3)] }).unwrap();
        begin(&bench, new);
    }
    let written = |recording| std::fs::metadata(names::path(&bench.recordings, recording)).unwrap().len();
    let end = clock::mono() + Duration::from_secs(10);
    while ids(10).any(|recording| written(recording) < 3 * 4_096) {
        assert!(clock::mono() < end, "the pages were not written");
        std::thread::yield_now();
    }
    drop(slow);
    let (mut ready, mut closed) = (Vec::new(), Vec::new());
    for _ in 0..41 {
        match next(&bench) {
            Report::Ready { recording, .. } => ready.push(recording),
            Report::Closed { recording, pages: 1, why: None } => closed.push(recording),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ready[1..], ids(100).collect::<Vec<_>>());
    assert_eq!(closed, ids(10).collect::<Vec<_>>());
    for recording in closed {
        assert!(bench.log.pages.lock().unwrap().contains(&(recording, 1)), "acknowledged");
        let file = std::fs::metadata(names::path(&bench.recordings, recording)).unwrap();
        assert_eq!(file.len(), 3 * 4_096);
        assert!(
            file.blocks() * 512 < 16 * 4_096,
            "what was reserved is given back: {} blocks",
            file.blocks()
        );
    }
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
