//! Flags: far more files, or bytes, taken out in 10 minutes, an hour or a day than this principal
//! usually takes. Why: collection before a leak. Method: magnitude model over distinct objects and
//! bytes, sync apart. Blind to: slow collection below the daily habit; screenshots and views.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};

use super::volume::{self, Appraised, Bars, Crossing, Key, Learned, Reading, Taught};
use super::{Entry, Page, Param};
use crate::alert::{Class, Severity};
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, On, Runner};
use crate::event::{Activity, Outcome, Row};
use crate::evidence::{Refs, Sample, gather};
use crate::panes::{Panes, Span};
use crate::sketch::Distinct;
use crate::time::{Day, PANE_MS};
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "mass_download",
    activities: &[Activity::Download],
    attack: &["T1530", "T1213", "T1567"],
    family: "volume",
    needs: &[&["user"]],
    params: &[
        Param {
            name: "min_objects",
            default: 20.0,
            unit: "count",
            help: "fewer distinct files in a window never alert",
        },
        Param {
            name: "min_bytes",
            default: 100e6,
            unit: "bytes",
            help: "fewer bytes in a window never alert",
        },
        Param {
            name: "min_synced_objects",
            default: 500.0,
            unit: "count",
            help: "fewer files in a window never alert when a sync client on a managed device took them",
        },
        Param {
            name: "min_synced_bytes",
            default: 2e9,
            unit: "bytes",
            help: "fewer bytes in a window never alert when a sync client on a managed device took them",
        },
    ],
    statistical: true,
    share: 1.0,
    page: Page {
        flags: "far more files or bytes downloaded in 10 minutes, one hour or one day than usual for this user or service",
        why: "collection from file shares and drives comes before most leaks, by leavers and by stolen sessions alike",
        method: "per user, measure and window length a moderated Student t over log2 of the day's largest window, forward decay with a half-life of 28 days, weekday and weekend apart, shrunk to the peers; calibrated by rank in the company's history. An object counts once a window; sync clients on managed devices are measured apart. The floor of 20 files is what an attack tool takes of secrets in one go; in two generated companies (150 people, 50 days) it showed 53 alerts where 25 showed 52. Eager",
        blind_to: "collection spread over many days within the daily habit; views and screenshots; sources without download events",
        fields: "time, user, activity, object (else the event id), bytes, interactive, device_managed",
        example: "ana@example.com downloaded 187 files in 10 minutes; usual are about 6 (41 days known)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(
            std::sync::Arc::new(MassDownload::new(world)),
            lag,
        ))
    },
};

const MEASURES: [&str; 4] = ["files", "bytes", "synced files", "synced bytes"];
const EVIDENCE_MAX: usize = 12;

/// The detector with its parameters.
pub struct MassDownload {
    /// By measure.
    floors: [u64; 4],
}

impl MassDownload {
    fn new(world: &World) -> Self {
        let floor = |name| world.param(&ENTRY, name) as u64;
        MassDownload {
            floors: [
                floor("min_objects"),
                floor("min_bytes"),
                floor("min_synced_objects"),
                floor("min_synced_bytes"),
            ],
        }
    }
}

/// Downloads of one day: by people, and by sync clients.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    refs: Refs,
    pools: [Pool; 2],
}

/// Panes, and the day's objects, which would take long to put together for every look.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Panes<Pane>")]
struct Pool {
    day: Distinct,
    panes: Panes<Pane>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Pane {
    objects: Distinct,
    bytes: u64,
    sample: Sample,
}

/// The day's objects are not stored: the panes hold them.
impl Serialize for Pool {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.panes.serialize(to)
    }
}

impl From<Panes<Pane>> for Pool {
    fn from(panes: Panes<Pane>) -> Self {
        let day = Distinct::union(panes.iter().map(|(_, pane)| &pane.objects));
        Pool { day, panes }
    }
}

impl Pool {
    fn add(&mut self, hash: u64, refs: &mut Refs, event: &Event<'_>) {
        self.day.insert(hash, event.pane);
        let pane = self.panes.at(event.pane);
        pane.objects.insert(hash, event.pane);
        pane.bytes = pane.bytes.saturating_add(event.row.bytes().unwrap_or(0));
        pane.sample.add(refs, event);
    }

