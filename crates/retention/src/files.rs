//! Looks through folders for files that are due. Removes one file at a time, and makes that durable.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vorzimmer_types::{Day, RecordingId};
use vorzimmer_vault::callrec::{self, file};

use crate::Error;

/// How a log file is named, around its day: `vorzimmer-2026-01-31.log`.
const LOG_NAME: (&str, &str) = ("vorzimmer-", ".log");

/// The days that files were found to be due on, by recording: a recording's never changes, and a month of files is not
/// opened again every few minutes. Holds as many as there are files.
#[derive(Debug, Default)]
pub(crate) struct Headers(Mutex<Vec<(RecordingId, Day)>>);

impl Headers {
    fn known(&self) -> MutexGuard<'_, Vec<(RecordingId, Day)>> {
        // Whatever is in there was read from a file.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// On which day a file is due; none if it is gone, or its header cannot be read: a crash left it, and the recorder's
/// recovery sees to it.
fn day_in(path: &Path) -> Result<Option<Day>, Error> {
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
    let mut known = std::mem::take(&mut *headers.known());
    let mut there = vec![false; known.len()];
    let mut fresh = Vec::new();
    for path in entries(folder)? {
        let path = path?;
        let Some(recording) = file::recording_of(&path) else { continue };
        let place = known.binary_search_by_key(&recording, |(known, _)| *known).ok();
        if let Some(there) = place.and_then(|place| there.get_mut(place)) {
            *there = true;
        } else if let Some(day) = day_in(&path)? {
            fresh.push((recording, day));
        }
    }
    let mut there = there.into_iter();
    known.retain(|_| there.next().unwrap_or_default());
    known.reserve_exact(fresh.len());
    known.append(&mut fresh);
    known.sort_unstable();
    let due = known.iter().filter(|(_, day)| *day <= through).map(|(recording, _)| *recording).collect();
    *headers.known() = known;
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
    use std::path::Path;

    use vorzimmer_types::entropy::Seeded;
    use vorzimmer_types::{CustomerId, Day, PartyId, RecordingId};
    use vorzimmer_vault::callrec::{Context, Form, Writer, file};
    use vorzimmer_vault::keys::SlotSecret;

    use super::{Headers, due_logs, due_recordings, oldest_log, remove_log};

    fn recording(number: u8) -> RecordingId {
        RecordingId::from_bytes([number; 16])
    }

    fn record(folder: &Path, number: u8, expiry: Day) {
        let context = Context {
            recording: recording(number),
            customer: CustomerId::from_bytes([1; 16]),
            expiry,
            key_version: 1,
            codec: 0,
            form: Form::AsItCame,
            parties: [2, 3].map(|party| PartyId::from_bytes([party; 16])).to_vec(),
            receipts_hash: [9; 32],
        };
        let secrets = [SlotSecret::from_bytes([4; 32]), SlotSecret::from_bytes([5; 32])];
        let (_, header) = Writer::start(&context, &secrets, &mut Seeded::new(1)).expect("a writer");
        std::fs::write(file::path(folder, recording(number)), header).expect("a file");
    }

    #[test]
    fn recordings_that_come_and_go_between_two_looks_are_due_on_their_days() {
        let folder = tempfile::tempdir().expect("folder");
        let folder = folder.path();
        let headers = Headers::default();
        let due = |through| due_recordings(folder, Day(through), &headers).expect("recordings");
        for (number, day) in [(7, 30), (3, 10), (5, 20)] {
            record(folder, number, Day(day));
        }
        std::fs::write(folder.join("note.txt"), "x").expect("write");
        std::fs::write(file::path(folder, recording(6)), "cut off").expect("write");
        assert_eq!(due(9), []);
        assert_eq!(due(20), [recording(3), recording(5)]);

        std::fs::remove_file(file::path(folder, recording(3))).expect("remove");
        record(folder, 4, Day(15));
        record(folder, 8, Day(40));
        assert_eq!(due(20), [recording(4), recording(5)]);
        assert_eq!(due(40), [4, 5, 7, 8].map(recording));
        std::fs::remove_file(file::path(folder, recording(7))).expect("remove");
        record(folder, 3, Day(12));
        assert_eq!(due(30), [3, 4, 5].map(recording));
    }

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
