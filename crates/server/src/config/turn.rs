//! `[turn]`: the operator's TURN server, for browsers that have no other way to us.

use std::path::PathBuf;

use serde::Deserialize;

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
