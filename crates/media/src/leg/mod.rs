//! One leg: what comes from one peer, and the one stream that goes to it.

mod control;
mod decode;
mod ears;
mod guard;
mod handshake;
mod incoming;
mod latch;
mod link;
mod outgoing;
mod receive;
mod send;
mod stats;
mod watch;

use std::mem::offset_of;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use vorzimmer_types::Entropy;
use vorzimmer_types::audio::{Direction, Format, Negotiated};
use vorzimmer_types::srtp::Keying;

use control::Control;
use ears::Ears;
use guard::Guard;
use handshake::Handshake;
use incoming::Incoming;
use latch::Latch;
use link::OurIdentity;
use outgoing::{Mapping, Outgoing};
pub(crate) use receive::{Accepted, Kind};
pub use stats::Stats;
use watch::Watch;

use crate::dtmf::{Digits, Key, Presses};
use crate::ice::Agent;
use crate::mix::{Inlet, Outlet};
use crate::quality;
use crate::rtp::HEADER_LEN;
use crate::sound::Player;
use crate::{DigitSource, Event, LegConfig, LegKey, Sink};

/// Media towards and from one peer. Its parts lie in this order, so that what each packet needs is together: it has to be
/// fetched from afar between the packets of other calls.
#[repr(C)]
pub(crate) struct Leg {
    /// Where the other leg's stream lies in ours; none if the next relayed packet begins anew.
    mapping: Option<Mapping>,
    outgoing: Outgoing,
    player: Option<Player>,
    presses: Presses,
    pub(crate) key: LegKey,
    /// The clock of the codec that was last heard, in Hz.
    clock_hz: u32,
    /// Timestamp of the key that we press.
    pressed_at: u32,
    held: bool,
    /// Whether keys are also found as tones.
    tones: bool,
    /// The recorder's slot for this party, if it is tapped.
    slot: Option<u8>,
    /// What seals and opens packets, if they are protected.
    guard: Option<Box<Guard>>,
    /// Where a browser is found.
    agent: Option<Box<Agent>>,
    /// The handshake that gives the keys, where the description does not.
    handshake: Option<Box<Handshake>>,
    /// Where its voice is decoded, if it is.
    inlet: Option<Box<Inlet>>,
    /// Where what it hears is encoded, if it is.
    outlet: Option<Box<Outlet>>,
    agreed: Option<Agreed>,
    latch: Option<Latch>,
    epoch: Instant,
    last_heard: Instant,
    watch: Watch,
    incoming: Option<Incoming>,
    /// Packets taken from the peer, as in [`Stats::received`].
    received: u64,
    digits: Digits,
    /// Another source at the peer's address that asks to be heard.
    challenger: Option<Challenger>,
    stats: Stats,
    ears: Option<Box<Ears>>,
    control: Control,
    identity: OurIdentity,
    /// Who sent what is being looked at, if ICE has to find the peer.
    speaker: Option<SocketAddr>,
    /// Lost in streams before this one.
    lost_before: u64,
}

/// What stays of what was negotiated.
#[derive(Clone, Copy, Debug)]
struct Agreed {
    format: Format,
    direction: Direction,
    /// The keys come out of a handshake: nothing goes in the clear.
    by_handshake: bool,
    /// The peer wants RTCP where its RTP is (RFC 5761).
    muxed: bool,
}

