//! How the server ends: the first signal drains, the deadline or a second signal ends calls, and nothing ends it later
//! than a grace after that.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::control::Order;

/// How long calls that are being ended may take to end properly: a BYE and its answer, a recording's last page.
const GRACE: Duration = Duration::from_secs(5);

/// SIGTERM and SIGINT.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Turns signals and time into orders, until nobody takes them any more.
pub async fn on_signals(mut signals: Signals, orders: mpsc::Sender<Order>, deadline: Duration) {
    signals.next().await;
    tracing::info!(
        deadline_s = deadline.as_secs(),
        "draining: no new calls, running ones may end by themselves"
    );
    if orders.send(Order::Drain).await.is_err() {
        return;
    }
    tokio::select! {
        () = signals.next() => tracing::info!("a second signal: running calls are ended now"),
        () = sleep(deadline) => tracing::info!("the deadline has come: running calls are ended now"),
        () = orders.closed() => return,
    }
    if orders.send(Order::EndAll).await.is_err() {
        return;
    }
    tokio::select! {
        () = sleep(GRACE) => {}
        () = orders.closed() => return,
    }
    tracing::warn!("calls did not end in time: the server ends without them");
    // Nobody is left to take it only if it ended in this very moment.
    let _ = orders.send(Order::Stop).await;
}
