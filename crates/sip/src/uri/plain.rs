//! What nearly every message holds, read in one pass: hosts, and `sip:` URIs without escapes, passwords and headers.
//!
//! Whatever is written in another way is no fault here: it is none, and the whole grammar's to judge.

use super::host::{HostRef, ipv4};
use super::{Params, Parts};
use crate::chars::{DIALLED, HOST, PARAM, run};

/// The URI whose text follows `sip:`.
pub(super) fn sip(text: &str) -> Option<Parts<'_>> {
    let (user, after) = run(text, DIALLED);
    let (user, address) = match after.as_bytes().first() {
        Some(b'@') if !user.is_empty() => (Some(user), after.get(1..)?),
        None => (None, text),
        Some(_) => return None,
    };
    let (host, port, rest) = host_port(address)?;
    let params = Params(params(rest)?);
    Some(Parts { scheme: "sip", user, password: None, host: Some(host), port, params, rest: None })
}

/// A host, the port after its colon, and what follows.
pub(crate) fn host_port(text: &str) -> Option<(HostRef<'_>, Option<u16>, &str)> {
    let (name, after) = run(text, HOST);
    let host = match name.as_bytes().first()? {
        b'0'..=b'9' => HostRef::Ip(ipv4(name)?.into()),
        _ => HostRef::Name(name),
    };
    let Some(after) = after.strip_prefix(':') else { return Some((host, None, after)) };
    let end = after.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(after.len());
    let (port, rest) = after.split_at_checked(end)?;
    // An empty one parses as little as one that is too large.
    Some((host, Some(port.parse().ok()?), rest))
}

/// The same text, if every parameter has a name, and a value where there is an equals sign.
fn params(text: &str) -> Option<&str> {
    let mut rest = text;
    while !rest.is_empty() {
        rest = run_of_some(rest.strip_prefix(';')?)?;
        if let Some(value) = rest.strip_prefix('=') {
            rest = run_of_some(value)?;
        }
    }
    Some(text)
}

/// What follows a name or a value that is not empty.
fn run_of_some(text: &str) -> Option<&str> {
    let (some, after) = run(text, PARAM);
    (!some.is_empty()).then_some(after)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sip;
    use crate::uri::Parts;

    #[test]
    fn the_usual_is_read_in_one_pass() {
        for text in [
            "+493023125100@192.0.2.10:5060;user=phone",
            "192.0.2.1;lr",
            "tel.example.net",
            "**21*030#@a_b-c.example;x;transport=tcp",
        ] {
            assert!(sip(text).is_some(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_in_one_pass_is_what_the_grammar_says(
            text in "([a1+;=?#%]{0,3}(:[a1])?@)?[a1.-]{0,3}(\\[::1\\])?([:][0-9 ]{0,6})?([;=?@%a1\" ]{0,6})?"
        ) {
            let whole = format!("sip:{text}");
            if let Some(parts) = sip(&text) {
                prop_assert_eq!(Some(parts), Parts::parse_any(&whole).ok());
            }
        }
    }
}
