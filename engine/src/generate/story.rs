//! How the planted stories go: what victims and thieves do, minute by minute.
//!
//! Invariant: a label covers exactly the records that its story wrote.

use super::chance::Chance;
use super::kinds::Kind;
use super::log::Log;
use super::people::{Department, Device, Person, Provider, strange_device};
use super::places::{BERLIN, City, Link, Spot};
use super::routine::gateway_call;
use super::scenario::Scenario;
use super::services::{self, INVOICES};
use super::vendors::files::{self, Document, Drive, Operation};
use super::vendors::logins::{self, Entra, Okta};
use super::vendors::{Moment, models, seconds};
use super::{Company, Label, TENANT, intrusions, local_ms};

/// Numbers of documents that nobody touches on an ordinary day.
const UNTOUCHED: u64 = 2_000;
pub const MINUTE_MS: i64 = 60_000;

impl Company {
    pub(super) fn midnight_of_berlin(&self, day: u32) -> i64 {
        local_ms(self.date(day), 0.0, BERLIN.zone)
    }
}

/// What a label says; `None` when the story wrote nothing inside of the plan's days.
pub fn label(company: &Company, scenario: &Scenario) -> Option<Label> {
    let (from, to) = (
        company.midnight_ms(0),
        company.midnight_ms(company.plan.days),
    );
    let (start_ms, end_ms) = if scenario.is_told() {
        let mut log = Log::default();
        for day in scenario.days.0..=scenario.days.1 {
            tell(company, scenario, day, &mut log);
        }
        let records = log.into_records(from, to);
        let times = || records.iter().map(|record| record.time_ms);
        (times().min()?, times().max()?)
    } else {
        let after = company.midnight_ms(scenario.days.1 + 1);
        (company.midnight_ms(scenario.days.0), after.min(to) - 1_000)
    };
    let (name, detectors) = scenario.kind.about();
    let mut detectors: Vec<String> = detectors.iter().map(|name| (*name).to_owned()).collect();
    let person = scenario.person.and_then(|index| company.find(index));
    // With the victim at work on the same day, a place far away is a journey too.
    let is_journey = match (scenario.kind, person) {
        (Kind::OddPlace(city) | Kind::StolenSession(city), Some(person)) => {
            city.is_far_from(person.home) && company.shift(person, scenario.days.0).is_some()
        }
        _ => false,
    };
    if is_journey {
        detectors.push("impossible_travel".to_owned());
    }
    if scenario.kind.city().is_some() {
        detectors.push("company_policy".to_owned());
    }
    let difficulty = scenario.kind.difficulty();
    let attack = difficulty != "harmless";
    Some(Label {
        id: format!(
            "{}{:02}",
            if attack { "attack-" } else { "oddity-" },
            scenario.number + 1
        ),
        scenario: name.to_owned(),
        difficulty: difficulty.to_owned(),
        attack,
        detectors,
        entity: person
            .map_or(scenario.kind.subject(), |person| &person.email)
            .to_owned(),
        start: seconds(start_ms),
        end: seconds(end_ms),
    })
}

impl Kind {
    /// Who is told of a story without a person: a service, a source, the company.
    fn subject(self) -> &'static str {
        match self {
            Kind::LostEvents => intrusions::LOSING_SOURCE,
            Kind::LostField => intrusions::CHANGED_SOURCE,
            Kind::RunawayKey => INVOICES,
            _ => TENANT,
        }
    }
}

impl Scenario {
    /// Whether the story writes records of its own, instead of naming what routine writes.
    fn is_told(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Trip
                | Kind::NightShift
                | Kind::MonthEnd
                | Kind::ClockChange
                | Kind::Joiner
                | Kind::LostEvents
                | Kind::LostField
        )
    }
}

