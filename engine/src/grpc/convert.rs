//! Between the engine's alerts and their protobuf messages.
//!
//! Invariant: there and back loses nothing, not a bit of a number: the digest over the wire is the digest
//! over the store.

use nightjar_detectors::alert::{
    Alert, Baseline, Class, Entity, Evidence, Severity, Suppressed, Window,
};
use nightjar_detectors::incident::{Chapter, Family, Incident};
use nightjar_proto::v1 as pb;

use crate::store::alerts::Filter;

/// A message that is not an alert of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the service sent an alert or incident without {0}; use a client of the service's version")]
pub struct ConvertError(&'static str);

/// The message of an alert.
pub fn to_message(alert: Alert) -> pb::Alert {
    pb::Alert {
        id: alert.id,
        incident: alert.incident,
        tenant: alert.tenant,
        revision: alert.revision,
        state: alert.state,
        cursor: alert.cursor,
        class: class_to_message(alert.class).into(),
        detector: alert.detector,
        severity: severity_to_message(alert.severity).into(),
        entity: Some(entity_to_message(alert.entity)),
        also: alert.also.into_iter().map(entity_to_message).collect(),
        summary: alert.summary,
        window: Some(pb::Window {
            start: alert.window.start,
            end: alert.window.end,
        }),
        detected_at: alert.detected_at,
        first_event_time: alert.first_event_time,
        last_event_time: alert.last_event_time,
        event_count: alert.event_count,
        observed: alert.observed,
        approximate: alert.approximate,
        expected: alert.expected,
        p_value: alert.p_value,
        threshold: alert.threshold,
        baseline: Some(pb::Baseline {
            source: alert.baseline.source,
            days: alert.baseline.days,
            history: alert.baseline.history,
        }),
        evidence: alert
            .evidence
            .into_iter()
            .map(evidence_to_message)
            .collect(),
        attack: alert.attack,
        next_steps: alert.next_steps,
        quiet: alert.quiet,
        suppressed: alert.suppressed.map(|suppressed| pb::Suppressed {
            effect: suppressed.effect,
            reason: suppressed.reason,
            by: suppressed.by,
        }),
        cold: alert.cold,
        history: alert.history,
        late: alert.late,
        config: alert.config,
    }
}

/// The alert of a message.
///
/// # Errors
/// When a part is missing that every alert has.
pub fn to_alert(message: pb::Alert) -> Result<Alert, ConvertError> {
    let class = class_to_alert(message.class()).ok_or(ConvertError("a class"))?;
    let severity = severity_to_alert(message.severity()).ok_or(ConvertError("a severity"))?;
    let entity = message.entity.ok_or(ConvertError("an entity"))?;
    let window = message.window.ok_or(ConvertError("a window"))?;
    let baseline = message.baseline.ok_or(ConvertError("a baseline"))?;
    Ok(Alert {
        id: message.id,
        incident: message.incident,
        tenant: message.tenant,
        revision: message.revision,
        state: message.state,
        cursor: message.cursor,
        class,
        detector: message.detector,
        severity,
        entity: entity_to_alert(entity),
        also: message.also.into_iter().map(entity_to_alert).collect(),
        summary: message.summary,
        window: Window {
            start: window.start,
            end: window.end,
        },
        detected_at: message.detected_at,
        first_event_time: message.first_event_time,
        last_event_time: message.last_event_time,
        event_count: message.event_count,
        observed: message.observed,
        approximate: message.approximate,
        expected: message.expected,
        p_value: message.p_value,
        threshold: message.threshold,
        baseline: Baseline {
            source: baseline.source,
            days: baseline.days,
            history: baseline.history,
        },
        evidence: message
            .evidence
            .into_iter()
            .map(evidence_to_alert)
            .collect(),
        attack: message.attack,
        next_steps: message.next_steps,
        quiet: message.quiet,
        suppressed: message.suppressed.map(|suppressed| Suppressed {
            effect: suppressed.effect,
            reason: suppressed.reason,
            by: suppressed.by,
        }),
        cold: message.cold,
        history: message.history,
        late: message.late,
        config: message.config,
    })
}

/// The message of an incident.
pub fn incident_to_message(incident: Incident) -> pb::Incident {
    pb::Incident {
        id: incident.id,
        tenant: incident.tenant,
        cursor: incident.cursor,
        state: incident.state,
        severity: severity_to_message(incident.severity).into(),
        score: incident.score,
        entity: Some(entity_to_message(incident.entity)),
        also: incident.also.into_iter().map(entity_to_message).collect(),
        summary: incident.summary,
        families: incident
            .families
            .into_iter()
            .map(|family| pb::Family {
                name: family.name,
                detectors: family.detectors,
                p_value: family.p_value,
            })
            .collect(),
        alert_count: incident.alert_count,
        story: incident.story.into_iter().map(chapter_to_message).collect(),
        detected_at: incident.detected_at,
        first_event_time: incident.first_event_time,
        last_event_time: incident.last_event_time,
        attack: incident.attack,
        next_steps: incident.next_steps,
        history: incident.history,
    }
}

/// The incident of a message.
///
/// # Errors
/// When a part is missing that every incident has.
pub fn to_incident(message: pb::Incident) -> Result<Incident, ConvertError> {
    let severity = severity_to_alert(message.severity()).ok_or(ConvertError("a severity"))?;
    let entity = message.entity.ok_or(ConvertError("an entity"))?;
    let story = message.story.into_iter().map(to_chapter);
    Ok(Incident {
        id: message.id,
        tenant: message.tenant,
        cursor: message.cursor,
        state: message.state,
        severity,
        score: message.score,
        entity: entity_to_alert(entity),
        also: message.also.into_iter().map(entity_to_alert).collect(),
        summary: message.summary,
        families: message
            .families
            .into_iter()
            .map(|family| Family {
                name: family.name,
                detectors: family.detectors,
                p_value: family.p_value,
            })
            .collect(),
        alert_count: message.alert_count,
        story: story.collect::<Result<_, _>>()?,
        detected_at: message.detected_at,
        first_event_time: message.first_event_time,
        last_event_time: message.last_event_time,
        attack: message.attack,
        next_steps: message.next_steps,
        history: message.history,
    })
}

fn chapter_to_message(chapter: Chapter) -> pb::Chapter {
    pb::Chapter {
        time: chapter.time,
        alert: chapter.alert,
        detector: chapter.detector,
        severity: severity_to_message(chapter.severity).into(),
        summary: chapter.summary,
        muted: chapter.muted,
    }
}

fn to_chapter(message: pb::Chapter) -> Result<Chapter, ConvertError> {
    Ok(Chapter {
        severity: severity_to_alert(message.severity()).ok_or(ConvertError("a severity"))?,
        time: message.time,
        alert: message.alert,
        detector: message.detector,
        summary: message.summary,
        muted: message.muted,
    })
}

/// The message of a filter.
pub fn filter_to_message(filter: Filter) -> pb::Filter {
    pb::Filter {
        min_severity: severity_to_message(filter.severity_min).into(),
        detectors: filter.detectors,
        entity: filter.entity.unwrap_or_default(),
        include_muted: filter.muted,
    }
}

/// The filter of a message; without one, all that is not muted.
pub fn to_filter(message: Option<pb::Filter>, withdrawn: bool) -> Filter {
    let message = message.unwrap_or_default();
    Filter {
        severity_min: severity_to_alert(message.min_severity()).unwrap_or(Severity::Info),
        detectors: message.detectors,
        entity: Some(message.entity).filter(|entity| !entity.is_empty()),
        muted: message.include_muted,
        withdrawn,
    }
}

fn entity_to_message(entity: Entity) -> pb::Entity {
    pb::Entity {
        kind: entity.kind,
        id: entity.id,
    }
}

fn entity_to_alert(message: pb::Entity) -> Entity {
    Entity {
        kind: message.kind,
        id: message.id,
    }
}

fn evidence_to_message(evidence: Evidence) -> pb::Evidence {
    pb::Evidence {
        uid: evidence.uid,
        time: evidence.time,
        source: evidence.source,
        position: evidence.position,
    }
}

fn evidence_to_alert(message: pb::Evidence) -> Evidence {
    Evidence {
        time: message.time,
        uid: message.uid,
        source: message.source,
        position: message.position,
    }
}

fn class_to_message(class: Class) -> pb::Class {
    match class {
        Class::Detection => pb::Class::Detection,
        Class::Posture => pb::Class::Posture,
        Class::Health => pb::Class::Health,
    }
}

fn class_to_alert(class: pb::Class) -> Option<Class> {
    match class {
        pb::Class::Unspecified => None,
        pb::Class::Detection => Some(Class::Detection),
        pb::Class::Posture => Some(Class::Posture),
        pb::Class::Health => Some(Class::Health),
    }
}

fn severity_to_message(severity: Severity) -> pb::Severity {
    match severity {
        Severity::Info => pb::Severity::Info,
        Severity::Low => pb::Severity::Low,
        Severity::Medium => pb::Severity::Medium,
        Severity::High => pb::Severity::High,
        Severity::Critical => pb::Severity::Critical,
    }
}

fn severity_to_alert(severity: pb::Severity) -> Option<Severity> {
    match severity {
        pb::Severity::Unspecified => None,
        pb::Severity::Info => Some(Severity::Info),
        pb::Severity::Low => Some(Severity::Low),
        pb::Severity::Medium => Some(Severity::Medium),
        pb::Severity::High => Some(Severity::High),
        pb::Severity::Critical => Some(Severity::Critical),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::tests::{alert, muted};
    use nightjar_proto::prost::Message;
    use proptest::prelude::*;

    fn round_trip(alert: Alert) -> Alert {
        let bytes = to_message(alert).encode_to_vec();
        to_alert(pb::Alert::decode(bytes.as_slice()).unwrap()).unwrap()
    }

    /// Every word of the enums, and every field with and without a value.
    #[test]
    fn a_round_trip_loses_nothing() {
        for severity in Severity::ALL {
            for class in [Class::Detection, Class::Posture, Class::Health] {
                let one = Alert {
                    severity,
                    class,
                    cursor: 9,
                    revision: 3,
                    ..alert("a", 1)
                };
                assert_eq!(round_trip(one.clone()), one);
            }
        }
        let mut other = muted(alert("b", 2));
        (other.p_value, other.threshold) = (None, Some(0.0));
        (other.history, other.late, other.approximate, other.cold) = (true, true, false, false);
        other.also.clear();
        other.baseline.history.clear();
        assert_eq!(round_trip(other.clone()), other);
    }

    #[test]
    fn a_round_trip_loses_nothing_of_an_incident() {
        let (one, two) = (alert("a", 1), muted(alert("b", 2)));
        let incident = Incident::of(&[&one, &two]).unwrap();
        let bytes = incident_to_message(incident.clone()).encode_to_vec();
        let back = pb::Incident::decode(bytes.as_slice()).unwrap();
        assert_eq!(to_incident(back), Ok(incident));
    }

    proptest! {
        #[test]
        fn numbers_keep_every_bit(observed: f64, p_value: Option<f64>, history: Vec<f64>) {
            let mut one = alert("a", 1);
            // An alert's numbers are rounded, which leaves no negative zero.
            let observed = observed + 0.0;
            (one.observed, one.p_value, one.baseline.history) = (observed, p_value, history);
            let back = round_trip(one.clone());
            prop_assert_eq!(back.observed.to_bits(), observed.to_bits());
            prop_assert_eq!(back.p_value.map(f64::to_bits), p_value.map(f64::to_bits));
            prop_assert_eq!(back.baseline, one.baseline);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let message = pb::Alert {
            severity: 0,
            ..to_message(alert("a", 1))
        };
        assert_eq!(to_alert(message), Err(ConvertError("a severity")));
        let message = pb::Alert {
            window: None,
            ..to_message(alert("a", 1))
        };
        assert_eq!(to_alert(message), Err(ConvertError("a window")));
    }

    /// No filter takes all but the muted; a filter comes back as it went.
    #[test]
    fn filters() {
        let all = Filter {
            muted: false,
            ..Filter::default()
        };
        assert_eq!(to_filter(None, false), all);
        let some = Filter {
            severity_min: Severity::High,
            detectors: vec!["x".into()],
            entity: Some("ana".into()),
            muted: true,
            withdrawn: false,
        };
        assert_eq!(
            to_filter(Some(filter_to_message(some.clone())), false),
            some
        );
    }
}
