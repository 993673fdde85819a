//! Reading a STUN message.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |0 0|     message type        |         length of attributes      |
//! |                         magic cookie                            |
//! |                    transaction id (96 bits)                     |
//! ```

use hmac::Mac;

use super::{COOKIE, FINGERPRINT_MASK, HEADER, INTEGRITY, attribute, crc, integrity};

/// Most attributes that are looked at; a browser's check has seven or eight.
const MAX_ATTRIBUTES: usize = 32;
/// Most attributes that are named as not understood.
pub(super) const MAX_UNKNOWN: usize = 8;

/// What kind of message (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// A well-formed binding message: its sender is not proven until [`Request::is_from`] says so.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) class: Class,
    pub(crate) transaction: [u8; 12],
    pub(crate) username: Option<&'a str>,
    /// RFC 8445 §7.1.1: what the peer would give a candidate that it learns here.
    pub(crate) priority: Option<u32>,
    /// RFC 8445 §7.1.2.
    pub(crate) use_candidate: bool,
    /// RFC 8445 §7.1.3: the peer thinks that we control.
    pub(crate) controlled: bool,
    /// Attributes that must be understood and are not (RFC 8489 §15.3).
    pub(crate) unknown: Unknown,
    bytes: &'a [u8],
    /// Where MESSAGE-INTEGRITY begins.
    integrity_at: Option<usize>,
}

/// A few attribute types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unknown {
    types: [u16; MAX_UNKNOWN],
    count: usize,
}

impl Unknown {
    fn push(&mut self, kind: u16) {
        if let Some(place) = self.types.get_mut(self.count) {
            *place = kind;
            self.count += 1;
        }
    }

    pub(crate) fn types(&self) -> &[u16] {
        self.types.get(..self.count).unwrap_or_default()
    }
}

impl<'a> Request<'a> {
    /// Reads a binding message; none if it is no STUN, not a binding, broken, or its checksum is wrong.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let kind = number(bytes, 0)?;
        let cookie = u32::from(number(bytes, 4)?) << 16 | u32::from(number(bytes, 6)?);
        let length = usize::from(number(bytes, 2)?);
        // RFC 8489 §5: two zero bits, the cookie, a length in whole words that ends where the datagram ends.
        if kind >= 0x4000 || cookie != COOKIE || length % 4 != 0 || bytes.len() != HEADER + length {
            return None;
        }
        let mut request = Self {
            class: class_of_binding(kind)?,
            transaction: bytes.get(8..HEADER)?.try_into().ok()?,
            username: None,
            priority: None,
            use_candidate: false,
            controlled: false,
            unknown: Unknown::default(),
            bytes,
            integrity_at: None,
        };
        request.read_attributes()?;
        Some(request)
    }

    fn read_attributes(&mut self) -> Option<()> {
        let mut at = HEADER;
        for _ in 0..MAX_ATTRIBUTES {
            if at == self.bytes.len() {
                return Some(());
            }
            let (kind, length) = (number(self.bytes, at)?, usize::from(number(self.bytes, at + 2)?));
            let value = self.bytes.get(at + 4..at + 4 + length)?;
            self.read(kind, value, at)?;
            at += 4 + length.next_multiple_of(4);
        }
        None
    }

    fn read(&mut self, kind: u16, value: &'a [u8], at: usize) -> Option<()> {
        // RFC 8489 §14.7: the checksum is the last attribute.
        if kind == attribute::FINGERPRINT {
            let told = u32::from_be_bytes(value.try_into().ok()?);
            let right = crc::crc32(self.bytes.get(..at)?) ^ FINGERPRINT_MASK;
            return (told == right && at + 8 == self.bytes.len()).then_some(());
        }
        // RFC 8489 §14.5: whatever else stands behind the integrity is not covered by it.
        if self.integrity_at.is_some() {
            return Some(());
        }
        match kind {
            attribute::USERNAME => self.username = Some(std::str::from_utf8(value).ok()?),
            attribute::PRIORITY => self.priority = Some(u32::from_be_bytes(value.try_into().ok()?)),
            attribute::USE_CANDIDATE => self.use_candidate = true,
            attribute::ICE_CONTROLLED => self.controlled = true,
            attribute::MESSAGE_INTEGRITY => {
                self.integrity_at = (value.len() == INTEGRITY).then_some(at);
                return self.integrity_at.map(drop);
            }
            // Answers carry these; they are not looked at.
            attribute::XOR_MAPPED_ADDRESS
            | attribute::ERROR_CODE
            | attribute::UNKNOWN_ATTRIBUTES
            | attribute::MESSAGE_INTEGRITY_SHA256 => {}
            kind if kind < 0x8000 => self.unknown.push(kind),
            _ => {}
        }
        Some(())
    }

    /// Whether its integrity was made with this password (RFC 8489 §14.5); compared in constant time.
    pub(crate) fn is_from(&self, password: &str) -> bool {
        self.checked(password).is_some()
    }

    fn checked(&self, password: &str) -> Option<()> {
        let at = self.integrity_at?;
        let mut header: [u8; HEADER] = self.bytes.get(..HEADER)?.try_into().ok()?;
        let length = u16::try_from(at + 4 + INTEGRITY - HEADER).ok()?;
        header[2..4].copy_from_slice(&length.to_be_bytes());
        let mac = integrity(password, header, self.bytes.get(HEADER..at)?)?;
        mac.verify_slice(self.bytes.get(at + 4..at + 4 + INTEGRITY)?).ok()
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_be_bytes)
}

