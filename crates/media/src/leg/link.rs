//! The way to a peer that has to prove itself: ICE checks and a DTLS handshake on the leg's own port (RFC 7983).
//!
//! What stands here decides what becomes of a datagram before it is RTP. Only whoever ICE has proven, or whom signalling
//! named where there is no ICE, reaches the handshake; only the handshake gives keys; without keys nothing is sent and
//! nothing is heard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use vorzimmer_types::audio::Negotiated;
use vorzimmer_types::srtp::Keying;

use super::Leg;
use super::guard::Guard;
use super::handshake::Handshake;
use super::latch::canonical;
use crate::dtls::{self, Identity};
use crate::ice::{self, ANSWER_ROOM};
use crate::{Channel, Event, Sink};

impl Leg {
    /// Obeys what was negotiated about the handshake: the one there is goes on if nothing changed.
    pub(super) fn shake_hands(&mut self, negotiated: &Negotiated, now: Instant) {
        if let (Some(agent), Some(ends)) = (&mut self.agent, negotiated.ice.as_deref()) {
            agent.agreed(*ends);
        }
        let (Keying::Dtls { peer, ours }, Some(identity)) = (&negotiated.keying, &self.identity) else {
            self.handshake = None;
            self.guard = Guard::follow(self.guard.take(), negotiated, now);
            return;
        };
        if !self.handshake.as_deref().is_some_and(|known| known.is_with(peer, *ours)) {
            let proven = self.agent.is_some();
            self.handshake = Some(Box::new(Handshake::new(identity, *peer, *ours, proven, now)));
            self.guard = None;
        }
    }

    /// Whether the peer can be sent anything.
    pub(super) fn is_linked(&self) -> bool {
        let found = self.agent.as_ref().is_none_or(|agent| agent.target().is_some());
        found && !(self.must_be_sealed() && self.guard.is_none())
    }

    /// Whether the leg is one that is never heard in the clear.
    pub(super) fn must_be_sealed(&self) -> bool {
        self.agent.is_some() || self.agreed.is_some_and(|agreed| agreed.by_handshake)
    }

    /// From which port of ours, and where to, packets of this kind go that are meant for `to`. A telephone whose keys come
    /// out of a handshake has them for one pair of ports: without RTCP on it there is no RTCP.
    pub(super) fn route(&self, channel: Channel, to: SocketAddr) -> Option<(Channel, SocketAddr)> {
        if channel == Channel::Rtp || self.agent.is_some() {
            return Some((channel, self.way_to(to)?));
        }
        if self.muxes() {
            return Some((Channel::Rtp, self.latch.as_ref()?.target()?));
        }
        self.handshake.is_none().then_some((channel, to))
    }

    /// Whether a telephone wants RTCP where its RTP is (RFC 5761).
    fn muxes(&self) -> bool {
        self.agreed.is_some_and(|agreed| agreed.muxed)
    }

    fn way_to(&self, to: SocketAddr) -> Option<SocketAddr> {
        self.agent.as_ref().map_or(Some(to), |agent| agent.target())
    }

    /// Takes what is no RTP and no RTCP out of what came to the RTP port. The rest comes back with what it is and whom it
    /// counts as from.
    pub(crate) fn sort(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        now: Instant,
        sink: &mut dyn Sink,
    ) -> Option<(Channel, SocketAddr)> {
        if self.agent.is_none() && self.handshake.is_none() {
            let control = self.muxes() && channel_of(bytes) == Some(Channel::Rtcp);
            return Some((if control { Channel::Rtcp } else { Channel::Rtp }, from));
        }
        if self.agent.is_some() && ice::is_stun(bytes) {
            self.check(from, bytes, now, sink);
            return None;
        }
        let known = match &self.agent {
            Some(agent) => agent.knows(from, now),
            None => self.may_be_peer(from) || self.may_have_moved(from, bytes, now),
        };
        if !known {
            self.stats.foreign += 1;
            return None;
        }
        if dtls::is_dtls(bytes) {
            self.shake(Some((from, bytes)), now, sink);
            return None;
        }
        let Some(channel) = channel_of(bytes) else {
            self.stats.malformed += 1;
            return None;
        };
        if self.agent.is_none() {
            return Some((channel, from));
        }
        self.speaker = Some(from);
        Some((channel, Negotiated::ANYWHERE))
    }

