//! Flags: passwords that are tried: by an address, on a person, all over the company. Why: one of them will be
//! right. Method: failures in sliding windows. Blind to: guesses that look like a person's own mistakes.
//!
//! Invariant: whom a day is about is settled by its first event; each of the three parts merges in any order.

mod address;
mod company;
mod person;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entry, Page, Param};
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, Runner, Subjects, Theirs};
use crate::event::{Activity, Method, Outcome, Reason, Row};
use crate::evidence::EventRef;
use crate::model::familiar::Familiar;
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "password_guessing",
    activities: &[Activity::Login, Activity::MfaChallenge],
    attack: &["T1110.001", "T1110.003", "T1110.004"],
    family: "access",
    needs: &[&["user"], &["outcome"]],
    params: &[
        Param {
            name: "spray_users",
            default: 5.0,
            unit: "count",
            help: "users whose passwords one address must try within an hour",
        },
        Param {
            name: "spray_failures",
            default: 15.0,
            unit: "count",
            help: "failures of one address within an hour, at most 8 counted for each user",
        },
        Param {
            name: "user_failures",
            default: 10.0,
            unit: "count",
            help: "failures of one user within 10 minutes",
        },
        Param {
            name: "distributed_users",
            default: 8.0,
            unit: "count",
            help: "users whose passwords are tried within 15 minutes, all over the company",
        },
        Param {
            name: "distributed_addresses",
            default: 5.0,
            unit: "count",
            help: "addresses that this must come from",
        },
        Param {
            name: "slow_users",
            default: 8.0,
            unit: "count",
            help: "users who fail within a day from networks that the company has never logged in from",
        },
    ],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "spray: an address that fails for many users; brute force: many failures of one user; distributed: many users and many addresses at once; low and slow: many users in a day from networks that nobody in the company uses",
        why: "of a thousand accounts one has a weak or leaked password, and whoever tries them all finds it",
        method: "structure: failed logins of people in sliding windows that do not cross midnight: an hour and a quarter of an hour in steps of five minutes, ten minutes to the millisecond. Spray: 5 users and 15 failures in an hour, at most 8 counted for each (and 3 times the most users that failed in an hour at this address on earlier days, fading by a sixteenth a day), low, medium from four times that. Then whoever logs in from there, and has not before, or whose password was right though another control held, is told by name, high. At an address where 5 or more people usually log in nobody is told by name; where that many do so on its first day and more got in than failed, it is muted as shared_address. Brute force: 10 failures in 10 minutes; low, medium from networks that are new to the user, high when a login or a right password from such a network follows; muted as own_network when all came from networks that the user knows: an old password in a phone. Distributed: 8 users from 5 addresses in 15 minutes (24 in the first week, later also twice the company's own most), medium, each user counted once. These are eager. Low and slow: 8 users, and 3 times the company's own most, after a week, medium. Sealed, this one. Failures of unknown and disabled accounts, of controls behind a right password, and of services are not counted",
        blind_to: "guesses slower than a few users a day; more than 1,024 users at one address and 512 failures of one user, which are read as enough; sources that report no failures",
        fields: "time, user, outcome, reason, ip, asn or country, network, method, interactive",
        example: "203.0.113.7 failed for 7 users 19 times in 40 minutes; then bo@example.com logged in from there at 03:12",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(PasswordGuessing::new(world)), lag))
    },
};

/// The detector with its parameters.
pub struct PasswordGuessing {
    spray_users: u32,
    spray_failures: u32,
    user_failures: usize,
    distributed_users: u32,
    distributed_addresses: u64,
    slow_users: u32,
}

impl PasswordGuessing {
    fn new(world: &World) -> Self {
        let count = |name: &str| (world.param(&ENTRY, name) as u32).max(1);
        PasswordGuessing {
            spray_users: count("spray_users"),
            spray_failures: count("spray_failures"),
            user_failures: count("user_failures") as usize,
            distributed_users: count("distributed_users"),
            distributed_addresses: count("distributed_addresses").into(),
            slow_users: count("slow_users"),
        }
    }
}

/// What a login tells of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// It was wrong, as far as one can tell.
    Wrong,
    /// It was right, and something else held.
    Held,
    /// It was right.
    In,
}

/// What a row tells, if anything.
fn try_of(row: &Row<'_>) -> Option<Try> {
    // Programs that renew a token fail and succeed without a password.
    let is_typed = row.interactive() != Some(false) || row.method() == Some(Method::Legacy);
    let is_held = held_by(row.reason());
    if row.activity() == Activity::MfaChallenge {
        // Who is asked for a second factor has given the first.
        return (is_held && row.outcome() == Outcome::Failure).then_some(Try::Held);
    }
    match (row.outcome(), row.reason()) {
        (Outcome::Success, _) => {
            let has_password = is_typed && row.method() != Some(Method::Token);
            has_password.then_some(Try::In)
        }
        (Outcome::Failure, Some(Reason::BadPassword | Reason::Locked | Reason::Leaked)) => {
            Some(Try::Wrong)
        }
        // Interrupted is not failed, but the password was right.
        (Outcome::Failure | Outcome::Unknown, _) if is_held => Some(Try::Held),
        (Outcome::Failure, Some(Reason::UnknownUser | Reason::DisabledAccount)) => None,
        (Outcome::Failure, _) => is_typed.then_some(Try::Wrong),
        (Outcome::Unknown, _) => None,
    }
}

