//! Names of the keys of records that no format knows, so that somebody can see what is not read.
//!
//! Invariant: names only, few and short, and none that looks like data; which ones are kept depends on the set of
//! records alone, not on their order.

use std::collections::BTreeSet;

use super::foreign;
use super::scan;

/// Names that are kept: the first in the alphabet.
pub(crate) const KEYS_MAX: usize = 20;
/// Longer ones are cut no shorter but left out.
const KEY_CHARS_MAX: usize = 64;
/// A name with more digits is a number or an id, and one with more spaces a sentence.
const DIGITS_MAX: usize = 6;
const SPACES_MAX: usize = 3;

/// The names of one record.
#[derive(Debug, Default)]
pub(crate) struct KeyNames(BTreeSet<String>);

impl KeyNames {
    /// Adds the record's own keys. What is no whole object adds nothing.
    pub(crate) fn add(&mut self, record: &str) {
        let mut found = BTreeSet::new();
        let whole = foreign::members(record, |key, _| {
            if let Some(name) = name_of(key) {
                found.insert(name);
                keep_first(&mut found);
            }
        });
        if whole.is_ok() {
            self.0.append(&mut found);
            keep_first(&mut self.0);
        }
    }

    pub(crate) fn keys(&self) -> &BTreeSet<String> {
        &self.0
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Leaves out all but the first names.
pub(crate) fn keep_first(names: &mut BTreeSet<String>) {
    while KEYS_MAX < names.len() {
        names.pop_last();
    }
}

/// The name in a key with its quotes, unless it looks like data.
fn name_of(key: &str) -> Option<String> {
    let content = key.get(1..key.len() - 1)?;
    if content.len() > 4 * KEY_CHARS_MAX {
        return None;
    }
    let mut name = String::new();
    scan::unescape(content, &mut name).ok()?;
    let count = |fits: fn(char) -> bool| name.chars().filter(|letter| fits(*letter)).count();
    let is_name = !name.is_empty()
        && count(|_| true) <= KEY_CHARS_MAX
        && count(|letter| letter == '@' || letter.is_control()) == 0
        && count(|letter| letter.is_numeric()) <= DIGITS_MAX
        && count(char::is_whitespace) <= SPACES_MAX;
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(records: &[&str]) -> Vec<String> {
        let mut names = KeyNames::default();
        records.iter().for_each(|record| names.add(record));
        names.keys().iter().cloned().collect()
    }

    #[test]
    fn names_are_kept_and_what_looks_like_data_is_not() {
        let record = r#"{"when":1,"The User":{"deep":2},"ana@example.com":3,"2026-03-02":4,"i saw it with my eyes":5,"\u0061b":6,"":7}"#;
        assert_eq!(names(&[record]), ["The User", "ab", "when"]);
        assert_eq!(names(&[&format!("{{\"{}\":1}}", "k".repeat(65))]), [""; 0]);
        assert_eq!(names(&[r#"{"a":1"#, r#"["b"]"#, "5"]), [""; 0]);
    }

    /// Whatever the order, the same names.
    #[test]
    fn of_many_names_the_first_are_kept() {
        let records: Vec<String> = (0..60).map(|n| format!("{{\"k{n}\":1}}")).collect();
        let mut records: Vec<&str> = records.iter().map(String::as_str).collect();
        let forward = names(&records);
        records.reverse();
        assert_eq!(forward.len(), KEYS_MAX);
        assert_eq!(names(&records), forward);
    }
}
