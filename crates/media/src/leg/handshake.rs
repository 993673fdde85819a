//! The handshakes of one leg (RFC 5763): one with each address that may be the peer's, until one of them proves it.
//!
//! Only the certificate that signalling named ends the race. Whoever else says hello first gets an engine of its own,
//! and what becomes of that disturbs nobody: its failure is not the leg's, and it cannot take the peer's place. A path
//! that ICE has proven is one peer's, whatever address it has at the moment, so there is one engine for all of them.
//!
//! Who may speak to a handshake at all is decided before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use vorzimmer_types::dtls::{Fingerprint, Setup};
use vorzimmer_types::srtp::SrtpKeys;

use crate::dtls::{Engine, Failure, Identity, Output, Role};

/// Addresses that shake hands at the same time: the peer's, and others that a NAT may have given it.
const ENDS: usize = 4;
/// Handshakes begun in all, so that nobody makes us sign without end.
const ATTEMPTS: u8 = 24;
/// How long all of them together may take, counted from the first.
const WITHIN: Duration = Duration::from_secs(20);
/// Who is silent this long gives its place to another address.
const IDLE: Duration = Duration::from_secs(1);

/// What the handshakes of a leg came to, so far.
#[derive(Default)]
pub(super) struct Came {
    /// Keys, and where the peer is that has proven itself.
    pub(super) keys: Option<(SrtpKeys, Option<SocketAddr>)>,
    /// It cannot come to anything any more. Said once.
    pub(super) failed: Option<Failure>,
    /// Whoever has proven itself has closed its end.
    pub(super) closed: bool,
}

/// All handshakes of one leg.
pub(crate) struct Handshake {
    identity: Arc<Identity>,
    role: Role,
    /// Over a path that ICE has proven.
    proven: bool,
    peer: Fingerprint,
    ours: Setup,
    ends: SmallVec<[End; ENDS]>,
    attempts: u8,
    until: Option<Instant>,
    /// Why the last one failed that did.
    why: Option<Failure>,
    over: Over,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    NotYet,
    Won,
    Lost,
}

/// A handshake with one address.
struct End {
    with: Option<SocketAddr>,
    seen: Instant,
    engine: Engine,
}

/// How a handshake with one address ended.
enum Ended {
    WithKeys(SrtpKeys),
    InVain(Failure),
}

impl Handshake {
    /// A handshake with whoever has this certificate. `proven`: over a path that ICE has proven.
    pub(super) fn new(
        identity: &Arc<Identity>,
        peer: Fingerprint,
        ours: Setup,
        proven: bool,
        now: Instant,
    ) -> Self {
        let mut new = Self {
            identity: Arc::clone(identity),
            role: role(ours, proven),
            proven,
            peer,
            ours,
            ends: SmallVec::new(),
            attempts: 0,
            until: None,
            why: None,
            over: Over::NotYet,
        };
        if new.role == Role::Client {
            new.begin(None, now);
        }
        new
    }

    /// Whether it is one with this certificate and in these roles.
    pub(super) fn is_with(&self, peer: &Fingerprint, ours: Setup) -> bool {
        self.peer == *peer && self.ours == ours
    }

    /// Takes a datagram from an address that may be the peer's. `named` is where signalling, or ICE, says that it is.
    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        named: Option<SocketAddr>,
        now: Instant,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> Came {
        let Some(at) = self.end_for(from, bytes, named, now) else { return Came::default() };
        self.drive(at, named, Some(bytes), now, send)
    }

    /// Does what is due.
    pub(super) fn poll(
        &mut self,
        named: Option<SocketAddr>,
        now: Instant,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> Came {
        if self.until.take_if(|until| *until <= now).is_some() && self.over == Over::NotYet {
            return self.lose(self.why.unwrap_or(Failure::TimedOut));
        }
        let due = |end: &End| end.engine.next_wake().is_some_and(|at| at <= now);
        let mut came = Came::default();
        for at in (0..self.ends.len()).rev() {
            if self.ends.get(at).is_some_and(due) && came.keys.is_none() && came.failed.is_none() {
                came = self.drive(at, named, None, now, send);
            }
        }
        came
    }

    /// Tells the peer, if it has proven itself, that nothing more will come.
    pub(super) fn close(&mut self, named: Option<SocketAddr>, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        let Some(end) = self.ends.first_mut().filter(|_| self.over == Over::Won) else { return };
        let Some(to) = end.with.or(named) else { return };
        end.engine.close(&mut |output| {
            if let Output::Send(bytes) = output {
                send(to, bytes);
            }
        });
    }

    /// When [`Handshake::poll`] has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let flights = self.ends.iter().filter_map(|end| end.engine.next_wake());
        flights.chain(self.until).min()
    }

