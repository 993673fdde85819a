//! A frame as it came from the network.

/// Samples per second of a recording's timeline.
pub const CLOCK_HZ: u32 = 8000;
/// Samples per millisecond of a recording's timeline.
pub const SAMPLES_PER_MS: u64 = 8;

/// How a frame's sound is encoded. The numbers on disk are RTP's static payload types (RFC 3551 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Codec {
    /// Its number on disk.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The codec with this number on disk.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            _ => None,
        }
    }

    /// How many samples of the timeline a payload of `bytes` fills: G.711 has one byte a sample.
    #[must_use]
    pub const fn samples(self, bytes: usize) -> u64 {
        match self {
            Self::Pcmu | Self::Pcma => bytes as u64,
        }
    }
}

/// One RTP packet's sound (RFC 3550 §5.1), borrowed from the packet.
#[derive(Clone, Copy, Debug)]
pub struct FrameRef<'a> {
    /// How it is encoded.
    pub codec: Codec,
    /// Whose stream it is part of.
    pub ssrc: u32,
    /// When it was taken, on the sender's clock of [`CLOCK_HZ`].
    pub rtp_timestamp: u32,
    /// Its number.
    pub sequence: u16,
    /// The encoded sound.
    pub payload: &'a [u8],
}
