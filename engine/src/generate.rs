//! A made-up company that writes logs in the vendors' own shapes, and the labels that say what in
//! them is an attack and what only looks like one.
//!
//! Invariant: everything is a function of the plan. The same plan gives the same bytes, and a day
//! can be made without the days before it.

mod accounts;
mod chance;
mod duties;
mod intrusions;
mod kinds;
mod log;
mod misuse;
mod output;
mod people;
mod places;
mod routine;
mod scenario;
mod services;
mod shape;
mod shifts;
mod story;
mod vendors;
mod workload;

use std::fmt::Write as _;

use chrono::{Days, NaiveDate, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use output::{WriteError, Written, write};
pub use workload::{events_256, events_okta};

use kinds::Kind;
use log::Log;
use people::{Life, Person};
use scenario::Scenario;

/// Which company, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// People; twenty or more have every kind of source and life.
    pub users: u32,
    /// Days. Attacks begin after four sevenths of them, at the earliest on the sixteenth day.
    pub days: u32,
    /// Another seed is another company.
    pub seed: u64,
    /// First day.
    pub start: NaiveDate,
    /// Zone whose midnights bound the days. People live in their own towns' zones.
    pub zone: Tz,
}

impl Default for Plan {
    /// The company of samples/.
    fn default() -> Self {
        Plan {
            users: 60,
            days: 35,
            seed: 8,
            start: NaiveDate::from_ymd_opt(2026, 3, 2).unwrap_or_default(),
            zone: Tz::Europe__Berlin,
        }
    }
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it happened, as the record says.
    pub time_ms: i64,
    /// When the vendor delivers it.
    pub arrival_ms: i64,
    /// One of [`Company::sources`].
    pub source: &'static str,
    /// JSON on one line, without the line's end.
    pub json: String,
}

/// What was planted: an attack, or an oddity that is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Unique in the company.
    pub id: String,
    /// What kind of story it is.
    pub scenario: String,
    /// `easy`, `medium`, `hard` or `harmless`.
    pub difficulty: String,
    /// Whether it should be found.
    pub attack: bool,
    /// Who should find it; of a harmless one, who may be misled.
    pub detectors: Vec<String>,
    /// The principal, as in canonical rows.
    pub entity: String,
    /// First planted event, RFC 3339.
    pub start: String,
    /// Last planted event, RFC 3339.
    pub end: String,
}

/// A company, ready to write its logs.
pub struct Company {
    plan: Plan,
    people: Vec<Person>,
    /// Accounts that nobody works with every day.
    accounts: Vec<Person>,
    scenarios: Vec<Scenario>,
}

/// Name of the company in its configuration.
const TENANT: &str = "example";

/// Source, which is also the topic and the folder, and its format.
const SOURCES: [(&str, &str); 9] = [
    ("okta", "okta"),
    ("entra", "entra_signin"),
    ("m365", "m365_audit"),
    ("google", "google_workspace"),
    ("aws", "aws_cloudtrail"),
    ("litellm", "litellm"),
    ("proxy", "web_proxy"),
    ("agents", "agent_otlp"),
    ("nightjar", "nightjar"),
];

/// What the company has decided.
const POLICY: &str = r#"[policy]
# Offices and homes are here.
allowed_countries = ["DE", "PT", "US"]
require_mfa = ["admins"]

[policy.labels]
"confidential" = 2
"secret" = 3

[[tools]]
name = "claude.ai"
domains = ["claude.ai"]
status = "sanctioned"

[[tools]]
name = "chatgpt"
domains = ["chatgpt.com"]
status = "tolerated"
"#;

impl Company {
    /// The company of a plan.
    pub fn new(plan: &Plan) -> Company {
        let people = (0..plan.users)
            .map(|index| Person::new(plan.seed, index, plan.days))
            .collect();
        let mut company = Company {
            plan: plan.clone(),
            people,
            accounts: accounts::accounts(plan),
            scenarios: Vec::new(),
        };
        company.scenarios = scenario::cast(&company);
        company
    }

