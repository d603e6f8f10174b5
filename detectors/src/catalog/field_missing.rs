//! Flags: a column that a source used to fill and that is empty now, though a detector needs it. Why: a
//! vendor's change blinds a detector without an error. Method: share of filled rows. Blind to: columns that
//! are filled with something else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::{CATALOG, Entry, Page, Param, phrase};
use crate::alert::{Entity, Severity};
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, Runner, Subjects};
use crate::event::{Activity, CANONICAL_COLUMNS, Row, canonical_schema};
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "field_missing",
    activities: Activity::ALL,
    attack: &["T1562.008"],
    family: "access",
    needs: &[],
    params: &[
        Param {
            name: "min_rows",
            default: 20.0,
            unit: "count",
            help: "types with fewer events on the day are not judged",
        },
        Param {
            name: "filled_percent",
            default: 50.0,
            unit: "percent",
            help: "how many rows of the days before must have had it",
        },
    ],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "a column that a detector needs, that a source filled and that is empty in all its events of the day",
        why: "a vendor renames a field, a collector drops one: nothing fails, and a detector sees nothing from that day on",
        method: "per source and activity the columns that a detector that is switched on needs (of a group one is enough): filled in `filled_percent` of the rows of the last 14 days with events (from 5 days on), and in none of the day's, of which there are `min_rows`. One alert a source and day, which names the columns and the detectors that are blind now; each loss is told once, until 14 days with events have passed. Medium. Sealed",
        blind_to: "a column that is filled with something else or only now and then; a column that was never filled (`nightjar coverage` says so); the first five days of a source",
        fields: "time, source, activity, and what the catalog's detectors need",
        example: "okta no longer says country in login (of 310 events none, before 97 %): unusual_location cannot judge them",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(FieldMissing::new(world)), lag))
    },
};

/// Days that are remembered, and how many a share rests on.
const REMEMBERED_DAYS: usize = 14;
const KNOWN_DAYS: usize = 5;
/// Pairs of source and activity; beyond, the largest are left out.
const PAIRS_MAX: usize = 1024;

/// By activity the columns that some detector needs, by their place in the schema.
static NEEDED: LazyLock<Vec<Vec<usize>>> = LazyLock::new(|| {
    let of = |activity: &Activity| {
        let readers = CATALOG
            .iter()
            .filter(|entry| entry.activities.contains(activity));
        let names = readers.flat_map(|entry| entry.needs.iter().copied().flatten());
        let places: BTreeSet<usize> = names.map(|name| place(name)).collect();
        places.into_iter().collect()
    };
    Activity::ALL.iter().map(of).collect()
});

fn place(name: &str) -> usize {
    canonical_schema()
        .index_of(name)
        .expect("the catalog names columns")
}

/// The detector with its parameters.
struct FieldMissing {
    min_rows: u64,
    filled_share: f64,
}

/// Rows, and in how many of them each column says something.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Filled {
    rows: u64,
    /// By place in the schema.
    columns: Vec<u64>,
}

impl Filled {
    /// Rows that fill one of the columns, at least.
    fn of(&self, columns: &[usize]) -> u64 {
        let filled = columns
            .iter()
            .map(|column| self.columns.get(*column).copied().unwrap_or(0));
        filled.max().unwrap_or(0)
    }

    fn add(&mut self, other: &Filled) {
        self.rows = self.rows.saturating_add(other.rows);
        self.columns
            .resize(CANONICAL_COLUMNS.max(self.columns.len()), 0);
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            *mine = mine.saturating_add(*theirs);
        }
    }
}

/// One day by source and activity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Sources(BTreeMap<Box<str>, BTreeMap<u8, Filled>>);

impl Sources {
    fn at(&mut self, source: &str, activity: u8) -> Option<&mut Filled> {
        if !self.0.contains_key(source) {
            self.0.insert(source.into(), BTreeMap::new());
            if PAIRS_MAX < self.0.len() {
                self.0.pop_last();
            }
        }
        Some(self.0.get_mut(source)?.entry(activity).or_default())
    }
}

/// The last days with events by source and activity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct History(BTreeMap<(Box<str>, u8), Vec<Filled>>);

impl FieldMissing {
    fn new(world: &World) -> Self {
        FieldMissing {
            min_rows: world.param(&ENTRY, "min_rows") as u64,
            filled_share: world.param(&ENTRY, "filled_percent") / 100.0,
        }
    }

