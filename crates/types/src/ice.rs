//! What a description says about ICE: the words that `sdp` reads, `call` passes on and `media` obeys.

use std::fmt;

use crate::{Entropy, entropy};

/// A user name fragment and a password, made anew for each leg (RFC 8445 §5.3).
///
/// Kept in place, so that they can be passed on without allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    ufrag: Text<{ Self::MAX_UFRAG }>,
    password: Text<{ Self::MAX_PASSWORD }>,
}

/// How the two ends of a leg are addressed in each other's checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// We.
    pub ours: Credentials,
    /// The peer.
    pub theirs: Credentials,
}

/// A short text of ICE characters.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    /// RFC 8839 §5.4: letters, digits, `+` and `/`.
    fn new(text: &str, least: usize) -> Option<Self> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        if text.len() < least || !text.bytes().all(known) {
            return None;
        }
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, length: text.len() })
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Credentials {
    /// Longest user name fragment that is taken. RFC 8839 §5.4 allows 256; telephones and browsers use 4 to 32.
    pub const MAX_UFRAG: usize = 64;
    /// Longest password that is taken. RFC 8839 §5.4 allows 256; telephones and browsers use 22 to 32.
    pub const MAX_PASSWORD: usize = 128;
    /// What is random in a fragment of ours.
    const TAIL: usize = 12;
    /// RFC 8839 §5.4: at least 24 bits.
    const MIN_UFRAG: usize = 4;
    /// RFC 8839 §5.4: at least 128 bits.
    const MIN_PASSWORD: usize = 22;

    /// What a peer said of itself; none if it is too short, too long or not of ICE characters.
    #[must_use]
    pub fn new(ufrag: &str, password: &str) -> Option<Self> {
        Some(Self {
            ufrag: Text::new(ufrag, Self::MIN_UFRAG)?,
            password: Text::new(password, Self::MIN_PASSWORD)?,
        })
    }

    /// New ones for a leg of ours. The fragment begins with `prefix`, of which up to four ICE characters are taken:
    /// what is behind it is enough to tell legs apart (72 bits), and the password holds 144 bits.
    #[must_use]
    pub fn random(prefix: &str, random: &mut (impl Entropy + ?Sized)) -> Self {
        let drawn = entropy::array::<36>(random).map(character);
        let text = std::str::from_utf8(&drawn).unwrap_or_default();
        let (tail, password) = text.split_at_checked(Self::TAIL).unwrap_or_default();
        let mut prefix: String = prefix.chars().filter(char::is_ascii_alphanumeric).take(4).collect();
        prefix.push_str(tail);
        let nobody = || Self {
            ufrag: Text { bytes: [0; Self::MAX_UFRAG], length: 0 },
            password: Text { bytes: [0; Self::MAX_PASSWORD], length: 0 },
        };
        Self::new(&prefix, password).unwrap_or_else(nobody)
    }

    /// New ones for the same leg, whose fragment begins with the same prefix: ICE begins anew (RFC 8445 §9).
    #[must_use]
    pub fn renewed(&self, random: &mut (impl Entropy + ?Sized)) -> Self {
        let ufrag = self.ufrag();
        let prefix = ufrag.len().checked_sub(Self::TAIL).and_then(|length| ufrag.get(..length));
        Self::random(prefix.unwrap_or_default(), random)
    }

    /// The user name fragment.
    #[must_use]
    pub fn ufrag(&self) -> &str {
        self.ufrag.as_str()
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &str {
        self.password.as_str()
    }
}

/// One of the 64 ICE characters.
fn character(byte: u8) -> u8 {
    match byte % 64 {
        n @ 0..=25 => b'A' + n,
        n @ 26..=51 => b'a' + (n - 26),
        n @ 52..=61 => b'0' + (n - 52),
        62 => b'+',
        _ => b'/',
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(‹redacted›)")
    }
}

#[cfg(test)]
mod tests {
    use super::Credentials;
    use crate::entropy::Seeded;

    #[test]
    fn new_ones_are_long_enough_and_differ() {
        let mut random = Seeded::new(1);
        let (one, two) = (Credentials::random("7", &mut random), Credentials::random("7", &mut random));
        assert!(one.ufrag().starts_with('7') && one.ufrag().len() == 13, "{}", one.ufrag());
        assert_eq!(one.password().len(), 24);
        let again = one.renewed(&mut random);
        assert!(again.ufrag().starts_with('7') && again.ufrag().len() == 13, "{}", again.ufrag());
        assert!(again.ufrag() != one.ufrag() && again.password() != one.password());
        assert_ne!(one.ufrag(), two.ufrag());
        assert_ne!(one.password(), two.password());
        assert_eq!(Credentials::new(one.ufrag(), one.password()), Some(one));
        assert_eq!(format!("{one:?}"), "Credentials(‹redacted›)");
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let good = "0123456789abcdefABCDEF+/";
        assert!(Credentials::new("abcd", good).is_some());
        assert!(Credentials::new("abc", good).is_none(), "too short");
        assert!(Credentials::new("abcd", "short").is_none(), "too short");
        assert!(Credentials::new("ab d", good).is_none(), "a blank");
        assert!(Credentials::new("ab:d", good).is_none(), "would forge a user name");
        assert!(Credentials::new(&"a".repeat(65), good).is_none(), "too long");
        assert!(Credentials::new("abcd", &"a".repeat(129)).is_none(), "too long");
    }
}
