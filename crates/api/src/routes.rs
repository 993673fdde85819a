//! The three pages.

use std::io;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Readiness;

/// What the pages show.
#[derive(Clone)]
pub struct Pages {
    readiness: watch::Receiver<Readiness>,
    metrics: PrometheusHandle,
}

impl Pages {
    /// Shows the newest value of `readiness`, and what `metrics` has gathered.
    #[must_use]
    pub fn new(readiness: watch::Receiver<Readiness>, metrics: PrometheusHandle) -> Self {
        Self { readiness, metrics }
    }

    fn router(self) -> Router {
        Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

/// Answers requests until the process ends or the listener breaks.
///
/// # Errors
/// What the listener says.
pub async fn serve(listener: TcpListener, pages: Pages) -> io::Result<()> {
    axum::serve(listener, pages.router()).await
}

/// The process answers; more is not said.
async fn health() -> &'static str {
    "alive\n"
}

/// 200 if new calls are welcome, else 503; the body says what is how.
async fn ready(State(pages): State<Pages>) -> Response {
    let readiness = pages.readiness.borrow().clone();
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// Prometheus' text format, version 0.0.4.
async fn metrics(State(pages): State<Pages>) -> Response {
    pages.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], pages.metrics.render()).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;

    use super::{Pages, serve};
    use crate::{Check, Readiness, Trunk, meters};

    async fn ask(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answers");
        answer
    }

    #[tokio::test]
    async fn health_is_always_there_and_ready_says_why_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (tell, readiness) = watch::channel(Readiness::default());
        let recorder = meters::recorder().expect("a recorder");
        tokio::spawn(serve(listener, Pages::new(readiness, recorder.handle())));

        assert!(ask(address, "/health").await.ends_with("alive\n"));
        assert!(ask(address, "/ready").await.starts_with("HTTP/1.1 503"));
        let well = Check::Well;
        let all = Readiness {
            draining: false,
            database: well.clone(),
            key_store: well.clone(),
            recordings: well.clone(),
            media: well,
            trunks: vec![Trunk {
                name: "carrier".into(),
                state: "degraded".into(),
                registration: "registered".into(),
                draining: false,
            }],
        };
        tell.send(all.clone()).expect("the server reads it");
        let answer = ask(address, "/ready").await;
        let trunk = r#""trunks":[{"name":"carrier","state":"degraded","registration":"registered","draining":false}]"#;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(trunk), "{answer}");
        tell.send(Readiness { recordings: Check::Ill("read-only".into()), ..all.clone() }).expect("sent");
        let answer = ask(address, "/ready").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("read-only"), "{answer}");
        tell.send(Readiness { draining: true, ..all }).expect("sent");
        assert!(ask(address, "/ready").await.starts_with("HTTP/1.1 503"));
        assert!(ask(address, "/elsewhere").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn metrics_are_prometheus_text_with_help() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (_tell, readiness) = watch::channel(Readiness::default());
        let recorder = meters::recorder().expect("a recorder");
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            meters::describe();
            metrics::counter!(meters::CALLS, "disposition" => "handled").increment(2);
            metrics::histogram!(meters::SETUP_SECONDS).record(0.3);
            metrics::gauge!(meters::RUNNING_CALLS).set(1.0);
        });
        tokio::spawn(serve(listener, Pages::new(readiness, handle)));
        let answer = ask(address, "/metrics").await;
        for line in [
            "# HELP vorzimmer_calls_total",
            "# TYPE vorzimmer_calls_total counter",
            "vorzimmer_calls_total{disposition=\"handled\"} 2",
            "vorzimmer_calls_running 1",
            "vorzimmer_setup_seconds_bucket{le=\"0.5\"} 1",
        ] {
            assert!(answer.lines().any(|found| found.starts_with(line)), "{line} is not in {answer}");
        }
    }
}
