//! The core's state as rows and back: what a checkpoint stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Alphas, Core, by_shard};
use crate::assemble::Book;
use crate::company::Company;
use crate::shard::{SHARDS, Shard};
use crate::time::Day;
use crate::verdict::Stream;
use crate::world::Who;

/// Version of every row written by this code.
pub const STATE_VERSION: u16 = 1;

/// Rows that are not a detector's.
const CORE: &str = "core";
const DEDUP: &str = "dedup";
const ORIGINS: &str = "origins";

/// One row of state: (virtual shard, detector, key, version, bytes); no bytes means remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    /// Virtual shard; 256 is the company.
    pub shard: u16,
    /// Detector name, `dedup`, `origins`, or `core`.
    pub detector: Arc<str>,
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

/// The company's part, as it is read back.
#[derive(Deserialize)]
struct CoreState {
    fingerprint: String,
    detectors: Vec<String>,
    companies: Vec<Company>,
    alphas: Alphas,
    book: Book,
    first_day: Option<Day>,
    last_day: Option<Day>,
}

/// The same, as it is stored.
#[derive(Serialize)]
struct CoreStateRef<'a> {
    /// Of the settings that the open days were judged by.
    fingerprint: &'a str,
    detectors: Vec<&'a str>,
    companies: &'a [Company],
    alphas: &'a Alphas,
    book: &'a Book,
    first_day: Option<Day>,
    last_day: Option<Day>,
}

impl Core {
    /// The rows that changed since the last call.
    pub fn snapshot(&mut self) -> Snapshot {
        let names: Vec<Arc<str>> = self.detectors.iter().map(|a| a.entry.name.into()).collect();
        let of_shard = |number: usize, shard: &mut Shard| {
            let mut rows = Vec::new();
            for (name, detector) in names.iter().zip(&mut shard.detectors) {
                detector.dirty(&mut |entity, bytes| {
                    let key = entity_key(&shard.names[entity as usize]);
                    rows.push(row(number, name, key, Some(bytes.to_vec())));
                });
            }
            rows
        };
        let mut rows: Vec<StateRow> = by_shard(&mut self.shards, self.threads, of_shard)
            .into_iter()
            .flatten()
            .collect();
        self.dedup_rows(&mut rows);
        let new = self.origins.take_new();
        rows.extend(new.map(|(number, origin)| {
            let parts = (&*origin.source, &*origin.place, &*origin.format);
            let bytes = postcard::to_allocvec(&parts);
            let key = number.to_be_bytes().to_vec();
            let bytes = bytes.expect("a text is plain data");
            row(SHARDS, &ORIGINS.into(), key, Some(bytes))
        }));
        if std::mem::take(&mut self.is_changed) {
            let state = CoreStateRef {
                fingerprint: &self.world.settings.fingerprint,
                detectors: names.iter().map(|name| &**name).collect(),
                companies: &self.companies,
                alphas: &self.alphas,
                book: &self.book,
                first_day: self.first_day,
                last_day: self.last_day,
            };
            let bytes = postcard::to_allocvec(&state).expect("state is plain data");
            rows.push(row(SHARDS, &CORE.into(), Vec::new(), Some(bytes)));
        }
        Snapshot { rows }
    }

    /// Dedup keys: a new row each time, all of a day's removed when it is closed.
    fn dedup_rows(&mut self, rows: &mut Vec<StateRow>) {
        let name: Arc<str> = DEDUP.into();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            for (day, keys) in shard.take_new_keys() {
                let chunk = self.key_rows.entry((number as u16, day)).or_default();
                let bytes = keys.iter().flat_map(|key| key.to_le_bytes()).collect();
                rows.push(row(number, &name, chunk_key(day, *chunk), Some(bytes)));
                *chunk += 1;
            }
        }
        let Some(closed) = self.companies.iter().map(Company::sealed).min().flatten() else {
            return;
        };
        self.key_rows.retain(|(shard, day), chunks| {
            if closed < *day {
                return true;
            }
            let gone = (0..*chunks).map(|chunk| chunk_key(*day, chunk));
            rows.extend(gone.map(|key| row(usize::from(*shard), &name, key, None)));
            false
        });
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
            self.restore_row(row)?;
        }
        self.restored();
        Ok(())
    }

    /// Puts one stored row back; after the last, in any order, comes [`Core::restored`].
    ///
    /// # Errors
    /// When it is newer than this code or damaged.
    pub fn restore_row(&mut self, row: StateRow) -> Result<(), RestoreError> {
        if STATE_VERSION < row.version {
            return Err(RestoreError::Newer {
                detector: row.detector.to_string(),
                found: row.version,
            });
        }
        let bytes = row.bytes.unwrap_or_default();
        self.take_row(row.shard, &row.detector, &row.key, bytes)
            .ok_or_else(|| RestoreError::Corrupt(row.detector.to_string()))
    }

    /// Opens the days that were open.
    pub fn restored(&mut self) {
        let open: Vec<Day> = self.alphas.keys().copied().collect();
        for day in open {
            self.open(day);
        }
        if self.judged_by.as_ref() != Some(&self.world.settings.fingerprint) {
            let shards = self.shards.iter_mut();
            shards
                .flat_map(|shard| &mut shard.detectors)
                .for_each(|detector| detector.touch_all());
            self.is_changed = true;
        }
    }

    fn take_row(&mut self, shard: u16, detector: &str, key: &[u8], bytes: Vec<u8>) -> Option<()> {
        match detector {
            CORE => return self.restore_core(postcard::from_bytes(&bytes).ok()?),
            ORIGINS => {
                let number = u32::from_be_bytes(key.try_into().ok()?);
                let (names, rest) = postcard::take_from_bytes::<(&str, &str)>(&bytes).ok()?;
                // Earlier rows do not say the format.
                let format = postcard::from_bytes(rest).unwrap_or_default();
                return self.origins.restore(number, names.0, names.1, format);
            }
            _ => {}
        }
        let to = self.shards.get_mut(usize::from(shard))?;
        if detector == DEDUP {
            let (day, chunk) = key.split_first_chunk()?;
            let day = Day::from_be_bytes(*day);
            let chunk = u32::from_be_bytes(chunk.try_into().ok()?);
            let chunks = self.key_rows.entry((shard, day)).or_default();
            *chunks = chunk.checked_add(1)?.max(*chunks);
            to.restore_keys(day, bytes);
            return Some(());
        }
        // A detector that was switched off since keeps its rows, unread.
        let Some(index) = self.detectors.iter().position(|a| a.entry.name == detector) else {
            return Some(());
        };
        let (stream, name) = postcard::from_bytes::<(Stream, &str)>(key).ok()?;
        let entity = to.entity(stream, name);
        to.detectors[index].restore(entity, bytes)
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
        self.is_changed = now != state.detectors;
        self.judged_by = Some(state.fingerprint);
        self.book = state.book;
        self.first_day = state.first_day;
        self.last_day = state.last_day;
        Some(())
    }
}

pub(super) fn row(
    shard: usize,
    detector: &Arc<str>,
    key: Vec<u8>,
    bytes: Option<Vec<u8>>,
) -> StateRow {
    StateRow {
        shard: shard as u16,
        detector: detector.clone(),
        key,
        version: STATE_VERSION,
        bytes,
    }
}

pub(super) fn entity_key(who: &Who) -> Vec<u8> {
    postcard::to_allocvec(&(who.stream, &*who.name)).expect("a name is plain data")
}

fn chunk_key(day: Day, chunk: u32) -> Vec<u8> {
    [day.to_be_bytes(), chunk.to_be_bytes()].concat()
}
