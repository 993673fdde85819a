//! Writing the answer to a binding request.

use std::net::{IpAddr, SocketAddr};

use hmac::Mac;

use super::message::{MAX_UNKNOWN, Request};
use super::{COOKIE, FINGERPRINT_MASK, HEADER, INTEGRITY, attribute, crc, integrity};

/// Longest answer: a header, an address or an error with unknown attributes, integrity, checksum.
pub(crate) const MAX_ANSWER: usize = HEADER + 8 + (4 + 2 * MAX_UNKNOWN) + 24 + 8 + 24;

/// Why a request is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// RFC 8489 §6.3.1: attributes that must be understood and are not.
    UnknownAttribute,
    /// RFC 8445 §7.3.1.1: both ends think that they are in the same role.
    RoleConflict,
}

/// An answer to `to`.
pub(crate) struct Answer<'a> {
    pub(crate) to: &'a Request<'a>,
    /// Nothing but whom the request came from; or why not.
    pub(crate) result: Result<SocketAddr, Reason>,
    /// Ours: the requester knows it.
    pub(crate) password: &'a str,
}

impl Answer<'_> {
    /// Writes it; returns its length.
    pub(crate) fn write(&self, out: &mut [u8; MAX_ANSWER]) -> Option<usize> {
        let mut pen = Pen { out, at: HEADER };
        let kind: u16 = match self.result {
            Ok(from) => {
                pen.address(from, &self.to.transaction)?;
                0x0101
            }
            Err(Reason::RoleConflict) => {
                // RFC 8489 §14.8: class, number; the words may be left out.
                pen.attribute(attribute::ERROR_CODE, &[0, 0, 4, 87])?;
                0x0111
            }
            Err(Reason::UnknownAttribute) => {
                pen.attribute(attribute::ERROR_CODE, &[0, 0, 4, 20])?;
                pen.unknown(self.to.unknown.types())?;
                0x0111
            }
        };
        pen.put(0, &kind.to_be_bytes())?;
        pen.put(4, &COOKIE.to_be_bytes())?;
        pen.put(8, &self.to.transaction)?;
        pen.seal(self.password)
    }
}

struct Pen<'a> {
    out: &'a mut [u8; MAX_ANSWER],
    at: usize,
}

impl Pen<'_> {
    fn put(&mut self, at: usize, bytes: &[u8]) -> Option<()> {
        self.out.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    /// `value` has whole words.
    fn attribute(&mut self, kind: u16, value: &[u8]) -> Option<()> {
        let length = u16::try_from(value.len()).ok()?;
        self.put(self.at, &kind.to_be_bytes())?;
        self.put(self.at + 2, &length.to_be_bytes())?;
        self.put(self.at + 4, value)?;
        self.at += 4 + value.len().next_multiple_of(4);
        Some(())
    }

    /// RFC 8489 §14.2: the address as we see it, masked so that no middlebox rewrites it.
    fn address(&mut self, from: SocketAddr, transaction: &[u8; 12]) -> Option<()> {
        let mask = COOKIE.to_be_bytes();
        let [high, low, ..] = mask;
        let port = from.port() ^ u16::from_be_bytes([high, low]);
        let mut value = [0; 20];
        value.get_mut(2..4)?.copy_from_slice(&port.to_be_bytes());
        let masks = mask.iter().chain(transaction);
        let length = match from.ip().to_canonical() {
            IpAddr::V4(ip) => {
                value[1] = 1;
                value
                    .iter_mut()
                    .skip(4)
                    .zip(ip.octets().iter().zip(masks))
                    .for_each(|(to, (a, b))| *to = a ^ b);
                8
            }
            IpAddr::V6(ip) => {
                value[1] = 2;
                value
                    .iter_mut()
                    .skip(4)
                    .zip(ip.octets().iter().zip(masks))
                    .for_each(|(to, (a, b))| *to = a ^ b);
                20
            }
        };
        self.attribute(attribute::XOR_MAPPED_ADDRESS, value.get(..length)?)
    }

    /// RFC 8489 §14.9.
    fn unknown(&mut self, types: &[u16]) -> Option<()> {
        let mut value = [0; 2 * MAX_UNKNOWN];
        for (place, kind) in value.chunks_exact_mut(2).zip(types) {
            place.copy_from_slice(&kind.to_be_bytes());
        }
        self.attribute(attribute::UNKNOWN_ATTRIBUTES, value.get(..2 * types.len())?)
    }

    /// MESSAGE-INTEGRITY and FINGERPRINT, each over a header whose length already counts it (RFC 8489 §14.5, §14.7).
    fn seal(&mut self, password: &str) -> Option<usize> {
        self.length_to(self.at + 4 + INTEGRITY)?;
        let header = self.out.get(..HEADER)?.try_into().ok()?;
        let mac = integrity(password, header, self.out.get(HEADER..self.at)?)?;
        self.attribute(attribute::MESSAGE_INTEGRITY, &mac.finalize().into_bytes())?;
        self.length_to(self.at + 8)?;
        let sum = crc::crc32(self.out.get(..self.at)?) ^ FINGERPRINT_MASK;
        self.attribute(attribute::FINGERPRINT, &sum.to_be_bytes())?;
        Some(self.at)
    }

    fn length_to(&mut self, end: usize) -> Option<()> {
        let length = u16::try_from(end - HEADER).ok()?;
        self.put(2, &length.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, MAX_ANSWER, Reason};
    use crate::stun::message::{Class, Request};

    const REQUEST: [u8; 20] = [
        0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 1, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf,
        0xae,
    ];

    fn written(request: &[u8], result: Result<&str, Reason>) -> Vec<u8> {
        let to = Request::parse(request).unwrap();
        let result = result.map(|from| from.parse().unwrap());
        let mut out = [0; MAX_ANSWER];
        let length = Answer { to: &to, result, password: "of ours" }.write(&mut out).unwrap();
        out[..length].to_vec()
    }

    /// The masked addresses are those of RFC 5769 §2.2 and §2.3, whose transaction is the same.
    #[test]
    fn an_address_is_masked_as_the_rfc_has_it() {
        let four = written(&REQUEST, Ok("192.0.2.1:32853"));
        assert_eq!(four[20..32], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let six = written(&REQUEST, Ok("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
        assert_eq!(six[20..32], [0, 0x20, 0, 20, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa]);
        assert_eq!(six[32..44], [0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9]);
        for answer in [four, six] {
            let read = Request::parse(&answer).unwrap();
            assert_eq!((read.class, read.transaction.as_slice()), (Class::Success, &REQUEST[8..]));
            assert!(read.is_from("of ours") && !read.is_from("of theirs"));
        }
    }

    #[test]
    fn a_refusal_says_why() {
        let mut strange = REQUEST.to_vec();
        strange[3] = 4 * 12;
        (0..12).for_each(|n| strange.extend([0x7f, n, 0, 0]));
        let answer = written(&strange, Err(Reason::UnknownAttribute));
        let read = Request::parse(&answer).unwrap();
        assert!(read.class == Class::Error && read.is_from("of ours"));
        assert_eq!(answer[20..28], [0, 9, 0, 4, 0, 0, 4, 20]);
        assert_eq!(answer[28..36], [0, 10, 0, 16, 0x7f, 0, 0x7f, 1], "eight are named");
        let answer = written(&REQUEST, Err(Reason::RoleConflict));
        assert_eq!(answer[20..28], [0, 9, 0, 4, 0, 0, 4, 87]);
        assert!(Request::parse(&answer).unwrap().is_from("of ours"));
    }
}
