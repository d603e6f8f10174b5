//! Flags: consent to an application that is new to the company and may read mail, files or the directory;
//! new keys of an application, or of somebody else's account. Why: an application needs no password. Method:
//! policy and the company's list. Blind to: what an application does with its rights.

use std::sync::Arc;

use super::rule::{Case, Finding, Rule, Ruled, Sign};
use super::{Entry, Page, Step};
use crate::alert::Severity;
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Method, Outcome, Row};
use crate::model::habit::Attribute;
use crate::verdict::{Stream, Verdict};

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "app_consent",
    activities: &[Activity::AppConsent, Activity::AccountChange],
    attack: &["T1528", "T1098.001"],
    family: "privilege",
    needs: &[&["user"], &["app", "target_user"]],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "consent to an application that nobody in the company had consented to, with scopes that open mail, files or the directory; consent for the whole company; a new secret or certificate of an application; a new key of somebody else's account",
        why: "an application that was let in once reads mail without a password and without a second factor, and stays when the password is changed",
        method: "policy: the application is not the platform's own (`first_party_apps`) and not one that the company has had in closed days. New with risky scopes (`risky_scopes`): medium, for the whole company high. Known, but with risky scopes for the whole company: medium. A new secret or certificate: medium, unless the same principal did it in 120 days; so is a key made for another account, but evidence when a service makes it that made keys or consented on 5 days before. A key of one's own is daily work. New with other scopes, or with scopes nobody tells: muted as evidence. Many people at once are one alert about the company. Eager",
        blind_to: "what the application does afterwards; whether its publisher is verified; scopes that a log leaves out; applications that were there before Nightjar look new once",
        fields: "time, user, activity, app, object (scopes), method (admin, user, credential), target_user (whose key it is)",
        example: "ana@example.com consented to pdf helper, which nobody in the company had used (1 event, from 203.0.113.7 (NL)); it may use: mail.read",
    },
    make: |_, lag| -> Box<dyn Detector> { Box::new(Runner::new(Arc::new(Ruled(AppConsent)), lag)) },
};

/// The rule; it has no parameters.
struct AppConsent;

const RISKY: u16 = 1;
const FOR_ALL: u16 = 2;
const KEYS: u16 = 4;
/// The key is an account's, and the value its name.
const ACCOUNT: u16 = 8;
/// Days with consents or keys after which a service is one that makes keys.
const MAKES_KEYS_DAYS: u32 = 5;

/// The account that somebody else made a key for.
fn account_of<'a>(row: &Row<'a>) -> Option<&'a str> {
    let is_key =
        row.activity() == Activity::AccountChange && row.method() == Some(Method::Credential);
    row.target_user()
        .filter(|target| is_key && row.user() != Some(target))
}

impl Rule for AppConsent {
    const LISTS: Option<Attribute> = Some(Attribute::App);

    fn lists(&self, finding: &Finding) -> bool {
        !finding.has(ACCOUNT)
    }

    fn wants(&self, row: &Row<'_>, _: Stream) -> bool {
        if row.activity() == Activity::AccountChange {
            return row.outcome() != Outcome::Failure && account_of(row).is_some();
        }
        row.outcome() != Outcome::Failure
            && row.app().is_some()
            && !matches!(
                row.method(),
                Some(Method::Removed | Method::Deleted | Method::Disabled)
            )
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        if let Some(account) = account_of(&event.row) {
            return Some(Sign {
                value: format!("account {account}").into(),
                marks: KEYS | ACCOUNT,
            });
        }
        let policy = &event.world.settings.policy;
        let app = event.row.app()?;
        if policy.first_party_apps.contains(&app.to_lowercase()) {
            return None;
        }
        let scopes = event.row.object().unwrap_or_default();
        let of_method = match event.row.method() {
            Some(Method::Admin) => FOR_ALL,
            Some(Method::Credential) => KEYS,
            _ => 0,
        };
        let risky = if policy.risky_scopes_of(scopes).is_empty() {
            0
        } else {
            RISKY
        };
        Some(Sign {
            value: app.into(),
            marks: of_method | risky,
        })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let (finding, app) = (case.finding, case.value);
        if finding.has(ACCOUNT) {
            return Some(key_of_account(case));
        }
        let (risky, for_all) = (finding.has(RISKY), finding.has(FOR_ALL));
        let is_new = !case.on.frozen.knows(Attribute::App, app);
        let new_keys = finding.has(KEYS) && !case.is_known_value();
        let severity = match (is_new, risky, for_all) {
            (true, true, true) => Severity::High,
            (true, true, false) | (false, true, true) => Severity::Medium,
            _ if new_keys => Severity::Medium,
            (true, ..) => Severity::Low,
            (false, ..) if finding.has(KEYS) => Severity::Low,
            (false, ..) => return None,
        };
        let verdict = Verdict {
            causes: if for_all || finding.has(KEYS) {
                Vec::new()
            } else {
                vec![format!("consent to {app}")]
            },
            summary: sentence(case, is_new),
            also: case.also(),
            next_steps: vec![
                format!(
                    "ask {} what {app} is for, and who asked for it",
                    case.on.who.name
                )
                .into(),
                "look at its publisher, its scopes and what it has read since".into(),
                Step::RemoveApp(app.to_owned()),
            ],
            quiet: quiet(case, is_new, risky, for_all),
            ..case.verdict(severity)
        };
        Some(match severity {
            Severity::Low => case.evidence_only(verdict),
            _ => verdict,
        })
    }
}

