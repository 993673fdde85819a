//! Listens for keys in a codec that has to be decoded for it.
//!
//! Done only for a peer that knows no telephone-events: it has no other way to press a key in its media, and must be able
//! to at any time, since a key takes consent back. Of everybody else a packet of G.722 or Opus is relayed unopened.

use vorzimmer_types::audio::{Codec, Format};

use crate::codec::{Decoder, MAX_PACKET_MS};
use crate::dtmf::LISTENED_HZ;

/// A decoder to 8000 Hz.
pub(super) struct Ears {
    decoder: Decoder,
    samples: Box<[i16]>,
}

impl Ears {
    /// Ears for what the peer may send, if they are needed. Without memory for a decoder there are none.
    pub(super) fn needed(format: &Format) -> Option<Self> {
        let wide =
            format.receive.iter().flatten().map(|payload| payload.codec).find(|codec| !codec.is_g711())?;
        if format.events.is_some() {
            return None;
        }
        let decoder = Decoder::new(wide, LISTENED_HZ).ok()?;
        let most = LISTENED_HZ as usize / 1000 * MAX_PACKET_MS;
        Some(Self { decoder, samples: vec![0; most].into() })
    }

    /// What a packet holds, if it is in the codec that is listened to.
    pub(super) fn hear(&mut self, codec: Codec, payload: &[u8]) -> Option<&[i16]> {
        if self.decoder.codec() != codec {
            return None;
        }
        let count = self.decoder.decode(payload, &mut self.samples)?;
        self.samples.get(..count)
    }
}
