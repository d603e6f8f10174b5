//! Which sources have fallen silent, by the wall clock.
//!
//! Invariant: a silence is told once when it has lasted long enough, and once when it ends.

use std::collections::BTreeMap;

use super::health::Health;
use crate::config::Config;

/// Silence after which a source is missed, unless it sets another.
const SILENT_AFTER_MS: i64 = 24 * 3_600_000;

/// What is known of one source.
#[derive(Debug, Default)]
struct Ear {
    heard_ms: i64,
    /// Since when it is silent, once that was told.
    told_ms: Option<i64>,
}

/// Listens to all sources.
#[derive(Debug)]
pub(super) struct Silence {
    /// By source; `None`: it may be silent for ever.
    limits_ms: BTreeMap<String, Option<i64>>,
    ears: BTreeMap<String, Ear>,
}

impl Silence {
    /// Nothing was heard yet.
    pub fn new(config: &Config) -> Self {
        let limit = |source: &crate::config::Source| match source.silent_after {
            crate::config::Patience::Default => Some(SILENT_AFTER_MS),
            crate::config::Patience::Millis(millis) => Some(millis),
            crate::config::Patience::Endless => None,
        };
        let limits = config.sources.iter();
        Silence {
            limits_ms: limits
                .map(|(name, source)| (name.clone(), limit(source)))
                .collect(),
            ears: BTreeMap::new(),
        }
    }

    /// The source gave something at this time, or could not have.
    pub fn heard(&mut self, source: &str, heard_ms: i64) {
        if !self.ears.contains_key(source) {
            self.ears.insert(source.to_owned(), Ear::default());
        }
        let ear = self.ears.get_mut(source).expect("inserted above");
        ear.heard_ms = ear.heard_ms.max(heard_ms);
    }

    /// Silences that have begun or ended since the last look.
    pub fn look(&mut self, now_ms: i64) -> Vec<Health> {
        let mut health = Vec::new();
        for (topic, ear) in &mut self.ears {
            let limit_ms = self.limits_ms.get(topic).copied();
            let Some(limit_ms) = limit_ms.unwrap_or(Some(SILENT_AFTER_MS)) else {
                continue;
            };
            let (topic, heard_ms) = (topic.clone(), ear.heard_ms);
            match ear.told_ms {
                None if limit_ms <= now_ms - heard_ms => {
                    ear.told_ms = Some(heard_ms);
                    health.push(Health::Silent {
                        topic,
                        since_ms: heard_ms,
                    });
                }
                Some(since_ms) if since_ms < heard_ms => {
                    ear.told_ms = None;
                    health.push(Health::HeardAgain {
                        topic,
                        since_ms,
                        until_ms: heard_ms,
                    });
                }
                _ => {}
            }
        }
        health
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    /// A weekend of silence is told once, and so is its end.
    #[test]
    fn a_silence_is_told_once_and_so_is_its_end() {
        let mut silence = Silence::new(&Config::defaults());
        silence.heard("okta", HOUR_MS);
        silence.heard("okta", 0);
        assert!(silence.look(24 * HOUR_MS).is_empty());
        let told = silence.look(25 * HOUR_MS);
        assert!(matches!(
            &told[..],
            [Health::Silent {
                since_ms: HOUR_MS,
                ..
            }]
        ));
        assert!(silence.look(60 * HOUR_MS).is_empty());
        silence.heard("okta", 61 * HOUR_MS);
        let told = silence.look(61 * HOUR_MS);
        assert!(matches!(
            &told[..],
            [Health::HeardAgain {
                since_ms: HOUR_MS,
                ..
            }]
        ));
        assert!(silence.look(62 * HOUR_MS).is_empty());
    }

    /// Each source has its own patience.
    #[test]
    fn a_source_may_be_silent_for_longer() {
        let mut config = Config::defaults();
        let source = crate::config::Source {
            silent_after: crate::config::Patience::Endless,
            ..Default::default()
        };
        config.sources.insert("quarterly".into(), source);
        let mut silence = Silence::new(&config);
        silence.heard("quarterly", 0);
        silence.heard("okta", 0);
        assert_eq!(silence.look(1000 * HOUR_MS).len(), 1);
    }
}
