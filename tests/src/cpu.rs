//! How long a process's threads had to wait for a processor: what a busy machine costs, and nobody's code.

use std::collections::VecDeque;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it is looked.
const STEP: Duration = Duration::from_millis(10);

/// Watches threads of a process whose names begin with one of a few words.
#[derive(Debug)]
pub struct Waiting {
    seen: Arc<Mutex<VecDeque<(Instant, Duration)>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Waiting {
    /// Begins to watch.
    #[must_use]
    pub fn watch(pid: u32, names: &'static [&'static str]) -> Self {
        let seen = Arc::new(Mutex::new(VecDeque::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (tell, end) = (Arc::clone(&seen), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let files = schedules(pid, names);
            while !end.load(Ordering::Relaxed) {
                let sum = files.iter().map(|file| waited(file)).sum();
                tell.lock().unwrap_or_else(PoisonError::into_inner).push_back((Instant::now(), sum));
                std::thread::sleep(STEP);
            }
        });
        Self { seen, over, thread: Some(thread) }
    }

    /// For how long, all threads together, from `window` before `end` until `end`.
    #[must_use]
    pub fn within(&self, window: Duration, end: Instant) -> Duration {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = |limit: Instant| seen.iter().rfind(|(at, _)| *at <= limit).map(|(_, sum)| *sum);
        let first = sums(end - window).or_else(|| seen.front().map(|(_, sum)| *sum));
        let (Some(first), Some(last)) = (first, sums(end)) else { return Duration::ZERO };
        // After the end the files are gone, and read as nothing.
        last.saturating_sub(first)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn schedules(pid: u32, names: &[&str]) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .map(|task| task.path())
        .filter(|task| {
            let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
            names.iter().any(|wanted| name.starts_with(wanted))
        })
        .map(|task| task.join("schedstat").to_string_lossy().into_owned())
        .collect()
}

/// The second number of `schedstat`: nanoseconds that the thread was ready to run and did not.
fn waited(file: &str) -> Duration {
    let text = fs::read_to_string(file).unwrap_or_default();
    let nanos = text.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
