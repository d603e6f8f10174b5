//! Flags: logins that showed no second factor. Why: a stolen password is then enough. Method: a list of what
//! must have one, and a monthly count of the rest. Blind to: vendors that do not say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::monthly::{Monthly, NAMES_MAX, Weeks};
use super::rule::Finding;
use super::{Entry, Page, is_admin};
use crate::alert::{Class, Entity, Severity};
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, On, Runner, Subjects, Theirs};
use crate::event::{Activity, Method, Outcome, Row};
use crate::evidence::{EventRef, Refs, Sample, gather};
use crate::sketch::Distinct;
use crate::time::{Day, month_text};
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "login_without_mfa",
    activities: &[Activity::Login],
    attack: &["T1078.004"],
    family: "access",
    needs: &[&["user"], &["mfa"]],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "administrators who log in without a second factor; anybody who does so to an application of `require_mfa`; and, as a finding a month for each application, how many others do",
        why: "without a second factor a stolen or guessed password is all that is needed",
        method: "policy: successful interactive logins of people of which the vendor says that there was no second factor; not said is not no, and federated logins and renewed tokens are judged where they were made. By administrators, and to listed applications, medium, one alert a day and application, a repeat for two weeks: eager. More than five people, and a tenth of the active, at once are one alert. The rest is posture, about the application: info, one finding a month with weekly counts (the 64 first applications by name), brought up to date when a day is closed: sealed",
        blind_to: "formats without the column; factors that the vendor asks for later",
        fields: "time, user, outcome, mfa, app, method, interactive, is_admin; configuration: require_mfa; directory: admin",
        example: "the administrator root@example.com logged in to AWS Console without a second factor: 2 logins from 203.0.113.7 (BR)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(LoginWithoutMfa::new(world)), lag))
    },
};

/// Mark: by an administrator.
const ADMIN: u16 = 1;
/// Mark: in a way that knows no second factor.
const LEGACY: u16 = 2;
/// Stands for an application that is not named.
const UNNAMED: &str = "an application that is not named";

/// The detector with the company's list.
pub struct LoginWithoutMfa {
    required: BTreeSet<String>,
}

/// What closed days tell.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Learned {
    days: u32,
    month: Monthly,
}

/// One day of a person, or of the company.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    refs: Refs,
    /// By application: what must not be.
    breaches: BTreeMap<Box<str>, Finding>,
    /// By application: what the company's people do.
    apps: BTreeMap<Box<str>, Users>,
    #[serde(skip)]
    changes: u32,
}

/// Logins to one application.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Users {
    users: Distinct,
    count: u64,
    sample: Sample,
}

impl LoginWithoutMfa {
    fn new(world: &World) -> Self {
        let listed = world.settings.policy.require_mfa.iter();
        LoginWithoutMfa {
            required: listed.map(|app| app.to_lowercase()).collect(),
        }
    }

    fn is_required(&self, app: &str) -> bool {
        !self.required.is_empty()
            && (self.required.contains("*") || self.required.contains(&app.to_lowercase()))
    }

    fn breach(&self, app: &str, finding: &Finding, open: &Open, on: On<'_>, days: u32) -> Verdict {
        let name = &on.who.name;
        let sample = &finding.sample;
        let span = (sample.first(&open.refs), sample.last(&open.refs));
        let who = if finding.has(ADMIN) {
            "the administrator "
        } else {
            ""
        };
        let way = if finding.has(LEGACY) {
            ", in a way that knows none"
        } else {
            ""
        };
        Verdict {
            value: app.to_owned(),
            causes: vec![format!("logins to {app} without a second factor")],
            summary: format!(
                "{who}{name} logged in to {app} without a second factor{way}: {} logins from {}",
                sample.count,
                finding.places.text("an unknown address"),
            ),
            also: vec![Entity {
                kind: "app".into(),
                id: app.into(),
            }],
            observed: f64::from(sample.count),
            days,
            evidence: gather(&open.refs, [[sample]], 12),
            next_steps: vec![
                format!("ask {name} whether the login was theirs"),
                format!(
                    "require a second factor for {app}, and switch off ways to log in that know none"
                ),
            ],
            ..Verdict::of(Severity::Medium, "policy", span, u64::from(sample.count))
        }
    }

