//! How much: the largest windows of a day against the magnitude model. Shared by the detectors that
//! judge amounts.
//!
//! Invariant: a reading only grows during the day, and so does its surprise.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::company::{Parts, SeriesKey};
use crate::detector::{Kind, Latest, On};
use crate::model::magnitude::{
    Bar, DayCount, LEARN_CAP, Prediction, Series, magnitude_surprise, predictive, threshold_count,
};
use crate::model::population::contribution;
use crate::panes::Span;
use crate::time::Day;
use crate::verdict::Stream;

/// Measures of a part (a user with one tool) have their own peers.
const PART: u8 = 16;
/// A day from here on is learned clipped.
static LEARN_BAR: LazyLock<Bar> = LazyLock::new(|| Bar::new(LEARN_CAP));
/// Days kept for the sparkline.
const RECENT_MAX: usize = 14;

/// One series of a principal: a part of it (empty: all of it), a measure, a window length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// For instance the tool; `None` for the whole.
    pub part: Option<Box<str>>,
    /// Index among the detector's measures.
    pub measure: u8,
    /// Window length.
    pub span: Span,
}

impl Key {
    fn peers(&self, stream: Stream) -> SeriesKey {
        let measure = self.measure + if self.part.is_none() { 0 } else { PART };
        SeriesKey {
            stream,
            measure,
            span: self.span,
        }
    }
}

/// The largest window of one series on one day.
#[derive(Debug)]
pub struct Reading {
    /// Which series.
    pub key: Key,
    /// First pane of the window.
    pub start: u16,
    /// Its amount.
    pub count: u64,
    /// Smallest amount that may alert.
    pub floor: u64,
}

/// A reading against its baseline.
#[derive(Debug)]
pub struct Appraised {
    /// The reading.
    pub reading: Reading,
    /// What was usual, and the surprise; `None` below the floor and while the peers are unknown.
    judged: Option<(Prediction, u32)>,
}

/// A reading that alerts.
#[derive(Debug, Clone)]
pub struct Crossing<'r> {
    /// The reading.
    pub reading: &'r Reading,
    /// Its surprise.
    pub surprise: u32,
    /// What was usual.
    pub prediction: Prediction,
    /// The amount from which it alerts.
    pub threshold: u64,
    /// Own active days of the series, weighted.
    pub own_days: f64,
}

/// What closed days taught about the amounts of one principal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Ascending by key.
    series: Vec<(Key, Series)>,
    /// Active days folded.
    pub days: u32,
    recent: Vec<u64>,
}

/// What one closed day teaches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Taught {
    counts: Vec<(Key, u64, Option<u64>)>,
    shown: u64,
}

impl Learned {
    fn series(&self, key: &Key) -> Series {
        let found = self.series.binary_search_by(|(known, _)| known.cmp(key));
        found.map(|place| self.series[place].1).unwrap_or_default()
    }

    /// Adds a closed day.
    pub fn fold(&mut self, day: Day, taught: &Taught) {
        for (key, count, cap) in &taught.counts {
            let place = match self.series.binary_search_by(|(known, _)| known.cmp(key)) {
                Ok(place) => place,
                Err(place) => {
                    self.series.insert(place, (key.clone(), Series::default()));
                    place
                }
            };
            self.series[place].1.fold(DayCount {
                day,
                count: *count,
                cap: *cap,
            });
        }
        self.days += 1;
        if self.recent.len() == RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(taught.shown);
    }

    /// Daily values of the last active days, oldest first.
    pub fn history(&self) -> Vec<f64> {
        self.recent.iter().map(|count| *count as f64).collect()
    }

    fn prediction(&self, reading: &Reading, on: On<'_>) -> Option<Prediction> {
        let peers = on.frozen.peers(&reading.key.peers(on.who.stream));
        peers
            .known
            .then(|| predictive(&self.series(&reading.key), peers, on.frozen.day))
    }

