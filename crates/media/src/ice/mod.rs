//! The ICE-lite agent of one leg (RFC 8445 §2.5): it answers checks and remembers whom it heard.
//!
//! The peer tries the ways to us, proves with our password that it is the one we invited, and nominates one. Only
//! addresses proven so may speak to the leg at all, and only they are sent anything. The agent asks nothing itself:
//! the checks that RFC 7675 makes the peer repeat every few seconds are also its consent to be sent to, and when they
//! stop for [`CONSENT`] nothing more is sent.
//!
//! State is bounded: [`MAX_PATHS`] addresses, however many knock. Not here: candidates (the description's), full ICE,
//! TURN (the peer's own affair: to us it is one more address).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use vorzimmer_types::ice::{Credentials, Ends};

use crate::stun::{Answer, Class, MAX_ANSWER, Reason, Request};
pub use crate::stun::{addressee, is_stun};

/// How long a proven address may be used without a further check (RFC 7675 §5.1).
pub const CONSENT: Duration = Duration::from_secs(30);
/// Most proven addresses of a leg; a browser with several networks has a handful.
pub const MAX_PATHS: usize = 16;
/// The path in use gives way to any nominated one when the peer has not nominated it again for so long: a browser does
/// so every 2.5 s.
const UNUSED: Duration = Duration::from_secs(5);

/// Room for the agent's answers.
pub const ANSWER_ROOM: usize = MAX_ANSWER;

/// What a check did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Bytes of the answer, which goes back to where the check came from.
    pub answer: usize,
    /// The sender was not known before.
    pub new_path: bool,
}

/// An address from which the peer has proven itself.
#[derive(Clone, Copy)]
struct Path {
    peer: SocketAddr,
    priority: u32,
    checked: Instant,
    nominated: Option<Instant>,
}

impl Path {
    fn fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.checked) < CONSENT
    }
}

/// The agent of one leg.
pub struct Agent {
    local: Credentials,
    remote: Option<Credentials>,
    paths: [Option<Path>; MAX_PATHS],
    /// The path in use.
    selected: Option<SocketAddr>,
}

impl Agent {
    /// An agent that has heard nobody, with the credentials that the peer is told.
    #[must_use]
    pub fn new(local: Credentials) -> Self {
        Self { local, remote: None, paths: [None; MAX_PATHS], selected: None }
    }

    /// What the peer is told.
    #[must_use]
    pub fn local(&self) -> &Credentials {
        &self.local
    }

    /// The peer has said what it calls itself: from now on only that name is answered.
    pub fn remote(&mut self, remote: Credentials) {
        self.remote = Some(remote);
    }

    /// What both are called from now on. If we have another name, ICE begins anew (RFC 8445 §9): voices go on over the path
    /// in use until the peer has nominated one by the new names.
    pub fn agreed(&mut self, ends: Ends) {
        if self.local != ends.ours {
            self.local = ends.ours;
            self.paths.iter_mut().flatten().for_each(|path| path.nominated = None);
        }
        self.remote(ends.theirs);
    }

    /// Takes a datagram for which [`is_stun`] holds; if it is a check of the peer's, the answer is in `out`.
    ///
    /// Whoever does not know our password gets no answer at all, not even a refusal (against RFC 8489 §9.1.3): there is
    /// nothing to learn here, and nothing to amplify.
    pub fn receive(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        now: Instant,
        out: &mut [u8; ANSWER_ROOM],
    ) -> Option<Checked> {
        let request = Request::parse(datagram).filter(|request| request.class == Class::Request)?;
        if !self.is_addressed(&request) || !request.is_from(self.local.password()) {
            return None;
        }
        let result = if !request.unknown.types().is_empty() {
            Err(Reason::UnknownAttribute)
        } else if request.controlled {
            // RFC 8445 §6.1.1: a lite agent never controls a full one.
            Err(Reason::RoleConflict)
        } else {
            Ok(from)
        };
        let new_path = result.is_ok() && self.proven(from, &request, now);
        let answer = Answer { to: &request, result, password: self.local.password() }.write(out)?;
        Some(Checked { answer, new_path })
    }

