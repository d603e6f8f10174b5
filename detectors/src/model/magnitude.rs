//! How much: one series per entity, measure and window length, in doublings.
//!
//! The value of a day is x = log2(1 + the day's largest window); only active days are learned and
//! judged. Given an entity's past, x is location + scale * t(nu): a moderated t (Smyth 2004, limma),
//! shrunk to the peers. Location is the precision-weighted mean of own days of the same type (weekday
//! or weekend), own days of the other type, and the peers; the scale is pooled over both types.
//!
//! Invariant: the surprise of a day never falls as its count grows, so a verdict is eager; and a fold
//! gives the same bits however it is split.

use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

use super::fixed::{MAGNITUDE, ONE, S_MAX, is_weekend, round_surprise, x_of};
use super::population::Peers;
use super::student::log10_t_sf;

/// Pseudo-days of the peers' scale: what an entity of two days is worth against its peers.
const NU0: f64 = 6.0;

/// Days follow each other: eight own days pin the level as well as one independent day would.
const AUTOCORRELATION: f64 = 8.0;

/// Doublings squared, added to the predictive variance: steady machines do not alarm at +10 %.
const V_MIN: f64 = 0.1;

/// The cap of the continued fraction; beyond it a t is a normal.
const NU_MAX: f64 = 1000.0;

/// A day beyond p = 0.001 is learned as the count that has p = 0.001, alert or not: so what is
/// learned depends neither on the budget nor on alerts. In millidecades.
pub const LEARN_CAP: u32 = 3000;

/// What one series has learned: for weekdays and then weekends the sums of weight, of weight * x and
/// of weight * x^2.
///
/// One day a fold keeps the largest sum below 2^55, since x is below 2^18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Series {
    /// Last day folded; the sums are in the units of that day's block.
    pub day: i32,
    /// Weekday n, s1, s2, weekend n, s1, s2.
    pub sums: [i64; 6],
}

/// A closed active day that is not folded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DayCount {
    /// The day.
    pub day: i32,
    /// Its largest window.
    pub count: u64,
    /// [`threshold_count`] of that day's prediction at [`LEARN_CAP`], kept since the day was opened;
    /// `None` when there is none or an analyst called the day expected.
    pub cap: Option<u64>,
}

impl DayCount {
    /// The count that is learned.
    pub fn learned(&self) -> u64 {
        self.cap.map_or(self.count, |cap| self.count.min(cap))
    }
}

impl Series {
    /// The sums in the units of `day`.
    pub fn at(&self, day: i32) -> [i64; 6] {
        MAGNITUDE.forward(&self.sums, self.day, day)
    }

    /// Learns a closed day; an idle one (count 0) teaches nothing. Days never go back.
    pub fn fold(&mut self, closed: DayCount) {
        if closed.count == 0 {
            return;
        }
        self.learn(closed.day, x_of(closed.learned()));
    }

    /// Learns an x (Q12) of a closed day. Days never go back.
    pub fn learn(&mut self, day: i32, x: i64) {
        let weight = MAGNITUDE.weight(day);
        self.sums = self.at(day);
        self.day = self.day.max(day);
        let i = type_offset(is_weekend(day));
        self.sums[i] += weight;
        self.sums[i + 1] += weight * x;
        self.sums[i + 2] += weight * x * x;
    }

    /// The baseline whose last day is `last`: this series with the unfolded days up to `last` folded
    /// onto a copy. `pending` is in day order.
    pub fn baseline_at(&self, last: i32, pending: &[DayCount]) -> Series {
        let mut baseline = *self;
        for closed in pending.iter().take_while(|closed| closed.day <= last) {
            baseline.fold(*closed);
        }
        baseline
    }

    /// Own days that the baseline rests on as of `day`, in fresh days of weight one.
    pub fn effective_days(&self, day: i32) -> f64 {
        let sums = self.at(day);
        (sums[0] + sums[3]) as f64 / MAGNITUDE.weight(day) as f64
    }
}

/// Where the sums of a type of day begin.
pub(super) fn type_offset(weekend: bool) -> usize {
    if weekend { 3 } else { 0 }
}

/// Mean (doublings) and mean square about it (doublings squared) from integer sums. The difference
/// is taken in integers, so nothing cancels; 128 bits hold it for 10^8 entities.
pub(super) fn mean_var(n: i128, s1: i128, s2: i128) -> (f64, f64) {
    if n == 0 {
        return (0.0, 0.0);
    }
    let square = (n * s2 - s1 * s1).max(0);
    let one = ONE as f64;
    (
        s1 as f64 / n as f64 / one,
        square as f64 / (n * n) as f64 / (one * one),
    )
}

/// What a baseline expects of one day.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Prediction {
    /// Doublings.
    pub location: f64,
    /// Doublings.
    pub scale: f64,
    /// Degrees of freedom.
    pub nu: f64,
}

