//! baresip as a person would use it: registered or not, speaking a WAV file, told what to do over its control port.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};

use crate::tone::{self, Track};
use crate::{ports, wait};

/// How a softphone is set up.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// SIP user name.
    pub user: &'a str,
    /// Its password; none does not register.
    pub password: Option<&'a str>,
    /// The server's `host:port`.
    pub server: &'a str,
    /// `udp` or `tcp`.
    pub transport: &'a str,
    /// Codecs in order, as baresip names them: `PCMA`, `PCMU`, `G722/16000/1`, `opus/48000/2`.
    pub codecs: &'a str,
    /// What it says: a WAV at 8 kHz.
    pub speaks: &'a Path,
    /// Whether it takes calls by itself.
    pub answers: bool,
    /// Milliseconds of audio in a packet.
    pub ptime_ms: u16,
    /// `rtpevent`, `info` or `auto`.
    pub dtmf: &'a str,
}

/// A running baresip; ended when dropped.
#[derive(Debug)]
pub struct Baresip {
    child: Child,
    control: TcpStream,
    events: Receiver<Value>,
    seen: Vec<Value>,
    log: PathBuf,
    heard: PathBuf,
    name: String,
    /// Where it listens for SIP.
    pub port: u16,
}

impl Baresip {
    /// Starts it in a folder of its own below `folder` and waits until it can be told things.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    #[must_use]
    pub fn start(folder: &Path, setup: &Setup<'_>) -> Self {
        Self::start_with(folder, setup, "")
    }

    /// The same with its media encrypted: `srtp`, `srtp-mand` or `dtls_srtp`. Registered if it has a password.
    ///
    /// # Panics
    /// When it is not installed, does not start, or is not registered in time.
    #[must_use]
    pub fn ciphered(folder: &Path, setup: &Setup<'_>, how: &str) -> Self {
        let phone = Self::start_with(folder, setup, &format!(";mediaenc={how}"));
        if setup.password.is_some() {
            phone.wait_registered(setup);
        }
        phone
    }

