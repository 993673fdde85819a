//! What two ends agree on about audio: the words that `sdp` negotiates, `call` passes on and `media` obeys.

mod codec;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::ice::Ends;
use crate::srtp::Keying;

pub use codec::{Codec, OpusWish};

/// Which way audio flows, as seen from the end that says it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both ways: what is meant when nothing is said.
    #[default]
    SendRecv,
    /// Only from here: the usual sign of hold.
    SendOnly,
    /// Only to here.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The direction with these two abilities.
    #[must_use]
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether this end sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether this end wants to hear.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow as seen from the other end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }

    /// What is left when both limits hold.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute's name in a session description.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// A codec under the payload type (0–127) that one end gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodecPayload {
    /// The RTP payload type.
    pub payload_type: u8,
    /// The codec it stands for.
    pub codec: Codec,
}

/// The payload types of telephone-event (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventPayload {
    /// What the peer wants to receive.
    pub send: u8,
    /// What the peer will send.
    pub receive: u8,
    /// In which units durations are said, a second: the codec's clock rate, unless the peer knows no such event.
    pub clock_hz: u32,
}

/// The payload types of comfort noise (RFC 3389) on a clock of 8 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoisePayload {
    /// What the peer wants to receive.
    pub send: u8,
    /// What the peer will send.
    pub receive: u8,
}

/// How voice is packed on one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    /// What we send.
    pub send: CodecPayload,
    /// What the peer may send: the chosen codec, and a second one if the answer left both open (RFC 3264 §6.1).
    pub receive: [Option<CodecPayload>; 2],
    /// Telephone-event, if both ends know it.
    pub events: Option<EventPayload>,
    /// Comfort noise, if both ends know it.
    pub noise: Option<NoisePayload>,
    /// What the peer wants of Opus, if that is what it is sent.
    pub opus: OpusWish,
    /// Milliseconds of audio in a packet that we originate, 10–60.
    pub ptime_ms: u8,
}

impl Format {
    /// The codec that the peer means by `payload_type`, if it was agreed on.
    #[must_use]
    pub fn received_codec(&self, payload_type: u8) -> Option<Codec> {
        self.receive.iter().flatten().find(|p| p.payload_type == payload_type).map(|p| p.codec)
    }

    /// The codec under its usual payload type in 20 ms packets, without telephone-event and comfort noise.
    #[must_use]
    pub fn plain(codec: Codec) -> Self {
        let payload = CodecPayload { payload_type: codec.usual_payload_type(), codec };
        Self {
            send: payload,
            receive: [Some(payload), None],
            events: None,
            noise: None,
            opus: OpusWish::default(),
            ptime_ms: 20,
        }
    }
}

/// What an offer and its answer amount to for one leg.
#[derive(Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// How voice is packed.
    pub format: Format,
    /// Which way it flows, as seen from us.
    pub direction: Direction,
    /// Where the peer says it receives RTP. Unspecified (`0.0.0.0`, `::`, port 0) if it says nowhere.
    pub rtp: SocketAddr,
    /// Where the peer says it receives RTCP (RFC 3605, else the next port).
    pub rtcp: SocketAddr,
    /// How packets are protected, both ways.
    pub keying: Keying,
    /// How both are addressed in ICE checks, if the peer is a browser; `rtp` and `rtcp` are [`Negotiated::ANYWHERE`] then.
    pub ice: Option<Box<Ends>>,
}

impl Negotiated {
    /// Stands for wherever ICE finds a browser. An address that nobody has (RFC 5737) and the discard port.
    pub const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

    /// Whether the peer wants to hear nothing from us: it put us on hold (RFC 3264 §8.4).
    #[must_use]
    pub const fn peer_holds(&self) -> bool {
        !self.direction.sends()
    }
}

impl fmt::Debug for Negotiated {
    /// Without the peer's addresses: they lead to people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiated")
            .field("format", &self.format)
            .field("direction", &self.direction)
            .field("security", &self.keying.security())
            .finish_non_exhaustive()
    }
}

/// A key of a telephone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digit(u8);

impl Digit {
    /// All sixteen, in the order of their RFC 4733 event codes (§3.2).
    pub const KEYS: &'static str = "0123456789*#ABCD";

    /// The key with RFC 4733 event code `event`; none above 15.
    #[must_use]
    pub const fn from_event(event: u8) -> Option<Self> {
        if event < 16 { Some(Self(event)) } else { None }
    }

    /// The key printed as `key`: `0`–`9`, `*`, `#`, `A`–`D` in either case.
    #[must_use]
    pub fn from_char(key: char) -> Option<Self> {
        let place = Self::KEYS.find(key.to_ascii_uppercase())?;
        u8::try_from(place).ok().map(Self)
    }

    /// Its RFC 4733 event code, 0–15.
    #[must_use]
    pub const fn event(self) -> u8 {
        self.0
    }

    /// As it is printed on the key.
    #[must_use]
    pub const fn as_char(self) -> char {
        match self.0 {
            0..=9 => (b'0' + self.0) as char,
            10 => '*',
            11 => '#',
            _ => (b'A' + self.0 - 12) as char,
        }
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digit({})", self.as_char())
    }
}

#[cfg(test)]
mod tests {
    use super::{Digit, Direction};

    #[test]
    fn keys_and_event_codes_are_the_same_thing() {
        for (event, key) in Digit::KEYS.chars().enumerate() {
            let digit = Digit::from_char(key).unwrap();
            assert_eq!(usize::from(digit.event()), event);
            assert_eq!(digit.as_char(), key);
            assert_eq!(Digit::from_event(digit.event()), Some(digit));
        }
        assert_eq!(Digit::from_event(16), None);
        assert_eq!(Digit::from_char('d'), Digit::from_char('D'));
        assert_eq!(Digit::from_char('E'), None);
    }

    #[test]
    fn hold_seen_from_the_other_end() {
        assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
        assert_eq!(Direction::SendRecv.and(Direction::RecvOnly), Direction::RecvOnly);
        assert_eq!(Direction::SendOnly.and(Direction::RecvOnly), Direction::Inactive);
    }
}
