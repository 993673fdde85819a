//! Percent encoding in URIs (RFC 3261 §19.1.2).

use std::borrow::Cow;

use memchr::memchr_iter;

use crate::chars::{is_unreserved, is_user};

/// The text without percent encoding. Decoded bytes that are not UTF-8 are shown as U+FFFD.
#[must_use]
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        (rest, plain) = match (byte, octet(after)) {
            (b'%', Some((octet, after))) => (after, pushed(plain, octet)),
            _ => (after, pushed(plain, byte)),
        };
    }
    Cow::Owned(
        String::from_utf8(plain).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
    )
}

/// The text as a user part: everything outside `unreserved` and `user-unreserved` (RFC 3261 §25.1) is escaped.
#[must_use]
pub fn encode_user(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if is_user(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend([hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
    }
    escaped
}

/// The text with unreserved characters decoded and every other escape in upper case: equal for equal URIs
/// (RFC 3261 §19.1.4).
pub(super) fn normal(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let after = escape.get(1..).unwrap_or_default();
        rest = match octet(after.as_bytes()) {
            Some((byte, _)) => {
                if is_unreserved(byte) {
                    out.push(char::from(byte));
                } else {
                    out.push('%');
                    out.extend([hex_digit(byte >> 4), hex_digit(byte & 15)]);
                }
                after.get(2..).unwrap_or_default()
            }
            None => {
                out.push('%');
                after
            }
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether each `%` is followed by two hexadecimal digits.
pub(super) fn well_escaped(text: &str) -> bool {
    memchr_iter(b'%', text.as_bytes())
        .all(|at| text.as_bytes().get(at + 1..).is_some_and(|after| octet(after).is_some()))
}

/// The octet that two hexadecimal digits write, and what follows them.
fn octet(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = after_percent.split_first_chunk::<2>()?;
    let value = char::from(high).to_digit(16)? * 16 + char::from(low).to_digit(16)?;
    Some((u8::try_from(value).ok()?, rest))
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase()
}

fn pushed(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{decode, encode_user, normal};

    #[test]
    fn escapes_come_off_and_go_on() {
        assert_eq!(decode("sips%3Auser%40example.com"), "sips:user@example.com");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%00"), "\0");
        assert_eq!(decode("M%C3%BCller"), "Müller");
        assert_eq!(decode("%FF"), "\u{fffd}");
        assert_eq!(encode_user("Müller#1"), "M%C3%BCller%231");
        assert_eq!(normal("%61lice%2f%zz"), "alice%2F%zz");
    }
}
