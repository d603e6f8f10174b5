//! The other end of the alert service, for `watch`, `alerts` and `demo`.
//!
//! Invariant: whoever uses it sees alerts and plain values, never a protobuf type.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;
use nightjar_detectors::alert::Alert;
use nightjar_detectors::incident::Incident;
use nightjar_proto::v1 as pb;
use nightjar_proto::v1::alert_service_client::AlertServiceClient;
use nightjar_proto::v1::engine_service_client::EngineServiceClient;
use nightjar_proto::v1::subscribe_response::Message;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};

use super::convert;
use crate::store::alerts::Filter;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A service that does not answer pings so long is gone.
const PING_EVERY: Duration = Duration::from_secs(10);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an address.
    #[error("{0} is not an address of an alert service; write it like http://127.0.0.1:7461")]
    Address(String),
    /// Nobody there, or nobody any more.
    #[error(
        "no alert service answers at {address}; start `nightjar run`, or name the address that grpc.listen has"
    )]
    Unreachable {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Busy or in trouble.
    #[error("the alert service at {address} cannot answer now: {message}")]
    Failed {
        /// The address.
        address: String,
        /// Its reason.
        message: String,
    },
    /// The service says no, and would say so again.
    #[error("the alert service at {address} refuses: {message}")]
    Refused {
        /// The address.
        address: String,
        /// Its reason.
        message: String,
    },
    /// Another version.
    #[error(transparent)]
    Convert(#[from] convert::ConvertError),
}

impl ClientError {
    /// Whether it makes sense to try again.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            ClientError::Unreachable { .. } | ClientError::Failed { .. }
        )
    }
}

/// Where a subscription begins and what it takes; by default all that comes after now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// After this cursor; `None` for what comes after now.
    pub from_cursor: Option<u64>,
    /// Of an earlier heartbeat: with it a log that was started anew is noticed.
    pub store_id: String,
    /// Which alerts.
    pub filter: Filter,
}

/// What a subscription gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An alert, new or changed.
    Alert(Box<Alert>),
    /// An incident, new or changed; its alerts follow.
    Incident(Box<Incident>),
    /// Everything so far was sent.
    Heartbeat(Heartbeat),
    /// Alerts before this cursor are gone.
    Gap(Gap),
}

/// Sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Where to resume.
    pub cursor: u64,
    /// Name of the log.
    pub store_id: String,
    /// By name: records not read yet.
    pub lags: BTreeMap<String, u64>,
}

/// What cannot be had any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The cursor that was asked for.
    pub from_cursor: u64,
    /// The stream goes on after this cursor.
    pub to_cursor: u64,
    /// The cursor was of another log, not only too old.
    pub is_reset: bool,
}

/// A connection.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    address: String,
}

