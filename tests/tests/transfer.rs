//! A caller is put through to a colleague and to somebody outside, by softphones of Debian: who hears whom, and what is
//! recorded of it.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::phone::Phone as Scripted;
use vorzimmer_tests::server::{DIRECTORY, PASSWORD, Server, Setup};
use vorzimmer_tests::tone;

const ASK: &str = "+493023125011";
const CALLER_HZ: f64 = 440.0;
const ANNA_HZ: f64 = 1_015.0;
const BEN_HZ: f64 = 1_700.0;
const BOSS_HZ: f64 = 2_300.0;
/// How long a softphone may take to tell what its user just did.
const SOON: Duration = Duration::from_secs(20);

struct House {
    server: Server,
    folder: tempfile::TempDir,
    /// Somebody outside, whom the customer's directory names.
    boss: Baresip,
}

impl House {
    fn open() -> Self {
        Self::with(|directory| directory)
    }

    /// The same, with a change to the directory.
    fn with(change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, hertz) in [("caller", CALLER_HZ), ("anna", ANNA_HZ), ("ben", BEN_HZ), ("boss", BOSS_HZ)] {
            tone::write_sine(&folder.path().join(format!("{name}.wav")), hertz, 180.0);
        }
        let boss = phone(folder.path(), "127.0.0.1:9", "boss", true);
        let at = boss.port;
        let contact = format!(
            "[[customer.contact]]\nshort = \"21\"\nname = \"The Boss\"\nreach = [\"sip:boss@127.0.0.1:{at}\"]\n\n[[customer]]\nkey = \"in-call\""
        );
        let directory = DIRECTORY.replace("[[customer]]\nkey = \"in-call\"", &contact);
        let more = format!(
            "[trunks.out.provider]\ndomain = \"out.example\"\nserver = \"127.0.0.1:{at}\"\ntransport = \"udp\"\n\
             options_s = 0\n[trunks.out.outbound]\n"
        );
        let server = Server::start(&Setup { directory: change(directory), more, ..Setup::default() });
        Self { server, folder, boss }
    }

    fn phone(&self, name: &str, answers: bool) -> Baresip {
        phone(self.folder.path(), &self.server.sip, name, answers)
    }

    /// A caller who has said yes talks to Anna.
    fn talk(&self, caller: &mut Baresip, anna: &mut Baresip) {
        caller.dial(&format!("sip:{ASK}@{}", self.server.sip));
        caller.event("CALL_ESTABLISHED", Duration::from_secs(10));
        let end = Instant::now() + Duration::from_secs(40);
        while anna.try_event("CALL_ESTABLISHED", Duration::from_millis(700)).is_none() {
            assert!(Instant::now() < end, "the receptionist was never connected\n{}", anna.log());
            caller.press("1");
        }
        wait(3);
    }

    fn record(&self, recordings: usize) -> Value {
        self.server.call_record("the call to end", |record| {
            let done = |one: &Value| !one["result"].is_null();
            !record["ended_at"].is_null()
                && record["recordings"]
                    .as_array()
                    .is_some_and(|all| all.len() == recordings && all.iter().all(done))
        })
    }

    /// Each recording's tracks must hold these tones, and none of the others.
    fn hear(&self, shown: &Value, at: usize, expected: &[f64]) {
        let recording = &shown["record"]["recordings"][at];
        assert_eq!(recording["result"], "ok", "{recording}");
        let id = recording["recording"].as_str().expect("a recording");
        let to = self.folder.path().join(format!("{id}.wav"));
        let to = to.to_string_lossy();
        self.server.cli_ok(&["recording", "export", id, "--purpose", "acceptance test", "--out", &to]);
        let tracks = tone::read_wav(Path::new(&*to));
        assert_eq!(tracks.len(), expected.len(), "one track for each voice");
        for (track, own) in tracks.iter().zip(expected) {
            let heard = tone::find(track, *own).unwrap_or_else(|| panic!("no {own} Hz in recording {at}"));
            assert!(heard.length_ms() > 1_500, "recording {at}: {heard:?}");
            for other in [CALLER_HZ, ANNA_HZ, BEN_HZ, BOSS_HZ] {
                if (other - own).abs() > 1.0 {
                    let leak = tone::leakage_db(track, *own, other);
                    assert!(leak < -45.0, "recording {at}: {other} Hz beside {own} Hz at {leak:.1} dB");
                }
            }
        }
    }
}

fn phone(folder: &Path, server: &str, name: &str, answers: bool) -> Baresip {
    let receptionist = ["anna", "ben"].contains(&name);
    let speaks = folder.join(format!("{name}.wav"));
    let setup = Phone {
        user: name,
        password: receptionist.then_some(PASSWORD),
        server,
        transport: "udp",
        codecs: "PCMA",
        speaks: &speaks,
        answers,
        ptime_ms: 20,
        dtmf: "rtpevent",
    };
    if receptionist { Baresip::registered(folder, &setup) } else { Baresip::start(folder, &setup) }
}

