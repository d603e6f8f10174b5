//! Flags: mail that is sent on or hidden by a new rule. Why: whoever reads a stolen mailbox makes rules
//! first. Method: policy, and the network of whoever made it. Blind to: rules made inside a mail program.

use std::sync::Arc;

use super::rule::{Case, Rule, Ruled, Sign};
use super::{Entry, Page, Step, phrase};
use crate::alert::Severity;
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Method, Outcome, Row};
use crate::verdict::{Stream, Verdict};

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "mailbox_rule",
    activities: &[Activity::MailboxRule, Activity::Login],
    attack: &["T1114.003", "T1564.008"],
    family: "access",
    needs: &[&["user"], &["method"]],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "a mailbox rule or setting that sends mail to another address, or that deletes mail, moves it away or marks it as read",
        why: "whoever has taken over a mailbox makes rules first: to read along when the password is changed, and to hide the answers to what is sent in the owner's name",
        method: "policy: sending on is medium; hiding alone is what people do with newsletters, and muted as evidence. From a network that the user has not logged in from (120 days, once 3 active days are known), or on a day with a login from a new network on a new device: sending on is high. Hiding is medium from a network that nobody in the company has logged in from, and high beside such a login. Both on one day are high. One alert a user and day. Eager",
        blind_to: "rules inside a mail program, which no server sees; whether the other address is the company's own; logs that do not say what a rule does",
        fields: "time, user, activity, method (forward, hide); for the past: logins with asn, country or ip, and device",
        example: "ana@example.com made a rule that sends mail to another address (1 event, from 203.0.113.7 (NL)); this user has not worked from that network before (41 days known)",
    },
    make: |_, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(Ruled(MailboxRule)), lag))
    },
};

/// The rule; it has no parameters.
struct MailboxRule;

const FORWARDS: u16 = 1;
const HIDES: u16 = 2;

fn marks(row: &Row<'_>) -> Option<u16> {
    match row.method()? {
        Method::Forward => Some(FORWARDS),
        Method::Hide => Some(HIDES),
        _ => None,
    }
}

impl Rule for MailboxRule {
    const FAMILIAR: bool = true;
    const COMPANY_NETWORKS: bool = true;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        matches!(stream, Stream::Person | Stream::Shared)
            && row.activity() == Activity::MailboxRule
            && row.outcome() != Outcome::Failure
            && marks(row).is_some()
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        Some(Sign {
            marks: marks(&event.row)?,
            ..Sign::default()
        })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let (finding, name) = (case.finding, &case.on.who.name);
        let network = phrase::known_network(name);
        let (forwards, hides) = (finding.has(FORWARDS), finding.has(HIDES));
        let severity = match (forwards, hides) {
            (true, true) => Severity::High,
            (true, false) if case.is_strange() => Severity::High,
            (true, false) => Severity::Medium,
            (false, _) if case.is_beside_strange_login() => Severity::High,
            (false, _) if case.is_new_to_company() => Severity::Medium,
            (false, _) => Severity::Low,
        };
        let does = match (forwards, hides) {
            (true, true) => "made rules that send mail to another address and hide mail",
            (true, false) => "made a rule that sends mail to another address",
            (false, _) => "made a rule that deletes mail, moves it away or marks it as read",
        };
        let verdict = Verdict {
            summary: format!("{name} {does} ({}){}", case.how(), case.strangeness(),),
            also: case.also(),
            next_steps: vec![
                format!("ask {name} whether the rule is theirs, by another way than mail").into(),
                Step::LockOut(name.to_string()),
                Step::MailRules(name.to_string()),
                "look at what was sent in the user's name, and who else got it".into(),
            ],
            quiet: match (forwards, hides) {
                (true, _) => format!("no rule that sends mail on, and rules from {network}"),
                (false, _) => format!("the rule from {network}, or that anybody else here has"),
            },
            ..case.verdict(severity)
        };
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

    fn login(asn: u32, device: &'static str) -> Draft<'static> {
        Draft {
            activity: Some(Activity::Login),
            outcome: Some(Outcome::Success),
            user: Some("ana@example.com"),
            asn: Some(asn),
            device: Some(device),
            ..Draft::default()
        }
    }

    fn rule(method: Method, asn: Option<u32>) -> Draft<'static> {
        Draft {
            activity: Some(Activity::MailboxRule),
            method: Some(method),
            asn,
            device: Some("what a mail log calls a device"),
            ..login(0, "")
        }
    }

    /// A week of logins from the office.
    fn week() -> Trial {
        let mut trial = trial("mailbox_rule");
        for day in 0..7 {
            trial.add(day, 540, login(3320, "laptop"));
        }
        trial
    }

    use Severity::{High, Medium};

    #[test]
    fn sorting_newsletters_is_only_evidence() {
        let mut trial = week();
        trial.add(8, 600, rule(Method::Hide, Some(3320)));
        assert_eq!(trial.severities(), [None]);
        let mut trial = week();
        trial.add(8, 600, rule(Method::Hide, None));
        assert_eq!(trial.severities(), [None]);
    }

    #[test]
    fn a_new_place_makes_it_worse() {
        for (method, asn, want) in [
            (Method::Forward, 3320, Medium),
            (Method::Forward, 64_500, High),
            (Method::Hide, 64_500, Medium),
        ] {
            let mut trial = week();
            trial.add(8, 600, rule(method, Some(asn)));
            assert_eq!(trial.severities(), [Some(want)], "{method:?} {asn}");
        }
    }

    /// A phone's network is new to one person and known to the company.
    #[test]
    fn hiding_from_a_colleagues_network_is_only_evidence() {
        let mut trial = week();
        for day in 0..7 {
            let login = login(64_500, "phone");
            trial.add(
                day,
                560,
                Draft {
                    user: Some("ben@example.com"),
                    ..login
                },
            );
        }
        trial.add(8, 600, rule(Method::Hide, Some(64_500)));
        assert_eq!(trial.severities(), [None]);
    }

    /// The login may be known before or after the rule.
    #[test]
    fn beside_a_strange_login_hiding_is_high() {
        for minute in [590, 700] {
            let mut trial = week();
            trial.add(8, 600, rule(Method::Hide, None));
            trial.add(8, minute, login(64_500, "other"));
            let alerts = trial.end();
            assert_eq!(alerts.len(), 1);
            assert_eq!(alerts[0].severity, High);
            assert!(
                alerts[0].summary.contains("on a new device"),
                "{}",
                alerts[0].summary
            );
        }
    }

    #[test]
    fn nobody_is_strange_in_the_first_days_and_both_together_are_high() {
        let mut trial = trial("mailbox_rule");
        trial
            .add(0, 540, login(1, "a"))
            .add(0, 600, rule(Method::Forward, Some(2)));
        assert_eq!(trial.severities(), [Some(Medium)]);
        let mut trial = week();
        trial.add(8, 600, rule(Method::Hide, None));
        trial.add(8, 601, rule(Method::Forward, None));
        assert_eq!(trial.severities(), [Some(High)]);
    }

    /// What a rule does is not guessed, and what failed was not done.
    #[test]
    fn unknown_and_refused_rules_say_nothing() {
        let mut trial = week();
        trial.add(
            8,
            600,
            Draft {
                method: None,
                ..rule(Method::Hide, None)
            },
        );
        let refused = Draft {
            outcome: Some(Outcome::Failure),
            ..rule(Method::Forward, None)
        };
        trial.add(8, 601, refused);
        assert_eq!(trial.severities(), []);
    }
}
