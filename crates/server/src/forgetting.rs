//! Forgetting, in the background of a running server: the daily run, the guard on the clock, and the numbers.
//!
//! A reconciler: it looks at what is and does what is missing, so it does not matter when it starts or is killed.

use std::path::PathBuf;
use std::time::Duration;

use metrics::gauge;
use rustix::process::{getpriority_process, setpriority_process};
use tokio::sync::oneshot;
use vorzimmer_api::meters;
use vorzimmer_retention::{Class, Clock, Error, Places, Retention, SignedCertificate, SpoolPlace, Status};
use vorzimmer_store::{EventLog, Store};
use vorzimmer_types::UnixMillis;

use crate::clock;
use crate::config::Settings;

/// How often is looked whether the daily run is due, and the clock's guard told what time it is.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);
/// So much nicer than the rest: a third of what a thread that moves voices may have of a processor that both want. Not
/// less: the database's lock is held meanwhile, and events wait for it.
const NICER: i32 = 5;
const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The reconciler of these settings; `log` is this process's event log, if it has one.
pub fn retention(settings: &Settings, store: Store, log: Option<EventLog>) -> Retention {
    let places = Places {
        recordings: settings.data.recordings.clone(),
        logs: settings.logs.folder.clone(),
        spool: log.map_or_else(|| SpoolPlace::File(spool(settings)), SpoolPlace::Ours),
    };
    Retention::new(store, places, settings.retention.periods())
}

/// Where events wait for a database that is away.
pub fn spool(settings: &Settings) -> PathBuf {
    settings.data.folder.join("spool")
}

/// Forgets daily, at `hour_utc`, until the process ends.
pub fn keep_forgetting(retention: Retention, hour_utc: u8) {
    tokio::spawn(async move {
        loop {
            if let Err(error) = look(&retention, hour_utc).await {
                tracing::error!(%error, "forgetting has stopped");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
}

async fn look(retention: &Retention, hour_utc: u8) -> Result<(), Error> {
    let now = clock::wall();
    let status = retention.status(now).await?;
    show(&status, now);
    if is_due(&status, now, hour_utc) {
        told(&run_apart(retention, now).await?);
        show(&retention.status(clock::wall()).await?, clock::wall());
    } else {
        retention.heartbeat(now).await?;
    }
    Ok(())
}

/// A run on threads of its own that come after everybody else's: the disk's, the database's and its own.
async fn run_apart(retention: &Retention, now: UnixMillis) -> Result<SignedCertificate, Error> {
    let (retention, (tell, told)) = (retention.clone(), oneshot::channel());
    let run = move || {
        // Linux counts niceness thread by thread, and threads take after those that make them.
        let nicer = getpriority_process(None).and_then(|usual| setpriority_process(None, usual + NICER));
        if let Err(error) = nicer {
            tracing::warn!(%error, "what is due is destroyed at the usual priority");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let certificate = runtime.map_err(no_thread).and_then(|runtime| {
            runtime.block_on(async {
                let beside = retention.beside().await?;
                let certificate = beside.run(now, Clock::Checked).await;
                beside.close().await;
                certificate
            })
        });
        // Nobody listens any more while the server ends.
        drop(tell.send(certificate));
    };
    std::thread::Builder::new().name("forgetting".to_owned()).spawn(run).map_err(no_thread)?;
    told.await.unwrap_or(Err(Error::Ending))
}

fn no_thread(error: std::io::Error) -> Error {
    tracing::error!(%error, "forgetting needs a thread of its own");
    Error::Ending
}

/// Whether there was no run since the hour last struck.
fn is_due(status: &Status, now: UnixMillis, hour_utc: u8) -> bool {
    let hour = i64::from(hour_utc) * HOUR_MS;
    let struck = (now.0 - hour).div_euclid(DAY_MS) * DAY_MS + hour;
    status.last_certificate.is_none_or(|(_, at)| at.0 < struck)
}

fn told(signed: &SignedCertificate) {
    let certificate = &signed.certificate;
    for class in &certificate.classes {
        tracing::info!(
            certificate = certificate.number,
            class = %class.class,
            keys = class.keys,
            secrets = class.secrets,
            files = class.files,
            rows = class.rows,
            "what was due is gone"
        );
    }
    if !certificate.left_over.is_empty() {
        tracing::error!(
            certificate = certificate.number,
            files = certificate.left_over.len(),
            "files that are due could not be removed; their keys are destroyed, the next run tries again"
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "days and small counts")]
fn show(status: &Status, now: UnixMillis) {
    let today = i64::from(now.day().0);
    for class in &status.classes {
        let label = label(class.class);
        gauge!(meters::RETENTION_OVERDUE, "class" => label).set(class.due as f64);
        // What is due in n days of a period of p was made p - n days ago.
        let age = class.oldest_due.map_or(0, |due| today - (i64::from(due.0) - i64::from(class.period_days)));
        gauge!(meters::RETENTION_OLDEST_DAYS, "class" => label).set(age.max(0) as f64);
    }
    if let Some((_, at)) = status.last_certificate {
        gauge!(meters::RETENTION_RUN_AGE).set((now.0 - at.0).max(0) as f64 / 1000.0);
    }
}

/// A class in metrics.
fn label(class: Class) -> &'static str {
    match class {
        Class::Recordings => "recordings",
        Class::CallData => "call-data",
        Class::Receipts => "receipts",
        Class::Audit => "audit",
        Class::Logs => "logs",
    }
}

#[cfg(test)]
mod tests {
    use vorzimmer_retention::Status;
    use vorzimmer_types::UnixMillis;

    use super::{DAY_MS, HOUR_MS, is_due};

    #[test]
    fn a_run_is_due_once_the_hour_has_struck_since_the_last_one() {
        let day = 20_000 * DAY_MS;
        for (last, now, hour, due) in [
            (None, 0, 2, true),
            (Some(-DAY_MS + 3 * HOUR_MS), HOUR_MS, 2, false),
            (Some(-DAY_MS + 3 * HOUR_MS), 2 * HOUR_MS, 2, true),
            (Some(-2 * DAY_MS + 3 * HOUR_MS), HOUR_MS, 2, true),
            (Some(2 * HOUR_MS), 23 * HOUR_MS, 2, false),
            (Some(0), DAY_MS - 1, 0, false),
            (Some(0), DAY_MS, 0, true),
        ] {
            let status = Status {
                last_seen: None,
                clock_leapt: false,
                classes: Vec::new(),
                last_certificate: last.map(|at| (1, UnixMillis(day + at))),
            };
            assert_eq!(
                is_due(&status, UnixMillis(day + now), hour),
                due,
                "last {last:?}, now {now}, hour {hour}"
            );
        }
    }
}