    /// The distinct objects of a window.
    fn objects(&self, start: u16, span: Span) -> Cow<'_, Distinct> {
        if span == Span::Day {
            return Cow::Borrowed(&self.day);
        }
        let mut sets = self
            .panes
            .within(start, span)
            .map(|(_, pane)| &pane.objects);
        match (sets.next(), sets.next()) {
            (Some(only), None) => Cow::Borrowed(only),
            (first, second) => {
                Cow::Owned(Distinct::union(first.into_iter().chain(second).chain(sets)))
            }
        }
    }

    /// Largest window by distinct objects; the earliest of equals.
    fn most_objects(&self, span: Span) -> Option<(u16, u64)> {
        let mut best: Option<(u16, u64)> = None;
        for start in self.panes.starts(span) {
            // A union is at most the sum of its parts, so few windows have to be put together.
            let sets = || {
                self.panes
                    .within(start, span)
                    .map(|(_, pane)| &pane.objects)
            };
            let at_most: u64 = sets().map(Distinct::count).sum();
            let is_exact = !sets().any(Distinct::is_approximate);
            if is_exact && best.is_some_and(|(_, best)| at_most <= best) {
                continue;
            }
            let count = self.objects(start, span).count();
            if best.is_none_or(|(_, best)| best < count) {
                best = Some((start, count));
            }
        }
        best
    }
}

impl Kind for MassDownload {
    type Base = Learned;
    type Summary = Taught;
    type Open = Open;
    type Amount = Vec<Appraised>;
    type Bars = Bars;

    fn wants(&self, row: &Row<'_>, _stream: Stream) -> bool {
        row.outcome() != Outcome::Failure
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let object = event.row.object().unwrap_or_else(|| event.row.uid());
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(object.as_bytes(), event.world.seed);
        // A sync to an unmanaged device is a download like any other, or the lenient baseline of
        // sync clients would be a way out.
        let synced =
            event.row.interactive() == Some(false) && event.row.device_managed() != Some(false);
        open.pools[usize::from(synced)].add(hash, &mut open.refs, event);
    }

    fn fold(&self, base: &mut Learned, day: Day, summary: &Taught) {
        base.fold(day, summary);
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<Appraised> {
        judged.base.appraise(self.readings(judged.open), judged.on)
    }

    fn score(&self, amount: &Vec<Appraised>) -> u32 {
        volume::score(amount)
    }

    fn verdicts(&self, judged: &Judged<'_, Self>, amount: &Vec<Appraised>) -> Vec<Verdict> {
        let crossings = judged.base.crossings(amount, judged.on);
        let Some(best) = crossings.first() else {
            return Vec::new();
        };
        vec![self.verdict(judged.base, judged.open, best, &crossings, judged.on)]
    }

    fn bars(&self, judged: &Judged<'_, Self>, amount: &Vec<Appraised>) -> Bars {
        Bars::new(amount, judged.on)
    }

    fn reaches(&self, open: &Open, bars: &Bars) -> bool {
        bars.are_reached(&self.readings(open))
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        latest: Latest<'_, Self>,
        amount: Vec<Appraised>,
        parts: &mut Parts,
    ) -> Taught {
        let files = judged.open.pools[0].day.count();
        let base = judged.base;
        base.close(latest, amount, files, judged.on, parts)
    }
}

impl MassDownload {
    fn readings(&self, open: &Open) -> Vec<Reading> {
        let mut readings = Vec::with_capacity(2 * Span::ALL.len());
        for (pool_index, pool) in open.pools.iter().enumerate() {
            if pool.panes.is_empty() {
                continue;
            }
            let objects = Span::ALL.map(|span| pool.most_objects(span));
            let bytes = Span::ALL.map(|span| pool.panes.largest(span, |pane| [pane.bytes])[0]);
            for (offset, largest) in [objects, bytes].into_iter().enumerate() {
                let measure = (2 * pool_index + offset) as u8;
                for (span, largest) in Span::ALL.into_iter().zip(largest) {
                    let Some((start, count)) = largest else {
                        continue;
                    };
                    readings.push(Reading {
                        key: Key {
                            part: None,
                            measure,
                            span,
                        },
                        start,
                        count,
                        floor: self.floors[usize::from(measure)],
                    });
                }
            }
        }
        readings
    }

