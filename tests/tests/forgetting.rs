//! What is personal is on no disk in the clear, at no time, and opens nowhere after its day: looked for in the raw
//! image of the disk that the server lives on.
#![expect(clippy::expect_used, reason = "a test ends with the reason")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use vorzimmer_media::Codec;
use vorzimmer_tests::canary::{self, Needle};
use vorzimmer_tests::disk::Disk;
use vorzimmer_tests::ports;
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::sipp::{Run, Sipp};
use vorzimmer_tests::tone;
use vorzimmer_tests::wait;

const NEVER: &str = "+493023125010";
const ASK: &str = "+493023125011";
const CALLER: &str = "+493023125944";
const CALLER_NAME: &str = "Kanarie Vogelsang";
const WITHHELD: &str = "+493023125955";
const WITHHELD_NAME: &str = "Stieglitz Distelfink";
const FORWARDER: &str = "+493023125966";
const CALLER_HZ: [u32; 2] = [450, 1_050];
const RECEPTIONIST_HZ: [u32; 2] = [600, 950];
const LONG: Duration = Duration::from_secs(60);

/// One customer and one receptionist for each of the two callers.
const DIRECTORY: &str = r#"
[[receptionist]]
login = "anna"
name = "Anna Zaunkönig"
language = "de"
standing-consent = { given-on = "2026-01-31", text = "v1" }
password = "only-in-tests"

[[receptionist]]
login = "ben"
name = "Ben Rotkehlchen"
language = "de"
password = "only-in-tests"

[[customer]]
key = "ask"
name = "Zeisig Haustechnik"
numbers = ["+493023125011"]
language = "de"
recording = "ask-before-connect"
purpose = "pass requests on"
on-withdrawal = "destroy"
ring = { order = "together", team = [{ receptionist = "anna", timeout = 20 }] }

[[customer]]
key = "never"
name = "Praxis Dompfaff"
numbers = ["+493023125010"]
language = "de"
recording = "off"
purpose = "none"
on-withdrawal = "destroy"
ring = { order = "together", team = [{ receptionist = "ben", timeout = 20 }] }
"#;
/// Whom and what it names.
const NAMES: [&str; 5] =
    ["Anna Zaunkönig", "Ben Rotkehlchen", "Zeisig Haustechnik", "Praxis Dompfaff", PASSWORD];

/// A server whose whole folder lies on a disk of its own, and what is looked for there.
struct House {
    server: Server,
    disk: Disk,
    /// Where clients and backups are: not on that disk.
    outside: tempfile::TempDir,
    needles: Vec<Needle>,
}

impl House {
    fn open() -> Self {
        let disk = Disk::mount(96);
        let outside = tempfile::tempdir().expect("a folder");
        fs::write(outside.path().join("canary.al"), canary::packet(Codec::Pcma, CALLER_HZ).repeat(100))
            .expect("what the caller says");
        fs::write(outside.path().join("canary.ul"), canary::packet(Codec::Pcmu, RECEPTIONIST_HZ).repeat(100))
            .expect("what the receptionist says");
        let temporary = disk.folder().join("temporary");
        fs::create_dir(&temporary).expect("a folder for temporary files");
        let setup = Setup {
            directory: DIRECTORY.into(),
            environment: vec![("TMPDIR".into(), temporary.to_string_lossy().into_owned())],
            ..Setup::default()
        };
        let mut server = Server::prepare(disk.folder(), &setup);
        server.run();
        Self { server, disk, outside, needles: needles() }
    }

    /// Looks at every byte of the disk.
    fn nothing_in_the_clear(&self, when: &str) {
        let raw = self.disk.raw();
        assert!(raw.len() > 1 << 20, "{when}: {} bytes is no disk with a server on it", raw.len());
        let found = canary::found(&raw, &self.needles);
        assert!(found.is_empty(), "{when}, in the clear on the disk:\n{}", found.join("\n"));
    }