/// Whether something other than the password held.
fn held_by(reason: Option<Reason>) -> bool {
    matches!(
        reason,
        Some(
            Reason::ExpiredPassword
                | Reason::MfaRequired
                | Reason::MfaDenied
                | Reason::MfaTimeout
                | Reason::MfaFailed
                | Reason::Blocked
                | Reason::Fraud
        )
    )
}

/// One day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    part: Part,
    /// Changes since the day was read back.
    #[serde(skip)]
    changes: u32,
}

/// Whom the day is about.
#[derive(Debug, Default, Serialize, Deserialize)]
enum Part {
    #[default]
    None,
    Person(Box<person::Tries>),
    Address(Box<address::Tries>),
    Company(Box<company::Tries>),
}

/// What closed days tell of a person, an address or the company.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Learned {
    days: u32,
    /// Networks that a person logs in from, people who log in from an address.
    known: Familiar,
    usual: [u32; 2],
}

/// What a closed day teaches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Taught {
    known: Vec<u32>,
    /// For an address: users that failed in the busiest hour, people who logged in. For the company: users that
    /// failed in the busiest quarter of an hour, and from new networks.
    usual: [u32; 2],
}

/// The most of the days so far, fading by a sixteenth a day.
fn fade(most: u32, today: u32) -> u32 {
    today.max(most - most.div_ceil(16))
}

impl Kind for PasswordGuessing {
    type Base = Learned;
    type Summary = Taught;
    type Open = Open;
    type Amount = Vec<Verdict>;
    type Bars = u32;

    const STATISTICAL: bool = false;
    const SUBJECTS: Subjects = Subjects {
        users: true,
        addresses: true,
        company: true,
    };

    fn wants(&self, row: &Row<'_>, _: Stream) -> bool {
        matches!(Stream::of(row.kind()), Stream::Person | Stream::Shared)
            && row.user().is_some()
            && try_of(row).is_some()
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let Some(what) = try_of(&event.row) else {
            return;
        };
        open.changes += 1;
        if let Part::None = open.part {
            open.part = match event.stream {
                Stream::Company => Part::Company(Box::default()),
                Stream::Address => Part::Address(Box::default()),
                _ => Part::Person(Box::default()),
            };
        }
        match &mut open.part {
            Part::None => {}
            Part::Person(tries) => tries.add(what, event),
            Part::Address(tries) => tries.add(what, event),
            Part::Company(tries) => tries.add(what, event),
        }
    }

    fn merge(&self, open: &mut Open, other: Open) {
        open.changes += 1;
        match (&mut open.part, other.part) {
            (Part::Company(mine), Part::Company(theirs)) => mine.merge(*theirs),
            (mine @ Part::None, theirs) => *mine = theirs,
            _ => {}
        }
    }

    fn evidence(&self, open: &Open) -> Vec<EventRef> {
        match &open.part {
            Part::Person(tries) => tries.evidence(),
            _ => Vec::new(),
        }
    }

    fn erase(&self, open: &mut Open, theirs: &Theirs<'_>) -> usize {
        match &mut open.part {
            Part::Address(tries) => tries.erase(theirs),
            Part::Company(tries) => tries.erase(theirs),
            _ => 0,
        }
    }

    fn fold(&self, base: &mut Learned, day: Day, taught: &Taught) {
        base.days += 1;
        base.known.fold(day, taught.known.iter().copied());
        for (most, today) in base.usual.iter_mut().zip(taught.usual) {
            *most = fade(*most, today);
        }
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<Verdict> {
        match &judged.open.part {
            Part::None => Vec::new(),
            Part::Person(tries) => self.judge_person(tries, judged),
            Part::Address(tries) => self.judge_address(tries, judged),
            Part::Company(tries) => self.distributed(tries, judged).into_iter().collect(),
        }
    }

    fn score(&self, _: &Vec<Verdict>) -> u32 {
        0
    }

    fn verdicts(&self, _: &Judged<'_, Self>, said: &Vec<Verdict>) -> Vec<Verdict> {
        said.clone()
    }

    fn sealed_verdicts(
        &self,
        judged: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        _: &Vec<Verdict>,
    ) -> Vec<Verdict> {
        match &judged.open.part {
            Part::Company(tries) => self.low_and_slow(tries, judged).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn bars(&self, judged: &Judged<'_, Self>, _: &Vec<Verdict>) -> u32 {
        judged.open.changes
    }

    fn reaches(&self, open: &Open, bars: &u32) -> bool {
        let may_fire = match &open.part {
            Part::None => false,
            Part::Person(tries) => tries.has_failures(),
            Part::Address(tries) => tries.has_failures(),
            Part::Company(_) => true,
        };
        open.changes != *bars && may_fire
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        said: Vec<Verdict>,
        parts: &mut Parts,
    ) -> Taught {
        match &judged.open.part {
            Part::None => Taught::default(),
            Part::Person(tries) => tries.close(judged, &said, parts),
            Part::Address(tries) => self.close_address(tries, judged, &said),
            Part::Company(tries) => self.close_company(tries, judged),
        }
    }
}
