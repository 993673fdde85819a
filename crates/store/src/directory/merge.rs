//! Holds a file against the directory that is there: who is new, who stays, who goes, and which ids they keep.

use std::collections::{HashMap, HashSet};

use vorzimmer_types::directory::{Credential, Customer, Directory, Place, Receptionist, RingPlan};
use vorzimmer_types::{CustomerId, E164, Entropy, Pii, ReceptionistId};

use super::contact;
use super::credential::{credential, generate};
use super::draft::{Draft, DraftCustomer, DraftReceptionist, Secret};
use super::reader::RowError;

/// What an import does with rows that the file does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// They stay as they are.
    Keep,
    /// They are removed.
    Remove,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// To customers.
    pub customers: Changes,
    /// To receptionists.
    pub receptionists: Changes,
    /// Passwords that were made, to be told to the receptionists: they are known nowhere else.
    pub passwords: Vec<NewPassword>,
}

/// How many rows an import touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New ones.
    pub added: usize,
    /// Those that are different now.
    pub changed: usize,
    /// Those that the file names and that were so before.
    pub unchanged: usize,
    /// Those that were removed because the file does not name them.
    pub removed: usize,
    /// Those that the file does not name and that stay.
    pub kept: usize,
}

/// A password that was made for a receptionist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPassword {
    /// Her log-in.
    pub login: Pii<String>,
    /// The password.
    pub password: Pii<String>,
}

/// The directory after an import, and what has to be written to get there.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) report: ImportReport,
    pub(super) customers: Vec<Customer>,
    pub(super) receptionists: Vec<Receptionist>,
    pub(super) removed_customers: Vec<CustomerId>,
    pub(super) removed_receptionists: Vec<ReceptionistId>,
}

/// Merges `draft` into `old`, or says what does not fit.
pub(super) fn merge(
    draft: &Draft,
    old: &Directory,
    realm: &str,
    unnamed: Unnamed,
    entropy: &mut dyn Entropy,
) -> Result<Merged, Vec<RowError>> {
    let mut errors = Vec::new();
    twins(&mut errors, "log-in", draft.receptionists.iter().map(|row| (row.login.as_str(), row.line)));
    twins(&mut errors, "key", draft.customers.iter().map(|row| (row.key.as_str(), row.line)));
    let numbers = draft.customers.iter().flat_map(|row| &row.numbers);
    twins(&mut errors, "number", numbers.map(|(number, line)| (number.as_str(), *line)));
    foreign_realms(&mut errors, draft, realm);
    if unnamed == Unnamed::Keep {
        taken_numbers(&mut errors, draft, old);
    }
    let mut merger = Merger { old, realm, unnamed, logins: &draft.logins, passwords: Vec::new(), entropy };
    let receptionists: Vec<Receptionist> =
        draft.receptionists.iter().map(|row| merger.receptionist(row)).collect();
    let ids = merger.ids(&receptionists);
    let customers: Vec<Customer> =
        draft.customers.iter().map(|row| merger.customer(row, &ids, &mut errors)).collect();
    if !errors.is_empty() {
        errors.sort_by_key(|error| error.line);
        return Err(errors);
    }
    let (customer_changes, removed_customers) =
        changes(&old.customers, &customers, unnamed, |customer| customer.id);
    let (receptionist_changes, removed_receptionists) =
        changes(&old.receptionists, &receptionists, unnamed, |receptionist| receptionist.id);
    let report = ImportReport {
        customers: customer_changes,
        receptionists: receptionist_changes,
        passwords: merger.passwords,
    };
    Ok(Merged { report, customers, receptionists, removed_customers, removed_receptionists })
}

/// Reports what stands twice in the file, with both lines.
fn twins<'a>(errors: &mut Vec<RowError>, what: &str, names: impl Iterator<Item = (&'a str, usize)>) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (name, line) in names {
        if let Some(first) = seen.get(name) {
            errors.push(RowError {
                line,
                what: format!("this {what} is already in line {first}"),
                fix: format!("change or remove it here or in line {first}"),
            });
        } else {
            seen.insert(name, line);
        }
    }
}

fn foreign_realms(errors: &mut Vec<RowError>, draft: &Draft, realm: &str) {
    for row in &draft.receptionists {
        if let Secret::Hashes { line, realm: Some(found), .. } = &row.secret
            && found != realm
        {
            errors.push(RowError {
                line: *line,
                what: format!(
                    "these hashes are good for realm \"{found}\", and this server's is \"{realm}\""
                ),
                fix: "give a password, or leave it out to have one made".into(),
            });
        }
    }
}

