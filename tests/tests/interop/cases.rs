//! What is tried with each client.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::tone::{self, Track};
use vorzimmer_tests::wait;

use crate::clients::{Client, OTHER, Shape, Softphone};

const ASK: &str = "+493023125011";
const CALLER_HZ: f64 = 440.0;
const RECEPTIONIST_HZ: f64 = 1_015.0;
const SOON: Duration = Duration::from_secs(15);
/// A question is over within this time.
const ASKED: Duration = Duration::from_secs(40);

/// A row of the table.
pub struct Case {
    /// As the table says it.
    pub name: &'static str,
    /// Plays it; panics if it does not work.
    pub play: fn(&Client),
}

/// All of them.
pub const CASES: &[Case] = &[
    Case { name: "register", play: register },
    Case { name: "call in", play: |client| receives(client, |_| {}) },
    Case { name: "call out", play: |client| calls(client, |_| {}) },
    Case { name: "hold and resume", play: hold },
    Case { name: "DTMF by RFC 4733", play: |client| calls(client, |shape| shape.dtmf = "rtpevent") },
    Case { name: "DTMF by SIP INFO", play: |client| calls(client, |shape| shape.dtmf = "info") },
    Case { name: "DTMF in-band", play: |client| calls(client, |shape| shape.dtmf = "inband") },
    Case { name: "over TCP", play: |client| receives(client, |shape| shape.transport = "tcp") },
    Case { name: "consent: no", play: no },
    Case { name: "consent: withdrawal", play: withdrawal },
];

