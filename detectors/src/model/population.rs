//! The peers: sums over all active entity-days of one detector, measure, window, kind and group.
//!
//! Invariant: a day's part is the sum of its entities' contributions, in integers, so it is the same
//! for any number of shards in any order.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::fixed::{MAGNITUDE, ONE, is_weekend, log2_q12, x_of};
use super::magnitude::{DayCount, Series, mean_var, type_offset};

/// Below this many effective entity-days a statistic of the peers is unknown.
const KNOWN_DAYS: i128 = 10;

/// 0.001 doublings squared in Q24: an entity that never changes still has a variance.
const VAR_FLOOR_Q24: i64 = 16_777;

/// What entity-days add to the population: weekday n, s1, s2, weekend n, s1, s2, then n and sum of
/// the logarithms of own variances, then n and sum of own weekend shifts. Added in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contribution(pub [i128; 10]);

impl AddAssign for Contribution {
    fn add_assign(&mut self, other: Self) {
        for (sum, part) in self.0.iter_mut().zip(other.0) {
            *sum += part;
        }
    }
}

impl Contribution {
    /// Adds one active entity-day of this x (Q12), computed at sealing against the baseline *before*
    /// that day is folded into `series`.
    pub fn add(&mut self, series: &Series, day: i32, x: i64) {
        let weekend = is_weekend(day);
        let weight = MAGNITUDE.weight(day);
        let i = type_offset(weekend);
        let mut put = |at: usize, part: i64| self.0[at] += i128::from(part);
        put(i, weight);
        put(i + 1, weight * x);
        put(i + 2, weight * x * x);
        let own = series.at(day);
        if let Some(variance) = own_variance_q24(&own, weight) {
            let log2 = log2_q12(variance.saturating_add(1) as u64) - 24 * ONE;
            put(6, weight);
            put(7, weight * log2);
        }
        if weekend && 3 * weight <= own[0] {
            put(8, weight);
            put(9, weight * (x - own[1].div_euclid(own[0])));
        }
    }
}

/// The part of one active entity-day alone.
pub fn contribution(series: &Series, closed: DayCount) -> Contribution {
    let mut part = Contribution::default();
    if 0 < closed.count {
        part.add(series, closed.day, x_of(closed.learned()));
    }
    part
}

/// An entity's own variance in Q24 doublings squared, in integers only; known from at least three
/// effective days of one type.
fn own_variance_q24(sums: &[i64; 6], weight: i64) -> Option<i64> {
    let (mut squares, mut dof) = (0, 0);
    for i in [0, 3] {
        let (n, s1, s2) = (sums[i], sums[i + 1], sums[i + 2]);
        if 2 * weight <= n {
            squares += squares_about_mean(n, s1, s2);
            dof += n - weight;
        }
    }
    (2 * weight <= dof).then(|| squares / dof + VAR_FLOOR_Q24)
}

/// (n s2 - s1^2) / n, rounded down; 0 where it would be less. `n` is above 0.
fn squares_about_mean(n: i64, s1: i64, s2: i64) -> i64 {
    let (mean, rest) = (s1.div_euclid(n), s1.rem_euclid(n));
    // With s1 = n mean + rest nothing here leaves 64 bits, which is several times as fast.
    if n < 1 << 22 && (0..1 << 20).contains(&mean) {
        let square = n * mean * mean + 2 * mean * rest + (rest * rest + n - 1) / n;
        return (s2 - square).max(0);
    }
    let [n, s1, s2] = [n, s1, s2].map(i128::from);
    i64::try_from((n * s2 - s1 * s1).max(0) / n).unwrap_or(i64::MAX)
}

/// What the population has learned; the forgetting is that of the magnitudes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Population {
    /// Last day folded.
    pub day: i32,
    /// As in [`Contribution`], in the units of that day's block.
    pub sums: [i128; 10],
}

/// The constants of the peers for one day, in doublings and doublings squared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peers {
    /// Location on a weekday.
    pub m: f64,
    /// Location on a weekend day.
    pub m_weekend: f64,
    /// Variance between entities.
    pub tau2: f64,
    /// Variance of an entity from day to day: the geometric mean of its members'.
    pub v0: f64,
    /// Weekend minus weekday of the same entity.
    pub shift: f64,
    /// Whether there are peers at all: if not, learn, but do not judge.
    pub known: bool,
}

impl Default for Peers {
    /// Before there is a population: some thirty a day, give or take a factor of eight.
    fn default() -> Self {
        Peers::prior(5.0)
    }
}

impl Peers {
    /// Before there is a population, for a measure whose usual day is at `location` doublings.
    pub fn prior(location: f64) -> Self {
        Peers {
            m: location,
            m_weekend: location,
            tau2: 9.0,
            v0: 1.0,
            shift: 0.0,
            known: false,
        }
    }
}

impl Population {
    /// Folds a closed day: the parts of all shards, in any order. Days never go back.
    pub fn fold_day(&mut self, day: i32, parts: impl IntoIterator<Item = Contribution>) {
        let mut whole = Contribution(self.at(day));
        for part in parts {
            whole += part;
        }
        self.sums = whole.0;
        self.day = self.day.max(day);
    }

