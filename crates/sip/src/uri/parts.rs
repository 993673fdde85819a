//! A URI checked and split, still borrowing its text.

use std::fmt;

use super::host::HostRef;
use super::{Params, Scheme, Uri};

/// The parts of a URI whose grammar has been checked (RFC 3261 §25.1, RFC 3966 §3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The scheme as written.
    pub scheme: &'a str,
    /// The user part with escapes, or the number of a `tel:` URI.
    pub user: Option<&'a str>,
    /// The password, with escapes.
    pub password: Option<&'a str>,
    /// The host; none in a `tel:` or foreign URI.
    pub host: Option<HostRef<'a>>,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
    /// What follows `?`; everything after the colon of a foreign URI.
    pub rest: Option<&'a str>,
}

impl fmt::Debug for Parts<'_> {
    /// As [`Uri`] does: naming nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_uri(), f)
    }
}

impl Parts<'_> {
    /// The scheme, recognised.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self.scheme {
            s if s.eq_ignore_ascii_case("sip") => Scheme::Sip,
            s if s.eq_ignore_ascii_case("sips") => Scheme::Sips,
            s if s.eq_ignore_ascii_case("tel") => Scheme::Tel,
            s => Scheme::Other(s.to_ascii_lowercase()),
        }
    }

    /// The same URI, owned.
    #[must_use]
    pub fn to_uri(&self) -> Uri {
        Uri {
            scheme: self.scheme(),
            user: self.user.map(str::to_owned),
            password: self.password.map(str::to_owned),
            host: self.host.map(HostRef::to_host),
            port: self.port,
            params: self.params.to_vec(),
            rest: self.rest.map(str::to_owned),
        }
    }
}
