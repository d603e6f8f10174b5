//! What insiders, and thieves with an account, do to rules, rights, logs, data and AI tools in the
//! planted stories.
//!
//! Invariant: every story is told with the operations of one vendor or two, at the place and with
//! the device of whoever acts.

use super::intrusions::ENROL;
use super::kinds::Kind;
use super::people::Person;
use super::places::{City, Spot};
use super::story::{MINUTE_MS, Story};
use super::vendors::agents::{Agent, agent};
use super::vendors::audits::{self, M365};
use super::vendors::{Moment, models};

/// The server that only a thief's instructions name.
const STRANGE_SERVER: &str = "invoice-helper";

impl Story<'_, '_> {
    /// Tells a story of misuse.
    pub fn misuse(&mut self, kind: Kind, from_ms: i64, spot: &Spot) {
        let at = self.own(from_ms, spot);
        match kind {
            Kind::ForwardingRule => self.rule(at, "Invoices", &[("ForwardTo", OUTSIDE)]),
            Kind::StolenMailbox(city) => {
                let there = self.intrude(city, from_ms);
                let at = self.moment(from_ms + 5 * MINUTE_MS, &there, self.strange);
                self.rule(at, ".", &[("ForwardTo", OUTSIDE)]);
                let at = at.after(MINUTE_MS);
                self.rule(at, "..", &[("DeleteMessage", "True")]);
                self.read_mail(at.after(MINUTE_MS), 12);
            }
            Kind::ConsentAndRule(city) => self.let_in(at, city),
            Kind::Takeout => self.export(at),
            Kind::TrailStopped => {
                let trail = r#"{"name":"arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"}"#;
                self.aws(at, "cloudtrail", "StopLogging", trail);
            }
            Kind::SelfGrant => {
                let role = [("privilegeGranted", "Super administrator")];
                self.okta_change(at, GRANT, &role);
            }
            Kind::KeyFactory => {
                let user = r#"{"userName":"svc-report"}"#;
                let all = r#"{"userName":"svc-report","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}"#;
                self.aws(at, "iam", "CreateUser", user);
                self.aws(at.after(40_000), "iam", "AttachUserPolicy", all);
                self.aws(at.after(70_000), "iam", "CreateAccessKey", user);
            }
            Kind::SecretTheft => {
                for number in 0..180 {
                    let secret = format!(r#"{{"secretId":"prod/service-{number:03}/token"}}"#);
                    let at = at.after(self.chance.between(0, 14 * MINUTE_MS));
                    self.aws(at, "secretsmanager", "GetSecretValue", &secret);
                }
            }
            Kind::NewTool => {
                for number in 0..4 {
                    let at = at.after(number * 2 * MINUTE_MS);
                    let sent = 4_000_000 + self.chance.below(900_000);
                    let json = models::strange_chat(at, sent, &mut self.chance);
                    self.log.add("proxy", at.time_ms, json, &mut self.chance);
                }
            }
            Kind::LabelledUpload => {
                for number in 0..3 {
                    let at = at.after(number * MINUTE_MS);
                    let (tool, sent) = (self.person.uses.chat_tools[0], 180_000);
                    let json = models::labelled_chat(at, tool, sent, &mut self.chance);
                    self.log.add("proxy", at.time_ms, json, &mut self.chance);
                }
            }
            Kind::NewServer | Kind::Bypass | Kind::AgentLoop => self.agent(kind, at),
            Kind::HelpDesk => self.help(from_ms, spot),
            Kind::NewPhone => self.okta_change(at, ENROL, &[("factor", "OKTA_VERIFY_PUSH")]),
            Kind::Activation => {
                let role = [("Role.DisplayName", r#"\"User Administrator\""#)];
                let operation = "Add member to role completed (PIM activation).";
                let email = &self.person.email;
                self.m365(at, &M365::directory(operation, email, email, &role));
            }
            _ => {}
        }
    }

    fn m365(&mut self, at: Moment<'_>, what: &M365<'_>) {
        let json = audits::m365(at, what, &mut self.chance);
        self.log.add("m365", at.time_ms, json, &mut self.chance);
    }

    fn aws(&mut self, at: Moment<'_>, service: &str, event: &str, request: &str) {
        let json = audits::aws(at, service, event, request, &mut self.chance);
        self.log.add("aws", at.time_ms, json, &mut self.chance);
    }

    fn rule(&mut self, at: Moment<'_>, name: &str, does: &[(&str, &str)]) {
        let mailbox = format!("{}\\\\{name}", self.person.email);
        let parameters = [&[("Name", name)], does].concat();
        self.m365(at, &M365::exchange("New-InboxRule", &mailbox, &parameters));
    }

    fn read_mail(&mut self, at: Moment<'_>, times: i64) {
        for number in 0..times {
            let read = M365 {
                record_type: 50,
                more: r#""LogonType":0,"OperationProperties":[{"Name":"MailAccessType","Value":"Bind"}],"#
                    .to_owned(),
                ..M365::exchange("MailItemsAccessed", "", &[])
            };
            self.m365(at.after(number * 21_000), &read);
        }
    }

    /// An application that a mail asked to let in; then it works from its own server.
    fn let_in(&mut self, at: Moment<'_>, city: &'static City) {
        let scopes = "Mail.ReadWrite MailboxSettings.ReadWrite offline_access";
        self.m365(at, &M365::consent("PDF Helper", scopes));
        let there = self.there(city);
        let by_app = self.moment(at.time_ms + 6 * MINUTE_MS, &there, self.strange);
        self.read_mail(by_app, 30);
        let by_app = by_app.after(14 * MINUTE_MS);
        self.rule(by_app, "sync", &[("ForwardTo", OUTSIDE)]);
    }

    /// An archive of everything that the account holds at Google.
    pub fn export(&mut self, at: Moment<'_>) {
        let steps = [(0, "initiated_takeout"), (26, "completed_takeout")];
        for (minute, event) in steps {
            let at = at.after(minute * MINUTE_MS);
            let parameters = [("products_requested", "Drive, Mail, Contacts")];
            let event = ["takeout", "takeout", event];
            let json = audits::google(at, event, &parameters, &mut self.chance);
            self.log.add("google", at.time_ms, json, &mut self.chance);
        }
    }

    fn agent(&mut self, kind: Kind, at: Moment<'_>) {
        let begin = match kind {
            Kind::NewServer => Agent::Server(STRANGE_SERVER),
            Kind::Bypass => Agent::Bypass,
            _ => Agent::Prompt,
        };
        let (what, times, every_ms) = match kind {
            Kind::NewServer => (Agent::ServerTool(STRANGE_SERVER), 6, 45_000),
            Kind::Bypass => (Agent::Tool, 25, 20_000),
            _ => (Agent::Request, 1_100, 11_000),
        };
        for (number, what) in (0..).zip(std::iter::once(begin).chain((0..times).map(|_| what))) {
            let at = at.after(number * every_ms);
            let json = agent(at, what, &mut self.chance);
            self.log.add("agents", at.time_ms, json, &mut self.chance);
        }
    }

    /// An administrator resets the second factor, and its owner enrols another.
    fn help(&mut self, from_ms: i64, spot: &Spot) {
        let people = self.company.people.iter();
        let mut admins = people.filter(|person| super::accounts::is_admin(person));
        if let Some(admin) = admins.next() {
            reset(self, admin, from_ms);
        }
        let at = self.own(from_ms + 11 * MINUTE_MS, spot);
        self.okta_change(at, ENROL, &[("factor", "OKTA_VERIFY_PUSH")]);
    }
}

fn reset(story: &mut Story<'_, '_>, admin: &Person, time_ms: i64) {
    let spot = story.company.place(admin, story.day);
    let at = Moment {
        time_ms,
        person: admin,
        spot: &spot,
        device: &admin.laptop,
        session: story.session,
    };
    story.okta_change(at, RESET, &[]);
}

/// Where thieves have mail sent.
const OUTSIDE: &str = "collect@mail.example.net";
/// Event type, older one and message.
pub const RESET: [&str; 3] = [
    "user.mfa.factor.reset_all",
    "core.user.factor.reset_all",
    "Reset all factors for user",
];
/// See [`RESET`].
pub const GRANT: [&str; 3] = [
    "user.account.privilege.grant",
    "core.user.admin_privilege.granted",
    "Grant user privilege",
];
