//! Whose packets are heard: symmetric RTP that does not believe everybody.
//!
//! The address that signalling named comes first. Another one is believed only if the named one stays silent, only
//! if it may be the same peer behind a NAT (RFC 4961, RFC 7362 §4), and only after several packets in a row. Once a
//! source is latched nobody else is heard until signalling says so again, but for one case: a NAT forgot the peer, and
//! gave it another port, or another address.
//!
//! | the peer's stream goes on from | plain RTP | SRTP |
//! |---|---|---|
//! | where it was | heard | heard |
//! | another port of the same address | if the old one was silent for [`MOVED_AFTER`]: after [`PROBATION`] packets in a row | the same: with the first packet |
//! | another address | never | the same: with the first packet |
//!
//! The stream goes on if its source is the one that was heard and its numbers are the next: both are what nobody knows
//! who does not see the packets. Of SRTP every packet is authentic before it is asked about here.

use std::mem::offset_of;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::rtp::View;

/// How long only the signalled address is believed.
pub(crate) const SIGNALLED_FIRST: Duration = Duration::from_millis(250);
/// Packets in a row that another address must send.
pub(crate) const PROBATION: u8 = 5;
/// How long the peer must have been silent where it was before it can be elsewhere: 25 packets of 20 ms.
pub(crate) const MOVED_AFTER: Duration = Duration::from_millis(500);
/// Who was heard so long ago at most speaks: five packets of 20 ms.
pub(crate) const SPEAKS: Duration = Duration::from_millis(100);
/// An address on probation that pauses longer than this starts again.
const PROBATION_GAP: Duration = Duration::from_millis(500);
/// Addresses on probation at the same time.
const CANDIDATES: usize = 4;

/// What became of a packet's sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The peer.
    Peer,
    /// The peer from now on.
    Latched,
    /// The peer as it was before signalling spoke again.
    Again,
    /// The peer, from another address than before.
    Moved,
    /// Not, or not yet, the peer.
    Foreign,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    next: u16,
    count: u8,
    seen: Instant,
}

/// The gate of one leg's RTP. Its parts lie in this order: what a packet of the peer asks for comes first.
#[derive(Clone)]
#[repr(C)]
pub(crate) struct Latch {
    latched: Option<SocketAddr>,
    /// When anything last came from whoever is latched.
    heard: Instant,
    /// Made with the first: hardly a leg has any, and each packet passes by here.
    candidates: Option<Box<Candidates>>,
    signalled: SocketAddr,
    /// The last signalled address that was somewhere: hold by 0.0.0.0 names no new place.
    home: SocketAddr,
    signalling: Option<IpAddr>,
    since: Instant,
    /// Who was latched before signalling spoke again, and may go on at once because it changed nothing.
    before: Option<SocketAddr>,
    /// Who was latched before signalling named another address: not the peer any more.
    banned: Option<SocketAddr>,
}

type Candidates = [Option<Candidate>; CANDIDATES];

impl Latch {
    /// Bytes from its beginning that a packet of the peer needs, and one to it.
    pub(crate) const NEAR: usize = offset_of!(Self, signalled);

    /// A gate for a peer at `signalled` whose signalling comes from `signalling`, if that is known.
    pub(crate) fn new(signalled: SocketAddr, signalling: Option<IpAddr>, now: Instant) -> Self {
        Self {
            signalled: canonical(signalled),
            home: canonical(signalled),
            signalling: signalling.map(|ip| ip.to_canonical()),
            since: now,
            before: None,
            banned: None,
            latched: None,
            heard: now,
            candidates: None,
        }
    }

    /// Signalling has spoken again: opens the gate for a new latch.
    pub(crate) fn again(&self, signalled: SocketAddr, signalling: Option<IpAddr>, now: Instant) -> Self {
        let mut next = Self::new(signalled, signalling, now);
        let before = self.latched.or(self.before);
        if next.signalled.ip().is_unspecified() {
            next.home = self.home;
        }
        if next.home == self.home || before == Some(next.home) {
            next.before = before;
        } else {
            next.banned = before;
        }
        next
    }

    /// Where to send: to the peer as it was learnt, else as it was signalled; none if that is nowhere.
    pub(crate) fn target(&self) -> Option<SocketAddr> {
        let known = self.latched.or(self.before).unwrap_or(self.signalled);
        (!known.ip().is_unspecified() && known.port() != 0).then_some(known)
    }

