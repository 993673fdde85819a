//! Who looks at kept data, and what for: written down, durably, before the first byte is shown.

use vorzimmer_store::{AuditEvent, Store};
use vorzimmer_types::Pii;

use crate::clock;
use crate::failure::Failure;
use crate::rooms::database_failure;

/// Purposes are sentences, not novels.
const LONGEST_PURPOSE: usize = 500;

/// Writes down that this user is about to do `action` to `object`. Do nothing if this fails.
pub(super) async fn record(store: &Store, action: &str, object: &str, purpose: &str) -> Result<(), Failure> {
    let event = AuditEvent {
        at: clock::wall(),
        actor: Pii::new(actor()),
        purpose: Pii::new(purpose.to_owned()),
        action: action.to_owned(),
        object: object.to_owned(),
    };
    store.audit(&event).await.map_err(database_failure)
}

/// A purpose for clap: some words.
pub(super) fn purpose(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().filter(|c| c.is_alphabetic()).count() < 3 {
        return Err("say in a few words what you need it for; it is written down".to_owned());
    }
    if text.chars().count() > LONGEST_PURPOSE {
        return Err(format!("at most {LONGEST_PURPOSE} characters"));
    }
    Ok(text.to_owned())
}

/// The account of the operating system, and who became it.
fn actor() -> String {
    let uid = rustix::process::getuid().as_raw();
    let name = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    match name {
        Ok(name) => format!("{name} (uid {uid})"),
        Err(_) => format!("uid {uid}"),
    }
}