fn quiet(case: &Case<'_>, is_new: bool, risky: bool, for_all: bool) -> String {
    let name = &case.on.who.name;
    let key = format!("no new key, or one by {name} for it in the 120 days before");
    let way = match (is_new, risky, for_all) {
        (true, true, _) => {
            "an application that the company had consented to before, or scopes that are not in risky_scopes"
        }
        (false, true, true) => {
            "consent for one person instead of the whole company, or scopes that are not in risky_scopes"
        }
        _ => "",
    };
    let listed = format!("; or {} in first_party_apps", case.value);
    match (way, case.finding.has(KEYS)) {
        ("", _) => key + &listed,
        (way, true) => format!("{way}, and {key}{listed}"),
        (way, false) => format!("{way}{listed}"),
    }
}

fn key_of_account(case: &Case<'_>) -> Verdict {
    let (who, known) = (case.on.who, case.known);
    let account = case.finding.targets.text("an account");
    let makes_keys = who.stream == Stream::Service && MAKES_KEYS_DAYS <= known.days;
    let is_usual = makes_keys || case.is_known_value();
    let verdict = Verdict {
        summary: format!(
            "{} made a key for {account}, another account ({})",
            who.name,
            case.how()
        ),
        also: case.also(),
        next_steps: vec![
            format!(
                "ask {} what {account} needs the key for, by another way than the account",
                who.name
            )
            .into(),
            format!("look at what was done with the key, and at what {account} may do").into(),
            "delete the key if nobody needs it".into(),
        ],
        quiet: format!(
            "a key for {account} from {} in the 120 days before, or a service that makes keys on {MAKES_KEYS_DAYS} days or more",
            who.name
        ),
        ..case.verdict(if is_usual {
            Severity::Low
        } else {
            Severity::Medium
        })
    };
    if is_usual {
        case.evidence_only(verdict)
    } else {
        verdict
    }
}

