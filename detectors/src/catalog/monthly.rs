//! Counts by name over the present month, week by week: what posture findings tell.
//!
//! Invariant: a function of the closed days that were folded, in their order; names beyond
//! [`NAMES_MAX`] are left out, the largest first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::{Day, month_text};

/// Names of one month.
pub const NAMES_MAX: usize = 64;
/// Weeks of a month, the last one short.
const WEEKS: usize = 5;

/// The counts of one month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monthly {
    /// Any day of the month.
    day: Day,
    weeks: BTreeMap<Box<str>, [u64; WEEKS]>,
}

impl Monthly {
    /// Adds a closed day. Days never go back.
    pub fn fold(&mut self, day: Day, counts: &BTreeMap<Box<str>, u64>) {
        if month_text(self.day) != month_text(day) {
            self.weeks.clear();
        }
        self.day = day;
        for (name, count) in counts {
            let weeks = self.weeks.entry(name.clone()).or_default();
            let week = &mut weeks[week_of(day)];
            *week = week.saturating_add(*count);
        }
        while NAMES_MAX < self.weeks.len() {
            self.weeks.pop_last();
        }
    }

    /// Counts by week of the month of the last day, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Weeks)> {
        let last = week_of(self.day);
        let weeks = self.weeks.iter();
        weeks.map(move |(name, weeks)| (&**name, Weeks(weeks[..=last].to_vec())))
    }
}

/// Counts by week, up to the present one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weeks(Vec<u64>);

impl Weeks {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, week| sum.saturating_add(*week))
    }

    /// `12, 9 and 4`, as it stands in a sentence.
    pub fn text(&self) -> String {
        let words: Vec<String> = self.0.iter().map(u64::to_string).collect();
        match words.split_last() {
            Some((last, head)) if !head.is_empty() => format!("{} and {last}", head.join(", ")),
            _ => words.concat(),
        }
    }

    /// For a sparkline.
    pub fn history(&self) -> Vec<f64> {
        self.0.iter().map(|week| *week as f64).collect()
    }
}

/// Which seven days of its month.
fn week_of(day: Day) -> usize {
    let text = crate::time::day_text(day);
    let of_month: usize = text[8..].parse().unwrap_or(1);
    (of_month - 1) / 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_told_by_its_weeks() {
        let first = 20_513; // 2026-03-01
        let mut month = Monthly::default();
        for day in 0..10 {
            month.fold(first + day, &[("vpn".into(), 2)].into());
        }
        let (name, weeks) = month.iter().next().unwrap();
        assert_eq!((name, weeks.total()), ("vpn", 20));
        assert_eq!(weeks.text(), "14 and 6");
        month.fold(first + 31, &BTreeMap::new());
        assert_eq!(month.iter().count(), 0);
    }
}
