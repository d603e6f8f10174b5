//! Distinct counts that merge in any order: exact to 512, then the 512 smallest hashes.
//!
//! Source: k minimum values, Bar-Yossef et al., RANDOM 2002; Beyer et al., SIGMOD 2007. The kept set is
//! a function of the set alone, and the estimate never falls when something is added.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const KEPT_MAX: usize = 512;
/// Low bits of an entry hold the first pane in which it was seen.
const PANE_BITS: u32 = 9;

/// A set of hashed things, each with the first pane of the day it was seen in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distinct {
    /// Ascending: 55 bits of hash, 9 bits of pane.
    entries: Entries,
    saturated: bool,
}

/// Most sets are of one pane, and hold one thing: that one costs no memory of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Entries {
    #[default]
    None,
    One([u64; 1]),
    Many(Vec<u64>),
}

impl Entries {
    fn as_slice(&self) -> &[u64] {
        match self {
            Entries::None => &[],
            Entries::One(one) => one,
            Entries::Many(many) => many,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u64] {
        match self {
            Entries::None => &mut [],
            Entries::One(one) => one,
            Entries::Many(many) => many,
        }
    }

    /// Inserts at a place, and keeps the smallest [`KEPT_MAX`].
    fn insert(&mut self, place: usize, entry: u64) {
        match self {
            Entries::None => *self = Entries::One([entry]),
            Entries::One([one]) => {
                let both = if place == 0 {
                    [entry, *one]
                } else {
                    [*one, entry]
                };
                *self = Entries::Many(both.to_vec());
            }
            Entries::Many(many) => {
                many.insert(place, entry);
                many.truncate(KEPT_MAX);
            }
        }
    }
}

impl From<Vec<u64>> for Entries {
    fn from(many: Vec<u64>) -> Self {
        match many[..] {
            [] => Entries::None,
            [one] => Entries::One([one]),
            _ => Entries::Many(many),
        }
    }
}

/// The entries as eight bytes each, since hashes have no small values; one byte more when saturated.
impl Serialize for Distinct {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let entries = self.entries.as_slice();
        if let ([one], false) = (entries, self.saturated) {
            return to.serialize_bytes(&one.to_le_bytes());
        }
        let mut bytes: Vec<u8> = entries
            .iter()
            .flat_map(|entry| entry.to_le_bytes())
            .collect();
        bytes.extend(self.saturated.then_some(1));
        to.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(from)?;
        let (entries, rest) = bytes.as_chunks::<8>();
        let entries: Vec<u64> = entries
            .iter()
            .map(|entry| u64::from_le_bytes(*entry))
            .collect();
        Ok(Distinct {
            entries: entries.into(),
            saturated: !rest.is_empty(),
        })
    }
}

impl Distinct {
    /// The hashes that are kept, ascending, without their lowest bits.
    pub fn hashes(&self) -> impl Iterator<Item = u64> {
        let entries = self.entries.as_slice().iter();
        entries.map(|entry| entry >> PANE_BITS << PANE_BITS)
    }

    /// Adds a hash seen in a pane (below 512).
    pub fn insert(&mut self, hash: u64, pane: u16) {
        let entry = hash >> PANE_BITS << PANE_BITS | u64::from(pane);
        let known = self.entries.as_mut_slice();
        let place = known.partition_point(|&known| known >> PANE_BITS < entry >> PANE_BITS);
        if let Some(known) = known.get_mut(place)
            && *known >> PANE_BITS == entry >> PANE_BITS
        {
            *known = entry.min(*known);
            return;
        }
        self.saturated |= KEPT_MAX <= known.len();
        if place < KEPT_MAX {
            self.entries.insert(place, entry);
        }
    }

    /// The set of everything in some sets: the same bits as if all had been added to one.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Distinct>) -> Distinct {
        let (mut all, mut saturated) = (Vec::new(), false);
        for set in sets {
            all.extend_from_slice(set.entries.as_slice());
            saturated |= set.saturated;
        }
        // Of equal hashes the earliest pane comes first, and is kept.
        all.sort_unstable();
        all.dedup_by_key(|entry| *entry >> PANE_BITS);
        saturated |= KEPT_MAX < all.len();
        all.truncate(KEPT_MAX);
        Distinct {
            entries: all.into(),
            saturated,
        }
    }

    /// How many different things: exact to 512, then an estimate of at least 512.
    pub fn count(&self) -> u64 {
        if !self.saturated {
            return self.entries.as_slice().len() as u64;
        }
        // (k - 1) / U(k), with U(k) the largest kept hash as a share of the hash space.
        let largest = self
            .entries
            .as_slice()
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
            .as_slice()
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
