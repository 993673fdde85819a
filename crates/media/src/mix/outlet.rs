//! From samples, 10 ms at a time, to one party's packets.

use vorzimmer_types::audio::{Codec, Format};

use super::FRAME;
use crate::Error;
use crate::codec::{Encoder, MAX_ENCODED};
use crate::noise::Noise;

/// Longest packet that is made, in milliseconds.
const MOST_MS: usize = 60;
/// Ticks between two words about the same silence: 500 ms.
const NOISE_TICKS: u32 = 50;
/// Noise that nobody hears is said to be this soft, in decibel below full scale.
const SOFTEST: u8 = 78;

/// One packet to send.
pub(crate) struct Packet<'a> {
    pub(crate) payload: &'a [u8],
    /// Timestamp units that it covers.
    pub(crate) units: u32,
    /// It is comfort noise.
    pub(crate) noise: bool,
    /// Units passed before it that no packet tells of.
    pub(crate) after_gap: bool,
}

/// Encodes for one party.
pub(crate) struct Outlet {
    format: Format,
    hz: u32,
    encoder: Encoder,
    samples: Box<[i16]>,
    filled: usize,
    packet: usize,
    encoded: [u8; MAX_ENCODED],
    /// Ticks since silence was last told of; none while somebody speaks.
    silent: Option<u32>,
    after_gap: bool,
}

impl Outlet {
    /// For what was agreed on, from samples at `hz`.
    pub(crate) fn new(format: Format, hz: u32) -> Result<Self, Error> {
        let codec = format.send.codec;
        let packet = packet_ms(codec, format.ptime_ms.into()) * hz as usize / 1000;
        Ok(Self {
            format,
            hz,
            encoder: Encoder::new(codec, hz, format.opus)?,
            samples: vec![0; packet].into(),
            filled: 0,
            packet,
            encoded: [0; MAX_ENCODED],
            silent: None,
            after_gap: true,
        })
    }

    pub(crate) fn serves(&self, format: &Format, hz: u32) -> bool {
        self.format == *format && self.hz == hz
    }

    /// What was collected is not sent; what comes next begins anew.
    pub(crate) fn interrupt(&mut self) {
        (self.filled, self.silent, self.after_gap) = (0, None, true);
    }

    /// Takes a tick's samples; gives a packet when one is full. `quiet`: nobody speaks.
    pub(crate) fn push(&mut self, samples: &[i16], quiet: bool) -> Option<Packet<'_>> {
        if quiet && self.filled == 0 && self.format.noise.is_some() {
            return self.tell_silence(samples);
        }
        self.silent = None;
        let room = self.samples.get_mut(self.filled..self.filled + samples.len())?;
        room.copy_from_slice(samples);
        self.filled += samples.len();
        if self.filled < self.packet {
            return None;
        }
        self.filled = 0;
        let units =
            (self.packet as u64 * u64::from(self.format.send.codec.clock_hz()) / u64::from(self.hz)) as u32;
        let length = self.encoder.encode(&self.samples, &mut self.encoded)?;
        let after_gap = std::mem::take(&mut self.after_gap);
        Some(Packet { payload: self.encoded.get(..length)?, units, noise: false, after_gap })
    }

    /// RFC 3389 §4: once when it begins, and now and then while it lasts.
    fn tell_silence(&mut self, samples: &[i16]) -> Option<Packet<'_>> {
        let ticks = self.silent.map_or(NOISE_TICKS, |ticks| ticks + 1);
        self.after_gap = true;
        if ticks < NOISE_TICKS {
            self.silent = Some(ticks);
            return None;
        }
        self.silent = Some(0);
        let power: f32 = samples.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        let mean = (power / samples.len().max(1) as f32).sqrt() / f32::from(i16::MAX);
        let level = if mean > 0.0 { (-20.0 * mean.log10()) as u8 } else { SOFTEST };
        let [byte] = Noise::payload(level.min(SOFTEST));
        let place = self.encoded.first_mut()?;
        *place = byte;
        Some(Packet { payload: self.encoded.get(..1)?, units: 0, noise: true, after_gap: true })
    }
}

/// The length of the packets that we make, for a peer that would like `ptime_ms`: whole ticks, and for Opus one of its
/// own lengths (RFC 7587 §4.2).
fn packet_ms(codec: Codec, ptime_ms: usize) -> usize {
    let whole = (ptime_ms / FRAME * FRAME).clamp(FRAME, MOST_MS);
    match (codec, whole) {
        (Codec::Opus, 30) => 20,
        (Codec::Opus, 50) => 40,
        _ => whole,
    }
}
