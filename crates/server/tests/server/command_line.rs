//! The command line.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::installation::{DIRECTORY, Installation};

#[test]
fn check_says_what_would_be_done_and_does_nothing() {
    let installation = Installation::new("");
    let said = installation.ok(&["check"]);
    for words in
        ["is valid", "SIP over UDP      127.0.0.1:0", "near: 127.0.0.2/32", "recordings after 30 days"]
    {
        assert!(said.contains(words), "{words} is not in {said}");
    }
    let made: Vec<_> = std::fs::read_dir(installation.folder.path()).expect("a folder").collect();
    assert_eq!(made.len(), 1, "only the configuration is there: {made:?}");
}

#[test]
fn a_reader_who_has_seen_enough_ends_no_command() {
    let installation = Installation::new("").with_directory();
    for arguments in
        [&["check"][..], &["retention", "run"], &["retention", "status"], &["call", "list", "--json"]]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ran = installation.command(arguments).stdout(writer).output().expect("it runs");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success() && !said.contains("panicked"), "{arguments:?}: {} {said}", ran.status);
    }
}

#[test]
fn a_wrong_configuration_is_refused_with_line_advice_and_code() {
    let installation = Installation::new("[drain]\ndeadlin_s = 3\n");
    let ran = installation.run(&["run"]);
    assert_eq!(ran.status.code(), Some(3));
    assert!(ran.err.contains("vorzimmer.toml:23: there is no option `deadlin_s`"), "{}", ran.err);
    assert!(ran.err.contains("did you mean `deadline_s`?"), "{}", ran.err);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let installation = Installation::new("");
    std::fs::remove_file(installation.path("vorzimmer.toml")).expect("removed");
    let ran = installation.run(&["check"]);
    assert_eq!(ran.status.code(), Some(3));
    assert!(ran.err.contains("cannot be read") && ran.err.contains("--config"), "{}", ran.err);
}

#[test]
fn longer_periods_are_said_out_loud() {
    let installation = Installation::new("[retention.calls]\ndays = 90\nbasis = \"a contract\"\n");
    assert!(installation.ok(&["check"]).contains("KEPT LONGER THAN SHIPPED: call data for 90 days"));
}

