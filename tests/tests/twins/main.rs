//! Twins: two calls that differ only in what was said before the consent leave byte-identical disks.
//!
//! Exchange, media session, recorder, vault and store are the shipped ones; sockets, the clock and randomness are
//! played here, in virtual time. A third call that differs after the yes leaves another disk, so that equality means
//! something.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]

mod disk;
mod phones;
mod play;
mod world;

use std::collections::BTreeMap;
use std::path::Path;

use vorzimmer_types::consent::Policy;

use disk::Template;
use phones::Speech;
use play::play;

/// Every file below a folder, by its path.
fn everything(folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            everything(&path, into);
        } else {
            let name = path.to_string_lossy().into_owned();
            into.insert(name, std::fs::read(&path).expect("a file"));
        }
    }
}

/// What a call with this speech leaves on the disk, by path below the folder.
fn left_by(template: &Template, policy: Policy, speech: Speech) -> BTreeMap<String, Vec<u8>> {
    let folder = template.copy();
    let result = play(folder.path(), policy, speech);
    assert_eq!(result, "ok", "the talk after the yes is recorded whole");
    let mut files = BTreeMap::new();
    everything(folder.path(), &mut files);
    let prefix = folder.path().to_string_lossy().into_owned();
    files.into_iter().map(|(path, bytes)| (path.trim_start_matches(&prefix).to_owned(), bytes)).collect()
}

/// The paths at which two disks differ.
fn differences(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let paths = a.keys().chain(b.keys().filter(|path| !a.contains_key(*path)));
    paths.filter(|path| a.get(*path) != b.get(*path)).cloned().collect()
}

fn twins(policy: Policy) {
    let template = Template::make();
    let one = left_by(&template, policy, Speech { before: 1, after: 7 });
    assert!(one.keys().any(|path| path.ends_with(".callrec")), "{:?}", one.keys());
    assert!(one.keys().any(|path| path.ends_with("vorzimmer.db")), "{:?}", one.keys());
    for before in 2..6 {
        let other = left_by(&template, policy, Speech { before, after: 7 });
        assert_eq!(
            differences(&one, &other),
            Vec::<String>::new(),
            "speech {before} before the consent shows"
        );
    }
    let control = left_by(&template, policy, Speech { before: 1, after: 8 });
    let seen = differences(&one, &control);
    assert_eq!(seen.len(), 1, "what is said after the yes is in the recording alone: {seen:?}");
    assert!(seen[0].ends_with(".callrec"), "{seen:?}");
}

#[test]
fn what_was_said_before_a_yes_to_the_question_leaves_no_trace() {
    twins(Policy::AskBeforeConnect);
}

#[test]
fn what_both_said_before_the_question_in_the_call_leaves_no_trace() {
    twins(Policy::AskInCall);
}

#[test]
fn what_both_said_before_an_attested_yes_leaves_no_trace() {
    twins(Policy::Attested);
}
