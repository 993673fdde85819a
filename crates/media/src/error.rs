//! What can go wrong before a packet flows.

use crate::LegKey;
use crate::dtmf::Digit;

/// Why an order could not be carried out or a prompt not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such leg in this session.
    #[error("this session has no leg {}", .0.0)]
    UnknownLeg(LegKey),
    /// The session has this leg already.
    #[error("this session already has a leg {}", .0.0)]
    LegExists(LegKey),
    /// More legs than [`crate::Session::MAX_LEGS`].
    #[error("this session has {limit} legs already")]
    TooManyLegs {
        /// The limit.
        limit: usize,
    },
    /// A leg cannot be bridged with itself.
    #[error("leg {} cannot be bridged with itself", .0.0)]
    SameLeg(LegKey),
    /// More parties than are mixed.
    #[error("no more than {limit} parties hear each other")]
    TooManyParties {
        /// The limit.
        limit: usize,
    },
    /// Too many keys wait, or the peer knows no telephone-events.
    #[error("a key cannot be pressed towards leg {}", .leg.0)]
    NotPressed {
        /// Towards whom.
        leg: LegKey,
        /// Which key.
        digit: Digit,
    },
    /// A key that cannot sign DTLS handshakes, or a certificate that is none.
    #[error("the certificate or key cannot be used for DTLS: a P-256 or P-384 key in PKCS #8 is needed")]
    Identity,
    /// A sound file that is not a WAV.
    #[error("not a WAV file: {why}")]
    NotWav {
        /// The reader's words.
        why: String,
    },
    /// A WAV in another format than 8 kHz, mono, 16 bit PCM.
    #[error("a prompt is 8000 Hz, mono, 16 bit; this file has {hz} Hz, {channels} channels, {bits} bit")]
    WrongFormat {
        /// Its sample rate.
        hz: u32,
        /// Its channels.
        channels: u16,
        /// Its bits a sample.
        bits: u16,
    },
    /// A WAV without a sample, or longer than [`crate::sound::MAX_CLIP_SAMPLES`].
    #[error("a prompt has 1 to {} samples, this one {samples}", crate::sound::MAX_CLIP_SAMPLES)]
    WrongLength {
        /// Its samples.
        samples: usize,
    },
    /// The Opus library refused.
    #[error("Opus: {why}")]
    Opus {
        /// Its words.
        why: &'static str,
    },
}

impl Error {
    pub(crate) fn opus(error: opus::Error) -> Self {
        Self::Opus { why: error.description() }
    }
}
