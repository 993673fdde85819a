//! What was measured: as a table for people, as JSON for machines.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::delay::Summary;

/// What a call that talks has received and sent for it in a second: 50 packets from each side, each of them passed on.
pub const PACKETS_A_CALL_SECOND: f64 = 200.0;

/// Everything of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What it was measured on.
    pub machine: String,
    /// How the bench was called.
    pub command: String,
    /// When it began, seconds since 1970.
    pub began: u64,
    /// In the order in which they were measured.
    pub results: Vec<Measured>,
}

/// One measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `steady`, `ramp`, `soak`, `churn`, `signalling`, `consent` or `reencoding`.
    pub mode: String,
    /// `floor`, `relayed`, `recorded`, `srtp-recorded`, `asked` or `signalling`.
    pub case: String,
    /// What moved the packets: `epoll`, `io_uring`, or the peer's name.
    pub driver: String,
    /// Whether it is our server's.
    pub ours: bool,
    /// Calls that ran at the same time; of `signalling`, calls that were placed.
    pub calls: usize,
    /// For so many seconds.
    pub seconds: f64,
    /// Of the whole process, in milliseconds, for a minute of one call; of `signalling` and `consent`, for a call.
    pub cpu_ms_per_call_minute: f64,
    /// How often that of the floor in the same driver, measured in the same minutes.
    pub ratio_to_floor: Option<f64>,
    /// How often that of the ring's floor which is woken as often as the server is.
    #[serde(default)]
    pub ratio_to_floor_same_tick: Option<f64>,
    /// Packets that were sent, and what became of them.
    pub packets: Packets,
    /// From one end to the other, in microseconds.
    pub delay_us: Summary,
    /// By how much the generator itself was late, in microseconds.
    pub generator_late_us: Summary,
    /// Memory that the calls took (PSS), in kilobytes a call.
    pub memory_kb_per_call: f64,
    /// Memory of the whole process (RSS), in kilobytes.
    pub rss_kb: u64,
    /// Open file descriptors more than before the first call: while it was measured, and after the last call.
    pub descriptors: Option<[i64; 2]>,
    /// Memory of the whole process (PSS) in kilobytes, at the beginning and at the end of the measurement.
    pub pss_kb: Option<[u64; 2]>,
    /// From INVITE to 200, in microseconds.
    pub set_up_us: Option<Summary>,
    /// Calls that came and went meanwhile.
    pub churned: Option<u64>,
    /// Calls that failed.
    pub failed: u64,
    /// Requests that had to be said again.
    pub retransmitted: u64,
    /// Calls of `consent` that were placed in all.
    #[serde(default)]
    pub placed: Option<u64>,
    /// Packets of voices and prompts, received and sent, for each call of `consent`.
    #[serde(default)]
    pub packets_per_call: Option<f64>,
    /// Calls that were recorded without a flaw, as the server counted them.
    pub recorded: Option<u64>,
    /// For how long others had this machine's processors meanwhile, in milliseconds of all of them together: some of it is in
    /// every figure of its time.
    #[serde(default)]
    pub stolen_ms: u64,
    /// Gaps in recordings.
    pub gaps: Option<u64>,
    /// The threads that worked most, and their share in percent of the process's time.
    pub threads: Vec<(String, f64)>,
    /// What is to be known besides.
    pub remark: String,
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    /// Sent.
    pub sent: u64,
    /// Never came.
    pub lost: u64,
    /// Came more than once.
    pub duplicates: u64,
    /// Came after one that was sent later.
    pub reordered: u64,
}

