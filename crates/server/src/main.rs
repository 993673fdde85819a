//! The Vorzimmer server: configuration, clock, sockets, media workers and the wiring between the rooms.

mod busy;
mod cli;
mod clock;
mod config;
mod control;
mod destroyer;
mod directory;
mod drain;
mod failure;
mod forgetting;
mod http;
mod locating;
mod logging;
mod media;
mod memory;
mod net;
mod outbound;
mod private;
mod protect;
mod provider;
mod receipts;
mod recordings;
mod recovery;
mod reencoding;
mod rooms;
mod siege;
mod start;
mod switchboard;
mod tls;
mod trunks;
mod turn;
mod wellbeing;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use mimalloc::MiMalloc;
use tokio::time::timeout;
use vorzimmer_store::Durable;

use crate::config::{Loaded, Settings};
use crate::drain::Signals;
use crate::failure::Failure;
use crate::net::Listeners;
use crate::rooms::{FirstStart, Rooms};
use crate::start::Assembly;
use crate::tls::Tls;
use crate::wellbeing::Observed;

/// Signalling makes and drops many small texts, and threads hand them to each other: this allocator keeps both cheap.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Threads of everything that must not hold up the control task, which has a thread of its own.
const RUNTIME_THREADS: usize = 2;
/// What is still to be written at the end may take so long.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match cli::Cli::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("vorzimmer: {failure}");
            failure.exit_code()
        }
    }
}

/// `vorzimmer run`: configuration first, then ports, then calls, until a signal and the last call.
fn run(loaded: Loaded) -> Result<(), Failure> {
    let Loaded { settings, warnings } = loaded;
    let _flush = logging::start(&settings.logs).map_err(|error| {
        Failure::failed(format!("logs cannot be written: {error}"), "correct logs.folder")
    })?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    protect::open_files(settings.limits.max_calls)
        .map_err(|error| Failure::failed(error, "see the system's limits"))?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(error, "see the system's limits"))?;
    let ended = runtime.block_on(serve(&settings));
    // What still waits for a disk or a database that does not answer is not waited for.
    runtime.shutdown_background();
    ended
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    let signals = Signals::listen().map_err(|error| Failure::failed(error, "see the system's limits"))?;
    let listeners = Listeners::bind(&settings.sip)
        .map_err(|error| Failure::failed(error, "end what uses the port, or correct the section [sip]"))?;
    let pages = http::bind(&settings.http).await?;
    let tls = Tls::open(settings, trunks::id)?;
    let places = listeners.places();

    let rooms = Rooms::open(settings, FirstStart::Welcome).await?;
    let Assembly { control, sources, orders, trunk_orders, report, log } =
        start::assemble(settings, listeners, Arc::clone(&tls), &rooms).await?;
    tls::keep_fresh(tls);
    switchboard::listen(&settings.data.folder, report.clone(), trunk_orders)?;
    let readiness = wellbeing::watch(Observed {
        store: rooms.store.clone(),
        keys: Arc::clone(&rooms.keys),
        recordings: settings.data.recordings.clone(),
        report: report.clone(),
    });
    pages.serve(&readiness);
    for place in &places {
        tracing::info!("SIP listens on {place}");
    }
    reencoding::keep_reencoding(
        rooms.clone(),
        settings.data.recordings.clone(),
        settings.reencoding.clone(),
        report.clone(),
    );
    let retention = forgetting::retention(settings, rooms.store.clone(), Some(log.clone()));
    forgetting::keep_forgetting(retention, settings.retention.hour_utc);
    tokio::spawn(drain::on_signals(signals, orders, settings.drain.deadline()));

    let left = control.run_apart(sources).await;
    let left = left.map_err(|error| Failure::failed(error, "see the system's limits and the log"))?;
    if left > 0 {
        tracing::warn!(calls = left, "calls were cut off");
    }
    match timeout(WRITE_WITHIN, log.close()).await {
        Ok(Ok(Durable::Database)) => {}
        Ok(Ok(Durable::Spool)) => tracing::warn!("events wait in the spool: the next start writes them"),
        Ok(Err(error)) => tracing::error!(%error, "events were lost at the end"),
        Err(_) => {
            tracing::error!("events were lost at the end: neither database nor spool took them in time")
        }
    }
    drop(timeout(WRITE_WITHIN, rooms.store.close()).await);
    tracing::info!("the server has ended");
    Ok(())
}
