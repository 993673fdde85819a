//! One recording: copied, checked, put in its original's place. Each step is short, and after each one the server may be
//! killed.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vorzimmer_recorder::Error;
use vorzimmer_recorder::copy::{Copier, Verifier, is_smaller};
use vorzimmer_vault::KeyStore;
use vorzimmer_vault::callrec::{Expected, Form, Reader, file};

use super::Trouble;
use crate::clock::SystemEntropy;
use crate::recordings::Sealed;

/// Pages of the original in a step: some five seconds of a call.
const STEP_PAGES: usize = 32;

/// How far one recording is.
pub(super) enum Work {
    /// The copy is being made.
    Copying(Box<Copying>),
    /// It is being listened to.
    Checking(Box<Checking>),
    /// Nothing is left to do but to tell.
    Done(Outcome),
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The copy has taken its place.
    Copied(Copied),
    /// It stays as it came, for good.
    Left(String),
    /// It was destroyed meanwhile.
    Gone,
}

/// A copy that stands in its original's place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) pages: u64,
    pub(super) bytes_before: u64,
    pub(super) bytes_after: u64,
}

/// Where it lies, and what it is.
struct Place {
    sealed: Sealed,
    folder: PathBuf,
    copy: PathBuf,
    keys: Arc<KeyStore>,
    /// What a reader of it has to expect: the day is the file's own.
    expected: Expected,
    bytes_before: u64,
}

pub(super) struct Copying {
    place: Place,
    copier: Copier<File>,
    file: file::RecordingFile,
}

pub(super) struct Checking {
    place: Place,
    verifier: Verifier<File>,
    bytes_after: u64,
}

/// Removes every copy that has not taken its original's place.
pub(super) fn clear(folder: &Path) -> Result<(), Trouble> {
    let list = match fs::read_dir(folder.join(file::COPIES)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|source| Trouble::File { doing: "list copies", source })?,
    };
    for entry in list {
        let path = entry.map_err(|source| Trouble::File { doing: "list copies", source })?.path();
        if file::recording_of(&path).is_some() {
            file::remove(&path)?;
        }
    }
    Ok(())
}

impl Work {
    /// Opens a recording and begins a copy of it.
    pub(super) fn begin(sealed: Sealed, folder: PathBuf, keys: Arc<KeyStore>) -> Result<Self, Trouble> {
        let Some(secrets) = sealed.all_secrets() else { return Ok(Self::Done(Outcome::Gone)) };
        let reader = match sealed.open() {
            Err(vorzimmer_vault::Error::Refused(refusal)) => {
                tracing::error!(recording = %sealed.row.recording, %refusal, "a recording's file is not as it was written");
                return Ok(Self::Done(Outcome::Left(refusal.to_string())));
            }
            other => other?,
        };
        let bytes = length(&sealed.path)?;
        if reader.header().form == Form::Copy {
            // Killed before it was told. What the first file had is known from the pages that were acknowledged.
            let page_len = bytes / (reader.pages() + 2);
            let bytes_before = (sealed.row.pages + 2) * page_len;
            let copied = Copied { pages: reader.pages(), bytes_before, bytes_after: bytes };
            return Ok(Self::Done(Outcome::Copied(copied)));
        }
        let copy = file::copy_path(&folder, sealed.row.recording);
        make_room(&folder)?;
        file::remove(&copy)?;
        let mut file = file::RecordingFile::create(&copy)?;
        let mut write = |page: &[u8]| Ok(file.append(page)?);
        let parties = sealed.parties().to_vec();
        let expected = sealed.expected(reader.header().expiry);
        let copier = Copier::start(reader, parties, &secrets, &mut SystemEntropy, &mut write);
        let place = Place { sealed, folder, copy, keys, expected, bytes_before: bytes };
        match copier {
            Ok(copier) => Ok(Self::Copying(Box::new(Copying { place, copier, file }))),
            Err(error) => place.leave(error),
        }
    }

    /// Does the next step.
    pub(super) fn go_on(self) -> Result<Self, Trouble> {
        match self {
            Self::Copying(copying) => copying.go_on(),
            Self::Checking(checking) => checking.go_on(),
            done @ Self::Done(_) => Ok(done),
        }
    }
}

