//! A description cut into the lines that a call needs (RFC 8866 §5), in the dialects of the field.
//!
//! Only `v o c m a` are looked at: titles, mail addresses and telephone numbers of the sender are passed over. What an
//! attribute means is not judged here.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::{MAX_BYTES, MAX_LINES, MAX_MEDIA, Refusal};

/// Decimal digits that always fit a `u64`.
const U64_DIGITS: usize = 19;
/// Longest session id that is kept, in characters.
const MAX_ID: usize = 64;

/// A description's lines, still in its text.
#[derive(Default)]
pub(crate) struct Text<'a> {
    pub(crate) origin: Option<Origin<'a>>,
    pub(crate) connection: Option<Connection<'a>>,
    /// Those before the first `m=`.
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) media: Vec<MediaText<'a>>,
}

/// What is used of `o=` (RFC 8866 §5.2).
pub(crate) struct Origin<'a> {
    pub(crate) id: &'a str,
    pub(crate) version: u64,
    pub(crate) address: &'a str,
}

/// `c=` (RFC 8866 §5.7).
pub(crate) struct Connection<'a> {
    pub(crate) family: &'a str,
    pub(crate) address: &'a str,
}

/// `a=name` or `a=name:value` (RFC 8866 §5.13).
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Option<&'a str>,
}

/// `m=` and what follows it (RFC 8866 §5.14).
pub(crate) struct MediaText<'a> {
    pub(crate) kind: &'a str,
    pub(crate) port: u16,
    pub(crate) transport: &'a str,
    pub(crate) formats: &'a str,
    /// Its own, which goes before the session's.
    pub(crate) connection: Option<Connection<'a>>,
    pub(crate) attributes: Vec<Attribute<'a>>,
}

/// The description as UTF-8 without NUL. Lines that are not UTF-8 are read as Latin-1.
pub(crate) fn readable(bytes: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(Refusal::TooLong { bytes: bytes.len() });
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => Ok(Cow::Borrowed(text)),
        Ok(text) => Ok(Cow::Owned(text.replace('\0', ""))),
        Err(_) => {
            let mut text = String::with_capacity(bytes.len() * 2);
            for line in bytes.split_inclusive(|byte| is_end(*byte)) {
                match std::str::from_utf8(line) {
                    Ok(line) => text.extend(line.chars().filter(|c| *c != '\0')),
                    Err(_) => text.extend(line.iter().filter(|b| **b != 0).map(|b| char::from(*b))),
                }
            }
            Ok(Cow::Owned(text))
        }
    }
}

/// RFC 8866 §5 wants CRLF; bare LF is common, bare CR has been seen.
fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// The lines that are not empty.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = rest.bytes().position(is_end).unwrap_or(rest.len());
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    })
}

