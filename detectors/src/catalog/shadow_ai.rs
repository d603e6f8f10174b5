//! Flags: an AI tool that the company uses for the first time and has not sanctioned; somebody who gives
//! such a tool data. Why: what nobody decided, nobody checked. Method: the company's list of tools.
//! Blind to: tools no source reports, personal accounts at sanctioned tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rule::{Beside, Case, Counted, Rule, Sign};
use super::{Entry, Page, Param, phrase};
use crate::alert::{Entity, Severity};
use crate::company::Parts;
use crate::detector::{Detector, Event, On, Runner, Theirs};
use crate::event::{Activity, Outcome, Row};
use crate::evidence::{Refs, Sample, gather};
use crate::model::habit::Attribute;
use crate::policy::{Policy, ToolStatus};
use crate::shard::route_of;
use crate::sketch::Distinct;
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "shadow_ai",
    activities: &[Activity::AiUse, Activity::AppConsent],
    attack: &["T1567"],
    family: "volume",
    needs: &[&["app"]],
    params: &[
        Param {
            name: "min_bytes",
            default: 10e6,
            unit: "bytes",
            help: "fewer bytes sent to a tool on a day are no upload worth telling",
        },
        Param {
            name: "min_days",
            default: 7.0,
            unit: "count",
            help: "days that the company must be known for, before a tool nobody decided about can be its first",
        },
    ],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "the company's first use of an AI tool that is not sanctioned; a person's first use of an unsanctioned tool, or first use of an unknown one with labelled data or a large upload",
        why: "a tool that nobody decided about has no contract, keeps what it is given, and is where the rest of the company will go next",
        method: "policy over `[[tools]]`. Company: a tool that no closed day has seen, once the company is known for `min_days` days (unsanctioned ones at once): low, medium when it is unsanctioned or was given `min_bytes` or data with a label of rank 2 or more; tolerated ones are muted as evidence. One alert a tool, however many use it. Person: the first time in 120 days with an unsanctioned tool, or with an unknown one and a label or `min_bytes`: medium, both high; many people at once are one alert. Consents to an application that is listed as a tool count as use. Eager",
        blind_to: "tools that no source reports; whether an account is personal or the company's (no source says so); who used it, where a source names nobody; attempts that were blocked",
        fields: "time, user, app, bytes, sensitivity; configuration: tools with status, label ranks",
        example: "the company used deepseek for the first time: 3 people, 14 events, 2.1 MB sent; the tool is unknown",
    },
    make: |world, lag| -> Box<dyn Detector> {
        let kind = Beside::new(Persons::new(world), Tools::new(world));
        Box::new(Runner::new(Arc::new(kind), lag))
    },
};

/// The status of every tool that was decided about.
#[derive(Clone)]
struct Decided(Policy);

impl Decided {
    fn new(world: &World) -> Self {
        Decided(Policy {
            tools: world.settings.policy.tools.clone(),
            ..Policy::default()
        })
    }

    /// The tool of a row, if it is one that may not simply be used.
    fn tool<'r>(&self, row: &Row<'r>) -> Option<(&'r str, ToolStatus)> {
        let app = row.app()?;
        let status = self.0.tool(app);
        // Of applications that somebody consented to, those count that are listed.
        let is_tool = row.activity() == Activity::AiUse || status != ToolStatus::Unknown;
        let counts =
            is_tool && row.outcome() != Outcome::Failure && status != ToolStatus::Sanctioned;
        counts.then_some((app, status))
    }
}

fn rank(row: &Row<'_>, world: &World) -> u8 {
    let label = row.sensitivity();
    label
        .and_then(|label| world.settings.policy.label_rank(label))
        .unwrap_or(0)
}

/// What one person does.
struct Persons {
    decided: Decided,
    min_bytes: u64,
}

const UNSANCTIONED: u16 = 1;
const LABELLED: u16 = 2;

impl Persons {
    fn new(world: &World) -> Self {
        Persons {
            decided: Decided::new(world),
            min_bytes: world.param(&ENTRY, "min_bytes") as u64,
        }
    }
}

