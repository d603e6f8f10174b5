//! A compiled format: what the slots of a record say, as a row in the making.
//!
//! Invariant: a program reads slots only, so a row is a function of the record. For each column the
//! first source with a value decides: matching rules in order, then switches, then `columns`.

use super::capture::{END, Piece, Place, Slot, Tag};
use super::column::Column;
use super::cut::Cut;
use super::keys::Keys;
use super::language::AddressRule;
use super::row::Constant;
use super::tree::{NodeId, SlotId};

/// A format, ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) last: bool,
    /// The list whose elements are rows.
    pub(crate) rows: Option<NodeId>,
    pub(crate) zone_minutes: i32,
    pub(crate) recognise: Vec<Vec<Test>>,
    pub(crate) require: u32,
    /// Other classes, by index among all classes, and their conditions.
    pub(crate) classes: Vec<(u8, Vec<Test>)>,
    pub(crate) class: u8,
    pub(crate) rules: Vec<(Vec<Test>, Action)>,
    pub(crate) switches: Vec<Switch>,
    pub(crate) columns: Vec<Fill>,
    /// One bit a column of `columns`: those that need no place.
    pub(crate) always: u32,
    /// By slot: the columns of `columns` that are taken from it.
    pub(crate) by_slot: Vec<u32>,
}

impl Program {
    /// Indexes `columns` by what they are taken from.
    pub(crate) fn index_columns(&mut self) {
        for (at, fill) in self.columns.iter().enumerate() {
            for source in &fill.sources {
                let slots = match &source.from {
                    From::Slot(slot) => std::slice::from_ref(slot),
                    From::Sum { plus, .. } => &plus[..],
                    From::Constant(_) => {
                        self.always |= 1 << at;
                        &[]
                    }
                };
                for slot in slots {
                    let slot = usize::from(*slot);
                    if self.by_slot.len() <= slot {
                        self.by_slot.resize(slot + 1, 0);
                    }
                    self.by_slot[slot] |= 1 << at;
                }
            }
        }
    }

    /// The columns that a slot may fill.
    #[inline(always)]
    pub(crate) fn fills(&self, slot: SlotId) -> u32 {
        self.by_slot.get(usize::from(slot)).copied().unwrap_or(0)
    }
}

/// What follows from the value of one place.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) paths: Vec<SlotId>,
    pub(crate) when: Vec<Test>,
    pub(crate) words: Keys,
    pub(crate) prefixes: Vec<(String, u16)>,
    pub(crate) actions: Vec<Action>,
}

/// Columns to fill, or no activity.
#[derive(Debug, Default)]
pub(crate) struct Action {
    pub(crate) ignore: bool,
    pub(crate) set: Vec<(Column, Constant)>,
    pub(crate) columns: Vec<Fill>,
}

/// A test on the first of some places that holds a value.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) slots: Vec<SlotId>,
    pub(crate) check: Check,
}

/// What is tested; texts are compared whatever their ASCII case.
#[derive(Debug)]
pub(crate) enum Check {
    Exists(bool),
    In(Keys),
    NotIn(Keys),
    Prefix(Vec<String>),
    Suffix(Vec<String>),
    Contains(Vec<String>),
}

/// How a column is filled.
#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) column: Column,
    /// The column is this place as it stands, and `sources` say no more.
    pub(crate) plain: Option<SlotId>,
    pub(crate) sources: Vec<Source>,
}

/// One way to fill a column.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) when: Vec<Test>,
    pub(crate) from: From,
    /// `None` where the value is taken as it stands, which most are.
    pub(crate) change: Option<Box<Change>>,
}

#[derive(Debug)]
pub(crate) enum From {
    Slot(SlotId),
    Constant(Constant),
    Sum {
        plus: Vec<SlotId>,
        minus: Vec<SlotId>,
    },
}

/// What is done to a value before it fills its column.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) cut: Cut,
    pub(crate) address: Option<AddressRule>,
    pub(crate) tool: bool,
    pub(crate) hashed: bool,
    pub(crate) values: Option<Values>,
}

/// A translation of values.
#[derive(Debug)]
pub(crate) struct Values {
    pub(crate) words: Keys,
    pub(crate) constants: Vec<Constant>,
    pub(crate) otherwise: Option<Constant>,
}

