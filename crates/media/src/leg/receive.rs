//! What a leg takes from the network: first whether to believe it, then what it is.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use vorzimmer_types::audio::Codec;

use super::control::{Heard, Known};
use super::incoming::{Incoming, Place, SOURCE_PROBATION};
use super::latch::Sender;
use super::{Challenger, Leg, digit_event};
use crate::dtmf::LISTENED_HZ;
use crate::rtp::{Preamble, View};
use crate::srtp::Unopened;
use crate::{Channel, Event, Sink, g711};

/// Most audio in one packet, twice what is negotiated.
const MAX_AUDIO_MS: u32 = 120;
/// Longest comfort noise payload that means something: a level and a spectrum (RFC 3389 §3).
const MAX_NOISE: usize = 32;
/// Another source at the peer's address is heard only when the one before has been silent this long.
const SOURCE_QUIET: Duration = Duration::from_millis(50);

/// A packet that was believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    pub(crate) view: View,
    pub(crate) kind: Kind,
    /// Timestamp units that it covers.
    pub(crate) units: u32,
    /// The sequence number with its cycles.
    pub(crate) extended: u64,
    /// The stream begins anew with this packet.
    pub(crate) restarted: bool,
}

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Voice.
    Audio(Codec),
    /// Comfort noise (RFC 3389): nobody speaks until voice comes again.
    Noise,
    /// A telephone-event.
    Event,
    /// Nothing, under a voice's payload type: it has a number, but no time passes in it.
    Empty,
}

impl Leg {
    /// Judges an RTP datagram; gives it back if it is new and from the peer. Digits go to `sink`.
    pub(crate) fn receive(
        &mut self,
        from: SocketAddr,
        bytes: &mut [u8],
        now: Instant,
        sink: &mut dyn Sink,
    ) -> Option<Accepted> {
        if let Some(latch) = &mut self.latch {
            latch.heard(from, now);
        }
        if !self.may_be_peer(from) && !self.may_have_moved(from, bytes, now) {
            self.stats.foreign += 1;
            return None;
        }
        let opened = self.opened(Channel::Rtp, bytes, now);
        if opened == Err(Unopened::Replayed)
            && let Some(latch) = &mut self.latch
        {
            latch.copied(from, now);
        }
        let bytes = bytes.get(..opened.ok()?)?;
        let (view, kind) = self.readable(bytes)?;
        let sender = self.believed(from, &view, now)?;
        if matches!(sender, Sender::Latched | Sender::Moved) {
            sink.event(Event::Latched { leg: self.key });
        }
        if sender == Sender::Moved {
            self.control.moved();
        }
        let (extended, restarted) = self.placed(&view, kind, sender, now)?;
        // Another clock makes another timestamp, though the source is the same (RFC 7160 §3).
        let restarted = self.clock_changes(kind) || restarted;
        if restarted {
            let key = self.key;
            self.digits.reset(|press, source| sink.event(digit_event(key, press, source)));
        }
        self.received += 1;
        self.last_heard = now;
        self.watch.heard(now);
        let payload = view.payload(bytes);
        self.listen(&view, kind, payload, now, sink);
        let units = match kind {
            Kind::Audio(codec) => codec.units(payload),
            Kind::Noise | Kind::Event | Kind::Empty => 0,
        };
        Some(Accepted { view, kind, units, extended, restarted })
    }

    /// Judges an RTCP datagram.
    pub(crate) fn receive_control(
        &mut self,
        from: SocketAddr,
        bytes: &mut [u8],
        now: Instant,
        sink: &mut dyn Sink,
    ) {
        let known = Known {
            peer: self.latch.as_ref().and_then(super::Latch::peer),
            source: self.incoming.as_ref().map(|incoming| incoming.ssrc),
            ours: self.outgoing.ssrc,
            sealed: self.guard.is_some(),
        };
        if !self.control.may_be_peer(from, &known) {
            self.stats.foreign += 1;
            return;
        }
        let Ok(length) = self.opened(Channel::Rtcp, bytes, now) else { return };
        let bytes = bytes.get(..length).unwrap_or_default();
        match self.control.receive(from, bytes, &known, now) {
            Heard::Report => {}
            Heard::Bye => sink.event(Event::RtcpBye { leg: self.key }),
            Heard::Foreign => self.stats.foreign += 1,
            Heard::Malformed => self.stats.malformed += 1,
        }
    }

