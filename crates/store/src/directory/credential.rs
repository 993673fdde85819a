//! Passwords and what they are checked against (RFC 7616 §3.4.2). A password itself is never stored.

use md5::{Digest, Md5};
use sha2::Sha256;
use vorzimmer_types::directory::Credential;
use vorzimmer_types::{Entropy, entropy};

/// Signs that cannot be mistaken for one another when a password is read out or typed.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Signs of a generated password: 5 bits each, 100 in all.
const GENERATED: usize = 20;

/// The hashes of one password.
pub(super) fn credential(login: &str, realm: &str, password: &str) -> Credential {
    let text = format!("{login}:{realm}:{password}");
    Credential {
        realm: realm.to_owned(),
        ha1_md5: hex::encode(Md5::digest(text.as_bytes())),
        ha1_sha256: hex::encode(Sha256::digest(text.as_bytes())),
    }
}

/// A password that nobody can guess and everybody can type: `abcde-fghij-kmnpq-rstuv`.
pub(super) fn generate(entropy: &mut dyn Entropy) -> String {
    let bytes: [u8; GENERATED] = entropy::array(entropy);
    let mut password = String::with_capacity(GENERATED + 3);
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % 5 == 0 {
            password.push('-');
        }
        // 32 divides 256, so each sign is as likely as any other.
        password.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    password
}

#[cfg(test)]
mod tests {
    use vorzimmer_types::entropy::Seeded;

    use super::{credential, generate};

    #[test]
    fn the_hashes_are_those_that_a_phone_computes() {
        // RFC 7616 §3.9.1: user Mufasa, realm http-auth@example.org, password "Circle of Life".
        let found = credential("Mufasa", "http-auth@example.org", "Circle of Life");
        assert_eq!(found.ha1_md5, "3d78807defe7de2157e2b0b6573a855f");
        assert_eq!(found.ha1_sha256, "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
    }

    #[test]
    fn a_generated_password_can_be_typed() {
        let password = generate(&mut Seeded::new(1));
        assert_eq!(password.len(), 23);
        assert!(password.bytes().all(|byte| byte.is_ascii_lowercase() || b"23456789-".contains(&byte)));
        assert_ne!(password, generate(&mut Seeded::new(2)));
    }
}
