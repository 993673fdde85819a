//! `vorzimmer directory`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use vorzimmer_store::{Changes, ImportError, ImportReport, RowError, Unnamed};
use vorzimmer_types::directory::Directory;

use super::table::word;
use super::{Context, print_json};
use crate::failure::{Failure, Kind};
use crate::media::Prompts;
use crate::rooms::{FirstStart, database_failure};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Take a directory file in, whole or not at all. Passwords that it makes are printed once and known nowhere else.
    Import {
        /// The file, in the form of config/example/directory.toml.
        file: PathBuf,
        /// Also remove customers and receptionists that the file does not name.
        #[arg(long)]
        remove_unnamed: bool,
        /// Write new passwords into this file, readable by you only, instead of printing them.
        #[arg(long, value_name = "FILE")]
        logins: Option<PathBuf>,
    },
    /// Give the directory back as a file that can be imported, with hashes instead of passwords.
    Export,
}

pub(super) async fn execute(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Import { file, remove_unnamed, logins } => {
            let unnamed = if remove_unnamed { Unnamed::Remove } else { Unnamed::Keep };
            import(&file, unnamed, logins.as_deref(), context).await
        }
        Command::Export => export(context).await,
    }
}

async fn import(
    file: &Path,
    unnamed: Unnamed,
    logins: Option<&Path>,
    context: &Context,
) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::failed(format!("{}: {error}", file.display()), "name a directory file that can be read")
    })?;
    // Before anything is imported: a password that cannot be written down afterwards would be lost.
    let mut logins = logins.map(create_logins).transpose()?;
    let rooms = context.rooms(FirstStart::Welcome).await?;
    super::audit::record(&rooms.store, "directory-import", "directory", "directory import").await?;
    let realm = &context.settings.sip.realm;
    let mut report = match rooms.store.import_directory(&text, realm, unnamed).await {
        Ok(report) => report,
        Err(ImportError::Rows(rows)) => return Err(refused(file, &rows)),
        Err(ImportError::Store(error)) => return Err(database_failure(error)),
    };
    if let Some(file) = &mut logins {
        write_logins(file, &mut report)?;
    }
    if context.json {
        print_json(&as_json(&report))?;
    } else {
        print(&report);
    }
    let directory = rooms.store.directory().await.map_err(database_failure)?;
    warn_of_missing_greetings(&directory, &context.settings.media.prompts)?;
    rooms.store.close().await;
    Ok(())
}

/// A greeting that is not there is no reason to refuse a directory, but callers would hear nothing.
fn warn_of_missing_greetings(directory: &Directory, folder: &Path) -> Result<(), Failure> {
    let prompts = Prompts::load(folder)
        .map_err(|error| Failure::failed(error, "restore the folder, or correct media.prompts"))?;
    for customer in &directory.customers {
        if let Some(greeting) = &customer.greeting
            && prompts.version(greeting, customer.language).is_none()
        {
            eprintln!(
                "warning: {}: there is no prompt {greeting:?} in the language {:?}: its callers hear no greeting",
                customer.key.expose(),
                word(&customer.language)
            );
        }
    }
    Ok(())
}

fn create_logins(path: &Path) -> Result<File, Failure> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.map_err(|error| {
        Failure::failed(
            format!("{}: {error}", path.display()),
            "name a file for --logins that can be written",
        )
    })
}

/// Moves the passwords from the report into the file.
fn write_logins(file: &mut File, report: &mut ImportReport) -> Result<(), Failure> {
    let lines = report
        .passwords
        .drain(..)
        .map(|made| format!("{}  {}\n", made.login.expose(), made.password.expose()));
    let text: String = lines.collect();
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        let advice = "set new passwords in the directory file and import it again: these are lost";
        Failure::failed(format!("the new passwords could not be written: {error}"), advice)
    })
}

fn refused(file: &Path, rows: &[RowError]) -> Failure {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| format!("{}:{}: {}\n  do: {}", file.display(), row.line, row.what, row.fix))
        .collect();
    Failure {
        kind: Kind::NotValid,
        what: format!("nothing was imported\n{}", lines.join("\n")),
        advice: None,
    }
}

fn print(report: &ImportReport) {
    for (what, changes) in [("customers", report.customers), ("receptionists", report.receptionists)] {
        let Changes { added, changed, unchanged, removed, kept } = changes;
        say!(
            "{what}: {added} added, {changed} changed, {unchanged} unchanged, {removed} removed, {kept} kept"
        );
    }
    if !report.passwords.is_empty() {
        say!("\nNew passwords. They are shown once and stored nowhere:");
        for made in &report.passwords {
            say!("  {}  {}", made.login.expose(), made.password.expose());
        }
    }
}

fn as_json(report: &ImportReport) -> serde_json::Value {
    let changes = |changes: &Changes| {
        serde_json::json!({
            "added": changes.added, "changed": changes.changed, "unchanged": changes.unchanged,
            "removed": changes.removed, "kept": changes.kept,
        })
    };
    let passwords: Vec<_> = report
        .passwords
        .iter()
        .map(|made| serde_json::json!({ "login": made.login.expose(), "password": made.password.expose() }))
        .collect();
    serde_json::json!({
        "customers": changes(&report.customers),
        "receptionists": changes(&report.receptionists),
        "passwords": passwords,
    })
}

async fn export(context: &Context) -> Result<(), Failure> {
    let rooms = context.rooms(FirstStart::Refused).await?;
    super::audit::record(&rooms.store, "directory-export", "directory", "directory export").await?;
    let text = rooms.store.export_directory().await.map_err(database_failure)?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::failed(error, "see that standard output can be written"))
}
