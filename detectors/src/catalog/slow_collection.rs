//! Flags: files that somebody had never touched before, a few more every day for weeks. Why: whoever knows
//! that bursts are seen goes slowly. Method: a one-sided CUSUM, calibrated by rank. Blind to: files that
//! were all opened before.

mod touched;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::touched::{Past, Touched};
use super::{Entry, Page, Param, phrase};
use crate::alert::Severity;
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, Runner};
use crate::event::{Activity, Outcome, Row};
use crate::evidence::{EventRef, Refs, Sample, gather};
use crate::model::slow::{Slow, slow_score};
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "slow_collection",
    activities: &[Activity::Download],
    attack: &["T1530", "T1213"],
    family: "volume",
    needs: &[&["user"], &["object"]],
    params: &[
        Param {
            name: "min_objects",
            default: 25.0,
            unit: "count",
            help: "fewer new files above the reference, summed over the days, never alert",
        },
        Param {
            name: "untested_level",
            default: 31.0,
            unit: "days",
            help: "ordinary days above the reference that are needed where the company's history cannot tell yet how rare they are",
        },
    ],
    statistical: true,
    share: 0.1,
    page: Page {
        flags: "files that a person had never touched before, somewhat more than usual for weeks, without any day that stands out",
        why: "whoever knows that bursts are seen takes a little every day; only the sum shows it",
        method: "one-sided CUSUM (Page 1954) over the files of a day that the person had not touched among the last five hundred or so (a Bloom filter in two generations, corrected for its errors; from 16 files a day on it is all of a sample of them, so that it reaches further back): each day winsorised at three ordinary days, the reference is one and a half ordinary days and one; an ordinary day is the geometric mean of the days four weeks ago and more (from 5 active days). The score is 1000 log2(1 + level in ordinary days), in steps of 500, calibrated by rank in the company's history; where that has no tail yet, a level of `untested_level` is needed. Sync clients on managed devices are left out. Sealed",
        blind_to: "the first five weeks of a person; files opened before; services and agents; sources that name no files",
        fields: "time, user, object, interactive, device_managed",
        example: "ana@example.com has taken files that were new to this account faster than usual for weeks: 56 above what is usual have added up (no day counts more than threefold), 12 of this day, usual are about 2 (94 days known)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(SlowCollection::new(world)), lag))
    },
};

/// Scores go in steps, so that a sum that creeps up is not news every day.
const STEP: u32 = 500;

/// The detector with its parameters.
struct SlowCollection {
    min_objects: i64,
    /// Score that is needed where too few are known to tell a rare one.
    untested: u32,
}

/// What closed days taught.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Learned {
    past: Past,
    slow: Slow,
    days: u32,
}

/// One day.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Taken {
    touched: Touched,
    refs: Refs,
    sample: Sample,
}

/// What a day amounts to.
struct Amount {
    new: u64,
    usual: Option<u64>,
    level: i64,
    score: u32,
}

impl SlowCollection {
    fn new(world: &World) -> Self {
        SlowCollection {
            min_objects: world.param(&ENTRY, "min_objects") as i64,
            untested: slow_score(world.param(&ENTRY, "untested_level") as i64, 1),
        }
    }
}

impl SlowCollection {
    fn score_of(&self, level: i64, usual: u64) -> u32 {
        if level < self.min_objects {
            return 0;
        }
        slow_score(level, usual) / STEP * STEP
    }

    /// The highest level that does not alert.
    fn quiet_level(&self, usual: u64, needed: u32) -> u64 {
        let (mut quiet, mut loud) = (0, i64::from(u32::MAX));
        while quiet + 1 < loud {
            let middle = quiet + (loud - quiet) / 2;
            let score = self.score_of(middle, usual);
            if score == 0 || score < needed {
                quiet = middle;
            } else {
                loud = middle;
            }
        }
        quiet.unsigned_abs()
    }
}

impl Kind for SlowCollection {
    type Base = Learned;
    type Summary = Touched;
    type Open = Taken;
    type Amount = Amount;
    type Bars = ();

