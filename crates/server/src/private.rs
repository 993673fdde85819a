//! Files that only their owner may read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The text of a file that only its owner may read.
pub fn text(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mode = file.metadata()?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(io::Error::other(format!("it can be read by others (mode {mode:o})")));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}
