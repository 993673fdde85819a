//! What a handshake is for: two SRTP master keys.

use openssl::srtp::SrtpProfileId;
use openssl::ssl::SslRef;
use vorzimmer_types::srtp::{MasterKey, SrtpKeys, Suite};
use zeroize::Zeroizing;

/// What the key exporter is asked for (RFC 5764 §4.2).
const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// The keys that a finished handshake gives; none if no SRTP profile was agreed on.
pub(super) fn of(end: &SslRef, client: bool) -> Option<SrtpKeys> {
    let suite = suite(end.selected_srtp_profile()?.id())?;
    let mut material = Zeroizing::new(vec![0; 2 * (suite.key_len() + suite.salt_len())]);
    end.export_keying_material(&mut material, LABEL, None).ok()?;
    cut(&material, suite, client)
}

fn suite(profile: SrtpProfileId) -> Option<Suite> {
    match profile {
        SrtpProfileId::SRTP_AES128_CM_SHA1_80 => Some(Suite::AesCm128HmacSha1Tag80),
        SrtpProfileId::SRTP_AEAD_AES_128_GCM => Some(Suite::AeadAes128Gcm),
        SrtpProfileId::SRTP_AEAD_AES_256_GCM => Some(Suite::AeadAes256Gcm),
        _ => None,
    }
}

/// Cuts the keying material up as RFC 5764 §4.2 has it: client's key, server's key, client's salt, server's salt.
fn cut(material: &[u8], suite: Suite, client: bool) -> Option<SrtpKeys> {
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
    use super::cut;
    use vorzimmer_types::srtp::Suite;

    #[test]
    fn the_material_is_cut_as_the_rfc_has_it() {
        let material: Vec<u8> = (0..60).collect();
        let keys = |client| cut(&material, Suite::AesCm128HmacSha1Tag80, client).unwrap();
        let (client, server) = (keys(true), keys(false));
        assert_eq!(client.send.key(), (0..16).collect::<Vec<u8>>());
        assert_eq!(client.receive.key(), (16..32).collect::<Vec<u8>>());
        assert_eq!(client.send.salt(), (32..46).collect::<Vec<u8>>());
        assert_eq!(client.receive.salt(), (46..60).collect::<Vec<u8>>());
        assert!(client.send == server.receive && client.receive == server.send);
        assert!(cut(&material[..59], Suite::AesCm128HmacSha1Tag80, true).is_none());
    }
}
