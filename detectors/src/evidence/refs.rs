//! The kept events of one principal, detector and day, one behind the other.
//!
//! Invariant: an index is good for as long as the day is open; whoever holds it says when it is free.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::alert::Evidence;
use crate::event::time_text;
use crate::origin::Origins;

/// Where one event can be found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// Event time, ms since 1970 UTC.
    pub time: i64,
    /// The vendor's id.
    pub uid: Box<str>,
    /// Number of its origin.
    pub origin: u32,
    /// Record number within the origin.
    pub offset: u64,
}

impl EventRef {
    /// As it stands in an alert.
    pub fn to_evidence(&self, origins: &Origins) -> Evidence {
        let origin = origins.get(self.origin);
        let (source, place) = origin.map_or(("", ""), |o| (&*o.source, &*o.place));
        Evidence {
            time: time_text(self.time),
            uid: self.uid.to_string(),
            source: source.to_owned(),
            position: format!("{place}@{}", self.offset),
        }
    }
}

/// Events with their ids in one text: an event costs no allocation of its own.
#[derive(Debug, Default)]
pub struct Refs {
    entries: Vec<Entry>,
    uids: String,
    /// Bytes of `uids` that no entry has any more.
    unused: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    time: i64,
    offset: u64,
    origin: u32,
    /// Of its id in the text.
    start: u32,
    len: u32,
}

impl Refs {
    /// What events are ordered by.
    pub fn rank(&self, index: u32) -> (i64, &str) {
        let entry = &self.entries[index as usize];
        (entry.time, self.uid(entry))
    }

    fn uid(&self, entry: &Entry) -> &str {
        &self.uids[entry.start as usize..][..entry.len as usize]
    }

    /// Offset and number of the origin.
    pub fn position(&self, index: u32) -> (u64, u32) {
        let entry = &self.entries[index as usize];
        (entry.offset, entry.origin)
    }

    /// One event as it stands in a verdict.
    pub fn get(&self, index: u32) -> EventRef {
        let (time, uid) = self.rank(index);
        let (offset, origin) = self.position(index);
        EventRef {
            time,
            uid: uid.into(),
            origin,
            offset,
        }
    }

    /// Adds an event.
    pub fn push(&mut self, (time, uid): (i64, &str), offset: u64, origin: u32) -> u32 {
        let index = self.entries.len() as u32;
        self.entries.push(Entry {
            time,
            offset,
            origin,
            start: self.uids.len() as u32,
            len: uid.len() as u32,
        });
        self.uids.push_str(uid);
        index
    }

    /// Puts an event in the place of another.
    pub fn replace(&mut self, index: u32, (time, uid): (i64, &str), offset: u64, origin: u32) {
        let entry = &mut self.entries[index as usize];
        let (start, len) = (entry.start as usize, entry.len as usize);
        if len == uid.len() {
            self.uids.replace_range(start..start + len, uid);
        } else {
            entry.start = self.uids.len() as u32;
            entry.len = uid.len() as u32;
            self.uids.push_str(uid);
            self.unused += len;
        }
        (entry.time, entry.offset, entry.origin) = (time, offset, origin);
        if self.uids.len() < 2 * self.unused {
            self.compact();
        }
    }

    /// Leaves nothing of an event.
    pub fn clear(&mut self, index: u32) {
        self.replace(index, (0, ""), 0, 0);
        self.compact();
    }

    fn compact(&mut self) {
        let mut uids = String::with_capacity(self.uids.len() - self.unused);
        for entry in &mut self.entries {
            let start = uids.len() as u32;
            uids.push_str(&self.uids[entry.start as usize..][..entry.len as usize]);
            entry.start = start;
        }
        (self.uids, self.unused) = (uids, 0);
    }

    /// Each as its differences from the one before: neighbours are near in time and position.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 * self.entries.len() + self.uids.len());
        let (mut time, mut offset) = (0, 0);
        for entry in &self.entries {
            put_signed(&mut bytes, entry.time.wrapping_sub(time));
            put_signed(&mut bytes, entry.offset.wrapping_sub(offset) as i64);
            put(&mut bytes, entry.origin.into());
            put(&mut bytes, entry.len.into());
            bytes.extend_from_slice(self.uid(entry).as_bytes());
            (time, offset) = (entry.time, entry.offset);
        }
        bytes
    }

    fn of_bytes(mut bytes: &[u8]) -> Option<Refs> {
        let mut refs = Refs::default();
        let (mut time, mut offset) = (0i64, 0u64);
        while !bytes.is_empty() {
            time = time.wrapping_add(take_signed(&mut bytes)?);
            offset = offset.wrapping_add(take_signed(&mut bytes)? as u64);
            let origin = take(&mut bytes)?.try_into().ok()?;
            let len = take(&mut bytes)?.try_into().ok()?;
            let (uid, rest) = bytes.split_at_checked(len)?;
            bytes = rest;
            refs.push((time, std::str::from_utf8(uid).ok()?), offset, origin);
        }
        Some(refs)
    }
}

impl Serialize for Refs {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Refs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(from)?;
        Refs::of_bytes(bytes).ok_or_else(|| serde::de::Error::custom("events cannot be read"))
    }
}

/// Seven bits a byte, the lowest first; the last has no high bit.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while 0x7f < number {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Small numbers of either sign take few bytes.
fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(bytes, (number << 1 ^ number >> 63) as u64);
}

fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = take(bytes)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is put in comes back, stored or not, and what is replaced leaves the others alone.
        #[test]
        fn what_is_kept_comes_back(
            events in prop::collection::vec((any::<i64>(), "[a-zß]{0,9}", any::<u64>(), any::<u32>()), 1..20),
            replacements in prop::collection::vec((any::<prop::sample::Index>(), any::<i64>(), "[a-zß]{0,9}"), 0..40),
        ) {
            let mut refs = Refs::default();
            let mut want = Vec::new();
            for (time, uid, offset, origin) in &events {
                refs.push((*time, uid), *offset, *origin);
                want.push((*time, uid.clone()));
            }
            for (place, time, uid) in replacements {
                let index = place.index(want.len());
                refs.replace(index as u32, (time, &uid), 7, 7);
                want[index] = (time, uid);
            }
            let stored = postcard::to_allocvec(&refs).expect("plain data");
            let restored: Refs = postcard::from_bytes(&stored).expect("what was stored");
            for (index, (time, uid)) in want.iter().enumerate() {
                prop_assert_eq!(refs.rank(index as u32), (*time, uid.as_str()));
                prop_assert_eq!(restored.get(index as u32), refs.get(index as u32));
            }
        }
    }
}