    /// The groups of columns that a source has lost in an activity, each with its share before.
    fn lost(
        &self,
        before: &[Filled],
        today: &Filled,
        groups: &BTreeSet<&[&'static str]>,
    ) -> Vec<(String, f64)> {
        if before.len() < KNOWN_DAYS || today.rows < self.min_rows {
            return Vec::new();
        }
        let mut past = Filled::default();
        for day in before {
            past.add(day);
        }
        let mut lost = Vec::new();
        for group in groups {
            let columns: Vec<usize> = group.iter().map(|name| place(name)).collect();
            let share = past.of(&columns) as f64 / past.rows.max(1) as f64;
            // A day that was judged so before has said it.
            let is_said = |day: &Filled| self.min_rows <= day.rows && day.of(&columns) == 0;
            let is_lost = today.of(&columns) == 0 && self.filled_share <= share;
            if is_lost && !before.iter().any(is_said) {
                lost.push((group.join(" or "), share));
            }
        }
        lost
    }
}

impl Kind for FieldMissing {
    type Base = History;
    type Summary = Sources;
    type Open = Sources;
    type Amount = ();
    type Bars = ();

    const STATISTICAL: bool = false;
    const SUBJECTS: Subjects = Subjects::COMPANY;
    const SEALED: bool = true;

    fn wants(&self, row: &Row<'_>, _: Stream) -> bool {
        !NEEDED[row.activity() as usize].is_empty()
    }

    fn observe(&self, open: &mut Sources, event: &Event<'_>) {
        let activity = event.row.activity();
        let Some(filled) = open.at(event.row.source(), activity as u8) else {
            return;
        };
        filled.rows += 1;
        filled.columns.resize(CANONICAL_COLUMNS, 0);
        for column in &NEEDED[activity as usize] {
            filled.columns[*column] += u64::from(event.row.is_filled(*column));
        }
    }

    fn merge(&self, open: &mut Sources, other: Sources) {
        for (source, activities) in &other.0 {
            for (activity, theirs) in activities {
                if let Some(mine) = open.at(source, *activity) {
                    mine.add(theirs);
                }
            }
        }
    }

    fn fold(&self, base: &mut History, _: Day, counted: &Sources) {
        for (source, activities) in &counted.0 {
            for (activity, filled) in activities {
                let days = base.0.entry((source.clone(), *activity)).or_default();
                days.push(filled.clone());
                if REMEMBERED_DAYS < days.len() {
                    days.remove(0);
                }
            }
        }
        while PAIRS_MAX < base.0.len() {
            base.0.pop_last();
        }
    }

