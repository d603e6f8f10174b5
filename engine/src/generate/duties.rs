//! What administrators, agents and the forgetful do on ordinary days: the harmless form of what the
//! planted stories do.
//!
//! Invariant: it draws from a stream of its own, and nothing here is meant to stand out: rights are
//! small, applications are known ones, and a reset is followed by its owner.

use super::Company;
use super::accounts::is_admin;
use super::chance::Chance;
use super::intrusions::ENROL;
use super::log::Log;
use super::misuse::{GRANT, RESET};
use super::people::{Life, Person, Provider};
use super::places::{Link, Spot};
use super::routine::session_of;
use super::shifts::{Shift, leaves};
use super::vendors::Moment;
use super::vendors::agents::{Agent, USUAL_SERVER, agent};
use super::vendors::audits::{self, M365};
use super::vendors::logins::{self, OktaEvent, okta_user};

/// Known applications, which ask for little.
const APPLICATIONS: [&str; 4] = ["Whiteboard", "Room Booking", "Survey Tool", "Expense App"];

/// Writes down the small things of somebody's day.
pub fn attend(company: &Company, person: &Person, day: u32, shift: &Shift, log: &mut Log) {
    let numbers = [u64::from(person.index), u64::from(day)];
    let session = session_of(company, person, day);
    let mut duty = Duty {
        company,
        person,
        day,
        shift,
        session: &session,
        chance: Chance::of(company.plan.seed, "duties", &numbers),
        log,
    };
    duty.code();
    duty.tidy();
    duty.read_secrets();
    if is_admin(person) {
        duty.administer();
    }
}

struct Duty<'a> {
    company: &'a Company,
    person: &'a Person,
    day: u32,
    shift: &'a Shift,
    session: &'a str,
    chance: Chance,
    log: &'a mut Log,
}

