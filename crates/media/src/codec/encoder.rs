//! From samples to packets.

use audio_codec::Encoder as _;
use audio_codec::g722::G722Encoder;
use opus::{Application, Bandwidth, Bitrate, Channels};
use vorzimmer_types::audio::{Codec, OpusWish};

use super::MAX_PACKET_MS;
use crate::rate::Converter;
use crate::{Error, g711};

/// Bits a second for speech at 8 kHz and above: transparent for one voice.
const NARROW_BITRATE: u32 = 20_000;
const WIDE_BITRATE: u32 = 32_000;
/// What loss forward error correction is made for, in percent.
const EXPECTED_LOSS: i32 = 10;
/// How hard Opus tries, of 10: above this, voices at these rates gain nothing that is heard.
const COMPLEXITY: i32 = 5;

/// Encodes one stream.
pub struct Encoder {
    codec: Codec,
    kind: Kind,
}

enum Kind {
    G711 { linear: Box<[i16]>, rate: Converter },
    G722 { state: Box<G722Encoder>, linear: Box<[i16]>, rate: Converter },
    Opus(opus::Encoder),
}

impl Encoder {
    /// An encoder for samples at `hz`: 8000 or 16,000; Opus as its hearer wants it.
    ///
    /// # Errors
    /// [`Error::Opus`] if there is no memory or `hz` is none of these.
    pub fn new(codec: Codec, hz: u32, wish: OpusWish) -> Result<Self, Error> {
        let linear = |hz: usize| vec![0; hz / 1000 * MAX_PACKET_MS].into_boxed_slice();
        let kind = match codec {
            Codec::Pcma | Codec::Pcmu => Kind::G711 { linear: linear(8000), rate: Converter::new(hz, 8000) },
            Codec::G722 => Kind::G722 {
                state: Box::new(G722Encoder::new()),
                linear: linear(16_000),
                rate: Converter::new(hz, 16_000),
            },
            Codec::Opus => Kind::Opus(opus_encoder(hz, wish).map_err(Error::opus)?),
        };
        Ok(Self { codec, kind })
    }

    /// What it encodes to.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Encodes one packet of 10, 20, 40 or 60 ms, for G.711 and G.722 of any length up to 60 ms, into `out`, and says how
    /// many bytes it has; `None` if it does not fit.
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Option<usize> {
        match &mut self.kind {
            Kind::G711 { linear, rate } => {
                let count = rate.convert(samples, linear);
                let out = out.get_mut(..count)?;
                for (code, sample) in out.iter_mut().zip(linear.iter()) {
                    *code = g711::encode(self.codec, *sample);
                }
                Some(count)
            }
            Kind::G722 { state, linear, rate } => {
                let count = rate.convert(samples, linear);
                state.encode_into(linear.get(..count)?, out).ok()
            }
            Kind::Opus(state) => state.encode(samples, out).ok(),
        }
    }
}

fn opus_encoder(hz: u32, wish: OpusWish) -> Result<opus::Encoder, opus::Error> {
    let mut encoder = opus::Encoder::new(hz, Channels::Mono, Application::Voip)?;
    let wide = hz > 8000 && wish.max_playback_hz > 8000;
    let bitrate = if wide { WIDE_BITRATE } else { NARROW_BITRATE }.min(wish.max_average_bitrate);
    encoder.set_bitrate(Bitrate::Bits(bitrate.cast_signed()))?;
    encoder.set_complexity(COMPLEXITY)?;
    encoder.set_inband_fec(wish.fec)?;
    encoder.set_packet_loss_perc(if wish.fec { EXPECTED_LOSS } else { 0 })?;
    encoder.set_dtx(wish.dtx)?;
    // RFC 7587 §6.1, maxplaybackrate: what the hearer cannot play need not be sent.
    encoder.set_max_bandwidth(match wish.max_playback_hz {
        ..12_000 => Bandwidth::Narrowband,
        12_000..16_000 => Bandwidth::Mediumband,
        _ => Bandwidth::Wideband,
    })?;
    Ok(encoder)
}