impl<'a> Text<'a> {
    /// Cuts a text that is [`readable`].
    pub(crate) fn read(text: &'a str) -> Result<Self, Refusal> {
        let mut found = Self::default();
        let mut version = None;
        for (at, line) in lines(text).enumerate() {
            if at >= MAX_LINES {
                return Err(Refusal::TooManyLines);
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let &[key @ (b'v' | b'o' | b's' | b'c' | b'm' | b'a')] = key.trim().as_bytes() else { continue };
            let value = value.trim();
            // RFC 8866 §5: the version comes first.
            if *version.get_or_insert((key, value)) != (b'v', "0") {
                return Err(malformed("version"));
            }
            found.line(key, value)?;
        }
        if version.is_some() { Ok(found) } else { Err(malformed("version")) }
    }

    /// What may stand only once is taken from its first line.
    fn line(&mut self, key: u8, value: &'a str) -> Result<(), Refusal> {
        let full = self.media.len() >= MAX_MEDIA;
        match (key, self.media.last_mut()) {
            (b'o', None) if self.origin.is_none() => self.origin = Origin::read(value),
            (b'c', None) if self.connection.is_none() => self.connection = Some(Connection::read(value)?),
            (b'c', Some(media)) => {
                let connection = Connection::read(value)?;
                media.connection.get_or_insert(connection);
            }
            (b'a', None) => self.attributes.push(Attribute::read(value)),
            (b'a', Some(media)) => media.attributes.push(Attribute::read(value)),
            (b'm', _) if full => return Err(Refusal::TooManyMedia),
            (b'm', _) => self.media.push(MediaText::read(value)?),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Origin<'a> {
    /// With a version that fits a `u64`; none if it is beyond repair, since a call can do without it.
    fn read(value: &'a str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let (_user, id, version) = (fields.next()?, fields.next()?, fields.next()?);
        let (_net, _family, address) = (fields.next()?, fields.next()?, fields.next()?);
        let end = id.char_indices().nth(MAX_ID).map_or(id.len(), |(at, _)| at);
        Some(Self { id: id.get(..end)?, version: number(version), address })
    }
}

/// Of a number that is too big the last digits, which are those that change.
fn number(text: &str) -> u64 {
    if text.len() <= U64_DIGITS && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().unwrap_or(0);
    }
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    let tail: String = digits.iter().skip(digits.len().saturating_sub(U64_DIGITS)).collect();
    tail.parse().unwrap_or(0)
}

impl<'a> Connection<'a> {
    fn read(value: &'a str) -> Result<Self, Refusal> {
        let mut fields = value.split_ascii_whitespace();
        match (fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(net), Some(family), Some(address), None) if is_token(net) && is_token(family) => {
                Ok(Self { family, address })
            }
            _ => Err(malformed("Connection")),
        }
    }

    pub(crate) fn is_ipv6(&self) -> bool {
        self.family.eq_ignore_ascii_case("IP6")
    }

    /// The address, without the lifetime and the count that a group's may have (RFC 8866 §5.7).
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        let Some((address, rest)) = self.address.split_once('/') else { return self.address.parse().ok() };
        let octet = |text: &str| text.parse::<u8>().is_ok();
        let sound = match rest.split_once('/') {
            Some((lifetime, count)) if !self.is_ipv6() => octet(lifetime) && octet(count),
            _ => octet(rest),
        };
        if sound { address.parse().ok() } else { None }
    }
}

impl<'a> Attribute<'a> {
    fn read(line: &'a str) -> Self {
        match line.split_once(':') {
            Some((name, value)) => Self { name, value: Some(value) },
            None => Self { name: line, value: None },
        }
    }
}

impl<'a> MediaText<'a> {
    fn read(line: &'a str) -> Result<Self, Refusal> {
        let (kind, rest) = field(line);
        let (port, rest) = field(rest);
        let (transport, formats) = field(rest);
        // `port/count`: the count is for layers, of which nobody sends any.
        let (port, count) = port.split_once('/').map_or((port, None), |(port, count)| (port, Some(count)));
        let port = port.parse().map_err(|_| malformed("Media port"))?;
        if count.is_some_and(|count| count.parse::<u16>().is_err()) {
            return Err(malformed("Media num-ports"));
        }
        if formats.is_empty() {
            return Err(malformed("Media fmt"));
        }
        let (connection, attributes) = (None, Vec::with_capacity(USUAL));
        Ok(Self { kind, port, transport, formats, connection, attributes })
    }
}

/// Attributes of a line for which there is room without growing.
const USUAL: usize = 12;

/// The first of some fields, and the others.
fn field(text: &str) -> (&str, &str) {
    let white = |b: u8| matches!(b, b' ' | b'\t');
    let end = text.bytes().position(white).unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    (first, rest.trim_start_matches([' ', '\t']))
}

/// RFC 8866 §9 `token`.
fn is_token(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&b))
}

fn malformed(what: &'static str) -> Refusal {
    Refusal::Malformed { what }
}

#[cfg(test)]
mod tests {
    use super::{Text, readable};
    use crate::Refusal;

    fn refused(bytes: &[u8]) -> Option<Refusal> {
        readable(bytes).and_then(|text| Text::read(&text).map(drop)).err()
    }

    #[test]
    fn latin_1_becomes_utf_8() {
        let text = readable(b"v=0\na=x:B\xfcro\na=y:\xc3\xbc\0\n").unwrap();
        let values: Vec<_> = Text::read(&text).unwrap().attributes.iter().filter_map(|a| a.value).collect();
        assert_eq!(values, ["B\u{fc}ro", "\u{fc}"]);
    }

