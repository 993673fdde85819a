//! A recorded call, an idle machine, and the operator's wish: the recording becomes a quarter of what it was, keeps both
//! voices and its last day, survives a kill on the way, and is forgotten like any other.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::tone::{self, Track};
use vorzimmer_tests::wait;

/// The receptionist's key says that the caller agreed: nobody waits for a question.
const ATTESTED: &str = "+493023125013";
const CALLER_HZ: f64 = 440.0;
const RECEPTIONIST_HZ: f64 = 1_015.0;
const SOON: Duration = Duration::from_secs(20);
const PURPOSE: [&str; 2] = ["--purpose", "acceptance test"];
/// What is longer than 10 seconds is looked at: a page holds 160 ms of two voices.
const LONG_ENOUGH: u64 = 68 * 4096;
/// Whatever else the machine does, a test's server counts as idle.
const WANTED: &str = "\n[reencoding]\nenabled = true\nmax_load = 1000.0\nafter_minutes = 0\n";

/// Two telephones talk until the recording is long enough; gives its id.
fn recorded(server: &Server, folder: &Path) -> String {
    let [caller_says, anna_says] = ["caller.wav", "anna.wav"].map(|name| folder.join(name));
    tone::write_sine(&caller_says, CALLER_HZ, 60.0);
    tone::write_sine(&anna_says, RECEPTIONIST_HZ, 60.0);
    let phone = |user, says, receptionist| Phone {
        user,
        password: if receptionist { Some(PASSWORD) } else { None },
        server: &server.sip,
        transport: "udp",
        codecs: "PCMA",
        speaks: says,
        answers: receptionist,
        ptime_ms: 20,
        dtmf: "rtpevent",
    };
    let mut anna = Baresip::registered(folder, &phone("anna", &anna_says, true));
    let mut caller = Baresip::start(folder, &phone("caller", &caller_says, false));
    caller.dial(&format!("sip:{ATTESTED}@{}", server.sip));
    anna.event("CALL_ESTABLISHED", SOON);
    anna.press("*6");
    wait::until("a recording that is long enough", Duration::from_secs(40), || {
        let file = recordings(server).into_iter().next()?;
        (fs::metadata(file).ok()?.len() >= LONG_ENOUGH).then_some(())
    });
    caller.hangup();
    let shown = server.call_record("the recording to end", |record| {
        !record["ended_at"].is_null() && !record["recordings"][0]["result"].is_null()
    });
    let recording = &shown["record"]["recordings"][0];
    assert_eq!(recording["result"], "ok", "{recording}");
    recording["recording"].as_str().expect("a recording").to_owned()
}

/// The files of recordings, those that are being made left out.
fn recordings(server: &Server) -> Vec<PathBuf> {
    let listed = fs::read_dir(server.folder().join("recordings")).expect("the recordings");
    listed.map(|file| file.expect("a file").path()).filter(|path| path.is_file()).collect()
}

fn tracks(server: &Server, id: &str, to: &Path) -> [Track; 2] {
    server.cli_ok(&[&["recording", "export", id, "--out", &to.to_string_lossy()][..], &PURPOSE].concat());
    tone::read_wav(to).try_into().expect("caller left, receptionist right")
}

fn verified(server: &Server, id: &str) -> Value {
    server.json(&[&["recording", "verify", id][..], &PURPOSE].concat())
}

/// Both tones are where they were, for as long as they were.
fn same_sound(before: &[Track; 2], after: &[Track; 2]) {
    for (place, own) in [CALLER_HZ, RECEPTIONIST_HZ].into_iter().enumerate() {
        let heard =
            |track: &Track| tone::find(track, own).unwrap_or_else(|| panic!("track {place} is silent"));
        let (was, is) = (heard(&before[place]), heard(&after[place]));
        assert_eq!(before[place].0.len(), after[place].0.len(), "track {place}");
        let moved = was.from_ms.abs_diff(is.from_ms).max(was.to_ms.abs_diff(is.to_ms));
        assert!(moved <= 60, "track {place}: {was:?} became {is:?}");
        assert!(is.longest_hole_ms() <= was.longest_hole_ms() + 20, "track {place}: {was:?} became {is:?}");
        let other = [RECEPTIONIST_HZ, CALLER_HZ][place];
        let leak = tone::leakage_db(&after[place], own, other);
        assert!(leak < -30.0, "track {place} holds the other's voice at {leak:.1} dB");
    }
}

