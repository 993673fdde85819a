//! The real server in a folder of its own, on ports of its own, and its command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{leaks, ports, wait};

/// What the receptionists of [`DIRECTORY`] log in with.
pub const PASSWORD: &str = "only-in-tests";

/// A directory for tests: one customer for each policy, and three receptionists.
///
/// `+493023125010` is never recorded, `…011` asks before it connects, `…012` asks in the call, `…013` is attested,
/// `…014` rings in order, `…015` rings `carol`, who has no standing consent, and asks before it connects.
pub const DIRECTORY: &str = r#"
[[receptionist]]
login = "anna"
name = "Anna Beispiel"
language = "de"
standing-consent = { given-on = "2026-01-31", text = "v1" }
password = "only-in-tests"

[[receptionist]]
login = "ben"
name = "Ben Muster"
language = "de"
standing-consent = { given-on = "2026-01-31", text = "v1" }
password = "only-in-tests"

[[receptionist]]
login = "carol"
name = "Carol Sample"
language = "en"
password = "only-in-tests"

[[customer]]
key = "off"
name = "Never Recorded"
numbers = ["+493023125010"]
language = "de"
recording = "off"
purpose = "none"
on-withdrawal = "destroy"
ring = { order = "together", team = [{ receptionist = "anna", timeout = 5 }, { receptionist = "ben", timeout = 5 }] }

[[customer]]
key = "ask"
name = "Asks Before"
numbers = ["+493023125011"]
language = "de"
recording = "ask-before-connect"
purpose = "pass requests on"
on-withdrawal = "destroy"
ring = { order = "together", team = [{ receptionist = "anna", timeout = 20 }, { receptionist = "ben", timeout = 20 }] }

[[customer]]
key = "in-call"
name = "Asks In Call"
numbers = ["+493023125012"]
language = "en"
recording = "ask-in-call"
purpose = "pass requests on"
on-withdrawal = "destroy"
ring = { order = "together", team = [{ receptionist = "anna", timeout = 20 }] }

[[customer]]
key = "attested"
name = "Attested"
numbers = ["+493023125013"]
language = "de"
recording = "attested"
purpose = "pass requests on"
on-withdrawal = "keep"
ring = { order = "together", team = [{ receptionist = "anna", timeout = 20 }] }

[[customer]]
key = "in-order"
name = "Rings In Order"
numbers = ["+493023125014"]
language = "de"
recording = "off"
purpose = "none"
on-withdrawal = "destroy"
ring = { order = "in-order", team = [{ receptionist = "ben", timeout = 2 }, { receptionist = "anna", timeout = 20 }] }

[[customer]]
key = "both-asked"
name = "Both Are Asked"
numbers = ["+493023125015"]
language = "en"
recording = "ask-before-connect"
purpose = "pass requests on"
on-withdrawal = "destroy"
ring = { order = "together", team = [{ receptionist = "carol", timeout = 20 }] }
"#;

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The directory that is imported first.
    pub directory: String,
    /// The database; empty is SQLite in the data folder.
    pub database: String,
    /// Further configuration: whole TOML tables that the harness does not write itself (`[limits]`, `[retention.…]`).
    pub more: String,
    /// How many ports there are for voices.
    pub media_ports: u16,
    /// Further environment of the server and its command line.
    pub environment: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            directory: DIRECTORY.into(),
            database: String::new(),
            more: String::new(),
            media_ports: 400,
            environment: Vec::new(),
        }
    }
}

/// A server that runs; killed when dropped. Then what it logged is looked through: a test whose server
/// panicked, or wrote down a number, a name or a message, fails.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    folder: PathBuf,
    _owned: Option<tempfile::TempDir>,
    environment: Vec<(String, String)>,
    forbidden: Vec<String>,
    /// `127.0.0.1:port` where it speaks SIP over UDP and TCP.
    pub sip: String,
    /// `127.0.0.1:port` where it speaks SIP over TLS.
    pub tls: String,
    /// `127.0.0.1:port` where it speaks SIP over secure WebSockets.
    pub wss: String,
    /// Its ports for voices.
    pub media: std::ops::Range<u16>,
    /// `127.0.0.1:port` of `/health`, `/ready`, `/metrics`.
    pub http: String,
}

