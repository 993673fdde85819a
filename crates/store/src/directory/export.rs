//! Writes a directory as the file that would import to it. Passwords are known nowhere, so their hashes stand in.

use std::fmt::Write;

use toml_edit::Value;
use vorzimmer_types::directory::{Customer, Directory, Receptionist};
use vorzimmer_types::srtp::SrtpPolicy;

use super::contact;
use super::draft::{hold_word, language_word, order_word, policy_word, srtp_word, withdrawal_word};

/// The file. Names people and numbers: whoever writes it somewhere answers for where.
pub(super) fn export(directory: &Directory) -> String {
    let mut file = String::new();
    for row in &directory.receptionists {
        // Writing to a string cannot fail.
        let _ = receptionist(&mut file, row);
    }
    for row in &directory.customers {
        let _ = customer(&mut file, row, directory);
    }
    file
}

/// A text in quotes, escaped.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn receptionist(file: &mut String, row: &Receptionist) -> std::fmt::Result {
    writeln!(file, "[[receptionist]]")?;
    writeln!(file, "login = {}", quoted(row.login.expose()))?;
    writeln!(file, "name = {}", quoted(row.name.expose()))?;
    writeln!(file, "language = {}", quoted(language_word(row.language)))?;
    if let Some(consent) = &row.standing_consent {
        let (given_on, text) = (quoted(&consent.given_on), quoted(&consent.text));
        writeln!(file, "standing-consent = {{ given-on = {given_on}, text = {text} }}")?;
    }
    srtp(file, row.srtp)?;
    writeln!(file, "realm = {}", quoted(&row.credential.realm))?;
    writeln!(file, "ha1-md5 = {}", quoted(&row.credential.ha1_md5))?;
    writeln!(file, "ha1-sha256 = {}", quoted(&row.credential.ha1_sha256))?;
    writeln!(file)
}

fn srtp(file: &mut String, policy: SrtpPolicy) -> std::fmt::Result {
    if policy == SrtpPolicy::default() {
        return Ok(());
    }
    writeln!(file, "srtp = {}", quoted(srtp_word(policy)))
}

fn customer(file: &mut String, row: &Customer, directory: &Directory) -> std::fmt::Result {
    let numbers: Vec<String> = row.numbers.iter().map(|number| quoted(number.expose().as_str())).collect();
    let team = row.plan.team.iter().filter_map(|place| {
        let login = quoted(directory.receptionist(place.receptionist)?.login.expose());
        Some(format!("{{ receptionist = {login}, timeout = {} }}", place.timeout_s))
    });
    let team: Vec<String> = team.collect();
    writeln!(file, "[[customer]]")?;
    writeln!(file, "key = {}", quoted(row.key.expose()))?;
    writeln!(file, "name = {}", quoted(row.name.expose()))?;
    writeln!(file, "numbers = [{}]", numbers.join(", "))?;
    writeln!(file, "language = {}", quoted(language_word(row.language)))?;
    if let Some(greeting) = &row.greeting {
        writeln!(file, "greeting = {}", quoted(greeting))?;
    }
    writeln!(file, "recording = {}", quoted(policy_word(row.recording)))?;
    writeln!(file, "purpose = {}", quoted(&row.purpose))?;
    writeln!(file, "on-withdrawal = {}", quoted(withdrawal_word(row.on_withdrawal)))?;
    if row.secrecy {
        writeln!(file, "secrecy = true")?;
    }
    srtp(file, row.srtp)?;
    let order = quoted(order_word(row.plan.order));
    writeln!(file, "ring = {{ order = {order}, team = [{}] }}", team.join(", "))?;
    writeln!(file, "hold = {}", quoted(hold_word(row.hold)))?;
    writeln!(file)?;
    row.contacts.iter().try_for_each(|row| contact::export(file, row))
}
