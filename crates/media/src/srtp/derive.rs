//! Session keys out of a master key (RFC 3711 §4.3, RFC 6188 §4, RFC 7714 §11): without a key derivation rate.

use aes::cipher::KeyInit;
use aes::{Aes128Enc, Aes256Enc};
use vorzimmer_types::srtp::MasterKey;
use zeroize::Zeroizing;

use super::keystream::keystream;

/// What a session key is for (RFC 3711 §4.3.2), in RTP; three more means in RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// To encrypt.
    Encryption = 0,
    /// To authenticate.
    Authentication = 1,
    /// To make nonces differ.
    Salt = 2,
}

/// Which of the two protocols a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// RTP.
    Rtp,
    /// RTCP.
    Rtcp,
}

/// `N` bytes of the key with this label.
pub(super) fn derive<const N: usize>(
    master: &MasterKey,
    protocol: Protocol,
    label: Label,
) -> Zeroizing<[u8; N]> {
    let mut block = Zeroizing::new([0; 16]);
    // RFC 7714 §11: a salt of 96 bits is filled up with zeros behind.
    for (to, from) in block.iter_mut().zip(master.salt()) {
        *to = *from;
    }
    let [.., at, _, _, _, _, _, _, _, _] = &mut *block;
    *at ^= label as u8 + if protocol == Protocol::Rtcp { 3 } else { 0 };
    let mut out = Zeroizing::new([0; N]);
    if let Ok(key) = <[u8; 16]>::try_from(master.key()).map(Zeroizing::new) {
        keystream(&Aes128Enc::new((&*key).into()), &block, &mut *out);
    } else if let Ok(key) = <[u8; 32]>::try_from(master.key()).map(Zeroizing::new) {
        keystream(&Aes256Enc::new((&*key).into()), &block, &mut *out);
    }
    out
}
