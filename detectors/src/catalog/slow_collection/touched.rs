//! Which files somebody has touched: those of a day, and those of the past.
//!
//! Invariant: a function of the set of files of each day, in any order; small, because everybody has one.

use serde::{Deserialize, Serialize};

/// Files of a day that are kept.
const KEPT_MAX: usize = 16;
/// Bytes of a generation of the past.
const SMALLEST: usize = 32;
const LARGEST: usize = 128;
/// A generation is full when this many of a hundred bits are set.
const FULL_PERCENT: u32 = 60;

/// The files of a day: all of them, or from 16 on those whose hash begins with `level` zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    level: u8,
    /// The first three bytes of each hash, ascending.
    hashes: Vec<[u8; 3]>,
}

impl Touched {
    /// Adds a file by its hash.
    pub fn insert(&mut self, hash: u64) {
        let [a, b, c, ..] = hash.to_be_bytes();
        let hash = [a, b, c];
        if !is_kept(hash, self.level) {
            return;
        }
        let Err(place) = self.hashes.binary_search(&hash) else {
            return;
        };
        self.hashes.insert(place, hash);
        while KEPT_MAX < self.hashes.len() {
            self.level += 1;
            let level = self.level;
            self.hashes.retain(|hash| is_kept(*hash, level));
        }
    }
}

fn is_kept([a, b, c]: [u8; 3], level: u8) -> bool {
    u32::from(level) <= u32::from_be_bytes([a, b, c, 0xff]).leading_zeros()
}

/// What was touched before, roughly: two generations of a Bloom filter (Bloom 1970) with two hashes. What was
/// not touched for a generation is forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    before: Vec<u8>,
    now: Vec<u8>,
}

/// The two bits of a hash in a filter of so many bytes.
fn bits(hash: [u8; 3], bytes: usize) -> [usize; 2] {
    let mixed = xxhash_rust::xxh3::xxh3_64(&hash);
    [mixed as u32, (mixed >> 32) as u32].map(|part| part as usize % (8 * bytes))
}

fn has(filter: &[u8], hash: [u8; 3]) -> bool {
    !filter.is_empty()
        && bits(hash, filter.len())
            .iter()
            .all(|bit| filter[bit / 8] & 1 << (bit % 8) != 0)
}

fn set_bits(filter: &[u8]) -> u32 {
    filter.iter().map(|byte| byte.count_ones()).sum()
}

/// In a thousand: how many strange hashes a filter takes for known.
fn errors(filter: &[u8]) -> u64 {
    if filter.is_empty() {
        return 0;
    }
    let full = u64::from(set_bits(filter)) * 1000 / (8 * filter.len() as u64);
    full * full / 1000
}

impl Past {
    /// How many of a day's files were not touched before: an estimate.
    pub fn new_among(&self, touched: &Touched) -> u64 {
        let is_new = |hash: &&[u8; 3]| !has(&self.now, **hash) && !has(&self.before, **hash);
        let new = touched.hashes.iter().filter(is_new).count() as u64;
        let right = (1000 - errors(&self.now)) * (1000 - errors(&self.before)) / 1000;
        ((new << touched.level) * 1000 + right / 2) / right.max(1)
    }

    /// Learns a day's files.
    pub fn learn(&mut self, touched: &Touched) {
        for hash in &touched.hashes {
            let capacity = 8 * self.now.len() as u32;
            if capacity * FULL_PERCENT <= 100 * set_bits(&self.now) {
                let bytes = (2 * self.now.len()).clamp(SMALLEST, LARGEST);
                self.before = std::mem::replace(&mut self.now, vec![0; bytes]);
            }
            for bit in bits(*hash, self.now.len()) {
                self.now[bit / 8] |= 1 << (bit % 8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(numbers: std::ops::Range<u64>) -> Touched {
        let mut touched = Touched::default();
        for n in numbers {
            touched.insert(xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()));
        }
        touched
    }

    /// Any order keeps the same, and few are exact.
    #[test]
    fn a_day_is_a_set() {
        let mut back = Touched::default();
        for n in (0..500u64).rev().chain(0..500) {
            back.insert(xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()));
        }
        assert_eq!(files(0..500), back);
        assert_eq!(Past::default().new_among(&files(0..15)), 15);
        let many = Past::default().new_among(&files(0..5000));
        assert!((2500..9000).contains(&many), "{many}");
    }

    /// What was touched is known, what was not is new, and a filter never grows beyond its bound.
    #[test]
    fn the_past_is_known_and_what_is_new_is_counted() {
        let mut past = Past::default();
        for day in 0..200 {
            past.learn(&files(15 * day..15 * day + 15));
        }
        assert_eq!(past.new_among(&files(2985..3000)), 0);
        assert_eq!((past.now.len(), past.before.len()), (LARGEST, LARGEST));
        let news: u64 = (0..50)
            .map(|day| past.new_among(&files(9000 + 15 * day..9015 + 15 * day)))
            .sum();
        assert!((600..900).contains(&news), "{news}");
    }
}