impl Copying {
    fn go_on(mut self: Box<Self>) -> Result<Work, Trouble> {
        for _ in 0..STEP_PAGES {
            let file = &mut self.file;
            match self.copier.step(&mut SystemEntropy, &mut |page| Ok(file.append(page)?)) {
                Ok(true) => {}
                Ok(false) => return self.finish(),
                Err(error) => return self.place.leave(error),
            }
        }
        Ok(Work::Copying(self))
    }

    fn finish(self: Box<Self>) -> Result<Work, Trouble> {
        let Self { place, copier, mut file } = *self;
        let played = match copier.finish(&mut SystemEntropy, &mut |page| Ok(file.append(page)?)) {
            Ok(played) => played,
            Err(error) => return place.leave(error),
        };
        file.sync()?;
        let bytes_after = file.len();
        if !is_smaller(bytes_after, place.bytes_before) {
            let why = format!("{bytes_after} bytes instead of {} would save too little", place.bytes_before);
            return place.leave_because(why);
        }
        // As anybody would open it: from the disk, with keys fresh from the store.
        let secrets = place.sealed.fresh_secrets(&place.keys)?;
        if secrets.iter().any(Option::is_none) {
            return place.gone();
        }
        let reader = Reader::open(file::open(&place.copy)?, &place.expected, &secrets)?;
        match Verifier::start(reader, played) {
            Ok(verifier) => Ok(Work::Checking(Box::new(Checking { place, verifier, bytes_after }))),
            Err(error) => place.leave(error),
        }
    }
}

impl Checking {
    fn go_on(mut self: Box<Self>) -> Result<Work, Trouble> {
        for _ in 0..STEP_PAGES {
            match self.verifier.step() {
                Ok(true) => {}
                Ok(false) => return self.replace(),
                Err(error) => return self.place.leave(error),
            }
        }
        Ok(Work::Checking(self))
    }

    fn replace(self: Box<Self>) -> Result<Work, Trouble> {
        let Self { place, verifier, bytes_after } = *self;
        let pages = match verifier.finish() {
            Ok(pages) => pages,
            Err(error) => return place.leave(error),
        };
        if place.is_gone()? {
            return place.gone();
        }
        file::replace(&place.sealed.path, &place.copy)?;
        // Who destroyed it in between may have looked for the file before it was there again.
        if place.is_gone()? {
            return place.gone();
        }
        let bytes_before = place.bytes_before;
        Ok(Work::Done(Outcome::Copied(Copied { pages, bytes_before, bytes_after })))
    }
}

impl Place {
    /// Whether anybody has destroyed a secret or the file.
    fn is_gone(&self) -> Result<bool, Trouble> {
        let destroyed = self.sealed.fresh_secrets(&self.keys)?.iter().any(Option::is_none);
        Ok(destroyed || !self.sealed.path.exists())
    }

    /// Leaves nothing of what was destroyed meanwhile.
    fn gone(self) -> Result<Work, Trouble> {
        let recording = self.sealed.row.recording;
        if self.sealed.fresh_secrets(&self.keys)?.iter().all(Option::is_none) {
            file::remove_all(&self.folder, recording)?;
        } else {
            file::remove_copy(&self.folder, recording)?;
        }
        Ok(Work::Done(Outcome::Gone))
    }

    /// What is wrong with the recording or its copy will be wrong the next time, too; a disk's refusal may not be.
    fn leave(self, error: Error) -> Result<Work, Trouble> {
        match error {
            Error::Vault(error) if !matches!(error, vorzimmer_vault::Error::Refused(_)) => Err(error.into()),
            error => self.leave_because(error.to_string()),
        }
    }

    fn leave_because(self, why: String) -> Result<Work, Trouble> {
        file::remove_copy(&self.folder, self.sealed.row.recording)?;
        Ok(Work::Done(Outcome::Left(why)))
    }
}

fn length(path: &Path) -> Result<u64, Trouble> {
    let found =
        fs::metadata(path).map_err(|source| Trouble::File { doing: "look at a recording", source })?;
    Ok(found.len())
}

fn make_room(folder: &Path) -> Result<(), Trouble> {
    let copies = folder.join(file::COPIES);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(copies);
    made.map_err(|source| Trouble::File { doing: "make the folder of copies", source })
}
