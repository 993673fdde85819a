//! Character classes of RFC 3261 §25.1, and the quoting that several grammars share.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::fault::Fault;

/// What a byte may be, looked up instead of worked out: these questions are asked of every byte of every message.
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
        {
            class[at] |= TOKEN;
        }
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
        {
            class[at] |= UNRESERVED;
        }
        if class[at] & UNRESERVED != 0
            || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
        {
            class[at] |= USER;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            class[at] |= HOST;
        }
        if class[at] & USER != 0 || byte == b'#' {
            class[at] |= DIALLED;
        }
        if class[at] & DIALLED != 0 && !matches!(byte, b';' | b'=' | b'?')
            || matches!(byte, b':' | b'[' | b']')
        {
            class[at] |= PARAM;
        }
        at += 1;
    }
    class
};
pub(crate) const TOKEN: u8 = 1;
const UNRESERVED: u8 = 2;
const USER: u8 = 4;
/// A host name, with the underscore that names in private networks have.
pub(crate) const HOST: u8 = 8;
/// A user part without escapes, with the `#` that many PBXs dial.
pub(crate) const DIALLED: u8 = 16;
/// A parameter's name or value without escapes.
pub(crate) const PARAM: u8 = 32;

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASS.get(usize::from(byte)).is_some_and(|own| own & class != 0)
}

/// Whether every byte is of a class. Without an early way out there is nothing to be guessed wrong.
#[inline]
fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().fold(class, |all, byte| all & CLASS.get(usize::from(*byte)).copied().unwrap_or(0)) == class
}

/// The text up to the first byte that is not of a class, and the rest. Every class is of ASCII alone.
#[inline]
pub(crate) fn run(text: &str, class: u8) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| !is(byte, class)).unwrap_or(text.len()))
}

/// Whether a byte may stand in a `token`.
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// Whether `text` is a `token`.
pub(crate) fn token(text: &str) -> bool {
    !text.is_empty() && all(text.as_bytes(), TOKEN)
}

/// `unreserved` characters: the ones that mean the same with and without percent encoding.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    is(byte, UNRESERVED)
}

/// Characters that stand for themselves in a user part: `unreserved` and `user-unreserved`.
pub(crate) fn is_user(byte: u8) -> bool {
    is(byte, USER)
}

/// Whether a user part is written in allowed characters, escapes among them. A bare `#`, which many PBXs dial, is allowed
/// although the grammar wants it escaped.
pub(crate) fn user_bytes(text: &str) -> bool {
    let bad = |b: u8| {
        matches!(b, b'@' | b':' | b'[' | b'\\' | b']' | b'^' | b'`' | b'{' | b'|' | b'}') | no_uri_byte(b)
    };
    !text.bytes().fold(false, |found, b| found | bad(b))
}

/// Whether every byte may stand in a URI at all: printable ASCII without brackets and quotes.
pub(crate) fn uri_bytes(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |found, b| found | no_uri_byte(*b))
}

/// Written so that the compiler asks this of many bytes at a time.
#[inline]
fn no_uri_byte(b: u8) -> bool {
    (b <= b' ') | (b >= 0x7f) | (b == b'<') | (b == b'>') | (b == b'"')
}

/// Whether there are control characters, which no header value carries; a tab is white space. `besides` are passed over.
pub(crate) fn has_control(bytes: &[u8], besides: [u8; 2]) -> bool {
    // Without an early way out the compiler does this many bytes at a time.
    let bad = |b: u8| ((b < 0x20) & (b != b'\t') & (b != besides[0]) & (b != besides[1])) | (b == 0x7f);
    bytes.iter().fold(false, |found, &b| found | bad(b))
}

/// White space within a line taken off both ends.
pub(crate) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    let white = |b: &u8| matches!(b, b' ' | b'\t');
    if !bytes.first().is_some_and(white) && !bytes.last().is_some_and(white) {
        return text;
    }
    let Some(start) = bytes.iter().position(|b| !white(b)) else { return "" };
    let end = bytes.iter().rposition(|b| !white(b)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

/// The text before and after the first `byte`, which is ASCII.
pub(crate) fn cut(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|b| b == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The text before the first `byte`, and the rest that starts with it; all and nothing if it does not occur.
pub(crate) fn cut_before(text: &str, byte: u8) -> (&str, &str) {
    let at = memchr(byte, text.as_bytes()).unwrap_or(text.len());
    text.split_at(at)
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
    let Some(first) = memchr(wanted, bytes) else { return Ok(None) };
    let before = bytes.get(..first).unwrap_or_default();
    if memchr2(b'"', if angles { b'<' } else { b'"' }, before).is_none() {
        return Ok(Some(first));
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

/// Appends `text` as a quoted string. Control characters, which no quoting makes sendable, become spaces; a tab is white
/// space and stays.
pub(crate) fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_ascii_control() && c != '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::{find_outside, push_quoted, quoted_end, unquote, uri_bytes, user_bytes};

    #[test]
    fn bytes_of_uris_are_those_of_the_grammar() {
        for byte in 0..=0xff_u8 {
            let graphic = byte.is_ascii_graphic();
            assert_eq!(uri_bytes(&[b'a', byte]), graphic && !b"<>\"".contains(&byte), "{byte}");
            let user = byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%#".contains(&byte);
            if byte.is_ascii() {
                assert_eq!(user_bytes(&char::from(byte).to_string()), user, "{byte}");
            }
        }
        assert!(!user_bytes("\u{fc}") && uri_bytes(b""));
    }

    #[test]
    fn quotes_hide_what_they_hold() {
        assert_eq!(quoted_end(r#""a\"b" <x>"#), Ok(6));
        assert!(quoted_end(r#""a\""#).is_err());
        assert_eq!(find_outside(r#""a;b" <sip:x;y>;z"#, b';', true), Ok(Some(15)));
        assert_eq!(unquote(r#""a\"b""#), "a\"b");
        let mut out = String::new();
        push_quoted("a\"\\\r\nb\tc", &mut out);
        assert_eq!(out, "\"a\\\"\\\\  b\tc\"");
    }
}
