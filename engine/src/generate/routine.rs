//! An ordinary day of somebody.
//!
//! Invariant: amounts are log-normal about the person's own and alike on neighbouring days, and
//! spread over the day's work; nothing here is meant to stand out.

use super::Company;
use super::chance::{Chance, exp, mood};
use super::log::Log;
use super::people::{Department, Life, Person, Provider};
use super::places::{Link, Spot};
use super::shifts::{Shift, is_month_end};
use super::vendors::files::{self, Document, Drive, Operation};
use super::vendors::logins::{self, Entra, Okta};
use super::vendors::models::{self, Call};
use super::vendors::{Moment, files as vendor_files};

/// Documents in a department's library.
const LIBRARY: f64 = 320.0;

/// Letters of a session's id.
const SESSION: usize = 22;

/// The session of somebody's day.
pub fn session_of(company: &Company, person: &Person, day: u32) -> String {
    let numbers = [u64::from(person.index), u64::from(day)];
    Chance::of(company.plan.seed, "day", &numbers).hex(SESSION)
}

/// Writes down somebody's day.
pub fn live(company: &Company, person: &Person, day: u32, shift: &Shift, log: &mut Log) {
    let mut chance = Chance::of(
        company.plan.seed,
        "day",
        &[u64::from(person.index), u64::from(day)],
    );
    let session = chance.hex(SESSION);
    let mut life = Living {
        company,
        person,
        day,
        shift,
        session: &session,
        chance,
        log,
    };
    life.sign_in();
    life.take_files();
    life.use_models();
}

struct Living<'a> {
    company: &'a Company,
    person: &'a Person,
    day: u32,
    shift: &'a Shift,
    session: &'a str,
    chance: Chance,
    log: &'a mut Log,
}