/// Reports numbers that belong to a customer whom the file does not name.
fn taken_numbers(errors: &mut Vec<RowError>, draft: &Draft, old: &Directory) {
    let named = |customer: &Customer| draft.customers.iter().any(|row| row.key == *customer.key.expose());
    let others: Vec<&Customer> = old.customers.iter().filter(|customer| !named(customer)).collect();
    let taken = |number: &E164| {
        others.iter().any(|customer| customer.numbers.iter().any(|known| known.expose() == number))
    };
    for (number, line) in draft.customers.iter().flat_map(|row| &row.numbers) {
        if taken(number) {
            errors.push(RowError {
                line: *line,
                what: "this number belongs to a customer who is not in this file".into(),
                fix: "export the directory to see who that is".into(),
            });
        }
    }
}

struct Merger<'a> {
    old: &'a Directory,
    realm: &'a str,
    unnamed: Unnamed,
    logins: &'a HashSet<String>,
    passwords: Vec<NewPassword>,
    entropy: &'a mut dyn Entropy,
}

impl Merger<'_> {
    fn receptionist(&mut self, row: &DraftReceptionist) -> Receptionist {
        let known = self.old.receptionist_by_login(&row.login);
        let id = known.map_or_else(|| ReceptionistId::random(self.entropy), |known| known.id);
        let credential = self.credential(row, known.map(|known| &known.credential));
        Receptionist {
            id,
            login: row.login.clone().into(),
            name: row.name.clone().into(),
            language: row.language,
            standing_consent: row.standing_consent.clone(),
            credential,
            srtp: row.srtp,
        }
    }

    fn credential(&mut self, row: &DraftReceptionist, known: Option<&Credential>) -> Credential {
        match &row.secret {
            Secret::Password(password) => credential(&row.login, self.realm, password),
            Secret::Hashes { md5, sha256, .. } => {
                Credential { realm: self.realm.to_owned(), ha1_md5: md5.clone(), ha1_sha256: sha256.clone() }
            }
            Secret::Unsaid => {
                // A password stays good until the realm changes: its hash for another realm cannot be computed.
                if let Some(known) = known.filter(|known| known.realm == self.realm) {
                    return known.clone();
                }
                let password = generate(self.entropy);
                let made = credential(&row.login, self.realm, &password);
                self.passwords
                    .push(NewPassword { login: row.login.clone().into(), password: password.into() });
                made
            }
        }
    }

    /// Whom a team may name, by log-in.
    fn ids(&self, named: &[Receptionist]) -> HashMap<String, ReceptionistId> {
        let kept: &[Receptionist] = match self.unnamed {
            Unnamed::Keep => &self.old.receptionists,
            Unnamed::Remove => &[],
        };
        kept.iter().chain(named).map(|row| (row.login.expose().clone(), row.id)).collect()
    }

    fn customer(
        &mut self,
        row: &DraftCustomer,
        ids: &HashMap<String, ReceptionistId>,
        errors: &mut Vec<RowError>,
    ) -> Customer {
        let known = self.old.customers.iter().find(|customer| *customer.key.expose() == row.key);
        let mut team = Vec::with_capacity(row.team.len());
        for place in &row.team {
            match ids.get(&place.login) {
                Some(id) => team.push(Place { receptionist: *id, timeout_s: place.timeout_s }),
                // The row with this log-in is wrong itself, and that is reported there.
                None if self.logins.contains(&place.login) => {}
                None => errors.push(RowError {
                    line: place.line,
                    what: "no receptionist has this log-in".into(),
                    fix: "correct it, or add a [[receptionist]] with it".into(),
                }),
            }
        }
        Customer {
            id: known.map_or_else(|| CustomerId::random(self.entropy), |known| known.id),
            key: row.key.clone().into(),
            name: row.name.clone().into(),
            numbers: row.numbers.iter().map(|(number, _)| number.clone().into()).collect(),
            language: row.language,
            greeting: row.greeting.clone(),
            recording: row.recording,
            purpose: row.purpose.clone(),
            on_withdrawal: row.on_withdrawal,
            plan: RingPlan { order: row.order, team },
            secrecy: row.secrecy,
            srtp: row.srtp,
            hold: row.hold,
            contacts: contact::merged(&row.contacts, known, self.entropy),
        }
    }
}

/// Counts what an import does to one kind of rows, and names those that go.
fn changes<T: PartialEq, Id: PartialEq + Copy>(
    old: &[T],
    new: &[T],
    unnamed: Unnamed,
    id: impl Fn(&T) -> Id,
) -> (Changes, Vec<Id>) {
    let mut changes = Changes::default();
    for row in new {
        match old.iter().find(|known| id(known) == id(row)) {
            None => changes.added += 1,
            Some(known) if known == row => changes.unchanged += 1,
            Some(_) => changes.changed += 1,
        }
    }
    let missing: Vec<Id> =
        old.iter().map(&id).filter(|known| !new.iter().any(|row| id(row) == *known)).collect();
    match unnamed {
        Unnamed::Keep => {
            changes.kept = missing.len();
            (changes, Vec::new())
        }
        Unnamed::Remove => {
            changes.removed = missing.len();
            (changes, missing)
        }
    }
}
