//! Files that import, files that do not and why, and the way there and back.

use proptest::prelude::*;
use vorzimmer_types::consent::{Language, Policy};
use vorzimmer_types::directory::{
    Contact, Customer, Directory, HoldSound, OnWithdrawal, Place, Receptionist, RingOrder, RingPlan,
    StandingConsent,
};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::srtp::SrtpPolicy;
use vorzimmer_types::{ContactId, CustomerId, Pii, ReceptionistId};

use super::credential::credential;
use super::draft::Draft;
use super::export::export;
use super::merge::{Merged, Unnamed, merge};

const REALM: &str = "vorzimmer.example";
const EXAMPLE: &str = include_str!("../../../../config/example/directory.toml");

fn take(text: &str, old: &Directory, unnamed: Unnamed) -> Result<Merged, Vec<String>> {
    let (draft, mut errors) = Draft::read(text);
    let merged = merge(&draft, old, REALM, unnamed, &mut Seeded::new(11));
    match merged {
        Ok(merged) if errors.is_empty() => Ok(merged),
        Ok(_) => Err(errors.iter().map(ToString::to_string).collect()),
        Err(more) => {
            errors.extend(more);
            Err(errors.iter().map(ToString::to_string).collect())
        }
    }
}

fn sorted(merged: Merged) -> Directory {
    let mut directory = Directory { customers: merged.customers, receptionists: merged.receptionists };
    directory.customers.sort_by(|a, b| a.key.cmp(&b.key));
    directory.receptionists.sort_by(|a, b| a.login.cmp(&b.login));
    directory
}

const ANNA: &str = "[[receptionist]]\nlogin = \"anna\"\nname = \"Anna\"\n";

fn customer(line: &str) -> String {
    let mut rows = vec![
        "[[customer]]",
        "key = \"acme\"",
        "name = \"Acme\"",
        "numbers = [\"+4930111\"]",
        "ring = { team = [{ receptionist = \"anna\", timeout = 20 }] }",
    ];
    let key = line.split(' ').next().unwrap_or_default();
    rows.retain(|row| !row.starts_with(&format!("{key} ")));
    rows.push(line);
    format!("{ANNA}{}\n", rows.join("\n"))
}

/// A customer with one contact, with this line instead of its own.
fn contact(line: &str) -> String {
    let mut rows = vec![
        "[[customer.contact]]",
        "short = \"21\"",
        "name = \"Boss\"",
        "reach = [\"+4930112\", \"sip:boss@acme.example\"]",
    ];
    let key = line.split(' ').next().unwrap_or_default();
    rows.retain(|row| key.is_empty() || !row.starts_with(&format!("{key} ")));
    rows.push(line);
    format!("{}{}\n", customer("hold = \"music\""), rows.join("\n"))
}

#[test]
fn a_contact_keeps_the_id_with_the_short_number() {
    let first = sorted(take(&contact(""), &Directory::default(), Unnamed::Keep).expect("a contact"));
    let renamed = contact("").replace("Boss", "Deputy");
    let second = sorted(take(&renamed, &first, Unnamed::Keep).expect("renamed"));
    let [before, after] = [&first, &second].map(|directory| directory.customers[0].contacts[0].clone());
    assert_eq!((before.id, before.transfer), (after.id, true));
    assert_eq!(second.customers[0].hold, HoldSound::Music);
    assert_ne!(before.name, after.name);
}

