//! Reads a record once along the path tree and notes the wanted scalars in slots.
//!
//! Invariant: a slot holds the first value that is not null, whatever the order of alternatives; a key
//! that stands twice therefore means its first value. Nothing that no path names is kept.

use super::guess::{Guesses, KeyId, START};
use super::scan::{Broken, Cursor, Scalar, unescape};
use super::tree::{Items, Node, NodeId, Pairs, ROOT, Selector, SlotId};

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
    /// An object or array.
    Container,
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
    /// Slots of the rows, one after another; a row holds pairs of slot number and value.
    pub(crate) row_slots: Vec<(SlotId, Slot)>,
    /// Where each row ends in `row_slots`.
    pub(crate) row_ends: Vec<usize>,
    /// A list of rows was there, perhaps an empty one.
    pub(crate) has_rows: bool,
    pub(crate) envelopes: Vec<(u8, usize, usize)>,
    /// Text that could not be borrowed from the record.
    pub(crate) unescaped: String,
    in_row: bool,
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
        self.row_slots.clear();
        self.row_ends.clear();
        self.envelopes.clear();
        self.unescaped.clear();
        self.has_rows = false;
        self.in_row = false;
    }

    /// The slots of the record that hold something.
    pub(crate) fn touched(&self) -> impl Iterator<Item = SlotId> {
        self.touched[..self.touched_count].iter().copied()
    }

    #[inline(always)]
    fn note(&mut self, node: &Node, slot: Slot) {
        match *node.captures {
            [id] if !self.in_row => self.note_in(id, slot),
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
        let row = self.row_ends.last().copied().unwrap_or(0);
        for id in &node.captures {
            if !self.in_row {
                self.note_in(*id, slot);
            } else if !self.row_slots[row..].iter().any(|(known, _)| known == id) {
                self.row_slots.push((*id, slot));
            }
        }
    }

    fn push_unescaped(&mut self, content: &str) -> Result<Piece, Broken> {
        let start = self.unescaped.len() as u32;
        unescape(content, &mut self.unescaped)?;
        Ok(Piece {
            place: Place::Unescaped,
            start,
            end: self.unescaped.len() as u32,
        })
    }
}

/// The reader: tree and place in the record.
pub(crate) struct Reader<'t, 'r> {
    pub(crate) tree: &'t [Node],
    pub(crate) cursor: Cursor<'r>,
    pub(crate) out: &'t mut Captured,
    pub(crate) guesses: &'t mut Guesses,
}

impl<'t, 'r> Reader<'t, 'r> {
    /// Reads the object the cursor stands on, to the end of the record.
    pub(crate) fn record(&mut self) -> Result<(), Broken> {
        self.object(ROOT)?;
        if self.cursor.finished() {
            Ok(())
        } else {
            Err(Broken)
        }
    }

