//! A browser is a telephone: headless Chromium with JsSIP and SIP.js against the running server.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::browser::{Browser, Library, Setup as Web, Stage};
use vorzimmer_tests::server::{DIRECTORY, PASSWORD, Server, Setup};
use vorzimmer_tests::tone::{self, Heard};
use vorzimmer_tests::{ports, wait};

const CALLER_HZ: f64 = 440.0;
const RECEPTIONIST_HZ: f64 = 1_015.0;
const ASK: &str = "+493023125011";
const ATTESTED: &str = "+493023125013";
const IN_ORDER: &str = "+493023125014";
/// Chromium starts slowly on a busy machine.
const START: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(15);

struct House {
    server: Server,
    folder: tempfile::TempDir,
}

impl House {
    /// A server that lets this page's scripts in.
    fn open(stage: &Stage) -> Self {
        Self::open_with(stage, String::new())
    }

    fn open_with(stage: &Stage, more: String) -> Self {
        Self::open_for(stage, DIRECTORY.to_owned(), more)
    }

    fn open_for(stage: &Stage, directory: String, more: String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        tone::write_sine(&folder.path().join("caller.wav"), CALLER_HZ, 120.0);
        tone::write_sine(&folder.path().join("receptionist.wav"), RECEPTIONIST_HZ, 120.0);
        let origins = ("VORZIMMER_SIP__ORIGINS".to_owned(), stage.origin.clone());
        let server =
            Server::start(&Setup { directory, environment: vec![origins], more, ..Setup::default() });
        Self { server, folder }
    }

    fn browser(&self, stage: Stage, shape: impl FnOnce(&mut Web<'_>)) -> Browser {
        let mut setup = Web {
            library: Library::JsSip,
            wss: &self.server.wss,
            user: "anna",
            password: Some(PASSWORD),
            speaks: self.folder.path().join("receptionist.wav"),
            answers: true,
            events: false,
            peer_connection: json!({}),
            codecs: &[],
        };
        shape(&mut setup);
        let mut browser = Browser::start(stage, &setup);
        browser.event(if setup.password.is_some() { "registered" } else { "connected" }, START);
        browser
    }

    fn caller(&self) -> Baresip {
        let speaks = self.folder.path().join("caller.wav");
        Baresip::start(self.folder.path(), &self.phone("caller", &speaks))
    }

    fn phone<'a>(&'a self, user: &'a str, speaks: &'a Path) -> Phone<'a> {
        Phone {
            user,
            password: None,
            server: &self.server.sip,
            transport: "udp",
            codecs: "PCMA",
            speaks,
            answers: false,
            ptime_ms: 20,
            dtmf: "rtpevent",
        }
    }

    /// A forwarded call whose caller says yes and whom the browser takes.
    fn talk(&self, caller: &mut Baresip, browser: &mut Browser) {
        caller.dial(&format!("sip:{ASK}@{}", self.server.sip));
        caller.event("CALL_ESTABLISHED", SOON);
        let end = Instant::now() + Duration::from_secs(40);
        while !browser.has("talking", Duration::from_millis(700)) {
            assert!(Instant::now() < end, "the browser never took the call");
            caller.press("1");
        }
    }

    /// A call that the browser takes, whose caller she says agrees.
    fn attested(&self, caller: &mut Baresip, browser: &mut Browser) {
        caller.dial(&format!("sip:{ATTESTED}@{}", self.server.sip));
        browser.event("talking", Duration::from_secs(30));
        browser.hears(CALLER_HZ, SOON);
        browser.order("press", "*6");
        wait::until("the call to be recorded", SOON, || {
            let (_, metrics) = self.server.get("/metrics")?;
            metrics.contains("vorzimmer_recordings_running 1\n").then_some(())
        });
    }

    fn finished(&self) -> Value {
        self.finished_in(1)
    }

    /// The record of a call that is over, with so many recordings.
    fn finished_in(&self, recordings: usize) -> Value {
        self.server.call_record("the recordings to end", |record| {
            let all = record["recordings"].as_array().map(Vec::as_slice).unwrap_or_default();
            let ended = all.len() == recordings && all.iter().all(|one| !one["result"].is_null());
            ended && !record["ended_at"].is_null()
        })
    }

    /// What the pages of each party hold.
    fn codecs(&self, shown: &Value) -> Value {
        let recording = shown["record"]["recordings"][0]["recording"].as_str().expect("a recording");
        let verify = ["recording", "verify", recording, "--purpose", "acceptance test"];
        self.server.json(&verify)["codecs"].clone()
    }

    /// The recording: caller left, receptionist right.
    fn export(&self, shown: &Value) -> Vec<tone::Track> {
        let recording = shown["record"]["recordings"][0]["recording"].as_str().expect("a recording");
        let to: PathBuf = self.folder.path().join(format!("{recording}.wav"));
        let path = to.to_string_lossy().into_owned();
        self.server.cli_ok(&[
            "recording",
            "export",
            recording,
            "--purpose",
            "acceptance test",
            "--out",
            &path,
        ]);
        tone::read_wav(&to)
    }
}

