//! `vorzimmer receipt`.

use clap::Subcommand;
use vorzimmer_types::CallId;
use vorzimmer_types::consent::SignedReceipt;

use super::table::{Table, word};
use super::{Context, print_json};
use crate::failure::{Failure, Kind};
use crate::receipts::ReceiptSigner;
use crate::rooms::{FirstStart, database_failure};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The answers that were given in a call. They hold neither number nor voice.
    List {
        /// The call's id.
        call: CallId,
    },
    /// Check the signature of every answer that was given in a call.
    Verify {
        /// The call's id.
        call: CallId,
    },
}

pub(super) async fn execute(command: Command, context: &Context) -> Result<(), Failure> {
    let rooms = context.rooms(FirstStart::Refused).await?;
    let (Command::List { call } | Command::Verify { call }) = &command;
    let receipts = rooms.store.receipts(*call).await.map_err(database_failure)?;
    if receipts.is_empty() {
        let what = format!("no answer was given in call {call}");
        return Err(Failure::failed(what, "see `vorzimmer call list`").of_kind(Kind::NotFound));
    }
    match command {
        Command::List { .. } => list(&receipts, context),
        Command::Verify { .. } => verify(&receipts, &ReceiptSigner::open(&rooms.keys)?),
    }
}

fn list(receipts: &[SignedReceipt], context: &Context) -> Result<(), Failure> {
    if context.json {
        return print_json(&receipts);
    }
    let mut table = Table::new(&["at", "receipt", "party", "role", "answer", "how", "prompt", "epoch"]);
    for SignedReceipt { receipt, .. } in receipts {
        let prompt = receipt.prompt.as_ref();
        table.row([
            receipt.at.to_string(),
            receipt.id.to_string(),
            receipt.party.to_string(),
            word(&receipt.role),
            word(&receipt.answer),
            word(&receipt.method),
            prompt
                .map(|prompt| format!("{} {} v{}", prompt.name, word(&prompt.language), prompt.version))
                .unwrap_or_default(),
            receipt.epoch.0.to_string(),
        ]);
    }
    table.print();
    Ok(())
}

fn verify(receipts: &[SignedReceipt], signer: &ReceiptSigner) -> Result<(), Failure> {
    let mut wrong = 0;
    for signed in receipts {
        match signer.verify(signed) {
            Ok(()) => say!("{}: the signature is good", signed.receipt.id),
            Err(error) => {
                wrong += 1;
                say!("{}: {error}", signed.receipt.id);
            }
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    let what = format!("{wrong} of {} receipts are not as they were signed", receipts.len());
    Err(Failure::failed(what, "keep the database as it is and look at who could write to it")
        .of_kind(Kind::NotValid))
}
