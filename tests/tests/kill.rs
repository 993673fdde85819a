//! The server is killed (SIGKILL) while many calls are recorded, 300 recordings in all: what was spoken more than
//! 200 ms before is there, what was acknowledged is there, and the next start closes every file so that it verifies.
//!
//! `KILL_SEED` repeats a run; the seed of each run is printed.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "calls and kills happen in real time")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use vorzimmer_tests::cpu::Waiting;
use vorzimmer_tests::crowd::{Crowd, Read, read};
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::{ports, sipp, wait};
use vorzimmer_types::Entropy;
use vorzimmer_types::entropy::{self, Seeded};

const ATTESTED: &str = "+493023125013";
/// Calls at once.
const CALLS: usize = 30;
/// Recordings that have to be killed while they run.
const KILLED: usize = 300;
/// What a kill may cost of each party.
const LOSS: Duration = Duration::from_millis(200);
/// What the way from the peer's clock into the server's socket may cost.
const WIRE: Duration = Duration::from_millis(5);
/// Why a recording that was killed is not whole.
const WHY: [&str; 2] = ["the server ended before the call did", "interrupted after its last page"];
const LONG: Duration = Duration::from_secs(30);

/// When the kill comes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// While all calls are recorded: within two seconds.
    Talking,
    /// While the recordings begin.
    Beginning,
    /// While the calls end and their recordings are closed.
    Closing,
}

/// A killed process, as the peers saw it.
struct Killed {
    at: Instant,
    at_ms: i64,
    /// How long the threads that record had to wait for a processor just before.
    starved: Duration,
    crowd: Crowd,
    /// Pages that the store knew to be safe, by recording.
    acknowledged: BTreeMap<String, u64>,
}

impl Killed {
    /// What may be missing: 200 ms, the wire, and the time for which the machine had no processor for it.
    fn allowed(&self) -> Duration {
        LOSS + WIRE + self.starved
    }
}

struct House {
    server: Server,
    phone: u16,
    dice: Seeded,
    /// Recordings that were looked at in an earlier round.
    seen: Vec<String>,
    /// Recordings that were killed while they ran.
    killed: usize,
    worst: Duration,
}

#[test]
fn three_hundred_killed_recordings_lose_at_most_200_ms_and_nothing_acknowledged() {
    let seed = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("KILL_SEED={seed}");
    let mut house = House {
        server: Server::start(&Setup::default()),
        phone: ports::block(2),
        dice: Seeded::new(seed),
        seen: Vec::new(),
        killed: 0,
        worst: Duration::ZERO,
    };
    for moment in [Moment::Beginning, Moment::Closing, Moment::Beginning, Moment::Closing] {
        house.round(moment);
    }
    while house.killed < KILLED {
        house.round(Moment::Talking);
    }
    println!("{} killed recordings; the worst loss was {:?}", house.killed, house.worst);
}

impl House {
    fn round(&mut self, moment: Moment) {
        sipp::register(&self.server, "anna", self.phone);
        let killed = self.kill(moment);
        self.server.run();
        let listed = self.recordings();
        let fresh: Vec<_> = listed.iter().filter(|one| !self.seen.contains(&id(one))).cloned().collect();
        if matches!(moment, Moment::Talking) {
            assert_eq!(fresh.len(), CALLS, "every call was recorded");
        }
        for recording in &fresh {
            self.judge(recording, &killed);
            self.seen.push(id(recording));
        }
        self.every_file_is_listed(&listed);
        self.nothing_stays_open();
        println!(
            "{moment:?}: {} recordings, {} killed so far, starved {:?}, worst {:?}",
            fresh.len(),
            self.killed,
            killed.starved,
            self.worst
        );
    }

    /// Lets them talk, and kills at a moment that the dice say.
    fn kill(&mut self, moment: Moment) -> Killed {
        let crowd = Crowd::open(&self.server.sip, self.phone);
        crowd.ring(ATTESTED, CALLS);
        wait::until("everybody to talk", LONG, || (crowd.talking() == CALLS).then_some(()));
        crowd.press("*6");
        let starved = Waiting::watch(self.server.pid(), &["recordings", "disk", "media-"]);
        if !matches!(moment, Moment::Beginning) {
            wait::until("every call to be recorded", LONG, || (self.running() == CALLS).then_some(()));
        }
        match moment {
            Moment::Beginning => self.pause(1_000),
            Moment::Talking => {
                // The store is told a moment after it runs.
                let before = self.seen.len();
                wait::until("every recording to be listed", LONG, || {
                    (self.recordings().len() == before + CALLS).then_some(())
                });
                self.pause(2_000);
            }
            Moment::Closing => {
                self.pause(1_000);
                crowd.hang_up();
                self.pause(40);
            }
        }
        let (at, wall) = (Instant::now(), SystemTime::now());
        self.server.kill();
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
        let at_ms = i64::try_from(since.as_millis()).expect("a clock before the end of time");
        let starved = starved.within(2 * LOSS, at);
        let acknowledged = self.recordings();
        let pages = |row: &Value| row["pages"].as_u64().expect("a count of pages");
        let acknowledged = acknowledged.iter().map(|row| (id(row), pages(row))).collect();
        Killed { at, at_ms, starved, crowd, acknowledged }
    }

    fn pause(&mut self, at_most_ms: u64) {
        let ms = u64::from_be_bytes(entropy::array(&mut self.dice as &mut dyn Entropy)) % at_most_ms;
        std::thread::sleep(Duration::from_millis(ms));
    }

