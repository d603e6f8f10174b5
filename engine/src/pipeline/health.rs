//! Blind spots as alerts of class `health`: what Nightjar could not see, and what to do about it.
//!
//! Invariant: outside the laws and the digest, since they need the wall clock; each is told once, and none
//! names anything but topics, offsets and times.

use std::collections::BTreeSet;

use nightjar_detectors::alert::{Alert, Baseline, Class, Entity, Severity, Window};
use nightjar_detectors::assemble::hash_id;
use nightjar_detectors::event::time_text;
use nightjar_detectors::time::day_text;
use nightjar_detectors::world::World;

use super::patience::Outage;
use crate::clock::Partition;

/// Times are told to five minutes.
const GRAIN_MS: i64 = 300_000;

/// What health alerts are called in filters.
pub const HEALTH_NAMES: [&str; 6] = [
    "records_lost",
    "topic_gone",
    "topic_made_anew",
    "source_silent",
    "clock_ahead",
    "not_stored",
];

/// Something that cannot be seen, or was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    /// Records were removed before they were read.
    Lost {
        partition: Partition,
        from: i64,
        to: i64,
    },
    /// A topic is not on the broker any more.
    Gone { topic: String },
    /// The topic is another one of the same name.
    Anew { topic: String },
    /// Nothing was read of it for too long.
    Silent { topic: String, since_ms: i64 },
    /// And then something was.
    HeardAgain {
        topic: String,
        since_ms: i64,
        until_ms: i64,
    },
    /// Stamps lie in the future.
    Ahead { topic: String, ahead_ms: i64 },
    /// Nothing could be stored for a while, so nothing was read.
    NotStored(Outage),
}

impl Health {
    /// What a position says that had to be given up. Nothing for a door's that lies behind the end: after a copy
    /// was restored, what there is came again.
    pub fn jump(partition: &Partition, from: i64, to: i64) -> Option<Self> {
        if from <= to {
            let partition = partition.clone();
            return Some(Health::Lost {
                partition,
                from,
                to,
            });
        }
        let topic = partition.topic.clone();
        (!partition.is_door()).then_some(Health::Anew { topic })
    }

    fn topic(&self) -> &str {
        match self {
            Health::NotStored(outage) => outage.what,
            Health::Lost { partition, .. } => &partition.topic,
            Health::Gone { topic }
            | Health::Anew { topic, .. }
            | Health::Silent { topic, .. }
            | Health::HeardAgain { topic, .. }
            | Health::Ahead { topic, .. } => topic,
        }
    }

