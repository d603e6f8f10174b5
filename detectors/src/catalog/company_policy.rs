//! Flags: logins that the company has ruled out, and every use of an emergency account. Why: the rule is the
//! company's own. Method: countries, hours and accounts as configured. Blind to: what no rule is about.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::phrase::{self, OWN_NETWORKS};
use super::rule::{Case, Rule, Ruled, Sign};
use super::{Entry, Page, Step};
use crate::alert::Severity;
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Kind, Network, Outcome, Row};
use crate::time::day_text;
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "company_policy",
    activities: Activity::ALL,
    attack: &["T1078", "T1078.004"],
    family: "access",
    needs: &[&["user"]],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "interactive logins from a country outside `allowed_countries`; administrators who log in or administer outside `admin_hours`; every use of a break-glass account",
        why: "what a company has ruled out is worth a look whoever does it, and an emergency account is for emergencies that everybody knows of",
        method: "policy: the three lists of `[policy]` and the directory's `kind` and `admin`; hours on the person's own clock (directory zone, else the tenant's). A country is medium, high for administrators, low where all logins came through a VPN or relay; hours are medium, lowered for people on call; break-glass is high and never muted as a repeat. One alert a day for each country or rule. Eager",
        blind_to: "whatever the configuration does not rule on; logins without a country; administrators that neither the vendor nor the directory names",
        fields: "time, user, activity, outcome, country, network, is_admin, kind, interactive; configuration: allowed_countries, admin_hours; directory: kind, admin, zone, on_call",
        example: "ana@example.com logged in from BR, which is not among the allowed countries (CH and DE): 2 logins from 203.0.113.7 (BR)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        let rule = CompanyPolicy::new(world);
        Box::new(Runner::new(Arc::new(Ruled(rule)), lag))
    },
};

/// The company's rules.
pub struct CompanyPolicy {
    countries: BTreeSet<String>,
    admin_hours: Option<(u8, u8)>,
    admins: BTreeSet<String>,
    emergency: BTreeSet<String>,
}

/// Marks: by an administrator.
const ADMIN: u16 = 1;
/// Marks: not through a VPN or relay.
const DIRECT: u16 = 2;

const EMERGENCY: &str = "break_glass";
const HOURS: &str = "hours";

/// What administrators do.
const ADMINISTRATION: [Activity; 7] = [
    Activity::Login,
    Activity::RoleGrant,
    Activity::AppConsent,
    Activity::MfaChange,
    Activity::AccountChange,
    Activity::AuditChange,
    Activity::DeviceRegister,
];

impl CompanyPolicy {
    fn new(world: &World) -> Self {
        let people = &world.settings.directory.people;
        let named = |is_it: fn(&crate::directory::Person) -> bool| {
            let those = people.iter().filter(|(_, person)| is_it(person));
            those.map(|(name, _)| name.clone()).collect()
        };
        let policy = &world.settings.policy;
        CompanyPolicy {
            countries: policy.allowed_countries.clone(),
            admin_hours: policy.admin_hours,
            admins: named(|person| person.admin),
            emergency: named(|person| person.kind == Some(Kind::BreakGlass)),
        }
    }

    fn is_admin(&self, row: &Row<'_>) -> bool {
        let listed = || row.user().is_some_and(|user| self.admins.contains(user));
        row.is_admin() == Some(true) || !self.admins.is_empty() && listed()
    }

    fn is_emergency(&self, row: &Row<'_>) -> bool {
        let listed = || row.user().is_some_and(|user| self.emergency.contains(user));
        row.kind() == Some(Kind::BreakGlass) || !self.emergency.is_empty() && listed()
    }

    /// The country of a login that no list allows.
    fn foreign<'a>(&self, row: &Row<'a>) -> Option<&'a str> {
        if self.countries.is_empty() || row.activity() != Activity::Login {
            return None;
        }
        let country = row.country()?;
        let is_inside = row.network() == Some(Network::Corporate);
        (!is_inside && !self.countries.contains(country)).then_some(country)
    }

    /// Whether the row is an administrator's work, of which the hours are ruled.
    fn is_timed(&self, row: &Row<'_>) -> bool {
        self.admin_hours.is_some() && ADMINISTRATION.contains(&row.activity()) && self.is_admin(row)
    }

    fn is_outside_hours(&self, hour: u8) -> bool {
        let is_inside = match self.admin_hours {
            Some((from, to)) if from <= to => from <= hour && hour < to,
            Some((from, to)) => from <= hour || hour < to,
            None => true,
        };
        !is_inside
    }
}

impl Rule for CompanyPolicy {
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream == Stream::Person
            && row.outcome() != Outcome::Failure
            && (self.is_emergency(row)
                || row.interactive() != Some(false)
                    && (self.foreign(row).is_some() || self.is_timed(row)))
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        let row = &event.row;
        let is_relayed = row.network() == Some(Network::Vpn);
        let admin = if self.is_admin(row) { ADMIN } else { 0 };
        let marks = admin | if is_relayed { 0 } else { DIRECT };
        let value = if self.is_emergency(row) {
            EMERGENCY.into()
        } else if let Some(country) = self.foreign(row) {
            format!("country {country}").into()
        } else {
            let (clock, _) = event.world.clock(event.user);
            let is_outside = self.is_outside_hours(clock.hour(row.time()));
            is_outside.then_some(HOURS)?.into()
        };
        Some(Sign { value, marks })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let verdict = match case.value {
            EMERGENCY => self.emergency(case),
            HOURS => self.hours(case),
            _ => self.country(case),
        };
        Some(verdict)
    }
}

