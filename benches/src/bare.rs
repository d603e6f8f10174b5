//! The shortest program of one's own: `serde_json` into a struct, one hash map, one window.
//!
//! It is as fast as such a loop can honestly be: fields borrowed from the record, a parser for the one
//! form of time at hand, one look-up a record, no late events, no state beyond the window. The hash map
//! is the standard library's with its own hasher.

use std::collections::HashMap;

use serde::Deserialize;

use crate::Workload;

const WINDOW_MS: i64 = 5 * 60 * 1000;

/// The fields of an event that the question needs.
pub(crate) struct Event<'a> {
    pub(crate) time: &'a str,
    pub(crate) user: &'a str,
    pub(crate) ip: &'a str,
    pub(crate) activity: &'a str,
    pub(crate) bytes: u64,
}

#[derive(Deserialize)]
struct Small<'a> {
    time: &'a str,
    user: &'a str,
    ip: &'a str,
    activity: &'a str,
    #[serde(default)]
    bytes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Okta<'a> {
    published: &'a str,
    event_type: &'a str,
    #[serde(borrow)]
    actor: Actor<'a>,
    #[serde(borrow)]
    client: Client<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Actor<'a> {
    alternate_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Client<'a> {
    ip_address: &'a str,
}

/// Count and bytes per user and five minutes; the sum over all windows, so that nothing is left out.
pub fn count(workload: &Workload) -> (u64, u64) {
    let mut windows = Windows::default();
    for record in workload.records() {
        let event = match workload.format {
            "okta" => serde_json::from_slice(record).map(|okta: Okta<'_>| Event {
                time: okta.published,
                user: okta.actor.alternate_id,
                ip: okta.client.ip_address,
                activity: okta.event_type,
                bytes: 0,
            }),
            _ => serde_json::from_slice(record).map(|small: Small<'_>| Event {
                time: small.time,
                user: small.user,
                ip: small.ip,
                activity: small.activity,
                bytes: small.bytes,
            }),
        };
        if let Ok(event) = event {
            windows.add(&event);
        }
    }
    windows.finish()
}

/// The windows of five minutes, one at a time.
#[derive(Default)]
pub(crate) struct Windows {
    window: i64,
    users: HashMap<String, (u64, u64)>,
    sums: (u64, u64),
}

impl Windows {
    pub(crate) fn add(&mut self, event: &Event<'_>) {
        let Some(time_ms) = time_ms(event.time) else {
            return;
        };
        if event.ip.is_empty() || event.activity.is_empty() {
            return;
        }
        let window = time_ms.div_euclid(WINDOW_MS);
        if window != self.window {
            self.close();
            self.window = window;
        }
        let count = match self.users.get_mut(event.user) {
            Some(count) => count,
            None => self.users.entry(event.user.to_owned()).or_default(),
        };
        count.0 += 1;
        count.1 += event.bytes;
    }

    pub(crate) fn finish(mut self) -> (u64, u64) {
        self.close();
        self.sums
    }

    fn close(&mut self) {
        for (_, (count, bytes)) in self.users.drain() {
            self.sums.0 += count;
            self.sums.1 += bytes;
        }
    }
}

/// `2026-03-02T14:10:00Z`, with or without milliseconds.
fn time_ms(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0i64, |sum, byte| {
            byte.is_ascii_digit()
                .then(|| sum * 10 + i64::from(byte - b'0'))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days since 1970 in the proleptic Gregorian calendar (Hinnant, chrono-compatible date algorithms).
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    let milliseconds = if bytes[19] == b'.' {
        number(20, 23.min(bytes.len()))?
    } else {
        0
    };
    Some((days * 86_400 + seconds) * 1000 + milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_read() {
        assert_eq!(time_ms("1970-01-02T00:00:01Z"), Some(86_401_000));
        assert_eq!(time_ms("2026-03-02T00:00:00.250Z"), Some(1_772_409_600_250));
        assert_eq!(time_ms("soon"), None);
    }

    /// Every record is understood, or the comparison would flatter one side.
    #[test]
    fn nothing_is_left_out() {
        for workload in [Workload::small(50, 500), Workload::okta(50, 500)] {
            assert_eq!(count(&workload).0, 500, "{}", workload.name);
        }
    }
}
