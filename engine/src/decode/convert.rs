//! Values as vendors write them into values of the canonical columns.
//!
//! Invariant: conversion is a function of the text alone and reaches its own result unchanged, so a
//! canonical row that is decoded again is the same row. What says nothing becomes null, never false.

use std::net::{IpAddr, Ipv6Addr};

/// Whether a text is one of the words that vendors write for nothing.
#[inline]
pub(crate) fn says_nothing(text: &str) -> bool {
    // By length, since this is asked of every text.
    let words: &[&str] = match text.len() {
        0 => return true,
        1 => &["-"],
        2 => &["--", "na"],
        3 => &["n/a", "nil"],
        4 => &["none", "null"],
        6 => &["(null)", "<null>"],
        7 => &["unknown"],
        9 => &["undefined"],
        13 => &["not available"],
        14 => &["anonymous user"],
        _ => return false,
    };
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// The text without white space around it, of which there mostly is none.
#[inline(always)]
pub(crate) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if b' ' < *first && b' ' < *last => text,
        _ => text.trim_ascii(),
    }
}

/// A yes or a no, as text or number.
pub(crate) fn flag(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["true", "yes", "1", "y", "on", "enabled"]) {
        Some(true)
    } else if is(&["false", "no", "0", "n", "off", "disabled"]) {
        Some(false)
    } else {
        None
    }
}

/// A volume: `None` for a text that is no number, `Some(None)` for one that says nothing, such as -1.
pub(crate) fn volume(text: &str) -> Option<Option<u64>> {
    let text = text.trim_ascii();
    if let Ok(whole) = text.parse::<u64>() {
        return Some(Some(whole));
    }
    if says_nothing(text) {
        return Some(None);
    }
    let float: f64 = text.parse().ok()?;
    // Beyond 2^53 a float is no count any more.
    Some(
        (0.0..9.0e15)
            .contains(&float)
            .then_some(float.round() as u64),
    )
}

/// A finite number.
pub(crate) fn float(text: &str) -> Option<f64> {
    text.trim_ascii()
        .parse::<f64>()
        .ok()
        .filter(|float| float.is_finite())
}

/// The number of an autonomous system, as `64500` or `AS64500`; 0 is none.
pub(crate) fn system_number(text: &str) -> Option<u32> {
    let text = text.trim_ascii();
    let digits = match text.get(..2) {
        Some(prefix) if prefix.eq_ignore_ascii_case("as") => text[2..].trim_ascii(),
        _ => text,
    };
    let digits = digits.split_ascii_whitespace().next().unwrap_or_default();
    digits.parse().ok().filter(|number| *number != 0)
}

/// Whether a text is ASCII without capitals: eight bytes at a time.
#[inline]
pub(crate) fn is_lower(text: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (chunks, rest) = text.as_chunks::<8>();
    // The high bit of a byte is set by the sums if the byte is at least `A`, and beyond `Z`.
    let suspect = |word: u64| {
        let from_a = word.wrapping_add(HIGH - 0x4141_4141_4141_4141);
        let beyond_z = word.wrapping_add(HIGH - 0x5b5b_5b5b_5b5b_5b5b);
        (word | (from_a & !beyond_z)) & HIGH
    };
    let whole = chunks
        .iter()
        .all(|chunk| suspect(u64::from_le_bytes(*chunk)) == 0);
    // The last eight bytes once more are quicker than the rest one by one.
    whole
        && match text.last_chunk() {
            Some(last) => suspect(u64::from_le_bytes(*last)) == 0,
            None => rest
                .iter()
                .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()),
        }
}

/// The address within a claim such as `i:0h.f|membership|ana@example.com`.
pub(crate) fn unwrap_claim(user: &str) -> &str {
    if user.starts_with("i:0") || user.starts_with("c:0") {
        return user.rsplit('|').next().unwrap_or(user);
    }
    user
}

/// Whether a text looks like an e-mail address or user principal name.
pub(crate) fn is_address(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else {
        return false;
    };
    // Without a way out early, so that the compiler takes many bytes at once.
    let unclean = text.bytes().fold(false, |unclean, byte| {
        unclean | matches!(byte, b' ' | b'\t' | b'\n' | b'/')
    });
    !unclean
        && !name.is_empty()
        && !domain.is_empty()
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
}

/// An address in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// The text, or a part of it, is canonical already.
    Borrowed(&'a str),
    /// It has to be written anew.
    Parsed(IpAddr),
}

/// The address in a text, without brackets, port, zone or `::ffff:`; `None` where there is none.
#[inline]
pub(crate) fn address(text: &str) -> Option<Address<'_>> {
    if is_dotted(text.as_bytes()) {
        return Some(Address::Borrowed(text));
    }
    unusual_address(text.trim_ascii())
}

fn unusual_address(text: &str) -> Option<Address<'_>> {
    let bare = match text.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?.0,
        None => match text.split_once(':') {
            // One colon is a port behind an IPv4 address.
            Some((host, port)) if !port.contains(':') => host,
            _ => text,
        },
    };
    let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
    if is_dotted(bare.as_bytes()) {
        return Some(Address::Borrowed(bare));
    }
    let six: Ipv6Addr = bare.parse().ok()?;
    Some(Address::Parsed(
        six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4),
    ))
}