    /// Whether an address has proven itself and may still be used.
    #[must_use]
    pub fn knows(&self, from: SocketAddr, now: Instant) -> bool {
        self.path(from).is_some_and(|path| path.fresh(now))
    }

    /// Authentic media came from here: the peer uses this path, and so do we if it has nominated it.
    pub fn heard(&mut self, from: SocketAddr, now: Instant) {
        if self.selected != Some(from)
            && self.path(from).is_some_and(|p| p.nominated.is_some() && p.fresh(now))
        {
            self.selected = Some(from);
        }
    }

    /// Where to send, if the peer has nominated a path and still consents.
    #[must_use]
    pub fn selected(&self, now: Instant) -> Option<SocketAddr> {
        self.selected.filter(|peer| self.knows(*peer, now))
    }

    /// Where to send, as of the last [`Agent::expire`].
    pub(crate) fn target(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// Gives the path in use up if the peer's consent has run out; whether it did.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        self.selected
            .take_if(|peer| !self.paths.iter().flatten().any(|path| path.peer == *peer && path.fresh(now)))
            .is_some()
    }

    /// When [`Agent::expire`] has something to do, unless the peer checks before.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.selected.and_then(|peer| self.path(peer)).map(|path| path.checked + CONSENT)
    }

    /// Every address that has proven itself and may still be used.
    pub fn paths(&self, now: Instant) -> impl Iterator<Item = SocketAddr> {
        self.paths.iter().flatten().filter(move |path| path.fresh(now)).map(|path| path.peer)
    }

    /// RFC 8445 §7.2.2: our fragment, a colon, the peer's as soon as we know it.
    fn is_addressed(&self, request: &Request<'_>) -> bool {
        let Some((ours, theirs)) = request.username.and_then(|name| name.split_once(':')) else {
            return false;
        };
        ours == self.local.ufrag() && self.remote.is_none_or(|remote| theirs == remote.ufrag())
    }

    fn path(&self, peer: SocketAddr) -> Option<&Path> {
        self.paths.iter().flatten().find(|path| path.peer == peer)
    }

    /// Remembers a proven address; whether it is a new one.
    fn proven(&mut self, from: SocketAddr, request: &Request<'_>, now: Instant) -> bool {
        let (place, known) = self.place_for(from, now);
        let Some(slot) = self.paths.get_mut(place) else { return false };
        let before = slot.filter(|_| known);
        let nominated =
            if request.use_candidate { Some(now) } else { before.and_then(|path| path.nominated) };
        let priority = request.priority.unwrap_or(0);
        *slot = Some(Path { peer: from, priority, checked: now, nominated });
        if request.use_candidate {
            self.nominated(from, priority, now);
        }
        !known
    }

    /// RFC 8445 §8.1.1: of several nominated paths the one of highest priority; but some nominate only what they use,
    /// and a path that they have left is not waited for.
    fn nominated(&mut self, from: SocketAddr, priority: u32, now: Instant) {
        let better = self.selected.and_then(|peer| self.path(peer)).is_some_and(|current| {
            let in_use = current.nominated.is_some_and(|at| now.saturating_duration_since(at) < UNUSED);
            in_use && current.priority > priority
        });
        if !better {
            self.selected = Some(from);
        }
    }

    /// Its own place, or a free one, or that of whoever was checked longest ago but the one in use.
    fn place_for(&self, from: SocketAddr, now: Instant) -> (usize, bool) {
        if let Some(own) = self.paths.iter().position(|path| path.is_some_and(|path| path.peer == from)) {
            return (own, true);
        }
        let age = |path: &Option<Path>| match path {
            None => Duration::MAX,
            Some(path) if Some(path.peer) == self.selected => Duration::ZERO,
            Some(path) => now.saturating_duration_since(path.checked),
        };
        let oldest = self.paths.iter().enumerate().max_by_key(|(_, path)| age(path));
        (oldest.map_or(0, |(place, _)| place), false)
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent")
            .field("paths", &self.paths.iter().flatten().count())
            .field("selected", &self.selected.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
