//! Flags: a second factor that is added, removed or switched off. Why: a factor of the attacker's own
//! outlives every new password. Method: policy, and the network of whoever did it. Blind to: changes no log tells.

use std::sync::Arc;

use super::rule::{Case, Rule, Ruled, Sign};
use super::{Entry, Page, Step, phrase};
use crate::alert::{Entity, Severity};
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Method, Outcome, Row};
use crate::verdict::{Stream, Verdict};

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "mfa_method_changed",
    activities: &[Activity::MfaChange, Activity::Login],
    attack: &["T1556.006", "T1098.005"],
    family: "access",
    needs: &[&["user"], &["method"]],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "a second factor that was added, removed, reset or switched off, for oneself or for somebody else",
        why: "a factor of the attacker's own outlives every new password, and an account without one is open to whoever has the password",
        method: "policy: from a network that whoever did it has not logged in from (120 days, once 3 active days are known), or on a day with a login from a new network on a new device: high. Switching the second factor off for an account: medium. All else is a new phone or the help desk: low, muted as evidence. Told about the account whose factor it is; one alert an actor, account and day. Eager",
        blind_to: "factors changed where no source reports it; a help desk that is talked into a reset; the first days of an account",
        fields: "time, user, target_user, activity, method (added, removed, reset, disabled); for the past: logins with asn, country or ip, and device",
        example: "a factor of ana@example.com was added by ana@example.com (2 events, from 203.0.113.7 (NL)); somebody had logged in as this user from a new network on a new device that day (41 days known)",
    },
    make: |_, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(Ruled(MfaMethodChanged)), lag))
    },
};

/// The rule; it has no parameters.
struct MfaMethodChanged;

const WORDS: [(Method, u16, &str); 4] = [
    (Method::Disabled, 1, "switched off"),
    (Method::Reset, 2, "reset"),
    (Method::Removed, 4, "removed"),
    (Method::Added, 8, "added"),
];
const OFF: u16 = 1;

fn marks(row: &Row<'_>) -> Option<u16> {
    let method = row.method()?;
    let known = WORDS.iter().find(|(known, ..)| *known == method);
    known.map(|(_, mark, _)| *mark)
}

impl Rule for MfaMethodChanged {
    const FAMILIAR: bool = true;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream != Stream::Company
            && row.activity() == Activity::MfaChange
            && row.outcome() != Outcome::Failure
            && marks(row).is_some()
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        Some(Sign {
            value: event.row.target_user().unwrap_or(event.user).into(),
            marks: marks(&event.row)?,
        })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let (finding, actor, target) = (case.finding, &*case.on.who.name, case.value);
        let done: Vec<&str> = WORDS
            .iter()
            .filter(|(_, mark, _)| finding.has(*mark))
            .map(|(.., word)| *word)
            .collect();
        let severity = if case.is_strange() {
            Severity::High
        } else if finding.has(OFF) {
            Severity::Medium
        } else {
            Severity::Low
        };
        let user = |id: &str| Entity {
            kind: "user".into(),
            id: id.into(),
        };
        let mut verdict = Verdict {
            value: case.value_of_actor(),
            about: (actor != target).then(|| user(target)),
            also: if actor == target {
                Vec::new()
            } else {
                vec![user(actor)]
            },
            summary: format!(
                "a factor of {target} was {} by {actor} ({}){}",
                done.join(" and "),
                case.how(),
                case.strangeness(),
            ),
            next_steps: vec![
                format!("ask {target}, by telephone or in person, whether the change was wanted")
                    .into(),
                Step::LockOut(target.to_owned()),
                Step::Factors(target.to_owned()),
            ],
            quiet: format!(
                "the change from {}{}",
                phrase::known_network(actor),
                if finding.has(OFF) {
                    ", and the second factor left on"
                } else {
                    ""
                },
            ),
            ..case.verdict(severity)
        };
        if actor != target {
            let ask = "ask who asked for it, and how that person was recognised";
            verdict.next_steps.push(ask.into());
        }
        Some(match severity {
            Severity::Low => case.evidence_only(verdict),
            _ => verdict,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{Trial, trial};
    use super::*;
    use crate::event::Draft;

    fn row(activity: Activity, user: &'static str, asn: u32) -> Draft<'static> {
        Draft {
            activity: Some(activity),
            outcome: Some(Outcome::Success),
            user: Some(user),
            asn: Some(asn),
            device: Some(if asn == 3320 { "laptop" } else { "other" }),
            ..Draft::default()
        }
    }

    fn week() -> Trial {
        let mut trial = trial("mfa_method_changed");
        for day in 0..7 {
            trial.add(day, 540, row(Activity::Login, "ana@example.com", 3320));
            trial.add(day, 541, row(Activity::Login, "desk@example.com", 3320));
        }
        trial
    }

    fn change(
        user: &'static str,
        target: Option<&'static str>,
        method: Method,
        asn: u32,
    ) -> Draft<'static> {
        Draft {
            target_user: target,
            method: Some(method),
            ..row(Activity::MfaChange, user, asn)
        }
    }

    /// A new phone, a joiner and the help desk are ordinary.
    #[test]
    fn ordinary_changes_are_only_evidence() {
        let mut trial = week();
        let new_phone = Draft {
            device: Some("phone"),
            ..change("ana@example.com", None, Method::Added, 3320)
        };
        trial.add(8, 600, new_phone);
        trial.add(
            8,
            601,
            change(
                "desk@example.com",
                Some("ben@example.com"),
                Method::Reset,
                3320,
            ),
        );
        trial.add(8, 602, row(Activity::Login, "joiner@example.com", 1));
        trial.add(
            8,
            603,
            change(
                "joiner@example.com",
                Some("joiner@example.com"),
                Method::Added,
                1,
            ),
        );
        assert_eq!(trial.severities(), [None, None, None]);
    }

    #[test]
    fn a_new_network_is_high_and_it_is_about_the_account() {
        let mut trial = week();
        trial.add(
            8,
            600,
            change("ana@example.com", None, Method::Added, 64_500),
        );
        trial.add(
            8,
            700,
            change(
                "desk@example.com",
                Some("ben@example.com"),
                Method::Reset,
                64_500,
            ),
        );
        let alerts = trial.end();
        let about: Vec<&str> = alerts
            .iter()
            .map(|alert| alert.entity.id.as_str())
            .collect();
        assert_eq!(about, ["ana@example.com", "ben@example.com"]);
        assert!(
            alerts
                .iter()
                .all(|alert| alert.severity == Severity::High && !alert.is_muted())
        );
        assert_eq!(alerts[1].also[0].id, "desk@example.com");
    }

    #[test]
    fn beside_a_strange_login_it_is_high() {
        let mut trial = week();
        trial.add(8, 600, change("ana@example.com", None, Method::Added, 3320));
        trial.add(8, 610, row(Activity::Login, "ana@example.com", 64_500));
        assert_eq!(trial.severities(), [Some(Severity::High)]);
    }

    #[test]
    fn switching_it_off_is_medium() {
        let mut trial = week();
        trial.add(
            8,
            600,
            change(
                "desk@example.com",
                Some("ben@example.com"),
                Method::Disabled,
                3320,
            ),
        );
        assert_eq!(trial.severities(), [Some(Severity::Medium)]);
    }
}
