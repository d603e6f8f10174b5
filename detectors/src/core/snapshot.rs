//! The core's state as rows and back: what a checkpoint stores.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Core;
use crate::assemble::Book;
use crate::company::Company;
use crate::shard::SHARDS;
use crate::time::Day;
use crate::verdict::Stream;
use crate::world::Who;

/// Version of every row written by this code.
pub const STATE_VERSION: u16 = 1;

/// One row of state: (virtual shard, detector, key, version, bytes); no bytes means remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    /// Virtual shard; 256 is the company.
    pub shard: u16,
    /// Detector name, `dedup`, `origins`, or `core`.
    pub detector: String,
    /// Key within the two.
    pub key: Vec<u8>,
    /// Version of the bytes.
    pub version: u16,
    /// Encoded state; `None` removes the row.
    pub bytes: Option<Vec<u8>>,
}

/// What changed since the last snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Changed and removed rows.
    pub rows: Vec<StateRow>,
}

/// State that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Written by a later version.
    #[error(
        "state of {detector} has version {found}, this program knows {STATE_VERSION}; use the newer program or start with an empty state folder"
    )]
    Newer {
        /// Which part.
        detector: String,
        /// Its version.
        found: u16,
    },
    /// Not what it should be.
    #[error("state of {0} cannot be read; restore a backup or start with an empty state folder")]
    Corrupt(String),
}

#[derive(Serialize, Deserialize)]
struct CoreState {
    /// Of the settings that the open days were judged by.
    fingerprint: String,
    detectors: Vec<String>,
    companies: Vec<Company>,
    alphas: BTreeMap<Day, BTreeMap<(usize, Stream), f64>>,
    book: Book,
    first_day: Option<Day>,
    last_day: Option<Day>,
    /// Days whose dedup keys have rows, with the number of rows.
    key_rows: BTreeMap<(u16, Day), u32>,
}