    /// The readings with their surprises.
    pub fn appraise(&self, readings: Vec<Reading>, on: On<'_>) -> Vec<Appraised> {
        let appraise = |reading: Reading| {
            let is_judged = reading.floor <= reading.count;
            let prediction = is_judged.then(|| self.prediction(&reading, on)).flatten();
            let judged = prediction.map(|prediction| {
                let surprise = magnitude_surprise(&prediction, reading.count, reading.floor);
                (prediction, surprise)
            });
            Appraised { reading, judged }
        };
        readings.into_iter().map(appraise).collect()
    }

    /// The readings that alert, the most surprising first; of equals the shorter, then the earlier.
    pub fn crossings<'r>(&self, appraised: &'r [Appraised], on: On<'_>) -> Vec<Crossing<'r>> {
        let Some(judge) = on.judge() else {
            return Vec::new();
        };
        let crossing = |appraised: &'r Appraised| {
            let reading = &appraised.reading;
            let (prediction, surprise) = appraised.judged?;
            if surprise < judge.needed {
                return None;
            }
            let threshold = threshold_count(&prediction, reading.floor, judge.needed)?;
            let own_days = self.series(&reading.key).effective_days(on.frozen.day);
            Some(Crossing {
                reading,
                surprise,
                prediction,
                threshold,
                own_days,
            })
        };
        let mut all: Vec<Crossing<'r>> = appraised.iter().filter_map(crossing).collect();
        all.sort_by(|a, b| {
            let order = |c: &Crossing<'_>| (c.reading.key.span, c.reading.start);
            b.surprise
                .cmp(&a.surprise)
                .then(order(a).cmp(&order(b)))
                .then_with(|| a.reading.key.cmp(&b.reading.key))
        });
        all
    }

    /// What the day's readings teach, and what they add to the peers. `self` is what the day was
    /// judged by, `latest` holds all days before it.
    pub fn close<K>(
        &self,
        latest: Latest<'_, K>,
        appraised: Vec<Appraised>,
        shown: u64,
        on: On<'_>,
        parts: &mut Parts,
    ) -> Taught
    where
        K: Kind<Base = Learned, Summary = Taught>,
    {
        let mut counts: Vec<(Key, u64, Option<u64>)> = Vec::with_capacity(appraised.len());
        for Appraised { reading, judged } in appraised {
            if reading.count == 0 {
                continue;
            }
            let known = judged.map(|(prediction, _)| prediction);
            let prediction = known.or_else(|| self.prediction(&reading, on));
            let cap = prediction
                .filter(|prediction| LEARN_BAR.reaches(prediction, reading.count))
                .and_then(|prediction| threshold_count(&prediction, 0, LEARN_CAP));
            let closed = DayCount {
                day: on.frozen.day,
                count: reading.count,
                cap,
            };
            let part = contribution(&series_before(&latest, &reading.key), closed);
            let peers = reading.key.peers(on.who.stream);
            *parts.series.entry(peers).or_default() += part;
            counts.push((reading.key, reading.count, cap));
        }
        counts.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Taught { counts, shown }
    }
}

/// One series with all closed days.
fn series_before<K>(latest: &Latest<'_, K>, key: &Key) -> Series
where
    K: Kind<Base = Learned, Summary = Taught>,
{
    let mut series = latest.base.series(key);
    for (day, taught) in latest.pending {
        if let Ok(place) = taught.counts.binary_search_by(|(known, ..)| known.cmp(key)) {
            let (_, count, cap) = taught.counts[place];
            series.fold(DayCount {
                day: *day,
                count,
                cap,
            });
        }
    }
    series
}

/// The largest surprise; 0 below the floors.
pub fn score(appraised: &[Appraised]) -> u32 {
    let surprises = appraised.iter().filter_map(|a| a.judged);
    surprises.map(|(_, surprise)| surprise).max().unwrap_or(0)
}
