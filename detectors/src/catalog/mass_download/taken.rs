//! Which files an account took before: a sample of them, those with the smallest hashes (k minimum values,
//! Bar-Yossef et al. 2002), in two generations so that the old is forgotten.
//!
//! Invariant: a function of the files of each day, in any order. Up to the largest hash that a full sample
//! holds it holds every file, so that of these it is known for certain whether they are new.

use serde::{Deserialize, Serialize};

use crate::time::Day;

/// Files of a day or generation that are kept.
const KEPT_MAX: usize = 64;
/// Days of a generation.
const GENERATION_DAYS: Day = 56;
/// Fewer files than these tell nothing of all.
const TOLD_MIN: u64 = 8;

/// The smallest hashes of a set of files, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smallest(Vec<u32>);

impl FromIterator<u64> for Smallest {
    fn from_iter<I: IntoIterator<Item = u64>>(hashes: I) -> Self {
        let mut smallest: Vec<u32> = hashes.into_iter().map(first_half).collect();
        smallest.sort_unstable();
        smallest.dedup();
        smallest.truncate(KEPT_MAX);
        Smallest(smallest)
    }
}

fn first_half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Smallest {
    fn join(&mut self, other: &Smallest) {
        self.0.extend(&other.0);
        self.0.sort_unstable();
        self.0.dedup();
        self.0.truncate(KEPT_MAX);
    }

    /// Up to here every file is in it.
    fn limit(&self) -> u32 {
        let last = self.0.last().filter(|_| self.0.len() == KEPT_MAX);
        last.copied().unwrap_or(u32::MAX)
    }

    fn has(&self, hash: u32) -> bool {
        self.0.binary_search(&hash).is_ok()
    }
}

/// What was taken on closed days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    generation: Day,
    now: Smallest,
    before: Smallest,
}

impl Taken {
    /// Learns the files of a closed day. Days never go back.
    pub fn learn(&mut self, day: Day, files: &Smallest) {
        let generation = day.div_euclid(GENERATION_DAYS);
        if generation != self.generation {
            let old = std::mem::take(&mut self.now);
            let is_next = generation == self.generation + 1;
            self.before = if is_next { old } else { Smallest::default() };
            self.generation = generation;
        }
        self.now.join(files);
    }

    /// In tenths: which part of some files was not taken before; `None` where too few can be told.
    pub fn new_tenths(&self, files: impl Iterator<Item = u64>) -> Option<u64> {
        let limit = self.now.limit().min(self.before.limit());
        let (mut told, mut new) = (0, 0);
        for file in files.map(first_half).filter(|file| *file <= limit) {
            told += 1;
            new += u64::from(!self.now.has(file) && !self.before.has(file));
        }
        (TOLD_MIN <= told).then(|| (10 * new + told / 2) / told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(numbers: std::ops::Range<u64>) -> impl Iterator<Item = u64> {
        numbers.map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()))
    }

    fn past() -> Taken {
        let mut taken = Taken::default();
        for day in 0..50 {
            let first = 12 * day as u64;
            taken.learn(day, &files(first..first + 12).collect());
        }
        taken
    }

    /// Six hundred files of the past, of which a tenth is kept: what is all new or all old is told exactly.
    #[test]
    fn what_was_taken_is_known_and_what_was_not_is_new() {
        let taken = past();
        assert_eq!(taken.new_tenths(files(5000..5400)), Some(10));
        assert_eq!(taken.new_tenths(files(100..500)), Some(0));
        let half = taken.new_tenths(files(300..900)).expect("enough");
        assert!((4..=6).contains(&half), "{half}");
        assert_eq!(taken.new_tenths(files(0..5)), None);
    }

    /// A day in two parts, and days in another order within a generation, are the same.
    #[test]
    fn a_sample_is_a_function_of_the_set() {
        let mut back = Taken::default();
        for day in (0..50).rev() {
            let first = 12 * day as u64;
            back.learn(55, &files(first + 6..first + 12).collect());
            back.learn(55, &files(first..first + 8).collect());
        }
        assert_eq!(past(), back);
    }

    #[test]
    fn the_old_is_forgotten() {
        let mut taken = past();
        taken.learn(60, &files(9000..9010).collect());
        assert_eq!(taken.new_tenths(files(100..500)), Some(0));
        taken.learn(120, &files(9000..9010).collect());
        assert_eq!(taken.new_tenths(files(100..500)), Some(10));
    }
}
