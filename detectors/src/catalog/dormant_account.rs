//! Flags: an account that wakes up after months. Why: nobody would miss it. Method: days since it was last
//! used. Blind to: accounts whose last use nobody knows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entry, Page, Param, Step, phrase};
use crate::alert::Severity;
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, Runner};
use crate::event::{Activity, Outcome, Row};
use crate::evidence::{EventRef, First};
use crate::time::{Day, day_text};
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "dormant_account",
    activities: Activity::ALL,
    attack: &["T1078"],
    family: "access",
    needs: &[&["user"]],
    params: &[
        Param {
            name: "silent_days",
            default: 90.0,
            unit: "days",
            help: "an account that was silent for less never alerts",
        },
        Param {
            name: "silent_days_admin",
            default: 60.0,
            unit: "days",
            help: "the same for administrators",
        },
    ],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "a success of an account of a person that did nothing for 90 days, 60 for administrators",
        why: "accounts that nobody uses are watched by nobody: old passwords, no second factor, and no owner who wonders",
        method: "policy: days since the last day on which anything succeeded, token refreshes included, by the account's own closed days or the directory's last_sign_in, whichever is later. An account of which neither tells is new, not dormant. Medium, high for administrators; muted when the directory says that the person was absent until two weeks before. The silence is told once: a day later it is a repeat. Eager",
        blind_to: "the first 90 days, unless the directory has last_sign_in; accounts that are kept warm",
        fields: "time, user, outcome, is_admin; directory: last_sign_in, absent, admin",
        example: "kim@example.com was used after 143 days of silence (last on 2025-10-10), first from 203.0.113.7 (BR)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(DormantAccount::new(world)), lag))
    },
};

/// Days after an absence within which a return is one.
const RETURN_DAYS: Day = 14;

/// The detector with its parameters.
pub struct DormantAccount {
    silent_days: Day,
    silent_days_admin: Day,
}

/// What closed days tell of an account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Learned {
    last: Option<Day>,
    days: u32,
}

/// One account's day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    /// The first thing that succeeded, and where.
    first: Option<(First, Box<str>)>,
    is_admin: bool,
}

impl DormantAccount {
    fn new(world: &World) -> Self {
        DormantAccount {
            silent_days: world.param(&ENTRY, "silent_days") as Day,
            silent_days_admin: world.param(&ENTRY, "silent_days_admin") as Day,
        }
    }
}

fn place_of(row: &Row<'_>) -> Box<str> {
    match (row.ip(), row.country()) {
        (Some(ip), Some(country)) => format!("{ip} ({country})").into(),
        (ip, country) => ip.or(country).unwrap_or_default().into(),
    }
}

impl Kind for DormantAccount {
    type Base = Learned;
    type Summary = ();
    type Open = Open;
    type Amount = Option<Verdict>;
    /// Whether it was known to be an administrator's.
    type Bars = bool;

