//! Two softphones talk through the server, each with a tone of its own; what was recorded is judged by ear.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::tone::{self, Heard, Voice};

/// What the caller's phone sends while the question is asked: must never be found in a recording.
const BEFORE_HZ: f64 = 1_300.0;
/// For so long: the German question takes longer than this.
const BEFORE_S: f64 = 8.0;
const CALLER_HZ: f64 = 440.0;
const RECEPTIONIST_HZ: f64 = 1_015.0;
/// Besides, each says words of its own.
const CALLER_WORDS_HZ: f64 = 640.0;
const RECEPTIONIST_WORDS_HZ: f64 = 1_230.0;
/// How far a word's place and length may be from what was said, in milliseconds.
const WORD_OFF_MS: usize = 40;

const ASK: &str = "+493023125011";
const IN_CALL: &str = "+493023125012";
const ATTESTED: &str = "+493023125013";
const BOTH_ASKED: &str = "+493023125015";

const RECEPTIONISTS: [&str; 3] = ["anna", "ben", "carol"];

struct House {
    server: Server,
    folder: tempfile::TempDir,
}

impl House {
    fn open() -> Self {
        Self::with(&Setup::default())
    }

    fn with(setup: &Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let caller = (Voice::speaking(CALLER_HZ, CALLER_WORDS_HZ), 120.0);
        let receptionist = (Voice::speaking(RECEPTIONIST_HZ, RECEPTIONIST_WORDS_HZ), 120.0);
        let before = (Voice::tone(BEFORE_HZ), BEFORE_S);
        tone::write_voices(&folder.path().join("caller.wav"), &[before, caller]);
        tone::write_voices(&folder.path().join("receptionist.wav"), &[receptionist]);
        Self { server: Server::start(setup), folder }
    }