fn sentence(case: &Case<'_>, is_new: bool) -> String {
    let (finding, app, name) = (case.finding, case.value, &case.on.who.name);
    let policy = &case.on.world.settings.policy;
    let scopes = finding.objects.iter();
    let mut risky: Vec<&str> = scopes
        .flat_map(|scopes| policy.risky_scopes_of(scopes))
        .collect();
    risky.sort_unstable();
    risky.dedup();
    risky.truncate(6);
    let did = match (finding.has(KEYS), finding.has(FOR_ALL)) {
        (true, _) => "made a new secret or certificate for",
        (false, true) => "consented for the whole company to",
        (false, false) => "consented to",
    };
    let new = if is_new {
        ", which nobody in the company had used"
    } else {
        ""
    };
    let may = if risky.is_empty() {
        String::new()
    } else {
        format!("; it may use: {}", risky.join(", "))
    };
    format!("{name} {did} {app}{new} ({}){may}", case.how())
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{Trial, trial_with};
    use super::*;
    use crate::event::{Draft, Kind};
    use Severity::{High, Medium};

    fn consents() -> Trial {
        trial_with("app_consent", |settings| {
            let policy = &mut settings.policy;
            policy.risky_scopes = ["mail.read".to_owned()].into();
            policy.first_party_apps = ["outlook mobile".to_owned()].into();
        })
    }

    fn consent(
        user: &'static str,
        app: &'static str,
        scopes: &'static str,
        method: Method,
    ) -> Draft<'static> {
        Draft {
            activity: Some(Activity::AppConsent),
            outcome: Some(Outcome::Success),
            user: Some(user),
            app: Some(app),
            object: Some(scopes),
            method: Some(method),
            ..Draft::default()
        }
    }

    #[test]
    fn new_with_risky_scopes_is_medium_and_high_for_all() {
        let mut trial = consents();
        trial.add(
            0,
            600,
            consent(
                "ana",
                "pdf helper",
                "openid Mail.Read offline_access",
                Method::User,
            ),
        );
        trial.add(0, 601, consent("ben", "crm", "Mail.Read", Method::Admin));
        assert_eq!(trial.severities(), [Some(Medium), Some(High)]);
    }

    /// What the company has is not new, the platform's own never is, and harmless scopes are evidence.
    #[test]
    fn known_first_party_and_harmless_applications_stay_quiet() {
        let mut trial = consents();
        trial.add(0, 600, consent("ana", "crm", "openid", Method::User));
        trial.add(3, 600, consent("ben", "crm", "Mail.Read", Method::User));
        trial.add(
            3,
            601,
            consent("ana", "Outlook Mobile", "Mail.Read", Method::Admin),
        );
        assert_eq!(trial.severities(), [None]);
        trial.add(6, 600, consent("root", "crm", "Mail.Read", Method::Admin));
        assert_eq!(trial.severities(), [Some(Medium)]);
    }

    #[test]
    fn the_first_new_key_is_told_and_rotation_is_not() {
        let mut trial = consents();
        for month in 0..3 {
            trial.add(
                30 * month,
                600,
                consent("ops", "crm", "", Method::Credential),
            );
        }
        assert_eq!(trial.severities(), [Some(Medium), None, None]);
    }

    fn key(user: &'static str, target: Option<&'static str>, kind: Kind) -> Draft<'static> {
        Draft {
            activity: Some(Activity::AccountChange),
            target_user: target,
            kind: Some(kind),
            ..consent(user, "iam", "", Method::Credential)
        }
    }

    /// One's own key, and what is no key, are nothing; another account's is told once, and never as an application.
    #[test]
    fn a_key_for_another_account_is_told() {
        let mut trial = consents();
        let other = || key("ops", Some("svc-report"), Kind::Person);
        let password = Draft {
            method: Some(Method::Password),
            ..other()
        };
        let refused = Draft {
            outcome: Some(Outcome::Failure),
            ..other()
        };
        for row in [
            key("ana", Some("ana"), Kind::Person),
            key("ana", None, Kind::Person),
            password,
            refused,
        ] {
            trial.add(0, 600, row);
        }
        trial.add(1, 600, other());
        trial.add(60, 600, other());
        trial.add(61, 600, key("ops", Some("svc-mail"), Kind::Person));
        assert_eq!(trial.severities(), [Some(Medium), None, Some(Medium)]);
    }

    /// A pipeline that makes accounts makes their keys.
    #[test]
    fn a_service_that_makes_keys_is_evidence() {
        let mut trial = consents();
        let accounts = ["a", "b", "c", "d", "e", "f", "g"];
        for (day, account) in accounts.into_iter().enumerate() {
            trial.add(
                2 * day as i32,
                600,
                key("pipeline", Some(account), Kind::Service),
            );
        }
        let told = trial.severities().into_iter().flatten().count();
        assert!((4..7).contains(&told), "{told}");
        assert_eq!(told, 5);
    }

    #[test]
    fn a_rollout_is_one_alert() {
        let mut trial = consents();
        for user in ["a", "b", "c", "d", "e", "f", "g"] {
            trial.add(0, 600, consent(user, "new crm", "Mail.Read", Method::User));
        }
        let alerts = trial.end();
        let shown: Vec<_> = alerts.iter().filter(|alert| !alert.is_muted()).collect();
        assert_eq!((alerts.len(), shown.len()), (8, 1));
        assert_eq!(shown[0].entity.kind, "tenant");
    }
}
