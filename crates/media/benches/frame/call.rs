//! A call in virtual time, and the packets that come to it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use vorzimmer_media::codec::{Encoder, MAX_ENCODED};
use vorzimmer_media::{
    Channel, Codec, Command, Direction, Event, Format, Input, LegConfig, LegKey, Negotiated, Session, Sink,
    Tap,
};
use vorzimmer_types::audio::OpusWish;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::srtp::Keying;

const FRAME: Duration = Duration::from_millis(20);
/// Packets that are spoken again and again: 2 s.
const SPOKEN: usize = 100;

/// What the network does to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Calm,
    /// Every tenth is lost.
    Lossy,
    /// Two come at a time, the later one first.
    Jittery,
}

/// Several legs that hear each other.
pub(crate) struct Call {
    session: Session,
    random: Seeded,
    now: Instant,
    pub(crate) sent: u64,
}

/// Counts, and keeps nothing.
struct Counter<'a>(&'a mut u64);

impl Sink for Counter<'_> {
    fn send(&mut self, _: LegKey, _: Channel, _: SocketAddr, _: &[u8]) {
        *self.0 += 1;
    }

    fn tap(&mut self, _: Tap<'_>) {}

    fn passed(&mut self, _: LegKey, _: u8, _: u32, _: u16) {}

    fn event(&mut self, _: Event) {}
}

impl Call {
    pub(crate) fn new(codecs: &[Codec], now: Instant) -> Self {
        let mut call = Self { session: Session::new(), random: Seeded::new(1), now, sent: 0 };
        let legs: Vec<LegKey> = (0..codecs.len()).map(leg).collect();
        for (place, codec) in codecs.iter().enumerate() {
            let config = LegConfig { slot: u8::try_from(place).ok(), ..LegConfig::default() };
            call.tell(Command::Open { leg: leg(place), config });
            call.tell(Command::Remote {
                leg: leg(place),
                negotiated: agreed(place, *codec),
                signalling: None,
            });
        }
        match legs.as_slice() {
            [a, b] => call.tell(Command::Bridge { a: *a, b: *b, relay_events: false }),
            _ => call.tell(Command::Mix { legs }),
        }
        call
    }

    fn tell(&mut self, command: Command) {
        let Self { session, random, now, sent } = self;
        session.command(command, *now, random, &mut Counter(sent)).unwrap();
    }

    /// What arrives within 20 ms, and what is due meanwhile.
    pub(crate) fn take_20_ms(&mut self, traffic: &mut Traffic) {
        let Self { session, random, now, sent } = self;
        let sink = &mut Counter(sent);
        traffic.arrive(|place, bytes| {
            let from = address(place);
            session.handle(Input { leg: leg(place), channel: Channel::Rtp, from, bytes }, *now, sink);
        });
        let goal = *now + FRAME;
        while let Some(wake) = session.next_wake(*now).filter(|wake| *wake <= goal) {
            *now = wake.max(*now);
            session.poll(*now, random, sink);
        }
        *now = goal;
    }
}

/// Voices that say a tone.
pub(crate) struct Traffic {
    voices: Vec<Voice>,
    network: Network,
    number: u64,
}

struct Voice {
    payload_type: u8,
    units: u32,
    spoken: Vec<Vec<u8>>,
    packet: Vec<u8>,
}

impl Traffic {
    /// Of these parties the first `talking` talk.
    pub(crate) fn new(codecs: &[Codec], talking: usize, network: Network) -> Self {
        let voices = codecs.iter().take(talking).map(|codec| Voice::new(*codec)).collect();
        Self { voices, network, number: 0 }
    }

    fn arrive(&mut self, mut take: impl FnMut(usize, &mut [u8])) {
        let number = self.number;
        self.number += 1;
        let numbers = match self.network {
            Network::Calm => [Some(number), None],
            Network::Lossy => [Some(number).filter(|number| !number.is_multiple_of(10)), None],
            Network::Jittery if number.is_multiple_of(2) => [Some(number), number.checked_sub(1)],
            Network::Jittery => [None, None],
        };
        for number in numbers.into_iter().flatten() {
            for (place, voice) in self.voices.iter_mut().enumerate() {
                take(place, voice.packet(number, place));
            }
        }
    }
}

impl Voice {
    fn new(codec: Codec) -> Self {
        let wish = OpusWish { fec: true, ..OpusWish::default() };
        let mut encoder = Encoder::new(codec, 16_000, wish).unwrap();
        let mut out = [0; MAX_ENCODED];
        let sample = |at: usize| {
            let angle = std::f64::consts::TAU * 440.0 * at as f64 / 16_000.0;
            (angle.sin() * 8000.0) as i16
        };
        let samples: Vec<i16> = (0..320 * SPOKEN).map(sample).collect();
        let spoken = samples.chunks_exact(320).map(|frame| {
            let length = encoder.encode(frame, &mut out).unwrap();
            out[..length].to_vec()
        });
        Self {
            payload_type: codec.usual_payload_type(),
            units: codec.clock_hz() / 50,
            spoken: spoken.collect(),
            packet: Vec::with_capacity(MAX_ENCODED),
        }
    }

    /// The packet with this number, built in place.
    fn packet(&mut self, number: u64, place: usize) -> &mut [u8] {
        self.packet.clear();
        self.packet.extend_from_slice(&[0x80, self.payload_type]);
        self.packet.extend_from_slice(&(number as u16).to_be_bytes());
        self.packet.extend_from_slice(&(number as u32).wrapping_mul(self.units).to_be_bytes());
        self.packet.extend_from_slice(&(place as u32 + 1).to_be_bytes());
        self.packet.extend_from_slice(&self.spoken[number as usize % SPOKEN]);
        &mut self.packet
    }
}

fn leg(place: usize) -> LegKey {
    LegKey(place as u32 + 1)
}

fn address(place: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, place as u8 + 1], 4000))
}

fn agreed(place: usize, codec: Codec) -> Negotiated {
    let rtp = address(place);
    Negotiated {
        format: Format::plain(codec),
        direction: Direction::SendRecv,
        rtp,
        rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1),
        keying: Keying::Plain,
        ice: None,
    }
}
