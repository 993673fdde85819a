//! One packet under session keys: encrypted and authenticated, or checked and decrypted, in place.
//!
//! Knows no state: which index a packet has is decided elsewhere.

use aes::cipher::KeyInit;
use aes::cipher::consts::{U12, U16};
use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use vorzimmer_types::srtp::{MasterKey, Suite};
use zeroize::Zeroizing;

use super::CONTROL_HEADER;
use super::derive::{Label, Protocol, derive};
use super::keystream::keystream;

/// RFC 3711 §5.2: the tag of SRTCP has 80 bits, whatever the tag of SRTP has (RFC 4568 §6.2.2).
const CONTROL_TAG: usize = 10;
/// Bytes of a GCM tag (RFC 7714 §13.2).
const GCM_TAG: usize = 16;
/// Bytes of an SRTCP index with its flag.
const INDEX: usize = 4;
/// The flag that an SRTCP packet is encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;

/// Session keys of one protocol in one direction. Wiped when dropped.
pub(super) struct Transform {
    cipher: Cipher,
    salt: Zeroizing<[u8; 14]>,
}

enum Cipher {
    Cm128(Box<Cm<Aes128Enc>>),
    Cm256(Box<Cm<Aes256Enc>>),
    Gcm128(Box<Aes128Gcm>),
    Gcm256(Box<Aes256Gcm>),
}

/// Counter mode with HMAC-SHA1 (RFC 3711 §4.1.1, §4.2.1).
struct Cm<A> {
    aes: A,
    mac: Hmac<Sha1>,
    tag: usize,
}

/// A packet's place: its source, and its index of 48 bits (in SRTCP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) ssrc: u32,
    pub(super) index: u64,
}

impl Transform {
    pub(super) fn new(master: &MasterKey, protocol: Protocol) -> Self {
        let key128 = || derive::<16>(master, protocol, Label::Encryption);
        let key256 = || derive::<32>(master, protocol, Label::Encryption);
        let auth = derive::<20>(master, protocol, Label::Authentication);
        let tag = if protocol == Protocol::Rtcp { CONTROL_TAG } else { master.suite().tag_len() };
        let salt = derive::<14>(master, protocol, Label::Salt);
        Self::of(master.suite(), key128, key256, &auth, tag, salt)
    }

    pub(super) fn of(
        suite: Suite,
        key128: impl Fn() -> Zeroizing<[u8; 16]>,
        key256: impl Fn() -> Zeroizing<[u8; 32]>,
        auth: &[u8; 20],
        tag: usize,
        salt: Zeroizing<[u8; 14]>,
    ) -> Self {
        let mac = || padded(auth);
        let cipher = match suite {
            Suite::AesCm128HmacSha1Tag80 | Suite::AesCm128HmacSha1Tag32 => {
                Cipher::Cm128(Box::new(Cm { aes: Aes128Enc::new((&*key128()).into()), mac: mac(), tag }))
            }
            Suite::AesCm256HmacSha1Tag80 | Suite::AesCm256HmacSha1Tag32 => {
                Cipher::Cm256(Box::new(Cm { aes: Aes256Enc::new((&*key256()).into()), mac: mac(), tag }))
            }
            Suite::AeadAes128Gcm => Cipher::Gcm128(Box::new(Aes128Gcm::new((&*key128()).into()))),
            Suite::AeadAes256Gcm => Cipher::Gcm256(Box::new(Aes256Gcm::new((&*key256()).into()))),
        };
        Self { cipher, salt }
    }

    /// Seals the RTP packet of `length` bytes at the beginning of `buffer`, of which `header` stay readable; gives back
    /// how long it is then. None if there is no room.
    pub(super) fn seal_rtp(&self, buffer: &mut [u8], header: usize, length: usize, at: At) -> Option<usize> {
        let roc = rollover(at.index);
        match &self.cipher {
            Cipher::Cm128(cm) => {
                keystream(&cm.aes, &self.counter(at), buffer.get_mut(header..length)?);
                cm.append_tag(buffer, length, &roc)
            }
            Cipher::Cm256(cm) => {
                keystream(&cm.aes, &self.counter(at), buffer.get_mut(header..length)?);
                cm.append_tag(buffer, length, &roc)
            }
            Cipher::Gcm128(gcm) => {
                let (aad, body, tag) = split(buffer, header, length)?;
                *tag = seal_gcm(&**gcm, &self.nonce(at), aad, body)?;
                Some(length + GCM_TAG)
            }
            Cipher::Gcm256(gcm) => {
                let (aad, body, tag) = split(buffer, header, length)?;
                *tag = seal_gcm(&**gcm, &self.nonce(at), aad, body)?;
                Some(length + GCM_TAG)
            }
        }
    }

