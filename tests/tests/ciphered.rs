//! Telephones whose media is encrypted, as callers and as receptionists: asked, connected and recorded like any other.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vorzimmer_tests::baresip::{Baresip, Setup as Softphone};
use vorzimmer_tests::phone::Phone;
use vorzimmer_tests::server::{DIRECTORY, PASSWORD, Server, Setup};
use vorzimmer_tests::tone;

const ASK: &str = "+493023125011";
const SECRET: &str = "+493023125018";
const CALLER_HZ: f64 = 440.0;
const RECEPTIONIST_HZ: f64 = 1_015.0;
const SOON: Duration = Duration::from_secs(15);
/// A question is over within this time.
const ASKED: Duration = Duration::from_secs(40);

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
enum Kind {
    /// Debian's baresip with this `mediaenc`.
    Debian(&'static str),
    /// baresip-python: `sdes` or `dtls`, each insisted on.
    Baresip(&'static str),
    /// pjsua2-python, which insists on SDES.
    Pjsua,
}

/// A client that runs.
enum Client {
    Debian(Baresip),
    Scripted(Phone),
}

impl Client {
    fn dial(&mut self, uri: &str) {
        match self {
            Self::Debian(phone) => phone.dial(uri),
            Self::Scripted(phone) => phone.dial(uri),
        }
    }

    fn press(&mut self, keys: &str) {
        match self {
            Self::Debian(phone) => phone.press(keys),
            Self::Scripted(phone) => phone.order(&json!({ "do": "press", "keys": keys })),
        }
    }

    fn hold(&mut self, on: bool) {
        match self {
            Self::Debian(phone) => phone.hold(on),
            Self::Scripted(phone) => phone.order(&json!({ "do": if on { "hold" } else { "resume" } })),
        }
    }

    fn hangup(&mut self) {
        match self {
            Self::Debian(phone) => phone.hangup(),
            Self::Scripted(phone) => phone.order(&json!({ "do": "hangup" })),
        }
    }

    fn is_established(&mut self, limit: Duration) -> bool {
        match self {
            Self::Debian(phone) => phone.try_event("CALL_ESTABLISHED", limit).is_some(),
            Self::Scripted(phone) => phone.try_event("established", limit).is_some(),
        }
    }

    fn closed(&mut self, limit: Duration) {
        match self {
            Self::Debian(phone) => drop(phone.event("CALL_CLOSED", limit)),
            Self::Scripted(phone) => drop(phone.event("closed", limit)),
        }
    }

    fn fail(&self, why: &str) -> ! {
        match self {
            Self::Debian(phone) => panic!("{why}\n{}", phone.log()),
            Self::Scripted(phone) => phone.fail(why),
        }
    }
}

struct House {
    server: Server,
    folder: tempfile::TempDir,
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        tone::write_sine(&folder.path().join("caller.wav"), CALLER_HZ, 120.0);
        tone::write_sine(&folder.path().join("anna.wav"), RECEPTIONIST_HZ, 120.0);
        let directory = format!("{DIRECTORY}{UNDER_SECRECY}");
        Self { server: Server::start(&Setup { directory, ..Setup::default() }), folder }
    }

    /// `anna` is registered and answers; everybody else is a trunk.
    fn phone(&self, user: &str, kind: Kind, transport: &str) -> Client {
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

    fn ring(&self, caller: &mut Client, number: &str) {
        caller.dial(&format!("sip:{number}@{}", self.server.sip));
        if !caller.is_established(SOON) {
            caller.fail("the call is not answered");
        }
    }

    fn export(&self, shown: &Value) -> PathBuf {
        let recording = shown["record"]["recordings"][0]["recording"].as_str().expect("a recording");
        let to = self.folder.path().join("recording.wav");
        let out = to.to_string_lossy().into_owned();
        let purpose = ["--purpose", "acceptance test", "--out", &out];
        self.server.cli_ok(&[&["recording", "export", recording][..], &purpose].concat());
        to
    }
}

fn talk(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn press_until_connected(caller: &mut Client, anna: &mut Client, key: &str) {
    let end = Instant::now() + ASKED;
    while !anna.is_established(Duration::from_millis(700)) {
        if Instant::now() > end {
            anna.fail("the receptionist was never connected");
        }
        caller.press(key);
    }
}

/// Whether both voices are there, each on its own track, without a hole of more than so long.
fn hear(wav: &Path, hole_ms: usize) {
    let tracks = tone::read_wav(wav);
    assert_eq!(tracks.len(), 2, "caller left, receptionist right");
    for (track, own, other) in [(0, CALLER_HZ, RECEPTIONIST_HZ), (1, RECEPTIONIST_HZ, CALLER_HZ)] {
        let heard = tone::find(&tracks[track], own).unwrap_or_else(|| panic!("no {own} Hz on track {track}"));
        assert!(heard.length_ms() > 2_000 && heard.longest_hole_ms() <= hole_ms, "{track}: {heard:?}");
        let leak = tone::leakage_db(&tracks[track], own, other);
        assert!(leak < -45.0, "track {track} holds the other's voice at {leak:.1} dB");
    }
}

/// By what both legs were protected, as the call's record says it.
fn protected(shown: &Value) -> [String; 2] {
    let by = |security: &Value| {
        let clear = if security["in_clear"] == true { " in clear" } else { "" };
        format!("{}{clear}", security["by"].as_str().unwrap_or("nothing"))
    };
    let legs = shown["record"]["legs"].as_array().expect("legs");
    let talked = legs.iter().find(|leg| !leg["connected_at"].is_null()).expect("a leg that talked");
    [by(&shown["record"]["caller_security"]), by(&talked["security"])]
}

/// A caller is asked, says yes, talks, is put on hold and taken back, and is recorded.
fn talk_of(caller: Kind, anna: (Kind, &str), security: [&str; 2]) {
    let house = House::open();
    let mut anna = house.phone("anna", anna.0, anna.1);
    let mut caller = house.phone("caller", caller, "udp");
    house.ring(&mut caller, ASK);
    press_until_connected(&mut caller, &mut anna, "1");
    talk(3);
    anna.hold(true);
    talk(1);
    anna.hold(false);
    talk(3);
    caller.hangup();
    anna.closed(SOON);
    let shown = house.server.call_record("the recording to end", |record| {
        !record["recordings"][0]["result"].is_null() && !record["ended_at"].is_null()
    });
    assert_eq!(protected(&shown), security, "{shown}");
    hear(&house.export(&shown), 2_500);
}

#[test]
fn keys_in_the_description_and_a_handshake() {
    talk_of(Kind::Debian("srtp"), (Kind::Baresip("dtls"), "udp"), ["sdes in clear", "dtls"]);
}

#[test]
fn a_handshake_and_keys_that_are_insisted_on_over_tls() {
    talk_of(Kind::Baresip("dtls"), (Kind::Debian("srtp-mand"), "tls"), ["dtls", "sdes"]);
}

#[test]
fn keys_that_pjsip_insists_on_at_both_ends() {
    talk_of(Kind::Pjsua, (Kind::Pjsua, "udp"), ["sdes in clear", "sdes in clear"]);
}

#[test]
fn a_caller_in_the_clear_and_a_receptionist_who_takes_what_is_offered() {
    talk_of(Kind::Debian(""), (Kind::Debian("srtp"), "udp"), ["plain", "sdes in clear"]);
}

#[test]
fn under_secrecy_only_an_encrypted_telephone_takes_the_call() {
    let house = House::open();
    let mut caller = house.phone("caller", Kind::Debian(""), "udp");
    let mut clear = house.phone("anna", Kind::Debian(""), "tls");
    house.ring(&mut caller, SECRET);
    caller.closed(ASKED);
    let shown = house.server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["disposition"], "unanswered", "{shown}");
    assert_eq!(shown["record"]["legs"][0]["outcome"]["status"], 488, "{shown}");
    assert!(
        !clear.is_established(Duration::from_secs(1)) || shown["record"]["legs"][0]["connected_at"].is_null()
    );
    drop(clear);

    let mut anna = house.phone("anna", Kind::Baresip("dtls"), "udp");
    house.ring(&mut caller, SECRET);
    if !anna.is_established(ASKED) {
        anna.fail("the receptionist was never connected");
    }
    talk(2);
    caller.hangup();
    anna.closed(SOON);
    let shown = house.server.call_record("the second call to end", |record| {
        record["disposition"] == "handled" && !record["ended_at"].is_null()
    });
    assert_eq!(protected(&shown), ["plain", "dtls"], "{shown}");
}
