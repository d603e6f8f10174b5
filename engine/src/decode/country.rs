//! Countries: whatever a vendor wrote, as ISO 3166-1 alpha-2.
//!
//! Invariant: what comes out is a code of the table; anything else is unknown, never guessed.

use std::sync::LazyLock;

use super::keys::Keys;

const TABLE: &str = include_str!("countries.tsv");

struct Countries {
    codes: Vec<&'static str>,
    words: Keys,
    /// Index into `codes` of each pair of letters, plus one.
    pairs: Vec<u16>,
}

static COUNTRIES: LazyLock<Countries> = LazyLock::new(|| {
    let mut codes = Vec::new();
    let mut words = Vec::new();
    let mut pairs = vec![0; 26 * 26];
    for line in TABLE.lines() {
        let mut columns = line.split('\t');
        let (Some(code), Some(three), Some(names)) =
            (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let index = codes.len() as u16;
        if let Some(pair) = pair(code.as_bytes()) {
            pairs[pair] = index + 1;
        }
        words.push((three, index));
        words.extend(names.split(';').map(|name| (name, index)));
        codes.push(code);
    }
    Countries {
        codes,
        words: Keys::new(words),
        pairs,
    }
});

fn pair(code: &[u8]) -> Option<usize> {
    let &[first, second] = code else { return None };
    let letter = |byte: u8| {
        byte.to_ascii_uppercase()
            .checked_sub(b'A')
            .filter(|at| *at < 26)
    };
    Some(usize::from(letter(first)?) * 26 + usize::from(letter(second)?))
}

/// The code of a code, three-letter code or English name in any case.
pub(crate) fn country_code(text: &str) -> Option<&'static str> {
    let countries = &*COUNTRIES;
    let known = pair(text.as_bytes()).and_then(|pair| countries.pairs[pair].checked_sub(1));
    let index = known.or_else(|| countries.words.get(text.as_bytes()));
    let index = index.or_else(|| {
        // Names with letters beyond ASCII in capitals.
        if text.is_ascii() || 64 < text.len() {
            return None;
        }
        countries.words.get(text.to_lowercase().as_bytes())
    })?;
    countries.codes.get(usize::from(index)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_in_any_case_become_codes() {
        let cases = [
            ("DE", Some("DE")),
            ("de", Some("DE")),
            ("DEU", Some("DE")),
            ("Germany", Some("DE")),
            ("United States", Some("US")),
            ("UNITED STATES OF AMERICA", Some("US")),
            ("UK", Some("GB")),
            ("TÜRKIYE", Some("TR")),
            ("Korea, Republic of", Some("KR")),
            ("ZZ", None),
            ("Unknown", None),
            ("", None),
            ("Atlantis", None),
            ("d\u{e9}", None),
        ];
        for (text, code) in cases {
            assert_eq!(country_code(text), code, "{text}");
        }
    }

    #[test]
    fn every_code_is_its_own() {
        assert_eq!(TABLE.lines().count(), 250);
        for line in TABLE.lines() {
            for word in line.split(['\t', ';']) {
                assert_eq!(country_code(word), Some(&line[..2]), "{word}");
            }
        }
    }
}
