//! The certificate that is made when the operator brings none: self-signed, for the names that are configured and the
//! addresses that we listen on. Phones have to be told to accept it; it keeps their calls secret all the same.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use vorzimmer_types::UnixMillis;
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::error::TlsError;
use crate::clock;
use crate::config::Settings;

/// How long it is good. Apple's devices refuse more than 825 days.
const DAYS: i64 = 820;
/// It is replaced when fewer days are left.
pub const RENEW_BEFORE_DAYS: i64 = 30;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Where it is kept, and what stands in it.
pub struct OwnCertificate {
    folder: PathBuf,
    names: BTreeSet<String>,
}

impl OwnCertificate {
    pub fn new(settings: &Settings) -> Self {
        let sip = &settings.sip;
        let listeners = sip.tls.iter().chain(&sip.wss).map(|listen| listen.0.ip());
        let addresses = listeners.chain(sip.advertise.iter().copied()).filter(|ip| !ip.is_unspecified());
        let mut names: BTreeSet<String> = addresses.clone().map(|ip| ip.to_string()).collect();
        if addresses.clone().any(|ip| ip.is_loopback()) || names.is_empty() {
            names.insert("localhost".to_owned());
        }
        names.extend(settings.tls.names.iter().map(|name| name.to_ascii_lowercase()));
        Self { folder: settings.tls.folder.clone(), names }
    }

    /// The certificate and its key.
    pub fn files(&self) -> [PathBuf; 2] {
        [self.folder.join("own.pem"), self.folder.join("own.key")]
    }

    /// The one that was made before, if it still fits; else a new one.
    ///
    /// # Errors
    /// What is there cannot be read or replaced.
    pub fn read_or_make(&self) -> Result<Certificate, TlsError> {
        let [chain, key] = self.files();
        if chain.exists() || key.exists() {
            match Certificate::read(&chain, &key).and_then(|kept| kept.valid_now(&chain)) {
                Ok(kept) if self.still_fits(&kept) => return Ok(kept),
                // Ours to replace: it has lapsed, is about to, or was made for other names.
                Ok(_) | Err(TlsError::NotNow { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.make()?;
        tracing::info!(file = %chain.display(), "a certificate was made for the names and addresses of this server");
        Certificate::read(&chain, &key)
    }

    fn still_fits(&self, kept: &Certificate) -> bool {
        let left = kept.until.0 - clock::wall().0;
        left > RENEW_BEFORE_DAYS * DAY_MS && self.names.iter().all(|name| kept.names.hold(name))
    }

    fn make(&self) -> Result<(), TlsError> {
        let [chain_path, key_path] = self.files();
        let mut params = CertificateParams::new(self.names.iter().cloned().collect::<Vec<_>>())?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Vorzimmer");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // We also show it to trunks that we connect to (RFC 5923 §6).
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let (from, until) = validity(clock::wall());
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(from.0, from.1, from.2), rcgen::date_time_ymd(until.0, until.1, until.2));
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let unreadable = |source| TlsError::Unreadable { path: self.folder.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(unreadable)?;
        // The key first: a certificate without its key would be found and refused.
        let key = Zeroizing::new(key.serialize_pem());
        replace(&key_path, key.as_bytes(), 0o600).map_err(unreadable)?;
        replace(&chain_path, certificate.pem().as_bytes(), 0o644).map_err(unreadable)
    }
}

type Date = (i32, u8, u8);

/// From yesterday, for phones whose clock is behind.
fn validity(now: UnixMillis) -> (Date, Date) {
    let today =
        Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC).date();
    let date = |days: i64| {
        let date = today.saturating_add(days.days());
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        (i32::from(date.year()), part(date.month()), part(date.day()))
    };
    (date(-1), date(DAYS))
}

/// Puts a file in the place of another whole, so that nobody ever reads half of it.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}
