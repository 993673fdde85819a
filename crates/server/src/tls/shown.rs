//! Which of our certificates a peer is shown: the one with the name that it asks for (SNI), else the first.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use crate::clock;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Our certificates, in the operator's order.
pub struct Shown {
    certificates: ArcSwap<Vec<Certificate>>,
}

impl Shown {
    pub fn new(certificates: Vec<Certificate>) -> Self {
        Self { certificates: ArcSwap::from_pointee(certificates) }
    }

    /// From the next handshake on these are shown.
    pub fn replace(&self, certificates: Vec<Certificate>) {
        self.certificates.store(Arc::new(certificates));
    }

    /// Days until the first of them ends.
    pub fn days_left(&self) -> i64 {
        let first = self.certificates.load().iter().map(|certificate| certificate.until).min();
        first.map_or(0, |until| (until.0 - clock::wall().0).div_euclid(DAY_MS))
    }

    /// For a peer that asks for `host`, or for none.
    pub fn for_host(&self, host: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.certificates.load();
        let asked =
            host.and_then(|host| certificates.iter().find(|certificate| certificate.names.serve(host)));
        asked.or_else(|| certificates.first()).map(|certificate| Arc::clone(&certificate.certified))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.for_host(hello.server_name())
    }
}

/// To a trunk that asks who we are, on a connection of ours.
impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.for_host(None)
    }

    fn has_certs(&self) -> bool {
        !self.certificates.load().is_empty()
    }
}

impl fmt::Debug for Shown {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shown({} certificates)", self.certificates.load().len())
    }
}
