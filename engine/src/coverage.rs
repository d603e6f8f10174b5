//! What logs can show: which columns each source fills, and which detectors can work on that.
//!
//! Invariant: counts only; no value of a row is kept except the names of users, to count them.

mod advice;
mod words;

pub use advice::advice;
pub use words::{UnknownWord, UnknownWords, Words};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use arrow::array::Array as _;
use nightjar_detectors::catalog::{CATALOG, Entry};
use nightjar_detectors::event::{Activity, CANONICAL_COLUMNS, Events, canonical_schema};
use serde::Serialize;

use crate::logins::LoginsByClass;

/// A detector that sees what it needs in fewer of its rows works only in part.
const SHARE_FOR_WORKING: f64 = 0.5;

/// Rows of one source, format and activity.
#[derive(Debug, Clone)]
struct Cell {
    rows: u64,
    filled: [u64; CANONICAL_COLUMNS],
    /// Rows that fill one column of each group that a detector needs, by its place in the catalog.
    ready: Vec<u64>,
}

impl Default for Cell {
    fn default() -> Self {
        Cell {
            rows: 0,
            filled: [0; CANONICAL_COLUMNS],
            ready: vec![0; CATALOG.len()],
        }
    }
}

impl Cell {
    fn add(&mut self, part: &Cell) {
        self.rows += part.rows;
        let counts = self.filled.iter_mut().chain(&mut self.ready);
        for (sum, count) in counts.zip(part.filled.iter().chain(&part.ready)) {
            *sum += count;
        }
    }
}

/// Collects rows; their order does not matter.
#[derive(Debug, Default)]
pub struct Coverage {
    cells: BTreeMap<(String, String, &'static str), Cell>,
    logins: LoginsByClass,
    users: BTreeMap<String, BTreeSet<Box<str>>>,
}

/// What one source fills.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceReport {
    /// Topic or folder.
    pub source: String,
    /// Formats of its records.
    pub formats: Vec<String>,
    /// Rows by format.
    pub rows_by_format: BTreeMap<String, u64>,
    /// Canonical rows.
    pub rows: u64,
    /// Different users.
    pub users: u64,
    /// Users of this source as a share of all users seen.
    pub users_share: f64,
    /// Rows by activity.
    pub activities: BTreeMap<&'static str, u64>,
    /// Share of rows where a column is null, for the columns that its formats can fill at all.
    pub null_share: BTreeMap<String, f64>,
    /// What it lets each detector do.
    pub detectors: Vec<DetectorReport>,
}

/// What a source lets a detector do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorReport {
    /// Its name.
    pub detector: &'static str,
    /// works, in part, blind (the columns are missing) or no events.
    pub verdict: &'static str,
    /// Rows of its activities.
    pub rows: u64,
    /// Share of them that have what it needs.
    pub usable_share: f64,
    /// Columns that are missing, and what would supply them.
    pub missing: Vec<Missing>,
}

/// A column, or one of several, that a detector lacks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missing {
    /// One of these is needed.
    pub columns: Vec<&'static str>,
    /// Share of the rows that have none of them.
    pub share: f64,
    /// What to do.
    pub advice: &'static str,
}

