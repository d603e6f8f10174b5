//! Who is in the data: looked at while the days go by.
//!
//! Invariant: kept are numbers, and of names only those that were asked for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use arrow::array::RecordBatch;
use nightjar_detectors::event::{Events, Outcome};
use nightjar_detectors::time::Day;
use nightjar_detectors::verdict::Stream;

/// Who was seen.
#[derive(Debug, Default)]
pub struct Seen {
    wanted: BTreeSet<String>,
    found: BTreeSet<String>,
    /// People active by day.
    active: BTreeMap<Day, usize>,
}

impl Seen {
    /// Looks for these names. `tenant` is in all data.
    pub fn new(wanted: BTreeSet<String>, tenant: &str) -> Self {
        Seen {
            wanted,
            found: [tenant.to_owned()].into(),
            active: BTreeMap::new(),
        }
    }

    /// Looks at all rows of a day.
    pub fn look(&mut self, day: Day, batches: &[RecordBatch]) {
        let mut people = HashSet::new();
        for events in batches.iter().flat_map(Events::new) {
            let mut last = None;
            for row in events.rows() {
                let user = row.user();
                let is_person = Stream::of(row.kind()) == Stream::Person;
                if is_person && row.outcome() != Outcome::Failure && last != user {
                    people.extend(user.map(str::to_owned));
                    last = user;
                }
                let names = [
                    user,
                    row.target_user(),
                    row.ip(),
                    row.app(),
                    Some(row.source()),
                ];
                for name in names.into_iter().flatten() {
                    if self.wanted.contains(name) && !self.found.contains(name) {
                        self.found.insert(name.to_owned());
                    }
                }
            }
        }
        *self.active.entry(day).or_default() += people.len();
    }

    /// Whether a name that was asked for is in the data.
    pub fn has(&self, name: &str) -> bool {
        self.found.contains(name)
    }

    /// People active a day, summed over days.
    pub fn user_days(&self, is_reported: &dyn Fn(Day) -> bool) -> usize {
        let days = self.active.iter().filter(|(day, _)| is_reported(**day));
        days.map(|(_, people)| people).sum()
    }
}
