//! Whether the server can take calls: looked at every few seconds, shown by `/ready`; and the numbers for `/metrics`
//! that nobody pushes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use rustix::fs::Access;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use vorzimmer_api::{Check, Readiness, Trunk, meters};
use vorzimmer_sip::carrier::Pulse;
use vorzimmer_sip::ua::TrunkStatus;
use vorzimmer_store::Store;
use vorzimmer_vault::{Class, KeyStore};

use crate::control::Report;
use crate::memory;
use crate::siege::{Refused, Siege};
use crate::switchboard::Row;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A database, key store or disk that takes longer to answer is away.
const PATIENCE: Duration = Duration::from_secs(2);
/// A disk with less than this many bytes free takes no recording worth having: half a minute of one call.
const LEAST_FREE: u64 = 1 << 20;

/// What is looked at.
pub struct Observed {
    /// The database.
    pub store: Store,
    /// The keys.
    pub keys: Arc<KeyStore>,
    /// Where recordings are written.
    pub recordings: PathBuf,
    /// What the control task says.
    pub report: watch::Receiver<Report>,
}

/// Looks until the process ends; the newest finding is in the channel.
pub fn watch(mut observed: Observed) -> watch::Receiver<Readiness> {
    let (tell, readiness) = watch::channel(Readiness::default());
    let mut looking = Looking::default();
    tokio::spawn(async move {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut found = Readiness::default();
        let mut siege = Siege::default();
        while !tell.is_closed() {
            tokio::select! {
                _ = looks.tick() => {
                    memory::give_back();
                    found = observed.look(&mut looking).await;
                }
                changed = observed.report.changed() => if changed.is_err() { return },
            }
            let report = observed.report.borrow_and_update().clone();
            show(&report);
            siege.look(crate::clock::mono(), refused(&report));
            let (draining, media, trunks) = (report.draining, media(&report), trunks(&report));
            found = Readiness { draining, media, trunks, ..found };
            tell_changes(&tell.borrow(), &found);
            tell.send_replace(found.clone());
        }
    });
    readiness
}

impl Observed {
    async fn look(&self, looking: &mut Looking) -> Readiness {
        let keys = Arc::clone(&self.keys);
        let keys = move || Check::of(keys.destroyed_through(Class::Recording));
        let folder = self.recordings.clone();
        let (keys, folder) =
            (looking.keys.take(PATIENCE, keys), looking.disk.take(PATIENCE, move || disk(&folder)));
        let (database, key_store, recordings) = tokio::join!(self.database(), keys, folder);
        Readiness { database, key_store, recordings, ..Readiness::default() }
    }

    async fn database(&self) -> Check {
        match timeout(PATIENCE, self.store.directory_version()).await {
            Ok(answer) => Check::of(answer),
            Err(_) => Check::Ill(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }
}

/// What is looked at off the runtime: a disk may let a thread wait as long as it likes.
#[derive(Default)]
struct Looking {
    keys: Look,
    disk: Look,
}

/// Looks at something again and again, one look at a time: while a disk does not answer, the threads that wait for it do
/// not grow more.
#[derive(Default)]
struct Look(Option<JoinHandle<Check>>);

impl Look {
    /// Takes a look, or goes on waiting for the last one.
    async fn take(&mut self, patience: Duration, look: impl FnOnce() -> Check + Send + 'static) -> Check {
        let running = self.0.get_or_insert_with(|| tokio::task::spawn_blocking(look));
        let Ok(done) = timeout(patience, running).await else {
            return Check::Ill(format!("no answer within {} s", patience.as_secs()));
        };
        self.0 = None;
        done.unwrap_or_else(|error| Check::Ill(error.to_string()))
    }
}

fn disk(folder: &Path) -> Check {
    // A write-protected disk refuses this for root too.
    if let Err(error) = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        return Check::Ill(format!("the recordings folder cannot be written: {error}"));
    }
    match rustix::fs::statvfs(folder) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            gauge!(meters::RECORDINGS_FREE_BYTES).set(approximately(free));
            if free < LEAST_FREE { Check::Ill("the disk is full".to_owned()) } else { Check::Well }
        }
        Err(error) => Check::Ill(format!("the recordings folder cannot be looked at: {error}")),
    }
}

fn media(report: &Report) -> Check {
    let media = &report.media;
    if media.is_ready() {
        return Check::Well;
    }
    Check::Ill(format!("{} of {} media workers run", media.workers_alive, media.workers))
}

fn trunks(report: &Report) -> Vec<Trunk> {
    let trunk = |status: &TrunkStatus| {
        let Row { name, state, registration, draining, .. } = Row::from(status);
        Trunk { name, state, registration, draining }
    };
    report.trunks.iter().map(trunk).collect()
}