    fn run<'a>(&'a self, scenario: &'a str, service: &'a str, more: &'a [&'a str]) -> Run<'a> {
        let server = &self.server.sip;
        Run { scenario, server, transport: "u1", service, calls: 1, rate: 1, port: None, more }
    }

    fn desk(&self, login: &str) -> Sipp {
        let port = Some(ports::block(2));
        let credentials = ["-au", login, "-ap", PASSWORD];
        let register = Run { port, ..self.run("receptionist-register", login, &credentials) };
        Sipp::start(self.outside.path(), &register).passed(LONG);
        Sipp::start(self.outside.path(), &Run { port, ..self.run("canary-desk", login, &[]) })
    }

    fn call(&self, number: &str, caller: &Caller, talks_ms: &str) -> Sipp {
        let more = [
            ["-key", "asserted", caller.number],
            ["-key", "display", caller.name],
            ["-key", "shown", caller.shown],
            ["-key", "privacy", caller.privacy],
            ["-key", "forwarder", FORWARDER],
        ];
        let mut more = more.concat();
        more.extend(["-d", talks_ms]);
        Sipp::start(self.outside.path(), &self.run("canary-caller", number, &more))
    }

    /// The recordings that run now, by the server's own count.
    fn recording_runs(&self) {
        wait::until("a recording to run", Duration::from_secs(40), || {
            let rows = self.server.json(&["recording", "list", "--purpose", "acceptance test"]);
            rows.as_array()?.iter().any(|row| row["result"].is_null()).then_some(())
        });
    }

    /// The files of recordings.
    fn files(&self) -> Vec<PathBuf> {
        let listed = fs::read_dir(self.disk.folder().join("recordings")).expect("the recordings");
        listed.map(|file| file.expect("a file").path()).collect()
    }

    fn found_by_number(&self, number: &str) -> usize {
        self.server.json(&["call", "find", "--number", number]).as_array().expect("a list").len()
    }

    fn export(&self, recording: &str, name: &str) -> Output {
        let to = self.outside.path().join(name).to_string_lossy().into_owned();
        self.server.cli(&["recording", "export", recording, "--purpose", "acceptance test", "--out", &to])
    }

    /// A command of the server so many days from now.
    fn later(&self, days: u32, args: &[&str]) -> Output {
        let command = self.server.command(args);
        let mut later = Command::new("faketime");
        later.args(["-f", &format!("+{days}d")]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            later.env(name, value.expect("only variables that are set"));
        }
        // Only the calendar leaps; how long something takes is still measured rightly.
        later.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").current_dir(self.disk.folder());
        later.stdin(Stdio::null()).output().expect("faketime runs: install Debian's faketime")
    }

    fn later_json(&self, days: u32, args: &[&str]) -> Value {
        let out = self.later(days, args);
        assert!(out.status.success(), "{args:?} in {days} days: {}", said(&out));
        serde_json::from_slice(&out.stdout).expect("JSON")
    }

    /// Forgets as the daily run would, so many days from now, after somebody looked at the clock.
    fn forget(&self, days: u32) -> Value {
        self.later_json(days, &["retention", "run", "--accept-clock", "--json"])["certificate"].clone()
    }
}

struct Caller {
    number: &'static str,
    name: &'static str,
    shown: &'static str,
    privacy: &'static str,
}

const OPEN: Caller =
    Caller { number: CALLER, name: CALLER_NAME, shown: "+493023125944@carrier.example", privacy: "none" };
const HIDDEN: Caller =
    Caller { number: WITHHELD, name: WITHHELD_NAME, shown: "anonymous@anonymous.invalid", privacy: "id" };

fn needles() -> Vec<Needle> {
    let mut needles = Vec::new();
    for number in [CALLER, WITHHELD, FORWARDER, NEVER, ASK] {
        needles.extend(canary::number(number));
    }
    assert!(NAMES.iter().all(|name| DIRECTORY.contains(name)));
    for name in [&[CALLER_NAME, WITHHELD_NAME], &NAMES[..]].concat() {
        needles.extend(canary::name(name));
    }
    needles.extend(voice_of_caller());
    let receptionist = canary::packet(Codec::Pcmu, RECEPTIONIST_HZ);
    needles.extend(canary::voice("the receptionist's tone", Codec::Pcmu, &receptionist));
    needles
}

fn voice_of_caller() -> Vec<Needle> {
    canary::voice("the caller's tone", Codec::Pcma, &canary::packet(Codec::Pcma, CALLER_HZ))
}

fn said(out: &Output) -> String {
    format!(
        "{}: {}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success(), "{} cannot be copied", from.display());
}

fn class<'a>(certificate: &'a Value, name: &str) -> &'a Value {
    let classes = certificate["classes"].as_array().expect("classes");
    classes.iter().find(|class| class["class"] == name).expect("the class")
}

