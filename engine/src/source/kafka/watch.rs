//! Ears of the client: its log, its errors and its statistics.
//!
//! Invariant: called on the thread that polls; nothing here touches a record.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use serde::Deserialize;
use tracing::{debug, warn};

/// What the client has said since it was asked last.
#[derive(Debug, Default)]
pub(super) struct Watch {
    served: AtomicU64,
    committing: AtomicBool,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    error: Option<(RDKafkaErrorCode, String)>,
    refusal: Option<(RDKafkaErrorCode, String)>,
    statistics: Option<Statistics>,
}

/// The part of librdkafka's statistics that gives the ends of partitions.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Statistics {
    #[serde(default)]
    topics: BTreeMap<String, TopicStatistics>,
}

#[derive(Debug, Deserialize)]
struct TopicStatistics {
    #[serde(default)]
    partitions: BTreeMap<String, PartitionStatistics>,
}

#[derive(Debug, Deserialize)]
struct PartitionStatistics {
    hi_offset: i64,
    ls_offset: i64,
}

impl Statistics {
    /// End of a partition as the last fetch saw it.
    pub(super) fn end(&self, topic: &str, number: i32) -> Option<i64> {
        let partition = self
            .topics
            .get(topic)?
            .partitions
            .get(&number.to_string())?;
        // Under read_committed nothing past the last stable offset is to be had yet.
        [partition.ls_offset, partition.hi_offset]
            .into_iter()
            .find(|offset| 0 <= *offset)
    }
}

impl Watch {
    /// Number of events served: tells an empty queue from one whose event was swallowed.
    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Is a commit on its way? Cleared by its answer.
    pub(super) fn committing(&self) -> &AtomicBool {
        &self.committing
    }

    /// The reason given with the last error.
    pub(super) fn reason(&self, code: RDKafkaErrorCode) -> String {
        let said = self.heard().error.take();
        said.filter(|(known, _)| *known == code)
            .map(|(_, reason)| reason)
            .unwrap_or_default()
    }

    /// The last error, whatever it was.
    pub(super) fn last(&self) -> Option<String> {
        self.heard().error.take().map(|(_, reason)| reason)
    }

    /// The last refusal of a login.
    pub(super) fn refusal(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.heard().refusal.take()
    }

    /// Statistics that came in since the last call.
    pub(super) fn statistics(&self) -> Option<Statistics> {
        self.heard().statistics.take()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.count();
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                warn!(target: "librdkafka", facility, "{message}");
            }
            // What matters of these comes back as an error, and is said once a minute.
            _ => debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.count();
        match serde_json::from_slice(statistics) {
            Ok(statistics) => self.heard().statistics = Some(statistics),
            Err(error) => debug!(%error, "librdkafka's statistics are not understood"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else {
            return;
        };
        // Neither has a reason worth keeping: an end is none, and the other only sums up those before it.
        if matches!(
            code,
            RDKafkaErrorCode::PartitionEOF | RDKafkaErrorCode::AllBrokersDown
        ) {
            return;
        }
        let mut heard = self.heard();
        if super::trouble::refuses_login(code) {
            heard.refusal = Some((code, reason.to_owned()));
        }
        heard.error = Some((code, reason.to_owned()));
    }
}

impl ConsumerContext for Watch {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.count();
        self.committing.store(false, Ordering::Relaxed);
        if let Err(error) = result {
            debug!(%error, "positions could not be shown to the broker");
        }
    }
}
