//! A detector tried alone: rows in, its alerts out. For the tests of the catalog's files.
//!
//! Invariant: whatever is added is judged at once, and no verdict that was published falls.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alert::{Alert, Severity};
use crate::catalog::CATALOG;
use crate::core::Core;
use crate::directory::{Directory, Person};
use crate::event::{Draft, EventsBuilder};
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
    published: BTreeMap<String, Severity>,
    alerts: Vec<Alert>,
}

/// One detector in an otherwise empty world.
pub fn trial(detector: &str) -> Trial {
    trial_with(detector, |_| {})
}

/// The same with settings of its own.
pub fn trial_with(detector: &str, change: impl FnOnce(&mut Settings)) -> Trial {
    let off = |name: &str| DetectorSettings {
        enabled: Some(name == detector),
        ..DetectorSettings::default()
    };
    let mut settings = Settings {
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
    };
    change(&mut settings);
    Trial {
        core: Core::new(Arc::new(World::new(settings)), 1).without_phases(),
        rows: 0,
        source: "trial",
        published: BTreeMap::new(),
        alerts: Vec::new(),
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

    /// A row on a day, counted from [`MONDAY`], at a minute of it.
    pub fn add(&mut self, day: Day, minute: i64, row: Draft<'_>) -> &mut Self {
        self.add_times(day, minute, 1, row)
    }

    /// The same row several times, under other ids.
    pub fn add_times(&mut self, day: Day, minute: i64, times: u64, row: Draft<'_>) -> &mut Self {
        let day = MONDAY + day;
        let mut builder = EventsBuilder::new(&["trial"]);
        builder.begin(self.source, "trial.ndjson");
        for _ in 0..times {
            self.rows += 1;
            let uid = format!("row {:06}", self.rows);
            let mut row = Draft {
                time: i64::from(day) * 86_400_000 + minute * 60_000,
                uid: &uid,
                ..row
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

    /// Closes everything and gives all alerts, muted ones too, by time.
    pub fn end(&mut self) -> Vec<Alert> {
        for sealed in self.core.seal_all() {
            self.alerts.extend(sealed.alerts);
        }
        let mut alerts = std::mem::take(&mut self.alerts);
        alerts.sort_by(|a, b| (&a.window.start, &a.id).cmp(&(&b.window.start, &b.id)));
        alerts
    }

    /// The severities of all alerts; muted ones are `None`.
    pub fn severities(&mut self) -> Vec<Option<Severity>> {
        let shown = |alert: &Alert| (!alert.is_muted()).then_some(alert.severity);
        self.end().iter().map(shown).collect()
    }
}