/// Whether this is an IPv4 address in its one canonical form.
#[inline]
fn is_dotted(bytes: &[u8]) -> bool {
    if !(7..=15).contains(&bytes.len()) {
        return false;
    }
    let (mut parts, mut digits, mut value) = (1, 0, 0u32);
    for byte in bytes {
        match byte {
            b'0'..=b'9' if !(digits != 0 && value == 0) => {
                digits += 1;
                value = value * 10 + u32::from(byte - b'0');
                if 255 < value {
                    return false;
                }
            }
            b'.' if digits != 0 => {
                parts += 1;
                (digits, value) = (0, 0);
            }
            _ => return false,
        }
    }
    parts == 4 && digits != 0
}

/// The host of a URL or of a host with or without a port.
pub(crate) fn host_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    match rest.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => rest,
    }
}

/// Appends 16 hexadecimal digits.
pub(crate) fn push_hex(number: u64, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |place: u32| DIGITS[(number >> (4 * place)) as usize & 15];
    out.extend((0..16).rev().map(|place| char::from(digit(place))));
}

/// Whether a text is a keyed hash already.
#[inline]
pub(crate) fn is_hex(text: &str) -> bool {
    let digit = |byte: u8| byte.wrapping_sub(b'0') < 10 || byte.wrapping_sub(b'a') < 6;
    // Without a way out early, so that the compiler takes all bytes at once.
    let all = |bytes: &[u8; 16]| bytes.iter().fold(true, |all, byte| all & digit(*byte));
    <&[u8; 16]>::try_from(text.as_bytes()).is_ok_and(all)
}

/// The secret side of ids that must not tell their name.
#[derive(Debug, Clone)]
pub(crate) struct HashKey([u8; 32]);

impl HashKey {
    pub(crate) fn new(seed: u64) -> Self {
        HashKey(blake3::derive_key(
            "nightjar decode names",
            &seed.to_le_bytes(),
        ))
    }

    /// The hash that stands for a name.
    pub(crate) fn hash(&self, name: &str) -> u64 {
        let hash = blake3::keyed_hash(&self.0, name.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_be_bytes(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        address(text).map(|address| match address {
            Address::Borrowed(text) => text.to_owned(),
            Address::Parsed(parsed) => parsed.to_string(),
        })
    }

    #[test]
    fn addresses_lose_their_wrapping() {
        let cases = [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:51234", "203.0.113.7"),
            (" 203.0.113.7 ", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
            ("[2001:DB8::0:1]:443", "2001:db8::1"),
            ("[203.0.113.7]:80", "203.0.113.7"),
            ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
            assert_eq!(canonical(expected).as_deref(), Some(expected));
        }
        for text in [
            "",
            "s3.amazonaws.com",
            "AWS Internal",
            "1.2.3",
            "1.2.3.400",
            "01.2.3.4",
            "1.2.3.4.5",
            "1..2.3",
            "::g",
            "[",
            "[]",
            "[1.2.3.4",
            "12345678",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_come_as_text_and_the_reverse() {
        assert_eq!(volume("17"), Some(Some(17)));
        assert_eq!(volume("17.0"), Some(Some(17)));
        assert_eq!(volume("1e3"), Some(Some(1000)));
        assert_eq!(volume("-1"), Some(None));
        assert_eq!(volume(""), Some(None));
        assert_eq!(volume("many"), None);
        assert_eq!(system_number("AS64500 Example"), Some(64500));
        assert_eq!(system_number("64500"), Some(64500));
        assert_eq!(system_number("0"), None);
        assert_eq!(system_number("äs1"), None);
        assert_eq!(flag("Yes"), Some(true));
        assert_eq!(flag("0"), Some(false));
        assert_eq!(flag("maybe"), None);
    }

    #[test]
    fn hosts_are_found_in_urls() {
        for text in [
            "chat.example",
            "https://chat.example/a?b=c@d",
            "https://u:p@chat.example:8443/x",
            "chat.example:443",
        ] {
            assert_eq!(host_of(text), "chat.example", "{text}");
        }
    }

    #[test]
    fn users_are_told_from_what_was_typed_by_mistake() {
        assert!(is_address("ana@example.com"));
        for text in [
            "ana",
            "ana@",
            "@example.com",
            "hunter2!",
            "ana@host",
            "a b@example.com",
        ] {
            assert!(!is_address(text), "{text}");
        }
        assert_eq!(
            unwrap_claim("i:0h.f|membership|ana@example.com"),
            "ana@example.com"
        );
        assert_eq!(unwrap_claim("ana|b"), "ana|b");
        assert!(says_nothing("Not Available") && says_nothing("") && !says_nothing("ana"));
    }

    #[test]
    fn capitals_are_found_wherever_they_stand() {
        for byte in 0..=u8::MAX {
            for at in 0..19 {
                let mut text = *b"ana.keller@host.ex!";
                text[at] = byte;
                let expected = byte.is_ascii() && !byte.is_ascii_uppercase();
                assert_eq!(is_lower(&text), expected, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn a_hash_depends_on_its_key() {
        let (one, two) = (HashKey::new(1), HashKey::new(2));
        assert_eq!(one.hash("plan.xlsx"), HashKey::new(1).hash("plan.xlsx"));
        assert_ne!(one.hash("plan.xlsx"), two.hash("plan.xlsx"));
    }
}
