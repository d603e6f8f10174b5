//! Flags: standing weaknesses. Why: each makes the next attack easier. Method: counts by week, one
//! finding a month. Blind to: what no log tells.

mod book;

use book::{Account, Mark, Noted};
pub use book::{Posture, Standing, Weakness};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entry, Page, Param, phrase};
use crate::alert::{Class, Entity, Severity};
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, On, Runner, Subjects, Theirs};
use crate::event::{Activity, Kind as PrincipalKind, Method, Outcome, Row};
use crate::evidence::{Refs, Sample, gather};
use crate::model::familiar::mark_of;
use crate::policy::ToolStatus;
use crate::shard::route_of;
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "posture",
    activities: &[
        Activity::Login,
        Activity::Download,
        Activity::AiUse,
        Activity::RoleGrant,
        Activity::AppConsent,
        Activity::AccountChange,
        Activity::AuditChange,
        Activity::MfaChange,
    ],
    attack: &[],
    family: "access",
    needs: &[&["user"]],
    params: &[
        Param {
            name: "unused_days",
            default: 30.0,
            unit: "days",
            help: "administrative rights that were not used for so long are told",
        },
        Param {
            name: "dormant_days",
            default: 90.0,
            unit: "days",
            help: "listed people without any activity for so long are told",
        },
    ],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "standing weaknesses, once a month each: logins without a second factor by application, administrative rights that nobody used, applications with broad consents, logins from unmanaged devices, dormant accounts, AI tools without a status",
        why: "zero trust is a state to be kept: what is weak today is where tomorrow's attack goes through",
        method: "policy: counts by week over five weeks, people counted apart; told on the first day of a month on which it is seen, absences on the first day of the month with any event. Severity info, class posture, outside the budget. Sealed",
        blind_to: "what no log tells: a second factor that the vendor does not report is unknown, not absent; rights that were granted before the first event, unless the directory says admin; people whom the directory does not list",
        fields: "time, user, activity, outcome, mfa, device_managed, app, object, target_user, is_admin; directory: admin, and who is listed",
        example: "23 people logged in to vpn without a second factor 310 times in 5 weeks (58, 61, 66, 60, 65)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(PostureKind::new(world)), lag))
    },
};

/// People of one weakness and day that are told apart.
const PEOPLE_MAX: usize = 512;

/// The detector with its parameters.
pub struct PostureKind {
    unused_days: Day,
    dormant_days: Day,
    seed: u64,
    has_directory: bool,
}

impl PostureKind {
    fn new(world: &World) -> Self {
        PostureKind {
            unused_days: world.param(&ENTRY, "unused_days") as Day,
            dormant_days: world.param(&ENTRY, "dormant_days") as Day,
            seed: world.seed,
            has_directory: !world.settings.directory.people.is_empty(),
        }
    }

    /// The weakness that a row shows, and of what.
    fn weakness<'a>(&self, row: &Row<'a>, world: &World) -> Option<(Weakness, &'a str)> {
        let policy = &world.settings.policy;
        let is_person = Stream::of(row.kind()) == Stream::Person;
        match row.activity() {
            Activity::Login if is_person && row.interactive() != Some(false) => {
                let app = row.app().unwrap_or(row.source());
                if row.mfa() == Some(false) {
                    return Some((Weakness::LoginWithoutMfa, app));
                }
                (row.device_managed() == Some(false)).then_some((Weakness::UnmanagedDevice, app))
            }
            Activity::AiUse => {
                let tool = row.app()?;
                (policy.tool(tool) == ToolStatus::Unknown)
                    .then_some((Weakness::ToolWithoutStatus, tool))
            }
            Activity::AppConsent => {
                let (app, scopes) = (row.app()?, row.object()?);
                let is_own = policy.first_party_apps.contains(&app.to_lowercase());
                (!is_own && !policy.risky_scopes_of(scopes).is_empty())
                    .then_some((Weakness::BroadConsent, app))
            }
            _ => None,
        }
    }

    fn note_accounts(&self, open: &mut Open, event: &Event<'_>) {
        let (row, world) = (&event.row, event.world);
        if let Some(user) = row.user() {
            let is_listed = self.has_directory && world.person(user).is_some();
            let acts_as_admin = is_administration(row);
            if is_listed || acts_as_admin {
                let account = open.account(user);
                account.is_admin_use |= acts_as_admin;
                account.is_active = true;
            }
        }
        if row.activity() == Activity::RoleGrant
            && row.method() != Some(Method::Removed)
            && let (Some(target), Some(role)) = (row.target_user(), row.object())
            && world
                .settings
                .policy
                .role_tier(role)
                .is_some_and(|tier| tier <= 1)
        {
            open.account(target).is_granted = true;
        }
    }
}

