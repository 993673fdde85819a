//! As much of STUN (RFC 8489) as an ICE-lite agent needs: binding requests are read and checked, answers are written.
//!
//! Short-term credentials with HMAC-SHA1, as RFC 8445 §7.1 has it. Not here: long-term credentials, TURN, requests of
//! our own.

mod answer;
mod crc;
mod message;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

pub(crate) use answer::{Answer, MAX_ANSWER, Reason};
pub(crate) use message::{Class, Request};

/// RFC 8489 §5: tells STUN from everything else.
pub(crate) const COOKIE: u32 = 0x2112_a442;
/// Bytes before the attributes.
pub(crate) const HEADER: usize = 20;
/// Bytes of MESSAGE-INTEGRITY's value.
pub(crate) const INTEGRITY: usize = 20;
/// RFC 8489 §14.7: mixed into FINGERPRINT.
const FINGERPRINT_MASK: u32 = 0x5354_554e;

/// Attribute types (RFC 8489 §18.3, RFC 8445 §20.1).
pub(crate) mod attribute {
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(super) const ERROR_CODE: u16 = 0x0009;
    pub(super) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub(super) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(super) const PRIORITY: u16 = 0x0024;
    pub(super) const USE_CANDIDATE: u16 = 0x0025;
    pub(super) const FINGERPRINT: u16 = 0x8028;
    pub(super) const ICE_CONTROLLED: u16 = 0x8029;
}

/// Whether a datagram is meant for STUN (RFC 7983 §7: the first byte; RFC 8489 §5: the cookie).
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    let cookie = datagram.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    datagram.first().is_some_and(|first| *first < 4) && cookie == Some(COOKIE)
}

/// The part before the colon of a binding request's USERNAME: whose leg it is for (RFC 8445 §7.2.2). Nothing is
/// proven by it.
#[must_use]
pub fn addressee(datagram: &[u8]) -> Option<&str> {
    let request = Request::parse(datagram).filter(|request| request.class == Class::Request)?;
    request.username.and_then(|name| name.split_once(':')).map(|(ours, _)| ours)
}

/// HMAC-SHA1 over a message whose length field says that it ends behind MESSAGE-INTEGRITY (RFC 8489 §14.5).
pub(crate) fn integrity(key: &str, header: [u8; HEADER], attributes: &[u8]) -> Option<Hmac<Sha1>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(&header);
    mac.update(attributes);
    Some(mac)
}
