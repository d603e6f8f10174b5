//! What somebody has used before: networks, devices, or any other values, each as a hash with the last day.
//!
//! Invariant: a function of the set of (day, value) that was folded; at most [`KNOWN_MAX`] are kept, the
//! most recent, and of one day those with the smallest hash.

use serde::{Deserialize, Serialize};

use crate::time::Day;

/// Values of one kind that are remembered.
pub const KNOWN_MAX: usize = 24;
/// Days after which an unused value is forgotten.
pub const REMEMBERED_DAYS: Day = 120;

/// Hash of a value. Never zero, which stands for "not said".
pub fn mark_of(seed: u64, value: &str) -> u32 {
    (xxhash_rust::xxh3::xxh3_64_with_seed(value.as_bytes(), seed) as u32).max(1)
}

/// Values with the last day each was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Familiar(Vec<(u32, Day)>);

impl Familiar {
    /// Learns the values of a closed day. Days never go back.
    pub fn fold(&mut self, day: Day, values: impl IntoIterator<Item = u32>) {
        for value in values {
            match self.0.iter_mut().find(|(known, _)| *known == value) {
                Some((_, last)) => *last = day,
                None => self.0.push((value, day)),
            }
        }
        self.0.retain(|(_, last)| day - last < REMEMBERED_DAYS);
        self.0
            .sort_unstable_by_key(|(value, last)| (std::cmp::Reverse(*last), *value));
        self.0.truncate(KNOWN_MAX);
    }

    /// Whether a value was there in the days before `day`.
    pub fn knows(&self, value: u32, day: Day) -> bool {
        let is_it = |(known, last): &(u32, Day)| *known == value && day - last < REMEMBERED_DAYS;
        self.0.iter().any(is_it)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_known_until_it_is_forgotten() {
        let mut familiar = Familiar::default();
        familiar.fold(10, [1, 2]);
        familiar.fold(12, [2]);
        assert!(familiar.knows(1, 13) && !familiar.knows(3, 13));
        assert!(!familiar.knows(1, 10 + REMEMBERED_DAYS));
        familiar.fold(11 + REMEMBERED_DAYS, []);
        assert_eq!(familiar.len(), 1);
        familiar.fold(200, 100..200);
        assert_eq!(familiar.len(), KNOWN_MAX);
    }
}
