//! Digest authentication, both sides (RFC 7616, RFC 8760; RFC 2617 for MD5; RFC 3261 §22).
//!
//! [`Gate`] challenges and checks; [`Answerer`] answers a challenge. Passwords are not kept: [`Ha1`] is what is stored.
//! `qop=auth` only: a challenge that insists on `auth-int` is refused.

mod client;
mod hash;
mod nonces;
mod server;

pub use client::{Answerer, Challenge};
pub use hash::{Algorithm, Ha1};
pub use nonces::{Freshness, MAX_NONCES, NonceBook};
pub use server::{Credentials, Gate, Verdict};

/// Why a challenge or credentials cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The header does not follow its grammar.
    #[error("the credentials or the challenge cannot be read")]
    Malformed,
    /// Not the Digest scheme.
    #[error("only Digest is spoken here")]
    Scheme,
    /// Neither MD5 nor SHA-256.
    #[error("only MD5 and SHA-256 are spoken here")]
    Algorithm,
    /// Only `auth-int`, or nothing, is offered or used.
    #[error("only qop=auth is spoken here")]
    Qop,
    /// A nonce was used for 2³²−1 requests.
    #[error("the nonce is used up")]
    CountUsedUp,
}
