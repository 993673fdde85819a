use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use vorzimmer_types::TrunkId;

use super::certificate::Certificate;
use super::own::OwnCertificate;
use super::shown::Shown;
use super::{Tls, TlsError};
use crate::clock;
use crate::config::{CertificateFiles, Settings};

pub const CARRIER: TrunkId = TrunkId::from_bytes([7; 16]);

/// TLS with a certificate that was made for loopback.
pub fn tls() -> Arc<Tls> {
    let folder = tempfile::tempdir().expect("a folder");
    Tls::open(&settings(folder.path(), ""), |_| CARRIER).unwrap_or_else(|error| panic!("{error}"))
}

/// The same, with a trunk that shows the very same certificate.
pub fn tls_that_knows_itself() -> Arc<Tls> {
    super::install_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let made = OwnCertificate::new(&settings(folder.path(), "")).read_or_make().expect("made");
    let pin = hex::encode(Sha256::digest(&made.certified.cert[0]));
    let more = format!("[trunks.carrier.certificate]\nfingerprints = [\"{pin}\"]");
    Tls::open(&settings(folder.path(), &more), |_| CARRIER).unwrap_or_else(|error| panic!("{error}"))
}

/// Settings with `folder` for what is made, and further TOML.
fn settings(folder: &Path, more: &str) -> Settings {
    let text = format!("[tls]\nfolder = \"made\"\n{more}\n");
    crate::config::parse(&text, "test", folder, []).expect("settings").settings
}

/// Somebody who issues certificates.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { params, key: KeyPair::generate().expect("a key") }
    }

    fn pem(&self) -> String {
        self.params.self_signed(&self.key).expect("a certificate").pem()
    }

    /// A certificate with these names, and its key.
    fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("parameters");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::from_params(&self.params, &self.key);
        (params.signed_by(&key, &issuer).expect("a certificate").pem(), key.serialize_pem())
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("permitted");
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

fn lapsed(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 2, 1);
}

fn first_shown(tls: &Tls) -> Vec<u8> {
    tls.shown.for_host(None).expect("one is shown").cert[0].to_vec()
}

#[test]
fn a_certificate_is_made_once_and_again_for_other_names() {
    super::install_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let own = OwnCertificate::new(&settings(folder.path(), ""));
    let made = own.read_or_make().expect("made");
    for name in ["127.0.0.1", "localhost"] {
        assert!(made.names.hold(name), "{name}");
    }
    let [chain, key] = own.files();
    assert_eq!(std::fs::metadata(&key).expect("a key").permissions().mode() & 0o777, 0o600);
    assert_eq!(chain.parent(), Some(folder.path().join("made").as_path()));
    let kept = own.read_or_make().expect("kept");
    assert_eq!(kept.certified.cert, made.certified.cert);
    let renamed = OwnCertificate::new(&settings(folder.path(), "names = [\"sip.example.net\"]"));
    let other = renamed.read_or_make().expect("made again");
    assert!(other.names.hold("sip.example.net") && other.certified.cert != made.certified.cert);
    assert!((800..=820).contains(&Shown::new(vec![other]).days_left()));
}

#[test]
fn what_no_peer_would_accept_is_refused() {
    super::install_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let authority = Authority::new();
    let (chain, key) = authority.issue(&["sip.example.net"], |_| ());
    let (_, other_key) = authority.issue(&["sip.example.net"], |_| ());
    let (old_chain, old_key) = authority.issue(&["sip.example.net"], lapsed);
    for (name, text, mode) in [
        ("chain.pem", chain.as_str(), 0o644),
        ("good.key", key.as_str(), 0o600),
        ("group.key", key.as_str(), 0o640),
        ("open.key", key.as_str(), 0o644),
        ("other.key", other_key.as_str(), 0o600),
        ("old.pem", old_chain.as_str(), 0o644),
        ("old.key", old_key.as_str(), 0o600),
        ("rubbish.pem", "hello", 0o600),
    ] {
        write(&path(name), text, mode);
    }
    let read = |chain: &str, key: &str| Certificate::read(&path(chain), &path(key)).map(|_| ());
    assert!(read("chain.pem", "good.key").is_ok() && read("chain.pem", "group.key").is_ok());
    assert!(matches!(read("chain.pem", "open.key"), Err(TlsError::NotPrivate { mode: 0o644, .. })));
    assert!(matches!(read("chain.pem", "other.key"), Err(TlsError::Unfit { .. })));
    let old = Certificate::read(&path("old.pem"), &path("old.key")).expect("it was good once");
    assert!(matches!(old.valid_now(&path("old.pem")), Err(TlsError::NotNow { .. })));
    assert!(matches!(read("rubbish.pem", "good.key"), Err(TlsError::Nothing { what: "certificate", .. })));
    assert!(matches!(read("chain.pem", "rubbish.pem"), Err(TlsError::Nothing { what: "private key", .. })));
    assert!(matches!(read("chain.pem", "none.key"), Err(TlsError::Unreadable { .. })));
}

