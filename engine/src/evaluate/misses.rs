//! Why an attack was not found, as far as it is known.
//!
//! Invariant: a reason is what was recorded while the days were judged, never a guess.

use nightjar_detectors::alert::Alert;
use nightjar_detectors::catalog;
use nightjar_detectors::company::Phase;
use nightjar_detectors::core::Score as Surprise;
use nightjar_detectors::time::{Day, day_text};
use nightjar_detectors::world::World;
use serde::Serialize;

use super::score::{Fate, Shown};

/// Days known below which somebody is judged by others.
pub const COLD_DAYS: usize = 7;

/// How surprising one day of somebody whom a label names was to one detector.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// The detector.
    pub detector: &'static str,
    /// The day.
    pub day: Day,
    /// What it was.
    pub score: Surprise,
}

/// An attack that was not found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// The label's.
    pub id: String,
    /// The label's.
    pub scenario: String,
    /// The label's.
    pub difficulty: String,
    /// The label's.
    pub entity: String,
    /// The label's.
    pub start: String,
    /// Sentences.
    pub reasons: Vec<String>,
}

/// What was recorded of a replay.
pub struct Recorded<'a> {
    /// Settings and days.
    pub world: &'a World,
    /// All alerts, muted ones too.
    pub alerts: &'a [&'a Alert],
    /// Days of those whom labels name.
    pub near: &'a [Near],
    /// Other budgets, rising, with the alerts of calibrated detectors that they give.
    pub others: &'a [(f64, Vec<&'a Shown>)],
}

impl Recorded<'_> {
    /// The attack with what is known of why it was missed.
    pub fn explain(&self, fate: &Fate<'_>) -> Missed {
        let label = &fate.known.label;
        let mut reasons = self.disabled(fate);
        reasons.extend(self.muted(fate));
        for detector in &label.detectors {
            let is_told = |reason: &String| reason.starts_with(detector.as_str());
            if !reasons.iter().any(is_told) {
                reasons.extend(self.nearest(fate, detector));
            }
        }
        reasons.extend(self.wider(fate));
        if !fate.beside.is_empty() {
            let names: Vec<&str> = fate.beside.iter().map(String::as_str).collect();
            let names = names.join(", ");
            reasons.push(format!(
                "an incident of its days was shown all the same, by {names}"
            ));
        }
        Missed {
            id: label.id.clone(),
            scenario: label.scenario.clone(),
            difficulty: label.difficulty.clone(),
            entity: label.entity.clone(),
            start: label.start.clone(),
            reasons,
        }
    }

    fn disabled(&self, fate: &Fate<'_>) -> Vec<String> {
        let enabled = self.world.enabled();
        let is_on = |name: &&String| enabled.iter().any(|(entry, ..)| entry.name == **name);
        let off = fate
            .known
            .label
            .detectors
            .iter()
            .filter(|name| !is_on(name));
        off.map(|name| format!("{name} is disabled")).collect()
    }

    /// Alerts that would have met it.
    fn muted(&self, fate: &Fate<'_>) -> Vec<String> {
        let (label, calendar) = (&fate.known.label, &self.world.calendar);
        let days = fate.known.days(calendar);
        let mut reasons = Vec::new();
        for alert in self.alerts {
            let mut names = std::iter::once(&alert.entity).chain(&alert.also);
            let is_it = label.detectors.contains(&alert.detector)
                && names.any(|entity| entity.id == label.entity);
            let start = chrono::DateTime::parse_from_rfc3339(&alert.window.start);
            let is_then = start.is_ok_and(|at| days.contains(&calendar.day(at.timestamp_millis())));
            let muted = alert.suppressed.as_ref().filter(|_| alert.is_muted());
            if let Some(muted) = muted.filter(|_| is_it && is_then) {
                let (detector, reason, by) = (&alert.detector, &muted.reason, &muted.by);
                reasons.push(format!("{detector} said it, muted: {reason} ({by})"));
            }
        }
        reasons.sort();
        reasons.dedup();
        reasons
    }

    /// The budget that would have found it.
    fn wider(&self, fate: &Fate<'_>) -> Option<String> {
        let (label, calendar) = (&fate.known.label, &self.world.calendar);
        let meets = |alert: &&Shown| {
            label.detectors.contains(&alert.detector) && alert.touches(fate.known, calendar)
        };
        let configured = self.world.settings.budget_per_day;
        let mut wider = self
            .others
            .iter()
            .filter(|(budget, _)| configured < *budget);
        let (budget, _) = wider.find(|(_, shown)| shown.iter().any(&meets))?;
        Some(format!("a budget of {budget:.1} a day would have shown it"))
    }

    /// The day of it that came nearest to the threshold of one detector.
    fn nearest(&self, fate: &Fate<'_>, detector: &str) -> Option<String> {
        let (entry, label) = (catalog::entry(detector)?, &fate.known.label);
        let enabled = self.world.enabled();
        let (_, _, lag) = enabled.iter().find(|(on, ..)| on.name == detector)?;
        if !entry.statistical {
            return Some(format!("nothing met what {detector} looks for"));
        }
        let days = fate.known.days(&self.world.calendar);
        let theirs = self
            .near
            .iter()
            .filter(|near| near.detector == detector && *near.score.who.name == *label.entity);
        let ratio = |near: &&Near| near.score.p / near.score.alpha;
        let within = theirs.clone().filter(|near| days.contains(&near.day));
        let Some(near) = within.min_by(|a, b| ratio(a).total_cmp(&ratio(b))) else {
            return Some(format!(
                "{detector} judged no day of it: it read nothing of {} then, or knew too few like them",
                label.entity
            ));
        };
        let known = theirs.filter(|other| other.day <= near.day - lag).count();
        let (score, day) = (&near.score, day_text(near.day));
        let cold = match known {
            ..COLD_DAYS => format!("cold: {known} days judged before"),
            _ => format!("{known} days judged before"),
        };
        let phase = match score.phase {
            Phase::Ledger => ", in the first week of judging",
            Phase::Early => ", in the second week of judging",
            Phase::Full => "",
        };
        Some(format!(
            "{detector} came to p {} on {day}, where {} alerts ({cold}{phase})",
            small(score.p),
            small(score.alpha)
        ))
    }
}

/// A probability in two digits.
fn small(p: f64) -> String {
    match p {
        0.01.. => format!("{p:.2}"),
        _ => format!("{p:.1e}"),
    }
}
