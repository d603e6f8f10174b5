//! How much: the largest windows of a day against the magnitude model. Shared by the detectors that
//! judge amounts.
//!
//! Invariant: a reading only grows during the day, and so does its surprise.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::phrase;
use crate::company::{Judge, Parts, SeriesKey};
use crate::detector::{Answer, Kind, Latest, On, Size};
use crate::model::fixed::x_of;
use crate::model::magnitude::{
    Bar, LEARN_CAP, Prediction, Series, first, magnitude_surprise, predictive, threshold_count,
};
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
    /// What is usual for the peers on such a day.
    pub peers_usual: f64,
}

impl Crossing<'_> {
    /// What is usual, as part of a sentence: for the account and its peers, or for the peers alone.
    pub fn usual(&self, amount: impl Fn(u64) -> String) -> String {
        let about = |usual: f64| amount(usual.round() as u64);
        let expected = about(self.prediction.expected());
        if self.own_days < 1.0 {
            return format!("for its peers are about {expected}");
        }
        format!(
            "for this account are about {expected}, for its peers {}",
            about(self.peers_usual)
        )
    }
}

/// Amounts from here on are not asked for.
const AMOUNTS_END: u64 = 1 << 40;

/// An amount that is planted, in thought, into a day.
pub struct Deed<'d> {
    /// Index among the detector's measures.
    pub measure: u8,
    /// Smaller windows never alert.
    pub floor: u64,
    /// See [`Learned::plant`].
    pub windows: &'d dyn Fn(u64) -> [u64; Span::ALL.len()],
    /// What its alert repeats.
    pub repeats_as: &'d str,
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
    /// Ascending by key: the x that is learned.
    xs: Vec<(Key, i64)>,
    shown: u64,
}

impl Learned {
    fn series(&self, key: &Key) -> Series {
        let found = self.series.binary_search_by(|(known, _)| known.cmp(key));
        found.map(|place| self.series[place].1).unwrap_or_default()
    }