    /// The last datagram was authentic: the peer uses that path.
    pub(super) fn speaker_is_peer(&mut self, now: Instant) {
        if let (Some(agent), Some(from)) = (&mut self.agent, self.speaker) {
            agent.heard(from, now);
        }
    }

    /// Does what is due: an address that is silent too long is given up, a flight is sent again.
    pub(super) fn poll_link(&mut self, now: Instant, sink: &mut dyn Sink) {
        if let Some(agent) = &mut self.agent
            && agent.expire(now)
        {
            self.cut_if_mute(sink);
        }
        if self.handshake.as_ref().is_some_and(|known| known.next_wake().is_some_and(|at| at <= now)) {
            self.shake(None, now, sink);
        }
    }

    /// When [`Leg::poll_link`] has something to do.
    pub(super) fn next_link(&self) -> Option<Instant> {
        let flight = self.handshake.as_ref().and_then(|known| known.next_wake());
        let consent = self.agent.as_ref().and_then(|agent| agent.next_wake());
        flight.into_iter().chain(consent).min()
    }

    /// Tells the peer that the leg ends.
    pub(super) fn let_go(&mut self, sink: &mut dyn Sink) {
        let Some(mut handshake) = self.handshake.take() else { return };
        let (key, named) = (self.key, self.named());
        handshake.close(named, &mut |to, bytes| sink.send(key, Channel::Rtp, to, bytes));
    }

    /// Where signalling, or ICE, says that the peer is.
    fn named(&self) -> Option<SocketAddr> {
        self.latch.as_ref().and_then(super::Latch::target).and_then(|to| self.way_to(to))
    }

    fn check(&mut self, from: SocketAddr, bytes: &[u8], now: Instant, sink: &mut dyn Sink) {
        let Some(agent) = &mut self.agent else { return };
        let mut out = [0; ANSWER_ROOM];
        let Some(checked) = agent.receive(from, bytes, now, &mut out) else {
            self.stats.foreign += 1;
            return;
        };
        sink.send(self.key, Channel::Rtp, from, out.get(..checked.answer).unwrap_or_default());
        if agent.knows(from, now) {
            sink.proven(self.key, from);
        }
    }

    /// Gives the handshake a datagram, or only the time.
    fn shake(&mut self, datagram: Option<(SocketAddr, &[u8])>, now: Instant, sink: &mut dyn Sink) {
        let Some(mut handshake) = self.handshake.take() else { return };
        let key = self.key;
        let named = self.named();
        let mut send = |to: SocketAddr, bytes: &[u8]| sink.send(key, Channel::Rtp, to, bytes);
        let came = match datagram {
            Some((from, bytes)) => handshake.receive(canonical(from), bytes, named, now, &mut send),
            None => handshake.poll(named, now, &mut send),
        };
        self.handshake = Some(handshake);
        if let Some((keys, with)) = came.keys {
            let suite = keys.send.suite();
            self.guard = Some(Guard::of(keys, self.guard.take(), now));
            // Its certificate says more than any number of packets.
            if let (None, Some(latch), Some(with)) = (&self.agent, &mut self.latch, with) {
                latch.proven(with, now);
            }
            sink.event(Event::Secured { leg: key, suite });
        }
        if let Some(failure) = came.failed {
            sink.event(Event::Insecure { leg: key, failure });
        }
        // A telephone hangs up by signalling, or begins anew; a page that was closed says nothing more.
        if came.closed && self.agent.is_some() {
            self.watch.left(now);
        }
    }
}

/// RFC 7983 §7 for the first byte, RFC 5761 §4 for the second.
fn channel_of(bytes: &[u8]) -> Option<Channel> {
    match bytes {
        [128..=191, 192..=223, ..] => Some(Channel::Rtcp),
        [128..=191, ..] => Some(Channel::Rtp),
        _ => None,
    }
}

/// What a leg shares with its session to make handshakes with.
pub(crate) type OurIdentity = Option<Arc<Identity>>;
