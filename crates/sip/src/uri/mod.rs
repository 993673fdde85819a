//! Addresses: `sip:`, `sips:` and `tel:` URIs, and the name-addr that wraps them (RFC 3261 §19.1, §20.10, RFC 3966).
//!
//! [`Parts`] and [`Address`] borrow from the message and cost one scan; [`Uri`] and [`NameAddr`] own their text and can
//! be built and printed. Nothing here resolves a host name.

mod address;
mod compare;
mod convert;
mod escape;
mod grammar;
mod host;
mod params;
mod parts;
mod plain;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

pub use address::{Address, NameAddr};
pub use escape::{decode, encode_user};
pub use host::HostRef;
pub(crate) use host::host_port;
pub use params::{Param, Params};
pub use parts::Parts;
pub(crate) use plain::host_port as plain_host_port;

use crate::fault::Fault;

/// A URI's scheme.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`, a telephone number without a host (RFC 3966).
    Tel,
    /// Any other, in lower case. Its URI is kept, never followed: a request to one is answered 416.
    Other(String),
}

impl Scheme {
    /// The scheme as it is written before the colon.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Tel => "tel",
            Self::Other(name) => name,
        }
    }
}

/// A host: a name to be resolved, or an address. Prints IPv6 addresses in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, as written.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(v4)) => fmt::Display::fmt(v4, f),
            Self::Ip(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

/// A URI that owns its text. Equality is by text; [`Uri::same_as`] is the comparison of RFC 3261 §19.1.4.
///
/// ```text
/// sip:user:password@host:port;params?headers        tel:number;params        scheme:opaque
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    /// What kind of URI.
    pub scheme: Scheme,
    /// The user part with its escapes, or the number of a `tel:` URI with its visual separators.
    pub user: Option<String>,
    /// The deprecated password, with its escapes.
    pub password: Option<String>,
    /// The host; none in a `tel:` or foreign URI.
    pub host: Option<Host>,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// Parameters in their order, with their escapes.
    pub params: Vec<Param>,
    /// What follows `?`, with its escapes; everything after the colon of a foreign URI.
    pub rest: Option<String>,
}

impl Uri {
    /// A `sip:` URI. The user part is escaped as needed.
    #[must_use]
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: user.map(encode_user),
            password: None,
            host: Some(host),
            port,
            params: Vec::new(),
            rest: None,
        }
    }

    /// Reads a URI.
    ///
    /// # Errors
    /// [`Fault::Uri`] if it does not follow the grammar of its scheme.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        Parts::parse(text).map(|parts| parts.to_uri())
    }

    /// The same URI with one more parameter.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.push(Param { name: name.to_owned(), value: value.map(str::to_owned) });
        self
    }

    /// The parameter of this name: `Some(None)` if it has no value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        self.params.iter().find(|p| p.name.eq_ignore_ascii_case(name)).map(|p| p.value.as_deref())
    }

    /// The `transport` parameter.
    #[must_use]
    pub fn transport(&self) -> Option<&str> {
        self.param("transport").flatten()
    }

    /// Whether the URI belongs to a loose router (RFC 3261 §19.1.1, `lr`), whatever value the parameter has.
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.param("lr").is_some()
    }

    /// Whether the user part is a telephone number: `tel:` or `;user=phone` (RFC 3261 §19.1.6).
    #[must_use]
    pub fn is_phone(&self) -> bool {
        self.scheme == Scheme::Tel
            || self.param("user").flatten().is_some_and(|value| value.eq_ignore_ascii_case("phone"))
    }

    /// The user part without escapes.
    #[must_use]
    pub fn user_decoded(&self) -> Option<String> {
        self.user.as_deref().map(|user| decode(user).into_owned())
    }

    /// The URI without headers, fit for a request line (RFC 3261 §19.1.1, table 1).
    #[must_use]
    pub fn without_headers(mut self) -> Self {
        if matches!(self.scheme, Scheme::Sip | Scheme::Sips) {
            self.rest = None;
        }
        self
    }
}

impl FromStr for Uri {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::parse(text)
    }
}

impl fmt::Debug for Uri {
    /// Without the user part, the parameters and whatever a foreign scheme has: they name people. `Display` prints all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:‹redacted›", self.scheme.as_str())?;
        self.host.as_ref().map_or(Ok(()), |host| write!(f, "@{host}"))
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme.as_str())?;
        f.write_str(":")?;
        if let Scheme::Other(_) = self.scheme {
            return f.write_str(self.rest.as_deref().unwrap_or_default());
        }
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                f.write_str(":")?;
                f.write_str(password)?;
            }
        }
        if let Some(host) = &self.host {
            if self.user.is_some() {
                f.write_str("@")?;
            }
            fmt::Display::fmt(host, f)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        for param in &self.params {
            f.write_str(";")?;
            fmt::Display::fmt(param, f)?;
        }
        self.rest.as_ref().map_or(Ok(()), |headers| write!(f, "?{headers}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, Scheme, Uri};

    #[test]
    fn every_shape_prints_as_it_was_read() {
        for text in [
            "sip:alice@example.com",
            "sips:alice:secret@example.com:5061;transport=tcp;lr",
            "sip:+493023125001@[2001:db8::9:1]:5060;user=phone",
            "sip:[2001:db8::1]",
            "sip:192.0.2.1:5060;maddr=224.0.0.1;ttl=15",
            "sip:user;par=u%40example.net@example.com",
            "sip:a%20b@example.com?Route=%3Csip:x%3E&b=c",
            "tel:+49-30-23125-001;phone-context=+49",
            "tel:7042;phone-context=example.com",
            "soap.beep:some/thing",
        ] {
            assert_eq!(Uri::parse(text).map(|uri| uri.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in [
            "",
            "sip:",
            "sip",
            ":x",
            "sip:a@",
            "sip:@example.com",
            "sip:a@b@c",
            "sip:a b@c",
            "sip:a@c:99999",
            "sip:a@c:",
            "sip:a@[::1",
            "sip:a@[::zz]",
            "sip:a@[::1]x",
            "sip:a@c;;lr",
            "sip:a@c;=x",
            "sip:a%4@c",
            "sip:a%zz@c",
            "tel:",
            "tel:alice",
            "tel:+",
            "<sip:a@b>",
            "sip:a@b\r\nX: y",
        ] {
            assert!(Uri::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_debug_print_names_nobody() {
        for text in
            ["sip:+493023125001:x@example.com;a=30?b=30", "tel:+493023125001", "mailto:erika@example.com"]
        {
            let uri = Uri::parse(text).unwrap();
            let address = crate::uri::NameAddr::new(uri.clone()).with_display("erika").with_tag("30");
            let text = address.to_string();
            let borrowed = crate::uri::Address::parse(&text).unwrap();
            let printed =
                format!("{uri:?} {address:?} {borrowed:?} {:?} {:?}", borrowed.uri, borrowed.params);
            assert!(!printed.contains("30") && !printed.contains("erika"), "{printed}");
        }
    }

    #[test]
    fn a_user_part_is_escaped_when_built_and_plain_when_asked_for() {
        let uri = Uri::sip(Some("a b@#;"), Host::Name("example.com".into()), None);
        assert_eq!(uri.to_string(), "sip:a%20b%40%23;@example.com");
        assert_eq!(uri.user_decoded().as_deref(), Some("a b@#;"));
        assert_eq!(uri.scheme, Scheme::Sip);
    }
}