#[test]
fn a_reload_takes_what_is_good_and_keeps_the_old_instead_of_what_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (chain_path, key_path) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let authority = Authority::new();
    let put = |pair: &(String, String)| {
        write(&chain_path, &pair.0, 0o644);
        write(&key_path, &pair.1, 0o600);
    };
    let (first, second) =
        (authority.issue(&["sip.example.net"], |_| ()), authority.issue(&["sip.example.net"], |_| ()));
    put(&first);
    let more = "[[tls.certificates]]\nchain = \"chain.pem\"\nkey = \"key.pem\"";
    let settings = settings(folder.path(), more);
    let tls = Tls::open(&settings, |_| CARRIER).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(first_shown(&tls), der(&first.0).to_vec());
    write(&chain_path, &second.0, 0o644);
    assert!(tls.reload().is_err(), "the key is still the first one's");
    assert_eq!(first_shown(&tls), der(&first.0).to_vec());
    put(&second);
    tls.reload().expect("both are there");
    assert_eq!(first_shown(&tls), der(&second.0).to_vec());
    assert_eq!(tls.files(), [chain_path.clone(), key_path.clone()], "what is looked at for changes");
    put(&authority.issue(&["sip.example.net"], lapsed));
    assert!(matches!(tls.reload(), Err(TlsError::NotNow { .. })));
    assert_eq!(first_shown(&tls), der(&second.0).to_vec());
}

#[test]
fn a_start_with_a_lapsed_certificate_is_better_than_no_telephone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (chain, key) = Authority::new().issue(&["sip.example.net"], lapsed);
    write(&folder.path().join("chain.pem"), &chain, 0o644);
    write(&folder.path().join("key.pem"), &key, 0o600);
    let more = "[[tls.certificates]]\nchain = \"chain.pem\"\nkey = \"key.pem\"";
    let tls =
        Tls::open(&settings(folder.path(), more), |_| CARRIER).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(first_shown(&tls), der(&chain).to_vec());
    assert!(tls.days_left() < 0);
}

#[test]
fn each_name_is_shown_its_certificate() {
    super::install_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let certificates: Vec<Certificate> =
        [&["sip.example.net"][..], &["*.desk.example.net", "desk.example.net"]]
            .iter()
            .enumerate()
            .map(|(n, names)| {
                let (chain, key) = authority.issue(names, |_| ());
                let path = |kind: &str| folder.path().join(format!("{n}.{kind}"));
                write(&path("pem"), &chain, 0o644);
                write(&path("key"), &key, 0o600);
                let files = CertificateFiles { chain: path("pem"), key: path("key") };
                Certificate::read(&files.chain, &files.key).expect("read")
            })
            .collect();
    let of: BTreeMap<_, _> =
        certificates.iter().enumerate().map(|(n, one)| (one.certified.cert[0].to_vec(), n)).collect();
    let shown = Shown::new(certificates);
    for (asked, expected) in [
        (None, 0),
        (Some("sip.example.net"), 0),
        (Some("desk.example.net"), 1),
        (Some("berlin.DESK.example.net"), 1),
        (Some("unknown.example"), 0),
    ] {
        let found = shown.for_host(asked).expect("one is shown");
        assert_eq!(of[&found.cert[0].to_vec()], expected, "{asked:?}");
    }
}

