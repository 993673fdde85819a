//! Callers who are asked, press a key, and are recorded: what such a call costs from INVITE to BYE.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use vorzimmer_media::Prompt;
use vorzimmer_tests::server::workspace;

use crate::kernel::{self, Usage};
use crate::options::Run;
use crate::results::Measured;
use crate::subject::{Case, Load};

/// From INVITE to BYE.
pub const CALL: Duration = Duration::from_secs(11);
/// When the caller presses, counted from the answer: after the question, since a yes before its end does not count.
pub const PRESSED_AFTER: Duration = Duration::from_millis(5_500);
/// What of the shipped prompts is played, in milliseconds: whole, they take longer than such a call.
const SHORTER: [(&str, u32); 2] = [("de/consent-ask.wav", 5_000), ("de/consent-thanks.wav", 1_000)];
/// A server that has just started encodes its prompts: so little of a core is used when it is done.
const IDLE: f64 = 0.02;
const LOOK: Duration = Duration::from_millis(250);
/// How long is waited for that, for the last calls to end, and for their recordings to be counted.
const PATIENCE: Duration = Duration::from_secs(20);

/// So many calls at a time for so long as was asked for, each followed by the next, and what each of them took. Measured is
/// only while as many come as go: from the end of the first until the last is placed.
///
/// # Errors
/// The system's.
pub fn measure(run: &Run, calls: usize, core: Option<usize>) -> io::Result<Measured> {
    let mut load = Load::server(Case::Asked, calls + calls / 4 + 8, core, run)?;
    wait_until_idle(&mut load);
    let every = CALL.div_f64(calls as f64);
    let window = Duration::from_secs_f64(run.seconds);
    let total = ((CALL + window).as_secs_f64() / every.as_secs_f64()).ceil() as usize;
    let mut calling = Calling { every, total, placed: 0, began: Instant::now() };
    calling.go_on(&mut load, Some(CALL))?;
    let before = Snapshot::of(&load, calling.placed);
    calling.go_on(&mut load, Some(CALL + window))?;
    let after = Snapshot::of(&load, calling.placed);
    calling.go_on(&mut load, None)?;
    let recorded = recorded(&mut load, total);
    let measured = after.placed.saturating_sub(before.placed).max(1) as f64;
    let cpu_ms = after.usage.cpu_ns.saturating_sub(before.usage.cpu_ns) as f64 / 1e6;
    let outcome = load.parties.as_ref().map(|parties| &parties.outcome);
    Ok(Measured {
        mode: "consent".into(),
        case: Case::Asked.name().into(),
        driver: load.subject.driver(),
        ours: true,
        calls,
        seconds: after.at.duration_since(before.at).as_secs_f64(),
        cpu_ms_per_call_minute: cpu_ms / measured,
        set_up_us: outcome.map(|outcome| outcome.set_up.summary()),
        failed: outcome.map_or(0, |outcome| outcome.failed),
        retransmitted: outcome.map_or(0, |outcome| outcome.retransmitted),
        packets_per_call: Some((after.carried - before.carried) as f64 / measured),
        recorded: Some(recorded),
        placed: Some(total as u64),
        stolen_ms: after.stolen_ms.saturating_sub(before.stolen_ms),
        remark: outcome
            .and_then(|outcome| outcome.refusal)
            .map_or_else(String::new, |status| format!("the last refusal was {status}")),
        rss_kb: after.usage.rss_kb,
        pss_kb: Some([before.usage.pss_kb, after.usage.pss_kb]),
        ..Measured::default()
    })
}

/// What was used and carried until now.
struct Snapshot {
    at: Instant,
    stolen_ms: u64,
    usage: Usage,
    carried: u64,
    placed: usize,
}

impl Snapshot {
    fn of(load: &Load, placed: usize) -> Self {
        let usage = Usage::of(&load.subject.pids());
        Self {
            at: Instant::now(),
            stolen_ms: kernel::stolen_ms(),
            usage,
            carried: load.engine.carried(),
            placed,
        }
    }
}

