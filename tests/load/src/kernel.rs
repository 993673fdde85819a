//! What the kernel knows of processes: how long they ran, what memory is theirs, how many descriptors are open.

use std::fs;
use std::process::Command;

/// What processes have used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on a processor since they began, all threads together, in nanoseconds.
    pub cpu_ns: u64,
    /// Memory that is theirs, shared pages by their share, in kilobytes (PSS).
    pub pss_kb: u64,
    /// Memory that is resident, in kilobytes.
    pub rss_kb: u64,
    /// Open file descriptors.
    pub descriptors: u64,
}

impl Usage {
    /// Of these processes together. Those that are gone count nothing.
    pub fn of(pids: &[u32]) -> Self {
        pids.iter().fold(Self::default(), |sum, pid| {
            let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            Self {
                cpu_ns: sum.cpu_ns + cpu_ns(*pid),
                pss_kb: sum.pss_kb + field(&memory, "Pss:"),
                rss_kb: sum.rss_kb + field(&memory, "Rss:"),
                descriptors: sum.descriptors + entries(&format!("/proc/{pid}/fd")),
            }
        })
    }
}

/// Time on a processor by `schedstat`, whose first number is nanoseconds; clock ticks would be too coarse.
pub fn cpu_ns(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .map(|task| fs::read_to_string(task.path().join("schedstat")).unwrap_or_default())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

/// The same by the names of the threads, the busiest first.
pub fn threads(pid: u32) -> Vec<(String, u64)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut all: Vec<_> = tasks
        .filter_map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?.trim().to_owned();
            let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((name, stat.split_whitespace().next()?.parse().ok()?))
        })
        .collect();
    all.sort_by_key(|(_, ns): &(String, u64)| std::cmp::Reverse(*ns));
    all
}

/// Time for which all processors together were lent to others by the machine that this one runs on, in milliseconds since the
/// start: "steal" of `proc_stat(5)`, in ticks of 10 ms.
pub fn stolen_ms() -> u64 {
    stolen(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

fn stolen(stat: &str) -> u64 {
    const TICK_MS: u64 = 10;
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let ticks = all.and_then(|all| all.split_whitespace().nth(7)?.parse::<u64>().ok());
    ticks.unwrap_or(0) * TICK_MS
}

/// Keeps a process, with all its threads, on one core. Whether that worked.
pub fn pin(pid: u32, core: usize) -> bool {
    let taskset =
        Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &pid.to_string()]).output();
    taskset.is_ok_and(|out| out.status.success())
}

/// What the figures were measured on, in one line.
pub fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemTotal:") / 1_000_000;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']).trim();
    format!("{cores} cores, {model}, {memory} GB, Linux {}", kernel.trim())
}

/// The number of kilobytes in a line of the kernel's tables.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn entries(folder: &str) -> u64 {
    fs::read_dir(folder).map_or(0, |entries| entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::{Usage, field, stolen};

    #[test]
    fn what_others_had_of_the_processors_is_the_eighth_number() {
        let stat =
            "cpu  3398085 9596 1143252 4856360 2468893 0 174875 16410 5 6\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!((stolen(stat), stolen("")), (164_100, 0));
    }

    #[test]
    fn one_knows_oneself() {
        let usage = Usage::of(&[std::process::id()]);
        assert!(usage.cpu_ns > 0 && usage.rss_kb > 0 && usage.descriptors > 2, "{usage:?}");
    }

    #[test]
    fn fields_are_found_by_their_names() {
        let text = "55d0-7ffe ---p\nRss:      5120 kB\nPss:     1234 kB\nPss_Dirty:  9 kB\n";
        assert_eq!((field(text, "Rss:"), field(text, "Pss:"), field(text, "Swap:")), (5120, 1234, 0));
    }
}
