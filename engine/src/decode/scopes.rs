//! What lies in the elements of lists that are rows, or that rows lie in.
//!
//! Invariant: an element's values are its own: rows see those of the elements around them, never those of their
//! neighbours, wherever in the record the values stand.

use super::capture::Slot;
use super::tree::{NodeId, SlotId};

/// An element of a list.
#[derive(Debug, Clone, Copy)]
struct Scope {
    list: NodeId,
    /// The element that it lies in.
    around: Option<u32>,
    /// The last value noted in it.
    last: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Noted {
    id: SlotId,
    slot: Slot,
    /// The value noted before in the same element.
    before: Option<u32>,
}

/// The elements of one record, in their order.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    scopes: Vec<Scope>,
    noted: Vec<Noted>,
    /// Those that the reader is in, innermost last.
    open: Vec<u32>,
    /// The lists that were there, perhaps empty.
    lists: Vec<NodeId>,
}

impl Scopes {
    pub(crate) fn clear(&mut self) {
        self.scopes.clear();
        self.noted.clear();
        self.open.clear();
        self.lists.clear();
    }

    /// A list begins.
    pub(crate) fn see(&mut self, list: NodeId) {
        if self.lists.last() != Some(&list) {
            self.lists.push(list);
        }
    }

    /// Whether a list was there.
    pub(crate) fn saw(&self, list: NodeId) -> bool {
        self.lists.contains(&list)
    }

    /// How many elements the reader is in.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// An element of a list begins.
    pub(crate) fn enter(&mut self, list: NodeId) {
        let around = self.open.last().copied();
        self.open.push(self.scopes.len() as u32);
        self.scopes.push(Scope {
            list,
            around,
            last: None,
        });
    }

    /// Leaves elements until this many are left.
    pub(crate) fn leave(&mut self, depth: usize) {
        self.open.truncate(depth);
    }

    /// Notes a value in the element of a list; the first counts.
    pub(crate) fn note(&mut self, list: NodeId, id: SlotId, slot: Slot) {
        let mut open = self.open.iter().rev().map(|scope| *scope as usize);
        let Some(scope) = open.find(|scope| self.scopes[*scope].list == list) else {
            return;
        };
        let last = self.scopes[scope].last;
        if !self.chain(last).any(|noted| noted.id == id) {
            self.scopes[scope].last = Some(self.noted.len() as u32);
            self.noted.push(Noted {
                id,
                slot,
                before: last,
            });
        }
    }

    fn chain(&self, last: Option<u32>) -> impl Iterator<Item = Noted> {
        let at = |place: u32| self.noted.get(place as usize).copied();
        std::iter::successors(last.and_then(at), move |noted| noted.before.and_then(at))
    }

    /// The elements of a list, in the order of the record.
    pub(crate) fn elements(&self, list: NodeId) -> impl Iterator<Item = usize> {
        (0..self.scopes.len()).filter(move |scope| self.scopes[*scope].list == list)
    }

    /// The values of an element and of those around it, outermost first.
    pub(crate) fn values(&self, scope: usize, each: &mut impl FnMut(SlotId, Slot)) {
        let Scope { around, last, .. } = self.scopes[scope];
        // As deep as the path of a format.
        if let Some(around) = around {
            self.values(around as usize, each);
        }
        for noted in self.chain(last) {
            each(noted.id, noted.slot);
        }
    }
}
