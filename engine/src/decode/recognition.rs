//! Which formats may know a record, by the places that it holds: all others need not be asked.
//!
//! Invariant: a format that is left out has no table of tests that holds, so the first format to know a record is
//! the same as if each were asked in turn.

use std::collections::BTreeMap;

use super::program::{Check, Program, Test};
use super::tree::SlotId;

/// One bit a format, the first the lowest: there are fewer classes, and so formats, than bits.
type Set = u128;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Recognition {
    /// Formats with a table of tests that holds only where this slot does hold something.
    by_slot: Vec<Set>,
    /// Formats with a table that may hold of any record.
    always: Set,
    /// Those that are asked last.
    last: Set,
}

impl Recognition {
    pub(crate) fn new(programs: &[Program], slots: usize) -> Recognition {
        let mut uses = BTreeMap::<SlotId, usize>::new();
        let tests = programs.iter().flat_map(|program| &program.recognise);
        for slot in tests.flatten().flat_map(|test| &test.slots) {
            *uses.entry(*slot).or_default() += 1;
        }
        // A place that few formats ask for tells the most.
        let cost = |test: &&Test| -> usize { test.slots.iter().map(|slot| uses[slot]).sum() };
        let mut table = Recognition {
            by_slot: vec![0; slots],
            ..Recognition::default()
        };
        for (at, program) in programs.iter().enumerate() {
            let bit: Set = 1 << at;
            if program.last {
                table.last |= bit;
            }
            for tests in &program.recognise {
                match tests
                    .iter()
                    .filter(|test| needs_value(test))
                    .min_by_key(cost)
                {
                    None => table.always |= bit,
                    Some(test) => {
                        for slot in &test.slots {
                            table.by_slot[usize::from(*slot)] |= bit;
                        }
                    }
                }
            }
        }
        table
    }

    /// The formats that may know a record with these slots, by their bits.
    pub(crate) fn candidates(&self, touched: impl Iterator<Item = SlotId>, last: bool) -> Set {
        let found = touched.fold(self.always, |found, slot| {
            found | self.by_slot[usize::from(slot)]
        });
        found & if last { self.last } else { !self.last }
    }
}

/// Whether a test fails where nothing is.
fn needs_value(test: &Test) -> bool {
    !matches!(test.check, Check::Exists(false) | Check::NotIn(_))
}