impl Rule for Persons {
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        let gives = row.bytes().is_some() || row.sensitivity().is_some();
        matches!(stream, Stream::Person | Stream::Shared)
            && self
                .decided
                .tool(row)
                .is_some_and(|(_, status)| match status {
                    ToolStatus::Unsanctioned => true,
                    ToolStatus::Unknown => gives,
                    ToolStatus::Tolerated | ToolStatus::Sanctioned => false,
                })
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        let (tool, status) = self.decided.tool(&event.row)?;
        let refused = if status == ToolStatus::Unsanctioned {
            UNSANCTIONED
        } else {
            0
        };
        let labelled = if 2 <= rank(&event.row, event.world) {
            LABELLED
        } else {
            0
        };
        Some(Sign {
            value: tool.into(),
            marks: refused | labelled,
        })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let (finding, tool, name) = (case.finding, case.value, &case.on.who.name);
        let refused = finding.has(UNSANCTIONED);
        let gave = finding.has(LABELLED) || self.min_bytes <= finding.bytes;
        let severity = match (refused, gave) {
            _ if case.is_known_value() => return None,
            (true, true) => Severity::High,
            (true, false) | (false, true) => Severity::Medium,
            (false, false) => return None,
        };
        Some(Verdict {
            causes: vec![format!("first use of {tool}")],
            about: None,
            also: vec![tool_entity(tool)],
            summary: format!(
                "{name} used {tool} for the first time in 120 days: {}, {} sent{}; the tool is {}",
                case.how(),
                phrase::bytes(finding.bytes),
                if finding.has(LABELLED) {
                    ", labelled data among it"
                } else {
                    ""
                },
                if refused { "unsanctioned" } else { "unknown" },
            ),
            next_steps: vec![
                format!("ask {name} what {tool} is used for, and what it was given").into(),
                "offer a sanctioned tool for it; block this one if it must not be used".into(),
            ],
            quiet: if refused {
                format!(
                    "another tool, {tool} used in the 120 days before, or sanctioned or tolerated under [[tools]]"
                )
            } else {
                format!(
                    "less than {} sent to {tool} in one day and nothing with a label, or {tool} sanctioned or tolerated under [[tools]]",
                    phrase::bytes_at_most(self.min_bytes),
                )
            },
            ..case.verdict(severity)
        })
    }
}

/// What the company does.
struct Tools {
    decided: Decided,
    min_bytes: u64,
    min_days: Day,
}

/// Tools of one day; beyond, the largest names are left out.
const TOOLS_MAX: usize = 512;

/// One day of the company.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Used {
    refs: Refs,
    tools: BTreeMap<Box<str>, ToolDay>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct ToolDay {
    sample: Sample,
    amount: u64,
    bytes: u64,
    is_labelled: bool,
    people: Distinct,
}

impl Tools {
    fn new(world: &World) -> Self {
        Tools {
            decided: Decided::new(world),
            min_bytes: world.param(&ENTRY, "min_bytes") as u64,
            min_days: world.param(&ENTRY, "min_days") as Day,
        }
    }
}

impl Used {
    /// A tool's day, unless there are too many with smaller names.
    fn at(&mut self, tool: &str) -> Option<(&mut ToolDay, &mut Refs)> {
        if !self.tools.contains_key(tool) {
            self.tools.insert(tool.into(), ToolDay::default());
            if TOOLS_MAX < self.tools.len() {
                self.tools.pop_last();
            }
        }
        let day = self.tools.get_mut(tool)?;
        Some((day, &mut self.refs))
    }
}

impl Counted for Tools {
    type Base = ();
    type Day = Used;
    type Lesson = ();

    const OF_COMPANY: bool = true;

    fn wants(&self, row: &Row<'_>, _: Stream) -> bool {
        self.decided.tool(row).is_some()
    }

    fn add(&self, day: &mut Used, event: &Event<'_>) {
        let Some((tool, _)) = self.decided.tool(&event.row) else {
            return;
        };
        let Some((day, refs)) = day.at(tool) else {
            return;
        };
        day.sample.add(refs, event);
        day.amount = day.amount.saturating_add(event.row.count());
        day.bytes = day.bytes.saturating_add(event.row.bytes().unwrap_or(0));
        day.is_labelled |= 2 <= rank(&event.row, event.world);
        if !event.user.is_empty() {
            day.people
                .insert(route_of(event.world.seed, event.user), event.pane);
        }
    }