/// Writes down a day of a story.
pub fn tell(company: &Company, scenario: &Scenario, day: u32, log: &mut Log) {
    let (first, last) = scenario.days;
    if day < first || last < day || !scenario.is_told() {
        return;
    }
    let mut chance = Chance::of(
        company.plan.seed,
        "story",
        &[u64::from(scenario.number), u64::from(day)],
    );
    let Some(person) = scenario.person.and_then(|index| company.find(index)) else {
        match scenario.kind {
            Kind::RunawayKey => run_away(company, day, &mut chance, log),
            kind => intrusions::guess(company, kind, day, &mut chance, log),
        }
        return;
    };
    let session = chance.hex(22);
    let device = strange_device(&mut chance);
    let home = Spot::new(person.home, Link::Home, person.index, day);
    let shift = company.shift(person, day);
    let mut story = Story {
        company,
        person,
        day,
        session: &session,
        strange: &device,
        home: &home,
        chance,
        log,
    };
    // On a day off, stories that would happen at work happen in the afternoon.
    let work_ms = shift.as_ref().map(|shift| shift.start_ms);
    let day_off_ms = story.clock(840.0);
    let after_start =
        |minutes: i64| work_ms.map_or(day_off_ms, |start| start + minutes * MINUTE_MS);
    let spot = shift.as_ref().map_or(&home, |shift| &shift.spot);
    match scenario.kind {
        Kind::FarTravel(city) | Kind::NearTravel(city) => {
            if work_ms.is_some() {
                story.intrude(city, after_start(48));
            }
        }
        Kind::OddPlace(city) => {
            story.intrude(city, after_start(180));
        }
        Kind::StolenSession(city) => {
            let at = story.clock(200.0);
            let there = story.intrude(city, at);
            story.take(280, at + 4 * MINUTE_MS, 26, &there, &device);
        }
        Kind::NightLogin => story.log_in_and_read(182.0),
        Kind::EveningLogin => story.log_in_and_read(1_290.0),
        Kind::SlowTheft if work_ms.is_none() => {}
        kind if kind.is_quiet() => {
            let from_ms = after_start(190);
            if !story.intrude_quietly(kind, from_ms, spot) {
                story.misuse(kind, from_ms, spot);
            }
        }
        _ => {
            if work_ms.is_none() {
                let at = story.own(after_start(-6), &home);
                story.log_in(at);
            }
            story.at_work(scenario.kind, after_start(250), spot);
        }
    }
}

/// A day of a story.
pub struct Story<'a, 'l> {
    pub company: &'a Company,
    pub person: &'a Person,
    pub day: u32,
    pub session: &'a str,
    pub strange: &'a Device,
    pub home: &'a Spot,
    pub chance: Chance,
    pub log: &'l mut Log,
}

