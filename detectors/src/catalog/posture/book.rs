//! What stands: weaknesses by week, and when each listed or privileged account was last used.
//!
//! Invariant: a function of the closed days that were folded; names of people only in `accounts`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::{Step, phrase};
use crate::time::{Day, day_text};

/// Weeks that are counted.
const WEEKS: usize = 5;

/// What is weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)] // the words say it
pub enum Weakness {
    LoginWithoutMfa,
    UnmanagedDevice,
    BroadConsent,
    ToolWithoutStatus,
    UnusedAdmin,
    DormantAccount,
}

impl Weakness {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Weakness::LoginWithoutMfa => "login_without_mfa",
            Weakness::UnmanagedDevice => "unmanaged_device",
            Weakness::BroadConsent => "broad_consent",
            Weakness::ToolWithoutStatus => "tool_without_status",
            Weakness::UnusedAdmin => "unused_admin",
            Weakness::DormantAccount => "dormant_account",
        }
    }

    /// What its subject is.
    pub fn subject_kind(self) -> &'static str {
        match self {
            Weakness::LoginWithoutMfa | Weakness::UnmanagedDevice | Weakness::BroadConsent => "app",
            Weakness::ToolWithoutStatus => "tool",
            Weakness::UnusedAdmin | Weakness::DormantAccount => "user",
        }
    }

    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Weakness::LoginWithoutMfa => {
                "require a second factor for this application at the identity provider"
            }
            Weakness::UnmanagedDevice => {
                "require a managed or compliant device for this application, or enrol the devices"
            }
            Weakness::BroadConsent => {
                "review the application's scopes and publisher; remove the consent, or list it in policy.first_party_apps"
            }
            Weakness::ToolWithoutStatus => {
                "decide about the tool: [[tools]] name and status in the configuration"
            }
            Weakness::UnusedAdmin => {
                "take the rights away, or make them eligible instead of assigned"
            }
            Weakness::DormantAccount => {
                "disable the account, or write down in the directory why it is kept"
            }
        }
    }
}

impl Weakness {
    /// The same as steps of an alert.
    pub fn steps(self, subject: &str) -> Vec<Step> {
        let advice = Step::from(self.advice());
        match self {
            Weakness::LoginWithoutMfa => vec![Step::RequireMfa(subject.to_owned())],
            Weakness::BroadConsent => vec![advice, Step::RemoveApp(subject.to_owned())],
            Weakness::UnusedAdmin => vec![advice, Step::TakeRole(subject.to_owned())],
            Weakness::DormantAccount => vec![advice, Step::Disable(subject.to_owned())],
            Weakness::UnmanagedDevice | Weakness::ToolWithoutStatus => vec![advice],
        }
    }

    /// What there would have to be instead.
    pub fn quiet(self, subject: &str) -> String {
        match self {
            Weakness::LoginWithoutMfa => {
                format!("every login to {subject} this month with a second factor")
            }
            Weakness::UnmanagedDevice => {
                format!("every login to {subject} this month from a managed device")
            }
            Weakness::BroadConsent => {
                format!("scopes that are not in risky_scopes, or {subject} in first_party_apps")
            }
            Weakness::ToolWithoutStatus => format!("a status of {subject} under [[tools]]"),
            Weakness::UnusedAdmin => {
                "some use of the rights since then, or none of them".to_owned()
            }
            Weakness::DormantAccount => {
                "some activity since then, or a last day (`leaves`) in the directory".to_owned()
            }
        }
    }
}

/// One weakness on one day.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Noted {
    /// Events.
    pub count: u64,
    /// Marks of the people, the smallest.
    pub people: BTreeSet<u32>,
}

/// What an account did on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Anything.
    pub is_active: bool,
    /// Something that only administrators can.
    pub is_admin_use: bool,
    /// It was given administrative rights.
    pub is_granted: bool,
}

impl Mark {
    /// Adds what another part of the day says.
    pub fn join(&mut self, other: Mark) {
        self.is_active |= other.is_active;
        self.is_admin_use |= other.is_admin_use;
        self.is_granted |= other.is_granted;
    }
}

/// One account over all days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Last day of any activity.
    pub last_active: Option<Day>,
    /// Last day of administration.
    pub last_admin_use: Option<Day>,
    /// Last day on which it was given administrative rights.
    pub granted: Option<Day>,
}

/// One weakness over all days.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Line {
    first: Day,
    last: Day,
    /// Counts by week since 1970, the latest [`WEEKS`].
    weeks: BTreeMap<Day, u64>,
    /// Marks of the people with the week each was last seen in.
    people: BTreeMap<u32, Day>,
}

/// All that stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Posture {
    lines: BTreeMap<(Weakness, Box<str>), Line>,
    accounts: BTreeMap<Box<str>, Account>,
    days: Option<(Day, Day)>,
}

/// A weakness as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What.
    pub weakness: Weakness,
    /// Of which application, tool or user.
    pub subject: String,
    /// First seen; for what is absent, the last time it was there.
    pub since: Day,
    /// Last seen; `None` for what is absent.
    pub last: Option<Day>,
    /// Events by week, oldest first; none for what is absent.
    pub weeks: Vec<u64>,
    /// Different people in these weeks.
    pub people: u64,
}

fn week_of(day: Day) -> Day {
    // 1970-01-01 was a Thursday.
    (day + 3).div_euclid(7)
}

