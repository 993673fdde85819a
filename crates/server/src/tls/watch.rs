//! New certificates while the server runs: when their files change, and on SIGHUP.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Tls;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often it is said that a certificate is about to end, and the made one is renewed.
const REMIND_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// So many days before its end somebody should see to a certificate.
const REMIND_DAYS: i64 = 14;
/// So many days before its end a certificate of our making is renewed.
const RENEW_DAYS: i64 = super::own::RENEW_BEFORE_DAYS;

/// Keeps the certificates fresh until the process ends.
pub fn keep_fresh(tls: Arc<Tls>) {
    tokio::spawn(async move {
        let mut hang_up = match signal(SignalKind::hangup()) {
            Ok(signal) => signal,
            Err(error) => {
                return tracing::error!(%error, "SIGHUP cannot be heard: certificates are not renewed while running");
            }
        };
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = marks(&tls.files());
        let mut remind_at = Instant::now();
        loop {
            let asked = tokio::select! {
                _ = looks.tick() => false,
                heard = hang_up.recv() => heard.is_some(),
            };
            let found = marks(&tls.files());
            let daily = remind_at <= Instant::now();
            if asked || found != known || (daily && tls.days_left() < RENEW_DAYS) {
                reload(&tls).await;
                known = marks(&tls.files());
            }
            if daily {
                remind_at = Instant::now() + REMIND_EVERY;
                remind(&tls);
            }
        }
    });
}

async fn reload(tls: &Arc<Tls>) {
    let reading = Arc::clone(tls);
    match tokio::task::spawn_blocking(move || reading.reload()).await {
        Ok(Ok(())) => tracing::info!(days_left = tls.days_left(), "certificates were read again"),
        Ok(Err(error)) => {
            tracing::error!(%error, "new certificates are refused: the old ones are still shown");
        }
        Err(error) => tracing::error!(%error, "certificates could not be read again"),
    }
}

fn remind(tls: &Tls) {
    let days = tls.days_left();
    if days < REMIND_DAYS {
        tracing::warn!(days_left = days, "a certificate ends soon: renew it");
    }
}

/// What tells one state of a file from another; none if it is not there.
type Mark = Option<(u64, i64, i64, u64)>;

fn marks(files: &[PathBuf]) -> Vec<Mark> {
    files.iter().map(|file| mark(file)).collect()
}

fn mark(file: &Path) -> Mark {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
}
