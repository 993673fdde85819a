//! Telephones with different codecs, packet lengths and habits talk through the server: each hears the other's tone, the
//! recording has what each of them sent, and its pages say in which codec.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::impair::Weather;
use vorzimmer_tests::phone::Phone as Scripted;
use vorzimmer_tests::relay::Relay;
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::sipp::{Run, Sipp};
use vorzimmer_tests::tone::{self, Heard, Track};
use vorzimmer_tests::{ports, wait};

/// The receptionist's key says that the caller agreed: nobody waits for a question.
const ATTESTED: &str = "+493023125013";
const CALLER_HZ: f64 = 440.0;
const RECEPTIONIST_HZ: f64 = 1_015.0;
/// How long both are told that they are recorded.
const THANKS_S: u64 = 5;
const SOON: Duration = Duration::from_secs(20);
const OPUS: &str = "opus/48000/2";
const G722: &str = "G722/16000/1";

struct House {
    server: Server,
    folder: tempfile::TempDir,
    caller_says: PathBuf,
    anna_says: PathBuf,
}

impl House {
    fn open(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [caller_says, anna_says] = ["caller.wav", "anna.wav"].map(|name| folder.path().join(name));
        tone::write_sine(&caller_says, CALLER_HZ, 120.0);
        tone::write_sine(&anna_says, RECEPTIONIST_HZ, 120.0);
        let named = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(named).collect();
        let server = Server::start(&Setup { environment, ..Setup::default() });
        Self { server, folder, caller_says, anna_says }
    }

    fn phone<'a>(&'a self, user: &'a str, shape: impl FnOnce(&mut Phone<'a>)) -> Baresip {
        let receptionist = user == "anna";
        let mut setup = Phone {
            user,
            password: receptionist.then_some(PASSWORD),
            server: &self.server.sip,
            transport: "udp",
            codecs: "PCMA",
            speaks: if receptionist { &self.anna_says } else { &self.caller_says },
            answers: receptionist,
            ptime_ms: 20,
            dtmf: "rtpevent",
        };
        shape(&mut setup);
        let start = if receptionist { Baresip::registered } else { Baresip::start };
        start(self.folder.path(), &setup)
    }

    /// The caller is connected to Anna, who says that he agrees to be recorded.
    fn talk(&self, caller: &mut Baresip, anna: &mut Baresip) {
        caller.dial(&format!("sip:{ATTESTED}@{}", self.server.sip));
        anna.event("CALL_ESTABLISHED", SOON);
        anna.press("*6");
        self.recorded();
    }

    fn recorded(&self) {
        wait::until("the talk to be recorded", SOON, || {
            let (_, metrics) = self.server.get("/metrics")?;
            metrics.contains("vorzimmer_recordings_running 1\n").then_some(())
        });
    }

    fn finished(&self) -> Recorded {
        let shown = self.server.call_record("the recording to end", |record| {
            !record["ended_at"].is_null() && !record["recordings"][0]["result"].is_null()
        });
        let recording = shown["record"]["recordings"][0].clone();
        let id = recording["recording"].as_str().expect("a recording");
        let to = self.folder.path().join("talk.wav");
        let out = to.to_string_lossy();
        let purpose = ["--purpose", "acceptance test"];
        self.server.cli_ok(&[&["recording", "export", id, "--out", &out][..], &purpose].concat());
        let verified = self.server.json(&[&["recording", "verify", id][..], &purpose].concat());
        let tracks: [Track; 2] = tone::read_wav(&to).try_into().expect("caller left, receptionist right");
        Recorded { recording, codecs: verified["codecs"].clone(), tracks }
    }
}

/// What was recorded of a call.
struct Recorded {
    recording: Value,
    /// What the pages of each party hold.
    codecs: Value,
    tracks: [Track; 2],
}

impl Recorded {
    /// Both tones on their tracks, only there, as long as the recording, with no hole longer than this.
    fn is_whole(&self, most_ms: usize) {
        let recorded = self.recording["duration_ms"].as_u64().expect("a duration");
        assert!(recorded > 2_500, "{}", self.recording);
        let tones = [CALLER_HZ, RECEPTIONIST_HZ];
        for (place, track) in self.tracks.iter().enumerate() {
            let heard = tone::find(track, tones[place]).unwrap_or_else(|| panic!("track {place} is silent"));
            assert!(heard.longest_hole_ms() <= most_ms, "track {place}: holes at {:?}", heard.holes);
            let length = u64::try_from(heard.length_ms()).expect("milliseconds");
            // Packets of 60 ms may be under way at either end, and a codec takes a moment to begin.
            assert!(
                length.abs_diff(recorded) <= 250,
                "track {place}: {length} ms of {recorded} ms, {heard:?}, {}",
                self.recording
            );
            let leak = tone::leakage_db(track, tones[place], tones[1 - place]);
            assert!(leak < -45.0, "track {place} holds the other's voice at {leak:.1} dB");
        }
    }
}