/// Not ready needs a person, and when it is over she should know too.
fn tell_changes(before: &Readiness, now: &Readiness) {
    if before.is_ready() == now.is_ready() {
        return;
    }
    if now.is_ready() {
        tracing::info!("ready for calls");
    } else if !now.draining {
        let Readiness { database, key_store, recordings, media, .. } = now;
        tracing::warn!(?database, ?key_store, ?recordings, ?media, "not ready for calls");
    }
}

/// What strangers were refused.
fn refused(report: &Report) -> Refused {
    let Report { sip, media, net, .. } = report;
    let messages = [sip.malformed, sip.refused_malformed, sip.unknown, sip.amplifying, sip.unauthenticated];
    Refused {
        messages: messages.iter().fold(0, |sum, count| sum.saturating_add(*count)),
        connections: net.streams_refused.saturating_add(net.dropped_in),
        packets: media.dropped,
    }
}

/// Publishes the report as gauges and counters.
fn show(report: &Report) {
    let Report { calls, sip, media, net, log, trunks, strain, .. } = report;
    gauge!(meters::BUSIEST_THREAD).set(strain.busiest);
    gauge!(meters::OVERLOADED).set(if strain.overloaded { 1.0 } else { 0.0 });
    trunks.iter().for_each(show_trunk);
    gauge!(meters::RUNNING_CALLS).set(approximately(calls.running));
    gauge!(meters::BRIDGED_CALLS).set(approximately(calls.bridged));
    gauge!(meters::RUNNING_RECORDINGS).set(approximately(calls.recording));
    gauge!(meters::SPOOL_BYTES).set(approximately(log.spool_bytes));
    counter!(meters::EVENTS_LOST).absolute(log.lost);
    gauge!(meters::MEDIA_WORKERS, "driver" => media.driver).set(approximately(media.workers_alive));
    for (way, packets) in [("received", media.received), ("sent", media.sent), ("dropped", media.dropped)] {
        counter!(meters::RTP_PACKETS, "way" => way).absolute(packets);
    }
    for (why, messages) in [
        ("malformed", sip.malformed.saturating_add(sip.refused_malformed)),
        ("unknown", sip.unknown.saturating_add(sip.amplifying)),
        ("unauthenticated", sip.unauthenticated),
        ("overload", sip.overload),
        ("loop", sip.loops),
        ("unmatched", sip.unmatched),
    ] {
        counter!(meters::SIP_REFUSED, "why" => why).absolute(messages);
    }
    for (what, held) in [
        ("sessions", sip.sessions),
        ("server-transactions", sip.server_transactions),
        ("client-transactions", sip.client_transactions),
        ("bindings", sip.bindings),
    ] {
        gauge!(meters::SIP_HELD, "what" => what).set(approximately(held));
    }
    for (why, dropped) in [
        ("datagrams-in", net.dropped_in),
        ("datagrams-out", net.dropped_out),
        ("connections", net.streams_refused),
        ("handshakes", net.handshakes_failed),
    ] {
        counter!(meters::NET_DROPPED, "why" => why).absolute(dropped);
    }
}

/// One series for each state, so that a graph can show when it was which.
fn show_trunk(trunk: &TrunkStatus) {
    for state in [Pulse::Up, Pulse::Unknown, Pulse::Degraded, Pulse::Down] {
        let now = if trunk.pulse == state { 1.0 } else { 0.0 };
        gauge!(meters::TRUNK_STATE, "trunk" => trunk.name.clone(), "state" => state.as_str()).set(now);
    }
    if trunk.registration.is_some() {
        let registered = if trunk.registered_for.is_some() { 1.0 } else { 0.0 };
        gauge!(meters::TRUNK_REGISTERED, "trunk" => trunk.name.clone()).set(registered);
    }
}

/// A count as Prometheus wants it. Above 2⁵³ the last digits are lost, which no graph shows.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn approximately(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_does_not_answer_is_asked_once() {
        let (answer, wait) = channel();
        let mut look = Look::default();
        let stuck = move || wait.recv().unwrap_or(Check::Ill("nobody answers".to_owned()));
        let short = Duration::from_millis(1);
        assert_ne!(look.take(short, stuck).await, Check::Well);
        for _ in 0..3 {
            let another = || Check::Ill("a second look".to_owned());
            assert_eq!(look.take(short, another).await, Check::Ill("no answer within 0 s".to_owned()));
        }
        answer.send(Check::Well).expect("it still waits");
        assert_eq!(look.take(PATIENCE, || Check::Ill("too late".to_owned())).await, Check::Well);
        assert_eq!(
            look.take(PATIENCE, || Check::Ill("anew".to_owned())).await,
            Check::Ill("anew".to_owned())
        );
    }
}
