//! Reads a record once along the path tree and notes what the paths name.
//!
//! Invariant: the reader goes no deeper than the tree, and JSON in a text is read only where a format says so;
//! what it notes does not depend on the records before.

use super::capture::{Captured, END, Piece, Place, Slot, Tag};
use super::guess::{Guesses, KeyId, START};
use super::pairs::Pairs;
use super::scan::{Broken, Cursor, Scalar, unescape};
use super::tree::{Items, Node, NodeId, ROOT, Selector};

/// The reader: tree and place in the record.
pub(crate) struct Reader<'t, 'r> {
    pub(crate) tree: &'t [Node],
    pub(crate) cursor: Cursor<'r>,
    pub(crate) out: &'t mut Captured,
    pub(crate) guesses: &'t mut Guesses,
    /// Which text the cursor is in, and where in it that text begins.
    place: Place,
    base: u32,
}

impl<'t, 'r> Reader<'t, 'r> {
    pub(crate) fn new(
        tree: &'t [Node],
        record: &'r str,
        out: &'t mut Captured,
        guesses: &'t mut Guesses,
    ) -> Self {
        Reader {
            tree,
            cursor: Cursor::new(record),
            out,
            guesses,
            place: Place::Record,
            base: 0,
        }
    }

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
            b'"' => {
                self.text(node)?;
                if node.json {
                    self.inner(id, start)?;
                }
            }
            b'{' | b'[' => self.container(id, first)?,
            _ => return self.scalar(node),
        }
        if let Some(position) = node.envelope {
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
    fn piece(&self, start: usize, end: usize) -> Piece {
        Piece {
            place: self.place,
            start: self.base + start as u32,
            end: self.base + end as u32,
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
            self.piece(span.start, span.end)
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
        let start = self.cursor.at;
        let tag = match self.cursor.scalar()? {
            Scalar::Null => return Ok(()),
            Scalar::True => Tag::True,
            Scalar::False => Tag::False,
            Scalar::Number => Tag::Number,
        };
        let piece = self.piece(start, self.cursor.at);
        self.out.note(node, Slot { tag, piece });
        Ok(())
    }

    /// Reads the JSON in the text at `start`. A text that is no whole JSON, or too large, stays closed.
    #[inline(never)]
    fn inner(&mut self, id: NodeId, start: usize) -> Result<(), Broken> {
        let mut cursor = self.cursor;
        cursor.at = start;
        let span = cursor.string()?;
        let content = &self.cursor.text()[span.start..span.end];
        // Neither bracket is ever written as an escape.
        let first = content.trim_start().as_bytes().first();
        if !matches!(first, Some(b'{' | b'[')) || !self.out.may_open(content.len()) {
            return Ok(());
        }
        let mut text = self.out.borrow_text();
        unescape(content, &mut text)?;
        let mut whole = Cursor::new(&text);
        if whole.skip().is_ok() && whole.finished() {
            let base = self.out.push_text(&text).start;
            let depth = self.out.scopes.depth();
            let mut reader = Reader {
                tree: self.tree,
                cursor: Cursor::new(&text),
                out: &mut *self.out,
                guesses: &mut *self.guesses,
                place: Place::Unescaped,
                base,
            };
            // Its brackets match; what stands before any other mistake counts.
            _ = reader.value(id);
            self.out.scopes.leave(depth);
        }
        self.out.give_back(text);
        Ok(())
    }

    fn in_object(&mut self, id: NodeId) -> Result<(), Broken> {
        let node = self.node(id);
        self.out.note_container(node, Tag::Object);
        if !node.keys.is_empty() {
            return self.object(id);
        }
        // An object where a list of objects is usual is a list of one.
        let Some(element) = node.items.as_ref().and_then(|items| items.element) else {
            return self.cursor.skip();
        };
        self.in_scope(id, |reader| reader.object(element))
    }

    /// Reads an element of a list, which may have values of its own.
    fn in_scope(
        &mut self,
        list: NodeId,
        read: impl FnOnce(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let scoped = self
            .node(list)
            .items
            .as_ref()
            .is_some_and(|items| items.scoped);
        if !scoped {
            return read(self);
        }
        let depth = self.out.scopes.depth();
        self.out.scopes.see(list);
        self.out.scopes.enter(list);
        let result = read(self);
        self.out.scopes.leave(depth);
        result
    }

    fn array(&mut self, id: NodeId) -> Result<(), Broken> {
        let node = self.node(id);
        let Some(items) = &node.items else {
            return self.first_scalar(node);
        };
        if items.scoped {
            self.out.scopes.see(id);
        }
        let mut all = items.all.map(|all| (all, self.out.borrow_text()));
        let (mut number, mut first) = (0, None);
        self.elements(|reader| {
            let byte = reader.cursor.peek().ok_or(Broken)?;
            if !matches!(byte, b'{' | b'[' | b'n') {
                first = first.or(Some(reader.cursor.at));
                if let Some((_, all)) = &mut all {
                    reader.gather(all)?;
                }
            }
            let read = reader.in_scope(id, |reader| reader.item(node, items, number));
            number += 1;
            read
        })?;
        if let Some((all, text)) = all {
            if !text.is_empty() {
                let piece = self.out.push_text(&text);
                let tag = Tag::All;
                self.out.note(self.node(all), Slot { tag, piece });
            }
            self.out.give_back(text);
        }
        if let Some(first) = first
            && !node.captures.is_empty()
        {
            let after = std::mem::replace(&mut self.cursor.at, first);
            match self.cursor.byte(first) {
                Some(b'"') => self.text(node)?,
                _ => self.scalar(node)?,
            }
            self.cursor.at = after;
        }
        self.out.note_container(node, Tag::List);
        Ok(())
    }

    /// Adds the scalar at the cursor to others, and leaves the cursor there.
    fn gather(&self, all: &mut String) -> Result<(), Broken> {
        let mut cursor = self.cursor;
        if cursor.peek() == Some(b'"') {
            let span = cursor.string()?;
            unescape(&cursor.text()[span.start..span.end], all)?;
        } else {
            cursor.scalar()?;
            all.push_str(&cursor.text()[self.cursor.at..cursor.at]);
        }
        all.push(END);
        Ok(())
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
        self.out.note_container(node, Tag::Object);
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

    /// One element: as any element, by its number, as a name and a value, and as the case its key selects.
    fn item(&mut self, list: &'t Node, items: &'t Items, number: usize) -> Result<(), Broken> {
        let first = self.cursor.peek().ok_or(Broken)?;
        let start = self.cursor.at;
        let mut end = None;
        if let Some(element) = items.element {
            self.value(element)?;
            end = Some(self.cursor.at);
        }
        for (_, node) in items
            .numbered
            .iter()
            .filter(|(at, _)| usize::from(*at) == number)
        {
            self.cursor.at = start;
            self.value(*node)?;
            end = Some(self.cursor.at);
        }
        if first == b'{' {
            for pairs in &items.pairs {
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
        let Some(name) = self.find_in(start, &pairs.name)? else {
            return Ok(());
        };
        let Some(child) = list.keys.get(self.plain_text(name).as_bytes()) else {
            return Ok(());
        };
        for path in &pairs.values {
            if let Some(value) = self.find_in(start, path)?
                && !self.cursor.text()[value..].starts_with("null")
            {
                self.cursor.at = value;
                return self.value(child);
            }
        }
        Ok(())
    }

    /// Where the value of a key, or of keys within keys, of the object at `start` begins.
    fn find_in(&mut self, start: usize, path: &[String]) -> Result<Option<usize>, Broken> {
        let mut at = start;
        for key in path {
            if self.cursor.byte(at) != Some(b'{') {
                return Ok(None);
            }
            match self.find(at, key)? {
                Some(value) => at = value,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
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
