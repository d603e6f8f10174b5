//! Which events made a verdict: the three smallest of each bin, and the count of all.
//!
//! Invariant: what a bin keeps is a function of the set of its events, whatever the order.

mod first;
mod refs;

pub use first::First;
pub use refs::{EventRef, Refs};

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use crate::detector::{Event, Theirs};

const KEPT_MAX: usize = 3;
/// No event.
const NONE: u32 = u32::MAX;

/// Events of one bin (a pane, an hour, a place), in a form that merges in any order. Its events lie in
/// the [`Refs`] of its day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// How many events.
    pub count: u32,
    /// The smallest by (time, uid), ascending, then [`NONE`].
    kept: [u32; KEPT_MAX],
    /// Latest time among the events that are not kept.
    beyond: i64,
}

impl Default for Sample {
    fn default() -> Self {
        Sample {
            count: 0,
            kept: [NONE; KEPT_MAX],
            beyond: i64::MIN,
        }
    }
}

impl Sample {
    /// Adds one event.
    pub fn add(&mut self, refs: &mut Refs, event: &Event<'_>) {
        let (time, uid) = (event.row.time(), event.row.uid());
        self.insert(refs, (time, uid), event.row.offset(), event.origin);
        self.count = self.count.saturating_add(1);
    }

    /// Keeps an event if it is among the smallest.
    fn insert(&mut self, refs: &mut Refs, rank: (i64, &str), offset: u64, origin: u32) {
        let kept = self.kept().len();
        let is_full = kept == KEPT_MAX;
        if is_full && refs.rank(self.kept[KEPT_MAX - 1]) <= rank {
            self.beyond = self.beyond.max(rank.0);
            return;
        }
        let smaller = |known: &&u32| refs.rank(**known) <= rank;
        let place = self.kept().iter().take_while(smaller).count();
        let index = if is_full {
            let largest = self.kept[KEPT_MAX - 1];
            self.beyond = self.beyond.max(refs.rank(largest).0);
            refs.replace(largest, rank, offset, origin);
            largest
        } else {
            refs.push(rank, offset, origin)
        };
        self.kept[place..].rotate_right(1);
        self.kept[place] = index;
    }

    /// Adds all of another sample, whose events lie elsewhere.
    pub fn merge(&mut self, refs: &mut Refs, other: &Sample, theirs: &Refs) {
        for index in other.kept() {
            let (offset, origin) = theirs.position(*index);
            self.insert(refs, theirs.rank(*index), offset, origin);
            self.count = self.count.saturating_add(1);
        }
        let others = other.count.saturating_sub(other.kept().len() as u32);
        self.count = self.count.saturating_add(others);
        self.beyond = self.beyond.max(other.beyond);
    }

    /// Adds all of another sample whose events lie in the same place.
    pub fn join(&mut self, refs: &Refs, other: &Sample) {
        let mut all: Vec<u32> = self.kept().iter().chain(other.kept()).copied().collect();
        all.sort_by(|a, b| refs.rank(*a).cmp(&refs.rank(*b)));
        let left_out = all.split_off(KEPT_MAX.min(all.len()));
        let left_out = left_out.iter().map(|index| refs.rank(*index).0);
        self.beyond = left_out.fold(self.beyond.max(other.beyond), i64::max);
        all.resize(KEPT_MAX, NONE);
        self.kept.copy_from_slice(&all);
        self.count = self.count.saturating_add(other.count);
    }

    /// Takes events out of what is kept, not of the count; how many there were.
    pub fn erase(&mut self, refs: &mut Refs, theirs: &Theirs<'_>) -> usize {
        let mut left = [NONE; KEPT_MAX];
        let (mut place, before) = (0, self.kept().len());
        for index in self.kept[..before].iter().copied() {
            let (time, uid) = refs.rank(index);
            if theirs.has(time, uid) {
                refs.clear(index);
            } else {
                left[place] = index;
                place += 1;
            }
        }
        self.kept = left;
        before - place
    }

    fn kept(&self) -> &[u32] {
        let count = self.kept.iter().position(|index| *index == NONE);
        &self.kept[..count.unwrap_or(KEPT_MAX)]
    }

    /// Earliest event time.
    pub fn first(&self, refs: &Refs) -> i64 {
        self.kept()
            .first()
            .map_or(i64::MAX, |first| refs.rank(*first).0)
    }

    /// Latest event time.
    pub fn last(&self, refs: &Refs) -> i64 {
        let kept = self
            .kept()
            .last()
            .map_or(i64::MIN, |last| refs.rank(*last).0);
        kept.max(self.beyond)
    }
}

