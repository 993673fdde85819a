//! How a voice is kept secret on its way (RFC 3711): suites, keys, what is demanded of a leg and what it has.
//!
//! Keys are wiped when they are dropped and never printed. Nothing here encrypts anything.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Entropy;
use crate::dtls::{Fingerprint, Setup};

/// An SRTP crypto suite, by the name that RFC 4568 §10.3.2 registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Suite {
    /// RFC 7714 §14.1.
    #[serde(rename = "AEAD_AES_256_GCM")]
    AeadAes256Gcm,
    /// RFC 7714 §14.1.
    #[serde(rename = "AEAD_AES_128_GCM")]
    AeadAes128Gcm,
    /// RFC 6188 §5.
    #[serde(rename = "AES_256_CM_HMAC_SHA1_80")]
    AesCm256HmacSha1Tag80,
    /// RFC 4568 §6.2.1.
    #[serde(rename = "AES_CM_128_HMAC_SHA1_80")]
    AesCm128HmacSha1Tag80,
    /// RFC 6188 §5.
    #[serde(rename = "AES_256_CM_HMAC_SHA1_32")]
    AesCm256HmacSha1Tag32,
    /// RFC 4568 §6.2.2.
    #[serde(rename = "AES_CM_128_HMAC_SHA1_32")]
    AesCm128HmacSha1Tag32,
}

impl Suite {
    /// All of them, best first: a long tag before a long key, since the tag is what a forger has to guess.
    pub const ALL: [Self; 6] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm256HmacSha1Tag80,
        Self::AesCm128HmacSha1Tag80,
        Self::AesCm256HmacSha1Tag32,
        Self::AesCm128HmacSha1Tag32,
    ];

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AesCm256HmacSha1Tag80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm128HmacSha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm256HmacSha1Tag32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AesCm128HmacSha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of its master key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AesCm256HmacSha1Tag80 | Self::AesCm256HmacSha1Tag32 => 32,
            Self::AeadAes128Gcm | Self::AesCm128HmacSha1Tag80 | Self::AesCm128HmacSha1Tag32 => 16,
        }
    }

    /// Bytes of its master salt.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Bytes that it adds to an RTP packet.
    #[must_use]
    pub const fn tag_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1Tag80 | Self::AesCm128HmacSha1Tag80 => 10,
            Self::AesCm256HmacSha1Tag32 | Self::AesCm128HmacSha1Tag32 => 4,
        }
    }

    /// Whether it encrypts and authenticates in one (RFC 7714).
    #[must_use]
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes256Gcm | Self::AeadAes128Gcm)
    }
}

/// Most bytes of a master key and its salt together: AES-256 in counter mode.
const MAX_MASTER: usize = 46;

/// A master key with its salt, for one direction. Wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey {
    #[zeroize(skip)]
    suite: Suite,
    bytes: [u8; MAX_MASTER],
}

impl MasterKey {
    /// A new one.
    pub fn random(suite: Suite, random: &mut (impl Entropy + ?Sized)) -> Self {
        let mut key = Self { suite, bytes: [0; MAX_MASTER] };
        random.fill(key.bytes.get_mut(..suite.key_len() + suite.salt_len()).unwrap_or_default());
        key
    }

    /// From key ‖ salt (RFC 4568 §6.1); none if that is not as long as the suite wants it.
    #[must_use]
    pub fn from_bytes(suite: Suite, key_and_salt: &[u8]) -> Option<Self> {
        let mut key = Self { suite, bytes: [0; MAX_MASTER] };
        if key_and_salt.len() != suite.key_len() + suite.salt_len() {
            return None;
        }
        key.bytes.get_mut(..key_and_salt.len())?.copy_from_slice(key_and_salt);
        Some(key)
    }

    /// What it is for.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Key ‖ salt.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.bytes.get(..self.suite.key_len() + self.suite.salt_len()).unwrap_or_default()
    }

    /// The key without its salt.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.expose().get(..self.suite.key_len()).unwrap_or_default()
    }

    /// The salt.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        self.expose().get(self.suite.key_len()..).unwrap_or_default()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, ‹redacted›)", self.suite.name())
    }
}

/// The keys of one leg. Both are of the same suite.
#[derive(Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// For what we send.
    pub send: MasterKey,
    /// For what the peer sends.
    pub receive: MasterKey,
    /// How many packets may be received under one key (RFC 4568 §6.1).
    pub lifetime: u64,
}

impl SrtpKeys {
    /// RFC 3711 §9.2: no key protects more than 2^48 packets.
    pub const MAX_LIFETIME: u64 = 1 << 48;
}

