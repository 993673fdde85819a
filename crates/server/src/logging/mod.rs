//! What is written down about the running of the server: text or JSON lines to standard error and to daily files.
//!
//! Never personal data: that is kept out where lines are made (`Pii<T>` prints as `‹redacted›`), not filtered here.
//! A thread of its own writes, so a full disk or a stopped terminal never holds up a call.

mod json;
mod moment;
mod writer;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Level, LogFormat, Logs};
use json::Json;
use moment::Moment;
pub use writer::Flush;
use writer::Lines;

/// Starts logging as configured. Lines that are still waiting are written when the [`Flush`] is dropped.
///
/// # Errors
/// The log folder cannot be made or written.
pub fn start(logs: &Logs) -> std::io::Result<Flush> {
    let (lines, flush) = Lines::start(logs.folder.as_deref())?;
    let layer = tracing_subscriber::fmt::layer().with_writer(lines).with_timer(Moment).with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter(logs.level));
    // A second start in one process (tests) keeps the first logger.
    let _ = match logs.format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.event_format(Json)).try_init(),
    };
    Ok(flush)
}

/// Our own crates at `level`; of others only what is wrong, since nobody here vouches for what they write.
fn filter(level: Level) -> EnvFilter {
    EnvFilter::new(format!("warn,sqlx=error,vorzimmer={level}"))
}