    /// The place of the handshake with this address: the one there is, or a new one if it may begin one.
    fn end_for(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        named: Option<SocketAddr>,
        now: Instant,
    ) -> Option<usize> {
        let place = match self.role {
            _ if self.proven => (!self.ends.is_empty()).then_some(0),
            // Whom we said hello to, and nobody else.
            Role::Client => self.ends.iter().position(|end| end.with.or(named) == Some(from)),
            Role::Server | Role::ServerOfProven => self.ends.iter().position(|end| end.with == Some(from)),
        };
        let place = match place {
            Some(place) => place,
            None if self.over != Over::NotYet || self.role == Role::Client || !is_hello(bytes) => {
                return None;
            }
            None => self.room_for(from, named, now)?,
        };
        let end = self.ends.get_mut(place)?;
        end.seen = now;
        if self.proven {
            end.with = Some(from);
        }
        Some(place)
    }

    /// A new handshake with this address, in place of another if there is no room.
    fn room_for(&mut self, from: SocketAddr, named: Option<SocketAddr>, now: Instant) -> Option<usize> {
        let is_named = named == Some(from);
        // The last attempt is kept for whom signalling named.
        if self.attempts >= ATTEMPTS || (!is_named && self.attempts + 1 >= ATTEMPTS) {
            return None;
        }
        if self.ends.len() >= ENDS {
            let others = self.ends.iter().enumerate().filter(|(_, end)| end.with != named);
            let (oldest, end) = others.min_by_key(|(_, end)| end.seen)?;
            if !is_named && now.duration_since(end.seen) < IDLE {
                return None;
            }
            self.ends.swap_remove(oldest);
        }
        self.begin(Some(from), now);
        self.ends.len().checked_sub(1)
    }

    fn begin(&mut self, with: Option<SocketAddr>, now: Instant) {
        self.attempts = self.attempts.saturating_add(1);
        self.until.get_or_insert(now + WITHIN);
        let engine = Engine::new(&self.identity, self.role, self.peer, now);
        self.ends.push(End { with, seen: now, engine });
    }

    /// Gives one engine a datagram, or only the time.
    fn drive(
        &mut self,
        at: usize,
        named: Option<SocketAddr>,
        datagram: Option<&[u8]>,
        now: Instant,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> Came {
        let Some(end) = self.ends.get_mut(at) else { return Came::default() };
        let (with, mut ended, mut closed) = (end.with.or(named), None, false);
        let mut out = |output: Output<'_>| match (output, with) {
            (Output::Send(bytes), Some(to)) => send(to, bytes),
            (Output::Keys(keys), _) => ended = Some(Ended::WithKeys(keys)),
            (Output::Failed(failure), _) => ended = Some(Ended::InVain(failure)),
            (Output::Closed, _) => closed = true,
            // A flight that cannot be sent yet is sent again.
            (Output::Send(_), None) => {}
        };
        match datagram {
            Some(bytes) => end.engine.receive(bytes, now, &mut out),
            None => end.engine.poll(now, &mut out),
        }
        match ended {
            None => Came { closed: closed && self.over == Over::Won, ..Came::default() },
            Some(Ended::WithKeys(keys)) => self.win(at, keys, with),
            Some(Ended::InVain(failure)) => self.give_up(at, failure, with == named, now),
        }
    }

    /// The peer has proven itself: the others are nobody. Its engine stays, to say again what got lost.
    fn win(&mut self, at: usize, keys: SrtpKeys, with: Option<SocketAddr>) -> Came {
        self.over = Over::Won;
        self.until = None;
        let winner = self.ends.swap_remove(at);
        self.ends.clear();
        self.ends.push(winner);
        Came { keys: Some((keys, with)), ..Came::default() }
    }

    /// A handshake with one address came to nothing. That is the leg's failure only if that address is known to be the
    /// peer's: else somebody may have wanted just this.
    fn give_up(&mut self, at: usize, failure: Failure, is_named: bool, now: Instant) -> Came {
        self.ends.swap_remove(at);
        if self.over != Over::NotYet {
            return Came::default();
        }
        self.why = Some(failure);
        let known = is_named || self.proven;
        match failure {
            // Said behind a cookie, or over a proven path: not by somebody who only writes that address.
            Failure::Fingerprint | Failure::NoProfile if known => return self.lose(failure),
            Failure::TimedOut if known => return self.lose(failure),
            _ => {}
        }
        if self.role == Role::Client && self.attempts < ATTEMPTS {
            self.begin(None, now);
        }
        Came::default()
    }

    fn lose(&mut self, failure: Failure) -> Came {
        self.over = Over::Lost;
        self.until = None;
        self.ends.clear();
        Came { failed: Some(failure), ..Came::default() }
    }
}

/// RFC 5763 §5. Whom ICE has proven need not prove its address again.
fn role(ours: Setup, proven: bool) -> Role {
    match (ours, proven) {
        (Setup::Active, _) => Role::Client,
        (_, true) => Role::ServerOfProven,
        (_, false) => Role::Server,
    }
}

/// Whether a record begins a handshake (RFC 6347 §4.1, §4.2.2): of type 22, in the clear, a ClientHello.
fn is_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [22, _, _, 0, 0, _, _, _, _, _, _, _, _, 1, ..])
}