    fn merge(&self, day: &mut Used, other: Used) {
        for (tool, theirs) in &other.tools {
            let Some((mine, refs)) = day.at(tool) else {
                continue;
            };
            mine.sample.merge(refs, &theirs.sample, &other.refs);
            mine.amount = mine.amount.saturating_add(theirs.amount);
            mine.bytes = mine.bytes.saturating_add(theirs.bytes);
            mine.is_labelled |= theirs.is_labelled;
            mine.people = Distinct::union([&mine.people, &theirs.people]);
        }
    }

    fn erase(&self, day: &mut Used, theirs: &Theirs<'_>) -> usize {
        let Used { refs, tools } = day;
        let samples = tools.values_mut().map(|tool| &mut tool.sample);
        samples.map(|sample| sample.erase(refs, theirs)).sum()
    }

    fn grown(&self, day: &Used) -> u64 {
        day.tools
            .values()
            .map(|tool| u64::from(tool.sample.count))
            .sum()
    }

    fn fold(&self, (): &mut (), _: Day, (): &()) {}

    fn eager(&self, day: &Used, on: On<'_>) -> Vec<Verdict> {
        let mut said = Vec::new();
        for (tool, used) in &day.tools {
            let status = self.decided.0.tool(tool);
            let is_told =
                status == ToolStatus::Unsanctioned || self.min_days <= on.frozen.history_days;
            if is_told && !on.frozen.knows(Attribute::Tool, tool) {
                said.push(self.verdict(tool, status, used, &day.refs));
            }
        }
        said
    }

    fn close(&self, (): &(), day: &Used, _: On<'_>, parts: &mut Parts) {
        for tool in day.tools.keys() {
            let known = parts.values.entry(Attribute::Tool).or_default();
            known.entry(tool.to_string()).or_default()[0] += 1;
        }
    }
}

impl Tools {
    fn verdict(&self, tool: &str, status: ToolStatus, used: &ToolDay, refs: &Refs) -> Verdict {
        let gave = used.is_labelled || self.min_bytes <= used.bytes;
        let severity = match status {
            ToolStatus::Unsanctioned => Severity::Medium,
            ToolStatus::Unknown if gave => Severity::Medium,
            _ => Severity::Low,
        };
        let people = match (used.people.count(), used.people.is_approximate()) {
            (0, _) => "nobody is named".to_owned(),
            (1, _) => "1 person".to_owned(),
            (count, is_rough) => format!("{}{count} people", if is_rough { "about " } else { "" }),
        };
        let span = (used.sample.first(refs), used.sample.last(refs));
        let is_allowed = status == ToolStatus::Tolerated;
        Verdict {
            about: Some(tool_entity(tool)),
            overlay: is_allowed.then(|| ("muted", "evidence", "the tool is tolerated".into())),
            summary: format!(
                "the company used {tool} for the first time: {people}, {}, {} sent{}; the tool is {}",
                phrase::count(used.amount, "event"),
                phrase::bytes(used.bytes),
                if used.is_labelled {
                    ", labelled data among it"
                } else {
                    ""
                },
                status.as_str(),
            ),
            observed: used.people.count() as f64,
            approximate: used.people.is_approximate(),
            evidence: gather(refs, [[&used.sample]], 12),
            next_steps: vec![
                format!(
                    "decide about {tool} and say so under [[tools]]: sanctioned, tolerated or unsanctioned"
                )
                .into(),
                "see who uses it: nightjar tools".into(),
            ],
            quiet: format!("{tool} sanctioned or tolerated under [[tools]] before its first use"),
            ..Verdict::of(severity, "tenant", span, u64::from(used.sample.count))
        }
    }
}

