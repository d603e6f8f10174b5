//! The calls of `AlertService` and `EngineService`.
//!
//! Invariant: every reading of the store is on a thread that may block, and every stream holds one of a
//! fixed number of places.

use std::sync::Arc;

use nightjar_detectors::catalog::CATALOG;
use nightjar_detectors::event::time_text;
use nightjar_proto::v1 as pb;
use nightjar_proto::v1::alert_service_server::AlertService;
use nightjar_proto::v1::engine_service_server::EngineService;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response};

use super::feed::{self, Feed};
use super::status::{DetectorStatus, PartitionStatus, Phase, SourceStatus, Status};
use super::{Options, convert, unreadable};
use crate::pipeline::HEALTH_NAMES;
use crate::store::StoreError;
use crate::store::alerts::{AlertReader, AlertStore};

/// Messages that wait for a slow subscriber; the rest waits in the store.
const QUEUE: usize = 16;
/// Most alerts on a page of `ListAlerts`; it is also bounded in bytes.
const PAGE_MAX: usize = 500;

/// Both services.
#[derive(Clone)]
pub(super) struct Service {
    pub store: AlertStore,
    pub status: watch::Receiver<Status>,
    pub stopping: watch::Receiver<bool>,
    pub options: Options,
    pub places: Arc<Semaphore>,
}

impl Service {
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&AlertReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, tonic::Status> {
        let store = self.store.clone();
        let reading = tokio::task::spawn_blocking(move || read(&store.reader()?));
        let answer = reading
            .await
            .map_err(|_| tonic::Status::internal("a reader has stopped"))?;
        answer.map_err(|error| unreadable(&error))
    }
}

#[tonic::async_trait]
impl AlertService for Service {
    type SubscribeStream = BoxStream<pb::SubscribeResponse>;

    async fn subscribe(
        &self,
        request: Request<pb::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, tonic::Status> {
        let request = feed::Request::from(request.into_inner());
        check_detectors(&request.filter.detectors)?;
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            let places = self.options.streams_max;
            return Err(tonic::Status::resource_exhausted(format!(
                "all {places} places for subscribers are taken; close one and try again"
            )));
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        let commits = self.store.commits();
        let store = self.store.clone();
        let reader = tokio::task::spawn_blocking(move || store.reader());
        let reader = reader
            .await
            .map_err(|_| tonic::Status::internal("a reader has stopped"))?;
        let feed = Feed {
            reader: Some(reader.map_err(|error| unreadable(&error))?),
            commits,
            status: self.status.clone(),
            stopping: self.stopping.clone(),
            heartbeat_every: self.options.heartbeat_every,
            sender,
        };
        tokio::spawn(feed.run(request));
        let stream = ReceiverStream::new(receiver).map(move |message| {
            // The place is given back when the stream is dropped.
            let _ = &place;
            message
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_alerts(
        &self,
        request: Request<pb::ListAlertsRequest>,
    ) -> Result<Response<pb::ListAlertsResponse>, tonic::Status> {
        let request = request.into_inner();
        let filter = convert::to_filter(request.filter, false);
        check_detectors(&filter.detectors)?;
        let cursor = match request.page_token.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| {
                tonic::Status::invalid_argument("page_token is not one that this service gave")
            })?,
        };
        let limit = match request.page_size as usize {
            0 => PAGE_MAX,
            size => size.min(PAGE_MAX),
        };
        let page = self
            .read(move |reader| reader.read_from(cursor, limit, &filter))
            .await?;
        Ok(Response::new(pb::ListAlertsResponse {
            alerts: page.alerts.into_iter().map(convert::to_message).collect(),
            next_page_token: match page.complete {
                true => String::new(),
                false => page.cursor.to_string(),
            },
        }))
    }

    async fn get_alert(
        &self,
        request: Request<pb::GetAlertRequest>,
    ) -> Result<Response<pb::GetAlertResponse>, tonic::Status> {
        let id = request.into_inner().id;
        let Some(alert) = self.read(move |reader| reader.get(&id)).await? else {
            return Err(tonic::Status::not_found("there is no alert with this id"));
        };
        let alert = Some(convert::to_message(alert));
        Ok(Response::new(pb::GetAlertResponse { alert }))
    }

    async fn get_incident(
        &self,
        request: Request<pb::GetIncidentRequest>,
    ) -> Result<Response<pb::GetIncidentResponse>, tonic::Status> {
        let id = request.into_inner().id;
        let Some(incident) = self.read(move |reader| reader.incident(&id)).await? else {
            return Err(tonic::Status::not_found(
                "there is no incident with this id",
            ));
        };
        let incident = Some(convert::incident_to_message(incident));
        Ok(Response::new(pb::GetIncidentResponse { incident }))
    }
}

#[tonic::async_trait]
impl EngineService for Service {
    async fn get_status(
        &self,
        _request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, tonic::Status> {
        let log = self.read(AlertReader::log).await?;
        let status = self.status.borrow().clone();
        Ok(Response::new(pb::GetStatusResponse {
            version: status.version,
            tenant: status.tenant,
            zone: status.zone.name().to_owned(),
            config: status.config,
            started: time_text(status.started_ms),
            phase: phase(status.phase).into(),
            trouble: status.trouble,
            last_cursor: log.last,
            store_id: log.store_id,
            sources: status.sources.into_iter().map(source).collect(),
            detectors: status.detectors.into_iter().map(detector).collect(),
            queue: u32::try_from(status.queue).unwrap_or(u32::MAX),
            checkpoint_ms: status.checkpoint_ms,
        }))
    }
}

/// A misspelt detector would be a subscription to silence.
fn check_detectors(names: &[String]) -> Result<(), tonic::Status> {
    let is_known = |name: &String| {
        let mut known = CATALOG.iter().map(|entry| entry.name);
        known.any(|known| known == name) || HEALTH_NAMES.contains(&name.as_str())
    };
    if names.iter().all(is_known) {
        return Ok(());
    }
    let known = CATALOG.iter().map(|entry| entry.name);
    let known: Vec<&str> = known.chain(HEALTH_NAMES).collect();
    Err(tonic::Status::invalid_argument(format!(
        "the filter names an unknown detector; there are {}",
        known.join(", ")
    )))
}

fn phase(phase: Phase) -> pb::Phase {
    match phase {
        Phase::History => pb::Phase::History,
        Phase::CatchingUp => pb::Phase::CatchingUp,
        Phase::Live => pb::Phase::Live,
    }
}

fn source(source: SourceStatus) -> pb::SourceStatus {
    pb::SourceStatus {
        clock: source.watermark_ms().map(time_text),
        lag: source.lag(),
        paused: source.is_paused(),
        records: source.records,
        source: source.source,
        rows: source.rows,
        repeats: source.repeats,
        conflicts: source.conflicts,
        late: source.late,
        quarantined: source.quarantined,
        other_logins: source.other_logins,
        partitions: source.partitions.into_iter().map(partition).collect(),
    }
}

fn partition(partition: PartitionStatus) -> pb::PartitionStatus {
    pb::PartitionStatus {
        lag: partition.lag(),
        topic: partition.partition.topic,
        partition: partition.partition.number,
        position: partition.position,
        end: partition.end,
        clock: partition.clock_ms.map(time_text),
        paused: partition.paused,
    }
}

fn detector(detector: DetectorStatus) -> pb::DetectorStatus {
    pb::DetectorStatus {
        detector: detector.detector,
        sealed_day: detector.sealed_day,
        alerts: detector.alerts,
    }
}
