//! The one configuration file: found, read, overridden from the environment, checked, and typed.
//!
//! Nothing here opens a port, makes a folder or reads a key: `vorzimmer check` can therefore be run at any time, also
//! beside a running server.

mod describe;
mod error;
pub mod outbound;
mod overrides;
mod provider;
mod rules;
mod settings;
mod tls;
mod turn;
mod values;

use std::path::Path;

pub use describe::describe;
pub use error::ConfigError;
pub use provider::{By, Provider};
pub use settings::{
    CalledNumber, Http, KeySource, LogFormat, Logs, MediaDriver, Reencoding, Settings, Sip, TransferTo, Trunk,
};
pub use tls::CertificateFiles;
pub use turn::Turn;
pub use values::{Level, Listen};

/// Settings that hold together, and what the operator should still be told about them.
#[derive(Debug)]
pub struct Loaded {
    /// What was asked for; every path is absolute or relative to the working directory.
    pub settings: Settings,
    /// Legal but remarkable: to be said out loud at every start.
    pub warnings: Vec<String>,
}

/// Reads the configuration from `path` and from the environment `variables` that begin with `VORZIMMER_`.
///
/// # Errors
/// The file cannot be read, has an unknown or malformed option, or its options do not fit together.
pub fn load(
    path: &Path,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let base = path.parent().unwrap_or(Path::new(""));
    parse(&text, &path.display().to_string(), base, variables)
}

/// The same for a text that is already here; `name` stands for the file in errors, `base` is its folder.
///
/// # Errors
/// As [`load`].
pub fn parse(
    text: &str,
    name: &str,
    base: &Path,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    // The text alone first: its errors have line numbers, which a merged table would lose.
    let settings: Settings =
        toml::from_str(text).map_err(|error| ConfigError::in_file(name, text, &error))?;
    let mut settings = overrides::apply(text, settings, variables)?;
    settings.resolve_paths(base);
    let warnings = rules::check(&settings)?;
    Ok(Loaded { settings, warnings })
}

#[cfg(test)]
mod tests;
