//! A server with everything that a case needs around it, and an ear for what it recorded.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use vorzimmer_tests::browser::Stage;
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::tone::{self, Heard, Track};
use vorzimmer_tests::wait;

use crate::clients::{Client, Door};
use crate::front::Front;
use crate::softphones::{self, Shape, Softphone};

/// Asks the caller before it connects her with Anna.
pub const ASK: &str = "+493023125011";
/// The same, but Carol is asked too.
pub const BOTH: &str = "+493023125015";
pub const CALLER_HZ: f64 = 440.0;
pub const RECEPTIONIST_HZ: f64 = 1_015.0;
pub const COLLEAGUE_HZ: f64 = 1_700.0;
const VOICES: [(&str, f64); 4] =
    [("caller", CALLER_HZ), ("anna", RECEPTIONIST_HZ), ("carol", RECEPTIONIST_HZ), ("ben", COLLEAGUE_HZ)];

/// Longer than anything takes that is no question.
pub const SOON: Duration = Duration::from_secs(20);
/// A question is over within this time.
const ASKED: Duration = Duration::from_secs(45);

pub struct House {
    pub server: Server,
    pub folder: tempfile::TempDir,
    front: Option<Front>,
    stage: RefCell<Option<Stage>>,
}

impl House {
    /// With what this client needs: a page for a browser, Kamailio in front.
    pub fn open(client: &Client) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, hertz) in VOICES {
            tone::write_sine(&folder.path().join(format!("{name}.wav")), hertz, 120.0);
        }
        let stage = (client.door == Door::WebSocket).then(Stage::open);
        let origin = stage.as_ref().map(|stage| ("VORZIMMER_SIP__ORIGINS".to_owned(), stage.origin.clone()));
        let more = Front::TRUNK.to_owned();
        let server =
            Server::start(&Setup { environment: origin.into_iter().collect(), more, ..Setup::default() });
        let front = (client.door == Door::Front).then(|| Front::start(&server));
        Self { server, folder, front, stage: RefCell::new(stage) }
    }

    /// A phone of hers or his, registered unless it is the caller's.
    pub fn phone(
        &self,
        client: &Client,
        user: &str,
        shape: impl FnOnce(&mut Shape<'_>),
    ) -> Box<dyn Softphone> {
        let calls = user == "caller";
        let mut setup = Shape {
            user,
            password: (!calls).then_some(PASSWORD),
            server: String::new(),
            transport: "udp",
            codecs: if client.door == Door::WebSocket { &[] } else { &["PCMA"] },
            secure: "none",
            dtmf: "rtpevent",
            speaks: self.voice(user),
        };
        shape(&mut setup);
        setup.server = match (client.door, &self.front) {
            (Door::WebSocket, _) => self.server.wss.clone(),
            (Door::Front, Some(front)) => front.door(calls, setup.transport),
            _ if setup.transport == "tls" => self.server.tls.clone(),
            _ => self.server.sip.clone(),
        };
        client.start(self.folder.path(), &setup, &mut self.stage.borrow_mut())
    }

    /// What this person says.
    pub fn voice(&self, user: &str) -> PathBuf {
        self.folder.path().join(format!("{user}.wav"))
    }

    /// A phone of somebody who is not looked at.
    pub fn other(&self, user: &str) -> Box<dyn Softphone> {
        self.other_in(user, &["PCMA"])
    }

    /// The same, speaking in these codecs.
    pub fn other_in(&self, user: &str, codecs: &[&str]) -> Box<dyn Softphone> {
        let setup = Shape {
            user,
            password: (user != "caller").then_some(PASSWORD),
            server: self.server.sip.clone(),
            transport: "udp",
            codecs,
            secure: "none",
            dtmf: "rtpevent",
            speaks: self.voice(user),
        };
        let start = if codecs == ["PCMA"] { softphones::debian } else { softphones::baresip_python };
        start(self.folder.path(), &setup, &mut None)
    }

    /// An address as a phone dials it.
    pub fn address(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.server.sip)
    }

    /// The call's record once it is over with as many recordings, each with its result.
    pub fn ended(&self, results: &[&str]) -> Value {
        self.server.call_record(&format!("recordings that are {results:?}"), |record| {
            let all = record["recordings"].as_array().map(Vec::as_slice).unwrap_or_default();
            let each = all.iter().map(|one| one["result"].as_str().unwrap_or_default());
            each.eq(results.iter().copied()) && !record["ended_at"].is_null()
        })
    }

    /// Exports a recording and gives what was said in it: by the caller, and by whom the caller talked to. It must be in
    /// the codec that was spoken, which shows at the rate of its samples.
    fn exported(&self, shown: &Value, at: usize, hz: u32) -> [Track; 2] {
        let recording = shown["record"]["recordings"][at]["recording"].as_str().expect("a recording");
        let to = self.folder.path().join(format!("recorded-{at}.wav"));
        let out = to.to_string_lossy();
        self.server.cli_ok(&["recording", "export", recording, "--purpose", "interop", "--out", &out]);
        let wav = hound::WavReader::open(&to).expect("a WAV");
        assert_eq!(wav.spec().sample_rate, hz, "another codec was spoken");
        let mut tracks = tone::read_wav(&to).into_iter();
        let both = [tracks.next().expect("the caller"), tracks.next().expect("the receptionist")];
        assert!(tracks.next().is_none(), "two voices");
        both
    }

    /// A recording holds the caller's voice and this one for at least so long, each on its own side. Gives how the second
    /// was heard.
    pub fn both_are_heard(&self, shown: &Value, at: usize, hertz: f64, at_least_ms: usize) -> Heard {
        self.both_are_heard_at(8_000, shown, at, hertz, at_least_ms)
    }

    /// The same where the samples come at another rate.
    pub fn both_are_heard_at(
        &self,
        hz: u32,
        shown: &Value,
        at: usize,
        hertz: f64,
        at_least_ms: usize,
    ) -> Heard {
        let tracks = self.exported(shown, at, hz);
        let heard = [(&tracks[0], CALLER_HZ), (&tracks[1], hertz)].map(|(track, own)| {
            let heard = tone::find(track, own).unwrap_or_else(|| panic!("no {own} Hz in recording {at}"));
            assert!(heard.length_ms() >= at_least_ms, "{own} Hz for {} ms only", heard.length_ms());
            for other in [CALLER_HZ, RECEPTIONIST_HZ, COLLEAGUE_HZ] {
                let leak = if other == own { f64::MIN } else { tone::leakage_db(track, own, other) };
                assert!(leak < -40.0, "{other} Hz leaks into the track of {own} Hz at {leak:.1} dB");
            }
            heard
        });
        let [_, second] = heard;
        second
    }

    /// The record of the call that runs, as far as it is written.
    pub fn so_far(&self) -> Value {
        let calls = self.server.json(&["call", "list"]);
        let shown = calls[0]["call"].as_str().map(|call| self.server.json(&["call", "show", call]));
        shown.map_or(Value::Null, |shown| shown["record"].clone())
    }

    /// Whether caller and receptionist hear each other by now.
    pub fn is_connected(&self) -> bool {
        !self.so_far()["connected_at"].is_null()
    }

    /// What the receptionist was asked and answered, if she has by now.
    pub fn her_answer(&self) -> Option<Value> {
        let record = self.so_far();
        record["consent"].as_array()?.iter().find(|one| one["role"] == "receptionist").cloned()
    }

    /// Her leg's encryption, once it is on.
    pub fn her_encryption(&self) -> Value {
        wait::until("her leg to be encrypted", SOON, || {
            let record = self.so_far();
            let legs = record["legs"].as_array()?.clone();
            legs.into_iter().map(|leg| leg["security"].clone()).find(|one| one["suite"].is_string())
        })
    }

    /// Nothing was recorded that is still there.
    pub fn nothing_is_on_disk(&self) {
        let listed =
            std::fs::read_dir(self.server.folder().join("recordings")).expect("the recordings folder");
        assert_eq!(listed.count(), 0, "nothing may be on disk");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(front) = &self.front
        {
            eprintln!("Kamailio said:\n{}", front.log());
        }
    }
}

/// Presses a key again and again, as impatient callers do, until the receptionist is there.
pub fn press_until_connected(caller: &mut dyn Softphone, receptionist: &mut dyn Softphone, key: &str) {
    let there = press_until(caller, key, || receptionist.is_established(Duration::from_millis(700)));
    if !there {
        receptionist.fail("the receptionist was never connected");
    }
}

/// The same until something else comes true; whether it does.
pub fn press_until(caller: &mut dyn Softphone, key: &str, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + ASKED;
    while !done() {
        if Instant::now() > end {
            return false;
        }
        caller.press(key);
    }
    true
}

/// Who was heard so held once, for three seconds.
pub fn one_hole(heard: &Heard) {
    let hole = heard.longest_hole_ms();
    assert!((2_000..6_000).contains(&hole), "on hold for 3 s, and a hole of {hole} ms");
}

/// People talk.
pub fn talk(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

/// The client that `registrations` shows, once it does.
pub fn registered(house: &House, login: &str) -> Value {
    wait::until("the registration to be listed", SOON, || {
        let listed = house.server.json(&["registrations"]);
        listed.as_array()?.iter().find(|one| one["login"] == login).cloned()
    })
}