    const SEALED: bool = true;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        let synced = row.interactive() == Some(false) && row.device_managed() != Some(false);
        matches!(stream, Stream::Person | Stream::Shared)
            && row.outcome() != Outcome::Failure
            && row.object().is_some()
            && !synced
    }

    fn observe(&self, open: &mut Taken, event: &Event<'_>) {
        let Some(object) = event.row.object() else {
            return;
        };
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(object.as_bytes(), event.world.seed);
        open.touched.insert(hash);
        open.sample.add(&mut open.refs, event);
    }

    fn evidence(&self, open: &Taken) -> Vec<EventRef> {
        gather(&open.refs, [[&open.sample]], usize::MAX)
    }

    fn fold(&self, base: &mut Learned, day: Day, touched: &Touched) {
        base.slow.step(day, base.past.new_among(touched));
        base.past.learn(touched);
        base.days += 1;
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Amount {
        let (base, day) = (judged.base, judged.on.frozen.day);
        let new = base.past.new_among(&judged.open.touched);
        let mut slow = base.slow.clone();
        slow.step(day, new);
        let usual = slow.usual(day);
        let level = slow.level();
        Amount {
            new,
            usual,
            level,
            score: usual.map_or(0, |usual| self.score_of(level, usual)),
        }
    }

    fn score(&self, amount: &Amount) -> u32 {
        amount.score
    }

    fn verdicts(&self, judged: &Judged<'_, Self>, amount: &Amount) -> Vec<Verdict> {
        let (on, open) = (judged.on, judged.open);
        let (Some(judge), Some(usual)) = (on.judge(), amount.usual) else {
            return Vec::new();
        };
        let needed = if judge.has_tail() {
            judge.needed
        } else {
            self.untested
        };
        if amount.score == 0 || amount.score < needed {
            return Vec::new();
        }
        let severity = if needed + 1500 <= amount.score {
            Severity::High
        } else {
            Severity::Medium
        };
        let name = &on.who.name;
        let span = (open.sample.first(&open.refs), open.sample.last(&open.refs));
        vec![Verdict {
            surprise: Some(amount.score),
            summary: format!(
                "{name} has taken files that were new to this account faster than usual for weeks: {} above what is usual have added up (no day counts more than threefold), {} of this day, usual are about {usual} ({})",
                phrase::grouped(amount.level.unsigned_abs()),
                amount.new,
                phrase::days_known(judged.base.days)
            ),
            observed: amount.level as f64,
            approximate: true,
            expected: usual as f64,
            days: judged.base.days,
            detected_at: on.world.calendar.end(on.frozen.day),
            evidence: gather(&open.refs, [[&open.sample]], 12),
            next_steps: vec![
                format!("ask the manager whether {name} has a new task that needs these files")
                    .into(),
                "look at which folders the files are from, and at the weeks before".into(),
                "check the other signs of leaving: exports, forwarding, private devices".into(),
            ],
            quiet: format!(
                "{} or fewer above what is usual, added up over the weeks",
                phrase::count(self.quiet_level(usual, needed), "new file"),
            ),
            history: judged.base.slow.last_days(),
            ..Verdict::of(severity, "own", span, u64::from(open.sample.count))
        }]
    }

    fn bars(&self, _: &Judged<'_, Self>, _: &Amount) {}

    fn reaches(&self, _: &Taken, (): &()) -> bool {
        true
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        _: Amount,
        _: &mut Parts,
    ) -> Touched {
        judged.open.touched.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::trial;
    use super::*;
    use crate::event::Draft;

    fn took<'a>(user: &'a str, object: &'a str) -> Draft<'a> {
        Draft {
            activity: Some(Activity::Download),
            outcome: Some(Outcome::Success),
            user: Some(user),
            object: Some(object),
            ..Draft::default()
        }
    }

    /// Ten files a day, two of them new; from day 60 on one of them takes twelve new ones a day.
    #[test]
    fn a_slow_thief_is_found_and_the_steady_are_not() {
        let mut trial = trial("slow_collection");
        for day in 0..100 {
            for user in ["ana", "ben", "cem"] {
                let new = if user == "ana" && 60 <= day { 12 } else { 2 };
                for n in 0..8 {
                    trial.add(day, 540 + n, took(user, &format!("{user} common {n}")));
                }
                for n in 0..new {
                    trial.add(day, 600 + n, took(user, &format!("{user} {day} {n}")));
                }
            }
        }
        let alerts = trial.end();
        let shown: Vec<_> = alerts.iter().filter(|alert| !alert.is_muted()).collect();
        assert!(!shown.is_empty() && shown.len() < 6, "{}", shown.len());
        assert!(shown.iter().all(|alert| alert.entity.id == "ana"));
    }

    /// One huge day is for mass_download; a sync client is no collector.
    #[test]
    fn one_burst_and_a_sync_client_are_not_slow() {
        let mut trial = trial("slow_collection");
        for day in 0..70 {
            let files = if day == 60 { 400 } else { 6 };
            for n in 0..files {
                trial.add(day, 540, took("ana", &format!("{day} {n}")));
                let synced = Draft {
                    interactive: Some(false),
                    ..took("ben", "synced")
                };
                trial.add(day, 541, synced);
            }
        }
        assert_eq!(trial.severities(), []);
    }
}