    #[test]
    fn a_number_beyond_u64_keeps_the_digits_that_change() {
        let origin = |line: &str| {
            let text = format!("v=0\r\no={line}\r\n");
            let read = Text::read(&text).unwrap().origin;
            read.map(|origin| (origin.id.to_owned(), origin.version, origin.address.to_owned()))
        };
        let one = origin("- 99999999999999999999999 184467440737095516151 IN IP4 192.0.2.1").unwrap();
        assert_eq!(one, ("99999999999999999999999".into(), 4_467_440_737_095_516_151, "192.0.2.1".into()));
        let two = origin("-  99999999999999999999999\t184467440737095516152 IN IP4 192.0.2.1").unwrap();
        assert_eq!(two.1, one.1 + 1);
        assert_eq!(origin("- 1 v17 IN IP4 h").unwrap().1, 17);
        assert_eq!(origin("- 1 2 IN IP4"), None);
        assert_eq!(origin(&format!("- {} 2 IN IP4 h", "ü".repeat(70))).unwrap().0, "ü".repeat(64));
    }

    #[test]
    fn an_address_is_told_from_what_follows_it() {
        for (line, ip) in [
            ("IN IP4 192.0.2.1", Some("192.0.2.1")),
            ("IN  IP4\t224.2.1.1/127/3", Some("224.2.1.1")),
            ("IN IP6 2001:db8::1/3", Some("2001:db8::1")),
            ("IN IP6 2001:db8::1/3/4", None),
            ("IN IP4 192.0.2.1/x", None),
            ("IN IP4 host.example", None),
        ] {
            let text = format!("v=0\nc={line}\n");
            let read = Text::read(&text).unwrap().connection.and_then(|connection| connection.ip());
            assert_eq!(read, ip.map(|ip| ip.parse().unwrap()), "{line}");
        }
    }

    #[test]
    fn what_stands_first_counts() {
        let text = "v=0\nc=IN IP4 192.0.2.1\nc=IN IP4 192.0.2.2\nm=audio 4/2 RTP/AVP  8   0\nc=IN IP4 192.0.2.3\n\
            c=IN IP4 192.0.2.4\no=- 1 1 IN IP4 h\n A = x:y:z \nm=video 0 RTP/AVP 31";
        let read = Text::read(text).unwrap();
        assert_eq!(read.connection.unwrap().address, "192.0.2.1");
        assert!(read.origin.is_none() && read.attributes.is_empty() && read.media.len() == 2);
        let audio = &read.media[0];
        assert_eq!(
            (audio.kind, audio.port, audio.transport, audio.formats),
            ("audio", 4, "RTP/AVP", "8   0")
        );
        assert_eq!(audio.connection.as_ref().unwrap().address, "192.0.2.3");
    }

    #[test]
    fn lines_that_cannot_be_read_are_refused() {
        for text in [
            "",
            "a=x\nv=0",
            "v=1",
            "v=0\nm=audio 1 RTP/AVP",
            "v=0\nm=audio x RTP/AVP 0",
            "v=0\nm=audio 1/x RTP/AVP 0",
            "v=0\nm=audio 70000 RTP/AVP 0",
            "v=0\nc=IN IP4",
            "v=0\nc=IN IP4 192.0.2.1 x",
            "v=0\nc=I:N IP4 192.0.2.1",
        ] {
            assert!(matches!(refused(text.as_bytes()), Some(Refusal::Malformed { .. })), "{text}");
        }
    }

    #[test]
    fn limits_are_kept() {
        let many = |line: &str, count| refused(format!("v=0\n{}", line.repeat(count)).as_bytes());
        assert_eq!(refused(&vec![b'a'; 40_000]), Some(Refusal::TooLong { bytes: 40_000 }));
        assert_eq!(many("a=x\n", 1023), None);
        assert_eq!(many("a=x\n", 1024), Some(Refusal::TooManyLines));
        assert_eq!(many("m=audio 1 RTP/AVP 0\n", 16), None);
        assert_eq!(many("m=audio 1 RTP/AVP 0\n", 17), Some(Refusal::TooManyMedia));
    }
}
