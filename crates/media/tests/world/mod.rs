//! A call's media in virtual time: a session in the middle, simple telephones around it.
//!
//! The telephones build and read packets with the `rtp` crate, so that our own reading is never its own witness.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod hands;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp::packet::Packet;
use vorzimmer_media::{
    Channel, Codec, Command, Content, Error, Event, Format, Input, LegConfig, LegKey, Negotiated, PlayId,
    Session, Sink, Sound, Tap,
};
use vorzimmer_types::audio::{Direction, EventPayload};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::srtp::Keying;
use webrtc_util::marshal::{Marshal, Unmarshal};

/// A voice packet that the recorder was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taped {
    pub slot: u8,
    pub content: Content,
    pub timestamp: u32,
    pub sequence: u16,
    pub restarted: bool,
    pub payload: Vec<u8>,
}

/// Everything a session said, with the time.
#[derive(Default)]
pub struct Said {
    pub now_ms: u64,
    pub sent: Vec<(u64, LegKey, Channel, SocketAddr, Vec<u8>)>,
    pub taps: Vec<Taped>,
    pub events: Vec<(u64, Event)>,
}

impl Sink for Said {
    fn send(&mut self, leg: LegKey, channel: Channel, to: SocketAddr, bytes: &[u8]) {
        self.sent.push((self.now_ms, leg, channel, to, bytes.to_vec()));
    }

    fn tap(&mut self, tap: Tap<'_>) {
        self.taps.push(Taped {
            slot: tap.slot,
            content: tap.content,
            timestamp: tap.timestamp,
            sequence: tap.sequence,
            restarted: tap.restarted,
            payload: tap.payload.to_vec(),
        });
    }

    fn passed(&mut self, _: LegKey, _: u8, _: u32, _: u16) {}

    fn event(&mut self, event: Event) {
        self.events.push((self.now_ms, event));
    }
}

/// The session and its clock.
pub struct World {
    pub session: Session,
    pub said: Said,
    start: Instant,
    now: Instant,
    random: Seeded,
}

pub const A: LegKey = LegKey(1);
pub const B: LegKey = LegKey(2);

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What was agreed on with a peer at `rtp`: its codec, telephone-event as 101.
pub fn agreed(rtp: &str, codec: Codec) -> Negotiated {
    let mut format = Format::plain(codec);
    format.events = Some(EventPayload { send: 101, receive: 101, clock_hz: codec.clock_hz() });
    let rtp = addr(rtp);
    Negotiated {
        format,
        direction: Direction::SendRecv,
        rtp,
        rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1),
        keying: Keying::Plain,
        ice: None,
    }
}

impl World {
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
        let start = Instant::now();
        let random = Seeded::new(7);
        Self { session: Session::new(), said: Said::default(), start, now: start, random }
    }

    /// Two legs, tapped into slots 0 and 1, each with its peer.
    pub fn with_peers(a: Negotiated, b: Negotiated) -> Self {
        let mut world = Self::new();
        for (leg, slot, negotiated) in [(A, 0, a), (B, 1, b)] {
            let config = LegConfig { slot: Some(slot), ..LegConfig::default() };
            world.tell(Command::Open { leg, config });
            world.tell(Command::Remote { leg, negotiated, signalling: None });
        }
        world
    }

    pub fn tell(&mut self, command: Command) {
        self.try_tell(command).unwrap();
    }

    pub fn try_tell(&mut self, command: Command) -> Result<(), Error> {
        self.session.command(command, self.now, &mut self.random, &mut self.said)
    }

    pub fn play(&mut self, leg: LegKey, sound: Sound, id: u32, looped: bool) {
        self.tell(Command::Play { leg, sound, id: PlayId(id), looped });
    }

    pub fn bridge(&mut self) {
        self.tell(Command::Bridge { a: A, b: B, relay_events: false });
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    pub fn now_ms(&self) -> u64 {
        self.said.now_ms
    }

    /// Lets time pass up to `ms` after the start, doing what is due exactly when it is due.
    pub fn until(&mut self, ms: u64) {
        let goal = self.start + Duration::from_millis(ms);
        while let Some(wake) = self.session.next_wake(self.now).filter(|wake| *wake <= goal) {
            self.set(wake.max(self.now));
            self.session.poll(self.now, &mut self.random, &mut self.said);
        }
        self.set(goal);
    }

    /// Lets time pass without doing what is due: a machine that stalls.
    pub fn stall_until(&mut self, ms: u64) {
        self.set(self.start + Duration::from_millis(ms));
    }

    fn set(&mut self, now: Instant) {
        self.now = now;
        self.said.now_ms = now.duration_since(self.start).as_millis() as u64;
    }

    pub fn receive(&mut self, leg: LegKey, channel: Channel, from: SocketAddr, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        self.session.handle(Input { leg, channel, from, bytes: &mut bytes }, self.now, &mut self.said);
    }

    /// The RTP packets sent to a leg so far, in order.
    pub fn heard_by(&self, leg: LegKey) -> Vec<Packet> {
        self.heard_at(leg).into_iter().map(|(_, packet)| packet).collect()
    }

    /// The same with the time.
    pub fn heard_at(&self, leg: LegKey) -> Vec<(u64, Packet)> {
        let rtp = self.said.sent.iter().filter(|(_, to, channel, ..)| (*to, *channel) == (leg, Channel::Rtp));
        rtp.map(|(at, .., bytes)| (*at, Packet::unmarshal(&mut bytes.as_slice()).unwrap())).collect()
    }

    /// Everything that happened so far but latching, as text; then forgotten.
    pub fn events(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut self.said.events);
        let latched = |event: &Event| matches!(event, Event::Latched { .. });
        events
            .iter()
            .filter(|(_, event)| !latched(event))
            .map(|(at, event)| format!("{at}: {event:?}"))
            .collect()
    }
}

