//! Holds the house plan against the workspace: which room may use which, what stands at the top level, how long a
//! file may be, and that nothing personal to one machine slips in.

#![expect(clippy::expect_used, reason = "a test ends with the reason")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each room and the rooms it may use, as the house plan draws them. `*` is every room.
const ROOMS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("sip", &["types"]),
    ("sdp", &["types"]),
    ("media", &["types"]),
    ("consent", &["types"]),
    ("call", &["types", "sip", "sdp", "consent"]),
    ("desk", &["types"]),
    ("recorder", &["types", "media", "consent", "vault"]),
    ("vault", &["types"]),
    ("store", &["types", "vault"]),
    ("retention", &["types", "store", "vault"]),
    ("wire", &[]),
    ("notify", &["types", "store"]),
    ("api", &["types", "store", "vault", "desk"]),
    ("server", &["*"]),
];

/// Members that are no rooms of the house, but try it: they may use whatever they look at.
const IN_TESTS: &[&str] = &["tests", "load"];

/// Rooms that do no I/O: no sockets, files, clocks, threads or randomness of their own.
const NO_IO: &[&str] = &["types", "sip", "sdp", "media", "consent", "call", "desk", "recorder"];

/// What such a room may not name outside its tests.
const IO: &[&str] = &[
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::fs::File",
    "std::fs::write",
    "std::fs::read",
    "std::thread::spawn",
    "Instant::now(",
    "SystemTime::now(",
    "tokio::",
    "getrandom::",
];

/// A source file that passes this is two rooms in one.
const LONGEST_FILE: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

fn tracked() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the tree");
    assert!(listed.status.success(), "git ls-files failed: run the tests in a checkout");
    String::from_utf8(listed.stdout)
        .expect("file names are UTF-8")
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(|name| root().join(name).is_file())
        .collect()
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(out.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("cargo metadata prints JSON")
}

#[test]
fn each_room_uses_only_the_rooms_it_may() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        ROOMS.iter().map(|(room, uses)| (*room, uses.iter().copied().collect())).collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 10, "the workspace has its rooms");
    for package in packages {
        let name = package["name"].as_str().expect("name");
        let Some(room) = name.strip_prefix("vorzimmer-").filter(|room| !IN_TESTS.contains(room)) else {
            continue;
        };
        let uses = allowed.get(room).unwrap_or_else(|| panic!("{room} is not a room of the house plan"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let Some(other) = dependency["name"].as_str().and_then(|name| name.strip_prefix("vorzimmer-"))
            else {
                continue;
            };
            let in_tests = dependency["kind"].as_str() == Some("dev");
            assert!(
                in_tests || uses.contains("*") || uses.contains(other),
                "crates/{room} may not use {other}: the house plan allows {uses:?}"
            );
        }
    }
}

#[test]
fn rooms_without_io_name_no_io() {
    let mut wrong = Vec::new();
    for file in tracked().iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs")) {
        let text = file.to_string_lossy();
        if !NO_IO.iter().any(|room| text.starts_with(&format!("crates/{room}/src/")))
            || text.contains("tests")
        {
            continue;
        }
        let source = std::fs::read_to_string(root().join(file)).expect("source is UTF-8");
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            wrong.extend(
                IO.iter()
                    .filter(|io| line.contains(*io))
                    .map(|io| format!("{}:{}: {io}", file.display(), number + 1)),
            );
        }
    }
    assert!(wrong.is_empty(), "these rooms do no I/O (Law 6):\n{}", wrong.join("\n"));
}

#[test]
fn the_top_level_holds_what_the_plan_names() {
    let known = [
        "Cargo.toml",
        "Cargo.lock",
        "Makefile",
        "LICENSE",
        "README.md",
        "clippy.toml",
        "rustfmt.toml",
        "deny.toml",
    ];
    let folders = ["crates", "config", "recordings", "tests"];
    for file in tracked() {
        let first = file.components().next().expect("a path has a part");
        let first = first.as_os_str().to_string_lossy().into_owned();
        assert!(
            first.starts_with('.') || known.contains(&first.as_str()) || folders.contains(&first.as_str()),
            "{} does not belong at the top level",
            file.display()
        );
    }
}

#[test]
fn no_file_is_two_rooms_in_one() {
    let mut long = Vec::new();
    for file in tracked().iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs")) {
        let lines = std::fs::read_to_string(root().join(file)).expect("source is UTF-8").lines().count();
        if lines > LONGEST_FILE {
            long.push(format!("{} has {lines} lines", file.display()));
        }
    }
    assert!(long.is_empty(), "longer than {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn unsafe_code_stands_nowhere_but_in_the_ring_that_moves_datagrams() {
    let word = ["unsafe", " {"].concat();
    for file in tracked().iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs")) {
        if file.starts_with("crates/wire/src") {
            continue;
        }
        let source = std::fs::read_to_string(root().join(file)).expect("source is UTF-8");
        assert!(!source.contains(&word), "{} has unsafe code", file.display());
    }
}

#[test]
fn nothing_in_the_tree_belongs_to_one_machine() {
    let home = ["/ho", "me/"].concat();
    let root_home = ["/ro", "ot/"].concat();
    let work = ["/wo", "rk/"].concat();
    for file in tracked() {
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else { continue };
        for path in [&home, &root_home, &work] {
            assert!(!text.contains(path.as_str()), "{} names {path}", file.display());
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for file in tracked().iter().filter(|file| file.ends_with("Cargo.toml") && file.components().count() > 1)
    {
        let manifest = std::fs::read_to_string(root().join(file)).expect("manifest");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} does not take the workspace's lints",
            file.display()
        );
    }
}
