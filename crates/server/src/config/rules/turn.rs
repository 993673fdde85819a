//! What the options of `[turn]` must hold together.

use super::findings::Findings;
use crate::config::turn::Turn;

/// The longest working day.
const LONGEST_LIFETIME_S: u64 = 7 * 24 * 60 * 60;

/// Checks the section.
pub(super) fn check(turn: &Turn, found: &mut Findings) {
    // RFC 7065 §3.1.
    let known = |url: &String| url.starts_with("turn:") || url.starts_with("turns:");
    if let Some(url) = turn.urls.iter().find(|url| !known(url)) {
        found.refuse("turn.urls", format!("{url} is no TURN server"), "write \"turn:turn.example.net:3478\"");
    }
    if turn.urls.is_empty() != turn.secret_file.is_none() {
        let advice = "write both, or neither";
        found.refuse("turn.secret_file", "turn.urls and turn.secret_file belong together", advice);
    }
    if !(60..=LONGEST_LIFETIME_S).contains(&turn.lifetime_s) {
        found.refuse(
            "turn.lifetime_s",
            "it is between a minute and a week",
            "43200 is a working day and a bit",
        );
    }
}
