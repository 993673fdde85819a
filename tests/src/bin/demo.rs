//! `make demo`: a forwarded call through the running server, with a speaking caller and a speaking receptionist.
//!
//! Plays both with baresip, presses the caller's answer, lets them talk, hangs up, and shows what the server kept: the
//! timeline, the consent receipts, the record, and (after a yes) the exported recording.
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a demonstration that cannot go on ends with the reason"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vorzimmer_tests::baresip::{Baresip, Setup};
use vorzimmer_tests::server;

/// Where `make run` listens.
const SIP: &str = "127.0.0.1:5060";
/// The German customer of the example directory: asks before it connects.
const NUMBER: &str = "+493023125001";
/// Who calls.
const CALLER_NUMBER: &str = "+493023125900";
/// The receptionist who is played here; `anna` is left to the person who tries things.
const RECEPTIONIST: &str = "ben";

const CALLER_BEFORE: &str =
    "Das hier sage ich, bevor ich gefragt wurde. Es darf in keiner Aufnahme zu hören sein.";
const CALLER: &str =
    "Guten Tag, hier ist die Anruferin. Bitte richten Sie aus, dass ich morgen um zehn Uhr zurückrufe.";
const DESK: &str =
    "Kanzlei Beispiel, mein Name ist Ben Muster, was kann ich für Sie tun? Das richte ich gerne aus.";

struct Options {
    run_dir: PathBuf,
    answer: String,
}

fn main() {
    let options = options();
    let folder = tempfile::tempdir().expect("a folder for the phones");
    let password = password(&options.run_dir);
    let caller_says = folder.path().join("caller.wav");
    let desk_says = folder.path().join("desk.wav");
    speak(&caller_says, "de+f3", &[CALLER_BEFORE, CALLER, CALLER]);
    speak(&desk_says, "de+m3", &[DESK, DESK]);

    println!("== A call is forwarded to {NUMBER} ==");
    let mut desk = Baresip::registered(folder.path(), &phone(RECEPTIONIST, Some(&password), &desk_says));
    let mut caller = Baresip::start(folder.path(), &phone(CALLER_NUMBER, None, &caller_says));
    let began = Instant::now();
    let say = |what: &str| println!("{:6.1} s  {what}", began.elapsed().as_secs_f64());
    caller.dial(&format!("sip:{NUMBER}@{SIP}"));
    caller.event("CALL_ESTABLISHED", Duration::from_secs(10));
    say("the caller is greeted and asked whether the call may be recorded");
    let mut presses: u64 = 0;
    while desk.try_event("CALL_ESTABLISHED", Duration::from_millis(900)).is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "the receptionist was never connected");
        // Greeting and question take 11.5 s; a key before their end would not count. Once more if it was missed.
        let due = Duration::from_secs(12 + 10 * presses);
        if began.elapsed() > due {
            caller.press(&options.answer);
            presses += 1;
            say(&format!("the caller presses {}", options.answer));
        }
    }
    assert!(presses > 0, "the receptionist was connected before the caller answered");
    say("the receptionist takes the call; they talk");
    std::thread::sleep(Duration::from_secs(8));
    caller.hangup();
    desk.event("CALL_CLOSED", Duration::from_secs(10));
    say("the caller hangs up");
    drop((caller, desk));
    show(&options);
}

fn phone<'a>(user: &'a str, password: Option<&'a str>, speaks: &'a Path) -> Setup<'a> {
    Setup {
        user,
        password,
        server: SIP,
        transport: "udp",
        codecs: "PCMA",
        speaks,
        answers: password.is_some(),
        ptime_ms: 20,
        dtmf: "rtpevent",
    }
}

/// What the server kept of the newest call.
fn show(options: &Options) {
    let newest = vorzimmer_tests::wait::until("the call's record", Duration::from_secs(15), || {
        let calls: serde_json::Value = serde_json::from_str(&vorzimmer(&["call", "list", "--json"])).ok()?;
        let call = calls.as_array()?.first()?.clone();
        (!call["ended_at"].is_null()).then_some(call)
    });
    let id = newest["call"].as_str().expect("a call id").to_owned();
    println!("\n== vorzimmer call show {id} ==\n{}", vorzimmer(&["call", "show", &id]));
    let listed = vorzimmer(&["recording", "list", "--purpose", "demonstration", "--json"]);
    let recordings: serde_json::Value =
        serde_json::from_str(&listed).expect("the list of recordings is JSON");
    let of_call = recordings.as_array().and_then(|all| all.iter().find(|one| one["call"] == id.as_str()));
    let Some(recording) = of_call.and_then(|one| one["recording"].as_str()) else {
        println!("== Nothing was recorded: no row, no key, no file ==");
        return;
    };
    let to = options.run_dir.join(format!("demo-{recording}.wav"));
    vorzimmer(&[
        "recording",
        "export",
        recording,
        "--purpose",
        "demonstration",
        "--out",
        &to.to_string_lossy(),
    ]);
    let path = to.canonicalize().unwrap_or(to);
    println!(
        "== The recording: caller left, receptionist right; nothing from before the yes ==\n{}",
        path.display()
    );
}

fn vorzimmer(args: &[&str]) -> String {
    let out = Command::new(server::binary())
        .args(["--config", "config/vorzimmer.toml"])
        .args(args)
        .current_dir(server::workspace())
        .stderr(Stdio::inherit())
        .output()
        .expect("vorzimmer runs");
    assert!(out.status.success(), "vorzimmer {args:?} ended with {}", out.status);
    String::from_utf8(out.stdout).expect("vorzimmer prints UTF-8")
}

/// The receptionist's password, from the log-ins that `make run` noted at the first start.
fn password(run_dir: &Path) -> String {
    let path = run_dir.join("logins");
    let logins = std::fs::read_to_string(&path)
        .unwrap_or_else(|why| panic!("{}: {why}; start the server with `make run` first", path.display()));
    let mut rows = logins.lines().map(str::split_whitespace);
    rows.find_map(|mut words| if words.next() == Some(RECEPTIONIST) { words.next() } else { None })
        .unwrap_or_else(|| panic!("{} has no log-in for {RECEPTIONIST}", path.display()))
        .to_owned()
}

/// Speaks sentences into a WAV at 8 kHz, with a pause of two seconds after each.
fn speak(to: &Path, voice: &str, sentences: &[&str]) {
    let raw = to.with_extension("raw.wav");
    for (at, sentence) in sentences.iter().enumerate() {
        let one = to.with_extension(format!("{at}.wav"));
        done(Command::new("espeak-ng").args(["-v", voice, "-s", "150", "-w"]).arg(&raw).arg(sentence));
        done(
            Command::new("sox")
                .arg(&raw)
                .args(["-r", "8000", "-b", "16", "-c", "1"])
                .arg(&one)
                .args(["pad", "0", "2"]),
        );
    }
    let mut join = Command::new("sox");
    join.args((0..sentences.len()).map(|at| to.with_extension(format!("{at}.wav"))))
        .arg(to)
        .args(["pad", "0", "30"]);
    done(&mut join);
}

fn done(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    assert!(status.success(), "{command:?} ended with {status}");
}

fn options() -> Options {
    let mut options = Options { run_dir: PathBuf::from(".run"), answer: "1".into() };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--run-dir" => options.run_dir = value().into(),
            "--answer" => options.answer = value(),
            _ => panic!("demo [--run-dir DIR] [--answer 1|2], not {arg}"),
        }
    }
    options
}
