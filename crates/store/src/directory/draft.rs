//! What a directory file says, checked line by line but not yet held against the directory that is there.

use std::collections::HashSet;

use toml_edit::{Datetime, Document, Value};
use vorzimmer_types::E164;
use vorzimmer_types::consent::{Language, Policy};
use vorzimmer_types::directory::{HoldSound, OnWithdrawal, RingOrder, StandingConsent};
use vorzimmer_types::srtp::SrtpPolicy;

use super::contact::{self, DraftContact};
use super::reader::{Fields, Reader, RowError};

/// Characters of a name, a purpose and the like.
const MAX_TEXT: usize = 200;
/// Seconds that a receptionist's devices may ring.
const TIMEOUTS: std::ops::RangeInclusive<u16> = 1..=300;
/// A shorter password is found by trying, once its hash is known.
const MIN_PASSWORD: usize = 8;

const LANGUAGES: [(&str, Language); 2] = [("de", Language::De), ("en", Language::En)];
const ORDERS: [(&str, RingOrder); 2] = [("together", RingOrder::Together), ("in-order", RingOrder::InOrder)];
const WITHDRAWALS: [(&str, OnWithdrawal); 2] =
    [("destroy", OnWithdrawal::Destroy), ("keep", OnWithdrawal::Keep)];
const HOLDS: [(&str, HoldSound); 3] =
    [("tone", HoldSound::Tone), ("music", HoldSound::Music), ("silence", HoldSound::Silence)];
const POLICIES: [(&str, Policy); 4] = [
    ("off", Policy::Off),
    ("ask-before-connect", Policy::AskBeforeConnect),
    ("ask-in-call", Policy::AskInCall),
    ("attested", Policy::Attested),
];

const SRTP: [(&str, SrtpPolicy); 3] =
    [("require", SrtpPolicy::Require), ("prefer", SrtpPolicy::Prefer), ("off", SrtpPolicy::Off)];

/// The word for a language, as files have it.
pub(super) fn word<T: PartialEq>(choices: &[(&'static str, T)], value: &T) -> &'static str {
    choices.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

pub(super) fn language_word(language: Language) -> &'static str {
    word(&LANGUAGES, &language)
}

pub(super) fn order_word(order: RingOrder) -> &'static str {
    word(&ORDERS, &order)
}

pub(super) fn withdrawal_word(withdrawal: OnWithdrawal) -> &'static str {
    word(&WITHDRAWALS, &withdrawal)
}

pub(super) fn srtp_word(policy: SrtpPolicy) -> &'static str {
    word(&SRTP, &policy)
}

pub(super) fn hold_word(hold: HoldSound) -> &'static str {
    word(&HOLDS, &hold)
}

pub(super) fn policy_word(policy: Policy) -> &'static str {
    word(&POLICIES, &policy)
}

/// A whole file.
#[derive(Default)]
pub(super) struct Draft {
    /// Every log-in that some row has, even if that row cannot be used.
    pub(super) logins: HashSet<String>,
    pub(super) receptionists: Vec<DraftReceptionist>,
    pub(super) customers: Vec<DraftCustomer>,
}

pub(super) struct DraftReceptionist {
    pub(super) line: usize,
    pub(super) login: String,
    pub(super) name: String,
    pub(super) language: Language,
    pub(super) standing_consent: Option<StandingConsent>,
    pub(super) secret: Secret,
    pub(super) srtp: SrtpPolicy,
}

/// What the file says about a receptionist's password.
pub(super) enum Secret {
    /// Nothing: keep the one that is there, or make one.
    Unsaid,
    /// The password itself.
    Password(String),
    /// Its hashes, and the realm they are good for if it is not ours.
    Hashes { line: usize, realm: Option<String>, md5: String, sha256: String },
}

pub(super) struct DraftCustomer {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) numbers: Vec<(E164, usize)>,
    pub(super) language: Language,
    pub(super) greeting: Option<String>,
    pub(super) recording: Policy,
    pub(super) purpose: String,
    pub(super) on_withdrawal: OnWithdrawal,
    pub(super) order: RingOrder,
    pub(super) team: Vec<DraftPlace>,
    pub(super) secrecy: bool,
    pub(super) srtp: SrtpPolicy,
    pub(super) hold: HoldSound,
    pub(super) contacts: Vec<DraftContact>,
}

pub(super) struct DraftPlace {
    pub(super) line: usize,
    pub(super) login: String,
    pub(super) timeout_s: u16,
}

