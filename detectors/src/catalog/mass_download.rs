//! Flags: far more files, or bytes, taken out in 10 minutes, an hour or a day than this principal
//! usually takes. Why: collection before a leak. Method: magnitude model over distinct objects and
//! bytes, sync apart. Blind to: slow collection below the daily habit; screenshots and views.

mod taken;

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};

use self::taken::{Smallest, Taken};
use super::volume::{self, Appraised, Bars, Crossing, Deed, Key, Learned, Reading, Taught};
use super::{Entry, Page, Param, Step, phrase};
use crate::alert::{Class, Severity};
use crate::company::Parts;
use crate::detector::{Answer, Detector, Event, Judged, Kind, Latest, On, Runner};
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
        method: "per user, measure and window length a moderated Student t (Smyth 2004) over log2 of the day's largest window, forward decay (Cormode et al. 2009) with a half-life of 28 days, weekday and weekend apart, shrunk to the peers; calibrated by rank in the company's history. An object counts once a window, in sets that merge (k minimum values, Bar-Yossef et al. 2002); which part was never taken before in the last two to four months is told from a sample of them, and changes nothing of the judgement; sync clients on managed devices are measured apart. The floor of 20 files is what an attack tool takes of secrets in one go; in two generated companies (150 people, 50 days) it showed 53 alerts where 25 showed 52. Eager",
        blind_to: "collection spread over many days within the daily habit; views and screenshots; sources without download events",
        fields: "time, user, activity, object (else the event id), bytes, interactive, device_managed",
        example: "ana@example.com downloaded 187 files in 10 minutes, about 90 % of them never taken before; usual for this account are about 6 files, for its peers 9 files (41 days known); 25 files or more alert",
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
/// Active days before files can be called new.
const TOUCHED_DAYS: u32 = 5;
/// Files of the thefts that are planted.
const PLANTED: [u64; 5] = [30, 100, 300, 1000, 3000];

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

/// What closed days taught.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Known {
    amounts: Learned,
    taken: Taken,
}

/// What one closed day teaches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Lesson {
    amounts: Taught,
    files: Smallest,
}

impl AsRef<Learned> for Known {
    fn as_ref(&self) -> &Learned {
        &self.amounts
    }
}

impl AsRef<Taught> for Lesson {
    fn as_ref(&self) -> &Taught {
        &self.amounts
    }
}

impl Kind for MassDownload {
    type Base = Known;
    type Summary = Lesson;
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

    fn fold(&self, base: &mut Known, day: Day, lesson: &Lesson) {
        base.amounts.fold(day, &lesson.amounts);
        base.taken.learn(day, &lesson.files);
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<Appraised> {
        let amounts = &judged.base.amounts;
        amounts.appraise(self.readings(judged.open), judged.on)
    }

    fn score(&self, amount: &Vec<Appraised>) -> u32 {
        volume::score(amount)
    }

    fn verdicts(&self, judged: &Judged<'_, Self>, amount: &Vec<Appraised>) -> Vec<Verdict> {
        let crossings = judged.base.amounts.crossings(amount, judged.on);
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

    /// So many files in ten minutes, by hand.
    fn plant(&self, base: &Known, on: On<'_>) -> Option<Answer> {
        let deed = Deed {
            measure: 0,
            floor: self.floors[0],
            windows: &|files| [files; Span::ALL.len()],
            repeats_as: MEASURES[0],
        };
        let thefts = PLANTED.map(|files| (files, format!("{files} files in 10 minutes")));
        Some(base.amounts.plant(&deed, thefts, on))
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        latest: Latest<'_, Self>,
        amount: Vec<Appraised>,
        parts: &mut Parts,
    ) -> Lesson {
        let pools = &judged.open.pools;
        let files = pools[0].day.count();
        let base = &judged.base.amounts;
        Lesson {
            amounts: base.close(latest, amount, files, judged.on, parts),
            files: pools.iter().flat_map(|pool| pool.day.hashes()).collect(),
        }
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
        known: &Known,
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
        let base = &known.amounts;
        let objects = pool.objects(*start, key.span);
        let expected = best.prediction.expected();
        let own = 1.0 <= best.own_days;
        let (what, verb) = (
            amount(key.measure, *count),
            if synced { "synced" } else { "downloaded" },
        );
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
                "{} {verb} {what} {}{}; usual {} ({}); {} or more alert",
                on.who.name,
                key.span.text(),
                never_touched(known, &objects),
                best.usual(|usual| amount(key.measure, usual)),
                phrase::days_known(base.days),
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
            approximate: key.measure % 2 == 0 && objects.is_approximate(),
            expected,
            baseline: if own { "own" } else { "peers" },
            days: base.days,
            history: base.history(),
            evidence: gather(&open.refs, samples().map(std::iter::once), EVIDENCE_MAX),
            next_steps: vec![
                format!("ask {} or the manager whether this was meant", on.who.name).into(),
                Step::LockOut(on.who.name.to_string()),
                "look at which folders the files are from, and whether they left the company"
                    .into(),
            ],
            quiet: volume::quiet(crossings, |key, limit| at_most(key.measure, limit)),
        }
    }
}

/// Which part of the files was new to the account, as part of a sentence.
fn never_touched(known: &Known, objects: &Distinct) -> String {
    if known.amounts.days < TOUCHED_DAYS {
        return String::new();
    }
    let Some(tenths) = known.taken.new_tenths(objects.hashes()) else {
        return String::new();
    };
    match tenths {
        0 => ", nearly all of them taken before".to_owned(),
        10.. => ", nearly all of them never taken before".to_owned(),
        _ => format!(", about {tenths}0 % of them never taken before"),
    }
}

fn amount(measure: u8, count: u64) -> String {
    match measure % 2 {
        1 => phrase::bytes(count),
        _ => phrase::count(count, "file"),
    }
}

/// An amount that is still quiet.
fn at_most(measure: u8, count: u64) -> String {
    let (noun, by) = if measure < 2 {
        ("file", "")
    } else {
        ("synced file", " synced")
    };
    match measure % 2 {
        1 => format!("{}{by} or less", phrase::bytes_at_most(count)),
        _ => format!("{} or fewer", phrase::count(count, noun)),
    }
}
