//! The alert service: alerts, status, health and reflection over gRPC on one port.
//!
//! Invariant: nothing is sent that is not committed, no subscriber slows another or the engine, and only
//! this machine can connect.

pub mod client;
pub mod convert;
mod doors;
mod feed;
mod service;
pub mod status;

pub use status::{DetectorStatus, PartitionStatus, Phase, SourceStatus, Status};

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nightjar_detectors::event::time_text;
use nightjar_proto::v1::alert_service_server::AlertServiceServer;
use nightjar_proto::v1::engine_service_server::EngineServiceServer;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;
use tracing::error;

use crate::store::StoreError;
use crate::store::alerts::AlertStore;

/// Requests are small; nobody needs to send more.
const REQUEST_BYTES_MAX: usize = 64 << 10;
/// Connections get so long to end after the service was told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// A peer that does not answer pings so long is gone, and its place is free again.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Others could connect, and there is nothing yet that keeps them out.
    #[error(
        "grpc.listen {0} can be reached from other machines, and this version has no tokens and no TLS; \
         listen on 127.0.0.1 or [::1] and put a proxy that authenticates before it"
    )]
    NotLoopback(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}; free the port or set grpc.listen to another")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The listener broke.
    #[error("the alert service has stopped; restart nightjar")]
    Transport(#[source] tonic::transport::Error),
    /// The compiled-in description of the services is damaged.
    #[error("the alert service cannot describe itself; reinstall nightjar")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// How the service behaves.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Time between heartbeats.
    pub heartbeat_every: Duration,
    /// Subscribers at a time.
    pub streams_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            heartbeat_every: Duration::from_secs(5),
            streams_max: 64,
        }
    }
}

/// Refuses an address that other machines could connect to.
///
/// # Errors
/// When it is not a loopback address.
pub fn check_listen(address: SocketAddr) -> Result<(), ServeError> {
    if address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(ServeError::NotLoopback(address))
}

/// Listens on a loopback address; port 0 takes a free one.
///
/// # Errors
/// When the address is not loopback, or taken.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    check_listen(address)?;
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ServeError::Listen { address, source })
}

/// Serves until `shutdown`. Streams then end with UNAVAILABLE, so that subscribers come back.
///
/// # Errors
/// When others could connect to the listener, or it breaks.
pub async fn serve(
    listener: TcpListener,
    store: AlertStore,
    status: watch::Receiver<Status>,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    if let Ok(address) = listener.local_addr() {
        check_listen(address)?;
    }
    let (stop, stopping) = watch::channel(false);
    let places = Arc::new(Semaphore::new(options.streams_max));
    let services = service::Service {
        store,
        status,
        stopping: stopping.clone(),
        options,
        places,
    };
    let (health, doors) = doors(services).await?;
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_EVERY))
        // Calls beside the streams must find room on a connection that has all of them.
        .max_concurrent_streams(Some(options.streams_max as u32 + 16));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let mut stopping_connections = stopping.clone();
    let serving = server.serve_with_incoming_shutdown(doors, incoming, async move {
        feed::stopped(&mut stopping_connections).await;
    });
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => return served.map_err(ServeError::Transport),
        () = shutdown => {}
    }
    health
        .set_not_serving::<AlertServiceServer<service::Service>>()
        .await;
    stop.send_replace(true);
    match tokio::time::timeout(STOP_TIMEOUT, serving).await {
        Ok(served) => served.map_err(ServeError::Transport),
        // A client that does not let go is cut off.
        Err(_) => Ok(()),
    }
}

/// All services behind their paths, and the one that says whether they are well.
async fn doors(
    services: service::Service,
) -> Result<(HealthReporter, impl doors::Door), ServeError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_serving::<AlertServiceServer<service::Service>>()
        .await;
    reporter
        .set_serving::<EngineServiceServer<service::Service>>()
        .await;
    let describe = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(nightjar_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let alerts = AlertServiceServer::new(services.clone());
    let engine = EngineServiceServer::new(services);
    let doors = doors::Doors {
        alerts: alerts.max_decoding_message_size(REQUEST_BYTES_MAX),
        engine: engine.max_decoding_message_size(REQUEST_BYTES_MAX),
        health: health.max_decoding_message_size(REQUEST_BYTES_MAX),
        reflection: describe().build_v1().map_err(ServeError::Reflection)?,
        reflection_alpha: describe().build_v1alpha().map_err(ServeError::Reflection)?,
    };
    Ok((reporter, doors))
}

/// What a caller is told when the store cannot be read; the details are for the log.
fn unreadable(error: &StoreError) -> tonic::Status {
    error!(
        error = error as &dyn std::error::Error,
        "a subscriber cannot read the alert log"
    );
    tonic::Status::internal("the alert log cannot be read; see the log of the service")
}

fn now_text() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    time_text(since.as_millis() as i64)
}

#[cfg(test)]
pub(crate) mod tests;
