//! `vorzimmer trunks`: how the running server's trunks are, and orders for them.

use clap::Subcommand;

use super::table::Table;
use super::{Context, print_json};
use crate::failure::Failure;
use crate::switchboard::{self, Question, Reply, Row, Wish};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// How each trunk is; the same as no verb at all.
    List,
    /// Take no new calls by this trunk, in either direction, and give its registration back. Running calls go on.
    Drain {
        /// Its name in the configuration.
        name: String,
    },
    /// Use this trunk again.
    Resume {
        /// Its name in the configuration.
        name: String,
    },
    /// Register again although the provider said no.
    Retry {
        /// Its name in the configuration.
        name: String,
    },
}

pub(super) async fn execute(command: Option<Command>, context: &Context) -> Result<(), Failure> {
    let (name, order) = match command {
        None | Some(Command::List) => return list(context).await,
        Some(Command::Drain { name }) => (name, Wish::Drain),
        Some(Command::Resume { name }) => (name, Wish::Resume),
        Some(Command::Retry { name }) => (name, Wish::Retry),
    };
    let question = Question::Trunk { name: name.clone(), order };
    match switchboard::ask(&context.settings.data.folder, &question).await? {
        Reply::Done => Ok(()),
        _ => Err(switchboard::unknown(&name)),
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let Reply::Trunks { trunks } = switchboard::ask(&context.settings.data.folder, &Question::Trunks).await?
    else {
        return Err(Failure::failed("the server answered something else", "restart it"));
    };
    if context.json {
        return print_json(&trunks);
    }
    let mut table = Table::new(&["trunk", "state", "registration", "server", "draining"]);
    for row in &trunks {
        table.row([
            row.name.clone(),
            row.state.clone(),
            registration(row),
            row.server.clone().unwrap_or_else(|| "-".to_owned()),
            if row.draining { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table.print();
    Ok(())
}

fn registration(row: &Row) -> String {
    match (row.refused_with, row.registered_for_s) {
        (Some(status), _) => format!("{} with {status}", row.registration),
        (None, Some(left)) => format!("{} for {left} s", row.registration),
        (None, None) => row.registration.clone(),
    }
}
