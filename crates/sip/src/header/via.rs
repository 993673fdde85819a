//! Via: where a request came from and where its answer goes (RFC 3261 §18.2, §20.42, RFC 3581).

use std::net::{IpAddr, SocketAddr};

use crate::chars::{TOKEN, cut, cut_before, run, token, trim};
use crate::fault::Fault;
use crate::uri::{HostRef, Params, host_port, plain_host_port};

/// The start of every branch that RFC 3261 §8.1.1.7 makes unique.
const MAGIC_COOKIE: &str = "z9hG4bK";

/// One hop of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// The transport as written: `UDP`, `TCP`, `TLS` or another token.
    pub transport: &'a str,
    /// The host that sent.
    pub host: HostRef<'a>,
    /// The port that sent, if one is written.
    pub port: Option<u16>,
    /// All parameters.
    pub params: Params<'a>,
}

/// Where an answer goes by its Via.
pub type ViaHost<'a> = (HostRef<'a>, Option<u16>);

const BAD: Fault = Fault::Value { header: "Via" };

impl<'a> Via<'a> {
    /// Reads one Via. White space may stand around each `/` and around the colon (RFC 3261 §25.1).
    ///
    /// # Errors
    /// [`Fault::Value`] if it does not follow the grammar.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        Self::parse_plain(text).map_or_else(|| Self::parse_any(text), Ok)
    }

    /// One as nearly all are written, in one pass; none if it is another.
    fn parse_plain(text: &'a str) -> Option<Self> {
        let (transport, rest) = run(text.strip_prefix("SIP/2.0/")?, TOKEN);
        let (host, port, params) = plain_host_port(rest.strip_prefix(' ')?)?;
        let params = Params(params);
        let sound = !transport.is_empty() && params.is_plain();
        sound.then_some(Self { transport, host, port, params })
    }

    /// By the whole grammar.
    fn parse_any(text: &'a str) -> Result<Self, Fault> {
        let (name, rest) = cut(text, b'/').ok_or(BAD)?;
        let (version, rest) = cut(rest, b'/').ok_or(BAD)?;
        if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
            return Err(BAD);
        }
        let rest = trim(rest);
        let (transport, rest) = cut(rest, b' ').or_else(|| cut(rest, b'\t')).ok_or(BAD)?;
        let (sent_by, params) = cut_before(rest, b';');
        let (host, port) = host_port(trim(sent_by)).map_err(|_| BAD)?;
        let via = Self { transport, host, port, params: Params(params) };
        if token(transport) && via.params.well_formed() { Ok(via) } else { Err(BAD) }
    }

    /// The `branch` as written.
    #[must_use]
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch").flatten()
    }

    /// The branch, if it follows RFC 3261 §8.1.1.7: the cookie and something after it (RFC 4475 §3.1.2.19).
    #[must_use]
    pub fn unique_branch(&self) -> Option<&'a str> {
        self.branch().filter(|branch| branch.len() > MAGIC_COOKIE.len() && branch.starts_with(MAGIC_COOKIE))
    }

    /// The `received` address (RFC 3261 §18.2.1). IPv6 is taken with and without brackets.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let value = self.params.get("received").flatten()?;
        let bare = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value);
        bare.parse().ok()
    }

    /// `rport`: `Some(None)` asks for the port, `Some(Some(_))` tells it (RFC 3581 §3).
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|value| value.and_then(|port| port.parse().ok()))
    }

    /// Where an answer goes over an unreliable transport: maddr, else received and rport, else sent-by
    /// (RFC 3261 §18.2.2, RFC 3581 §4). None for the port means the transport's own.
    #[must_use]
    pub fn answer_to(&self) -> ViaHost<'a> {
        if let Some(Ok((maddr, _))) = self.params.get("maddr").flatten().map(host_port) {
            return (maddr, self.port);
        }
        let host = self.received().map_or(self.host, HostRef::Ip);
        match (self.received(), self.rport()) {
            (Some(_), Some(Some(rport))) => (host, Some(rport)),
            _ => (host, self.port),
        }
    }
}

/// The Via with `received` and `rport` telling the truth about where the request came from.
///
/// `received` is added if sent-by is another host than the source, or whenever `rport` was asked for
/// (RFC 3261 §18.2.1, RFC 3581 §4); what the sender wrote there itself is dropped.
///
/// # Errors
/// [`Fault::Value`] if `text` is no Via.
pub fn stamp(text: &str, source: SocketAddr) -> Result<String, Fault> {
    let via = Via::parse(text)?;
    let mut out = trim(cut_before(text, b';').0).to_owned();
    let asked = via.params.has("rport");
    for (name, value) in via.params.iter() {
        if name.eq_ignore_ascii_case("received") || name.eq_ignore_ascii_case("rport") {
            continue;
        }
        out.push(';');
        out.push_str(name);
        if let Some(value) = value {
            out.push('=');
            out.push_str(value);
        }
    }
    let ip = source.ip().to_canonical();
    if asked || via.host != HostRef::Ip(ip) {
        out.push_str(&format!(";received={ip}"));
    }
    if asked {
        out.push_str(&format!(";rport={}", source.port()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Via, stamp};
    use crate::uri::HostRef;

    #[test]
    fn white_space_ipv6_and_odd_transports() {
        let via =
            Via::parse("SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8").unwrap();
        assert_eq!((via.transport, via.host, via.port), ("TCP", HostRef::Name("spindle.example.com"), None));
        assert_eq!(via.unique_branch(), Some("z9hG4bK9ikj8"));
        let via = Via::parse("SIP/2.0/UNKNOWN [2001:db8::9]:5061;received=[2001:db8::1];rport=99").unwrap();
        assert_eq!(via.answer_to(), (HostRef::Ip("2001:db8::1".parse().unwrap()), Some(99)));
        assert_eq!(Via::parse("SIP/2.0/UDP h;branch=z9hG4bK").unwrap().unique_branch(), None);
        assert_eq!(Via::parse("SIP/2.0/UDP h:5070;maddr=192.0.2.9").unwrap().answer_to().1, Some(5070));
    }

    proptest! {
        #[test]
        fn what_is_read_in_one_pass_is_what_the_grammar_says(
            text in "SIP/2.0/(UDP|T-P|) ?([a1.-]{1,3}|192\\.0\\.2\\.1|\\[::1\\])( ?:[0-9 ]{0,6})?([;=a1\" ,]{0,6})?"
        ) {
            if let Some(via) = Via::parse_plain(&text) {
                prop_assert_eq!(Ok(via), Via::parse_any(&text));
            }
        }
    }

    #[test]
    fn what_is_no_via_is_refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/3.0/UDP h",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP h:0x1",
            "HTTP/2.0/UDP h",
            "SIP/2.0/U P h",
        ] {
            assert!(Via::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_source_is_stamped_as_it_is() {
        let source = "192.0.2.7:40000".parse().unwrap();
        for (text, stamped) in [
            ("SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKa", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKa"),
            ("SIP/2.0/UDP h;branch=z9hG4bKa", "SIP/2.0/UDP h;branch=z9hG4bKa;received=192.0.2.7"),
            (
                "SIP/2.0/UDP 192.0.2.7;rport;branch=z9hG4bKa",
                "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKa;received=192.0.2.7;rport=40000",
            ),
            ("SIP/2.0/UDP h ;received=10.0.0.1;rport=1 ;x", "SIP/2.0/UDP h;x;received=192.0.2.7;rport=40000"),
        ] {
            assert_eq!(stamp(text, source).as_deref(), Ok(stamped));
        }
    }
}