    fn name(&self) -> &'static str {
        let [lost, gone, anew, silent, ahead, not_stored] = HEALTH_NAMES;
        match self {
            Health::Lost { .. } => lost,
            Health::Gone { .. } => gone,
            Health::Anew { .. } => anew,
            Health::Silent { .. } | Health::HeardAgain { .. } => silent,
            Health::Ahead { .. } => ahead,
            Health::NotStored(_) => not_stored,
        }
    }

    /// What tells it from others of its name and source on the same day.
    fn value(&self) -> String {
        match self {
            Health::Lost {
                partition, from, ..
            } => format!("{partition}@{from}"),
            Health::Silent { since_ms, .. } | Health::HeardAgain { since_ms, .. } => {
                since_ms.to_string()
            }
            Health::NotStored(outage) => outage.since_ms.to_string(),
            Health::Gone { .. } | Health::Anew { .. } | Health::Ahead { .. } => String::new(),
        }
    }

    fn severity(&self) -> Severity {
        match self {
            Health::Lost { .. } | Health::Gone { .. } | Health::NotStored(_) => Severity::High,
            Health::Anew { .. } | Health::Silent { .. } | Health::Ahead { .. } => Severity::Medium,
            Health::HeardAgain { .. } => Severity::Info,
        }
    }

    fn summary(&self) -> String {
        match self {
            Health::Lost {
                partition,
                from,
                to,
            } if partition.is_door() => format!(
                "{} records of {partition} (numbers {from} to {}) were lost on this machine's disk before they were read; \
                 reading goes on at {to}",
                to - from,
                to - 1
            ),
            Health::Lost {
                partition,
                from,
                to,
            } => format!(
                "up to {} records of {partition} (offsets {from} to {}) were removed from Kafka before they were read; \
                 reading goes on at {to}",
                to - from,
                to - 1
            ),
            Health::Gone { topic } => format!(
                "topic {topic} is not on the broker any more; the days of the other sources go on without it"
            ),
            Health::Anew { topic } => format!(
                "topic {topic} was made anew, or its broker has lost records; what it holds now is read from its beginning"
            ),
            Health::Silent { topic, since_ms } => {
                format!("nothing was read of {topic} since {}", time_text(*since_ms))
            }
            Health::HeardAgain {
                topic,
                since_ms,
                until_ms,
            } => format!(
                "nothing was read of {topic} from {} to {}; it is heard again",
                time_text(*since_ms),
                time_text(*until_ms)
            ),
            Health::Ahead { topic, ahead_ms } => format!(
                "records of {topic} are stamped up to {} ahead of this machine's clock; they count as arriving when read",
                span_text(*ahead_ms)
            ),
            Health::NotStored(outage) => format!(
                "{} could not be stored from {} to {}: {}; nothing was read meanwhile, and nothing is lost",
                outage.what,
                time_text(outage.since_ms),
                time_text(outage.until_ms),
                outage.error
            ),
        }
    }

    fn next_steps(&self) -> Vec<String> {
        let steps: &[&str] = match self {
            Health::Lost { partition, .. } if partition.is_door() => &[
                "check the disk of the state folder, and who may write there",
                "if the sender still has the events, send them again: what comes within its allowed lateness is judged",
            ],
            Health::Lost { .. } => &[
                "keep records for longer than the longest outage: raise retention.ms of the topic",
                "if the vendor still has the events, send them again: what comes within its allowed lateness is judged",
            ],
            Health::Gone { .. } => {
                &["make the topic again, or take it out of kafka.topics and restart"]
            }
            Health::Anew { .. } => {
                &["check who deleted the topic, and that what fills it is complete"]
            }
            Health::Silent { .. } => &[
                "check the forwarder and the vendor's export",
                "if such silence is usual, raise silent_after of this source",
            ],
            Health::HeardAgain { .. } => {
                &["check that the forwarder has caught up on what it missed"]
            }
            Health::Ahead { .. } => {
                &["check the clocks of the producers, and the unit of their timestamps"]
            }
            Health::NotStored(_) => &[
                "give the state folder room, or shorten what [retention] keeps",
                "check that the lag goes back to zero",
            ],
        };
        steps.iter().map(|step| (*step).to_owned()).collect()
    }

    fn span(&self, now_ms: i64) -> (i64, i64) {
        match self {
            Health::Silent { since_ms, .. } => (*since_ms, now_ms.max(*since_ms)),
            Health::HeardAgain {
                since_ms, until_ms, ..
            } => (*since_ms, *until_ms),
            Health::NotStored(outage) => (outage.since_ms, outage.until_ms),
            _ => (now_ms, now_ms),
        }
    }

    fn observed(&self) -> f64 {
        let count = match self {
            Health::Lost { from, to, .. } => to - from,
            Health::Silent { .. } | Health::HeardAgain { .. } => 0,
            Health::Ahead { ahead_ms, .. } => *ahead_ms,
            Health::NotStored(outage) => outage.until_ms - outage.since_ms,
            Health::Gone { .. } | Health::Anew { .. } => 1,
        };
        count as f64
    }

    fn alert(&self, world: &World, now_ms: i64) -> Alert {
        let now_ms = now_ms - now_ms.rem_euclid(GRAIN_MS);
        let (start, end) = self.span(now_ms);
        let tenant = world.settings.tenant.clone();
        let (kind, id) = match self {
            Health::NotStored(_) => ("tenant", tenant.as_str()),
            _ => ("source", self.topic()),
        };
        let entity = Entity {
            kind: kind.into(),
            id: id.to_owned(),
        };
        let day = day_text(world.calendar.day(start));
        let (name, value) = (self.name(), self.value());
        Alert {
            id: hash_id(&[&tenant, name, &entity.kind, &entity.id, &value, &day]),
            incident: hash_id(&[&tenant, &entity.kind, &entity.id, &day]),
            tenant,
            revision: 1,
            state: "open".into(),
            cursor: 0,
            class: Class::Health,
            detector: name.into(),
            severity: self.severity(),
            entity,
            also: Vec::new(),
            summary: self.summary(),
            window: Window {
                start: time_text(start),
                end: time_text(end),
            },
            detected_at: time_text(now_ms),
            first_event_time: time_text(start),
            last_event_time: time_text(end),
            event_count: 0,
            observed: self.observed(),
            approximate: false,
            expected: 0.0,
            p_value: None,
            threshold: None,
            baseline: Baseline {
                source: "policy".into(),
                days: 0,
                history: Vec::new(),
            },
            evidence: Vec::new(),
            attack: Vec::new(),
            next_steps: self.next_steps(),
            quiet: String::new(),
            suppressed: None,
            cold: false,
            history: false,
            late: false,
            config: world.settings.fingerprint.clone(),
        }
    }
}

