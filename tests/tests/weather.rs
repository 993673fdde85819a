//! Calls on a bad network: 5 of 100 packets are lost, others are up to 40 ms late, out of order, said twice, and wear
//! everything that RTP allows. The talk goes on, the recording has exactly the holes that the network tore, and the call
//! record says how each leg sounded.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::crowd::{Crowd, Read, read};
use vorzimmer_tests::impair::Weather;
use vorzimmer_tests::relay::Relay;
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::{tone, wait};

const ASK: &str = "+493023125011";
const ATTESTED: &str = "+493023125013";
const CALLER_HZ: f64 = 440.0;
const RECEPTIONIST_HZ: f64 = 1_015.0;
const LONG: Duration = Duration::from_secs(60);
const CALLS: usize = 4;
const TALK: Duration = Duration::from_secs(12);

#[test]
fn a_talk_survives_and_its_recording_has_exactly_the_holes_that_the_network_tore() {
    let server = Server::start(&Setup::default());
    let crowd = Crowd::recorded(&server, ATTESTED, CALLS);
    crowd.impair(Weather {
        loss_percent: 5,
        jitter: Duration::from_millis(40),
        twice_percent: 5,
        dressed: true,
        seed: 3,
    });
    let before = crowd.heard();
    std::thread::sleep(TALK);
    let heard = crowd.heard() - before;
    // Both ways of each call, 50 packets a second, five of a hundred less; a slow machine may owe some more.
    let whole = u64::try_from(CALLS).expect("few") * 2 * TALK.as_secs() * 50;
    assert!(heard > whole * 7 / 10, "{heard} of {whole} packets were heard on the other side");
    crowd.hang_up();
    wait::until("every call to end", LONG, || (crowd.ended() == CALLS).then_some(()));
    let rows = wait::until("every recording to end", LONG, || {
        let rows = server.json(&["recording", "list", "--purpose", "acceptance test"]);
        let rows = rows.as_array()?.clone();
        (rows.len() == CALLS && rows.iter().all(|row| !row["result"].is_null())).then_some(rows)
    });
    let mut holes = 0;
    for row in &rows {
        let shown = server.json(&["call", "show", row["call"].as_str().expect("a call")]);
        holes += exact(&server, &crowd, row, &shown["record"]);
        sounded(&shown["record"]);
    }
    assert!(holes > 20, "{holes} holes in all");
    let (_, metrics) = server.get("/metrics").expect("metrics");
    for name in ["leg_loss_ratio", "leg_jitter_seconds", "leg_mos"] {
        let count = format!("vorzimmer_{name}_count {}", 2 * CALLS);
        assert!(metrics.contains(&count), "{name}:\n{metrics}");
    }
    let call = rows[0]["call"].as_str().expect("a call");
    let words = server.cli_ok(&["call", "show", call]);
    assert!(words.contains("heard        caller: ") && words.contains(", MOS "), "{words}");
}

/// Between the first and the last frame of each track, what is missing is what the network lost, no more and no less, and
/// the record counts as many gaps.
fn exact(server: &Server, crowd: &Crowd, row: &Value, record: &Value) -> usize {
    let id = row["recording"].as_str().expect("an id");
    let out = server.folder().join(format!("{id}.wav"));
    let to = out.to_string_lossy();
    server.cli_ok(&["recording", "export", id, "--purpose", "acceptance test", "--out", &to]);
    let reader = hound::WavReader::open(&out).expect("an exported WAV");
    let samples: Vec<i16> = reader.into_samples().map(|sample| sample.expect("a sample")).collect();
    let mut holes = 0;
    for channel in [0, 1] {
        let track: Vec<i16> = samples.iter().skip(channel).step_by(2).copied().collect();
        let heard = read(&track);
        let runs = torn(id, crowd, &heard);
        let counted = record["recordings"][0]["gaps"][channel].as_u64().expect("a count of gaps");
        // What is lost behind the last frame, or before the first one, is no frame's neighbour.
        let runs = u64::try_from(runs).expect("few");
        assert!((runs..=runs + 1).contains(&counted), "{id}: {runs} holes, {counted} counted");
        holes += usize::try_from(runs).expect("few");
    }
    holes
}

fn torn(id: &str, crowd: &Crowd, heard: &[Read]) -> usize {
    let (first, last) = (heard.first().expect("a voice"), heard.last().expect("a voice"));
    assert!(heard.windows(2).all(|pair| pair[0].frame < pair[1].frame), "{id}: frames out of order");
    assert!(
        heard.iter().all(|one| one.stream == first.stream && one.sayings == 10),
        "{id}: frames in pieces"
    );
    let sent = crowd.sent(first.stream).expect("a stream of ours");
    let there: BTreeSet<usize> = heard.iter().map(|one| one.frame).collect();
    let missing: Vec<usize> = (first.frame..=last.frame).filter(|frame| !there.contains(frame)).collect();
    let lost: Vec<usize> =
        sent.lost.iter().copied().filter(|frame| (first.frame..=last.frame).contains(frame)).collect();
    assert_eq!(missing, lost, "{id}: what is missing, and what was lost");
    let begins = |at: &usize| *at == 0 || lost[*at] != lost[*at - 1] + 1;
    (0..lost.len()).filter(begins).count()
}