    /// The company's standing weakness in one application.
    fn posture(app: &str, weeks: &Weeks, users: &Users, open: &Open, on: On<'_>) -> Verdict {
        let sample = &users.sample;
        let span = (sample.first(&open.refs), sample.last(&open.refs));
        let month = month_text(on.frozen.day);
        let entity = Entity {
            kind: "app".into(),
            id: app.into(),
        };
        Verdict {
            value: month.clone(),
            class: Class::Posture,
            about: Some(entity),
            summary: format!(
                "{} logins to {app} in {month} showed no second factor; by week: {}; on the last day {} people",
                weeks.total(),
                weeks.text(),
                users.users.count(),
            ),
            observed: weeks.total() as f64,
            history: weeks.history(),
            evidence: gather(&open.refs, [[sample]], 3),
            next_steps: vec![
                format!("require a second factor for {app}"),
                "list the application under `require_mfa`, so that an exception is an alert".into(),
            ],
            ..Verdict::of(Severity::Info, "policy", span, u64::from(sample.count))
        }
    }
}

impl Open {
    fn counts(&self) -> BTreeMap<Box<str>, u64> {
        let apps = self.apps.iter();
        apps.map(|(app, users)| (app.clone(), users.count))
            .collect()
    }
}

impl Kind for LoginWithoutMfa {
    type Base = Learned;
    type Summary = BTreeMap<Box<str>, u64>;
    type Open = Open;
    type Amount = Vec<Verdict>;
    type Bars = u32;

