//! The command line.

mod check;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config;
use crate::failure::Failure;

/// A telephone secretary's server.
///
/// Exit codes: 0 done, 1 failed, 2 wrong command line, 3 configuration refused, 4 no such thing, 5 not as it should
/// be, 6 keys missing or wrong.
#[derive(Debug, Parser)]
#[command(name = "vorzimmer", version, propagate_version = true)]
pub struct Cli {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        env = "VORZIMMER_CONFIG",
        default_value = "config/vorzimmer.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what the server would do with this configuration, without doing it.
    Check,
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What went wrong, with an exit code.
    pub fn execute(self) -> Result<(), Failure> {
        let loaded = config::load(&self.config, std::env::vars())?;
        match self.command {
            Command::Check => check::check(&self.config, &loaded),
        }
    }
}
