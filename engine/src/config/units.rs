//! Durations and sizes as text: `"1h30m"`, `"64MiB"`.
//!
//! Invariant: no unit is ever guessed; a bare number is not a duration.

/// Ten years: longer than anything here can mean, short enough that no sum overflows.
const LONGEST_MS: i64 = 10 * 365 * 86_400_000;

const DURATIONS: [(&str, i64); 7] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 7 * 86_400_000),
];

const SIZES: [(&str, f64); 9] = [
    ("b", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
];

/// Milliseconds of a text such as `10s`, `1h30m` or `500ms`.
pub fn duration_ms(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = rest[..letters].to_ascii_lowercase();
        let (_, length) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(number.checked_mul(*length)?)?;
        rest = rest[letters..].trim_start();
    }
    (sum <= LONGEST_MS).then_some(sum)
}

/// Bytes of a text such as `64MiB`, `1.5 GB` or `100B`.
pub fn size_bytes(text: &str) -> Option<f64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = text[..split].parse().ok()?;
    let unit = text[split..].trim().to_ascii_lowercase();
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit)?;
    Some((number * factor).round())
}

/// Days since 1970-01-01 of a date such as `2026-03-02`.
pub fn day(text: &str) -> Option<i32> {
    let date = chrono::NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()?;
    let days = date
        .signed_duration_since(chrono::NaiveDate::default())
        .num_days();
    i32::try_from(days).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_their_units() {
        let cases = [
            ("10s", Some(10_000)),
            ("1h30m", Some(5_400_000)),
            ("1h 30min", Some(5_400_000)),
            ("200ms", Some(200)),
            ("3D", Some(3 * 86_400_000)),
            ("0s", Some(0)),
            ("10", None),
            ("h", None),
            ("", None),
            ("1.5h", None),
            ("-1h", None),
            ("1 fortnight", None),
            ("99999999999999w", None),
            ("5000w", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration_ms(text), expected, "{text}");
        }
    }

    #[test]
    fn days_count_from_1970() {
        assert_eq!(day("1970-01-02"), Some(1));
        assert_eq!(day(" 2026-03-02 "), Some(20_514));
        assert_eq!(day("2026-02-30"), None);
        assert_eq!(day("tomorrow"), None);
    }

    #[test]
    fn sizes_know_both_families() {
        let cases = [
            ("64MiB", Some(67_108_864.0)),
            ("64 MB", Some(64e6)),
            ("1.5kb", Some(1500.0)),
            ("7B", Some(7.0)),
            ("7", None),
            ("MiB", None),
            ("1 pound", None),
        ];
        for (text, expected) in cases {
            assert_eq!(size_bytes(text), expected, "{text}");
        }
    }
}
