//! A customer's contacts in a directory file: `[[customer.contact]]`.

use std::fmt::Write;

use toml_edit::Value;
use vorzimmer_types::directory::{Contact, Customer, Reach};
use vorzimmer_types::{ContactId, Entropy};

use super::reader::{Fields, Reader};

/// Digits that are dialled for a contact.
const SHORT: std::ops::RangeInclusive<usize> = 1..=6;
/// So many ways to one person are tried.
const MOST_WAYS: usize = 4;

pub(super) struct DraftContact {
    short: String,
    name: String,
    reach: Vec<Reach>,
    transfer: bool,
}

/// The contacts of one customer; short numbers are the customer's own.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    customer: Fields<'a>,
    text: impl Fn(&mut Reader<'a>, Fields<'a>, &str) -> Option<String>,
) -> Vec<DraftContact> {
    let mut found: Vec<(DraftContact, usize)> = Vec::new();
    for row in reader.tables(customer, "contact") {
        reader.only(row, &["short", "name", "reach", "transfer"]);
        let (short, name) = (short(reader, row), text(reader, row, "name"));
        let (reach, transfer) = (reach(reader, row), reader.flag(row, "transfer", true));
        let (Some(short), Some(name)) = (short, name) else { continue };
        if let Some((_, line)) = found.iter().find(|(known, _)| known.short == short) {
            let what = format!("this customer has this short number already, in line {line}");
            reader.error(row.line, what, "give each contact one of its own");
        }
        found.push((DraftContact { short, name, reach, transfer }, row.line));
    }
    found.into_iter().map(|(contact, _)| contact).collect()
}

fn short<'a>(reader: &mut Reader<'a>, row: Fields<'a>) -> Option<String> {
    let (short, line) = reader.needed(row, "short")?;
    if !SHORT.contains(&short.len()) || !short.bytes().all(|byte| byte.is_ascii_digit()) {
        let fix = format!("write {} to {} digits: short = \"21\"", SHORT.start(), SHORT.end());
        reader.error(line, "`short` is not a short number", fix);
        return None;
    }
    Some(short.to_owned())
}

fn reach<'a>(reader: &mut Reader<'a>, row: Fields<'a>) -> Vec<Reach> {
    let mut found = Vec::new();
    for (value, line) in reader.list(row, "reach") {
        if found.len() == MOST_WAYS {
            reader.error(line, "too many ways to one person", format!("keep the best {MOST_WAYS}"));
            break;
        }
        match value.as_str().map(str::parse::<Reach>) {
            Some(Ok(reach)) => found.push(reach),
            Some(Err(error)) => reader.error(line, "nobody is reached there", error.to_string()),
            None => reader.error(line, "a number or address is not a text", "put it in quotes: \"+49…\""),
        }
    }
    found
}

/// The contacts as they will be: whoever keeps the short number keeps the id.
pub(super) fn merged(
    drafts: &[DraftContact],
    known: Option<&Customer>,
    entropy: &mut dyn Entropy,
) -> Vec<Contact> {
    let mut contact = |draft: &DraftContact| {
        let before = known.and_then(|customer| customer.contact_by_short(&draft.short));
        Contact {
            id: before.map_or_else(|| ContactId::random(entropy), |before| before.id),
            short: draft.short.clone().into(),
            name: draft.name.clone().into(),
            reach: draft.reach.iter().cloned().map(Into::into).collect(),
            transfer: draft.transfer,
        }
    };
    drafts.iter().map(&mut contact).collect()
}

/// Writes one as the file has it.
pub(super) fn export(file: &mut String, contact: &Contact) -> std::fmt::Result {
    let quoted = |text: &str| Value::from(text).to_string();
    let reach: Vec<String> = contact.reach.iter().map(|reach| quoted(reach.expose().as_str())).collect();
    writeln!(file, "[[customer.contact]]")?;
    writeln!(file, "short = {}", quoted(contact.short.expose()))?;
    writeln!(file, "name = {}", quoted(contact.name.expose()))?;
    writeln!(file, "reach = [{}]", reach.join(", "))?;
    writeln!(file, "transfer = {}", contact.transfer)?;
    writeln!(file)
}
