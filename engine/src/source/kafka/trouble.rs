//! What an error of the client means for the reader, in a sentence.
//!
//! Invariant: what may pass by itself is told and retried; only what no waiting can cure stops the source.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::clock::Partition;

/// The same trouble is told no more often.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What to do about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: it does not touch what is read.
    Ignore,
    /// The position points to nothing that the broker has.
    Lost,
    /// Say so and go on.
    Trouble(String),
    /// Stop.
    Fatal(String),
}

/// Is it the broker that does not let us in?
pub(super) fn refuses_login(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SSL
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
    )
}

/// Judges an error. `settled`: it worked before, so it may work again.
pub(super) fn judge(
    code: Code,
    reason: &str,
    partition: Option<&Partition>,
    brokers: &[String],
    settled: bool,
) -> Verdict {
    let hopeless = |text: String| {
        if settled {
            Verdict::Trouble(format!("{text}; retrying"))
        } else {
            Verdict::Fatal(text)
        }
    };
    let place = partition.map_or_else(|| brokers.join(", "), Partition::to_string);
    match code {
        Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation => Verdict::Lost,
        Code::BrokerTransportFailure | Code::Resolve => {
            Verdict::Trouble(unreachable(reason, brokers))
        }
        Code::AllBrokersDown => Verdict::Trouble(format!(
            "no broker of {} can be reached; retrying",
            brokers.join(", ")
        )),
        _ if refuses_login(code) => hopeless(login_refused(reason, brokers)),
        Code::TopicAuthorizationFailed => hopeless(format!(
            "{place} may not be read with this login: grant it read and describe"
        )),
        // Only what was found is read, so it was there once.
        Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::UnknownTopic => {
            Verdict::Trouble(format!("{place} is gone from the broker; waiting for it"))
        }
        // The group only carries positions for dashboards.
        Code::GroupAuthorizationFailed
        | Code::CoordinatorNotAvailable
        | Code::CoordinatorLoadInProgress
        | Code::NotCoordinator
        | Code::WaitingForCoordinator => Verdict::Ignore,
        other => Verdict::Trouble(format!("{place} gives {other}; retrying")),
    }
}

/// The sentence about a login that the broker does not take.
pub(super) fn login_refused(reason: &str, brokers: &[String]) -> String {
    let (broker, why) = split(reason, brokers);
    format!(
        "broker {broker} refuses the login ({why}): check security.protocol, sasl.* and ssl.* in kafka.options"
    )
}

fn unreachable(reason: &str, brokers: &[String]) -> String {
    let (broker, why) = split(reason, brokers);
    if why.is_empty() {
        return format!("broker {broker} cannot be reached; retrying");
    }
    format!("broker {broker} cannot be reached ({why}); retrying")
}

/// librdkafka's reasons read `protocol://host:port/id: why (after 3ms in state X)`, sometimes with the
/// connection's purpose in front.
pub(super) fn split<'a>(reason: &'a str, brokers: &[String]) -> (String, &'a str) {
    let reason = reason.strip_prefix("GroupCoordinator: ").unwrap_or(reason);
    let short = |why: &'a str| why.split(" (after ").next().unwrap_or(why);
    if let Some((head, why)) = reason.split_once(": ") {
        let address = head.split_once("://").map_or(head, |(_, address)| address);
        let address = address.split('/').next().unwrap_or(address);
        if address.contains(':') {
            return (address.to_owned(), short(why));
        }
    }
    (brokers.join(", "), short(reason))
}

/// Keeps the same trouble from being told over and over.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<String, Instant>);

impl Told {
    /// May this be told now?
    pub(super) fn due(&mut self, text: &str, now: Instant) -> bool {
        self.0
            .retain(|_, told| now.duration_since(*told) < TOLD_EVERY);
        if self.0.contains_key(text) {
            return false;
        }
        self.0.insert(text.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers() -> Vec<String> {
        vec!["a:9092".to_owned(), "b:9092".to_owned()]
    }

    /// The sentence names the broker that is away, not the whole list.
    #[test]
    fn a_broker_that_is_away_is_named() {
        let reason = "sasl_ssl://a:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: \
                      Connection refused (after 0ms in state CONNECT)";
        let told = judge(
            Code::BrokerTransportFailure,
            reason,
            None,
            &brokers(),
            false,
        );
        assert_eq!(
            told,
            Verdict::Trouble(
                "broker a:9092 cannot be reached (Connect to ipv4#10.0.0.1:9092 failed: \
                 Connection refused); retrying"
                    .to_owned()
            )
        );
        let (broker, why) = split("GroupCoordinator: a:9092: Disconnected", &brokers());
        assert_eq!((broker.as_str(), why), ("a:9092", "Disconnected"));
        let told = judge(
            Code::AllBrokersDown,
            "2/2 brokers are down",
            None,
            &brokers(),
            true,
        );
        assert_eq!(
            told,
            Verdict::Trouble("no broker of a:9092, b:9092 can be reached; retrying".to_owned())
        );
    }

    /// A refused login stops a source that never worked, and only troubles one that did.
    #[test]
    fn a_refused_login_stops_only_at_first() {
        let judged = |settled| {
            judge(
                Code::Authentication,
                "a:9092/1: bad",
                None,
                &brokers(),
                settled,
            )
        };
        assert!(
            matches!(judged(false), Verdict::Fatal(text) if text.contains("a:9092 refuses the login (bad)"))
        );
        assert!(matches!(judged(true), Verdict::Trouble(_)));
    }

    /// The same trouble is told once a minute, another one at once.
    #[test]
    fn trouble_is_told_once_a_minute() {
        let (mut told, start) = (Told::default(), Instant::now());
        assert!(told.due("a is away", start));
        assert!(!told.due("a is away", start + Duration::from_secs(59)));
        assert!(told.due("b is away", start));
        assert!(told.due("a is away", start + Duration::from_secs(60)));
    }
}