    /// The pane in which a crossing's window reached its threshold.
    fn due(&self, open: &Open, crossing: &Crossing<'_>) -> Option<u16> {
        let Reading { key, start, .. } = crossing.reading;
        let pool = &open.pools[usize::from(key.measure / 2)];
        if key.measure % 2 == 1 {
            return pool
                .panes
                .pane_reaching(*start, key.span, crossing.threshold, |p| p.bytes);
        }
        pool.objects(*start, key.span)
            .pane_reaching(crossing.threshold)
    }

    fn verdict(
        &self,
        base: &Learned,
        open: &Open,
        best: &Crossing<'_>,
        crossings: &[Crossing<'_>],
        on: On<'_>,
    ) -> Verdict {
        let Reading {
            key, start, count, ..
        } = best.reading;
        let pool = &open.pools[usize::from(key.measure / 2)];
        let synced = 2 <= key.measure;
        let samples = || {
            pool.panes
                .within(*start, key.span)
                .map(|(_, pane)| &pane.sample)
        };
        let (day, calendar) = (on.frozen.day, &on.world.calendar);
        let window = calendar.window(day, *start, key.span.panes());
        let due = crossings
            .iter()
            .filter_map(|crossing| self.due(open, crossing))
            .min();
        let is_approximate = pool.objects(*start, key.span).is_approximate();
        let expected = best.prediction.expected();
        let own = 1.0 <= best.own_days;
        let (what, verb) = (
            amount(key.measure, *count),
            if synced { "synced" } else { "downloaded" },
        );
        let usual = amount(key.measure, expected.round() as u64);
        let severity = match best
            .surprise
            .saturating_sub(on.judge().map_or(0, |j| j.needed))
        {
            _ if synced => Severity::Low,
            1500.. => Severity::High,
            _ => Severity::Medium,
        };
        Verdict {
            value: String::new(),
            same_as: MEASURES[usize::from(key.measure)].into(),
            causes: Vec::new(),
            surprise: Some(best.surprise),
            class: Class::Detection,
            severity,
            overlay: None,
            about: None,
            also: Vec::new(),
            summary: format!(
                "{} {verb} {what} {}; usual for {} are about {usual} ({} days known); {} or more alert",
                on.who.name,
                key.span.text(),
                if own { "this account" } else { "its peers" },
                base.days,
                amount(key.measure, best.threshold),
            ),
            window,
            detected_at: due.map_or(window.1, |pane| calendar.pane_start(day, pane) + PANE_MS),
            span: (
                samples()
                    .map(|s| s.first(&open.refs))
                    .min()
                    .unwrap_or(window.0),
                samples()
                    .map(|s| s.last(&open.refs))
                    .max()
                    .unwrap_or(window.1),
            ),
            event_count: samples().map(|s| u64::from(s.count)).sum(),
            observed: *count as f64,
            approximate: key.measure % 2 == 0 && is_approximate,
            expected,
            baseline: if own { "own" } else { "peers" },
            days: base.days,
            history: base.history(),
            evidence: gather(&open.refs, samples().map(std::iter::once), EVIDENCE_MAX),
            next_steps: vec![
                format!("ask {} or the manager whether this was meant", on.who.name),
                "look at which folders the files are from and whether they left the company".into(),
                "if it was not meant: revoke the account's sessions and sharing links".into(),
            ],
        }
    }
}

fn amount(measure: u8, count: u64) -> String {
    if measure % 2 == 1 {
        bytes_text(count)
    } else {
        format!("{count} files")
    }
}

/// `1.2 GB`, decimal.
pub(super) fn bytes_text(bytes: u64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while 1000.0 <= value && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} bytes")
    } else {
        format!("{value:.1} {}", units[unit])
    }
}
