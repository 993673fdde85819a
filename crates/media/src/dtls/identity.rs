//! Our certificate, and whether a peer's is the one that was promised.

use std::sync::Arc;

use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use super::{DATAGRAM, FIRST_RETRY, Fingerprint, Hash, RETRIES, WAITING, WITHIN};
use crate::Error;

/// Our end's certificate with its key; made once by whoever runs the process, used in every handshake.
#[derive(Clone)]
pub struct Identity {
    certificate: dimpl::DtlsCertificate,
    fingerprint: Fingerprint,
    /// With a cookie, and without.
    configs: [Arc<dimpl::Config>; 2],
}

impl Identity {
    /// A self-signed X.509 `certificate` (DER) on P-256 or P-384 with its `key` (PKCS #8, DER).
    ///
    /// # Errors
    /// [`Error::Identity`] if the key is none that can sign here.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, Error> {
        let config = |cookie| {
            dimpl::Config::builder()
                .mtu(DATAGRAM)
                .max_queue_rx(WAITING)
                .use_server_cookie(cookie)
                .require_client_certificate(true)
                .flight_start_rto(FIRST_RETRY)
                .flight_retries(RETRIES)
                .handshake_timeout(WITHIN)
                .build()
                .map(Arc::new)
                .map_err(|_| Error::Identity)
        };
        let with_cookie = config(true)?;
        // The library would find out in mid-handshake, and not survive it.
        with_cookie.crypto_provider().key_provider.load_private_key(key).map_err(|_| Error::Identity)?;
        let configs = [with_cookie, config(false)?];
        let fingerprint = fingerprint(certificate, Hash::Sha256).ok_or(Error::Identity)?;
        let certificate =
            dimpl::DtlsCertificate { certificate: certificate.to_vec(), private_key: key.to_vec() };
        Ok(Self { certificate, fingerprint, configs })
    }

    /// What signalling tells peers about our certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn config(&self, cookie: bool) -> Arc<dimpl::Config> {
        let [with, without] = &self.configs;
        Arc::clone(if cookie { with } else { without })
    }

    pub(super) fn certificate(&self) -> dimpl::DtlsCertificate {
        self.certificate.clone()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(‹redacted›)")
    }
}

/// Whether a certificate is the promised one (RFC 8122 §6.2).
pub(super) fn matches(certificate: &[u8], promised: &Fingerprint) -> bool {
    fingerprint(certificate, promised.hash())
        .is_some_and(|found| found.digest().ct_eq(promised.digest()).into())
}

fn fingerprint(certificate: &[u8], hash: Hash) -> Option<Fingerprint> {
    match hash {
        Hash::Sha256 => Fingerprint::new(hash, &Sha256::digest(certificate)),
        Hash::Sha384 => Fingerprint::new(hash, &Sha384::digest(certificate)),
        Hash::Sha512 => Fingerprint::new(hash, &Sha512::digest(certificate)),
    }
}
