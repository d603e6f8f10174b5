//! LEEF 1.0 and 2.0, the text format of QRadar: `LEEF:2.0|vendor|product|version|event|delimiter|key=value…`,
//! with or without a syslog header.
//!
//! Invariant: a time is read by the `devTimeFormat` beside it, and where that fails it is left as it is.

use super::{cef, header_fields, header_time, is_key, json, mark};

pub(super) fn read(text: &str, out: &mut String) -> bool {
    let Some(start) = mark(text, "LEEF:") else {
        return false;
    };
    let Some((fields, rest)) = header_fields::<5>(&text[start + 5..]) else {
        return false;
    };
    let (delimiter, extension) = delimiter(fields[0], rest);
    let pairs = pairs(&delimiter, extension);
    out.clear();
    out.push_str("{\"leef\":{");
    let names = ["version", "vendor", "product", "product_version", "event"];
    for (name, field) in names.iter().zip(fields) {
        json::member(name, field, out);
    }
    if let Some(time) = header_time(&text[..start]) {
        json::member("received", time, out);
    }
    let value = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    };
    if let (Some(time), Some(format)) = (value("devTime"), value("devTimeFormat"))
        && let Some(time) = formatted(time, format)
    {
        json::member("time", &time, out);
    }
    json::key("extension", out);
    out.push('{');
    for (key, value) in &pairs {
        json::member(key, value, out);
    }
    out.push_str("}}}");
    true
}

/// What stands between two pairs, and where the pairs begin.
fn delimiter<'t>(version: &str, rest: &'t str) -> (String, &'t str) {
    let tab = || "\t".to_owned();
    let Some((field, after)) = rest.split_once('|').filter(|_| version.starts_with('2')) else {
        return (tab(), rest);
    };
    let hex = field.strip_prefix("0x").or(field.strip_prefix('x'));
    match (hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()), field) {
        (Some(byte), _) if byte.is_ascii() => (char::from(byte).to_string(), after),
        (_, "") => (tab(), after),
        (_, field) if field.chars().count() == 1 => (field.to_owned(), after),
        // No field of its own: the first value holds a `|`.
        _ => (tab(), rest),
    }
}

fn pairs<'t>(delimiter: &str, text: &'t str) -> Vec<(&'t str, &'t str)> {
    let delimiter = match text.contains(delimiter) {
        true => delimiter,
        // How syslog daemons write a tab.
        false if text.contains("#011") => "#011",
        // Tabs that became spaces on the way.
        false if delimiter == "\t" => return cef::spaced(text),
        false => delimiter,
    };
    let parts = text
        .split(delimiter)
        .filter_map(|part| part.split_once('='));
    let parts = parts.map(|(key, value)| (key.trim_ascii(), value.trim_ascii()));
    parts.filter(|(key, _)| is_key(key)).collect()
}

/// A time by a pattern of Java's `SimpleDateFormat`, as RFC 3339 or with the zone as it was.
fn formatted(time: &str, pattern: &str) -> Option<String> {
    let (mut text, mut pattern) = (time.trim_ascii(), pattern.trim_ascii());
    // Year, month, day, hour, minute, second, millisecond.
    let mut parts = [None::<u32>; 7];
    let (mut zone, mut afternoon) = ("", None);
    while let Some(letter) = pattern.chars().next() {
        let width = pattern.chars().take_while(|next| *next == letter).count();
        pattern = &pattern[width * letter.len_utf8()..];
        match letter {
            '\'' => {}
            'M' if 3 <= width => parts[1] = Some(month(&mut text)?),
            'E' => drop(word(&mut text)?),
            'a' => afternoon = Some(word(&mut text)?.eq_ignore_ascii_case("pm")),
            'z' | 'Z' | 'X' => {
                zone = text.split(' ').next()?;
                text = &text[zone.len()..];
            }
            _ => match "yMdHmsS".find(match letter {
                'u' => 'y',
                'h' | 'k' | 'K' => 'H',
                other => other,
            }) {
                // Where the next letter follows at once, the width says where a number ends.
                Some(at) => {
                    let glued = pattern.starts_with(|next: char| next.is_ascii_alphabetic());
                    parts[at] = Some(digits(&mut text, if glued { width } else { 9 })?);
                }
                None if letter.is_ascii_alphabetic() => return None,
                None => text = text.trim_start_matches(letter),
            },
        }
    }
    let [year, month, day, hour, minute, second, milli] = parts;
    let hour = match (hour?, afternoon) {
        (hour, Some(true)) if hour < 12 => hour + 12,
        (12, Some(false)) => 0,
        (hour, _) => hour,
    };
    let year = year.map(|year| if year < 100 { year + 2000 } else { year })?;
    let (month, day, minute) = (month?, day?, minute?);
    let (second, milli) = (second.unwrap_or(0), milli.unwrap_or(0));
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}{zone}"
    ))
}

fn word<'t>(text: &mut &'t str) -> Option<&'t str> {
    let end = text
        .find(|letter: char| !letter.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    *text = rest;
    (!word.is_empty()).then_some(word)
}

fn month(text: &mut &str) -> Option<u32> {
    let name = word(text)?.get(..3)?.to_ascii_lowercase();
    let at = "janfebmaraprmayjunjulaugsepoctnovdec".find(&name)?;
    (at % 3 == 0).then_some(at as u32 / 3 + 1)
}

fn digits(text: &mut &str, width: usize) -> Option<u32> {
    let trimmed = text.trim_ascii_start();
    let end = trimmed
        .bytes()
        .take(width)
        .take_while(u8::is_ascii_digit)
        .count();
    let (number, rest) = trimmed.split_at(end);
    *text = rest;
    number.parse().ok()
}
