//! Rights that add up: per account a slow sum of the roles it was given.
//!
//! Invariant: of closed days hashes are kept, never names; an account that nothing was given costs nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ENTRY, gives};
use crate::alert::{Entity, Severity};
use crate::catalog::rule::Counted;
use crate::company::Parts;
use crate::detector::{Event, On, Theirs};
use crate::event::Row;
use crate::evidence::{Refs, Sample, gather};
use crate::model::familiar::{Familiar, mark_of};
use crate::shard::route_of;
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// Points of one are this many parts.
const PARTS: i64 = 1000;
/// A role below tier 0 that so many get on a day is provisioning.
const BULK: usize = 5;
/// Accounts, and roles of one, that a day may count; beyond, the largest names are left out.
const COUNTED_MAX: usize = 2048;
const ROLES_MAX: usize = 64;
/// Days of drained silence after which an account is forgotten.
const FORGOTTEN_DAYS: Day = 365;

/// The parameters.
pub(super) struct Growth {
    seed: u64,
    min_points: f64,
    /// Parts of a point a day.
    drain: i64,
    times_peers: f64,
    joiner_days: Day,
}

/// One day: whom was given what.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Given {
    refs: Refs,
    accounts: BTreeMap<Box<str>, Account>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Account {
    sample: Sample,
    /// Points by role.
    roles: BTreeMap<Box<str>, u8>,
}

/// What closed days gave each account, by the hash of its name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sums(BTreeMap<u32, Sum>);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Sum {
    first: Day,
    last: Day,
    /// In parts of a point, as of `last`.
    level: i64,
    roles: Familiar,
}

/// What a closed day gave: account, and its roles with their points.
pub type Lesson = Vec<(u32, Vec<(u32, u8)>)>;

impl Growth {
    pub(super) fn new(world: &World) -> Self {
        let param = |name| world.param(&ENTRY, name);
        Growth {
            seed: world.seed,
            min_points: param("min_points"),
            drain: (param("drain_per_30_days") * PARTS as f64 / 30.0) as i64,
            times_peers: param("times_peers"),
            joiner_days: param("joiner_days") as Day,
        }
    }

    fn level(&self, sum: &Sum, day: Day) -> i64 {
        (sum.level - self.drain * i64::from(day - sum.last)).max(0)
    }

    /// The roles of a day that are new to an account, and their points.
    fn gain(&self, sum: Option<&Sum>, day: Day, roles: &[(u32, u8)]) -> i64 {
        let is_new = |role: u32| sum.is_none_or(|sum| !sum.roles.knows(role, day));
        let points = roles.iter().filter(|(role, _)| is_new(*role));
        points.map(|(_, points)| PARTS * i64::from(*points)).sum()
    }

    /// The day's accounts, without what was given to many.
    fn lesson(&self, day: &Given) -> Lesson {
        let mut takers = BTreeMap::<&str, usize>::new();
        for role in day
            .accounts
            .values()
            .flat_map(|account| account.roles.keys())
        {
            *takers.entry(role).or_default() += 1;
        }
        let roles = |account: &Account| {
            let mut marked = BTreeSet::new();
            for (role, points) in &account.roles {
                if *points == points_of(Some(0)) || takers[&**role] < BULK {
                    marked.insert((mark_of(self.seed, role), *points));
                }
            }
            marked.into_iter().collect()
        };
        let accounts = day.accounts.iter();
        let lesson = accounts.map(|(name, account)| (mark_of(self.seed, name), roles(account)));
        lesson.collect()
    }
}

fn points_of(tier: Option<u8>) -> u8 {
    match tier {
        Some(0) => 8,
        Some(1) => 4,
        Some(2) => 2,
        _ => 1,
    }
}

impl Given {
    /// An account's day, unless there are too many with smaller names.
    fn at(&mut self, name: &str) -> Option<(&mut Account, &mut Refs)> {
        if !self.accounts.contains_key(name) {
            self.accounts.insert(name.into(), Account::default());
            if COUNTED_MAX < self.accounts.len() {
                self.accounts.pop_last();
            }
        }
        let account = self.accounts.get_mut(name)?;
        Some((account, &mut self.refs))
    }
}

impl Account {
    fn give(&mut self, role: &str, points: u8) {
        if !self.roles.contains_key(role) {
            self.roles.insert(role.into(), points);
            if ROLES_MAX < self.roles.len() {
                self.roles.pop_last();
            }
        }
    }
}

impl Counted for Growth {
    type Base = Sums;
    type Day = Given;
    type Lesson = Lesson;

    const OF_COMPANY: bool = true;

    fn wants(&self, row: &Row<'_>, _: Stream) -> bool {
        row.target_user().is_some() && gives(row)
    }