impl CompanyPolicy {
    fn emergency(&self, case: &Case<'_>) -> Verdict {
        let name = &case.on.who.name;
        Verdict {
            // Every day of use is its own: an emergency does not become usual.
            same_as: day_text(case.on.frozen.day),
            summary: format!("the break-glass account {name} was used ({})", case.how(),),
            also: case.also(),
            next_steps: vec![
                "ask who opened the emergency and why; without a ticket treat it as a break-in"
                    .into(),
                format!("change the password of {name} after use and look at what was done").into(),
            ],
            quiet: "no use of the account: each is told".into(),
            ..case.verdict(Severity::High)
        }
    }

    fn hours(&self, case: &Case<'_>) -> Verdict {
        let (name, world) = (&case.on.who.name, case.on.world);
        let (from, to) = self.admin_hours.unwrap_or((0, 24));
        let verdict = case.verdict(Severity::Medium);
        let (clock, zone) = world.clock(name);
        let is_on_call = world.is_on_call(name, case.on.frozen.day);
        Verdict {
            overlay: is_on_call.then(|| ("lowered", "on_call", "directory".to_owned())),
            summary: format!(
                "the administrator {name} worked at {} ({zone}), outside the hours from {from} to {to} ({})",
                clock.text(verdict.span.0),
                case.how(),
            ),
            also: case.also(),
            next_steps: vec![
                format!("ask {name} whether it was them, and for which change").into(),
                Step::LockOut(name.to_string()),
                "if the work was planned, put the person on call in the directory".into(),
            ],
            quiet: format!("work between {from:02}:00 and {to:02}:00 ({zone})"),
            ..verdict
        }
    }

    fn country(&self, case: &Case<'_>) -> Verdict {
        let (name, finding) = (&case.on.who.name, case.finding);
        let code = case.value.trim_start_matches("country ");
        let is_direct = finding.has(DIRECT);
        let severity = match (is_direct, finding.has(ADMIN)) {
            (true, true) => Severity::High,
            (true, false) => Severity::Medium,
            _ => Severity::Low,
        };
        let allowed: Vec<&String> = self.countries.iter().collect();
        let way = if is_direct { "" } else { " through a VPN" };
        Verdict {
            causes: vec![format!("logins from {code}")],
            summary: format!(
                "{name} logged in from {code}{way}, which is not among the allowed countries ({}): {}{}",
                phrase::all_of(&allowed, 12),
                case.count("login"),
                case.from(" "),
            ),
            next_steps: vec![
                format!("ask {name} or the manager whether a journey was agreed").into(),
                Step::LockOut(name.to_string()),
            ],
            quiet: format!(
                "a login from {}, or {OWN_NETWORKS}; {code} in allowed_countries",
                phrase::any_of(&allowed, 12)
            ),
            ..case.verdict(severity)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{alerts, at, event, login, said, settings, strange, with_person};
    use super::*;
    use crate::directory::Person;
    use crate::event::Draft;
    use crate::settings::Settings;

    fn ruled() -> Settings {
        let admin = Person {
            admin: true,
            zone: Some(chrono_tz::Europe::Berlin),
            on_call: vec![(20_515, 20_515)],
            ..Person::default()
        };
        let mut settings = with_person(ENTRY.name, "root", admin);
        settings.policy.allowed_countries = ["DE".to_owned()].into();
        settings.policy.admin_hours = Some((7, 20));
        settings
    }

    #[test]
    fn a_country_is_judged_by_who_came_and_how() {
        let relayed = Draft {
            network: Some(Network::Vpn),
            ..strange("cid", at(0, 600))
        };
        let renewed = Draft {
            interactive: Some(false),
            ..strange("dan", at(0, 700))
        };
        let rows = [
            strange("ana", at(0, 500)),
            strange("root", at(0, 550)),
            relayed,
            renewed,
            login("eva", at(0, 800)),
        ];
        let got = said(ruled(), &rows);
        let want = [Severity::Medium, Severity::High, Severity::Low];
        assert_eq!(got, want.map(|severity| (severity, None)));
        assert_eq!(said(settings(ENTRY.name), &rows), []);
    }

    /// Berlin is an hour ahead of UTC in March; on call is not off duty.
    #[test]
    fn administrators_have_hours_on_their_own_clock() {
        let rows = [
            login("root", at(0, 6 * 60 + 30)),
            login("ana", at(0, 60)),
            login("root", at(1, 22 * 60)),
            event("root", Activity::RoleGrant, at(2, 19 * 60 + 5)),
        ];
        let got = alerts(ruled(), &rows);
        let summaries: Vec<&str> = got.iter().map(|alert| &*alert.summary).collect();
        assert!(summaries[0].contains("worked at 23:00 (Europe/Berlin)"));
        assert_eq!(got[0].suppressed.as_ref().unwrap().reason, "on_call");
        assert!(summaries[1].contains("worked at 20:05"));
        assert_eq!(got.len(), 2);
    }

    #[test]
    fn every_use_of_an_emergency_account_is_told() {
        let key = Person {
            kind: Some(Kind::BreakGlass),
            ..Person::default()
        };
        let rows: Vec<_> = (0..4)
            .map(|day| event("key", Activity::Download, at(day, 600)))
            .collect();
        let got = said(with_person(ENTRY.name, "key", key), &rows);
        assert_eq!(got, vec![(Severity::High, None); 4]);
    }
}