#[test]
fn each_wrong_line_is_named_with_what_to_do() {
    let hash = "ab".repeat(16);
    let cases = [
        (format!("{ANNA}nmae = \"x\"\n"), "line 4: `nmae` is not known here; did you mean `name`?"),
        ("[[costumer]]\n".into(), "line 1: `costumer` is not known here; did you mean `customer`?"),
        ("[[receptionist]]\nname = \"B\"\n".into(), "line 1: `login` is missing; add login = \"…\""),
        (
            "[[receptionist]]\nlogin = \"b\"\nname = 7\n".into(),
            "line 3: `name` is not a text; write name = \"…\"",
        ),
        (
            "[[receptionist]]\nlogin = \"ä\"\nname = \"B\"\n".into(),
            "line 2: `login` does not do as a SIP user name",
        ),
        (format!("{ANNA}password = \"short\"\n"), "line 4: `password` is too short"),
        (
            format!("{ANNA}password = \"long enough\"\nha1-md5 = \"{hash}\"\n"),
            "line 4: there is a password and a hash",
        ),
        (format!("{ANNA}ha1-md5 = \"{hash}\"\n"), "line 4: there is only one of the two hashes"),
        (format!("{ANNA}ha1-md5 = \"xyz\"\n"), "line 4: `ha1-md5` is not a hash"),
        (
            format!("{ANNA}realm = \"other\"\nha1-md5 = \"{hash}\"\nha1-sha256 = \"{hash}{hash}\"\n"),
            "line 5: these hashes are good for realm \"other\", and this server's is \"vorzimmer.example\"",
        ),
        (
            format!("{ANNA}standing-consent = {{ given-on = \"31.1.2026\", text = \"v1\" }}\n"),
            "line 4: `given-on` is not a day; write it as \"2026-01-31\"",
        ),
        (format!("{ANNA}language = \"fr\"\n"), "line 4: `language` has no such choice; write one of de, en"),
        (
            format!("{ANNA}{ANNA}"),
            "line 4: this log-in is already in line 1; change or remove it here or in line 1",
        ),
        (
            customer("recording = \"ask-before-conect\""),
            "line 9: `recording` has no such choice; did you mean \"ask-before-connect\"?",
        ),
        (customer("recording = \"attested\""), "line 4: `purpose` is missing"),
        (customer("key = \"A b\""), "line 8: `key` is not a short name"),
        (customer("numbers = []"), "line 8: `numbers` is not a list of something"),
        (
            customer("numbers = [\n\"+4930111\",\n\"030111\"]"),
            "line 10: this is not a number; an international number starts with +",
        ),
        (customer("numbers = [\"+4930111\", \"+4930111\"]"), "line 8: this number is already in line 8"),
        (customer("greeting = \"../../etc/passwd\""), "line 9: `greeting` is not a prompt's name"),
        (customer("ring = { team = [] }"), "line 8: `team` is not a list of something"),
        (
            customer("ring = { team = [{ receptionist = \"ann\", timeout = 20 }] }"),
            "line 8: no receptionist has this log-in",
        ),
        (
            customer("ring = { team = [{ receptionist = \"anna\", timeout = 0 }] }"),
            "line 8: `timeout` is not a number in bounds; write timeout = 1 to 300",
        ),
        (
            customer("ring = { team = [{ receptionist = \"anna\", timeuot = 20 }] }"),
            "line 8: `timeuot` is not known here; did you mean `timeout`?",
        ),
        (
            customer("ring = { oder = \"together\", team = [] }"),
            "line 8: `oder` is not known here; did you mean `order`?",
        ),
        (customer("hold = \"jazz\""), "line 9: `hold` has no such choice; write one of tone, music, silence"),
        (contact("short = \"2a\""), "line 13: `short` is not a short number; write 1 to 6 digits"),
        (contact("reach = [\"030\"]"), "line 13: nobody is reached there; it is neither a number"),
        (contact("reach = [\"sip:a@b?Replaces=c\"]"), "line 13: nobody is reached there"),
        (contact("reach = []"), "line 13: `reach` is not a list of something"),
        (contact("transfer = 1"), "line 14: `transfer` is neither true nor false; write transfer = true"),
        (
            format!(
                "{}[[customer.contact]]\nshort = \"21\"\nname = \"B\"\nreach = [\"+491\"]\n",
                contact("")
            ),
            "line 15: this customer has this short number already, in line 10",
        ),
        ("[[customer]\n".into(), "line 1: this is not TOML"),
    ];
    for (text, expected) in cases {
        let errors = take(&text, &Directory::default(), Unnamed::Keep).expect_err(&text);
        assert!(errors.iter().any(|error| error.starts_with(expected)), "{text}\n{expected}\n{errors:#?}");
    }
}