/// How a leg's packets are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keying {
    /// Not at all.
    #[default]
    Plain,
    /// With keys out of the session description (RFC 4568).
    Sdes {
        /// The keys.
        keys: Arc<SrtpKeys>,
        /// The description went over signalling that others could read.
        in_clear: bool,
    },
    /// With keys out of a DTLS handshake that is to come (RFC 5764).
    Dtls {
        /// The peer's certificate.
        peer: Fingerprint,
        /// Whether we begin the handshake (`active`) or wait (`passive`).
        ours: Setup,
    },
}

impl Keying {
    /// What may be told of it.
    #[must_use]
    pub fn security(&self) -> Security {
        match self {
            Self::Plain => Security::Plain,
            Self::Dtls { .. } => Security::Dtls { suite: None },
            Self::Sdes { keys, in_clear } => Security::Sdes { suite: keys.send.suite(), in_clear: *in_clear },
        }
    }
}

/// How a leg was secured: what its call's record says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Security {
    /// Not at all.
    #[default]
    Plain,
    /// SRTP with keys out of the session description.
    Sdes {
        /// The suite.
        suite: Suite,
        /// The keys went over signalling that others could read.
        in_clear: bool,
    },
    /// SRTP with keys out of a DTLS handshake (RFC 5764).
    Dtls {
        /// The suite; none while the handshake is not over.
        suite: Option<Suite>,
    },
}

impl Security {
    /// `plain`, `sdes`, `sdes-in-clear` or `dtls`: the label of the metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sdes { in_clear: false, .. } => "sdes",
            Self::Sdes { in_clear: true, .. } => "sdes-in-clear",
            Self::Dtls { .. } => "dtls",
        }
    }
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("not encrypted"),
            Self::Sdes { suite, in_clear: false } => write!(f, "SDES {}", suite.name()),
            Self::Sdes { suite, in_clear: true } => {
                write!(f, "SDES {}, keys sent in the clear", suite.name())
            }
            Self::Dtls { suite: Some(suite) } => write!(f, "DTLS {}", suite.name()),
            Self::Dtls { suite: None } => f.write_str("DTLS"),
        }
    }
}

/// Whether a leg must be encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SrtpPolicy {
    /// A leg that is not is refused.
    Require,
    /// Wherever the other side can.
    #[default]
    Prefer,
    /// Never: for equipment that fails at it.
    Off,
}

impl SrtpPolicy {
    /// What holds for a leg that both say something about: who requires it wins, then who forbids it.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Require, _) | (_, Self::Require) => Self::Require,
            (Self::Off, _) | (_, Self::Off) => Self::Off,
            (Self::Prefer, Self::Prefer) => Self::Prefer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MasterKey, Security, SrtpPolicy, Suite};

    #[test]
    fn suites_are_found_by_their_names_and_have_the_lengths_of_their_rfcs() {
        let lengths = Suite::ALL.map(|suite| (suite.key_len(), suite.salt_len(), suite.tag_len()));
        assert_eq!(
            lengths,
            [(32, 12, 16), (16, 12, 16), (32, 14, 10), (16, 14, 10), (32, 14, 4), (16, 14, 4)]
        );
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(suite.name()), Some(suite));
            let json = serde_json::to_string(&suite).expect("json");
            assert_eq!(json.trim_matches('"'), suite.name());
        }
        assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
    }

    #[test]
    fn a_key_has_the_length_of_its_suite_and_is_not_printed() {
        let bytes: Vec<u8> = (0..30).collect();
        let key = MasterKey::from_bytes(Suite::AesCm128HmacSha1Tag80, &bytes).expect("a key");
        assert_eq!((key.key(), key.salt()), (&bytes[..16], &bytes[16..]));
        assert_eq!(format!("{key:?}"), "MasterKey(AES_CM_128_HMAC_SHA1_80, ‹redacted›)");
        assert!(MasterKey::from_bytes(Suite::AesCm128HmacSha1Tag80, &bytes[1..]).is_none());
        assert!(MasterKey::from_bytes(Suite::AeadAes256Gcm, &bytes).is_none());
    }

    #[test]
    fn who_requires_wins_then_who_forbids() {
        use SrtpPolicy::{Off, Prefer, Require};
        let table = [(Require, Off, Require), (Off, Prefer, Off), (Prefer, Prefer, Prefer), (Off, Off, Off)];
        for (one, other, both) in table {
            assert_eq!((one.and(other), other.and(one)), (both, both), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_record_says_how_in_words_and_in_json() {
        let sdes = Security::Sdes { suite: Suite::AesCm128HmacSha1Tag80, in_clear: true };
        assert_eq!(sdes.to_string(), "SDES AES_CM_128_HMAC_SHA1_80, keys sent in the clear");
        let json = serde_json::to_string(&sdes).expect("json");
        assert_eq!(json, r#"{"by":"sdes","suite":"AES_CM_128_HMAC_SHA1_80","in_clear":true}"#);
        assert_eq!(serde_json::from_str::<Security>(&json).expect("read"), sdes);
    }
}