impl Draft {
    /// Reads a file, and says everything that is wrong with it by itself.
    pub(super) fn read(text: &str) -> (Self, Vec<RowError>) {
        let mut reader = Reader::new(text);
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let line = reader.line(error.span());
                // The library's message would quote the line; its short form does not.
                reader.error(line, "this is not TOML", error.message().to_owned());
                return (Self::default(), reader.errors);
            }
        };
        let file = Fields::new(document.as_table(), 1);
        reader.only(file, &["receptionist", "customer"]);
        let receptionists = reader.tables(file, "receptionist");
        let customers = reader.tables(file, "customer");
        let logins = receptionists.iter().filter_map(|row| row.text("login")).map(str::to_owned).collect();
        let draft = Self {
            logins,
            receptionists: receptionists
                .into_iter()
                .filter_map(|row| receptionist(&mut reader, row))
                .collect(),
            customers: customers.into_iter().filter_map(|row| customer(&mut reader, row)).collect(),
        };
        (draft, reader.errors)
    }
}

fn receptionist<'a>(reader: &mut Reader<'a>, row: Fields<'a>) -> Option<DraftReceptionist> {
    let known = [
        "login",
        "name",
        "language",
        "standing-consent",
        "srtp",
        "password",
        "realm",
        "ha1-md5",
        "ha1-sha256",
    ];
    reader.only(row, &known);
    let login = reader.needed(row, "login");
    if let Some((login, line)) = login
        && !is_sip_user(login)
    {
        let fix = "use up to 64 letters, digits, or any of - _ . ~";
        reader.error(line, "`login` does not do as a SIP user name", fix);
    }
    let name = needed_text(reader, row, "name");
    let language = reader.choice(row, "language", &LANGUAGES);
    let standing_consent = standing_consent(reader, row);
    let srtp = reader.choice(row, "srtp", &SRTP);
    let secret = secret(reader, row);
    Some(DraftReceptionist {
        line: row.line,
        login: login?.0.to_owned(),
        name: name?,
        language,
        standing_consent,
        secret,
        srtp,
    })
}

/// RFC 3261 §25.1 would allow more; these need no escaping anywhere.
fn is_sip_user(login: &str) -> bool {
    (1..=64).contains(&login.len())
        && login.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
}

fn is_key(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn needed_text<'a>(reader: &mut Reader<'a>, row: Fields<'a>, name: &str) -> Option<String> {
    let (text, line) = reader.needed(row, name)?;
    checked_text(reader, name, text, line)
}

fn checked_text(reader: &mut Reader<'_>, name: &str, text: &str, line: usize) -> Option<String> {
    if text.chars().count() > MAX_TEXT || text.chars().any(char::is_control) {
        let fix = format!("write one line of at most {MAX_TEXT} characters");
        reader.error(line, format!("`{name}` is too long or has control characters"), fix);
        return None;
    }
    Some(text.to_owned())
}

fn standing_consent<'a>(reader: &mut Reader<'a>, row: Fields<'a>) -> Option<StandingConsent> {
    let consent = reader.table(row, "standing-consent")?;
    reader.only(consent, &["given-on", "text"]);
    let given_on = reader.needed(consent, "given-on");
    let text = needed_text(reader, consent, "text");
    let (given_on, line) = given_on?;
    let is_date =
        given_on.parse::<Datetime>().is_ok_and(|found| found.date.is_some() && found.time.is_none());
    if !is_date {
        reader.error(line, "`given-on` is not a day", "write it as \"2026-01-31\"");
        return None;
    }
    Some(StandingConsent { given_on: given_on.to_owned(), text: text? })
}

fn secret<'a>(reader: &mut Reader<'a>, row: Fields<'a>) -> Secret {
    let password = reader.text(row, "password");
    let realm = reader.text(row, "realm").map(|(realm, _)| realm.to_owned());
    let md5 = hash(reader, row, "ha1-md5", 32);
    let sha256 = hash(reader, row, "ha1-sha256", 64);
    match (password, md5, sha256) {
        (Some((password, line)), None, None) => {
            if password.chars().count() < MIN_PASSWORD {
                let fix =
                    format!("take at least {MIN_PASSWORD} characters, or leave it out to have one made");
                reader.error(line, "`password` is too short", fix);
            }
            Secret::Password(password.to_owned())
        }
        (None, Some((md5, line)), Some((sha256, _))) => Secret::Hashes { line, realm, md5, sha256 },
        (None, None, None) => Secret::Unsaid,
        (Some((_, line)), ..) => {
            reader.error(line, "there is a password and a hash of one", "keep one of the two");
            Secret::Unsaid
        }
        (None, Some((_, line)), None) | (None, None, Some((_, line))) => {
            let fix = "give both ha1-md5 and ha1-sha256, or a password";
            reader.error(line, "there is only one of the two hashes", fix);
            Secret::Unsaid
        }
    }
}

fn hash<'a>(reader: &mut Reader<'a>, row: Fields<'a>, name: &str, digits: usize) -> Option<(String, usize)> {
    let (text, line) = reader.text(row, name)?;
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let fix = format!("it is the hash of user:realm:password in {digits} hexadecimal digits");
        reader.error(line, format!("`{name}` is not a hash"), fix);
    }
    Some((text.to_ascii_lowercase(), line))
}

