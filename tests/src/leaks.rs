//! What may not be in a log: the numbers, names, passwords and addresses of those whom a server serves.

use std::fs;
use std::path::{Path, PathBuf};

/// The block of fictional numbers that every test rings from and to, without its area code's zero.
const FICTIONAL: &str = "3023125";

/// Text that only a message or a description of a session holds: nobody may log one whole.
const OF_MESSAGES: [&str; 5] = ["a=rtpmap", "c=IN IP", "m=audio", "nonce=", "response="];

/// What may not show up in the logs of a server with this directory: its numbers in any spelling, the names and
/// passwords in it, any number of the fictional block, and pieces of whole messages.
#[must_use]
pub fn forbidden(directory: &str) -> Vec<String> {
    let quoted = directory.lines().filter_map(|line| {
        let (key, value) = line.trim().split_once('=')?;
        let personal = ["name", "password"].contains(&key.trim());
        personal.then(|| value.trim().trim_matches('"').to_owned())
    });
    let numbers = directory.split('"').filter_map(|text| text.strip_prefix("+49"));
    let numbers = numbers.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let mut all: Vec<String> =
        quoted.chain(numbers.map(str::to_owned)).filter(|text| text.len() > 3).collect();
    all.push(FICTIONAL.to_owned());
    all.extend(OF_MESSAGES.map(str::to_owned));
    all
}

/// The lines that hold something forbidden, each with where it stands.
#[must_use]
pub fn in_text(place: &str, text: &str, forbidden: &[String]) -> Vec<String> {
    let mut leaks = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in forbidden.iter().filter(|word| line.contains(word.as_str())) {
            leaks.push(format!("{place}:{}: {word:?} in: {line}", number + 1));
        }
    }
    leaks
}

/// The same for every file of a folder; a folder that is not there holds nothing.
#[must_use]
pub fn in_folder(folder: &Path, forbidden: &[String]) -> Vec<String> {
    files(folder)
        .iter()
        .filter_map(|file| Some((file, fs::read(file).ok()?)))
        .flat_map(|(file, bytes)| {
            in_text(&file.display().to_string(), &String::from_utf8_lossy(&bytes), forbidden)
        })
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).into_iter().flatten().flatten();
    listed.map(|file| file.path()).filter(|path| path.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::{forbidden, in_folder, in_text};
    use crate::server::DIRECTORY;

    #[test]
    fn numbers_names_and_passwords_are_seen_and_logins_are_allowed() {
        let forbidden = forbidden(DIRECTORY);
        for leak in
            ["to +493023125010", "03023125999 rang", "hello Anna Beispiel", "only-in-tests", "a=rtpmap:8"]
        {
            assert_eq!(in_text("log", leak, &forbidden).len().min(1), 1, "{leak}");
        }
        for fine in ["call 01HZY ended", "302312", "receptionist anna"] {
            assert_eq!(in_text("log", fine, &forbidden), Vec::<String>::new());
        }
    }

    #[test]
    fn every_file_of_a_folder_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("one"), "fine\n").expect("a file");
        std::fs::write(folder.path().join("two"), "fine\nCarol Sample\n").expect("a file");
        let leaks = in_folder(folder.path(), &forbidden(DIRECTORY));
        assert_eq!(leaks.len(), 1, "{leaks:?}");
        assert!(leaks[0].contains("two:2"), "{leaks:?}");
    }
}