#[test]
fn a_recording_shrinks_when_nobody_calls_and_is_forgotten_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(&Setup::default());
    let id = recorded(&server, folder.path());
    let file = recordings(&server).pop().expect("a file");
    let original = fs::read(&file).expect("the file");
    let before = tracks(&server, &id, &folder.path().join("before.wav"));
    let keys = server.json(&["keys", "status"]);
    let row = server.json(&[&["recording", "show", &id][..], &PURPOSE].concat());

    // Nobody asked for it: a restart, too, leaves everything as it is, but for what a kill left.
    let copies = server.folder().join("recordings/copies");
    fs::create_dir(&copies).expect("a folder");
    let torn = copies.join(file.file_name().expect("a name"));
    fs::write(&torn, &original[..9000]).expect("half a copy");
    server.kill();
    server.run();
    wait::until("half a copy to be thrown away", SOON, || (!torn.exists()).then_some(()));
    assert_eq!(fs::read(&file).expect("the file"), original);

    server.kill();
    let mut config = fs::OpenOptions::new().append(true).open(server.config()).expect("the configuration");
    config.write_all(WANTED.as_bytes()).expect("written");
    server.run();
    // It is killed while it copies, or just after: either way the recording is there, whole.
    wait::until("a copy to be begun", SOON, || (torn.exists() || shrunk(&file, &original)).then_some(()));
    server.kill();
    verified(&server, &id);
    server.run();
    wait::until("the recording to shrink", SOON, || shrunk(&file, &original).then_some(()));
    let told = wait::until("that to be told", SOON, || {
        let call = row["call"].as_str()?;
        let story = server.json(&[&["call", "show", call][..], &PURPOSE].concat());
        let events = story["events"].as_array()?.clone();
        events.into_iter().find(|event| event["event"]["event"] == "recording-reencoded")
    });
    let now = fs::metadata(&file).expect("the file").len();
    assert_eq!(told["event"]["bytes_before"], original.len(), "{told}");
    assert_eq!(told["event"]["bytes_after"], now, "{told}");
    assert!(now * 4 <= original.len() as u64, "{now} of {} bytes", original.len());
    assert_eq!(recordings(&server), std::slice::from_ref(&file));
    assert_eq!(fs::read_dir(&copies).expect("the folder").count(), 0);

    let found = verified(&server, &id);
    assert_eq!(found["codecs"], serde_json::json!([["opus"], ["opus"]]), "{found}");
    same_sound(&before, &tracks(&server, &id, &folder.path().join("after.wav")));
    assert_eq!(server.json(&["keys", "status"]), keys, "the same keys, of the same day");
    let row_now = server.json(&[&["recording", "show", &id][..], &PURPOSE].concat());
    assert_eq!((&row_now["expiry"], &row_now["result"]), (&row["expiry"], &row["result"]));

    let certificate = forgotten(&server, 31);
    assert_eq!(certificate["recordings"], serde_json::json!([id]), "{certificate}");
    assert_eq!(certificate["left_over"], serde_json::json!([]), "{certificate}");
    assert_eq!(recordings(&server), [] as [PathBuf; 0]);
}

fn shrunk(file: &Path, original: &[u8]) -> bool {
    fs::metadata(file).is_ok_and(|found| found.len() < original.len() as u64)
}

/// What the daily run certifies so many days from now.
fn forgotten(server: &Server, days: u32) -> Value {
    let command = server.command(&["retention", "run", "--accept-clock", "--json"]);
    let mut later = Command::new("faketime");
    later.args(["-f", &format!("+{days}d")]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        later.env(name, value.expect("only variables that are set"));
    }
    later.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").current_dir(server.folder());
    let out = later.output().expect("faketime runs: install Debian's faketime");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let said: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    said["certificate"].clone()
}