#[test]
fn a_wrong_row_is_reported_once_and_not_again_by_those_who_name_it() {
    let text = customer("name = \"Acme\"").replace("name = \"Anna\"\n", "");
    let errors = take(&text, &Directory::default(), Unnamed::Keep).expect_err("no name");
    assert_eq!(errors, ["line 1: `name` is missing; add name = \"…\""]);
}

#[test]
fn errors_tell_nothing_that_stands_in_the_file() {
    let text = customer("numbers = [\"+4930111\", \"+4930111\", \"geheim\"]").replace("Anna", "\\u0007Erika");
    let errors = take(&text, &Directory::default(), Unnamed::Keep).expect_err("wrong").join("\n");
    for secret in ["4930111", "geheim", "Erika", "acme"] {
        assert!(!errors.contains(secret), "{errors}");
    }
}

#[test]
fn the_shipped_example_imports_and_makes_passwords_once() {
    let merged = take(EXAMPLE, &Directory::default(), Unnamed::Keep).expect("the example");
    assert_eq!((merged.report.customers.added, merged.report.receptionists.added), (2, 3));
    assert_eq!(merged.report.passwords.len(), 3);
    let directory = sorted(merged);
    let anna = directory.receptionist_by_login("anna").expect("anna");
    assert_eq!(anna.credential.realm, REALM);

    let again = take(EXAMPLE, &directory, Unnamed::Keep).expect("the example again");
    assert_eq!((again.report.customers.unchanged, again.report.receptionists.unchanged), (2, 3));
    assert_eq!(again.report.passwords, []);
    assert_eq!(sorted(again), directory, "ids and passwords stay");
}

#[test]
fn a_new_realm_makes_new_passwords_where_none_is_given() {
    let directory = sorted(take(EXAMPLE, &Directory::default(), Unnamed::Keep).expect("the example"));
    let (draft, errors) = Draft::read(EXAMPLE);
    assert_eq!(errors, []);
    let merged = merge(&draft, &directory, "elsewhere", Unnamed::Keep, &mut Seeded::new(5)).expect("merged");
    let password = merged.report.passwords[0].password.expose();
    let login = merged.report.passwords[0].login.expose();
    let row = merged.receptionists.iter().find(|row| row.login.expose() == login).expect("her row");
    assert_eq!(row.credential, credential(login, "elsewhere", password));
}

#[test]
fn rows_that_a_file_does_not_name_stay_or_go_as_told() {
    let directory = sorted(take(EXAMPLE, &Directory::default(), Unnamed::Keep).expect("the example"));
    let kept = take(ANNA, &directory, Unnamed::Keep).expect("anna alone");
    assert_eq!((kept.report.customers.kept, kept.report.receptionists.kept), (2, 2));
    assert_eq!(kept.removed_customers, []);
    let removed = take(ANNA, &directory, Unnamed::Remove).expect("anna alone");
    assert_eq!((removed.removed_customers.len(), removed.removed_receptionists.len()), (2, 2));
    // A team may name whoever stays, but not whoever goes.
    let text = customer("key = \"acme\"").replace(ANNA, "");
    assert!(take(&text, &directory, Unnamed::Keep).is_ok());
    assert!(take(&text, &directory, Unnamed::Remove).is_err());
    // A number has one owner, in the file or not.
    let text = customer("numbers = [\"+493023125001\"]");
    let errors = take(&text, &directory, Unnamed::Keep).expect_err("taken");
    assert!(errors[0].starts_with("line 8: this number belongs to a customer who is not in this file"));
    assert!(take(&text, &directory, Unnamed::Remove).is_ok());
}

fn text() -> impl Strategy<Value = String> {
    "[\\PC\"\\\\']{0,20}[a-zäß\"\\\\]".prop_filter("no control characters", |text| {
        !text.chars().any(char::is_control) && !text.trim().is_empty()
    })
}

