//! Looks through folders for files that are due. Removes one file at a time, and makes that durable.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vorzimmer_types::{Day, RecordingId};
use vorzimmer_vault::callrec::{self, file};

use crate::Error;

/// How a log file is named, around its day: `vorzimmer-2026-01-31.log`.
const LOG_NAME: (&str, &str) = ("vorzimmer-", ".log");

/// The days that files were found to be due on: a recording's never changes, and a month of files is not opened again
/// every few minutes. Holds as many as there are files.
#[derive(Debug, Default)]
pub(crate) struct Headers(Mutex<HashMap<RecordingId, Day>>);

impl Headers {
    fn known(&self) -> MutexGuard<'_, HashMap<RecordingId, Day>> {
        // Whatever is in there was read from a file.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// On which day a file is due; none if it is gone, or its header cannot be read: a crash left it, and the recorder's
/// recovery sees to it.
fn day_of(
    known: &HashMap<RecordingId, Day>,
    recording: RecordingId,
    path: &Path,
) -> Result<Option<Day>, Error> {
    if let Some(day) = known.get(&recording) {
        return Ok(Some(*day));
    }
    let source = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|source| Error::File { doing: "open", path: path.into(), source })?,
    };
    Ok(callrec::read_header(source).ok().map(|header| header.expiry))
}

/// The recordings in `folder` that are due on `through` or before, as their files say.
pub(crate) fn due_recordings(
    folder: &Path,
    through: Day,
    headers: &Headers,
) -> Result<Vec<RecordingId>, Error> {
    let known = std::mem::take(&mut *headers.known());
    let mut found = HashMap::with_capacity(known.len());
    for path in entries(folder)? {
        let path = path?;
        if let Some(recording) = file::recording_of(&path)
            && let Some(day) = day_of(&known, recording, &path)?
        {
            found.insert(recording, day);
        }
    }
    let due = found.iter().filter(|(_, day)| **day <= through);
    let mut due: Vec<RecordingId> = due.map(|(recording, _)| *recording).collect();
    due.sort();
    *headers.known() = found;
    Ok(due)
}

/// The log files in `folder` of days up to `through`, by name.
pub(crate) fn due_logs(folder: &Path, through: Day) -> Result<Vec<String>, Error> {
    let days = log_days(folder)?.into_iter();
    let mut due: Vec<String> = days.filter(|(day, _)| *day <= through).map(|(_, name)| name).collect();
    due.sort();
    Ok(due)
}

/// The day of the oldest log file.
pub(crate) fn oldest_log(folder: &Path) -> Result<Option<Day>, Error> {
    Ok(log_days(folder)?.into_iter().map(|(day, _)| day).min())
}

fn log_days(folder: &Path) -> Result<Vec<(Day, String)>, Error> {
    let mut days = Vec::new();
    for path in entries(folder)? {
        let path = path?;
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let day = name.strip_prefix(LOG_NAME.0).and_then(|rest| rest.strip_suffix(LOG_NAME.1));
        // Whatever else lies in the folder is somebody else's.
        if let Some(day) = day.and_then(Day::parse) {
            days.push((day, name.to_owned()));
        }
    }
    Ok(days)
}

/// What stands in a folder. One that was never made holds nothing.
fn entries(folder: &Path) -> Result<impl Iterator<Item = Result<PathBuf, Error>>, Error> {
    let refused = |source| Error::File { doing: "look through", path: folder.into(), source };
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other.map_err(refused)?),
    };
    Ok(listed.into_iter().flatten().map(move |entry| entry.map(|entry| entry.path()).map_err(refused)))
}

/// Removes a log file; it is gone for good when this returns.
pub(crate) fn remove_log(folder: &Path, name: &str) -> Result<(), Error> {
    let path = folder.join(name);
    let refused = |source| Error::File { doing: "remove", path: path.clone(), source };
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other.map_err(refused)?,
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(refused)
}

#[cfg(test)]
mod tests {
    use vorzimmer_types::Day;

    use super::{Headers, due_logs, due_recordings, oldest_log, remove_log};

    #[test]
    fn only_our_own_logs_of_due_days_are_named() {
        let folder = tempfile::tempdir().expect("folder");
        let names = [
            "vorzimmer-2026-01-30.log",
            "vorzimmer-2026-01-31.log",
            "vorzimmer-2026-02-01.log",
            "vorzimmer-2026-1-1.log",
            "vorzimmer-0000000000.log",
            "somebody-2026-01-01.log",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), "x").expect("write");
        }
        assert_eq!(due_logs(folder.path(), Day(20_484)).expect("logs"), names[..2]);
        assert_eq!(oldest_log(folder.path()).expect("logs"), Some(Day(20_483)));
        remove_log(folder.path(), names[0]).expect("remove");
        remove_log(folder.path(), names[0]).expect("removing it again does no harm");
        assert_eq!(due_logs(folder.path(), Day(20_484)).expect("logs"), names[1..2]);
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let nowhere = folder.path().join("nowhere");
        assert_eq!(due_logs(&nowhere, Day(1)).expect("logs"), Vec::<String>::new());
        assert_eq!(due_recordings(&nowhere, Day(1), &Headers::default()).expect("recordings"), []);
    }
}
