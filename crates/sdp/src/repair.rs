//! Makes the dialects of the field readable before the strict parser sees them.
//!
//! Only lines that a call needs go on (`v o s c m a`); titles, mail addresses and telephone numbers of the sender
//! end here.

use std::borrow::Cow;

use crate::{MAX_BYTES, MAX_LINES, MAX_MEDIA, Refusal};

/// Decimal digits that always fit a `u64`.
const U64_DIGITS: usize = 19;
/// Longest session id that is kept, in characters.
const MAX_ID: usize = 64;

/// What of a description was seen before its first `m=` line; each may stand there once.
#[derive(Default)]
struct Seen {
    origin: bool,
    name: bool,
    connection: bool,
    media: usize,
}

/// The description as UTF-8 lines that the parser takes.
pub(crate) fn repair(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(Refusal::TooLong { bytes: bytes.len() });
    }
    let mut seen = Seen::default();
    let mut out = String::with_capacity(bytes.len());
    // RFC 8866 §5 wants CRLF; bare LF is common, bare CR has been seen.
    let lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty());
    for (at, line) in lines.enumerate() {
        if at >= MAX_LINES {
            return Err(Refusal::TooManyLines);
        }
        let text = text_of(line);
        let Some((key, value)) = text.trim_end().split_once('=') else { continue };
        let Some(value) = repair_line(key.trim_start(), value.trim(), &mut seen)? else { continue };
        out.push_str(key.trim_start());
        out.push('=');
        out.push_str(&value);
        out.push_str("\r\n");
    }
    Ok(out.into_bytes())
}

/// UTF-8 as it is, anything else as Latin-1; without NUL.
fn text_of(line: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(line) {
        Ok(text) if !line.contains(&0) => Cow::Borrowed(text),
        Ok(text) => Cow::Owned(text.replace('\0', "")),
        Err(_) => Cow::Owned(line.iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()),
    }
}

fn repair_line<'a>(key: &str, value: &'a str, seen: &mut Seen) -> Result<Option<Cow<'a, str>>, Refusal> {
    let first = |flag: &mut bool| !std::mem::replace(flag, true);
    Ok(match key {
        "v" | "a" => Some(Cow::Borrowed(value)),
        "s" => (seen.media == 0 && first(&mut seen.name)).then_some(Cow::Borrowed(value)),
        "c" if seen.media > 0 || first(&mut seen.connection) => Some(one_space(value)),
        "o" if seen.media == 0 && !seen.origin => {
            let origin = repair_origin(value);
            seen.origin = origin.is_some();
            origin.map(Cow::Owned)
        }
        "m" => {
            seen.media += 1;
            if seen.media > MAX_MEDIA {
                return Err(Refusal::TooManyMedia);
            }
            Some(one_space(value))
        }
        _ => None,
    })
}

/// An origin with a version that fits a `u64`; none if it is beyond repair, since a call can do without it.
fn repair_origin(value: &str) -> Option<String> {
    let mut fields = value.split_whitespace();
    let (_user, id, version) = (fields.next()?, fields.next()?, fields.next()?);
    let (net, family, address) = (fields.next()?, fields.next()?, fields.next()?);
    let id: String = id.chars().take(MAX_ID).collect();
    // The last digits are those that change, so they are the ones to keep of a number that is too big.
    let digits: Vec<char> = version.chars().filter(char::is_ascii_digit).collect();
    let tail: String = digits.iter().skip(digits.len().saturating_sub(U64_DIGITS)).collect();
    let version: u64 = tail.parse().unwrap_or(0);
    Some(format!("- {id} {version} {net} {family} {address}"))
}

/// The value with single spaces, as the grammar wants it.
fn one_space(value: &str) -> Cow<'_, str> {
    if value.contains("  ") || value.contains('\t') {
        Cow::Owned(value.split_whitespace().collect::<Vec<_>>().join(" "))
    } else {
        Cow::Borrowed(value)
    }
}

#[cfg(test)]
mod tests {
    use super::repair;
    use crate::Refusal;

    fn repaired(bytes: &[u8]) -> String {
        String::from_utf8(repair(bytes).unwrap()).unwrap()
    }

    #[test]
    fn latin_1_becomes_utf_8() {
        assert_eq!(repaired(b"v=0\ns=B\xfcro\n"), "v=0\r\ns=B\u{fc}ro\r\n");
    }

    #[test]
    fn a_number_beyond_u64_keeps_the_digits_that_change() {
        let one = repaired(b"o=- 99999999999999999999999 184467440737095516151 IN IP4 192.0.2.1\n");
        let two = repaired(b"o=- 99999999999999999999999 184467440737095516152 IN IP4 192.0.2.1\n");
        assert_eq!(one, "o=- 99999999999999999999999 4467440737095516151 IN IP4 192.0.2.1\r\n");
        assert_ne!(one, two);
    }

    #[test]
    fn what_leads_to_people_is_dropped() {
        let text =
            repaired(b"v=0\r\no=ada 1 1 IN IP4 h\r\ni=x\r\nu=http://x\r\ne=ada@example.org\r\np=+4930\r\n");
        assert_eq!(text, "v=0\r\no=- 1 1 IN IP4 h\r\n");
    }

    #[test]
    fn limits_are_kept() {
        assert_eq!(repair(&vec![b'a'; 40_000]), Err(Refusal::TooLong { bytes: 40_000 }));
        assert!(repair("a=x\n".repeat(1024).as_bytes()).is_ok());
        assert_eq!(repair("a=x\n".repeat(1025).as_bytes()), Err(Refusal::TooManyLines));
        assert_eq!(repair("m=audio 1 RTP/AVP 0\n".repeat(17).as_bytes()), Err(Refusal::TooManyMedia));
    }
}
