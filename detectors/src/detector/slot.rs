//! All that is kept of one principal by one detector, in memory and as a stored row.
//!
//! Invariant: a row that was read back is not decoded before somebody needs it; its head says which days
//! are open in it.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::time::Day;

/// Bytes of the checksum behind a row: what lies unread for long must not fail then.
const SUM_BYTES: usize = 4;

/// One open day.
pub(super) struct OpenDay<K: Kind> {
    pub day: Day,
    pub open: K::Open,
    /// Where it was judged last and gave no verdict.
    pub bars: Option<K::Bars>,
    /// Whether it changed since it was judged.
    pub touched: bool,
}

/// All that is kept of one principal.
pub(super) struct Slot<K: Kind> {
    /// Fold of the oldest closed days.
    pub base: K::Base,
    /// Closed days that some open day's baseline must not hold yet, ascending.
    pub pending: Vec<(Day, K::Summary)>,
    /// Open days, ascending.
    pub open: Vec<OpenDay<K>>,
    /// The last closed day, for kinds that look back.
    pub before: Option<(Day, K::Open)>,
    /// Whether it changed since it was stored.
    pub dirty: bool,
}

/// The days of a row.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    /// Open days, and whether each was judged as it is and gave no verdict.
    pub open: Vec<(Day, bool)>,
    /// The closed day that is kept for the day after.
    pub before: Option<Day>,
}

impl<K: Kind> Default for Slot<K> {
    fn default() -> Self {
        Slot {
            base: K::Base::default(),
            pending: Vec::new(),
            open: Vec::new(),
            before: None,
            dirty: false,
        }
    }
}

impl<K: Kind> Slot<K> {
    /// The fold of the days up to `through`.
    pub fn baseline(&self, kind: &K, through: Day) -> Cow<'_, K::Base> {
        let mut base = Cow::Borrowed(&self.base);
        for (day, summary) in self.pending.iter().filter(|(day, _)| *day <= through) {
            kind.fold(base.to_mut(), *day, summary);
        }
        base
    }

    /// Folds for good the days that every open day may see.
    pub fn settle(&mut self, kind: &K, through: Day) {
        let settled = self.pending.partition_point(|(day, _)| *day <= through);
        for (day, summary) in self.pending.drain(..settled) {
            kind.fold(&mut self.base, day, &summary);
        }
    }

    /// An open day, made when it is new; and whether it is.
    pub fn open_at(&mut self, day: Day) -> (&mut OpenDay<K>, bool) {
        let place = self.open.partition_point(|open| open.day < day);
        let new = self.open.get(place).is_none_or(|open| open.day != day);
        if new {
            let open = OpenDay {
                day,
                open: K::Open::default(),
                bars: None,
                touched: false,
            };
            // Most have one or two days open, and an open day is large.
            self.open.reserve_exact(1);
            self.open.insert(place, open);
        }
        (&mut self.open[place], new)
    }

    /// What is known of a day, open or kept.
    pub fn day(&self, day: Day) -> Option<&K::Open> {
        let closed = self.before.as_ref().filter(|(known, _)| *known == day);
        let open = self.open.iter().find(|open| open.day == day);
        open.map(|open| &open.open).or(closed.map(|(_, open)| open))
    }

    /// The stored row, written over `row`.
    pub fn encode(&self, row: &mut Vec<u8>) {
        row.clear();
        let is_quiet = |open: &OpenDay<K>| open.bars.is_some() && !open.touched;
        let head = Head {
            open: self
                .open
                .iter()
                .map(|open| (open.day, is_quiet(open)))
                .collect(),
            before: self.before.as_ref().map(|(day, _)| *day),
        };
        put(row, &head);
        put(row, &self.base);
        put(row, &self.pending);
        for open in &self.open {
            put(row, &open.open);
        }
        if let Some((_, open)) = &self.before {
            put(row, open);
        }
        let sum = checksum(row);
        row.extend_from_slice(&sum);
    }

    /// A slot from its row; `None` when it is not one.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let (bytes, _) = row.split_last_chunk::<SUM_BYTES>()?;
        let (head, mut bytes) = postcard::take_from_bytes::<Head>(bytes).ok()?;
        let mut slot = Slot {
            base: take(&mut bytes)?,
            pending: take(&mut bytes)?,
            ..Slot::default()
        };
        for (day, _) in head.open {
            slot.open.push(OpenDay {
                day,
                open: take(&mut bytes)?,
                bars: None,
                touched: false,
            });
        }
        if let Some(day) = head.before {
            slot.before = Some((day, take(&mut bytes)?));
        }
        bytes.is_empty().then_some(slot)
    }
}

impl Head {
    /// The days of a row that is whole; `None` when it is damaged.
    pub fn of(row: &[u8]) -> Option<Head> {
        let (bytes, sum) = row.split_last_chunk::<SUM_BYTES>()?;
        if checksum(bytes) != *sum {
            return None;
        }
        postcard::from_bytes(bytes).ok()
    }
}

fn checksum(bytes: &[u8]) -> [u8; SUM_BYTES] {
    (xxhash_rust::xxh3::xxh3_64(bytes) as u32).to_le_bytes()
}

fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    *bytes = rest;
    Some(value)
}

fn put<T: Serialize>(row: &mut Vec<u8>, value: &T) {
    postcard::serialize_with_flavor(value, Row(row)).expect("state is plain data");
}

/// Lets postcard write behind what is there.
struct Row<'r>(&'r mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Row<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