impl<'a> Living<'a> {
    fn at(&self, time_ms: i64) -> Moment<'a> {
        Moment {
            time_ms,
            person: self.person,
            spot: &self.shift.spot,
            device: &self.person.laptop,
            session: self.session,
        }
    }

    fn sometime(&mut self) -> Moment<'a> {
        let time_ms = self.shift.moment_ms(&mut self.chance);
        self.at(time_ms)
    }

    /// How often somebody does today what he usually does `usual` times.
    fn times(&mut self, what: &str, usual: f64) -> u64 {
        if usual == 0.0 {
            return 0;
        }
        let mood = mood(
            self.company.plan.seed,
            what,
            u64::from(self.person.index),
            self.day,
        );
        self.chance
            .round(usual * self.shift.share * exp(0.26 * mood))
    }

    fn sign_in(&mut self) {
        let start = self.shift.start_ms + self.chance.between(0, 300_000);
        self.glance_at_phone();
        let again = self.chance.happens(self.person.habits.login_again);
        let after_break = self.shift.break_ms.1 + self.chance.between(0, 240_000);
        for begin in [Some(start), again.then_some(after_break)]
            .into_iter()
            .flatten()
        {
            let at = self.at(begin);
            self.log_in(at);
        }
        match self.person.provider {
            Provider::Okta => {
                for _ in 0..self.times("onward", 1.8) {
                    let at = self.sometime();
                    let app = self.chance.below(6) as usize;
                    let json = logins::okta(at, Okta::Onward(app), &mut self.chance);
                    self.log.add("okta", at.time_ms, json, &mut self.chance);
                }
            }
            Provider::Entra => {
                for _ in 0..self.times("token", 4.0) {
                    let at = self.sometime();
                    let json = logins::entra(at, Entra::Token, &mut self.chance);
                    self.log.add("entra", at.time_ms, json, &mut self.chance);
                }
            }
        }
        self.sign_in_elsewhere(start);
    }

    /// A look at the telephone on the way to work, in the same town.
    fn glance_at_phone(&mut self) {
        if !self.chance.happens(self.person.habits.phone_first) {
            return;
        }
        let spot = Spot::new(
            self.shift.spot.city,
            Link::Mobile,
            self.person.index,
            self.day,
        );
        let time_ms = self.shift.start_ms - self.chance.between(300_000, 1_500_000);
        let at = Moment {
            time_ms,
            spot: &spot,
            device: &self.person.phone,
            ..self.at(0)
        };
        self.log_in(at);
    }

    fn log_in(&mut self, at: Moment<'_>) {
        let chance = &mut self.chance;
        let is_refused = chance.happens(0.05);
        match self.person.provider {
            Provider::Okta => {
                if is_refused {
                    self.log.add(
                        "okta",
                        at.time_ms,
                        logins::okta(at, Okta::Refused, chance),
                        chance,
                    );
                }
                let at = at.after(21_000);
                self.log.add(
                    "okta",
                    at.time_ms,
                    logins::okta(at, Okta::Start, chance),
                    chance,
                );
                let at = at.after(chance.between(4_000, 20_000));
                self.log.add(
                    "okta",
                    at.time_ms,
                    logins::okta(at, Okta::Factor, chance),
                    chance,
                );
            }
            Provider::Entra => {
                if is_refused {
                    self.log.add(
                        "entra",
                        at.time_ms,
                        logins::entra(at, Entra::Refused, chance),
                        chance,
                    );
                }
                let at = at.after(21_000);
                self.log.add(
                    "entra",
                    at.time_ms,
                    logins::entra(at, Entra::Interactive, chance),
                    chance,
                );
            }
        }
    }

    fn sign_in_elsewhere(&mut self, start: i64) {
        let uses = &self.person.uses;
        let late = |chance: &mut Chance| start + chance.between(60_000, 1_200_000);
        if 0.0 < uses.google_files && self.chance.happens(0.3) {
            let time_ms = late(&mut self.chance);
            let at = self.at(time_ms);
            let json = logins::google(at, false, &mut self.chance);
            self.log.add("google", at.time_ms, json, &mut self.chance);
        }
        if 0.0 < uses.aws_objects && self.chance.happens(0.6) {
            let time_ms = late(&mut self.chance);
            let at = self.at(time_ms);
            let json = logins::aws(at, &mut self.chance);
            self.log.add("aws", at.time_ms, json, &mut self.chance);
        }
        if 0.0 < uses.casebook_files {
            let time_ms = late(&mut self.chance);
            let at = self.at(time_ms);
            let json = logins::casebook(at, &mut self.chance);
            self.log.add("nightjar", at.time_ms, json, &mut self.chance);
        }
    }

    /// Mostly of one's own department, and some documents are read by everybody.
    fn document(&mut self) -> Document {
        let library = match self.chance.happens(0.9) {
            true => self.person.department,
            false => Department::People,
        };
        let unit = self.chance.unit();
        Document {
            library,
            number: (unit * unit * LIBRARY) as u64,
        }
    }

    fn take_files(&mut self) {
        let uses = &self.person.uses;
        let date = self.company.date(self.day);
        let is_busy = self.person.department == Department::Finance && is_month_end(date);
        let rush = if is_busy { 2.5 } else { 1.0 };
        let taken = self.times("m365", uses.m365_files * rush);
        let counts = [
            (Operation::Downloaded, taken),
            (
                Operation::Accessed,
                self.times("m365 read", uses.m365_files * 0.6),
            ),
            (
                Operation::Uploaded,
                self.times("m365 write", uses.m365_files * 0.25),
            ),
            (
                Operation::Synced,
                self.times("m365 sync", uses.synced_files),
            ),
        ];
        for (operation, count) in counts {
            for _ in 0..count {
                let (at, document) = (self.sometime(), self.document());
                let json = vendor_files::m365(at, operation, document, &mut self.chance);
                self.log.add("m365", at.time_ms, json, &mut self.chance);
            }
        }
        let counts = [
            (Drive::Download, self.times("google", uses.google_files)),
            (
                Drive::View,
                self.times("google read", uses.google_files * 0.6),
            ),
            (
                Drive::Edit,
                self.times("google write", uses.google_files * 0.3),
            ),
            (
                Drive::Share,
                self.times("google share", uses.google_files * 0.04),
            ),
        ];
        for (what, count) in counts {
            for _ in 0..count {
                let (at, document) = (self.sometime(), self.document());
                let json = files::google(at, what, document, &mut self.chance);
                self.log.add("google", at.time_ms, json, &mut self.chance);
            }
        }
        for _ in 0..self.times("aws", uses.aws_objects) {
            let at = self.sometime();
            let (number, bytes) = (
                self.chance.below(400),
                self.chance.log_normal(900_000.0, 0.5) as u64,
            );
            let json = files::aws(at, number, bytes, &mut self.chance);
            self.log.add("aws", at.time_ms, json, &mut self.chance);
        }
        for _ in 0..self.times("casebook", uses.casebook_files) {
            let at = self.sometime();
            let json = files::casebook(at, self.chance.below(4_000), &mut self.chance);
            self.log.add("nightjar", at.time_ms, json, &mut self.chance);
        }
    }

    fn use_models(&mut self) {
        let uses = &self.person.uses;
        for _ in 0..self.times("gateway", uses.model_calls) {
            let time_ms = self.shift.moment_ms(&mut self.chance);
            let tokens = self.chance.log_normal(uses.tokens_per_call, 0.35) as u64;
            let json = gateway_call(
                self.person,
                &self.shift.spot,
                self.session,
                time_ms,
                tokens,
                &mut self.chance,
            );
            self.log.add("litellm", time_ms, json, &mut self.chance);
        }
        for _ in 0..self.times("chat", uses.chat_visits * 0.6) {
            let tool = uses.chat_tools[usize::from(self.chance.happens(0.2))];
            let mut at = self.sometime();
            for _ in 0..self.chance.between(1, 4) {
                let sent = self.chance.log_normal(6_000.0, 0.7) as u64;
                let json = models::chat(at, tool, sent, &mut self.chance);
                self.log.add("proxy", at.time_ms, json, &mut self.chance);
                at = at.after(self.chance.between(20_000, 150_000));
            }
        }
        for _ in 0..self.times("site", 3.0) {
            let at = self.sometime();
            let json = models::site(at, &mut self.chance);
            self.log.add("proxy", at.time_ms, json, &mut self.chance);
        }
        for _ in 0..self.times("copilot", uses.copilot) {
            let at = self.sometime();
            let json = models::copilot(at, &mut self.chance);
            self.log
                .add_late("m365", at.time_ms, json, &mut self.chance);
        }
    }
}

/// A person's call through the gateway.
pub fn gateway_call(
    person: &Person,
    spot: &Spot,
    session: &str,
    time_ms: i64,
    tokens: u64,
    chance: &mut Chance,
) -> String {
    let call = Call {
        time_ms,
        user: &person.email,
        team: person.department.name(),
        alias: &person.email,
        spot,
        session,
        model: (person.index % 5 / 3) as usize,
        tokens,
    };
    models::litellm(&call, chance)
}

/// Whether somebody's days are ordinary enough to be the victim of a story.
pub fn is_ordinary(person: &Person) -> bool {
    person.life == Life::Office
}
