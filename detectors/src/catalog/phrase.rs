//! Parts of the sentences that alerts are made of: numbers, amounts, lists, hours.
//!
//! Invariant: a limit is never rounded past itself, so that what it says is quiet is quiet.

/// The networks of the configuration in a sentence.
pub const OWN_NETWORKS: &str = "through one of the company's own networks ([[networks]])";

/// A network that somebody is used to, in a sentence.
pub fn known_network(name: &str) -> String {
    format!("a network that {name} has logged in from in the 120 days before")
}

/// `1 device`, `2 devices`; the plural is made with an s.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// `41 days known`.
pub fn days_known(days: u32) -> String {
    format!("{} known", count(days.into(), "day"))
}

/// `4,977,776`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if 0 < place && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2.1 MB`, to the nearest tenth.
pub fn bytes(number: u64) -> String {
    let (scale, unit) = unit_of(number);
    if scale == 1 {
        return format!("{number} bytes");
    }
    format!("{:.1} {unit}", number as f64 / scale as f64)
}

/// The same rounded down: a limit that is kept by whoever keeps to its text.
pub fn bytes_at_most(number: u64) -> String {
    let (scale, unit) = unit_of(number);
    if scale == 1 {
        return format!("{number} bytes");
    }
    let tenths = number / (scale / 10);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

fn unit_of(number: u64) -> (u64, &'static str) {
    let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut scale, mut name) = (1, "");
    for unit in units {
        if number / scale < 1000 {
            break;
        }
        (scale, name) = (scale * 1000, unit);
    }
    (scale, name)
}

/// `a, b or c`; of more than `most` the rest is counted.
pub fn any_of<S: AsRef<str>>(words: &[S], most: usize) -> String {
    joined(words, most, "or")
}

/// `a, b and c`; of more than `most` the rest is counted.
pub fn all_of<S: AsRef<str>>(words: &[S], most: usize) -> String {
    joined(words, most, "and")
}

fn joined<S: AsRef<str>>(words: &[S], most: usize, last: &str) -> String {
    let shown: Vec<&str> = words.iter().take(most).map(AsRef::as_ref).collect();
    let more = words.len() - shown.len();
    match (shown.as_slice(), more) {
        ([], _) => String::new(),
        ([only], 0) => (*only).to_owned(),
        ([first @ .., end], 0) => format!("{} {last} {end}", first.join(", ")),
        (shown, more) => format!("{} {last} {more} more", shown.join(", ")),
    }
}

/// `11 h 24 min`.
pub fn duration(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, rest) => format!("{rest} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, rest) => format!("{hours} h {rest} min"),
    }
}

/// Stretches of the clock: `07:00 and 19:00` of the hours 7 to 18, across midnight where they go on there.
pub fn hours(is_in: impl Fn(u16) -> bool) -> Vec<String> {
    let begins = |hour: &u16| is_in(*hour) && !is_in((hour + 23) % 24);
    let end = |begin: u16| (begin..begin + 24).find(|hour| !is_in(hour % 24));
    let stretch = |begin: u16| {
        let end = end(begin).unwrap_or(begin) % 24;
        format!("{begin:02}:00 and {end:02}:00")
    };
    (0..24).filter(begins).map(stretch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1, "device"), "1 device");
        assert_eq!(count(0, "device"), "0 devices");
        assert_eq!(grouped(4_977_776), "4,977,776");
        assert_eq!(grouped(12), "12");
        assert_eq!(duration(684), "11 h 24 min");
        assert_eq!(
            (duration(59), duration(120)),
            ("59 min".into(), "2 h".into())
        );
    }

    /// 4,999,999 bytes are not 5.0 MB when 5,000,000 alert.
    #[test]
    fn a_limit_is_rounded_down() {
        assert_eq!(bytes(4_999_999), "5.0 MB");
        assert_eq!(bytes_at_most(4_999_999), "4.9 MB");
        assert_eq!(bytes_at_most(999), "999 bytes");
        assert_eq!(bytes_at_most(1_950), "1.9 kB");
    }

    #[test]
    fn lists_end_in_a_word() {
        assert_eq!(any_of(&["a"], 4), "a");
        assert_eq!(any_of(&["a", "b"], 4), "a or b");
        assert_eq!(all_of(&["a", "b", "c"], 4), "a, b and c");
        assert_eq!(any_of(&["a", "b", "c", "d"], 2), "a, b or 2 more");
        assert_eq!(any_of::<&str>(&[], 2), "");
    }

    #[test]
    fn hours_go_on_over_midnight() {
        assert_eq!(hours(|hour| (7..19).contains(&hour)), ["07:00 and 19:00"]);
        assert_eq!(hours(|hour| !(6..22).contains(&hour)), ["22:00 and 06:00"]);
        let twice = hours(|hour| hour == 3 || hour == 12);
        assert_eq!(twice, ["03:00 and 04:00", "12:00 and 13:00"]);
        assert!(hours(|_| true).is_empty() && hours(|_| false).is_empty());
    }
}