fn receptionists() -> impl Strategy<Value = Vec<Receptionist>> {
    let row = (text(), any::<bool>(), proptest::option::of(text()), "[a-zA-Z0-9 :ä]{8,12}");
    proptest::collection::vec(row, 1..5).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(at, (name, german, consent, password))| {
            let login = format!("r{at}");
            Receptionist {
                id: ReceptionistId::from_bytes([at as u8; 16]),
                credential: credential(&login, REALM, &password),
                login: login.into(),
                name: name.into(),
                language: if german { Language::De } else { Language::En },
                standing_consent: consent.map(|text| StandingConsent { given_on: "2026-02-28".into(), text }),
                srtp: if german { SrtpPolicy::Off } else { SrtpPolicy::Require },
            }
        })
        .collect()
    })
}

fn contacts() -> impl Strategy<Value = Vec<Contact>> {
    let row = (text(), any::<bool>(), 1..4_usize);
    proptest::collection::vec(row, 0..4).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(at, (name, transfer, ways))| Contact {
            id: ContactId::from_bytes([at as u8; 16]),
            short: format!("2{at}").into(),
            name: name.into(),
            reach: ["+49301", "sip:a@b.example", "sips:c@[2001:db8::1]"][..ways]
                .iter()
                .map(|way| way.parse().map(Pii::new))
                .collect::<Result<_, _>>()
                .expect("ways"),
            transfer,
        })
        .collect()
    })
}

fn customers(people: usize) -> impl Strategy<Value = Vec<Customer>> {
    let policy = prop_oneof![
        Just(Policy::Off),
        Just(Policy::AskBeforeConnect),
        Just(Policy::AskInCall),
        Just(Policy::Attested)
    ];
    let team =
        proptest::sample::subsequence((0..people as u8).collect::<Vec<_>>(), 1..=people).prop_shuffle();
    let row = (text(), text(), policy, any::<[bool; 6]>(), team, 1..=300_u16, (1..4_usize, contacts()));
    proptest::collection::vec(row, 0..5).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(at, (name, purpose, recording, flags, team, timeout_s, (numbers, contacts)))| Customer {
            id: CustomerId::from_bytes([at as u8; 16]),
            key: format!("c-{at}").into(),
            name: name.into(),
            numbers: (0..numbers)
                .map(|number| format!("+4930{at}{number}0").parse().map(vorzimmer_types::Pii::new))
                .collect::<Result<_, _>>()
                .expect("numbers"),
            language: if flags[0] { Language::De } else { Language::En },
            greeting: flags[1].then(|| "greeting-default".to_owned()),
            recording,
            purpose,
            on_withdrawal: if flags[2] { OnWithdrawal::Destroy } else { OnWithdrawal::Keep },
            hold: [HoldSound::Tone, HoldSound::Music, HoldSound::Silence][at % 3],
            contacts,
            plan: RingPlan {
                order: if flags[3] { RingOrder::Together } else { RingOrder::InOrder },
                team: team
                    .into_iter()
                    .map(|id| Place { receptionist: ReceptionistId::from_bytes([id; 16]), timeout_s })
                    .collect(),
            },
            secrecy: flags[4],
            srtp: if flags[5] { SrtpPolicy::Require } else { SrtpPolicy::Prefer },
        })
        .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn what_is_exported_imports_to_the_same(
        (receptionists, customers) in receptionists()
            .prop_flat_map(|people| { let count = people.len(); (Just(people), customers(count)) })
    ) {
        let directory = Directory { customers, receptionists };
        let file = export(&directory);
        let merged = take(&file, &directory, Unnamed::Remove);
        let merged = merged.map_err(|errors| TestCaseError::fail(format!("{file}\n{errors:#?}")))?;
        prop_assert_eq!(&merged.report.passwords, &[]);
        prop_assert_eq!(sorted(merged), directory);
        // Into an empty house it imports too, under fresh ids, to the same file.
        let fresh = sorted(take(&file, &Directory::default(), Unnamed::Remove).expect("into an empty house"));
        prop_assert_eq!(export(&fresh), file);
    }

    #[test]
    fn no_text_at_all_breaks_the_reader(text in "[\\PC\n\\[\\]={}\",.a-z]{0,200}") {
        let _ = Draft::read(&text);
    }
}
