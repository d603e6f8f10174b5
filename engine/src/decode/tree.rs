//! The path tree: which places of a record are wanted, over all formats at once.
//!
//! Invariant: a place that no path names is in no node, so it is skipped; the tree's depth bounds the
//! reader's recursion. Paths: `a.b`, `"key.with.dots".b`, `list[].b` (first element that has it),
//! `list[type=User].b` (first element whose `type` is `User`), `list[0].b` (first element), `list[*]` (all scalars).

use std::collections::BTreeMap;

use super::keys::Keys;
use super::pairs::Pairs;

/// Number of a wanted place. Slots live as long as one record.
pub(crate) type SlotId = u16;
/// Number of a node.
pub(crate) type NodeId = u16;

/// The root node.
pub(crate) const ROOT: NodeId = 0;

/// One place that is read.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) keys: Keys,
    pub(crate) captures: Box<[Capture]>,
    pub(crate) items: Option<Box<Items>>,
    /// A text here may hold JSON.
    pub(crate) json: bool,
    /// Position among the envelope keys: the whole value is noted.
    pub(crate) envelope: Option<u8>,
}

/// A slot that a value is noted in: for the whole record, or for the element of a list that it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capture {
    pub(crate) slot: SlotId,
    /// The list whose element it is noted for; [`ROOT`] is the record.
    pub(crate) list: NodeId,
}

/// What to do with an array's elements.
#[derive(Debug, Default)]
pub(crate) struct Items {
    pub(crate) element: Option<NodeId>,
    /// Each element is a row of its own, or a parent of rows.
    pub(crate) scoped: bool,
    pub(crate) selectors: Vec<Selector>,
    /// Elements by their number.
    pub(crate) numbered: Vec<(u16, NodeId)>,
    /// Where all scalars are noted together.
    pub(crate) all: Option<NodeId>,
    pub(crate) pairs: Vec<Pairs>,
}

/// Elements told apart by the value of one key.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) key: String,
    pub(crate) cases: Vec<(String, NodeId)>,
}

/// A path that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "path {path:?} is not understood; write it as a.b, \"a.b\".c, list[].b, list[0].b, list[*] or list[key=value].b"
)]
pub struct PathError {
    /// The path as written.
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Key(String),
    Any,
    Where(String, String),
    At(u16),
    All,
}

/// The keys of a path without lists.
pub(crate) fn keys(path: &str) -> Result<Vec<String>, PathError> {
    let wrong = || PathError {
        path: path.to_owned(),
    };
    let key = |segment| match segment {
        Segment::Key(key) => Ok(key),
        _ => Err(wrong()),
    };
    segments(path)?.into_iter().map(key).collect()
}

fn segments(path: &str) -> Result<Vec<Segment>, PathError> {
    let wrong = || PathError {
        path: path.to_owned(),
    };
    let mut found = Vec::new();
    let mut rest = path;
    loop {
        let key = if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"').ok_or_else(wrong)?;
            rest = after;
            key
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            rest = after;
            key
        };
        if key.is_empty() {
            return Err(wrong());
        }
        found.push(Segment::Key(key.to_owned()));
        if let Some(inner) = rest.strip_prefix('[') {
            let (choice, after) = inner.split_once(']').ok_or_else(wrong)?;
            rest = after;
            found.push(match choice.split_once('=') {
                None if choice.is_empty() => Segment::Any,
                // All of them together are the end of a path.
                None if choice == "*" && rest.is_empty() => Segment::All,
                None => Segment::At(choice.parse().map_err(|_| wrong())?),
                Some((key, value)) if !key.is_empty() => {
                    Segment::Where(key.to_owned(), value.to_owned())
                }
                _ => return Err(wrong()),
            });
        }
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Ok(found),
            None => return Err(wrong()),
        }
    }
}

/// A tree in the making.
#[derive(Debug)]
pub(crate) struct TreeBuilder {
    nodes: Vec<Draft>,
    slots: BTreeMap<(Option<String>, String), SlotId>,
}

