//! Flags: powerful roles that are given, by whom and to whom; rights that add up over months. Why: rights
//! are what an intruder is after, and what nobody takes away again. Method: policy, and a slow sum.
//! Blind to: rights that come with a group no source explains.

mod growth;

use std::sync::Arc;

use self::growth::Growth;
use super::rule::{Beside, Case, Rule, Sign};
use super::{Entry, Page, Param, Step, phrase};
use crate::alert::Severity;
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Method, Outcome, Row};
use crate::verdict::{Stream, Verdict};

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "privilege_growth",
    activities: &[Activity::RoleGrant],
    attack: &["T1098", "T1098.003"],
    family: "privilege",
    needs: &[&["user"], &["object"]],
    params: &[
        Param {
            name: "min_points",
            default: 12.0,
            unit: "points",
            help: "rights that add up to less never alert; a role of tier 0 is 8 points, tier 1 4, tier 2 2, any other 1",
        },
        Param {
            name: "drain_per_30_days",
            default: 1.0,
            unit: "points",
            help: "what is subtracted again in 30 days: ordinary growth",
        },
        Param {
            name: "times_peers",
            default: 3.0,
            unit: "count",
            help: "the sum must be this many times that of the others who were given roles",
        },
        Param {
            name: "joiner_days",
            default: 30.0,
            unit: "days",
            help: "grants within so many days of the first one, or of `hired`, are an account being set up",
        },
    ],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "a role that controls the tenant or a service, given to somebody, above all to oneself or by somebody who never gave one; rights that add up over weeks and months far beyond the others'",
        why: "rights are what an intruder is after, they outlive the intrusion, and those that were given for a week are rarely taken away",
        method: "policy: `role_tiers` gives the tier of a role; unlisted ones are unknown and do not alert by themselves. Tier 0: medium; to oneself or by somebody without a grant in closed days: high; by a service that gave roles on 5 days before: muted as evidence. Tier 1: to oneself high, by a first-time grantor medium, else evidence. Tier 2 and unknown: to oneself medium and evidence. An activation (PIM) is no grant. One alert a grantor, role and day, however many got it. Eager. Beside it for each account a one-sided CUSUM (Page 1954) of the points of new roles (once a role in 90 days), less `drain_per_30_days`, against `min_points` and `times_peers` times the mean of the others; roles below tier 0 given to 5 accounts on a day are provisioning, as are the first `joiner_days`. Medium, high at twice that. Sealed",
        blind_to: "what a group or a custom role allows; rights that were taken away again are not subtracted at once; grants whose account no source names",
        fields: "time, user, target_user, object (role), method (assigned, eligible; activated is left out), kind; configuration: role tiers; directory: hired",
        example: "kim@example.com gave Global Administrator (tier 0) to kim@example.com: to oneself (1 event, from 203.0.113.7 (NL); 3 days with grants by this account known)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        let kind = Beside::new(Grants, Growth::new(world));
        Box::new(Runner::new(Arc::new(kind), lag))
    },
};

/// Days with grants after which a service is one that provisions.
const PROVISIONS_DAYS: u32 = 5;
const TO_SELF: u16 = 1;

/// What would have been no more than evidence.
fn quiet(tier: Option<u8>, to_self: bool) -> String {
    match (tier, to_self) {
        (Some(0), _) => format!(
            "a role of tier 2 or one that role_tiers does not list, given to somebody else; or a service that gave roles on {PROVISIONS_DAYS} days before"
        ),
        (Some(1), true) => {
            "the role given to somebody else, by an account that gave roles on an earlier day"
                .into()
        }
        (Some(1), false) => "an account that gave roles on an earlier day".into(),
        _ => "the role given to somebody else".into(),
    }
}

/// Whether a row gives somebody a role.
fn gives(row: &Row<'_>) -> bool {
    let given = !matches!(
        row.method(),
        Some(Method::Activated | Method::Removed | Method::Deleted | Method::Disabled)
    );
    given && row.outcome() != Outcome::Failure && row.object().is_some()
}

/// Single grants.
struct Grants;

impl Rule for Grants {
    fn wants(&self, row: &Row<'_>, _: Stream) -> bool {
        gives(row)
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        let to_self = event.row.target_user() == Some(event.user);
        Some(Sign {
            value: event.row.object()?.into(),
            marks: if to_self { TO_SELF } else { 0 },
        })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let (role, name, finding) = (case.value, &case.on.who.name, case.finding);
        let tier = case.on.world.settings.policy.role_tier(role);
        let (to_self, is_first) = (finding.has(TO_SELF), case.known.days == 0);
        let is_service = case.on.who.stream == Stream::Service;
        let severity = match (tier, to_self) {
            (Some(0 | 1), true) => Severity::High,
            (Some(0), false) if is_first => Severity::High,
            (Some(0), false) if is_service && PROVISIONS_DAYS <= case.known.days => Severity::Low,
            (Some(0), false) => Severity::Medium,
            (Some(1), false) if is_first => Severity::Medium,
            (Some(1), false) => Severity::Low,
            (Some(_), true) => Severity::Medium,
            (None, true) => Severity::Low,
            (_, false) => return None,
        };
        let past = match case.known.days {
            0 => String::new(),
            days => format!(
                "; {} with grants by this account known",
                phrase::count(days.into(), "day")
            ),
        };
        let mut circumstances = Vec::new();
        if to_self {
            circumstances.push("to oneself");
        }
        if is_first {
            circumstances.push("the first grant by this account");
        }
        let how = match circumstances.as_slice() {
            [] => String::new(),
            known => format!(": {}", known.join(", ")),
        };
        let verdict = Verdict {
            causes: if tier == Some(0) || to_self {
                Vec::new()
            } else {
                vec![format!("the role {role}")]
            },
            summary: format!(
                "{name} gave {role} ({}) to {}{how} ({}{past})",
                tier.map_or("tier unknown".to_owned(), |tier| format!("tier {tier}")),
                finding.targets.text("an account the log does not name"),
                case.how(),
            ),
            also: case.also(),
            next_steps: vec![
                format!(
                    "look for the request behind it, and ask {name} by another way than the account"
                )
                .into(),
                Step::TakeRole(finding.targets.text("whoever was given it")),
                "look at what was done with it".into(),
            ],
            quiet: quiet(tier, to_self),
            ..case.verdict(severity)
        };
        Some(match severity {
            Severity::Low => case.evidence_only(verdict),
            _ => verdict,
        })
    }
}

#[cfg(test)]
mod tests;
