//! An incident: what a person reads. All that was found about one principal on one day, as one story.
//!
//! Invariant: a pure function of the alerts, in whatever order they come; it holds no state of its own
//! and changes no alert.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Class, Entity, Severity, four_digits};
use crate::catalog;
use crate::exception::Decision;
use crate::model::combine::combine;

/// Families of evidence, in the order in which they are told.
const FAMILIES: [&str; 6] = ["access", "place", "device", "time", "volume", "privilege"];

/// What an incident tells at most of each: a person reads no more, and it has to fit into a message.
const TOLD_MAX: usize = 50;

/// The p that stands for a statement without one (physics, policy, rules), by its severity: how often
/// an ordinary day of an ordinary person should give such a statement.
const NOMINAL_P: [f64; 5] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-6];

/// All that was found about one principal on one day of the tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// `incident` of its alerts.
    pub id: String,
    /// The company.
    pub tenant: String,
    /// The largest cursor of its alerts: it moves when one of them does. 0 outside a store.
    #[serde(default)]
    pub cursor: u64,
    /// `open`, or `withdrawn` when nothing of it is shown any more.
    pub state: String,
    /// The highest of its alerts; one step more, up to high, when two families or more speak at medium
    /// or above.
    pub severity: Severity,
    /// -log10 of the combined p of its families: 3 is one day in a thousand. Four digits.
    pub score: f64,
    /// The principal.
    pub entity: Entity,
    /// Others that its alerts name, sorted.
    pub also: Vec<Entity>,
    /// The gravest finding, and how many more there are.
    pub summary: String,
    /// The families that speak, each once.
    pub families: Vec<Family>,
    /// Its alerts, muted ones too.
    pub alert_count: u32,
    /// Its alerts in the order of their first events; of more than 50 the gravest.
    pub story: Vec<Chapter>,
    /// The earliest `detected_at` of its shown alerts.
    pub detected_at: String,
    /// Of all its events.
    pub first_event_time: String,
    /// Of all its events.
    pub last_event_time: String,
    /// ATT&CK techniques of its shown alerts, sorted.
    pub attack: Vec<String>,
    /// What to do next, each once, the gravest finding's first.
    pub next_steps: Vec<String>,
    /// Made while reading what a topic held before the first start.
    #[serde(default)]
    pub history: bool,
}

/// One family of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// access, place, device, time, volume or privilege.
    pub name: String,
    /// The detectors that speak, sorted.
    pub detectors: Vec<String>,
    /// The smallest p of its alerts; for statements without one the p that stands for their severity.
    pub p_value: f64,
}

/// One alert of the story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chapter {
    /// First event.
    pub time: String,
    /// The alert's id.
    pub alert: String,
    /// Who says it.
    pub detector: String,
    /// The alert's own severity.
    pub severity: Severity,
    /// The alert's sentence.
    pub summary: String,
    /// Why the alert by itself is not shown: `evidence`, `repeat`, …; empty for a shown one.
    pub muted: String,
}

/// The incidents of these alerts, by the time of their first event, then by id. Alerts that are not
/// detections, and principals of whom nothing is shown, make none.
pub fn incidents<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Vec<Incident> {
    let mut by_id = BTreeMap::<&str, Vec<&Alert>>::new();
    for alert in alerts {
        by_id.entry(&alert.incident).or_default().push(alert);
    }
    let mut incidents: Vec<Incident> = by_id
        .into_values()
        .filter_map(|alerts| Incident::of(&alerts))
        .filter(|incident| incident.state == "open")
        .collect();
    incidents.sort_by(|a, b| (&a.first_event_time, &a.id).cmp(&(&b.first_event_time, &b.id)));
    incidents
}

