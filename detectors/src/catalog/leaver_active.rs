//! Flags: anything done by an account after its owner has left. Why: accounts that outlive their people
//! are the easiest to steal. Method: the directory's leave date. Blind to: accounts the directory does not list.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rule::{Case, Rule, Ruled, Sign};
use super::{Entry, Page, Step, phrase};
use crate::alert::Severity;
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Outcome, Row};
use crate::time::{Day, day_text};
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "leaver_active",
    activities: Activity::ALL,
    attack: &["T1078"],
    family: "access",
    needs: &[&["user"]],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "anything that succeeds in the name of somebody whose last day at work has passed",
        why: "an account that outlives its owner is watched by nobody, and whoever left may still know its password",
        method: "policy: the day of the event is after `leaves` in the directory. High; one alert a day. Eager",
        blind_to: "accounts that the directory does not list, or lists without `leaves`; rows whose outcome is a failure",
        fields: "time, user, activity, outcome; directory: leaves",
        example: "kim@example.com, whose last day was 2026-03-01, was active on 2026-03-09, 8 days later: 14 events, downloads among them, from 203.0.113.7",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(Ruled(LeaverActive::new(world))), lag))
    },
};

/// The rule; it has no parameters.
pub struct LeaverActive {
    /// Last day at work of whoever has one.
    leavers: BTreeMap<String, Day>,
}

impl LeaverActive {
    fn new(world: &World) -> Self {
        let people = world.settings.directory.people.iter();
        let leavers = people.filter_map(|(name, person)| Some((name.clone(), person.leaves?)));
        LeaverActive {
            leavers: leavers.collect(),
        }
    }
}

/// Marks: something was taken out of a service.
const DOWNLOADED: u16 = 1;

impl Rule for LeaverActive {
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream == Stream::Person
            && row.outcome() != Outcome::Failure
            && row
                .user()
                .is_some_and(|user| self.leavers.contains_key(user))
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        let leaves = *self.leavers.get(event.user)?;
        let took = event.row.activity() == Activity::Download;
        let marks = if took { DOWNLOADED } else { 0 };
        (leaves < event.day).then(|| Sign {
            marks,
            ..Sign::default()
        })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let name = &case.on.who.name;
        let leaves = *self.leavers.get(&**name)?;
        let finding = case.finding;
        let took = if finding.has(DOWNLOADED) {
            ", downloads among them"
        } else {
            ""
        };
        Some(Verdict {
            summary: format!(
                "{name}, whose last day was {}, was active on {}, {} later: {}{took}{}",
                day_text(leaves),
                day_text(case.on.frozen.day),
                phrase::count(
                    u64::from((case.on.frozen.day - leaves).unsigned_abs()),
                    "day"
                ),
                case.count("event"),
                case.from(", "),
            ),
            also: case.also(),
            next_steps: vec![
                Step::Disable(name.to_string()),
                "ask the manager whether the leave date in the directory is right".into(),
            ],
            quiet: format!(
                "no activity after {}, or a later last day (`leaves`) in the directory",
                day_text(leaves)
            ),
            ..case.verdict(Severity::High)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{MONDAY, at, event, said, settings, with_person};
    use super::*;
    use crate::directory::Person;
    use crate::event::{Draft, Kind};

    #[test]
    fn a_leaver_is_told_from_the_day_after() {
        let left = Person {
            leaves: Some(MONDAY),
            ..Person::default()
        };
        let refused = Draft {
            outcome: Some(Outcome::Failure),
            ..event("kim", Activity::Login, at(1, 500))
        };
        let rows = [
            event("kim", Activity::Login, at(0, 500)),
            refused,
            event("kim", Activity::Download, at(2, 500)),
            event("ana", Activity::Download, at(2, 500)),
        ];
        let got = said(with_person(ENTRY.name, "kim", left), &rows);
        assert_eq!(got, [(Severity::High, None)]);
        assert_eq!(said(settings(ENTRY.name), &rows), []);
    }

    /// An account that was handed over to a robot is not its owner any more.
    #[test]
    fn robots_do_not_leave() {
        let left = Person {
            leaves: Some(MONDAY),
            ..Person::default()
        };
        let rows = [Draft {
            kind: Some(Kind::Service),
            ..event("kim", Activity::Download, at(2, 500))
        }];
        assert_eq!(said(with_person(ENTRY.name, "kim", left), &rows), []);
    }
}
