//! DTLS-SRTP (RFC 5763, RFC 5764): a handshake on the media path whose only fruit is keys for SRTP.
//!
//! An [`Engine`] is one end of one handshake. Datagrams and time go in; datagrams, then [`SrtpKeys`] or a [`Failure`] come
//! out. Keys are given only when the peer's certificate is the one whose [`Fingerprint`] signalling vouched for, and
//! never otherwise. Who may speak to an engine at all is the leg's to decide *before* it calls: a proven ICE path, or
//! the address that signalling named. A stranger's ClientHello must not get here.
//!
//! Underneath works OpenSSL: DTLS 1.2, ECDSA and RSA certificates, over a [`pipe`] that does no I/O. How it was chosen
//! stands in the crate's README. It draws its nonces and ephemeral keys from the operating system itself: those are the
//! only random numbers in this crate that are not a parameter. So is the clock by which it makes a flight anew after a
//! second (RFC 6347 §4.2.4.1); long before, the flight is said again as it was, by the time that we are given.
//!
//! Not here: data channels (application data is thrown away), certificate chains (RFC 5763 has none), SRTP itself.

mod identity;
mod keys;
mod pipe;
mod record;

use std::time::{Duration, Instant};

use openssl::ssl::{ErrorCode, SslCipherRef, SslRef, SslStream};

pub use identity::Identity;
use pipe::{Flight, Pipe};
pub use vorzimmer_types::dtls::{Fingerprint, Hash, Setup};
pub use vorzimmer_types::srtp::SrtpKeys;

/// Largest datagram that an engine makes.
const DATAGRAM: usize = 1_200;
/// How long a whole handshake may take.
const WITHIN: Duration = Duration::from_secs(20);
/// How long a flight waits for its answer before it is sent again; doubles each time. Shorter than RFC 9147 §5.8.2's
/// second, since a caller waits for it.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// How often a flight is sent again.
const RETRIES: u8 = 6;
/// Records of the epoch to come that are taken before the handshake is over: the peer's last flight, some times.
const EARLY: usize = 16;
/// Content type of application data (RFC 5246 §6.2.1).
const APPLICATION_DATA: u8 = 23;
/// Application data is thrown away by so many bytes: the most that a record holds (RFC 6347 §4.1).
const THROWN_AWAY: usize = 1 << 14;

/// Whether a datagram is meant for DTLS (RFC 7983 §7: the first byte).
#[must_use]
pub fn is_dtls(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (20..64).contains(first))
}

/// Which end of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Waits for the peer to begin; wants a cookie back before it says much, so that nobody can use it to flood others.
    Server,
    /// The same, towards a peer whose address has proven itself: no cookie.
    ServerOfProven,
    /// Begins.
    Client,
}

/// Why a handshake came to nothing. The engine is dead then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The peer's certificate is not the one that signalling vouched for: somebody in the middle, or nobody we know.
    #[error("the peer's certificate is not the one that signalling named")]
    Fingerprint,
    /// No SRTP profile in common, or none asked for (RFC 5764 §4.1.1).
    #[error("no SRTP profile in common")]
    NoProfile,
    /// It was not over within its time.
    #[error("the DTLS handshake took too long")]
    TimedOut,
    /// The peer's messages cannot be taken, or it gave up.
    #[error("the DTLS handshake failed")]
    Handshake,
}

/// What an engine does.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send this to the peer.
    Send(&'a [u8]),
    /// The handshake is over and the peer is who signalling said. Said once.
    Keys(SrtpKeys),
    /// The peer has closed: nothing more will come.
    Closed,
    /// The handshake failed. Said once.
    Failed(Failure),
}

/// One end of a handshake.
pub struct Engine {
    /// None once it failed or was closed.
    end: Option<SslStream<Pipe>>,
    peer: Fingerprint,
    client: bool,
    /// Keys were given out.
    connected: bool,
    /// What we said last, to be said again if it gets lost.
    flight: Flight,
    retries: u8,
    again: Option<Instant>,
    until: Option<Instant>,
    /// Records of the epoch to come that were taken.
    early: usize,
}

impl Engine {
    /// An engine towards the peer whose certificate has this fingerprint. A client begins with the first
    /// [`Engine::poll`], at once.
    #[must_use]
    pub fn new(identity: &Identity, role: Role, peer: Fingerprint, now: Instant) -> Self {
        let client = role == Role::Client;
        // Only for want of memory is there none; then it fails at the first that is wanted of it.
        let end = identity.end(role).and_then(|end| SslStream::new(end, Pipe::default())).ok();
        Self {
            end,
            peer,
            client,
            connected: false,
            flight: Flight::new(),
            retries: 0,
            again: client.then_some(now),
            until: None,
            early: 0,
        }
    }