/// Whether the actor used administrative rights.
fn is_administration(row: &Row<'_>) -> bool {
    let others = row
        .target_user()
        .is_some_and(|target| Some(target) != row.user());
    match row.activity() {
        Activity::RoleGrant | Activity::AuditChange => true,
        Activity::AccountChange | Activity::MfaChange => others,
        Activity::AppConsent => row.method() == Some(Method::Admin),
        _ => false,
    }
}

/// One day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    refs: Refs,
    seen: BTreeMap<(Weakness, Box<str>), (Noted, Sample)>,
    accounts: BTreeMap<Box<str>, Mark>,
}

impl Open {
    fn account(&mut self, user: &str) -> &mut Mark {
        if !self.accounts.contains_key(user) {
            self.accounts.insert(user.into(), Mark::default());
        }
        self.accounts
            .get_mut(user)
            .expect("it is there or was just made")
    }
}

/// What a closed day teaches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Taught {
    seen: Vec<(Weakness, Box<str>, Noted)>,
    accounts: Vec<(Box<str>, Mark)>,
}

impl Kind for PostureKind {
    type Base = Posture;
    type Summary = Taught;
    type Open = Open;
    type Amount = ();
    type Bars = ();

    const STATISTICAL: bool = false;
    const SUBJECTS: Subjects = Subjects::COMPANY;
    const SEALED: bool = true;

    fn wants(&self, row: &Row<'_>, _: Stream) -> bool {
        row.outcome() != Outcome::Failure
            && !matches!(
                row.kind(),
                Some(PrincipalKind::Service | PrincipalKind::Agent)
            )
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        self.note_accounts(open, event);
        let Some((weakness, subject)) = self.weakness(&event.row, event.world) else {
            return;
        };
        // A key of its own only for the first of its kind.
        let key = (weakness, Box::from(subject));
        let (noted, sample) = open.seen.entry(key).or_default();
        noted.count += event.row.count();
        if let Some(user) = event.row.user() {
            noted.people.insert(mark_of(self.seed, user));
            if PEOPLE_MAX < noted.people.len() {
                noted.people.pop_last();
            }
        }
        sample.add(&mut open.refs, event);
    }

    fn merge(&self, open: &mut Open, other: Open) {
        for (key, (theirs, their_sample)) in other.seen {
            let (noted, sample) = open.seen.entry(key).or_default();
            noted.count += theirs.count;
            noted.people.extend(theirs.people);
            while PEOPLE_MAX < noted.people.len() {
                noted.people.pop_last();
            }
            sample.merge(&mut open.refs, &their_sample, &other.refs);
        }
        for (user, theirs) in other.accounts {
            let mark = open.accounts.entry(user).or_default();
            mark.join(theirs);
        }
    }

    fn erase(&self, open: &mut Open, theirs: &Theirs<'_>) -> usize {
        let is_theirs = |user: &str| route_of(self.seed, user) == theirs.user;
        let before = open.accounts.len();
        open.accounts.retain(|user, _| !is_theirs(user));
        let refs = &mut open.refs;
        let samples = open.seen.values_mut();
        let erased: usize = samples.map(|(_, sample)| sample.erase(refs, theirs)).sum();
        erased + before - open.accounts.len()
    }

    fn erase_learned(
        &self,
        base: &mut Posture,
        pending: &mut [(Day, Taught)],
        theirs: &Theirs<'_>,
    ) -> usize {
        let is_theirs = |user: &str| route_of(self.seed, user) == theirs.user;
        let mut erased = base.forget(&is_theirs);
        for (_, taught) in pending {
            let before = taught.accounts.len();
            taught.accounts.retain(|(user, _)| !is_theirs(user));
            erased += before - taught.accounts.len();
        }
        erased
    }

    fn fold(&self, base: &mut Posture, day: Day, taught: &Taught) {
        for (weakness, subject, noted) in &taught.seen {
            base.note(day, *weakness, subject, noted);
        }
        for (user, mark) in &taught.accounts {
            base.note_account(day, user, *mark);
        }
        base.close(day);
    }

