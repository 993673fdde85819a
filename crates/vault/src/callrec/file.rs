//! A recording's file on disk: made, appended to, synced, closed after a crash, removed. Knows pages as bytes only.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use vorzimmer_types::RecordingId;

use crate::error::{Error, Result};
use crate::keys::storage::sync_folder_of;

/// How a recording's file name ends.
pub const EXTENSION: &str = "callrec";

/// Files that are removed at the same time: each waits for the disk to free its blocks, and the waits run together.
const REMOVED_AT_ONCE: usize = 8;

/// Where a recording stands in the recordings folder.
#[must_use]
pub fn path(folder: &Path, recording: RecordingId) -> PathBuf {
    folder.join(format!("{recording}.{EXTENSION}"))
}

/// The folder, within that of recordings, of copies that have not taken the place of theirs yet.
pub const COPIES: &str = "copies";

/// Where a copy of a recording is made. Until [`replace`] has moved it, nobody needs it.
#[must_use]
pub fn copy_path(folder: &Path, recording: RecordingId) -> PathBuf {
    path(&folder.join(COPIES), recording)
}

/// The recording that a file name stands for; `None` if it is no recording's.
#[must_use]
pub fn recording_of(path: &Path) -> Option<RecordingId> {
    let named = path.extension().is_some_and(|extension| extension == EXTENSION);
    path.file_stem().filter(|_| named)?.to_str()?.parse().ok()
}

/// A file to which whole pages are appended.
#[derive(Debug)]
pub struct RecordingFile {
    file: File,
    len: u64,
}

impl RecordingFile {
    /// Makes the file, of mode 0600, which must not exist; its name is durable when this returns.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn create(path: &Path) -> Result<Self> {
        let failed = |source| Error::File { doing: "create", path: path.into(), source };
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        sync_folder_of(path).map_err(failed)?;
        Ok(Self { file, len: 0 })
    }

    /// Bytes of whole pages written.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends whole pages. If that fails, what was written of them is cut off again or overwritten by the next call:
    /// a page is never left torn between others.
    ///
    /// # Errors
    /// [`Error::Io`], when the disk is full for one.
    pub fn append(&mut self, pages: &[u8]) -> Result<()> {
        match self.file.write_all_at(pages, self.len) {
            Ok(()) => {
                self.len += pages.len() as u64;
                Ok(())
            }
            Err(source) => {
                let cut = self.file.set_len(self.len);
                Err(Error::Io { doing: "append to a recording", source: cut.err().unwrap_or(source) })
            }
        }
    }

    /// Returns once everything appended would survive a power cut.
    ///
    /// # Errors
    /// [`Error::Io`]: what was appended since the last sync is then in doubt.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("sync a recording"))
    }
}

/// Opens a recording to be read.
///
/// # Errors
/// [`Error::File`].
pub fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| Error::File { doing: "open", path: path.into(), source })
}

/// Cuts a file at `sound_len`, appends `final_page` and syncs: what [`super::Open::final_page`] asks for. May be killed
/// anywhere and done again.
///
/// # Errors
/// [`Error::File`].
pub fn close(path: &Path, sound_len: u64, final_page: &[u8]) -> Result<()> {
    let failed = |source| Error::File { doing: "close", path: path.into(), source };
    let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
    file.set_len(sound_len).map_err(failed)?;
    file.write_all_at(final_page, sound_len).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Puts a copy, which is synced, in the place of the original, which is gone for good when this returns. Killed
/// anywhere, one of the two stands there whole.
///
/// # Errors
/// [`Error::File`].
pub fn replace(original: &Path, copy: &Path) -> Result<()> {
    let failed = |source| Error::File { doing: "replace", path: original.into(), source };
    std::fs::rename(copy, original).map_err(failed)?;
    sync_folder_of(original).map_err(failed)?;
    sync_folder_of(copy).map_err(failed)
}

/// Removes a recording's file and any copy of it; both are gone for good when this returns. Says whether there was a
/// file.
///
/// # Errors
/// [`Error::File`].
pub fn remove_all(folder: &Path, recording: RecordingId) -> Result<bool> {
    // The copy first: afterwards nothing can take the original's place any more.
    remove_copy(folder, recording)?;
    remove(&path(folder, recording))
}

/// Removes the files of many recordings, and any copies of them, whatever becomes of the others; what could be removed is
/// gone for good when this returns. Says what went wrong.
#[must_use]
pub fn remove_many(folder: &Path, recordings: &[RecordingId]) -> Vec<Error> {
    let part = recordings.len().div_ceil(REMOVED_AT_ONCE).max(1);
    let mut wrong = thread::scope(|scope| {
        let mut wrong = Vec::new();
        let mut others = Vec::new();
        for some in recordings.chunks(part) {
            match thread::Builder::new().spawn_scoped(scope, || remove_some(folder, some)) {
                Ok(other) => others.push(other),
                // A system without room for another thread has time for one.
                Err(_) => wrong.extend(remove_some(folder, some)),
            }
        }
        wrong.extend(
            others.into_iter().flat_map(|other| other.join().unwrap_or_else(|why| resume_unwind(why))),
        );
        wrong
    });
    let synced = sync_folder_of(&folder.join(EXTENSION));
    wrong.extend(synced.err().map(|source| Error::File { doing: "sync", path: folder.into(), source }));
    wrong
}

/// Takes away the names of some recordings' files, one after the other.
fn remove_some(folder: &Path, recordings: &[RecordingId]) -> Vec<Error> {
    let remove = |recording| remove_copy(folder, recording).and_then(|()| unlink(&path(folder, recording)));
    recordings.iter().filter_map(|recording| remove(*recording).err()).collect()
}

/// Removes a copy that has not taken its original's place.
///
/// # Errors
/// [`Error::File`].
pub fn remove_copy(folder: &Path, recording: RecordingId) -> Result<()> {
    let copy = copy_path(folder, recording);
    // Few recordings ever have one: no folder is synced for the others.
    let there =
        copy.try_exists().map_err(|source| Error::File { doing: "look for", path: copy.clone(), source })?;
    if there { remove(&copy).map(|_| ()) } else { Ok(()) }
}

/// Removes a recording's file; it is gone for good when this returns. Says whether there was one.
///
/// # Errors
/// [`Error::File`].
pub fn remove(path: &Path) -> Result<bool> {
    let existed = unlink(path)?;
    // Also when it was gone already: an earlier call may have been killed before this.
    sync_folder_of(path).map_err(|source| Error::File { doing: "remove", path: path.into(), source })?;
    Ok(existed)
}

/// Takes a file's name away, and says whether there was one.
fn unlink(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::File { doing: "remove", path: path.into(), source }),
    }
}
