//! Times as logs write them: RFC 3339 and its relatives, and counts since 1970.
//!
//! Invariant: a time is a function of its text and of the format's zone; what lies outside the years
//! 2000 to 2100 is refused, since it would open days that nobody lived.

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeError {
    Unreadable,
    OutOfRange,
}

const FIRST_MS: i64 = 946_684_800_000; // 2000-01-01
const END_MS: i64 = 4_133_980_800_000; // 2101-01-01
const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// Milliseconds since 1970 UTC of a time as text; `zone_minutes` is added where it names no zone.
pub(crate) fn parse_time(text: &str, zone_minutes: i32) -> Result<i64, TimeError> {
    let bytes = text.trim_ascii().as_bytes();
    let time = match bytes {
        [_, _, _, _, b'-', ..] => calendar(bytes, zone_minutes),
        [b'0'..=b'9', ..]
            if bytes
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+')) =>
        {
            return parse_epoch(text.trim_ascii());
        }
        _ => worded(bytes, zone_minutes),
    };
    in_range(time.ok_or(TimeError::Unreadable)?)
}

fn in_range(time_ms: i64) -> Result<i64, TimeError> {
    if (FIRST_MS..END_MS).contains(&time_ms) {
        Ok(time_ms)
    } else {
        Err(TimeError::OutOfRange)
    }
}

/// A count of seconds, milli-, micro- or nanoseconds: their ranges for the allowed years do not touch.
pub(crate) fn parse_epoch(text: &str) -> Result<i64, TimeError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.is_empty() {
        let float: f64 = text.parse().map_err(|_| TimeError::Unreadable)?;
        return scaled(
            (float.is_finite())
                .then_some(float as i64)
                .ok_or(TimeError::OutOfRange)?,
            0,
        );
    }
    let count: i64 = whole.parse().map_err(|_| TimeError::OutOfRange)?;
    scaled(count, millis(fraction.as_bytes()))
}

fn scaled(count: i64, fraction_ms: i64) -> Result<i64, TimeError> {
    let seconds = FIRST_MS / 1000..END_MS / 1000;
    if seconds.contains(&count) {
        return Ok(count * 1000 + fraction_ms);
    }
    for divisor in [1, 1_000, 1_000_000] {
        if let Ok(time) = in_range(count / divisor) {
            return Ok(time);
        }
    }
    Err(TimeError::OutOfRange)
}

fn number(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0i64, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + i64::from(byte - b'0'))
    })
}

/// The first three digits of a fraction of a second.
fn millis(digits: &[u8]) -> i64 {
    let digit = |at: usize| digits.get(at).map_or(0, |byte| i64::from(byte - b'0'));
    digit(0) * 100 + digit(1) * 10 + digit(2)
}

/// `2024-05-06T07:08:09.123+02:00`, with a space for the T, without seconds or zone.
fn calendar(bytes: &[u8], zone_minutes: i32) -> Option<i64> {
    let (head, rest) = bytes.split_first_chunk::<16>()?;
    let digits = digits_of(*head).or_else(|| {
        let mut usual = *head;
        if matches!(usual[10], b't' | b' ') {
            usual[10] = b'T';
        }
        digits_of(usual)
    })?;
    let two = |at: usize| i64::from(digits[at]) * 10 + i64::from(digits[at + 1]);
    let days = days(two(0) * 100 + two(2), two(5), two(8))?;
    let (clock_ms, rest) = clock_ms(two(11), two(14), rest)?;
    Some(days * 86_400_000 + clock_ms - zone(rest, zone_minutes)? * 60_000)
}

/// The digits of `2024-05-06T07:08` in their places, zeros in the others.
fn digits_of(head: [u8; 16]) -> Option<[u8; 16]> {
    const FORM: [u8; 16] = *b"0000-00-00T00:00";
    const HIGH: u128 = u128::from_le_bytes([0x80; 16]);
    // What lifts a byte to its high bit once it is no digit, or another mark than the form has.
    const LIFT: u128 = {
        let (mut lift, mut at) = ([0x7f; 16], 0);
        while at < 16 {
            if FORM[at] == b'0' {
                lift[at] = 0x76;
            }
            at += 1;
        }
        u128::from_le_bytes(lift)
    };
    let digits = u128::from_le_bytes(head) ^ u128::from_le_bytes(FORM);
    // No sum of two bytes runs into the next while their high bits are clear.
    let fits = digits & HIGH == 0 && (digits + LIFT) & HIGH == 0;
    fits.then(|| digits.to_le_bytes())
}

/// Milliseconds since midnight of hours, minutes and, in `rest`, `:09` or `:09.123456789`; and what
/// follows.
fn clock_ms(hours: i64, minutes: i64, rest: &[u8]) -> Option<(i64, &[u8])> {
    let (seconds, rest) = match rest {
        [b':', s0, s1, rest @ ..] => (number(&[*s0, *s1])?, rest),
        _ => (0, rest),
    };
    // A leap second counts as the first of the next minute.
    if 23 < hours || 59 < minutes || 60 < seconds {
        return None;
    }
    let (fraction, rest) = match rest {
        [b'.' | b',', rest @ ..] => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            rest.split_at(length)
        }
        _ => rest.split_at(0),
    };
    Some((
        ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis(fraction),
        rest,
    ))
}

