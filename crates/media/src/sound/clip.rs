//! Sound, encoded once in each codec and cut into packets without a copy.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use vorzimmer_types::audio::{Codec, OpusWish};

use crate::codec::{Encoder, MAX_ENCODED};
use crate::g711;

/// Longest clip, in samples: five minutes.
pub const MAX_CLIP_SAMPLES: usize = 5 * 60 * 8000;
/// Samples in a packet of Opus, whatever length the hearer would like: 20 ms, which every decoder takes (RFC 7587
/// §4.2), so that each clip is encoded only once.
const OPUS_PACKET: usize = 160;

/// Sound at 8000 Hz, in A-law and in µ-law, and in the other codecs once they are asked for.
#[derive(Clone)]
pub struct Clip {
    linear: Box<[i16]>,
    pcma: Bytes,
    pcmu: Bytes,
    g722: OnceLock<Bytes>,
    opus: OnceLock<Packets>,
}

/// Packets of [`OPUS_PACKET`] samples, one after the other.
#[derive(Clone, Default)]
struct Packets {
    bytes: Bytes,
    /// Where each ends.
    ends: Box<[usize]>,
}

/// What is sent in one packet.
pub(crate) struct Piece {
    pub(crate) payload: Bytes,
    /// Samples at 8000 Hz that it covers.
    pub(crate) samples: usize,
}

impl Clip {
    /// Encodes linear samples.
    #[must_use]
    pub fn new(samples: &[i16]) -> Self {
        let encoded = |codec| samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
        Self {
            pcma: encoded(Codec::Pcma),
            pcmu: encoded(Codec::Pcmu),
            linear: samples.into(),
            g722: OnceLock::new(),
            opus: OnceLock::new(),
        }
    }

    /// Its length in samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.linear.len()
    }

    /// Encodes it in this codec if that has not been done yet. Takes up to a hundredth of its length, so do it before
    /// anybody waits; whoever plays it unprepared pays then.
    pub fn prepare(&self, codec: Codec) {
        match codec {
            Codec::Pcma | Codec::Pcmu => {}
            Codec::G722 => drop(self.g722()),
            Codec::Opus => drop(self.opus()),
        }
    }

    /// `count` samples from `from`; fewer at the end. Shares the clip's memory. Not for Opus, whose packets cannot be cut
    /// anywhere.
    #[must_use]
    pub fn slice(&self, codec: Codec, from: usize, count: usize) -> Bytes {
        let all = match codec {
            Codec::Pcma => &self.pcma,
            Codec::Pcmu => &self.pcmu,
            // One octet for one unit of 8 kHz, as in G.711.
            Codec::G722 => self.g722(),
            Codec::Opus => return Bytes::new(),
        };
        let from = from.min(all.len());
        all.slice(from..from.saturating_add(count).min(all.len()))
    }

    /// The packet to send from `from` on, of `count` samples if the codec can be cut there.
    pub(crate) fn piece(&self, codec: Codec, from: usize, count: usize) -> Piece {
        if codec != Codec::Opus {
            let payload = self.slice(codec, from, count);
            return Piece { samples: payload.len(), payload };
        }
        let packets = self.opus();
        let number = from / OPUS_PACKET;
        let begin = number.checked_sub(1).and_then(|before| packets.ends.get(before)).copied().unwrap_or(0);
        let end = packets.ends.get(number).copied().unwrap_or(begin);
        let samples = ((number + 1) * OPUS_PACKET).saturating_sub(from);
        Piece { payload: packets.bytes.slice(begin.min(end)..end), samples }
    }

    fn g722(&self) -> &Bytes {
        self.g722.get_or_init(|| {
            let mut bytes = Vec::with_capacity(self.linear.len());
            encode(Codec::G722, &self.linear, |packet| bytes.extend_from_slice(packet));
            bytes.truncate(self.linear.len());
            bytes.into()
        })
    }

    fn opus(&self) -> &Packets {
        self.opus.get_or_init(|| {
            let mut bytes = Vec::new();
            let mut ends = Vec::with_capacity(self.linear.len() / OPUS_PACKET + 1);
            encode(Codec::Opus, &self.linear, |packet| {
                bytes.extend_from_slice(packet);
                ends.push(bytes.len());
            });
            Packets { bytes: bytes.into(), ends: ends.into() }
        })
    }
}

/// Encodes in packets of 20 ms, the last filled up with silence.
fn encode(codec: Codec, linear: &[i16], mut take: impl FnMut(&[u8])) {
    // Without memory for an encoder there is silence, and the prompt still has its length.
    let Ok(mut encoder) = Encoder::new(codec, 8000, OpusWish::default()) else { return };
    let mut out = [0; MAX_ENCODED];
    for block in linear.chunks(OPUS_PACKET) {
        let mut whole = [0; OPUS_PACKET];
        whole[..block.len()].copy_from_slice(block);
        if let Some(packet) = encoder.encode(&whole, &mut out).and_then(|length| out.get(..length)) {
            take(packet);
        }
    }
}

impl PartialEq for Clip {
    fn eq(&self, other: &Self) -> bool {
        self.linear == other.linear
    }
}

impl Eq for Clip {}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({} samples)", self.samples())
    }
}
