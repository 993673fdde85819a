//! What a handshake is for: two SRTP master keys.

use zeroize::Zeroizing;

/// An SRTP protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `SRTP_AES128_CM_HMAC_SHA1_80`.
    Aes128CmSha1,
    /// `SRTP_AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`.
    AeadAes256Gcm,
}

impl Profile {
    /// Bytes of the master key and of the master salt.
    #[must_use]
    pub const fn lengths(self) -> (usize, usize) {
        match self {
            Self::Aes128CmSha1 => (16, 14),
            Self::AeadAes128Gcm => (16, 12),
            Self::AeadAes256Gcm => (32, 12),
        }
    }
}

/// A master key with its salt; forgotten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    key: Zeroizing<Vec<u8>>,
    salt: Zeroizing<Vec<u8>>,
}

impl MasterKey {
    /// The master key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The master salt.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }
}

/// What SRTP needs of a handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// How packets are protected.
    pub profile: Profile,
    /// For what we send.
    pub ours: MasterKey,
    /// For what the peer sends.
    pub theirs: MasterKey,
}

impl Keys {
    /// Cuts the keying material up as RFC 5764 §4.2 has it: client's key, server's key, client's salt, server's salt.
    pub(super) fn of(material: &[u8], profile: dimpl::SrtpProfile, client: bool) -> Option<Self> {
        let profile = match profile {
            dimpl::SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1,
            dimpl::SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
            dimpl::SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
            _ => return None,
        };
        let (key, salt) = profile.lengths();
        let end = |n: usize| (n * key, (n + 1) * key, 2 * key + n * salt, 2 * key + (n + 1) * salt);
        let cut = |n: usize| {
            let (key_from, key_to, salt_from, salt_to) = end(n);
            Some(MasterKey {
                key: Zeroizing::new(material.get(key_from..key_to)?.to_vec()),
                salt: Zeroizing::new(material.get(salt_from..salt_to)?.to_vec()),
            })
        };
        let (of_client, of_server) = (cut(0)?, cut(1)?);
        let (ours, theirs) = if client { (of_client, of_server) } else { (of_server, of_client) };
        Some(Self { profile, ours, theirs })
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(‹redacted›)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Keys, Profile};

    #[test]
    fn the_material_is_cut_as_the_rfc_has_it() {
        let material: Vec<u8> = (0..60).collect();
        let of = |client| Keys::of(&material, dimpl::SrtpProfile::AES128_CM_SHA1_80, client).unwrap();
        let (client, server) = (of(true), of(false));
        assert_eq!(client.profile, Profile::Aes128CmSha1);
        assert_eq!(client.ours.key(), (0..16).collect::<Vec<u8>>());
        assert_eq!(client.theirs.key(), (16..32).collect::<Vec<u8>>());
        assert_eq!(client.ours.salt(), (32..46).collect::<Vec<u8>>());
        assert_eq!(client.theirs.salt(), (46..60).collect::<Vec<u8>>());
        assert!(client.ours == server.theirs && client.theirs == server.ours);
        assert!(Keys::of(&material[..59], dimpl::SrtpProfile::AES128_CM_SHA1_80, true).is_none());
        assert_eq!(format!("{client:?}"), "Keys { profile: Aes128CmSha1, .. }");
    }
}
