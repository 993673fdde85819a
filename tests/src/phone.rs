//! Softphones that a script plays: started, told what to do and listened to, a line of JSON at a time.
//!
//! The scripts are in `tests/interop/phones/`; the first lines of `baresip_phone.py` say what they understand.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server;

/// A running phone; ended when dropped.
#[derive(Debug)]
pub struct Phone {
    child: Child,
    orders: ChildStdin,
    events: Receiver<Value>,
    seen: Vec<Value>,
    log: PathBuf,
    name: String,
}

impl Phone {
    /// Starts `tests/interop/phones/SCRIPT` with this setup, in a folder of its own below `folder`.
    ///
    /// # Panics
    /// When the virtual environment of the phones is missing: `make test-deps` makes it.
    #[must_use]
    pub fn start(folder: &Path, script: &str, setup: &Value) -> Self {
        let name = format!("{script} as {}", setup["user"]);
        let home = tempfile::tempdir_in(folder).expect("a folder for the phone").keep();
        let log = home.join("log");
        let mut child = Command::new(python())
            .arg(server::workspace().join("tests/interop/phones").join(script))
            .arg(setup.to_string())
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("the phone's log"))
            .spawn()
            .expect("the phone starts");
        let orders = child.stdin.take().expect("a pipe to the phone");
        let said = BufReader::new(child.stdout.take().expect("a pipe from the phone"));
        let (tell, events) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = said.lines().map_while(Result::ok);
            // The libraries print things of their own.
            for event in lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok()) {
                if tell.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, orders, events, seen: Vec::new(), log, name }
    }

    /// Gives an order.
    ///
    /// # Panics
    /// When the phone has ended.
    pub fn order(&mut self, order: &Value) {
        if let Err(why) = writeln!(self.orders, "{order}") {
            self.fail(&format!("{order}: {why}"));
        }
    }

    /// Calls this SIP URI.
    pub fn dial(&mut self, uri: &str) {
        self.order(&json!({ "do": "dial", "uri": uri }));
    }

    /// Waits for an event; those that came before count once.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn event(&mut self, kind: &str, limit: Duration) -> Value {
        self.try_event(kind, limit).unwrap_or_else(|| self.fail(&format!("no `{kind}` within {limit:?}")))
    }

    /// The same, but an event that does not come is none.
    pub fn try_event(&mut self, kind: &str, limit: Duration) -> Option<Value> {
        if let Some(at) = self.seen.iter().position(|event| event["event"] == kind) {
            return Some(self.seen.remove(at));
        }
        let end = Instant::now() + limit;
        loop {
            let left = end.checked_duration_since(Instant::now())?;
            let event = self.events.recv_timeout(left).ok()?;
            if event["event"] == kind {
                return Some(event);
            }
            self.seen.push(event);
        }
    }

    /// Ends the test.
    ///
    /// # Panics
    /// Always, with what the phone said.
    pub fn fail(&self, why: &str) -> ! {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        panic!("{}: {why}\nevents not used: {:?}\nits log:\n{log}", self.name, self.seen)
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // It may be gone already, and a test that failed must not hang on it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The Python that has the phones' libraries.
fn python() -> PathBuf {
    let python = server::workspace().join("tests/interop/.venv/bin/python");
    assert!(python.exists(), "the phones' libraries are missing: run `make test-deps`");
    python
}
