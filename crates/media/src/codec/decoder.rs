//! From packets to samples.

use audio_codec::Decoder as _;
use audio_codec::g722::G722Decoder;
use opus::Channels;
use vorzimmer_types::audio::Codec;

use super::MAX_PACKET_MS;
use crate::rate::Converter;
use crate::{Error, g711};

/// Decodes one stream.
pub struct Decoder {
    codec: Codec,
    hz: u32,
    kind: Kind,
}

enum Kind {
    G711 { linear: Box<[i16]>, rate: Converter },
    G722 { state: Box<G722Decoder>, linear: Box<[i16]>, rate: Converter },
    Opus(opus::Decoder),
}

impl Decoder {
    /// A decoder that gives samples at `hz`: 8000, 16,000 or 48,000; of an Opus stream one channel, whatever it has.
    ///
    /// # Errors
    /// [`Error::Opus`] if there is no memory or `hz` is none of these.
    pub fn new(codec: Codec, hz: u32) -> Result<Self, Error> {
        let linear = |hz: usize| vec![0; hz / 1000 * MAX_PACKET_MS].into_boxed_slice();
        let kind = match codec {
            Codec::Pcma | Codec::Pcmu => Kind::G711 { linear: linear(8000), rate: Converter::new(8000, hz) },
            Codec::G722 => Kind::G722 {
                state: Box::new(G722Decoder::new()),
                linear: linear(16_000),
                rate: Converter::new(16_000, hz),
            },
            Codec::Opus => Kind::Opus(opus::Decoder::new(hz, Channels::Mono).map_err(Error::opus)?),
        };
        Ok(Self { codec, hz, kind })
    }

    /// What it decodes.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The rate of its samples.
    #[must_use]
    pub fn hz(&self) -> u32 {
        self.hz
    }

    /// By how many samples what it gives is later than the packet's own beginning.
    #[must_use]
    pub fn latency(&self) -> usize {
        match &self.kind {
            Kind::G711 { rate, .. } => latency(rate, 8000, self.hz),
            Kind::G722 { rate, .. } => latency(rate, 16_000, self.hz),
            Kind::Opus(_) => 0,
        }
    }

    /// Decodes a packet into `out` and says how many samples it made; `None` if it is no packet or does not fit.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Option<usize> {
        match &mut self.kind {
            Kind::G711 { linear, rate } => {
                let linear = linear.get_mut(..payload.len())?;
                for (sample, code) in linear.iter_mut().zip(payload) {
                    *sample = g711::decode(self.codec, *code);
                }
                Some(rate.convert(linear, out))
            }
            Kind::G722 { state, linear, rate } => {
                let count = state.decode_into(payload, linear).ok()?;
                Some(rate.convert(linear.get(..count)?, out))
            }
            // An empty payload would mean loss to the library.
            Kind::Opus(state) if !payload.is_empty() => state.decode(payload, out, false).ok(),
            Kind::Opus(_) => None,
        }
    }

    /// Fills `out` in place of a packet that did not come, where the codec itself knows how; false where it does not.
    /// `out` is a multiple of 2.5 ms.
    pub fn conceal(&mut self, out: &mut [i16]) -> bool {
        match &mut self.kind {
            Kind::Opus(state) => state.decode(&[], out, false).is_ok_and(|count| count == out.len()),
            Kind::G711 { .. } | Kind::G722 { .. } => false,
        }
    }

    /// Fills `out` with the packet before `next`, which did not come, from what `next` repeats of it (RFC 6716 §2.1.7);
    /// where it repeats nothing, with what [`Decoder::conceal`] would.
    pub fn regain(&mut self, next: &[u8], out: &mut [i16]) -> bool {
        match &mut self.kind {
            Kind::Opus(state) if !next.is_empty() => {
                state.decode(next, out, true).is_ok_and(|count| count == out.len())
            }
            _ => false,
        }
    }

    /// Gives what is still on its way through the rate converter, [`Decoder::latency`] samples, and begins anew.
    pub fn flush(&mut self, out: &mut [i16]) -> usize {
        let count = self.latency().min(out.len());
        let (from, rate) = match &mut self.kind {
            Kind::G711 { rate, .. } => (8000, rate),
            Kind::G722 { rate, .. } => (16_000, rate),
            Kind::Opus(_) => return 0,
        };
        if rate.is_same() {
            return 0;
        }
        let silence = [0; 2 * Converter::LATENCY];
        let needed = Converter::LATENCY * (from / from.min(self.hz)) as usize;
        let made = rate.convert(silence.get(..needed).unwrap_or(&silence), out);
        *rate = Converter::new(from, self.hz);
        made.min(count)
    }
}

fn latency(rate: &Converter, from: u32, to: u32) -> usize {
    if rate.is_same() { 0 } else { Converter::LATENCY * (to / from.min(to)) as usize }
}
