//! The hashes of RFC 7616 §3.4.

use std::fmt;

use md5::Md5;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A hash algorithm that is spoken here, the weaker one because half of all trunks know no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RFC 2617.
    Md5,
    /// RFC 7616, RFC 8760.
    Sha256,
}

impl Algorithm {
    /// The algorithm of this name, in any case; MD5 if there is none (RFC 7616 §3.3).
    #[must_use]
    pub fn named(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("MD5") => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Some(Self::Sha256),
            Some(_) => None,
        }
    }

    /// As written in a header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The hash of the parts joined by colons, in hexadecimal.
    pub(super) fn hash(self, parts: &[&str]) -> String {
        fn over<D: sha2::Digest>(parts: &[&str]) -> String {
            let mut hash = D::new();
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    hash.update(b":");
                }
                hash.update(part.as_bytes());
            }
            hex::encode(hash.finalize())
        }
        match self {
            Self::Md5 => over::<Md5>(parts),
            Self::Sha256 => over::<Sha256>(parts),
        }
    }
}

/// What is stored instead of a password: the hash of user, realm and password by both algorithms (RFC 7616 §3.4.2).
///
/// It is as good as the password within its realm, so it is a secret: it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    md5: [u8; 16],
    sha256: [u8; 32],
}

impl Ha1 {
    /// From a password in the clear.
    #[must_use]
    pub fn new(user: &str, realm: &str, password: &str) -> Self {
        let text = format!("{user}:{realm}:{password}");
        Self { md5: Md5::digest(text.as_bytes()).into(), sha256: Sha256::digest(text.as_bytes()).into() }
    }

    /// From the two stored hashes.
    #[must_use]
    pub const fn from_hashes(md5: [u8; 16], sha256: [u8; 32]) -> Self {
        Self { md5, sha256 }
    }

    /// The stored form: MD5, then SHA-256.
    #[must_use]
    pub const fn hashes(&self) -> (&[u8; 16], &[u8; 32]) {
        (&self.md5, &self.sha256)
    }

    fn hex(&self, algorithm: Algorithm) -> String {
        match algorithm {
            Algorithm::Md5 => hex::encode(self.md5),
            Algorithm::Sha256 => hex::encode(self.sha256),
        }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(‹secret›)")
    }
}

/// What a response is made of besides the secret.
#[derive(Clone, Copy)]
pub(super) struct Ingredients<'a> {
    pub algorithm: Algorithm,
    pub nonce: &'a str,
    /// The count as its eight hexadecimal digits, and the client's nonce; none without qop (RFC 2069).
    pub count: Option<(&'a str, &'a str)>,
    pub method: &'a str,
    pub uri: &'a str,
}

impl Ingredients<'_> {
    /// The response in hexadecimal (RFC 7616 §3.4.1).
    pub fn response(&self, ha1: &Ha1) -> String {
        let (secret, request) = (ha1.hex(self.algorithm), self.algorithm.hash(&[self.method, self.uri]));
        match self.count {
            Some((nc, cnonce)) => self.algorithm.hash(&[&secret, self.nonce, nc, cnonce, "auth", &request]),
            None => self.algorithm.hash(&[&secret, self.nonce, &request]),
        }
    }

    /// Whether `response` is the right one, in time that does not depend on where it differs.
    pub fn matches(&self, ha1: &Ha1, response: &str) -> bool {
        let given = response.to_ascii_lowercase();
        self.response(ha1).as_bytes().ct_eq(given.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Ha1, Ingredients};

    fn rfc7616(algorithm: Algorithm) -> Ingredients<'static> {
        Ingredients {
            algorithm,
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
            method: "GET",
            uri: "/dir/index.html",
        }
    }

    #[test]
    fn rfc7616_section_3_9_1() {
        let ha1 = Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life");
        for (algorithm, response) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            assert_eq!(rfc7616(algorithm).response(&ha1), response);
            assert!(rfc7616(algorithm).matches(&ha1, &response.to_ascii_uppercase()));
            assert!(!rfc7616(algorithm).matches(&ha1, &response.replace('7', "6")));
            assert!(!rfc7616(algorithm).matches(&ha1, ""));
        }
    }

    #[test]
    fn rfc2617_section_3_5() {
        let ha1 = Ha1::new("Mufasa", "testrealm@host.com", "Circle Of Life");
        let with = Ingredients {
            algorithm: Algorithm::Md5,
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            count: Some(("00000001", "0a4f113b")),
            method: "GET",
            uri: "/dir/index.html",
        };
        assert_eq!(with.response(&ha1), "6629fae49393a05397450978507c4ef1");
        let legacy = Ingredients { count: None, ..with };
        assert_eq!(legacy.response(&ha1), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn the_stored_form_does_not_print() {
        let ha1 = Ha1::new("a", "b", "c");
        let (&md5, &sha256) = ha1.hashes();
        assert_eq!(Ha1::from_hashes(md5, sha256), ha1);
        assert_eq!(format!("{ha1:?}"), "Ha1(‹secret›)");
    }
}