/// A test that looks for something must be able to find it: also in a file that was deleted again.
#[test]
fn whatever_is_written_in_the_clear_is_found_even_after_it_was_deleted() {
    let disk = Disk::mount(16);
    assert_eq!(canary::found(&disk.raw(), &needles()), Vec::<String>::new(), "an empty disk");
    let planted = disk.folder().join("planted");
    // Each in a block of its own: some are parts of others.
    let blocks = needles().into_iter().flat_map(|needle| {
        let mut block = needle.bytes;
        block.resize(1_024, b'.');
        block
    });
    fs::write(&planted, blocks.collect::<Vec<u8>>()).expect("a file on the disk");
    let all = needles().len();
    assert_eq!(canary::found(&disk.raw(), &needles()).len(), all, "in a file");
    fs::remove_file(&planted).expect("a file to delete");
    assert_eq!(canary::found(&disk.raw(), &needles()).len(), all, "after the file was deleted");
}

#[test]
fn a_call_leaves_nothing_in_the_clear_and_opens_nowhere_after_its_day() {
    let mut house = House::open();
    house.nothing_in_the_clear("after the start");
    let recording = talk(&house);
    cut_off(&mut house);
    let backup = back_up(&mut house);
    forget_the_recording(&house, &recording);
    forget_the_call(&house, &recording);
    restore(&house, &backup, &recording);
    house.server.run();
    house.nothing_in_the_clear("after a start with the restored backup");
}

/// One call with consent and one with a withheld number at the same time. Gives the recording's id.
fn talk(house: &House) -> String {
    let (anna, ben) = (house.desk("anna"), house.desk("ben"));
    let asked = house.call(ASK, &OPEN, "6000");
    let withheld = house.call(NEVER, &HIDDEN, "3000");
    house.nothing_in_the_clear("while the caller is asked");
    house.recording_runs();
    house.nothing_in_the_clear("while it is recorded");
    asked.passed(LONG);
    withheld.passed(LONG);
    anna.passed(LONG);
    ben.passed(LONG);
    let calls = wait::until("both calls to end", LONG, || {
        let calls = house.server.json(&["call", "list"]);
        let ended = calls.as_array()?.iter().filter(|call| !call["ended_at"].is_null()).count();
        (ended == 2).then_some(calls)
    });
    house.nothing_in_the_clear("after the calls");

    // All of it is there for those who may see it, so that it was not on the disk in the clear says something.
    assert_eq!(house.found_by_number(CALLER), 1);
    assert_eq!(house.found_by_number(FORWARDER), 2);
    assert_eq!(house.found_by_number(WITHHELD), 0, "a withheld number is not kept");
    assert!(!calls.to_string().contains("23125955"), "a withheld number is not shown");
    let rows = house.server.json(&["recording", "list", "--purpose", "acceptance test"]);
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    let recording = rows[0]["recording"].as_str().expect("a recording").to_owned();
    let exported = house.export(&recording, "before.wav");
    assert!(exported.status.success(), "{}", said(&exported));
    let caller = &tone::read_wav(&house.outside.path().join("before.wav"))[0];
    #[expect(clippy::cast_possible_truncation, reason = "sixteen bits as they were read")]
    let samples: Vec<u8> =
        caller.0.iter().flat_map(|sample| ((sample * 32_768.0) as i16).to_le_bytes()).collect();
    assert!(!canary::found(&samples, &voice_of_caller()).is_empty(), "the tone is what was recorded");
    house.nothing_in_the_clear("after an export to another disk");
    recording
}

