//! Many calls at once: a trunk that forwards them and one telephone that takes them all, in threads, over plain UDP.
//!
//! Every voice is a stream of numbered frames, and it is noted when each left: what a recording holds can be held
//! against it, frame by frame. This peer is simple where it may be: it never retransmits but its INVITE, and it
//! believes what it is told.

mod sip;
mod voice;
pub mod words;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::sip::Side;
use self::voice::Stream;
pub use self::voice::{FORGED, FRAME_MS, Read, Sent, holds_forged, read};
use crate::impair::Weather;
use crate::server::Server;
use crate::{ports, sipp, wait};

/// Trunk and telephone; they fall silent when dropped.
#[derive(Debug)]
pub struct Crowd {
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share.
#[derive(Debug)]
struct State {
    server: String,
    trunk: Side,
    phone: Side,
    streams: Vec<Stream>,
}

impl Crowd {
    /// So many calls to this number, whose callers press `*6`, so that all are recorded; `anna` takes them.
    ///
    /// # Panics
    /// When they do not come to be recorded within a minute.
    #[must_use]
    pub fn recorded(server: &Server, number: &str, calls: usize) -> Self {
        let limit = Duration::from_secs(60);
        let phone = ports::block(2);
        sipp::register(server, "anna", phone);
        let crowd = Self::open(&server.sip, phone);
        crowd.ring(number, calls);
        wait::until("everybody to talk", limit, || (crowd.talking() == calls).then_some(()));
        crowd.press("*6");
        wait::until("the calls to be recorded", limit, || {
            let (_, metrics) = server.get("/metrics")?;
            metrics.contains(&format!("vorzimmer_recordings_running {calls}\n")).then_some(())
        });
        crowd
    }

    /// A trunk on a port of its own, and the telephone on `phone_port`, where it was registered.
    ///
    /// # Panics
    /// When the sockets cannot be made.
    #[must_use]
    pub fn open(server: &str, phone_port: u16) -> Self {
        let trunk = UdpSocket::bind("127.0.0.1:0").expect("a port for the trunk");
        let phone = UdpSocket::bind(("127.0.0.1", phone_port)).expect("the telephone's port");
        let sockets = [&trunk, &phone].map(|socket| {
            socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
            socket.try_clone().expect("the socket twice")
        });
        let state = State {
            server: server.to_owned(),
            trunk: Side::new(trunk),
            phone: Side::new(phone),
            streams: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let over = Arc::new(AtomicBool::new(false));
        let [trunk, phone] = sockets;
        let threads = vec![
            sip::listen(trunk, Arc::clone(&state), Arc::clone(&over), State::trunk_heard),
            sip::listen(phone, Arc::clone(&state), Arc::clone(&over), State::phone_heard),
            voice::speak(Arc::clone(&state), Arc::clone(&over)),
        ];
        Self { state, over, threads }
    }

    /// Forwards `calls` further calls for `number`.
    pub fn ring(&self, number: &str, calls: usize) {
        self.state().ring(number, calls);
    }

    /// Calls in which both sides have been told where to send their voices.
    #[must_use]
    pub fn talking(&self) -> usize {
        let state = self.state();
        state.trunk.talking().min(state.phone.talking())
    }

    /// Calls that were ended by the server, on the trunk's side.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.state().trunk.ended()
    }

    /// Presses keys (RFC 4733) on the telephone, in every call.
    pub fn press(&self, keys: &str) {
        let mut state = self.state();
        let pressing: Vec<_> = state.phone.streams().collect();
        for stream in pressing {
            state.streams[stream].press(keys);
        }
    }

    /// Hangs up the telephone, in every call.
    pub fn hang_up(&self) {
        self.state().hang_up();
    }

    /// What a stream sent, by the number that its frames carry.
    #[must_use]
    pub fn sent(&self, stream: usize) -> Option<Sent> {
        self.state().streams.get(stream).map(Stream::sent)
    }

    /// Packets of voice that came back to the crowd so far.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.state().streams.iter().map(Stream::heard).sum()
    }

    /// Packets that came back to the crowd and held what an attacker said.
    #[must_use]
    pub fn forged(&self) -> u64 {
        self.state().streams.iter().map(Stream::forged).sum()
    }

    /// From now on every voice goes through this weather.
    pub fn impair(&self, weather: Weather) {
        self.state().streams.iter_mut().for_each(|stream| stream.impair(weather));
    }

    /// Every voice is silent for so many frames and then goes on from another port, which signalling knows nothing of; how
    /// many frames each had sent until then.
    #[must_use]
    pub fn move_elsewhere(&self, silent: u32) -> Vec<usize> {
        let mut state = self.state();
        state.streams.iter_mut().for_each(|stream| stream.move_elsewhere(silent));
        state.streams.iter().map(|stream| stream.sent().frames.len()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said why.
            drop(thread.join());
        }
    }
}
