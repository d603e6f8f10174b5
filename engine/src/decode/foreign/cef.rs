//! CEF, the text format of ArcSight and of many appliances: `CEF:0|vendor|product|version|signature|name|
//! severity|key=value key=value`, with or without a syslog header.
//!
//! Invariant: a value ends where the next key begins, so values may hold spaces; a vendor's own keys
//! (`cs1` with `cs1Label`) are found by their labels too.

use super::{header_fields, header_time, is_escaped, is_key, json, mark};

/// Labelled keys of one record; the dictionary has some twenty.
const LABELS_MAX: usize = 32;

pub(super) fn read(text: &str, out: &mut String) -> bool {
    let Some(start) = mark(text, "CEF:") else {
        return false;
    };
    let Some((fields, extension)) = header_fields::<7>(&text[start + 4..]) else {
        return false;
    };
    out.clear();
    out.push_str("{\"cef\":{");
    let names = [
        "version",
        "vendor",
        "product",
        "product_version",
        "signature",
        "name",
        "severity",
    ];
    for (name, field) in names.iter().zip(fields) {
        json::key(name, out);
        json::text(&unescaped(field), out);
    }
    if let Some(time) = header_time(&text[..start]) {
        json::member("received", time, out);
    }
    let pairs = spaced(extension);
    object("extension", pairs.iter().copied(), out);
    object("labels", labelled(&pairs), out);
    out.push_str("}}");
    true
}

/// An object of these pairs.
fn object<'t>(name: &str, pairs: impl Iterator<Item = (&'t str, &'t str)>, out: &mut String) {
    json::key(name, out);
    out.push('{');
    for (key, value) in pairs {
        json::key(key, out);
        json::text(&unescaped(value), out);
    }
    out.push('}');
}

/// The values of keys that have a label, by their labels.
fn labelled<'t>(pairs: &[(&'t str, &'t str)]) -> impl Iterator<Item = (&'t str, &'t str)> {
    let labels = pairs
        .iter()
        .filter_map(|(key, label)| Some((key.strip_suffix("Label")?, *label)));
    labels.take(LABELS_MAX).filter_map(|(key, label)| {
        let value = pairs.iter().find(|(known, _)| *known == key)?.1;
        Some((label, value))
    })
}

/// Keys and values with spaces between them and in the values.
pub(super) fn spaced(text: &str) -> Vec<(&str, &str)> {
    let bytes = text.as_bytes();
    // Where each key begins and where its `=` stands.
    let mut keys: Vec<(usize, usize)> = Vec::new();
    let mut after = 0;
    for equals in memchr::memchr_iter(b'=', bytes) {
        let space = bytes[after..equals]
            .iter()
            .rposition(u8::is_ascii_whitespace);
        let start = match space {
            Some(space) => after + space + 1,
            None if after == 0 => 0,
            None => equals,
        };
        after = equals + 1;
        if is_key(&text[start..equals]) && !is_escaped(bytes, equals) {
            keys.push((start, equals));
        }
    }
    let ends = keys
        .iter()
        .skip(1)
        .map(|(start, _)| *start)
        .chain([text.len()]);
    let pairs = keys
        .iter()
        .zip(ends)
        .map(|((start, equals), end)| (&text[*start..*equals], text[equals + 1..end].trim_ascii()));
    pairs.collect()
}

/// The text without its escapes.
fn unescaped(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some(other @ ('\\' | '|' | '=')) => out.push(other),
            // Not an escape: a path of a vendor that does not escape.
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out.into()
}
