//! The codecs that are relayed, played and recorded, and how much time a packet of each covers.

use serde::{Deserialize, Serialize};

/// A voice codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// G.711 A-law: 64 kbit/s, 8 kHz.
    Pcma,
    /// G.711 µ-law: 64 kbit/s, 8 kHz.
    Pcmu,
    /// G.722: 64 kbit/s, 16 kHz.
    G722,
    /// Opus (RFC 6716, RFC 7587): 8 to 48 kHz.
    Opus,
}

impl Codec {
    /// Every codec, in the order in which they are offered unless configured otherwise: G.711 first, since every
    /// trunk and every phone has it, so that nothing need be transcoded.
    pub const ALL: [Self; 4] = [Self::Pcma, Self::Pcmu, Self::G722, Self::Opus];

    /// The RTP payload type that RFC 3551 §6 reserves; for Opus, which has none, the one that browsers use.
    #[must_use]
    pub const fn usual_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 111,
        }
    }

    /// The encoding name of `a=rtpmap`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// RTP timestamp units a second: of G.722 8000 although it has 16,000 samples (RFC 3551 §4.5.2), of Opus 48,000
    /// whatever it has (RFC 7587 §4.1).
    #[must_use]
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Pcma | Self::Pcmu | Self::G722 => 8000,
            Self::Opus => 48_000,
        }
    }

    /// Whether it is one of the G.711 laws, which become each other without loss of time.
    #[must_use]
    pub const fn is_g711(self) -> bool {
        matches!(self, Self::Pcma | Self::Pcmu)
    }

    /// Whether a packet of it can be passed on to somebody who is sent `other`, without a decoder.
    #[must_use]
    pub fn relays_to(self, other: Self) -> bool {
        self == other || (self.is_g711() && other.is_g711())
    }

    /// Timestamp units that a payload covers; 0 if it is none of this codec.
    #[must_use]
    pub fn units(self, payload: &[u8]) -> u32 {
        match self {
            // One octet is one unit: a sample of G.711, two samples of G.722.
            Self::Pcma | Self::Pcmu | Self::G722 => u32::try_from(payload.len()).unwrap_or(u32::MAX),
            Self::Opus => opus_units(payload),
        }
    }
}

/// RFC 6716 §3.1: configuration and frame count stand in the first octet, or in the first two.
fn opus_units(payload: &[u8]) -> u32 {
    let Some(toc) = payload.first() else { return 0 };
    let config = toc >> 3;
    let frame = match config {
        // SILK: 10, 20, 40, 60 ms.
        0..=11 => [480, 960, 1920, 2880].get(usize::from(config & 3)).copied().unwrap_or(0),
        // Hybrid: 10, 20 ms.
        12..=15 => 480 << (config & 1),
        // CELT: 2.5, 5, 10, 20 ms.
        _ => 120 << (config & 3),
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        // §3.2.5: the count is in the next octet.
        _ => payload.get(1).map_or(0, |count| u32::from(count & 0x3f)),
    };
    let units = frame * frames;
    // §3.2.5: no packet is longer than 120 ms.
    if units > 5760 { 0 } else { units }
}

/// What a peer wants of the Opus that it is sent (RFC 7587 §6.1). What it says of its own sending is not kept: the
/// packets say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpusWish {
    /// It can use in-band forward error correction.
    pub fec: bool,
    /// It wants nothing sent while nobody speaks.
    pub dtx: bool,
    /// Highest sampling rate that it plays, in Hz.
    pub max_playback_hz: u32,
    /// Most bits a second, on average, that it wants.
    pub max_average_bitrate: u32,
}

impl Default for OpusWish {
    /// What holds when nothing is said.
    fn default() -> Self {
        Self { fec: false, dtx: false, max_playback_hz: 48_000, max_average_bitrate: 510_000 }
    }
}

impl OpusWish {
    /// Reads a value of `a=fmtp`. Unknown and nonsensical parameters are passed over (RFC 7587 §6.1).
    #[must_use]
    pub fn parse(fmtp: &str) -> Self {
        let mut wish = Self::default();
        for parameter in fmtp.split(';') {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "useinbandfec" => wish.fec = value == "1",
                "usedtx" => wish.dtx = value == "1",
                "maxplaybackrate" => {
                    let hz = value.parse().ok().filter(|hz| (8000..=48_000).contains(hz));
                    wish.max_playback_hz = hz.unwrap_or(wish.max_playback_hz);
                }
                "maxaveragebitrate" => {
                    let bits = value.parse().ok().filter(|bits| (6000..=510_000).contains(bits));
                    wish.max_average_bitrate = bits.unwrap_or(wish.max_average_bitrate);
                }
                _ => {}
            }
        }
        wish
    }
}

#[cfg(test)]
mod tests {
    use super::{Codec, OpusWish};

    #[test]
    fn an_opus_packet_says_how_long_it_is() {
        let cases: &[(&str, &[u8], u32)] = &[
            ("nothing", &[], 0),
            ("SILK narrow band, 10 ms", &[0], 480),
            ("SILK narrow band, 60 ms", &[3 << 3], 2880),
            ("SILK wide band, 20 ms", &[9 << 3], 960),
            ("hybrid, 10 ms", &[12 << 3], 480),
            ("hybrid, 20 ms", &[15 << 3], 960),
            ("CELT, 2.5 ms", &[16 << 3], 120),
            ("CELT full band, 20 ms", &[31 << 3], 960),
            ("two frames of one length", &[9 << 3 | 1], 1920),
            ("two frames of different lengths", &[9 << 3 | 2], 1920),
            ("three frames", &[9 << 3 | 3, 3], 2880),
            ("no frame", &[9 << 3 | 3, 0], 0),
            ("a count that is missing", &[9 << 3 | 3], 0),
            ("more than 120 ms", &[9 << 3 | 3, 7], 0),
        ];
        for (what, payload, units) in cases {
            assert_eq!(Codec::Opus.units(payload), *units, "{what}");
        }
        assert_eq!(Codec::G722.units(&[0; 160]), 160, "20 ms on a clock of 8 kHz");
    }

    #[test]
    fn wishes_are_read_and_nonsense_is_passed_over() {
        let none = OpusWish::default();
        let cases = [
            ("", none),
            ("minptime=10;useinbandfec=1", OpusWish { fec: true, ..none }),
            (
                "maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1; useinbandfec=1; usedtx=1",
                OpusWish { fec: true, dtx: true, max_playback_hz: 16_000, max_average_bitrate: 20_000 },
            ),
            ("UseDTX=1;usedtx", OpusWish { dtx: true, ..none }),
            ("maxplaybackrate=1;maxaveragebitrate=99999999999;useinbandfec=yes", none),
        ];
        for (fmtp, expected) in cases {
            assert_eq!(OpusWish::parse(fmtp), expected, "{fmtp}");
        }
    }
}