    /// Adds what another population has learned.
    pub fn add(&mut self, other: &Population) {
        let day = self.day.max(other.day);
        let mut whole = Contribution(self.at(day));
        whole += Contribution(other.at(day));
        *self = Population { day, sums: whole.0 };
    }

    /// The sums in the units of `day`.
    fn at(&self, day: i32) -> [i128; 10] {
        let bits = MAGNITUDE.shift(self.day, day);
        self.sums.map(|sum| sum >> bits)
    }

    /// The constants for `day`.
    pub fn constants(&self, day: i32) -> Peers {
        self.constants_or(day, Peers::default())
    }

    /// The constants for `day`, from `prior` where the population does not know yet.
    pub fn constants_or(&self, day: i32, prior: Peers) -> Peers {
        self.constants_from(day, prior, KNOWN_DAYS)
    }

    /// The constants for `day` where one effective entity-day says where the peers are; for a replay in
    /// hindsight, whose other days may be weeks old by their weight. How they vary takes as many as ever.
    pub fn constants_of_few(&self, day: i32) -> Peers {
        self.constants_from(day, Peers::default(), 1)
    }

    fn constants_from(&self, day: i32, prior: Peers, located_days: i128) -> Peers {
        let sums = self.at(day);
        let enough = KNOWN_DAYS * i128::from(MAGNITUDE.weight(day));
        let located = located_days * i128::from(MAGNITUDE.weight(day));
        let mean_of = |n: usize, sum: usize| sums[sum] as f64 / sums[n] as f64 / ONE as f64;
        let n = sums[0] + sums[3];
        let mut peers = Peers {
            known: located <= n,
            ..prior
        };
        if enough <= sums[6] {
            peers.v0 = mean_of(6, 7).exp2();
        }
        if located <= n {
            let (mean, variance) = mean_var(n, sums[1] + sums[4], sums[2] + sums[5]);
            let or_both = |n: usize| {
                if located <= sums[n] {
                    mean_of(n, n + 1)
                } else {
                    mean
                }
            };
            peers.m = or_both(0);
            peers.m_weekend = or_both(3);
            peers.tau2 = (variance - peers.v0).max(0.25 * peers.v0);
        }
        if enough <= sums[8] {
            peers.shift = mean_of(8, 9);
        }
        peers
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the entities are spread over shards, the population is the same.
        #[test]
        fn the_population_does_not_depend_on_shards(
            counts in prop::collection::vec((any::<u64>(), 0..60u32), 1..40), shards in 1..8usize, day in 20_000..20_100i32,
        ) {
            let mut series = Series::default();
            let parts: Vec<Contribution> = counts
                .iter()
                .enumerate()
                .map(|(i, (bits, shift))| {
                    let closed = DayCount { day: day + i as i32, count: bits >> shift, cap: None };
                    let part = contribution(&series, closed);
                    series.fold(closed);
                    part
                })
                .collect();
            let mut whole = Population::default();
            whole.fold_day(day, parts.iter().copied());
            let mut by_shard = vec![Contribution::default(); shards];
            for (i, part) in parts.iter().enumerate().rev() {
                by_shard[i % shards] += *part;
            }
            let mut split = Population::default();
            split.fold_day(day, by_shard);
            prop_assert_eq!(&split, &whole);
            let stored = postcard::to_allocvec(&whole).expect("plain data");
            prop_assert_eq!(postcard::from_bytes::<Population>(&stored).expect("what was stored"), whole);
        }

        /// An idle day folded or not: the later sums are the same.
        #[test]
        fn idle_days_change_nothing(sums: [i64; 10], idle in 0..100i32, more in 0..100i32) {
            let mut population = Population { day: 20_000, sums: sums.map(i128::from) };
            let direct = population.at(20_000 + idle + more);
            population.fold_day(20_000 + idle, []);
            prop_assert_eq!(population.at(20_000 + idle + more), direct);
        }
    }

    proptest! {
        /// The way through 64 bits gives what 128 give.
        #[test]
        fn the_short_way_is_the_long_way(n in 1..1i64 << 23, mean in 0..1i64 << 21, part: i64, more in 0..1i64 << 56) {
            let s1 = n * mean + part.rem_euclid(n);
            let least = i128::from(s1) * i128::from(s1) / i128::from(n);
            for s2 in [more, (least as i64).saturating_add(more >> 20), least as i64] {
                let [wide_n, wide_1, wide_2] = [n, s1, s2].map(i128::from);
                let want = (wide_n * wide_2 - wide_1 * wide_1).max(0) / wide_n;
                prop_assert_eq!(i128::from(squares_about_mean(n, s1, s2)), want);
            }
        }
    }

    #[test]
    fn nobody_is_judged_by_no_peers() {
        let peers = Population::default().constants(20_000);
        assert_eq!(peers, Peers::default());
        assert!(!peers.known);
    }
}