    /// How many recordings run.
    fn running(&self) -> usize {
        let (_, metrics) = self.server.get("/metrics").unwrap_or_default();
        let line = metrics.lines().find_map(|line| line.strip_prefix("vorzimmer_recordings_running "));
        line.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    fn recordings(&self) -> Vec<Value> {
        let listed =
            self.server.json(&["recording", "list", "--limit", "500", "--purpose", "acceptance test"]);
        listed.as_array().expect("a list").clone()
    }

    /// Whether this recording is all that it has to be.
    fn judge(&mut self, row: &Value, killed: &Killed) {
        let recording = id(row);
        let result = row["result"].as_str().expect("a recording that ended").to_owned();
        let pages = row["pages"].as_u64().expect("a count of pages");
        let acknowledged = killed.acknowledged.get(&recording).copied().unwrap_or(0);
        assert!(
            pages >= acknowledged,
            "{recording}: {acknowledged} pages were acknowledged, {pages} are there"
        );
        self.server.cli_ok(&["recording", "verify", &recording, "--purpose", "acceptance test"]);
        let [caller, receptionist] = self.export(&recording);
        match result.as_str() {
            "degraded" => {
                self.killed += 1;
                assert!(pages == 0 || row["duration_ms"].as_u64() > Some(0), "{row}");
                let record = self.record_of(row);
                let said = record["why"].as_str().expect("a reason");
                assert!(WHY.iter().any(|why| said.contains(why)), "{record}");
            }
            // Nothing is there of it: then it had only just begun.
            "failed" => {
                assert_eq!(pages, 0, "{row}");
                let began = row["started_at"].as_i64().expect("a time");
                let ran = Duration::from_millis(u64::try_from(killed.at_ms - began).unwrap_or(0));
                assert!(ran <= killed.allowed(), "{recording}: ran for {ran:?} and nothing is left");
            }
            // It was closed before the kill.
            "ok" => {}
            other => panic!("{recording} ended as {other}"),
        }
        for heard in [&caller, &receptionist] {
            whole(&recording, heard);
            self.late(&recording, heard, row, killed);
        }
    }

    /// The recording's entry in its call's record.
    fn record_of(&self, row: &Value) -> Value {
        let shown = self.server.json(&["call", "show", row["call"].as_str().expect("a call")]);
        let recordings = shown["record"]["recordings"].as_array().expect("recordings").clone();
        recordings.into_iter().find(|one| one["recording"] == row["recording"]).expect("the recording")
    }

    fn export(&self, recording: &str) -> [Vec<Read>; 2] {
        let out = self.server.folder().join(format!("{recording}.wav"));
        let to = out.to_string_lossy();
        self.server.cli_ok(&["recording", "export", recording, "--purpose", "acceptance test", "--out", &to]);
        let channels = channels(&out);
        std::fs::remove_file(&out).expect("the export can be removed");
        channels.map(|samples| read(&samples))
    }

    /// The last frame of this party is no older than 200 ms at the kill, or it was the last one of the talk.
    fn late(&mut self, recording: &str, heard: &[Read], row: &Value, killed: &Killed) {
        let Some(last) = heard.last() else {
            let length = row["duration_ms"].as_u64().expect("a length");
            assert_eq!(length, 0, "{recording}: one party is missing in {length} ms");
            return;
        };
        let sent = killed.crowd.sent(last.stream).expect("a stream of ours");
        let said_last = sent.frames.get(last.frame).expect("a frame that was sent");
        let next = sent.frames.get(last.frame + 1).filter(|next| **next <= killed.at);
        if next.is_none() {
            return;
        }
        let end = sent.stopped.map_or(killed.at, |stopped| stopped.min(killed.at));
        let lost = end.saturating_duration_since(*said_last);
        self.worst = self.worst.max(lost);
        assert!(
            lost <= killed.allowed(),
            "{recording}: {lost:?} of a party are lost; for {:?} no processor was free",
            killed.starved
        );
    }

    /// No voice lies on disk that nobody knows of, whenever the kill came.
    fn every_file_is_listed(&self, listed: &[Value]) {
        let files = std::fs::read_dir(self.server.folder().join("recordings")).expect("a folder");
        for file in files {
            let name = file.expect("a file").file_name();
            let name = name.to_str().expect("a name");
            let Some(recording) = name.strip_suffix(".callrec") else { continue };
            assert!(
                listed.iter().any(|row| id(row) == recording),
                "{recording} lies on disk and is not listed"
            );
        }
    }

    /// Calls of the dead process are ended, and their records say why.
    fn nothing_stays_open(&self) {
        let calls = self.server.json(&["call", "list", "--limit", "500"]);
        for call in calls.as_array().expect("calls") {
            assert!(!call["ended_at"].is_null(), "{call}");
            assert!(call["why"].as_str().is_some_and(|why| !why.is_empty()), "{call}");
        }
    }
}

/// Between its first and its last frame nothing is missing, nothing twice, nothing of another party.
fn whole(recording: &str, heard: &[Read]) {
    for pair in heard.windows(2) {
        assert_eq!(pair[0].stream, pair[1].stream, "{recording}: two voices on one track");
        assert_eq!(pair[0].frame + 1, pair[1].frame, "{recording}: a hole before the kill");
    }
}

fn channels(wav: &Path) -> [Vec<i16>; 2] {
    let reader = hound::WavReader::open(wav).expect("an exported WAV");
    let samples: Vec<i16> = reader.into_samples().map(|sample| sample.expect("a sample")).collect();
    [0, 1].map(|first| samples.iter().skip(first).step_by(2).copied().collect())
}

fn id(row: &Value) -> String {
    row["recording"].as_str().expect("an id").to_owned()
}
