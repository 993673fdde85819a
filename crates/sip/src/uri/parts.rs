//! A URI checked and split, still borrowing its text.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use memchr::{memchr, memchr2};

use super::escape::well_escaped;
use super::{Host, Params, Scheme, Uri, plain};
use crate::chars::{cut, cut_before, uri_bytes, user_bytes};
use crate::fault::Fault;

/// A host that borrows its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRef<'a> {
    /// A domain name, as written.
    Name(&'a str),
    /// An address.
    Ip(IpAddr),
}

impl HostRef<'_> {
    /// The same host, owned.
    #[must_use]
    pub fn to_host(self) -> Host {
        match self {
            Self::Name(name) => Host::Name(name.to_owned()),
            Self::Ip(ip) => Host::Ip(ip),
        }
    }

    /// Whether both name the same host: names without regard to case.
    #[must_use]
    pub fn same_as(self, other: HostRef<'_>) -> bool {
        match (self, other) {
            (Self::Name(a), HostRef::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::Ip(a), HostRef::Ip(b)) => a == b,
            _ => false,
        }
    }
}

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

impl<'a> Parts<'a> {
    /// Splits and checks a URI.
    ///
    /// # Errors
    /// [`Fault::Uri`] if it does not follow the grammar of its scheme.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        match text.strip_prefix("sip:").and_then(plain::sip) {
            Some(parts) => Ok(parts),
            None => Self::parse_any(text),
        }
    }

    /// By the whole grammar.
    pub(super) fn parse_any(text: &'a str) -> Result<Self, Fault> {
        let colon = memchr(b':', text.as_bytes()).ok_or(Fault::Uri)?;
        let (scheme, rest) = (text.get(..colon), text.get(colon + 1..));
        let (Some(scheme), Some(rest)) = (scheme, rest) else { return Err(Fault::Uri) };
        if !is_scheme(scheme) || !uri_bytes(rest.as_bytes()) {
            return Err(Fault::Uri);
        }
        let blank = Self {
            scheme,
            user: None,
            password: None,
            host: None,
            port: None,
            params: Params::default(),
            rest: None,
        };
        if let [b's' | b'S', b'i' | b'I', b'p' | b'P']
        | [b's' | b'S', b'i' | b'I', b'p' | b'P', b's' | b'S'] = scheme.as_bytes()
        {
            blank.sip(rest, memchr(b'%', rest.as_bytes()).is_some())
        } else if scheme.eq_ignore_ascii_case("tel") {
            blank.tel(rest)
        } else if rest.is_empty() {
            Err(Fault::Uri)
        } else {
            Ok(Self { rest: Some(rest), ..blank })
        }
    }

    /// `escapes` says whether there are any.
    fn sip(mut self, text: &'a str, escapes: bool) -> Result<Self, Fault> {
        let host_on = match memchr(b'@', text.as_bytes()) {
            Some(at) => {
                let (userinfo, host_on) = text.split_at(at);
                self.userinfo(userinfo, escapes)?;
                host_on.get(1..).unwrap_or_default()
            }
            None => text,
        };
        let (address, headers) = match cut(host_on, b'?') {
            Some((address, headers)) => (address, Some(headers)),
            None => (host_on, None),
        };
        let (hostport, params) = cut_before(address, b';');
        (self.host, self.port) = host_port(hostport).map(|(host, port)| (Some(host), port))?;
        (self.params, self.rest) = (uri_params(params, escapes)?, headers);
        match headers {
            Some(headers) if headers.is_empty() || !well_escaped(headers) => Err(Fault::Uri),
            _ => Ok(self),
        }
    }

    /// RFC 3261 §25.1 `userinfo`.
    fn userinfo(&mut self, text: &'a str, escapes: bool) -> Result<(), Fault> {
        let (user, password) = match cut(text, b':') {
            Some((user, password)) => (user, Some(password)),
            None => (text, None),
        };
        let sound = !user.is_empty()
            && user_bytes(user)
            && password.is_none_or(user_bytes)
            && (!escapes || well_escaped(text));
        (self.user, self.password) = (Some(user), password);
        if sound { Ok(()) } else { Err(Fault::Uri) }
    }

    /// RFC 3966 §3: `+` and digits, or a local number of digits, `*`, `#` and A to F; visual separators anywhere.
    fn tel(mut self, text: &'a str) -> Result<Self, Fault> {
        let (number, params) = cut_before(text, b';');
        let digits = number.strip_prefix('+').unwrap_or(number);
        let global = digits.len() != number.len();
        let allowed = |b: u8| {
            b.is_ascii_digit()
                || matches!(b, b'-' | b'.' | b'(' | b')')
                || (!global && (matches!(b, b'*' | b'#') || b.is_ascii_hexdigit()))
        };
        if !digits.bytes().all(allowed)
            || !digits.bytes().any(|b| b.is_ascii_hexdigit() || b"*#".contains(&b))
        {
            return Err(Fault::Uri);
        }
        self.user = Some(number);
        self.params = uri_params(params, true)?;
        Ok(self)
    }

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

