//! The key-encryption key: where it comes from, how it is made at the first start, how an old one is destroyed.
//!
//! Its text form, in a file, a credential or an environment variable, is one key a line (or comma-separated):
//! `VERSION:64 hexadecimal digits`. A bare key is version 1. Two lines stand there only while a rotation runs. In the
//! file made here each line has a fixed width, so that a key is destroyed by overwriting it where it stands.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use vorzimmer_types::Entropy;
use zeroize::Zeroizing;

use super::storage::{create_private, refuse_readable_by_others};
use crate::aead::{self, KEY_LEN};
use crate::error::{Error, Result};

/// The systemd credential's name (`LoadCredential=vorzimmer-kek:…`).
pub const CREDENTIAL: &str = "vorzimmer-kek";

/// No KEK text is longer than this many bytes.
const MAX_TEXT: u64 = 4096;

/// `0000000001:` + 64 digits + newline.
const LINE_LEN: usize = 10 + 1 + 2 * KEY_LEN + 1;

/// The key that wraps all others, with its version (from 1).
#[derive(Clone)]
pub struct KeyEncryptionKey {
    version: u32,
    bytes: Zeroizing<[u8; KEY_LEN]>,
}

impl KeyEncryptionKey {
    /// The key with this version and these bytes.
    #[must_use]
    pub fn new(version: u32, bytes: [u8; KEY_LEN]) -> Self {
        Self { version, bytes: Zeroizing::new(bytes) }
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The key that wraps rows.
    pub(super) fn wrapping(&self) -> Zeroizing<[u8; KEY_LEN]> {
        aead::expand(&self.bytes, &[b"vorzimmer kek v1 wrap"])
    }

    /// A value that tells whether this is the key of that store, and nothing about the key.
    pub(super) fn check(&self, store: &[u8; 16]) -> [u8; 16] {
        *aead::expand(&self.bytes, &[b"vorzimmer kek v1 check", store, &self.version.to_be_bytes()])
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEncryptionKey").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Where the key-encryption key comes from.
#[derive(Clone, Debug)]
pub enum KekSource {
    /// A file of mode 0600, made at the first start; rotation adds to it and wipes the old key from it.
    File(PathBuf),
    /// The folder of systemd credentials (`$CREDENTIALS_DIRECTORY`); the file in it is [`CREDENTIAL`].
    Credentials(PathBuf),
    /// The text itself, as an environment variable holds it.
    Text(SecretString),
}

impl KekSource {
    /// The source that applies: the environment's text, else a credential if there is one, else the file.
    ///
    /// `text` and `credentials` are the values of the process's environment, read by the caller.
    #[must_use]
    pub fn choose(text: Option<String>, credentials: Option<PathBuf>, file: PathBuf) -> Self {
        if let Some(text) = text {
            return Self::Text(text.into());
        }
        match credentials {
            Some(folder) if folder.join(CREDENTIAL).exists() => Self::Credentials(folder),
            _ => Self::File(file),
        }
    }

    /// Where it is, for messages.
    fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Credentials(folder) => folder.join(CREDENTIAL).display().to_string(),
            Self::Text(_) => "the environment".into(),
        }
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// [`Error::NoKek`], [`Error::NotPrivate`], [`Error::KekSyntax`], [`Error::File`].
    pub(super) fn load(&self) -> Result<KekRing> {
        let text = match self {
            Self::File(path) => read(path, 0o077)?,
            // systemd guards the folder and may show the service's access as group bits.
            Self::Credentials(folder) => read(&folder.join(CREDENTIAL), 0o007)?,
            Self::Text(text) => Some(Zeroizing::new(text.expose_secret().to_owned())),
        };
        let ring = match text {
            Some(text) => KekRing::parse(&text, &self.place())?,
            None => KekRing::default(),
        };
        if ring.0.is_empty() { Err(Error::NoKek { place: self.place() }) } else { Ok(ring) }
    }

    /// Reads the keys; a file that is not there yet is made with a fresh key of version 1.
    pub(super) fn load_or_create(&self, entropy: &mut dyn Entropy) -> Result<KekRing> {
        if let Self::File(path) = self {
            let file = match create_private(path) {
                Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                    open_for_writing(path)?
                }
                made => made?,
            };
            // Two processes may start at once, and a start may be killed between making the file and filling it.
            file.lock().map_err(|source| file_error("lock", path, source))?;
            if file.metadata().map_err(|source| file_error("look at", path, source))?.len() == 0 {
                write_key(&file, path, 0, "", &fresh(1, entropy))?;
            }
        }
        self.load()
    }

    /// The key to rotate to: one that is newer than `current` and already there, else, in a file, a fresh one.
    pub(super) fn next(&self, ring: &KekRing, current: u32, entropy: &mut dyn Entropy) -> Result<KekRing> {
        if ring.newest() > current {
            return Ok(ring.clone());
        }
        let Self::File(path) = self else {
            return Err(Error::NoNextKek { current });
        };
        let text = read(path, 0o077)?.unwrap_or_default();
        let file = open_for_writing(path)?;
        let key = fresh(current + 1, entropy);
        match blank_line(&text) {
            Some(at) => write_key(&file, path, at, "", &key)?,
            None if text.ends_with('\n') => write_key(&file, path, text.len() as u64, "", &key)?,
            None => write_key(&file, path, text.len() as u64, "\n", &key)?,
        }
        self.load()
    }

    /// Wipes every key but that of `keep` from a file that we keep. Other sources are their owner's to clean.
    ///
    /// Says whether there was any.
    pub(super) fn wipe_others(&self, keep: u32) -> Result<bool> {
        let Self::File(path) = self else {
            return Ok(false);
        };
        let Some(text) = read(path, 0o077)? else {
            return Ok(false);
        };
        let file = open_for_writing(path)?;
        let mut wiped = false;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let other = parse_line(line.trim()).is_some_and(|key| key.version != keep);
            if other {
                let blank = vec![b' '; line.trim_end_matches('\n').len()];
                file.write_all_at(&blank, at).map_err(|source| file_error("wipe", path, source))?;
                wiped = true;
            }
            at += line.len() as u64;
        }
        file.sync_all().map_err(|source| file_error("sync", path, source))?;
        Ok(wiped)
    }
}

