//! What can be wrong with the text of a message.
//!
//! A fault names the place and the limit, never the text itself: headers carry names and telephone numbers.

use rsip::StatusCode;

/// One thing that is wrong with a message or with a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More bytes than we read of this part.
    #[error("{part} has more than {limit} bytes")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// More elements than we keep of this kind.
    #[error("more than {limit} of {part}")]
    TooMany {
        /// Of what.
        part: &'static str,
        /// The most that is kept.
        limit: usize,
    },
    /// Neither a request line nor a status line (RFC 3261 §7.1, §7.2).
    #[error("the first line is neither a request line nor a status line")]
    StartLine,
    /// The Request-URI is not a URI, or carries headers (RFC 3261 §19.1.5).
    #[error("the Request-URI cannot be read")]
    RequestUri,
    /// Not SIP/2.0 (RFC 3261 §7.1).
    #[error("only SIP/2.0 is spoken here")]
    Version,
    /// A status code outside 100 to 699 (RFC 3261 §7.2).
    #[error("the status code is not between 100 and 699")]
    StatusCode,
    /// A CR or LF that is not part of a CRLF (RFC 3261 §7).
    #[error("a line does not end with CRLF")]
    LineEnding,
    /// No empty line after the headers (RFC 3261 §7).
    #[error("no empty line follows the headers")]
    NoBlankLine,
    /// A header line without a name and a colon (RFC 3261 §7.3.1).
    #[error("a header line has no name")]
    HeaderName,
    /// A control character where text belongs (RFC 3261 §25.1).
    #[error("{header} contains a control character")]
    Control {
        /// In which header.
        header: &'static str,
    },
    /// A header that must be there is not (RFC 3261 §8.1.1, §20).
    #[error("{header} is missing")]
    Missing {
        /// Which.
        header: &'static str,
    },
    /// A header that may be there once is there twice (RFC 3261 §7.3.1).
    #[error("{header} occurs more than once")]
    Duplicate {
        /// Which.
        header: &'static str,
    },
    /// A header's value does not follow its grammar (RFC 3261 §25.1).
    #[error("the value of {header} cannot be read")]
    Value {
        /// Of which header.
        header: &'static str,
    },
    /// A number outside what its header allows.
    #[error("the number in {header} is out of range")]
    Range {
        /// In which header.
        header: &'static str,
    },
    /// The method in CSeq is not the request's (RFC 3261 §8.1.1.5).
    #[error("CSeq names another method than the request line")]
    CSeqMethod,
    /// Fewer body bytes than Content-Length announces (RFC 3261 §18.3).
    #[error("Content-Length announces {announced} bytes, {present} are there")]
    BodyShort {
        /// By Content-Length, in bytes.
        announced: usize,
        /// In the datagram, in bytes.
        present: usize,
    },
    /// A URI does not follow its grammar (RFC 3261 §19.1.1, RFC 3966 §3).
    #[error("a URI cannot be read")]
    Uri,
    /// A quoted string does not end (RFC 3261 §25.1).
    #[error("a quoted string does not end")]
    Quote,
    /// A text to be sent contains what would end its line or its place (RFC 3261 §7.3.1).
    #[error("{part} contains a character that must not be sent there")]
    Unsendable {
        /// Which part of the message.
        part: &'static str,
    },
}

impl Fault {
    /// The status with which a request of this kind is refused.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Version => StatusCode::VersionNotSupported,
            Self::TooLong { part: "the Request-URI", .. } => StatusCode::RequestUriTooLong,
            Self::TooLong { part: "the body", .. } => StatusCode::RequestEntityTooLarge,
            Self::TooLong { .. } | Self::TooMany { .. } => StatusCode::MessageTooLarge,
            _ => StatusCode::BadRequest,
        }
    }
}
