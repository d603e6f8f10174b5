//! Place, device, app, tool: user-days per value; a value counts once a day.
//!
//! The predictive mass comes down the chain base <- tenant <- group <- own:
//! `P(v) = (max(c_v - D, 0) + (K + sum_v min(c_v, D)) P_wider(v)) / (N + K)`.
//! D = 0 is the Dirichlet process; D > 0 is Pitman-Yor in its Kneser-Ney approximation (Teh 2006;
//! Kneser & Ney 1995): the rate of new values falls as a power of N, as it does for devices and apps.
//! Invariant: sums are taken over integers and maps are walked in key order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Learn, TIE};
use crate::model::fixed::{HABIT, aged};

/// Pseudo user-days that every level hands down.
pub(super) const KAPPA: f64 = 0.5;

/// What kind of value: how fast new ones come, and how many there could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the words say it
pub enum Attribute {
    Country,
    Region,
    Asn,
    Device,
    App,
    Tool,
    Grantor,
    Network,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Attribute; 8] = [
        Attribute::Country,
        Attribute::Region,
        Attribute::Asn,
        Attribute::Device,
        Attribute::App,
        Attribute::Tool,
        Attribute::Grantor,
        Attribute::Network,
    ];

    /// Whether it is asked of the company only whether a value was there before.
    pub fn is_listed(self) -> bool {
        matches!(
            self,
            Attribute::App | Attribute::Tool | Attribute::Grantor | Attribute::Network
        )
    }

    /// The discount D in user-days.
    pub fn discount(self) -> f64 {
        match self {
            Attribute::Country | Attribute::Region => 0.0,
            Attribute::Asn
            | Attribute::Device
            | Attribute::App
            | Attribute::Tool
            | Attribute::Grantor
            | Attribute::Network => 0.25,
        }
    }

    /// Number of possible values: the base is uniform over them.
    pub fn size(self) -> u64 {
        match self {
            Attribute::Country => 250,
            Attribute::Region => 5_000,
            Attribute::Asn => 70_000,
            Attribute::Device => 1_000_000,
            Attribute::App => 10_000,
            Attribute::Tool => 300,
            Attribute::Grantor => 1_000,
            Attribute::Network => 70_000,
        }
    }
}

/// Weighted user-days per value of one person, group or tenant. Keyed by the value itself or by a
/// hash of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values<K: Ord> {
    /// Last day folded.
    day: i32,
    /// All above zero.
    counts: BTreeMap<K, i64>,
}

// Not derived: an empty map asks nothing of its keys.
impl<K: Ord> Default for Values<K> {
    fn default() -> Self {
        Values {
            day: 0,
            counts: BTreeMap::new(),
        }
    }
}

impl<K: Ord> Values<K> {
    /// Values from their parts: last day folded and weights.
    pub fn from_counts(day: i32, counts: impl IntoIterator<Item = (K, i64)>) -> Self {
        let known = |(_, count): &(K, i64)| 0 < *count;
        Values {
            day,
            counts: counts.into_iter().filter(known).collect(),
        }
    }

    /// The values, ascending.
    pub fn known(&self) -> impl Iterator<Item = &K> {
        self.counts.keys()
    }

    /// Learns the values of a user's closed day, each once. Days never go back.
    pub fn fold(&mut self, day: i32, values: impl IntoIterator<Item = K>, learn: Learn) {
        let distinct: BTreeSet<K> = values.into_iter().collect();
        self.fold_many(day, distinct.into_iter().map(|value| (value, 1)), learn);
    }

    /// Learns how many users had each value on a closed day: the same bits as folding them one by
    /// one, in any order and any cut.
    pub fn fold_many(&mut self, day: i32, users: impl IntoIterator<Item = (K, u64)>, learn: Learn) {
        self.bring_forward(day);
        let weight = learn.weight(day);
        for (value, users) in users {
            let users = i64::try_from(users).unwrap_or(i64::MAX);
            if users == 0 {
                continue;
            }
            let count = self.counts.entry(value).or_default();
            *count = count.saturating_add(weight.saturating_mul(users));
        }
    }

    /// Learns values that are all different, like [`Values::fold`].
    pub fn fold_distinct<'v>(
        &mut self,
        day: i32,
        values: impl IntoIterator<Item = &'v K>,
        learn: Learn,
    ) where
        K: Clone + 'v,
    {
        self.bring_forward(day);
        let weight = learn.weight(day);
        for value in values {
            match self.counts.get_mut(value) {
                Some(count) => *count = count.saturating_add(weight),
                None => drop(self.counts.insert(value.clone(), weight)),
            }
        }
    }

    /// Brings the weights to `day` and drops what is forgotten.
    pub fn bring_forward(&mut self, day: i32) {
        let bits = HABIT.shift(self.day, day);
        if 0 < bits {
            self.counts.retain(|_, count| {
                *count = aged(*count, bits);
                0 < *count
            });
        }
        self.day = self.day.max(day);
    }

    /// The values known as of `day` with their weights in its units, in key order.
    pub fn iter_at(&self, day: i32) -> impl Iterator<Item = (&K, i64)> {
        let bits = HABIT.shift(self.day, day);
        self.counts
            .iter()
            .map(move |(value, count)| (value, aged(*count, bits)))
            .filter(|(_, count)| 0 < *count)
    }

    /// The weight of one value in the units of `day`.
    pub fn count_at(&self, day: i32, value: &K) -> i64 {
        let bits = HABIT.shift(self.day, day);
        self.counts.get(value).map_or(0, |count| aged(*count, bits))
    }

    /// User-days as of `day`: how much the baseline rests on.
    pub fn total(&self, day: i32) -> f64 {
        let sum: i64 = self.iter_at(day).map(|(_, count)| count).sum();
        sum as f64 / HABIT.weight(day) as f64
    }

    /// How many values are kept.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// One step of the chain: how a level mixes its own counts with what the wider levels say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Step {
    /// Weight of a fresh day.
    weight: f64,
    /// The discount in weight.
    cut: i64,
    /// User-days handed to the wider levels.
    back: f64,
    /// User-days altogether, with the pseudo-days.
    all: f64,
}

