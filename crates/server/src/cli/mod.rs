//! The command line. Every command says on one line what went wrong and on one what to do.

#[macro_use]
mod say;

mod audit;
mod calls;
mod check;
mod directory;
mod keys;
mod receipts;
mod recordings;
mod registrations;
mod retention;
mod table;
mod trunks;
mod turn;

use std::future::Future;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::{self, Loaded, Settings};
use crate::failure::Failure;
use crate::rooms::{FirstStart, Rooms};

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
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server.
    Run,
    /// Say what the server would do with this configuration, without doing it.
    Check,
    /// Customers, their numbers, and receptionists.
    #[command(subcommand)]
    Directory(directory::Command),
    /// Calls: who rang whom, and what became of it.
    #[command(subcommand)]
    Call(calls::Command),
    /// Recordings, sealed as they are. Every command asks what it is needed for.
    #[command(subcommand)]
    Recording(recordings::Command),
    /// Which receptionists' devices are registered.
    Registrations,
    /// The running server's trunks: whether they are up and registered; draining one, using it again.
    Trunks {
        #[command(subcommand)]
        command: Option<trunks::Command>,
    },
    /// What parties answered when they were asked whether they may be recorded.
    #[command(subcommand)]
    Receipt(receipts::Command),
    /// Forgetting: what is due, and the certificates of what is gone.
    #[command(subcommand)]
    Retention(retention::Command),
    /// What a receptionist's browser needs for the operator's TURN server: good for a while only.
    TurnCredentials {
        /// Her log-in.
        login: String,
    },
    /// The keys that everything kept is sealed with.
    #[command(subcommand)]
    Keys(keys::Command),
}

/// What every command is given.
struct Context {
    settings: Settings,
    json: bool,
}

impl Context {
    /// Opens what is kept.
    async fn rooms(&self, first_start: FirstStart) -> Result<Rooms, Failure> {
        Rooms::open(&self.settings, first_start).await
    }
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What went wrong, with an exit code.
    pub fn execute(self) -> Result<(), Failure> {
        let loaded = config::load(&self.config, std::env::vars())?;
        if let Command::Check = self.command {
            return check::check(&self.config, &loaded);
        }
        crate::protect::process().map_err(|error| {
            Failure::failed(format!("core dumps cannot be turned off: {error}"), "start it with ulimit -c 0")
        })?;
        if let Command::Run = self.command {
            return crate::run(loaded);
        }
        let Loaded { settings, .. } = loaded;
        let context = Context { settings, json: self.json };
        match self.command {
            Command::Run | Command::Check => Ok(()),
            Command::Directory(command) => command_runtime(directory::execute(command, &context)),
            Command::Call(command) => command_runtime(calls::execute(command, &context)),
            Command::Recording(command) => command_runtime(recordings::execute(command, &context)),
            Command::Registrations => command_runtime(registrations::list(&context)),
            Command::TurnCredentials { login } => command_runtime(turn::credentials(&login, &context)),
            Command::Trunks { command } => command_runtime(trunks::execute(command, &context)),
            Command::Receipt(command) => command_runtime(receipts::execute(command, &context)),
            Command::Retention(command) => command_runtime(retention::execute(command, &context)),
            Command::Keys(command) => command_runtime(keys::execute(command, &context)),
        }
    }
}

/// Runs one command to its end.
fn command_runtime(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(error, "try again"))?.block_on(command)
}

/// Prints a value as indented JSON.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    say!("{}", text.map_err(|error| Failure::failed(error, "report this: it is a bug"))?);
    Ok(())
}