impl Prediction {
    /// The expected count: the location taken back from doublings.
    pub fn expected(&self) -> f64 {
        (self.location.exp2() - 1.0).max(0.0)
    }

    /// How many scales above the location an x lies.
    fn t(&self, x: i64) -> f64 {
        (x as f64 / ONE as f64 - self.location) / self.scale
    }
}

/// The prediction for `day` from a baseline and the constants of its peers as of the same day.
///
/// The degrees of freedom are Satterthwaite's (1946), with the peers' part and the variance floor
/// counted as known: else a newcomer's tail would hide ten times his peers' volume.
pub fn predictive(series: &Series, peers: &Peers, day: i32) -> Prediction {
    let sums = series.at(day);
    let weight = MAGNITUDE.weight(day) as f64;
    let days = |i: usize| sums[i] as f64 / weight;
    let (v, dof) = pooled_variance(&sums, weight, peers.v0);

    let weekend = is_weekend(day);
    let (same, other) = (type_offset(weekend), type_offset(!weekend));
    let (sign, m_peers) = if weekend {
        (1.0, peers.m_weekend)
    } else {
        (-1.0, peers.m)
    };
    let mut precision = 1.0 / peers.tau2;
    let mut weighted = m_peers / peers.tau2;
    for (i, shift, extra) in [
        (same, 0.0, 0.0),
        (other, sign * peers.shift, peers.v0 / 4.0),
    ] {
        if 0 < sums[i] {
            let variance = AUTOCORRELATION * v / days(i) + extra;
            precision += 1.0 / variance;
            weighted += (sums[i + 1] as f64 / sums[i] as f64 / ONE as f64 + shift) / variance;
        }
    }
    let scale2 = v + V_MIN + 1.0 / precision;
    let known = V_MIN + 1.0 / (peers.tau2 * precision * precision);
    Prediction {
        location: weighted / precision,
        scale: scale2.sqrt(),
        nu: (dof * (scale2 / (scale2 - known)).powi(2)).min(NU_MAX),
    }
}

/// The variance of a day about its type's mean, pooled over both types and shrunk to the peers' v0
/// (doublings squared), and its degrees of freedom.
fn pooled_variance(sums: &[i64; 6], weight: f64, v0: f64) -> (f64, f64) {
    let (mut squares, mut dof) = (NU0 * v0, NU0);
    for i in [0, 3] {
        if 0 < sums[i] {
            let days = sums[i] as f64 / weight;
            let [n, s1, s2] = [sums[i], sums[i + 1], sums[i + 2]].map(i128::from);
            squares += days * mean_var(n, s1, s2).1;
            dof += (days - 1.0).max(0.0);
        }
    }
    (squares / dof, dof)
}

/// Surprise of a day's largest window; 0 below the floor. Never falls as the count grows.
pub fn magnitude_surprise(prediction: &Prediction, count: u64, floor: u64) -> u32 {
    if count < floor {
        return 0;
    }
    t_surprise(prediction, x_of(count))
}

/// Surprise of an x (Q12). Never falls as x grows.
pub fn t_surprise(prediction: &Prediction, x: i64) -> u32 {
    round_surprise(-1000.0 * log10_t_sf(prediction.t(x), prediction.nu))
}

/// The smallest count (below 2^62) whose surprise reaches `needed`, at least `floor`; `None` if no
/// count does. Computed once per series and day, so that an event costs one comparison of integers.
pub fn threshold_count(prediction: &Prediction, floor: u64, needed: u32) -> Option<u64> {
    // The surprise depends on the count only through x: 18 steps over x, then integers alone.
    let top = 62 * ONE as u64;
    let bar = Bar::new(needed);
    let x = first(top + 1, |x| bar.is_reached_by(prediction, x as i64));
    if top < x {
        return None;
    }
    let count = first(1 << 62, |count| x as i64 <= x_of(count));
    Some(count.max(floor))
}

