//! Opening what is kept: the key store first, then the database that was sealed with it.
//!
//! The server and every command that reads or changes kept data go through here, also at the same time: SQLite works
//! in WAL mode and the key store takes the file's lock for each look.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use vorzimmer_store::{Store, StoreError, Unkeyed};
use vorzimmer_vault::{KekSource, KeyStore};

use crate::clock::SystemEntropy;
use crate::config::{KeySource, Settings};
use crate::failure::{Failure, Kind};

/// The environment variable of [`KeySource::Env`].
const KEK_VARIABLE: &str = "VORZIMMER_KEK";
/// Where systemd says credentials are.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// Whether a first start is welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// Folders, key, key store and database are made if nothing is there yet.
    Welcome,
    /// Nothing is made: the command wants to look at what is there.
    Refused,
}

/// What is kept, opened.
#[derive(Clone)]
pub struct Rooms {
    /// The keys.
    pub keys: Arc<KeyStore>,
    /// The database.
    pub store: Store,
}

impl Rooms {
    /// Opens key store and database.
    ///
    /// # Errors
    /// A folder cannot be made; the key is missing, wrong, or not private; the database cannot be opened or was sealed
    /// with another key store; nothing is there yet and a first start is [`FirstStart::Refused`].
    pub async fn open(settings: &Settings, first_start: FirstStart) -> Result<Self, Failure> {
        match first_start {
            FirstStart::Welcome => make_folders(settings)?,
            FirstStart::Refused if !settings.data.keys.exists() => return Err(nothing_yet(settings)),
            FirstStart::Refused => {}
        }
        let database = settings.data.database_url();
        let store_settings = vorzimmer_store::Settings {
            lifetimes: settings.retention.periods().lifetimes(),
            ..vorzimmer_store::Settings::default()
        };
        let unkeyed = Unkeyed::open(&database, store_settings).await.map_err(database_failure)?;
        let remembered = unkeyed.key_store().await.map_err(database_failure)?;
        let path = settings.data.keys.clone();
        let source = kek_source(settings)?;
        let keys = KeyStore::open_or_create(&path, source, remembered, &mut SystemEntropy);
        let keys = Arc::new(keys.map_err(key_failure)?);
        let store = unkeyed.with_keys(Arc::clone(&keys), Box::new(SystemEntropy)).await;
        Ok(Self { keys, store: store.map_err(database_failure)? })
    }
}

fn make_folders(settings: &Settings) -> Result<(), Failure> {
    let parent = |path: &Path| path.parent().unwrap_or(Path::new(".")).to_owned();
    let mut folders =
        vec![settings.data.folder.clone(), settings.data.recordings.clone(), parent(&settings.data.keys)];
    if settings.key.source == KeySource::File {
        folders.push(parent(&settings.key.file));
    }
    for folder in folders {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| {
            Failure::failed(
                format!("the folder {} cannot be made: {error}", folder.display()),
                "make it, owned by the user that the server runs as, with mode 700",
            )
        })?;
    }
    Ok(())
}

fn kek_source(settings: &Settings) -> Result<KekSource, Failure> {
    let missing = |what: &str, advice: &str| Failure::failed(what, advice).of_kind(Kind::Keys);
    match settings.key.source {
        KeySource::File => Ok(KekSource::File(settings.key.file.clone())),
        KeySource::Env => match std::env::var(KEK_VARIABLE) {
            Ok(text) => Ok(KekSource::Text(text.into())),
            Err(_) => Err(missing(
                "key.source is \"env\", but the environment variable VORZIMMER_KEK is not set",
                "set it to VERSION:64 hexadecimal digits, or choose another key.source",
            )),
        },
        KeySource::Credential => match std::env::var_os(CREDENTIALS_VARIABLE) {
            Some(folder) => Ok(KekSource::Credentials(folder.into())),
            None => Err(missing(
                "key.source is \"credential\", but systemd gave this process no credentials",
                "add LoadCredential=vorzimmer-kek:FILE to the unit; on the command line use systemd-run with the same",
            )),
        },
    }
}

fn nothing_yet(settings: &Settings) -> Failure {
    Failure::failed(
        format!("nothing is kept yet: there is no key store at {}", settings.data.keys.display()),
        "start the server or import a directory first, or name another configuration with --config",
    )
    .of_kind(Kind::NotFound)
}

fn key_failure(error: vorzimmer_vault::Error) -> Failure {
    use vorzimmer_vault::Error;
    let advice = match &error {
        Error::NoKeyStore { .. } | Error::KeyStoreHeader | Error::KeyStoreRow { .. } => {
            "restore the key store (data.keys) from the key backup; nothing sealed can be read without it"
        }
        Error::KeyStoreTruncated { .. } => "restore the key store (data.keys) from the newest key backup",
        Error::OtherKeyStore { .. } => {
            "bring database and key store of the same installation together (data.database, data.keys)"
        }
        Error::NotPrivate { .. } => "chmod 600 the file, and ask who may have read it",
        Error::NoKek { .. } => {
            "restore the key file from its backup; no other key opens this key store, and none is made in its place"
        }
        Error::KekSyntax { .. } => "restore the key as it was given out: VERSION:64 hexadecimal digits",
        Error::KekVersionMissing { .. } | Error::WrongKek { .. } => {
            "give the key that this key store was made with, or the one it was last rotated to"
        }
        _ => "see that the file is on a working disk and belongs to the user that the server runs as",
    };
    Failure::failed(error, advice).of_kind(Kind::Keys)
}

/// What a failing database means to an operator.
pub fn database_failure(error: StoreError) -> Failure {
    match error {
        StoreError::Vault { source } => key_failure(source),
        error @ StoreError::OtherKeyStore { .. } => Failure::failed(
            error,
            "bring database and key store of the same installation together (data.database, data.keys)",
        )
        .of_kind(Kind::Keys),
        error @ (StoreError::Scheme { .. } | StoreError::Url { .. }) => {
            Failure::failed(error, "correct data.database").of_kind(Kind::Configuration)
        }
        error @ (StoreError::NoCall { .. } | StoreError::NoRecording { .. }) => {
            Failure::failed(error, "see `vorzimmer call list` and `vorzimmer recording list`")
                .of_kind(Kind::NotFound)
        }
        error => Failure::failed(error, "see that the database of data.database is up and can be reached"),
    }
}
