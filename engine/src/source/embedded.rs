//! A Kafka broker inside this process, for the demo and for tests: librdkafka's mock cluster.
//!
//! Invariant: loopback only, on a free port. It keeps 5 MiB or 100,000 records a partition and drops the
//! oldest without a word, so whoever feeds more than that goes through `Feed`.

mod feed;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::kafka::SourceError;
use crate::clock::Partition;

pub use feed::{Feed, FeedRecord};

/// The broker. It lives as long as this value.
pub struct EmbeddedBroker {
    // The cluster belongs to the producer's client: so this value may move between threads.
    producer: BaseProducer,
}

impl EmbeddedBroker {
    /// Starts it with these topics and their numbers of partitions.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, SourceError> {
        let producer = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .set("linger.ms", "2")
            .set("acks", "all")
            // One batch is what the mock gives per fetch.
            .set("batch.num.messages", "5000")
            .set("queue.buffering.max.messages", "1000000")
            .create()
            .map_err(|error| broken("the embedded broker could not be started", error))?;
        let broker = EmbeddedBroker { producer };
        for (topic, partitions) in topics {
            broker.create_topic(topic, *partitions)?;
        }
        Ok(broker)
    }

    /// Its address, `host:port`.
    pub fn bootstrap_servers(&self) -> String {
        self.cluster()
            .map(|cluster| cluster.bootstrap_servers())
            .unwrap_or_default()
    }

    /// Settings for a reader of it: without data it answers only when the longest wait is over.
    pub fn reader_options() -> BTreeMap<String, String> {
        BTreeMap::from([("fetch.wait.max.ms".to_owned(), "20".to_owned())])
    }

    /// Makes a topic.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), SourceError> {
        self.cluster()?
            .create_topic(topic, partitions, 1)
            .map_err(|error| broken("the embedded broker does not take the topic", error))
    }

    /// Adds a record; `None` is a tombstone. It is sent in the background, in order: see `flush`.
    pub fn produce(
        &self,
        partition: &Partition,
        timestamp_ms: i64,
        payload: Option<&[u8]>,
    ) -> Result<(), SourceError> {
        let mut record = BaseRecord::<[u8], [u8]>::to(&partition.topic)
            .partition(partition.number)
            .timestamp(timestamp_ms);
        record.payload = payload;
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    self.producer.poll(Duration::from_millis(5));
                    record = again;
                }
                Err((error, _)) => {
                    return Err(broken(
                        "the embedded broker does not take the record",
                        error,
                    ));
                }
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Waits until everything produced is there to be read.
    pub fn flush(&self, timeout: Duration) -> Result<(), SourceError> {
        self.producer.flush(timeout).map_err(|error| {
            broken(
                "the embedded broker has not taken all records in time",
                error,
            )
        })
    }

    /// Takes the broker off the network, or puts it back.
    pub fn set_reachable(&self, reachable: bool) -> Result<(), SourceError> {
        let cluster = self.cluster()?;
        let done = if reachable {
            cluster.broker_up(-1)
        } else {
            cluster.broker_down(-1)
        };
        done.map_err(|error| broken("the embedded broker does not obey", error))
    }

    fn cluster(&self) -> Result<MockCluster<'_, DefaultProducerContext>, SourceError> {
        let cluster = self.producer.client().mock_cluster();
        cluster.ok_or_else(|| SourceError::Fatal {
            what: "this build of librdkafka has no embedded broker".to_owned(),
            cause: None,
        })
    }
}

/// Positions that a reader has committed, in this process or another: what it will not ask for again.
pub struct Committed {
    client: BaseConsumer,
}

impl Committed {
    /// Looks at a group's positions.
    pub fn of(bootstrap_servers: &str, group: &str) -> Result<Self, SourceError> {
        let client = ClientConfig::new()
            .set("bootstrap.servers", bootstrap_servers)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .create()
            .map_err(|error| broken("committed positions cannot be asked for", error))?;
        Ok(Committed { client })
    }

    /// Next offset per partition; a partition without one is left out.
    pub fn positions(
        &self,
        partitions: &[Partition],
        timeout: Duration,
    ) -> Result<BTreeMap<Partition, i64>, SourceError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&partition.topic, partition.number);
        }
        let answer = self
            .client
            .committed_offsets(list, timeout)
            .map_err(|error| SourceError::Unavailable {
                what: "the broker does not tell committed positions".to_owned(),
                cause: Some(Box::new(error)),
            })?;
        let mut positions = BTreeMap::new();
        for element in answer.elements() {
            if let Offset::Offset(next) = element.offset() {
                let topic = element.topic().to_owned();
                positions.insert(
                    Partition {
                        topic,
                        number: element.partition(),
                    },
                    next,
                );
            }
        }
        Ok(positions)
    }
}

fn broken(what: &str, error: KafkaError) -> SourceError {
    SourceError::Fatal {
        what: what.to_owned(),
        cause: Some(Box::new(error)),
    }
}
