//! One measurement: what the kernel and the generator say at its beginning and at its end.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::kernel::{self, Usage};
use crate::results::{Measured, Packets};
use crate::subject::Load;

/// Time for a load to settle before it is measured, and for packets under way to arrive after it.
const SETTLE: Duration = Duration::from_secs(1);
const DRAIN: Duration = Duration::from_millis(500);
/// Threads that are named.
const BUSIEST: usize = 6;

/// Calls that come and go while others are measured.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// How many stay.
    pub keep: usize,
    /// How many come a second.
    pub rate: f64,
    /// For how long each runs.
    pub hold: Duration,
}

/// What a subject used before its first call.
pub fn idle(load: &Load) -> Usage {
    Usage::of(&load.subject.pids())
}

/// Measures a load that runs for so many seconds. `idle` is what it used before its first call.
pub fn measure(load: &mut Load, idle: Usage, calls: usize, seconds: f64, churn: Option<Churn>) -> Measured {
    load.settle();
    load.run_for(SETTLE);
    let pids = load.subject.pids();
    let threads = by_name(&pids);
    let gaps = load.subject.metric("vorzimmer_recording_gaps_total");
    let before = Usage::of(&pids);
    let stolen = kernel::stolen_ms();
    load.engine.begin();
    let began = Instant::now();
    let before_churn = reached_nobody(load);
    let churned = run(load, Duration::from_secs_f64(seconds), churn);
    let after = Usage::of(&pids);
    let stolen_ms = kernel::stolen_ms().saturating_sub(stolen);
    let took = began.elapsed().as_secs_f64();
    load.engine.pause();
    load.run_for(DRAIN);
    let cpu_ms = after.cpu_ns.saturating_sub(before.cpu_ns) as f64 / 1e6;
    let tally = load.engine.tally();
    let gaps_after = load.subject.metric("vorzimmer_recording_gaps_total");
    // Whoever is answered and reaches nobody is one of the calls that failed, besides those that were refused.
    let nobody = reached_nobody(load).saturating_sub(before_churn);
    let outcome = load.parties.as_ref().map(|parties| &parties.outcome);
    Measured {
        calls,
        seconds: took,
        cpu_ms_per_call_minute: cpu_ms * 60.0 / took / calls.max(1) as f64,
        packets: Packets {
            sent: tally.sent,
            lost: tally.lost(),
            duplicates: tally.duplicates,
            reordered: tally.reordered,
        },
        delay_us: tally.delay(),
        generator_late_us: tally.late(),
        memory_kb_per_call: after.pss_kb.saturating_sub(idle.pss_kb) as f64 / calls.max(1) as f64,
        rss_kb: after.rss_kb,
        pss_kb: Some([before.pss_kb, after.pss_kb]),
        set_up_us: outcome.map(|outcome| outcome.set_up.summary()),
        churned,
        failed: outcome.map_or(0, |outcome| outcome.failed) + nobody,
        retransmitted: outcome.map_or(0, |outcome| outcome.retransmitted),
        gaps: gaps.zip(gaps_after).map(|(before, after)| whole(after - before)),
        stolen_ms,
        threads: shares(&threads, &by_name(&pids)),
        ..Measured::default()
    }
}

/// Descriptors more than before the first call.
pub fn descriptors_more(load: &Load, idle: Usage) -> i64 {
    let now = Usage::of(&load.subject.pids()).descriptors;
    i64::try_from(now).unwrap_or(0) - i64::try_from(idle.descriptors).unwrap_or(0)
}

/// Lets a load run, with calls that come and go if there are to be any. How many came.
fn run(load: &mut Load, time: Duration, churn: Option<Churn>) -> Option<u64> {
    let Some(churn) = churn else {
        load.run_for(time);
        return None;
    };
    let began = Instant::now();
    let mut came = 0;
    while began.elapsed() < time {
        load.turn();
        let Some(parties) = &mut load.parties else { break };
        parties.counted = false;
        if (came as f64) < began.elapsed().as_secs_f64() * churn.rate {
            came += 1;
            // Without a free place the call is missing, and the number that came says so.
            if parties.ring(&mut load.engine).is_err() {
                came -= 1;
            }
        }
        parties.hang_up_answered(churn.keep, churn.hold);
    }
    Some(came)
}

/// Calls that were answered so far and reached nobody.
fn reached_nobody(load: &Load) -> u64 {
    let outcome = load.parties.as_ref().map(|parties| &parties.outcome);
    outcome.map_or(0, |outcome| outcome.answered.saturating_sub(outcome.connected))
}

fn by_name(pids: &[u32]) -> HashMap<String, u64> {
    let mut sums = HashMap::new();
    for (name, ns) in pids.iter().flat_map(|pid| kernel::threads(*pid)) {
        *sums.entry(name).or_default() += ns;
    }
    sums
}

/// How the work of the time between was shared among threads, in percent.
fn shares(before: &HashMap<String, u64>, after: &HashMap<String, u64>) -> Vec<(String, f64)> {
    let used = |name: &String, ns: u64| ns.saturating_sub(before.get(name).copied().unwrap_or(0)) as f64;
    let mut all: Vec<_> = after.iter().map(|(name, ns)| (name.clone(), used(name, *ns))).collect();
    let sum: f64 = all.iter().map(|(_, ns)| ns).sum();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(BUSIEST);
    all.retain(|(_, ns)| *ns > 0.0);
    all.into_iter().map(|(name, ns)| (name, (ns / sum * 1_000.0).round() / 10.0)).collect()
}

fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}