impl Agreed {
    fn of(negotiated: &Negotiated) -> Self {
        Self {
            format: negotiated.format,
            direction: negotiated.direction,
            by_handshake: matches!(negotiated.keying, Keying::Dtls { .. }),
            muxed: negotiated.rtcp == negotiated.rtp,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Challenger {
    ssrc: u32,
    next: u16,
    count: u8,
}

impl Leg {
    /// The bytes that a packet from its peer needs.
    pub(crate) const HEARD: [Range<usize>; 2] = [
        offset_of!(Self, key)..offset_of!(Self, latch) + Latch::NEAR,
        offset_of!(Self, epoch)..offset_of!(Self, digits) + Digits::NEAR,
    ];
    /// And those that a packet to its peer needs.
    pub(crate) const TOLD: [Range<usize>; 2] = [0..offset_of!(Self, latch) + Latch::NEAR, 0..0];

    pub(crate) fn new(
        key: LegKey,
        config: LegConfig,
        identity: OurIdentity,
        now: Instant,
        random: &mut dyn Entropy,
    ) -> Self {
        Self {
            key,
            tones: config.tones,
            slot: config.slot,
            watch: Watch::new(config.silence),
            epoch: now,
            latch: None,
            guard: None,
            agent: config.ice.map(|ice| Box::new(Agent::new(ice))),
            handshake: None,
            identity,
            speaker: None,
            control: Control::new(random, now),
            incoming: None,
            challenger: None,
            last_heard: now,
            clock_hz: 0,
            outgoing: Outgoing::new(random),
            mapping: None,
            player: None,
            digits: Digits::default(),
            ears: None,
            inlet: None,
            outlet: None,
            presses: Presses::default(),
            pressed_at: 0,
            held: false,
            agreed: None,
            received: 0,
            stats: Stats::default(),
            lost_before: 0,
        }
    }

    /// Obeys what was negotiated, for the first time or again.
    pub(crate) fn remote(
        &mut self,
        negotiated: Negotiated,
        signalling: Option<IpAddr>,
        now: Instant,
        random: &mut dyn Entropy,
        sink: &mut dyn Sink,
    ) {
        self.latch = Some(match &self.latch {
            Some(latch) => latch.again(negotiated.rtp, signalling, now),
            None => Latch::new(negotiated.rtp, signalling, now),
        });
        self.control.remote(negotiated.rtcp, random, now);
        self.ears = Ears::needed(&negotiated.format).filter(|_| self.tones).map(Box::new);
        self.outgoing.set_clock(negotiated.format.send.codec.clock_hz());
        self.shake_hands(&negotiated, now);
        self.agreed = Some(Agreed::of(&negotiated));
        self.challenger = None;
        self.mapping = None;
        self.watch_as_needed(now);
        self.cut_if_mute(sink);
    }

    /// Local hold: the peer is neither heard nor told anything but what is played to it.
    pub(crate) fn hold(&mut self, on: bool, now: Instant) {
        self.held = on;
        self.stop_decoding();
        self.mapping = None;
        self.watch_as_needed(now);
    }

    pub(crate) fn held(&self) -> bool {
        self.held
    }

    /// What it hears next is a source of its own.
    pub(crate) fn hear_anew(&mut self) {
        self.mapping = None;
    }

    pub(crate) fn tap(&mut self, slot: Option<u8>) {
        self.slot = slot;
    }

    pub(crate) fn slot(&self) -> Option<u8> {
        self.slot
    }

    /// Does what is due: digits whose end was lost, sound, keys, reports, silence.
    pub(crate) fn poll(&mut self, now: Instant, random: &mut dyn Entropy, sink: &mut dyn Sink) {
        let key = self.key;
        self.digits.poll(now, |press, source| sink.event(digit_event(key, press, source)));
        self.poll_link(now, sink);
        self.send_due(now, sink);
        self.report_if_due(now, random, sink);
        if self.watch.poll(now) {
            sink.event(Event::Silent { leg: key });
        }
    }

    /// Whether a key is down whose end may get lost.
    pub(crate) fn hears_a_key(&self) -> bool {
        self.digits.next_wake().is_some()
    }

    /// When [`Leg::poll`] has something to do.
    pub(crate) fn next_wake(&self, now: Instant) -> Option<Instant> {
        [
            self.digits.next_wake(),
            self.next_send(now),
            self.control.next_wake(),
            self.watch.deadline(),
            self.next_link(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(crate) fn stats(&self) -> Stats {
        let lost = self.lost_before + self.incoming.as_ref().map_or(0, Incoming::lost);
        let jitter = self.incoming.as_ref().map_or(Duration::ZERO, Incoming::jitter_time);
        let (rtt, received) = (self.control.rtt(), self.received);
        Stats {
            received,
            lost,
            jitter,
            rtt,
            lost_there: self.control.lost_there(),
            mos: quality::mos(received, lost, jitter, rtt),
            sent: u64::from(self.outgoing.packets),
            ..self.stats
        }
    }

    pub(crate) fn refused(&self) -> u64 {
        self.stats.refused()
    }

    fn direction(&self) -> Direction {
        self.agreed.as_ref().map_or(Direction::Inactive, |agreed| agreed.direction)
    }

    /// Whoever put us on hold may send or not: many telephones send nothing then, whatever they announced.
    fn watch_as_needed(&mut self, now: Instant) {
        self.watch.run(self.direction() == Direction::SendRecv && !self.held, now);
    }
}

/// What a key on this leg means to the call.
fn digit_event(leg: LegKey, key: Key, source: DigitSource) -> Event {
    match key {
        Key::Down(digit) => Event::Digit { leg, digit, source },
        Key::Up(digit, duration) => Event::DigitEnded { leg, digit, source, duration },
    }
}
