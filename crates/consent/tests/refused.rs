//! What the compiler refuses: a permit cannot be copied, stored, forged or used twice.
//!
//! Each file in `tests/refused/` names on a line `//~` the error that it must be refused with, and the first words of
//! what the compiler says: a program that fails for another reason proves nothing. They are compiled against the
//! library as it was just built, so this takes a rustc call each and builds nothing anew. The compiler's full wording
//! is not compared, because it changes between releases.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that finds what it cannot use stops there")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the programs may use.
const CRATES: [&str; 3] = ["vorzimmer_consent", "vorzimmer_types", "serde_json"];

/// A program that does with a permit what one may do: if this compiles, what is refused is refused for a reason.
const ALLOWED: &str = "tests/refused/allowed/used_once.rs";

#[test]
fn a_permit_is_one_of_a_kind() {
    let library = Library::as_built();
    let programs = programs("tests/refused");
    assert!(programs.len() >= 12, "only {} programs found", programs.len());
    let wrong: Vec<_> = programs.iter().filter_map(|program| library.refuses(program).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn programs(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut programs: Vec<_> = entries.filter(|path| path.extension().is_some_and(|it| it == "rs")).collect();
    programs.sort();
    programs
}

/// The crates that this test itself was linked with.
struct Library {
    folder: PathBuf,
    externs: Vec<(&'static str, PathBuf)>,
}

impl Library {
    /// There may be several builds of a crate in one folder, of which only some fit together: the newest that the
    /// allowed program compiles with is ours.
    fn as_built() -> Self {
        let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
        let [ours, types, json] = CRATES.map(|name| builds_of(name, &folder));
        let mut said = String::new();
        for ours in &ours {
            for types in &types {
                for json in &json {
                    let externs = CRATES.into_iter().zip([ours, types, json].map(PathBuf::clone)).collect();
                    let library = Self { folder: folder.clone(), externs };
                    let output = library.compile(Path::new(ALLOWED));
                    if output.status.success() {
                        return library;
                    }
                    said = String::from_utf8_lossy(&output.stderr).into_owned();
                }
            }
        }
        panic!("what is allowed does not compile: {said}");
    }

    fn compile(&self, program: &Path) -> Output {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args([
            "--edition=2024",
            "--crate-type=bin",
            "--emit=metadata",
            "--error-format=short",
            "-o",
            "-",
        ]);
        rustc.arg("-L").arg(format!("dependency={}", self.folder.display()));
        for (name, path) in &self.externs {
            rustc.arg("--extern").arg(format!("{name}={}", path.display()));
        }
        rustc.arg(program).output().unwrap()
    }

    fn refuses(&self, program: &Path) -> Result<(), String> {
        let text = std::fs::read_to_string(program).unwrap();
        let reasons: Vec<_> = text.lines().filter_map(|line| line.split_once("//~ ")).collect();
        let output = self.compile(program);
        let said = String::from_utf8_lossy(&output.stderr);
        let name = program.display();
        if output.status.success() {
            return Err(format!("{name} compiles"));
        }
        let errors = said.lines().filter(|line| line.contains(": error[")).count();
        let all_named =
            reasons.iter().all(|(_, reason)| said.lines().any(|line| line.contains(reason.trim())));
        if reasons.is_empty() || errors != reasons.len() || !all_named {
            return Err(format!("{name} is refused for another reason:\n{said}"));
        }
        Ok(())
    }
}

/// All builds of one crate, the newest first.
fn builds_of(name: &str, folder: &Path) -> Vec<PathBuf> {
    let start = format!("lib{name}-");
    let is_build = |path: &PathBuf| {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        file.starts_with(&start) && file.ends_with(".rlib")
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut builds: Vec<_> = entries.filter(is_build).collect();
    builds.sort_by_key(|path| std::cmp::Reverse(path.metadata().and_then(|data| data.modified()).ok()));
    builds
}
