//! The disk of the recordings fills up in the middle of a talk: the talk goes on, and the recording says what it misses.
#![expect(clippy::expect_used, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::disk::Disk;
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::tone;
use vorzimmer_tests::wait;

const ASK: &str = "+493023125011";
const CALLER_HZ: f64 = 440.0;
const RECEPTIONIST_HZ: f64 = 1_015.0;
/// Talk before the disk is full, and after it: longer than what is reserved ahead for a recording (64 pages, 12.8 s).
const BEFORE: Duration = Duration::from_secs(3);
const FULL: Duration = Duration::from_secs(16);

#[test]
fn a_full_disk_costs_the_recording_its_end_and_the_call_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::mount(8);
    let server = server_with_recordings_on(&disk, folder.path());
    let anna = Voice { user: "anna", hertz: RECEPTIONIST_HZ };
    let mut anna = anna.phone(&server, folder.path());
    let mut caller = Voice { user: "caller", hertz: CALLER_HZ }.phone(&server, folder.path());
    caller.dial(&format!("sip:{ASK}@{}", server.sip));
    caller.event("CALL_ESTABLISHED", Duration::from_secs(10));
    press_until_connected(&mut caller, &mut anna);
    std::thread::sleep(BEFORE);
    fill(&disk);
    std::thread::sleep(FULL);
    assert!(!closed(&mut caller) && !closed(&mut anna), "the call goes on");
    caller.hangup();
    anna.event("CALL_CLOSED", Duration::from_secs(5));

    let shown = server.call_record("the recording to end degraded", |record| {
        record["recordings"][0]["result"] == "degraded" && !record["ended_at"].is_null()
    });
    assert_eq!(shown["record"]["disposition"], "handled");
    assert_eq!(shown["record"]["ended_by"], "caller");
    let recording = &shown["record"]["recordings"][0];
    says_what_it_misses(recording);
    both_were_heard_to_the_end(&caller, &anna);
    what_was_kept_opens(&server, recording, folder.path());
    let told = server.output().matches("No space left").count();
    assert_eq!(told, 1, "the operator is told why, and not six times a second");
}

fn server_with_recordings_on(disk: &Disk, folder: &Path) -> Server {
    let mut server = Server::prepare(folder, &Setup::default());
    fs::remove_dir_all(folder.join("recordings")).expect("the empty folder");
    let sealed = disk.folder().join("sealed");
    fs::create_dir(&sealed).expect("a folder on the disk");
    std::os::unix::fs::symlink(sealed, folder.join("recordings")).expect("the disk in its place");
    server.run();
    server
}

/// Who speaks which tone.
struct Voice {
    user: &'static str,
    hertz: f64,
}

impl Voice {
    fn phone(&self, server: &Server, folder: &Path) -> Baresip {
        let speaks = folder.join(format!("{}.wav", self.user));
        tone::write_sine(&speaks, self.hertz, 120.0);
        let receptionist = self.user == "anna";
        let setup = Phone {
            user: self.user,
            password: receptionist.then_some(PASSWORD),
            server: &server.sip,
            transport: "udp",
            codecs: "PCMA",
            speaks: &speaks,
            answers: receptionist,
            ptime_ms: 20,
            dtmf: "rtpevent",
        };
        if receptionist { Baresip::registered(folder, &setup) } else { Baresip::start(folder, &setup) }
    }
}

fn press_until_connected(caller: &mut Baresip, receptionist: &mut Baresip) {
    let end = Instant::now() + Duration::from_secs(40);
    while receptionist.try_event("CALL_ESTABLISHED", Duration::from_millis(700)).is_none() {
        assert!(Instant::now() < end, "the receptionist was never connected\n{}", receptionist.log());
        caller.press("1");
    }
}

fn closed(phone: &mut Baresip) -> bool {
    phone.try_event("CALL_CLOSED", Duration::from_millis(1)).is_some()
}

/// Leaves no free block.
fn fill(disk: &Disk) {
    let mut filler = File::create(disk.folder().join("filler")).expect("a file on the disk");
    for size in [1 << 16, 4_096, 512] {
        while filler.write_all(&vec![0x55; size]).and_then(|()| filler.sync_data()).is_ok() {}
    }
}

fn says_what_it_misses(recording: &Value) {
    let gaps: Vec<u64> =
        recording["gaps"].as_array().expect("gaps").iter().filter_map(Value::as_u64).collect();
    assert!(gaps.len() == 2 && gaps.iter().all(|gaps| *gaps >= 1), "on both tracks: {recording}");
    let why = recording["why"].as_str().expect("a reason");
    assert!(!why.is_empty(), "{recording}");
}

/// Judged by what the phones played: the other's tone, without a break, for the whole talk.
fn both_were_heard_to_the_end(caller: &Baresip, anna: &Baresip) {
    let at_least = usize::try_from((BEFORE + FULL).as_millis()).expect("milliseconds") - 1_500;
    for (phone, hertz) in [(caller, RECEPTIONIST_HZ), (anna, CALLER_HZ)] {
        let track = wait::until("what was heard to be written", Duration::from_secs(5), || phone.heard());
        let heard = tone::find(&track, hertz).expect("the other's tone");
        assert!(heard.length_ms() >= at_least, "{hertz} Hz was heard for {} ms", heard.length_ms());
        let silent: usize = heard.holes.iter().map(|(_, length)| length).sum();
        assert!(silent < 500, "{hertz} Hz: holes at {:?}", heard.holes);
    }
}

fn what_was_kept_opens(server: &Server, recording: &Value, folder: &Path) {
    let id = recording["recording"].as_str().expect("a recording");
    let verified = server.json(&["recording", "verify", id, "--purpose", "acceptance test"]);
    assert_eq!(verified["whole"], true);
    let wav = folder.join("exported.wav");
    let out = wav.to_string_lossy().into_owned();
    server.cli_ok(&["recording", "export", id, "--purpose", "acceptance test", "--out", &out]);
    let tracks = tone::read_wav(&wav);
    let before = usize::try_from(BEFORE.as_millis()).expect("milliseconds") - 1_000;
    for (track, hertz) in [(0, CALLER_HZ), (1, RECEPTIONIST_HZ)] {
        let heard = tone::find(&tracks[track], hertz).expect("the tone from before the disk was full");
        // The end of the talk may be there again: room for the last pages is kept free.
        let holes: Vec<_> = heard.holes.iter().filter(|(_, length)| *length > 20).collect();
        assert!(holes.iter().all(|(from, _)| *from >= before), "from before the disk was full: {heard:?}");
        assert!(holes.len() <= 1 && heard.length_ms() >= before, "{hertz} Hz: {heard:?}");
    }
}
