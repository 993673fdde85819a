//! A bad network between one real telephone and the server: its calls go through here, signalling untouched but for where
//! voices go, voices through a [`Weather`] both ways. RTCP may be cut off altogether.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::crowd::words::Message;
use crate::impair::{Way, Weather};
use crate::ports;

/// How often is looked at what came: short against a packet.
const STEP: Duration = Duration::from_millis(2);

/// The network; gone when dropped.
#[derive(Debug)]
pub struct Relay {
    /// `address:port` that the telephone takes for the server.
    pub sip: String,
    over: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// Where the ends get their voices, once their descriptions have said so.
#[derive(Debug, Default)]
struct Ends {
    phone: Option<SocketAddr>,
    server: Option<SocketAddr>,
}

impl Relay {
    /// Between `server` and whoever calls through here.
    ///
    /// # Panics
    /// When there are no ports.
    #[must_use]
    pub fn open(server: &str, weather: Weather, with_rtcp: bool) -> Self {
        let port = ports::block(6);
        let bind = |offset: u16| {
            let socket = UdpSocket::bind(("127.0.0.1", port + offset)).expect("a free port");
            socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
            socket
        };
        let over = Arc::new(AtomicBool::new(false));
        let lost = Arc::new(AtomicU64::new(0));
        let ends = Arc::new(Mutex::new(Ends::default()));
        let server = server.parse().expect("the server's address");
        let signalling = Signalling { socket: bind(0), server, phone: None, port, ends: Arc::clone(&ends) };
        let voices = [[bind(2), bind(3)], [bind(4), bind(5)]];
        let (stop, count) = (Arc::clone(&over), Arc::clone(&lost));
        let media = std::thread::spawn(move || carry(&voices, &ends, weather, with_rtcp, &stop, &count));
        let stop = Arc::clone(&over);
        let threads = vec![std::thread::spawn(move || signalling.run(&stop)), media];
        Self { sip: format!("127.0.0.1:{port}"), over, lost, threads }
    }

    /// Packets of voice that were lost on their way to the server so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said why.
            drop(thread.join());
        }
    }
}

struct Signalling {
    socket: UdpSocket,
    server: SocketAddr,
    phone: Option<SocketAddr>,
    port: u16,
    ends: Arc<Mutex<Ends>>,
}

impl Signalling {
    fn run(mut self, over: &AtomicBool) {
        let mut buffer = [0; 8_192];
        while !over.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let media = Message(&text).media();
            let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
            // The first pair of ports faces the server, the second the telephone.
            let (to, port, end) = if from == self.server {
                (self.phone, self.port + 4, &mut ends.server)
            } else {
                self.phone = Some(from);
                (Some(self.server), self.port + 2, &mut ends.phone)
            };
            *end = media.or(*end);
            if let Some(to) = to {
                drop(self.socket.send_to(pointed(&text, port).as_bytes(), to));
            }
        }
    }
}

/// The message with its description's audio at this port.
fn pointed(text: &str, port: u16) -> String {
    let Some((head, body)) = text.split_once("\r\n\r\n").filter(|(_, body)| body.contains("m=audio ")) else {
        return text.to_owned();
    };
    let body: String = body
        .lines()
        .map(|line| match line.strip_prefix("m=audio ").and_then(|rest| rest.split_once(' ')) {
            Some((_, rest)) => format!("m=audio {port} {rest}\r\n"),
            None if line.starts_with("a=rtcp:") => format!("a=rtcp:{}\r\n", port + 1),
            None => format!("{line}\r\n"),
        })
        .collect();
    let length = |line: &str| line.to_ascii_lowercase().starts_with("content-length");
    let mut out: String =
        head.lines().filter(|line| !length(line)).map(|line| format!("{line}\r\n")).collect();
    out.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    out
}

/// Carries voices and reports until it is over: what comes in at one pair of sockets goes out at the other.
fn carry(
    sockets: &[[UdpSocket; 2]; 2],
    ends: &Mutex<Ends>,
    weather: Weather,
    with_rtcp: bool,
    over: &AtomicBool,
    lost: &AtomicU64,
) {
    sockets.iter().flatten().for_each(|socket| socket.set_nonblocking(true).expect("no waiting"));
    let mut ways = [Way::new(weather, 1), Way::new(weather, 2)];
    let mut buffer = [0; 2_048];
    while !over.load(Ordering::Relaxed) {
        let now = Instant::now();
        let Ends { phone, server } = *ends.lock().unwrap_or_else(PoisonError::into_inner);
        // From the server to the telephone, and from the telephone to the server.
        for (side, to) in [(0, phone), (1, server)] {
            let Some(to) = to else { continue };
            while let Ok(length) = sockets[side][0].recv(&mut buffer) {
                let arrives = ways[side].set_out(&buffer[..length], now);
                lost.fetch_add(u64::from(side == 1 && !arrives), Ordering::Relaxed);
            }
            while let Some(packet) = ways[side].arrived(now) {
                drop(sockets[1 - side][0].send_to(&packet, to));
            }
            while let Ok(length) = sockets[side][1].recv(&mut buffer) {
                if with_rtcp {
                    let to = SocketAddr::new(to.ip(), to.port() + 1);
                    drop(sockets[1 - side][1].send_to(&buffer[..length], to));
                }
            }
        }
        std::thread::sleep(STEP);
    }
}
