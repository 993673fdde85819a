//! RTP packets (RFC 3550 §5.1): a view for what came in, a rewrite in place for what goes on, a builder for what
//! starts here.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |           synchronization source (SSRC) identifier            |
//! |             contributing sources (CSRC), CC of them           |
//! |  extension: profile (16) | length in words (16) | words …     |
//! ```

use bytes::Bytes;
use webrtc_util::marshal::Marshal;

/// Bytes of a header without contributing sources and extension.
pub const HEADER_LEN: usize = 12;
/// Largest datagram that we make or take, in bytes.
pub const MAX_PACKET: usize = 1500;

const VERSION: u8 = 2;

/// What a packet says about itself, and where its payload lies. Checked against the packet's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The marker bit: in audio, the start of a talkspurt (RFC 3551 §4.1).
    pub marker: bool,
    /// The payload type, 0–127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp in units of the payload's clock.
    pub timestamp: u32,
    /// The synchronization source.
    pub ssrc: u32,
    start: usize,
    end: usize,
}

/// What stands in front of a payload, read without looking at the payload: all that can be read of an SRTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// The sequence number.
    pub sequence: u16,
    /// The synchronization source.
    pub ssrc: u32,
    /// Bytes before the payload.
    pub length: usize,
}

/// A header to write: always without padding, extension and contributing sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The marker bit.
    pub marker: bool,
    /// The payload type, 0–127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The synchronization source.
    pub ssrc: u32,
}

impl Preamble {
    /// Reads it; none if the bytes do not begin like an RTP packet.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, _) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let [first, _, s0, s1, _, _, _, _, r0, r1, r2, r3] = *head;
        if first >> 6 != VERSION || bytes.len() > MAX_PACKET {
            return None;
        }
        let mut length = HEADER_LEN + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            // RFC 3550 §5.3.1: the length counts 32-bit words after the extension's own first word.
            let words = bytes.get(length + 2..length + 4)?;
            length += 4 + 4 * words.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        }
        (length <= bytes.len()).then_some(Self {
            sequence: u16::from_be_bytes([s0, s1]),
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            length,
        })
    }
}

impl View {
    /// Reads the header; none if the bytes are not an RTP packet (RFC 3550 §A.1: version and lengths).
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let Preamble { sequence, ssrc, length: start } = Preamble::parse(bytes)?;
        let [first, second, _, _, t0, t1, t2, t3, ..] = *bytes.first_chunk::<HEADER_LEN>()?;
        let mut end = bytes.len();
        if first & 0x20 != 0 {
            // RFC 3550 §5.1: the last byte counts the padding, itself included.
            let padding = usize::from(*bytes.last()?);
            end = if padding == 0 { return None } else { end.checked_sub(padding)? };
        }
        if start > end {
            return None;
        }
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence,
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc,
            start,
            end,
        })
    }

    /// The payload, without padding.
    #[must_use]
    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet.get(self.start..self.end).unwrap_or_default()
    }

    /// The payload, to be changed in place.
    pub fn payload_mut<'a>(&self, packet: &'a mut [u8]) -> &'a mut [u8] {
        packet.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Puts a plain header in front of the payload, over whatever stood there, and gives back the packet to send.
    ///
    /// Contributing sources, extensions and padding meant one hop only and are left behind without a copy.
    pub fn rewrite<'a>(&self, packet: &'a mut [u8], header: Header) -> &'a mut [u8] {
        let Some(packet) = packet.get_mut(self.start - HEADER_LEN..self.end) else { return &mut [] };
        if let Some((head, _)) = packet.split_first_chunk_mut::<HEADER_LEN>() {
            *head = header.to_bytes();
        }
        packet
    }
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER_LEN] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [r0, r1, r2, r3] = self.ssrc.to_be_bytes();
        let second = u8::from(self.marker) << 7 | (self.payload_type & 0x7f);
        [VERSION << 6, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3]
    }

    /// Writes a packet with this header and payload into `out`, without taking memory, and gives back its length; none if
    /// it does not fit.
    pub fn write(&self, payload: &[u8], out: &mut [u8]) -> Option<usize> {
        let length = HEADER_LEN + payload.len();
        let (head, rest) = out.get_mut(..length)?.split_first_chunk_mut::<HEADER_LEN>()?;
        *head = self.to_bytes();
        rest.copy_from_slice(payload);
        Some(length)
    }

    /// Builds a packet with this header into `out` and gives back its length; none if it does not fit.
    pub fn build(self, payload: Bytes, out: &mut [u8]) -> Option<usize> {
        let header = ::rtp::header::Header {
            version: VERSION,
            marker: self.marker,
            payload_type: self.payload_type,
            sequence_number: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            ..Default::default()
        };
        ::rtp::packet::Packet { header, payload }.marshal_to(out).ok()
    }
}
