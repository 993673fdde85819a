//! What our end can and wants to do on one leg.

use std::net::SocketAddr;

use vorzimmer_types::audio::{Codec, Direction};

use crate::{AudioMedia, Browser, Encoding, Payload, Protection, Recording, Transport};

/// Our end of an audio stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Local {
    /// Where we receive RTP. RTCP is received on the next port.
    pub rtp: SocketAddr,
    /// Codecs we take, in the order we offer them. An offer is answered with the first of these that is in it; the
    /// two laws of G.711 count as one, and the offer's order decides between them.
    pub codecs: Vec<Codec>,
    /// The codec of the leg this one is to be joined with: chosen whenever the peer offers it, so that the relay
    /// need not transcode.
    pub prefer: Option<Codec>,
    /// Whether telephone-event (RFC 4733) is offered and accepted.
    pub events: bool,
    /// Whether comfort noise (RFC 3389) is offered and accepted for the codecs that have none of their own.
    pub noise: bool,
    /// Milliseconds of audio we want in a packet, 10–60.
    pub ptime_ms: u8,
    /// Which way we let audio flow.
    pub direction: Direction,
    /// Whether it must, may or must not be encrypted.
    pub protection: Protection,
    /// What a browser is told besides; none for any other telephone.
    pub browser: Option<Box<Browser>>,
    /// What we say about recording; none to a peer to whom it means nothing.
    pub recording: Option<Recording>,
}

impl Local {
    /// Shortest packet we send or ask for, in milliseconds of audio.
    pub const MIN_PTIME_MS: u8 = 10;
    /// Longest packet we send or ask for, in milliseconds of audio.
    pub const MAX_PTIME_MS: u8 = 60;
    /// The payload type we give telephone-event on a clock of 8 kHz in an offer, as most do.
    pub(crate) const EVENT_PT: u8 = 101;
    /// The same on the clock of Opus, as browsers do.
    const OPUS_EVENT_PT: u8 = 110;

    /// Every codec, A-law first, with telephone-event and comfort noise, 20 ms, both ways, received at `rtp`, not
    /// encrypted.
    #[must_use]
    pub fn new(rtp: SocketAddr) -> Self {
        Self {
            rtp,
            codecs: Codec::ALL.to_vec(),
            prefer: None,
            events: true,
            noise: true,
            ptime_ms: 20,
            direction: Direction::SendRecv,
            protection: Protection::OFF,
            browser: None,
            recording: None,
        }
    }

    /// The audio line of an offer, under the payload types that `known` has already.
    pub(crate) fn offered_audio(&self, known: &Known) -> AudioMedia {
        let preferred = self.prefer.filter(|codec| self.codecs.contains(codec));
        let others = self.codecs.iter().copied().filter(|codec| Some(*codec) != preferred);
        let codecs: Vec<Codec> = preferred.into_iter().chain(others).collect();
        let mut payloads: Vec<Payload> =
            codecs.iter().map(|codec| codec_payload(*codec, known.payload_type(*codec))).collect();
        let narrow = codecs.iter().any(|codec| *codec != Codec::Opus);
        if self.noise && narrow {
            payloads.push(noise_payload(NOISE_PT));
        }
        if self.events {
            // RFC 4733 §2.1: one for each clock rate in use.
            let clocks = [
                (narrow, 8000, Self::EVENT_PT),
                (codecs.contains(&Codec::Opus), 48_000, Self::OPUS_EVENT_PT),
            ];
            for (wanted, clock_hz, usual) in clocks {
                let pt = known.events.filter(|(_, clock)| *clock == clock_hz).map_or(usual, |(pt, _)| pt);
                if wanted && payloads.iter().all(|p| p.pt != pt) {
                    payloads.push(event_payload(pt, clock_hz));
                }
            }
        }
        self.audio(payloads, u16::from(self.ptime_ms), self.direction)
    }

    /// An audio line of ours.
    pub(crate) fn audio(&self, payloads: Vec<Payload>, ptime_ms: u16, direction: Direction) -> AudioMedia {
        AudioMedia {
            transport: Transport::Avp,
            addr: Some(self.rtp.ip()),
            port: self.rtp.port(),
            rtcp: None,
            mux: false,
            payloads,
            ptime_ms: Some(ptime_ms),
            maxptime_ms: None,
            direction,
            crypto: Vec::new(),
            dtls: None,
            web: None,
        }
    }
}

/// Payload types that a session has used: each keeps its meaning (RFC 3264 §8.3.2).
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The codec in use.
    pub(crate) codec: Option<(u8, Codec)>,
    /// Telephone-event with its clock rate.
    pub(crate) events: Option<(u8, u32)>,
}

impl Known {
    /// The number for a codec: the one it has, else its usual one, unless telephone-event has that already.
    fn payload_type(&self, codec: Codec) -> u8 {
        let usual = codec.usual_payload_type();
        match (self.codec, self.events) {
            (Some((pt, known)), _) if known == codec => pt,
            (Some((pt, _)), _) | (_, Some((pt, _))) if pt == usual => FREE_PT,
            _ => usual,
        }
    }
}

/// A dynamic payload type that hardly anybody uses.
const FREE_PT: u8 = 118;
/// RFC 3551 §6.
const NOISE_PT: u8 = 13;
/// What we say of the Opus that we want: packets from 10 ms, with forward error correction, one channel.
const OPUS_WANTED: &str = "minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0";

/// A codec of ours as a description names it.
pub(crate) fn codec_payload(codec: Codec, pt: u8) -> Payload {
    let (encoding, fmtp) = match codec {
        Codec::Pcma => (Encoding::Pcma, None),
        Codec::Pcmu => (Encoding::Pcmu, None),
        Codec::G722 => (Encoding::G722, None),
        Codec::Opus => (Encoding::Opus, Some(OPUS_WANTED.to_owned())),
    };
    Payload { pt, encoding, clock_hz: codec.clock_hz(), fmtp }
}

/// Telephone-event with the sixteen keys (RFC 4733 §2.4.1).
pub(crate) fn event_payload(pt: u8, clock_hz: u32) -> Payload {
    Payload { pt, encoding: Encoding::TelephoneEvent, clock_hz, fmtp: Some("0-15".to_owned()) }
}

/// Comfort noise for the codecs on a clock of 8 kHz.
pub(crate) fn noise_payload(pt: u8) -> Payload {
    Payload { pt, encoding: Encoding::ComfortNoise, clock_hz: 8000, fmtp: None }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local")
            .field("codecs", &self.codecs)
            .field("prefer", &self.prefer)
            .field("events", &self.events)
            .field("ptime_ms", &self.ptime_ms)
            .field("direction", &self.direction)
            .field("protection", &self.protection)
            .finish_non_exhaustive()
    }
}
