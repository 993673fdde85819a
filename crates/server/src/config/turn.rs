//! `[turn]`: the operator's TURN server, for browsers that have no other way to us.

use std::path::PathBuf;

use serde::Deserialize;

use super::rules::Findings;

/// The longest working day.
const LONGEST_LIFETIME_S: u64 = 7 * 24 * 60 * 60;

/// The operator's TURN server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// How browsers reach it; none if there is none.
    pub urls: Vec<String>,
    /// The file whose first line is the secret that it shares with us.
    pub secret_file: Option<PathBuf>,
    /// How long credentials are good, in seconds.
    pub lifetime_s: u64,
}

impl Default for Turn {
    fn default() -> Self {
        Self { urls: Vec::new(), secret_file: None, lifetime_s: 43_200 }
    }
}

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