impl Incident {
    /// The incident of these alerts, which share its id; `None` when no detection is among them.
    pub fn of(alerts: &[&Alert]) -> Option<Incident> {
        let mut all: Vec<&Alert> = alerts
            .iter()
            .copied()
            .filter(|alert| alert.class == Class::Detection)
            .collect();
        all.sort_by(|a, b| (&a.first_event_time, &a.id).cmp(&(&b.first_event_time, &b.id)));
        let shown: Vec<&Alert> = all.iter().copied().filter(|a| !a.is_muted()).collect();
        // What is only evidence for others, or expected by itself, speaks where something else does.
        let mut telling = all.clone();
        telling.retain(|alert| !alert.is_muted() || is_evidence(alert));
        let is_open = !shown.is_empty();
        let (first, told) = match is_open {
            true => (shown[0], &shown),
            false => (*all.first()?, &all),
        };
        let gravest = *told.iter().rev().max_by_key(|alert| weight(alert))?;
        let families = families(if is_open { &telling } else { &[] });
        let mut steps = gravest.next_steps.clone();
        for step in told.iter().flat_map(|alert| &alert.next_steps) {
            if steps.len() < TOLD_MAX && !steps.contains(step) {
                steps.push(step.clone());
            }
        }
        let also: BTreeSet<Entity> = told
            .iter()
            .flat_map(|alert| alert.also.iter().cloned())
            .collect();
        let attack: BTreeSet<&String> = told.iter().flat_map(|alert| &alert.attack).collect();
        Some(Incident {
            id: first.incident.clone(),
            tenant: first.tenant.clone(),
            cursor: all.iter().map(|alert| alert.cursor).max().unwrap_or(0),
            state: if is_open { "open" } else { "withdrawn" }.to_owned(),
            severity: severity(&shown),
            score: score(&families),
            entity: gravest.entity.clone(),
            also: also.into_iter().take(TOLD_MAX).collect(),
            summary: summary(gravest, told),
            families,
            alert_count: u32::try_from(all.len()).unwrap_or(u32::MAX),
            story: story(&all),
            detected_at: least(told, |alert| &alert.detected_at),
            first_event_time: least(told, |alert| &alert.first_event_time),
            last_event_time: told
                .iter()
                .map(|alert| alert.last_event_time.clone())
                .max()
                .unwrap_or_default(),
            attack: attack.into_iter().cloned().collect(),
            next_steps: steps,
            history: told.iter().all(|alert| alert.history),
        })
    }
}

fn is_evidence(alert: &Alert) -> bool {
    let suppressed = alert.suppressed.as_ref();
    let is_it = |reason: &str| reason == "evidence" || Decision::is_reason(reason);
    suppressed.is_some_and(|suppressed| is_it(&suppressed.reason))
}

fn least(alerts: &[&Alert], of: impl Fn(&Alert) -> &String) -> String {
    let all = alerts.iter().map(|alert| of(alert).clone());
    all.min().unwrap_or_default()
}

/// Severity first, then surprise in tenths of a power of ten: what people should read first.
fn weight(alert: &Alert) -> (Severity, u64) {
    (alert.severity, (-p(alert).log10() * 10.0).round() as u64)
}

fn p(alert: &Alert) -> f64 {
    let nominal = NOMINAL_P[alert.severity as usize];
    alert.p_value.unwrap_or(nominal).max(f64::MIN_POSITIVE)
}

fn family_of(alert: &Alert) -> &'static str {
    catalog::entry(&alert.detector).map_or("access", |entry| entry.family)
}

fn families(telling: &[&Alert]) -> Vec<Family> {
    let speaks = |name: &'static str| {
        let of: Vec<&&Alert> = telling.iter().filter(|a| family_of(a) == name).collect();
        let detectors: BTreeSet<&String> = of.iter().map(|alert| &alert.detector).collect();
        (!of.is_empty()).then(|| Family {
            name: name.to_owned(),
            detectors: detectors.into_iter().cloned().collect(),
            p_value: four_digits(of.iter().map(|alert| p(alert)).fold(1.0, f64::min)),
        })
    };
    FAMILIES.into_iter().filter_map(speaks).collect()
}

/// Every family is asked about every principal; one that is silent counts for nothing.
fn score(families: &[Family]) -> f64 {
    if families.is_empty() {
        return 0.0;
    }
    let mut ps: Vec<f64> = families.iter().map(|family| family.p_value).collect();
    ps.resize(FAMILIES.len(), 1.0);
    four_digits((-combine(&ps).log10()).max(0.0))
}

fn severity(shown: &[&Alert]) -> Severity {
    let highest = shown.iter().map(|alert| alert.severity).max();
    let grave = shown.iter().filter(|a| Severity::Medium <= a.severity);
    let families: BTreeSet<&str> = grave.map(|alert| family_of(alert)).collect();
    match highest {
        Some(Severity::Medium) if 1 < families.len() => Severity::High,
        highest => highest.unwrap_or(Severity::Info),
    }
}

fn summary(gravest: &Alert, told: &[&Alert]) -> String {
    let others: BTreeSet<&str> = told
        .iter()
        .filter(|alert| alert.id != gravest.id)
        .map(|alert| alert.detector.as_str())
        .collect();
    if others.is_empty() {
        return gravest.summary.clone();
    }
    let names: Vec<&str> = others.into_iter().collect();
    format!("{}; also {}", gravest.summary, names.join(", "))
}

/// In the order of `all`: what is shown goes before what is muted, the grave before the rest.
fn story(all: &[&Alert]) -> Vec<Chapter> {
    let mut places: Vec<usize> = (0..all.len()).collect();
    places.sort_by_key(|at| (all[*at].is_muted(), std::cmp::Reverse(weight(all[*at]))));
    places.truncate(TOLD_MAX);
    places.sort_unstable();
    places.into_iter().map(|at| chapter(all[at])).collect()
}

