//! Where records come from: each source, file or partition, and format once, by number.
//!
//! Invariant: a number keeps its meaning for good, since state is stored with numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// More than any installation has; a larger number is damage.
const NUMBER_MAX: u32 = 1 << 24;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Configured source.
    pub source: Arc<str>,
    /// File, or topic and partition.
    pub place: Arc<str>,
    /// Format of its records.
    pub format: Arc<str>,
}

/// All that were seen.
#[derive(Debug, Default)]
pub struct Origins {
    known: Vec<Origin>,
    /// By source, place and format.
    numbers: BTreeMap<[Arc<str>; 3], u32>,
    /// Sources and formats, which many share.
    words: BTreeSet<Arc<str>>,
    /// How many of them are stored.
    stored: usize,
}

impl Origins {
    /// The number of an origin, given when it is new.
    pub fn number(&mut self, source: &str, place: &str, format: &str) -> u32 {
        let key = [self.word(source), place.into(), self.word(format)];
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = self.known.len() as u32;
        self.put(number, key);
        number
    }

    /// The origin of a number.
    pub fn get(&self, number: u32) -> Option<&Origin> {
        self.known.get(number as usize)
    }

    /// Those that were not stored yet, with their numbers.
    pub fn take_new(&mut self) -> impl Iterator<Item = (u32, &Origin)> {
        let from = std::mem::replace(&mut self.stored, self.known.len());
        let new = self.known.iter().enumerate().skip(from);
        new.map(|(number, origin)| (number as u32, origin))
    }

    /// Puts a stored origin back; `None` when the number cannot be.
    pub fn restore(&mut self, number: u32, source: &str, place: &str, format: &str) -> Option<()> {
        if NUMBER_MAX < number {
            return None;
        }
        let key = [self.word(source), place.into(), self.word(format)];
        self.put(number, key);
        self.stored = self.known.len();
        Some(())
    }

    fn word(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.words.get(word) {
            return known.clone();
        }
        let word: Arc<str> = word.into();
        self.words.insert(word.clone());
        word
    }

    fn put(&mut self, number: u32, key: [Arc<str>; 3]) {
        let nowhere = Origin {
            source: "".into(),
            place: "".into(),
            format: "".into(),
        };
        let index = number as usize;
        if self.known.len() <= index {
            self.known.resize(index + 1, nowhere);
        }
        let [source, place, format] = key.clone();
        self.numbers.insert(key, number);
        self.known[index] = Origin {
            source,
            place,
            format,
        };
    }
}
