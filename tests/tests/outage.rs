//! The database stalls or is gone while people talk: calls go on, new ones are answered and recorded, and once it is
//! back every record is there. What waited meanwhile was sealed.
#![expect(clippy::expect_used, reason = "a test ends with the reason")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use vorzimmer_store::testing::Postgres;
use vorzimmer_tests::crowd::Crowd;
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::{ports, sipp, wait};

const ATTESTED: &str = "+493023125013";
const LONG: Duration = Duration::from_secs(30);
/// Calls that are there when the database goes, and calls that come while it is away.
const BEFORE: usize = 3;
const MEANWHILE: usize = 3;

/// What nobody may read in the spool: the caller, the customer, the receptionist, our number.
const SECRETS: [&str; 6] = ["+493023125900", "3023125900", "Attested", "Anna", "anna", "3023125013"];

struct House {
    server: Server,
    phone: u16,
    /// Calls so far.
    calls: usize,
}

impl House {
    fn open(database: &str) -> Self {
        let server = Server::start(&Setup { database: database.to_owned(), ..Setup::default() });
        Self { server, phone: ports::block(2), calls: 0 }
    }

    /// Some talk, and are recorded.
    fn talk(&mut self) -> Crowd {
        sipp::register(&self.server, "anna", self.phone);
        let crowd = Crowd::open(&self.server.sip, self.phone);
        self.more_talk(&crowd, BEFORE);
        crowd
    }

    /// Further calls are answered, connected and recorded.
    fn more_talk(&mut self, crowd: &Crowd, count: usize) {
        let there = crowd.talking();
        crowd.ring(ATTESTED, count);
        wait::until("everybody to talk", LONG, || (crowd.talking() == there + count).then_some(()));
        crowd.press("*6");
        let running = there + count;
        wait::until("every call to be recorded", LONG, || {
            (self.meter("vorzimmer_recordings_running") == Some(running as u64)).then_some(())
        });
        self.calls += count;
    }

    /// What has to go on while the database is away.
    fn live_without_it(&mut self, crowd: &Crowd) {
        let heard = crowd.heard();
        self.more_talk(crowd, MEANWHILE);
        wait::until("the spool to be used", LONG, || {
            self.meter("vorzimmer_spool_bytes").filter(|bytes| *bytes > 0)
        });
        wait::until("voices to have gone on all the while", LONG, || {
            (crowd.heard() > heard + 200).then_some(())
        });
        self.nothing_is_in_the_clear();
    }

    fn hang_up(&self, crowd: &Crowd) {
        crowd.hang_up();
        wait::until("every call to be over", LONG, || {
            (self.meter("vorzimmer_calls_running") == Some(0)).then_some(())
        });
    }

    /// Everything that was told is in the database.
    fn nothing_is_lost(&self, result: &str) {
        wait::until("the spool to be empty", LONG, || {
            (self.meter("vorzimmer_spool_bytes") == Some(0)).then_some(())
        });
        let calls = wait::until("every call's record", LONG, || {
            let calls = self.server.json(&["call", "list", "--limit", "500"]);
            let whole = calls.as_array()?.iter().all(|call| {
                !call["ended_at"].is_null()
                    && call["recordings"].as_array().is_some_and(|all| !all.is_empty())
            });
            (whole && calls.as_array()?.len() == self.calls).then_some(calls)
        });
        for call in calls.as_array().expect("calls").iter().take(BEFORE + MEANWHILE) {
            self.is_whole(call, result);
        }
        assert_eq!(self.meter("vorzimmer_events_lost_total").unwrap_or(0), 0);
    }

    fn is_whole(&self, call: &Value, result: &str) {
        assert_eq!(call["did"], ATTESTED, "{call}");
        assert_eq!(call["disposition"], "handled", "{call}");
        assert_eq!(call["caller"]["address"], "+493023125900", "{call}");
        assert_eq!(call["recordings"][0]["result"], result, "{call}");
        assert!(call["consent"].as_array().is_some_and(|receipts| !receipts.is_empty()), "{call}");
        let recording = call["recordings"][0]["recording"].as_str().expect("a recording");
        self.server.cli_ok(&["recording", "verify", recording, "--purpose", "acceptance test"]);
    }

    /// Neither the spool nor anything else that was written holds a name or a number.
    fn nothing_is_in_the_clear(&self) {
        let data = self.server.folder().join("data");
        for file in fs::read_dir(&data).expect("the data folder") {
            let file = file.expect("a file");
            // The socket for orders holds nothing.
            if file.file_type().expect("what it is").is_file() {
                readable(&file.path());
            }
        }
    }

    fn meter(&self, name: &str) -> Option<u64> {
        let (_, metrics) = self.server.get("/metrics")?;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse().ok()
    }
}

fn readable(path: &Path) {
    let bytes = fs::read(path).expect("a file of the data folder");
    for secret in SECRETS {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} stands in {} in the clear", path.display());
    }
}

/// Somebody else who holds SQLite's write lock.
struct Lock {
    shell: Child,
    say: ChildStdin,
}

impl Lock {
    fn take(database: &Path) -> Self {
        let mut shell = Command::new("sqlite3")
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sqlite3 starts: install Debian's sqlite3");
        let mut say = shell.stdin.take().expect("a pipe");
        say.write_all(b".timeout 10000\nBEGIN IMMEDIATE;\nSELECT 'locked';\n").expect("sqlite3 listens");
        let mut said = String::new();
        BufReader::new(shell.stdout.take().expect("a pipe")).read_line(&mut said).expect("sqlite3 answers");
        assert_eq!(said.trim(), "locked");
        Self { shell, say }
    }

    fn release(mut self) {
        self.say.write_all(b"ROLLBACK;\n.quit\n").expect("sqlite3 listens");
        self.shell.wait().expect("sqlite3 ends");
    }
}

#[test]
fn postgresql_frozen_then_killed_during_calls() {
    let mut database = Postgres::start().expect("a PostgreSQL");
    let mut house = House::open(&database.create_database().expect("a database"));

    let crowd = house.talk();
    database.freeze().expect("a frozen database");
    house.live_without_it(&crowd);
    house.hang_up(&crowd);
    database.thaw().expect("a thawed database");
    house.nothing_is_lost("ok");
    drop(crowd);

    let crowd = house.talk();
    database.kill().expect("a dead database");
    house.live_without_it(&crowd);
    database.restart().expect("a database again");
    house.hang_up(&crowd);
    house.nothing_is_lost("ok");
}

#[test]
fn sqlite_locked_during_calls() {
    let mut house = House::open("");
    let crowd = house.talk();
    let lock = Lock::take(&house.server.folder().join("data/vorzimmer.db"));
    house.live_without_it(&crowd);
    house.hang_up(&crowd);
    lock.release();
    house.nothing_is_lost("ok");
}

#[test]
fn the_server_is_killed_while_the_database_is_away() {
    let mut house = House::open("");
    let crowd = house.talk();
    let lock = Lock::take(&house.server.folder().join("data/vorzimmer.db"));
    house.live_without_it(&crowd);
    house.server.kill();
    lock.release();
    house.server.run();
    house.nothing_is_lost("degraded");
}
