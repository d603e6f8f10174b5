//! Low and slow: collection so gradual that no single day stands out.
//!
//! Sealed, not eager: one step per closed active day. Invariant: the reference is held back by four
//! weeks, so that a ramp cannot raise the level it is measured against, and one large day adds little
//! (that is what the daily model is for).

use serde::{Deserialize, Serialize};

use super::fixed::{HABIT, ONE, S_MAX, log2_q12, x_of};

/// Days that a closed day waits before it counts as usual.
pub const HELD_BACK_DAYS: i32 = 28;

/// The level never grows beyond what any score could show.
const LEVEL_MAX: i128 = 1 << 40;

/// One-sided CUSUM (Page 1954) over the objects a day that the user had never touched before, each
/// day winsorised at three ordinary days; the reference is one and a half ordinary days and one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Slow {
    /// Last day folded into `n` and `total`.
    day: i32,
    /// Weight of the active days.
    n: i64,
    /// Weighted sum of their x.
    total: i64,
    /// (day, new objects) of the days that are still held back, oldest first.
    #[serde(with = "gaps")]
    recent: Vec<(i32, u64)>,
    /// Objects above the reference.
    level: i64,
}

impl Slow {
    /// Folds a closed active day with `new` never-touched objects; days never go back. The score,
    /// or `None` while an ordinary day is unknown.
    pub fn step(&mut self, day: i32, new: u64) -> Option<u32> {
        let ripe = |held: i32| i64::from(held) <= i64::from(day) - i64::from(HELD_BACK_DAYS);
        let (old, mut recent) = std::mem::take(&mut self.recent)
            .into_iter()
            .partition::<Vec<_>, _>(|held| ripe(held.0));
        for (old_day, count) in old {
            self.learn(old_day, count);
        }
        recent.push((day, new));
        self.recent = recent;
        let usual = self.usual(day)?;
        let ordinary = i128::from(usual);
        let step = i128::from(new).min(3 * ordinary) - (ordinary + ordinary / 2 + 1);
        self.level = (i128::from(self.level) + step).clamp(0, LEVEL_MAX) as i64;
        Some(slow_score(self.level, usual))
    }

    /// New objects of the last days, oldest first.
    pub fn last_days(&self) -> Vec<f64> {
        self.recent.iter().map(|(_, new)| *new as f64).collect()
    }

    /// New objects on an ordinary active day (geometric mean, at least 1), as of `day`; `None` before
    /// five active days.
    pub fn usual(&self, day: i32) -> Option<u64> {
        let [n, total] = HABIT.forward(&[self.n, self.total], self.day, day);
        if n < 5 * HABIT.weight(day) {
            return None;
        }
        let doublings = total as f64 / n as f64 / ONE as f64;
        Some(((doublings.exp2() + 0.5).floor() as u64).max(1))
    }

    /// New objects above the reference so far.
    pub fn level(&self) -> i64 {
        self.level
    }

    /// Weight of the active days learned, and the weighted sum of their x.
    pub fn learned(&self) -> (i64, i64) {
        (self.n, self.total)
    }

    fn learn(&mut self, day: i32, count: u64) {
        let weight = HABIT.weight(day);
        let [n, total] = HABIT.forward(&[self.n, self.total], self.day, day);
        self.n = n + weight;
        self.total = total + weight * x_of(count);
        self.day = self.day.max(day);
    }
}

/// 1000 log2(1 + level in ordinary days). Calibrated by rank like a surprise, and judged only where
/// the calibration has a fitted tail.
pub fn slow_score(level: i64, usual: u64) -> u32 {
    let days = level.max(0) as u64 / usual.max(1);
    (1000 * log2_q12(1 + days) / ONE).min(i64::from(S_MAX)) as u32
}

/// Days as gaps from the day before, one byte each where a day took three.
mod gaps {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(days: &[(i32, u64)], to: S) -> Result<S::Ok, S::Error> {
        let before = std::iter::once(0).chain(days.iter().map(|(day, _)| *day));
        let gaps = days.iter().zip(before);
        let gaps: Vec<(i32, u64)> = gaps
            .map(|((day, count), before)| (day.wrapping_sub(before), *count))
            .collect();
        gaps.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(i32, u64)>, D::Error> {
        let mut days = Vec::<(i32, u64)>::deserialize(from)?;
        let mut day = 0i32;
        for (gap, _) in &mut days {
            day = day.wrapping_add(*gap);
            *gap = day;
        }
        Ok(days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(days: impl Iterator<Item = (i32, u64)>) -> u32 {
        let mut slow = Slow::default();
        days.fold(0, |last, (day, new)| slow.step(day, new).unwrap_or(last))
    }

    /// A tenth more every day is never surprising by itself, and adds up.
    #[test]
    fn a_slow_ramp_is_seen_and_a_steady_user_is_not() {
        let steady = after((0..120).map(|i| (20_000 + i, 10)));
        let ramp = after((0..120).map(|i| {
            let growth = 1.1f64.powi((i - 60).max(0));
            (20_000 + i, (10.0 * growth) as u64)
        }));
        assert_eq!(steady, 0);
        assert!(4_000 < ramp, "{ramp}");
    }

    /// Stored and read back it is the same.
    #[test]
    fn a_stored_sum_is_the_sum() {
        let mut slow = Slow::default();
        for day in [20_000, 20_001, 20_004, 20_040, 20_041] {
            slow.step(day, 7);
        }
        let stored = postcard::to_allocvec(&slow).expect("plain data");
        let restored: Slow = postcard::from_bytes(&stored).expect("what was stored");
        assert_eq!(restored, slow);
    }

    /// One huge day counts as three ordinary ones.
    #[test]
    fn one_burst_does_not_dominate() {
        let burst = after((0..61).map(|i| (20_000 + i, if i == 60 { u64::MAX } else { 10 })));
        assert!(burst <= 1_000, "{burst}");
    }
}
