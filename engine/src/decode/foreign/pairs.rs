//! Lines of keys and values, as proxies, firewalls and programs write them: `time=… user="…" host=…`, with or
//! without a syslog header.
//!
//! Invariant: a value ends at a space or at its closing quote; words that belong to no key are passed over.

use super::{HEADER_BYTES_MAX, is_escaped, is_key, json};

/// Fewer pairs than these are prose.
const PAIRS_MIN: usize = 3;

pub(super) fn read(text: &str, out: &mut String) -> bool {
    let pairs = pairs(text);
    if pairs.len() < PAIRS_MIN {
        return false;
    }
    out.clear();
    out.push('{');
    let value = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    };
    // Some write the day, the time of day and the zone apart.
    if let (Some(date), Some(time)) = (value("date"), value("time"))
        && !time.contains(['-', 'T'])
    {
        let zone = value("tz")
            .filter(|zone| zone.starts_with(['+', '-']))
            .unwrap_or_default();
        json::member("time", &format!("{date}T{time}{zone}"), out);
    }
    let joined = 1 < out.len();
    for (key, value) in &pairs {
        if joined && *key == "time" {
            continue;
        }
        json::key(key, out);
        match value.contains('\\') {
            true => json::text(&value.replace("\\\"", "\"").replace("\\\\", "\\"), out),
            false => json::text(value, out),
        }
    }
    out.push('}');
    true
}

fn pairs(text: &str) -> Vec<(&str, &str)> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(equals) = bytes.get(at..).and_then(|rest| memchr::memchr(b'=', rest)) {
        let equals = at + equals;
        let key = text[at..equals]
            .rsplit(|letter: char| {
                letter.is_ascii_whitespace() || matches!(letter, ',' | ';' | '>' | '|')
            })
            .next()
            .unwrap_or_default();
        if HEADER_BYTES_MAX < equals && found.is_empty() {
            break;
        }
        let start = equals + 1;
        let (value, end) = value(text, start);
        // What has no key may be prose with a sign in it, or a part of a header.
        if is_key(key) {
            found.push((key, value));
        }
        at = end;
    }
    found
}

/// A value, and where it ends.
fn value(text: &str, start: usize) -> (&str, usize) {
    let bytes = text.as_bytes();
    if bytes.get(start) == Some(&b'"') {
        let inside = start + 1;
        let mut ends = memchr::memchr_iter(b'"', &bytes[inside..]).map(|end| inside + end);
        let end = ends
            .find(|end| !is_escaped(bytes, *end))
            .unwrap_or(text.len());
        return (&text[inside..end], (end + 1).min(text.len()));
    }
    let rest = &bytes[start..];
    let end = rest.iter().position(u8::is_ascii_whitespace);
    let end = end.map_or(text.len(), |end| start + end);
    (text[start..end].trim_end_matches([',', ';']), end)
}
