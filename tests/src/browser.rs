//! A headless Chromium with a published SIP library in it: JsSIP or SIP.js, as npm has them.
//!
//! The harness serves one page to it, gives it orders and gets its events, all over a small HTTP server of its own.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Which library speaks SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// JsSIP.
    JsSip,
    /// SIP.js.
    SipJs,
}

/// How a browser is set up.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// What speaks SIP in it.
    pub library: Library,
    /// The server's `host:port` for secure WebSockets.
    pub wss: &'a str,
    /// Who it logs in as, or only calls itself.
    pub user: &'a str,
    /// With this password; none does not register.
    pub password: Option<&'a str>,
    /// The WAV that its microphone hears, again and again.
    pub speaks: PathBuf,
    /// Whether it takes every call.
    pub answers: bool,
    /// Whether keys are pressed as telephone-events instead of INFO.
    pub events: bool,
    /// `RTCPeerConnection`'s configuration, as JSON.
    pub peer_connection: Value,
    /// The only codecs that it takes part with, as WebRTC names them; none leaves it to the browser.
    pub codecs: &'a [&'a str],
}

/// The page's side of the harness.
#[derive(Debug)]
pub struct Stage {
    listener: TcpListener,
    /// What the page's scripts are known as: its origin.
    pub origin: String,
}

impl Stage {
    /// A place to serve the page from. The server has to let its origin in.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the page");
        let origin = format!("http://{}", listener.local_addr().expect("the page's port"));
        Self { listener, origin }
    }
}

/// A browser that runs; ended when dropped.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
    orders: Orders,
    _profile: tempfile::TempDir,
    log: PathBuf,
}

type Orders = Arc<Mutex<VecDeque<Value>>>;

impl Browser {
    /// Starts one with the page open.
    ///
    /// # Panics
    /// When Chromium or the libraries are not installed.
    #[must_use]
    pub fn start(stage: Stage, setup: &Setup<'_>) -> Self {
        let (tell, events) = mpsc::channel();
        let orders = Orders::default();
        let page = Page::load(setup.library, tell, Arc::clone(&orders));
        let url = format!("{}/?{}", stage.origin, query(setup));
        std::thread::spawn(move || page.serve(&stage.listener));
        let profile = tempfile::tempdir().expect("a folder for the browser");
        let log = profile.path().join("log");
        let out = fs::File::create(&log).expect("the browser's log");
        let child = Command::new("chromium")
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .arg(format!("--use-file-for-fake-audio-capture={}", setup.speaks.display()))
            .arg(url)
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("the log twice"))
            .stderr(out)
            .spawn()
            .expect("Chromium starts: install Debian's chromium");
        Self { child, events, seen: Vec::new(), orders, _profile: profile, log }
    }

    /// Tells the page to do something: `dial`, `press`, `hold`, `resume`, `hangup`, `mute`, `unmute`, `restart`, `codec`,
    /// `unregister`, `reload`, `transfer`, `complete`, `stats`. Where it has several calls, the latest is meant.
    ///
    /// # Panics
    /// Never, unless another thread panicked.
    pub fn order(&self, command: &str, value: &str) {
        let order = json!({ "command": command, "value": value });
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
    }

    /// Waits for an event of this type; events that came before count once.
    ///
    /// # Panics
    /// When it does not come in time, or the page says that something failed.
    pub fn event(&mut self, kind: &str, limit: Duration) -> Value {
        self.find(kind, limit, |_| true)
    }

    /// Whether an event of this type comes within a while.
    ///
    /// # Panics
    /// When the page says that something failed.
    pub fn has(&mut self, kind: &str, within: Duration) -> bool {
        self.look(kind, within, |_| true).is_some()
    }

    /// Waits until the page hears this tone.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn hears(&mut self, hertz: f64, limit: Duration) {
        self.find("heard", limit, |event| {
            let off = event["hertz"].as_f64().is_some_and(|heard| (heard - hertz).abs() < 15.0);
            off && event["decibel"].as_f64().is_some_and(|level| level > -50.0)
        });
    }

    /// Ends it as a crash does: nobody is told.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn crash(&mut self) {
        self.child.kill().expect("the browser can be ended");
        self.child.wait().expect("the browser ends");
    }

    /// What `getStats` says now.
    ///
    /// # Panics
    /// When the page does not answer.
    pub fn stats(&mut self) -> Value {
        self.order("stats", "");
        self.event("stats", Duration::from_secs(10))["all"].clone()
    }

    /// Whether its voices are connected within this time: ICE and DTLS have come to an end.
    pub fn is_connected(&mut self, limit: Duration) -> bool {
        self.look("media", limit, |event| event["state"] == "connected").is_some()
    }

    fn find(&mut self, kind: &str, limit: Duration, good: impl Fn(&Value) -> bool) -> Value {
        self.look(kind, limit, good).unwrap_or_else(|| self.fail(&format!("no {kind} within {limit:?}")))
    }

    fn look(&mut self, kind: &str, limit: Duration, good: impl Fn(&Value) -> bool) -> Option<Value> {
        let right = |event: &Value| event["type"] == kind && good(event);
        if let Some(at) = self.seen.iter().position(right) {
            return Some(self.seen.remove(at));
        }
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).ok()?;
            if right(&event) {
                return Some(event);
            }
            if event["type"] == "error" || (event["type"] == "failed" && kind != "failed") {
                self.fail(&event.to_string());
            }
            // Tones come five times a second; only what happened is kept.
            if event["type"] != "heard" {
                self.seen.push(event);
            }
        }
    }

    /// Ends the test.
    ///
    /// # Panics
    /// Always, with what the page said.
    pub fn fail(&self, why: &str) -> ! {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        panic!("the browser: {why}\nevents not used: {:?}\nits log:\n{log}", self.seen)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone already, and a test that failed must not hang on it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Alone with us: no updates, no sandbox in containers, a microphone that is a file, media on loopback.
const FLAGS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--ignore-certificate-errors",
];