/// Calls that are placed one `every`, `total` of them, each hung up when its time is over.
struct Calling {
    every: Duration,
    total: usize,
    placed: usize,
    began: Instant,
}

impl Calling {
    /// Until so long after the beginning, or until all calls are over.
    fn go_on(&mut self, load: &mut Load, until: Option<Duration>) -> io::Result<()> {
        let end = until.unwrap_or(self.every.mul_f64(self.total as f64) + CALL + PATIENCE);
        while self.began.elapsed() < end {
            load.turn();
            let Some(parties) = &mut load.parties else { break };
            if self.placed < self.total && self.began.elapsed() >= self.every.mul_f64(self.placed as f64) {
                parties.ring(&mut load.engine)?;
                self.placed += 1;
            }
            parties.hang_up_older(CALL);
            if until.is_none() && self.placed == self.total && parties.open_calls() == 0 {
                break;
            }
        }
        Ok(())
    }
}

fn wait_until_idle(load: &mut Load) {
    let pids = load.subject.pids();
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let (before, since) = (Usage::of(&pids).cpu_ns, Instant::now());
        load.run_for(LOOK);
        let used = Usage::of(&pids).cpu_ns.saturating_sub(before) as f64;
        if used < since.elapsed().as_nanos() as f64 * IDLE {
            return;
        }
    }
}

/// How many calls the server says were recorded without a flaw.
fn recorded(load: &mut Load, wanted: usize) -> u64 {
    let end = Instant::now() + PATIENCE;
    loop {
        let counted = load.subject.metric_of("vorzimmer_recordings_total", "result=\"ok\"").unwrap_or(0.0);
        if counted >= wanted as f64 || Instant::now() > end {
            return counted as u64;
        }
        load.run_for(LOOK);
    }
}

/// The shipped prompts in a folder of their own, those that are asked shorter.
///
/// # Errors
/// The system's, or a prompt is not one.
pub fn prompts() -> io::Result<tempfile::TempDir> {
    let (shipped, folder) = (workspace().join("config/prompts"), tempfile::tempdir()?);
    let mut list = fs::read_to_string(shipped.join("prompts.toml"))?;
    let quoted = |line: &str| Some(line.strip_prefix("file = \"")?.strip_suffix('"')?.to_owned());
    for file in list.lines().filter_map(quoted).collect::<Vec<_>>() {
        let (from, to) = (shipped.join(&file), folder.path().join(&file));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        match SHORTER.iter().find(|(name, _)| *name == file) {
            Some((_, ms)) => {
                cut(&from, &to, *ms).map_err(io::Error::other)?;
                list = list.replace(&hash(&from)?, &hash(&to)?);
            }
            None => drop(fs::copy(from, to)?),
        }
    }
    fs::write(folder.path().join("prompts.toml"), list)?;
    Ok(folder)
}

/// The first milliseconds of a WAV file.
fn cut(from: &Path, to: &Path, ms: u32) -> Result<(), hound::Error> {
    let reader = hound::WavReader::open(from)?;
    let spec = reader.spec();
    let mut writer = hound::WavWriter::create(to, spec)?;
    let most = u64::from(spec.sample_rate) * u64::from(ms) / 1_000;
    for sample in reader.into_samples::<i16>().take(usize::try_from(most).unwrap_or(usize::MAX)) {
        writer.write_sample(sample?)?;
    }
    writer.finalize()
}

/// As the list of prompts names it.
fn hash(file: &Path) -> io::Result<String> {
    let prompt = Prompt::from_wav(&fs::read(file)?, 1).map_err(io::Error::other)?;
    Ok(prompt.hash().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::{SHORTER, hash, prompts};

    #[test]
    fn the_list_names_the_prompts_as_they_are() {
        let folder = prompts().unwrap();
        let list = std::fs::read_to_string(folder.path().join("prompts.toml")).unwrap();
        for (file, ms) in SHORTER {
            let path = folder.path().join(file);
            assert!(list.contains(&hash(&path).unwrap()), "{file}");
            assert_eq!(hound::WavReader::open(path).unwrap().duration(), ms * 8, "{file}");
        }
    }
}
