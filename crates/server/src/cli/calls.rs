//! `vorzimmer call`.

use clap::Subcommand;
use vorzimmer_store::{CallStory, Page, Store};
use vorzimmer_types::consent::{Method, Receipt};
use vorzimmer_types::event::{Aim, Caller, Event, Hop, TransferBy, TransferOutcome};
use vorzimmer_types::{CallId, CallRecord, CustomerId, E164, EventRecord, PartyId};

use super::table::{Table, word};
use super::{Context, audit, print_json};
use crate::failure::{Failure, Kind};
use crate::rooms::{FirstStart, database_failure};

/// What the audit log says when nobody said what for.
const UNSTATED: &str = "not stated";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest calls.
    List {
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Only those of the customer with this key in the directory.
        #[arg(long)]
        customer: Option<String>,
        #[command(flatten)]
        why: Why,
    },
    /// One call: its record, what happened when, and who consented.
    Show {
        /// The call's id.
        call: CallId,
        #[command(flatten)]
        why: Why,
    },
    /// The calls in which a number was rung, rang, or forwarded.
    Find {
        /// The number: + and digits.
        #[arg(long)]
        number: E164,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Why {
    /// What you need it for; written into the audit log.
    #[arg(long, value_parser = audit::purpose)]
    purpose: Option<String>,
}

impl Why {
    fn words(&self) -> &str {
        self.purpose.as_deref().unwrap_or(UNSTATED)
    }
}

pub(super) async fn execute(command: Command, context: &Context) -> Result<(), Failure> {
    let store = context.rooms(FirstStart::Refused).await?.store;
    match command {
        Command::List { limit, customer, why } => {
            audit::record(&store, "call-list", "calls", why.words()).await?;
            let page = Page::newest(limit);
            let calls = match customer {
                Some(key) => store.calls_of(customer_by_key(&store, &key).await?, page).await,
                None => store.calls(page).await,
            };
            let calls = calls.map_err(database_failure)?;
            show_list(&calls.records, context)
        }
        Command::Show { call, why } => {
            audit::record(&store, "call-show", &call.to_string(), why.words()).await?;
            let story = store.story(call).await.map_err(database_failure)?;
            if context.json { print_json(&as_json(&story)) } else { show(&story) }
        }
        Command::Find { number, why } => {
            audit::record(&store, "call-find", "calls", why.words()).await?;
            let found = store.find_by_number(&number).await.map_err(database_failure)?;
            show_list(&found, context)
        }
    }
}

async fn customer_by_key(store: &Store, key: &str) -> Result<CustomerId, Failure> {
    let directory = store.directory().await.map_err(database_failure)?;
    let known = directory.customers.iter().find(|customer| customer.key.expose() == key);
    known.map(|customer| customer.id).ok_or_else(|| {
        let advice = "look for its `key` in `vorzimmer directory export`";
        Failure::failed("no customer has this key", advice).of_kind(Kind::NotFound)
    })
}

fn show_list(records: &[CallRecord], context: &Context) -> Result<(), Failure> {
    if context.json {
        return print_json(&records);
    }
    let mut table =
        Table::new(&["offered", "call", "number", "caller", "disposition", "seconds", "recording"]);
    for record in records {
        let talked = record.connected_at.zip(record.ended_at).map(|(from, to)| (to.0 - from.0) / 1000);
        table.row([
            record.offered_at.map(|at| at.to_string()).unwrap_or_default(),
            record.call.to_string(),
            record.did.as_ref().map(|did| did.expose().as_str().to_owned()).unwrap_or_default(),
            caller(&record.caller),
            word(&record.disposition),
            talked.map(|seconds| seconds.to_string()).unwrap_or_default(),
            recordings(record),
        ]);
    }
    table.print();
    Ok(())
}

fn recordings(record: &CallRecord) -> String {
    let results = record.recordings.iter().map(|recording| match &recording.destroyed {
        Some(why) => format!("destroyed ({why})"),
        None => recording.result.map_or_else(|| "open".to_owned(), |result| word(&result)),
    });
    results.collect::<Vec<_>>().join(", ")
}

fn caller(caller: &Caller) -> String {
    match caller {
        Caller::Known { address, name: None } => address.expose().clone(),
        Caller::Known { address, name: Some(name) } => format!("{} ({})", address.expose(), name.expose()),
        Caller::Withheld => "withheld".to_owned(),
        Caller::Unknown => "unknown".to_owned(),
    }
}

fn hop(hop: &Hop) -> String {
    let from = hop.from.as_ref().map_or("private", |from| from.expose());
    format!("{from} ({}, {} times, {})", hop.reason, hop.count, hop.source)
}

fn show(story: &CallStory) -> Result<(), Failure> {
    let record = &story.record;
    say!("call         {}", record.call);
    say!("trunk        {}", record.trunk);
    say!("number       {}", record.did.as_ref().map_or("", |did| did.expose().as_str()));
    say!("caller       {}", caller(&record.caller));
    for forwarded in &record.chain {
        say!("forwarded by {}", hop(forwarded));
    }
    say!("policy       {}", word(&record.policy));
    say!("disposition  {} ({})", word(&record.disposition), record.why);
    if let Some(security) = &record.caller_security {
        say!("caller leg   {security}");
    }
    for leg in &record.legs {
        let security = leg.security.map_or_else(|| "no media".to_owned(), |security| security.to_string());
        say!("device leg   {}: {security}", leg.leg);
    }
    for party in &record.parties {
        let left = party.left_at.map(|at| format!(", left {at}")).unwrap_or_default();
        say!("talked       {} since {}{left}", who(party.party, record), party.connected_at);
    }
    for recording in &record.recordings {
        let id = recording.recording.map_or_else(|| "never began".to_owned(), |id| id.to_string());
        let result = recording.result.map_or_else(|| "open".to_owned(), |result| word(&result));
        let [caller, other] = recording.gaps;
        say!(
            "recording    {id}: {}{result}, {} ms, gaps {caller}+{other} {}{}",
            recording.epoch.map(|epoch| format!("epoch {}, ", epoch.0)).unwrap_or_default(),
            recording.duration_ms,
            recording.why,
            recording.destroyed.as_ref().map(|why| format!(" destroyed: {why}")).unwrap_or_default()
        );
    }
    for leg in &record.quality {
        let whose = leg.receptionist.map_or_else(|| "caller".to_owned(), |who| format!("receptionist {who}"));
        say!("heard        {whose}: {}", leg.quality);
    }
    say!("\ntimeline");
    for event in &story.events {
        say!("  {}  {}", event.at, timeline(event, record));
    }
    say!("\nconsent");
    for signed in &story.receipts {
        let receipt = &signed.receipt;
        say!("  {}  {}, receipt {}, epoch {}", receipt.at, answer(receipt), receipt.id, receipt.epoch.0);
    }
    Ok(())
}

/// A receipt in words: who, what, how, and to which prompt.
fn answer(receipt: &Receipt) -> String {
    let how = match &receipt.method {
        Method::Key { digit } => format!(" by key {digit}"),
        Method::Attested { receptionist } => format!(" spoken, attested by receptionist {receptionist}"),
        Method::Signalled => " by the telephone".to_owned(),
        Method::Standing => " on file".to_owned(),
        Method::None => String::new(),
    };
    let asked = receipt
        .prompt
        .as_ref()
        .map(|prompt| format!(" to {} version {} ({})", prompt.name, prompt.version, word(&prompt.language)));
    format!("{}: {}{how}{}", word(&receipt.role), word(&receipt.answer), asked.unwrap_or_default())
}

/// What some events are in words.
fn in_words(event: &Event, record: &CallRecord) -> Option<String> {
    Some(match event {
        Event::Consented { receipt } => answer(&receipt.receipt),
        Event::TransferAsked { by, to, how } => {
            let how = match how {
                TransferBy::Refer => "by her phone (REFER)",
                TransferBy::Key => "by key, to ask first",
                TransferBy::SecondCall => "by a second call, to ask first",
                TransferBy::PickUp => "by picking up",
            };
            format!("{} wants {} {how}", who(*by, record), aim(to))
        }
        Event::TransferRefused { by, why } => format!("{}: {why}", who(*by, record)),
        Event::TransferEnded { outcome } => match outcome {
            TransferOutcome::PutThrough => "the caller is put through".to_owned(),
            TransferOutcome::Joined => "all three are to talk".to_owned(),
            TransferOutcome::Returned => "back to the caller".to_owned(),
            TransferOutcome::Failed { status } => {
                format!("nobody was reached ({status}), back to the caller")
            }
            TransferOutcome::HungUp => "somebody hung up".to_owned(),
        },
        Event::Together { epoch, parties } if parties.is_empty() => {
            format!("epoch {}: the caller waits and talks to nobody", epoch.0)
        }
        Event::Together { epoch, parties } => {
            let parties: Vec<String> = parties.iter().map(|party| who(*party, record)).collect();
            format!("epoch {}: {} hear each other", epoch.0, parties.join(", "))
        }
        Event::Left { party } => format!("{} left", who(*party, record)),
        Event::Explained { leg: Some(leg), cause } => format!("leg {leg} says {cause}"),
        Event::Explained { leg: None, cause } => format!("the caller's network says {cause}"),
        _ => return None,
    })
}

fn aim(aim: &Aim) -> String {
    match aim {
        Aim::Receptionist { receptionist } => format!("receptionist {receptionist}"),
        Aim::Contact { contact } => format!("contact {contact}"),
        Aim::Number => "a number that is allowed".to_owned(),
    }
}

/// A party as far as the record knows her: whoever is not named rang.
fn who(party: PartyId, record: &CallRecord) -> String {
    let Some(known) = record.parties.iter().find(|known| known.party == party) else {
        return "the caller".to_owned();
    };
    match (known.receptionist, known.contact) {
        (Some(receptionist), _) => format!("receptionist {receptionist}"),
        (None, Some(contact)) => format!("contact {contact}"),
        (None, None) => "somebody outside".to_owned(),
    }
}

/// One event as a line: its name, then what it holds.
fn timeline(event: &EventRecord, record: &CallRecord) -> String {
    let Ok(serde_json::Value::Object(mut fields)) = serde_json::to_value(&event.event) else {
        return String::new();
    };
    let name = fields.remove("event").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    if let Some(words) = in_words(&event.event, record) {
        return format!("{name:<20} {words}");
    }
    let details: Vec<String> = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(field, value)| match value {
            serde_json::Value::String(text) => format!("{field} {text}"),
            value => format!("{field} {value}"),
        })
        .collect();
    format!("{name:<20} {}", details.join(", "))
}

fn as_json(story: &CallStory) -> serde_json::Value {
    serde_json::json!({ "record": story.record, "events": story.events, "receipts": story.receipts })
}
