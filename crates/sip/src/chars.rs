//! Character classes of RFC 3261 §25.1, and the quoting that several grammars share.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::fault::Fault;

/// `token` characters.
pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Whether `text` is a `token`.
pub(crate) fn token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token)
}

/// `unreserved` characters: the ones that mean the same with and without percent encoding.
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

/// Control characters that no header value carries; a tab is white space.
pub(crate) const fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// White space within a line.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The position just after the quoted string that starts `text` with its `"`.
pub(crate) fn quoted_end(text: &str) -> Result<usize, Fault> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        let rest = bytes.get(at..).ok_or(Fault::Quote)?;
        let found = memchr2(b'"', b'\\', rest).ok_or(Fault::Quote)?;
        if rest.get(found) == Some(&b'"') {
            return Ok(at + found + 1);
        }
        at += found + 2;
    }
}

/// The position of the first of `wanted` outside quoted strings (and outside `<>` if `angles`).
pub(crate) fn find_outside(text: &str, wanted: u8, angles: bool) -> Result<Option<usize>, Fault> {
    let bytes = text.as_bytes();
    if memchr(wanted, bytes).is_none() {
        return Ok(None);
    }
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'"' => quoted_end(text.get(at..).ok_or(Fault::Quote)?)?,
            b'<' if angles => match bytes.get(at..).and_then(|rest| memchr(b'>', rest)) {
                Some(close) => close + 1,
                None => return Ok(None),
            },
            _ if byte == wanted => return Ok(Some(at)),
            _ => 1,
        };
    }
    Ok(None)
}

/// The meaning of a value that may be a quoted string.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    Cow::Owned(plain)
}

/// Appends `text` as a quoted string. Control characters, which no quoting makes sendable, become spaces.
pub(crate) fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_ascii_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::{find_outside, push_quoted, quoted_end, unquote};

    #[test]
    fn quotes_hide_what_they_hold() {
        assert_eq!(quoted_end(r#""a\"b" <x>"#), Ok(6));
        assert!(quoted_end(r#""a\""#).is_err());
        assert_eq!(find_outside(r#""a;b" <sip:x;y>;z"#, b';', true), Ok(Some(15)));
        assert_eq!(unquote(r#""a\"b""#), "a\"b");
        let mut out = String::new();
        push_quoted("a\"\\\r\nb", &mut out);
        assert_eq!(out, r#""a\"\\  b""#);
    }
}
