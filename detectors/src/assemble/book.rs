//! The alerts of the last two weeks of closed days: what a new alert may repeat.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Claims;
use crate::alert::{Alert, Class, Severity};
use crate::time::Day;
use crate::verdict::Verdict;
use crate::world::Who;

/// Days within which the same alert again is a repeat.
const REPEAT_DAYS: Day = 14;

/// Unmuted alerts by (detector, principal and value), with the day and how strong each was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book(BTreeMap<(String, String), Vec<(Day, u32)>>);

impl Book {
    /// The latest day of the last 14 closed ones with an unmuted alert of the same detector,
    /// principal and value that was at least as surprising.
    pub fn repeats(&self, detector: &str, day: Day, who: &Who, verdict: &Verdict) -> Option<Day> {
        let known = self.0.get(&(detector.to_owned(), key(who, verdict)))?;
        let stronger = |(at, strength): &&(Day, u32)| {
            (day - REPEAT_DAYS..day).contains(at) && self::strength(verdict) <= *strength
        };
        known.iter().filter(stronger).map(|(at, _)| *at).max()
    }

    /// Enters a closed day's alerts. Gives the number of principals with an unmuted one.
    pub fn enter(&mut self, detector: &str, day: Day, claims: &Claims, alerts: &[Alert]) -> u64 {
        let shown: BTreeMap<(&str, &str), Severity> = alerts
            .iter()
            .filter(|alert| !alert.is_muted())
            .map(|alert| {
                (
                    (alert.entity.id.as_str(), alert.summary.as_str()),
                    alert.severity,
                )
            })
            .collect();
        let mut principals = BTreeSet::new();
        for (who, verdicts) in claims {
            for verdict in verdicts {
                let id = verdict
                    .about
                    .as_ref()
                    .map_or(&*who.name, |about| about.id.as_str());
                if let Some(severity) = shown.get(&(id, verdict.summary.as_str())) {
                    // What is low by itself is evidence for others, and takes no part of the budget.
                    if verdict.class == Class::Detection && Severity::Medium <= *severity {
                        principals.insert(id);
                    }
                    let entry = self
                        .0
                        .entry((detector.to_owned(), key(who, verdict)))
                        .or_default();
                    entry.push((day, strength(verdict)));
                }
            }
        }
        self.0.retain(|(of, _), days| {
            if of == detector {
                days.retain(|(at, _)| day - REPEAT_DAYS < *at);
            }
            !days.is_empty()
        });
        principals.len() as u64
    }
}

impl Book {
    /// Removes all alerts of a principal; how many.
    pub fn forget(&mut self, name: &str) -> usize {
        let before = self.0.len();
        // The second line of a key is the principal, the third what the alert is about instead.
        self.0
            .retain(|(_, key), _| key.split('\n').skip(1).take(2).all(|part| part != name));
        before - self.0.len()
    }
}

fn key(who: &Who, verdict: &Verdict) -> String {
    let about = verdict.about.as_ref().map_or("", |about| about.id.as_str());
    format!(
        "{:?}\n{}\n{about}\n{}",
        who.stream,
        who.name,
        verdict.repeats_as()
    )
}

fn strength(verdict: &Verdict) -> u32 {
    verdict.surprise.unwrap_or(verdict.severity as u32)
}
