//! Where records come from: each pair of source and file or partition once, by number.
//!
//! Invariant: a number keeps its meaning for good, since state is stored with numbers.

use std::collections::BTreeMap;
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
}

/// All that were seen.
#[derive(Debug, Default)]
pub struct Origins {
    known: Vec<Origin>,
    numbers: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u32>>,
    /// How many of them are stored.
    stored: usize,
}

impl Origins {
    /// The number of an origin, given when it is new.
    pub fn number(&mut self, source: &str, place: &str) -> u32 {
        let of_source = self.numbers.get(source);
        if let Some(number) = of_source.and_then(|places| places.get(place)) {
            return *number;
        }
        let number = self.known.len() as u32;
        self.put(number, source, place);
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
    pub fn restore(&mut self, number: u32, source: &str, place: &str) -> Option<()> {
        if NUMBER_MAX < number {
            return None;
        }
        self.put(number, source, place);
        self.stored = self.known.len();
        Some(())
    }

    fn put(&mut self, number: u32, source: &str, place: &str) {
        let nowhere = Origin {
            source: "".into(),
            place: "".into(),
        };
        let index = number as usize;
        if self.known.len() <= index {
            self.known.resize(index + 1, nowhere);
        }
        let known = self.numbers.keys().find(|known| &***known == source);
        let source: Arc<str> = known.cloned().unwrap_or_else(|| source.into());
        let place: Arc<str> = place.into();
        let places = self.numbers.entry(source.clone()).or_default();
        places.insert(place.clone(), number);
        self.known[index] = Origin { source, place };
    }
}
