//! The events of one value on one day.
//!
//! Invariant: everything here merges in any order, and only grows.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::detector::Event;
use crate::evidence::{Refs, Sample};

/// Network and device pairs of a day.
const SPOTS_MAX: usize = 32;
/// Names that a sentence may list.
const WORDS_MAX: usize = 4;

/// Pairs of network and device marks, the smallest; once there were more, any pair may have been there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spots {
    pairs: BTreeSet<(u32, u32)>,
    is_over: bool,
}

impl Spots {
    /// Adds a pair; whether anything changed.
    pub fn insert(&mut self, pair: (u32, u32)) -> bool {
        let is_new = self.pairs.insert(pair);
        if SPOTS_MAX < self.pairs.len() {
            self.pairs.pop_last();
            self.is_over = true;
        }
        is_new
    }

    /// Whether some pair is so, or there were too many to tell.
    pub fn any(&self, is_so: impl Fn(u32, u32) -> bool) -> bool {
        self.is_over
            || self
                .pairs
                .iter()
                .any(|(network, device)| is_so(*network, *device))
    }

    /// The pairs that are kept.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.pairs.iter().copied()
    }
}

/// The smallest few of the names that came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words(BTreeSet<Box<str>>);

impl Words {
    fn add(&mut self, word: Option<&str>) {
        let Some(word) = word.filter(|word| !word.is_empty()) else {
            return;
        };
        if !self.0.contains(word) {
            self.0.insert(word.into());
            if WORDS_MAX < self.0.len() {
                self.0.pop_last();
            }
        }
    }

    /// The names, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|word| &**word)
    }

    /// The names in a sentence; `none` where there are none.
    pub fn text(&self, none: &str) -> String {
        if self.0.is_empty() {
            return none.to_owned();
        }
        self.iter().collect::<Vec<_>>().join(", ")
    }
}

/// The events of one value.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Finding {
    /// How many, and the first three.
    pub sample: Sample,
    /// Activities that the events stand for.
    pub amount: u64,
    /// Bytes, where the events say.
    pub bytes: u64,
    /// The rule's flags, of all events together.
    pub marks: u16,
    /// Networks and devices, for rules that tell new ones.
    pub spots: Spots,
    /// Whom it was done to.
    pub targets: Words,
    /// Files, roles, scopes.
    pub objects: Words,
    /// Applications.
    pub apps: Words,
    /// Addresses and countries.
    pub places: Words,
}

impl Finding {
    /// Adds one event.
    pub fn add(
        &mut self,
        refs: &mut Refs,
        event: &Event<'_>,
        marks: u16,
        spot: Option<(u32, u32)>,
    ) {
        let row = event.row;
        self.sample.add(refs, event);
        self.amount = self.amount.saturating_add(row.count());
        self.bytes = self.bytes.saturating_add(row.bytes().unwrap_or(0));
        self.marks |= marks;
        if let Some(spot) = spot {
            self.spots.insert(spot);
        }
        self.targets.add(row.target_user());
        self.objects.add(row.object());
        self.apps.add(row.app());
        match (row.ip(), row.country()) {
            (Some(ip), Some(country)) => self.places.add(Some(&format!("{ip} ({country})"))),
            (ip, country) => self.places.add(ip.or(country)),
        }
    }

    /// Whether a flag of the rule is set.
    pub fn has(&self, mark: u16) -> bool {
        self.marks & mark != 0
    }
}