    /// Where the peer is, while it speaks and nobody else would be heard.
    pub(crate) fn settled(&self, now: Instant) -> Option<SocketAddr> {
        self.latch.as_ref()?.settled(now)
    }

    /// Whether anything from there is worth a look.
    pub(super) fn may_be_peer(&self, from: SocketAddr) -> bool {
        self.latch.as_ref().is_some_and(|latch| latch.may_be_peer(from))
    }

    /// Whether this packet goes on where the peer's stream was, and the peer may be there now. Asked before anything is
    /// deciphered: whoever knows neither source nor numbers costs nothing.
    pub(super) fn may_have_moved(&self, from: SocketAddr, bytes: &[u8], now: Instant) -> bool {
        let sealed = self.guard.is_some();
        let moved = self.latch.as_ref().is_some_and(|latch| latch.may_have_moved(from, sealed, now));
        moved
            && Preamble::parse(bytes).is_some_and(|packet| {
                self.incoming.as_ref().is_some_and(|incoming| incoming.goes_on(packet.ssrc, packet.sequence))
            })
    }

    /// The length of the packet once it is opened, if the leg is protected; why not, if it is not authentic. Whatever comes
    /// after this step makes state.
    fn opened(&mut self, channel: Channel, bytes: &mut [u8], now: Instant) -> Result<usize, Unopened> {
        let Some(guard) = &mut self.guard else {
            if self.must_be_sealed() {
                // Before there are keys nothing is authentic.
                self.stats.forged += 1;
                return Err(Unopened::Forged);
            }
            return Ok(bytes.len());
        };
        let opened = match channel {
            Channel::Rtp => guard.open_rtp(bytes, now),
            Channel::Rtcp => guard.open_rtcp(bytes, now),
        };
        match &opened {
            Ok(_) => self.speaker_is_peer(now),
            Err(Unopened::Malformed) => self.stats.malformed += 1,
            Err(Unopened::Forged | Unopened::UsedUp) => self.stats.forged += 1,
            Err(Unopened::Replayed) => self.stats.replayed += 1,
        }
        opened
    }

    /// The packet, if it is RTP of an agreed payload type that may come now.
    fn readable(&mut self, bytes: &[u8]) -> Option<(View, Kind)> {
        let Some(view) = View::parse(bytes) else {
            self.stats.malformed += 1;
            return None;
        };
        let kind = self.format().and_then(|format| match format.received_codec(view.payload_type) {
            Some(codec) => Some(Kind::Audio(codec)),
            None if format.noise.is_some_and(|noise| noise.receive == view.payload_type) => Some(Kind::Noise),
            None => format.events.filter(|events| events.receive == view.payload_type).map(|_| Kind::Event),
        });
        let Some(kind) = kind else {
            self.stats.not_negotiated += 1;
            return None;
        };
        let payload = view.payload(bytes);
        // Some keep a NAT open with packets that hold nothing.
        let kind = if payload.is_empty() && matches!(kind, Kind::Audio(_)) { Kind::Empty } else { kind };
        let fits = match kind {
            Kind::Empty => true,
            Kind::Audio(codec) => {
                (1..=codec.clock_hz() / 1000 * MAX_AUDIO_MS).contains(&codec.units(payload))
            }
            Kind::Noise => (1..=MAX_NOISE).contains(&payload.len()),
            Kind::Event => payload.len() >= 4,
        };
        if !fits {
            self.stats.malformed += 1;
            return None;
        }
        if !self.direction().receives() {
            self.stats.unwanted += 1;
            return None;
        }
        Some((view, kind))
    }