fn query(setup: &Setup<'_>) -> String {
    let yes = |it: bool| if it { "yes" } else { "no" };
    let library = if setup.library == Library::SipJs { "sip" } else { "jssip" };
    [
        ("library", library),
        ("wss", &format!("wss://{}/", setup.wss)),
        ("host", setup.wss),
        ("user", setup.user),
        ("password", setup.password.unwrap_or_default()),
        ("register", yes(setup.password.is_some())),
        ("answers", yes(setup.answers)),
        ("dtmf", if setup.events { "rtp" } else { "info" }),
        ("pc", &setup.peer_connection.to_string()),
        ("codecs", &setup.codecs.join(",")),
    ]
    .map(|(name, value)| format!("{name}={}", escaped(value)))
    .join("&")
}

fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
}

/// What the page's server has and knows.
struct Page {
    html: String,
    library: String,
    tell: Sender<Value>,
    orders: Orders,
}

impl Page {
    fn load(library: Library, tell: Sender<Value>, orders: Orders) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
        let name = if library == Library::SipJs { "sip.js" } else { "jssip.js" };
        let built = folder.join("built").join(name);
        let library = fs::read_to_string(&built)
            .unwrap_or_else(|why| panic!("{}: {why}; run `make browser-deps` first", built.display()));
        let html = fs::read_to_string(folder.join("page.html")).expect("the page");
        Self { html, library, tell, orders }
    }

    fn serve(&self, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            // A browser opens connections that it then does not use.
            drop(stream.set_read_timeout(Some(Duration::from_secs(2))));
            drop(self.answer(&stream));
        }
    }

    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (kind, answer) = self.page(line.split(' ').nth(1).unwrap_or_default(), &body);
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
            answer.len()
        )
    }

    fn page(&self, path: &str, body: &[u8]) -> (&'static str, String) {
        match path.split('?').next().unwrap_or_default() {
            "/" => ("text/html; charset=utf-8", self.html.clone()),
            "/library.js" => ("text/javascript; charset=utf-8", self.library.clone()),
            "/command" => {
                let order = self.orders.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                ("application/json", order.unwrap_or(json!({})).to_string())
            }
            "/event" => {
                if let Ok(event) = serde_json::from_slice(body) {
                    // The test may be over.
                    drop(self.tell.send(event));
                }
                ("application/json", "{}".to_owned())
            }
            _ => ("text/plain", String::new()),
        }
    }
}
