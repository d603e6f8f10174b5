//! Metrics and health for monitoring, over HTTP.
//!
//! Invariant: reads the engine's status and nothing else; only this machine can connect.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::warn;

use crate::grpc::{Phase, Status};
use crate::metrics;

/// The engine tells its status once a second; one so old means that it stands still.
const STALE_MS: i64 = 60_000;
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Others could connect.
    #[error("http.listen {0} can be reached from other machines; listen on 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}; free the port or set http.listen to another")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Listens on a loopback address; port 0 takes a free one.
///
/// # Errors
/// When the address is not loopback, or taken.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, HttpError> {
    if !address.ip().to_canonical().is_loopback() {
        return Err(HttpError::NotLoopback(address));
    }
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| HttpError::Listen { address, source })
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, status: watch::Receiver<Status>) {
    let router = Router::new()
        .route("/metrics", get(figures))
        .route("/healthz", get(health))
        .with_state(status);
    if let Err(error) = axum::serve(listener, router).await {
        warn!(%error, "metrics are not served any more");
    }
}

async fn figures(State(status): State<watch::Receiver<Status>>) -> impl IntoResponse {
    let text = metrics::render(&status.borrow());
    ([(header::CONTENT_TYPE, METRICS_TYPE)], text)
}

async fn health(State(status): State<watch::Receiver<Status>>) -> (StatusCode, String) {
    let now_ms = chrono::Utc::now().timestamp_millis();
    answer(&status.borrow(), now_ms)
}

/// Well, unless the engine stands still. Lag and silence are for metrics and alerts: a restart, which is
/// what a failed health check leads to, cures neither.
fn answer(status: &Status, now_ms: i64) -> (StatusCode, String) {
    let phase = status.phase.as_str();
    let has_begun = status.phase != Phase::History && status.told_ms != 0;
    if has_begun && STALE_MS < now_ms - status.told_ms {
        let seconds = (now_ms - status.told_ms) / 1000;
        let text = format!("standing still for {seconds} s while {phase}\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text);
    }
    (StatusCode::OK, format!("{phase}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_stands_still_is_not_well() {
        let status = |phase, told_ms| Status {
            phase,
            told_ms,
            ..Status::default()
        };
        let code = |status: Status| answer(&status, 100_000).0;
        assert_eq!(code(status(Phase::Live, 99_000)), StatusCode::OK);
        assert_eq!(code(status(Phase::CatchingUp, 0)), StatusCode::OK);
        assert_eq!(code(status(Phase::History, 1)), StatusCode::OK);
        let still = answer(&status(Phase::Live, 30_000), 100_000);
        assert_eq!(still.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(still.1, "standing still for 70 s while live\n");
    }

    /// A monitoring system gets both, and nobody else can connect.
    #[tokio::test]
    async fn both_are_answered_on_loopback_only() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let outside = listen("0.0.0.0:0".parse().unwrap()).await;
        assert!(matches!(outside, Err(HttpError::NotLoopback(_))));
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_send, watching) = watch::channel(Status::default());
        let serving = tokio::spawn(serve(listener, watching));
        for (path, part) in [
            ("/metrics", "nightjar_queue_depth{} 0"),
            ("/healthz", "history"),
        ] {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.contains(part),
                "{answer}"
            );
        }
        serving.abort();
    }
}
