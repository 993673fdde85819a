//! `vorzimmer directory`.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use vorzimmer_store::{Changes, ImportError, ImportReport, RowError, Unnamed};

use super::{Context, print_json};
use crate::failure::{Failure, Kind};
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
    },
    /// Give the directory back as a file that can be imported, with hashes instead of passwords.
    Export,
}

pub(super) async fn execute(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Import { file, remove_unnamed } => {
            let unnamed = if remove_unnamed { Unnamed::Remove } else { Unnamed::Keep };
            import(&file, unnamed, context).await
        }
        Command::Export => export(context).await,
    }
}

async fn import(file: &std::path::Path, unnamed: Unnamed, context: &Context) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::failed(format!("{}: {error}", file.display()), "name a directory file that can be read")
    })?;
    let rooms = context.rooms(FirstStart::Welcome).await?;
    let realm = &context.settings.sip.realm;
    let report = match rooms.store.import_directory(&text, realm, unnamed).await {
        Ok(report) => report,
        Err(ImportError::Rows(rows)) => return Err(refused(file, &rows)),
        Err(ImportError::Store(error)) => return Err(database_failure(error)),
    };
    super::audit::record(&rooms.store, "directory-import", "directory", "directory import").await?;
    if context.json {
        print_json(&as_json(&report))?
    } else {
        print(&report)
    }
    rooms.store.close().await;
    Ok(())
}

fn refused(file: &std::path::Path, rows: &[RowError]) -> Failure {
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
        println!(
            "{what}: {added} added, {changed} changed, {unchanged} unchanged, {removed} removed, {kept} kept"
        );
    }
    if !report.passwords.is_empty() {
        println!("\nNew passwords. They are shown once and stored nowhere:");
        for made in &report.passwords {
            println!("  {}  {}", made.login.expose(), made.password.expose());
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