fn is_scheme(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn uri_params(text: &str, escapes: bool) -> Result<Params<'_>, Fault> {
    let named = |one: &str| match cut(one, b'=') {
        Some((name, value)) => !name.is_empty() && !value.is_empty(),
        None => !one.is_empty(),
    };
    let mut rest = text;
    let mut sound = !escapes || well_escaped(text);
    while let Some(after) = rest.strip_prefix(';') {
        let (one, next) = cut_before(after, b';');
        sound &= named(one);
        rest = next;
    }
    if sound { Ok(Params(text)) } else { Err(Fault::Uri) }
}

/// Splits and checks `host[:port]`; an IPv6 address stands in brackets (RFC 3261 §25.1 `hostport`).
pub(crate) fn host_port(text: &str) -> Result<(HostRef<'_>, Option<u16>), Fault> {
    let (host, after) = match text.strip_prefix('[') {
        Some(inner) => {
            let close = memchr(b']', inner.as_bytes()).ok_or(Fault::Uri)?;
            let (v6, after) = inner.split_at(close);
            let v6: Ipv6Addr = v6.parse().map_err(|_| Fault::Uri)?;
            (HostRef::Ip(v6.into()), after.get(1..).unwrap_or_default())
        }
        None => {
            let end = memchr2(b':', b' ', text.as_bytes()).unwrap_or(text.len());
            let (name, after) = text.split_at(end);
            (host_name(name)?, after)
        }
    };
    if after.is_empty() {
        return Ok((host, None));
    }
    // RFC 3261 §25.1 COLON allows white space around the colon of a Via's sent-by.
    let port = after.trim_start_matches([' ', '\t']).strip_prefix(':').ok_or(Fault::Uri)?;
    Ok((host, Some(port_number(port.trim_matches([' ', '\t']))?)))
}

fn host_name(text: &str) -> Result<HostRef<'_>, Fault> {
    if text.bytes().next().is_some_and(|b| b.is_ascii_digit())
        && let Some(v4) = plain::ipv4(text)
    {
        return Ok(HostRef::Ip(v4.into()));
    }
    // An underscore is no host name character, but names in private networks have it.
    let sound = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if sound { Ok(HostRef::Name(text)) } else { Err(Fault::Uri) }
}

fn port_number(text: &str) -> Result<u16, Fault> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Uri);
    }
    text.parse().map_err(|_| Fault::Uri)
}

#[cfg(test)]
mod tests {
    use super::{HostRef, Parts, host_port};

    #[test]
    fn a_user_part_may_hold_what_looks_like_params() {
        let parts = Parts::parse("sip:user;par=u%40example.net@example.com;lr").unwrap();
        assert_eq!(parts.user, Some("user;par=u%40example.net"));
        assert_eq!(parts.host, Some(HostRef::Name("example.com")));
        assert!(parts.params.has("LR"));
    }

    #[test]
    fn sent_by_may_have_space_around_its_colon() {
        assert_eq!(host_port("example.com : 5060"), Ok((HostRef::Name("example.com"), Some(5060))));
        assert_eq!(
            host_port("[2001:db8::1] :5061"),
            Ok((HostRef::Ip("2001:db8::1".parse().unwrap()), Some(5061)))
        );
        for bad in ["", ":5060", "a:b", "a b", "[::1", "1.2.3.4:70000", "a:+5"] {
            assert!(host_port(bad).is_err(), "{bad:?}");
        }
    }
}
