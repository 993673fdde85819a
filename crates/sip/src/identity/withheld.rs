//! The many ways to say: this person does not want to be known.

use crate::uri::{Address, HostRef, decode};

/// Words that stand in a user part instead of a number that was withheld.
const WITHHELD_USERS: [&str; 13] = [
    "anonymous",
    "anonym",
    "anonymus",
    "unavailable",
    "unbekannt",
    "unknown",
    "restricted",
    "private",
    "privat",
    "withheld",
    "unterdrueckt",
    "unterdrückt",
    "nonpublished",
];

/// Words that stand in a display name even beside a number: who wrote them wanted the number kept to himself. A mere
/// `Unavailable` or `Unknown` is not among them; it says that the network found no *name* for the number.
const WITHHELD_NAMES: [&str; 13] = [
    "anonymous",
    "anonym",
    "anonymus",
    "unbekannt",
    "restricted",
    "private",
    "privat",
    "withheld",
    "unterdrueckt",
    "unterdrückt",
    "rufnummer unterdrückt",
    "private number",
    "anonymer anrufer",
];

/// Whether an address is one of nobody, or of somebody who withholds himself.
pub(super) fn is_withheld(address: &Address<'_>) -> bool {
    // RFC 3323 §4.1.1.3 names the host; networks add others below `.invalid` (RFC 2606 §2).
    let host = matches!(address.uri.host, Some(HostRef::Name(name)) if is_invalid(name));
    let user = address.uri.user.is_some_and(|user| {
        let user = decode(user).to_lowercase();
        WITHHELD_USERS.contains(&user.trim())
    });
    host || user || address.display().is_some_and(|name| is_withheld_name(&name))
}

/// Whether a display name says that its owner withholds himself.
pub(super) fn is_withheld_name(name: &str) -> bool {
    WITHHELD_NAMES.contains(&name.trim().to_lowercase().as_str())
}

/// Whether a display name stands for the lack of one.
pub(super) fn is_no_name(name: &str) -> bool {
    let name = name.trim().to_lowercase();
    name.is_empty() || WITHHELD_USERS.contains(&name.as_str())
}

fn is_invalid(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "invalid" || host.ends_with(".invalid")
}

#[cfg(test)]
mod tests {
    use super::is_withheld;
    use crate::uri::Address;

    #[test]
    fn nobody_has_many_names() {
        for text in [
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1",
            "sip:anonymous@anonymous.invalid",
            "<sip:anonymous@tel.t-online.de;user=phone>",
            "<sip:ANONYMOUS@192.0.2.1>",
            "Anonymous <sip:+493023125001@h>",
            "\"unbekannt\" <sip:+493023125001@h>",
            "<sip:unavailable@unknown.invalid>",
            "<sip:unavailable@h>",
            "<sip:c8oqz84zk7z@privacy.invalid>",
            "<sip:unterdr%C3%BCckt@h>",
            "<sip:anonymous.invalid>",
        ] {
            assert!(is_withheld(&Address::parse(text).unwrap()), "{text}");
        }
        for text in [
            "<sip:+493023125001@h>",
            "\"Anna Nym\" <sip:anna@h>",
            "\"Unavailable\" <sip:+493023125001@h>",
            "<tel:+493023125001>",
        ] {
            assert!(!is_withheld(&Address::parse(text).unwrap()), "{text}");
        }
    }
}
