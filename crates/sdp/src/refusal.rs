//! Why a description is not accepted, in words that hold nothing of it.

/// Why a description was refused. Neither address nor raw text of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than [`crate::MAX_BYTES`].
    #[error("the description has {bytes} bytes, more than {}", crate::MAX_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More lines than [`crate::MAX_LINES`].
    #[error("the description has more than {} lines", crate::MAX_LINES)]
    TooManyLines,
    /// More `m=` lines than [`crate::MAX_MEDIA`].
    #[error("the description has more than {} media lines", crate::MAX_MEDIA)]
    TooManyMedia,
    /// Not a session description (RFC 8866 §9).
    #[error("not a session description: {what}")]
    Malformed {
        /// The line or field at fault.
        what: &'static str,
    },
    /// No audio line, or only with port 0.
    #[error("no audio is offered")]
    NoAudio,
    /// No codec in common.
    #[error("no codec in common")]
    NoCommonCodec,
    /// Only SRTP (RFC 3711) is offered, where it is switched off.
    #[error("SRTP is switched off here")]
    SecureTransport,
    /// SRTP is required, and not what is offered or answered.
    #[error("SRTP is required: offer a=crypto over SIP over TLS, or UDP/TLS/RTP/SAVP")]
    NotEncrypted,
    /// SRTP with nothing that we know: suites, key parameters.
    #[error("no usable key for SRTP: offer AES_CM_128_HMAC_SHA1_80 without MKI")]
    NoCommonSuite,
    /// SRTP is required, and its keys would go over signalling that others can read.
    #[error(
        "SRTP is required, and its keys would be sent in the clear: use SIP over TLS, or UDP/TLS/RTP/SAVP"
    )]
    KeysInClear,
    /// None of RTP/AVP, RTP/SAVP, UDP/TLS/RTP/SAVP and what has feedback besides.
    #[error("the transport is none of RTP/AVP, RTP/SAVP and UDP/TLS/RTP/SAVP")]
    Transport,
    /// A line under DTLS without a certificate's fingerprint, or without saying who begins the handshake.
    #[error("no usable fingerprint or setup for DTLS-SRTP")]
    NoHandshake,
    /// A browser's line that ICE cannot connect: without credentials, without RTCP on the same port, or both ends lite.
    #[error("no usable ICE credentials, or RTCP on a port of its own")]
    NoPath,
    /// No IP address for the audio, or a multicast one.
    #[error("no usable address for audio")]
    NoAddress,
    /// IPv4 against IPv6.
    #[error("the address is of the other IP version")]
    AddressFamily,
    /// The answer does not fit the offer, or there was no offer (RFC 3264 §6).
    #[error("the answer does not fit the offer")]
    AnswerMismatch,
}

impl Refusal {
    /// The SIP status to refuse with: 400 for what cannot be read, else 488 (RFC 3261 §13.3.1.3).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLong { .. } | Self::TooManyLines | Self::TooManyMedia | Self::Malformed { .. } => 400,
            _ => 488,
        }
    }

    /// The code for the Warning header (RFC 3261 §20.43).
    #[must_use]
    pub const fn warning(self) -> u16 {
        match self {
            Self::NoAudio => 304,
            Self::NoCommonCodec => 305,
            // The profile stands where the transport does (RFC 8866 §5.14).
            Self::SecureTransport | Self::NotEncrypted | Self::Transport => 302,
            Self::NoCommonSuite | Self::KeysInClear | Self::NoHandshake => 306,
            Self::NoAddress | Self::AddressFamily | Self::NoPath => 301,
            _ => 399,
        }
    }
}
