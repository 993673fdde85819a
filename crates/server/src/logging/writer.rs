//! The thread that writes log lines, and the bounded queue to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;
use vorzimmer_types::Day;

use crate::clock;

/// Lines that may wait; further ones are lost and counted.
const QUEUE_LINES: usize = 16_384;
/// For how long lines are gathered before they are written.
const GATHERED: Duration = Duration::from_millis(20);
/// So many bytes are written at once.
const AT_ONCE: usize = 64 * 1024;

/// Makes a buffer for each event.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Vec<u8>>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    pub(super) fn start(folder: Option<&Path>) -> io::Result<(Self, Flush)> {
        let files = folder.map(DailyFiles::open).transpose()?;
        let (queue, lines) = sync_channel(QUEUE_LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&lines, files, &counted))?;
        let end = queue.clone();
        Ok((Self { queue, lost }, Flush { end, thread: Some(thread) }))
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { text: Vec::new(), lines: self }
    }
}

/// One event, on its way to the queue when dropped.
pub(super) struct Line<'a> {
    text: Vec<u8>,
    lines: &'a Lines,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.is_empty()
            && let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
                self.lines.queue.try_send(text)
        {
            self.lines.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Waits, when dropped, until every line is written.
pub struct Flush {
    end: SyncSender<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        // An empty line is the end: a real one never is.
        let sent = self.end.send(Vec::new()).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| sent) {
            // The thread has nothing to tell at its end.
            let _ = thread.join();
        }
    }
}

fn write_all(lines: &Receiver<Vec<u8>>, mut files: Option<DailyFiles>, lost: &AtomicU64) {
    let mut text = Vec::new();
    let mut ended = false;
    while !ended {
        let Ok(first) = lines.recv() else { return };
        // Many lines are written as cheaply as one, and whoever writes the next one need not wake this thread.
        std::thread::park_timeout(GATHERED);
        ended = gather(first, lines, &mut text);
        // Nobody is left to be told about a logger that cannot write; the other place may still work.
        let _ = io::stderr().write_all(&text);
        if let Some(files) = &mut files {
            let _ = files.write_all(&text);
        }
        text.clear();
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(
                io::stderr(),
                "{lost} log lines were lost: they came faster than they could be written"
            );
        }
    }
}

/// Collects the lines that are there. Whether that was the end.
fn gather(first: Vec<u8>, lines: &Receiver<Vec<u8>>, text: &mut Vec<u8>) -> bool {
    let mut next = Some(first);
    while let Some(line) = next {
        if line.is_empty() {
            return true;
        }
        text.extend_from_slice(&line);
        next = if text.len() < AT_ONCE { lines.try_recv().ok() } else { None };
    }
    false
}

/// `vorzimmer-2026-01-31.log`, a new one each UTC day.
struct DailyFiles {
    folder: PathBuf,
    day: Day,
    file: File,
}

impl DailyFiles {
    fn open(folder: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let day = clock::wall().day();
        Ok(Self { folder: folder.to_owned(), day, file: open_day(folder, day)? })
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let today = clock::wall().day();
        if today != self.day {
            self.file = open_day(&self.folder, today)?;
            self.day = today;
        }
        self.file.write_all(line)
    }
}

fn open_day(folder: &Path, day: Day) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(folder.join(format!("vorzimmer-{day}.log")))
}