impl Step {
    pub(super) fn new<K: Ord>(level: &Values<K>, day: i32, attribute: Attribute) -> Self {
        let weight = HABIT.weight(day) as f64;
        let cut = (attribute.discount() * weight).floor() as i64;
        let (mut n, mut discounted) = (0, 0);
        for (_, count) in level.iter_at(day) {
            n += count;
            discounted += count.min(cut);
        }
        Step {
            weight,
            cut,
            back: KAPPA + discounted as f64 / weight,
            all: n as f64 / weight + KAPPA,
        }
    }

    /// The mass of a value with this count here, and mass `wider` in the wider levels. Never falls
    /// as either grows.
    pub(super) fn mass(&self, count: i64, wider: f64) -> f64 {
        ((count - self.cut).max(0) as f64 / self.weight + self.back * wider) / self.all
    }
}

/// Predictive masses as of one day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Masses<K: Ord> {
    /// Of every value known to anybody.
    pub mass: BTreeMap<K, f64>,
    /// Of one value known to nobody.
    pub other: f64,
    /// How many values are known to nobody.
    pub others: u64,
}

/// The definition: masses down the whole chain, for any number of wider levels, widest first. It
/// walks every level; [`super::TenantMasses`] gives the same p for a tenant and many users.
pub fn value_mass<K: Ord + Clone>(
    own: &Values<K>,
    wider: &[&Values<K>],
    day: i32,
    attribute: Attribute,
) -> Masses<K> {
    let base = 1.0 / attribute.size() as f64;
    let levels = || wider.iter().copied().chain([own]);
    let mut mass: BTreeMap<K, f64> = levels()
        .flat_map(|level| level.iter_at(day))
        .map(|(value, _)| (value.clone(), base))
        .collect();
    let mut other = base;
    for level in levels() {
        let step = Step::new(level, day, attribute);
        for (value, mass) in &mut mass {
            *mass = step.mass(level.count_at(day, value), *mass);
        }
        other = step.mass(0, other);
    }
    let others = attribute.size().saturating_sub(mass.len() as u64);
    Masses {
        mass,
        other,
        others,
    }
}

/// p of a value: the mass of the values no more probable than it; ties count.
pub fn value_p<K: Ord>(masses: &Masses<K>, value: &K) -> f64 {
    let limit = masses.mass.get(value).copied().unwrap_or(masses.other) * TIE;
    let known: f64 = masses.mass.values().filter(|mass| **mass <= limit).sum();
    let unknown = if masses.other <= limit {
        masses.others as f64 * masses.other
    } else {
        0.0
    };
    (known + unknown).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn masses_sum_to_one(days in prop::collection::vec((0..20i32, 0..9u64, 0..9u64), 0..60)) {
            let (mut own, mut group, mut tenant) = (Values::default(), Values::default(), Values::default());
            let mut day = 20_000;
            for (gap, mine, theirs) in days {
                day += gap;
                own.fold(day, [mine], Learn::Fully);
                group.fold(day, [theirs], Learn::Alerted);
                tenant.fold(day, [mine, theirs + 3, theirs + 3], Learn::Fully);
            }
            for attribute in Attribute::ALL {
                let masses = value_mass(&own, &[&tenant, &group], day + 2, attribute);
                let sum: f64 = masses.mass.values().sum::<f64>() + masses.other * masses.others as f64;
                prop_assert!((sum - 1.0).abs() < 1e-9);
                let most = masses.mass.iter().max_by(|a, b| a.1.total_cmp(b.1));
                if let Some((value, _)) = most {
                    prop_assert!(1.0 - 1e-9 < value_p(&masses, value));
                }
            }
        }

        /// Users counted together, and a look in between, change no bit.
        #[test]
        fn a_fold_is_the_same_however_it_is_split(
            days in prop::collection::vec((0..300i32, prop::collection::vec(0..5u64, 0..6)), 0..20),
        ) {
            let (mut one_by_one, mut together) = (Values::default(), Values::default());
            let mut day = 20_000;
            for (gap, values) in days {
                day += gap;
                for value in &values {
                    one_by_one.fold(day, [*value], Learn::Alerted);
                }
                together.bring_forward(day - gap / 2);
                let (some, rest) = values.split_at(values.len() / 2);
                together.fold_many(day, rest.iter().map(|value| (*value, 1)), Learn::Alerted);
                together.fold_many(day, some.iter().map(|value| (*value, 1)), Learn::Alerted);
            }
            one_by_one.bring_forward(day);
            together.bring_forward(day);
            prop_assert_eq!(&one_by_one, &together);
            let stored = postcard::to_allocvec(&together).expect("plain data");
            prop_assert_eq!(postcard::from_bytes::<Values<u64>>(&stored).expect("what was stored"), together);
        }
    }
}
