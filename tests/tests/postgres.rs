//! The main line on PostgreSQL: a consented call between two softphones is recorded, exported, found again; one is
//! withdrawn and destroyed; what is due is told.
#![expect(clippy::expect_used, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use vorzimmer_store::testing::Postgres;
use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::tone;

const ASK: &str = "+493023125011";
const CALLER_HZ: f64 = 440.0;
const RECEPTIONIST_HZ: f64 = 1_015.0;

fn phone(server: &Server, user: &str, password: Option<&str>, hertz: f64) -> Baresip {
    let speaks = server.folder().join(format!("{user}.wav"));
    tone::write_sine(&speaks, hertz, 120.0);
    let setup = Phone {
        user,
        password,
        server: &server.sip,
        transport: "udp",
        codecs: "PCMA",
        speaks: &speaks,
        answers: password.is_some(),
        ptime_ms: 20,
        dtmf: "rtpevent",
    };
    match password {
        Some(_) => Baresip::registered(server.folder(), &setup),
        None => Baresip::start(server.folder(), &setup),
    }
}

/// The caller rings, says yes by key, and is connected.
fn connect(server: &Server, caller: &mut Baresip, receptionist: &mut Baresip) {
    caller.dial(&format!("sip:{ASK}@{}", server.sip));
    caller.event("CALL_ESTABLISHED", Duration::from_secs(10));
    let end = Instant::now() + Duration::from_secs(40);
    while receptionist.try_event("CALL_ESTABLISHED", Duration::from_millis(700)).is_none() {
        assert!(Instant::now() < end, "the receptionist was never connected\n{}", receptionist.log());
        caller.press("1");
    }
}

fn talk(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn finished(server: &Server, result: &str) -> Value {
    server.call_record(&format!("a recording that is {result}"), |record| {
        record["recordings"][0]["result"] == result && !record["ended_at"].is_null()
    })
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("recordings")).expect("the recordings folder").count()
}

#[test]
fn the_main_line_runs_on_postgresql() {
    let database = Postgres::shared().expect("a PostgreSQL").create_database().expect("a database");
    let server = Server::start(&Setup { database, ..Setup::default() });
    let mut anna = phone(&server, "anna", Some(PASSWORD), RECEPTIONIST_HZ);
    let mut caller = phone(&server, "caller", None, CALLER_HZ);

    connect(&server, &mut caller, &mut anna);
    talk(4);
    caller.hangup();
    let kept = finished(&server, "ok");
    heard(&server, &kept);

    connect(&server, &mut caller, &mut anna);
    talk(2);
    caller.press("*9");
    talk(2);
    caller.hangup();
    let withdrawn = finished(&server, "withdrawn");
    assert_eq!(withdrawn["record"]["recordings"][0]["destroyed"], "withdrawn");
    assert_eq!(files(server.folder()), 1, "the withdrawn one is gone, the other is there");

    assert_eq!(server.json(&["call", "find", "--number", ASK]).as_array().map(Vec::len), Some(2));
    assert!(!server.folder().join("data/vorzimmer.db").exists(), "nothing of it stands in SQLite");
    let status = server.json(&["retention", "status"]);
    assert!(!status.is_null(), "{status}");
    server.cli_ok(&["retention", "run"]);
    let recording = &kept["record"]["recordings"][0]["recording"];
    let recording = recording.as_str().expect("a recording");
    server.cli_ok(&["recording", "destroy", recording, "--purpose", "acceptance test"]);
    assert_eq!(files(server.folder()), 0);
}

/// The exported recording holds each voice on its own side.
fn heard(server: &Server, shown: &Value) {
    let recording = shown["record"]["recordings"][0]["recording"].as_str().expect("a recording");
    let out = server.folder().join("export.wav");
    let to = out.to_string_lossy();
    server.cli_ok(&["recording", "verify", recording, "--purpose", "acceptance test"]);
    server.cli_ok(&["recording", "export", recording, "--purpose", "acceptance test", "--out", &to]);
    let tracks = tone::read_wav(&out);
    for (track, own, other) in [(0, CALLER_HZ, RECEPTIONIST_HZ), (1, RECEPTIONIST_HZ, CALLER_HZ)] {
        let found = tone::find(&tracks[track], own).expect("the own voice");
        assert!(found.length_ms() > 3_000, "{found:?}");
        assert!(tone::leakage_db(&tracks[track], own, other) < -45.0, "the other's voice on track {track}");
    }
}