    fn node(&self, id: NodeId) -> &'t Node {
        &self.tree[usize::from(id)]
    }

    fn object(&mut self, id: NodeId) -> Result<(), Broken> {
        self.cursor.at += 1;
        let mut before = START;
        loop {
            let at = self.cursor.at;
            if self.cursor.byte(at) == Some(b'}') {
                self.cursor.at += 1;
                return Ok(());
            }
            let child = match self.guesses.confirm(id, before, self.cursor.text(), at) {
                Some((key, value, child)) => {
                    (before, self.cursor.at) = (key, value);
                    child
                }
                None => match self.next_key(id, at, before)? {
                    Some((key, child)) => {
                        before = key;
                        child
                    }
                    None => return Ok(()),
                },
            };
            match child {
                Some(child) => self.value(child)?,
                None => self.cursor.skip()?,
            }
        }
    }

    /// Takes the end of an object, or a comma, a key that was not guessed and its colon.
    fn next_key(
        &mut self,
        id: NodeId,
        at: usize,
        before: KeyId,
    ) -> Result<Option<(KeyId, Option<NodeId>)>, Broken> {
        if self.cursor.take(b'}') {
            return Ok(None);
        }
        if before != START && !self.cursor.take(b',') {
            return Err(Broken);
        }
        if self.cursor.peek() != Some(b'"') {
            return Err(Broken);
        }
        let child = self.key(self.node(id))?;
        self.cursor.peek();
        let text = &self.cursor.text()[at..self.cursor.at];
        Ok(Some((self.guesses.learn(id, before, text, child), child)))
    }

    /// Takes a key and its colon; the node it leads to.
    fn key(&mut self, node: &Node) -> Result<Option<NodeId>, Broken> {
        let span = self.cursor.string()?;
        let content = &self.cursor.text()[span.start..span.end];
        if !self.cursor.take(b':') {
            return Err(Broken);
        }
        if span.escaped {
            let start = self.out.unescaped.len();
            unescape(content, &mut self.out.unescaped)?;
            let found = node.keys.get(&self.out.unescaped.as_bytes()[start..]);
            self.out.unescaped.truncate(start);
            return Ok(found);
        }
        Ok(node.keys.get(content.as_bytes()))
    }

    #[inline(always)]
    fn value(&mut self, id: NodeId) -> Result<(), Broken> {
        let node = self.node(id);
        let first = self.cursor.peek().ok_or(Broken)?;
        let start = self.cursor.at;
        match first {
            b'"' => self.text(node)?,
            b'{' | b'[' => self.container(id, first)?,
            _ => return self.scalar(node),
        }
        if let Some(position) = node.envelope
            && !self.out.in_row
        {
            self.out.envelopes.push((position, start, self.cursor.at));
        }
        Ok(())
    }

    #[inline(never)]
    fn container(&mut self, id: NodeId, first: u8) -> Result<(), Broken> {
        if first == b'{' {
            self.in_object(id)
        } else {
            self.array(id)
        }
    }

    #[inline(always)]
    fn text(&mut self, node: &Node) -> Result<(), Broken> {
        let span = self.cursor.string()?;
        if node.captures.is_empty() {
            return Ok(());
        }
        let piece = if span.escaped {
            self.out
                .push_unescaped(&self.cursor.text()[span.start..span.end])?
        } else {
            Piece {
                place: Place::Record,
                start: span.start as u32,
                end: span.end as u32,
            }
        };
        self.out.note(
            node,
            Slot {
                tag: Tag::Text,
                piece,
            },
        );
        Ok(())
    }

    #[inline(always)]
    fn scalar(&mut self, node: &Node) -> Result<(), Broken> {
        let start = self.cursor.at as u32;
        let tag = match self.cursor.scalar()? {
            Scalar::Null => return Ok(()),
            Scalar::True => Tag::True,
            Scalar::False => Tag::False,
            Scalar::Number => Tag::Number,
        };
        let piece = Piece {
            place: Place::Record,
            start,
            end: self.cursor.at as u32,
        };
        self.out.note(node, Slot { tag, piece });
        Ok(())
    }

    fn in_object(&mut self, id: NodeId) -> Result<(), Broken> {
        let node = self.node(id);
        self.out.note(
            node,
            Slot {
                tag: Tag::Container,
                piece: Piece::default(),
            },
        );
        if !node.keys.is_empty() {
            return self.object(id);
        }
        // An object where a list of objects is usual is a list of one.
        match node.items.as_ref().and_then(|items| items.element) {
            Some(element) => self.object(element),
            None => self.cursor.skip(),
        }
    }

    fn array(&mut self, id: NodeId) -> Result<(), Broken> {
        let node = self.node(id);
        let Some(items) = &node.items else {
            return self.first_scalar(node);
        };
        let rows = items.rows && !self.out.in_row;
        self.out.has_rows |= rows;
        self.elements(|reader| {
            reader.out.in_row |= rows;
            let read = reader.item(node, items);
            if rows {
                reader.out.in_row = false;
                let end = reader.out.row_slots.len();
                reader.out.row_ends.push(end);
            }
            read
        })
    }

    /// A list where one value is usual: its first scalar counts.
    fn first_scalar(&mut self, node: &'t Node) -> Result<(), Broken> {
        if node.captures.is_empty() {
            return self.cursor.skip();
        }
        self.elements(|reader| match reader.cursor.peek().ok_or(Broken)? {
            b'"' => reader.text(node),
            b'{' | b'[' => reader.cursor.skip(),
            _ => reader.scalar(node),
        })?;
        self.out.note(
            node,
            Slot {
                tag: Tag::Container,
                piece: Piece::default(),
            },
        );
        Ok(())
    }

    fn elements(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.cursor.at += 1;
        if self.cursor.take(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if self.cursor.take(b',') {
                continue;
            }
            return if self.cursor.take(b']') {
                Ok(())
            } else {
                Err(Broken)
            };
        }
    }

    /// One element: as any element, as a name and a value, and as the case its key selects.
    fn item(&mut self, list: &'t Node, items: &'t Items) -> Result<(), Broken> {
        let first = self.cursor.peek().ok_or(Broken)?;
        let start = self.cursor.at;
        let mut end = None;
        if let Some(element) = items.element {
            self.value(element)?;
            end = Some(self.cursor.at);
        }
        if first == b'{' {
            if let Some(pairs) = &items.pairs {
                self.pair(list, pairs, start)?;
            }
            for selector in &items.selectors {
                if let Some(node) = self.case(selector, start)? {
                    self.cursor.at = start;
                    self.value(node)?;
                    end = Some(self.cursor.at);
                }
            }
        }
        self.cursor.at = end.unwrap_or(start);
        match end {
            Some(_) => Ok(()),
            None => self.cursor.skip(),
        }
    }

    /// The node of the case that the object at `start` is.
    fn case(&mut self, selector: &Selector, start: usize) -> Result<Option<NodeId>, Broken> {
        let Some(value) = self.find(start, &selector.key)? else {
            return Ok(None);
        };
        let content = self.plain_text(value);
        let mut cases = selector.cases.iter();
        let matching = cases.find(|(case, _)| case.eq_ignore_ascii_case(content));
        Ok(matching.map(|(_, node)| *node))
    }

    fn pair(&mut self, list: &'t Node, pairs: &Pairs, start: usize) -> Result<(), Broken> {
        let Some(name) = self.find(start, &pairs.name)? else {
            return Ok(());
        };
        let Some(child) = list.keys.get(self.plain_text(name).as_bytes()) else {
            return Ok(());
        };
        for key in &pairs.values {
            if let Some(value) = self.find(start, key)?
                && !self.cursor.text()[value..].starts_with("null")
            {
                self.cursor.at = value;
                return self.value(child);
            }
        }
        Ok(())
    }

    /// Where the value of a key of the object at `start` begins.
    fn find(&mut self, start: usize, wanted: &str) -> Result<Option<usize>, Broken> {
        self.cursor.at = start + 1;
        if self.cursor.take(b'}') {
            return Ok(None);
        }
        loop {
            self.cursor.peek();
            let span = self.cursor.string()?;
            let found = self.cursor.text()[span.start..span.end].eq_ignore_ascii_case(wanted);
            self.cursor.take(b':');
            self.cursor.peek();
            if found {
                return Ok(Some(self.cursor.at));
            }
            self.cursor.skip()?;
            if !self.cursor.take(b',') {
                return Ok(None);
            }
        }
    }

    /// The text or number at a place, escapes left as they are; empty for anything else.
    fn plain_text(&self, at: usize) -> &'r str {
        let mut cursor = self.cursor;
        cursor.at = at;
        if self.cursor.text()[at..].starts_with('"') {
            return cursor
                .string()
                .map_or("", |span| &self.cursor.text()[span.start..span.end]);
        }
        match cursor.scalar() {
            Ok(_) => &self.cursor.text()[at..cursor.at],
            Err(Broken) => "",
        }
    }
}