const CUSTOMER: [&str; 13] = [
    "key",
    "name",
    "numbers",
    "language",
    "greeting",
    "recording",
    "purpose",
    "on-withdrawal",
    "secrecy",
    "srtp",
    "ring",
    "hold",
    "contact",
];

fn customer<'a>(reader: &mut Reader<'a>, row: Fields<'a>) -> Option<DraftCustomer> {
    reader.only(row, &CUSTOMER);
    let key = reader.needed(row, "key");
    if let Some((key, line)) = key
        && !is_key(key)
    {
        reader.error(line, "`key` is not a short name", "use up to 64 small letters, digits and -");
    }
    let name = needed_text(reader, row, "name");
    let numbers = numbers(reader, row);
    let language = reader.choice(row, "language", &LANGUAGES);
    let greeting = greeting(reader, row);
    let recording = reader.choice(row, "recording", &POLICIES);
    let purpose = purpose(reader, row, recording);
    let on_withdrawal = reader.choice(row, "on-withdrawal", &WITHDRAWALS);
    let secrecy = reader.flag(row, "secrecy", false);
    let srtp = reader.choice(row, "srtp", &SRTP);
    let (order, team) = ring(reader, row);
    let hold = reader.choice(row, "hold", &HOLDS);
    let contacts = contact::read(reader, row, needed_text);
    Some(DraftCustomer {
        line: row.line,
        key: key?.0.to_owned(),
        name: name?,
        numbers,
        language,
        greeting,
        recording,
        purpose: purpose?,
        on_withdrawal,
        order,
        team,
        secrecy,
        srtp,
        hold,
        contacts,
    })
}

fn numbers<'a>(reader: &mut Reader<'a>, row: Fields<'a>) -> Vec<(E164, usize)> {
    let mut found = Vec::new();
    for (value, line) in reader.list(row, "numbers") {
        match value.as_str().map(str::parse::<E164>) {
            Some(Ok(number)) => found.push((number, line)),
            Some(Err(error)) => reader.error(line, "this is not a number", error.to_string()),
            None => reader.error(line, "a number is not a text", "put it in quotes: \"+49…\""),
        }
    }
    found
}

/// A greeting is named like a file, and must not lead out of the prompts' folder.
fn greeting<'a>(reader: &mut Reader<'a>, row: Fields<'a>) -> Option<String> {
    let (greeting, line) = reader.text(row, "greeting")?;
    if !is_key(greeting) {
        let fix = "write the prompt's name without folder and ending, or leave it out for silence";
        reader.error(line, "`greeting` is not a prompt's name", fix);
    }
    Some(greeting.to_owned())
}

fn purpose<'a>(reader: &mut Reader<'a>, row: Fields<'a>, recording: Policy) -> Option<String> {
    // Consent is given to a purpose (GDPR Article 6(1)(a)): who records, says what for.
    if recording != Policy::Off {
        return needed_text(reader, row, "purpose");
    }
    match reader.text(row, "purpose") {
        Some((text, line)) => checked_text(reader, "purpose", text, line),
        None => Some(String::new()),
    }
}

fn ring<'a>(reader: &mut Reader<'a>, row: Fields<'a>) -> (RingOrder, Vec<DraftPlace>) {
    let Some(ring) = reader.table(row, "ring") else {
        let fix = "add ring = { order = \"together\", team = [{ receptionist = \"…\", timeout = 20 }] }";
        reader.error(row.line, "nobody is rung for this customer", fix);
        return Default::default();
    };
    reader.only(ring, &["order", "team"]);
    let order = reader.choice(ring, "order", &ORDERS);
    let mut team: Vec<DraftPlace> = Vec::new();
    for (value, line) in reader.list(ring, "team") {
        let Some(place) = place(reader, value, line) else {
            continue;
        };
        if let Some(twin) = team.iter().find(|known| known.login == place.login) {
            let what = format!("this receptionist is in the team already, in line {}", twin.line);
            reader.error(line, what, "leave one of them out");
        }
        team.push(place);
    }
    (order, team)
}

fn place<'a>(reader: &mut Reader<'a>, value: &'a Value, line: usize) -> Option<DraftPlace> {
    let Some(table) = value.as_inline_table() else {
        let fix = "write { receptionist = \"…\", timeout = 20 }";
        reader.error(line, "a place in a team is not a table", fix);
        return None;
    };
    let place = Fields::new(table, line);
    reader.only(place, &["receptionist", "timeout"]);
    let login = reader.needed(place, "receptionist");
    let timeout_s = reader.whole(place, "timeout", TIMEOUTS);
    Some(DraftPlace { line, login: login?.0.to_owned(), timeout_s: timeout_s? })
}
