//! Which stories are planted, on which days, and with whom.
//!
//! Invariant: attacks begin after four sevenths of the period, not before the sixteenth day, two
//! begin on a day at most, and the last three days of twenty or more hold an easy attack for every
//! detector.

use super::Company;
use super::chance::Chance;
use super::people::{Department, Life, Person};
use super::places::{
    BARCELONA, BERLIN, BUCHAREST, City, HANOI, LAGOS, PYONGYANG, SAO_PAULO, SINGAPORE,
};
use super::routine::is_ordinary;
use super::shifts::{is_month_end, is_weekend, joins, on_call};

/// What happens.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Hundreds of files from the document libraries.
    LibraryTheft,
    /// The same from the shared drive.
    DriveTheft,
    /// The same from the in-house application.
    CasebookTheft,
    /// The same from a bucket.
    BucketTheft,
    /// Ninety files in an hour.
    HourlyTheft,
    /// Five files more a day.
    SlowTheft,
    /// A login at three, and something done.
    NightLogin,
    /// A login late in the evening.
    EveningLogin,
    /// A login from where nobody ever was.
    OddPlace(&'static City),
    /// Two logins that no aeroplane can connect.
    FarTravel(&'static City),
    /// The same on one continent.
    NearTravel(&'static City),
    /// Many times the usual calls and tokens.
    GatewayFlood,
    /// Six times the usual calls.
    GatewayRise,
    /// Megabytes into a chat.
    ChatUpload,
    /// A service's key calls and calls.
    RunawayKey,
    /// Place, hour and theft together.
    StolenSession(&'static City),
    /// Harmless: a laptop fetches everything anew.
    Resync,
    /// Harmless: somebody on call is called.
    Callout,
    /// Harmless: a journey to another office.
    Trip,
    /// Harmless: work at night, as always.
    NightShift,
    /// Harmless: the books are closed.
    MonthEnd,
    /// Harmless: the clocks change.
    ClockChange,
    /// Harmless: somebody's first days.
    Joiner,
}

impl Kind {
    /// Whether the hour gives it away.
    fn is_by_hour(self) -> bool {
        matches!(
            self,
            Kind::NightLogin | Kind::EveningLogin | Kind::StolenSession(_)
        )
    }
}

/// A planted story.
#[derive(Debug)]
pub struct Scenario {
    /// Number in the company, from 0.
    pub number: u32,
    pub kind: Kind,
    /// Number of the person; `None` for the service of invoices.
    pub person: Option<u32>,
    /// First and last day.
    pub days: (u32, u32),
}

impl Scenario {
    /// Whether its victim must be at work for it on this day.
    pub fn needs(&self, person: u32, day: u32) -> bool {
        let is_told = self.difficulty() != "harmless" || matches!(self.kind, Kind::Resync);
        let is_single = self.days.0 == self.days.1;
        is_told && is_single && self.person == Some(person) && self.days.0 == day
    }

    /// Name of the story and who should find it.
    pub fn about(&self) -> (&'static str, &'static [&'static str]) {
        match self.kind {
            Kind::LibraryTheft => ("library_theft", &["mass_download"]),
            Kind::DriveTheft => ("drive_theft", &["mass_download"]),
            Kind::CasebookTheft => ("casebook_theft", &["mass_download"]),
            Kind::BucketTheft => ("bucket_theft", &["mass_download"]),
            Kind::HourlyTheft => ("hourly_theft", &["mass_download"]),
            Kind::SlowTheft => ("slow_theft", &["mass_download"]),
            Kind::NightLogin => ("night_login", &["off_hours_login"]),
            Kind::EveningLogin => ("evening_login", &["off_hours_login"]),
            Kind::OddPlace(_) => ("odd_place", &["unusual_location"]),
            Kind::FarTravel(_) => ("far_travel", &["impossible_travel", "unusual_location"]),
            Kind::NearTravel(_) => ("near_travel", &["impossible_travel", "unusual_location"]),
            Kind::GatewayFlood => ("gateway_flood", &["ai_usage_spike"]),
            Kind::GatewayRise => ("gateway_rise", &["ai_usage_spike"]),
            Kind::ChatUpload => ("chat_upload", &["ai_usage_spike"]),
            Kind::RunawayKey => ("runaway_key", &["ai_usage_spike"]),
            Kind::StolenSession(_) => (
                "stolen_session",
                &["off_hours_login", "unusual_location", "mass_download"],
            ),
            Kind::Resync => ("laptop_resync", &["mass_download"]),
            Kind::Callout => ("on_call", &["off_hours_login"]),
            Kind::Trip => ("business_trip", &["unusual_location", "off_hours_login"]),
            Kind::NightShift => ("night_shift", &["off_hours_login"]),
            Kind::MonthEnd => ("month_end", &["mass_download"]),
            Kind::ClockChange => ("daylight_saving", &["off_hours_login"]),
            Kind::Joiner => (
                "joiner",
                &[
                    "off_hours_login",
                    "mass_download",
                    "unusual_location",
                    "ai_usage_spike",
                ],
            ),
        }
    }

    /// How hard it is to find.
    pub fn difficulty(&self) -> &'static str {
        match self.kind {
            Kind::HourlyTheft | Kind::EveningLogin | Kind::NearTravel(_) | Kind::GatewayRise => {
                "medium"
            }
            Kind::SlowTheft => "hard",
            Kind::Resync
            | Kind::Callout
            | Kind::Trip
            | Kind::NightShift
            | Kind::MonthEnd
            | Kind::ClockChange
            | Kind::Joiner => "harmless",
            _ => "easy",
        }
    }
}

/// Told before the last three days, the most telling first, for when there is no room for all.
const EARLIER: [Kind; 13] = [
    Kind::OddPlace(&PYONGYANG),
    Kind::DriveTheft,
    Kind::ChatUpload,
    Kind::NightLogin,
    Kind::FarTravel(&SAO_PAULO),
    Kind::HourlyTheft,
    Kind::RunawayKey,
    Kind::EveningLogin,
    Kind::CasebookTheft,
    Kind::NearTravel(&BARCELONA),
    Kind::GatewayRise,
    Kind::StolenSession(&BUCHAREST),
    Kind::BucketTheft,
];
/// Told in the last three days; the first two on a working day.
const FINALE: [[Kind; 2]; 3] = [
    [Kind::FarTravel(&SINGAPORE), Kind::NightLogin],
    [Kind::LibraryTheft, Kind::GatewayFlood],
    [Kind::OddPlace(&LAGOS), Kind::StolenSession(&HANOI)],
];
const FINALE_DAYS: u32 = 3;
/// A shorter period has no finale.
const FINALE_FROM_DAYS: u32 = 20;

/// Before this day hours are hardly known, and judged with caution: no story depends on them.
const HOURS_FROM_DAY: u32 = 20;

/// The first day on which an attack may begin.
fn first_attack(days: u32) -> u32 {
    (days * 4).div_ceil(7).max(15)
}

/// The company's stories.
pub fn cast(company: &Company) -> Vec<Scenario> {
    let mut casting = Casting {
        company,
        scenarios: Vec::new(),
    };
    casting.attacks();
    casting.oddities();
    casting.scenarios
}

struct Casting<'a> {
    company: &'a Company,
    scenarios: Vec<Scenario>,
}

impl Casting<'_> {
    fn attacks(&mut self) {
        let days = self.company.plan.days;
        let has_finale = FINALE_FROM_DAYS <= days;
        let finale = if has_finale { days - FINALE_DAYS } else { days };
        let first = first_attack(days);
        let is_free = |day: &u32| !is_weekend(self.company.date(*day));
        let earlier: Vec<u32> = (first..finale).filter(is_free).collect();
        if has_finale {
            // Three days in a row hold a working day.
            let mut last: Vec<u32> = (finale..days).collect();
            last.sort_by_key(|day| (is_weekend(self.company.date(*day)), *day));
            for (day, pair) in last.into_iter().zip(FINALE) {
                for kind in pair {
                    self.plant(kind, (day, day));
                }
            }
        }
        let slots = earlier.iter().chain(&earlier);
        for (day, kind) in slots.zip(EARLIER) {
            if HOURS_FROM_DAY <= *day || !kind.is_by_hour() {
                self.plant(kind, (*day, *day));
            }
        }
        if let (Some(from), Some(to)) = (earlier.first(), earlier.last()) {
            self.plant(Kind::SlowTheft, (*from, *to));
        }
    }

    fn oddities(&mut self) {
        let company = self.company;
        let plan = &company.plan;
        let first = first_attack(plan.days);
        let resync = (first + 2..plan.days).find(|day| !is_weekend(company.date(*day)));
        if let Some(day) = resync {
            self.plant(Kind::Resync, (day, day));
        }
        for person in &company.people {
            let mut label = |kind, days| self.add(kind, Some(person.index), days);
            let until = |day: u32| day.min(plan.days.saturating_sub(1));
            match person.life {
                Life::OnCall => {
                    let duty = on_call(plan).into_iter().flat_map(|(from, to)| from..=to);
                    let nights = duty.filter(|day| 15 <= *day && !is_weekend(company.date(*day)));
                    nights
                        .step_by(3)
                        .take(2)
                        .for_each(|day| label(Kind::Callout, (day, day)));
                }
                Life::Traveller(_) => {
                    if let Some((from, to)) = company.trip(person) {
                        label(Kind::Trip, (from, until(to)));
                    }
                }
                Life::Night if first < plan.days => {
                    label(Kind::NightShift, (first, until(plan.days)))
                }
                Life::Joiner if joins(plan) < plan.days => {
                    label(Kind::Joiner, (joins(plan), until(joins(plan) + 4)));
                }
                _ => {}
            }
            if person.department == Department::Finance {
                let ends = (0..plan.days).filter(|day| is_month_end(company.date(*day)));
                ends.for_each(|day| label(Kind::MonthEnd, (day, day)));
            }
        }
        let hours = |day| company.midnight_of_berlin(day + 1) - company.midnight_of_berlin(day);
        if let Some(day) = (0..plan.days).find(|day| hours(*day) != 24 * 3_600_000) {
            let person = company.people.iter().find(|person| is_ordinary(person));
            self.add(
                Kind::ClockChange,
                person.map(|person| person.index),
                (day, (day + 1).min(plan.days - 1)),
            );
        }
    }

    fn add(&mut self, kind: Kind, person: Option<u32>, days: (u32, u32)) {
        let number = self.scenarios.len() as u32;
        self.scenarios.push(Scenario {
            number,
            kind,
            person,
            days,
        });
    }

    /// Finds somebody for a story, best somebody who is in no other.
    fn plant(&mut self, kind: Kind, days: (u32, u32)) {
        if matches!(kind, Kind::RunawayKey) {
            self.add(kind, None, days);
            return;
        }
        let company = self.company;
        let is_there = |person: &&Person| {
            let is_away = person
                .holiday
                .is_some_and(|(from, to)| from <= days.1 && days.0 <= to + 3);
            is_ordinary(person)
                && person.home.country == BERLIN.country
                && !is_away
                && fits(kind, person)
        };
        let mut able: Vec<&Person> = company.people.iter().filter(is_there).collect();
        able.sort_by_key(|person| {
            let parts = self
                .scenarios
                .iter()
                .filter(|scenario| scenario.person == Some(person.index))
                .count();
            let lot = Chance::of(company.plan.seed, "cast", &[u64::from(person.index)]).number();
            (parts, lot)
        });
        if let Some(person) = able.first() {
            let index = person.index;
            self.add(kind, Some(index), days);
        }
    }
}

/// Whether a story can happen to somebody.
fn fits(kind: Kind, person: &Person) -> bool {
    let uses = &person.uses;
    match kind {
        Kind::LibraryTheft | Kind::HourlyTheft | Kind::SlowTheft => 0.0 < uses.m365_files,
        Kind::DriveTheft => 0.0 < uses.google_files,
        Kind::CasebookTheft => 0.0 < uses.casebook_files,
        Kind::BucketTheft => 0.0 < uses.aws_objects,
        Kind::GatewayFlood | Kind::GatewayRise => 0.0 < uses.model_calls,
        Kind::ChatUpload => 3.0 < uses.chat_visits,
        Kind::Resync => 0.0 < uses.synced_files,
        // Who is seen at work all day has the steadiest habits.
        _ => 5.0 < uses.m365_files + uses.google_files,
    }
}
