//! TLS: whose certificate we show, whose we believe, and how both are changed while calls go on.
//!
//! One provider (aws-lc-rs), TLS 1.2 and 1.3. A phone needs no certificate, and whatever it shows proves nothing: it has a
//! digest. A trunk may be known by its certificate (RFC 5922); what follows from that is decided in `sip::ua`.
//!
//! | module | what it does |
//! |---|---|
//! | `certificate` | reads a chain and its key, and refuses what no peer would accept |
//! | `own` | the certificate that is made when the operator brings none |
//! | `shown` | which of ours a peer is shown (SNI) |
//! | `identity` | the names in a certificate (RFC 5922 §7) |
//! | `trunks` | which trunk a certificate belongs to |
//! | `watch` | new files, SIGHUP |

mod certificate;
mod error;
mod identity;
mod own;
mod shown;
#[cfg(test)]
pub mod tests;
mod trunks;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use vorzimmer_types::TrunkId;

use crate::config::{CertificateFiles, Settings};
use certificate::Certificate;
pub use error::TlsError;
use own::OwnCertificate;
use shown::Shown;
use trunks::{AnyCertificate, TrunkCertificates};
pub use watch::keep_fresh;

/// What browsers ask for on a WebSocket (RFC 7301); SIP has no name of its own that phones would use.
const WEBSOCKET_ALPN: &[u8] = b"http/1.1";

/// Everything about TLS, for as long as the process lives.
pub struct Tls {
    sources: Sources,
    shown: Arc<Shown>,
    trunks: Arc<ArcSwap<TrunkCertificates>>,
    sip: TlsAcceptor,
    web: TlsAcceptor,
}

/// Where certificates come from.
struct Sources {
    files: Vec<CertificateFiles>,
    own: OwnCertificate,
    trunks: Vec<trunks::Source>,
}

/// A connection of ours to a trunk: how to open it, and the name to ask for.
pub struct Dial {
    /// Verifies whoever answers.
    pub connector: TlsConnector,
    /// Goes into the handshake (SNI).
    pub name: ServerName<'static>,
}

impl Tls {
    /// Reads all certificates, and makes one if there is none.
    ///
    /// # Errors
    /// A certificate, its key or an authority cannot be read or does not fit; or none can be made. One that has lapsed is
    /// shown all the same.
    pub fn open(settings: &Settings, trunk_id: impl Fn(&str) -> TrunkId) -> Result<Arc<Self>, TlsError> {
        install_provider();
        let sources = Sources {
            files: settings.tls.certificates.clone(),
            own: OwnCertificate::new(settings),
            trunks: trunks::sources(settings, trunk_id),
        };
        let shown = Arc::new(Shown::new(sources.certificates(Lapsed::Shown)?));
        let trunks = Arc::new(ArcSwap::from_pointee(TrunkCertificates::read(&sources.trunks)?));
        let sip = server(&shown, sources.trunks.iter().any(|trunk| trunk.opens))?;
        // A browser asks its user which certificate to show when it is asked for one: so it is not.
        let mut web = server(&shown, false)?;
        web.alpn_protocols = vec![WEBSOCKET_ALPN.to_vec()];
        let (sip, web) = (TlsAcceptor::from(Arc::new(sip)), TlsAcceptor::from(Arc::new(web)));
        Ok(Arc::new(Self { sources, shown, trunks, sip, web }))
    }

    /// For SIP listeners.
    pub fn sip(&self) -> TlsAcceptor {
        self.sip.clone()
    }

    /// For WebSocket listeners.
    pub fn web(&self) -> TlsAcceptor {
        self.web.clone()
    }

    /// The trunk that shows this chain, its own certificate first. The handshake has proven that it has the key.
    pub fn trunk_of(&self, chain: &[CertificateDer<'_>]) -> Option<TrunkId> {
        self.trunks.load().trunk_of(chain)
    }

    /// How to reach this trunk; none if nothing says by which certificate it would be known.
    pub fn dial(&self, trunk: TrunkId) -> Option<Dial> {
        let (name, verifier) = self.trunks.load().expected(trunk)?;
        let config = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::clone(&self.shown) as _);
        Some(Dial { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Reads everything again. What is open stays open; what is new meets the new certificates.
    ///
    /// # Errors
    /// As [`Tls::open`], or a certificate has lapsed; then everything stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let certificates = self.sources.certificates(Lapsed::Refused)?;
        let trunks = TrunkCertificates::read(&self.sources.trunks)?;
        self.shown.replace(certificates);
        self.trunks.store(Arc::new(trunks));
        Ok(())
    }

    /// When the first of the shown certificates ends, in whole days from now.
    pub fn days_left(&self) -> i64 {
        self.shown.days_left()
    }

    /// All files that a new certificate may come in.
    fn files(&self) -> Vec<PathBuf> {
        let ours = self.sources.files.iter().flat_map(|files| [files.chain.clone(), files.key.clone()]);
        let own = self.sources.files.is_empty().then(|| self.sources.own.files()).into_iter().flatten();
        ours.chain(own).chain(self.sources.trunks.iter().filter_map(|trunk| trunk.ca.clone())).collect()
    }
}

/// What becomes of a certificate of the operator's that is not valid now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lapsed {
    /// There is nothing better: the line must not be dead for it. Peers that look will refuse it, and it is said out loud.
    Shown,
    /// A better one is shown already.
    Refused,
}

impl Sources {
    fn certificates(&self, lapsed: Lapsed) -> Result<Vec<Certificate>, TlsError> {
        if self.files.is_empty() {
            return Ok(vec![self.own.read_or_make()?]);
        }
        let read = |files: &CertificateFiles| {
            let certificate = Certificate::read(&files.chain, &files.key)?;
            match certificate.clone().valid_now(&files.chain) {
                Err(error) if lapsed == Lapsed::Shown => {
                    tracing::error!(%error, "it is shown all the same: renew it");
                    Ok(certificate)
                }
                checked => checked,
            }
        };
        self.files.iter().map(read).collect()
    }
}

fn server(shown: &Arc<Shown>, ask_for_certificates: bool) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder();
    let builder = if ask_for_certificates {
        builder.with_client_cert_verifier(Arc::new(AnyCertificate::new()))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(Arc::clone(shown) as _);
    // A resumed session would carry a trunk's certificate over a reload that no longer believes it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Before anything else of rustls: with none installed, or two in the build, it ends the process at the first handshake.
pub fn install_provider() {
    // An error says that one is installed already: by an earlier call of this very function.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