/// A telephone has heard this tone for most of the talk; what is said to it meanwhile is no tone.
fn has_heard(phone: &Baresip, hertz: f64) {
    let heard = heard(phone, hertz);
    let holes: usize = heard.holes.iter().map(|(_, ms)| ms).sum();
    assert!(heard.length_ms() - holes > 2_500, "{hertz} Hz: {heard:?}");
}

fn heard(phone: &Baresip, hertz: f64) -> Heard {
    let track = wait::until("what a phone heard", Duration::from_secs(10), || phone.heard());
    tone::find(&track, hertz).unwrap_or_else(|| panic!("{hertz} Hz was not heard"))
}

/// How much is missing in the last seconds.
fn missing_late(heard: &Heard, seconds: usize) -> usize {
    let from = heard.to_ms.saturating_sub(seconds * 1_000);
    heard.holes.iter().filter(|(at, _)| *at >= from).map(|(_, ms)| ms).sum()
}

fn talk(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

/// How each of the two telephones is.
struct Two<'a> {
    caller: (&'a str, u16),
    anna: (&'a str, u16),
    /// What the recording's pages must name.
    pages: [&'a str; 2],
    lists: &'a [(&'a str, &'a str)],
}

impl Two<'_> {
    fn talk(&self) {
        let house = House::open(self.lists);
        let mut anna = house.phone("anna", |phone| (phone.codecs, phone.ptime_ms) = self.anna);
        let mut caller = house.phone("caller", |phone| (phone.codecs, phone.ptime_ms) = self.caller);
        house.talk(&mut caller, &mut anna);
        talk(THANKS_S + 4);
        caller.hangup();
        anna.event("CALL_CLOSED", SOON);
        let recorded = house.finished();
        assert_eq!(recorded.recording["result"], "ok", "{}", recorded.recording);
        assert_eq!(recorded.codecs, json!([[self.pages[0]], [self.pages[1]]]));
        recorded.is_whole(20);
        has_heard(&caller, RECEPTIONIST_HZ);
        has_heard(&anna, CALLER_HZ);
    }
}

#[test]
fn a_line_in_a_law_and_a_desk_in_opus_are_transcoded_whatever_their_packets() {
    Two { caller: ("PCMA", 10), anna: (OPUS, 60), pages: ["PCMA", "opus"], lists: &[] }.talk();
}

#[test]
fn opus_at_both_ends_is_passed_on() {
    Two { caller: (OPUS, 20), anna: (OPUS, 20), pages: ["opus", "opus"], lists: &[] }.talk();
}

#[test]
fn g722_and_opus_are_transcoded() {
    Two { caller: (G722, 60), anna: (OPUS, 20), pages: ["G722", "opus"], lists: &[] }.talk();
}

#[test]
fn the_operators_lists_say_which_codec_each_end_has() {
    let lists = &[
        ("VORZIMMER_TRUNKS__LOOPBACK__CODECS", "g722,pcma"),
        ("VORZIMMER_RECEPTIONISTS__CODECS", "opus,pcmu"),
    ];
    let all = "PCMA,PCMU,opus/48000/2,G722/16000/1";
    Two { caller: (all, 20), anna: (all, 20), pages: ["G722", "opus"], lists }.talk();
}

/// A caller whose Opus says nothing in pauses (DTX, RFC 7587 §3.1.3), to a telephone with A-law: pauses stay as long as they
/// are, and nothing is taken for lost.
#[test]
fn opus_that_falls_silent_in_pauses_is_whole() {
    let house = House::open(&[]);
    #[expect(clippy::cast_precision_loss, reason = "a second")]
    let spoken = [(CALLER_HZ, SPOKEN_MS as f64 / 1_000.0), (0.0, PAUSE_MS as f64 / 1_000.0)].repeat(20);
    tone::write_tones(&house.caller_says, &spoken);
    let mut anna = house.phone("anna", |_| {});
    let mut caller = house.phone("caller", |phone| phone.codecs = OPUS);
    house.talk(&mut caller, &mut anna);
    talk(THANKS_S + 5);
    caller.hangup();
    anna.event("CALL_CLOSED", SOON);
    let recorded = house.finished();
    assert_eq!(recorded.recording["result"], "ok", "{}", recorded.recording);
    assert_eq!(recorded.codecs, json!([["opus"], ["PCMA"]]));
    let kept = tone::find(&recorded.tracks[0], CALLER_HZ).expect("the caller");
    assert!(!kept.holes.is_empty(), "he paused: {kept:?}");
    assert!(kept.holes.iter().all(|(_, ms)| ms.abs_diff(PAUSE_MS) <= 60), "{kept:?}");
    let hers = heard(&anna, CALLER_HZ);
    let from = hers.to_ms.saturating_sub(4_000);
    let late: Vec<_> = hers.holes.iter().filter(|(at, _)| *at >= from).collect();
    assert!(late.iter().any(|(_, ms)| ms.abs_diff(PAUSE_MS) <= 100), "{hers:?}");
}

/// Her telephone changes to G.722 in mid-call. The caller's knows it too and is asked for it, so that voices are passed on.
#[test]
fn a_codec_that_changes_in_mid_call_is_recorded_as_it_changes() {
    let house = House::open(&[]);
    let setup = json!({
        "user": "anna", "password": PASSWORD, "server": house.server.sip, "transport": "udp", "codecs": ["PCMA"],
        "speaks": house.anna_says, "heard": null, "answers": true, "secure": "none", "dtmf": "rtpevent",
    });
    let mut anna = Scripted::start(house.folder.path(), "pjsua2_phone.py", &setup);
    anna.event("registered", SOON);
    let mut caller = house.phone("caller", |phone| phone.codecs = "PCMA,G722/16000/1");
    caller.dial(&format!("sip:{ATTESTED}@{}", house.server.sip));
    anna.event("established", SOON);
    anna.order(&json!({ "do": "press", "keys": "*6" }));
    house.recorded();
    talk(THANKS_S);
    anna.order(&json!({ "do": "codecs", "names": ["G722"] }));
    talk(4);
    caller.hangup();
    anna.event("closed", SOON);
    let recorded = house.finished();
    assert_eq!(recorded.codecs, json!([["PCMA", "G722"], ["PCMA", "G722"]]));
    // Each end stops for a moment to change.
    recorded.is_whole(400);
}

/// Opus over a network that loses packets, to a telephone with A-law: the talk goes on for her, and in the recording a hole is
/// a hole. (How well holes are mended is held by media's own tests: to Opus a tone is no voice, so it is said only once.)
#[test]
fn opus_through_a_bad_network_goes_on_and_its_holes_are_named() {
    let house = House::open(&[]);
    let jitter = Duration::from_millis(30);
    let weather = Weather { loss_percent: 5, jitter, seed: 4, ..Weather::default() };
    let relay = Relay::open(&house.server.sip, weather, true);
    let mut anna = house.phone("anna", |_| {});
    let mut caller = house.phone("caller", |phone| (phone.codecs, phone.server) = (OPUS, &relay.sip));
    caller.dial(&format!("sip:{ATTESTED}@{}", relay.sip));
    anna.event("CALL_ESTABLISHED", SOON);
    anna.press("*6");
    house.recorded();
    talk(THANKS_S + 8);
    caller.hangup();
    anna.event("CALL_CLOSED", SOON);
    let recorded = house.finished();
    assert_eq!(recorded.codecs, json!([["opus"], ["PCMA"]]));
    assert_eq!(recorded.recording["result"], "degraded", "{}", recorded.recording);
    assert!(recorded.recording["gaps"][0].as_u64().is_some_and(|gaps| gaps > 0), "{}", recorded.recording);
    let kept = tone::find(&recorded.tracks[0], CALLER_HZ).expect("the caller");
    let hers = heard(&anna, CALLER_HZ);
    let (torn, missed) = (missing_late(&kept, 7), missing_late(&hers, 7));
    assert!(
        torn > 0 && missed < 2_000,
        "{torn} ms are missing in the recording, {missed} ms for her: {hers:?}"
    );
}

/// A line that falls silent by comfort noise, to a telephone that knows none: it gets voice, and nothing between.
#[test]
fn comfort_noise_never_reaches_a_telephone_that_knows_none() {
    let house = House::open(&[]);
    let mut anna = house.phone("anna", |_| {});
    let port = ports::block(2);
    // Where SIPp runs.
    let folder = house.folder.path().join(format!("sipp-trunk-noise-{port}"));
    std::fs::create_dir_all(&folder).expect("a folder for SIPp");
    std::fs::write(folder.join("noise.pcap"), spoken_with_pauses()).expect("what the line says");
    let run = Run {
        scenario: "trunk-noise",
        server: &house.server.sip,
        transport: "u1",
        service: ATTESTED,
        calls: 1,
        rate: 1,
        port: Some(port),
        more: &[],
    };
    let line = Sipp::start(house.folder.path(), &run);
    anna.event("CALL_ESTABLISHED", SOON);
    anna.press("*6");
    house.recorded();
    line.passed(Duration::from_secs(60));
    anna.event("CALL_CLOSED", SOON);
    let recorded = house.finished();
    assert_eq!(
        (&recorded.codecs, &recorded.recording["result"]),
        (&json!([["PCMA", "CN"], ["PCMA"]]), &json!("ok"))
    );
    let heard = tone::find(&recorded.tracks[0], CALLER_HZ).expect("the line's voice");
    // On a busy machine SIPp stops for a while now and then; then more is missing, never less.
    let exact = heard.holes.iter().filter(|(_, ms)| ms.abs_diff(PAUSE_MS) <= 40).count();
    assert!(exact >= 2 && heard.holes.iter().all(|(_, ms)| *ms + 40 >= PAUSE_MS), "{heard:?}");
    has_heard(&anna, CALLER_HZ);
    assert!(!anna.log().contains("payload type 13") && !anna.log().contains("pt=13"), "{}", anna.log());
}

const SPOKEN_MS: usize = 1_500;
const PAUSE_MS: usize = 1_000;

/// A capture of 16 s for SIPp's `play_pcap_audio`: A-law, and in each pause one word of comfort noise (RFC 3389 §4).
fn spoken_with_pauses() -> Vec<u8> {
    let mut pcap = Vec::new();
    for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 65_535, 1] {
        pcap.extend(word.to_le_bytes());
    }
    let (mut sequence, period) = (0_u16, SPOKEN_MS + PAUSE_MS);
    for ms in (0..16_000_usize).step_by(20) {
        let within = ms % period;
        let payload = match within.checked_sub(SPOKEN_MS) {
            None => tone_in_a_law(ms),
            Some(0) => vec![50],
            Some(_) => continue,
        };
        let noise = payload.len() == 1;
        let (kind, marker) = if noise { (13, 0) } else { (8, if within == 0 { 0x80 } else { 0 }) };
        let timestamp = u32::try_from(ms * 8).expect("a few seconds");
        let mut rtp = vec![0x80, kind | marker];
        rtp.extend(sequence.to_be_bytes());
        rtp.extend(timestamp.to_be_bytes());
        rtp.extend(7_u32.to_be_bytes());
        rtp.extend(payload);
        sequence += 1;
        append(&mut pcap, ms, &rtp);
    }
    pcap
}

fn tone_in_a_law(from_ms: usize) -> Vec<u8> {
    let sample = |at: usize| {
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        let angle = std::f64::consts::TAU * CALLER_HZ * at as f64 / 8_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "half of full scale")]
        let sample = (angle.sin() * 16_000.0) as i16;
        vorzimmer_media::encode(vorzimmer_media::Codec::Pcma, sample)
    };
    (from_ms * 8..from_ms * 8 + 160).map(sample).collect()
}

/// One packet as Ethernet, IPv4 and UDP carry it; SIPp puts its own addresses in.
fn append(pcap: &mut Vec<u8>, at_ms: usize, rtp: &[u8]) {
    let lengths = [14 + 20 + 8 + rtp.len(); 2];
    let word = |value: usize| u32::try_from(value).expect("a small number").to_le_bytes();
    pcap.extend(word(at_ms / 1_000));
    pcap.extend(word(at_ms % 1_000 * 1_000));
    lengths.iter().for_each(|length| pcap.extend(word(*length)));
    pcap.extend([0; 12]);
    pcap.extend([0x08, 0x00]);
    let short = |value: usize| u16::try_from(value).expect("a packet").to_be_bytes();
    pcap.extend([0x45, 0]);
    pcap.extend(short(28 + rtp.len()));
    pcap.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    pcap.extend([0x27, 0x10, 0x27, 0x10]);
    pcap.extend(short(8 + rtp.len()));
    pcap.extend([0, 0]);
    pcap.extend(rtp);
}
