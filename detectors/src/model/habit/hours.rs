//! The hour of the day: counts of user-hours, weekday and weekend apart.
//!
//! A user active in a local hour of a day counts once. Read through a circular kernel, and mixed down
//! uniform <- tenant <- group <- own other day type <- own this day type.
//! Invariant: 24 masses that sum to one.

use serde::{Deserialize, Serialize};

use super::Learn;
use crate::model::fixed::{HABIT, is_weekend};

/// Tenths, over -2 to +2 hours: survives one hour of daylight saving.
const KERNEL: [i64; 5] = [1, 2, 4, 2, 1];

/// Pseudo user-hours handed down at every step of the chain.
const KAPPA_HOURS: f64 = 4.0;

/// Weighted user-hours of one person, group or tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hours {
    /// Last day folded.
    pub day: i32,
    /// By local hour: weekdays, then weekends.
    pub counts: [[i64; 24]; 2],
}

impl Hours {
    /// Learns the distinct local hours (0 to 23; others are ignored) of a user's closed day. Days
    /// never go back.
    pub fn fold(&mut self, day: i32, hours: impl IntoIterator<Item = u8>, learn: Learn) {
        let mut active = [0; 24];
        for hour in hours {
            if let Some(slot) = active.get_mut(usize::from(hour)) {
                *slot = 1;
            }
        }
        self.fold_many(day, &active, learn);
    }

    /// Learns how many users were active in each hour of a closed day: the same bits as folding them
    /// one by one.
    pub fn fold_many(&mut self, day: i32, users: &[u64; 24], learn: Learn) {
        self.counts = self.at(day);
        self.day = self.day.max(day);
        let weight = learn.weight(day);
        let counts = &mut self.counts[usize::from(is_weekend(day))];
        for (count, users) in counts.iter_mut().zip(users) {
            let users = i64::try_from(*users).unwrap_or(i64::MAX);
            *count = count.saturating_add(weight.saturating_mul(users));
        }
    }

    fn at(&self, day: i32) -> [[i64; 24]; 2] {
        let forward = |counts| HABIT.forward(&counts, self.day, day);
        self.counts.map(forward)
    }

    /// User-hours as of `day` for one type of day, through the kernel; integers until the division.
    pub fn effective(&self, day: i32, weekend: bool) -> [f64; 24] {
        let counts = &HABIT.forward(&self.counts[usize::from(weekend)], self.day, day);
        let unit = (10 * HABIT.weight(day)) as f64;
        std::array::from_fn(|hour| {
            let smoothed: i64 = KERNEL
                .iter()
                .enumerate()
                .map(|(j, share)| share * counts[(hour + 22 + j) % 24])
                .sum();
            smoothed as f64 / unit
        })
    }

    /// User-hours as of `day` over both types of day: how much the baseline rests on.
    pub fn total(&self, day: i32) -> f64 {
        let sum: i64 = self.at(day).iter().flatten().sum();
        sum as f64 / HABIT.weight(day) as f64
    }
}

/// Predictive mass of the 24 hours of a type of day. `wider`: the tenant, then the group.
pub fn hour_mass(own: &Hours, wider: &[&Hours], day: i32, weekend: bool) -> [f64; 24] {
    own_hour_mass(own, &hour_prior(wider, day, weekend), day, weekend)
}

/// The chain down to the last of `wider`: the same for all its members, so made once a day.
pub fn hour_prior(wider: &[&Hours], day: i32, weekend: bool) -> [f64; 24] {
    let uniform = [1.0 / 24.0; 24];
    wider.iter().fold(uniform, |mass, level| {
        mix(&level.effective(day, weekend), &mass)
    })
}

/// The rest of the chain: own days of the other type, then of this type.
pub fn own_hour_mass(own: &Hours, prior: &[f64; 24], day: i32, weekend: bool) -> [f64; 24] {
    let other_type = mix(&own.effective(day, !weekend), prior);
    mix(&own.effective(day, weekend), &other_type)
}

fn mix(counts: &[f64; 24], prior: &[f64; 24]) -> [f64; 24] {
    let n: f64 = counts.iter().sum();
    std::array::from_fn(|hour| (counts[hour] + KAPPA_HOURS * prior[hour]) / (n + KAPPA_HOURS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tail_mass;
    use super::*;

    /// Someone who works from nine to five, a login at three and one at ten.
    #[test]
    fn the_night_is_less_probable_than_the_morning() {
        let mut own = Hours::default();
        for day in (20_000..20_040).filter(|day| !is_weekend(*day)) {
            own.fold(day, 9..17, Learn::Fully);
        }
        let mass = hour_mass(&own, &[], 20_042, false);
        assert!(tail_mass(&mass, 3) < 0.02);
        assert!(0.2 < tail_mass(&mass, 10));
    }

    proptest! {
        #[test]
        fn masses_sum_to_one(days in prop::collection::vec((0..9i32, 0..30u8), 0..50), weekend: bool) {
            let (mut own, mut tenant) = (Hours::default(), Hours::default());
            let mut day = 20_000;
            for (gap, hour) in days {
                day += gap;
                own.fold(day, [hour, hour], Learn::Alerted);
                tenant.fold(day, [9, 10, hour], Learn::Fully);
            }
            let sum: f64 = hour_mass(&own, &[&tenant], day + 2, weekend).iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-9);
        }

        /// Users counted together, and a look in between, change no bit.
        #[test]
        fn a_fold_is_the_same_however_it_is_split(
            days in prop::collection::vec((0..150i32, prop::collection::vec(0..24u8, 0..6)), 0..20),
        ) {
            let (mut one_by_one, mut together) = (Hours::default(), Hours::default());
            let mut day = 20_000;
            for (gap, hours) in days {
                day += gap;
                let mut users = [0; 24];
                for hour in hours {
                    users[usize::from(hour)] += 1;
                    one_by_one.fold(day, [hour], Learn::Alerted);
                }
                together.fold_many(day - gap / 2, &[0; 24], Learn::Fully);
                together.fold_many(day, &users, Learn::Alerted);
            }
            one_by_one.fold(day, [], Learn::Fully);
            together.fold(day, [], Learn::Fully);
            prop_assert_eq!(one_by_one, together);
        }
    }
}
