//! Names that must not stand in a ledger: a stable keyed pseudonym instead of each, and where texts
//! mention one.
//!
//! Invariant: the same name gives the same pseudonym for as long as the store lives, and nothing else
//! gives it to whoever has no key.

use super::{Database, StoreError};

/// The key is made with the store and never leaves it.
pub(super) const TABLES: &str =
    "INSERT OR IGNORE INTO meta VALUES ('pseudonym_key', randomblob(32));";

/// Makes pseudonyms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pseudonyms([u8; 32]);

impl Pseudonyms {
    pub fn of_store(database: &Database) -> Result<Self, StoreError> {
        let key: Option<Vec<u8>> = database.meta("pseudonym_key")?;
        let key = key.and_then(|key| key.try_into().ok());
        key.map(Pseudonyms)
            .ok_or_else(|| database.corrupt("key of pseudonyms"))
    }

    /// The pseudonym of a name, in whatever case it is written.
    pub fn of(&self, name: &str) -> String {
        let hash = blake3::keyed_hash(&self.0, name.to_lowercase().as_bytes());
        format!("person-{}", &hash.to_hex()[..16])
    }
}

/// A name to look for in texts, in any case, and never as a part of another name.
#[derive(Debug, Clone)]
pub(super) struct Mention {
    name: Vec<char>,
}

impl Mention {
    pub fn new(name: &str) -> Self {
        let name = name.to_lowercase().chars().collect();
        Mention { name }
    }

    /// Whether a text is the name or mentions it.
    pub fn is_in(&self, text: &str) -> bool {
        self.replace(text, "").is_some()
    }

    /// The text with the name replaced; `None` where there is nothing to replace.
    pub fn replace(&self, text: &str, with: &str) -> Option<String> {
        let chars: Vec<char> = text.chars().collect();
        let (mut out, mut found, mut at) = (String::new(), false, 0);
        while at < chars.len() {
            if self.begins_at(&chars, at) {
                out.push_str(with);
                at += self.name.len();
                found = true;
            } else {
                out.push(chars[at]);
                at += 1;
            }
        }
        found.then_some(out)
    }

    fn begins_at(&self, text: &[char], at: usize) -> bool {
        let end = at + self.name.len();
        let Some(part) = text.get(at..end).filter(|part| !part.is_empty()) else {
            return false;
        };
        let is_same = |(a, b): (&char, &char)| a == b || a.to_lowercase().eq(b.to_lowercase());
        let is_inner = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '%');
        let goes_on = match (text.get(end), text.get(end + 1)) {
            // A full stop ends a sentence, unless a name goes on behind it.
            (Some('.' | '-'), after) => after.is_some_and(|c| c.is_alphanumeric()),
            (Some(next), _) => is_inner(next),
            (None, _) => false,
        };
        let has_begun = 0 < at && is_inner(&text[at - 1]);
        part.iter().zip(&self.name).all(is_same) && !has_begun && !goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_the_whole_name_in_any_case() {
        let ana = Mention::new("ana@example.com");
        assert_eq!(
            ana.replace("Ana@Example.com's files; (ana@example.com).", "x"),
            Some("x's files; (x).".to_owned())
        );
        for other in [
            "diana@example.com",
            "ana@example.com.au",
            "jo.ana@example.com",
            "ana@example.community",
            "ana",
            "",
        ] {
            assert_eq!(ana.replace(other, "x"), None, "{other}");
        }
        assert!(Mention::new("jürgen").is_in("JÜRGEN downloaded"));
    }
}
