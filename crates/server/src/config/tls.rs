//! The options of TLS: our certificates, and those that trunks are known by.

use std::path::PathBuf;

use serde::Deserialize;

/// Our certificates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The operator's own; the first is shown to peers who ask for no name of these. Empty: one is made.
    pub certificates: Vec<CertificateFiles>,
    /// Names in the certificate that is made, besides the addresses that we listen on.
    pub names: Vec<String>,
    /// Where the certificate that is made is kept, with its key.
    pub folder: PathBuf,
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificates: Vec::new(), names: Vec::new(), folder: PathBuf::from("../.run/tls") }
    }
}

/// One certificate of the operator's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// PEM: the certificate and what leads to its authority.
    pub chain: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// The certificate that a trunk shows: known by itself, or by the name in it and who vouches for that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrunkCertificate {
    /// SHA-256 of the certificate (DER) in hexadecimal digits, colons allowed; several while it is being replaced.
    pub fingerprints: Vec<String>,
    /// The SIP domain that stands in it (RFC 5922 §7.1).
    pub name: Option<String>,
    /// PEM: the authorities that may have issued it; none: those that the system trusts.
    pub ca: Option<PathBuf>,
}

impl TrunkCertificate {
    /// The fingerprints as bytes; none if one of them is no SHA-256.
    pub fn pins(&self) -> Option<Vec<[u8; 32]>> {
        let pin = |text: &String| {
            let mut pin = [0; 32];
            hex::decode_to_slice(text.replace(':', "").trim(), &mut pin).ok().map(|()| pin)
        };
        self.fingerprints.iter().map(pin).collect()
    }
}
