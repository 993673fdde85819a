//! Recordings that are encoded again after their calls: what an hour of them costs, how much smaller they become, and what
//! calls feel of it that come in between.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::kernel;
use crate::measure;
use crate::options::{Mode, Run};
use crate::results::Measured;
use crate::subject::{Case, Load};

/// The server's thread that does it.
const THREAD: &str = "reencoding";
/// Whatever else the machine does, it counts as idle while nobody calls.
const WANTED: [(&str, &str); 3] = [
    ("VORZIMMER_REENCODING__ENABLED", "true"),
    ("VORZIMMER_REENCODING__AFTER_MINUTES", "0"),
    ("VORZIMMER_REENCODING__MAX_LOAD", "1000"),
];
const LOOK: Duration = Duration::from_millis(200);
/// How long is waited for a recording to be written, or to be encoded again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Within this time of a call the work is to rest.
const RESTS_WITHIN: Duration = Duration::from_secs(1);
/// Two parties' page, and how long it lasts (`vorzimmer_recorder::PAGE_SPAN`); the first and the last one hold no sound.
const PAGE: u64 = 4096;
const PAGE_S: f64 = 0.16;
const HOUR_S: f64 = 3600.0;

/// So many calls are recorded and measured; then the server encodes them again, and as many calls come in between.
///
/// # Errors
/// The system's.
pub fn measure(run: &Run, calls: usize, core: Option<usize>) -> io::Result<[Measured; 2]> {
    let folder = tempfile::tempdir()?;
    let run = Run { house: Some(folder.path().to_owned()), ..run.clone() };
    let without = recorded(&run, calls, core)?;
    let files = files(&folder.path().join("recordings"))?;
    let (bytes, seconds) = size(&files)?;

    let mut load = Load::server_with(Case::Recorded, calls + 8, core, &run, &WANTED)?;
    encoded(&mut load, 1)?;
    let idle = measure::idle(&load);
    let running = load.set_up(calls)?;
    load.run_for(RESTS_WITHIN);
    let before = worked(&load);
    let beside = measure::measure(&mut load, idle, running, run.seconds, None);
    let meanwhile = worked(&load).saturating_sub(before);
    load.hang_up();
    // Those of the calls in between are still as they came, and will be encoded again, too.
    let mut all = self::files(&folder.path().join("recordings"))?;
    all.retain(|file| !files.contains(file));
    let (more_bytes, more_seconds) = size(&all)?;
    let (bytes, seconds) = (bytes + more_bytes, seconds + more_seconds);
    all.extend(files);
    encoded(&mut load, all.len())?;
    let (smaller, _) = size(&all)?;
    let remark = format!(
        "{} recordings of {:.1} minutes together were encoded again at {:.1} s of CPU a recorded hour and became {:.1} times \
         smaller; of it {} ms while these calls ran, from a second after the first",
        all.len(),
        seconds / 60.0,
        worked(&load).as_secs_f64() * HOUR_S / seconds,
        bytes as f64 / smaller as f64,
        meanwhile.as_millis(),
    );
    let beside = Measured { remark, ..named(beside, &load, "recorded beside it") };
    Ok([without, beside])
}

/// The same calls while nothing is encoded again.
fn recorded(run: &Run, calls: usize, core: Option<usize>) -> io::Result<Measured> {
    let mut load = Load::server(Case::Recorded, calls + 8, core, run)?;
    let idle = measure::idle(&load);
    let running = load.set_up(calls)?;
    let recorded = load.recordings(running);
    if recorded < calls {
        return Err(io::Error::other(format!("only {recorded} of {calls} calls are recorded")));
    }
    let measured = measure::measure(&mut load, idle, running, run.seconds, None);
    load.hang_up();
    counted(&mut load, calls, "vorzimmer_recordings_total", "result=\"ok\"")?;
    // Their rows are told after them.
    load.run_for(Duration::from_secs(1));
    Ok(named(measured, &load, Case::Recorded.name()))
}

fn named(measured: Measured, load: &Load, case: &str) -> Measured {
    let mode = super::name(Mode::Reencoding);
    Measured { mode, case: case.into(), driver: load.subject.driver(), ours: true, ..measured }
}

/// Waits until so many recordings are encoded again.
fn encoded(load: &mut Load, wanted: usize) -> io::Result<()> {
    counted(load, wanted, "vorzimmer_recordings_reencoded_total", "outcome=\"copied\"")
}

/// Waits until the server has counted so many; longer, as long as they become more.
fn counted(load: &mut Load, wanted: usize, name: &str, label: &str) -> io::Result<()> {
    let (mut most, mut end) = (0.0, Instant::now() + PATIENCE);
    while Instant::now() < end {
        let counted = load.subject.metric_of(name, label).unwrap_or(0.0);
        if counted >= wanted as f64 {
            return Ok(());
        }
        if counted > most {
            (most, end) = (counted, Instant::now() + PATIENCE);
        }
        load.run_for(LOOK);
    }
    Err(io::Error::other(format!("{name}: {most} of {wanted}")))
}

/// For how long the thread has worked.
fn worked(load: &Load) -> Duration {
    let threads = load.subject.pids().into_iter().flat_map(kernel::threads);
    Duration::from_nanos(threads.filter(|(name, _)| name == THREAD).map(|(_, ns)| ns).sum())
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let paths = paths.collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.is_file()).collect())
}

/// How many bytes the files have, and how many seconds they last if they are as they came.
fn size(files: &[PathBuf]) -> io::Result<(u64, f64)> {
    files.iter().try_fold((0, 0.0), |(bytes, seconds), file| {
        let length = fs::metadata(file)?.len();
        Ok((bytes + length, seconds + (length / PAGE).saturating_sub(2) as f64 * PAGE_S))
    })
}
