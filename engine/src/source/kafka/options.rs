//! What the user may set about Kafka, and the client configuration made from it.
//!
//! Invariant: a setting that would break the design (group membership, positions kept by the broker)
//! is refused with its reason before a client exists, and no value is ever printed: it may be a secret.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use regex::Regex;

use super::SourceError;

/// Memory for records fetched ahead, over all partitions.
const AHEAD_KIB_MAX: usize = 64 * 1024;

/// Which topics to read.
#[derive(Debug, Clone)]
pub enum Topics {
    /// These; one that does not exist is reported.
    List(Vec<String>),
    /// All whose name matches, those created later included.
    Pattern(Regex),
}

impl Topics {
    /// Whether a topic of this name is to be read.
    pub fn names(&self, topic: &str) -> bool {
        match self {
            Topics::List(topics) => topics.iter().any(|named| named == topic),
            Topics::Pattern(pattern) => pattern.is_match(topic),
        }
    }
}

/// What the source needs to know.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// Bootstrap servers, `host:port`.
    pub brokers: Vec<String>,
    /// Topics to read.
    pub topics: Topics,
    /// Settings of librdkafka by name; they win over the defaults here.
    pub options: BTreeMap<String, String>,
    /// Group under whose name positions are committed, for dashboards of lag only.
    pub group: String,
}

const ASSIGNS_ITSELF: &str = "cannot be set: partitions are assigned without a consumer group";
const OWN_POSITIONS: &str = "cannot be set: positions are kept in the state folder, in step with what \
     was learned from the records before them";

/// Settings that would break the design, with the reason.
const REFUSED: &[(&str, &str)] = &[
    (
        "allow.auto.create.topics",
        "cannot be set: a reader creates no topics",
    ),
    ("auto.commit.enable", OWN_POSITIONS),
    ("auto.offset.reset", OWN_POSITIONS),
    (
        "bootstrap.servers",
        "cannot be set here: name the brokers in kafka.brokers",
    ),
    ("enable.auto.commit", OWN_POSITIONS),
    ("enable.auto.offset.store", OWN_POSITIONS),
    (
        "enable.partition.eof",
        "cannot be set: the end of a partition drives its clock",
    ),
    ("group.instance.id", ASSIGNS_ITSELF),
    ("group.protocol", ASSIGNS_ITSELF),
    ("group.remote.assignor", ASSIGNS_ITSELF),
    (
        "metadata.broker.list",
        "cannot be set here: name the brokers in kafka.brokers",
    ),
    ("partition.assignment.strategy", ASSIGNS_ITSELF),
];

/// Refuses the settings that would break the design; opens nothing.
pub fn check(options: &KafkaOptions) -> Result<(), SourceError> {
    if options.brokers.is_empty() {
        return Err(SourceError::fatal(
            "kafka.brokers is empty: name at least one broker as host:port",
        ));
    }
    for name in options.options.keys() {
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| refused == name) {
            return Err(SourceError::fatal(format!("kafka option {name} {reason}")));
        }
    }
    Ok(())
}

/// Records fetched ahead of the reader, KiB a partition, so that many partitions together stay bounded.
pub(super) fn ahead_kib(options: &KafkaOptions, partitions: usize) -> usize {
    let chosen = options.options.get("queued.max.messages.kbytes");
    chosen
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| (AHEAD_KIB_MAX / partitions.max(1)).clamp(512, 16 * 1024))
}

/// The client's configuration.
pub(super) fn client_config(
    options: &KafkaOptions,
    ahead_kib: usize,
) -> Result<ClientConfig, SourceError> {
    check(options)?;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", options.brokers.join(","))
        .set("group.id", &options.group)
        .set("client.id", "nightjar")
        // Every partition has its own queue, so these three bound each of them.
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", ahead_kib.to_string())
        .set(
            "fetch.message.max.bytes",
            (ahead_kib * 1024).min(1024 * 1024).to_string(),
        )
        // The default of a second lets a reader that is slower than the fetcher sleep most of the time.
        .set("fetch.queue.backoff.ms", "10")
        // A bound only; a record of 100 MB must pass, or its partition stands still for ever.
        .set("receive.message.max.bytes", (256 * 1024 * 1024).to_string())
        .set("isolation.level", "read_committed")
        .set("statistics.interval.ms", "5000")
        .set("reconnect.backoff.max.ms", "5000");
    if !options.options.contains_key("message.max.bytes") {
        config.set("fetch.max.bytes", (16 * 1024 * 1024).to_string());
    }
    for (name, value) in &options.options {
        config.set(name, value);
    }
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false");
    let verbose = options.options.contains_key("debug");
    config.set_log_level(if verbose {
        RDKafkaLogLevel::Debug
    } else {
        RDKafkaLogLevel::Warning
    });
    Ok(config)
}

/// Why a client could not be made, without any value.
pub(super) fn refusal(error: KafkaError) -> SourceError {
    match error {
        KafkaError::ClientConfig(_, description, name, _) => {
            let known = !description.starts_with("No such configuration property");
            SourceError::fatal(if known {
                format!("kafka option {name} has a value that librdkafka does not take")
            } else {
                format!("kafka option {name} is unknown to librdkafka: see its CONFIGURATION.md")
            })
        }
        KafkaError::ClientCreation(reason) => {
            SourceError::fatal(format!("the kafka options do not work together: {reason}"))
        }
        other => SourceError::Fatal {
            what: "the kafka client could not be made".to_owned(),
            cause: Some(Box::new(other)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> KafkaOptions {
        KafkaOptions {
            brokers: vec!["127.0.0.1:1".to_owned()],
            topics: Topics::List(Vec::new()),
            options: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            group: "nightjar-test".to_owned(),
        }
    }

    /// What would break the design is refused with its reason, what is merely unusual is taken.
    #[test]
    fn settings_that_break_the_design_are_refused() {
        for (name, _) in REFUSED {
            let refused = check(&with(name, "true")).unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("kafka option {name} cannot be set")),
                "{refused}"
            );
        }
        assert!(check(&with("fetch.wait.max.ms", "20")).is_ok());
        assert!(
            check(&KafkaOptions {
                brokers: Vec::new(),
                ..with("debug", "fetch")
            })
            .is_err()
        );
    }

    /// A user's setting wins over ours; what the design needs stays.
    #[test]
    fn the_users_setting_wins() {
        let options = with("queued.max.messages.kbytes", "77");
        let config = client_config(&options, ahead_kib(&options, 1000)).unwrap();
        assert_eq!(config.get("queued.max.messages.kbytes"), Some("77"));
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
    }

    /// A thousand partitions fetch ahead no more than their share.
    #[test]
    fn fetching_ahead_is_bounded_in_total() {
        let options = with("client.id", "x");
        assert_eq!(ahead_kib(&options, 0), 16 * 1024);
        assert_eq!(ahead_kib(&options, 64), 1024);
        assert_eq!(ahead_kib(&options, 100_000), 512);
    }
}
