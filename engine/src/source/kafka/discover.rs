//! Which partitions there are, and what they hold.
//!
//! Invariant: asks, on a client of its own, and assigns nothing; a topic that cannot be had is listed with its reason, never dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::MetadataTopic;

use super::topic_id::{TopicId, topic_ids};
use super::{KafkaSource, SourceError, Topics, trouble};
use crate::clock::Partition;

/// A broker that knows ids tells them in milliseconds once it is connected; one that does not says so at once.
const ID_TIMEOUT: Duration = Duration::from_secs(2);

/// Partitions of the configured topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovered {
    /// Those that can be read, sorted.
    pub partitions: Vec<Partition>,
    /// Topics of the list that cannot, in the list's order.
    pub missing: Vec<Missing>,
    /// Ids of the topics, where the broker tells them.
    pub ids: BTreeMap<String, TopicId>,
}

/// A topic that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Topic.
    pub topic: String,
    /// What is wrong and what to do: "does not exist: …".
    pub reason: String,
    /// The broker has no such topic; else it is there and cannot be had.
    pub is_absent: bool,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "topic {} {}", self.topic, self.reason)
    }
}

impl KafkaSource {
    /// Finds all partitions of the configured topics, and which topics they are of; call it again to find new ones.
    pub fn discover(&self, timeout: Duration) -> Result<Discovered, SourceError> {
        let mut found = self.find(timeout)?;
        let topics = found.partitions.iter().map(|partition| &*partition.topic);
        let topics: BTreeSet<&str> = topics.collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        found.ids = topic_ids(&self.asker, &topics, ID_TIMEOUT);
        Ok(found)
    }

    /// Finds all partitions of the configured topics, without ids: for whoever keeps no position.
    pub fn find(&self, timeout: Duration) -> Result<Discovered, SourceError> {
        let deadline = Instant::now() + timeout;
        let mut found = Discovered::default();
        match &self.options.topics {
            Topics::List(topics) => {
                for topic in topics {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let metadata = self.asker.fetch_metadata(Some(topic), left);
                    let metadata = metadata.map_err(|error| self.unanswered(error))?;
                    for described in metadata.topics() {
                        found.add(described);
                    }
                }
            }
            Topics::Pattern(pattern) => {
                let metadata = self.asker.fetch_metadata(None, timeout);
                let metadata = metadata.map_err(|error| self.unanswered(error))?;
                for described in metadata.topics() {
                    let name = described.name();
                    // The broker's own topics begin with two underscores.
                    if !name.starts_with("__") && pattern.is_match(name) {
                        found.add(described);
                    }
                }
            }
        }
        self.answered.set(true);
        found.partitions.sort_unstable();
        found.partitions.dedup();
        Ok(found)
    }

    /// First offset and end (under `read_committed` the last stable offset) of a partition.
    pub fn watermarks(
        &self,
        partition: &Partition,
        timeout: Duration,
    ) -> Result<(i64, i64), SourceError> {
        let fetched = self
            .asker
            .fetch_watermarks(&partition.topic, partition.number, timeout);
        match fetched {
            Ok((low, high)) => {
                self.answered.set(true);
                self.ends.borrow_mut().insert(partition.clone(), high);
                Ok((low, high))
            }
            Err(KafkaError::MetadataFetch(
                Code::UnknownPartition | Code::UnknownTopic | Code::UnknownTopicOrPartition,
            )) => Err(SourceError::fatal(format!(
                "{partition} does not exist on the broker: check kafka.topics"
            ))),
            Err(KafkaError::MetadataFetch(Code::TopicAuthorizationFailed)) => {
                Err(SourceError::fatal(format!(
                    "{partition} may not be read with this login: grant it read and describe"
                )))
            }
            Err(error) => Err(self.unanswered(error)),
        }
    }

    /// Why no answer came: the login if that was refused, else the broker.
    fn unanswered(&self, error: KafkaError) -> SourceError {
        self.hear();
        let brokers = &self.options.brokers;
        let cause: Option<super::Cause> = Some(Box::new(error));
        if !self.answered.get()
            && let Some((_, reason)) = self.asker.context().refusal()
        {
            return SourceError::Fatal {
                what: trouble::login_refused(&reason, brokers),
                cause,
            };
        }
        let said = self.asker.context().last().unwrap_or_default();
        let why = match trouble::split(&said, brokers).1 {
            "" => String::new(),
            why => format!(" ({why})"),
        };
        let what = format!(
            "no broker of {} answers{why}: check that it runs and that kafka.brokers names it",
            brokers.join(", ")
        );
        SourceError::Unavailable { what, cause }
    }

    /// Errors wait in the client's queue, which nobody else empties.
    fn hear(&self) {
        loop {
            let served = self.asker.context().served();
            if self.asker.poll(Duration::ZERO).is_none() && self.asker.context().served() == served
            {
                return;
            }
        }
    }
}

impl Discovered {
    fn add(&mut self, topic: &MetadataTopic) {
        let name = topic.name();
        if let Some(error) = topic.error() {
            let code = Code::from(error);
            let is_absent = matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic);
            let reason = match code {
                Code::UnknownTopicOrPartition | Code::UnknownTopic => {
                    "does not exist: create it, or correct kafka.topics".to_owned()
                }
                Code::TopicAuthorizationFailed => {
                    "may not be read with this login: grant it read and describe".to_owned()
                }
                Code::InvalidTopic => {
                    "is no valid name of a topic: correct kafka.topics".to_owned()
                }
                other => format!("cannot be read at present: {other}"),
            };
            self.missing.push(Missing {
                topic: name.to_owned(),
                reason,
                is_absent,
            });
            return;
        }
        for partition in topic.partitions() {
            self.partitions.push(Partition {
                topic: name.to_owned(),
                number: partition.id(),
            });
        }
    }
}