    fn phone(&self, user: &str, shape: impl FnOnce(&mut Phone<'_>)) -> Baresip {
        let says = if RECEPTIONISTS.contains(&user) { "receptionist.wav" } else { "caller.wav" };
        self.phone_that_says(user, &self.folder.path().join(says), shape)
    }

    fn phone_that_says(&self, user: &str, speaks: &Path, shape: impl FnOnce(&mut Phone<'_>)) -> Baresip {
        let receptionist = RECEPTIONISTS.contains(&user);
        let mut setup = Phone {
            user,
            password: receptionist.then_some(PASSWORD),
            server: &self.server.sip,
            transport: "udp",
            codecs: "PCMA",
            speaks,
            answers: receptionist,
            ptime_ms: 20,
            dtmf: "rtpevent",
        };
        shape(&mut setup);
        if receptionist {
            Baresip::registered(self.folder.path(), &setup)
        } else {
            Baresip::start(self.folder.path(), &setup)
        }
    }

    fn ring(&self, caller: &mut Baresip, number: &str) {
        caller.dial(&format!("sip:{number}@{}", self.server.sip));
        caller.event("CALL_ESTABLISHED", Duration::from_secs(10));
    }

    fn finished(&self, result: &str) -> Value {
        self.server.call_record(&format!("the recording to end {result}"), |record| {
            record["recordings"].as_array().is_some_and(|all| all.iter().any(|one| one["result"] == result))
                && !record["ended_at"].is_null()
        })
    }

    fn export(&self, shown: &Value) -> PathBuf {
        let recording = shown["record"]["recordings"][0]["recording"].as_str().expect("a recording");
        let to = self.folder.path().join(format!("{recording}.wav"));
        self.server.cli_ok(&[
            "recording",
            "export",
            recording,
            "--purpose",
            "acceptance test",
            "--out",
            &to.to_string_lossy(),
        ]);
        to
    }

    fn files(&self) -> Vec<PathBuf> {
        let listed =
            std::fs::read_dir(self.server.folder().join("recordings")).expect("the recordings folder");
        listed.map(|file| file.expect("a file").path()).collect()
    }
}

/// Presses a key again and again, as impatient callers do, until the receptionist's phone has taken the call.
fn press_until_connected(caller: &mut Baresip, receptionist: &mut Baresip, key: &str) {
    let end = Instant::now() + Duration::from_secs(40);
    while receptionist.try_event("CALL_ESTABLISHED", Duration::from_millis(700)).is_none() {
        assert!(Instant::now() < end, "the receptionist was never connected\n{}", receptionist.log());
        caller.press(key);
    }
}

fn talk(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn hear(wav: &Path) -> [Heard; 2] {
    let tracks = tone::read_wav(wav);
    assert_eq!(tracks.len(), 2, "caller left, receptionist right");
    assert!(tone::find(&tracks[0], BEFORE_HZ).is_none(), "something from before the consent was recorded");
    for (track, own, other) in [(0, CALLER_HZ, RECEPTIONIST_HZ), (1, RECEPTIONIST_HZ, CALLER_HZ)] {
        let leak = tone::leakage_db(&tracks[track], own, other);
        assert!(leak < -45.0, "track {track} holds the other's voice at {leak:.1} dB");
    }
    [(0, CALLER_HZ), (1, RECEPTIONIST_HZ)].map(|(track, hertz)| {
        tone::find(&tracks[track], hertz).unwrap_or_else(|| panic!("no {hertz} Hz on track {track}"))
    })
}

/// Whether both voices are there from beginning to end, and every word where and as long as it was said.
fn whole(wav: &Path, duration_ms: u64, packet_ms: u64) {
    let heard = hear(wav);
    let tracks = tone::read_wav(wav);
    let words = [CALLER_WORDS_HZ, RECEPTIONIST_WORDS_HZ];
    for (place, party) in ["caller", "receptionist"].into_iter().enumerate() {
        let heard = &heard[place];
        assert!(heard.longest_hole_ms() <= 20, "{party}: holes at {:?}", heard.holes);
        // A packet may be under way when the talk begins and when it ends, and the ear hears in windows of 10 ms.
        let length = u64::try_from(heard.length_ms()).expect("milliseconds");
        let cut = length.abs_diff(duration_ms);
        assert!(cut <= 2 * packet_ms + 10, "{party}: {length} ms heard of {duration_ms} ms recorded");
        let words = tone::words(&tracks[place], words[place]);
        assert!(words.len() >= 2, "{party}: words at {words:?}");
        let said = |count: usize| words[0].0 + count * (tone::WORD_MS + tone::PAUSE_MS);
        for (count, (begins, length)) in words.iter().enumerate() {
            assert!(length.abs_diff(tone::WORD_MS) <= WORD_OFF_MS, "{party}: words at {words:?}");
            assert!(begins.abs_diff(said(count)) <= WORD_OFF_MS, "{party}: words at {words:?}");
        }
    }
}

fn duration_ms(shown: &Value) -> u64 {
    shown["record"]["recordings"][0]["duration_ms"].as_u64().expect("a duration")
}

fn talk_with_consent(house: &House, packet_ms: u16, shape: fn(&mut Phone<'_>)) {
    let mut anna = house.phone("anna", shape);
    let mut caller = house.phone("caller", |caller| caller.ptime_ms = packet_ms);
    house.ring(&mut caller, ASK);
    press_until_connected(&mut caller, &mut anna, "1");
    let connected = Instant::now();
    talk(5);
    let talked = connected.elapsed();
    caller.hangup();
    anna.event("CALL_CLOSED", Duration::from_secs(5));

    let shown = house.finished("ok");
    whole(&house.export(&shown), duration_ms(&shown), packet_ms.into());
    // A coarse check against the test's own watch; baresip takes a moment to tell that it is connected.
    let off = u128::from(duration_ms(&shown)).abs_diff(talked.as_millis());
    assert!(off < 1_000, "recorded {} ms of about {} ms", duration_ms(&shown), talked.as_millis());
    let answers: Vec<_> = shown["record"]["consent"].as_array().expect("receipts").iter().collect();
    assert!(answers.iter().all(|receipt| receipt["answer"] == "yes"), "{answers:?}");
    assert_eq!(answers.len(), 2, "the caller's key and the receptionist's standing consent");
}

#[test]
fn a_yes_records_both_voices_whole_and_apart() {
    talk_with_consent(&House::open(), 20, |_| {});
}

#[test]
fn without_a_ring_nothing_is_different() {
    let mut setup = Setup::default();
    setup.environment.push(("VORZIMMER_MEDIA__DRIVER".into(), "epoll".into()));
    let house = House::with(&setup);
    talk_with_consent(&house, 20, |_| {});
    let (_, metrics) = house.server.get("/metrics").expect("metrics");
    let named = metrics.lines().any(|line| line.starts_with("vorzimmer_media_workers{driver=\"epoll\""));
    assert!(named, "the operator reads which driver it is");
}

#[test]
fn different_codecs_packet_lengths_and_transports_record_the_same() {
    talk_with_consent(&House::open(), 40, |anna| {
        anna.codecs = "PCMU";
        anna.transport = "tcp";
    });
}

#[test]
fn a_no_costs_nothing_but_the_recording() {
    let house = House::open();
    let mut anna = house.phone("anna", |_| {});
    let mut caller = house.phone("caller", |_| {});
    house.ring(&mut caller, ASK);
    press_until_connected(&mut caller, &mut anna, "2");
    talk(2);
    anna.hangup();
    caller.event("CALL_CLOSED", Duration::from_secs(5));
    let shown = house.finished("blocked");
    assert_eq!(shown["record"]["disposition"], "handled");
    assert_eq!(shown["record"]["ended_by"], "receptionist");
    assert_eq!(house.files(), Vec::<PathBuf>::new(), "nothing may be on disk");
}

#[test]
fn star_nine_stops_within_200_ms_and_destroys() {
    let house = House::open();
    let mut anna = house.phone("anna", |_| {});
    let mut caller = house.phone("caller", |_| {});
    house.ring(&mut caller, ASK);
    press_until_connected(&mut caller, &mut anna, "1");
    talk(2);
    caller.press("*9");
    talk(2);
    caller.hangup();
    let shown = house.finished("withdrawn");
    assert_eq!(shown["record"]["recordings"][0]["destroyed"], "withdrawn");
    assert_eq!(house.files(), Vec::<PathBuf>::new(), "what was recorded is destroyed");
}

#[test]
fn attested_consent_names_the_receptionist_and_a_withdrawal_may_keep_what_was_said() {
    let house = House::open();
    let mut anna = house.phone("anna", |_| {});
    let mut caller = house.phone("caller", |_| {});
    house.ring(&mut caller, ATTESTED);
    anna.event("CALL_ESTABLISHED", Duration::from_secs(15));
    talk(9);
    anna.press("*6");
    talk(3);
    anna.press("*9");
    talk(1);
    caller.hangup();
    let shown = house.server.call_record("the call to end", |record| !record["ended_at"].is_null());
    let receipts = shown["record"]["consent"].as_array().expect("receipts");
    let attested =
        receipts.iter().find(|receipt| receipt["method"]["by"] == "attested").expect("an attested yes");
    assert!(attested["method"]["receptionist"].is_string(), "{attested}");
    let withdrawn = receipts.iter().find(|receipt| receipt["answer"] == "withdrawn").expect("a withdrawal");
    let recording = &shown["record"]["recordings"][0];
    let ended =
        recording["started_at"].as_i64().expect("a start") + recording["duration_ms"].as_i64().expect("ms");
    assert!(ended <= withdrawn["at"].as_i64().expect("a time") + 200, "{recording} {withdrawn}");
    let heard = hear(&house.export(&shown));
    assert!(heard.iter().all(|track| track.length_ms() > 2_000), "{heard:?}");
}

#[test]
fn a_question_in_the_call_is_started_by_the_receptionist() {
    let house = House::open();
    let mut anna = house.phone("anna", |_| {});
    let mut caller = house.phone("caller", |caller| caller.dtmf = "info");
    house.ring(&mut caller, IN_CALL);
    anna.event("CALL_ESTABLISHED", Duration::from_secs(15));
    talk(1);
    anna.press("*5");
    // The English question takes 7.6 s; a 1 before its end does not count, so the last of these does.
    for _ in 0..11 {
        talk(1);
        caller.press("1");
    }
    talk(3);
    caller.hangup();
    let shown = house.finished("ok");
    hear(&house.export(&shown));
}

#[test]
fn a_key_that_is_only_heard_counts() {
    let house = House::open();
    let mut anna = house.phone("anna", |_| {});
    // A line without RFC 4733 or SIP INFO, as behind an old exchange: the keys are tones, again and again.
    let keys = house.folder.path().join("keys.wav");
    tone::write_voices(&keys, &[(Voice::tone(0.0), 6.0), (Voice::key(697.0, 1_209.0), 120.0)]);
    let mut caller = house.phone_that_says("caller", &keys, |_| {});
    house.ring(&mut caller, ASK);
    anna.event("CALL_ESTABLISHED", Duration::from_secs(40));
    talk(3);
    caller.hangup();
    let shown = house.finished("ok");
    assert_eq!(shown["record"]["consent"][0]["method"]["digit"], "1");
    assert_eq!(shown["record"]["consent"][0]["answer"], "yes");
}

#[test]
fn a_receptionist_without_standing_consent_is_asked_herself() {
    let house = House::open();
    let mut carol = house.phone("carol", |_| {});
    let mut caller = house.phone("caller", |_| {});
    house.ring(&mut caller, BOTH_ASKED);
    press_until_connected(&mut caller, &mut carol, "1");
    for _ in 0..9 {
        talk(1);
        carol.press("1");
    }
    talk(3);
    carol.hangup();
    let shown = house.finished("ok");
    hear(&house.export(&shown));
    let roles: Vec<_> =
        shown["record"]["consent"].as_array().expect("receipts").iter().map(|r| &r["role"]).collect();
    assert!(roles.contains(&&Value::from("receptionist")), "{roles:?}");
}

#[test]
fn hold_is_heard_and_leaves_a_named_gap() {
    let house = House::open();
    let mut anna = house.phone("anna", |_| {});
    let mut caller = house.phone("caller", |_| {});
    house.ring(&mut caller, ASK);
    press_until_connected(&mut caller, &mut anna, "1");
    talk(2);
    let held = Instant::now();
    anna.hold(true);
    talk(3);
    anna.hold(false);
    let held = held.elapsed().as_millis() as usize;
    talk(2);
    caller.hangup();
    let shown = house.server.call_record("the call to end", |record| {
        !record["ended_at"].is_null() && !record["recordings"][0]["result"].is_null()
    });
    let heard = hear(&house.export(&shown));
    let hole = heard[1].longest_hole_ms();
    // Either order may take a busy telephone a second.
    let about = held - 1_500..held + 1_500;
    assert!(
        about.contains(&hole),
        "the receptionist was on hold for about {held} ms, not {hole} ms; {shown}"
    );
}

#[test]
fn a_kill_in_mid_talk_is_closed_by_the_next_start_and_loses_next_to_nothing() {
    let mut house = House::open();
    let mut anna = house.phone("anna", |_| {});
    let mut caller = house.phone("caller", |_| {});
    house.ring(&mut caller, ASK);
    press_until_connected(&mut caller, &mut anna, "1");
    let connected = Instant::now();
    talk(5);
    house.server.kill();
    let talked = connected.elapsed();
    house.server.run();

    let shown = house.finished("degraded");
    assert_eq!(shown["record"]["ended_by"], "vorzimmer");
    assert_eq!(shown["record"]["recordings"][0]["why"], "the server ended before the call did");
    let recording = shown["record"]["recordings"][0]["recording"].as_str().expect("a recording");
    house.server.cli_ok(&["recording", "verify", recording, "--purpose", "acceptance test"]);
    let heard = hear(&house.export(&shown));
    for heard in &heard {
        assert!(heard.longest_hole_ms() <= 20, "holes at {:?}", heard.holes);
        let lost = talked.as_secs_f64() * 1000.0 - heard.length_ms() as f64;
        // 200 ms of each party, and what baresip takes to tell that it is connected.
        assert!(lost < 600.0, "{lost:.0} ms of the talk are lost");
    }
    let call = shown["record"]["call"].as_str().expect("a call");
    assert_eq!(house.server.cli_ok(&["receipt", "verify", call]).matches("the signature is good").count(), 2);
    assert_eq!(house.server.json(&["registrations"])[0]["login"], "anna");
    let destroy = ["recording", "destroy", recording, "--purpose", "acceptance test"];
    house.server.cli_ok(&destroy);
    assert!(house.files().is_empty(), "the file is gone");
    let verify = ["recording", "verify", recording, "--purpose", "acceptance test"];
    assert_eq!(house.server.cli(&verify).status.code(), Some(4), "there is no such thing any more");

    // The phone is still registered: the call that was cut off can be made again at once.
    let mut again = house.phone("caller-again", |_| {});
    house.ring(&mut again, ASK);
    press_until_connected(&mut again, &mut anna, "1");
}
