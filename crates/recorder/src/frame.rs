//! A frame as it came from the network.

use vorzimmer_types::audio;

/// Samples per second of a recording's timeline.
pub const CLOCK_HZ: u32 = 8000;
/// Samples per millisecond of a recording's timeline.
pub const SAMPLES_PER_MS: u64 = 8;

/// How a frame's sound is encoded. The numbers on disk are RTP's static payload types (RFC 3551 §6); Opus, which has
/// none, has the one that browsers give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722,
    /// Comfort noise (RFC 3389): lasts until the next frame.
    Noise,
    /// Opus (RFC 6716).
    Opus,
}

impl Codec {
    /// Its number on disk.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Noise => 13,
            Self::Opus => 111,
        }
    }

    /// The codec with this number on disk.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            9 => Some(Self::G722),
            13 => Some(Self::Noise),
            111 => Some(Self::Opus),
            _ => None,
        }
    }

    /// Its name, as session descriptions have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.voice().map_or("CN", audio::Codec::name)
    }

    /// The codec of a voice; none of noise.
    #[must_use]
    pub const fn voice(self) -> Option<audio::Codec> {
        match self {
            Self::Pcmu => Some(audio::Codec::Pcmu),
            Self::Pcma => Some(audio::Codec::Pcma),
            Self::G722 => Some(audio::Codec::G722),
            Self::Opus => Some(audio::Codec::Opus),
            Self::Noise => None,
        }
    }

    /// RTP timestamp units a second.
    #[must_use]
    pub fn clock_hz(self) -> u32 {
        self.voice().map_or(CLOCK_HZ, audio::Codec::clock_hz)
    }

    /// How many samples of the timeline a payload fills; 0 for noise, and for what is no payload of this codec.
    #[must_use]
    pub fn samples(self, payload: &[u8]) -> u64 {
        let units = |codec: audio::Codec| codec.units(payload) / (codec.clock_hz() / CLOCK_HZ);
        self.voice().map_or(0, units).into()
    }
}

impl From<audio::Codec> for Codec {
    fn from(codec: audio::Codec) -> Self {
        match codec {
            audio::Codec::Pcmu => Self::Pcmu,
            audio::Codec::Pcma => Self::Pcma,
            audio::Codec::G722 => Self::G722,
            audio::Codec::Opus => Self::Opus,
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
    /// When it was taken, on the sender's clock of [`Codec::clock_hz`].
    pub rtp_timestamp: u32,
    /// Its number.
    pub sequence: u16,
    /// The encoded sound.
    pub payload: &'a [u8],
}
