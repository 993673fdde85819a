//! The HTTP ports: health, readiness, metrics.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use vorzimmer_api::meters::{self, PrometheusHandle};
use vorzimmer_api::{Pages, Readiness};

use crate::config::Http;
use crate::failure::Failure;

/// How often what was measured is added up. A histogram keeps each value until then, asked for or not.
const ADD_UP_EVERY: Duration = Duration::from_secs(5);

/// Bound listeners that nobody answers yet, and the counters, which count from now on.
pub struct Bound {
    listeners: Vec<TcpListener>,
    metrics: PrometheusHandle,
}

/// Binds the ports and starts counting, for the whole process.
///
/// # Errors
/// The first port that cannot be had; somebody counts already.
pub async fn bind(http: &Http) -> Result<Bound, Failure> {
    let mut listeners = Vec::with_capacity(http.listen.len());
    for listen in &http.listen {
        let listener = TcpListener::bind(listen.0).await.map_err(|error| {
            let advice = "end what uses the port, or correct http.listen";
            Failure::failed(format!("cannot listen on HTTP {listen}: {error}"), advice)
        })?;
        listeners.push(listener);
    }
    let bug = |error: &dyn std::fmt::Display| Failure::failed(error, "report this: it is a bug");
    let recorder = meters::recorder().map_err(|error| bug(&error))?;
    let metrics = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| bug(&error))?;
    meters::describe();
    Ok(Bound { listeners, metrics })
}

impl Bound {
    /// Answers in the background.
    pub fn serve(self, readiness: &watch::Receiver<Readiness>) {
        tokio::spawn(add_up(self.metrics.clone()));
        let pages = Pages::new(readiness.clone(), self.metrics);
        for listener in self.listeners {
            if let Ok(address) = listener.local_addr() {
                tracing::info!("health and metrics are on http://{address}");
            }
            let pages = pages.clone();
            tokio::spawn(async move {
                if let Err(error) = vorzimmer_api::serve(listener, pages).await {
                    tracing::error!(%error, "an HTTP port is no longer served");
                }
            });
        }
    }
}

/// Adds up what was measured, for as long as the process runs: where nobody asks for metrics it would pile up.
async fn add_up(metrics: PrometheusHandle) {
    let mut every = tokio::time::interval(ADD_UP_EVERY);
    loop {
        every.tick().await;
        metrics.run_upkeep();
    }
}
