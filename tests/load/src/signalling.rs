//! Signalling as a user would test it: SIPp calls through the server to a SIPp that answers, without voices. The
//! scenarios are in `tests/load/sipp/` and work by hand as well.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::{ports, sipp};

use crate::delay::{Delays, Summary};
use crate::kernel::{self, Usage};
use crate::options::Run;
use crate::proxy::Proxy;
use crate::results::Measured;

/// The customer whose calls are never recorded, and go to one telephone.
const NUMBER: &str = "+493023125010";

/// For how long a call is held once it is answered, in milliseconds. A caller who hangs up at once is gone before the
/// telephone is rung, and costs half a call.
const HOLD_MS: &str = "100";

/// Four for each call, held for that long and at rest for [`REST_S`] afterwards: enough for 2,000 calls a second.
const PORTS: u16 = 10_000;
/// How long a pair of ports rests after a call, in seconds.
const REST_S: u16 = 1;

/// How long the side that answers may take for its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// And once it is told to end.
const DISMISSED: Duration = Duration::from_secs(5);

/// Calls by SIPp through our server.
///
/// # Errors
/// The system's, or SIPp is not installed.
pub fn measure(options: &Run, core: Option<usize>) -> io::Result<Measured> {
    let mut setup = Setup { media_ports: PORTS, ..Setup::default() };
    for (name, value) in [
        ("VORZIMMER_LOGS__LEVEL", "info".to_owned()),
        ("VORZIMMER_LIMITS__MAX_CALLS", (options.sipp_limit + 50).to_string()),
        ("VORZIMMER_LIMITS__MAX_BUSY_PERCENT", "100".to_owned()),
        ("VORZIMMER_MEDIA__WORKERS", options.workers.to_string()),
        ("VORZIMMER_MEDIA__PORT_REST_S", REST_S.to_string()),
    ] {
        setup.environment.push((name.to_owned(), value));
    }
    let server = Server::start(&setup);
    if let Some(core) = core {
        kernel::pin(server.pid(), core);
    }
    let phone = ports::block(2);
    sipp::register(&server, "anna", phone);
    let measured = through(&server.sip, phone, &[server.pid()], options)?;
    Ok(Measured { driver: "vorzimmer".into(), ours: true, ..measured })
}

/// The same calls through Kamailio, which passes them on without a thought for voices; none if it is not installed.
///
/// # Errors
/// As [`measure`].
pub fn measure_peer(options: &Run, core: Option<usize>) -> io::Result<Option<Measured>> {
    let phone = ports::block(2);
    let Some(proxy) = Proxy::start(phone)? else { return Ok(None) };
    let pids = proxy.pids();
    if let Some(core) = core {
        for pid in &pids {
            kernel::pin(*pid, core);
        }
    }
    let measured = through(&proxy.sip.to_string(), phone, &pids, options)?;
    Ok(Some(Measured { driver: "kamailio as a proxy".into(), ..measured }))
}

/// Calls to `server`, whose processes are these, which passes them on to the telephone on this port.
fn through(server: &str, phone: u16, pids: &[u32], options: &Run) -> io::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let before = Usage::of(pids);
    let began = Instant::now();
    let mut answering = start(folder.path(), "answers", server, phone, options)?;
    let calling = start(folder.path(), "calls", server, ports::block(2), options)?;
    let called = finish(calling, folder.path(), "calls")?;
    let took = began.elapsed().as_secs_f64();
    dismiss(&mut answering)?;
    let answered = finish(answering, folder.path(), "answers")?;
    let after = Usage::of(pids);
    let cpu_ms = after.cpu_ns.saturating_sub(before.cpu_ns) as f64 / 1e6;
    Ok(Measured {
        mode: "signalling".into(),
        case: "signalling".into(),
        calls: usize::try_from(called.good + called.failed).unwrap_or(0),
        seconds: took,
        cpu_ms_per_call_minute: cpu_ms / (called.good + called.failed).max(1) as f64,
        failed: called.failed,
        retransmitted: called.retransmitted + answered.retransmitted,
        set_up_us: Some(set_up(folder.path())?),
        rss_kb: after.rss_kb,
        pss_kb: Some([before.pss_kb, after.pss_kb]),
        ..Measured::default()
    })
}

