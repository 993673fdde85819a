//! Socket addresses as the kernel writes them (`struct sockaddr_in`, `struct sockaddr_in6`).
//!
//! ```text
//! IPv4   0 family u16 | 2 port u16 be | 4 address [4] | 8 zero [8]
//! IPv6   0 family u16 | 2 port u16 be | 4 flow u32 be | 8 address [16] | 24 scope u32
//! ```

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for either.
pub(crate) const ROOM: usize = 28;
/// What the kernel wants of an IPv4 address.
const V4: usize = 16;

const INET: [u8; 2] = family(libc::AF_INET);
const INET6: [u8; 2] = family(libc::AF_INET6);

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "families are small numbers")]
const fn family(number: libc::c_int) -> [u8; 2] {
    (number as u16).to_ne_bytes()
}

/// Writes an address; how many bytes it has.
pub(crate) fn write(address: SocketAddr, out: &mut [u8; ROOM]) -> usize {
    out.fill(0);
    out[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(v4) => {
            out[..2].copy_from_slice(&INET);
            out[4..8].copy_from_slice(&v4.ip().octets());
            V4
        }
        SocketAddr::V6(v6) => {
            out[..2].copy_from_slice(&INET6);
            out[4..8].copy_from_slice(&v6.flowinfo().to_be_bytes());
            out[8..24].copy_from_slice(&v6.ip().octets());
            out[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
            ROOM
        }
    }
}

/// Writes the address of nobody (`AF_UNSPEC`).
pub(crate) fn nobody(out: &mut [u8; ROOM]) {
    out.fill(0);
}

/// Reads what the kernel wrote; none if it is neither.
pub(crate) fn read(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    if *family == INET {
        let octets: [u8; 4] = *rest.first_chunk()?;
        return Some(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(octets), port)));
    }
    let (flow, rest) = rest.split_first_chunk::<4>()?;
    let (octets, rest) = rest.split_first_chunk::<16>()?;
    let scope = u32::from_ne_bytes(*rest.first_chunk()?);
    (*family == INET6).then(|| {
        SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(*octets), port, u32::from_be_bytes(*flow), scope))
    })
}

#[cfg(test)]
mod tests {
    use super::{ROOM, read, write};

    #[test]
    fn what_is_written_is_read() {
        for text in ["127.0.0.1:5060", "[2001:db8::17]:65535", "[fe80::1%3]:9"] {
            let address = text.parse().unwrap();
            let mut bytes = [0xff; ROOM];
            let length = write(address, &mut bytes);
            assert_eq!(read(&bytes[..length]), Some(address), "{text}");
        }
    }

    #[test]
    fn what_is_short_or_of_another_family_is_nothing() {
        let mut bytes = [0; ROOM];
        let length = write("192.0.2.1:1".parse().unwrap(), &mut bytes);
        assert_eq!(read(&bytes[..7]), None);
        bytes[0] ^= 0x40;
        assert_eq!(read(&bytes[..length]), None);
    }
}