    const STATISTICAL: bool = false;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream == Stream::Person && row.outcome() == Outcome::Success
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let row = event.row;
        open.is_admin = open.is_admin || row.is_admin() == Some(true);
        match &mut open.first {
            None => open.first = Some((First::of(event), place_of(&row))),
            Some((first, place)) => {
                if first.add(event) {
                    *place = place_of(&row);
                }
            }
        }
    }

    fn evidence(&self, open: &Open) -> Vec<EventRef> {
        let first = open.first.iter();
        first.map(|(first, _)| first.event.clone()).collect()
    }

    fn fold(&self, base: &mut Learned, day: Day, (): &()) {
        base.last = Some(day);
        base.days += 1;
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Option<Verdict> {
        let (base, open, on) = (judged.base, judged.open, judged.on);
        let (name, day) = (&on.who.name, on.frozen.day);
        let person = on.world.person(name);
        let (first, place) = open.first.as_ref()?;
        let listed = person.and_then(|person| person.last_sign_in);
        // A directory of today does not tell what was before.
        let listed = listed.filter(|listed| *listed < day);
        let last = base.last.max(listed)?;
        let is_admin = open.is_admin || person.is_some_and(|person| person.admin);
        let enough = if is_admin {
            self.silent_days_admin
        } else {
            self.silent_days
        };
        let silence = day - last;
        if silence < enough {
            return None;
        }
        let severity = if is_admin {
            Severity::High
        } else {
            Severity::Medium
        };
        let is_return = |(from, to): &(Day, Day)| *from < day && day - RETURN_DAYS <= *to;
        let absence = person.filter(|person| person.absent.iter().any(is_return));
        let time = first.event.time;
        let place = if place.is_empty() {
            "an unknown address"
        } else {
            place
        };
        Some(Verdict {
            value: day_text(last),
            overlay: absence.map(|_| ("muted", "absence", "directory".to_owned())),
            summary: format!(
                "{name} was used after {silence} days of silence (last on {}), first from {place}",
                day_text(last)
            ),
            observed: f64::from(silence),
            expected: f64::from(enough),
            baseline: if listed == Some(last) {
                "policy"
            } else {
                "own"
            },
            days: base.days,
            evidence: vec![first.event.clone()],
            next_steps: vec![
                format!(
                    "ask {name} or the manager whether the account is still needed and who used it"
                )
                .into(),
                "if nobody knows, do the next step, and look at what was done since".into(),
                Step::Disable(name.to_string()),
            ],
            quiet: format!(
                "{} of silence or fewer (used again by {}), or an absence in the directory that ended within {RETURN_DAYS} days",
                phrase::count(u64::from((enough - 1).unsigned_abs()), "day"),
                day_text(last + enough - 1)
            ),
            ..Verdict::of(severity, "own", (time, time), first.count)
        })
    }

    fn score(&self, _: &Option<Verdict>) -> u32 {
        0
    }

    fn verdicts(&self, _: &Judged<'_, Self>, said: &Option<Verdict>) -> Vec<Verdict> {
        said.iter().cloned().collect()
    }

    fn bars(&self, judged: &Judged<'_, Self>, _: &Option<Verdict>) -> bool {
        judged.open.is_admin
    }

    fn reaches(&self, open: &Open, bars: &bool) -> bool {
        open.is_admin != *bars
    }

    fn close(&self, _: &Judged<'_, Self>, _: Latest<'_, Self>, _: Option<Verdict>, _: &mut Parts) {}
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{MONDAY, alerts, at, event, said, settings, with_person};
    use super::*;
    use crate::directory::Person;
    use crate::event::Draft;

    #[test]
    fn a_silence_is_told_once() {
        let rows: Vec<_> = [0, 1, 91, 92]
            .map(|day| event("kim", Activity::AiUse, at(day, 600)))
            .into();
        let got = said(settings(ENTRY.name), &rows);
        let repeat = Some("repeat".to_owned());
        assert_eq!(got, [(Severity::Medium, None), (Severity::Medium, repeat)]);
    }

    /// A program that renews a token uses the account.
    #[test]
    fn quiet_use_is_use() {
        let renewed = Draft {
            interactive: Some(false),
            ..event("kim", Activity::Login, at(50, 600))
        };
        let woken = |day| event("kim", Activity::Login, at(day, 600));
        let rows = [woken(0), renewed, woken(100)];
        assert_eq!(said(settings(ENTRY.name), &rows), []);
    }

    #[test]
    fn what_nobody_knows_is_new_not_dormant() {
        let rows = [event("kim", Activity::Login, at(5, 600))];
        assert_eq!(said(settings(ENTRY.name), &rows), []);
        let listed = Person {
            last_sign_in: Some(MONDAY - 65),
            admin: true,
            ..Person::default()
        };
        let got = alerts(with_person(ENTRY.name, "kim", listed), &rows);
        assert_eq!(got[0].severity, Severity::High);
        assert!(got[0].summary.contains("after 70 days of silence"));
    }

    #[test]
    fn parents_come_back() {
        let person = Person {
            absent: vec![(MONDAY + 2, MONDAY + 115)],
            ..Person::default()
        };
        let rows = [
            event("kim", Activity::Login, at(0, 600)),
            event("kim", Activity::Login, at(120, 600)),
        ];
        let got = said(with_person(ENTRY.name, "kim", person), &rows);
        assert_eq!(got, [(Severity::Medium, Some("absence".to_owned()))]);
    }
}
