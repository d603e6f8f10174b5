//! What is kept of a record while it is dealt with: the wanted scalars in their slots.
//!
//! Invariant: a slot holds the first value that is not null, whatever the order of alternatives; a key
//! that stands twice therefore means its first value. Nothing that no path names is kept.

use super::scan::{Broken, unescape};
use super::scopes::Scopes;
use super::tree::{Capture, Node, ROOT, SlotId};

/// Bytes of JSON within texts that are read of one record; further texts are left closed.
const INNER_BYTES_MAX: usize = 4 << 20;
/// Ends each text of [`Tag::All`].
pub(crate) const END: char = '\u{1f}';

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tag {
    /// Nothing, or null.
    #[default]
    Absent,
    True,
    False,
    Number,
    Text,
    /// The scalars of a list, each with [`END`] behind it.
    All,
    /// A list without scalars, into which paths lead.
    List,
    /// An object, or a list into which no path leads.
    Object,
}

/// Which text a piece lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Place {
    #[default]
    Record,
    /// Texts of the record whose escapes were resolved.
    Unescaped,
    /// The constants of the formats.
    Constant,
}

/// A part of one of these texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Piece {
    pub(crate) place: Place,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// One wanted place of the present record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Slot {
    pub(crate) tag: Tag,
    pub(crate) piece: Piece,
}

/// The slots of a record, of its rows, and its envelopes.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    pub(crate) slots: Vec<Slot>,
    touched: Box<[SlotId]>,
    touched_count: usize,
    /// Slots of rows and of what is around them.
    pub(crate) scopes: Scopes,
    pub(crate) envelopes: Vec<(u8, usize, usize)>,
    /// Text that could not be borrowed from the record.
    pub(crate) unescaped: String,
    /// Texts that are used again.
    spare: Vec<String>,
    inner_bytes: usize,
}

impl Captured {
    pub(crate) fn new(slots: usize) -> Self {
        Captured {
            slots: vec![Slot::default(); slots],
            touched: vec![0; slots].into(),
            ..Captured::default()
        }
    }

    /// Forgets the record before.
    pub(crate) fn clear(&mut self) {
        for slot in &self.touched[..self.touched_count] {
            self.slots[usize::from(*slot)] = Slot::default();
        }
        self.touched_count = 0;
        self.scopes.clear();
        self.envelopes.clear();
        self.unescaped.clear();
        self.inner_bytes = 0;
    }

    /// The slots of the record that hold something.
    pub(crate) fn touched(&self) -> impl Iterator<Item = SlotId> {
        self.touched[..self.touched_count].iter().copied()
    }

    #[inline(always)]
    pub(crate) fn note(&mut self, node: &Node, slot: Slot) {
        match *node.captures {
            [
                Capture {
                    slot: id,
                    list: ROOT,
                },
            ] => self.note_in(id, slot),
            _ => self.note_in_all(node, slot),
        }
    }

    #[inline(always)]
    fn note_in(&mut self, id: SlotId, slot: Slot) {
        let place = &mut self.slots[usize::from(id)];
        if place.tag == Tag::Absent {
            *place = slot;
            // As long as the slots, each of which is touched once.
            self.touched[self.touched_count] = id;
            self.touched_count += 1;
        }
    }

    #[inline(never)]
    fn note_in_all(&mut self, node: &Node, slot: Slot) {
        for capture in &node.captures {
            match capture.list {
                ROOT => self.note_in(capture.slot, slot),
                list => self.scopes.note(list, capture.slot, slot),
            }
        }
    }

    pub(crate) fn note_container(&mut self, node: &Node, tag: Tag) {
        let slot = Slot {
            tag,
            piece: Piece::default(),
        };
        self.note(node, slot);
    }

    /// Keeps a text that is no part of the record.
    pub(crate) fn push_text(&mut self, text: &str) -> Piece {
        let start = self.unescaped.len() as u32;
        self.unescaped.push_str(text);
        Piece {
            place: Place::Unescaped,
            start,
            end: self.unescaped.len() as u32,
        }
    }

    /// An empty text, for a while.
    pub(crate) fn borrow_text(&mut self) -> String {
        let mut text = self.spare.pop().unwrap_or_default();
        text.clear();
        text
    }

    pub(crate) fn give_back(&mut self, text: String) {
        self.spare.push(text);
    }

    /// Whether a text of this size may be opened, too.
    pub(crate) fn may_open(&mut self, bytes: usize) -> bool {
        let after = self.inner_bytes.saturating_add(bytes);
        let may = after <= INNER_BYTES_MAX;
        if may {
            self.inner_bytes = after;
        }
        may
    }

    pub(crate) fn push_unescaped(&mut self, content: &str) -> Result<Piece, Broken> {
        let start = self.unescaped.len() as u32;
        unescape(content, &mut self.unescaped)?;
        Ok(Piece {
            place: Place::Unescaped,
            start,
            end: self.unescaped.len() as u32,
        })
    }
}
