//! Flags: labelled or blocked data in AI use. Why: what a tool was given cannot be taken back. Method:
//! policy over labels, tools and what the person did before. Blind to: data that nobody labelled.

use std::sync::Arc;

use super::rule::{Case, Rule, Ruled, Sign};
use super::{Entry, Page, Param, phrase};
use crate::alert::Severity;
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Row};
use crate::policy::ToolStatus;
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "sensitive_to_ai",
    activities: &[Activity::AiUse],
    attack: &["T1567", "AML.T0057"],
    family: "volume",
    needs: &[&["user"], &["app"], &["sensitivity"]],
    params: &[Param {
        name: "min_more",
        default: 10.0,
        unit: "count",
        help: "fewer uses with labelled data on a day are never more than usual",
    }],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "data with a confidential or secret label, or a data loss verdict, in the use of an AI tool: by somebody for the first time, or far more than before",
        why: "what an AI tool was given cannot be taken back, and a tool that nobody checked may keep it",
        method: "policy: `label_ranks` gives the rank of a label or verdict; 2 (confidential) and 3 (secret) count, unlisted ones are unknown and do not. The first time a person does it with a tool in 120 days, or more than twice as often in a day as ever before (at least `min_more`). Unsanctioned tool: high; secret data: high, in a sanctioned tool medium; confidential data: medium, in a sanctioned tool muted as evidence, like all that is usual. Attempts that were blocked count. Many people at once are one alert about the company. Eager",
        blind_to: "data without a label, and labels that `label_ranks` does not list; what was typed",
        fields: "time, user, app, sensitivity; configuration: label ranks, tools",
        example: "ana@example.com used claude with secret data (3 events, from 203.0.113.7 (DE)) for the first time in 120 days; the tool is unknown",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(Ruled(SensitiveToAi::new(world))), lag))
    },
};

/// The rule with its parameter.
struct SensitiveToAi {
    min_more: u64,
}

impl SensitiveToAi {
    fn new(world: &World) -> Self {
        SensitiveToAi {
            min_more: world.param(&ENTRY, "min_more") as u64,
        }
    }
}

const SECRET: u16 = 1;

impl SensitiveToAi {
    /// Uses of a day that are more than ever before.
    fn more_than_usual(&self, case: &Case<'_>) -> u64 {
        self.min_more.max(2 * case.known.most + 1)
    }

    fn quiet(&self, case: &Case<'_>, is_first: bool) -> String {
        let amount = if is_first {
            "data without such a label".to_owned()
        } else {
            let limit = self.more_than_usual(case).saturating_sub(1);
            format!(
                "{} or fewer with labelled data in one day",
                phrase::count(limit, "use")
            )
        };
        let status = case.on.world.settings.policy.tool(case.value);
        if case.finding.has(SECRET) || status == ToolStatus::Sanctioned {
            return amount;
        }
        format!("{amount}, or a tool that is sanctioned under [[tools]]")
    }
}

impl Rule for SensitiveToAi {
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream != Stream::Service && row.sensitivity().is_some()
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        let label = event.row.sensitivity()?;
        let rank = event.world.settings.policy.label_rank(label)?;
        (2 <= rank).then(|| Sign {
            value: event.row.app().unwrap_or_default().into(),
            marks: if 3 <= rank { SECRET } else { 0 },
        })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let (finding, name) = (case.finding, &case.on.who.name);
        let status = case.on.world.settings.policy.tool(case.value);
        let is_more = self.more_than_usual(case) <= finding.amount;
        let is_first = !case.is_known_value();
        let severity = match (status, finding.has(SECRET)) {
            _ if !is_first && !is_more => Severity::Low,
            (ToolStatus::Unsanctioned, _) => Severity::High,
            (ToolStatus::Sanctioned, true) => Severity::Medium,
            (ToolStatus::Sanctioned, false) => Severity::Low,
            (ToolStatus::Tolerated | ToolStatus::Unknown, true) => Severity::High,
            (ToolStatus::Tolerated | ToolStatus::Unknown, false) => Severity::Medium,
        };
        let tool = if case.value.is_empty() {
            "an AI tool"
        } else {
            case.value
        };
        let data = if finding.has(SECRET) {
            "secret"
        } else {
            "confidential"
        };
        let when = if is_first {
            " for the first time in 120 days".to_owned()
        } else {
            format!("; the most on one day before was {}", case.known.most)
        };
        let verdict = Verdict {
            expected: case.known.most as f64,
            baseline: if is_first { "policy" } else { "own" },
            causes: vec![format!("labelled data in {tool}")],
            summary: format!(
                "{name} used {tool} with {data} data ({}){when}; the tool is {}",
                case.how(),
                status.as_str()
            ),
            also: case.also(),
            quiet: self.quiet(case, is_first),
            next_steps: vec![
                format!("ask {name} which data it was and what for").into(),
                format!("look at what {tool} keeps, and have it deleted where it can be").into(),
                "if the tool should be allowed or forbidden: say so under [[tools]]".into(),
            ],
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
    use super::super::rehearsal::{Trial, trial_with};
    use super::*;
    use crate::event::{Draft, Outcome};
    use Severity::{High, Medium};

    fn company() -> Trial {
        trial_with("sensitive_to_ai", |settings| {
            let policy = &mut settings.policy;
            policy.label_ranks = [("general", 1), ("confidential", 2), ("secret", 3)]
                .map(|(label, rank)| (label.to_owned(), rank))
                .into();
            policy.tools = [
                ("copilot", ToolStatus::Sanctioned),
                ("deepseek", ToolStatus::Unsanctioned),
            ]
            .map(|(tool, status)| (tool.to_owned(), status))
            .into();
        })
    }

    fn used(app: &'static str, label: Option<&'static str>) -> Draft<'static> {
        Draft {
            activity: Some(Activity::AiUse),
            outcome: Some(Outcome::Success),
            user: Some("ana@example.com"),
            app: Some(app),
            sensitivity: label,
            ..Draft::default()
        }
    }

    #[test]
    fn severity_follows_tool_and_label() {
        for (app, label, want) in [
            ("copilot", "Confidential", None),
            ("copilot", "Secret", Some(Medium)),
            ("claude", "Confidential", Some(Medium)),
            ("claude", "Secret", Some(High)),
            ("deepseek", "Confidential", Some(High)),
        ] {
            let mut trial = company();
            trial.add(0, 600, used(app, Some(label)));
            assert_eq!(trial.severities(), [want], "{app} {label}");
        }
    }

    #[test]
    fn unknown_labels_and_none_are_not_guessed() {
        let mut trial = company();
        for label in [None, Some("general"), Some("7b1ef3a0-unlisted")] {
            trial.add(0, 600, used("deepseek", label));
        }
        assert_eq!(trial.severities(), []);
    }

    /// What somebody does every week is usual; far more of it is not.
    #[test]
    fn more_than_usual_is_told_again() {
        let mut trial = company();
        for day in 0..20 {
            trial.add(day, 600, used("claude", Some("confidential")));
        }
        let severities = trial.severities();
        assert_eq!(severities[0], Some(Medium));
        assert!(
            severities[2..].iter().all(Option::is_none),
            "{severities:?}"
        );
        for minute in 0..12 {
            trial.add(40, 600 + minute, used("claude", Some("confidential")));
        }
        assert_eq!(trial.severities(), [Some(Medium)]);
    }
}
