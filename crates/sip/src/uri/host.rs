//! Hosts and ports, still borrowing their text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::{memchr, memchr2};

use super::Host;
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
        && let Some(v4) = ipv4(text)
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

/// Four numbers up to 255 without leading zeros.
pub(super) fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut rest = text.as_bytes();
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        (*octet, rest) = number(rest)?;
    }
    rest.is_empty().then(|| octets.into())
}

fn number(text: &[u8]) -> Option<(u8, &[u8])> {
    let mut value = 0_u16;
    let mut rest = text;
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        if rest.len() < text.len() && value == 0 {
            return None;
        }
        value = value * 10 + u16::from(digit - b'0');
        if value > 255 {
            return None;
        }
        rest = after;
    }
    (rest.len() < text.len()).then_some((u8::try_from(value).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::{HostRef, host_port, ipv4};

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

    proptest! {
        #[test]
        fn addresses_are_the_librarys(text in "([0-9]{1,4}\\.){2,4}[0-9a ]{0,4}|[0-2][0-9]{0,2}(\\.[0-2]?[0-9]{1,2}){3}") {
            prop_assert_eq!(ipv4(&text), text.parse::<Ipv4Addr>().ok());
        }
    }
}