/// The first of 0..end for which `reaches` holds, or `end`; it holds for all after the first.
pub fn first(end: u64, reaches: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        if reaches(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// A needed surprise with a cheap test in front: made once a day, asked once per series.
///
/// A t has a heavier tail than the normal whatever its degrees of freedom, so what is too near for
/// the normal can never reach, and the continued fraction is spared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    needed: u32,
    /// Below this many scales nothing reaches `needed`.
    t_min: f64,
}

impl Bar {
    /// The bar of a needed surprise; above [`S_MAX`] nothing reaches it.
    pub fn new(needed: u32) -> Self {
        Bar {
            needed,
            t_min: t_min(needed),
        }
    }

    /// The needed surprise.
    pub fn needed(&self) -> u32 {
        self.needed
    }

    /// Whether the surprise of `count` reaches the bar; the same answer as by
    /// [`magnitude_surprise`], without a floor.
    pub fn reaches(&self, prediction: &Prediction, count: u64) -> bool {
        self.is_reached_by(prediction, x_of(count))
    }

    fn is_reached_by(&self, prediction: &Prediction, x: i64) -> bool {
        // Not `t < t_min` alone: a t that is no number has surprise 0, which reaches 0.
        if prediction.t(x) < self.t_min {
            return false;
        }
        self.needed <= t_surprise(prediction, x)
    }
}

/// A little less than the normal quantile of the largest p that rounds to `needed`.
fn t_min(needed: u32) -> f64 {
    if S_MAX < needed {
        return f64::INFINITY;
    }
    let p = 10f64.powf(-(f64::from(needed) - 0.5) / 1000.0);
    // At and below the median the t is on the other side of the normal.
    if 0.5 <= p {
        return f64::NEG_INFINITY;
    }
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if p < erfc(middle / std::f64::consts::SQRT_2) / 2.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low - 1e-6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn closed(day: i32, count: u64) -> DayCount {
        DayCount {
            day,
            count,
            cap: None,
        }
    }

    /// Days in order with gaps, and counts of every size.
    fn histories() -> impl Strategy<Value = Vec<DayCount>> {
        prop::collection::vec((0..40i32, any::<u64>(), 0..64u32), 0..60).prop_map(|steps| {
            let mut day = 20_000;
            let mut days = Vec::new();
            for (gap, bits, shift) in steps {
                day += 1 + gap * gap / 40;
                days.push(closed(day, bits >> shift));
            }
            days
        })
    }

    fn fold(days: &[DayCount]) -> Series {
        let mut series = Series::default();
        days.iter().for_each(|closed| series.fold(*closed));
        series
    }

    proptest! {
        /// Looking at a series in between, or keeping some days unfolded, changes no bit.
        #[test]
        fn a_fold_is_the_same_however_it_is_split(days in histories(), cut: prop::sample::Index, idle in 0..400i32) {
            let cut = cut.index(days.len() + 1);
            let whole = fold(&days);
            let mut stepwise = fold(&days[..cut]);
            let next = days.get(cut).map_or(stepwise.day, |closed| closed.day);
            stepwise = Series { day: next, sums: stepwise.at(next) };
            stepwise = stepwise.baseline_at(i32::MAX, &days[cut..]);
            let later = whole.day.max(stepwise.day) + idle;
            prop_assert_eq!(stepwise.at(later), whole.at(later));
            let stored = postcard::to_allocvec(&whole).expect("plain data");
            let restored: Series = postcard::from_bytes(&stored).expect("what was stored");
            prop_assert_eq!(restored.at(later), whole.at(later));
        }

        /// More events never lower a verdict.
        #[test]
        fn surprise_never_falls_as_the_count_grows(days in histories(), mut counts: [u64; 12], shifts: [u8; 12]) {
            let series = fold(&days);
            let prediction = predictive(&series, &Peers::default(), series.day + 2);
            for (count, shift) in counts.iter_mut().zip(shifts) {
                *count >>= shift % 64;
            }
            counts.sort_unstable();
            let surprises = counts.map(|count| magnitude_surprise(&prediction, count, 25));
            prop_assert!(surprises.is_sorted(), "{:?}", surprises);
        }

        /// The integer that events are compared with is where the surprise begins.
        #[test]
        fn the_threshold_is_the_first_count_that_reaches(days in histories(), needed in 1..=S_MAX) {
            let series = fold(&days);
            let prediction = predictive(&series, &Peers::default(), series.day + 2);
            let Some(count) = threshold_count(&prediction, 0, needed) else {
                prop_assert!(t_surprise(&prediction, 62 * ONE) < needed);
                return Ok(());
            };
            prop_assert!(needed <= magnitude_surprise(&prediction, count, 0));
            if 0 < count {
                prop_assert!(magnitude_surprise(&prediction, count - 1, 0) < needed);
            }
            prop_assert_eq!(threshold_count(&prediction, count + 7, needed), Some(count + 7));
        }

        /// The short cut never changes an answer.
        #[test]
        fn the_bar_says_what_the_tail_says(
            location in -5.0..70.0f64, scale in 0.01..20.0f64, log_nu in -0.5..3.0f64,
            count: u64, shift in 0..64u32, needed in 0..=S_MAX + 1,
        ) {
            let prediction = Prediction { location, scale, nu: 10f64.powf(log_nu) };
            let count = count >> shift;
            let reached = needed <= magnitude_surprise(&prediction, count, 0);
            prop_assert_eq!(Bar::new(needed).reaches(&prediction, count), reached);
        }
    }

    /// The famous three: a p of 0.001 needs 3.09 standard deviations at least.
    #[test]
    fn three_sigma_is_the_bar_of_one_in_a_thousand() {
        assert!((t_min(3000) - 3.09).abs() < 0.001, "{}", t_min(3000));
    }
}
