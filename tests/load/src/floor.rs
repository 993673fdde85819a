//! The floor: a bare forwarder with the same sockets and packets as a server, and nothing else. What a server costs more
//! than this is its own; what this costs is the kernel's.
//!
//! It runs as a process of its own: it binds the sockets of so many calls, prints the ports of their voices, reads from
//! standard input where the voices are that talk to them, and forwards until standard input ends.

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{setsockopt, sockopt};
use vorzimmer_wire::{DATAGRAM, Driver, Pause, Waker, Wire};

/// As a server has for its voices.
const RECEIVE_BUFFER: usize = 256 * 1_024;
/// How long to wait for packets before it is seen whether all is over, in milliseconds.
const PATIENCE_MS: u16 = 200;
/// Events taken with one call into the kernel.
const EVENTS: usize = 1_024;
/// The ring's tick where delay does not matter.
const LONG_TICK: Duration = Duration::from_millis(5);
/// The server's own: with a delay of 5 ms it could not keep its promise.
const SERVERS_TICK: Duration = Duration::from_micros(2_200);
/// However much there is to do, so long is left for more to come.
const SHORTEST_PAUSE: Duration = Duration::from_micros(300);

/// After so many packets what was forwarded leaves, as in the server.
const PORTION: usize = 64;

/// In which style packets are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Style {
    /// Woken for packets; for each, one call into the kernel to receive it and one to send it.
    Epoll,
    #[value(name = "io_uring")]
    /// Woken every five milliseconds for whatever has come, by the ring that the server uses too.
    IoUring,
    #[value(name = "io_uring-2.2ms")]
    /// The same as often as the server is.
    IoUringOften,
}

impl Style {
    /// As it is called in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epoll => "epoll",
            Self::IoUring => "io_uring",
            Self::IoUringOften => "io_uring-2.2ms",
        }
    }
}

/// Turns that begin a tick apart, as the server's do: what the kernel does in them counts as well. Were only the pauses a
/// tick long, a thousand calls would come in turns of twice that, and those of the long tick find no buffer.
struct Rhythm {
    tick: Duration,
    /// How long turns work, on average.
    work: Duration,
    pause: Duration,
    began: Instant,
}

impl Rhythm {
    /// What the work leaves of the tick.
    fn pause(&mut self) -> Duration {
        self.pause = self.tick.saturating_sub(self.work).max(SHORTEST_PAUSE);
        self.pause
    }

    /// The next turn begins.
    fn turns(&mut self, now: Instant) {
        let lasted = now.saturating_duration_since(std::mem::replace(&mut self.began, now));
        let worked = lasted.saturating_sub(self.pause).min(self.tick);
        self.work = (self.work * 7 + worked) / 8;
    }
}

/// What is forwarded: the socket of each voice, its partner's being the neighbour's, and where it is.
struct Lines {
    voices: Vec<UdpSocket>,
    /// As quiet as a server's for reports, and there like them.
    _reports: Vec<UdpSocket>,
    peers: Vec<SocketAddr>,
}

/// Runs as the forwarder of `calls` calls.
///
/// # Errors
/// The system's, or what came on standard input is not what was asked for.
pub fn run(style: Style, calls: usize) -> io::Result<()> {
    let bind = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        io::Result::Ok(socket)
    };
    let voices = (0..calls * 2).map(|_| bind()).collect::<io::Result<Vec<_>>>()?;
    let reports = (0..calls * 2).map(|_| bind()).collect::<io::Result<Vec<_>>>()?;
    let ports = voices.iter().map(|socket| socket.local_addr().map(|address| address.port().to_string()));
    let ports = ports.collect::<io::Result<Vec<_>>>()?;
    println!("{}", ports.join(" "));
    io::stdout().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let peer = |port: &str| port.parse().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let peers = line.split_whitespace().map(peer).collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    if peers.len() != voices.len() {
        return Err(io::Error::other(format!("{} peers for {} voices", peers.len(), voices.len())));
    }
    let over = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&over);
    std::thread::spawn(move || {
        // Nothing more is said: the end of the input is the end of the work.
        drop(io::copy(&mut io::stdin().lock(), &mut io::sink()));
        end.store(true, Ordering::Relaxed);
    });
    let lines = Lines { voices, _reports: reports, peers };
    match style {
        Style::Epoll => by_epoll(&lines, &over),
        Style::IoUring => by_ring(lines, LONG_TICK, &over),
        Style::IoUringOften => by_ring(lines, SERVERS_TICK, &over),
    }
}

fn by_epoll(lines: &Lines, over: &AtomicBool) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (at, socket) in lines.voices.iter().enumerate() {
        epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, at as u64))?;
    }
    let mut events = vec![EpollEvent::empty(); EVENTS];
    let mut buffer = [0; DATAGRAM];
    while !over.load(Ordering::Relaxed) {
        let count = epoll.wait(&mut events, PATIENCE_MS)?;
        for event in events.iter().take(count) {
            let at = usize::try_from(event.data()).unwrap_or(usize::MAX);
            let (Some(socket), Some(partner), Some(peer)) =
                (lines.voices.get(at), lines.voices.get(at ^ 1), lines.peers.get(at ^ 1))
            else {
                continue;
            };
            // A server looks who sent it; so does this.
            let Ok((length, _from)) = socket.recv_from(&mut buffer) else { continue };
            // What the kernel does not take is lost, and counted at the other end.
            drop(partner.send_to(buffer.get(..length).unwrap_or_default(), peer));
        }
    }
    Ok(())
}

fn by_ring(lines: Lines, tick: Duration, over: &AtomicBool) -> io::Result<()> {
    let mut ring = Wire::open(Driver::IoUring, Waker::new()?).map_err(io::Error::other)?;
    let voices = lines.voices.into_iter().enumerate();
    let keys = voices.map(|(at, socket)| ring.add(socket, at as u64));
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let mut buffer = [0; DATAGRAM];
    let mut rhythm = Rhythm { tick, work: Duration::ZERO, pause: Duration::ZERO, began: Instant::now() };
    while !over.load(Ordering::Relaxed) {
        ring.wait(rhythm.pause(), Pause::Tick).map_err(io::Error::other)?;
        rhythm.turns(Instant::now());
        for moved in 1.. {
            let Some(came) = ring.next(&mut buffer) else { break };
            if moved % PORTION == 0 {
                ring.flush().map_err(io::Error::other)?;
            }
            let at = usize::try_from(came.name).unwrap_or(usize::MAX);
            let (Some(partner), Some(peer)) = (keys.get(at ^ 1), lines.peers.get(at ^ 1)) else { continue };
            // As above.
            drop(ring.send(*partner, *peer, buffer.get(..came.length).unwrap_or_default()));
        }
    }
    Ok(())
}
