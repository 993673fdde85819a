//! The names in a certificate, and whether one of them is a SIP domain's (RFC 5922 §7).

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// The subject alternative names of a certificate. What stands in its subject (CN) is not looked at: RFC 5922 §7.1 allows
/// it only where there are no others, and no authority issues such certificates any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Hosts of `sip:` URIs without a user, in lower case.
    sip: Vec<String>,
    /// Host names, in lower case; `*.` at the front of some.
    dns: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Names {
    /// Reads them.
    pub fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut names = Self::default();
        let found = certificate.subject_alternative_name().ok().flatten();
        for name in found.iter().flat_map(|found| &found.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.dns.push(name.to_ascii_lowercase()),
                GeneralName::URI(uri) => names.sip.extend(sip_domain(uri)),
                GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        names
    }

    /// RFC 5922 §7.2: whether the certificate speaks for a SIP domain. Its `sip:` URIs count alone if it has any, else its
    /// host names; exactly, and never by a wildcard.
    pub fn speak_for(&self, domain: &str) -> bool {
        let names = if self.sip.is_empty() { &self.dns } else { &self.sip };
        names.iter().any(|name| name.eq_ignore_ascii_case(domain))
    }

    /// Whether a client that asks for this host name would take the certificate (RFC 6125 §6.4.3).
    pub fn serve(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let under = host.split_once('.').map(|(_, rest)| rest);
        self.dns.iter().any(|name| *name == host || (under.is_some() && name.strip_prefix("*.") == under))
    }

    /// Whether it holds this name or address, as an operator writes it.
    pub fn hold(&self, text: &str) -> bool {
        match text.parse::<IpAddr>() {
            Ok(address) => self.addresses.contains(&address),
            Err(_) => self.dns.iter().any(|name| name.eq_ignore_ascii_case(text)),
        }
    }
}

/// RFC 5922 §7.1: the host of a `sip:` URI, unless it has a user; `sips:` is not looked at.
fn sip_domain(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let host = rest.split([';', '?']).next().unwrap_or_default();
    let bare = scheme.eq_ignore_ascii_case("sip") && !host.is_empty() && !host.contains('@');
    // A port is no part of a domain's name.
    let host =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host);
    bare.then(|| host.to_ascii_lowercase())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

#[cfg(test)]
mod tests {
    use super::{Names, sip_domain};

    fn names(sip: &[&str], dns: &[&str]) -> Names {
        let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Names { sip: owned(sip), dns: owned(dns), addresses: vec!["127.0.0.1".parse().expect("an address")] }
    }

    #[test]
    fn who_speaks_for_a_domain() {
        for (sip, dns, domain, speaks) in [
            (&[][..], &["carrier.example"][..], "carrier.example", true),
            (&[], &["carrier.example"], "Carrier.EXAMPLE", true),
            (&[], &["carrier.example"], "sip.carrier.example", false),
            (&[], &["*.carrier.example"], "sip.carrier.example", false),
            (&[], &["sip.carrier.example"], "carrier.example", false),
            (&["carrier.example"], &["other.example"], "carrier.example", true),
            (&["carrier.example"], &["other.example"], "other.example", false),
            (&[], &[], "carrier.example", false),
        ] {
            assert_eq!(names(sip, dns).speak_for(domain), speaks, "{sip:?} {dns:?} {domain}");
        }
    }

    #[test]
    fn which_hosts_a_certificate_serves() {
        let names = names(&[], &["sip.example.net", "*.desk.example.net"]);
        for (host, serves) in [
            ("sip.example.net", true),
            ("SIP.example.net", true),
            ("a.desk.example.net", true),
            ("a.b.desk.example.net", false),
            ("desk.example.net", false),
            ("example.net", false),
        ] {
            assert_eq!(names.serve(host), serves, "{host}");
        }
        assert!(names.hold("127.0.0.1") && names.hold("sip.example.net"));
        assert!(!names.hold("127.0.0.2") && !names.hold("b.desk.example.net"));
    }

    #[test]
    fn domains_of_uris() {
        for (uri, domain) in [
            ("sip:carrier.example", Some("carrier.example")),
            ("SIP:Carrier.example;lr", Some("carrier.example")),
            ("sip:carrier.example:5061", Some("carrier.example")),
            ("sip:alice@carrier.example", None),
            ("sips:carrier.example", None),
            ("https://carrier.example", None),
            ("sip:", None),
            ("carrier.example", None),
        ] {
            assert_eq!(sip_domain(uri).as_deref(), domain, "{uri}");
        }
    }
}
