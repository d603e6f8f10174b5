//! How well alerts meet what is known to have happened: labels against alerts.
//!
//! A label is met when an alert that is shown names one of its detectors, its entity, and a day of the
//! tenant that the label touches. An incident that no attack explains is false; what it is about, a harmless
//! oddity may explain.

use std::collections::{BTreeMap, BTreeSet};

use nightjar_detectors::alert::{Alert, Class};
use nightjar_detectors::time::{Calendar, Day};

use super::labels::Labelled;

/// What counts of an alert that is shown as something done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The detector.
    pub detector: String,
    /// The tenant's day.
    pub day: Day,
    /// The principal, and the others it is about.
    pub names: Vec<String>,
    /// The incident.
    pub incident: String,
    /// When it was due, ms.
    pub detected_at: i64,
}

impl Shown {
    /// `None` of what is muted, and of what nobody did: a blind spot, a standing weakness.
    pub fn of(alert: &Alert, calendar: &Calendar) -> Option<Shown> {
        if alert.is_muted() || alert.class != Class::Detection {
            return None;
        }
        let time = |text: &str| {
            let time = chrono::DateTime::parse_from_rfc3339(text).ok();
            time.map(|at| at.timestamp_millis())
        };
        let names = std::iter::once(&alert.entity).chain(&alert.also);
        Some(Shown {
            detector: alert.detector.clone(),
            day: calendar.day(time(&alert.window.start)?),
            names: names.map(|entity| entity.id.clone()).collect(),
            incident: alert.incident.clone(),
            detected_at: time(&alert.detected_at)?,
        })
    }

    /// Whether it is about whom and when a label is.
    pub fn touches(&self, known: &Labelled, calendar: &Calendar) -> bool {
        self.names.contains(&known.label.entity) && known.days(calendar).contains(&self.day)
    }
}

/// How one label fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate<'a> {
    /// The label.
    pub known: &'a Labelled,
    /// Detectors that met it, with the least time from the label's start to the alert, ms.
    pub met_by: BTreeMap<String, i64>,
    /// Other detectors with an alert about the same entity on a day of it.
    pub beside: BTreeSet<String>,
}

impl Fate<'_> {
    /// Whether any alert meets the label.
    pub fn is_met(&self) -> bool {
        !self.met_by.is_empty()
    }

    /// Time from the start to the first alert that meets it, ms.
    pub fn time_ms(&self) -> Option<i64> {
        self.met_by.values().min().copied()
    }
}

/// An incident that no attack explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FalseIncident {
    /// The scenario of the harmless oddity that explains it; `None` where nothing does.
    pub cause: Option<String>,
    /// Who made it.
    pub detectors: BTreeSet<String>,
}

/// What the labels say about the alerts.
#[derive(Debug, Default)]
pub struct Score<'a> {
    /// Attacks, in the order of the labels.
    pub attacks: Vec<Fate<'a>>,
    /// Harmless oddities, in the order of the labels.
    pub oddities: Vec<Fate<'a>>,
    /// By id.
    pub false_incidents: Vec<FalseIncident>,
    /// All incidents.
    pub incidents: usize,
}

/// Compares alerts with labels.
pub fn score<'a>(labels: &'a [Labelled], shown: &[&Shown], calendar: &Calendar) -> Score<'a> {
    let mut by_name = BTreeMap::<&str, Vec<&Shown>>::new();
    let mut incidents = BTreeMap::<&str, BTreeSet<String>>::new();
    for alert in shown {
        for name in &alert.names {
            by_name.entry(name).or_default().push(alert);
        }
        let detectors = incidents.entry(&alert.incident).or_default();
        detectors.insert(alert.detector.clone());
    }
    let (mut explained, mut causes) = (BTreeSet::new(), BTreeMap::new());
    let mut score = Score {
        incidents: incidents.len(),
        ..Score::default()
    };
    for known in labels {
        let (mut met_by, mut beside) = (BTreeMap::new(), BTreeSet::new());
        let label = &known.label;
        let about = by_name.get(label.entity.as_str()).into_iter().flatten();
        for alert in about.filter(|alert| alert.touches(known, calendar)) {
            if label.attack {
                explained.insert(alert.incident.as_str());
            } else {
                let incident = alert.incident.as_str();
                causes.entry(incident).or_insert(&label.scenario);
            }
            if !label.detectors.contains(&alert.detector) {
                beside.insert(alert.detector.clone());
                continue;
            }
            let after = (alert.detected_at - known.start).max(0);
            let least = met_by.entry(alert.detector.clone()).or_insert(after);
            *least = after.min(*least);
        }
        let fates = match label.attack {
            true => &mut score.attacks,
            false => &mut score.oddities,
        };
        fates.push(Fate {
            known,
            met_by,
            beside,
        });
    }
    let is_false = |(incident, _): &(&str, _)| !explained.contains(incident);
    let all = incidents.into_iter().filter(is_false);
    score.false_incidents = all
        .map(|(incident, detectors)| FalseIncident {
            cause: causes.get(incident).map(|cause| (*cause).clone()),
            detectors,
        })
        .collect();
    score
}
