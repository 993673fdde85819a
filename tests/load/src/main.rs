//! The measuring bench: what a call costs, beside the floor that the kernel sets.
//!
//! A generator sets calls up by SIP and carries numbered, stamped RTP through whatever is measured; the kernel says what
//! that used; in the same minutes a bare forwarder is measured with the same sockets and packets. What is compared are
//! ratios: machines differ, and have other things to do.
#![expect(clippy::disallowed_methods, reason = "a load is made and measured in real time")]

mod consent;
mod delay;
mod engine;
mod floor;
mod kernel;
mod measure;
mod options;
mod parties;
mod peer;
mod plot;
mod proxy;
mod reencoding;
mod results;
mod signalling;
mod stamps;
mod subject;
mod voice;
mod words;

use std::fs;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::floor::Style;
use crate::measure::Churn;
use crate::options::{Mode, Options, Run, Verb};
use crate::results::{Measured, Report};
use crate::subject::{Case, Load};

/// By how much `ramp` makes each load larger.
const STEP: f64 = 1.25;

fn main() -> ExitCode {
    let done = match Options::parse().verb {
        Verb::Run(run) => raise_limits().and_then(|()| bench(&run)),
        Verb::Floor { style, calls } => raise_limits().and_then(|()| floor::run(style, calls)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Thousands of sockets need as many descriptors; what is started from here inherits this.
fn raise_limits() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(())
}

fn bench(run: &Run) -> io::Result<()> {
    fs::create_dir_all(&run.out)?;
    let (core, own) = run.cores();
    // Before this process is kept on one core: it sees no other then.
    let machine = kernel::machine();
    if let Some(own) = own
        && !kernel::pin(std::process::id(), own)
    {
        eprintln!("the generator could not be kept on core {own}");
    }
    let mut report = Report {
        machine,
        command: std::env::args().skip(1).fold("load".to_owned(), |all, arg| format!("{all} {arg}")),
        began: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        results: Vec::new(),
    };
    for mode in &run.modes {
        match mode {
            Mode::Steady => steady(run, core, &mut report)?,
            Mode::Ramp => ramp(run, core, &mut report)?,
            Mode::Soak | Mode::Churn => soak(run, core, *mode, &mut report)?,
            Mode::Signalling => by_sipp(run, core, &mut report)?,
            Mode::Consent => {
                for calls in run.calls.iter().copied() {
                    asked(run, core, calls, &mut report)?;
                }
            }
            Mode::Reencoding => {
                for measured in reencoding::measure(run, run.calls.first().copied().unwrap_or(20), core)? {
                    add(run, &mut report, measured)?;
                }
            }
        }
    }
    println!("\n{}", report.table());
    println!("written: {}", run.out.join("results.json").display());
    Ok(())
}

/// Calls that are asked and recorded, and floors that carry as many packets a second in the same minutes.
fn asked(run: &Run, core: Option<usize>, calls: usize, report: &mut Report) -> io::Result<()> {
    let mut measured = consent::measure(run, calls, core)?;
    let packets = measured.packets_per_call.unwrap_or(0.0);
    let a_second = packets * measured.calls as f64 / consent::CALL.as_secs_f64();
    let like = (a_second / results::PACKETS_A_CALL_SECOND).round().max(1.0) as usize;
    let mut floors = Vec::new();
    for style in Style::value_variants().iter().filter(|style| **style != Style::Epoll) {
        if vorzimmer_wire::probe().is_ok() {
            floors.push(of_floor(run, *style, like, core)?);
        }
    }
    measured.set_ratios_by_packet(&floors);
    for one in floors {
        add(run, report, one)?;
    }
    add(run, report, measured)
}

/// SIPp's calls through the server, and through a proxy in the same minutes.
fn by_sipp(run: &Run, core: Option<usize>, report: &mut Report) -> io::Result<()> {
    add(run, report, signalling::measure(run, core)?)?;
    if run.no_peer {
        return Ok(());
    }
    match signalling::measure_peer(run, core)? {
        Some(measured) => add(run, report, measured),
        None => {
            eprintln!("no peer: kamailio is not installed");
            Ok(())
        }
    }
}

/// Every case with every number of calls, between the floors of the same minutes.
fn steady(run: &Run, core: Option<usize>, report: &mut Report) -> io::Result<()> {
    for calls in run.calls.iter().copied() {
        for style in Style::value_variants() {
            if *style != Style::Epoll
                && let Err(error) = vorzimmer_wire::probe()
            {
                eprintln!("no io_uring floor: {error}");
                continue;
            }
            add(run, report, of_floor(run, *style, calls, core)?)?;
        }
        for case in run.cases.iter().copied() {
            let mut load = Load::server(case, calls + 8, core, run)?;
            let (measured, _) = with_calls(run, &mut load, case, calls, Mode::Steady)?;
            add(run, report, measured)?;
            drop(load);
            if run.no_peer || case == Case::SrtpRecorded {
                continue;
            }
            match Load::pair(case, calls + 8, core)? {
                Some(mut pair) => {
                    let (measured, _) = with_calls(run, &mut pair, case, calls, Mode::Steady)?;
                    add(run, report, measured)?;
                }
                None => eprintln!("no peer: kamailio and rtpengine-daemon are not installed"),
            }
        }
    }
    Ok(())
}

/// More and more calls until something gives; the floor with as many as were carried last.
fn ramp(run: &Run, core: Option<usize>, report: &mut Report) -> io::Result<()> {
    for case in run.cases.iter().copied() {
        let mut calls = run.calls.first().copied().unwrap_or(50);
        let mut load = Load::server(case, run.most + 8, core, run)?;
        loop {
            let (mut measured, running) = with_calls(run, &mut load, case, calls, Mode::Ramp)?;
            let lost = measured.packets.lost;
            let over = running < calls || lost > 0 || calls >= run.most;
            if over {
                let busy = measured.cpu_ms_per_call_minute * running as f64 / 600.0;
                measured.remark = format!(
                    "the ramp ended here: {running} of {calls} calls run, {lost} packets lost, {busy:.0} % of a core used, \
                     the generator late by {} µs at most{}",
                    measured.generator_late_us.max,
                    if measured.remark.is_empty() { String::new() } else { format!("; {}", measured.remark) },
                );
            }
            add(run, report, measured)?;
            if over {
                break;
            }
            let next = (calls as f64 * STEP).ceil() as usize;
            calls = next.min(run.most);
        }
        load.hang_up();
    }
    Ok(())
}

/// A load for long, with calls that come and go beside it or without; then everything is hung up.
fn soak(run: &Run, core: Option<usize>, mode: Mode, report: &mut Report) -> io::Result<()> {
    let coming = if mode == Mode::Churn { (run.rate * (run.hold + 4.0)) as usize } else { 0 };
    for (calls, case) in run.calls.iter().flat_map(|calls| run.cases.iter().map(|case| (*calls, *case))) {
        let mut load = Load::server(case, calls + coming + 8, core, run)?;
        let idle = measure::idle(&load);
        let (mut measured, _) = with_calls(run, &mut load, case, calls, mode)?;
        let meanwhile = measure::descriptors_more(&load, idle);
        load.hang_up();
        load.run_for(Duration::from_secs(2));
        measured.descriptors = Some([meanwhile, measure::descriptors_more(&load, idle)]);
        add(run, report, measured)?;
    }
    Ok(())
}

/// Sets calls up and measures them; how many really run.
fn with_calls(
    run: &Run,
    load: &mut Load,
    case: Case,
    calls: usize,
    mode: Mode,
) -> io::Result<(Measured, usize)> {
    let idle = measure::idle(load);
    let mut running = load.set_up(calls)?;
    let mut remark = String::new();
    if case != Case::Relayed && load.subject.is_ours() {
        let recordings = load.recordings(running);
        if recordings < running {
            remark = format!("only {recordings} of {running} calls are recorded");
            running = recordings;
        }
    }
    let hold = Duration::from_secs_f64(run.hold);
    let churn = (mode == Mode::Churn).then_some(Churn { keep: calls, rate: run.rate, hold });
    let measured = measure::measure(load, idle, running, run.seconds, churn);
    let refusal = load.parties.as_ref().and_then(|parties| parties.outcome.refusal);
    if running < calls && remark.is_empty() {
        remark = format!("{running} of {calls} calls were set up, the last refusal was {refusal:?}");
    }
    if let Some(churned) = measured.churned {
        let failed = measured.failed;
        let more = format!(
            "{churned} further calls came and went; {failed} calls in all were refused or reached nobody"
        );
        remark = if remark.is_empty() { more } else { format!("{remark}; {more}") };
    }
    let measured = Measured {
        mode: name(mode),
        case: case.name().into(),
        driver: load.subject.driver(),
        ours: load.subject.is_ours(),
        remark,
        ..measured
    };
    Ok((measured, running))
}

fn of_floor(run: &Run, style: Style, calls: usize, core: Option<usize>) -> io::Result<Measured> {
    let mut load = Load::floor(style, calls, core)?;
    let idle = measure::idle(&load);
    let measured = measure::measure(&mut load, idle, calls, run.seconds, None);
    Ok(Measured { mode: name(Mode::Steady), case: "floor".into(), driver: style.name().into(), ..measured })
}

/// Adds a measurement, says so, and writes everything so far: a run that is broken off leaves what it had.
fn add(run: &Run, report: &mut Report, measured: Measured) -> io::Result<()> {
    eprintln!(
        "{} {} {} {} calls: {:.1} ms, {} lost",
        measured.mode,
        measured.case,
        measured.driver,
        measured.calls,
        measured.cpu_ms_per_call_minute,
        measured.packets.lost
    );
    report.results.push(measured);
    report.set_ratios();
    let json = serde_json::to_string_pretty(report).map_err(io::Error::other)?;
    fs::write(run.out.join("results.json"), json + "\n")?;
    fs::write(run.out.join("plot.svg"), plot::svg(report))
}

fn name(mode: Mode) -> String {
    mode.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
