//! From a model's surprise to a p-value that keeps its word: by its rank among past verdicts.
//!
//! The verdict of one entity, day and detector is the largest surprise of its series, the minimum p.
//! Its null distribution, whatever the number and the dependence of the series, is read off the
//! population: the histogram of past verdicts (min-p: Westfall & Young 1993; conformal p: Vovk 2005).
//! Beyond its reach: peaks over threshold with exponential excess (Pickands 1975; Hill 1975, since an
//! exponential tail in log p is a power law in p).
//!
//! Invariant: p never rises with surprise.

use std::collections::BTreeMap;
use std::f64::consts::LN_10;

use serde::{Deserialize, Serialize};

use super::fixed::{S_MAX, VERDICTS, aged, p_of};

/// Width of a bin in millidecades.
const BIN: u32 = 50;

const BINS: usize = (S_MAX / BIN) as usize + 1;

/// Pseudo entity-days of the model's own p.
const PRIOR_DAYS: f64 = 10.0;

/// Before there is a history, p is ten times what the model says.
const PRIOR_FACTOR: f64 = 10.0;

/// The tail starts where this share of the histogram lies above, but at least and at most so many
/// entity-days.
const TAIL_SHARE: f64 = 0.05;
const TAIL_MIN: f64 = 10.0;
const TAIL_MAX: f64 = 30.0;

/// Pseudo-excesses of the model's own slope.
const TAIL_PSEUDO: f64 = 5.0;

/// Mean excess, in millidecades, of a model that is right.
const SLOPE: f64 = 1000.0 / LN_10;

/// No detector is let off with less than this, however few it tests.
const ALPHA_MAX: f64 = 0.1;

/// Past end-of-day verdicts of one detector and kind: weight per bin of surprise, bins with none
/// left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Histogram {
    day: i32,
    bins: BTreeMap<u16, i64>,
}

impl Histogram {
    /// A histogram from its parts: last day folded and weight by bin of 50 millidecades.
    pub fn from_bins(day: i32, bins: impl IntoIterator<Item = (u16, i64)>) -> Self {
        let inside = |bin: &(u16, i64)| usize::from(bin.0) < BINS && 0 < bin.1;
        Histogram {
            day,
            bins: bins.into_iter().filter(inside).collect(),
        }
    }

    /// Folds a closed day: (surprise, entity-days) of all shards, in any order and any cut. All
    /// active entity-days belong here, those below the floor with surprise 0. Days never go back.
    pub fn fold_day(&mut self, day: i32, verdicts: impl IntoIterator<Item = (u32, u64)>) {
        let bits = VERDICTS.shift(self.day, day);
        if 0 < bits {
            self.bins.retain(|_, weight| {
                *weight = aged(*weight, bits);
                0 < *weight
            });
        }
        self.day = self.day.max(day);
        let fresh = VERDICTS.weight(day);
        for (surprise, days) in verdicts {
            let days = i64::try_from(days).unwrap_or(i64::MAX);
            if days == 0 {
                continue;
            }
            let weight = self.bins.entry(bin_of(surprise) as u16).or_default();
            *weight = weight.saturating_add(fresh.saturating_mul(days));
        }
    }
}

fn bin_of(surprise: u32) -> usize {
    (surprise.min(S_MAX) / BIN) as usize
}

/// A histogram frozen for one day: from surprise to calibrated p.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Entity-days in a bin or above it; one more than there are bins.
    above: Vec<f64>,
    tail: Option<Tail>,
}

/// The fitted tail.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Tail {
    /// Bin where it starts.
    start: usize,
    /// In millidecades.
    mean_excess: f64,
}

impl Default for Calibration {
    /// That of no history.
    fn default() -> Self {
        Calibration::new(&Histogram::default(), 0)
    }
}

impl Calibration {
    /// The calibration for `day`.
    pub fn new(histogram: &Histogram, day: i32) -> Self {
        let bits = VERDICTS.shift(histogram.day, day);
        let weight = VERDICTS.weight(day) as f64;
        let mut bins = [0i64; BINS];
        for (bin, sum) in &histogram.bins {
            if let Some(slot) = bins.get_mut(usize::from(*bin)) {
                *slot = aged(*sum, bits);
            }
        }
        let mut above = vec![0.0; BINS + 1];
        let mut total = 0i128;
        for bin in (0..BINS).rev() {
            total += i128::from(bins[bin]);
            above[bin] = total as f64 / weight;
        }
        let need = (TAIL_SHARE * above[0]).clamp(TAIL_MIN, TAIL_MAX);
        let start = (1..BINS).rev().find(|bin| need <= above[*bin]);
        let tail = start.map(|start| Tail {
            start,
            mean_excess: mean_excess(&bins, start, weight, above[start]),
        });
        Calibration { above, tail }
    }

    /// Effective entity-days that the calibration rests on.
    pub fn entity_days(&self) -> f64 {
        self.above[0]
    }

    /// Whether there are verdicts enough for a fitted tail; before that p is ten times the model's.
    pub fn has_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// The calibrated p of a surprise. Never rises with surprise.
    pub fn p(&self, surprise: u32) -> f64 {
        let prior = (PRIOR_FACTOR * p_of(surprise)).min(1.0);
        let Some(tail) = self.tail else {
            return prior;
        };
        let n = self.above[0];
        let bin = bin_of(surprise);
        let share = if bin < tail.start {
            self.above[bin] / n
        } else {
            let reached = self.above[tail.start] / n;
            let excess = f64::from(surprise) - tail.start as f64 * f64::from(BIN);
            let fit = reached * (-excess / tail.mean_excess).exp();
            let rank = (self.above[bin + 1] + 0.5) / (n + 1.0);
            // Never below the plain rank; but its half verdict must not lift the first bins of the
            // tail above the bin before it, or a larger surprise would get a larger p.
            fit.max(rank.min(reached))
        };
        ((PRIOR_DAYS * prior + n * share) / (PRIOR_DAYS + n)).min(1.0)
    }

