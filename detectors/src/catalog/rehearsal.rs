//! A detector tried alone: rows in, its alerts out. For the tests of the catalog's files.
//!
//! Invariant: whatever is added is judged at once, and no verdict that was published falls.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alert::{Alert, Severity};
use crate::catalog::CATALOG;
use crate::core::Core;
use crate::directory::{Directory, Person};
use crate::event::{Activity, Draft, EventsBuilder, Outcome};
use crate::policy::Policy;
use crate::settings::{DetectorSettings, Settings};
use crate::time::Day;
use crate::world::World;

/// 2026-03-02, a Monday.
pub const MONDAY: Day = 20_514;

/// One detector and what it has said.
pub struct Trial {
    core: Core,
    rows: u64,
    source: &'static str,
    format: &'static str,
    published: BTreeMap<String, Severity>,
    alerts: Vec<Alert>,
}

/// One detector in an otherwise empty world.
pub fn trial(detector: &str) -> Trial {
    trial_with(detector, |_| {})
}

/// The same with settings of its own.
pub fn trial_with(detector: &str, change: impl FnOnce(&mut Settings)) -> Trial {
    let mut settings = settings(detector);
    change(&mut settings);
    Trial {
        core: Core::new(Arc::new(World::new(settings)), 1).without_phases(),
        rows: 0,
        source: "trial",
        format: "trial",
        published: BTreeMap::new(),
        alerts: Vec::new(),
    }
}

/// The settings of an empty world with one detector.
pub fn settings(detector: &str) -> Settings {
    let off = |name: &str| DetectorSettings {
        enabled: Some(name == detector),
        ..DetectorSettings::default()
    };
    Settings {
        tenant: "trial".into(),
        zone: chrono_tz::Tz::UTC,
        budget_per_day: 5.0,
        lateness_ms: BTreeMap::new(),
        detectors: CATALOG
            .iter()
            .map(|e| (e.name.to_owned(), off(e.name)))
            .collect(),
        directory: Directory::default(),
        policy: Policy::default(),
        fingerprint: "trial".into(),
    }
}

/// The settings of a world with one detector and one listed person.
pub fn with_person(detector: &str, name: &str, person: Person) -> Settings {
    Settings {
        directory: directory_of(name, person),
        ..settings(detector)
    }
}

/// A directory with one person.
pub fn directory_of(name: &str, person: Person) -> Directory {
    Directory {
        people: [(name.to_owned(), person)].into(),
        ..Directory::default()
    }
}

impl Trial {
    /// The source of the rows that follow.
    pub fn from(&mut self, source: &'static str) -> &mut Self {
        self.source = source;
        self
    }

    /// The format of the rows that follow.
    pub fn told_by(&mut self, format: &'static str) -> &mut Self {
        self.format = format;
        self
    }

    /// A row on a day, counted from [`MONDAY`], at a minute of it.
    pub fn add(&mut self, day: Day, minute: i64, row: Draft<'_>) -> &mut Self {
        self.add_times(day, minute, 1, row)
    }

    /// The same row several times, under other ids.
    pub fn add_times(&mut self, day: Day, minute: i64, times: u64, row: Draft<'_>) -> &mut Self {
        let time = at(day, minute);
        self.put_times(times, Draft { time, ..row })
    }

    /// A row with a time of its own. Days never go back.
    pub fn put(&mut self, row: Draft<'_>) -> &mut Self {
        self.put_times(1, row)
    }

    fn put_times(&mut self, times: u64, row: Draft<'_>) -> &mut Self {
        let day = self.core.world().calendar.day(row.time);
        let mut builder = EventsBuilder::new(&[self.format]);
        builder.begin(self.source, "trial.ndjson");
        for _ in 0..times {
            self.rows += 1;
            let uid = format!("row {:06}", self.rows);
            let mut row = Draft {
                uid: &uid,
                ..row.clone()
            };
            row.key = row.content_key(1, &mut Vec::new());
            builder.push(&row);
        }
        for sealed in self.core.require(day) {
            self.alerts.extend(sealed.alerts);
        }
        self.core
            .observe(&[builder.finish()])
            .expect("canonical rows");
        for (_, _, alerts) in self.core.changes() {
            for alert in alerts {
                let known = self.published.entry(alert.id).or_insert(alert.severity);
                assert!(*known <= alert.severity, "fell: {}", alert.summary);
                *known = alert.severity;
            }
        }
        self
    }

    /// The core itself, for what only it can be asked.
    pub fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    /// Closes everything and gives all alerts, muted ones too, by time.
    pub fn end(&mut self) -> Vec<Alert> {
        for sealed in self.core.seal_all() {
            self.alerts.extend(sealed.alerts);
        }
        let mut alerts = std::mem::take(&mut self.alerts);
        for alert in &alerts {
            let has_number = alert.summary.contains(|c: char| c.is_ascii_digit());
            let is_explained = !alert.quiet.is_empty() && !alert.next_steps.is_empty();
            assert!(has_number && is_explained, "{alert:#?}");
        }
        alerts.sort_by(|a, b| (&a.window.start, &a.id).cmp(&(&b.window.start, &b.id)));
        alerts
    }

    /// The severities of all alerts; muted ones are `None`.
    pub fn severities(&mut self) -> Vec<Option<Severity>> {
        let shown = |alert: &Alert| (!alert.is_muted()).then_some(alert.severity);
        self.end().iter().map(shown).collect()
    }
}

/// A moment: a day, counted from [`MONDAY`], and a minute of it.
pub fn at(day: Day, minute: i64) -> i64 {
    i64::from(MONDAY + day) * 86_400_000 + minute * 60_000
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

/// All alerts that these rows give, by time.
pub fn alerts(settings: Settings, rows: &[Draft<'_>]) -> Vec<Alert> {
    let mut trial = trial_with("", |empty| *empty = settings);
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.time);
    for row in rows {
        trial.put(row);
    }
    trial.end()
}

/// The severity of each and, where it is muted or lowered, the reason.
pub fn said(settings: Settings, rows: &[Draft<'_>]) -> Vec<(Severity, Option<String>)> {
    let brief = |alert: Alert| (alert.severity, alert.suppressed.map(|s| s.reason));
    alerts(settings, rows).into_iter().map(brief).collect()
}
