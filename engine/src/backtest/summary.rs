//! What a run or a replay ends with: sources, detectors, incidents a day, speed, digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use nightjar_detectors::alert::{Alert, Class, digest};
use nightjar_detectors::catalog::{CATALOG, Entry};
use nightjar_detectors::shard::Tally;
use serde_json::{Value, json};

use crate::intake::{Counts, SourceCounts};

/// The end of a run in figures.
#[derive(Debug, Default)]
pub struct Summary {
    sources: BTreeMap<String, (Counts, Tally)>,
    /// Detector to alerts shown and muted.
    detectors: BTreeMap<String, [usize; 2]>,
    incidents: usize,
    incidents_by_day: BTreeMap<String, usize>,
    days: usize,
    digest: String,
    elapsed: Duration,
}

impl Summary {
    /// Puts the figures together. `days`: days that were judged.
    pub fn new<'a>(
        counts: &SourceCounts,
        tallies: &BTreeMap<Arc<str>, Tally>,
        alerts: impl IntoIterator<Item = &'a Alert> + Clone,
        days: usize,
        elapsed: Duration,
    ) -> Self {
        let mut summary = Summary {
            days,
            elapsed,
            ..Summary::default()
        };
        for (source, counts) in counts {
            summary.sources.entry(source.clone()).or_default().0 = *counts;
        }
        for (source, tally) in tallies {
            summary.sources.entry(source.to_string()).or_default().1 = *tally;
        }
        let mut incidents = BTreeSet::new();
        for alert in alerts.clone() {
            let counts = summary.detectors.entry(alert.detector.clone()).or_default();
            counts[usize::from(alert.is_muted())] += 1;
            // A blind spot or a standing weakness is nobody's deed.
            let is_deed = alert.class == Class::Detection;
            if !alert.is_muted() && is_deed && incidents.insert(&alert.incident) {
                let day = alert.window.start.get(..10).unwrap_or_default().to_owned();
                *summary.incidents_by_day.entry(day).or_default() += 1;
            }
        }
        summary.incidents = incidents.len();
        summary.digest = digest(alerts);
        summary
    }

    /// The digest of the alerts.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What became of all records.
    pub fn counts(&self) -> Counts {
        let mut all = Counts::default();
        self.sources
            .values()
            .for_each(|(counts, _)| all.add(*counts));
        all
    }

    /// As tables for people.
    pub fn text(&self, budget_per_day: f64) -> String {
        let mut out = String::new();
        self.write_sources(&mut out);
        self.write_detectors(&mut out);
        let most = self.incidents_by_day.values().max().copied().unwrap_or(0);
        let mean = self.incidents as f64 / self.days.max(1) as f64;
        let _ = writeln!(
            out,
            "{} incidents in {} days: {mean:.2} a day, at most {most}; budget {budget_per_day} a day\n",
            self.incidents, self.days
        );
        out
    }

    /// For machines, all but the speed.
    pub fn json(&self, budget_per_day: f64) -> Value {
        let source = |(name, (counts, tally)): (&String, &(Counts, Tally))| {
            let figures = json!({
                "records": counts.records,
                "rows": counts.rows,
                "repeats": tally.repeats,
                "late": tally.late,
                "quarantined": counts.quarantined,
                "ignored": counts.ignored,
                "other_logins": counts.other_logins,
            });
            (name.clone(), figures)
        };
        let detector = |entry: &Entry| {
            let [shown, muted] = self.detectors.get(entry.name).copied().unwrap_or_default();
            let figures = json!({ "alerts": shown, "muted": muted });
            (entry.name.to_owned(), figures)
        };
        json!({
            "sources": self.sources.iter().map(source).collect::<serde_json::Map<_, _>>(),
            "detectors": CATALOG.iter().map(detector).collect::<serde_json::Map<_, _>>(),
            "incidents": self.incidents,
            "incidents_by_day": self.incidents_by_day,
            "days": self.days,
            "budget_per_day": budget_per_day,
            "digest": self.digest,
        })
    }

    fn write_sources(&self, out: &mut String) {
        let wide = self
            .sources
            .keys()
            .map(String::len)
            .max()
            .unwrap_or(0)
            .max(6);
        let _ = writeln!(
            out,
            "{:wide$}  {:>11} {:>11} {:>9} {:>7} {:>11} {:>9}",
            "source", "records", "rows", "repeats", "late", "quarantined", "ignored"
        );
        for (source, (counts, tally)) in &self.sources {
            let _ = writeln!(
                out,
                "{source:wide$}  {:>11} {:>11} {:>9} {:>7} {:>11} {:>9}",
                counts.records,
                counts.rows,
                tally.repeats,
                tally.late,
                counts.quarantined,
                counts.ignored
            );
        }
        let with_others = self
            .sources
            .iter()
            .filter(|(_, (counts, _))| 0 < counts.other_logins);
        for (source, (counts, _)) in with_others {
            let logins = counts.other_logins;
            let _ = writeln!(
                out,
                "{logins} logins of source {source} are told by another format too, and are other activity"
            );
        }
        let rows: u64 = self.sources.values().map(|(counts, _)| counts.rows).sum();
        let seconds = self.elapsed.as_secs_f64();
        let _ = writeln!(
            out,
            "{rows} events in {seconds:.1} s: {:.0} events/s\n",
            rows as f64 / seconds.max(1e-9)
        );
    }

    fn write_detectors(&self, out: &mut String) {
        let _ = writeln!(out, "{:18}  {:>7} {:>7}", "detector", "alerts", "muted");
        for entry in CATALOG {
            let [shown, muted] = self.detectors.get(entry.name).copied().unwrap_or_default();
            let _ = writeln!(out, "{:18}  {shown:>7} {muted:>7}", entry.name);
        }
        out.push('\n');
    }
}