impl<'a> Story<'a, '_> {
    /// The victim's own clock.
    pub fn clock(&mut self, minute: f64) -> i64 {
        let minute = minute + 6.0 * self.chance.unit();
        local_ms(self.company.date(self.day), minute, self.person.home.zone)
    }

    /// By the victim, with the own laptop.
    pub fn own<'m>(&self, time_ms: i64, spot: &'m Spot) -> Moment<'m>
    where
        'a: 'm,
    {
        Moment {
            time_ms,
            person: self.person,
            spot,
            device: &self.person.laptop,
            session: self.session,
        }
    }

    /// A sign-in with all that belongs to it.
    pub fn log_in(&mut self, at: Moment<'_>) {
        let chance = &mut self.chance;
        match self.person.provider {
            Provider::Okta => {
                self.log.add(
                    "okta",
                    at.time_ms,
                    logins::okta(at, Okta::Start, chance),
                    chance,
                );
                let at = at.after(9_000);
                self.log.add(
                    "okta",
                    at.time_ms,
                    logins::okta(at, Okta::Factor, chance),
                    chance,
                );
                let at = at.after(20_000);
                self.log.add(
                    "okta",
                    at.time_ms,
                    logins::okta(at, Okta::Onward(0), chance),
                    chance,
                );
            }
            Provider::Entra => {
                self.log.add(
                    "entra",
                    at.time_ms,
                    logins::entra(at, Entra::Interactive, chance),
                    chance,
                );
                let at = at.after(31_000);
                self.log.add(
                    "entra",
                    at.time_ms,
                    logins::entra(at, Entra::Interactive, chance),
                    chance,
                );
            }
        }
    }

    /// A thief signs in.
    pub fn intrude(&mut self, city: &'static City, time_ms: i64) -> Spot {
        let spot = Spot::new(city, Link::Home, self.person.index, self.day);
        let at = Moment {
            time_ms,
            person: self.person,
            spot: &spot,
            device: self.strange,
            session: self.session,
        };
        self.log_in(at);
        spot
    }

    /// From home, with the own device, at an hour that is not the person's.
    fn log_in_and_read(&mut self, minute: f64) {
        let time_ms = self.clock(minute);
        let at = self.own(time_ms, self.home);
        self.log_in(at);
        let (home, laptop) = (self.home, &self.person.laptop);
        self.take(7, time_ms + 3 * MINUTE_MS, 22, home, laptop);
    }

    /// Takes files where the person has them, each once.
    pub fn take(&mut self, files: u64, from_ms: i64, minutes: i64, spot: &Spot, device: &Device) {
        let libraries = [Department::Finance, Department::Sales, Department::People];
        let first = UNTOUCHED + self.chance.below(500);
        for number in 0..files {
            let time_ms = from_ms + self.chance.between(0, minutes * MINUTE_MS);
            let at = Moment {
                time_ms,
                person: self.person,
                spot,
                device,
                session: self.session,
            };
            let library = libraries[(number % 3) as usize];
            let document = Document {
                library,
                number: first + number,
            };
            let chance = &mut self.chance;
            if 0.0 < self.person.uses.m365_files {
                let json = files::m365(at, Operation::Downloaded, document, chance);
                self.log.add("m365", time_ms, json, chance);
            } else {
                let json = files::google(at, Drive::Download, document, chance);
                self.log.add("google", time_ms, json, chance);
            }
        }
    }

    /// What happens under the person's own name, place and device.
    fn at_work(&mut self, kind: Kind, from_ms: i64, spot: &Spot) {
        let person = self.person;
        let laptop = &person.laptop;
        match kind {
            Kind::LibraryTheft => self.take(420, from_ms, 24, spot, laptop),
            Kind::DriveTheft => self.take(350, from_ms, 30, spot, laptop),
            Kind::HourlyTheft => self.take(90, from_ms, 56, spot, laptop),
            Kind::SlowTheft => self.take(5, from_ms, 180, spot, laptop),
            Kind::Callout => {
                let time_ms = self.clock(130.0);
                let at = self.own(time_ms, self.home);
                self.log_in(at);
            }
            Kind::Resync => {
                for number in 0..1_400 {
                    let time_ms = from_ms + self.chance.between(0, 100 * MINUTE_MS);
                    let at = self.own(time_ms, spot);
                    let document = Document {
                        library: person.department,
                        number,
                    };
                    let json = files::m365(at, Operation::Synced, document, &mut self.chance);
                    self.log.add("m365", at.time_ms, json, &mut self.chance);
                }
            }
            Kind::CasebookTheft | Kind::BucketTheft => {
                let first = 50_000 + self.chance.below(500);
                for number in first..first + 300 {
                    let time_ms = from_ms + self.chance.between(0, 18 * MINUTE_MS);
                    let at = self.own(time_ms, spot);
                    let chance = &mut self.chance;
                    let (source, json) = match kind {
                        Kind::CasebookTheft => ("nightjar", files::casebook(at, number, chance)),
                        _ => (
                            "aws",
                            files::aws(at, number, 4_000_000 + chance.below(900_000), chance),
                        ),
                    };
                    self.log.add(source, at.time_ms, json, chance);
                }
            }
            Kind::GatewayFlood => self.call(12.0, 3.5, from_ms, 58, spot),
            Kind::GatewayRise => self.call(6.0, 1.0, from_ms, 120, spot),
            Kind::ChatUpload => {
                for _ in 0..60 {
                    let time_ms = from_ms + self.chance.between(0, 52 * MINUTE_MS);
                    let at = self.own(time_ms, spot);
                    let sent = 2_500_000 + self.chance.below(1_500_000);
                    let json = models::chat(at, person.uses.chat_tools[0], sent, &mut self.chance);
                    self.log.add("proxy", at.time_ms, json, &mut self.chance);
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, times: f64, longer: f64, from_ms: i64, minutes: i64, spot: &Spot) {
        let uses = &self.person.uses;
        for _ in 0..self.chance.round(uses.model_calls * times) {
            let time_ms = from_ms + self.chance.between(0, minutes * MINUTE_MS);
            let tokens = self.chance.log_normal(uses.tokens_per_call * longer, 0.3) as u64;
            let json = gateway_call(
                self.person,
                spot,
                self.session,
                time_ms,
                tokens,
                &mut self.chance,
            );
            self.log.add("litellm", time_ms, json, &mut self.chance);
        }
    }
}

/// A service calls itself in circles.
fn run_away(company: &Company, day: u32, chance: &mut Chance, log: &mut Log) {
    for _ in 0..900 {
        let at = 620.0 + 90.0 * chance.unit();
        services::call(INVOICES, company, day, at, 8_000.0, chance, log);
    }
}