#[derive(Debug, Default)]
struct Draft {
    children: BTreeMap<String, NodeId>,
    captures: Vec<Capture>,
    items: Option<Items>,
    json: bool,
    envelope: Option<u8>,
}

impl TreeBuilder {
    pub(crate) fn new() -> Self {
        TreeBuilder {
            nodes: vec![Draft::default()],
            slots: BTreeMap::new(),
        }
    }

    /// Number of slots so far.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    fn add(&mut self) -> NodeId {
        self.nodes.push(Draft::default());
        (self.nodes.len() - 1) as NodeId
    }

    /// The slot of a path. With `rows`, it is looked for in each element of that list, then in the elements of
    /// the lists around it, then in the record.
    pub(crate) fn slot(&mut self, path: &str, rows: Option<&str>) -> Result<SlotId, PathError> {
        let name = (rows.map(str::to_owned), path.to_owned());
        if let Some(slot) = self.slots.get(&name) {
            return Ok(*slot);
        }
        let wanted = segments(path)?;
        let slot = self.slots.len() as SlotId;
        self.slots.insert(name, slot);
        for (start, list) in self.starts(rows)? {
            let node = self.walk(start, &wanted);
            self.nodes[usize::from(node)]
                .captures
                .push(Capture { slot, list });
            // One value where a list is usual.
            if let [one @ .., Segment::All] = &wanted[..] {
                let node = self.walk(start, one);
                self.nodes[usize::from(node)]
                    .captures
                    .push(Capture { slot, list });
            }
        }
        Ok(slot)
    }

    /// The list whose elements are rows.
    pub(crate) fn rows(&mut self, rows: &str) -> Result<NodeId, PathError> {
        let starts = self.starts(Some(rows))?;
        Ok(starts.last().map_or(ROOT, |(_, list)| *list))
    }

    /// Where paths begin, and the list whose element that is: the record, elements around rows, rows.
    fn starts(&mut self, rows: Option<&str>) -> Result<Vec<(NodeId, NodeId)>, PathError> {
        let mut starts = vec![(ROOT, ROOT)];
        let Some(rows) = rows else {
            return Ok(starts);
        };
        let mut path = segments(rows)?;
        if path.contains(&Segment::All) {
            return Err(PathError {
                path: rows.to_owned(),
            });
        }
        if path.last() != Some(&Segment::Any) {
            path.push(Segment::Any);
        }
        let mut at = ROOT;
        for segment in &path {
            let list = at;
            at = self.walk(at, std::slice::from_ref(segment));
            if *segment == Segment::Any {
                self.items(list).scoped = true;
                starts.push((at, list));
            }
        }
        Ok(starts)
    }

    /// Says that a list holds names and values; `false` where another format reads their values in another order.
    pub(crate) fn pairs(
        &mut self,
        path: &str,
        rows: Option<&str>,
        pairs: &Pairs,
    ) -> Result<bool, PathError> {
        let wanted = segments(path)?;
        let mut fits = true;
        for (start, _) in self.starts(rows)? {
            let node = self.walk(start, &wanted);
            fits &= Pairs::add(&mut self.items(node).pairs, pairs);
        }
        Ok(fits)
    }

    /// Says that a text may hold JSON.
    pub(crate) fn json(&mut self, path: &str, rows: Option<&str>) -> Result<(), PathError> {
        let wanted = segments(path)?;
        for (start, _) in self.starts(rows)? {
            let node = self.walk(start, &wanted);
            self.nodes[usize::from(node)].json = true;
        }
        Ok(())
    }

    /// Notes the whole value of a key of the record.
    pub(crate) fn envelope(&mut self, key: &str, position: u8) {
        let node = self.walk(ROOT, &[Segment::Key(key.to_owned())]);
        self.nodes[usize::from(node)].envelope = Some(position);
    }

    fn walk(&mut self, from: NodeId, path: &[Segment]) -> NodeId {
        let mut at = from;
        for segment in path {
            at = match segment {
                Segment::Key(key) => self.child(at, key),
                Segment::Any => self.element(at),
                Segment::Where(key, value) => self.case(at, key, value),
                Segment::At(number) => self.numbered(at, *number),
                Segment::All => self.all(at),
            };
        }
        at
    }

    fn items(&mut self, list: NodeId) -> &mut Items {
        self.nodes[usize::from(list)].items.get_or_insert_default()
    }

    fn child(&mut self, at: NodeId, key: &str) -> NodeId {
        // Keys are found whatever their case, so two spellings must share a node.
        let key = key.to_ascii_lowercase();
        if let Some(child) = self.nodes[usize::from(at)].children.get(&key) {
            return *child;
        }
        let child = self.add();
        self.nodes[usize::from(at)].children.insert(key, child);
        child
    }

    fn element(&mut self, at: NodeId) -> NodeId {
        if let Some(known) = self.items(at).element {
            return known;
        }
        let element = self.add();
        self.items(at).element = Some(element);
        element
    }

    fn all(&mut self, at: NodeId) -> NodeId {
        if let Some(known) = self.items(at).all {
            return known;
        }
        let all = self.add();
        self.items(at).all = Some(all);
        all
    }

    fn numbered(&mut self, at: NodeId, number: u16) -> NodeId {
        let mut numbered = self.items(at).numbered.iter();
        if let Some((_, known)) = numbered.find(|(known, _)| *known == number) {
            return *known;
        }
        let node = self.add();
        self.items(at).numbered.push((number, node));
        node
    }

    fn case(&mut self, at: NodeId, key: &str, value: &str) -> NodeId {
        let fresh = self.nodes.len() as NodeId;
        let items = self.items(at);
        let known = items
            .selectors
            .iter()
            .position(|selector| selector.key == key);
        let index = known.unwrap_or(items.selectors.len());
        if known.is_none() {
            items.selectors.push(Selector {
                key: key.to_owned(),
                cases: Vec::new(),
            });
        }
        let cases = &mut items.selectors[index].cases;
        if let Some((_, node)) = cases.iter().find(|(known, _)| known == value) {
            return *node;
        }
        cases.push((value.to_owned(), fresh));
        self.add()
    }

    /// The finished tree.
    pub(crate) fn finish(self) -> Vec<Node> {
        let freeze = |draft: Draft| Node {
            keys: Keys::new(
                draft
                    .children
                    .iter()
                    .map(|(key, node)| (key.as_str(), *node)),
            ),
            captures: draft.captures.into(),
            items: draft.items.map(Box::new),
            json: draft.json,
            envelope: draft.envelope,
        };
        self.nodes.into_iter().map(freeze).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_or_refused() {
        let key = |key: &str| Segment::Key(key.into());
        assert_eq!(segments("a.b").expect("path"), [key("a"), key("b")]);
        assert_eq!(
            segments("\"a.b\"[].c").expect("path"),
            [key("a.b"), Segment::Any, key("c")]
        );
        let one = Segment::Where("type".into(), "User".into());
        assert_eq!(segments("t[type=User]").expect("path"), [key("t"), one]);
        assert_eq!(
            segments("a[1].b").expect("path"),
            [key("a"), Segment::At(1), key("b")]
        );
        assert_eq!(segments("a[*]").expect("path"), [key("a"), Segment::All]);
        for wrong in [
            "", ".", "a.", ".a", "a[", "a[b]", "a[=b]", "a]", "\"a", "a[]b", "a[*].b", "a[-1]",
        ] {
            assert!(segments(wrong).is_err() || wrong == "a]", "{wrong}");
        }
    }

    #[test]
    fn one_path_is_one_slot() {
        let mut tree = TreeBuilder::new();
        assert_eq!(tree.slot("a.b", None), Ok(0));
        assert_eq!(tree.slot("a.c", None), Ok(1));
        assert_eq!(tree.slot("a.b", None), Ok(0));
        assert_eq!(tree.slot("a.b", Some("list")), Ok(2));
        assert_eq!(tree.slots(), 3);
    }
}
