//! `vorzimmer keys`.

use std::collections::BTreeMap;

use clap::Subcommand;
use vorzimmer_vault::{KeyRows, NO_EXPIRY};

use super::table::Table;
use super::{Context, audit, print_json};
use crate::clock::SystemEntropy;
use crate::failure::{Failure, Kind};
use crate::receipts::ReceiptSigner;
use crate::rooms::{FirstStart, Rooms, database_failure};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Which keys there are, and until when.
    Status,
    /// Wrap every key under a new key-encryption key. Touches no recording; finishes an interrupted rotation.
    Rotate,
}

pub(super) async fn execute(command: Command, context: &Context) -> Result<(), Failure> {
    let rooms = context.rooms(FirstStart::Refused).await?;
    match command {
        Command::Status => status(&rooms, context),
        Command::Rotate => rotate(&rooms, context).await,
    }
}

fn status(rooms: &Rooms, context: &Context) -> Result<(), Failure> {
    let rows = rooms.keys.list().map_err(key_failure)?;
    let receipts = ReceiptSigner::open(&rooms.keys)?.public_key();
    let certificates = rooms.store.signing_key().map_err(database_failure)?.public_key().to_string();
    let mut classes: BTreeMap<String, Vec<&KeyRows>> = BTreeMap::new();
    for row in &rows {
        classes.entry(row.class.to_string()).or_default().push(row);
    }
    if context.json {
        let classes: serde_json::Map<_, _> = classes
            .iter()
            .map(|(class, rows)| {
                let slots: usize = rows.iter().map(|row| row.slots).sum();
                (class.clone(), serde_json::json!({ "keys": rows.len(), "slots": slots }))
            })
            .collect();
        return print_json(&serde_json::json!({
            "store": rooms.keys.store_id().to_string(),
            "kek-version": rooms.keys.kek_version(),
            "receipts-public-key": receipts,
            "certificates-public-key": certificates,
            "classes": classes,
        }));
    }
    say!("key store                     {}", rooms.keys.store_id());
    say!("key-encryption key            version {}", rooms.keys.kek_version());
    say!("receipts are signed with      {receipts}");
    say!("certificates are signed with  {certificates}\n");
    let mut table = Table::new(&["class", "keys", "slot secrets", "first due", "last due"]);
    for (class, rows) in classes {
        let due: Vec<_> = rows.iter().map(|row| row.day).filter(|day| *day != NO_EXPIRY).collect();
        let day =
            |day: Option<&vorzimmer_types::Day>| day.map_or_else(|| "never".to_owned(), ToString::to_string);
        table.row([
            class,
            rows.len().to_string(),
            rows.iter().map(|row| row.slots).sum::<usize>().to_string(),
            day(due.iter().min()),
            day(due.iter().max()),
        ]);
    }
    table.print();
    Ok(())
}

async fn rotate(rooms: &Rooms, context: &Context) -> Result<(), Failure> {
    audit::record(&rooms.store, "keys-rotate", &rooms.keys.store_id().to_string(), "key rotation").await?;
    let done = rooms.keys.rotate(&mut SystemEntropy).map_err(key_failure)?;
    if context.json {
        return print_json(&serde_json::json!({
            "from": done.from, "to": done.to, "rows": done.rows,
            "resumed": done.resumed, "old-key-wiped": done.old_key_wiped,
        }));
    }
    if done.resumed {
        say!("An interrupted rotation was finished.");
    }
    say!("Version {} → {}: {} keys wrapped again, no recording touched.", done.from, done.to, done.rows);
    if !done.old_key_wiped {
        say!(
            "The old key is not ours to destroy: remove version {} from where the keys come from.",
            done.from
        );
    }
    Ok(())
}

fn key_failure(error: vorzimmer_vault::Error) -> Failure {
    let advice = match error {
        vorzimmer_vault::Error::NoNextKek { .. } => {
            "give the next version beside the current one, then try again"
        }
        _ => "nothing is lost: run the command again once the cause is gone",
    };
    Failure::failed(error, advice).of_kind(Kind::Keys)
}