    /// The same with further parameters of its account, each with its semicolon before it.
    ///
    /// # Panics
    /// As [`Baresip::start`].
    #[must_use]
    pub fn start_with(folder: &Path, setup: &Setup<'_>, more: &str) -> Self {
        let home = folder.join(format!("baresip-{}", setup.user));
        fs::create_dir_all(&home).expect("a folder for baresip");
        let base = ports::block(24);
        let heard = home.join("heard");
        fs::create_dir_all(&heard).expect("a folder for what baresip hears");
        let mut config = config(setup, base, &heard);
        if more.contains("sipnat") {
            // Flows (RFC 5626) need an instance to belong to, and an account asks for it when it is loaded.
            config = config.replace("module_tmp account.so", "module_tmp uuid.so\nmodule_tmp account.so");
        }
        fs::write(home.join("config"), config).expect("baresip's config");
        fs::write(home.join("accounts"), account(setup, base, more)).expect("baresip's account");
        fs::write(home.join("contacts"), "").expect("baresip's contacts");
        let log = home.join("log");
        let out = fs::File::create(&log).expect("baresip's log");
        let child = Command::new("baresip")
            .args(["-4", "-v", "-f"])
            .arg(&home)
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("baresip's log twice"))
            .stderr(out)
            .spawn()
            .expect("baresip starts: install Debian's baresip-core");
        let control = wait::until("baresip's control port", Duration::from_secs(10), || {
            TcpStream::connect(("127.0.0.1", base + 2)).ok()
        });
        let events = listen(control.try_clone().expect("baresip's control port twice"));
        Self { child, control, events, seen: Vec::new(), log, heard, name: setup.user.to_owned(), port: base }
    }

    /// Starts it as a receptionist and waits until the server has accepted its registration.
    ///
    /// # Panics
    /// When it is not registered in time.
    #[must_use]
    pub fn registered(folder: &Path, setup: &Setup<'_>) -> Self {
        let phone = Self::start(folder, setup);
        phone.wait_registered(setup);
        phone
    }

    fn wait_registered(&self, setup: &Setup<'_>) {
        // The event may have gone by before the control port was listened to; the log keeps it.
        let accepted = format!("{}@", setup.user);
        let logged = |line: &str| line.contains(&accepted) && line.contains("200 OK");
        let end = std::time::Instant::now() + Duration::from_secs(10);
        while !self.log().lines().any(logged) {
            if std::time::Instant::now() > end {
                self.fail("not registered within 10 s");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Gives a command, as typed after `/` in baresip.
    ///
    /// # Panics
    /// When its control port is gone.
    pub fn command(&mut self, command: &str, parameters: &str) {
        let text = json!({ "command": command, "params": parameters, "token": command }).to_string();
        let framed = format!("{}:{text},", text.len());
        self.control
            .write_all(framed.as_bytes())
            .unwrap_or_else(|why| self.fail(&format!("{command}: {why}")));
    }

    /// Calls this SIP URI.
    pub fn dial(&mut self, uri: &str) {
        self.command("dial", uri);
    }

    /// Takes the call that rings.
    pub fn accept(&mut self) {
        self.command("accept", "");
    }

    /// Presses these keys, one after the other, each for as long as people press keys.
    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.command("sndcode", &key.to_string());
            std::thread::sleep(Duration::from_millis(160));
            self.command("sndcode", "\u{4}");
            std::thread::sleep(Duration::from_millis(140));
        }
    }

    /// Hangs up.
    pub fn hangup(&mut self) {
        self.command("hangup", "");
    }

    /// Holds or resumes the call.
    pub fn hold(&mut self, on: bool) {
        self.command(if on { "hold" } else { "resume" }, "");
    }

    /// Waits for an event of this type, for example `CALL_ESTABLISHED`; events that came before count once.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn event(&mut self, kind: &str, limit: Duration) -> Value {
        self.try_event(kind, limit).unwrap_or_else(|| self.fail(&format!("no {kind} within {limit:?}")))
    }

    /// The same, but an event that does not come is none.
    pub fn try_event(&mut self, kind: &str, limit: Duration) -> Option<Value> {
        if let Some(at) = self.seen.iter().position(|event| event["type"] == kind) {
            return Some(self.seen.remove(at));
        }
        let end = std::time::Instant::now() + limit;
        loop {
            let left = end.checked_duration_since(std::time::Instant::now())?;
            let event = self.events.recv_timeout(left).ok()?;
            if event["type"] == kind {
                return Some(event);
            }
            self.seen.push(event);
        }
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it received in its only call, decoded; none until that is over.
    #[must_use]
    pub fn heard(&self) -> Option<Track> {
        let listed = fs::read_dir(&self.heard).ok()?.flatten().map(|file| file.path());
        let path = listed.into_iter().find(|path| path.to_string_lossy().ends_with("-dec.wav"))?;
        // The header's length is right when the call is over.
        let bytes = fs::read(&path).ok()?;
        let told = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
        (usize::try_from(told).ok()? + 8 == bytes.len()).then(|| tone::read_wav(&path).swap_remove(0))
    }

    /// Ends the test.
    ///
    /// # Panics
    /// Always, with what it said.
    pub fn fail(&self, why: &str) -> ! {
        panic!("baresip {}: {why}\nevents not used: {:?}\nits log:\n{}", self.name, self.seen, self.log())
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        // It may be gone already, and a test that failed must not hang on it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn config(setup: &Setup<'_>, base: u16, heard: &Path) -> String {
    format!(
        "poll_method epoll\nsip_listen 127.0.0.1:{base}\nnet_interface 127.0.0.1\ncall_local_timeout 120\n\
         call_max_calls 4\naudio_source aufile,{speaks}\naudio_player aufile,/dev/null\naudio_alert aufile,/dev/null\n\
         ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\naudio_buffer 20-160\n\
         rtp_ports {rtp}-{rtp_end}\nrtp_stats no\nmodule_path {modules}\nmodule g711.so\nmodule g722.so\nmodule opus.so\nmodule aufile.so\nmodule sndfile.so\nmodule srtp.so\nmodule dtls_srtp.so\nsnd_path {heard}\nopus_application voip\nopus_inbandfec yes\nopus_packet_loss 10\nopus_dtx yes\n\
         module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control}\n",
        speaks = setup.speaks.display(),
        heard = heard.display(),
        rtp = base + 4,
        rtp_end = base + 22,
        modules = modules(),
        control = base + 2,
    )
}

fn account(setup: &Setup<'_>, base: u16, more: &str) -> String {
    let answer = if setup.answers { "auto" } else { "manual" };
    let rest = format!(
        "answermode={answer};audio_codecs={};ptime={};dtmfmode={}{more}",
        setup.codecs, setup.ptime_ms, setup.dtmf
    );
    match setup.password {
        Some(password) => format!(
            "<sip:{}@{};transport={}>;auth_user={};auth_pass={password};regint=60;{rest}\n",
            setup.user, setup.server, setup.transport, setup.user
        ),
        None => format!(
            "<sip:{}@127.0.0.1:{base};transport={}>;regint=0;outbound=\"sip:{};transport={}\";{rest}\n",
            setup.user, setup.transport, setup.server, setup.transport
        ),
    }
}

fn modules() -> &'static str {
    [
        "/usr/lib/baresip/modules",
        "/usr/lib/x86_64-linux-gnu/baresip/modules",
        "/usr/lib/aarch64-linux-gnu/baresip/modules",
    ]
    .into_iter()
    .find(|folder| Path::new(folder).exists())
    .expect("baresip's modules: install Debian's baresip-core")
}

/// Reads netstrings (`length:json,`) until the control port closes.
fn listen(control: TcpStream) -> Receiver<Value> {
    let (tell, events) = mpsc::channel();
    std::thread::spawn(move || {
        let mut from = BufReader::new(control);
        while let Some(text) = netstring(&mut from) {
            let Ok(event) = serde_json::from_slice::<Value>(&text) else { continue };
            if event["event"] == true && tell.send(event).is_err() {
                return;
            }
        }
    });
    events
}

fn netstring(from: &mut impl Read) -> Option<Vec<u8>> {
    let mut length = 0usize;
    loop {
        let mut byte = [0];
        from.read_exact(&mut byte).ok()?;
        match byte[0] {
            digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
            b':' => break,
            _ => {}
        }
    }
    let mut text = vec![0; length + 1];
    from.read_exact(&mut text).ok()?;
    text.pop();
    Some(text)
}