/// Minutes east of UTC.
fn zone(bytes: &[u8], default_minutes: i32) -> Option<i64> {
    let east = |h: &[u8], m: &[u8]| {
        let (hours, minutes) = (number(h)?, number(m)?);
        (hours <= 18 && minutes <= 59).then_some(hours * 60 + minutes)
    };
    match bytes {
        [b'Z' | b'z'] => Some(0),
        [] => Some(i64::from(default_minutes)),
        [b' ', rest @ ..] => zone(rest, default_minutes),
        _ if bytes.eq_ignore_ascii_case(b"utc") || bytes.eq_ignore_ascii_case(b"gmt") => Some(0),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let minutes = match rest {
                [h0, h1, b':', m0, m1] | [h0, h1, m0, m1] => east(&[*h0, *h1], &[*m0, *m1]),
                [h0, h1] => east(&[*h0, *h1], b"0"),
                _ => None,
            }?;
            Some(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => None,
    }
}

/// `Dec 12 2022 19:31:41`, `12 Dec 2022 19:31:41 GMT`, `Mon, 12 Dec 2022 19:31:41 +0000`.
fn worded(bytes: &[u8], zone_minutes: i32) -> Option<i64> {
    let bytes = match bytes {
        [_, _, _, b',', b' ', rest @ ..] => rest,
        _ => bytes,
    };
    let mut parts = bytes.splitn(4, |byte| matches!(byte, b' ' | b'-'));
    let (first, second, year) = (parts.next()?, parts.next()?, number(parts.next()?)?);
    let named = |part: &[u8]| {
        let three = part.first_chunk::<3>()?.to_ascii_lowercase();
        MONTHS.iter().position(|month| month.as_slice() == three)
    };
    let (month, day) = match named(first) {
        Some(month) => (month, second.strip_suffix(b",").unwrap_or(second)),
        None => (named(second)?, first),
    };
    if 2 < day.len() {
        return None;
    }
    let days = days(year, month as i64 + 1, number(day)?)?;
    let [h0, h1, b':', m0, m1, rest @ ..] = parts.next()? else {
        return None;
    };
    let (hours, minutes) = (number(&[*h0, *h1])?, number(&[*m0, *m1])?);
    let (clock_ms, rest) = clock_ms(hours, minutes, rest)?;
    Some(days * 86_400_000 + clock_ms - zone(rest, zone_minutes)? * 60_000)
}

/// Days since 1970-01-01 of a date that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) || 9999 < year {
        return None;
    }
    // Counts from March, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era_year = year.rem_euclid(400);
    let year_day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let era_day = era_year * 365 + era_year / 4 - era_year / 100 + year_day;
    Some(year.div_euclid(400) * 146_097 + era_day - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_in_the_wild_is_read() {
        let same = [
            "2022-12-12T19:31:41Z",
            "2022-12-12t19:31:41z",
            "2022-12-12T19:31:41",
            "2022-12-12 19:31:41",
            "2022-12-12 19:31:41.000000000",
            "2022-12-12T19:31:41.0000000Z",
            "2022-12-12T19:31:41.0+00:00",
            "2022-12-12T21:31:41+02:00",
            "2022-12-12T14:01:41-0530",
            "2022-12-12 19:31:41 UTC",
            "Dec 12 2022 19:31:41",
            "12 Dec 2022 19:31:41 GMT",
            "Mon, 12 Dec 2022 19:31:41 +0000",
            "1670873501",
            "1670873501000",
            "1670873501000000",
            "1670873501000000000",
            "1670873501.0",
            "1.670873501e9",
        ];
        for text in same {
            assert_eq!(parse_time(text, 0), Ok(1_670_873_501_000), "{text}");
        }
        assert_eq!(
            parse_time("2022-12-12T19:31:41.1239999Z", 0),
            Ok(1_670_873_501_123)
        );
        assert_eq!(parse_time("1670873501.5", 0), Ok(1_670_873_501_500));
        assert_eq!(parse_time("2022-12-12 20:31:41", 60), Ok(1_670_873_501_000));
        assert_eq!(parse_time("2022-12-12T19:31Z", 0), Ok(1_670_873_460_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2022-02-30T00:00:00Z",
            "2022-13-01T00:00:00Z",
            "2022-01-01T24:00:00Z",
            "2022-01-01T00:00:00+99:00",
            "2022-01-01",
            "12/12/2022 7:31:41 PM",
            "2022-01-01T00:00:00Zx",
            "-5",
        ] {
            assert_eq!(parse_time(text, 0), Err(TimeError::Unreadable), "{text}");
        }
        for text in [
            "1999-12-31T23:59:59Z",
            "2101-01-01T00:00:00Z",
            "0",
            "0001-01-01T00:00:00Z",
            "99999999999999999999",
            "17",
        ] {
            assert_eq!(parse_time(text, 0), Err(TimeError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn dates_agree_with_the_calendar() {
        use chrono::NaiveDate;
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");
        for offset in (0..40_000).step_by(7) {
            let date = epoch + chrono::Days::new(offset);
            let text = format!("{date}T00:00:00Z");
            let bytes = calendar(text.as_bytes(), 0);
            assert_eq!(bytes, Some(offset as i64 * 86_400_000), "{date}");
        }
    }
}
