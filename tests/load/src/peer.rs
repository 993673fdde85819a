//! A peer to stand beside: Debian's `kamailio` in front of Debian's `rtpengine-daemon`, in userspace, recording to pcap.
//! Nothing of what it records is sealed.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vorzimmer_tests::ports;

/// How long either may take until it answers.
const START: Duration = Duration::from_secs(20);

/// Both, running; ended when dropped.
pub struct Pair {
    kamailio: Child,
    rtpengine: Child,
    _folder: TempDir,
    /// Where Kamailio speaks SIP.
    pub sip: SocketAddr,
}

impl Pair {
    /// Starts both, passing every call on to the telephone on this port; none if one of them is not installed.
    ///
    /// # Errors
    /// The system's, or one of them does not begin to answer.
    pub fn start(recorded: bool, phone: u16, media_ports: u16) -> io::Result<Option<Self>> {
        if !(installed("kamailio") && installed("rtpengine")) {
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let sip = SocketAddr::from(([127, 0, 0, 1], ports::block(2)));
        let control = ports::block(2);
        let rtpengine = rtpengine(&folder, control, media_ports)?;
        // Kamailio takes one that does not answer at its start for gone.
        let kamailio = pinged(control).and_then(|()| kamailio(&folder, sip, control, phone, recorded));
        let kamailio = match kamailio {
            Ok(kamailio) => kamailio,
            Err(error) => {
                end(rtpengine);
                return Err(error);
            }
        };
        let pair = Self { kamailio, rtpengine, _folder: folder, sip };
        pair.answers()?;
        Ok(Some(pair))
    }

    /// Kamailio's processes, and rtpengine's.
    pub fn pids(&self) -> Vec<u32> {
        let mut all = family(&self.kamailio);
        all.push(self.rtpengine.id());
        all
    }

    fn answers(&self) -> io::Result<()> {
        answers(self.sip)
    }
}

/// A process and its children.
pub fn family(parent: &Child) -> Vec<u32> {
    let parent = parent.id();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok());
    std::iter::once(parent).chain(children).collect()
}

/// Waits until Kamailio answers there.
pub fn answers(sip: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    let own = socket.local_addr()?;
    let options = format!(
        "OPTIONS sip:{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-up\r\nFrom: <sip:load@{own}>;tag=1\r\n\
         To: <sip:{sip}>\r\nCall-ID: up@{own}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 1\r\nContent-Length: 0\r\n\r\n"
    );
    let until = Instant::now() + START;
    while Instant::now() < until {
        socket.send_to(options.as_bytes(), sip)?;
        if socket.recv(&mut [0; 2_048]).is_ok() {
            return Ok(());
        }
    }
    Err(io::Error::other("kamailio does not answer"))
}

/// Waits until rtpengine answers on its control port.
fn pinged(control: u16) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    let until = Instant::now() + START;
    while Instant::now() < until {
        socket.send_to(b"1 d7:command4:pinge", ("127.0.0.1", control))?;
        if socket.recv(&mut [0; 512]).is_ok() {
            return Ok(());
        }
    }
    Err(io::Error::other("rtpengine does not answer"))
}

impl Drop for Pair {
    fn drop(&mut self) {
        for child in [&mut self.kamailio, &mut self.rtpengine] {
            terminate(child);
        }
    }
}

fn end(mut child: Child) {
    terminate(&mut child);
}

/// Ends a process and waits for that.
pub fn terminate(child: &mut Child) {
    drop(Command::new("kill").args(["-TERM", &child.id().to_string()]).status());
    drop(child.wait());
}

/// Whether there is such a program.
pub fn installed(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|folder| folder.join(name).is_file());
    found || ["/usr/sbin", "/usr/bin"].iter().any(|folder| std::path::Path::new(folder).join(name).is_file())
}

fn rtpengine(folder: &TempDir, control: u16, media_ports: u16) -> io::Result<Child> {
    let records = folder.path().join("pcap");
    fs::create_dir_all(records.join("spool"))?;
    let log = File::create(folder.path().join("rtpengine.log"))?;
    let first = ports::block(media_ports);
    Command::new("rtpengine")
        // What it leaves behind when it crashes, it leaves there.
        .current_dir(folder.path())
        .args(["--config-file=none", "--table=-1", "--foreground", "--log-stderr", "--log-level=3"])
        .args([
            "--interface=127.0.0.1",
            "--num-threads=1",
            "--recording-method=pcap",
            "--recording-format=eth",
        ])
        .arg(format!("--listen-ng=127.0.0.1:{control}"))
        .args([format!("--port-min={first}"), format!("--port-max={}", first + media_ports)])
        .arg(format!("--recording-dir={}", records.display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// What every Kamailio here begins with.
pub fn kamailio_head(sip: SocketAddr) -> String {
    format!(
        r#"#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=1
auto_aliases=no
disable_tcp=yes
listen=udp:{sip}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
"#
    )
}

fn kamailio(
    folder: &TempDir,
    sip: SocketAddr,
    control: u16,
    phone: u16,
    recorded: bool,
) -> io::Result<Child> {
    let record = if recorded { " record-call=yes" } else { "" };
    let head = kamailio_head(sip);
    let config = format!(
        r#"{head}loadmodule "rtpengine.so"
modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:{control}")
request_route {{
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
    if (has_totag()) {{
        if (is_method("BYE")) {{ rtpengine_delete(); }}
        t_relay();
        exit;
    }}
    if (is_method("CANCEL")) {{ t_relay(); exit; }}
    if (!is_method("INVITE")) {{ sl_send_reply("405", "Not here"); exit; }}
    rtpengine_offer("replace-origin replace-session-connection ICE=remove{record}");
    t_on_reply("ANSWER");
    $du = "sip:127.0.0.1:{phone}";
    t_relay();
}}
onreply_route[ANSWER] {{
    if (has_body("application/sdp")) {{
        rtpengine_answer("replace-origin replace-session-connection ICE=remove{record}");
    }}
}}
"#
    );
    start(folder, &config)
}

/// Kamailio with this configuration, in this folder.
pub fn start(folder: &TempDir, config: &str) -> io::Result<Child> {
    let file = folder.path().join("kamailio.cfg");
    fs::write(&file, config)?;
    let log = File::create(folder.path().join("kamailio.log"))?;
    Command::new("kamailio")
        // Transactions stay for seconds after their calls: a thousand calls a second need this much shared memory.
        .args(["-DD", "-E", "-m", "512", "-M", "8", "-f"])
        .arg(&file)
        .arg("-Y")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}