impl<'a> Duty<'a> {
    fn sometime(&mut self) -> Moment<'a> {
        Moment {
            time_ms: self.shift.moment_ms(&mut self.chance),
            person: self.person,
            spot: &self.shift.spot,
            device: &self.person.laptop,
            session: self.session,
        }
    }

    /// A coding agent's day.
    fn code(&mut self) {
        if self.person.uses.model_calls == 0.0 {
            return;
        }
        let usual = Chance::of(
            self.company.plan.seed,
            "agent",
            &[u64::from(self.person.index)],
        )
        .log_normal(4.0, 0.4);
        let prompts = self.chance.log_normal(usual * self.shift.share, 0.3);
        for number in 0..self.chance.round(prompts) {
            let mut at = self.sometime();
            if number == 0 {
                self.agent(at, Agent::Server(USUAL_SERVER));
            }
            self.agent(at, Agent::Prompt);
            for _ in 0..self.chance.between(1, 4) {
                at = at.after(self.chance.between(3_000, 40_000));
                self.agent(at, Agent::Request);
                if self.chance.happens(0.5) {
                    self.agent(at.after(900), Agent::Tool);
                }
            }
            if self.chance.happens(0.2) {
                self.agent(at.after(2_000), Agent::ServerTool(USUAL_SERVER));
            }
        }
    }

    fn agent(&mut self, at: Moment<'_>, what: Agent) {
        let json = agent(at, what, &mut self.chance);
        self.log.add("agents", at.time_ms, json, &mut self.chance);
    }

    fn m365(&mut self, at: Moment<'_>, what: &M365<'_>) {
        let json = audits::m365(at, what, &mut self.chance);
        self.log.add("m365", at.time_ms, json, &mut self.chance);
    }

    fn okta(&mut self, at: Moment<'_>, kind: [&str; 3], about: &Person, more: &[(&str, &str)]) {
        let json = audits::okta(at, kind, about, more, &mut self.chance);
        self.log.add("okta", at.time_ms, json, &mut self.chance);
    }

    /// Newsletters into a folder, a survey's application, a new telephone, a prompt that lay in the
    /// bag.
    fn tidy(&mut self) {
        let person = self.person;
        let has_mailbox = 0.0 < person.uses.m365_files;
        if has_mailbox && self.chance.happens(0.006) {
            let at = self.sometime();
            let mailbox = format!("{}\\\\Newsletters", person.email);
            let parameters = [("Name", "Newsletters"), ("MoveToFolder", "Newsletters")];
            self.m365(at, &M365::exchange("New-InboxRule", &mailbox, &parameters));
        }
        if has_mailbox && self.chance.happens(0.012) {
            let at = self.sometime();
            let app = *self.chance.pick(&APPLICATIONS);
            self.m365(at, &M365::consent(app, "User.Read openid profile"));
        }
        if person.provider == Provider::Okta && self.chance.happens(0.003) {
            let at = self.sometime();
            self.okta(at, ENROL, person, &[("factor", "OKTA_VERIFY_PUSH")]);
        }
        if person.provider == Provider::Okta && self.chance.happens(0.004) {
            let at = self.sometime();
            let event = OktaEvent {
                event: [
                    "user.mfa.okta_verify.deny_push",
                    "core.user.factor.deny_push",
                    "User rejected Okta push verify",
                    "/api/v1/authn/factors/verify",
                ],
                failure: Some("INVALID_CREDENTIALS"),
                targets: &okta_user(person),
                details: "",
            };
            let json = logins::okta_event(at, &event, &mut self.chance);
            self.log.add("okta", at.time_ms, json, &mut self.chance);
        }
    }

    fn read_secrets(&mut self) {
        if self.person.uses.aws_objects == 0.0 || !self.chance.happens(0.4) {
            return;
        }
        for _ in 0..self.chance.between(1, 3) {
            let at = self.sometime();
            let number = self.chance.below(6);
            let secret = format!(r#"{{"secretId":"dev/service-{number:03}/token"}}"#);
            let json = audits::aws(
                at,
                "secretsmanager",
                "GetSecretValue",
                &secret,
                &mut self.chance,
            );
            self.log.add("aws", at.time_ms, json, &mut self.chance);
        }
    }

    fn administer(&mut self) {
        let company = self.company;
        let anybody = |chance: &mut Chance| {
            let index = chance.below(company.people.len() as u64);
            &company.people[index as usize]
        };
        if self.chance.happens(0.2) {
            let about = anybody(&mut self.chance);
            self.help(about);
        }
        if self.chance.happens(0.35) {
            let (at, about) = (self.sometime(), anybody(&mut self.chance));
            let group = [("privilegeGranted", "wiki editors")];
            self.okta(at, MEMBERSHIP, about, &group);
        }
        if self.chance.happens(0.3) {
            let (at, about) = (self.sometime(), anybody(&mut self.chance));
            self.okta(at, PASSWORD, about, &[]);
        }
        if self.chance.happens(0.05) {
            let (at, about) = (self.sometime(), anybody(&mut self.chance));
            let role = [("privilegeGranted", "Read-only administrator")];
            self.okta(at, GRANT, about, &role);
        }
        if self.chance.happens(0.25) {
            let (at, email) = (self.sometime(), &self.person.email);
            let role = [("Role.DisplayName", r#"\"User Administrator\""#)];
            let operation = "Add member to role completed (PIM activation).";
            self.m365(at, &M365::directory(operation, email, email, &role));
        }
        if self.day == leaves(&company.plan) && self.person.index < 20 {
            // The accounts of the first two are forgotten.
            let leavers = company.people.iter();
            let leavers = leavers.filter(|person| person.life == Life::Leaver);
            for leaver in leavers.skip(2) {
                let mut at = self.sometime();
                at.time_ms = self
                    .shift
                    .end_ms
                    .max(company.midnight_of_berlin(self.day) + 19 * 3_600_000);
                self.okta(at, DEACTIVATION, leaver, &[]);
            }
        }
    }

    /// A reset for a new telephone, while its owner is at work.
    fn help(&mut self, about: &Person) {
        let Some(theirs) = self.company.shift(about, self.day) else {
            return;
        };
        let time_ms = theirs.moment_ms(&mut self.chance);
        let at = Moment {
            time_ms,
            ..self.sometime()
        };
        self.okta(at, RESET, about, &[]);
        let session = session_of(self.company, about, self.day);
        let at = Moment {
            time_ms: time_ms + self.chance.between(120_000, 900_000),
            person: about,
            spot: &theirs.spot,
            device: &about.laptop,
            session: &session,
        };
        self.okta(at, ENROL, about, &[("factor", "OKTA_VERIFY_PUSH")]);
    }
}

impl Company {
    /// Where somebody is on a day.
    pub(super) fn place(&self, person: &Person, day: u32) -> Spot {
        let at_home = || Spot::new(person.home, Link::Home, person.index, day);
        self.shift(person, day)
            .map_or_else(at_home, |shift| shift.spot)
    }
}

/// Event type, older one and message.
const MEMBERSHIP: [&str; 3] = [
    "group.user_membership.add",
    "core.user_group_member.user_add",
    "Add user to group membership",
];
/// See [`MEMBERSHIP`].
const PASSWORD: [&str; 3] = [
    "user.account.reset_password",
    "core.user.config.password_reset",
    "Fired when the user's Okta password is reset",
];
/// See [`MEMBERSHIP`].
const DEACTIVATION: [&str; 3] = [
    "user.lifecycle.deactivate",
    "core.user.config.user_deactivated",
    "Deactivate Okta user",
];