    const STATISTICAL: bool = false;
    const SUBJECTS: Subjects = Subjects {
        users: true,
        addresses: false,
        company: true,
    };

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream == Stream::Person
            && row.mfa() == Some(false)
            && row.outcome() == Outcome::Success
            && row.interactive() != Some(false)
            && !matches!(row.method(), Some(Method::Federated | Method::Token))
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let row = event.row;
        let app = row.app().unwrap_or(UNNAMED);
        if event.about == Stream::Company {
            let seed = event.world.seed;
            let user = xxhash_rust::xxh3::xxh3_64_with_seed(event.user.as_bytes(), seed);
            let users = open.apps.entry(app.into()).or_default();
            users.users.insert(user, event.pane);
            users.count = users.count.saturating_add(row.count());
            users.sample.add(&mut open.refs, event);
            if NAMES_MAX < open.apps.len() {
                open.apps.pop_last();
            }
            return;
        }
        let is_admin = is_admin(event);
        if !is_admin && !self.is_required(app) {
            return;
        }
        open.changes += 1;
        let is_legacy = row.method() == Some(Method::Legacy);
        let marks = if is_admin { ADMIN } else { 0 } | if is_legacy { LEGACY } else { 0 };
        let finding = open.breaches.entry(app.into()).or_default();
        finding.add(&mut open.refs, event, marks, None);
        if NAMES_MAX < open.breaches.len() {
            open.breaches.pop_last();
        }
    }

    fn merge(&self, open: &mut Open, other: Open) {
        for (app, theirs) in other.apps {
            let mine = open.apps.entry(app).or_default();
            mine.users = Distinct::union([&mine.users, &theirs.users]);
            mine.count = mine.count.saturating_add(theirs.count);
            mine.sample
                .merge(&mut open.refs, &theirs.sample, &other.refs);
        }
        while NAMES_MAX < open.apps.len() {
            open.apps.pop_last();
        }
    }

    fn evidence(&self, open: &Open) -> Vec<EventRef> {
        let breaches = open.breaches.values().map(|finding| [&finding.sample]);
        gather(&open.refs, breaches, usize::MAX)
    }

    fn erase(&self, open: &mut Open, theirs: &Theirs<'_>) -> usize {
        let refs = &mut open.refs;
        let apps = open.apps.values_mut();
        apps.map(|users| users.sample.erase(refs, theirs)).sum()
    }

    fn fold(&self, base: &mut Learned, day: Day, counts: &Self::Summary) {
        base.days += 1;
        base.month.fold(day, counts);
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<Verdict> {
        let (open, on) = (judged.open, judged.on);
        let Some(latest) = judged.latest.filter(|_| !open.apps.is_empty()) else {
            let breaches = open.breaches.iter();
            let days = judged.base.days;
            return breaches
                .map(|(app, finding)| self.breach(app, finding, open, on, days))
                .collect();
        };
        let mut base = latest.base.clone();
        for (day, counts) in latest.pending {
            self.fold(&mut base, *day, counts);
        }
        self.fold(&mut base, on.frozen.day, &open.counts());
        let apps = base.month.iter();
        let of_today = apps.filter_map(|(app, weeks)| Some((app, weeks, open.apps.get(app)?)));
        let posture =
            of_today.map(|(app, weeks, users)| Self::posture(app, &weeks, users, open, on));
        posture.collect()
    }

    fn score(&self, _: &Vec<Verdict>) -> u32 {
        0
    }

    fn verdicts(&self, _: &Judged<'_, Self>, said: &Vec<Verdict>) -> Vec<Verdict> {
        said.clone()
    }

    fn bars(&self, judged: &Judged<'_, Self>, _: &Vec<Verdict>) -> u32 {
        judged.open.changes
    }

    fn reaches(&self, open: &Open, bars: &u32) -> bool {
        open.changes != *bars
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        _: Vec<Verdict>,
        _: &mut Parts,
    ) -> Self::Summary {
        judged.open.counts()
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{alerts, at, login, settings};
    use super::*;
    use crate::alert::Alert;
    use crate::event::{Draft, Kind};

    fn bare<'a>(user: &'a str, app: &'a str, time: i64) -> Draft<'a> {
        Draft {
            mfa: Some(false),
            app: Some(app),
            ..login(user, time)
        }
    }

    fn shown(alerts: &[Alert]) -> Vec<(&str, &str, Severity)> {
        let shown = alerts.iter().filter(|alert| !alert.is_muted());
        shown
            .map(|alert| (&*alert.entity.id, &*alert.entity.kind, alert.severity))
            .collect()
    }

    #[test]
    fn administrators_and_listed_applications_must_have_one() {
        let admin = |row| Draft {
            is_admin: Some(true),
            ..row
        };
        let rows = [
            admin(bare("root", "console", at(0, 500))),
            admin(bare("root", "console", at(1, 500))),
            bare("ana", "Payroll", at(1, 510)),
            admin(login("eva", at(1, 520))),
        ];
        let mut settings = settings(ENTRY.name);
        settings.policy.require_mfa = ["payroll".to_owned()].into();
        let alerts = alerts(settings, &rows);
        let users: Vec<_> = shown(&alerts)
            .into_iter()
            .filter(|(_, kind, _)| *kind == "user")
            .collect();
        let medium = |user| (user, "user", Severity::Medium);
        assert_eq!(users, [medium("root"), medium("ana")]);
    }

    /// One finding a month, whatever the days; null, tokens and other providers' logins are not no.
    #[test]
    fn the_rest_is_one_finding_a_month() {
        let mut rows: Vec<Draft<'_>> = (0..40)
            .map(|day| bare("ana", "wiki", at(day, 500)))
            .collect();
        rows.push(bare("bo", "wiki", at(29, 510)));
        for row in [
            Draft {
                mfa: None,
                ..bare("ana", "crm", at(3, 500))
            },
            Draft {
                method: Some(Method::Token),
                ..bare("ana", "crm", at(3, 500))
            },
            Draft {
                method: Some(Method::Federated),
                ..bare("ana", "crm", at(3, 500))
            },
            Draft {
                kind: Some(Kind::Service),
                ..bare("robot", "crm", at(3, 500))
            },
        ] {
            rows.push(row);
        }
        let alerts = alerts(settings(ENTRY.name), &rows);
        let info = ("wiki", "app", Severity::Info);
        assert_eq!(shown(&alerts), [info, info]);
        assert_eq!(
            alerts[0].summary,
            "31 logins to wiki in 2026-03 showed no second factor; by week: 6, 7, 7, 7 and 4; on the last day 2 people"
        );
        assert!(alerts.iter().all(|alert| alert.class == Class::Posture));
    }
}
