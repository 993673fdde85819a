//! Which trunk a certificate belongs to, and which certificate a trunk that we call must show.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256};
use vorzimmer_types::TrunkId;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::certificate::read_chain;
use super::error::TlsError;
use super::identity::Names;
use crate::clock;
use crate::config::{By, Settings, Trunk};

/// What the configuration says of one trunk's certificate.
pub struct Source {
    id: TrunkId,
    trunk: String,
    pins: Vec<[u8; 32]>,
    names: Vec<String>,
    pub(super) ca: Option<PathBuf>,
    /// Whether whoever shows it is the trunk: else it is only asked for where we call.
    pub(super) opens: bool,
}

/// The trunks that have certificates, and those that we call by TLS.
pub fn sources(settings: &Settings, trunk_id: impl Fn(&str) -> TrunkId) -> Vec<Source> {
    let of = |(name, trunk): (&String, &Trunk)| {
        let (id, trunk_name) = (trunk_id(name), name.clone());
        match (&trunk.certificate, &trunk.provider) {
            (Some(certificate), _) => Some(Source {
                id,
                trunk: trunk_name,
                pins: certificate.pins().unwrap_or_default(),
                names: certificate.name.iter().cloned().collect(),
                ca: certificate.ca.clone(),
                opens: true,
            }),
            (None, Some(provider)) if provider.transport == Some(By::Tls) => Some(Source {
                id,
                trunk: trunk_name,
                pins: Vec::new(),
                names: provider.names(),
                ca: provider.ca.clone(),
                opens: false,
            }),
            _ => None,
        }
    };
    settings.trunks.iter().filter_map(of).collect()
}

/// All that is believed of trunks' certificates now.
#[derive(Debug)]
pub struct TrunkCertificates {
    trunks: Vec<Arc<Expected>>,
}

/// One trunk's certificate: this very one, or one with this name from one of these authorities.
#[derive(Debug)]
pub struct Expected {
    id: TrunkId,
    pins: Vec<[u8; 32]>,
    vouched: Option<Vouched>,
    opens: bool,
}

#[derive(Debug)]
struct Vouched {
    /// One of these must stand in it; the first is asked for.
    names: Vec<String>,
    authorities: Arc<RootCertStore>,
}

impl Vouched {
    /// RFC 5922 §7.2.
    fn is_spoken_for_by(&self, certificate: &CertificateDer<'_>) -> bool {
        X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| {
            let shown = Names::of(&parsed);
            self.names.iter().any(|name| shown.speak_for(name))
        })
    }
}

impl TrunkCertificates {
    /// Reads the authorities' files.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn read(sources: &[Source]) -> Result<Self, TlsError> {
        let trunks: Result<_, _> =
            sources.iter().map(|source| Expected::read(source).map(Arc::new)).collect();
        Ok(Self { trunks: trunks? })
    }

    /// The trunk whose chain this is.
    pub fn trunk_of(&self, chain: &[CertificateDer<'_>]) -> Option<TrunkId> {
        let (first, rest) = chain.split_first()?;
        let mut trunks = self.trunks.iter().filter(|trunk| trunk.opens);
        trunks.find(|trunk| trunk.is_clients(first, rest)).map(|trunk| trunk.id)
    }

    /// The name to ask for, and who judges the answer.
    pub fn expected(&self, trunk: TrunkId) -> Option<(ServerName<'static>, Arc<dyn ServerCertVerifier>)> {
        let expected = self.trunks.iter().find(|expected| expected.id == trunk)?;
        let name = expected.vouched.as_ref().and_then(|vouched| vouched.names.first());
        let name = name.map_or(UNNAMED, String::as_str);
        let name = ServerName::try_from(name.to_owned()).ok()?;
        Some((name, Arc::clone(expected) as _))
    }
}

/// Goes into the handshake with a trunk that is known by its certificate alone.
const UNNAMED: &str = "trunk.invalid";

impl Expected {
    fn read(source: &Source) -> Result<Self, TlsError> {
        let vouched = match source.names.as_slice() {
            [] => None,
            names => Some(Vouched { names: names.to_vec(), authorities: Arc::new(authorities(source)?) }),
        };
        Ok(Self { id: source.id, pins: source.pins.clone(), vouched, opens: source.opens })
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        let hash: [u8; 32] = Sha256::digest(certificate).into();
        self.pins.contains(&hash)
    }

    /// Whether a peer that connected to us has shown this trunk's certificate (RFC 5922 §7.4).
    fn is_clients(&self, certificate: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> bool {
        if self.is_pinned(certificate) {
            return true;
        }
        let Some(vouched) = self.vouched.as_ref().filter(|vouched| vouched.is_spoken_for_by(certificate))
        else {
            return false;
        };
        // Built anew each time: connections of trunks are few, and long.
        let verifier = WebPkiClientVerifier::builder(Arc::clone(&vouched.authorities)).build();
        verifier.is_ok_and(|verifier| verifier.verify_client_cert(certificate, chain, now()).is_ok())
    }
}

/// That the peer has its certificate's key is verified as anywhere else, whoever is asked: rustls asks those who judge
/// servers and those who judge clients in the same words, through two traits.
macro_rules! verifies_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, certificate, signature, &algorithms())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signature, &algorithms())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            algorithms().supported_schemes()
        }
    };
}

/// RFC 5922 §7.3: what a peer that we connected to must show.
impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _asked: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.is_pinned(certificate) {
            return Ok(ServerCertVerified::assertion());
        }
        let Some(vouched) = &self.vouched else {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        };
        let parsed = ParsedCertificate::try_from(certificate)?;
        let known = algorithms().all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &vouched.authorities, chain, now, known)?;
        if vouched.is_spoken_for_by(certificate) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }

    verifies_signatures!();
}

/// Takes any certificate in the handshake, and none: phones show what their maker put in. That the peer has its key is
/// verified; whose it is, is asked afterwards ([`TrunkCertificates::trunk_of`]).
#[derive(Debug)]
pub struct AnyCertificate;

impl AnyCertificate {
    pub fn new() -> Self {
        Self
    }
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    verifies_signatures!();
}

fn authorities(source: &Source) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match &source.ca {
        Some(path) => {
            for authority in read_chain(path)? {
                store.add(authority).map_err(|error| TlsError::Unfit {
                    path: path.clone(),
                    what: format!("an authority in it cannot be used: {error}"),
                })?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        return Err(TlsError::NoAuthorities { trunk: source.trunk.clone() });
    }
    Ok(store)
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    aws_lc_rs::default_provider().signature_verification_algorithms
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(clock::wall().0).unwrap_or(0)))
}