/// The server is killed in the middle of a second recording, starts again, and is ended by a signal that would leave a
/// core dump.
fn cut_off(house: &mut House) {
    let anna = house.desk("anna");
    let call = house.call(ASK, &OPEN, "30000");
    house.recording_runs();
    house.server.kill();
    house.nothing_in_the_clear("after SIGKILL in the middle of a recording");
    drop((anna, call));
    house.server.run();
    house.nothing_in_the_clear("after the start that closed what was cut off");
    let pid = house.server.pid();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("the server's limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "core dumps: {core}");
    assert!(Command::new("kill").args(["-ABRT", &pid.to_string()]).status().expect("kill").success());
    house.server.kill();
    house.nothing_in_the_clear("after SIGABRT");
    house.server.run();
}

/// Data and recordings, without keys, as a backup should be: taken while the server is down.
fn back_up(house: &mut House) -> PathBuf {
    house.server.terminate();
    house.server.ended(LONG);
    assert_eq!(house.files().len(), 2, "two recordings are kept");
    let backup = house.outside.path().join("backup");
    fs::create_dir(&backup).expect("a folder");
    for part in ["data", "recordings"] {
        copy(&house.disk.folder().join(part), &backup);
    }
    backup
}

fn forget_the_recording(house: &House, recording: &str) {
    let early = house.later_json(29, &["retention", "run", "--dry-run", "--accept-clock", "--json"]);
    assert!(!early.to_string().contains(recording), "not before its day: {early}");
    let unasked = house.later(31, &["retention", "run"]);
    assert!(!unasked.status.success(), "a clock that leaps is asked about: {}", said(&unasked));
    assert_eq!(house.files().len(), 2, "and nothing is destroyed before the answer");

    let certificate = house.forget(31);
    let recordings = certificate["recordings"].as_array().expect("recordings");
    assert!(recordings.contains(&Value::from(recording)), "{certificate}");
    assert_eq!(class(&certificate, "recordings")["files"], 2);
    assert!(class(&certificate, "recordings")["keys"].as_u64() >= Some(1), "{certificate}");
    assert_eq!(house.files(), Vec::<PathBuf>::new());
    gone(house, recording);
    assert_eq!(house.found_by_number(CALLER), 2, "calls are kept for longer");
    assert_eq!(certificates(house), certificate["number"]);
    house.nothing_in_the_clear("after 31 days");
}

fn forget_the_call(house: &House, recording: &str) {
    let certificate = house.forget(61);
    assert!(class(&certificate, "call-data")["keys"].as_u64() >= Some(1), "{certificate}");
    assert!(class(&certificate, "call-data")["rows"].as_u64() >= Some(1), "{certificate}");
    nothing_is_known(house, recording, "after 61 days");
    assert_eq!(certificates(house), certificate["number"]);
    // The commands above ran by today's clock: one that has jumped back, from the run's point of view.
    let back = house.server.json(&["retention", "run"]);
    assert_eq!(back["certificate"]["through"], certificate["through"], "the day does not go back");
    nothing_is_known(house, recording, "after the clock jumped back");
}

fn restore(house: &House, backup: &Path, recording: &str) {
    for part in ["data", "recordings"] {
        fs::remove_dir_all(house.disk.folder().join(part)).expect("a folder to replace");
        copy(&backup.join(part), house.disk.folder());
    }
    assert_eq!(house.files().len(), 2, "the files are back");
    gone(house, recording);
    assert_eq!(house.found_by_number(CALLER), 0, "the restored rows tell nothing");
    house.nothing_in_the_clear("after the backup was restored");
    let certificate = house.forget(61);
    assert_eq!(house.files(), Vec::<PathBuf>::new(), "what a backup brought back is cleared again");
    nothing_is_known(house, recording, "after the restored backup was cleared");
    assert_eq!(certificates(house), certificate["number"]);
}

/// Nothing opens the recording.
fn gone(house: &House, recording: &str) {
    let exported = house.export(recording, "after.wav");
    assert!(!exported.status.success(), "{}", said(&exported));
    assert!(!house.outside.path().join("after.wav").exists(), "not a byte is written");
    let verified = house.server.cli(&["recording", "verify", recording, "--purpose", "acceptance test"]);
    assert!(!verified.status.success(), "{}", said(&verified));
}

fn nothing_is_known(house: &House, recording: &str, when: &str) {
    gone(house, recording);
    for number in [CALLER, FORWARDER, ASK] {
        assert_eq!(house.found_by_number(number), 0, "{when}");
    }
    let calls = house.server.json(&["call", "list"]);
    assert_eq!(calls.as_array().map(Vec::len), Some(0), "{when}: {calls}");
    house.nothing_in_the_clear(when);
}

/// Every certificate is signed and none is missing; how many there are.
fn certificates(house: &House) -> u64 {
    let lines = house.server.cli_ok(&["retention", "certificates"]);
    lines.lines().fold(0, |count, _| count + 1)
}