/// From each INVITE to its 200, as SIPp wrote it down: `time;milliseconds;name` a line.
fn set_up(folder: &Path) -> io::Result<Summary> {
    let mut delays = Delays::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.to_string_lossy().ends_with("_rtt.csv") {
            continue;
        }
        let text = fs::read_to_string(path)?;
        let times = text.lines().filter_map(|line| line.split(';').nth(1)?.parse::<f64>().ok());
        times.for_each(|ms| delays.note((ms * 1_000.0) as u64));
    }
    Ok(delays.summary())
}

/// A running SIPp; ended when dropped.
struct Sipp(Child);

impl Drop for Sipp {
    fn drop(&mut self) {
        // After its end this changes nothing.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What SIPp counted.
struct Counted {
    good: u64,
    failed: u64,
    retransmitted: u64,
}

fn start(folder: &Path, name: &str, server: &str, port: u16, options: &Run) -> io::Result<Sipp> {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("sipp/{name}.xml"));
    let out = File::create(folder.join(format!("{name}.screen")))?;
    let mut command = Command::new("sipp");
    command
        .arg(server)
        .arg("-sf")
        .arg(scenario)
        .args(["-s", NUMBER, "-t", "u1", "-i", "127.0.0.1", "-mi", "127.0.0.1"])
        .args(["-p", &port.to_string(), "-mp", &ports::block(8).to_string()])
        .args(["-m", &options.sipp_calls.to_string(), "-nostdin", "-timeout", "600s"])
        .args(["-buff_size", "4194304", "-trace_stat", "-fd", "1", "-stf"])
        .arg(statistics(folder, name));
    if name == "calls" {
        command.args(["-r", &options.sipp_rate.to_string(), "-l", &options.sipp_limit.to_string()]);
        command.args(["-trace_rtt", "-rtt_freq", "200", "-d", HOLD_MS]);
    }
    command.current_dir(folder);
    let child =
        command.env("TERM", "dumb").stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
    Ok(Sipp(child))
}

/// Every call is over for whoever placed it: the one that answers has a moment to see that too, and is then told to end,
/// however many calls it still waits for.
fn dismiss(sipp: &mut Sipp) -> io::Result<()> {
    std::thread::sleep(LAST_WORDS);
    let pid = rustix::process::Pid::from_child(&sipp.0);
    match rustix::process::kill_process(pid, rustix::process::Signal::USR1) {
        // It has ended by itself.
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => return Err(error.into()),
    }
    let end = Instant::now() + DISMISSED;
    while sipp.0.try_wait()?.is_none() && Instant::now() < end {
        std::thread::sleep(LAST_WORDS / 10);
    }
    // What it has counted it writes every second.
    if sipp.0.try_wait()?.is_none() { sipp.0.kill() } else { Ok(()) }
}

fn finish(mut sipp: Sipp, folder: &Path, name: &str) -> io::Result<Counted> {
    sipp.0.wait()?;
    let text = fs::read_to_string(statistics(folder, name))?;
    let mut lines = text.lines();
    let (names, last) = (lines.next().unwrap_or_default(), lines.next_back().unwrap_or_default());
    let of = |wanted: &str| {
        let at = names.split(';').position(|name| name == wanted);
        at.and_then(|at| last.split(';').nth(at)?.parse().ok()).unwrap_or(0)
    };
    Ok(Counted {
        good: of("SuccessfulCall(C)"),
        failed: of("FailedCall(C)"),
        retransmitted: of("Retransmissions(C)"),
    })
}

fn statistics(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.csv"))
}