    /// The peer, once it is known.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.latched
    }

    /// Where the peer is, while it speaks: nobody else is heard then, wherever it comes from.
    pub(crate) fn settled(&self, now: Instant) -> Option<SocketAddr> {
        self.latched.filter(|_| now.saturating_duration_since(self.heard) <= SPEAKS)
    }

    /// Whether a packet from there could be the peer's. Changes nothing.
    pub(crate) fn may_be_peer(&self, from: SocketAddr) -> bool {
        let from = canonical(from);
        match self.latched {
            Some(latched) => latched == from,
            None => from == self.signalled || Some(from) == self.before || self.plausible(from),
        }
    }

    /// Something came from there: whatever it is, who is latched is not silent.
    pub(crate) fn heard(&mut self, from: SocketAddr, now: Instant) {
        if self.latched == Some(canonical(from)) {
            self.heard = now;
            self.candidates = None;
        }
    }

    /// Whether the peer may have moved there, if what comes from there is its stream. Changes nothing.
    pub(crate) fn may_have_moved(&self, from: SocketAddr, sealed: bool, now: Instant) -> bool {
        let Some(latched) = self.latched else { return false };
        let from = canonical(from);
        let near = from.ip() == latched.ip();
        from != latched && (sealed || near) && now.duration_since(self.heard) >= MOVED_AFTER
    }

    /// A packet of the peer's came from there after a copy of it had come from elsewhere: where signalling says that the
    /// peer is, that is the peer.
    pub(crate) fn copied(&mut self, from: SocketAddr, now: Instant) {
        let from = canonical(from);
        if self.latched.is_none() && (from == self.signalled || Some(from) == self.before) {
            self.proven(from, now);
        }
    }

    /// Whoever is there has proven to be the peer.
    pub(crate) fn proven(&mut self, at: SocketAddr, now: Instant) {
        self.latched = Some(canonical(at));
        self.heard = now;
        self.candidates = None;
    }

    /// Judges the sender of a packet that is RTP of a negotiated payload type. `sealed`: it was authentic. Who is not
    /// where the peer is has been asked about with [`Latch::may_have_moved`].
    pub(crate) fn judge(&mut self, from: SocketAddr, view: &View, sealed: bool, now: Instant) -> Sender {
        let from = canonical(from);
        if let Some(latched) = self.latched {
            return if latched == from { Sender::Peer } else { self.moves(from, view, sealed, now) };
        }
        let known = from == self.signalled || Some(from) == self.before;
        if known || (self.plausible(from) && self.passes(from, view, now)) {
            self.proven(from, now);
            return if Some(from) == self.before { Sender::Again } else { Sender::Latched };
        }
        Sender::Foreign
    }

    /// The peer, if its stream goes on from there.
    fn moves(&mut self, from: SocketAddr, view: &View, sealed: bool, now: Instant) -> Sender {
        if !self.may_have_moved(from, sealed, now) || !(sealed || self.passes(from, view, now)) {
            return Sender::Foreign;
        }
        self.proven(from, now);
        Sender::Moved
    }

    /// Whether another address may be the same peer behind a NAT.
    fn plausible(&self, from: SocketAddr) -> bool {
        if Some(from) == self.banned {
            return false;
        }
        // The NAT gave it another port.
        if from.ip() == self.signalled.ip() {
            return true;
        }
        // The NAT gave it another address: only where the signalled one cannot be reached from here anyway, and then
        // the one that signalling comes from, if that is known.
        is_private(self.signalled.ip()) && self.signalling.is_none_or(|ip| ip == from.ip())
    }

    /// Counts a candidate's packets in a row; true when it has sent enough and the signalled address is silent.
    fn passes(&mut self, from: SocketAddr, view: &View, now: Instant) -> bool {
        let place = self.place_for(from, now);
        let candidates = self.candidates.get_or_insert_default();
        let Some(slot) = candidates.get_mut(place) else { return false };
        let fresh = Candidate { from, ssrc: view.ssrc, next: view.sequence, count: 0, seen: now };
        let mut candidate = slot.filter(|c| c.from == from && c.ssrc == view.ssrc).unwrap_or(fresh);
        let in_row = candidate.next == view.sequence && now.duration_since(candidate.seen) <= PROBATION_GAP;
        candidate.count = if in_row { candidate.count.saturating_add(1) } else { 1 };
        candidate.next = view.sequence.wrapping_add(1);
        candidate.seen = now;
        *slot = Some(candidate);
        candidate.count >= PROBATION && now.duration_since(self.since) >= SIGNALLED_FIRST
    }

    /// The candidate's place: its own, a free one, or that of whoever was silent longest.
    fn place_for(&self, from: SocketAddr, now: Instant) -> usize {
        let Some(candidates) = self.candidates.as_deref() else { return 0 };
        let own = candidates.iter().position(|c| c.is_some_and(|c| c.from == from));
        let free = || candidates.iter().position(Option::is_none);
        let silent = |c: &Option<Candidate>| c.map_or(Duration::MAX, |c| now.duration_since(c.seen));
        let stalest = || (0..CANDIDATES).max_by_key(|place| candidates.get(*place).map(silent));
        own.or_else(free).or_else(stalest).unwrap_or(0)
    }
}

/// The same address in one notation, whatever socket it came through.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Whether an address means something only on its own side of a NAT (RFC 1918, 6598, 3927, 4193, 4291), or nothing.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            ip.is_private() || ip.is_link_local() || ip.is_unspecified() || shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified(),
    }
}
