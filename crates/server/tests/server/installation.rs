//! A configuration and everything it names, in a temporary folder; and the server that runs there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Nothing takes longer unless it never happens.
pub const SOON: Duration = Duration::from_secs(20);

pub const DIRECTORY: &str = r#"
[[receptionist]]
login = "anna"
name = "Anna Beispiel"
language = "de"
password = "only-in-tests"

[[receptionist]]
login = "ben"
name = "Ben Muster"
language = "en"

[[customer]]
key = "off"
name = "Never Recorded"
numbers = ["+493023125010"]
language = "de"
recording = "off"
on-withdrawal = "destroy"
ring = { order = "together", team = [{ receptionist = "anna", timeout = 5 }] }
"#;

pub struct Installation {
    pub folder: tempfile::TempDir,
}

impl Installation {
    /// Writes a configuration with ports of the system's choice; `more` is further TOML.
    pub fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/prompts");
        let config = format!(
            "[sip]\nudp = [\"127.0.0.1:0\"]\ntcp = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\nwss = [\"127.0.0.1:0\"]\n\
             [trunks.near]\naddresses = [\"127.0.0.2/32\"]\n\
             [media]\nbrowser_port = 0\nworkers = 1\nprompts = {prompts:?}\n\
             [data]\nfolder = \"data\"\nrecordings = \"recordings\"\nkeys = \"keys/keys.db\"\n\
             [tls]\nfolder = \"tls\"\n[key]\nfile = \"kek/vorzimmer.key\"\n\
             [http]\nlisten = [\"127.0.0.1:0\"]\n{more}\n"
        );
        std::fs::write(folder.path().join("vorzimmer.toml"), config).expect("written");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and gives its path as an argument.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vorzimmer"));
        command.arg("--config").arg(self.path("vorzimmer.toml")).args(arguments).env_remove("VORZIMMER_KEK");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ran { status, out: text(stdout), err: text(stderr) }
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert!(ran.status.success(), "{arguments:?}: {} {}", ran.status, ran.err);
        ran.out
    }

    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let text = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub fn with_directory(self) -> Self {
        let file = self.file("directory.toml", DIRECTORY);
        self.ok(&["directory", "import", &file]);
        self
    }

    /// Starts the server and waits until it says where it listens and that it is ready.
    pub fn serve(&self) -> Server {
        let mut child = self.command(&["run"]).stderr(Stdio::piped()).spawn().expect("the server starts");
        let (tell, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Server { child, lines, said: Vec::new(), udp: None, tcp: None, http: None };
        server.wait_for("ready for calls");
        server
    }
}

pub struct Ran {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    udp: Option<SocketAddr>,
    tcp: Option<SocketAddr>,
    http: Option<SocketAddr>,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn udp(&self) -> SocketAddr {
        self.udp.expect("it said where")
    }

    pub fn tcp(&self) -> SocketAddr {
        self.tcp.expect("it said where")
    }

    /// Reads its log until a line contains `words`.
    pub fn wait_for(&mut self, words: &str) {
        loop {
            let line = self.lines.recv_timeout(SOON).unwrap_or_else(|_| {
                panic!("the server never said {words:?}, but:\n{}", self.said.join("\n"))
            });
            let place = |before: &str| {
                let (_, after) = line.split_once(before)?;
                // As text the line ends with it, as JSON a quote does.
                after.split('"').next()?.trim().parse().ok()
            };
            self.udp = self.udp.or_else(|| place("SIP listens on UDP "));
            self.tcp = self.tcp.or_else(|| place("SIP listens on TCP "));
            self.http = self.http.or_else(|| place("health and metrics are on http://"));
            let found = line.contains(words);
            self.said.push(line);
            if found {
                return;
            }
        }
    }

    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end and gives everything it said.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        // Its log ends when it ends.
        while let Ok(line) = self.lines.recv_timeout(SOON) {
            self.said.push(line);
        }
        (self.child.wait().expect("it ended"), self.said.join("\n"))
    }

    /// The status and body of a page.
    pub fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http.expect("it said where")).expect("connects");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
