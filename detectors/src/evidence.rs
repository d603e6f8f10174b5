//! Which events made a verdict: the three smallest of each bin, and the count of all.
//!
//! Invariant: what a bin keeps is a function of the set of its events, whatever the order.

mod refs;

pub use refs::{EventRef, Refs};

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use crate::detector::Event;

const KEPT_MAX: usize = 3;

/// Events of one bin (a pane, an hour, a place), in a form that merges in any order. Its events lie in
/// the [`Refs`] of its day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// How many events.
    pub count: u32,
    /// The smallest by (time, uid), ascending; as many as there are events, at most three.
    kept: [u32; KEPT_MAX],
    /// Latest time among the events that are not kept.
    beyond: i64,
}

impl Default for Sample {
    fn default() -> Self {
        Sample {
            count: 0,
            kept: [0; KEPT_MAX],
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

    /// Makes room for an event if it is among the smallest. `self.count` is still without it.
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
        let others = other.count - other.kept().len() as u32;
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
        self.kept[..all.len()].copy_from_slice(&all);
        self.count = self.count.saturating_add(other.count);
    }

    fn kept(&self) -> &[u32] {
        &self.kept[..KEPT_MAX.min(self.count as usize)]
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

/// Count, the kept ones, and `beyond` where there is something beyond: most bins hold one event.
impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut parts = to.serialize_tuple(KEPT_MAX + 2)?;
        parts.serialize_element(&self.count)?;
        for index in self.kept() {
            parts.serialize_element(index)?;
        }
        if KEPT_MAX < self.count as usize {
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
                let mut sample = Sample {
                    count: parts.next_element()?.ok_or_else(short)?,
                    ..Sample::default()
                };
                for place in 0..sample.kept().len() {
                    sample.kept[place] = parts.next_element()?.ok_or_else(short)?;
                }
                if KEPT_MAX < sample.count as usize {
                    sample.beyond = parts.next_element()?.ok_or_else(short)?;
                }
                Ok(sample)
            }
        }
        from.deserialize_tuple(KEPT_MAX + 2, Parts)
    }
}
