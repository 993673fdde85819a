//! One certificate of ours: its chain, its key, its names, and until when it is good.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use vorzimmer_types::UnixMillis;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use super::error::TlsError;
use super::identity::Names;
use crate::clock;

/// No PEM file that belongs here is larger, in bytes.
const LARGEST_FILE: u64 = 1 << 20;
/// The permissions that make a key everybody's. A group may read it: Debian keeps keys for the group ssl-cert.
const EVERYBODY: u32 = 0o007;

/// A certificate that can be shown, with its key.
#[derive(Clone)]
pub struct Certificate {
    /// For rustls.
    pub certified: Arc<CertifiedKey>,
    /// The names that stand in it.
    pub names: Names,
    /// Its first moment.
    from: UnixMillis,
    /// Its last moment.
    pub until: UnixMillis,
}

impl Certificate {
    /// Reads a chain and its key.
    ///
    /// # Errors
    /// A file cannot be read or holds nothing of the kind, or the key can be read by everybody or is another certificate's.
    pub fn read(chain_path: &Path, key_path: &Path) -> Result<Self, TlsError> {
        let chain = read_chain(chain_path)?;
        let key = read_key(key_path)?;
        let provider = CryptoProvider::get_default()
            .map(Arc::clone)
            .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let unfit = |path: &Path, what: String| TlsError::Unfit { path: path.to_owned(), what };
        let first = chain.first().cloned();
        let certified = CertifiedKey::from_der(chain, key, &provider)
            .map_err(|error| unfit(key_path, format!("it does not fit {}: {error}", chain_path.display())))?;
        let first = first.ok_or_else(|| nothing(chain_path, "certificate"))?;
        let (_, parsed) = X509Certificate::from_der(&first)
            .map_err(|error| unfit(chain_path, format!("the certificate cannot be read: {error}")))?;
        let moment = |time: x509_parser::time::ASN1Time| UnixMillis(time.timestamp().saturating_mul(1000));
        let validity = parsed.validity();
        let (from, until) = (moment(validity.not_before), moment(validity.not_after));
        Ok(Self { certified: Arc::new(certified), names: Names::of(&parsed), from, until })
    }

    /// The same, if it is valid now; `path` is where it came from.
    ///
    /// # Errors
    /// [`TlsError::NotNow`].
    pub fn valid_now(self, path: &Path) -> Result<Self, TlsError> {
        let now = clock::wall();
        if self.from <= now && now <= self.until {
            return Ok(self);
        }
        let day = |moment: UnixMillis| moment.day().to_string();
        Err(TlsError::NotNow { path: path.to_owned(), from: day(self.from), until: day(self.until) })
    }
}

/// The certificates of a PEM file.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (text, _) = read_file(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) | Err(_) => Err(nothing(path, "certificate")),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let (text, mode) = read_file(path)?;
    if mode & EVERYBODY != 0 {
        return Err(TlsError::NotPrivate { path: path.to_owned(), mode });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| nothing(path, "private key"))
}

/// A file's bytes and permissions.
fn read_file(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), TlsError> {
    let read = || {
        let file = File::open(path)?;
        let mode = file.metadata()?.mode() & 0o777;
        let mut bytes = Zeroizing::new(Vec::new());
        if file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)? as u64 > LARGEST_FILE {
            return Err(io::Error::other("it is larger than a certificate can be"));
        }
        Ok((bytes, mode))
    };
    read().map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn nothing(path: &Path, what: &'static str) -> TlsError {
    TlsError::Nothing { path: path.to_owned(), what }
}
