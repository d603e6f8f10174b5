//! What subscribers have seen of the open days, and when they are told more.
//!
//! Invariant: a new alert, a higher severity and the end of a mute are told at once; growth of what is known
//! is told once in a while, and in full when the day is closed. So a theft of a thousand files is one
//! alert and a few revisions, not a thousand.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use nightjar_detectors::alert::{Alert, Severity};
use nightjar_detectors::time::Day;

/// A detector's day.
type Open = (&'static str, Day);

/// An alert as it was last told.
struct Told {
    content: u64,
    severity: Severity,
    is_muted: bool,
    at: Instant,
}

/// The alerts of open days.
pub(super) struct Screen {
    revise_every: Duration,
    told: BTreeMap<Open, HashMap<String, Told>>,
    waiting: BTreeMap<Open, BTreeMap<String, Alert>>,
}

impl Screen {
    /// Nothing was told yet. `revise_every`: least time between two tellings of what only grows.
    pub fn new(revise_every: Duration) -> Self {
        Screen {
            revise_every,
            told: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Takes the present alerts of a detector's day.
    pub fn offer(&mut self, detector: &'static str, day: Day, alerts: Vec<Alert>) {
        let told = self.told.entry((detector, day)).or_default();
        let waiting = self.waiting.entry((detector, day)).or_default();
        for alert in alerts {
            if told
                .get(&alert.id)
                .is_some_and(|told| told.content == content(&alert))
            {
                waiting.remove(&alert.id);
            } else {
                waiting.insert(alert.id.clone(), alert);
            }
        }
    }

    /// What is to be told now; all that waits with `all`.
    pub fn due(&mut self, now: Instant, all: bool) -> Vec<Alert> {
        let mut due = Vec::new();
        for (open, waiting) in &mut self.waiting {
            let told = self.told.entry(*open).or_default();
            let is_due = |alert: &Alert| match told.get(&alert.id) {
                None => true,
                Some(last) => {
                    let is_worse = last.severity < alert.severity;
                    let is_shown_again = last.is_muted && !alert.is_muted();
                    is_worse || is_shown_again || self.revise_every <= now - last.at
                }
            };
            let ids: Vec<String> = waiting
                .values()
                .filter(|alert| all || is_due(alert))
                .map(|alert| alert.id.clone())
                .collect();
            for alert in ids.iter().filter_map(|id| waiting.remove(id)) {
                let last = Told {
                    content: content(&alert),
                    severity: alert.severity,
                    is_muted: alert.is_muted(),
                    at: now,
                };
                told.insert(alert.id.clone(), last);
                due.push(alert);
            }
        }
        self.waiting.retain(|_, waiting| !waiting.is_empty());
        due
    }

    /// The day is closed: its final alerts are told by who closes it.
    pub fn close(&mut self, detector: &'static str, day: Day) {
        self.told.remove(&(detector, day));
        self.waiting.remove(&(detector, day));
    }
}

fn content(alert: &Alert) -> u64 {
    xxhash_rust::xxh3::xxh3_64(alert.canonical_json().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::tests::alert;

    const MINUTE: Duration = Duration::from_secs(60);

    fn grown(events: u64, severity: Severity) -> Vec<Alert> {
        vec![Alert {
            event_count: events,
            severity,
            ..alert("a", 1)
        }]
    }

    fn events(alerts: &[Alert]) -> Vec<u64> {
        alerts.iter().map(|alert| alert.event_count).collect()
    }

    /// Growth waits its time, what is worse does not, and what was told is not told again.
    #[test]
    fn growth_is_told_once_in_a_while() {
        let mut screen = Screen::new(MINUTE);
        let start = Instant::now();
        screen.offer("d", 1, grown(10, Severity::Medium));
        assert_eq!(events(&screen.due(start, false)), [10]);
        for n in 11..20 {
            screen.offer("d", 1, grown(n, Severity::Medium));
            assert!(screen.due(start + MINUTE / 2, false).is_empty());
        }
        screen.offer("d", 1, grown(20, Severity::High));
        assert_eq!(events(&screen.due(start + MINUTE / 2, false)), [20]);
        screen.offer("d", 1, grown(21, Severity::High));
        assert!(screen.due(start + MINUTE, false).is_empty());
        assert_eq!(events(&screen.due(start + 2 * MINUTE, false)), [21]);
        screen.offer("d", 1, grown(21, Severity::High));
        assert!(screen.due(start + 9 * MINUTE, true).is_empty());
        screen.offer("d", 1, grown(22, Severity::High));
        assert_eq!(events(&screen.due(start + 2 * MINUTE, true)), [22]);
    }

    #[test]
    fn a_closed_day_waits_for_nothing() {
        let mut screen = Screen::new(MINUTE);
        screen.offer("d", 1, grown(10, Severity::Medium));
        screen.close("d", 1);
        assert!(screen.due(Instant::now(), true).is_empty());
    }
}
