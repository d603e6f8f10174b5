//! A record's shape: JSON with blanks, `$name`, that are filled for every record.
//!
//! Invariant: keys keep the order of the file, as vendors keep theirs, and a filled shape is one
//! line. What is filled in needs no escaping: it is all made up here.

use std::fmt::{Display, Write};

/// A shape, taken apart once.
pub struct Shape {
    /// Text, and the blank behind it.
    pieces: Vec<(String, Option<String>)>,
}

impl Shape {
    /// Takes a shape apart; white space between values goes.
    pub fn new(pretty: &str) -> Shape {
        let mut pieces = Vec::new();
        let (mut text, mut in_string) = (String::new(), false);
        let mut rest = pretty.chars().peekable();
        while let Some(letter) = rest.next() {
            match letter {
                '$' => {
                    let mut blank = String::new();
                    while let Some(next) = rest.next_if(|c| c.is_ascii_lowercase() || *c == '_') {
                        blank.push(next);
                    }
                    pieces.push((std::mem::take(&mut text), Some(blank)));
                }
                _ if !in_string && letter.is_ascii_whitespace() => {}
                _ => {
                    in_string ^= letter == '"';
                    text.push(letter);
                }
            }
        }
        pieces.push((text, None));
        Shape { pieces }
    }

    /// The record with these values in its blanks.
    ///
    /// # Panics
    /// When a blank has no value: a shape and its code belong together.
    pub fn fill(&self, values: &[(&str, &dyn Display)]) -> String {
        let mut line = String::with_capacity(2_048);
        for (text, blank) in &self.pieces {
            line.push_str(text);
            let Some(blank) = blank else { continue };
            let value = values.iter().find(|(name, _)| name == blank);
            let Some((_, value)) = value else {
                unreachable!("the blank {blank} has no value");
            };
            let _ = write!(line, "{value}");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_becomes_one_line() {
        let shape = Shape::new("{\n  \"a b\": \"x $one y\",\n  \"c\": $two\n}\n");
        assert_eq!(
            shape.fill(&[("one", &1), ("two", &"[]")]),
            r#"{"a b":"x 1 y","c":[]}"#
        );
    }
}