    /// Adds a closed day.
    pub fn fold(&mut self, day: Day, taught: &Taught) {
        for (key, x) in &taught.xs {
            let place = match self.series.binary_search_by(|(known, _)| known.cmp(key)) {
                Ok(place) => place,
                Err(place) => {
                    self.series.insert(place, (key.clone(), Series::default()));
                    place
                }
            };
            self.series[place].1.learn(day, *x);
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

    /// The largest of the days kept for the sparkline.
    pub fn largest(&self) -> u64 {
        self.recent.iter().copied().max().unwrap_or(0)
    }

    /// Whether any day had an amount of this measure.
    pub fn knows(&self, measure: u8) -> bool {
        let mut keys = self.series.iter().map(|(key, _)| key);
        keys.any(|key| key.part.is_none() && key.measure == measure)
    }

    /// What would be said of amounts of one measure on a day with nothing else. `windows`: the largest window of
    /// each length that an amount gives; none of them falls as it grows.
    pub fn plant(
        &self,
        deed: &Deed<'_>,
        amounts: impl IntoIterator<Item = (u64, String)>,
        on: On<'_>,
    ) -> Answer {
        let readings = |amount: u64| {
            let windows = Span::ALL.into_iter().zip((deed.windows)(amount));
            let reading = |(span, count)| Reading {
                key: Key {
                    part: None,
                    measure: deed.measure,
                    span,
                },
                start: 0,
                count,
                floor: deed.floor,
            };
            windows.map(reading).collect::<Vec<_>>()
        };
        let needed = on.judge().map(|judge| judge.needed);
        let threshold = |reading: Reading| {
            let prediction = self.prediction(&reading, on)?;
            threshold_count(&prediction, deed.floor, needed?)
        };
        let thresholds: Vec<Option<u64>> = readings(0).into_iter().map(threshold).collect();
        let reaches = |amount: u64| {
            let mut windows = (deed.windows)(amount).into_iter().zip(&thresholds);
            windows.any(|(count, least)| least.is_some_and(|least| least <= count))
        };
        let least = first(AMOUNTS_END, reaches);
        let size = |(amount, name): (u64, String)| {
            let surprise = score(&self.appraise(readings(amount), on));
            Size {
                name,
                detail: amount.to_string(),
                amount,
                crosses: least <= amount,
                surprise: Some(surprise),
                repeats_as: deed.repeats_as.to_owned(),
            }
        };
        Answer {
            days: self.days,
            least: (least < AMOUNTS_END).then_some(least),
            floor: deed.floor,
            sizes: amounts.into_iter().map(size).collect(),
        }
    }

    fn prediction(&self, reading: &Reading, on: On<'_>) -> Option<Prediction> {
        let peers = on.frozen.peers(&reading.key.peers(on.who.stream));
        peers
            .known
            .then(|| predictive(&self.series(&reading.key), peers, on.frozen.day))
    }

    /// The readings with their surprises, ascending by key.
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
            let peers = on.frozen.peers(&reading.key.peers(on.who.stream));
            let of_peers = if on.frozen.weekend {
                peers.m_weekend
            } else {
                peers.m
            };
            Some(Crossing {
                reading,
                surprise,
                prediction,
                threshold,
                own_days,
                peers_usual: (of_peers.exp2() - 1.0).max(0.0),
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
        K: Kind,
        K::Base: AsRef<Learned>,
        K::Summary: AsRef<Taught>,
    {
        let mut xs: Vec<(Key, i64)> = Vec::with_capacity(appraised.len());
        for Appraised { reading, judged } in appraised {
            if reading.count == 0 {
                continue;
            }
            let known = judged.map(|(prediction, _)| prediction);
            let prediction = known.or_else(|| self.prediction(&reading, on));
            let cap = prediction
                .filter(|prediction| LEARN_BAR.reaches(prediction, reading.count))
                .and_then(|prediction| threshold_count(&prediction, 0, LEARN_CAP));
            let x = x_of(cap.map_or(reading.count, |cap| reading.count.min(cap)));
            let before = series_before(&latest, &reading.key);
            let peers = reading.key.peers(on.who.stream);
            let part = parts.series.entry(peers).or_default();
            part.add(&before, on.frozen.day, x);
            xs.push((reading.key, x));
        }
        Taught { xs, shown }
    }
}

/// How far each series of a day without a verdict may grow before the day must be judged again; `None`
/// when nothing can alert on this day.
pub struct Bars(Option<Vec<(Key, u64)>>);

impl Bars {
    /// The bars of a day that was just judged. A series that is far from alerting is left alone until it
    /// has grown fourfold: two or three logarithms, where the exact threshold takes dozens.
    pub fn new(appraised: &[Appraised], on: On<'_>) -> Self {
        let bar = |judge: &Judge, appraised: &Appraised| {
            let Appraised { reading, judged } = appraised;
            let Some((prediction, _)) = judged else {
                // Below the floor; else without peers, which a day does not get any more.
                let is_below = reading.count < reading.floor;
                return if is_below { reading.floor } else { u64::MAX };
            };
            let mut least = reading.count.saturating_add(1);
            for eighths in [9, 12, 16, 32] {
                let count = reading.count.saturating_mul(eighths) / 8;
                if judge.bar.reaches(prediction, count) {
                    break;
                }
                least = count.saturating_add(1);
            }
            least
        };
        let all = |judge: &Judge| {
            let bars = appraised.iter();
            bars.map(|a| (a.reading.key.clone(), bar(judge, a)))
                .collect()
        };
        Bars(on.judge().map(all))
    }

    /// Whether one of the readings, ascending by key, may alert.
    pub fn are_reached(&self, readings: &[Reading]) -> bool {
        let Some(bars) = &self.0 else { return false };
        let mut bars = bars.iter().peekable();
        readings.iter().any(|reading| {
            while bars.next_if(|(key, _)| *key < reading.key).is_some() {}
            let known = bars.peek().filter(|(key, _)| *key == reading.key);
            known.map_or(reading.floor, |(_, least)| *least) <= reading.count
        })
    }
}

/// One series with all closed days.
fn series_before<K>(latest: &Latest<'_, K>, key: &Key) -> Series
where
    K: Kind,
    K::Base: AsRef<Learned>,
    K::Summary: AsRef<Taught>,
{
    let mut series = latest.base.as_ref().series(key);
    for (day, taught) in latest.pending {
        let taught: &Taught = taught.as_ref();
        if let Ok(place) = taught.xs.binary_search_by(|(known, _)| known.cmp(key)) {
            series.learn(*day, taught.xs[place].1);
        }
    }
    series
}

impl AsRef<Learned> for Learned {
    fn as_ref(&self) -> &Learned {
        self
    }
}

impl AsRef<Taught> for Taught {
    fn as_ref(&self) -> &Taught {
        self
    }
}

/// The largest surprise; 0 below the floors.
pub fn score(appraised: &[Appraised]) -> u32 {
    let surprises = appraised.iter().filter_map(|a| a.judged);
    surprises.map(|(_, surprise)| surprise).max().unwrap_or(0)
}

/// Clauses of a sentence about limits.
const LIMITS_MAX: usize = 6;

/// The amounts that would have been quiet, all together: `24 files or fewer in 10 minutes and 60 files or fewer
/// in one day`. A window whose limit a longer one implies is left out.
pub fn quiet(crossings: &[Crossing<'_>], amount: impl Fn(&Key, u64) -> String) -> String {
    let mut limits: Vec<(&Key, u64)> = crossings
        .iter()
        .map(|crossing| (&crossing.reading.key, crossing.threshold.saturating_sub(1)))
        .collect();
    limits.sort_by(|a, b| a.0.cmp(b.0));
    let is_implied = |(key, limit): &(&Key, u64)| {
        let mut longer = limits.iter().filter(|(other, _)| {
            (&other.part, other.measure) == (&key.part, key.measure) && key.span < other.span
        });
        longer.any(|(_, of_longer)| of_longer <= limit)
    };
    let needed = limits.iter().filter(|limit| !is_implied(limit));
    let clauses: Vec<String> = needed
        .map(|(key, limit)| format!("{} {}", amount(key, *limit), key.span.text()))
        .collect();
    phrase::all_of(&clauses, LIMITS_MAX)
}
