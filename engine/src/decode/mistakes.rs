//! Where in a user's format file a mistake is, and what could have been meant.
//!
//! Invariant: what cannot be found is told for the file's first line, never left out.

use std::path::Path;

use super::compile::Mistake;
use super::formats::FormatError;
use crate::config::nearest;

/// The error with its line and a suggestion.
pub(super) fn located(error: FormatError, path: &Path, text: &str) -> FormatError {
    let (line, what, suggestion) = match &error {
        FormatError::Language { source, .. } => language(source, text),
        FormatError::Mistake { source, .. } => mistake(source, text),
        _ => return error,
    };
    FormatError::At {
        path: path.to_owned(),
        line,
        what,
        suggestion,
    }
}

/// A text that is no TOML, or a key or word that is not of the language.
fn language(error: &toml::de::Error, text: &str) -> (usize, String, String) {
    let message = error.message().lines().next().unwrap_or_default();
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = 1 + text.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count();
    // The reader of TOML puts the wrong word first and those that it knows after it.
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next().filter(|_| message.starts_with("unknown"));
    let Some(unknown) = unknown else {
        let advice = "see the page on the language, `engine/src/formats/README.md`";
        return (line, message.to_owned(), advice.to_owned());
    };
    let kind = match message.starts_with("unknown field") {
        true => "unknown key",
        false => "unknown word",
    };
    let found = line_with(text, |line| is_word_of(line, unknown), line);
    (
        found,
        format!("{kind} `{unknown}`"),
        nearest(unknown, words),
    )
}

/// A word that is not of the language, or a key that has no such meaning.
fn mistake(mistake: &Mistake, text: &str) -> (usize, String, String) {
    let said = mistake.to_string();
    let (what, suggestion) = said.split_once("; ").unwrap_or((&said, "correct the file"));
    let (what, mut suggestion) = (what.to_owned(), suggestion.to_owned());
    let word = match mistake {
        Mistake::Path(error) => error.path.clone(),
        Mistake::Constant { column, value } => {
            if let Some(words) = column.words() {
                suggestion = nearest(value, words);
            }
            value.clone()
        }
        Mistake::Source { column } => column.to_string(),
        Mistake::Text { text, .. } => text.clone(),
        Mistake::Activity { name } => {
            suggestion = nearest(name, super::Column::Activity.words().unwrap_or_default());
            name.clone()
        }
        Mistake::Pairs { path } => path.clone(),
        Mistake::EmptyTest => "{}".to_owned(),
        Mistake::Unrecognisable => "recognise".to_owned(),
        Mistake::NoTime => "[columns]".to_owned(),
    };
    let quoted = word.replace('"', "\\\"");
    let is_it = |line: &str| match mistake {
        Mistake::Source { .. } => is_word_of(line, &word),
        _ => line.contains(&word) || line.contains(&quoted),
    };
    (line_with(text, is_it, 1), what, suggestion)
}

/// The first line, not counting comments, that is like this.
fn line_with(text: &str, fits: impl Fn(&str) -> bool, otherwise: usize) -> usize {
    let mut lines = text.lines();
    let found = lines.position(|line| !line.trim_start().starts_with('#') && fits(line));
    found.map_or(otherwise, |at| at + 1)
}

/// Whether a word stands in a line as a key or a value, not as a part of another.
fn is_word_of(line: &str, word: &str) -> bool {
    let part_of = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(part_of) && !line[at + word.len()..].starts_with(part_of)
    })
}
