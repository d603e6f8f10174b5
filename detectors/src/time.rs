//! Days, panes and local hours.
//!
//! A day runs from midnight to midnight in the tenant's zone; 23 and 25 hours happen. A pane is five
//! minutes of it, counted from midnight; a window is a run of panes that never crosses midnight.

use chrono::{NaiveDate, Offset, TimeZone};
use chrono_tz::Tz;

/// Days since 1970-01-01 in the tenant's zone.
pub type Day = i32;

/// Length of a pane.
pub const PANE_MS: i64 = 5 * 60 * 1000;

/// Largest number of panes in a day (25 hours).
pub const PANES_MAX: u16 = 300;

const FIRST_DAY: Day = 10_955; // 1999-12-30: one zone's 2000-01-01 is another's day before
const LAST_DAY: Day = 47_485; // 2100-01-03
const DAY_MS: i64 = 86_400_000;

/// Midnights of one zone, from 2000 to 2100.
#[derive(Debug, Clone)]
pub struct Calendar {
    starts: Vec<i64>,
}

impl Calendar {
    /// Looks up every midnight once, so that no event needs a time zone computation.
    pub fn new(zone: Tz) -> Self {
        let starts = (FIRST_DAY..=LAST_DAY + 1)
            .map(|day| midnight(zone, day))
            .collect();
        Calendar { starts }
    }

    /// The day of an instant, milliseconds since 1970 UTC; clamped to the years 2000-2100.
    pub fn day(&self, time_ms: i64) -> Day {
        let guess = time_ms.div_euclid(DAY_MS) as Day;
        let mut index = (guess.clamp(FIRST_DAY, LAST_DAY) - FIRST_DAY) as usize;
        while index > 0 && time_ms < self.starts[index] {
            index -= 1;
        }
        while index + 2 < self.starts.len() && self.starts[index + 1] <= time_ms {
            index += 1;
        }
        FIRST_DAY + index as Day
    }

    /// First instant of a day.
    pub fn start(&self, day: Day) -> i64 {
        self.starts[(day.clamp(FIRST_DAY, LAST_DAY + 1) - FIRST_DAY) as usize]
    }

    /// First instant after a day.
    pub fn end(&self, day: Day) -> i64 {
        self.start(day + 1)
    }

    /// The pane of an instant within its day.
    pub fn pane(&self, day: Day, time_ms: i64) -> u16 {
        let pane = (time_ms - self.start(day)) / PANE_MS;
        pane.clamp(0, i64::from(PANES_MAX) - 1) as u16
    }

    /// First instant of a pane.
    pub fn pane_start(&self, day: Day, pane: u16) -> i64 {
        self.start(day) + i64::from(pane) * PANE_MS
    }

    /// `[start, end)` of a run of panes, cut at the end of the day.
    pub fn window(&self, day: Day, first: u16, panes: u16) -> (i64, i64) {
        let end = self.pane_start(day, first) + i64::from(panes) * PANE_MS;
        (self.pane_start(day, first), end.min(self.end(day)))
    }
}

/// The first instant of a local day; where midnight is skipped by a clock change, the first after it.
fn midnight(zone: Tz, day: Day) -> i64 {
    let date = date_of(day);
    let local = date.and_hms_opt(0, 0, 0).unwrap_or_default();
    (0..4)
        .find_map(|quarter_hours: i64| {
            let at = local + chrono::TimeDelta::minutes(30 * quarter_hours);
            zone.from_local_datetime(&at).earliest()
        })
        .map_or(i64::from(day) * DAY_MS, |at| at.timestamp_millis())
}

fn date_of(day: Day) -> NaiveDate {
    NaiveDate::from_epoch_days(day).unwrap_or_default()
}

/// `2026-03-02`.
pub fn day_text(day: Day) -> String {
    date_of(day).to_string()
}

/// Local clock of one zone, by its list of offset changes.
#[derive(Debug, Clone)]
pub struct LocalClock {
    /// (first instant, offset in ms), ascending.
    offsets: Vec<(i64, i64)>,
}

impl LocalClock {
    /// Finds the zone's changes between 2000 and 2100.
    pub fn new(zone: Tz) -> Self {
        let offset = |ms: i64| -> i64 {
            let at = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
            let fixed = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
            i64::from(fixed.local_minus_utc()) * 1000
        };
        let mut offsets = vec![(i64::MIN, offset(i64::from(FIRST_DAY) * DAY_MS))];
        for day in FIRST_DAY..LAST_DAY {
            let (mut low, mut high) = (i64::from(day) * DAY_MS, i64::from(day + 1) * DAY_MS);
            let before = offset(low);
            if offset(high) == before {
                continue;
            }
            while 1000 < high - low {
                let middle = low + (high - low) / 2000 * 1000;
                if offset(middle) == before {
                    low = middle.max(low + 1000);
                } else {
                    high = middle;
                }
            }
            offsets.push((high, offset(high)));
        }
        LocalClock { offsets }
    }

    fn local_ms(&self, time_ms: i64) -> i64 {
        let next = self.offsets.partition_point(|&(from, _)| from <= time_ms);
        time_ms + self.offsets[next - 1].1
    }

    /// Hour of the local day, 0 to 23.
    pub fn hour(&self, time_ms: i64) -> u8 {
        (self.local_ms(time_ms).rem_euclid(DAY_MS) / 3_600_000) as u8
    }

    /// `03:10` on the local clock.
    pub fn text(&self, time_ms: i64) -> String {
        let minutes = self.local_ms(time_ms).rem_euclid(DAY_MS) / 60_000;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Europe::Berlin;

    fn ms(text: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis()
    }

    /// Every instant lies in exactly one day, also where the clock changes.
    #[test]
    fn days_have_23_24_or_25_hours() {
        let calendar = Calendar::new(Berlin);
        let spring = calendar.day(ms("2026-03-29T12:00:00Z"));
        assert_eq!(
            calendar.end(spring) - calendar.start(spring),
            23 * 3_600_000
        );
        let autumn = calendar.day(ms("2026-10-25T12:00:00Z"));
        assert_eq!(
            calendar.end(autumn) - calendar.start(autumn),
            25 * 3_600_000
        );
        for edge in [
            "2026-03-01T23:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-10-25T23:00:00Z",
        ] {
            let at = ms(edge);
            assert_eq!(calendar.day(at), calendar.day(at - 1) + 1, "{edge}");
            assert_eq!(calendar.start(calendar.day(at)), at);
            assert_eq!(calendar.pane(calendar.day(at), at), 0);
        }
    }

    #[test]
    fn the_local_clock_follows_daylight_saving() {
        let clock = LocalClock::new(Berlin);
        assert_eq!(clock.text(ms("2026-03-29T00:59:59Z")), "01:59");
        assert_eq!(clock.text(ms("2026-03-29T01:00:00Z")), "03:00");
        assert_eq!(clock.hour(ms("2026-03-27T08:00:00Z")), 9);
        assert_eq!(clock.hour(ms("2026-03-29T08:00:00Z")), 10);
    }

    /// A zone whose clock jumps at midnight still has a first instant of every day.
    #[test]
    fn a_skipped_midnight_is_bridged() {
        let calendar = Calendar::new(chrono_tz::America::Sao_Paulo);
        let mut last = i64::MIN;
        for day in 17_000..18_500 {
            assert!(last < calendar.start(day));
            last = calendar.start(day);
        }
    }
}
