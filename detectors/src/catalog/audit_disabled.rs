//! Flags: an audit log, a data loss policy or an alert that is switched off. Why: what is not logged
//! cannot be seen. Method: policy. Blind to: sources that stop by themselves (see volume_drop).

use std::sync::Arc;

use super::rule::{Case, Rule, Ruled, Sign};
use super::{Entry, Page, Step};
use crate::alert::{Entity, Severity};
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Method, Outcome, Row};
use crate::verdict::{Stream, Verdict};

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "audit_disabled",
    activities: &[Activity::AuditChange],
    attack: &["T1562.008"],
    family: "access",
    needs: &[&["user"], &["method"]],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "audit logging, data loss prevention or alerting that was switched off or deleted",
        why: "what is not logged cannot be seen, and whoever means to stay unseen begins here",
        method: "policy: a change of auditing whose method is disabled, by whomever, people and services alike. High; told about the company, with the actor beside it; one alert an actor and day. Eager",
        blind_to: "logs that end without a word (volume_drop, source_silent); filters that leave something out of a log; whether a change was planned",
        fields: "time, user, activity, method (disabled), object",
        example: "ops@example.com switched off auditing or alerting: trail/main (1 event, from 203.0.113.7 (NL))",
    },
    make: |_, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(Ruled(AuditDisabled)), lag))
    },
};

/// The rule; it has no parameters.
struct AuditDisabled;

impl Rule for AuditDisabled {
    fn wants(&self, row: &Row<'_>, _: Stream) -> bool {
        row.method() == Some(Method::Disabled) && row.outcome() != Outcome::Failure
    }

    fn sign<'a>(&self, _: &Event<'a>) -> Option<Sign<'a>> {
        Some(Sign::default())
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let (who, finding) = (case.on.who, case.finding);
        let actor = Entity {
            kind: who.stream.entity_kind().into(),
            id: who.name.to_string(),
        };
        let tenant = Entity {
            kind: "tenant".into(),
            id: case.on.world.settings.tenant.clone(),
        };
        Some(Verdict {
            value: case.value_of_actor(),
            about: Some(tenant),
            also: std::iter::once(actor).chain(case.also()).collect(),
            summary: format!(
                "{} switched off auditing or alerting: {} ({})",
                who.name,
                finding.objects.text("the log does not say of what"),
                case.how(),
            ),
            next_steps: vec![
                Step::Audit,
                format!(
                    "ask {} whether it was planned, by another way than the account",
                    who.name
                )
                .into(),
                "look at what the account did in the hours before and after".into(),
            ],
            quiet: "no auditing or alerting switched off: each time is told, planned or not".into(),
            ..case.verdict(Severity::High)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::trial;
    use super::*;
    use crate::event::{Draft, Kind};

    fn change(user: &'static str, method: Method) -> Draft<'static> {
        Draft {
            activity: Some(Activity::AuditChange),
            outcome: Some(Outcome::Success),
            user: Some(user),
            object: Some("trail/main"),
            method: Some(method),
            ..Draft::default()
        }
    }

    /// Two who do it are two alerts about the company, whatever they are.
    #[test]
    fn it_is_about_the_company_and_names_the_actor() {
        let mut trial = trial("audit_disabled");
        trial.add(0, 600, change("ops@example.com", Method::Disabled));
        let by_key = Draft {
            kind: Some(Kind::Service),
            ..change("ops@example.com", Method::Disabled)
        };
        trial.add(0, 601, by_key);
        let alerts = trial.end();
        assert_eq!(alerts.len(), 2);
        for alert in &alerts {
            assert_eq!(
                (alert.entity.kind.as_str(), alert.severity),
                ("tenant", Severity::High)
            );
            assert_eq!(alert.also[0].id, "ops@example.com");
            assert!(alert.summary.contains("trail/main"), "{}", alert.summary);
        }
        assert_eq!(alerts[0].also[0].kind, "user");
        assert_ne!(alerts[0].id, alerts[1].id);
    }

    #[test]
    fn switching_on_and_failing_to_switch_off_are_nothing() {
        let mut trial = trial("audit_disabled");
        let refused = Draft {
            outcome: Some(Outcome::Failure),
            ..change("ops@example.com", Method::Disabled)
        };
        trial
            .add(0, 600, change("ops@example.com", Method::Enabled))
            .add(0, 601, refused);
        assert_eq!(trial.severities(), []);
    }
}