    /// The smallest surprise whose calibrated p is at most `alpha`; [`S_MAX`] + 1 if none is.
    pub fn needed(&self, alpha: f64) -> u32 {
        let (mut low, mut high) = (0, S_MAX + 1);
        while low < high {
            let middle = (low + high) / 2;
            if self.p(middle) <= alpha {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

/// Mean excess over the start of the tail, in millidecades, shrunk to the model's own slope.
fn mean_excess(bins: &[i64; BINS], start: usize, weight: f64, days: f64) -> f64 {
    let width = i128::from(BIN);
    let sum: i128 = (start..BINS)
        .map(|bin| i128::from(bins[bin]) * ((bin - start) as i128 * width + width / 2))
        .sum();
    (sum as f64 / weight + TAIL_PSEUDO * SLOPE) / (days + TAIL_PSEUDO)
}

/// From a budget of incidents a day to the alpha of each statistical detector.
///
/// - `policy_rate`: incidents a day that policy and physics made in the baseline (they are no tests,
///   and take at most half of the budget);
/// - `tested`: active entities expected on a day of this type, from the baseline;
/// - `shares`: the weight of each detector.
///
/// A detector that tests nobody has no alpha.
pub fn alphas<K: Ord + Clone>(
    budget: f64,
    policy_rate: f64,
    tested: &BTreeMap<K, f64>,
    shares: &BTreeMap<K, f64>,
) -> BTreeMap<K, f64> {
    let left = (budget - policy_rate).max(budget / 2.0);
    let testing: Vec<(&K, f64, f64)> = shares
        .iter()
        .filter_map(|(detector, share)| Some((detector, *share, *tested.get(detector)?)))
        .filter(|(_, _, entities)| 0.0 < *entities)
        .collect();
    let total: f64 = testing.iter().map(|(_, share, _)| share).sum();
    testing
        .into_iter()
        .map(|(detector, share, entities)| {
            let alpha = left * share / total / entities;
            (detector.clone(), alpha.min(ALPHA_MAX))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// (day, surprise, entity-days) in day order.
    fn pasts() -> impl Strategy<Value = Vec<(i32, u32, u64)>> {
        let verdict = (0..30i32, 0.0..1.0f64, 1..40u64);
        prop::collection::vec(verdict, 0..80).prop_map(|steps| {
            let mut day = 20_000;
            let verdict = |(gap, share, days): (i32, f64, u64)| {
                day += gap / 4;
                (day, (share.powi(6) * 35_000.0) as u32, days)
            };
            steps.into_iter().map(verdict).collect()
        })
    }

    fn histogram(past: &[(i32, u32, u64)]) -> Histogram {
        let mut histogram = Histogram::default();
        for (day, surprise, days) in past {
            histogram.fold_day(*day, [(*surprise, *days)]);
        }
        histogram
    }

    proptest! {
        #[test]
        fn calibrated_p_never_rises_with_surprise(past in pasts(), wait in 0..300i32, alpha in 1e-6..0.2f64) {
            let histogram = histogram(&past);
            let calibration = Calibration::new(&histogram, histogram.day + wait);
            let mut last = f64::INFINITY;
            for surprise in (0..=S_MAX + 10).step_by(5) {
                let p = calibration.p(surprise);
                prop_assert!(p <= last, "{} {} {}", surprise, p, last);
                last = p;
            }
            let needed = calibration.needed(alpha);
            prop_assert!(S_MAX < needed || calibration.p(needed) <= alpha);
            prop_assert!(needed == 0 || alpha < calibration.p(needed - 1));
        }

        /// Verdicts of one day, in any order and cut, and idle days between, give the same bits.
        #[test]
        fn a_fold_is_the_same_however_it_is_split(past in pasts(), cut: prop::sample::Index) {
            let whole = histogram(&past);
            let mut by_day: BTreeMap<i32, Vec<(u32, u64)>> = BTreeMap::new();
            for (day, surprise, days) in past.iter().rev() {
                by_day.entry(*day).or_default().push((*surprise, *days));
            }
            let mut split = Histogram::default();
            let idle = cut.index(by_day.len() + 1);
            for (i, (day, verdicts)) in by_day.into_iter().enumerate() {
                if i == idle {
                    split.fold_day(day, []);
                }
                split.fold_day(day, verdicts);
            }
            prop_assert_eq!(split, whole);
        }
    }

    /// A faint verdict on the tail's first bin, nothing below it for a while: the half verdict of the
    /// plain rank would lift p here.
    #[test]
    fn the_first_bin_of_the_tail_is_no_step_up() {
        let weight = VERDICTS.weight(20_000);
        let bins = [(0, 190 * weight), (20, 1), (40, 10 * weight - 1)];
        let calibration = Calibration::new(&Histogram::from_bins(20_000, bins), 20_000);
        assert!(calibration.has_tail());
        assert!(calibration.p(20 * BIN) <= calibration.p(20 * BIN - 1));
    }

    #[test]
    fn policy_takes_at_most_half_of_the_budget() {
        let one = BTreeMap::from([("a", 1.0)]);
        let tested = BTreeMap::from([("a", 100.0)]);
        assert_eq!(alphas(4.0, 50.0, &tested, &one)["a"], 0.02);
        assert!(alphas(4.0, 0.0, &BTreeMap::new(), &one).is_empty());
    }
}
