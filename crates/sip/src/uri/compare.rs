//! When two URIs are the same (RFC 3261 §19.1.4, RFC 3966 §4).

use super::escape::normal;
use super::{Host, Scheme, Uri};

/// Parameters that never match if only one URI has them (RFC 3261 §19.1.4; its examples add `transport`).
const TELLING: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

impl Uri {
    /// Whether both URIs name the same resource.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        if self == other {
            // Also a URI that names a parameter twice, which nothing else could match.
            return true;
        }
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Other(_) => self.rest == other.rest,
            Scheme::Tel => same_number(self, other) && same_tel_params(self, other),
            Scheme::Sip | Scheme::Sips => {
                same_escaped(self.user.as_deref(), other.user.as_deref())
                    && same_escaped(self.password.as_deref(), other.password.as_deref())
                    && same_host(self.host.as_ref(), other.host.as_ref())
                    && self.port == other.port
                    && params_agree(self, other)
                    && params_agree(other, self)
                    && same_headers(self.rest.as_deref(), other.rest.as_deref())
            }
        }
    }
}

fn same_escaped(a: Option<&str>, b: Option<&str>) -> bool {
    a.map(normal) == b.map(normal)
}

fn same_host(a: Option<&Host>, b: Option<&Host>) -> bool {
    match (a, b) {
        (Some(Host::Name(a)), Some(Host::Name(b))) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    }
}

/// Each of `a`'s parameters has its like in `b`, or is one that may be missing there.
fn params_agree(a: &Uri, b: &Uri) -> bool {
    a.params.iter().all(|param| match b.param(&param.name) {
        Some(value) => same_value(param.value.as_deref(), value),
        None => !TELLING.iter().any(|name| param.name.eq_ignore_ascii_case(name)),
    })
}

fn same_value(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => normal(a).eq_ignore_ascii_case(&normal(b)),
        (a, b) => a == b,
    }
}

/// URI headers are never ignored; their order does not count.
fn same_headers(a: Option<&str>, b: Option<&str>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return a == b };
    let sorted = |text: &str| {
        let mut all: Vec<_> = text.split('&').map(|one| normal(one).into_owned()).collect();
        all.sort();
        all
    };
    sorted(a) == sorted(b)
}

fn same_number(a: &Uri, b: &Uri) -> bool {
    let digits = |uri: &Uri| {
        let text = uri.user.as_deref().unwrap_or_default();
        text.chars()
            .filter(|c| !matches!(c, '-' | '.' | '(' | ')'))
            .map(|c| c.to_ascii_lowercase())
            .collect::<String>()
    };
    digits(a) == digits(b)
}

/// RFC 3966 §4: every parameter counts.
fn same_tel_params(a: &Uri, b: &Uri) -> bool {
    a.params.len() == b.params.len()
        && a.params
            .iter()
            .all(|p| b.param(&p.name).is_some_and(|value| same_value(p.value.as_deref(), value)))
}

#[cfg(test)]
mod tests {
    use crate::uri::Uri;

    fn same(a: &str, b: &str) -> bool {
        let (a, b) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
        assert_eq!(a.same_as(&b), b.same_as(&a), "comparison is symmetric");
        a.same_as(&b)
    }

    /// The equivalent pairs of RFC 3261 §19.1.4.
    #[test]
    fn equivalent() {
        for (a, b) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a;t;t=0", "sip:a;t;t=0"),
            ("sip:a@[2001:db8:0:0::1]", "sip:a@[2001:db8::1]"),
            ("tel:+49-30-23125-001", "TEL:+4930(23125)001"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
    }

    /// The pairs of RFC 3261 §19.1.4 that are not.
    #[test]
    fn not_equivalent() {
        for (a, b) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@b", "sips:a@b"),
            ("tel:7042;phone-context=+49", "tel:7042;phone-context=+43"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