    /// Takes a datagram from the peer.
    pub fn receive(&mut self, datagram: &[u8], now: Instant, out: &mut dyn FnMut(Output<'_>)) {
        let Some(end) = &mut self.end else { return };
        let Some(early) = record::later(datagram) else { return };
        if record::cannot_be_sealed(datagram, suite(end.ssl())) {
            return;
        }
        if !self.connected {
            self.early = self.early.saturating_add(early);
            if self.early > EARLY {
                self.early = EARLY;
                return;
            }
            self.until.get_or_insert(now + WITHIN);
        }
        end.get_mut().lay(datagram);
        let was_connected = self.connected;
        let said = self.drive(out);
        if said {
            self.retries = 0;
            self.wait(now);
        } else if was_connected
            && self.is_connected()
            && !self.client
            && datagram.first() != Some(&APPLICATION_DATA)
        {
            // The peer says its last flight again, so it did not get ours.
            self.say_again(out);
        }
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant, out: &mut dyn FnMut(Output<'_>)) {
        if self.until.is_some_and(|until| until <= now) && !self.connected && self.end.is_some() {
            self.fail(Failure::TimedOut, out);
        }
        if self.again.is_none_or(|at| at > now) || self.end.is_none() {
            return;
        }
        self.until.get_or_insert(now + WITHIN);
        // OpenSSL begins here, and may have found by its own clock that it is time for the flight to be made anew.
        if !self.drive(out) {
            self.say_again(out);
        }
        self.wait(now);
    }

    /// Tells the peer that nothing more will come (RFC 5246 §7.2.1). Afterwards nothing is taken.
    pub fn close(&mut self, out: &mut dyn FnMut(Output<'_>)) {
        if let Some(mut end) = self.end.take() {
            // What it has to say is said; what it finds wrong now is nobody's concern any more.
            let _ = end.shutdown();
            end.get_mut().said.drain(..).for_each(|datagram| out(Output::Send(&datagram)));
        }
        (self.again, self.until) = (None, None);
    }

    /// When [`Engine::poll`] has something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.again.into_iter().chain(self.until).min()
    }

    /// Whether the handshake is over and the peer is who signalling said.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected && self.end.is_some()
    }

    /// Lets OpenSSL do what it can, and passes on what it says. Whether it said anything.
    fn drive(&mut self, out: &mut dyn FnMut(Output<'_>)) -> bool {
        let Some(end) = &mut self.end else { return false };
        let came = if self.connected { read(end) } else { shake(end) };
        let said = std::mem::take(&mut end.get_mut().said);
        let spoke = !said.is_empty();
        // What it has to say before it dies, an alert perhaps, is still sent.
        said.iter().for_each(|datagram| out(Output::Send(datagram)));
        if spoke {
            self.flight = said;
        }
        match came {
            Ok(Came::Nothing) => {}
            Ok(Came::Shaken) => self.vouch(out),
            Ok(Came::Closed) => {
                (self.end, self.again) = (None, None);
                out(Output::Closed);
            }
            Err(failure) => self.fail(failure, out),
        }
        spoke
    }

    /// Gives out the keys, if the peer is who signalling said.
    fn vouch(&mut self, out: &mut dyn FnMut(Output<'_>)) {
        let Some(end) = &self.end else { return };
        let certificate = end.ssl().peer_certificate().and_then(|certificate| certificate.to_der().ok());
        if !certificate.is_some_and(|certificate| identity::matches(&certificate, &self.peer)) {
            return self.fail(Failure::Fingerprint, out);
        }
        let Some(keys) = keys::of(end.ssl(), self.client) else { return self.fail(Failure::NoProfile, out) };
        self.connected = true;
        (self.again, self.until) = (None, None);
        out(Output::Keys(keys));
    }

    /// Says the last flight as it was. Whoever got it takes it for what a network does at times.
    fn say_again(&mut self, out: &mut dyn FnMut(Output<'_>)) {
        if self.retries >= RETRIES {
            return;
        }
        self.retries += 1;
        self.flight.iter().for_each(|datagram| out(Output::Send(datagram)));
    }

    /// When the last flight is to be said again: never what only asks for a cookie, nor what nobody has to answer.
    fn wait(&mut self, now: Instant) {
        let asked = self.flight.first().is_some_and(|first| !record::asks_for_a_cookie(first));
        let waits = asked && !self.connected && self.end.is_some() && self.retries < RETRIES;
        self.again = waits.then(|| now + FIRST_RETRY * 2_u32.pow(u32::from(self.retries)));
    }

    fn fail(&mut self, failure: Failure, out: &mut dyn FnMut(Output<'_>)) {
        (self.end, self.again, self.until) = (None, None, None);
        out(Output::Failed(failure));
    }
}

/// What came of letting OpenSSL work.
enum Came {
    Nothing,
    Shaken,
    Closed,
}

/// What records are sealed with, once that is agreed.
fn suite(end: &SslRef) -> Option<&'static str> {
    end.current_cipher().map(SslCipherRef::name)
}

fn shake(end: &mut SslStream<Pipe>) -> Result<Came, Failure> {
    match end.do_handshake() {
        Ok(()) => Ok(Came::Shaken),
        Err(error) => waits(&error),
    }
}

/// Reads what the peer says after the handshake, down to nothing.
fn read(end: &mut SslStream<Pipe>) -> Result<Came, Failure> {
    let mut away = [0; THROWN_AWAY];
    loop {
        if let Err(error) = end.ssl_read(&mut away) {
            return waits(&error);
        }
    }
}

fn waits(error: &openssl::ssl::Error) -> Result<Came, Failure> {
    match error.code() {
        ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => Ok(Came::Nothing),
        ErrorCode::ZERO_RETURN => Ok(Came::Closed),
        _ => Err(Failure::Handshake),
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("client", &self.client)
            .field("connected", &self.connected)
            .field("failed", &self.end.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
