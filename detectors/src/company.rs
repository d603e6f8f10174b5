//! What is known across all principals, per detector: peers, tenant habits, past verdicts.
//!
//! Invariant: everything here is a sum of integers over closed days, so shards may be merged in any
//! order, and the knowledge frozen for day d is the fold of the days up to d - k and of nothing else.

mod frozen;
mod hindsight;
mod judge;
mod parts;

pub use frozen::{Frozen, Level};
pub use hindsight::HINDSIGHT_ENTITY_DAYS;
pub use judge::{Judge, NOISE_SHARE, Phase, phase};
pub use parts::{Parts, SeriesKey};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::calibration::Histogram;
use crate::model::fixed::{HABIT, MAGNITUDE, is_weekend};
use crate::model::habit::{Attribute, Hours, Learn, Values};
use crate::model::population::Population;
use crate::time::Day;
use crate::verdict::Stream;

/// A sum with forward decay: the weighted mean of a daily number is total / days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DailyMean {
    day: Day,
    /// weekday total, weekday days, weekend total, weekend days.
    sums: [i64; 4],
}

impl DailyMean {
    /// Adds a closed day.
    pub fn fold(&mut self, day: Day, number: u64) {
        self.sums = MAGNITUDE.forward(&self.sums, self.day, day);
        self.day = day;
        let weight = MAGNITUDE.weight(day);
        let at = if is_weekend(day) { 2 } else { 0 };
        self.sums[at] += weight * number.min(1 << 40) as i64;
        self.sums[at + 1] += weight;
    }

    /// Mean over days like `day`; over all days while no such day is known.
    pub fn mean(&self, day: Day) -> f64 {
        let at = if is_weekend(day) { 2 } else { 0 };
        let (total, days) = match self.sums[at + 1] {
            0 => (self.sums[0] + self.sums[2], self.sums[1] + self.sums[3]),
            days => (self.sums[at], days),
        };
        if days == 0 {
            0.0
        } else {
            total as f64 / days as f64
        }
    }

    /// Mean over all days.
    pub fn mean_of_all(&self) -> f64 {
        let days = self.sums[1] + self.sums[3];
        if days == 0 {
            0.0
        } else {
            (self.sums[0] + self.sums[2]) as f64 / days as f64
        }
    }
}

/// Sums over the closed days folded so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    pub(crate) series: BTreeMap<SeriesKey, Population>,
    pub(crate) histograms: BTreeMap<Stream, Histogram>,
    pub(crate) tested: BTreeMap<Stream, DailyMean>,
    pub(crate) incidents: DailyMean,
    pub(crate) hours: Hours,
    pub(crate) values: BTreeMap<Attribute, Values<String>>,
    /// Distinct outcomes per active principal and day: total and days, in HABIT's units.
    pub(crate) distinct: BTreeMap<Level, (Day, [i64; 2])>,
    /// Active principal-days, undecayed: the population is known from ten on.
    pub(crate) entity_days: BTreeMap<Stream, u64>,
}

impl Sums {
    fn fold(&mut self, day: Day, parts: &Parts) {
        for (key, part) in &parts.series {
            self.series.entry(*key).or_default().fold_day(day, [*part]);
        }
        for (stream, verdicts) in &parts.verdicts {
            let pairs = verdicts.iter().map(|(surprise, n)| (*surprise, *n));
            self.histograms
                .entry(*stream)
                .or_default()
                .fold_day(day, pairs);
        }
        for (stream, active) in &parts.active {
            *self.entity_days.entry(*stream).or_default() += active;
            self.tested.entry(*stream).or_default();
        }
        for (stream, mean) in &mut self.tested {
            mean.fold(day, parts.active.get(stream).copied().unwrap_or(0));
        }
        self.incidents.fold(day, parts.incidents);
        for (learn, users) in [Learn::Fully, Learn::Alerted].into_iter().zip(&parts.hours) {
            self.hours.fold_many(day, users, learn);
        }
        for (attribute, values) in &parts.values {
            let known = self.values.entry(*attribute).or_default();
            for (index, learn) in [Learn::Fully, Learn::Alerted].into_iter().enumerate() {
                let users = values.iter().map(|(value, n)| (value.clone(), n[index]));
                known.fold_many(day, users, learn);
            }
        }
        for (level, [total, days]) in &parts.distinct {
            let (known, sums) = self.distinct.entry(*level).or_default();
            *sums = HABIT.forward(sums, *known, day);
            *known = day;
            let weight = HABIT.weight(day);
            sums[0] += weight * *total as i64;
            sums[1] += weight * *days as i64;
        }
    }

    fn is_known(&self, stream: Stream) -> bool {
        KNOWN_ENTITY_DAYS <= self.entity_days.get(&stream).copied().unwrap_or(0)
    }
}

/// A population under this many entity-days learns and judges nothing.
pub const KNOWN_ENTITY_DAYS: u64 = 10;

/// One detector's company-wide knowledge: a fold, and the closed days that are not folded yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Company {
    base: Sums,
    pending: BTreeMap<Day, Parts>,
    /// What forgotten principals did on days that are still open: sums without a name.
    orphaned: BTreeMap<Day, Parts>,
    /// First day on which a stream was judged.
    first_judged: BTreeMap<Stream, Day>,
    /// Last closed day; `None` before any.
    sealed: Option<Day>,
    started: bool,
}

impl Company {
    /// Last closed day.
    pub fn sealed(&self) -> Option<Day> {
        self.sealed
    }

    /// Closes a day. `k`: the baseline of day d holds the days up to d - k.
    pub fn seal(&mut self, day: Day, mut parts: Parts, k: i32) {
        self.sealed = Some(day);
        if let Some(orphaned) = self.orphaned.remove(&day) {
            parts.merge(orphaned);
        }
        self.started |= !parts.is_empty();
        if !self.started {
            return;
        }
        self.pending.insert(day, parts);
        while let Some(first) = self.pending.first_entry()
            && *first.key() <= day + 1 - k
        {
            let (folded, parts) = first.remove_entry();
            self.base.fold(folded, &parts);
            for stream in self.base.entity_days.keys() {
                if self.base.is_known(*stream) {
                    self.first_judged.entry(*stream).or_insert(folded + k);
                }
            }
        }
    }

    /// Keeps what a forgotten principal adds to an open day.
    pub(crate) fn adopt(&mut self, day: Day, parts: Parts) {
        self.orphaned.entry(day).or_default().merge(parts);
    }

    /// The sums of the days up to `through`.
    pub(crate) fn as_of(&self, through: Day) -> Sums {
        let mut sums = self.base.clone();
        for (day, parts) in self.pending.range(..=through) {
            sums.fold(*day, parts);
        }
        sums
    }

    /// The first day a stream was judged on, as far as the days up to `through` tell.
    pub(crate) fn first_judged(&self, through: Day, k: i32) -> BTreeMap<Stream, Day> {
        let mut first = self.first_judged.clone();
        let mut counts = self.base.entity_days.clone();
        for (day, parts) in self.pending.range(..=through) {
            for (stream, active) in &parts.active {
                let count = counts.entry(*stream).or_default();
                *count += active;
                if KNOWN_ENTITY_DAYS <= *count {
                    first.entry(*stream).or_insert(day + k);
                }
            }
        }
        first
    }
}