fn chapter(alert: &Alert) -> Chapter {
    let suppressed = alert.suppressed.as_ref().filter(|_| alert.is_muted());
    Chapter {
        time: alert.first_event_time.clone(),
        alert: alert.id.clone(),
        detector: alert.detector.clone(),
        severity: alert.severity,
        summary: alert.summary.clone(),
        muted: suppressed.map_or_else(String::new, |suppressed| suppressed.reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Suppressed;

    fn alert(detector: &str, severity: Severity, minute: u32) -> Alert {
        let time = format!("2026-03-02T10:{minute:02}:00Z");
        let json = serde_json::json!({
            "id": format!("{detector}-{minute}"), "incident": "i", "tenant": "example", "class": "detection",
            "detector": detector, "severity": severity, "entity": {"kind": "user", "id": "ana@example.com"},
            "also": [], "summary": format!("{detector} spoke"), "window": {"start": time, "end": time},
            "detected_at": time, "first_event_time": time, "last_event_time": time, "event_count": 1,
            "observed": 1.0, "approximate": false, "expected": 0.0, "p_value": null, "threshold": null,
            "baseline": {"source": "policy", "days": 0, "history": []}, "evidence": [], "attack": ["T1078"],
            "next_steps": [format!("ask about {detector}"), "ask the user"], "suppressed": null,
            "cold": false, "config": "c",
        });
        serde_json::from_value(json).expect("an alert")
    }

    fn muted(mut alert: Alert, reason: &str) -> Alert {
        alert.suppressed = Some(Suppressed {
            effect: "muted".into(),
            reason: reason.into(),
            by: "x".into(),
        });
        alert
    }

    /// A stolen session: three families, told in the order of events, with one severity.
    #[test]
    fn one_story_of_one_day() {
        let all = [
            alert("mass_download", Severity::Medium, 30),
            muted(alert("new_device", Severity::Low, 11), "evidence"),
            alert("unusual_location", Severity::Medium, 10),
            muted(alert("off_hours_login", Severity::Low, 10), "repeat"),
        ];
        let found = incidents(&all);
        let [incident] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(incident.severity, Severity::High);
        let families: Vec<&str> = incident.families.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(families, ["place", "device", "volume"]);
        let told: Vec<(&str, &str)> = incident
            .story
            .iter()
            .map(|chapter| (chapter.detector.as_str(), chapter.muted.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("off_hours_login", "repeat"),
                ("unusual_location", ""),
                ("new_device", "evidence"),
                ("mass_download", "")
            ]
        );
        assert_eq!(
            incident.summary,
            "unusual_location spoke; also mass_download"
        );
        assert_eq!(incident.next_steps.len(), 3);
        assert_eq!(incident.first_event_time, "2026-03-02T10:10:00Z");
        let mut reversed = all.to_vec();
        reversed.reverse();
        assert_eq!(incidents(&reversed), found);
    }

    /// However much was found, an incident stays readable, and its gravest findings are in it.
    #[test]
    fn of_very_many_the_gravest_are_told() {
        let minor = (0..200).map(|n| alert("off_hours_login", Severity::Low, n % 60));
        let minor = minor.enumerate().map(|(n, alert)| Alert {
            id: format!("{n:03}"),
            next_steps: vec![format!("step {n}")],
            ..alert
        });
        let mut all: Vec<Alert> = minor.collect();
        all.push(alert("mass_download", Severity::High, 59));
        let found = incidents(&all);
        assert_eq!(found[0].alert_count, 201);
        assert_eq!((found[0].story.len(), found[0].next_steps.len()), (50, 50));
        let is_told = |chapter: &Chapter| chapter.detector == "mass_download";
        assert!(found[0].story.iter().any(is_told));
    }

    /// More families never lower the score, and one finding alone keeps its own severity.
    #[test]
    fn a_second_family_adds() {
        let one = alert("mass_download", Severity::Medium, 1);
        let other = alert("unusual_location", Severity::Low, 2);
        let alone = Incident::of(&[&one]).expect("an incident");
        let both = Incident::of(&[&one, &other]).expect("an incident");
        assert_eq!(alone.severity, Severity::Medium);
        assert_eq!(both.severity, Severity::Medium);
        assert!(alone.score < both.score, "{} {}", alone.score, both.score);
    }

    /// Nothing shown is no incident, but whoever was told of it learns that it is withdrawn.
    #[test]
    fn what_is_muted_is_withdrawn() {
        let alone = muted(alert("new_device", Severity::Low, 1), "evidence");
        assert_eq!(incidents([&alone]), []);
        let withdrawn = Incident::of(&[&alone]).expect("known");
        assert_eq!(
            (withdrawn.state.as_str(), withdrawn.score),
            ("withdrawn", 0.0)
        );
        let mut posture = alert("posture", Severity::Info, 1);
        posture.class = Class::Posture;
        assert_eq!(Incident::of(&[&posture]), None);
    }
}