/// The events of several bins as one list: the smallest `most` by (time, uid). A bin may be in parts.
pub fn gather<'a, B>(refs: &Refs, bins: impl IntoIterator<Item = B>, most: usize) -> Vec<EventRef>
where
    B: IntoIterator<Item = &'a Sample>,
{
    let mut all: Vec<u32> = Vec::new();
    for bin in bins {
        let from = all.len();
        all.extend(bin.into_iter().flat_map(Sample::kept).copied());
        all[from..].sort_by(|a, b| refs.rank(*a).cmp(&refs.rank(*b)));
        all.truncate(from + KEPT_MAX);
    }
    all.sort_by(|a, b| refs.rank(*a).cmp(&refs.rank(*b)));
    all.truncate(most);
    all.into_iter().map(|index| refs.get(index)).collect()
}

/// Count and number of the kept ones in one, the kept ones, and `beyond` where there is something beyond:
/// most bins hold one event.
impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut parts = to.serialize_tuple(KEPT_MAX + 2)?;
        let kept = self.kept().len();
        parts.serialize_element(&(u64::from(self.count) << 2 | kept as u64))?;
        for index in self.kept() {
            parts.serialize_element(index)?;
        }
        if kept < self.count as usize {
            parts.serialize_element(&self.beyond)?;
        }
        parts.end()
    }
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Sample;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a sample")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Sample, A::Error> {
                let short = || A::Error::custom("a sample is cut short");
                let counts: u64 = parts.next_element()?.ok_or_else(short)?;
                let mut sample = Sample {
                    count: (counts >> 2) as u32,
                    ..Sample::default()
                };
                let kept = (counts & 3) as usize;
                for index in &mut sample.kept[..kept] {
                    *index = parts.next_element()?.ok_or_else(short)?;
                }
                if kept < sample.count as usize {
                    sample.beyond = parts.next_element()?.ok_or_else(short)?;
                }
                Ok(sample)
            }
        }
        from.deserialize_tuple(KEPT_MAX + 2, Parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn insert(sample: &mut Sample, refs: &mut Refs, (time, uid): (i64, &str)) {
        sample.insert(refs, (time, uid), 0, 0);
        sample.count += 1;
    }

    fn shown(sample: &Sample, refs: &Refs) -> (u32, i64, i64, Vec<EventRef>) {
        let all = gather(refs, [[sample]], 9);
        (sample.count, sample.first(refs), sample.last(refs), all)
    }

    proptest! {
        /// In any order, in parts, stored and read back: the same three, count, first and last.
        #[test]
        fn any_order_keeps_the_same(
            mut events in prop::collection::vec((0i64..9, "[a-f]{1,3}"), 0..12), cut: prop::sample::Index,
        ) {
            let (mut whole, mut refs) = (Sample::default(), Refs::default());
            for (time, uid) in &events {
                insert(&mut whole, &mut refs, (*time, uid));
            }
            events.reverse();
            let (head, tail) = events.split_at(cut.index(events.len() + 1));
            let (mut mine, mut mine_refs) = (Sample::default(), Refs::default());
            let (mut theirs, mut their_refs) = (Sample::default(), Refs::default());
            let mut here = Sample::default();
            for (time, uid) in head {
                insert(&mut mine, &mut mine_refs, (*time, uid));
            }
            let mut joined = mine.clone();
            for (time, uid) in tail {
                insert(&mut theirs, &mut their_refs, (*time, uid));
                insert(&mut here, &mut mine_refs, (*time, uid));
            }
            joined.join(&mine_refs, &here);
            prop_assert_eq!(shown(&joined, &mine_refs), shown(&whole, &refs));
            mine.merge(&mut mine_refs, &theirs, &their_refs);
            let stored = postcard::to_allocvec(&mine).expect("plain data");
            let restored: Sample = postcard::from_bytes(&stored).expect("what was stored");
            prop_assert_eq!(&restored, &mine);
            prop_assert_eq!(shown(&restored, &mine_refs), shown(&whole, &refs));
        }
    }

    /// An event can be taken out of what is shown; that there was one stays.
    #[test]
    fn a_sample_loses_the_events_of_a_person() {
        let (mut sample, mut refs) = (Sample::default(), Refs::default());
        for rank in [(1, "a"), (2, "b"), (3, "c")] {
            insert(&mut sample, &mut refs, rank);
        }
        let theirs = Theirs {
            events: &[(2, "b".into())].into(),
            user: 0,
        };
        assert_eq!(sample.erase(&mut refs, &theirs), 1);
        let left = gather(&refs, [[&sample]], 9);
        let left: Vec<&str> = left.iter().map(|event| &*event.uid).collect();
        assert_eq!((left, sample.count), (vec!["a", "c"], 3));
        let stored = postcard::to_allocvec(&(&sample, &refs)).expect("plain data");
        assert!(!stored.contains(&b'b'));
        let (restored, _): (Sample, Refs) = postcard::from_bytes(&stored).expect("what was stored");
        assert_eq!(restored, sample);
    }
}