impl Server {
    /// Starts one in a temporary folder.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(setup: &Setup) -> Self {
        let owned = tempfile::tempdir().expect("a folder");
        let mut server = Self::prepare(owned.path(), setup);
        server._owned = Some(owned);
        server.run();
        server
    }

    /// Writes configuration and directory into `folder`, imports them, and starts nothing yet.
    ///
    /// # Panics
    /// When the import is refused.
    #[must_use]
    pub fn prepare(folder: &Path, setup: &Setup) -> Self {
        let base = ports::block(6);
        let media = ports::block(setup.media_ports);
        let server = Self {
            child: None,
            folder: folder.to_owned(),
            _owned: None,
            environment: setup.environment.clone(),
            forbidden: leaks::forbidden(&setup.directory),
            sip: format!("127.0.0.1:{base}"),
            media: media..media + setup.media_ports,
            http: format!("127.0.0.1:{}", base + 1),
            tls: format!("127.0.0.1:{}", base + 2),
            wss: format!("127.0.0.1:{}", base + 3),
        };
        fs::create_dir_all(folder.join("recordings")).expect("a folder for recordings");
        let config = format!(
            "[sip]\nudp = [\"{sip}\"]\ntcp = [\"{sip}\"]\ntls = [\"{tls}\"]\nwss = [\"{wss}\"]\nrealm = \"vorzimmer\"\n\
             [trunks.loopback]\naddresses = [\"127.0.0.1/32\"]\n\
             [media]\nports = \"{media}-{media_end}\"\nbrowser_port = {browsers}\nworkers = 1\nprompts = \"{prompts}\"\n\
             [data]\nfolder = \"data\"\nrecordings = \"recordings\"\nkeys = \"keys/keys.db\"\ndatabase = \"{database}\"\n\
             [tls]\nfolder = \"tls\"\n[key]\nsource = \"file\"\nfile = \"kek/vorzimmer.key\"\n\
             [http]\nlisten = [\"{http}\"]\n\
             [logs]\nlevel = \"debug\"\nformat = \"json\"\nfolder = \"logs\"\n{more}\n",
            sip = server.sip,
            tls = server.tls,
            wss = server.wss,
            http = server.http,
            media_end = media + setup.media_ports - 1,
            browsers = base + 4,
            prompts = workspace().join("config/prompts").display(),
            database = setup.database,
            more = setup.more,
        );
        fs::write(server.config(), config).expect("the configuration can be written");
        // Not beside the server: it is full of names, and some tests look at everything that lies there.
        let elsewhere = tempfile::NamedTempFile::new().expect("a file for the directory");
        fs::write(elsewhere.path(), &setup.directory).expect("the directory can be written");
        server.cli_ok(&["directory", "import", &elsewhere.path().to_string_lossy()]);
        server
    }

    /// Starts the process and waits until it is ready to take calls.
    ///
    /// # Panics
    /// When it ends instead, with what it said.
    pub fn run(&mut self) {
        let out = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.output_file())
            .expect("a file for output");
        let child = self
            .command(&["run"])
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("the file twice"))
            .stderr(out)
            .spawn()
            .expect("the server starts");
        self.child = Some(child);
        wait::until("the server to be ready", Duration::from_secs(20), || {
            if let Some(status) = self.exited() {
                panic!("the server ended with {status}:\n{}", self.output());
            }
            self.get("/ready").filter(|(status, _)| *status == 200)
        });
    }

    /// Whether and how the process ended.
    fn exited(&mut self) -> Option<std::process::ExitStatus> {
        self.child.as_mut()?.try_wait().expect("the server's exit status")
    }

    /// The process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Ends the process at once, as the kernel would (SIGKILL).
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("the server can be killed");
        child.wait().expect("the server's exit status");
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    /// When that fails.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM could not be sent");
    }

    /// Waits until the process has ended by itself, and well.
    ///
    /// # Panics
    /// When it does not end in time, or not well.
    pub fn ended(&mut self, limit: Duration) {
        let status = wait::until("the server to end", limit, || self.exited());
        assert!(status.success(), "the server ended with {status}:\n{}", self.output());
        self.child = None;
    }

    /// The folder that it lives in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("vorzimmer.toml")
    }

    /// The certificate that it made for itself.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("tls/own.pem")
    }

    /// What it wrote to standard output and error, over all its runs.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read_to_string(self.output_file()).unwrap_or_default()
    }

    fn output_file(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// What it logged so far that nobody may log, line by line.
    #[must_use]
    pub fn leaks(&self) -> Vec<String> {
        let mut leaks = leaks::in_text("output", &self.output(), &self.forbidden);
        leaks.extend(leaks::in_folder(&self.folder.join("logs"), &self.forbidden));
        leaks
    }

    /// Its command line, for this configuration.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("--config").arg(self.config()).args(args).current_dir(&self.folder);
        // No test depends on how quick its machine is, but for those that ask for it.
        command.env("VORZIMMER_LIMITS__MAX_BUSY_PERCENT", "100");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn cli(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().expect("the command line runs")
    }

    /// Runs a command that must succeed, and gives what it printed.
    ///
    /// # Panics
    /// When it fails, with what it said.
    pub fn cli_ok(&self, args: &[&str]) -> String {
        let out = self.cli(args);
        assert!(
            out.status.success(),
            "vorzimmer {args:?} ended with {}:\n{}{}",
            out.status,
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).expect("the command line prints UTF-8")
    }

    /// The same with `--json`, read.
    ///
    /// # Panics
    /// When it fails, or what it prints is not JSON.
    #[must_use]
    pub fn json(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.push("--json");
        let text = self.cli_ok(&args);
        serde_json::from_str(&text)
            .unwrap_or_else(|why| panic!("vorzimmer {args:?} printed no JSON ({why}): {text}"))
    }

    /// A page of its HTTP port: status and body; none while it does not answer.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        use std::io::{Read, Write};
        let mut to = std::net::TcpStream::connect(&self.http).ok()?;
        to.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(to, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http).ok()?;
        let mut answer = String::new();
        to.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// Waits until the newest call's record satisfies `good`, and gives it.
    ///
    /// # Panics
    /// When that does not happen in time.
    #[must_use]
    pub fn call_record(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, Duration::from_secs(15), || {
            let calls = self.json(&["call", "list"]);
            let newest = calls.as_array()?.first()?;
            let id = newest["call"].as_str()?.to_owned();
            let shown = self.json(&["call", "show", &id]);
            good(&shown["record"]).then_some(shown)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.output());
        } else {
            let leaks = self.leaks();
            assert!(!self.output().contains("panicked at"), "the server panicked:\n{}", self.output());
            assert!(leaks.is_empty(), "the server logged what is nobody's business:\n{}", leaks.join("\n"));
        }
    }
}

/// The top of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// The server's binary, beside the test's own.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder =
        test.parent().and_then(|deps| if deps.ends_with("deps") { deps.parent() } else { Some(deps) });
    let binary = folder.expect("a target folder").join("vorzimmer");
    assert!(binary.exists(), "{} is missing: run `cargo build --workspace --bins` first", binary.display());
    binary
}
