//! The route set of a request (RFC 3261 §12.2.1.1).

use crate::uri::{NameAddr, Uri};

/// The Request-URI and the Route headers for a target and a route set.
pub(crate) fn applied(target: &Uri, routes: &[NameAddr]) -> (Uri, Vec<NameAddr>) {
    match routes.split_first() {
        // A strict router: it wants itself in the Request-URI, and the target at the end of the list.
        Some((first, rest)) if !first.uri.is_loose_router() => {
            let mut shifted = rest.to_vec();
            shifted.push(NameAddr::new(target.clone()));
            (first.uri.clone().without_headers(), shifted)
        }
        _ => (target.clone().without_headers(), routes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::applied;
    use crate::uri::{NameAddr, Uri};

    fn routes(texts: &[&str]) -> Vec<NameAddr> {
        texts.iter().map(|text| NameAddr::parse(text).unwrap()).collect()
    }

    #[test]
    fn section_12_2_1_1_loose_and_strict_routes() {
        let target = Uri::parse("sip:anna@192.0.2.9").unwrap();
        let cases: [(&[&str], &str, &[&str]); 3] = [
            (&[], "sip:anna@192.0.2.9", &[]),
            (&["<sip:p1;lr>", "<sip:p2>"], "sip:anna@192.0.2.9", &["<sip:p1;lr>", "<sip:p2>"]),
            (&["<sip:p1>", "<sip:p2;lr>"], "sip:p1", &["<sip:p2;lr>", "<sip:anna@192.0.2.9>"]),
        ];
        for (set, uri, route) in cases {
            let (got_uri, got_routes) = applied(&target, &routes(set));
            assert_eq!(got_uri.to_string(), uri);
            assert_eq!(got_routes.iter().map(ToString::to_string).collect::<Vec<_>>(), route);
        }
    }
}