    fn amount(&self, _: &Judged<'_, Self>) {}

    fn score(&self, (): &()) -> u32 {
        0
    }

    fn verdicts(&self, judged: &Judged<'_, Self>, (): &()) -> Vec<Verdict> {
        let enabled = judged.on.world.enabled();
        let mut said = Vec::new();
        for (source, activities) in &judged.open.0 {
            let (mut parts, mut blind, mut rows) = (Vec::new(), BTreeSet::new(), 0);
            let (mut quiet, mut shares) = (Vec::new(), Vec::new());
            let mut what = String::new();
            for (activity, today) in activities {
                let Some(before) = judged.base.0.get(&(source.clone(), *activity)) else {
                    continue;
                };
                let activity = Activity::ALL[usize::from(*activity)];
                let readers = || {
                    enabled
                        .iter()
                        .map(|(entry, ..)| entry)
                        .filter(|e| e.activities.contains(&activity))
                };
                let groups = readers()
                    .flat_map(|entry| entry.needs.iter().copied())
                    .collect();
                let lost = self.lost(before, today, &groups);
                if lost.is_empty() {
                    continue;
                }
                rows += today.rows;
                quiet.push(format!("one {} event with it", activity.as_str()));
                if shares.is_empty() {
                    shares = shares_of(before, &lost[0].0);
                }
                let is_blind = |entry: &&&Entry| {
                    let mut names = entry.needs.iter().map(|group| group.join(" or "));
                    names.any(|name| lost.iter().any(|(gone, _)| *gone == name))
                };
                blind.extend(readers().filter(is_blind).map(|entry| entry.name));
                for (columns, share) in lost {
                    what += &format!("{} {columns}\n", activity.as_str());
                    parts.push(format!(
                        "{columns} in {} (of {} none, before {:.0} %)",
                        activity.as_str(),
                        phrase::count(today.rows, "event"),
                        100.0 * share
                    ));
                }
            }
            if !parts.is_empty() {
                let blind: Vec<&str> = blind.into_iter().collect();
                let summary = format!(
                    "{source} no longer says {}: {} cannot judge them",
                    parts.join(", "),
                    phrase::all_of(&blind, usize::MAX)
                );
                said.push(Verdict {
                    expected: shares.iter().sum::<f64>() / shares.len().max(1) as f64,
                    history: shares,
                    quiet: format!(
                        "{}, or fewer than {} of the kind",
                        quiet.join(" and "),
                        phrase::count(self.min_rows, "event")
                    ),
                    same_as: what,
                    ..verdict(source, summary, rows, judged)
                });
            }
        }
        said
    }

    fn bars(&self, _: &Judged<'_, Self>, (): &()) {}

    fn reaches(&self, _: &Sources, (): &()) -> bool {
        true
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        (): (),
        _: &mut Parts,
    ) -> Sources {
        judged.open.clone()
    }
}

/// The percentage of rows that filled one of the columns, by day.
fn shares_of(before: &[Filled], columns: &str) -> Vec<f64> {
    let columns: Vec<usize> = columns.split(" or ").map(place).collect();
    let share = |day: &Filled| 100.0 * day.of(&columns) as f64 / day.rows.max(1) as f64;
    before.iter().map(share).collect()
}

fn verdict(source: &str, summary: String, rows: u64, judged: &Judged<'_, FieldMissing>) -> Verdict {
    let (calendar, day) = (&judged.on.world.calendar, judged.on.frozen.day);
    let window = (calendar.start(day), calendar.end(day));
    Verdict {
        about: Some(Entity {
            kind: "source".into(),
            id: source.to_owned(),
        }),
        summary,
        window,
        detected_at: window.1,
        observed: 0.0,
        next_steps: vec![
            format!(
                "compare a record of {source} of this day with an older one: which field was renamed or left out"
            )
            .into(),
            "correct the collector, or the format's mapping".into(),
            "see what it costs: nightjar coverage".into(),
        ],
        ..Verdict::of(Severity::Medium, "tenant", (window.0, window.1 - 1), rows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{Trial, trial_with};
    use super::*;
    use crate::event::Draft;

    /// With the detector of mailbox rules, which needs user and method.
    fn company() -> Trial {
        trial_with("field_missing", |settings| {
            let other = settings
                .detectors
                .get_mut("mailbox_rule")
                .expect("it is there");
            other.enabled = Some(true);
        })
    }

    fn day_of(trial: &mut Trial, day: Day, rows: u64, method: bool) {
        let row = Draft {
            activity: Some(Activity::MailboxRule),
            user: Some("ana"),
            method: method.then_some(crate::event::Method::Created),
            ..Draft::default()
        };
        trial.add_times(day, 500, rows, row);
    }

    fn said(known: Day, rows: u64, method: bool) -> Vec<String> {
        let mut trial = company();
        for day in 0..known {
            day_of(&mut trial, day, 10, true);
        }
        day_of(&mut trial, known + 2, rows, method);
        trial.end().into_iter().map(|alert| alert.summary).collect()
    }

    #[test]
    fn a_column_that_is_empty_from_one_day_on_is_told() {
        let want = "trial no longer says method in mailbox_rule (of 25 events none, before 100 %): mailbox_rule cannot judge them";
        assert_eq!(said(8, 25, false), [want]);
    }

    /// However long it stays away; another one that goes later is told too.
    #[test]
    fn a_loss_is_told_once_and_another_one_too() {
        let mut trial = company();
        for day in 0..8 {
            day_of(&mut trial, day, 25, true);
        }
        for day in 8..14 {
            day_of(&mut trial, day, 25, false);
        }
        let nobody = Draft {
            activity: Some(Activity::MailboxRule),
            ..Draft::default()
        };
        trial.add_times(14, 500, 25, nobody);
        let alerts = trial.end();
        let shown = alerts.iter().filter(|alert| !alert.is_muted());
        let told: Vec<&str> = shown.map(|alert| alert.summary.as_str()).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        for column in ["method", "user"] {
            let says = format!("says {column}");
            assert!(
                told.iter().any(|summary| summary.contains(&says)),
                "{told:?}"
            );
        }
    }

    /// What is there, what is rare, what is new, and what was always empty.
    #[test]
    fn nothing_is_said_without_reason() {
        assert_eq!(said(8, 25, true), [""; 0]);
        assert_eq!(said(8, 10, false), [""; 0]);
        assert_eq!(said(3, 25, false), [""; 0]);
        let mut trial = company();
        for day in 0..10 {
            day_of(&mut trial, day, 25, false);
        }
        assert_eq!(trial.severities(), []);
    }
}
