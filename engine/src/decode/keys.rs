//! A fixed table from words to small numbers, made once and asked for every key of every record.
//!
//! Invariant: words are found whatever their ASCII case; two spellings of one word are one word.

use std::collections::BTreeMap;

/// The table: open addressing, at most a quarter full, so that most misses end at the first look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    tags: Box<[u32]>,
    words: Box<[(Box<str>, u16)]>,
    mask: usize,
}

impl Keys {
    /// A table of these words; the first of two equal ones is kept.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = (&'a str, u16)>) -> Keys {
        let mut kept = BTreeMap::new();
        for (word, value) in entries {
            kept.entry(word.to_ascii_lowercase())
                .or_insert((word, value));
        }
        if kept.is_empty() {
            return Keys::default();
        }
        let size = (kept.len() * 4).next_power_of_two();
        let mut keys = Keys {
            tags: vec![0; size].into(),
            words: vec![(Box::<str>::default(), 0); size].into(),
            mask: size - 1,
        };
        for (word, value) in kept.into_values() {
            let tag = tag(word.as_bytes());
            let mut index = tag as usize & keys.mask;
            while keys.tags[index] != 0 {
                index = (index + 1) & keys.mask;
            }
            keys.tags[index] = tag;
            keys.words[index] = (word.into(), value);
        }
        keys
    }

    /// The number of a word.
    #[inline(always)]
    pub(crate) fn get(&self, word: &[u8]) -> Option<u16> {
        if self.tags.is_empty() {
            return None;
        }
        let tag = tag(word);
        let mut index = tag as usize & self.mask;
        loop {
            let found = self.tags[index];
            if found == 0 {
                return None;
            }
            if found == tag {
                let (known, value) = &self.words[index];
                let known = known.as_bytes();
                if known == word || known.eq_ignore_ascii_case(word) {
                    return Some(*value);
                }
            }
            index = (index + 1) & self.mask;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }
}

/// A hash of length, beginning and end that is blind to ASCII case, and never 0.
#[inline(always)]
fn tag(word: &[u8]) -> u32 {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    let length = word.len();
    let (head, tail) = if let (Some(head), Some(tail)) = (word.first_chunk(), word.last_chunk()) {
        (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (word.first_chunk(), word.last_chunk()) {
        (
            u64::from(u32::from_le_bytes(*head)),
            u64::from(u32::from_le_bytes(*tail)),
        )
    } else {
        let byte = |at: usize| u64::from(word.get(at).copied().unwrap_or(0));
        (byte(0) | byte(1) << 8, byte(2))
    };
    let mixed = ((head | FOLD) ^ (length as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (tail | FOLD)
            .rotate_left(23)
            .wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    (mixed ^ mixed >> 32) as u32 | 0x8000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_in_any_case_and_no_other() {
        let words: Vec<String> = (0..500)
            .map(|n| format!("Key.{}", "ab".repeat(n % 9) + &n.to_string()))
            .collect();
        let keys = Keys::new(
            words
                .iter()
                .enumerate()
                .map(|(n, word)| (word.as_str(), n as u16)),
        );
        for (n, word) in words.iter().enumerate() {
            assert_eq!(keys.get(word.as_bytes()), Some(n as u16));
            assert_eq!(keys.get(word.to_uppercase().as_bytes()), Some(n as u16));
            assert_eq!(keys.get(format!("{word}x").as_bytes()), None);
        }
        assert_eq!(keys.get(b""), None);
        assert_eq!(Keys::default().get(b"a"), None);
    }
}
