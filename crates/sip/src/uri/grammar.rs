//! The grammar of URIs, checked while they are split.

use memchr::memchr;

use super::escape::well_escaped;
use super::host::host_port;
use super::{Params, Parts, plain};
use crate::chars::{cut, cut_before, uri_bytes, user_bytes};
use crate::fault::Fault;

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

#[cfg(test)]
mod tests {
    use crate::uri::{HostRef, Parts};

    #[test]
    fn a_user_part_may_hold_what_looks_like_params() {
        let parts = Parts::parse("sip:user;par=u%40example.net@example.com;lr").unwrap();
        assert_eq!(parts.user, Some("user;par=u%40example.net"));
        assert_eq!(parts.host, Some(HostRef::Name("example.com")));
        assert!(parts.params.has("LR"));
    }
}
