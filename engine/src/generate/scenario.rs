//! Which stories are planted, on which days, and with whom.
//!
//! Invariant: attacks begin after four sevenths of the period, not before the sixteenth day, four
//! begin on a day at most and none of them on the same person's, and the last three days of twenty
//! or more hold an easy attack for every detector that judges by habits and amounts.

use std::collections::BTreeMap;

use super::Company;
use super::accounts::{DORMANT, EMERGENCY, is_admin};
use super::chance::Chance;
use super::kinds::Kind;
use super::people::{Department, Life, Person, Provider};
use super::places::{BARCELONA, BERLIN, BUCHAREST, HANOI, LAGOS, PYONGYANG, SAO_PAULO, SINGAPORE};
use super::routine::is_ordinary;
use super::shifts::{is_month_end, is_weekend, joins, leaves, on_call};

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
        let is_told = self.kind.difficulty() != "harmless" || matches!(self.kind, Kind::Resync);
        let is_single = self.days.0 == self.days.1;
        let is_there = !self.kind.is_of_absent();
        is_told && is_single && is_there && self.person == Some(person) && self.days.0 == day
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
/// Told where there is room, beside those; each on the first day that suits it.
const QUIET: [Kind; 29] = [
    Kind::ForwardingRule,
    Kind::PushFlood(&LAGOS),
    Kind::StoppedSpray(&BUCHAREST),
    Kind::DormantUse,
    Kind::StolenMailbox(&SAO_PAULO),
    Kind::TrailStopped,
    Kind::SelfGrant,
    Kind::NewServer,
    Kind::LabelledUpload,
    Kind::Takeout,
    Kind::EmergencyUse,
    Kind::DeviceCode(&HANOI),
    Kind::ConsentAndRule(&SINGAPORE),
    Kind::ReplayedSession(&BUCHAREST),
    Kind::CollectingLeaver,
    Kind::LeaverUse,
    Kind::LostEvents,
    Kind::BareLogin,
    Kind::NewTool,
    Kind::FactorAdded(&LAGOS),
    Kind::SecretTheft,
    Kind::LostField,
    Kind::Bypass,
    Kind::NewMachine,
    Kind::BruteForce(&SINGAPORE),
    Kind::KeyFactory,
    Kind::Distributed,
    Kind::SlowGuessing,
    Kind::AgentLoop,
];
/// Beside two of the others on a working day.
const QUIET_A_DAY: u32 = 2;
/// There are no others on a day off.
const QUIET_A_DAY_OFF: u32 = 4;
/// Harmless ones that happen to somebody in particular.
const HARMLESS: [Kind; 4] = [
    Kind::Typos,
    Kind::HelpDesk,
    Kind::NewPhone,
    Kind::Activation,
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
        self.quiet(first, finale);
    }

    fn quiet(&mut self, first: u32, end: u32) {
        let company = self.company;
        let mut room: BTreeMap<u32, u32> = (first..end)
            .map(|day| match is_weekend(company.date(day)) {
                true => (day, QUIET_A_DAY_OFF),
                false => (day, QUIET_A_DAY),
            })
            .collect();
        for kind in QUIET {
            let from = match kind {
                Kind::LeaverUse | Kind::CollectingLeaver => leaves(&company.plan) + 1,
                // Amounts are compared with the same day of three weeks before.
                Kind::LostEvents => 22,
                _ => first,
            };
            let suits = |day: u32| from <= day && kind.is_on(is_weekend(company.date(day)));
            let days: Vec<u32> = room.keys().copied().filter(|day| suits(*day)).collect();
            let told = days.into_iter().find(|day| self.plant(kind, (*day, *day)));
            if let Some(left) = told.and_then(|day| room.get_mut(&day)) {
                *left -= 1;
            }
            room.retain(|_, left| 0 < *left);
        }
        let working = (first..end).filter(|day| !is_weekend(company.date(*day)));
        for (kind, day) in HARMLESS.into_iter().zip(working) {
            self.plant(kind, (day, day));
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

    /// Finds somebody for a story, best somebody who is in no other; false when there is nobody.
    fn plant(&mut self, kind: Kind, days: (u32, u32)) -> bool {
        let sought = match kind {
            Kind::DormantUse => Some(DORMANT),
            Kind::EmergencyUse => Some(EMERGENCY),
            Kind::LeaverUse => self.leaver(1),
            Kind::CollectingLeaver => self.leaver(0),
            _ => None,
        };
        if kind.is_of_nobody() || sought.is_some() {
            let is_enough = self.company.people.len() as u64 >= kind.least_people();
            if is_enough {
                self.add(kind, sought, days);
            }
            return is_enough;
        }
        if kind.is_of_absent() {
            return false;
        }
        let company = self.company;
        let is_enough = company.people.len() as u64 >= kind.least_people();
        let is_busy = |person: &Person| {
            let mut others = self.scenarios.iter();
            others.any(|other| other.person == Some(person.index) && other.days == days)
        };
        let is_there = |person: &&Person| {
            let is_away = person
                .holiday
                .is_some_and(|(from, to)| from <= days.1 && days.0 <= to + 3);
            is_ordinary(person)
                && person.home.country == BERLIN.country
                && !is_away
                && !is_busy(person)
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
        match able.first() {
            Some(person) if is_enough => {
                let index = person.index;
                self.add(kind, Some(index), days);
                true
            }
            _ => false,
        }
    }

    /// Somebody who leaves, by the number among those.
    fn leaver(&self, number: usize) -> Option<u32> {
        let people = self.company.people.iter();
        let mut leavers = people.filter(|person| person.life == Life::Leaver);
        leavers.nth(number).map(|person| person.index)
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
        Kind::ForwardingRule | Kind::ConsentAndRule(_) | Kind::StolenMailbox(_) => {
            5.0 < uses.m365_files
        }
        Kind::PushFlood(_)
        | Kind::ReplayedSession(_)
        | Kind::FactorAdded(_)
        | Kind::BruteForce(_) => {
            person.provider == Provider::Okta && 5.0 < uses.m365_files + uses.google_files
        }
        Kind::HelpDesk | Kind::NewPhone | Kind::Typos => person.provider == Provider::Okta,
        Kind::StoppedSpray(_) | Kind::DeviceCode(_) => person.provider == Provider::Entra,
        Kind::SelfGrant | Kind::BareLogin | Kind::Activation => is_admin(person),
        Kind::Takeout => 0.0 < uses.google_files,
        Kind::TrailStopped | Kind::KeyFactory | Kind::SecretTheft => 0.0 < uses.aws_objects,
        Kind::NewServer | Kind::Bypass | Kind::AgentLoop => 0.0 < uses.model_calls,
        Kind::LabelledUpload | Kind::NewTool => 3.0 < uses.chat_visits,
        // Who is seen at work all day has the steadiest habits.
        _ => 5.0 < uses.m365_files + uses.google_files,
    }
}
