//! How accounts are broken into in the planted stories, and how the logs themselves suffer.
//!
//! Invariant: a thief is seen by his own address and device, except where he holds the victim's
//! session or the victim does it for him.

use super::Company;
use super::chance::Chance;
use super::kinds::Kind;
use super::log::Log;
use super::people::{Device, Person, Provider, strange_device};
use super::places::{BARCELONA, City, HAMBURG, HANOI, LAGOS, Link, SINGAPORE, Spot};
use super::routine::session_of;
use super::story::{MINUTE_MS, Story};
use super::vendors::Moment;
use super::vendors::audits;
use super::vendors::logins::{self, Entra, Okta, OktaEvent, okta_user};

/// The source that loses events, and the one whose field is renamed.
pub const LOSING_SOURCE: &str = "google";
/// See [`LOSING_SOURCE`].
pub const CHANGED_SOURCE: &str = "entra";
/// Share of the downloads that is lost.
const LOST_SHARE: f64 = 0.6;
/// Number of the first machine that guesses, among the addresses of a town.
const GUESSERS: u32 = 900;

impl Story<'_, '_> {
    /// Tells a story of an account that is broken into; false when it is none of those.
    pub fn intrude_quietly(&mut self, kind: Kind, from_ms: i64, spot: &Spot) -> bool {
        match kind {
            Kind::StoppedSpray(city) => self.spray(city, from_ms),
            Kind::BruteForce(city) => {
                let there = self.there(city);
                for number in 0..26 {
                    self.okta_in(from_ms + number * 19_000, &there, Okta::Refused);
                }
                self.intrude(city, from_ms + 9 * MINUTE_MS);
            }
            Kind::PushFlood(city) => {
                let from_ms = self.clock(135.0);
                self.push(city, from_ms);
            }
            Kind::ReplayedSession(city) => self.replay(city, from_ms),
            Kind::DeviceCode(city) => {
                let there = self.there(city);
                for (minute, what) in [(0, Entra::DeviceCode), (3, Entra::Token)] {
                    let at = self.moment(from_ms + minute * MINUTE_MS, &there, self.strange);
                    let json = logins::entra(at, what, &mut self.chance);
                    self.log.add("entra", at.time_ms, json, &mut self.chance);
                }
            }
            Kind::BareLogin => {
                let at = self.own(from_ms, spot);
                let json = audits::aws_bare_login(at, &mut self.chance);
                self.log.add("aws", from_ms, json, &mut self.chance);
            }
            Kind::NewMachine => {
                self.intrude(&HAMBURG, from_ms);
            }
            Kind::DormantUse | Kind::EmergencyUse => {
                let at = self.own(from_ms, self.home);
                self.log_in(at);
            }
            Kind::LeaverUse => self.come_back(9, from_ms),
            Kind::CollectingLeaver => {
                self.come_back(300, from_ms);
                let at = self.own(from_ms + 40 * MINUTE_MS, self.home);
                self.export(at);
            }
            Kind::FactorAdded(city) => {
                let there = self.intrude(city, from_ms);
                let at = self.moment(from_ms + 4 * MINUTE_MS, &there, self.strange);
                self.okta_change(at, ENROL, &[("factor", "OKTA_VERIFY_PUSH")]);
            }
            Kind::Typos => {
                for number in 0..4 {
                    let spot = spot.clone();
                    let at = self.own(from_ms + number * 24_000, &spot);
                    let json = logins::okta(at, Okta::Refused, &mut self.chance);
                    self.log.add("okta", at.time_ms, json, &mut self.chance);
                }
                let at = self.own(from_ms + 3 * MINUTE_MS, spot);
                self.log_in(at);
            }
            _ => return false,
        }
        true
    }

    /// By the victim's account, somewhere and with some device.
    pub fn moment<'m>(&self, time_ms: i64, spot: &'m Spot, device: &'m Device) -> Moment<'m>
    where
        Self: 'm,
    {
        Moment {
            time_ms,
            person: self.person,
            spot,
            device,
            session: self.session,
        }
    }

    /// Where a thief sits.
    pub fn there(&self, city: &'static City) -> Spot {
        Spot::new(city, Link::Home, self.person.index, self.day)
    }

    /// A change at Okta by the victim's account, about the victim's account.
    pub fn okta_change(&mut self, at: Moment<'_>, kind: [&str; 3], details: &[(&str, &str)]) {
        let json = audits::okta(at, kind, self.person, details, &mut self.chance);
        self.log.add("okta", at.time_ms, json, &mut self.chance);
    }

    fn okta_in(&mut self, time_ms: i64, spot: &Spot, what: Okta) {
        let at = self.moment(time_ms, spot, self.strange);
        let json = logins::okta(at, what, &mut self.chance);
        self.log.add("okta", time_ms, json, &mut self.chance);
    }