    /// Opens an SRTP packet of which `header` bytes are readable; gives back how long it is then. None, and the packet
    /// as it was, if it is not authentic at this place.
    pub(super) fn open_rtp(&self, packet: &mut [u8], header: usize, at: At) -> Option<usize> {
        let roc = rollover(at.index);
        match &self.cipher {
            Cipher::Cm128(cm) => {
                let length = cm.check_tag(packet, &roc).filter(|length| *length >= header)?;
                keystream(&cm.aes, &self.counter(at), packet.get_mut(header..length)?);
                Some(length)
            }
            Cipher::Cm256(cm) => {
                let length = cm.check_tag(packet, &roc).filter(|length| *length >= header)?;
                keystream(&cm.aes, &self.counter(at), packet.get_mut(header..length)?);
                Some(length)
            }
            Cipher::Gcm128(gcm) => self.open_gcm(&**gcm, packet, header, at),
            Cipher::Gcm256(gcm) => self.open_gcm(&**gcm, packet, header, at),
        }
    }

    fn open_gcm(&self, gcm: &impl Gcm, packet: &mut [u8], header: usize, at: At) -> Option<usize> {
        let length = packet.len().checked_sub(GCM_TAG).filter(|length| *length >= header)?;
        let (aad, body, tag) = split(packet, header, length)?;
        gcm.open(&self.nonce(at), aad, body, tag).then_some(length)
    }

    /// Seals an RTCP packet like [`Transform::seal_rtp`]: index and tag come behind it.
    pub(super) fn seal_rtcp(&self, buffer: &mut [u8], length: usize, at: At) -> Option<usize> {
        let index = (ENCRYPTED | u32::try_from(at.index).ok()?).to_be_bytes();
        match &self.cipher {
            // RFC 3711 §3.4: packet, index, tag.
            Cipher::Cm128(cm) => {
                keystream(&cm.aes, &self.counter(at), buffer.get_mut(CONTROL_HEADER..length)?);
                buffer.get_mut(length..length + INDEX)?.copy_from_slice(&index);
                cm.append_tag(buffer, length + INDEX, &[])
            }
            Cipher::Cm256(cm) => {
                keystream(&cm.aes, &self.counter(at), buffer.get_mut(CONTROL_HEADER..length)?);
                buffer.get_mut(length..length + INDEX)?.copy_from_slice(&index);
                cm.append_tag(buffer, length + INDEX, &[])
            }
            Cipher::Gcm128(gcm) => self.seal_gcm_rtcp(&**gcm, buffer, length, at, index),
            Cipher::Gcm256(gcm) => self.seal_gcm_rtcp(&**gcm, buffer, length, at, index),
        }
    }

    /// RFC 7714 §9.2: packet, tag, index; the index is authenticated too.
    fn seal_gcm_rtcp(
        &self,
        gcm: &impl Gcm,
        buffer: &mut [u8],
        length: usize,
        at: At,
        index: [u8; INDEX],
    ) -> Option<usize> {
        let (header, body, tag) = split(buffer, CONTROL_HEADER, length)?;
        *tag = seal_gcm(gcm, &self.nonce(at), &control_aad(header, index)?, body)?;
        buffer.get_mut(length + GCM_TAG..length + GCM_TAG + INDEX)?.copy_from_slice(&index);
        Some(length + GCM_TAG + INDEX)
    }

    /// The index of an SRTCP packet. None if it says that it is not encrypted, which was never agreed on.
    pub(super) fn control_index(&self, packet: &[u8]) -> Option<u64> {
        let behind = match &self.cipher {
            Cipher::Cm128(_) | Cipher::Cm256(_) => CONTROL_TAG,
            Cipher::Gcm128(_) | Cipher::Gcm256(_) => 0,
        };
        let end = packet.len().checked_sub(behind)?;
        let index = u32::from_be_bytes(*packet.get(..end)?.last_chunk::<INDEX>()?);
        (index & ENCRYPTED != 0).then_some(u64::from(index & !ENCRYPTED))
    }

    /// Opens an SRTCP packet like [`Transform::open_rtp`].
    pub(super) fn open_rtcp(&self, packet: &mut [u8], at: At) -> Option<usize> {
        let length =
            |with_index: usize| with_index.checked_sub(INDEX).filter(|length| *length >= CONTROL_HEADER);
        match &self.cipher {
            Cipher::Cm128(cm) => {
                let length = length(cm.check_tag(packet, &[])?)?;
                keystream(&cm.aes, &self.counter(at), packet.get_mut(CONTROL_HEADER..length)?);
                Some(length)
            }
            Cipher::Cm256(cm) => {
                let length = length(cm.check_tag(packet, &[])?)?;
                keystream(&cm.aes, &self.counter(at), packet.get_mut(CONTROL_HEADER..length)?);
                Some(length)
            }
            Cipher::Gcm128(gcm) => self.open_gcm_rtcp(&**gcm, packet, at),
            Cipher::Gcm256(gcm) => self.open_gcm_rtcp(&**gcm, packet, at),
        }
    }