/// The keys that a source holds: one, or two while a rotation runs.
#[derive(Clone, Debug, Default)]
pub(super) struct KekRing(Vec<KeyEncryptionKey>);

impl KekRing {
    fn parse(text: &str, place: &str) -> Result<Self> {
        let mut keys = Vec::new();
        let lines = text.split(['\n', ',']).map(str::trim).enumerate();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let key = parse_line(line)
                .ok_or_else(|| Error::KekSyntax { place: place.to_owned(), line: number + 1 })?;
            keys.push(key);
        }
        Ok(Self(keys))
    }

    pub(super) fn with_version(&self, version: u32) -> Result<&KeyEncryptionKey> {
        let found = self.0.iter().find(|key| key.version == version);
        found.ok_or(Error::KekVersionMissing { version })
    }

    pub(super) fn newest(&self) -> u32 {
        self.0.iter().map(KeyEncryptionKey::version).max().unwrap_or(0)
    }

    /// Whether it holds any other version than `version`.
    pub(super) fn holds_older_than(&self, version: u32) -> bool {
        self.0.iter().any(|key| key.version < version)
    }
}

/// `VERSION:HEX`, or `HEX` for version 1.
fn parse_line(line: &str) -> Option<KeyEncryptionKey> {
    let (version, digits) = line.split_once(':').unwrap_or(("1", line));
    let version = version.parse().ok().filter(|version| *version > 0)?;
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    hex::decode_to_slice(digits, &mut *bytes).ok()?;
    Some(KeyEncryptionKey { version, bytes })
}

fn fresh(version: u32, entropy: &mut dyn Entropy) -> KeyEncryptionKey {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    entropy.fill(&mut *bytes);
    KeyEncryptionKey { version, bytes }
}

/// Where a line stands that was wiped and has room for a key.
fn blank_line(text: &str) -> Option<u64> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() && line.len() >= LINE_LEN {
            return Some(at);
        }
        at += line.len() as u64;
    }
    None
}

/// The text of a private file, `None` if there is no such file. A last line without its end that is no key is left
/// out: its writing was interrupted, and nothing was ever wrapped under it.
fn read(path: &Path, forbidden: u32) -> Result<Option<Zeroizing<String>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(file_error("open", path, source)),
    };
    refuse_readable_by_others(path, &file, forbidden)?;
    let mut text = Zeroizing::new(String::with_capacity(MAX_TEXT as usize));
    file.take(MAX_TEXT).read_to_string(&mut text).map_err(|source| file_error("read", path, source))?;
    let last_line = text.rfind('\n').map_or(0, |end| end + 1);
    if parse_line(text[last_line..].trim()).is_none() {
        text.truncate(last_line);
    }
    Ok(Some(text))
}

/// Writes `before`, the key and the line's end at `at`, and syncs.
fn write_key(file: &File, path: &Path, at: u64, before: &str, key: &KeyEncryptionKey) -> Result<()> {
    let mut digits = Zeroizing::new([0; 2 * KEY_LEN]);
    let in_hex = hex::encode_to_slice(*key.bytes, &mut *digits);
    in_hex.map_err(|_| Error::TooLong { len: key.bytes.len() })?;
    let mut line = Zeroizing::new(Vec::with_capacity(before.len() + LINE_LEN));
    line.extend_from_slice(before.as_bytes());
    line.extend_from_slice(format!("{:010}:", key.version).as_bytes());
    line.extend_from_slice(&*digits);
    line.push(b'\n');
    file.write_all_at(&line, at).map_err(|source| file_error("write", path, source))?;
    file.sync_all().map_err(|source| file_error("sync", path, source))
}

fn open_for_writing(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|source| file_error("open", path, source))
}

fn file_error(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { doing, path: path.into(), source }
}