    /// All accounts of a provider from one address; the victim's password is right.
    fn spray(&mut self, city: &'static City, from_ms: i64) {
        let there = Spot::new(city, Link::Home, GUESSERS, self.day);
        let company = self.company;
        let tried = company.people.iter().filter(|person| is_tried(person));
        for (number, person) in (0..).zip(tried) {
            for round in 0..3 {
                let time_ms = from_ms + round * 7 * MINUTE_MS + number * 11_000;
                let at = Moment {
                    person,
                    ..self.moment(time_ms, &there, self.strange)
                };
                let json = logins::entra(at, Entra::Refused, &mut self.chance);
                self.log.add("entra", time_ms, json, &mut self.chance);
            }
        }
        for (minute, what) in [(24, Entra::Asked), (25, Entra::Declined)] {
            let at = self.moment(from_ms + minute * MINUTE_MS, &there, self.strange);
            let json = logins::entra(at, what, &mut self.chance);
            self.log.add("entra", at.time_ms, json, &mut self.chance);
        }
    }

    /// Prompts that the owner refuses, until one is accepted.
    fn push(&mut self, city: &'static City, from_ms: i64) {
        let there = self.there(city);
        let target = okta_user(self.person);
        for number in 0..7 {
            let at = self.moment(from_ms + number * 190_000, &there, self.strange);
            let event = OktaEvent {
                event: [
                    "user.mfa.okta_verify.deny_push",
                    "core.user.factor.deny_push",
                    "User rejected Okta push verify",
                    "/api/v1/authn/factors/verify",
                ],
                failure: Some("INVALID_CREDENTIALS"),
                targets: &target,
                details: "",
            };
            let json = logins::okta_event(at, &event, &mut self.chance);
            self.log.add("okta", at.time_ms, json, &mut self.chance);
        }
        self.intrude(city, from_ms + 24 * MINUTE_MS);
    }

    /// The victim's session of the day goes on elsewhere, without a login.
    fn replay(&mut self, city: &'static City, from_ms: i64) {
        let there = self.there(city);
        let session = session_of(self.company, self.person, self.day);
        let policy = logins::okta_target(
            "00pexamplepolicy0001",
            "PolicyEntity",
            "unknown",
            "Default Policy",
            "null",
        );
        for number in 0..6 {
            let at = Moment {
                session: &session,
                ..self.moment(from_ms + number * 5 * MINUTE_MS, &there, self.strange)
            };
            let event = OktaEvent {
                event: [
                    "policy.evaluate_sign_on",
                    "core.policy.evaluate_sign_on",
                    "Evaluation of sign-on policy",
                    "/app/sso/saml",
                ],
                failure: None,
                targets: &policy,
                details: "",
            };
            let json = logins::okta_event(at, &event, &mut self.chance);
            self.log.add("okta", at.time_ms, json, &mut self.chance);
        }
    }

    /// Somebody who has left logs in from home, and takes something.
    fn come_back(&mut self, files: u64, from_ms: i64) {
        let at = self.own(from_ms, self.home);
        self.log_in(at);
        let (home, laptop) = (self.home, &self.person.laptop);
        self.take(files, from_ms + 3 * MINUTE_MS, 25, home, laptop);
    }
}

/// Event type, older one and message of a new second factor.
pub const ENROL: [&str; 3] = [
    "user.mfa.factor.activate",
    "core.user.factor.activate",
    "Enroll new factor for user",
];

fn is_tried(person: &Person) -> bool {
    person.provider == Provider::Entra
}

/// Guesses that no single address or account gives away.
pub fn guess(company: &Company, kind: Kind, day: u32, chance: &mut Chance, log: &mut Log) {
    let (tries, from_ms, to_ms, addresses) = match kind {
        // A quarter of an hour of every account.
        Kind::Distributed => (48, 14 * 60, 14 * 60 + 11, 12),
        Kind::SlowGuessing => (26, 8 * 60, 20 * 60, 26),
        _ => return,
    };
    let device = strange_device(chance);
    let session = chance.hex(22);
    let midnight_ms = company.midnight_of_berlin(day);
    let others = company.people.iter();
    let tried: Vec<&Person> = others.filter(|person| !is_tried(person)).collect();
    for number in 0..tries {
        let cities = [&LAGOS, &HANOI, &SINGAPORE, &BARCELONA];
        let machine = number % addresses;
        let link = (Link::Home, GUESSERS + 1 + machine);
        let spot = Spot::new(cities[machine as usize % cities.len()], link.0, link.1, day);
        let time_ms = midnight_ms + chance.between(from_ms, to_ms) * MINUTE_MS;
        let Some(person) = tried.get(number as usize % tried.len().max(1)) else {
            continue;
        };
        let at = Moment {
            time_ms: time_ms + chance.between(0, 50_000),
            person,
            spot: &spot,
            device: &device,
            session: &session,
        };
        let json = logins::okta(at, Okta::Refused, chance);
        log.add("okta", at.time_ms, json, chance);
    }
}

/// A part of what people downloaded never arrives.
pub fn lose_events(company: &Company, day: u32, log: &mut Log) {
    let mut chance = Chance::of(company.plan.seed, "lost", &[u64::from(day)]);
    log.change(LOSING_SOURCE, |record| {
        let is_lost = record.json.contains(r#""name":"download""#) && chance.happens(LOST_SHARE);
        (!is_lost).then_some(record)
    });
}

/// The vendor has another name for a field.
pub fn lose_field(log: &mut Log) {
    log.change(CHANGED_SOURCE, |mut record| {
        record.json = record
            .json
            .replace(r#""deviceId":"#, r#""deviceIdentifier":"#);
        Some(record)
    });
}