impl Coverage {
    /// Takes a batch of one source.
    pub fn take(&mut self, source: &str, events: &Events<'_>) {
        let columns = &events.batch().columns()[..CANONICAL_COLUMNS];
        let users = self.users.entry(source.to_owned()).or_default();
        let mut cells = BTreeMap::<(&str, &'static str), Cell>::new();
        let mut logins = BTreeMap::<&str, u64>::new();
        for row in events.rows() {
            let class = row.class();
            let format = class.split('.').next().unwrap_or(class);
            let cell = cells.entry((format, row.activity().as_str())).or_default();
            cell.rows += 1;
            if row.activity() == Activity::Login {
                *logins.entry(class).or_default() += 1;
            }
            let mut is_filled = [false; CANONICAL_COLUMNS];
            for (index, column) in columns.iter().enumerate() {
                is_filled[index] = !column.is_null(row.index());
                cell.filled[index] += u64::from(is_filled[index]);
            }
            for (detector, groups) in NEEDS.iter().enumerate() {
                let has_one = |group: &Vec<usize>| group.iter().any(|column| is_filled[*column]);
                cell.ready[detector] += u64::from(groups.iter().all(has_one));
            }
            if let Some(user) = row.user().filter(|user| !users.contains(*user)) {
                users.insert(user.into());
            }
        }
        for (class, count) in logins {
            *self.logins.entry(class.to_owned()).or_default() += count;
        }
        for ((format, activity), part) in cells {
            let key = (source.to_owned(), format.to_owned(), activity);
            self.cells.entry(key).or_default().add(&part);
        }
    }

    /// Logins by class.
    pub fn logins(&self) -> &LoginsByClass {
        &self.logins
    }

    /// The report, a source an entry, by name. `fills`: the columns that a format can fill.
    pub fn report(&self, fills: &dyn Fn(&str) -> Vec<String>) -> Vec<SourceReport> {
        let everybody: BTreeSet<&str> = self.users.values().flatten().map(|u| &**u).collect();
        let sources: BTreeSet<&String> = self.cells.keys().map(|(source, ..)| source).collect();
        let of = |source: &String| self.source(source, everybody.len(), fills);
        sources.into_iter().map(of).collect()
    }

    /// The detectors that no source lets work, even in part.
    pub fn blind<'r>(&self, report: &'r [SourceReport]) -> Vec<&'r DetectorReport> {
        let best = |place: usize| {
            let all = report
                .iter()
                .filter_map(move |source| source.detectors.get(place));
            all.min_by_key(|detector| rank(detector.verdict))
        };
        let best = (0..CATALOG.len()).filter_map(best);
        best.filter(|detector| 1 < rank(detector.verdict)).collect()
    }

    fn source(
        &self,
        source: &String,
        everybody: usize,
        fills: &dyn Fn(&str) -> Vec<String>,
    ) -> SourceReport {
        let cells: Vec<(&str, &str, &Cell)> = self
            .cells
            .iter()
            .filter(|((of, ..), _)| of == source)
            .map(|((_, format, activity), cell)| (format.as_str(), *activity, cell))
            .collect();
        let formats: BTreeSet<&str> = cells.iter().map(|(format, ..)| *format).collect();
        let fillable: BTreeSet<String> = formats.iter().flat_map(|format| fills(format)).collect();
        let rows = cells.iter().map(|(.., cell)| cell.rows).sum();
        let mut rows_by_format = BTreeMap::<String, u64>::new();
        for (format, _, cell) in &cells {
            *rows_by_format.entry((*format).to_owned()).or_default() += cell.rows;
        }
        let mut activities = BTreeMap::new();
        for (_, activity, cell) in &cells {
            *activities.entry(*activity).or_default() += cell.rows;
        }
        let schema = canonical_schema();
        let null_share = |(index, field): (usize, &std::sync::Arc<arrow::datatypes::Field>)| {
            let filled: u64 = cells.iter().map(|(.., cell)| cell.filled[index]).sum();
            (field.name().clone(), 1.0 - share(filled, rows))
        };
        let null_share = schema
            .fields()
            .iter()
            .enumerate()
            .map(null_share)
            .filter(|(name, nulls)| fillable.contains(name) || *nulls < 1.0)
            .collect();
        let users = self.users.get(source).map_or(0, BTreeSet::len);
        SourceReport {
            source: source.clone(),
            formats: formats.iter().map(|format| (*format).to_owned()).collect(),
            rows_by_format,
            rows,
            users: users as u64,
            users_share: share(users as u64, everybody as u64),
            activities,
            null_share,
            detectors: (0..CATALOG.len()).map(|d| detector(d, &cells)).collect(),
        }
    }
}