/// The texts that pieces lie in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts<'a> {
    pub(crate) record: &'a str,
    pub(crate) unescaped: &'a str,
    pub(crate) constants: &'a str,
}

impl<'a> Texts<'a> {
    #[inline(always)]
    pub(crate) fn get(self, piece: Piece) -> &'a str {
        let text = match piece.place {
            Place::Record => self.record,
            Place::Unescaped => self.unescaped,
            Place::Constant => self.constants,
        };
        text.get(piece.start as usize..piece.end as usize)
            .unwrap_or_default()
    }

    /// The scalars of a list that were noted together.
    pub(crate) fn all(self, slot: Slot) -> impl Iterator<Item = &'a str> {
        let text = if slot.tag == Tag::All {
            self.get(slot.piece)
        } else {
            ""
        };
        text.split_terminator(END)
    }

    /// A scalar's characters; nothing for containers.
    #[inline(always)]
    pub(crate) fn scalar(self, slot: Slot) -> Option<&'a str> {
        match slot.tag {
            Tag::Text | Tag::Number => Some(self.get(slot.piece)),
            Tag::True => Some("true"),
            Tag::False => Some("false"),
            Tag::Absent | Tag::Container | Tag::All => None,
        }
    }
}

/// Whether all tests hold.
#[inline]
pub(crate) fn holds(tests: &[Test], slots: &[Slot], texts: Texts<'_>) -> bool {
    tests.iter().all(|test| test.holds(slots, texts))
}

impl Test {
    #[inline]
    fn holds(&self, slots: &[Slot], texts: Texts<'_>) -> bool {
        let found = self
            .slots
            .iter()
            .map(|id| slots[usize::from(*id)])
            .find(|slot| slot.tag != Tag::Absent);
        let slot = found.unwrap_or_default();
        if let Check::Exists(wanted) = self.check {
            return (slot.tag != Tag::Absent) == wanted;
        }
        if slot.tag == Tag::All {
            // Of several values, one must be as wanted, and none as unwanted.
            let mut all = texts.all(slot);
            return match self.check {
                Check::NotIn(_) => all.all(|text| self.fits(text.as_bytes())),
                _ => all.any(|text| self.fits(text.as_bytes())),
            };
        }
        match texts.scalar(slot) {
            Some(text) => self.fits(text.as_bytes()),
            None => matches!(self.check, Check::NotIn(_)),
        }
    }

    fn fits(&self, text: &[u8]) -> bool {
        let any = |parts: &[String], fits: fn(&[u8], &[u8]) -> bool| {
            parts.iter().any(|part| fits(text, part.as_bytes()))
        };
        match &self.check {
            Check::Exists(wanted) => *wanted,
            Check::In(words) => words.get(text).is_some(),
            Check::NotIn(words) => words.get(text).is_none(),
            Check::Prefix(parts) => any(parts, |text, part| {
                text.get(..part.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(part))
            }),
            Check::Suffix(parts) => any(parts, |text, part| {
                let start = text.len().checked_sub(part.len());
                start.is_some_and(|start| text[start..].eq_ignore_ascii_case(part))
            }),
            Check::Contains(parts) => any(parts, |text, part| {
                text.windows(part.len().max(1))
                    .any(|window| window.eq_ignore_ascii_case(part))
            }),
        }
    }
}

impl Switch {
    /// The action for the first of the switch's places that holds a value.
    pub(crate) fn action(&self, slots: &[Slot], texts: Texts<'_>) -> Option<&Action> {
        let text = self
            .paths
            .iter()
            .find_map(|path| texts.scalar(slots[usize::from(*path)]))?;
        if !holds(&self.when, slots, texts) {
            return None;
        }
        let begins = |prefix: &str| {
            let start = text.as_bytes().get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        let index = self.words.get(text.as_bytes()).or_else(|| {
            let longest = self.prefixes.iter().filter(|(prefix, _)| begins(prefix));
            longest
                .max_by_key(|(prefix, _)| prefix.len())
                .map(|(_, index)| *index)
        })?;
        self.actions.get(usize::from(index))
    }
}
