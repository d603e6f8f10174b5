//! Distinct counts that merge in any order: exact to 512, then the 512 smallest hashes.
//!
//! Source: k minimum values, Bar-Yossef et al., RANDOM 2002; Beyer et al., SIGMOD 2007. The kept set is
//! a function of the set alone, and the estimate never falls when something is added.

use serde::{Deserialize, Serialize};

const KEPT_MAX: usize = 512;
/// Low bits of an entry hold the first pane in which it was seen.
const PANE_BITS: u32 = 9;

/// A set of hashed things, each with the first pane of the day it was seen in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distinct {
    /// Ascending: 55 bits of hash, 9 bits of pane.
    entries: Vec<u64>,
    saturated: bool,
}

impl Distinct {
    /// Adds a hash seen in a pane (below 512).
    pub fn insert(&mut self, hash: u64, pane: u16) {
        let entry = hash >> PANE_BITS << PANE_BITS | u64::from(pane);
        let place = self
            .entries
            .partition_point(|&known| known >> PANE_BITS < entry >> PANE_BITS);
        if let Some(known) = self.entries.get_mut(place)
            && *known >> PANE_BITS == entry >> PANE_BITS
        {
            *known = entry.min(*known);
            return;
        }
        if self.entries.len() < KEPT_MAX {
            self.entries.insert(place, entry);
            return;
        }
        self.saturated = true;
        if place < KEPT_MAX {
            self.entries.pop();
            self.entries.insert(place, entry);
        }
    }

    /// The set of everything in some sets: the same bits as if all had been added to one.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Distinct>) -> Distinct {
        let mut all = Distinct::default();
        for set in sets {
            all.entries.extend_from_slice(&set.entries);
            all.saturated |= set.saturated;
        }
        // Of equal hashes the earliest pane comes first, and is kept.
        all.entries.sort_unstable();
        all.entries.dedup_by_key(|entry| *entry >> PANE_BITS);
        all.saturated |= KEPT_MAX < all.entries.len();
        all.entries.truncate(KEPT_MAX);
        all
    }

    /// How many different things: exact to 512, then an estimate of at least 512.
    pub fn count(&self) -> u64 {
        if !self.saturated {
            return self.entries.len() as u64;
        }
        // (k - 1) / U(k), with U(k) the largest kept hash as a share of the hash space.
        let largest = self
            .entries
            .last()
            .map_or(1, |last| (last >> PANE_BITS).max(1));
        let space = 1u128 << (64 - PANE_BITS);
        let estimate = (KEPT_MAX as u128 - 1) * space / u128::from(largest);
        (estimate as u64).max(KEPT_MAX as u64)
    }

    /// Whether [`Distinct::count`] is an estimate.
    pub fn is_approximate(&self) -> bool {
        self.saturated
    }

    /// The first pane by the end of which `needed` different things had been seen.
    pub fn pane_reaching(&self, needed: u64) -> Option<u16> {
        let mut panes: Vec<u16> = self
            .entries
            .iter()
            .map(|entry| (entry & ((1 << PANE_BITS) - 1)) as u16)
            .collect();
        panes.sort_unstable();
        // In a saturated set each kept entry stands for count / 512 things.
        let scaled = u128::from(needed) * panes.len() as u128;
        let rank = scaled.div_ceil(u128::from(self.count()).max(1)).max(1);
        panes
            .get(usize::try_from(rank).ok()?.checked_sub(1)?)
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Order and repetition leave the same bits, and the count never falls.
        #[test]
        fn any_order_gives_the_same_set(seeds in proptest::collection::vec((0u64..3000, 0u16..288), 1..1500)) {
            let hashed: Vec<(u64, u16)> = seeds
                .iter()
                .map(|&(n, pane)| (xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()), pane))
                .collect();
            let (mut ahead, mut back) = (Distinct::default(), Distinct::default());
            let mut last = 0;
            for &(hash, pane) in &hashed {
                ahead.insert(hash, pane);
                prop_assert!(last <= ahead.count());
                last = ahead.count();
            }
            for &(hash, pane) in hashed.iter().rev().chain(&hashed) {
                back.insert(hash, pane);
            }
            let mut parts = vec![Distinct::default(); 7];
            for (n, &(hash, pane)) in hashed.iter().enumerate() {
                parts[n * n % 7].insert(hash, pane);
            }
            prop_assert_eq!(&Distinct::union(&parts), &back);
            prop_assert_eq!(ahead, back);
        }
    }

    #[test]
    fn a_large_set_is_estimated_within_a_tenth() {
        let mut set = Distinct::default();
        for n in 0u64..20_000 {
            set.insert(xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()), 1);
        }
        assert!(set.is_approximate());
        assert!((18_000..22_000).contains(&set.count()), "{}", set.count());
        assert_eq!(set.pane_reaching(100), Some(1));
    }
}
