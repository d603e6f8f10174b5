//! Which key comes next: vendors write their keys in the same order in every record.
//!
//! Invariant: a guess is taken only if the record's own bytes confirm it, so guesses change how fast a
//! record is read and nothing else. What is remembered is bounded and never leaves the reader.

use super::tree::{Node, NodeId};

/// Keys remembered of one node, and bytes of one key.
const KEYS_MAX: usize = 96;
const KEY_BYTES_MAX: usize = 64;

/// No guess.
pub(crate) const NONE: u16 = u16::MAX;

/// A key as it stood in a record, and what came after it.
#[derive(Debug)]
struct Guess {
    /// With its quotes and colon.
    text: Box<str>,
    /// The first sixteen bytes of the text, and which of them count.
    head: u128,
    mask: u128,
    child: Option<NodeId>,
    next: u16,
}

/// The keys seen in each node.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Vec<Seen>);

#[derive(Debug)]
struct Seen {
    keys: Vec<Guess>,
    first: u16,
}

impl Guesses {
    pub(crate) fn new(tree: &[Node]) -> Self {
        Guesses(
            tree.iter()
                .map(|_| Seen {
                    keys: Vec::new(),
                    first: NONE,
                })
                .collect(),
        )
    }

    /// The key that an object of this node begins with.
    #[inline(always)]
    pub(crate) fn first(&self, node: NodeId) -> u16 {
        self.0[usize::from(node)].first
    }

    /// If the text at `at` is the guessed key: its length, where it leads, and the next guess.
    #[inline(always)]
    pub(crate) fn confirm(
        &self,
        node: NodeId,
        guess: u16,
        text: &str,
        at: usize,
        chunk: [u8; 16],
    ) -> Option<(usize, Option<NodeId>, u16)> {
        let guess = self.0[usize::from(node)].keys.get(usize::from(guess))?;
        if (u128::from_le_bytes(chunk) ^ guess.head) & guess.mask != 0 {
            return None;
        }
        let length = guess.text.len();
        if 16 < length
            && text.as_bytes().get(at + 16..at + length) != Some(&guess.text.as_bytes()[16..])
        {
            return None;
        }
        Some((length, guess.child, guess.next))
    }

    /// Remembers that a key came after another (`NONE`: came first); the guess for what follows it.
    #[cold]
    pub(crate) fn learn(
        &mut self,
        node: NodeId,
        before: u16,
        key: &str,
        child: Option<NodeId>,
    ) -> (u16, u16) {
        let seen = &mut self.0[usize::from(node)];
        let known = seen.keys.iter().position(|guess| &*guess.text == key);
        let index = match known {
            Some(index) => index,
            None if seen.keys.len() < KEYS_MAX && key.len() <= KEY_BYTES_MAX => {
                seen.keys.push(Guess::new(key, child));
                seen.keys.len() - 1
            }
            None => return (NONE, NONE),
        } as u16;
        match seen.keys.get_mut(usize::from(before)) {
            Some(guess) => guess.next = index,
            None => seen.first = index,
        }
        (index, seen.keys[usize::from(index)].next)
    }
}

impl Guess {
    fn new(key: &str, child: Option<NodeId>) -> Self {
        let (mut head, mut mask) = ([0; 16], [0; 16]);
        for (at, byte) in key.bytes().take(16).enumerate() {
            (head[at], mask[at]) = (byte, u8::MAX);
        }
        Guess {
            text: key.into(),
            head: u128::from_le_bytes(head),
            mask: u128::from_le_bytes(mask),
            child,
            next: NONE,
        }
    }
}
