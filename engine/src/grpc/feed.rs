//! One subscriber's way through the alert log.
//!
//! Invariant: what is sent was committed, in cursor order, each alert's cursor once; and the cursor of a message
//! is never ahead of what was sent. A slow subscriber waits in its own task, on its own connection.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use nightjar_detectors::alert::Alert;
use nightjar_detectors::event::time_text;
use nightjar_detectors::incident::Incident;
use nightjar_proto::v1 as pb;
use nightjar_proto::v1::subscribe_response::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::convert;
use super::status::{SourceStatus, Status};
use crate::store::StoreError;
use crate::store::alerts::{AlertReader, Filter, Log};

/// Alerts read at once; a page is also bounded in bytes.
const PAGE: usize = 100;

pub(super) type Response = Result<pb::SubscribeResponse, tonic::Status>;

/// Why a feed ends.
enum End {
    /// The subscriber has gone.
    Gone,
    /// The service stops.
    Stopping,
    /// The log cannot be read.
    Failed(StoreError),
}

/// What a subscriber asked for.
#[derive(Debug)]
pub(super) struct Request {
    pub from_cursor: u64,
    pub only_new: bool,
    pub filter: Filter,
    /// Of an earlier heartbeat; empty if there was none.
    pub store_id: String,
}

impl From<pb::SubscribeRequest> for Request {
    fn from(message: pb::SubscribeRequest) -> Self {
        Request {
            from_cursor: message.from_cursor,
            only_new: message.only_new,
            // A subscriber has seen earlier revisions, here or before it came back.
            filter: convert::to_filter(message.filter, true),
            store_id: message.store_id,
        }
    }
}

/// The subscriber's ends of everything that it waits for.
pub(super) struct Feed {
    /// Lent to a blocking thread while the log is read.
    pub reader: Option<AlertReader>,
    pub commits: watch::Receiver<u64>,
    pub status: watch::Receiver<Status>,
    pub stopping: watch::Receiver<bool>,
    pub heartbeat_every: Duration,
    pub sender: mpsc::Sender<Response>,
}

impl Feed {
    /// Runs until the subscriber goes, the service stops, or the log cannot be read.
    pub async fn run(mut self, request: Request) {
        let Err(end) = self.follow(request).await;
        let last_word = match end {
            End::Gone => return,
            End::Stopping => {
                tonic::Status::unavailable("the service is stopping; resume from your last cursor")
            }
            End::Failed(error) => super::unreadable(&error),
        };
        // A subscriber whose queue is full sees the end of the stream instead.
        let _ = self.sender.try_send(Err(last_word));
    }

    async fn follow(&mut self, request: Request) -> Result<Infallible, End> {
        let log = self.read(AlertReader::log).await?;
        let (mut cursor, gap) = start(&request, &log);
        if let Some(gap) = gap {
            self.send(cursor, Message::Gap(gap)).await?;
        }
        let filter = Arc::new(request.filter);
        let mut heartbeats = tokio::time::interval(self.heartbeat_every);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Marked as seen before the log is read: a commit during the reading is then a change.
            self.commits.borrow_and_update();
            cursor = self.catch_up(cursor, &filter).await?;
            loop {
                tokio::select! {
                    // Heartbeats before commits, or a busy log would starve them.
                    biased;
                    () = self.sender.closed() => return Err(End::Gone),
                    () = stopped(&mut self.stopping) => return Err(End::Stopping),
                    _ = heartbeats.tick() => {
                        let heartbeat = heartbeat(&self.status.borrow(), &log.store_id);
                        self.send(cursor, Message::Heartbeat(heartbeat)).await?;
                    }
                    changed = self.commits.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return Err(End::Stopping),
                    },
                }
            }
        }
    }

    /// Sends everything after the cursor; the cursor up to which the log was read.
    async fn catch_up(&mut self, mut cursor: u64, filter: &Arc<Filter>) -> Result<u64, End> {
        loop {
            let filter = filter.clone();
            let (page, mut incidents) = self
                .read(move |reader| {
                    let page = reader.read_from(cursor, PAGE, &filter)?;
                    let incidents = incidents(reader, &page.alerts)?;
                    Ok((page, incidents))
                })
                .await?;
            let mut before = cursor;
            for alert in page.alerts {
                if let Some(incident) = incidents.remove(&alert.incident) {
                    let message = convert::incident_to_message(incident);
                    self.send(before, Message::Incident(message)).await?;
                }
                before = alert.cursor;
                self.send(alert.cursor, Message::Alert(convert::to_message(alert)))
                    .await?;
            }
            cursor = page.cursor;
            if page.complete {
                return Ok(cursor);
            }
        }
    }

    async fn send(&mut self, cursor: u64, message: Message) -> Result<(), End> {
        let response = pb::SubscribeResponse {
            cursor,
            message: Some(message),
        };
        tokio::select! {
            biased;
            () = stopped(&mut self.stopping) => Err(End::Stopping),
            sent = self.sender.send(Ok(response)) => sent.map_err(|_| End::Gone),
        }
    }

    async fn read<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&AlertReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, End> {
        // Without it an earlier reading was interrupted, which only the end of the runtime does.
        let reader = self.reader.take().ok_or(End::Stopping)?;
        let reading = tokio::task::spawn_blocking(move || (read(&reader), reader));
        let (answer, reader) = reading.await.map_err(|_| End::Stopping)?;
        self.reader = Some(reader);
        answer.map_err(End::Failed)
    }
}

/// The incidents of these alerts, by id.
fn incidents(
    reader: &AlertReader,
    alerts: &[Alert],
) -> Result<BTreeMap<String, Incident>, StoreError> {
    let mut found = BTreeMap::new();
    for alert in alerts {
        if !found.contains_key(&alert.incident)
            && let Some(incident) = reader.incident(&alert.incident)?
        {
            found.insert(alert.incident.clone(), incident);
        }
    }
    Ok(found)
}

/// Waits for the service to stop. Cancel safe.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Where the stream begins, and what is missing before it.
fn start(request: &Request, log: &Log) -> (u64, Option<pb::Gap>) {
    if request.only_new {
        return (log.last, None);
    }
    let from_cursor = request.from_cursor;
    let is_other = !request.store_id.is_empty() && request.store_id != log.store_id;
    let (to_cursor, reason) = if 0 < from_cursor && (is_other || log.last < from_cursor) {
        (0, pb::gap::Reason::Reset)
    } else if from_cursor < log.expired {
        (log.expired, pb::gap::Reason::Expired)
    } else {
        return (from_cursor, None);
    };
    (
        to_cursor,
        Some(pb::Gap {
            from_cursor,
            to_cursor,
            reason: reason.into(),
        }),
    )
}

fn heartbeat(status: &Status, store_id: &str) -> pb::Heartbeat {
    pb::Heartbeat {
        time: super::now_text(),
        sources: status.sources.iter().map(progress).collect(),
        store_id: store_id.to_owned(),
    }
}

fn progress(source: &SourceStatus) -> pb::SourceProgress {
    pb::SourceProgress {
        source: source.source.clone(),
        watermark: source.watermark_ms().map(time_text),
        lag: source.lag(),
        late: source.late,
        quarantined: source.quarantined,
        paused: source.is_paused(),
    }
}
