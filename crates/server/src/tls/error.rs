//! What can be wrong with certificates.

use std::io;
use std::path::PathBuf;

use crate::failure::{Failure, Kind};

/// Why certificates are not taken. Names files and what is wrong with them, never what is in them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or may not be read.
    #[error("{}: it cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read a private key.
    #[error("{}: everybody can read this private key (mode {mode:o})", path.display())]
    NotPrivate {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file holds nothing of the kind.
    #[error("{}: there is no {what} in it", path.display())]
    Nothing {
        /// Which.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// A certificate or key is not what it should be.
    #[error("{}: {what}", path.display())]
    Unfit {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A certificate is not valid now.
    #[error("{}: the certificate is good from {from} until {until} and not now", path.display())]
    NotNow {
        /// Which.
        path: PathBuf,
        /// Its first day.
        from: String,
        /// Its last day.
        until: String,
    },
    /// The system's own authorities cannot be read, and a trunk relies on them.
    #[error("the system has no list of authorities, and trunk {trunk} names none")]
    NoAuthorities {
        /// Which trunk.
        trunk: String,
    },
    /// No certificate could be made.
    #[error("no certificate could be made: {0}")]
    Making(#[from] rcgen::Error),
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        let (advice, kind) = match &error {
            TlsError::Unreadable { .. } => {
                ("see that it belongs to the user that the server runs as, or correct [tls]", Kind::Keys)
            }
            TlsError::NotPrivate { .. } => ("chmod 600 the file, and ask who may have read it", Kind::Keys),
            TlsError::NotNow { .. } => ("have it renewed, or set the clock", Kind::Keys),
            TlsError::Nothing { .. } | TlsError::Unfit { .. } => {
                ("give the chain and the key as PEM, both of the same certificate", Kind::Keys)
            }
            TlsError::NoAuthorities { .. } => {
                ("install ca-certificates, or name certificate.ca of the trunk", Kind::Configuration)
            }
            TlsError::Making(_) => ("bring a certificate of your own: [[tls.certificates]]", Kind::Failed),
        };
        Self::failed(error, advice).of_kind(kind)
    }
}