impl Report {
    /// Sets every ratio: to the floor in the same driver with as many calls, or, where the driver is a peer's, to the
    /// epoll floor.
    pub fn set_ratios(&mut self) {
        let floors: Vec<_> = self.results.iter().filter(|one| one.case == "floor").cloned().collect();
        for one in self.results.iter_mut().filter(|one| one.mode != "consent") {
            let like =
                |driver: &str| floors.iter().find(|floor| floor.calls == one.calls && floor.driver == driver);
            let floor = like(&one.driver).or_else(|| like("epoll"));
            one.ratio_to_floor = floor
                .filter(|floor| floor.cpu_ms_per_call_minute > 0.0 && one.is_by_the_minute())
                .map(|floor| one.cpu_ms_per_call_minute / floor.cpu_ms_per_call_minute);
            one.ratio_to_floor_same_tick = like("io_uring-2.2ms")
                .filter(|floor| floor.cpu_ms_per_call_minute > 0.0 && one.ours && one.driver == "io_uring")
                .map(|floor| one.cpu_ms_per_call_minute / floor.cpu_ms_per_call_minute);
        }
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut text = format!("{}\n{}\n\n", self.command, self.machine);
        let media: Vec<_> = self.results.iter().filter(|one| one.is_by_the_minute()).collect();
        if !media.is_empty() {
            text.push_str(
                "| mode | case | driver | calls | CPU ms/call-min | × floor | × same tick | lost | delay p50 / p99 / p99.9 / max ms | kB/call |\n\
                 |---|---|---|---:|---:|---:|---:|---:|---|---:|\n",
            );
            for one in &media {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{}", media_row(one));
            }
        }
        let signalling: Vec<_> = self.results.iter().filter(|one| one.mode == "signalling").collect();
        if !signalling.is_empty() {
            text.push_str(
                "\n| signalling | calls | calls/s | CPU ms/call | set-up p50 / p99 / max ms | failed | retransmitted |\n\
                 |---|---:|---:|---:|---|---:|---:|\n",
            );
            for one in &signalling {
                let rate = one.calls as f64 / one.seconds.max(0.001);
                let (name, calls, cpu) = (&one.driver, one.calls, one.cpu_ms_per_call_minute);
                let (failed, again) = (one.failed, one.retransmitted);
                let set_up = one.set_up_us.unwrap_or_default();
                let [p50, p99, max] = [set_up.p50, set_up.p99, set_up.max].map(|us| us as f64 / 1_000.0);
                let _ = writeln!(
                    text,
                    "| {name} | {calls} | {rate:.0} | {cpu:.2} | {p50:.1} / {p99:.1} / {max:.0} | {failed} | {again} |"
                );
            }
        }
        let asked: Vec<_> = self.results.iter().filter(|one| one.mode == "consent").collect();
        if !asked.is_empty() {
            text.push_str(
                "\n| asked, one digit, recorded | driver | calls of 11 s at a time | CPU ms/call | packets/call | × floor for as many | × same tick | recorded of all | failed | retransmitted |\n\
                 |---|---|---:|---:|---:|---:|---:|---|---:|---:|\n",
            );
            for one in &asked {
                let (driver, calls, cpu) = (&one.driver, one.calls, one.cpu_ms_per_call_minute);
                let (ok, failed, again) = (one.recorded.unwrap_or(0), one.failed, one.retransmitted);
                let placed = one.placed.unwrap_or(0);
                let packets = one.packets_per_call.unwrap_or(0.0);
                let (long, same) = (ratio(one.ratio_to_floor), ratio(one.ratio_to_floor_same_tick));
                let _ = writeln!(
                    text,
                    "| vorzimmer | {driver} | {calls} | {cpu:.2} | {packets:.0} | {long} | {same} | {ok} of {placed} | {failed} | {again} |"
                );
            }
        }
        for one in self.results.iter().filter(|one| !one.remark.is_empty()) {
            let _ = writeln!(text, "\n{}, {}, {} calls: {}", one.case, one.driver, one.calls, one.remark);
        }
        if self.results.iter().any(|one| one.stolen_ms > 0) {
            let stolen = self.results.iter().filter(|one| one.stolen_ms > 0);
            let each =
                stolen.map(|one| format!("{} {} {}: {} ms", one.case, one.driver, one.calls, one.stolen_ms));
            let each = each.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "\nmeanwhile others had this machine's processors (steal): {each}");
        }
        text
    }
}