    fn amount(&self, _: &Judged<'_, Self>) {}

    fn score(&self, (): &()) -> u32 {
        0
    }

    fn verdicts(&self, _: &Judged<'_, Self>, (): &()) -> Vec<Verdict> {
        Vec::new()
    }

    fn sealed_verdicts(
        &self,
        judged: &Judged<'_, Self>,
        latest: Latest<'_, Self>,
        (): &(),
    ) -> Vec<Verdict> {
        let (open, on, day) = (judged.open, judged.on, judged.on.frozen.day);
        let mut before = latest.base.clone();
        for (day, taught) in latest.pending {
            self.fold(&mut before, *day, taught);
        }
        let mut book = before.clone();
        let mut said = Vec::new();
        for ((weakness, subject), (noted, sample)) in &open.seen {
            book.note(day, *weakness, subject, noted);
            if before.was_told(*weakness, subject, day) {
                continue;
            }
            let span = (sample.first(&open.refs), sample.last(&open.refs));
            let standing = book.standing(*weakness, subject, day);
            said.extend(standing.map(|standing| Verdict {
                evidence: gather(&open.refs, [[sample]], 12),
                ..standing.verdict(span, day)
            }));
        }
        if before
            .last_day()
            .is_none_or(|last| book::month(last) != book::month(day))
        {
            let start = on.world.calendar.start(day);
            let absences = self.absences(&book, on);
            said.extend(absences.iter().map(|s| s.verdict((start, start), day)));
        }
        said
    }

    fn bars(&self, _: &Judged<'_, Self>, (): &()) {}

    fn reaches(&self, _: &Open, (): &()) -> bool {
        true
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        (): (),
        _: &mut Parts,
    ) -> Taught {
        let open = judged.open;
        let seen = open.seen.iter();
        let accounts = open.accounts.iter();
        Taught {
            seen: seen
                .map(|((weakness, subject), (noted, _))| {
                    (*weakness, subject.clone(), noted.clone())
                })
                .collect(),
            accounts: accounts.map(|(user, mark)| (user.clone(), *mark)).collect(),
        }
    }
}

impl PostureKind {
    /// Rights that nobody used and accounts that nobody uses, as of a day.
    fn absences(&self, book: &Posture, on: On<'_>) -> Vec<Standing> {
        absences(
            book,
            on.world,
            on.frozen.day,
            self.unused_days,
            self.dormant_days,
        )
    }
}

/// Everything that stands on the last day that the book holds: what is seen, and what is absent.
pub fn standings(book: &Posture, world: &World) -> Vec<Standing> {
    let Some(day) = book.last_day() else {
        return Vec::new();
    };
    let param = |name: &str| world.param(&ENTRY, name) as Day;
    let mut all = book.standings(day);
    all.extend(absences(
        book,
        world,
        day,
        param("unused_days"),
        param("dormant_days"),
    ));
    all
}

fn absences(book: &Posture, world: &World, day: Day, unused: Day, dormant: Day) -> Vec<Standing> {
    let Some(first) = book.first_day() else {
        return Vec::new();
    };
    let directory = &world.settings.directory.people;
    let none = Account::default();
    let mut found = Vec::new();
    for (user, person) in directory {
        let account = book.account(user).unwrap_or(&none);
        let has_left = person.leaves.is_some_and(|leaves| leaves < day);
        let since = account.last_active.unwrap_or(first);
        if dormant <= day - since && !has_left {
            found.push(Standing::absence(Weakness::DormantAccount, user, since));
        }
    }
    let granted = book
        .accounts()
        .filter(|(_, account)| account.granted.is_some());
    let granted = granted.map(|(user, _)| user);
    let listed = directory.iter().filter(|(_, person)| person.admin);
    let listed = listed.map(|(user, _)| user.as_str());
    let admins: std::collections::BTreeSet<&str> = granted.chain(listed).collect();
    for user in admins {
        let account = book.account(user).unwrap_or(&none);
        let since = account.last_admin_use.max(account.granted).unwrap_or(first);
        if unused <= day - since {
            found.push(Standing::absence(Weakness::UnusedAdmin, user, since));
        }
    }
    found
}

impl Standing {
    fn verdict(&self, span: (i64, i64), day: Day) -> Verdict {
        let month = book::month(day);
        let is_absence = self.last.is_none();
        let absent = u64::from((day - self.since).unsigned_abs());
        Verdict {
            value: format!("{} {month}", self.weakness.as_str()),
            same_as: format!("{} {}", self.weakness.as_str(), self.subject),
            class: Class::Posture,
            about: Some(Entity {
                kind: self.weakness.subject_kind().into(),
                id: self.subject.clone(),
            }),
            summary: if is_absence {
                format!("{} ({})", self.summary(), phrase::count(absent, "day"))
            } else {
                self.summary()
            },
            observed: if is_absence {
                absent as f64
            } else {
                self.weeks.iter().sum::<u64>() as f64
            },
            history: self.weeks.iter().map(|n| *n as f64).collect(),
            next_steps: self.weakness.steps(&self.subject),
            quiet: self.weakness.quiet(&self.subject),
            ..Verdict::of(
                Severity::Info,
                "policy",
                span,
                self.weeks.last().copied().unwrap_or(0),
            )
        }
    }
}

#[cfg(test)]
mod tests;