    /// Who the sender is, if it is the peer.
    fn believed(&mut self, from: SocketAddr, view: &View, now: Instant) -> Option<Sender> {
        let sender = self.latch.as_mut()?.judge(from, view, self.guard.is_some(), now);
        if sender == Sender::Foreign {
            self.stats.foreign += 1;
            return None;
        }
        Some(sender)
    }

    /// The packet's place in its stream, if it is to be heard, and whether the stream begins anew.
    fn placed(&mut self, view: &View, kind: Kind, sender: Sender, now: Instant) -> Option<(u64, bool)> {
        let same = self.incoming.as_ref().is_some_and(|incoming| incoming.ssrc == view.ssrc);
        // Whoever has just been latched is another sender, even if it happens to use the same number.
        let other = !same || sender == Sender::Latched;
        if other && !self.source_changes(view, sender, now) {
            self.stats.other_source += 1;
            return None;
        }
        let incoming = self.incoming.as_mut()?;
        match incoming.place(view.sequence) {
            Place::New(extended) => {
                if let Kind::Audio(codec) = kind {
                    incoming.arrived(view.timestamp, codec.clock_hz(), self.epoch, now);
                }
                Some((extended, other))
            }
            Place::Restart(extended) => Some((extended, true)),
            Place::Duplicate => {
                self.stats.duplicate += 1;
                None
            }
            Place::Late | Place::Jump => {
                self.stats.late += 1;
                None
            }
        }
    }

    /// Whether a new synchronization source is heard from now on (RFC 3550 §8.2): at once after signalling has
    /// spoken, else after some packets in a row while the source before is silent.
    fn source_changes(&mut self, view: &View, sender: Sender, now: Instant) -> bool {
        if self.incoming.is_some() && sender == Sender::Peer {
            let known = self.challenger.filter(|c| c.ssrc == view.ssrc && c.next == view.sequence);
            let count = known.map_or(0, |c| c.count).saturating_add(1);
            self.challenger =
                Some(Challenger { ssrc: view.ssrc, next: view.sequence.wrapping_add(1), count });
            if count < SOURCE_PROBATION || now.duration_since(self.last_heard) < SOURCE_QUIET {
                return false;
            }
        }
        self.challenger = None;
        self.lost_before += self.incoming.as_ref().map_or(0, Incoming::lost);
        self.incoming = Some(Incoming::new(view.ssrc, view.sequence));
        true
    }

    /// Whether voice is on another clock than before.
    fn clock_changes(&mut self, kind: Kind) -> bool {
        let Kind::Audio(codec) = kind else { return false };
        let before = std::mem::replace(&mut self.clock_hz, codec.clock_hz());
        before != 0 && before != self.clock_hz
    }

    fn listen(&mut self, view: &View, kind: Kind, payload: &[u8], now: Instant, sink: &mut dyn Sink) {
        let key = self.key;
        let tell = |press, source| sink.event(digit_event(key, press, source));
        match kind {
            Kind::Audio(codec) if self.tones && self.digits.wants_audio() => {
                if codec.is_g711() {
                    let samples = payload.iter().map(|code| g711::decode(codec, *code));
                    self.digits.audio(view.timestamp, samples, now, tell);
                } else if let Some(samples) = self.ears.as_mut().and_then(|ears| ears.hear(codec, payload)) {
                    let timestamp = view.timestamp / (codec.clock_hz() / LISTENED_HZ);
                    self.digits.audio(timestamp, samples.iter().copied(), now, tell);
                }
            }
            Kind::Audio(_) | Kind::Noise | Kind::Empty => {}
            Kind::Event => {
                let events = self.format().and_then(|format| format.events);
                let clock_hz = events.map_or(LISTENED_HZ, |events| events.clock_hz);
                self.digits.event(view.marker, view.timestamp, payload, clock_hz, now, tell);
            }
        }
    }
}
