//! Challenges and credentials: a scheme and its `name=value` list (RFC 3261 §20.7, §20.44, §25.1, RFC 7616 §3.3, §3.4).

use std::borrow::Cow;

use crate::chars::{quoted_end, token, trim, unquote};
use crate::fault::Fault;
use crate::wire::elements;

/// The most parameters of a challenge or of credentials: RFC 7616 knows twelve.
pub const MAX_AUTH_PARAMS: usize = 32;

/// The value of WWW-Authenticate, Proxy-Authenticate, Authorization or Proxy-Authorization.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Auth<'a> {
    /// `Digest`, or a scheme that is not spoken here.
    pub scheme: &'a str,
    params: &'a str,
}

impl std::fmt::Debug for Auth<'_> {
    /// Without the parameters: they name a user.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Auth({})", self.scheme)
    }
}

impl<'a> Auth<'a> {
    /// Reads the value of one such header.
    ///
    /// # Errors
    /// [`Fault::Value`] if it is not a scheme, or for `Digest` not a list of parameters each named once.
    pub fn parse(header: &'static str, text: &'a str) -> Result<Self, Fault> {
        let bad = Fault::Value { header };
        let text = trim(text);
        let (scheme, params) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        if !token(scheme) {
            return Err(bad);
        }
        let auth = Self { scheme, params };
        if !auth.is_digest() {
            return Ok(auth);
        }
        let mut names: Vec<&str> = Vec::with_capacity(12);
        for element in elements(params) {
            let (name, value) = element.ok().and_then(|one| one.split_once('=')).ok_or(bad)?;
            let (name, value) = (trim(name), trim(value));
            let quoted_whole = !value.starts_with('"') || quoted_end(value) == Ok(value.len());
            // A parameter that is there twice could be read one way here and another way elsewhere.
            let repeated = names.iter().any(|seen| seen.eq_ignore_ascii_case(name));
            if !token(name) || value.is_empty() || !quoted_whole || repeated || names.len() == MAX_AUTH_PARAMS
            {
                return Err(bad);
            }
            names.push(name);
        }
        Ok(auth)
    }

    /// Whether this is the scheme of RFC 7616.
    #[must_use]
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// A parameter's value, without quotes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        elements(self.params)
            .flatten()
            .filter_map(|one| one.split_once('='))
            .find(|(found, _)| trim(found).eq_ignore_ascii_case(name))
            .map(|(_, value)| unquote(trim(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::Auth;

    #[test]
    fn commas_in_quotes_and_odd_spacing() {
        let auth =
            Auth::parse("x", "dIgEsT realm = \"a, \\\"b\\\"\" ,nonce=\"=x=\",qop=\"auth,auth-int\"").unwrap();
        assert!(auth.is_digest());
        assert_eq!(auth.get("Realm").as_deref(), Some("a, \"b\""));
        assert_eq!(auth.get("nonce").as_deref(), Some("=x="));
        assert_eq!(auth.get("qop").as_deref(), Some("auth,auth-int"));
        assert_eq!(auth.get("opaque"), None);
    }

    #[test]
    fn broken_lists_are_refused_and_foreign_schemes_left_alone() {
        for bad in
            ["", "Digest", "Digest a", "Digest a=\"b", "Digest a=1,a=2", "Digest a=\"b\"c", "Digest =x"]
        {
            assert!(Auth::parse("x", bad).is_err(), "{bad:?}");
        }
        let many: Vec<_> = (0..=super::MAX_AUTH_PARAMS).map(|n| format!("a{n}=1")).collect();
        assert!(Auth::parse("x", &format!("Digest {}", many.join(","))).is_err());
        assert!(Auth::parse("x", &format!("Digest {}", many[1..].join(","))).is_ok());
        assert!(!Auth::parse("x", "NoOneKnowsThisScheme opaque-data=here").unwrap().is_digest());
    }
}
