//! What one shard's closed day adds to the company's knowledge: integers that merge by addition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::frozen::Level;
use crate::model::habit::Attribute;
use crate::model::population::Contribution;
use crate::panes::Span;
use crate::verdict::Stream;

/// One population of series: a stream, a measure of its detector, a window length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesKey {
    /// Who.
    pub stream: Stream,
    /// Index of the measure within its detector.
    pub measure: u8,
    /// Window length.
    pub span: Span,
}

/// The sums of one closed day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Principals with activity that the detector tests.
    pub active: BTreeMap<Stream, u64>,
    /// The day's verdicts: surprise to number of principals. All active ones, also those at 0.
    pub verdicts: BTreeMap<Stream, BTreeMap<u32, u64>>,
    /// Principal-days that were judged, and those whose p was at most 1e-2, 1e-3 and 1e-4: told, not learned.
    #[serde(skip)]
    pub judged: BTreeMap<Stream, [u64; 4]>,
    /// Contributions to the populations of series.
    pub series: BTreeMap<SeriesKey, Contribution>,
    /// Principals active in each local hour: as usual, and such that alerted.
    pub hours: [[u64; 24]; 2],
    /// Principals per value: as usual, and such that alerted.
    pub values: BTreeMap<Attribute, BTreeMap<String, [u64; 2]>>,
    /// Distinct outcomes: total over principals, number of principals.
    pub distinct: BTreeMap<Level, [u64; 2]>,
    /// Unmuted incidents, for detectors that are not tests (physics, policy).
    pub incidents: u64,
}

impl Parts {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// One more tested principal with the day's largest surprise.
    pub fn verdict(&mut self, stream: Stream, surprise: u32) {
        *self
            .verdicts
            .entry(stream)
            .or_default()
            .entry(surprise)
            .or_default() += 1;
    }

    /// One more judged principal-day with this p.
    pub fn judged(&mut self, stream: Stream, p: f64) {
        let counts = self.judged.entry(stream).or_default();
        for (count, limit) in counts.iter_mut().zip([1.0, 1e-2, 1e-3, 1e-4]) {
            *count += u64::from(p <= limit);
        }
    }

    /// One more principal with `count` distinct outcomes.
    pub fn outcomes(&mut self, level: Level, count: u64) {
        let sums = self.distinct.entry(level).or_default();
        sums[0] += count;
        sums[1] += 1;
    }

    /// Adds another shard's day.
    pub fn merge(&mut self, other: Parts) {
        for (stream, n) in other.active {
            *self.active.entry(stream).or_default() += n;
        }
        for (stream, verdicts) in other.verdicts {
            let mine = self.verdicts.entry(stream).or_default();
            for (surprise, n) in verdicts {
                *mine.entry(surprise).or_default() += n;
            }
        }
        for (stream, theirs) in other.judged {
            let mine = self.judged.entry(stream).or_default();
            mine.iter_mut().zip(theirs).for_each(|(mine, n)| *mine += n);
        }
        for (key, part) in other.series {
            *self.series.entry(key).or_default() += part;
        }
        for (mine, theirs) in self
            .hours
            .iter_mut()
            .flatten()
            .zip(other.hours.iter().flatten())
        {
            *mine += theirs;
        }
        for (attribute, values) in other.values {
            let mine = self.values.entry(attribute).or_default();
            for (value, [usual, alerted]) in values {
                let sums = mine.entry(value).or_default();
                sums[0] += usual;
                sums[1] += alerted;
            }
        }
        for (level, [total, days]) in other.distinct {
            let mine = self.distinct.entry(level).or_default();
            mine[0] += total;
            mine[1] += days;
        }
        self.incidents += other.incidents;
    }
}
