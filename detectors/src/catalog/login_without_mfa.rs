//! Flags: logins without a second factor where there must be one. Why: a stolen password is then enough. Method: a
//! list of what must have one, and all administrators. Blind to: vendors that do not say.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::rule::{Case, Rule, Ruled, Sign};
use super::{Entry, Page, Step, is_admin};
use crate::alert::Severity;
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Method, Outcome, Row};
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
        flags: "administrators who log in without a second factor; anybody who does so to an application of `require_mfa`. What everybody else does is told by posture, once a month",
        why: "without a second factor a stolen or guessed password is all that is needed, and nobody is worth more than an administrator",
        method: "policy: successful interactive logins of people of which the vendor says that there was no second factor; not said is not no, and federated logins and renewed tokens are judged where they were made. Medium, one alert a day for each person and application, a repeat for two weeks. More than five people, and a tenth of the active, with one application on one day are one alert about the company. Eager",
        blind_to: "formats without the column; factors that the vendor asks for later; administrators that neither the vendor nor the directory names",
        fields: "time, user, outcome, mfa, app, method, interactive, is_admin; configuration: require_mfa; directory: admin",
        example: "the administrator root@example.com logged in to AWS Console without a second factor: 2 events, from 203.0.113.7 (BR)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        let rule = LoginWithoutMfa::new(world);
        Box::new(Runner::new(Arc::new(Ruled(rule)), lag))
    },
};

/// Mark: by an administrator.
const ADMIN: u16 = 1;
/// Mark: in a way that knows no second factor.
const LEGACY: u16 = 2;
/// Stands for every application.
const ALL: &str = "*";
/// Stands for the administrators, who are judged anyway.
const ADMINS: &str = "admins";

/// The rule with the company's list.
pub struct LoginWithoutMfa {
    required: BTreeSet<String>,
}

impl LoginWithoutMfa {
    fn new(world: &World) -> Self {
        let listed = world.settings.policy.require_mfa.iter();
        let listed = listed.map(|app| app.to_lowercase());
        LoginWithoutMfa {
            required: listed.filter(|app| app != ADMINS).collect(),
        }
    }

    fn is_required(&self, app: Option<&str>) -> bool {
        let is_listed = |app: &str| self.required.contains(&app.to_lowercase());
        self.required.contains(ALL) || !self.required.is_empty() && app.is_some_and(is_listed)
    }
}

impl Rule for LoginWithoutMfa {
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream == Stream::Person
            && row.mfa() == Some(false)
            && row.outcome() == Outcome::Success
            && row.interactive() != Some(false)
            && !matches!(row.method(), Some(Method::Federated | Method::Token))
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        let app = event.row.app();
        let is_admin = is_admin(event);
        if !is_admin && !self.is_required(app) {
            return None;
        }
        let is_legacy = event.row.method() == Some(Method::Legacy);
        Some(Sign {
            value: app.unwrap_or("an application that is not named").into(),
            marks: if is_admin { ADMIN } else { 0 } | if is_legacy { LEGACY } else { 0 },
        })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let (name, app, finding) = (&case.on.who.name, case.value, case.finding);
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
        Some(Verdict {
            causes: vec![format!("logins to {app} without a second factor")],
            summary: format!(
                "{who}{name} logged in to {app} without a second factor{way}: {}",
                case.how()
            ),
            also: case.also(),
            next_steps: vec![
                format!("ask {name} whether the login was theirs").into(),
                Step::LockOut(name.to_string()),
                Step::RequireMfa(app.to_owned()),
            ],
            quiet: if finding.has(ADMIN) {
                format!(
                    "every login to {app} with a second factor, or by somebody who is no administrator"
                )
            } else {
                format!("every login to {app} with a second factor, or no {app} in require_mfa")
            },
            ..case.verdict(Severity::Medium)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{alerts, at, login, said, settings};
    use super::*;
    use crate::event::{Draft, Kind};

    fn bare<'a>(user: &'a str, app: &'a str, time: i64) -> Draft<'a> {
        Draft {
            mfa: Some(false),
            app: Some(app),
            ..login(user, time)
        }
    }

    fn admin(row: Draft<'_>) -> Draft<'_> {
        Draft {
            is_admin: Some(true),
            ..row
        }
    }

    #[test]
    fn administrators_and_listed_applications_must_have_one() {
        let rows = [
            admin(bare("root", "console", at(0, 500))),
            admin(bare("root", "console", at(3, 500))),
            bare("ana", "Payroll", at(4, 510)),
            bare("ana", "wiki", at(4, 520)),
            admin(login("eva", at(4, 530))),
        ];
        let mut settings = settings(ENTRY.name);
        settings.policy.require_mfa = ["payroll".to_owned(), "admins".to_owned()].into();
        let alerts = alerts(settings, &rows);
        let shown: Vec<_> = alerts.iter().filter(|alert| !alert.is_muted()).collect();
        let ids: Vec<&str> = shown.iter().map(|alert| &*alert.entity.id).collect();
        assert_eq!(ids, ["root", "ana"]);
        assert_eq!(
            shown[0].summary,
            "the administrator root logged in to console without a second factor: 1 event, from 198.51.100.1 (DE)"
        );
        assert_eq!(alerts.len(), 3, "two weeks long it is a repeat");
    }

    /// Null, tokens, other providers' logins and robots are not no.
    #[test]
    fn what_is_not_said_is_not_no() {
        let rows = [
            Draft {
                mfa: None,
                ..bare("root", "crm", at(3, 500))
            },
            Draft {
                method: Some(Method::Token),
                ..bare("root", "crm", at(3, 500))
            },
            Draft {
                method: Some(Method::Federated),
                ..bare("root", "crm", at(3, 500))
            },
            Draft {
                interactive: Some(false),
                ..bare("root", "crm", at(3, 500))
            },
            Draft {
                kind: Some(Kind::Service),
                ..bare("root", "crm", at(3, 500))
            },
        ];
        assert_eq!(said(settings(ENTRY.name), &rows.map(admin)), []);
    }
}
