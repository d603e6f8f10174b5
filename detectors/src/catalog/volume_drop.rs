//! Flags: a source that gives far fewer events of a kind than on other days of the week. Why: what does
//! not arrive is not judged. Method: its own weekly rhythm, beside that of the other sources. Blind to:
//! the first three weeks; a company with one source.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entry, Page, Param, phrase};
use crate::alert::{Entity, Severity};
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, Runner, Subjects};
use crate::event::{Activity, Row};
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "volume_drop",
    activities: Activity::ALL,
    attack: &["T1562.008"],
    family: "access",
    needs: &[],
    params: &[
        Param {
            name: "lost_percent",
            default: 20.0,
            unit: "percent",
            help: "how much of an event type must be missing",
        },
        Param {
            name: "min_events",
            default: 100.0,
            unit: "count",
            help: "types with fewer events on such a day of the week are not judged",
        },
    ],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "a source that gave a fifth less of some event type than on the same day of earlier weeks, while the other sources went on",
        why: "a collector that lost a part, a filter somebody changed, or logging that was switched off: what does not arrive is not judged, and nothing else says so",
        method: "per source and activity the count of a day against the median of the same day of the week in the last six (from three on): below it by `lost_percent`, below the least of them, and by five times the square root of what was expected, from `min_events` expected on. Each is scaled by how the other sources did on that day (the lower median of their ratios, at most 1; of a source alone: by the rest of its own types), so that a holiday is none. A day without events of a source counts; a day without any at all is not judged, since the silence of everything is told as `source_silent`. One alert a source and day, medium. Sealed",
        blind_to: "the first three weeks of a source; slow decline over months; a holiday where all other sources are machines' looks like a loss; a company with one source and one type",
        fields: "time, source, activity",
        example: "m365 gave fewer events than on other Tuesdays: 410 download events (usual are 1,300)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(VolumeDrop::new(world)), lag))
    },
};

const ACTIVITIES: usize = Activity::ALL.len();
/// Days that are remembered: six of each day of the week.
const REMEMBERED_DAYS: Day = 42;
/// Same days of the week before there is a rhythm.
const KNOWN_WEEKS: usize = 3;
/// Sources that are counted; beyond, the largest names are left out.
const SOURCES_MAX: usize = 256;
const WEEKDAYS: [&str; 7] = [
    "Thursdays",
    "Fridays",
    "Saturdays",
    "Sundays",
    "Mondays",
    "Tuesdays",
    "Wednesdays",
];

/// Events of a source by activity.
type Counts = [u64; ACTIVITIES];

/// The detector with its parameters.
struct VolumeDrop {
    kept_share: f64,
    min_events: f64,
}

/// Events of one day by source.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Sources(BTreeMap<Box<str>, Counts>);

impl Sources {
    fn at(&mut self, source: &str) -> Option<&mut Counts> {
        if !self.0.contains_key(source) {
            self.0.insert(source.into(), [0; ACTIVITIES]);
            if SOURCES_MAX < self.0.len() {
                self.0.pop_last();
            }
        }
        self.0.get_mut(source)
    }
}

/// The days of each source, ascending, from its first event on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct History(BTreeMap<Box<str>, Vec<(Day, Counts)>>);

/// What was usual of one activity, and what came.
#[derive(Debug, Clone, Copy)]
struct Usual {
    activity: usize,
    expected: f64,
    least: f64,
    observed: f64,
}

impl VolumeDrop {
    fn new(world: &World) -> Self {
        VolumeDrop {
            kept_share: 1.0 - world.param(&ENTRY, "lost_percent") / 100.0,
            min_events: world.param(&ENTRY, "min_events"),
        }
    }

    /// What is usual for a source on a day, activity by activity, where it is enough to tell.
    fn usual(&self, days: &[(Day, Counts)], today: Option<&Counts>, day: Day) -> Vec<Usual> {
        let is_such_day =
            |known: &&(Day, Counts)| (day - known.0) % 7 == 0 && day - known.0 <= REMEMBERED_DAYS;
        let same: Vec<&Counts> = days
            .iter()
            .filter(is_such_day)
            .map(|(_, counts)| counts)
            .collect();
        if same.len() < KNOWN_WEEKS {
            return Vec::new();
        }
        let of = |activity: usize| {
            let mut counts: Vec<u64> = same.iter().map(|counts| counts[activity]).collect();
            counts.sort_unstable();
            Usual {
                activity,
                expected: counts[(counts.len() - 1) / 2] as f64,
                least: counts[0] as f64,
                observed: today.map_or(0, |counts| counts[activity]) as f64,
            }
        };
        let all = (0..ACTIVITIES).map(of);
        all.filter(|usual| self.min_events <= usual.expected)
            .collect()
    }