/// `2026-03`.
pub fn month(day: Day) -> String {
    let mut text = day_text(day);
    text.truncate(7);
    text
}

impl Posture {
    /// Adds what one day says of one weakness.
    pub fn note(&mut self, day: Day, weakness: Weakness, subject: &str, noted: &Noted) {
        let line = self.lines.entry((weakness, subject.into())).or_default();
        if line.weeks.is_empty() {
            line.first = day;
        }
        line.last = day;
        let week = week_of(day);
        *line.weeks.entry(week).or_default() += noted.count;
        line.weeks = line.weeks.split_off(&(week + 1 - WEEKS as Day));
        line.people
            .extend(noted.people.iter().map(|mark| (*mark, week)));
        line.people.retain(|_, last| week - *last < WEEKS as Day);
    }

    /// Adds what one day says of one account.
    pub fn note_account(&mut self, day: Day, user: &str, mark: Mark) {
        let account = self.accounts.entry(user.into()).or_default();
        let set = |slot: &mut Option<Day>, is_set: bool| {
            if is_set {
                *slot = Some(day);
            }
        };
        set(&mut account.last_active, mark.is_active);
        set(&mut account.last_admin_use, mark.is_admin_use);
        set(&mut account.granted, mark.is_granted);
    }

    /// A day is over.
    pub fn close(&mut self, day: Day) {
        let first = self.days.map_or(day, |(first, _)| first);
        self.days = Some((first, day));
        let oldest = week_of(day) + 1 - WEEKS as Day;
        self.lines.retain(|_, line| oldest <= week_of(line.last));
    }

    /// The first day it knows.
    pub fn first_day(&self) -> Option<Day> {
        self.days.map(|(first, _)| first)
    }

    /// The last day it knows.
    pub fn last_day(&self) -> Option<Day> {
        self.days.map(|(_, last)| last)
    }

    /// Whether a weakness was seen, and so told, in the month of a day before it.
    pub fn was_told(&self, weakness: Weakness, subject: &str, day: Day) -> bool {
        let line = self.lines.get(&(weakness, subject.into()));
        line.is_some_and(|line| month(line.last) == month(day))
    }

    /// What is known of an account.
    pub fn account(&self, user: &str) -> Option<&Account> {
        self.accounts.get(user)
    }

    /// All accounts, by name.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &Account)> {
        self.accounts
            .iter()
            .map(|(user, account)| (&**user, account))
    }

    /// Removes the accounts of a person; how many.
    pub fn forget(&mut self, is_theirs: &dyn Fn(&str) -> bool) -> usize {
        let before = self.accounts.len();
        self.accounts.retain(|user, _| !is_theirs(user));
        before - self.accounts.len()
    }

    /// One weakness as of a day.
    pub fn standing(&self, weakness: Weakness, subject: &str, day: Day) -> Option<Standing> {
        let line = self.lines.get(&(weakness, subject.into()))?;
        let last = week_of(day);
        let weeks = (last + 1 - WEEKS as Day..=last).filter(|week| week_of(line.first) <= *week);
        Some(Standing {
            weakness,
            subject: subject.to_owned(),
            since: line.first,
            last: Some(line.last),
            weeks: weeks
                .map(|week| line.weeks.get(&week).copied().unwrap_or(0))
                .collect(),
            people: line.people.len() as u64,
        })
    }

    /// All weaknesses that were seen, as of a day.
    pub fn standings(&self, day: Day) -> Vec<Standing> {
        let keys = self.lines.keys();
        keys.filter_map(|(weakness, subject)| self.standing(*weakness, subject, day))
            .collect()
    }
}

impl Standing {
    /// Something that should have been there and was not.
    pub fn absence(weakness: Weakness, user: &str, since: Day) -> Self {
        Standing {
            weakness,
            subject: user.to_owned(),
            since,
            last: None,
            weeks: Vec::new(),
            people: 0,
        }
    }

    /// One sentence with the numbers.
    pub fn summary(&self) -> String {
        let (subject, people) = (&self.subject, people(self.people));
        let total: u64 = self.weeks.iter().sum();
        let weeks: Vec<String> = self.weeks.iter().map(u64::to_string).collect();
        let times = match weeks.as_slice() {
            [] | [_] => format!("{} in one week", phrase::count(total, "time")),
            weeks => format!(
                "{} in {} ({})",
                phrase::count(total, "time"),
                phrase::count(weeks.len() as u64, "week"),
                weeks.join(", ")
            ),
        };
        let since = day_text(self.since);
        match self.weakness {
            Weakness::LoginWithoutMfa => {
                format!("{people} logged in to {subject} without a second factor {times}")
            }
            Weakness::UnmanagedDevice => {
                format!("{people} logged in to {subject} from unmanaged devices {times}")
            }
            Weakness::BroadConsent => {
                format!("{subject} was given broad scopes by {people} {times}")
            }
            Weakness::ToolWithoutStatus => {
                format!("{people} used {subject}, about which nothing is decided, {times}")
            }
            Weakness::UnusedAdmin => {
                format!("{subject} has administrative rights and has not used them since {since}")
            }
            Weakness::DormantAccount => format!("{subject} has not been active since {since}"),
        }
    }
}

fn people(count: u64) -> String {
    match count {
        0 => "somebody".to_owned(),
        1 => "1 person".to_owned(),
        n => format!("{n} people"),
    }
}
