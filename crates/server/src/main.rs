//! The Vorzimmer server: configuration, clock, sockets, media workers and the wiring between the rooms.

mod cli;
mod clock;
mod config;
mod failure;
mod logging;
mod media;
mod net;
mod protect;
mod receipts;
mod rooms;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("vorzimmer: {failure}");
            failure.exit_code()
        }
    }
}