fn wait(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

/// What a phone heard in its only call: at least this much of the first tones, nothing of the others.
fn heard(phone: &Baresip, tones: &[f64], never: &[f64]) {
    let track =
        vorzimmer_tests::wait::until("what the phone heard", Duration::from_secs(10), || phone.heard());
    for hertz in tones {
        let heard = tone::find(&track, *hertz).unwrap_or_else(|| panic!("{hertz} Hz was not heard"));
        assert!(heard.length_ms() > 800, "{hertz} Hz: {heard:?}");
    }
    for hertz in never {
        let found = tone::find(&track, *hertz).filter(|heard| heard.length_ms() > 200);
        assert!(found.is_none(), "{hertz} Hz was heard: {found:?}");
    }
}

fn outcomes(shown: &Value) -> Vec<&Value> {
    let events = shown["events"].as_array().expect("events");
    let ended = events.iter().filter(|record| record["event"]["event"] == "transfer-ended");
    ended.map(|record| &record["event"]["outcome"]["is"]).collect()
}

#[test]
fn a_softphone_puts_the_caller_through_to_a_colleague() {
    let house = House::open();
    let mut anna = house.phone("anna", true);
    let mut caller = house.phone("caller", false);
    house.talk(&mut caller, &mut anna);
    let mut ben = house.phone("ben", true);
    anna.command("transfer", &format!("sip:ben@{}", house.server.sip));
    ben.event("CALL_ESTABLISHED", Duration::from_secs(15));
    anna.event("CALL_CLOSED", Duration::from_secs(10));
    wait(4);
    caller.hangup();
    ben.event("CALL_CLOSED", Duration::from_secs(10));

    let shown = house.record(2);
    house.hear(&shown, 0, &[CALLER_HZ, ANNA_HZ]);
    house.hear(&shown, 1, &[CALLER_HZ, BEN_HZ]);
    assert_eq!(outcomes(&shown), ["put-through"]);
    heard(&anna, &[CALLER_HZ], &[BEN_HZ, BOSS_HZ]);
    heard(&ben, &[CALLER_HZ], &[ANNA_HZ, BOSS_HZ]);
    let record = &shown["record"];
    assert_eq!(record["parties"].as_array().map(Vec::len), Some(2), "{record}");
    assert_ne!(record["recordings"][0]["epoch"], record["recordings"][1]["epoch"]);
}

/// What the caller of an unrecorded talk hears for the four seconds that Anna puts her on hold: of ten tenths of a second,
/// how many are not silent.
fn loud_on_hold(sound: &str) -> usize {
    let customer = "key = \"off\"\n";
    let house =
        House::with(|directory| directory.replace(customer, &format!("{customer}hold = \"{sound}\"\n")));
    let mut anna = house.phone("anna", true);
    let mut caller = house.phone("caller", false);
    caller.dial(&format!("sip:+493023125010@{}", house.server.sip));
    anna.event("CALL_ESTABLISHED", Duration::from_secs(20));
    wait(2);
    anna.hold(true);
    wait(4);
    anna.hold(false);
    wait(2);
    caller.hangup();
    anna.event("CALL_CLOSED", Duration::from_secs(10));
    heard(&anna, &[CALLER_HZ], &[]);
    let track =
        vorzimmer_tests::wait::until("what the caller heard", Duration::from_secs(10), || caller.heard());
    let voice = tone::find(&track, ANNA_HZ).expect("Anna's voice");
    let longest = voice.holes.iter().max_by_key(|(_, length)| *length).expect("a hold");
    let (from, length) = (longest.0 + 500, longest.1.saturating_sub(1_000));
    assert!(length > 2_000, "the hold lasted {length} ms and a second");
    let tenths: Vec<_> =
        (from..from + length).step_by(100).map(|at| tone::level_db(&track, at, 100)).collect();
    tenths.iter().filter(|level| **level > -50.0).count() * 10 / tenths.len()
}

#[test]
fn a_caller_on_hold_hears_music() {
    assert!(loud_on_hold("music") >= 7);
}

#[test]
fn a_caller_on_hold_hears_single_notes() {
    let loud = loud_on_hold("tone");
    assert!((1..=8).contains(&loud), "{loud} of ten");
}

#[test]
fn a_caller_on_hold_hears_nothing() {
    assert_eq!(loud_on_hold("silence"), 0);
}

#[test]
fn nobody_is_called_because_a_phone_says_so() {
    let mut house = House::open();
    let mut anna = house.phone("anna", true);
    let mut caller = house.phone("caller", false);
    house.talk(&mut caller, &mut anna);
    anna.command("transfer", "sip:+4990012345@evil.example");
    anna.event("TRANSFER_FAILED", Duration::from_secs(10));
    anna.hold(false);
    wait(2);
    caller.hangup();
    let shown = house.server.call_record("the call to end", |record| !record["ended_at"].is_null());
    let events = shown["events"].as_array().expect("events");
    let refused = events.iter().any(|record| record["event"]["event"] == "transfer-refused");
    assert!(refused && outcomes(&shown).is_empty(), "{shown}");
    assert!(house.boss.try_event("CALL_INCOMING", Duration::from_millis(100)).is_none());
}

#[test]
fn by_key_the_contact_is_asked_first_then_talks_to_the_caller() {
    let mut house = House::open();
    let mut anna = house.phone("anna", true);
    let mut caller = house.phone("caller", false);
    house.talk(&mut caller, &mut anna);
    anna.press("*121#");
    house.boss.event("CALL_ESTABLISHED", Duration::from_secs(15));
    wait(3);
    anna.press("*2");
    anna.event("CALL_CLOSED", Duration::from_secs(10));
    // Both are asked anew; the German question takes eight seconds.
    for _ in 0..7 {
        wait(1);
        caller.press("1");
        house.boss.press("1");
    }
    wait(4);
    caller.hangup();
    house.boss.event("CALL_CLOSED", Duration::from_secs(10));

    let shown = house.record(2);
    house.hear(&shown, 0, &[CALLER_HZ, ANNA_HZ]);
    house.hear(&shown, 1, &[CALLER_HZ, BOSS_HZ]);
    assert_eq!(outcomes(&shown), ["put-through"]);
    heard(&house.boss, &[ANNA_HZ, CALLER_HZ], &[BEN_HZ]);
    heard(&anna, &[CALLER_HZ, BOSS_HZ], &[BEN_HZ]);
    let roles: Vec<_> =
        shown["record"]["consent"].as_array().expect("receipts").iter().map(|r| &r["role"]).collect();
    assert!(roles.contains(&&Value::from("contact")), "{roles:?}");
}

#[test]
fn back_to_the_caller_by_key_and_the_recording_resumes_by_itself() {
    let mut house = House::open();
    let mut anna = house.phone("anna", true);
    let mut caller = house.phone("caller", false);
    house.talk(&mut caller, &mut anna);
    anna.press("*121#");
    house.boss.event("CALL_ESTABLISHED", Duration::from_secs(15));
    wait(2);
    anna.press("*0");
    house.boss.event("CALL_CLOSED", Duration::from_secs(10));
    wait(3);
    caller.hangup();
    let shown = house.record(2);
    house.hear(&shown, 0, &[CALLER_HZ, ANNA_HZ]);
    house.hear(&shown, 1, &[CALLER_HZ, ANNA_HZ]);
    assert_eq!(outcomes(&shown), ["returned"]);
    heard(&caller, &[ANNA_HZ], &[BOSS_HZ]);
    heard(&house.boss, &[ANNA_HZ], &[CALLER_HZ]);
}

/// Anna, on pjsua2, talks to the caller.
fn talks_on_pjsua(house: &House, caller: &mut Baresip) -> Scripted {
    let setup = json!({
        "user": "anna",
        "password": PASSWORD,
        "server": house.server.sip,
        "transport": "udp",
        "codecs": ["PCMA"],
        "secure": "none",
        "dtmf": "rtpevent",
        "speaks": house.folder.path().join("anna.wav"),
        "answers": true,
    });
    let mut anna = Scripted::start(house.folder.path(), "pjsua2_phone.py", &setup);
    anna.event("registered", Duration::from_secs(20));
    caller.dial(&format!("sip:{ASK}@{}", house.server.sip));
    caller.event("CALL_ESTABLISHED", Duration::from_secs(10));
    let end = Instant::now() + Duration::from_secs(40);
    while anna.try_event("established", Duration::from_millis(700)).is_none() {
        assert!(Instant::now() < end, "the receptionist was never connected");
        caller.press("1");
    }
    wait(3);
    anna
}

#[test]
fn a_colleague_who_is_busy_brings_the_caller_back() {
    let house = House::open();
    let mut caller = house.phone("caller", false);
    let mut anna = talks_on_pjsua(&house, &mut caller);
    let mut ben = house.phone("ben", false);
    anna.order(&json!({ "do": "transfer", "uri": format!("sip:ben@{}", house.server.sip) }));
    ben.event("CALL_INCOMING", Duration::from_secs(15));
    ben.hangup();
    let failed = anna.event("failed", SOON);
    assert_eq!((&failed["what"], &failed["why"]), (&json!("transfer"), &json!("486")));
    wait(6);
    caller.hangup();
    let shown = house.record(2);
    house.hear(&shown, 0, &[CALLER_HZ, ANNA_HZ]);
    house.hear(&shown, 1, &[CALLER_HZ, ANNA_HZ]);
    assert_eq!(outcomes(&shown), ["failed"]);
}

/// She holds, and asks Ben by a second call.
fn asks_ben(house: &House, caller: &mut Baresip) -> (Scripted, Baresip) {
    let mut anna = talks_on_pjsua(house, caller);
    let mut ben = house.phone("ben", true);
    anna.order(&json!({ "do": "hold" }));
    wait(1);
    anna.dial(&format!("sip:ben@{}", house.server.sip));
    ben.event("CALL_ESTABLISHED", Duration::from_secs(15));
    anna.event("established", SOON);
    wait(3);
    (anna, ben)
}

#[test]
fn an_attended_transfer_by_another_softphone() {
    let house = House::open();
    let mut caller = house.phone("caller", false);
    let (mut anna, mut ben) = asks_ben(&house, &mut caller);
    anna.order(&json!({ "do": "complete" }));
    anna.event("transferred", SOON);
    anna.event("closed", SOON);
    anna.event("closed", SOON);
    wait(4);
    caller.hangup();
    ben.event("CALL_CLOSED", Duration::from_secs(10));
    let shown = house.record(2);
    house.hear(&shown, 0, &[CALLER_HZ, ANNA_HZ]);
    house.hear(&shown, 1, &[CALLER_HZ, BEN_HZ]);
    assert_eq!(outcomes(&shown), ["put-through"]);
    heard(&ben, &[ANNA_HZ, CALLER_HZ], &[BOSS_HZ]);
    heard(&caller, &[ANNA_HZ, BEN_HZ], &[BOSS_HZ]);
}

#[test]
fn asked_and_back_to_the_caller_by_another_softphone() {
    let house = House::open();
    let mut caller = house.phone("caller", false);
    let (mut anna, mut ben) = asks_ben(&house, &mut caller);
    anna.order(&json!({ "do": "hangup", "call": 1 }));
    ben.event("CALL_CLOSED", Duration::from_secs(10));
    anna.event("closed", SOON);
    anna.order(&json!({ "do": "resume" }));
    wait(4);
    caller.hangup();
    anna.event("closed", SOON);
    let shown = house.record(2);
    house.hear(&shown, 0, &[CALLER_HZ, ANNA_HZ]);
    house.hear(&shown, 1, &[CALLER_HZ, ANNA_HZ]);
    heard(&caller, &[ANNA_HZ], &[BEN_HZ]);
    heard(&ben, &[ANNA_HZ], &[CALLER_HZ]);
}

#[test]
fn three_talk_are_mixed_and_recorded_in_three_slots_then_two_are_left() {
    let mut house = House::open();
    let mut anna = house.phone("anna", true);
    let mut caller = house.phone("caller", false);
    house.talk(&mut caller, &mut anna);
    anna.press("*121#");
    house.boss.event("CALL_ESTABLISHED", Duration::from_secs(15));
    wait(1);
    anna.press("*3");
    // Caller and contact are asked anew; the German question takes eight seconds.
    for _ in 0..9 {
        wait(1);
        caller.press("1");
        house.boss.press("1");
    }
    wait(4);
    anna.press("*2");
    anna.event("CALL_CLOSED", Duration::from_secs(10));
    wait(3);
    caller.hangup();
    house.boss.event("CALL_CLOSED", Duration::from_secs(10));

    let shown = house.record(3);
    house.hear(&shown, 0, &[CALLER_HZ, ANNA_HZ]);
    house.hear(&shown, 2, &[CALLER_HZ, BOSS_HZ]);
    assert_eq!(shown["record"]["recordings"][1]["result"], "ok", "{shown}");
    // Exported as stereo: whoever talked to the caller is on the right.
    let id = shown["record"]["recordings"][1]["recording"].as_str().expect("a recording");
    let to = house.folder.path().join("three.wav");
    let out = to.to_string_lossy();
    house.server.cli_ok(&["recording", "export", id, "--purpose", "acceptance test", "--out", &out]);
    let tracks = tone::read_wav(&to);
    for (track, hertz) in [(0, CALLER_HZ), (1, ANNA_HZ), (1, BOSS_HZ)] {
        let heard = tone::find(&tracks[track], hertz).unwrap_or_else(|| panic!("no {hertz} Hz"));
        assert!(heard.length_ms() > 1_500, "{hertz} Hz: {heard:?}");
    }
    heard(&caller, &[ANNA_HZ, BOSS_HZ], &[BEN_HZ]);
    heard(&anna, &[CALLER_HZ, BOSS_HZ], &[BEN_HZ]);
    heard(&house.boss, &[ANNA_HZ, CALLER_HZ], &[BEN_HZ]);
    assert_eq!(outcomes(&shown), ["joined"]);
}
