//! JSON written piece by piece, and read without a tree.
//!
//! Invariant: commas are set by what was written before, so that pieces need not know of each other.

use crate::decode::scan::{Broken, Cursor};

/// A comma, unless nothing stands before.
pub(super) fn comma(out: &mut String) {
    if !matches!(out.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
        out.push(',');
    }
}

/// A text with its quotes.
pub(super) fn text(value: &str, out: &mut String) {
    out.push('"');
    let mut rest = value;
    while let Some(at) = rest.find(|letter: char| letter == '"' || letter == '\\' || letter < ' ') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            // Other control characters say nothing.
            _ => out.push(' '),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// A key and its colon; its value is for the caller.
pub(super) fn key(name: &str, out: &mut String) {
    comma(out);
    text(name, out);
    out.push(':');
}

/// A key and its text.
pub(super) fn member(name: &str, value: &str, out: &mut String) {
    key(name, out);
    text(value, out);
}

/// A key and its value, both JSON already, the key with its quotes.
pub(super) fn raw_member(name: &str, value: &str, out: &mut String) {
    comma(out);
    out.push_str(name);
    out.push(':');
    out.push_str(value);
}

/// The members of an object, keys with their quotes; whatever is no object has none.
pub(in crate::decode) fn members<'t>(
    object: &'t str,
    mut each: impl FnMut(&'t str, &'t str),
) -> Result<(), Broken> {
    let mut cursor = Cursor::new(object);
    if !cursor.take(b'{') || cursor.take(b'}') {
        return Ok(());
    }
    loop {
        if cursor.peek() != Some(b'"') {
            return Err(Broken);
        }
        let start = cursor.at;
        cursor.string()?;
        let key = &object[start..cursor.at];
        if !cursor.take(b':') {
            return Err(Broken);
        }
        cursor.peek();
        let start = cursor.at;
        cursor.skip()?;
        each(key, &object[start..cursor.at]);
        if !cursor.take(b',') {
            return if cursor.take(b'}') {
                Ok(())
            } else {
                Err(Broken)
            };
        }
    }
}

/// The elements of a list; whatever is no list has none.
pub(super) fn elements<'t>(
    list: &'t str,
    mut each: impl FnMut(&'t str) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut cursor = Cursor::new(list);
    if !cursor.take(b'[') || cursor.take(b']') {
        return Ok(());
    }
    loop {
        cursor.peek();
        let start = cursor.at;
        cursor.skip()?;
        each(&list[start..cursor.at])?;
        if !cursor.take(b',') {
            return if cursor.take(b']') {
                Ok(())
            } else {
                Err(Broken)
            };
        }
    }
}