#[test]
fn a_trunk_is_known_by_its_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, stranger) = (Authority::new(), Authority::new());
    write(&folder.path().join("ca.pem"), &authority.pem(), 0o644);
    let (pinned, _) = stranger.issue(&["whatever.example"], |_| ());
    let pin = hex::encode_upper(Sha256::digest(der(&pinned)));
    let uri = |params: &mut CertificateParams| {
        params.subject_alt_names.push(SanType::URI("sip:carrier.example".try_into().expect("a URI")));
    };
    let other_uri = |params: &mut CertificateParams| {
        params.subject_alt_names.push(SanType::URI("sip:other.example".try_into().expect("a URI")));
    };
    let cases = [
        ("pinned", pinned, true),
        ("the name by DNS", authority.issue(&["carrier.example"], |_| ()).0, true),
        ("the name by URI", authority.issue(&["host.example"], uri).0, true),
        ("another URI goes before DNS", authority.issue(&["carrier.example"], other_uri).0, false),
        ("a wildcard", authority.issue(&["*.example"], |_| ()).0, false),
        ("another name", authority.issue(&["sip.carrier.example"], |_| ()).0, false),
        ("another authority", stranger.issue(&["carrier.example"], |_| ()).0, false),
        ("lapsed", authority.issue(&["carrier.example"], lapsed).0, false),
    ];
    let more = format!(
        "[trunks.carrier.certificate]\nname = \"carrier.example\"\nca = \"ca.pem\"\nfingerprints = [\"{pin}\"]"
    );
    let tls =
        Tls::open(&settings(folder.path(), &more), |_| CARRIER).unwrap_or_else(|error| panic!("{error}"));
    let (name, verifier) = tls.trunks.load().expected(CARRIER).expect("it has a certificate");
    assert_eq!(name, ServerName::try_from("carrier.example").expect("a name"));
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_millis(clock::wall().0.unsigned_abs()));
    for (what, pem, known) in &cases {
        let chain = [der(pem)];
        assert_eq!(tls.trunk_of(&chain), known.then_some(CARRIER), "{what}");
        let verified = verifier.verify_server_cert(&chain[0], &[], &name, &[], now);
        assert_eq!(verified.is_ok(), *known, "{what}, when we call");
    }
    assert_eq!(tls.trunk_of(&[]), None);
    assert!(tls.dial(CARRIER).is_some() && tls.dial(TrunkId::from_bytes([8; 16])).is_none());
}

#[test]
fn a_provider_must_show_its_servers_or_its_domains_name_and_is_not_known_by_it_when_it_calls() {
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, stranger) = (Authority::new(), Authority::new());
    write(&folder.path().join("ca.pem"), &authority.pem(), 0o644);
    let more = "[trunks.carrier.provider]\ndomain = \"carrier.example\"\nserver = \"sip.carrier.example:5061\"\n\
                transport = \"tls\"\nca = \"ca.pem\"\n";
    let tls =
        Tls::open(&settings(folder.path(), more), |_| CARRIER).unwrap_or_else(|error| panic!("{error}"));
    let (name, verifier) = tls.trunks.load().expected(CARRIER).expect("it is called by TLS");
    assert_eq!(name, ServerName::try_from("sip.carrier.example").expect("a name"), "SNI");
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_millis(clock::wall().0.unsigned_abs()));
    for (what, pem, good) in [
        ("its server", authority.issue(&["sip.carrier.example"], |_| ()).0, true),
        ("its domain", authority.issue(&["carrier.example"], |_| ()).0, true),
        ("another host", authority.issue(&["carrier.example.evil"], |_| ()).0, false),
        ("another authority", stranger.issue(&["sip.carrier.example"], |_| ()).0, false),
        ("lapsed", authority.issue(&["sip.carrier.example"], lapsed).0, false),
    ] {
        let chain = [der(&pem)];
        let verified = verifier.verify_server_cert(&chain[0], &[], &name, &[], now);
        assert_eq!(verified.is_ok(), good, "{what}");
        assert_eq!(tls.trunk_of(&chain), None, "{what}: it is not what opens our door");
    }
    assert!(tls.dial(CARRIER).is_some());
}
