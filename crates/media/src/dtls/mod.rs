//! DTLS-SRTP (RFC 5763, RFC 5764): a handshake on the media path whose only fruit is keys for SRTP.
//!
//! An [`Engine`] is one end of one handshake. Datagrams and time go in; datagrams, then [`SrtpKeys`] or a [`Failure`] come
//! out. Keys are given only when the peer's certificate is the one whose [`Fingerprint`] signalling vouched for, and
//! never otherwise. Who may speak to an engine at all is the leg's to decide *before* it calls: a proven ICE path, or
//! the address that signalling named. A stranger's ClientHello must not get here.
//!
//! Underneath works the `dimpl` library: DTLS 1.2 and 1.3, ECDSA certificates, no I/O, bounded queues. How it was
//! chosen stands in the crate's README. It draws its nonces and ephemeral keys from the operating system itself: those
//! are the only random numbers in this crate that are not a parameter.
//!
//! Not here: data channels (application data is thrown away), certificate chains (RFC 5763 has none), SRTP itself.

mod identity;
mod keys;

use std::time::{Duration, Instant};

pub use identity::Identity;
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
const RETRIES: usize = 6;
/// Datagrams that may wait to be put together. Two hold a browser's ClientHello.
const WAITING: usize = 16;

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
    /// None once it failed.
    inner: Option<dimpl::Dtls>,
    peer: Fingerprint,
    client: bool,
    /// The peer's certificate is the right one.
    vouched: bool,
    /// The handshake is over.
    shaken: bool,
    /// Keys that are not given out yet.
    keys: Option<SrtpKeys>,
    /// Keys were given out.
    connected: bool,
    wake: Option<Instant>,
}

impl Engine {
    /// An engine towards the peer whose certificate has this fingerprint. A client begins with the first
    /// [`Engine::poll`], at once.
    #[must_use]
    pub fn new(identity: &Identity, role: Role, peer: Fingerprint, now: Instant) -> Self {
        let client = role == Role::Client;
        let config = identity.config(role == Role::Server);
        // A client that asked for either version would have the library look into a ServerHello before it checks how
        // long that is.
        let mut inner = match role {
            Role::Client => dimpl::Dtls::new_12(config, identity.certificate(), now),
            Role::Server | Role::ServerOfProven => dimpl::Dtls::new_auto(config, identity.certificate(), now),
        };
        inner.set_active(client);
        let wake = client.then_some(now);
        Self {
            inner: Some(inner),
            peer,
            client,
            vouched: false,
            shaken: false,
            keys: None,
            connected: false,
            wake,
        }
    }

    /// Takes a datagram from the peer.
    pub fn receive(&mut self, datagram: &[u8], now: Instant, out: &mut dyn FnMut(Output<'_>)) {
        let Some(inner) = &mut self.inner else { return };
        let taken = inner.handle_timeout(now).and_then(|()| inner.handle_packet(datagram));
        self.settle(taken, out);
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant, out: &mut dyn FnMut(Output<'_>)) {
        if self.wake.is_none_or(|at| at > now) {
            return;
        }
        let Some(inner) = &mut self.inner else { return };
        let taken = inner.handle_timeout(now);
        self.settle(taken, out);
    }

    /// Tells the peer that nothing more will come (RFC 8446 §6.1). Afterwards nothing is taken.
    pub fn close(&mut self, out: &mut dyn FnMut(Output<'_>)) {
        if self.inner.as_mut().is_some_and(|inner| inner.close().is_ok()) {
            // What it has to say is said; what it finds wrong now is nobody's concern any more.
            self.drain(out);
        }
        (self.inner, self.wake) = (None, None);
    }

    /// When [`Engine::poll`] has something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Whether the handshake is over and the peer is who signalling said.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected && self.inner.is_some()
    }

    /// Passes on what the library wants after it was given something.
    fn settle(&mut self, taken: Result<(), dimpl::Error>, out: &mut dyn FnMut(Output<'_>)) {
        self.wake = None;
        // What it has to say before it dies, an alert perhaps, is still sent.
        let said = self.drain(out);
        let failed = taken.map_err(failure).err().or(said);
        if let Some(failure) = failed {
            self.fail(failure, out);
            return;
        }
        if self.shaken && !self.connected {
            match self.keys.take().filter(|_| self.vouched) {
                Some(keys) => {
                    self.connected = true;
                    out(Output::Keys(keys));
                }
                None => self.fail(Failure::NoProfile, out),
            }
        }
    }

    fn drain(&mut self, out: &mut dyn FnMut(Output<'_>)) -> Option<Failure> {
        let mut room = [0; DATAGRAM];
        loop {
            let said = self.inner.as_mut()?.poll_output(&mut room);
            match said {
                dimpl::Output::Packet(datagram) => out(Output::Send(datagram)),
                dimpl::Output::Timeout(at) => {
                    self.wake = Some(at);
                    return None;
                }
                dimpl::Output::PeerCert(certificate) => {
                    self.vouched = identity::matches(certificate, &self.peer);
                    if !self.vouched {
                        return Some(Failure::Fingerprint);
                    }
                }
                dimpl::Output::KeyingMaterial(material, profile) => {
                    let Some(keys) = keys::of(&material, profile, self.client) else {
                        return Some(Failure::NoProfile);
                    };
                    self.keys = Some(keys);
                }
                dimpl::Output::Connected => self.shaken = true,
                dimpl::Output::CloseNotify => out(Output::Closed),
                dimpl::Output::ApplicationData(_) => {}
                dimpl::Output::BufferTooSmall { .. } => return Some(Failure::Handshake),
                // Whatever a later library says besides is not for us, and must not end the drain.
                _ => {}
            }
        }
    }

    fn fail(&mut self, failure: Failure, out: &mut dyn FnMut(Output<'_>)) {
        self.inner = None;
        self.keys = None;
        self.wake = None;
        out(Output::Failed(failure));
    }
}

fn failure(error: dimpl::Error) -> Failure {
    match error {
        dimpl::Error::Timeout(_) => Failure::TimedOut,
        _ => Failure::Handshake,
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("client", &self.client)
            .field("connected", &self.connected)
            .field("failed", &self.inner.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