/// RFC 8489 §5: the class stands in two bits between those of the method; binding is method 1.
fn class_of_binding(kind: u16) -> Option<Class> {
    match kind {
        0x0001 => Some(Class::Request),
        0x0011 => Some(Class::Indication),
        0x0101 => Some(Class::Success),
        0x0111 => Some(Class::Error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Request};
    use crate::stun::{addressee, is_stun};

    /// RFC 5769 §2.1, whose sender knows this password.
    const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
    const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
                           002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020\
                           000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
    /// RFC 5769 §2.2 and §2.3.
    const ANSWERS: [&str; 2] = [
        "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643\
         000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
        "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa\
         a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c",
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn the_rfcs_request_is_read_and_proven() {
        let bytes = bytes(REQUEST);
        assert!(is_stun(&bytes));
        let request = Request::parse(&bytes).unwrap();
        assert_eq!(request.class, Class::Request);
        assert_eq!(request.username, Some("evtj:h6vY"));
        assert_eq!(request.priority, Some(0x6e00_01ff));
        assert!(!request.use_candidate && request.controlled && request.unknown.types().is_empty());
        assert!(request.is_from(PASSWORD));
        assert!(!request.is_from("VOkJxbRl1RmTxUk/WvJxBT"));
        assert_eq!(addressee(&bytes), Some("evtj"));
    }

    #[test]
    fn the_rfcs_answers_are_proven_too() {
        for answer in ANSWERS {
            let bytes = bytes(answer);
            let answer = Request::parse(&bytes).unwrap();
            assert_eq!(answer.class, Class::Success);
            assert!(answer.is_from(PASSWORD));
            assert_eq!(addressee(&bytes), None);
        }
    }

    #[test]
    fn no_changed_bit_gets_through() {
        let original = bytes(REQUEST);
        // Whether the checksum is there at all is the sender's choice, so its type and length prove nothing.
        let checksum = original.len() - 8;
        let proving = (0..original.len()).filter(|at| !(checksum..checksum + 4).contains(at));
        for at in proving.flat_map(|byte| byte * 8..byte * 8 + 8) {
            let mut changed = original.clone();
            changed[at / 8] ^= 1 << (at % 8);
            let proven = Request::parse(&changed).is_some_and(|request| request.is_from(PASSWORD));
            assert!(!proven, "bit {at}");
        }
    }

    #[test]
    fn what_is_cut_is_no_message() {
        let original = bytes(REQUEST);
        for length in 0..original.len() {
            assert!(Request::parse(&original[..length]).is_none(), "{length} bytes");
        }
    }
}
