//! How well the alerts meet what is known to have happened: labels against alerts.
//!
//! A label is met when an alert that is shown names one of its detectors, its entity, and a day of the
//! tenant that the label touches.

use std::collections::BTreeMap;

use nightjar_detectors::alert::{Alert, Class};
use nightjar_detectors::time::{Calendar, Day};

use crate::generate::Label;

/// How one label fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate<'a> {
    /// The label.
    pub label: &'a Label,
    /// Detectors that met it, with the least time from the label's start to the alert, ms.
    pub met_by: BTreeMap<&'a str, i64>,
}

impl Fate<'_> {
    /// Whether any alert meets the label.
    pub fn is_met(&self) -> bool {
        !self.met_by.is_empty()
    }
}

/// What the labels say about the alerts.
#[derive(Debug, Default)]
pub struct Score<'a> {
    /// Attacks, in the order of the labels.
    pub attacks: Vec<Fate<'a>>,
    /// Harmless oddities, in the order of the labels.
    pub oddities: Vec<Fate<'a>>,
    /// Incidents shown that no attack label explains.
    pub unexplained_incidents: usize,
}

/// A file of labels that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// Cannot be read.
    #[error("labels file {0} cannot be read")]
    Io(String, #[source] std::io::Error),
    /// Not a list of labels.
    #[error(
        "labels file {0} is not a JSON list of {{id, scenario, difficulty, attack, detectors, entity, start, end}}"
    )]
    Json(String, #[source] serde_json::Error),
    /// A time is no time.
    #[error("label {0} has a start or end that is not an RFC 3339 time")]
    Time(String),
}

/// Reads a labels file.
///
/// # Errors
/// When it is not one.
pub fn read_labels(path: &std::path::Path) -> Result<Vec<Label>, LabelError> {
    let name = || path.display().to_string();
    let text = std::fs::read(path).map_err(|error| LabelError::Io(name(), error))?;
    serde_json::from_slice(&text).map_err(|error| LabelError::Json(name(), error))
}

fn time_ms(text: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.timestamp_millis())
}

/// Compares alerts with labels.
///
/// # Errors
/// When a label's times cannot be read.
pub fn score<'a>(
    labels: &'a [Label],
    alerts: impl IntoIterator<Item = &'a Alert>,
    calendar: &Calendar,
) -> Result<Score<'a>, LabelError> {
    let shown: Vec<(&Alert, Day)> = alerts
        .into_iter()
        .filter(|alert| !alert.is_muted() && alert.class == Class::Detection)
        .filter_map(|alert| Some((alert, calendar.day(time_ms(&alert.window.start)?))))
        .collect();
    let mut explained = std::collections::BTreeSet::new();
    let mut score = Score::default();
    for label in labels {
        let span = time_ms(&label.start).zip(time_ms(&label.end));
        let (start, end) = span.ok_or_else(|| LabelError::Time(label.id.clone()))?;
        let days = calendar.day(start)..=calendar.day(end.max(start));
        let mut met_by = BTreeMap::new();
        for (alert, day) in &shown {
            let names_entity = alert.entity.id == label.entity
                || alert.also.iter().any(|other| other.id == label.entity);
            if !names_entity || !days.contains(day) {
                continue;
            }
            if label.attack {
                explained.insert(&alert.incident);
            }
            if label.detectors.contains(&alert.detector) {
                let after = time_ms(&alert.detected_at).unwrap_or(end) - start;
                let least = met_by.entry(alert.detector.as_str()).or_insert(after);
                *least = after.min(*least);
            }
        }
        let fate = Fate { label, met_by };
        if label.attack {
            score.attacks.push(fate)
        } else {
            score.oddities.push(fate)
        }
    }
    let incidents: std::collections::BTreeSet<&String> =
        shown.iter().map(|(alert, _)| &alert.incident).collect();
    score.unexplained_incidents = incidents.difference(&explained).count();
    Ok(score)
}
