//! A TCP connection between a telephone and the server that a test can pull: everything that the telephone opens to here
//! goes on to the server, until then.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often somebody who wants to connect is looked for.
const STEP: Duration = Duration::from_millis(20);

/// The cable; pulled when dropped.
#[derive(Debug)]
pub struct Cable {
    /// `address:port` that the telephone takes for the server.
    pub sip: String,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    pulled: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    /// What went through from the server to the telephone.
    down: Mutex<String>,
}

impl Cable {
    /// Between `server` and whoever connects here.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn plug(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let sip = listener.local_addr().expect("its address").to_string();
        let shared = Arc::new(Shared::default());
        let (server, known) = (server.to_owned(), Arc::clone(&shared));
        std::thread::spawn(move || {
            while !known.pulled.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((phone, _)) => known.connect(phone, &server),
                    Err(_) => std::thread::sleep(STEP),
                }
            }
        });
        Self { sip, shared }
    }

    /// Pulls it: what is open breaks, and nobody gets through any more.
    pub fn pull(&self) {
        self.shared.pulled.store(true, Ordering::Relaxed);
        for stream in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may be gone already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// How often the server has sent this through here.
    #[must_use]
    pub fn has_carried(&self, words: &str) -> usize {
        self.shared.down.lock().unwrap_or_else(PoisonError::into_inner).matches(words).count()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.pull();
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, phone: TcpStream, server: &str) {
        let Ok(server) = TcpStream::connect(server) else { return };
        let twice = |stream: &TcpStream| stream.try_clone().expect("a stream twice");
        let ways = [(twice(&phone), twice(&server), false), (twice(&server), twice(&phone), true)];
        self.open.lock().unwrap_or_else(PoisonError::into_inner).extend([phone, server]);
        for (from, to, down) in ways {
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.carry(from, to, down));
        }
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, down: bool) {
        let mut piece = [0; 4096];
        while let Ok(bytes) = from.read(&mut piece) {
            // Noted first: who has seen what the telephone makes of it finds it noted.
            if down {
                let text = String::from_utf8_lossy(&piece[..bytes]);
                self.down.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
            if bytes == 0 || to.write_all(&piece[..bytes]).is_err() {
                break;
            }
        }
        // The other end may have gone first.
        drop(to.shutdown(Shutdown::Both));
    }
}
