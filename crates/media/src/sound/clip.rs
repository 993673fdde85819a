//! Sound, encoded once in both laws and cut into packets without a copy.

use std::fmt;

use bytes::Bytes;
use vorzimmer_types::audio::Codec;

use crate::g711;

/// Longest clip, in samples: five minutes.
pub const MAX_CLIP_SAMPLES: usize = 5 * 60 * 8000;

/// Sound at 8000 Hz in A-law and in µ-law.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    pcma: Bytes,
    pcmu: Bytes,
}

impl Clip {
    /// Encodes linear samples.
    #[must_use]
    pub fn new(samples: &[i16]) -> Self {
        let encoded = |codec| samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
        Self { pcma: encoded(Codec::Pcma), pcmu: encoded(Codec::Pcmu) }
    }

    /// Its length in samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.pcma.len()
    }

    /// `count` samples from `from`; fewer at the end. Shares the clip's memory.
    #[must_use]
    pub fn slice(&self, codec: Codec, from: usize, count: usize) -> Bytes {
        let all = match codec {
            Codec::Pcma => &self.pcma,
            Codec::Pcmu => &self.pcmu,
        };
        let from = from.min(all.len());
        all.slice(from..from.saturating_add(count).min(all.len()))
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({} samples)", self.samples())
    }
}