impl Client {
    /// Connects to `http://HOST:PORT`.
    ///
    /// # Errors
    /// When that is no address, or nobody answers there.
    pub async fn connect(address: &str) -> Result<Self, ClientError> {
        let endpoint = Endpoint::from_shared(address.to_owned());
        let endpoint = endpoint
            .ok()
            .filter(|endpoint| endpoint.uri().host().is_some());
        let Some(endpoint) = endpoint.filter(|e| e.uri().scheme_str() == Some("http")) else {
            return Err(ClientError::Address(address.to_owned()));
        };
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_EVERY)
            .keep_alive_while_idle(true);
        match endpoint.connect().await {
            Ok(channel) => Ok(Client {
                channel,
                address: address.to_owned(),
            }),
            Err(source) => {
                let (address, source) = (address.to_owned(), source.into());
                Err(ClientError::Unreachable { address, source })
            }
        }
    }

    /// Subscribes to the alert log.
    ///
    /// # Errors
    /// When the service refuses or is gone.
    pub async fn subscribe(&self, subscription: Subscription) -> Result<Events, ClientError> {
        let request = pb::SubscribeRequest {
            from_cursor: subscription.from_cursor.unwrap_or(0),
            only_new: subscription.from_cursor.is_none(),
            filter: Some(convert::filter_to_message(subscription.filter)),
            store_id: subscription.store_id,
        };
        let mut alerts = AlertServiceClient::new(self.channel.clone());
        let stream = alerts
            .subscribe(request)
            .await
            .map_err(|status| self.error(status))?;
        Ok(Events {
            stream: stream.into_inner(),
            client: self.clone(),
            cursor: 0,
        })
    }

    /// The alerts as they are now, by id.
    ///
    /// # Errors
    /// When the service refuses or is gone.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Alert>, ClientError> {
        let mut alerts = AlertServiceClient::new(self.channel.clone());
        let mut found = BTreeMap::new();
        let filter = convert::filter_to_message(filter);
        let mut page_token = String::new();
        loop {
            let filter = Some(filter.clone());
            let request = pb::ListAlertsRequest {
                filter,
                page_size: 0,
                page_token,
            };
            let page = alerts
                .list_alerts(request)
                .await
                .map_err(|status| self.error(status))?;
            let page = page.into_inner();
            for message in page.alerts {
                // An alert that changed in the meantime comes again, newer.
                let alert = convert::to_alert(message)?;
                found.insert(alert.id.clone(), alert);
            }
            if page.next_page_token.is_empty() {
                return Ok(found.into_values().collect());
            }
            page_token = page.next_page_token;
        }
    }

    /// The zone of the tenant's days, for showing times; UTC if the service's is not known here.
    ///
    /// # Errors
    /// When the service refuses or is gone.
    pub async fn zone(&self) -> Result<Tz, ClientError> {
        let mut engine = EngineServiceClient::new(self.channel.clone());
        let status = engine.get_status(pb::GetStatusRequest {}).await;
        let status = status.map_err(|status| self.error(status))?.into_inner();
        Ok(status.zone.parse().unwrap_or(Tz::UTC))
    }

    fn error(&self, status: tonic::Status) -> ClientError {
        let address = self.address.clone();
        let message = status.message().to_owned();
        match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => {
                ClientError::Unreachable {
                    address,
                    source: status.into(),
                }
            }
            Code::ResourceExhausted | Code::Internal => ClientError::Failed { address, message },
            _ => ClientError::Refused { address, message },
        }
    }
}

/// A running subscription.
#[derive(Debug)]
pub struct Events {
    stream: Streaming<pb::SubscribeResponse>,
    client: Client,
    cursor: u64,
}

impl Events {
    /// The next message. The end of the stream is an error that passes. Cancel safe.
    ///
    /// # Errors
    /// When the service is gone, or is of another version.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            let response = self
                .stream
                .message()
                .await
                .map_err(|status| self.client.error(status))?;
            let Some(response) = response else {
                let status = tonic::Status::unavailable("the stream has ended");
                return Err(self.client.error(status));
            };
            self.cursor = response.cursor;
            // Messages that a later version adds are passed over.
            if let Some(message) = response.message {
                return event(response.cursor, message);
            }
        }
    }

    /// The cursor of the last message: where to resume when it has been dealt with.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }
}

fn event(cursor: u64, message: Message) -> Result<Event, ClientError> {
    Ok(match message {
        Message::Alert(alert) => Event::Alert(Box::new(convert::to_alert(alert)?)),
        Message::Incident(incident) => Event::Incident(Box::new(convert::to_incident(incident)?)),
        Message::Heartbeat(heartbeat) => Event::Heartbeat(Heartbeat {
            cursor,
            store_id: heartbeat.store_id,
            lags: heartbeat
                .sources
                .into_iter()
                .map(|source| (source.source, source.lag))
                .collect(),
        }),
        Message::Gap(gap) => Event::Gap(Gap {
            from_cursor: gap.from_cursor,
            to_cursor: gap.to_cursor,
            is_reset: gap.reason() == pb::gap::Reason::Reset,
        }),
    })
}