    fn add(&self, day: &mut Given, event: &Event<'_>) {
        let (Some(name), Some(role)) = (event.row.target_user(), event.row.object()) else {
            return;
        };
        let Some((account, refs)) = day.at(name) else {
            return;
        };
        let tier = event.world.settings.policy.role_tier(role);
        account.give(role, points_of(tier));
        account.sample.add(refs, event);
    }

    fn merge(&self, day: &mut Given, other: Given) {
        for (name, theirs) in &other.accounts {
            let Some((mine, refs)) = day.at(name) else {
                continue;
            };
            mine.sample.merge(refs, &theirs.sample, &other.refs);
            for (role, points) in &theirs.roles {
                mine.give(role, *points);
            }
        }
    }

    fn erase(&self, day: &mut Given, theirs: &Theirs<'_>) -> usize {
        let Given { refs, accounts } = day;
        let samples = accounts.values_mut().map(|account| &mut account.sample);
        let erased = samples.map(|sample| sample.erase(refs, theirs)).sum();
        accounts.retain(|name, _| route_of(self.seed, name) != theirs.user);
        erased
    }

    fn grown(&self, _: &Given) -> u64 {
        0 // nothing is said of it before the day is over
    }

    fn fold(&self, base: &mut Sums, day: Day, lesson: &Lesson) {
        for (account, roles) in lesson {
            let known = base.0.get(account);
            let level = known.map_or(0, |sum| self.level(sum, day));
            // An account that is being set up is given what its place needs.
            let is_joiner = known.is_none_or(|sum| day < sum.first + self.joiner_days);
            let gain = if is_joiner {
                0
            } else {
                self.gain(known, day, roles)
            };
            let sum = base.0.entry(*account).or_insert(Sum {
                first: day,
                ..Sum::default()
            });
            sum.level = level + gain;
            sum.last = day;
            sum.roles.fold(day, roles.iter().map(|(role, _)| *role));
        }
        base.0.retain(|_, sum| day - sum.last < FORGOTTEN_DAYS);
    }

    fn sealed(&self, base: &Sums, given: &Given, on: On<'_>) -> Vec<Verdict> {
        let day = on.frozen.day;
        let levels = base.0.values().map(|sum| self.level(sum, day));
        let (others, sum) = (base.0.len() as i64 - 1, levels.sum::<i64>());
        let mut said = Vec::new();
        for ((name, account), (mark, roles)) in given.accounts.iter().zip(self.lesson(given)) {
            let Some(known) = base.0.get(&mark) else {
                continue;
            };
            let hired = on.world.person(name).and_then(|person| person.hired);
            let since = hired.map_or(known.first, |hired| hired.max(known.first));
            if day < since + self.joiner_days {
                continue;
            }
            let (before, gain) = (self.level(known, day), self.gain(Some(known), day, &roles));
            let points = (before + gain) as f64 / PARTS as f64;
            let peers = (sum - before) as f64 / (others.max(1) * PARTS) as f64;
            let needed = self.min_points.max(self.times_peers * peers);
            if gain == 0 || points < needed {
                continue;
            }
            let severity = if 2.0 * needed <= points {
                Severity::High
            } else {
                Severity::Medium
            };
            said.push(verdict(
                name,
                account,
                given,
                (points, peers, needed),
                severity,
                on,
            ));
        }
        said
    }

    fn close(&self, _: &Sums, day: &Given, _: On<'_>, _: &mut Parts) -> Lesson {
        self.lesson(day)
    }
}

fn verdict(
    name: &str,
    account: &Account,
    given: &Given,
    (points, peers, needed): (f64, f64, f64),
    severity: Severity,
    on: On<'_>,
) -> Verdict {
    let span = (
        account.sample.first(&given.refs),
        account.sample.last(&given.refs),
    );
    let mut roles: Vec<&str> = account.roles.keys().map(|role| &**role).collect();
    roles.truncate(6);
    Verdict {
        value: "sum of rights".into(),
        about: Some(Entity {
            kind: "user".into(),
            id: name.to_owned(),
        }),
        summary: format!(
            "{name} was given {} on this day, and new rights have added up to {points:.1} points; the others who were given roles have {peers:.1} on average, {needed:.1} or more alert",
            roles.join(", "),
        ),
        observed: points,
        expected: peers,
        detected_at: on.world.calendar.end(on.frozen.day),
        evidence: gather(&given.refs, [[&account.sample]], 12),
        next_steps: vec![
            format!(
                "go through the roles of {name} with the manager, and take away what is not needed"
            )
            .into(),
            "look at who gave them: one requester behind many grants is a pattern of its own"
                .into(),
        ],
        quiet: format!(
            "rights that add up to less than {needed:.1} points: {:.1} fewer than now",
            points - needed
        ),
        ..Verdict::of(severity, "peers", span, u64::from(account.sample.count))
    }
}
