//! Destroying one recording before its day: key, sync, file.

use std::collections::HashSet;
use std::path::Path;

use vorzimmer_types::RecordingId;
use vorzimmer_vault::KeyStore;
use vorzimmer_vault::callrec::{MAX_SLOTS, file};

use crate::Error;

/// Recordings that the key store is asked about at a time: others want something of it, too.
const LOOK_AT_ONCE: usize = 256;

/// What was there to destroy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Parties' secrets.
    pub slots: usize,
    /// Whether there was a file.
    pub file: bool,
}

/// Destroys the voices of one recording: when this returns, nobody can hear them any more. Needs no database, so that a
/// withdrawal takes effect while that is away; whoever calls this tells the store afterwards.
///
/// # Errors
/// If key store or folder refuse: call again until it succeeds.
pub fn destroy_voices(keys: &KeyStore, folder: &Path, recording: RecordingId) -> Result<Erased, Error> {
    let slots = destroy_secrets(keys, recording)?;
    let file = file::remove_all(folder, recording)?;
    Ok(Erased { slots, file })
}

pub(crate) fn destroy_secrets(keys: &KeyStore, recording: RecordingId) -> Result<usize, Error> {
    let mut destroyed = 0;
    for slot in (0..=u8::MAX).take(MAX_SLOTS) {
        destroyed += usize::from(keys.destroy_slot(recording, slot)?);
    }
    Ok(destroyed)
}

/// Those of which anything of the voices is left.
pub(crate) fn left(
    keys: &KeyStore,
    folder: &Path,
    recordings: impl IntoIterator<Item = RecordingId>,
) -> Result<HashSet<RecordingId>, Error> {
    let recordings: Vec<RecordingId> = recordings.into_iter().collect();
    let mut left = HashSet::new();
    for some in recordings.chunks(LOOK_AT_ONCE) {
        left.extend(keys.with_secrets(some)?);
    }
    let has_file =
        |recording| file::path(folder, recording).exists() || file::copy_path(folder, recording).exists();
    left.extend(recordings.into_iter().filter(|recording| has_file(*recording)));
    Ok(left)
}