struct House {
    server: Server,
    folder: tempfile::TempDir,
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        tone::write_sine(&folder.path().join("caller.wav"), CALLER_HZ, 120.0);
        tone::write_sine(&folder.path().join("receptionist.wav"), RECEPTIONIST_HZ, 120.0);
        Self { server: Server::start(&Setup::default()), folder }
    }

    fn receptionist(&self, client: &Client, shape: impl Fn(&mut Shape<'_>)) -> Softphone {
        self.phone(client, "anna", shape)
    }

    fn caller(&self, client: &Client, shape: impl Fn(&mut Shape<'_>)) -> Softphone {
        self.phone(client, "caller", shape)
    }

    fn phone(&self, client: &Client, user: &str, shape: impl Fn(&mut Shape<'_>)) -> Softphone {
        let calls = user == "caller";
        let speaks = self.folder.path().join(if calls { "caller.wav" } else { "receptionist.wav" });
        let mut setup = Shape {
            user,
            password: (!calls).then_some(PASSWORD),
            server: &self.server.sip,
            transport: "udp",
            codecs: &["PCMA"],
            secure: "none",
            dtmf: "rtpevent",
            speaks: &speaks,
        };
        shape(&mut setup);
        client.start(self.folder.path(), &setup)
    }

    fn ring(&self, caller: &mut Softphone) {
        caller.dial(&format!("sip:{ASK}@{}", self.server.sip));
        caller.established(SOON);
    }

    fn ended(&self, result: &str) -> Value {
        self.server.call_record(&format!("a recording that is {result}"), |record| {
            record["recordings"][0]["result"] == result && !record["ended_at"].is_null()
        })
    }

    /// What was recorded: caller and receptionist.
    fn recorded(&self) -> [Track; 2] {
        let shown = self.ended("ok");
        let recording =
            shown["record"]["recordings"][0]["recording"].as_str().expect("a recording").to_owned();
        let to: PathBuf = self.folder.path().join("recorded.wav");
        let out = to.to_string_lossy();
        let purpose = ["--purpose", "interop"];
        self.server.cli_ok(&["recording", "export", &recording, purpose[0], purpose[1], "--out", &out]);
        let mut tracks = tone::read_wav(&to).into_iter();
        [tracks.next().expect("the caller"), tracks.next().expect("the receptionist")]
    }

    /// Both voices are there for at least so long, each on its own side.
    fn both_are_heard(&self, at_least_ms: usize) {
        let tracks = self.recorded();
        for (track, own, other) in
            [(&tracks[0], CALLER_HZ, RECEPTIONIST_HZ), (&tracks[1], RECEPTIONIST_HZ, CALLER_HZ)]
        {
            let heard = tone::find(track, own).unwrap_or_else(|| panic!("no {own} Hz was recorded"));
            assert!(heard.length_ms() >= at_least_ms, "{own} Hz for {} ms only", heard.length_ms());
            let leak = tone::leakage_db(track, own, other);
            assert!(leak < -40.0, "{other} Hz leaks into the track of {own} Hz at {leak:.1} dB");
        }
    }
}

/// Presses a key again and again, as impatient callers do, until the receptionist is there.
fn press_until_connected(caller: &mut Softphone, receptionist: &mut Softphone, key: &str) {
    let end = Instant::now() + ASKED;
    while !receptionist.is_established(Duration::from_millis(700)) {
        if Instant::now() > end {
            receptionist.fail("the receptionist was never connected");
        }
        caller.press(key);
    }
}

fn talk(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn register(client: &Client) {
    let house = House::open();
    let _phone = house.receptionist(client, |_| {});
    wait::until("the registration to be listed", SOON, || {
        (house.server.json(&["registrations"])[0]["login"] == "anna").then_some(())
    });
}

/// The client is the receptionist's phone.
fn receives(client: &Client, shape: fn(&mut Shape<'_>)) {
    let house = House::open();
    let mut anna = house.receptionist(client, shape);
    let mut caller = house.caller(OTHER, |_| {});
    house.ring(&mut caller);
    press_until_connected(&mut caller, &mut anna, "1");
    talk(4);
    caller.hangup();
    anna.closed(SOON);
    house.both_are_heard(3_000);
}

/// The client is the caller's phone, and presses the key itself.
fn calls(client: &Client, shape: fn(&mut Shape<'_>)) {
    let house = House::open();
    let mut anna = house.receptionist(OTHER, |_| {});
    let mut caller = house.caller(client, shape);
    house.ring(&mut caller);
    press_until_connected(&mut caller, &mut anna, "1");
    talk(4);
    anna.hangup();
    caller.closed(SOON);
    house.both_are_heard(3_000);
}

fn hold(client: &Client) {
    let house = House::open();
    let mut anna = house.receptionist(client, |_| {});
    let mut caller = house.caller(OTHER, |_| {});
    house.ring(&mut caller);
    press_until_connected(&mut caller, &mut anna, "1");
    talk(2);
    anna.hold(true);
    talk(3);
    anna.hold(false);
    talk(3);
    caller.hangup();
    anna.closed(SOON);
    let [_, receptionist] = house.recorded();
    let heard = tone::find(&receptionist, RECEPTIONIST_HZ).expect("the receptionist");
    let hole = heard.longest_hole_ms();
    assert!((2_000..4_500).contains(&hole), "on hold for 3 s, and a hole of {hole} ms");
    assert!(heard.length_ms() >= 6_000, "heard for {} ms", heard.length_ms());
}

fn no(client: &Client) {
    let house = House::open();
    let mut anna = house.receptionist(OTHER, |_| {});
    let mut caller = house.caller(client, |_| {});
    house.ring(&mut caller);
    press_until_connected(&mut caller, &mut anna, "2");
    talk(1);
    caller.hangup();
    anna.closed(SOON);
    house.ended("blocked");
    nothing_is_on_disk(&house);
}

fn withdrawal(client: &Client) {
    let house = House::open();
    let mut anna = house.receptionist(OTHER, |_| {});
    let mut caller = house.caller(client, |_| {});
    house.ring(&mut caller);
    press_until_connected(&mut caller, &mut anna, "1");
    talk(2);
    caller.press("*9");
    talk(2);
    caller.hangup();
    anna.closed(SOON);
    let shown = house.ended("withdrawn");
    assert_eq!(shown["record"]["recordings"][0]["destroyed"], "withdrawn");
    nothing_is_on_disk(&house);
}

fn nothing_is_on_disk(house: &House) {
    let listed = std::fs::read_dir(house.server.folder().join("recordings")).expect("the recordings folder");
    assert_eq!(listed.count(), 0, "nothing may be on disk");
}
