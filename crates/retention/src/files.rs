//! Looks through folders for files that are due. Removes one file at a time, and makes that durable.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use vorzimmer_types::{Day, RecordingId};
use vorzimmer_vault::callrec::{self, file};

use crate::Error;

/// How a log file is named, around its day: `vorzimmer-2026-01-31.log`.
const LOG_NAME: (&str, &str) = ("vorzimmer-", ".log");

/// The recordings in `folder` that are due on `through` or before, as their files say.
///
/// A file whose header cannot be read is none of them: a crash left it, and the recorder's recovery sees to it.
pub(crate) fn due_recordings(folder: &Path, through: Day) -> Result<Vec<RecordingId>, Error> {
    let mut due = Vec::new();
    for path in entries(folder)? {
        let Some(recording) = file::recording_of(&path) else {
            continue;
        };
        let source = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(|source| Error::File { doing: "open", path: path.clone(), source })?,
        };
        if callrec::read_header(source).is_ok_and(|header| header.expiry <= through) {
            due.push(recording);
        }
    }
    due.sort();
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

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let refused = |source| Error::File { doing: "look through", path: folder.into(), source };
    let listed = match fs::read_dir(folder) {
        // A folder that was never made holds nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(refused)?,
    };
    listed.map(|entry| entry.map(|entry| entry.path()).map_err(refused)).collect()
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

    use super::{due_logs, due_recordings, oldest_log, remove_log};

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
        assert_eq!(due_recordings(&nowhere, Day(1)).expect("recordings"), []);
    }
}