    fn is_lost(&self, usual: &Usual, calm: f64) -> bool {
        let expected = calm * usual.expected;
        usual.observed < self.kept_share * expected
            && usual.observed < calm * usual.least
            && 5.0 * usual.expected.sqrt() <= expected - usual.observed
    }
}

impl VolumeDrop {
    /// The fewest events that are no loss.
    fn quiet(&self, usual: &Usual, calm: f64) -> String {
        let is_lost = |observed: u64| {
            let usual = Usual {
                observed: observed as f64,
                ..*usual
            };
            self.is_lost(&usual, calm)
        };
        let (mut lost, mut enough) = (usual.observed as u64, usual.expected.ceil() as u64);
        while lost + 1 < enough {
            let middle = lost + (enough - lost) / 2;
            if is_lost(middle) {
                lost = middle;
            } else {
                enough = middle;
            }
        }
        format!(
            "{} or more",
            phrase::count(enough, &kind_of(usual.activity))
        )
    }
}

/// `download event`.
fn kind_of(activity: usize) -> String {
    format!("{} event", Activity::ALL[activity].as_str())
}

/// How much of the usual came, of several types together; at most all of it.
fn ratio<'u>(usual: impl Iterator<Item = &'u Usual>) -> Option<f64> {
    let (expected, observed) = usual.fold((0.0, 0.0), |(e, o), u| (e + u.expected, o + u.observed));
    (0.0 < expected).then(|| f64::min(1.0, observed / expected))
}

impl Kind for VolumeDrop {
    type Base = History;
    type Summary = Sources;
    type Open = Sources;
    type Amount = ();
    type Bars = ();

    const STATISTICAL: bool = false;
    const SUBJECTS: Subjects = Subjects::COMPANY;
    const SEALED: bool = true;

    fn wants(&self, _: &Row<'_>, _: Stream) -> bool {
        true
    }

    fn observe(&self, open: &mut Sources, event: &Event<'_>) {
        if let Some(counts) = open.at(event.row.source()) {
            let count = &mut counts[event.row.activity() as usize];
            *count = count.saturating_add(1);
        }
    }

    fn merge(&self, open: &mut Sources, other: Sources) {
        for (source, theirs) in &other.0 {
            let Some(mine) = open.at(source) else {
                continue;
            };
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine = mine.saturating_add(*theirs);
            }
        }
    }

    fn fold(&self, base: &mut History, day: Day, counted: &Sources) {
        for (source, counts) in &counted.0 {
            base.0
                .entry(source.clone())
                .or_default()
                .push((day, *counts));
        }
        for (source, days) in &mut base.0 {
            if !counted.0.contains_key(source) {
                days.push((day, [0; ACTIVITIES]));
            }
            days.retain(|(known, _)| day - known < REMEMBERED_DAYS + 7);
        }
        // A source that was silent for so long is gone.
        base.0
            .retain(|_, days| days.iter().any(|(_, counts)| *counts != [0; ACTIVITIES]));
        while SOURCES_MAX < base.0.len() {
            base.0.pop_last();
        }
    }

    fn amount(&self, _: &Judged<'_, Self>) {}

    fn score(&self, (): &()) -> u32 {
        0
    }

    fn verdicts(&self, judged: &Judged<'_, Self>, (): &()) -> Vec<Verdict> {
        let day = judged.on.frozen.day;
        let mut sources = Vec::new();
        for (source, days) in &judged.base.0 {
            let usual = self.usual(days, judged.open.0.get(source), day);
            sources.push((source, usual));
        }
        let mut said = Vec::new();
        for (place, (source, usual)) in sources.iter().enumerate() {
            let others = sources
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != place);
            let mut ratios: Vec<f64> = others
                .filter_map(|(_, (_, usual))| ratio(usual.iter()))
                .collect();
            ratios.sort_by(f64::total_cmp);
            let calm = ratios.get(ratios.len().saturating_sub(1) / 2).copied();
            let is_lost = |one: &&Usual| {
                let rest = || ratio(usual.iter().filter(|other| other.activity != one.activity));
                calm.or_else(rest)
                    .is_some_and(|calm| self.is_lost(one, calm))
            };
            let lost: Vec<Usual> = usual.iter().filter(is_lost).copied().collect();
            if lost.is_empty() {
                continue;
            }
            let limit = |one: &Usual| {
                let rest = || ratio(usual.iter().filter(|other| other.activity != one.activity));
                self.quiet(one, calm.or_else(rest).unwrap_or(1.0))
            };
            let limits: Vec<String> = lost.iter().map(limit).collect();
            let is_same_day = |(known, _): &&(Day, Counts)| (day - known).rem_euclid(7) == 0;
            let days = judged.base.0[*source].iter().filter(is_same_day);
            let of_day = |counts: &Counts| lost.iter().map(|one| counts[one.activity]).sum::<u64>();
            said.push(Verdict {
                quiet: limits.join(" and "),
                history: days.map(|(_, counts)| of_day(counts) as f64).collect(),
                ..verdict(source, &lost, judged)
            });
        }
        said
    }

    fn bars(&self, _: &Judged<'_, Self>, (): &()) {}

    fn reaches(&self, _: &Sources, (): &()) -> bool {
        true
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        (): (),
        _: &mut Parts,
    ) -> Sources {
        judged.open.clone()
    }
}

