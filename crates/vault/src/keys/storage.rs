//! The key store's file, behind a trait: the driver that a process uses, and what tests replace to kill it anywhere.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::{Error, Result};

/// Random-access bytes that can be locked against other processes and made durable.
pub trait Storage: Send {
    /// How many bytes there are.
    ///
    /// # Errors
    /// Whatever the system says.
    fn size(&self) -> io::Result<u64>;

    /// Fills `out` with the bytes from `offset`; too few bytes is an error.
    ///
    /// # Errors
    /// Whatever the system says.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Overwrites in place.
    ///
    /// # Errors
    /// Whatever the system says.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Grows to `len` with zeros.
    ///
    /// # Errors
    /// Whatever the system says.
    fn grow(&mut self, len: u64) -> io::Result<()>;

    /// Returns once every write before it would survive a power cut.
    ///
    /// # Errors
    /// Whatever the system says; what was written is then in doubt.
    fn sync(&mut self) -> io::Result<()>;

    /// Waits until no other process writes, and if `exclusive` until none reads.
    ///
    /// # Errors
    /// Whatever the system says.
    fn lock(&self, exclusive: bool) -> io::Result<()>;

    /// Lets the others go on.
    ///
    /// # Errors
    /// Whatever the system says.
    fn unlock(&self) -> io::Result<()>;
}

/// A file of this machine.
pub struct FileStorage(File);

impl FileStorage {
    /// Opens an existing file that only its owner may read; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::NotPrivate`].
    pub fn open(path: &Path) -> Result<Option<Self>> {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => {
                refuse_readable_by_others(path, &file, 0o077)?;
                Ok(Some(Self(file)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { doing: "open", path: path.into(), source }),
        }
    }

    /// Makes an empty file of mode 0600 that did not exist before, and makes its name durable.
    ///
    /// # Errors
    /// [`Error::File`], also when it exists.
    pub fn create(path: &Path) -> Result<Self> {
        create_private(path).map(Self)
    }
}

impl Storage for FileStorage {
    fn size(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn grow(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn lock(&self, exclusive: bool) -> io::Result<()> {
        if exclusive { self.0.lock() } else { self.0.lock_shared() }
    }

    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}

/// Makes a new file of mode 0600 and syncs its folder, so that the name survives a power cut.
pub(crate) fn create_private(path: &Path) -> Result<File> {
    let failed = |source| Error::File { doing: "create", path: path.into(), source };
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    sync_folder_of(path).map_err(failed)?;
    Ok(file)
}

/// Refuses a file that has any of the permission bits in `forbidden`.
pub(crate) fn refuse_readable_by_others(path: &Path, file: &File, forbidden: u32) -> Result<()> {
    let metadata =
        file.metadata().map_err(|source| Error::File { doing: "look at", path: path.into(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & forbidden != 0 { Err(Error::NotPrivate { path: path.into(), mode }) } else { Ok(()) }
}

/// Makes the entries of the folder that holds `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::File::open(folder)?.sync_all()
}
