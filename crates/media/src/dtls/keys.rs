//! What a handshake is for: two SRTP master keys.

use vorzimmer_types::srtp::{MasterKey, SrtpKeys, Suite};
use zeroize::Zeroizing;

/// Cuts the keying material up as RFC 5764 §4.2 has it: client's key, server's key, client's salt, server's salt.
pub(super) fn of(material: &[u8], profile: dimpl::SrtpProfile, client: bool) -> Option<SrtpKeys> {
    let suite = match profile {
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1Tag80,
        dimpl::SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
        dimpl::SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
        _ => return None,
    };
    let (keys, salts) = material.split_at_checked(2 * suite.key_len())?;
    let master = |which: usize| {
        let key = keys.chunks_exact(suite.key_len()).nth(which)?;
        let salt = salts.chunks_exact(suite.salt_len()).nth(which)?;
        MasterKey::from_bytes(suite, &Zeroizing::new([key, salt].concat()))
    };
    let (of_client, of_server) = (master(0)?, master(1)?);
    let (send, receive) = if client { (of_client, of_server) } else { (of_server, of_client) };
    Some(SrtpKeys { send, receive, lifetime: SrtpKeys::MAX_LIFETIME })
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_material_is_cut_as_the_rfc_has_it() {
        let material: Vec<u8> = (0..60).collect();
        let keys = |client| of(&material, dimpl::SrtpProfile::AES128_CM_SHA1_80, client).unwrap();
        let (client, server) = (keys(true), keys(false));
        assert_eq!(client.send.key(), (0..16).collect::<Vec<u8>>());
        assert_eq!(client.receive.key(), (16..32).collect::<Vec<u8>>());
        assert_eq!(client.send.salt(), (32..46).collect::<Vec<u8>>());
        assert_eq!(client.receive.salt(), (46..60).collect::<Vec<u8>>());
        assert!(client.send == server.receive && client.receive == server.send);
        assert!(of(&material[..59], dimpl::SrtpProfile::AES128_CM_SHA1_80, true).is_none());
    }
}
