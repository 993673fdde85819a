//! What Linux counts of our threads. Knows nothing of calls.
//!
//! `/proc/self/task/ID/schedstat` holds for each thread how long it ran and how long it waited for a processor, in
//! nanoseconds (Documentation/scheduler/sched-stats.rst): nothing has to be measured where packets go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TASKS: &str = "/proc/self/task";

/// The threads without which no call goes on. They begin before the first call and end after the last.
fn matters(name: &str) -> bool {
    name == "signalling" || name.strip_prefix("media-").is_some_and(|rest| rest.parse::<u32>().is_ok())
}

/// The threads that matter, and what they had done when they were last looked at.
#[derive(Default)]
pub(super) struct Threads {
    known: Option<Vec<Thread>>,
}

struct Thread {
    name: String,
    path: PathBuf,
    busy: Duration,
}

/// The busiest thread.
#[derive(Debug, PartialEq)]
pub(super) struct Busiest {
    pub(super) name: String,
    /// Of the time, 0 to 1.
    pub(super) share: f64,
}

impl Threads {
    /// The busiest of them since the look before, which is so long ago; none at the first look, or where the system does
    /// not count.
    pub(super) fn busiest(&mut self, since: Duration) -> Option<Busiest> {
        let Some(known) = &mut self.known else {
            self.known = Some(found());
            return None;
        };
        let shares = known.iter_mut().filter_map(|thread| {
            let before = thread.busy;
            // A thread that has ended is no longer busy: whoever joins it says why it has.
            thread.busy = busy(&thread.path).ok()?;
            Some((thread.busy.saturating_sub(before), &thread.name))
        });
        let (busy, name) = shares.max()?;
        Some(Busiest { name: name.clone(), share: (busy.as_secs_f64() / since.as_secs_f64()).min(1.0) })
    }
}

fn found() -> Vec<Thread> {
    let threads = fs::read_dir(TASKS).and_then(|tasks| {
        let threads = tasks.filter_map(|task| thread(&task.ok()?.path()).transpose());
        threads.collect::<io::Result<Vec<_>>>()
    });
    match threads {
        Ok(threads) => threads,
        Err(error) => {
            tracing::warn!(%error, "the system does not tell how busy threads are: limits.max_busy_percent has no effect");
            Vec::new()
        }
    }
}

/// The thread of this task, if it matters.
fn thread(task: &Path) -> io::Result<Option<Thread>> {
    let name = match fs::read_to_string(task.join("comm")) {
        // It has ended meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?.trim_end().to_owned(),
    };
    if !matters(&name) {
        return Ok(None);
    }
    let path = task.join("schedstat");
    let busy = busy(&path)?;
    Ok(Some(Thread { name, path, busy }))
}

/// For how long a thread ran or wanted to.
fn busy(path: &Path) -> io::Result<Duration> {
    let text = fs::read_to_string(path)?;
    read(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "schedstat is not as it was"))
}

fn read(text: &str) -> Option<Duration> {
    let mut counts = text.split_ascii_whitespace().map(|count| count.parse::<u64>().ok());
    let (ran, waited) = (counts.next()??, counts.next()??);
    Some(Duration::from_nanos(ran.saturating_add(waited)))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{TryRecvError, channel};
    use std::time::Duration;

    use super::{Threads, found, matters, read};

    #[test]
    fn running_and_waiting_to_run_are_both_busy() {
        assert_eq!(read("1500 500 12\n"), Some(Duration::from_nanos(2_000)));
        assert_eq!(read("18446744073709551615 1 12\n"), Some(Duration::from_nanos(u64::MAX)));
        for text in ["", "1500", "1500 x 12"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_the_threads_that_calls_depend_on_matter() {
        for (name, does) in [
            ("signalling", true),
            ("media-0", true),
            ("media-11", true),
            ("media-door", false),
            ("disk", false),
        ] {
            assert_eq!(matters(name), does, "{name}");
        }
    }

    #[test]
    fn a_thread_that_works_is_the_busiest() {
        let (tell, told) = channel();
        let (end, ended) = channel::<()>();
        let work = move || {
            tell.send(()).expect("somebody waits");
            while ended.try_recv() == Err(TryRecvError::Empty) {
                std::hint::spin_loop();
            }
        };
        let thread = std::thread::Builder::new().name("media-77".to_owned()).spawn(work).expect("a thread");
        told.recv().expect("it has begun");
        let mut threads = Threads::default();
        assert_eq!(threads.busiest(Duration::MAX), None, "nothing to compare it with");
        assert!(found().iter().any(|thread| thread.name == "media-77"));
        // Of a millionth of a second it has worked all, as soon as it has worked at all.
        let busiest = loop {
            let busiest = threads.busiest(Duration::from_micros(1)).expect("it is there");
            if busiest.share > 0.0 {
                break busiest;
            }
        };
        assert_eq!((busiest.name.as_str(), busiest.share), ("media-77", 1.0));
        drop(end);
        thread.join().expect("no panic");
        assert_eq!(threads.busiest(Duration::from_secs(1)), None, "it has ended");
    }
}
