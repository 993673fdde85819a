//! A server with a customer under secrecy, and clients that encrypt in every way that they know.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vorzimmer_tests::baresip::{Baresip, Setup as Softphone};
use vorzimmer_tests::phone::Phone;
use vorzimmer_tests::server::{DIRECTORY, PASSWORD, Server, Setup};
use vorzimmer_tests::tone;

pub const ASK: &str = "+493023125011";
pub const SECRET: &str = "+493023125018";
pub const CALLER_HZ: f64 = 440.0;
pub const RECEPTIONIST_HZ: f64 = 1_015.0;
pub const SOON: Duration = Duration::from_secs(15);
/// A question is over within this time.
pub const ASKED: Duration = Duration::from_secs(40);

/// A lawyer, whose receptionists have to speak in secret.
const UNDER_SECRECY: &str = r#"
[[customer]]
key = "secret"
name = "Under Secrecy"
numbers = ["+493023125018"]
language = "de"
recording = "off"
purpose = "none"
on-withdrawal = "destroy"
secrecy = true
ring = { order = "together", team = [{ receptionist = "anna", timeout = 6 }] }
"#;

/// A client, and how its media is encrypted.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Debian's baresip with this `mediaenc`.
    Debian(&'static str),
    /// baresip-python: `sdes` or `dtls`, each insisted on.
    Baresip(&'static str),
    /// pjsua2-python, which insists on SDES.
    Pjsua,
}

/// A client that runs.
pub enum Client {
    Debian(Baresip),
    Scripted(Phone),
}

impl Client {
    pub fn dial(&mut self, uri: &str) {
        match self {
            Self::Debian(phone) => phone.dial(uri),
            Self::Scripted(phone) => phone.dial(uri),
        }
    }

    pub fn press(&mut self, keys: &str) {
        match self {
            Self::Debian(phone) => phone.press(keys),
            Self::Scripted(phone) => phone.order(&json!({ "do": "press", "keys": keys })),
        }
    }

    pub fn hold(&mut self, on: bool) {
        match self {
            Self::Debian(phone) => phone.hold(on),
            Self::Scripted(phone) => phone.order(&json!({ "do": if on { "hold" } else { "resume" } })),
        }
    }

    /// Takes new keys, by a re-INVITE: pjsip alone can be told to.
    pub fn rekey(&mut self) {
        let Self::Scripted(phone) = self else { panic!("this telephone keeps its keys") };
        let before = phone.event("described", SOON);
        phone.order(&json!({ "do": "rekey" }));
        let after = phone.event("described", SOON);
        assert!(!before["keys"].is_null() && !after["keys"].is_null());
        assert_ne!(before["keys"], after["keys"], "the telephone kept its keys");
    }

    pub fn hangup(&mut self) {
        match self {
            Self::Debian(phone) => phone.hangup(),
            Self::Scripted(phone) => phone.order(&json!({ "do": "hangup" })),
        }
    }

    pub fn is_established(&mut self, limit: Duration) -> bool {
        match self {
            Self::Debian(phone) => phone.try_event("CALL_ESTABLISHED", limit).is_some(),
            Self::Scripted(phone) => phone.try_event("established", limit).is_some(),
        }
    }

    pub fn closed(&mut self, limit: Duration) {
        match self {
            Self::Debian(phone) => drop(phone.event("CALL_CLOSED", limit)),
            Self::Scripted(phone) => drop(phone.event("closed", limit)),
        }
    }

    pub fn fail(&self, why: &str) -> ! {
        match self {
            Self::Debian(phone) => panic!("{why}\n{}", phone.log()),
            Self::Scripted(phone) => phone.fail(why),
        }
    }
}

pub struct House {
    pub server: Server,
    pub folder: tempfile::TempDir,
}

impl House {
    pub fn open() -> Self {
        Self::open_with(Vec::new())
    }

    /// The same with this in the server's environment.
    pub fn open_with(environment: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        tone::write_sine(&folder.path().join("caller.wav"), CALLER_HZ, 120.0);
        tone::write_sine(&folder.path().join("anna.wav"), RECEPTIONIST_HZ, 120.0);
        let directory = format!("{DIRECTORY}{UNDER_SECRECY}");
        Self { server: Server::start(&Setup { directory, environment, ..Setup::default() }), folder }
    }

    /// `anna` is registered and answers; everybody else is a trunk.
    pub fn phone(&self, user: &str, kind: Kind, transport: &str) -> Client {
        let speaks = self.folder.path().join(format!("{user}.wav"));
        let password = (user == "anna").then_some(PASSWORD);
        let server = if transport == "tls" { &self.server.tls } else { &self.server.sip };
        let (script, secure) = match kind {
            Kind::Debian(how) => {
                let setup = Softphone {
                    user,
                    password,
                    server,
                    transport,
                    codecs: "PCMA",
                    speaks: &speaks,
                    answers: password.is_some(),
                    ptime_ms: 20,
                    dtmf: "rtpevent",
                };
                let folder = self.folder.path();
                return Client::Debian(match (how, password) {
                    ("", Some(_)) => Baresip::registered(folder, &setup),
                    ("", None) => Baresip::start(folder, &setup),
                    _ => Baresip::ciphered(folder, &setup, how),
                });
            }
            Kind::Baresip(secure) => ("baresip_phone.py", secure),
            Kind::Pjsua => ("pjsua2_phone.py", "sdes"),
        };
        let setup = json!({
            "user": user,
            "password": password,
            "server": server,
            "transport": transport,
            "codecs": ["PCMA"],
            "secure": secure,
            "dtmf": "rtpevent",
            "speaks": speaks,
            "answers": password.is_some(),
        });
        let mut phone = Phone::start(self.folder.path(), script, &setup);
        phone.event(if password.is_some() { "registered" } else { "ready" }, Duration::from_secs(20));
        Client::Scripted(phone)
    }

    pub fn dial(&self, caller: &mut Client, number: &str) {
        caller.dial(&format!("sip:{number}@{}", self.server.sip));
    }

    pub fn ring(&self, caller: &mut Client, number: &str) {
        self.dial(caller, number);
        if !caller.is_established(SOON) {
            caller.fail("the call is not answered");
        }
    }

    pub fn export(&self, shown: &Value) -> PathBuf {
        let recording = shown["record"]["recordings"][0]["recording"].as_str().expect("a recording");
        let to = self.folder.path().join("recording.wav");
        let out = to.to_string_lossy().into_owned();
        let purpose = ["--purpose", "acceptance test", "--out", &out];
        self.server.cli_ok(&[&["recording", "export", recording][..], &purpose].concat());
        to
    }
}

pub fn talk(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

pub fn press_until_connected(caller: &mut Client, anna: &mut Client, key: &str) {
    let end = Instant::now() + ASKED;
    while !anna.is_established(Duration::from_millis(700)) {
        if Instant::now() > end {
            anna.fail("the receptionist was never connected");
        }
        caller.press(key);
    }
}

/// Whether both voices are there, each on its own track, without a hole of more than so long.
pub fn hear(wav: &Path, hole_ms: usize) {
    let tracks = tone::read_wav(wav);
    assert_eq!(tracks.len(), 2, "caller left, receptionist right");
    for (track, own, other) in [(0, CALLER_HZ, RECEPTIONIST_HZ), (1, RECEPTIONIST_HZ, CALLER_HZ)] {
        let heard = tone::find(&tracks[track], own).unwrap_or_else(|| panic!("no {own} Hz on track {track}"));
        assert!(heard.length_ms() > 2_000 && heard.longest_hole_ms() <= hole_ms, "{track}: {heard:?}");
        let leak = tone::leakage_db(&tracks[track], own, other);
        // Not stricter: what pjsip mends when the machine is busy has some of every tone in it.
        assert!(leak < -25.0, "track {track} holds the other's voice at {leak:.1} dB");
    }
}

/// By what both legs were protected, as the call's record says it.
pub fn protected(shown: &Value) -> [String; 2] {
    let by = |security: &Value| {
        let clear = if security["in_clear"] == true { " in clear" } else { "" };
        format!("{}{clear}", security["by"].as_str().unwrap_or("nothing"))
    };
    let legs = shown["record"]["legs"].as_array().expect("legs");
    let talked = legs.iter().find(|leg| !leg["connected_at"].is_null()).expect("a leg that talked");
    [by(&shown["record"]["caller_security"]), by(&talked["security"])]
}