/// Both legs, with a loss of about five of a hundred while the weather was bad.
fn sounded(record: &Value) {
    let legs = record["quality"].as_array().expect("the quality of each leg");
    assert_eq!(legs.len(), 2, "{record}");
    assert_eq!(legs.iter().filter(|leg| leg["receptionist"].is_null()).count(), 1, "{legs:?}");
    for leg in legs {
        let [received, lost] = ["received", "lost"].map(|name| leg[name].as_f64().expect("a count"));
        let share = lost / (received + lost);
        assert!((0.015..0.09).contains(&share), "{leg}");
        let jitter = leg["jitter_us"].as_f64().expect("jitter");
        assert!((4_000.0..60_000.0).contains(&jitter), "{leg}");
        let mos = leg["mos"].as_f64().expect("an opinion") / 100.0;
        assert!((3.0..4.35).contains(&mos), "{leg}");
    }
}

/// A softphone in a bad network takes part in all of it: it is asked, answers by key, talks, is recorded.
fn a_softphone(with_rtcp: bool) -> (Value, u64) {
    let server = Server::start(&Setup::default());
    let folder = tempfile::tempdir().expect("a folder");
    let [caller_says, anna_says] =
        ["caller", "anna"].map(|name| folder.path().join(name).with_extension("wav"));
    tone::write_sine(&caller_says, CALLER_HZ, 120.0);
    tone::write_sine(&anna_says, RECEPTIONIST_HZ, 120.0);
    let jitter = Duration::from_millis(40);
    let weather = Weather { loss_percent: 5, jitter, twice_percent: 2, dressed: false, seed: 11 };
    let relay = Relay::open(&server.sip, weather, with_rtcp);
    let phone = |user, password, server, speaks| Phone {
        user,
        password,
        server,
        transport: "udp",
        codecs: "PCMA",
        speaks,
        answers: password.is_some(),
        ptime_ms: 20,
        dtmf: "rtpevent",
    };
    let mut anna =
        Baresip::registered(folder.path(), &phone("anna", Some(PASSWORD), &server.sip, &anna_says));
    let mut caller = Baresip::start(folder.path(), &phone("caller", None, &relay.sip, &caller_says));
    caller.dial(&format!("sip:{ASK}@{}", relay.sip));
    caller.event("CALL_ESTABLISHED", LONG);
    let end = Instant::now() + LONG;
    while anna.try_event("CALL_ESTABLISHED", Duration::from_millis(700)).is_none() {
        assert!(Instant::now() < end, "no key got through");
        caller.press("1");
    }
    std::thread::sleep(TALK);
    let lost = relay.lost();
    caller.hangup();
    anna.event("CALL_CLOSED", LONG);
    let shown =
        server.call_record("a recording with gaps", |record| record["recordings"][0]["result"] == "degraded");
    let id = shown["record"]["recordings"][0]["recording"].as_str().expect("a recording").to_owned();
    let out = folder.path().join("talk.wav");
    let to = out.to_string_lossy();
    server.cli_ok(&["recording", "export", &id, "--purpose", "acceptance test", "--out", &to]);
    let tracks = tone::read_wav(&out);
    for (track, hertz) in [(0, CALLER_HZ), (1, RECEPTIONIST_HZ)] {
        let heard =
            tone::find(&tracks[track], hertz).unwrap_or_else(|| panic!("no {hertz} Hz on track {track}"));
        let long = heard.length_ms();
        assert!(long + 1_500 > TALK.as_millis() as usize, "track {track}: {long} ms of {TALK:?}");
        // Three packets in a row are lost once in eight thousand.
        assert!(heard.longest_hole_ms() <= 100, "track {track}: holes at {:?}", heard.holes);
    }
    (shown["record"].clone(), lost)
}

fn caller_of(record: &Value) -> &Value {
    let legs = record["quality"].as_array().expect("the quality of each leg");
    legs.iter().find(|leg| leg["receptionist"].is_null()).unwrap_or_else(|| panic!("{record}"))
}

#[test]
fn a_softphone_talks_through_a_bad_network_and_the_record_says_how_it_was() {
    let (record, lost) = a_softphone(true);
    let caller = caller_of(&record);
    let counted = caller["lost"].as_u64().expect("a count");
    // What is lost before the first packet that arrives, or while it hangs up, is counted by one side only; so is a run
    // of keys. That counts are exact is held by the test of numbered frames and by media's own.
    assert!(counted.abs_diff(lost) <= 10, "{counted} counted, {lost} were lost: {caller}");
    assert!((4_000..60_000).contains(&caller["jitter_us"].as_u64().expect("jitter")), "{caller}");
    assert!(caller["round_trip_us"].as_u64().is_some_and(|trip| trip < 1_000_000), "{caller}");
    assert!(caller["lost_there"].as_u64().is_some_and(|lost| lost > 0), "{caller}");
    assert!((300..435).contains(&caller["mos"].as_u64().expect("an opinion")), "{caller}");
}

#[test]
fn a_softphone_whose_reports_never_come_talks_as_well() {
    let (record, _) = a_softphone(false);
    let caller = caller_of(&record);
    assert!(caller["round_trip_us"].is_null() && caller["mos"].is_u64(), "{caller}");
}
