//! `vorzimmer retention`.

use clap::Subcommand;
use vorzimmer_retention::{Class, Clock, Error, Plan, Retention, SignedCertificate, Status, verify_chain};
use vorzimmer_types::Day;

use super::table::Table;
use super::{Context, audit, print_json};
use crate::clock;
use crate::failure::{Failure, Kind};
use crate::forgetting;
use crate::rooms::{FirstStart, database_failure};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What is kept, for how long, on which ground, and what is due.
    Status,
    /// Destroy what is due: keys, files, rows. Leaves a signed certificate.
    Run {
        /// Only say what would be destroyed.
        #[arg(long)]
        dry_run: bool,
        /// Believe a clock that has jumped ahead by more than a day since it was last seen.
        #[arg(long)]
        accept_clock: bool,
    },
    /// Every certificate, one a line, oldest first, after checking that none is missing or changed.
    Certificates,
}

pub(super) async fn execute(command: Command, context: &Context) -> Result<(), Failure> {
    let rooms = context.rooms(FirstStart::Refused).await?;
    let store = rooms.store.clone();
    let retention = forgetting::retention(&context.settings, rooms.store, None);
    match command {
        Command::Status => {
            let status = retention.status(clock::wall()).await.map_err(failure)?;
            if context.json { print_json(&status) } else { show_status(&status) }
        }
        Command::Run { dry_run: true, accept_clock } => {
            let plan = retention.plan(clock::wall(), believe(accept_clock)).await.map_err(failure)?;
            if context.json { print_json(&plan) } else { show_plan(&plan) }
        }
        Command::Run { dry_run: false, accept_clock } => {
            let purpose = if accept_clock { "retention run, clock accepted" } else { "retention run" };
            audit::record(&store, "retention-run", "what is due", purpose).await?;
            let signed = retention.run(clock::wall(), believe(accept_clock)).await.map_err(failure)?;
            if context.json { print_json(&signed) } else { show_certificate(&signed) }
        }
        Command::Certificates => certificates(&retention, &store).await,
    }
}

fn believe(accept_clock: bool) -> Clock {
    if accept_clock { Clock::Accepted } else { Clock::Checked }
}

fn due(day: Option<Day>) -> String {
    day.map_or_else(|| "nothing is kept".to_owned(), |day| day.to_string())
}

fn show_status(status: &Status) -> Result<(), Failure> {
    let mut table = Table::new(&["class", "days", "due now", "oldest is due", "lawful basis"]);
    for class in &status.classes {
        table.row([
            class.class.to_string(),
            class.period_days.to_string(),
            class.due.to_string(),
            due(class.oldest_due),
            class.basis.clone(),
        ]);
    }
    table.print();
    match &status.last_certificate {
        Some((number, at)) => say!("\nlast run: {at}, certificate {number}"),
        None => say!("\nthere was no run yet"),
    }
    if status.clock_leapt {
        say!("THE CLOCK HAS JUMPED AHEAD: runs stop until somebody has looked at it");
        say!("  do: set the clock, or, if it is right, `vorzimmer retention run --accept-clock`");
    }
    Ok(())
}

fn show_plan(plan: &Plan) -> Result<(), Failure> {
    if plan.is_empty() {
        say!("Nothing is due through {}.", plan.through);
        return Ok(());
    }
    say!("Through {} a run would destroy:", plan.through);
    for class in Class::ALL {
        say!("  {class}: {} keys, files and rows", plan.of(class));
    }
    for recording in &plan.recordings {
        say!("  recording {recording}");
    }
    for (recording, why) in &plan.erasures {
        say!("  recording {recording}, before its day: {why}");
    }
    say!("Nothing was destroyed.");
    Ok(())
}

fn show_certificate(signed: &SignedCertificate) -> Result<(), Failure> {
    let certificate = &signed.certificate;
    say!(
        "Certificate {}: everything due through {} is destroyed.\n",
        certificate.number,
        certificate.through
    );
    let mut table = Table::new(&["class", "days", "keys", "secrets", "files", "rows", "oldest left is due"]);
    for class in &certificate.classes {
        table.row([
            class.class.to_string(),
            class.period_days.to_string(),
            class.keys.to_string(),
            class.secrets.to_string(),
            class.files.to_string(),
            class.rows.to_string(),
            due(class.oldest_left_due),
        ]);
    }
    table.print();
    say!("\nsigned by {}", signed.key);
    if certificate.left_over.is_empty() {
        return Ok(());
    }
    let what =
        format!("{} files could not be removed; their keys are destroyed", certificate.left_over.len());
    Err(Failure::failed(what, "see that the folders can be written, then run it again"))
}

async fn certificates(retention: &Retention, store: &vorzimmer_store::Store) -> Result<(), Failure> {
    let lines = retention.certificates(1).await.map_err(failure)?;
    let key = store.signing_key().map_err(database_failure)?.public_key();
    verify_chain(lines.iter().map(String::as_str), &key).map_err(|error| {
        let advice = "keep the database as it is and look at who could write to it";
        Failure::failed(error, advice).of_kind(Kind::NotValid)
    })?;
    for line in lines {
        say!("{line}");
    }
    Ok(())
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Store(error) => database_failure(error),
        error @ Error::ClockJumped { .. } => {
            Failure { kind: Kind::Failed, what: error.to_string(), advice: None }
        }
        error => Failure::failed(error, "run it again once the cause is gone: it goes on where it stopped"),
    }
}
