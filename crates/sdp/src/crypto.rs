//! Keys in a session description: `a=crypto` (RFC 4568).
//!
//! ```text
//! a=crypto:<tag> <suite> inline:<key ‖ salt in base64>[|<lifetime>][|<MKI>:<length>] [<session parameters>]
//! ```
//! A line that asks for anything we do not do is as good as not there (RFC 4568 §6.3, §7.1.2): another suite, several
//! keys or an MKI to tell them apart, a key derivation rate, packets without encryption or authentication.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use vorzimmer_types::srtp::{MasterKey, SrtpKeys, Suite};
use zeroize::Zeroizing;

/// Base64 as RFC 4568 §6.1 wants it; some leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Largest tag: nine digits (RFC 4568 §9.1).
const MAX_TAG: u32 = 999_999_999;
/// Longest base64 of a key that any suite has, and then some.
const MAX_KEY_TEXT: usize = 128;

/// One usable `a=crypto` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// What an answer names it by.
    pub tag: u32,
    /// The key of whoever wrote the line, for what it sends.
    pub key: MasterKey,
    /// How many packets the key is good for, if that is said.
    pub lifetime: Option<u64>,
}

impl Crypto {
    /// Reads the attribute's value; none if the line cannot be used.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_ascii_whitespace();
        let tag = fields.next()?.parse().ok().filter(|tag| *tag <= MAX_TAG)?;
        let suite = Suite::from_name(fields.next()?)?;
        let (key, lifetime) = key_params(fields.next()?, suite)?;
        fields.all(can_be_ignored).then_some(Self { tag, key, lifetime })
    }

    /// The attribute's value.
    pub(crate) fn print(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(BASE64.encode(self.key.expose()));
        let lifetime = self.lifetime.map(|packets| format!("|{packets}")).unwrap_or_default();
        Zeroizing::new(format!("{} {} inline:{}{lifetime}", self.tag, self.key.suite().name(), *key))
    }
}

/// `inline:key[|lifetime]`. With an MKI, or several keys, none.
fn key_params(text: &str, suite: Suite) -> Option<(MasterKey, Option<u64>)> {
    let (method, info) = text.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") || info.contains(';') {
        return None;
    }
    let mut parts = info.split('|');
    let encoded = parts.next().filter(|text| text.len() <= MAX_KEY_TEXT)?;
    let bytes = Zeroizing::new(BASE64.decode(encoded).ok()?);
    let key = MasterKey::from_bytes(suite, &bytes)?;
    match (parts.next(), parts.next()) {
        (None, _) => Some((key, None)),
        (Some(lifetime), None) => Some((key, Some(packets(lifetime)?))),
        _ => None,
    }
}

/// `2^n` or a number; within what RFC 3711 §9.2 allows.
fn packets(text: &str) -> Option<u64> {
    let count = match text.strip_prefix("2^") {
        Some(power) => 1_u64.checked_shl(power.parse().ok()?)?,
        None => text.parse().ok()?,
    };
    (1..=SrtpKeys::MAX_LIFETIME).contains(&count).then_some(count)
}

/// The sender's replay window is advice (RFC 4568 §6.3.7); what begins with `-` need not be known (§6.3.8).
fn can_be_ignored(parameter: &str) -> bool {
    parameter.starts_with('-') || parameter.to_ascii_uppercase().starts_with("WSH=") || parameter == "KDR=0"
}

#[cfg(test)]
mod tests {
    use vorzimmer_types::srtp::Suite;

    use super::Crypto;

    const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    #[test]
    fn lines_that_can_be_used() {
        let table = [
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), 1, None),
            (format!("2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^31"), 2, Some(1 << 31)),
            (
                format!("999999999 aes_cm_128_hmac_sha1_80 INLINE:{KEY}|1048576  WSH=64"),
                999_999_999,
                Some(1 << 20),
            ),
            (format!("4 AES_CM_128_HMAC_SHA1_80 inline:{KEY} -NEW=1 KDR=0"), 4, None),
            ("5 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==".to_owned(), 5, None),
            ("6 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw".to_owned(), 6, None),
        ];
        for (line, tag, lifetime) in table {
            let crypto = Crypto::parse(&line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((crypto.tag, crypto.lifetime), (tag, lifetime), "{line}");
            assert_eq!(Crypto::parse(&crypto.print()), Some(crypto), "{line}");
        }
    }

    #[test]
    fn lines_that_ask_for_what_we_do_not_do() {
        let table = [
            format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 AEAD_AES_256_GCM inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^49"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^300"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|0"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTCP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNAUTHENTICATED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=20"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} FEC_ORDER=FEC_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} SOMETHING"),
            format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"),
            format!("1000000000 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80 inline:***".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
            String::new(),
        ];
        for line in table {
            assert_eq!(Crypto::parse(&line), None, "{line}");
        }
    }

    #[test]
    fn a_printed_line_is_the_one_of_rfc_4568() {
        let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
        let crypto = Crypto::parse(&line).expect("usable");
        assert_eq!((&*crypto.print(), crypto.key.suite()), (&line, Suite::AesCm128HmacSha1Tag80));
        assert!(!format!("{crypto:?}").contains("d0Rm"));
    }
}
