//! Which key comes next: vendors write their keys in the same order in every record.
//!
//! Invariant: a guess is taken only if the record's own bytes confirm it, so guesses change how fast a
//! record is read and nothing else. What is remembered is bounded and never leaves the reader.

use super::tree::{Node, NodeId};

/// Keys remembered of one node, and bytes of one key.
const KEYS_MAX: usize = 128;
const KEY_BYTES_MAX: usize = 64;

/// A key among those remembered of its node.
pub(crate) type KeyId = u16;

/// Stands before an object's first key; as a guess, none.
pub(crate) const START: KeyId = 0;

/// What stood between two values, and what came after it.
#[derive(Debug)]
struct Guess {
    /// The comma if there is one, the key with its quotes, the colon, and white space among them.
    text: Box<str>,
    /// The first sixteen bytes of the text, and which of them count.
    head: u128,
    mask: u128,
    /// The last sixteen bytes of a text of more than sixteen.
    tail: u128,
    child: Option<NodeId>,
    /// What followed lately, the latest first.
    next: [KeyId; 2],
}

/// The keys seen in each node.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Vec<Vec<Guess>>);

impl Guesses {
    pub(crate) fn new(tree: &[Node]) -> Self {
        let start = |_| vec![Guess::new("", None)];
        Guesses(tree.iter().map(start).collect())
    }

    /// If a guess for what follows the key `before` stands at `at`: which one, where its value
    /// begins, and the node it leads to.
    #[inline(always)]
    pub(crate) fn confirm(
        &self,
        node: NodeId,
        before: KeyId,
        text: &str,
        at: usize,
    ) -> Option<(KeyId, usize, Option<NodeId>)> {
        let keys = &self.0[usize::from(node)];
        let rest = text.as_bytes().get(at..)?;
        let head = u128::from_le_bytes(*rest.first_chunk()?);
        for id in keys.get(usize::from(before))?.next {
            let guess = keys.get(usize::from(id))?;
            if id != START && (head ^ guess.head) & guess.mask == 0 && guess.ends(rest) {
                return Some((id, at + guess.text.len(), guess.child));
            }
        }
        None
    }

    /// Remembers that a key came after another.
    #[cold]
    pub(crate) fn learn(
        &mut self,
        node: NodeId,
        before: KeyId,
        text: &str,
        child: Option<NodeId>,
    ) -> KeyId {
        let keys = &mut self.0[usize::from(node)];
        let id = match keys.iter().position(|guess| &*guess.text == text) {
            Some(known) => known,
            None if keys.len() < KEYS_MAX && text.len() <= KEY_BYTES_MAX => {
                keys.push(Guess::new(text, child));
                keys.len() - 1
            }
            None => return KeyId::MAX,
        } as KeyId;
        if let Some(before) = keys.get_mut(usize::from(before)) {
            before.next = [id, before.next[0]];
        }
        id
    }
}

impl Guess {
    fn new(text: &str, child: Option<NodeId>) -> Self {
        let (mut head, mut mask) = ([0; 16], [0; 16]);
        for (at, byte) in text.bytes().take(16).enumerate() {
            (head[at], mask[at]) = (byte, u8::MAX);
        }
        Guess {
            text: text.into(),
            head: u128::from_le_bytes(head),
            mask: u128::from_le_bytes(mask),
            tail: text
                .as_bytes()
                .last_chunk()
                .map_or(0, |tail| u128::from_le_bytes(*tail)),
            child,
            next: [START; 2],
        }
    }

    /// Whether the bytes that begin like this key are it.
    #[inline(always)]
    fn ends(&self, bytes: &[u8]) -> bool {
        let length = self.text.len();
        if length <= 16 {
            return true;
        }
        let tail = bytes
            .get(length - 16..)
            .and_then(<[u8]>::first_chunk)
            .is_some_and(|tail| u128::from_le_bytes(*tail) == self.tail);
        tail && (length <= 32 || bytes.get(16..length) == Some(&self.text.as_bytes()[16..]))
    }
}
