//! The one STUN message that travels beside SIP: a Binding request as keep-alive, and its answer (RFC 5626 §4.4.2 and §8,
//! RFC 8489 §5, §14.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  |0 0|  type 0x0001 (request), 0x0101  |   length of attributes     |
//!  |                  magic cookie 0x2112A442                        |
//!  |                  transaction id (96 bits)                       |
//! ```
//!
//! Nothing else of STUN is understood: no credentials, no fingerprints, which RFC 5626 §8.1 leaves out as well.

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const MAGIC_COOKIE: u32 = 0x2112_A442;
const HEADER: usize = 20;

/// A Binding request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    transaction: [u8; 12],
}

impl Request {
    /// Reads a datagram; none if it is anything else. SIP begins with a letter, STUN with two zero bits.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, attributes) = bytes.split_first_chunk::<HEADER>()?;
        let [t0, t1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *header;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let sound = u16::from_be_bytes([t0, t1]) == BINDING_REQUEST
            && u32::from_be_bytes([c0, c1, c2, c3]) == MAGIC_COOKIE
            && length == attributes.len()
            && length % 4 == 0;
        sound.then_some(Self { transaction })
    }

    /// The answer: the address that the request came from.
    #[must_use]
    pub fn answer(&self, source: SocketAddr) -> Bytes {
        let port = source.port() ^ (MAGIC_COOKIE >> 16) as u16;
        let mut value = BytesMut::with_capacity(20);
        match source.ip().to_canonical() {
            IpAddr::V4(ip) => {
                value.put_u16(0x0001);
                value.put_u16(port);
                value.put_u32(ip.to_bits() ^ MAGIC_COOKIE);
            }
            IpAddr::V6(ip) => {
                let mut mask = MAGIC_COOKIE.to_be_bytes().to_vec();
                mask.extend_from_slice(&self.transaction);
                value.put_u16(0x0002);
                value.put_u16(port);
                value.extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask));
            }
        }
        let length = u16::try_from(value.len()).unwrap_or(0);
        let mut out = BytesMut::with_capacity(HEADER + 4 + value.len());
        out.put_u16(BINDING_SUCCESS);
        out.put_u16(4 + length);
        out.put_u32(MAGIC_COOKIE);
        out.put_slice(&self.transaction);
        out.put_u16(XOR_MAPPED_ADDRESS);
        out.put_u16(length);
        out.put(value);
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::Request;

    /// RFC 5769 §2.2 and §2.3: the addresses of its answers, without the attributes that are left out here.
    const TRANSACTION: &str = "b7e7a701bc34d686fa87dfae";

    fn request(more: &str, length: &str) -> Vec<u8> {
        hex::decode(format!("0001{length}2112a442{TRANSACTION}{more}")).unwrap()
    }

    #[test]
    fn the_address_is_told_as_rfc_5769_has_it() {
        let request = Request::parse(&request("", "0000")).unwrap();
        for (source, attribute) in [
            ("192.0.2.1:32853", "002000080001a147e112a643"),
            (
                "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
                "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9",
            ),
            ("[::ffff:192.0.2.1]:32853", "002000080001a147e112a643"),
        ] {
            let length = attribute.len() / 2;
            let expected = format!("0101{length:04x}2112a442{TRANSACTION}{attribute}");
            assert_eq!(hex::encode(request.answer(source.parse().unwrap())), expected, "{source}");
        }
    }

    #[test]
    fn nothing_but_a_binding_request_is_taken_for_one() {
        assert!(Request::parse(&request("80220004abcdabcd", "0008")).is_some(), "attributes are passed over");
        for wrong in [
            request("", "0004"),
            request("abcd", "0002"),
            request("abcdabcd", "0000"),
            request("", "0000")[..19].to_vec(),
            b"OPTIONS sip:a@b SIP/2.0\r\n\r\n".to_vec(),
            Vec::new(),
        ] {
            assert_eq!(Request::parse(&wrong), None);
        }
        let mut other = request("", "0000");
        other[1] = 0x11;
        assert_eq!(Request::parse(&other), None, "an indication");
        let mut old = request("", "0000");
        old[4] = 0;
        assert_eq!(Request::parse(&old), None, "RFC 3489");
    }
}