#[test]
fn the_first_start_makes_private_folders_keys_and_database() {
    let installation = Installation::new("").with_directory();
    for folder in ["data", "recordings", "keys", "kek"] {
        assert_eq!(mode(&installation.path(folder)), 0o700, "{folder}");
    }
    for file in ["data/vorzimmer.db", "keys/keys.db", "kek/vorzimmer.key"] {
        assert_eq!(mode(&installation.path(file)), 0o600, "{file}");
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o777
}

#[test]
fn a_directory_comes_back_as_it_went_in_without_its_passwords() {
    let installation = Installation::new("");
    let file = installation.file("directory.toml", DIRECTORY);
    let said = installation.ok(&["directory", "import", &file]);
    assert!(said.contains("customers: 1 added") && said.contains("receptionists: 2 added"), "{said}");
    let ben: Vec<&str> = said.lines().filter(|line| line.trim_start().starts_with("ben ")).collect();
    assert_eq!(ben.len(), 1, "a password was made for ben: {said}");
    assert!(!said.contains("only-in-tests"), "anna's was given and is not repeated: {said}");

    let exported = installation.ok(&["directory", "export"]);
    assert!(!exported.contains("only-in-tests"));
    let again = installation.file("exported.toml", &exported);
    let said = installation.ok(&["directory", "import", &again]);
    assert!(said.contains("customers: 0 added, 0 changed, 1 unchanged"), "{said}");
    assert!(said.contains("receptionists: 0 added, 0 changed, 2 unchanged"), "{said}");
}

#[test]
fn a_greeting_that_is_not_there_is_told() {
    let installation = Installation::new("");
    let text = DIRECTORY.replace("recording = ", "greeting = \"no-such-words\"\nrecording = ");
    let ran = installation.run(&["directory", "import", &installation.file("directory.toml", &text)]);
    assert!(ran.status.success(), "{}", ran.err);
    assert!(ran.err.contains("no prompt \"no-such-words\""), "{}", ran.err);
}

#[test]
fn a_password_file_that_others_can_read_is_refused() {
    let more = "[trunks.carrier]\nuser = \"carrier\"\npassword_file = \"carrier.password\"\n";
    let installation = Installation::new(more).with_directory();
    installation.file("carrier.password", "secret\n");
    std::fs::set_permissions(installation.path("carrier.password"), std::fs::Permissions::from_mode(0o644))
        .expect("public");
    let ran = installation.run(&["run"]);
    assert_eq!(ran.status.code(), Some(3), "{}", ran.err);
    assert!(ran.err.contains("read by others") && ran.err.contains("chmod 600"), "{}", ran.err);
}

#[test]
fn new_passwords_can_go_into_a_private_file_instead() {
    let installation = Installation::new("");
    let file = installation.file("directory.toml", DIRECTORY);
    let logins = installation.path("logins");
    let said = installation.ok(&["directory", "import", &file, "--logins", logins.to_str().expect("UTF-8")]);
    let kept = std::fs::read_to_string(&logins).expect("the file");
    let password = kept.trim().strip_prefix("ben  ").expect("ben's password");
    assert!(!said.contains(password), "{said}");
    assert_eq!(mode(&logins), 0o600);
}

#[test]
fn a_wrong_directory_is_refused_whole_with_its_lines() {
    let installation = Installation::new("").with_directory();
    let wrong = DIRECTORY.replace("+493023125010", "030 23125010").replace("\"off\"\non", "\"maybe\"\non");
    let file = installation.file("wrong.toml", &wrong);
    let before = installation.ok(&["directory", "export"]);
    let ran = installation.run(&["directory", "import", &file]);
    assert_eq!(ran.status.code(), Some(5));
    assert!(ran.err.contains("wrong.toml:16: ") && ran.err.contains("wrong.toml:18: "), "{}", ran.err);
    assert_eq!(installation.ok(&["directory", "export"]), before);
}

#[test]
fn a_missing_wrong_or_readable_key_is_refused_and_never_replaced() {
    let installation = Installation::new("").with_directory();
    let key = installation.path("kek/vorzimmer.key");
    let right = std::fs::read_to_string(&key).expect("the key");

    std::fs::remove_file(&key).expect("removed");
    for command in [&["run"][..], &["call", "list"]] {
        let ran = installation.run(command);
        assert_eq!(ran.status.code(), Some(6), "{command:?}: {}", ran.err);
        assert!(ran.err.contains("no key-encryption key") && ran.err.contains("do: restore"), "{}", ran.err);
    }
    assert!(!key.exists(), "no fresh key in place of the missing one");

    let wrong = format!("0000000001:{}\n", "5a".repeat(32));
    std::fs::write(&key, wrong).expect("written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("private");
    assert_eq!(installation.run(&["run"]).status.code(), Some(6));

    std::fs::write(&key, right).expect("written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("public");
    let ran = installation.run(&["keys", "status"]);
    assert_eq!(ran.status.code(), Some(6));
    assert!(ran.err.contains("chmod 600"), "{}", ran.err);

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("private");
    installation.ok(&["keys", "status"]);
}

#[test]
fn a_missing_key_store_is_refused_and_never_replaced() {
    let installation = Installation::new("").with_directory();
    std::fs::remove_file(installation.path("keys/keys.db")).expect("removed");
    let ran = installation.run(&["run"]);
    assert_eq!(ran.status.code(), Some(6), "{}", ran.err);
    assert!(ran.err.contains("restore the key store"), "{}", ran.err);
    assert!(!installation.path("keys/keys.db").exists());
}

#[test]
fn a_key_may_come_from_the_environment() {
    let installation = Installation::new("");
    let config = installation.path("vorzimmer.toml");
    let text =
        std::fs::read_to_string(&config).expect("read").replace("[key]\n", "[key]\nsource = \"env\"\n");
    std::fs::write(&config, text).expect("written");
    let file = installation.file("directory.toml", DIRECTORY);
    let import = ["directory", "import", &file];
    let refused = installation.run(&import);
    assert_eq!(refused.status.code(), Some(6), "{}", refused.err);
    let key = format!("1:{}", "a7".repeat(32));
    let output = installation.command(&import).env("VORZIMMER_KEK", &key).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!installation.path("kek/vorzimmer.key").exists());
}

#[test]
fn rotating_keys_keeps_everything_readable() {
    let installation = Installation::new("").with_directory();
    let before = installation.ok(&["directory", "export"]);
    assert_eq!(installation.json(&["keys", "status"])["kek-version"], 1);
    assert_eq!(installation.json(&["keys", "rotate"])["to"], 2);
    assert_eq!(installation.json(&["keys", "status"])["kek-version"], 2);
    assert_eq!(installation.ok(&["directory", "export"]), before);
}

#[test]
fn forgetting_is_planned_done_and_certified() {
    let installation = Installation::new("").with_directory();
    assert!(installation.ok(&["retention", "run", "--dry-run"]).contains("Nothing is due"));
    assert!(installation.ok(&["retention", "status"]).contains("there was no run yet"));
    assert!(installation.ok(&["retention", "run"]).contains("Certificate 1: "));
    assert_eq!(installation.json(&["retention", "run"])["certificate"]["number"], 2);
    let status = installation.json(&["retention", "status"]);
    assert_eq!(status["classes"].as_array().expect("classes").len(), 5);
    assert_eq!(installation.ok(&["retention", "certificates"]).lines().count(), 2);
}

#[test]
fn looking_at_recordings_needs_a_purpose() {
    let installation = Installation::new("").with_directory();
    let id = "00000000000000000000000000000000";
    for command in [
        &["recording", "list"][..],
        &["recording", "show", id],
        &["recording", "verify", id],
        &["recording", "export", id, "--out", "x.wav"],
        &["recording", "destroy", id],
        &["recording", "list", "--purpose", "  "],
    ] {
        assert_eq!(installation.run(command).status.code(), Some(2), "{command:?}");
    }
    installation.ok(&["recording", "list", "--purpose", "a test"]);
    for command in ["show", "verify", "destroy"] {
        let ran = installation.run(&["recording", command, id, "--purpose", "a test"]);
        assert_eq!(ran.status.code(), Some(4), "{command}: {}", ran.err);
        assert!(ran.err.contains("there is no recording"), "{}", ran.err);
    }
}

#[test]
fn before_the_first_start_there_is_nothing_to_show() {
    let installation = Installation::new("");
    for command in [&["call", "list"][..], &["keys", "status"], &["registrations"]] {
        let ran = installation.run(command);
        assert_eq!(ran.status.code(), Some(4), "{command:?}: {}", ran.err);
        assert!(ran.err.contains("nothing is kept yet"), "{}", ran.err);
    }
    assert!(!installation.path("data").exists());
}

#[test]
fn what_is_not_there_is_named() {
    let installation = Installation::new("").with_directory();
    let id = "00000000000000000000000000000000";
    assert_eq!(installation.run(&["call", "show", id]).status.code(), Some(4));
    assert_eq!(installation.run(&["receipt", "list", id]).status.code(), Some(4));
    assert_eq!(installation.run(&["call", "show", "not-an-id"]).status.code(), Some(2));
    assert_eq!(installation.run(&["call", "find", "--number", "030123"]).status.code(), Some(2));
    assert!(
        installation.json(&["call", "find", "--number", "+4930123"]).as_array().expect("a list").is_empty()
    );
}
