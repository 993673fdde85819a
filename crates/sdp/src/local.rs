//! What our end can and wants to do on one leg.

use std::net::SocketAddr;

use vorzimmer_types::audio::{Codec, Direction};

use crate::{AudioMedia, Encoding, Payload, Transport};

/// Our end of an audio stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Local {
    /// Where we receive RTP. RTCP is received on the next port.
    pub rtp: SocketAddr,
    /// Codecs we take, in the order we offer them.
    pub codecs: Vec<Codec>,
    /// The codec of the leg this one is to be joined with: chosen whenever the peer offers it, so that the relay
    /// need not transcode.
    pub prefer: Option<Codec>,
    /// Whether telephone-event (RFC 4733) is offered and accepted.
    pub events: bool,
    /// Milliseconds of audio we want in a packet, 10–60.
    pub ptime_ms: u8,
    /// Which way we let audio flow.
    pub direction: Direction,
}

impl Local {
    /// Shortest packet we send or ask for, in milliseconds of audio.
    pub const MIN_PTIME_MS: u8 = 10;
    /// Longest packet we send or ask for, in milliseconds of audio.
    pub const MAX_PTIME_MS: u8 = 60;
    /// The payload type we give telephone-event in an offer, as most do.
    pub(crate) const EVENT_PT: u8 = 101;

    /// Both G.711 laws, A-law first, with telephone-event, 20 ms, both ways, received at `rtp`.
    #[must_use]
    pub fn new(rtp: SocketAddr) -> Self {
        Self {
            rtp,
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            prefer: None,
            events: true,
            ptime_ms: 20,
            direction: Direction::SendRecv,
        }
    }

    /// The audio line of an offer, telephone-event under `event_pt`.
    pub(crate) fn offered_audio(&self, event_pt: u8) -> AudioMedia {
        let preferred = self.prefer.filter(|codec| self.codecs.contains(codec));
        let others = self.codecs.iter().copied().filter(|codec| Some(*codec) != preferred);
        let mut payloads: Vec<Payload> = preferred.into_iter().chain(others).map(codec_payload).collect();
        if self.events {
            payloads.push(event_payload(event_pt));
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
            payloads,
            ptime_ms: Some(ptime_ms),
            maxptime_ms: None,
            direction,
            crypto: Vec::new(),
        }
    }
}

fn codec_payload(codec: Codec) -> Payload {
    let encoding = match codec {
        Codec::Pcma => Encoding::Pcma,
        Codec::Pcmu => Encoding::Pcmu,
    };
    Payload { pt: codec.static_payload_type(), encoding, clock_hz: Codec::CLOCK_HZ, fmtp: None }
}

/// Telephone-event with the sixteen keys (RFC 4733 §2.4.1).
pub(crate) fn event_payload(pt: u8) -> Payload {
    Payload {
        pt,
        encoding: Encoding::TelephoneEvent,
        clock_hz: Codec::CLOCK_HZ,
        fmtp: Some("0-15".to_owned()),
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local")
            .field("codecs", &self.codecs)
            .field("prefer", &self.prefer)
            .field("events", &self.events)
            .field("ptime_ms", &self.ptime_ms)
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}
