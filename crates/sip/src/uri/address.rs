//! `name-addr` and `addr-spec` with parameters, as From, To, Contact, Route, Diversion and others hold them.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

use super::{Param, Params, Parts, Uri};
use crate::chars::{cut_before, has_control, push_quoted, quoted_end, trim, unquote};
use crate::fault::Fault;

/// One address of a header, checked, borrowing its text (RFC 3261 §20.10, §20.20, §25.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    display: &'a str,
    /// The URI, checked and split.
    pub uri: Parts<'a>,
    /// The header's own parameters: those after `>`, or all if the URI is not in brackets.
    pub params: Params<'a>,
}

impl fmt::Debug for Address<'_> {
    /// Without the display name, and of the URI what its own `Debug` shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{:?}>", self.uri)
    }
}

impl<'a> Address<'a> {
    /// Reads one address.
    ///
    /// Spaces just inside the brackets and display names of non-token characters are taken (RFC 4475 §3.1.2.14, .15).
    ///
    /// # Errors
    /// [`Fault::Quote`] for an open quoted string, [`Fault::Uri`] for everything else.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        // No message holds one, but what is unescaped from a URI's headers may (RFC 3261 §19.1.5).
        if has_control(text.as_bytes(), [b'\t'; 2]) {
            return Err(Fault::Uri);
        }
        Self::parse_printable(text)
    }

    /// The same for a text that is known to have no control characters.
    pub(crate) fn parse_printable(text: &'a str) -> Result<Self, Fault> {
        let text = trim(text);
        let (display, after) = if text.starts_with('"') {
            let (display, after) = text.split_at_checked(quoted_end(text)?).ok_or(Fault::Quote)?;
            (display, trim(after))
        } else {
            let open = memchr(b'<', text.as_bytes()).unwrap_or(0);
            let (display, after) = text.split_at(open);
            (trim(display), after)
        };
        match after.strip_prefix('<') {
            Some(inner) => Self::bracketed(display, inner),
            None if display.is_empty() => Self::bare(after),
            None => Err(Fault::Uri),
        }
    }

    fn bracketed(display: &'a str, inner: &'a str) -> Result<Self, Fault> {
        let close = memchr(b'>', inner.as_bytes()).ok_or(Fault::Uri)?;
        let (uri, params) = inner.split_at(close);
        let params = Params(trim(params.get(1..).unwrap_or_default()));
        if !params.well_formed() {
            return Err(Fault::Uri);
        }
        Ok(Self { display, uri: Parts::parse(trim(uri))?, params })
    }

    /// RFC 3261 §20.10: without brackets every parameter is the header's, and the URI holds no comma, `?` or `;`.
    fn bare(text: &'a str) -> Result<Self, Fault> {
        let (uri, params) = cut_before(text, b';');
        let (uri, params) = (trim(uri), Params(params));
        if uri.bytes().any(|b| matches!(b, b'?' | b',')) || !params.well_formed() {
            return Err(Fault::Uri);
        }
        Ok(Self { display: "", uri: Parts::parse(uri)?, params })
    }

    /// The display name, without quotes; none if it is missing or empty.
    #[must_use]
    pub fn display(&self) -> Option<Cow<'a, str>> {
        Some(unquote(self.display)).filter(|name| !name.trim().is_empty())
    }

    /// The `tag` of a From or To (RFC 3261 §19.3).
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").flatten()
    }

    /// The same address, owned.
    #[must_use]
    pub fn to_name_addr(&self) -> NameAddr {
        NameAddr {
            display: self.display().map(Cow::into_owned),
            uri: self.uri.to_uri(),
            params: self.params.to_vec(),
        }
    }
}

/// An address that owns its text. Prints with brackets, and with its display name quoted.
#[derive(Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name, without quotes.
    pub display: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// The header's own parameters, in their order.
    pub params: Vec<Param>,
}

impl NameAddr {
    /// The bare address of a URI.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Vec::new() }
    }

    /// Reads one address.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn parse(text: &str) -> Result<Self, Fault> {
        Address::parse(text).map(|address| address.to_name_addr())
    }

    /// The same address with a display name.
    #[must_use]
    pub fn with_display(mut self, name: &str) -> Self {
        self.display = Some(name.to_owned());
        self
    }

    /// The same address with one more parameter; `value` is written as it stands.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.push(Param { name: name.to_owned(), value: value.map(str::to_owned) });
        self
    }

    /// The same address with this tag.
    #[must_use]
    pub fn with_tag(self, tag: &str) -> Self {
        self.with_param("tag", Some(tag))
    }

    /// The `tag` of a From or To.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.iter().find(|p| p.name.eq_ignore_ascii_case("tag")).and_then(|p| p.value.as_deref())
    }
}

impl fmt::Debug for NameAddr {
    /// Without the display name, and of the URI what its own `Debug` shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{:?}>", self.uri)
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display {
            let mut quoted = String::with_capacity(name.len() + 2);
            push_quoted(name, &mut quoted);
            quoted.push(' ');
            f.write_str(&quoted)?;
        }
        f.write_str("<")?;
        fmt::Display::fmt(&self.uri, f)?;
        f.write_str(">")?;
        self.params.iter().try_for_each(|param| {
            f.write_str(";")?;
            fmt::Display::fmt(param, f)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, NameAddr};

    #[test]
    fn every_form_is_read() {
        for (text, display, uri, tag) in [
            (
                r#""J Rosenberg \\\"" <sip:j@example.com> ; tag = 98"#,
                Some("J Rosenberg \\\""),
                "sip:j@example.com",
                Some("98"),
            ),
            ("caller<sip:caller@example.com>;tag=323", Some("caller"), "sip:caller@example.com", Some("323")),
            ("sip:vivekg@example.com ;   tag    = 19", None, "sip:vivekg@example.com", Some("19")),
            ("<sip:a@b;x=y>;tag=1", None, "sip:a@b;x=y", Some("1")),
            ("sip:a@b;tag=1", None, "sip:a@b", Some("1")),
            ("Bell, Alexander <sip:a@b>;tag=43", Some("Bell, Alexander"), "sip:a@b", Some("43")),
            (r#""Watson, Thomas" < sip:t@example.org >"#, Some("Watson, Thomas"), "sip:t@example.org", None),
            ("\"\" <tel:+493023125001>", None, "tel:+493023125001", None),
            (r#""<sip:x@y>" <sip:a@b>"#, Some("<sip:x@y>"), "sip:a@b", None),
            ("Jörg <sip:a@b?x=y>", Some("Jörg"), "sip:a@b?x=y", None),
            ("\"a\tb\" <sip:a@b>", Some("a\tb"), "sip:a@b", None),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.display().as_deref(), display, "{text}");
            assert_eq!(address.uri.to_uri().to_string(), uri, "{text}");
            assert_eq!(address.tag(), tag, "{text}");
            let owned = address.to_name_addr();
            assert_eq!(NameAddr::parse(&owned.to_string()).as_ref(), Ok(&owned), "{text}");
        }
    }

    #[test]
    fn broken_addresses_are_refused() {
        for text in [
            "",
            "*",
            r#""Mr. J. User <sip:j.user@example.com>"#,
            r#""Joe" <sip:joe@example.org>;;;;"#,
            "sip:user@example.com?Route=%3Csip:x%3E",
            "<sip:a@b",
            "<sip:a@b>x",
            "\"x\" sip:a@b",
            "<>",
            "\"\u{1}, \\\"J\\\"\" <sip:a@b>",
            "\"J\r\nX: y\" <sip:a@b>",
            "<sip:a@b>;tag=1\r\nX: y",
            "\u{7f} <sip:a@b>",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
    }
}