impl Core {
    /// The rows that changed since the last call.
    pub fn snapshot(&mut self) -> Snapshot {
        let mut rows = Vec::new();
        let names: Vec<&'static str> = self.detectors.iter().map(|a| a.entry.name).collect();
        let closed = self.companies.iter().map(Company::sealed).min().flatten();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            for (index, detector) in shard.detectors.iter_mut().enumerate() {
                detector.dirty(&mut |entity, bytes| {
                    let key = entity_key(&shard.names[entity as usize]);
                    rows.push(row(number, names[index], key, Some(bytes.to_vec())));
                });
            }
            for (day, keys) in shard.take_new_keys() {
                let chunk = self.key_rows.entry((number as u16, day)).or_default();
                let bytes = keys.iter().flat_map(|key| key.to_le_bytes()).collect();
                rows.push(row(number, "dedup", chunk_key(day, *chunk), Some(bytes)));
                *chunk += 1;
            }
        }
        let gone: Vec<_> = self
            .key_rows
            .keys()
            .filter(|(_, day)| closed.is_some_and(|closed| *day <= closed))
            .copied()
            .collect();
        for (shard, day) in gone {
            let chunks = self.key_rows.remove(&(shard, day)).unwrap_or(0);
            for chunk in 0..chunks {
                rows.push(row(
                    usize::from(shard),
                    "dedup",
                    chunk_key(day, chunk),
                    None,
                ));
            }
        }
        for (number, origin) in self.origins.take_new() {
            let bytes = postcard::to_allocvec(&(&*origin.source, &*origin.place))
                .expect("a text is plain data");
            let key = number.to_be_bytes().to_vec();
            rows.push(row(SHARDS, "origins", key, Some(bytes)));
        }
        let state = CoreState {
            fingerprint: self.world.settings.fingerprint.clone(),
            detectors: names.iter().map(|name| (*name).to_owned()).collect(),
            companies: self.companies.clone(),
            alphas: self.alphas.clone(),
            book: self.book.clone(),
            first_day: self.first_day,
            last_day: self.last_day,
            key_rows: self.key_rows.clone(),
        };
        let bytes = postcard::to_allocvec(&state).expect("state is plain data");
        rows.push(row(SHARDS, "core", Vec::new(), Some(bytes)));
        Snapshot { rows }
    }

    /// Puts a stored state back into an empty core.
    ///
    /// # Errors
    /// When a row is newer than this code or damaged.
    pub fn restore(
        &mut self,
        rows: impl IntoIterator<Item = StateRow>,
    ) -> Result<(), RestoreError> {
        for row in rows {
            if STATE_VERSION < row.version {
                return Err(RestoreError::Newer {
                    detector: row.detector,
                    found: row.version,
                });
            }
            let bytes = row.bytes.unwrap_or_default();
            self.restore_row(row.shard, &row.detector, &row.key, bytes)
                .ok_or(RestoreError::Corrupt(row.detector))?;
        }
        let open: Vec<Day> = self.alphas.keys().copied().collect();
        for day in open {
            self.open(day);
        }
        if self.judged_by.as_ref() != Some(&self.world.settings.fingerprint) {
            let shards = self.shards.iter_mut();
            shards
                .flat_map(|shard| &mut shard.detectors)
                .for_each(|detector| detector.touch_all());
        }
        Ok(())
    }

    fn restore_row(
        &mut self,
        shard: u16,
        detector: &str,
        key: &[u8],
        bytes: Vec<u8>,
    ) -> Option<()> {
        if detector == "core" {
            return self.restore_core(postcard::from_bytes(&bytes).ok()?);
        }
        if detector == "origins" {
            let number = u32::from_be_bytes(key.try_into().ok()?);
            let (source, place) = postcard::from_bytes(&bytes).ok()?;
            return self.origins.restore(number, source, place);
        }
        let shard = self.shards.get_mut(usize::from(shard))?;
        if detector == "dedup" {
            let day = Day::from_be_bytes(key.get(..4)?.try_into().ok()?);
            let keys = bytes.chunks_exact(8).filter_map(|key| key.try_into().ok());
            shard.restore_keys(day, keys.map(u64::from_le_bytes));
            return Some(());
        }
        // A detector that was switched off since keeps its rows, unread.
        let Some(index) = self.detectors.iter().position(|a| a.entry.name == detector) else {
            return Some(());
        };
        let (stream, name) = postcard::from_bytes::<(Stream, String)>(key).ok()?;
        let entity = shard.entity(stream, &name);
        shard.detectors[index].restore(entity, bytes)
    }

    fn restore_core(&mut self, state: CoreState) -> Option<()> {
        let now: Vec<&str> = self.detectors.iter().map(|a| a.entry.name).collect();
        let place = |index: usize| now.iter().position(|name| *name == state.detectors[index]);
        for (index, company) in state.companies.into_iter().enumerate() {
            if let Some(place) = place(index) {
                self.companies[place] = company;
            }
        }
        let moved = |alphas: BTreeMap<(usize, Stream), f64>| {
            let at = |((index, stream), alpha)| Some(((place(index)?, stream), alpha));
            alphas.into_iter().filter_map(at).collect()
        };
        self.alphas = state
            .alphas
            .into_iter()
            .map(|(day, a)| (day, moved(a)))
            .collect();
        self.judged_by = Some(state.fingerprint);
        self.book = state.book;
        self.first_day = state.first_day;
        self.last_day = state.last_day;
        self.key_rows = state.key_rows;
        Some(())
    }
}

fn row(shard: usize, detector: &str, key: Vec<u8>, bytes: Option<Vec<u8>>) -> StateRow {
    StateRow {
        shard: shard as u16,
        detector: detector.to_owned(),
        key,
        version: STATE_VERSION,
        bytes,
    }
}

fn entity_key(who: &Who) -> Vec<u8> {
    postcard::to_allocvec(&(who.stream, &*who.name)).expect("a name is plain data")
}

fn chunk_key(day: Day, chunk: u32) -> Vec<u8> {
    [day.to_be_bytes(), chunk.to_be_bytes()].concat()
}