fn detector(place: usize, cells: &[(&str, &str, &Cell)]) -> DetectorReport {
    let entry: &Entry = &CATALOG[place];
    let reads = |activity: &str| {
        Activity::parse(activity).is_some_and(|activity| entry.activities.contains(&activity))
    };
    let read: Vec<_> = cells.iter().filter(|(_, a, _)| reads(a)).collect();
    let rows = read.iter().map(|(.., cell)| cell.rows).sum();
    let usable = read.iter().map(|(.., cell)| cell.ready[place]).sum();
    let usable_share = share(usable, rows);
    let verdict = match rows {
        0 => "no events",
        _ if SHARE_FOR_WORKING <= usable_share => "works",
        _ if 0.0 < usable_share => "in part",
        _ => "blind",
    };
    let format = read.first().map_or("", |(format, ..)| *format);
    let groups = entry.needs.iter().zip(&NEEDS[place]);
    let missing = groups.filter_map(|(names, columns)| {
        let most = |cell: &Cell| columns.iter().map(|column| cell.filled[*column]).max();
        let filled: u64 = read.iter().filter_map(|(.., cell)| most(cell)).sum();
        let share = 1.0 - share(filled, rows);
        (0 < rows && share >= SHARE_FOR_WORKING).then(|| Missing {
            columns: names.to_vec(),
            share,
            advice: advice(format, names[0]),
        })
    });
    DetectorReport {
        detector: entry.name,
        verdict,
        rows,
        usable_share,
        missing: missing.collect(),
    }
}

/// Worse is more.
fn rank(verdict: &str) -> u8 {
    match verdict {
        "works" => 0,
        "in part" => 1,
        "blind" => 2,
        _ => 3,
    }
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 {
        0.0
    } else {
        part as f64 / all as f64
    }
}

/// The columns that each detector of the catalog needs, by their place in the schema.
static NEEDS: LazyLock<Vec<Vec<Vec<usize>>>> = LazyLock::new(|| {
    let schema = canonical_schema();
    let place = |name: &&str| schema.index_of(name).expect("the catalog names columns");
    let group = |group: &&[&str]| group.iter().map(place).collect();
    let of = |entry: &Entry| entry.needs.iter().map(group).collect();
    CATALOG.iter().map(of).collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::tests::rows;

    const RECORDS: &str = r#"
{"time":"2026-03-05T10:00:00Z","uid":"1","activity":"login","outcome":"success","user":"ana@example.com","ip":"192.0.2.1"}
{"time":"2026-03-05T10:00:01Z","uid":"2","activity":"login","outcome":"success","user":"ben@example.com","ip":"192.0.2.2"}
{"time":"2026-03-05T10:00:02Z","uid":"3","activity":"download","user":"ben@example.com","object":"o"}
"#;

    /// Logins without a place: hours can be judged, places cannot, and it is said what would help.
    #[test]
    fn a_missing_column_blinds_the_detectors_that_need_it() {
        let batch = rows("s", RECORDS);
        let mut coverage = Coverage::default();
        coverage.take("s", &Events::new(&batch).unwrap());
        let report = coverage.report(&|_| vec!["ip".to_owned(), "country".to_owned()]);
        let [source] = report.as_slice() else {
            panic!("one source")
        };
        assert_eq!((source.rows, source.users, source.users_share), (3, 2, 1.0));
        assert_eq!(source.null_share["country"], 1.0);
        assert!((source.null_share["ip"] - 1.0 / 3.0).abs() < 1e-9);
        let verdict = |name: &str| {
            let found = source
                .detectors
                .iter()
                .find(|detector| detector.detector == name);
            found.unwrap()
        };
        assert_eq!(verdict("off_hours_login").verdict, "works");
        assert_eq!(verdict("unusual_location").verdict, "blind");
        assert!(
            verdict("unusual_location").missing[0]
                .advice
                .contains("geo.city")
        );
        assert_eq!(verdict("ai_usage_spike").verdict, "no events");
        let blind: Vec<&str> = coverage.blind(&report).iter().map(|d| d.detector).collect();
        assert!(
            blind.contains(&"impossible_travel") && !blind.contains(&"mass_download"),
            "{blind:?}"
        );
    }
}