impl Measured {
    /// Whether what it cost is said for a minute of a call, and not for a call.
    pub fn is_by_the_minute(&self) -> bool {
        self.mode != "signalling" && self.mode != "consent"
    }

    /// Sets the ratios of calls of which every one was counted by its packets: to what the floors took for as many.
    pub fn set_ratios_by_packet(&mut self, floors: &[Self]) {
        let of = |driver: &str| {
            let floor = floors.iter().find(|floor| floor.driver == driver)?;
            let a_packet = floor.cpu_ms_per_call_minute / (60.0 * PACKETS_A_CALL_SECOND);
            Some(self.cpu_ms_per_call_minute / (a_packet * self.packets_per_call?))
                .filter(|ratio| ratio.is_finite())
        };
        (self.ratio_to_floor, self.ratio_to_floor_same_tick) = (of("io_uring"), of("io_uring-2.2ms"));
    }
}

fn ratio(of: Option<f64>) -> String {
    of.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}

fn media_row(one: &Measured) -> String {
    let ms = |us: u64| us as f64 / 1_000.0;
    let delay = one.delay_us;
    let (long, same) = (ratio(one.ratio_to_floor), ratio(one.ratio_to_floor_same_tick));
    format!(
        "| {} | {} | {} | {} | {:.1} | {long} | {same} | {} | {:.2} / {:.2} / {:.2} / {:.1} | {:.0} |",
        one.mode,
        one.case,
        one.driver,
        one.calls,
        one.cpu_ms_per_call_minute,
        one.packets.lost,
        ms(delay.p50),
        ms(delay.p99),
        ms(delay.p999),
        ms(delay.max),
        one.memory_kb_per_call,
    )
}

#[cfg(test)]
mod tests {
    use super::{Measured, Report};

    fn measured(case: &str, driver: &str, calls: usize, cpu: f64) -> Measured {
        Measured {
            mode: "steady".into(),
            case: case.into(),
            driver: driver.into(),
            calls,
            cpu_ms_per_call_minute: cpu,
            ..Measured::default()
        }
    }

    #[test]
    fn each_is_held_against_the_floor_of_its_driver_and_its_number_of_calls() {
        let mut report = Report {
            results: vec![
                measured("floor", "epoll", 50, 20.0),
                measured("floor", "io_uring", 50, 10.0),
                measured("recorded", "epoll", 50, 30.0),
                measured("recorded", "io_uring", 50, 30.0),
                measured("recorded", "kamailio+rtpengine", 50, 80.0),
                measured("recorded", "epoll", 51, 30.0),
            ],
            ..Report::default()
        };
        report.set_ratios();
        let ratios: Vec<_> = report.results.iter().map(|one| one.ratio_to_floor).collect();
        assert_eq!(ratios, [Some(1.0), Some(1.0), Some(1.5), Some(3.0), Some(4.0), None]);
        let table = report.table();
        assert!(table.contains("| steady | recorded | epoll | 50 | 30.0 | 1.50 | – | 0 |"), "{table}");
    }

    #[test]
    fn a_call_that_is_asked_is_held_against_the_floor_for_as_many_packets() {
        // 12 ms for a minute of 200 packets a second: a microsecond each.
        let floors = [measured("floor", "io_uring", 20, 12.0), measured("floor", "io_uring-2.2ms", 20, 24.0)];
        let call = Measured {
            mode: "consent".into(),
            packets_per_call: Some(1_000.0),
            ..measured("asked", "io_uring", 50, 3.0)
        };
        let mut report = Report { results: floors.to_vec(), ..Report::default() };
        report.results.push(call);
        report.results[2].set_ratios_by_packet(&floors);
        report.set_ratios();
        assert_eq!(report.results[2].ratio_to_floor, Some(3.0));
        assert_eq!(report.results[2].ratio_to_floor_same_tick, Some(1.5));
        let table = report.table();
        assert!(table.contains("| 50 | 3.00 | 1000 | 3.00 | 1.50 |"), "{table}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let report = Report { results: vec![measured("floor", "epoll", 50, 20.0)], ..Report::default() };
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
