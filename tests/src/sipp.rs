//! SIPp: one scenario, one run, and why it failed if it did.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::server::{PASSWORD, Server};
use crate::{ports, tone, wait};

/// A run of SIPp.
#[derive(Debug)]
pub struct Sipp {
    child: Child,
    folder: PathBuf,
    scenario: String,
    /// Where this SIPp listens for SIP.
    pub port: u16,
}

/// How to run a scenario.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// The file's name below `tests/sipp/`, without `.xml`.
    pub scenario: &'a str,
    /// The server's `host:port`.
    pub server: &'a str,
    /// `u1` for UDP, `t1` for TCP over one socket.
    pub transport: &'a str,
    /// The number or user that is called or played (`-s`).
    pub service: &'a str,
    /// How many calls.
    pub calls: u32,
    /// Calls a second.
    pub rate: u32,
    /// Where it listens for SIP; none takes a free port.
    pub port: Option<u16>,
    /// Further arguments: `-key`, `-au`, `-ap`, …
    pub more: &'a [&'a str],
}

impl Sipp {
    /// Starts a scenario from `tests/sipp/`.
    ///
    /// # Panics
    /// When SIPp is not installed.
    #[must_use]
    pub fn start(folder: &Path, run: &Run<'_>) -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp");
        Self::play(folder, run, &shipped.join(format!("{}.xml", run.scenario)))
    }

    /// Starts a scenario from a file of the test's own.
    ///
    /// # Panics
    /// When SIPp is not installed.
    #[must_use]
    pub fn play(folder: &Path, run: &Run<'_>, file: &Path) -> Self {
        let port = run.port.unwrap_or_else(|| ports::block(2));
        let media = ports::block(8);
        let folder = folder.join(format!("sipp-{}-{port}", run.scenario));
        fs::create_dir_all(&folder).expect("a folder for SIPp");
        fs::write(folder.join("speech.al"), a_law_tones(&[440.0], 2_000)).expect("what SIPp says");
        let out = fs::File::create(folder.join("screen")).expect("SIPp's screen");
        let child = Command::new("sipp")
            .arg(run.server)
            .arg("-sf")
            .arg(file)
            .args(["-t", run.transport, "-s", run.service, "-i", "127.0.0.1", "-mi", "127.0.0.1"])
            .args(["-p", &port.to_string(), "-mp", &media.to_string()])
            .args(["-m", &run.calls.to_string(), "-r", &run.rate.to_string()])
            .args(["-nostdin", "-trace_err", "-error_file"])
            .arg(folder.join("errors"))
            .args(["-trace_msg", "-message_file"])
            .arg(folder.join("messages"))
            .args(["-timeout", "90s", "-timeout_error"])
            .args(run.more)
            .env("TERM", "dumb")
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("SIPp's screen twice"))
            .stderr(out)
            .spawn()
            .expect("SIPp starts: install Debian's sip-tester");
        Self { child, folder, scenario: run.scenario.to_owned(), port }
    }

    /// Waits until all its calls are over; whether all of them went as the scenario says.
    ///
    /// # Panics
    /// When the run does not end in time.
    #[must_use]
    pub fn went_well(mut self, limit: Duration) -> bool {
        self.ended(limit).success()
    }

    fn ended(&mut self, limit: Duration) -> ExitStatus {
        wait::until(&format!("SIPp's {} to end", self.scenario), limit, || {
            self.child.try_wait().expect("SIPp's exit status")
        })
    }

    /// Waits until all its calls are over, and all of them went as the scenario says.
    ///
    /// # Panics
    /// When a call failed, or the run does not end in time, with SIPp's own errors.
    pub fn passed(mut self, limit: Duration) -> Transcript {
        let status = self.ended(limit);
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let messages = read("messages");
        assert!(
            status.success(),
            "SIPp's {} failed ({status}):\n{}\nthe last messages:\n{}",
            self.scenario,
            read("errors"),
            tail(&messages, 4_000)
        );
        Transcript(messages)
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // After `passed` it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Registers a receptionist's telephone that listens on `port`, whoever plays it then.
///
/// # Panics
/// When the server does not accept it.
pub fn register(server: &Server, login: &str, port: u16) {
    let run = Run {
        scenario: "receptionist-register",
        server: &server.sip,
        transport: "u1",
        service: login,
        calls: 1,
        rate: 1,
        port: Some(port),
        more: &["-au", login, "-ap", PASSWORD],
    };
    let _messages = Sipp::start(server.folder(), &run).passed(Duration::from_secs(30));
}

/// Tones at once for so many milliseconds, as raw A-law (ITU-T G.711), for SIPp's `rtp_stream`. Together they are half of
/// full scale.
#[must_use]
pub fn a_law_tones(hertz: &[f64], milliseconds: u32) -> Vec<u8> {
    #[expect(clippy::cast_precision_loss, reason = "a few tones")]
    let level = 16_000.0 / hertz.len() as f64;
    (0..milliseconds * 8)
        .map(|at| {
            let angle = std::f64::consts::TAU * f64::from(at) / tone::RATE;
            let sum: f64 = hertz.iter().map(|hertz| (angle * hertz).sin() * level).sum();
            #[expect(clippy::cast_possible_truncation, reason = "within 16 bits by construction")]
            a_law(sum as i16)
        })
        .collect()
}

fn a_law(sample: i16) -> u8 {
    let sign = if sample >= 0 { 0x80 } else { 0 };
    let level = (i32::from(sample).abs() >> 4).min(0x7ff);
    let exponent = 27_i32.saturating_sub_unsigned(level.leading_zeros()).max(0);
    let mantissa = (level >> exponent.max(1)) & 0x0f;
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "eight bits")]
    let code = (sign | (exponent << 4) | mantissa) as u8;
    code ^ 0x55
}

/// Every message that SIPp sent and received.
#[derive(Clone, Debug)]
pub struct Transcript(pub String);

impl Transcript {
    /// How many messages begin with this, for example `SIP/2.0 180` or `CANCEL`.
    #[must_use]
    pub fn count(&self, first_words: &str) -> usize {
        self.0.lines().filter(|line| line.starts_with(first_words)).count()
    }
}

fn tail(text: &str, bytes: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