fn tool_entity(tool: &str) -> Entity {
    Entity {
        kind: "tool".into(),
        id: tool.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{Trial, trial_with};
    use super::*;
    use crate::event::Draft;
    use Severity::{High, Low, Medium};

    /// Ten days of a tool that everybody knows.
    fn company() -> Trial {
        let mut trial = trial_with("shadow_ai", |settings| {
            let policy = &mut settings.policy;
            policy.label_ranks = [("secret".to_owned(), 3)].into();
            policy.tools = [
                ("copilot", ToolStatus::Sanctioned),
                ("gemini", ToolStatus::Tolerated),
                ("deepseek", ToolStatus::Unsanctioned),
            ]
            .map(|(tool, status)| (tool.to_owned(), status))
            .into();
        });
        for day in 0..10 {
            trial.add(day, 600, used("ana", "claude", 1000));
        }
        assert_eq!(trial.severities(), []);
        trial
    }

    fn used(user: &'static str, app: &'static str, bytes: u64) -> Draft<'static> {
        Draft {
            activity: Some(Activity::AiUse),
            outcome: Some(Outcome::Success),
            user: Some(user),
            app: Some(app),
            bytes: Some(bytes),
            ..Draft::default()
        }
    }

    fn said(trial: &mut Trial) -> Vec<(String, Option<Severity>)> {
        let of = |alert: &crate::alert::Alert| {
            let severity = (!alert.is_muted()).then_some(alert.severity);
            (
                format!("{} {}", alert.entity.kind, alert.entity.id),
                severity,
            )
        };
        let mut said: Vec<_> = trial.end().iter().map(of).collect();
        said.sort();
        said
    }

    /// However many use it, and only once.
    #[test]
    fn a_new_tool_is_one_alert_about_the_company() {
        let mut trial = company();
        for user in ["ana", "ben", "cem"] {
            trial.add(14, 600, used(user, "perplexity", 1000));
        }
        let alerts = trial.end();
        assert_eq!(alerts.len(), 1);
        assert_eq!(
            (alerts[0].entity.kind.as_str(), alerts[0].severity),
            ("tool", Low)
        );
        assert!(
            alerts[0].summary.contains("3 people, 3 events, 3.0 kB"),
            "{}",
            alerts[0].summary
        );
        trial.add(18, 600, used("dan", "perplexity", 1000));
        assert_eq!(said(&mut trial), []);
    }

    #[test]
    fn sanctioned_is_nothing_and_tolerated_is_evidence() {
        let mut trial = company();
        trial
            .add(14, 600, used("ana", "copilot", 0))
            .add(14, 600, used("ana", "gemini", 0));
        assert_eq!(said(&mut trial), [("tool gemini".to_owned(), None)]);
    }

    #[test]
    fn a_person_alone_needs_an_unsanctioned_tool_a_label_or_an_upload() {
        let mut trial = company();
        trial.add(14, 600, used("ana", "deepseek", 0));
        trial.add(14, 601, used("ben", "perplexity", 20_000_000));
        trial.add(
            14,
            602,
            Draft {
                sensitivity: Some("Secret"),
                ..used("cem", "deepseek", 0)
            },
        );
        trial.add(14, 603, used("dan", "claude", 20));
        let want = [
            ("tool deepseek", Some(Medium)),
            ("tool perplexity", Some(Medium)),
            ("user ana", Some(Medium)),
            ("user ben", Some(Medium)),
            ("user cem", Some(High)),
        ];
        assert_eq!(
            said(&mut trial),
            want.map(|(who, severity)| (who.to_owned(), severity))
        );
        trial.add(18, 600, used("ana", "deepseek", 0));
        assert_eq!(said(&mut trial), []);
    }

    /// Consent to an application that is listed as a tool is use of it; of others nothing is known.
    #[test]
    fn consents_count_where_the_application_is_a_listed_tool() {
        let mut trial = company();
        for app in ["DeepSeek", "crm"] {
            let consent = Draft {
                activity: Some(Activity::AppConsent),
                bytes: None,
                ..used("ana", app, 0)
            };
            trial.add(14, 600, consent);
        }
        let want = [("tool DeepSeek", Some(Medium)), ("user ana", Some(Medium))];
        assert_eq!(
            said(&mut trial),
            want.map(|(who, severity)| (who.to_owned(), severity))
        );
    }

    /// Without a past everything would be the first; what is blocked was not used.
    #[test]
    fn a_company_that_is_new_hears_of_unsanctioned_tools_only() {
        let mut trial = trial_with("shadow_ai", |settings| {
            settings.policy.tools = [("deepseek".to_owned(), ToolStatus::Unsanctioned)].into();
        });
        trial.add(0, 600, used("", "claude", 0));
        trial.add(
            0,
            600,
            Draft {
                user: None,
                ..used("", "deepseek", 0)
            },
        );
        let blocked = Draft {
            outcome: Some(Outcome::Failure),
            ..used("ana", "deepseek", 0)
        };
        trial.add(1, 600, blocked);
        assert_eq!(
            said(&mut trial),
            [("tool deepseek".to_owned(), Some(Medium))]
        );
    }
}
