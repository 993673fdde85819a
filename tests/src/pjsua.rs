//! pjsua2, the library behind many softphones, through `tests/clients/pjsua2_phone.py`: it can transfer one call to another.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::server::workspace;

/// A running phone, registered; ended when dropped.
#[derive(Debug)]
pub struct Pjsua {
    child: Child,
    say: ChildStdin,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Pjsua {
    /// Starts it and waits until it is registered.
    ///
    /// # Panics
    /// When pjsua2 is not installed (`make test-deps`), or it is not registered in time.
    #[must_use]
    pub fn registered(server: &str, user: &str, password: &str, speaks: &Path) -> Self {
        let mut child = Command::new(python())
            .arg(workspace().join("tests/clients/pjsua2_phone.py"))
            .args([server, user, password])
            .arg(speaks)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("python with pjsua2 starts: run `make test-deps`");
        let (tell, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().expect("its output"));
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let say = child.stdin.take().expect("its input");
        let mut phone = Self { child, say, lines, seen: Vec::new() };
        phone.until("registered");
        phone
    }

    /// Tells it what to do: see the script.
    ///
    /// # Panics
    /// When it is gone.
    pub fn command(&mut self, command: &str) {
        writeln!(self.say, "{command}").expect("pjsua2 takes commands");
    }

    /// Waits until it says exactly this.
    ///
    /// # Panics
    /// When it does not within 20 s.
    pub fn until(&mut self, wanted: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        if let Some(at) = self.seen.iter().position(|line| line == wanted) {
            self.seen.remove(at);
            return;
        }
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let Ok(line) = self.lines.recv_timeout(left) else { break };
            if line == wanted {
                return;
            }
            self.seen.push(line);
        }
        panic!("pjsua2 did not say {wanted:?} but {:?}", self.seen);
    }

    /// Whether it has said this by now.
    pub fn has_said(&mut self, wanted: &str) -> bool {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().any(|line| line == wanted)
    }
}

impl Drop for Pjsua {
    fn drop(&mut self) {
        // It may be gone already, and a test that failed must not hang on it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The Python that has the clients: `make test-deps` makes it.
fn python() -> std::path::PathBuf {
    workspace().join("tests/interop/.venv/bin/python")
}
