//! A company for the tests of one detector: rows in, alerts out.
//!
//! Invariant: it drives the core as everybody does, with one detector on and the phases off.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::CATALOG;
use crate::alert::{Alert, Severity};
use crate::core::Core;
use crate::directory::Person;
use crate::event::{Activity, Draft, EventsBuilder, Outcome};
use crate::settings::{DetectorSettings, Settings};
use crate::time::Day;
use crate::world::World;

/// The first day: Monday, 2026-03-02.
pub const FIRST: Day = 20_514;

/// A moment: day 0 is the first, minutes since midnight UTC.
pub fn at(day: Day, minute: i64) -> i64 {
    i64::from(FIRST + day) * 86_400_000 + minute * 60_000
}

/// A successful interactive event.
pub fn event(user: &str, activity: Activity, time: i64) -> Draft<'_> {
    Draft {
        time,
        activity: Some(activity),
        outcome: Some(Outcome::Success),
        user: Some(user),
        interactive: Some(true),
        ..Draft::default()
    }
}

/// A successful interactive login from the office.
pub fn login(user: &str, time: i64) -> Draft<'_> {
    Draft {
        ip: Some("198.51.100.1"),
        country: Some("DE"),
        asn: Some(3320),
        device: Some("laptop"),
        ..event(user, Activity::Login, time)
    }
}

/// A login from another network and device.
pub fn strange(user: &str, time: i64) -> Draft<'_> {
    Draft {
        ip: Some("203.0.113.7"),
        country: Some("BR"),
        asn: Some(28573),
        device: Some("phone"),
        ..login(user, time)
    }
}

/// The settings with one detector on.
pub fn settings(detector: &str) -> Settings {
    let off = DetectorSettings {
        enabled: Some(false),
        ..DetectorSettings::default()
    };
    let others = CATALOG.iter().filter(|entry| entry.name != detector);
    Settings {
        tenant: "trial".into(),
        zone: chrono_tz::UTC,
        budget_per_day: 5.0,
        lateness_ms: BTreeMap::new(),
        detectors: others
            .map(|entry| (entry.name.to_owned(), off.clone()))
            .collect(),
        directory: Default::default(),
        policy: Default::default(),
        fingerprint: "trial".into(),
    }
}

/// Settings in which the directory has one line.
pub fn with_person(detector: &str, name: &str, person: Person) -> Settings {
    let mut settings = settings(detector);
    settings.directory.people.insert(name.into(), person);
    settings
}

/// The alerts that these rows give, muted ones too, by day, entity and value.
pub fn alerts(settings: Settings, rows: &[Draft<'_>]) -> Vec<Alert> {
    let world = Arc::new(World::new(settings));
    let mut core = Core::new(world.clone(), 1).without_phases();
    let mut days = BTreeMap::<Day, Vec<(usize, &Draft<'_>)>>::new();
    for (number, row) in rows.iter().enumerate() {
        let day = days.entry(world.calendar.day(row.time)).or_default();
        day.push((number, row));
    }
    let mut sealed = Vec::new();
    for (day, rows) in days {
        sealed.extend(core.require(day));
        let mut builder = EventsBuilder::new(&["trial"]);
        builder.begin("trial", "trial.ndjson");
        for (number, row) in rows {
            let uid = format!("row {number}");
            builder.push(&Draft {
                uid: &uid,
                key: number as u64,
                offset: number as u64,
                ..row.clone()
            });
        }
        core.observe(&[builder.finish()]).expect("canonical events");
    }
    sealed.extend(core.seal_all());
    let all = sealed.into_iter().flat_map(|day| day.alerts);
    let by_id: BTreeMap<String, Alert> = all.map(|alert| (alert.id.clone(), alert)).collect();
    let mut alerts: Vec<Alert> = by_id.into_values().collect();
    alerts.sort_by(|a, b| (&a.first_event_time, &a.id).cmp(&(&b.first_event_time, &b.id)));
    alerts
}

/// Severity and, where there is one, the reason for being muted or lowered, of each alert.
pub fn said(settings: Settings, rows: &[Draft<'_>]) -> Vec<(Severity, Option<String>)> {
    let alerts = alerts(settings, rows).into_iter();
    let brief = |alert: Alert| (alert.severity, alert.suppressed.map(|s| s.reason));
    alerts.map(brief).collect()
}
