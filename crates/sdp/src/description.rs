//! A session description reduced to what a telephone call needs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use vorzimmer_types::audio::{Codec, Direction};

use crate::{Crypto, Dtls, Preference, Recording, Web};

/// A session description: an offer or an answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Description {
    /// Who made it, and which version it is.
    pub origin: Origin,
    /// The `m=` lines in their order, which an answer must keep (RFC 3264 §6).
    pub media: Vec<Media>,
    /// Whether its maker records (RFC 7866 §7.1), if that is said.
    pub recording: Option<Recording>,
    /// Whether its maker wants to be recorded, if that is said.
    pub preference: Option<Preference>,
}

/// The `o=` line without its user name.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    /// The session's id, as its maker wrote it.
    pub id: String,
    /// Grows by one with each change (RFC 3264 §8).
    pub version: u64,
    /// The maker's address, unspecified if it gave a name.
    pub addr: IpAddr,
}

/// One `m=` line and what belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Media {
    /// Audio: what we may take.
    Audio(AudioMedia),
    /// Anything else, audio that is refused, and audio without a payload type: kept only to be answered with port 0.
    Other(OtherMedia),
}

/// An audio line.
#[derive(Clone, PartialEq, Eq)]
pub struct AudioMedia {
    /// How packets are to be carried.
    pub transport: Transport,
    /// Where its maker receives; none if that is a name, multicast or missing.
    pub addr: Option<IpAddr>,
    /// The RTP port; 0 means the line is refused or over.
    pub port: u16,
    /// Where RTCP is received, if it is not the next port (RFC 3605).
    pub rtcp: Option<SocketAddr>,
    /// RTCP comes on the same port (RFC 5761). A browser says so in [`Web::mux`].
    pub mux: bool,
    /// What its maker can receive, most wanted first; a line that was read has at least one.
    pub payloads: Vec<Payload>,
    /// Milliseconds of audio its maker wants in a packet.
    pub ptime_ms: Option<u16>,
    /// Most milliseconds of audio it takes in a packet.
    pub maxptime_ms: Option<u16>,
    /// Which way audio flows, as its maker sees it.
    pub direction: Direction,
    /// The `a=crypto` lines (RFC 4568) that can be used, in their order.
    pub crypto: Vec<Crypto>,
    /// What it says about DTLS-SRTP.
    pub dtls: Option<Dtls>,
    /// What it says about ICE: a browser's line does.
    pub web: Option<Box<Web>>,
}

/// A line that is not taken.
#[derive(Clone, PartialEq, Eq)]
pub struct OtherMedia {
    /// `video`, `image`, `application`, …
    pub kind: String,
    /// Its port.
    pub port: u16,
    /// Its transport, as written.
    pub transport: String,
    /// Its formats, as written.
    pub formats: String,
}

/// The transport of an audio line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// `RTP/AVP` (RFC 3551).
    Avp,
    /// `RTP/AVPF` (RFC 4585): taken like `RTP/AVP`, its feedback is not used.
    Avpf,
    /// `RTP/SAVP` (RFC 3711 §12): encrypted, with keys in the description.
    Savp,
    /// `RTP/SAVPF` (RFC 5124).
    Savpf,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764 §8): encrypted, with keys from a DTLS handshake.
    DtlsSavp,
    /// `UDP/TLS/RTP/SAVPF`.
    DtlsSavpf,
    /// Anything else.
    Other(String),
}

impl Transport {
    pub(crate) fn parse(text: &str) -> Self {
        let upper = text.to_ascii_uppercase();
        match upper.as_str() {
            "RTP/AVP" => Self::Avp,
            "RTP/AVPF" => Self::Avpf,
            "RTP/SAVP" => Self::Savp,
            "RTP/SAVPF" => Self::Savpf,
            "UDP/TLS/RTP/SAVP" => Self::DtlsSavp,
            "UDP/TLS/RTP/SAVPF" => Self::DtlsSavpf,
            _ => Self::Other(text.to_owned()),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
            Self::Savp => "RTP/SAVP",
            Self::Savpf => "RTP/SAVPF",
            Self::DtlsSavp => "UDP/TLS/RTP/SAVP",
            Self::DtlsSavpf => "UDP/TLS/RTP/SAVPF",
            Self::Other(name) => name,
        }
    }

    /// Whether packets must be encrypted under it.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        matches!(self, Self::Savp | Self::Savpf | Self::DtlsSavp | Self::DtlsSavpf)
    }
}

/// One payload type of an audio line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    /// The RTP payload type, 0–127.
    pub pt: u8,
    /// What it stands for.
    pub encoding: Encoding,
    /// Its RTP clock rate in Hz; 0 if unknown.
    pub clock_hz: u32,
    /// Its `a=fmtp` value.
    pub fmtp: Option<String>,
}

/// An encoding name of `a=rtpmap`, or a static payload type's (RFC 3551 §6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// G.711 A-law, one channel.
    Pcma,
    /// G.711 µ-law, one channel.
    Pcmu,
    /// G.722, one channel.
    G722,
    /// Opus: always said to have two channels, whatever it holds (RFC 7587 §7).
    Opus,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
    /// RFC 4733.
    TelephoneEvent,
    /// Any other, with its channels if given: `GSM`, `L16/2`; empty if nothing was said.
    Other(String),
}

impl Payload {
    /// The codec it carries, if we have that one.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        let codec = match self.encoding {
            Encoding::Pcma => Codec::Pcma,
            Encoding::Pcmu => Codec::Pcmu,
            Encoding::G722 => Codec::G722,
            Encoding::Opus => Codec::Opus,
            Encoding::TelephoneEvent | Encoding::ComfortNoise | Encoding::Other(_) => return None,
        };
        (self.clock_hz == codec.clock_hz()).then_some(codec)
    }

    /// Whether it is telephone-event.
    #[must_use]
    pub fn is_events(&self) -> bool {
        self.encoding == Encoding::TelephoneEvent && self.clock_hz > 0
    }

    /// Whether it is comfort noise on the clock of the codecs that have none of their own (RFC 3389 §5).
    #[must_use]
    pub fn is_noise(&self) -> bool {
        self.encoding == Encoding::ComfortNoise && self.clock_hz == Codec::Pcma.clock_hz()
    }
}

impl Description {
    /// The first audio line that is not refused, with its place among the `m=` lines.
    #[must_use]
    pub fn audio(&self) -> Option<(usize, &AudioMedia)> {
        self.media.iter().enumerate().find_map(|(place, media)| match media {
            Media::Audio(audio) if audio.port != 0 => Some((place, audio)),
            _ => None,
        })
    }
}

impl Description {
    /// Whether a browser made it.
    #[must_use]
    pub fn is_browsers(&self) -> bool {
        self.audio().is_some_and(|(_, audio)| audio.is_browsers())
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description")
            .field("version", &self.origin.version)
            .field("media", &self.media)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("version", &self.version).finish_non_exhaustive()
    }
}

impl fmt::Debug for AudioMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioMedia")
            .field("transport", &self.transport.name())
            .field("refused", &(self.port == 0))
            .field("payload types", &self.payloads.iter().map(|p| p.pt).collect::<Vec<_>>())
            .field("ptime_ms", &self.ptime_ms)
            .field("direction", &self.direction)
            .field("crypto lines", &self.crypto.len())
            .field("dtls", &self.dtls)
            .field("ice", &self.web.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OtherMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherMedia").field("refused", &(self.port == 0)).finish_non_exhaustive()
    }
}