    fn open_gcm_rtcp(&self, gcm: &impl Gcm, packet: &mut [u8], at: At) -> Option<usize> {
        let index = *packet.last_chunk::<INDEX>()?;
        let length = packet.len().checked_sub(INDEX + GCM_TAG)?;
        let (header, body, tag) = split(packet, CONTROL_HEADER, length)?;
        gcm.open(&self.nonce(at), &control_aad(header, index)?, body, tag).then_some(length)
    }

    /// The first counter block (RFC 3711 §4.1.1): salt, source and index, and sixteen bits to count.
    fn counter(&self, at: At) -> [u8; 16] {
        let mut block = (u128::from(at.ssrc) << 64 | u128::from(at.index) << 16).to_be_bytes();
        block.iter_mut().zip(self.salt.iter()).for_each(|(to, salt)| *to ^= salt);
        block
    }

    /// The nonce (RFC 7714 §8.1, §9.1): two zeros, source, index, and over it the salt.
    fn nonce(&self, at: At) -> [u8; 12] {
        let [_, _, _, _, _, _, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5] =
            (u128::from(at.ssrc) << 48 | u128::from(at.index)).to_be_bytes();
        let mut nonce = [0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5];
        nonce.iter_mut().zip(self.salt.iter()).for_each(|(to, salt)| *to ^= salt);
        nonce
    }
}

/// The rollover counter, which is authenticated with the packet (RFC 3711 §4.2).
fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// HMAC pads its key to the hash's block with zeros (RFC 2104 §2).
fn padded(key: &[u8; 20]) -> Hmac<Sha1> {
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    <Hmac<Sha1> as KeyInit>::new((&*block).into())
}

impl<A> Cm<A> {
    fn append_tag(&self, buffer: &mut [u8], length: usize, roc: &[u8]) -> Option<usize> {
        let mut mac = self.mac.clone();
        mac.update(buffer.get(..length)?);
        mac.update(roc);
        let tag = mac.finalize().into_bytes();
        buffer.get_mut(length..length + self.tag)?.copy_from_slice(tag.get(..self.tag)?);
        Some(length + self.tag)
    }

    /// How long the packet is without its tag, if the tag is right.
    fn check_tag(&self, packet: &[u8], roc: &[u8]) -> Option<usize> {
        let length = packet.len().checked_sub(self.tag)?;
        let (packet, tag) = packet.split_at_checked(length)?;
        let mut mac = self.mac.clone();
        mac.update(packet);
        mac.update(roc);
        mac.verify_truncated_left(tag).ok().map(|()| length)
    }
}

/// GCM with a key of either length.
trait Gcm {
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], body: &mut [u8]) -> Option<[u8; GCM_TAG]>;
    /// Whether the tag was right; if not, the body is as it was.
    fn open(&self, nonce: &[u8; 12], aad: &[u8], body: &mut [u8], tag: &[u8; GCM_TAG]) -> bool;
}

impl<T> Gcm for T
where
    T: AeadInOut<NonceSize = U12, TagSize = U16>,
{
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], body: &mut [u8]) -> Option<[u8; GCM_TAG]> {
        self.encrypt_inout_detached(nonce.into(), aad, body.into()).ok().map(Into::into)
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], body: &mut [u8], tag: &[u8; GCM_TAG]) -> bool {
        self.decrypt_inout_detached(nonce.into(), aad, body.into(), tag.into()).is_ok()
    }
}

fn seal_gcm(gcm: &impl Gcm, nonce: &[u8; 12], aad: &[u8], body: &mut [u8]) -> Option<[u8; GCM_TAG]> {
    gcm.seal(nonce, aad, body)
}

/// What GCM authenticates of an SRTCP packet without encrypting it (RFC 7714 §9.2).
fn control_aad(header: &[u8], index: [u8; INDEX]) -> Option<[u8; CONTROL_HEADER + INDEX]> {
    let mut aad = [0; CONTROL_HEADER + INDEX];
    aad.get_mut(..CONTROL_HEADER)?.copy_from_slice(header);
    aad.get_mut(CONTROL_HEADER..)?.copy_from_slice(&index);
    Some(aad)
}

/// Header, body and tag of a packet whose body ends at `length`.
fn split(packet: &mut [u8], header: usize, length: usize) -> Option<(&[u8], &mut [u8], &mut [u8; GCM_TAG])> {
    let (packet, behind) = packet.split_at_mut_checked(length)?;
    let (header, body) = packet.split_at_mut_checked(header)?;
    Some((header, body, behind.first_chunk_mut()?))
}