/// Both tones are on their tracks, and only there.
fn both_tones(tracks: &[tone::Track]) -> [Heard; 2] {
    assert_eq!(tracks.len(), 2, "caller left, receptionist right");
    for (track, own, other) in [(0, CALLER_HZ, RECEPTIONIST_HZ), (1, RECEPTIONIST_HZ, CALLER_HZ)] {
        let leak = tone::leakage_db(&tracks[track], own, other);
        assert!(leak < -40.0, "track {track} holds the other's voice at {leak:.1} dB");
    }
    [(0, CALLER_HZ), (1, RECEPTIONIST_HZ)].map(|(track, hertz)| {
        tone::find(&tracks[track], hertz).unwrap_or_else(|| panic!("no {hertz} Hz on track {track}"))
    })
}

fn secured_by_dtls(shown: &Value) {
    let legs = shown["record"]["legs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = shown.to_string();
    assert!(text.contains("dtls"), "the record says how the browser's leg was secured: {legs:?}");
}

#[test]
fn jssip_takes_a_forwarded_call_and_both_tones_arrive() {
    let stage = Stage::open();
    let house = House::open(&stage);
    let mut browser = house.browser(stage, |_| {});
    let mut caller = house.caller();
    house.talk(&mut caller, &mut browser);
    browser.hears(CALLER_HZ, SOON);
    std::thread::sleep(Duration::from_secs(4));
    let stats = browser.stats();
    assert_eq!(stats["transport"][0]["dtlsState"], "connected", "{stats}");
    caller.hangup();
    browser.event("ended", SOON);
    let shown = house.finished();
    secured_by_dtls(&shown);
    let heard = both_tones(&house.export(&shown));
    assert!(heard.iter().all(|track| track.length_ms() > 3_000), "{heard:?}");
}

/// The receptionist confirms a spoken yes by key, holds and resumes: offers of the browser's that we answer.
fn attests_and_holds(shape: impl FnOnce(&mut Web<'_>)) {
    let stage = Stage::open();
    let house = House::open(&stage);
    let mut browser = house.browser(stage, shape);
    let mut caller = house.caller();
    caller.dial(&format!("sip:{ATTESTED}@{}", house.server.sip));
    browser.event("talking", Duration::from_secs(30));
    browser.hears(CALLER_HZ, SOON);
    std::thread::sleep(Duration::from_secs(9));
    browser.order("press", "*6");
    std::thread::sleep(Duration::from_secs(3));
    browser.order("hold", "");
    browser.event("hold", SOON);
    std::thread::sleep(Duration::from_secs(2));
    browser.order("resume", "");
    browser.event("unhold", SOON);
    browser.hears(CALLER_HZ, SOON);
    std::thread::sleep(Duration::from_secs(3));
    browser.order("hangup", "");
    caller.event("CALL_CLOSED", SOON);
    let shown = house.finished();
    assert_eq!(shown["record"]["ended_by"], "receptionist");
    secured_by_dtls(&shown);
    let heard = both_tones(&house.export(&shown));
    let hole = heard[1].longest_hole_ms();
    assert!((1_000..6_000).contains(&hole), "she held for about 2 s, not {hole} ms");
}

#[test]
fn sip_js_takes_a_call_presses_keys_by_info_and_holds() {
    attests_and_holds(|web| web.library = Library::SipJs);
}

#[test]
fn jssip_presses_keys_in_the_voice_stream_and_holds() {
    attests_and_holds(|web| web.events = true);
}

/// Everything that a page does within one call and after it: ICE begins anew, another codec, mute; then it leaves.
#[test]
fn jssip_restarts_ice_changes_its_codec_mutes_and_unregisters() {
    let stage = Stage::open();
    let house = House::open(&stage);
    let mut browser = house.browser(stage, |_| {});
    let mut caller = house.caller();
    house.attested(&mut caller, &mut browser);

    browser.order("restart", "");
    let names = browser.event("renegotiated", SOON);
    for end in [0_usize, 1] {
        assert_ne!(names["before"][end], names["after"][end], "both ends have new names: {names}");
    }
    browser.hears(CALLER_HZ, SOON);
    std::thread::sleep(Duration::from_secs(2));

    browser.order("codec", "opus");
    let names = browser.event("renegotiated", SOON);
    assert_eq!(names["before"], names["after"], "another codec begins nothing anew");
    std::thread::sleep(Duration::from_secs(3));
    let stats = browser.stats();
    assert_eq!(stats["transport"][0]["dtlsState"], "connected", "{stats}");
    let sent = stats["codec"].as_array().expect("codecs in use").iter().map(|one| &one["mimeType"]);
    assert!(sent.clone().any(|name| name == "audio/opus"), "{:?}", sent.collect::<Vec<_>>());

    browser.order("mute", "");
    browser.event("muted", SOON);
    std::thread::sleep(Duration::from_secs(2));
    browser.order("unmute", "");
    std::thread::sleep(Duration::from_secs(2));
    caller.hangup();
    browser.event("ended", SOON);

    let shown = house.finished();
    let codecs = house.codecs(&shown);
    let hers: Vec<_> = codecs[1].as_array().expect("codecs").iter().filter(|name| *name != "CN").collect();
    assert_eq!(codecs[0], json!(["PCMA"]));
    assert_eq!(hers, ["PCMA", "opus"]);
    let heard = both_tones(&house.export(&shown));
    assert!(heard[0].longest_hole_ms() <= 100, "nobody else was interrupted: {:?}", heard[0].holes);
    let muted = heard[1].longest_hole_ms();
    assert!(
        (1_200..4_000).contains(&muted),
        "she was mute for about 2 s, not {muted} ms: {:?}",
        heard[1].holes
    );
    assert!(heard[1].length_ms() > 7_000, "{:?}", heard[1]);

    browser.order("unregister", "");
    browser.event("unregistered", SOON);
    wait::until("her registration to be gone", SOON, || {
        (house.server.json(&["registrations"]) == json!([])).then_some(())
    });
}

const BOSS_HZ: f64 = 1_700.0;

/// She holds the caller and calls somebody by a call of the page's own; whom the directory does not name is not called.
#[test]
fn jssip_places_a_call_to_a_contact_and_returns_to_the_caller() {
    let stage = Stage::open();
    let boss_folder = tempfile::tempdir().expect("a folder");
    let says = boss_folder.path().join("boss.wav");
    tone::write_sine(&says, BOSS_HZ, 120.0);
    let mut boss = Baresip::start(
        boss_folder.path(),
        &Phone {
            user: "boss",
            password: None,
            server: "127.0.0.1:9",
            transport: "udp",
            codecs: "opus/48000/2,PCMA",
            speaks: &says,
            answers: true,
            ptime_ms: 20,
            dtmf: "rtpevent",
        },
    );
    let at = boss.port;
    let contact = format!(
        "[[customer.contact]]\nshort = \"21\"\nname = \"The Boss\"\nreach = [\"sip:boss@127.0.0.1:{at}\"]\n\n"
    );
    let next = "[[customer]]\nkey = \"in-order\"";
    let directory = DIRECTORY.replace(next, &format!("{contact}{next}"));
    let more = format!(
        "[trunks.out.provider]\ndomain = \"out.example\"\nserver = \"127.0.0.1:{at}\"\ntransport = \"udp\"\n\
         options_s = 0\n[trunks.out.outbound]\n"
    );
    let house = House::open_for(&stage, directory, more);
    let mut browser = house.browser(stage, |_| {});
    let mut caller = house.caller();
    house.attested(&mut caller, &mut browser);
    std::thread::sleep(Duration::from_secs(2));

    browser.order("hold", "");
    browser.event("hold", SOON);
    browser.order("dial", &format!("sip:+4990012345@{}", house.server.wss));
    let refused = browser.event("failed", SOON);
    assert_eq!(refused["cause"], "Rejected", "{refused}");
    browser.order("dial", &format!("sip:21@{}", house.server.wss));
    boss.event("CALL_ESTABLISHED", SOON);
    browser.event("talking", SOON);
    browser.hears(BOSS_HZ, SOON);
    std::thread::sleep(Duration::from_secs(2));
    browser.order("hangup", "");
    boss.event("CALL_CLOSED", SOON);
    browser.event("ended", SOON);
    browser.order("resume", "");
    browser.event("unhold", SOON);
    browser.hears(CALLER_HZ, SOON);
    std::thread::sleep(Duration::from_secs(3));
    caller.hangup();
    browser.event("ended", SOON);

    let shown = house.finished_in(2);
    for at in [0_usize, 1] {
        assert_eq!(shown["record"]["recordings"][at]["result"], "ok", "{shown}");
    }
    both_tones(&house.export(&shown));
    let heard = wait::until("what the boss heard", SOON, || boss.heard());
    let hers = tone::find(&heard, RECEPTIONIST_HZ).expect("the receptionist's voice");
    assert!(hers.length_ms() > 1_000, "{hers:?}");
    assert!(tone::find(&heard, CALLER_HZ).is_none(), "the caller waited");
}

/// Who closes the page hangs up on nobody: the caller hears nothing for two seconds, then a word of good-bye.
#[test]
fn a_page_that_is_reloaded_leaves_its_call_and_takes_the_next_one() {
    let stage = Stage::open();
    let house = House::open(&stage);
    let mut browser = house.browser(stage, |_| {});
    let mut caller = house.caller();
    house.attested(&mut caller, &mut browser);
    std::thread::sleep(Duration::from_secs(2));
    browser.order("reload", "");
    browser.event("registered", START);
    caller.event("CALL_CLOSED", START);
    let shown = house.finished();
    let why = shown["record"]["ended_by"].as_str().expect("who ended it");
    assert!(["vorzimmer", "receptionist"].contains(&why), "{shown}");
    assert_eq!(shown["record"]["recordings"][0]["result"], "ok", "{shown}");
    both_tones(&house.export(&shown));

    let says = house.folder.path().join("caller.wav");
    let mut again = Baresip::start(house.folder.path(), &house.phone("again", &says));
    again.dial(&format!("sip:{ATTESTED}@{}", house.server.sip));
    browser.event("talking", START);
    browser.hears(CALLER_HZ, SOON);
}

/// Her browser dies while it rings: the next in the plan is rung at once, not when her time is over.
#[test]
fn a_browser_that_dies_while_it_rings_gives_way_to_the_next() {
    let stage = Stage::open();
    let order = "team = [{ receptionist = \"ben\", timeout = 2 }, { receptionist = \"anna\", timeout = 20 }]";
    let patient =
        "team = [{ receptionist = \"anna\", timeout = 120 }, { receptionist = \"ben\", timeout = 60 }]";
    let house = House::open_for(&stage, DIRECTORY.replace(order, patient), String::new());
    let mut browser = house.browser(stage, |web| web.answers = false);
    let says = house.folder.path().join("receptionist.wav");
    let ben = Phone { password: Some(PASSWORD), answers: true, ..house.phone("ben", &says) };
    let mut ben = Baresip::registered(house.folder.path(), &ben);
    let mut caller = house.caller();
    caller.dial(&format!("sip:{IN_ORDER}@{}", house.server.sip));
    browser.event("ringing", START);
    browser.crash();
    ben.event("CALL_ESTABLISHED", Duration::from_secs(40));
    caller.hangup();
    let shown = house.server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["disposition"], "handled", "{shown}");
}

/// Browsers make ECDSA certificates unless a page insists on RSA, as some older ones do.
#[test]
fn a_browser_with_an_rsa_certificate_is_heard_like_any_other() {
    let stage = Stage::open();
    let house = House::open(&stage);
    let mut browser = house.browser(stage, |web| web.peer_connection = json!({ "rsa": true }));
    let mut caller = house.caller();
    house.talk(&mut caller, &mut browser);
    browser.hears(CALLER_HZ, SOON);
    std::thread::sleep(Duration::from_secs(2));
    caller.hangup();
    both_tones(&house.export(&house.finished()));
}

#[test]
fn a_browser_that_only_reaches_the_turn_server_is_heard_through_it() {
    let stage = Stage::open();
    let turn = Turn::start();
    let secret_file = turn.folder.path().join("turn.secret");
    let more = format!("[turn]\nurls = [\"{}\"]\nsecret_file = \"{}\"\n", turn.url, secret_file.display());
    let house = House::open_with(&stage, more);
    let server = house.server.json(&["turn-credentials", "anna"]);
    let mut browser = house.browser(stage, |web| {
        web.peer_connection = json!({ "iceServers": [server], "iceTransportPolicy": "relay" });
    });
    let mut caller = house.caller();
    house.talk(&mut caller, &mut browser);
    browser.hears(CALLER_HZ, SOON);
    std::thread::sleep(Duration::from_secs(2));
    let stats = browser.stats();
    let local = stats["local-candidate"].as_array().expect("candidates");
    assert!(!local.is_empty() && local.iter().all(|one| one["candidateType"] == "relay"), "{local:?}");
    caller.hangup();
    both_tones(&house.export(&house.finished()));
}

/// Debian's coturn with the configuration that we ship, on loopback.
struct Turn {
    child: std::process::Child,
    folder: tempfile::TempDir,
    url: String,
}

impl Turn {
    fn start() -> Self {
        use std::os::unix::fs::OpenOptionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let ports = ports::block(40);
        let secret = format!("only-for-tests-{ports}");
        let file = folder.path().join("turn.secret");
        let opened = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&file);
        opened.and_then(|mut file| writeln!(file, "{secret}")).expect("a file for the secret");
        let out = std::fs::File::create(folder.path().join("output")).expect("a file for output");
        let child = std::process::Command::new("turnserver")
            .arg("-c")
            .arg(vorzimmer_tests::server::workspace().join("config/turnserver.conf"))
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--allow-loopback-peers"])
            .args(["--allowed-peer-ip", "127.0.0.1", "--no-tls", "--no-dtls", "--log-file", "stdout"])
            .args(["--listening-port", &ports.to_string(), "--static-auth-secret", &secret])
            .args(["--min-port", &(ports + 8).to_string(), "--max-port", &(ports + 39).to_string()])
            .arg("--userdb")
            .arg(folder.path().join("turndb"))
            .arg("--pidfile")
            .arg(folder.path().join("pid"))
            .stdin(std::process::Stdio::null())
            .stdout(out.try_clone().expect("the file twice"))
            .stderr(out)
            .spawn()
            .expect("coturn starts: install Debian's coturn");
        wait::until("coturn to listen", SOON, || {
            std::net::TcpStream::connect(("127.0.0.1", ports)).ok().map(drop)
        });
        Self { child, folder, url: format!("turn:127.0.0.1:{ports}?transport=udp") }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = std::fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
            eprintln!("coturn said:\n{said}");
        }
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
