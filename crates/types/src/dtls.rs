//! What a description says about DTLS-SRTP: the words that `sdp` reads, `call` passes on and `media` obeys.

use std::fmt;
use std::str::FromStr;

/// A hash function that names certificates (RFC 8122 §5). Those that are broken are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256: what everybody uses.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Bytes of its digest.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Its name in `a=fingerprint`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|hash| name.eq_ignore_ascii_case(hash.name()))
    }
}

/// The hash of a certificate: how signalling vouches for the other end of a DTLS handshake (RFC 8122).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: Hash,
    digest: [u8; Self::MAX],
}

impl Fingerprint {
    const MAX: usize = 64;
    /// No certificate's.
    pub const ZERO: Self = Self { hash: Hash::Sha256, digest: [0; Self::MAX] };

    /// A certificate's `digest` by `hash`; none if it has not that hash's length.
    #[must_use]
    pub fn new(hash: Hash, digest: &[u8]) -> Option<Self> {
        if digest.len() != hash.length() {
            return None;
        }
        let mut padded = [0; Self::MAX];
        padded.get_mut(..digest.len())?.copy_from_slice(digest);
        Some(Self { hash, digest: padded })
    }

    /// By which function.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        self.digest.get(..self.hash.length()).unwrap_or_default()
    }
}

/// `a=fingerprint` values that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFingerprint {
    /// A hash function that is not known, or not trusted.
    #[error("the fingerprint's hash function is not one that is trusted")]
    Hash,
    /// Not as many bytes in hexadecimal as its function makes.
    #[error("the fingerprint is no digest of its hash function")]
    Digest,
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    /// RFC 8122 §5: `sha-256 4A:AD:…`; upper case is asked for, lower case is seen.
    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let (name, digits) = text.trim().split_once(' ').ok_or(BadFingerprint::Digest)?;
        let hash = Hash::named(name).ok_or(BadFingerprint::Hash)?;
        let mut digest = [0; Self::MAX];
        let mut length = 0;
        for byte in digits.trim().split(':') {
            let two = byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
            let value = u8::from_str_radix(byte, 16).ok().filter(|_| two).ok_or(BadFingerprint::Digest)?;
            *digest.get_mut(length).ok_or(BadFingerprint::Digest)? = value;
            length += 1;
        }
        Self::new(hash, digest.get(..length).unwrap_or_default()).ok_or(BadFingerprint::Digest)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        let digit = |digit: u8| char::from(if digit < 10 { b'0' + digit } else { b'A' - 10 + digit });
        let mut text = String::with_capacity(self.digest().len() * 3);
        for (at, byte) in self.digest().iter().enumerate() {
            text.extend([if at == 0 { ' ' } else { ':' }, digit(byte >> 4), digit(byte & 15)]);
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.hash.name())
    }
}

/// Who begins the handshake (RFC 4145 §4, RFC 8842 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// Whoever says so: the DTLS client.
    Active,
    /// Waits: the DTLS server.
    Passive,
    /// Either, at the answerer's choice: what an offer says.
    ActPass,
}

impl Setup {
    /// Its word in `a=setup`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
        }
    }

    /// The word in `a=setup`; none for `holdconn` and what is not known.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::ActPass]
            .into_iter()
            .find(|setup| name.trim().eq_ignore_ascii_case(setup.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::{BadFingerprint, Fingerprint, Hash, Setup};

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let digest: Vec<u8> = (0..32).map(|n| n * 7).collect();
        let ours = Fingerprint::new(Hash::Sha256, &digest).unwrap();
        let text = ours.to_string();
        assert!(text.starts_with("sha-256 00:07:0E:"), "{text}");
        assert_eq!(text.parse(), Ok(ours));
        assert_eq!(text.to_lowercase().parse(), Ok(ours));
        assert_eq!(format!("{ours:?}"), "Fingerprint(sha-256)");
    }

    #[test]
    fn what_is_no_digest_of_a_trusted_hash_is_refused() {
        let long = format!("sha-256 {}", ["AB"; 33].join(":"));
        let endless = format!("sha-512 {}", ["AB"; 3000].join(":"));
        let cases = [
            ("", BadFingerprint::Digest),
            ("sha-256", BadFingerprint::Digest),
            ("sha-256 AB", BadFingerprint::Digest),
            ("sha-256 +A:0B", BadFingerprint::Digest),
            ("sha-1 AB:CD", BadFingerprint::Hash),
            ("md5 AB", BadFingerprint::Hash),
            (&long, BadFingerprint::Digest),
            (&endless, BadFingerprint::Digest),
        ];
        for (text, why) in cases {
            assert_eq!(text.parse::<Fingerprint>(), Err(why), "{text}");
        }
        assert_eq!(Fingerprint::new(Hash::Sha384, &[0; 32]), None);
    }

    #[test]
    fn setup_is_one_of_three_words() {
        for setup in [Setup::Active, Setup::Passive, Setup::ActPass] {
            assert_eq!(Setup::named(setup.name()), Some(setup));
        }
        assert_eq!(Setup::named("holdconn"), None);
    }
}