    /// Its plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Names of sources and of their formats.
    pub fn sources() -> &'static [(&'static str, &'static str)] {
        &SOURCES
    }

    /// What people did on a day, counted from 0, in the order of delivery. Work that begins on this
    /// day may run into the next; nothing lies outside of the plan's days.
    pub fn day(&self, day: u32) -> Vec<Record> {
        let mut log = Log::default();
        for person in &self.people {
            if let Some(shift) = self.shift(person, day) {
                routine::live(self, person, day, &shift, &mut log);
                duties::attend(self, person, day, &shift, &mut log);
            }
        }
        services::run(self, day, &mut log);
        let told_today = |kind: fn(&Scenario) -> bool| {
            let mut today = self.scenarios.iter().filter(|told| told.days.0 == day);
            today.any(kind)
        };
        if told_today(|told| matches!(told.kind, Kind::LostEvents)) {
            intrusions::lose_events(self, day, &mut log);
        }
        for scenario in &self.scenarios {
            story::tell(self, scenario, day, &mut log);
        }
        if told_today(|told| matches!(told.kind, Kind::LostField)) {
            intrusions::lose_field(&mut log);
        }
        let (from, to) = (self.midnight_ms(0), self.midnight_ms(self.plan.days));
        log.into_records(from, to)
    }

    /// The directory as CSV.
    pub fn directory_csv(&self) -> String {
        let mut csv = String::from(
            "user,aliases,kind,group,manager,zone,country,admin,hired,leaves,absent,on_call,last_sign_in\n",
        );
        for person in &self.people {
            let head = self
                .people
                .iter()
                .find(|head| head.department == person.department);
            let manager = head
                .filter(|head| head.index != person.index)
                .map_or("", |head| &head.email);
            let leaves =
                (person.life == Life::Leaver).then(|| self.date(shifts::leaves(&self.plan)));
            let hired = match person.life {
                Life::Joiner => self.date(shifts::joins(&self.plan)),
                _ => self.plan.start - Days::new(200 + person.keys[1] % 2_500),
            };
            let _ = writeln!(
                csv,
                "{},{}@corp.example.test,person,{},{manager},{},{},{},{hired},{},{},{},",
                person.email,
                person.login(),
                person.department.name(),
                person.home.zone.name(),
                person.home.country,
                accounts::is_admin(person),
                leaves.map(|date| date.to_string()).unwrap_or_default(),
                self.ranges(person.holiday),
                self.ranges(
                    shifts::on_call(&self.plan)
                        .into_iter()
                        .filter(|_| person.life == Life::OnCall)
                ),
            );
        }
        for (service, alias) in services::ACCOUNTS {
            let _ = writeln!(csv, "{service},{alias},service,services,,,,false,,,,,");
        }
        for account in &self.accounts {
            let is_emergency = account.index == accounts::EMERGENCY;
            let (kind, group, last) = if is_emergency {
                ("break_glass", "infrastructure", String::new())
            } else {
                let last = self.plan.start - Days::new(accounts::SILENT_DAYS);
                ("person", "sales", last.to_string())
            };
            let email = &account.email;
            let _ = writeln!(csv, "{email},,{kind},{group},,,,{is_emergency},,,,,{last}");
        }
        csv
    }

    fn ranges(&self, days: impl IntoIterator<Item = (u32, u32)>) -> String {
        let range = |(from, to)| format!("{}/{}", self.date(from), self.date(to));
        days.into_iter().map(range).collect::<Vec<_>>().join(";")
    }

    /// What was planted, in the order of its beginning.
    pub fn labels(&self) -> Vec<Label> {
        let mut labels: Vec<Label> = self
            .scenarios
            .iter()
            .filter_map(|scenario| story::label(self, scenario))
            .collect();
        labels.sort_by(|a, b| (&a.start, &a.id).cmp(&(&b.start, &b.id)));
        labels
    }

    /// A configuration for its logs; paths are relative to it.
    pub fn config_toml(&self) -> String {
        let topics: Vec<String> = SOURCES
            .iter()
            .map(|(source, _)| format!("{source:?}"))
            .collect();
        let mut toml = format!(
            "# A generated company: its logs lie in logs/, one folder a source.\n\
             tenant = \"{TENANT}\"\nzone = \"{}\"\n\n[kafka]\ntopics = [{}]\n\n\
             [directory]\nfile = \"directory.csv\"\n\n{POLICY}",
            self.plan.zone.name(),
            topics.join(", ")
        );
        for (source, format) in SOURCES {
            let _ = write!(toml, "\n[sources.{source}]\nformat = \"{format}\"\n");
        }
        toml
    }

    fn date(&self, day: u32) -> NaiveDate {
        self.plan.start + Days::new(u64::from(day))
    }

    /// Midnight at the beginning of a day, in the plan's zone.
    fn midnight_ms(&self, day: u32) -> i64 {
        local_ms(self.date(day), 0.0, self.plan.zone)
    }
}

/// A local time as milliseconds since 1970. Of a time that the clock shows twice the first is meant;
/// one that it skips is an hour later.
fn local_ms(date: NaiveDate, minute: f64, zone: Tz) -> i64 {
    let millis = (minute * 60_000.0) as i64;
    let clock = date.and_time(chrono::NaiveTime::MIN) + chrono::TimeDelta::milliseconds(millis);
    let found = zone.from_local_datetime(&clock).earliest();
    let later = || {
        zone.from_local_datetime(&(clock + chrono::TimeDelta::hours(1)))
            .earliest()
    };
    found.or_else(later).map_or_else(
        || clock.and_utc().timestamp_millis(),
        |time| time.timestamp_millis(),
    )
}

#[cfg(test)]
mod tests;