fn span_text(millis: i64) -> String {
    let minutes = millis / 60_000;
    match minutes {
        0..=119 => format!("{minutes} minutes"),
        120..=2879 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

/// Turns what was noticed into alerts, each once.
#[derive(Debug, Default)]
pub(super) struct Nurse {
    told: BTreeSet<(String, Severity)>,
}

impl Nurse {
    /// The alerts that are new.
    pub fn alerts(&mut self, health: &[Health], world: &World, now_ms: i64) -> Vec<Alert> {
        let alerts = health.iter().map(|health| health.alert(world, now_ms));
        alerts
            .filter(|alert| self.told.insert((alert.id.clone(), alert.severity)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::setup::Setup;

    const NOW_MS: i64 = 1_772_400_000_000;

    fn alerts(nurse: &mut Nurse, health: &[Health]) -> Vec<Alert> {
        let setup = Setup::load(None::<&Path>).unwrap();
        nurse.alerts(health, &setup.world, NOW_MS)
    }

    fn partition(number: i32) -> Partition {
        Partition {
            topic: "okta".into(),
            number,
        }
    }

    /// A topic of many partitions that was made anew is one alert, lost records are one a partition.
    #[test]
    fn each_blind_spot_is_told_once() {
        let mut nurse = Nurse::default();
        let anew = [0, 1, 2].map(|number| Health::jump(&partition(number), 50, 0).unwrap());
        let told = alerts(&mut nurse, &anew);
        assert_eq!(told.len(), 1);
        assert!(!told[0].counts_for_digest());
        assert!(alerts(&mut nurse, &anew).is_empty());
        let lost = [0, 1].map(|number| Health::jump(&partition(number), 50, 80).unwrap());
        let told = alerts(&mut nurse, &lost);
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].observed, 30.0);
        assert!(
            told[0].summary.contains("offsets 50 to 79"),
            "{}",
            told[0].summary
        );
    }

    /// The end of a silence is a revision of its alert, not another one.
    #[test]
    fn the_end_of_a_silence_revises_it() {
        let mut nurse = Nurse::default();
        let (topic, since_ms) = ("okta".to_owned(), NOW_MS - 90_000_000);
        let silent = Health::Silent {
            topic: topic.clone(),
            since_ms,
        };
        let ended = Health::HeardAgain {
            topic,
            since_ms,
            until_ms: NOW_MS,
        };
        let (begun, ended) = (alerts(&mut nurse, &[silent]), alerts(&mut nurse, &[ended]));
        assert_eq!(begun[0].id, ended[0].id);
        assert!(ended[0].severity < begun[0].severity);
    }
}