/// A telephone that talks.
#[derive(Clone, Debug)]
pub struct Phone {
    pub leg: LegKey,
    pub addr: SocketAddr,
    pub pt: u8,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub samples: usize,
}

impl Phone {
    pub fn new(leg: LegKey, at: &str, codec: Codec) -> Self {
        Self {
            leg,
            addr: addr(at),
            pt: codec.usual_payload_type(),
            ssrc: 0x1000 + leg.0,
            sequence: 65_530,
            timestamp: u32::MAX - 500,
            samples: 160,
        }
    }

    /// The next packet, its payload made of its sequence number so that each can be told apart.
    pub fn next(&mut self) -> Vec<u8> {
        let payload = vec![(self.sequence as u8) | 0x80; self.samples];
        self.packet(self.pt, false, payload, self.samples as u32)
    }

    /// A packet with this payload; afterwards the timestamp moves on by `units`.
    pub fn packet(&mut self, pt: u8, marker: bool, payload: Vec<u8>, units: u32) -> Vec<u8> {
        let header = rtp::header::Header {
            version: 2,
            marker,
            payload_type: pt,
            sequence_number: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            ..Default::default()
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(units);
        Packet { header, payload: Bytes::from(payload) }.marshal().unwrap().to_vec()
    }

    pub fn talk(&mut self, world: &mut World) {
        let packet = self.next();
        world.receive(self.leg, Channel::Rtp, self.addr, &packet);
    }

    /// One packet every 20 ms, `count` of them, beginning now.
    pub fn talk_on(&mut self, world: &mut World, count: u64) {
        for _ in 0..count {
            self.talk(world);
            world.until(world.now_ms() + 20);
        }
    }

    /// One packet of an event that began at this telephone's present timestamp.
    pub fn event(&mut self, world: &mut World, marker: bool, event: u8, end: bool, duration: u16) {
        let [d0, d1] = duration.to_be_bytes();
        let packet = self.packet(101, marker, vec![event, u8::from(end) << 7 | 10, d0, d1], 0);
        world.receive(self.leg, Channel::Rtp, self.addr, &packet);
    }

    /// A whole press of 60 ms: three packets, the last said three times.
    pub fn press(&mut self, world: &mut World, event: u8) {
        self.event(world, true, event, false, 160);
        self.event(world, false, event, false, 320);
        (0..3).for_each(|_| self.event(world, false, event, true, 480));
        self.timestamp = self.timestamp.wrapping_add(480);
    }
}

/// Sequence numbers rise by one each; timestamps never go back. Gives the timestamps' steps.
pub fn steps(packets: &[Packet]) -> Vec<u32> {
    let headers: Vec<_> = packets.iter().map(|packet| &packet.header).collect();
    headers
        .windows(2)
        .map(|pair| {
            assert_eq!(pair[1].ssrc, pair[0].ssrc, "one source");
            assert_eq!(
                pair[1].sequence_number,
                pair[0].sequence_number.wrapping_add(1),
                "no number left out"
            );
            pair[1].timestamp.wrapping_sub(pair[0].timestamp)
        })
        .collect()
}