fn verdict(source: &str, lost: &[Usual], judged: &Judged<'_, VolumeDrop>) -> Verdict {
    let (on, day) = (judged.on, judged.on.frozen.day);
    let calendar = &on.world.calendar;
    let window = (calendar.start(day), calendar.end(day));
    let part = |usual: &Usual| {
        format!(
            "{} (usual are {})",
            phrase::count(usual.observed as u64, &kind_of(usual.activity)),
            phrase::grouped(usual.expected as u64)
        )
    };
    let parts: Vec<String> = lost.iter().map(part).collect();
    let sum = |number: fn(&Usual) -> f64| lost.iter().map(number).sum::<f64>();
    Verdict {
        about: Some(Entity {
            kind: "source".into(),
            id: source.to_owned(),
        }),
        summary: format!(
            "{source} gave fewer events than on other {}: {}",
            WEEKDAYS[day.rem_euclid(7) as usize],
            parts.join(", ")
        ),
        window,
        detected_at: window.1,
        observed: sum(|usual| usual.observed),
        expected: sum(|usual| usual.expected),
        next_steps: vec![
            format!("look at the collector of {source}: its errors, its filters, its permissions").into(),
            "look in the source itself whether the events are there, and load them again if they are".into(),
            "if auditing was switched off there: see audit_disabled and who did it".into(),
        ],
        ..Verdict::of(Severity::Medium, "tenant", (window.0, window.1 - 1), sum(|usual| usual.observed) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{Trial, trial_with};
    use super::*;
    use crate::event::Draft;

    fn few() -> Trial {
        trial_with("volume_drop", |settings| {
            let own = settings
                .detectors
                .get_mut("volume_drop")
                .expect("it is there");
            own.params.insert("min_events".into(), 20.0);
        })
    }

    fn day_of(trial: &mut Trial, day: Day, counts: [u64; 3]) {
        let weekend = if 5 <= day % 7 { 10 } else { 1 };
        let kinds = [
            ("okta", Activity::Login),
            ("m365", Activity::Download),
            ("m365", Activity::Login),
        ];
        for ((source, activity), count) in kinds.into_iter().zip(counts) {
            let row = Draft {
                activity: Some(activity),
                user: Some("ana"),
                ..Draft::default()
            };
            if 0 < count {
                trial.from(source).add_times(day, 500, count / weekend, row);
            }
        }
    }

    const USUAL: [u64; 3] = [100, 60, 40];

    fn said(day: Day, counts: [u64; 3]) -> Vec<String> {
        let mut trial = few();
        for day in 0..day {
            day_of(&mut trial, day, USUAL);
        }
        day_of(&mut trial, day, counts);
        // Events of the day after, so that the day is closed whatever came.
        day_of(&mut trial, day + 1, USUAL);
        trial.end().into_iter().map(|alert| alert.summary).collect()
    }

    #[test]
    fn one_type_that_is_half_gone_is_told() {
        let want = "okta gave fewer events than on other Tuesdays: 40 login events (usual are 100)";
        assert_eq!(said(29, [40, 60, 40]), [want]);
        let want = "m365 gave fewer events than on other Tuesdays: 0 login events (usual are 40), 0 download events (usual are 60)";
        assert_eq!(said(29, [100, 0, 0]), [want]);
    }

    /// Weekends, holidays, small differences and the first weeks are not losses.
    #[test]
    fn a_holiday_is_no_loss() {
        assert_eq!(said(33, USUAL), [""; 0]);
        assert_eq!(said(29, [5, 3, 2]), [""; 0]);
        assert_eq!(said(29, [0, 0, 0]), [""; 0]);
        assert_eq!(said(29, [90, 60, 40]), [""; 0]);
        assert_eq!(said(15, [10, 60, 40]), [""; 0]);
    }
}
