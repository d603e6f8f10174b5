//! Flags: AI agents that get new tools, work without permission checks, or work while nobody asks. Why:
//! an agent acts with its owner's rights. Method: policy, and requests per prompt against the own usual.
//! Blind to: agents that report nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::phrase;
use super::rule::{Beside, Case, Counted, Rule, Sign};
use super::{Entry, Page, Param, Step};
use crate::alert::{Entity, Severity};
use crate::company::Parts;
use crate::detector::{Detector, Event, On, Runner};
use crate::event::{Activity, Method, Outcome, Row};
use crate::evidence::{EventRef, Refs, Sample, gather};
use crate::model::fixed::{HABIT, ONE, x_of};
use crate::model::habit::Attribute;
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "agent_risk",
    activities: &[Activity::AiUse],
    attack: &["AML.T0053", "T1059"],
    family: "access",
    needs: &[&["user"], &["method"]],
    params: &[
        Param {
            name: "min_requests",
            default: 500.0,
            unit: "count",
            help: "fewer requests and tool calls on a day are never too many for its prompts",
        },
        Param {
            name: "times_usual",
            default: 10.0,
            unit: "count",
            help: "requests per prompt alert from this many times the own usual on",
        },
    ],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "the first use of an MCP server in the company; an agent whose permission checks are off; far more requests per prompt than usual for this owner; an agent at work while its owner is absent",
        why: "an agent acts with its owner's rights: a server nobody checked reads what it reads, and without permission checks one poisoned page is enough",
        method: "policy: an MCP server that the company has not had in closed days is medium, muted in the first 7 days of a company; permission checks off are medium the first time in 120 days and evidence after. Both eager. Of a whole day: requests and tool calls per prompt of at least `times_usual` times the own geometric mean (half-life 112 days, from 5 known days), from `min_requests` on; any of them without a prompt while the directory has the owner as absent: medium. Sealed",
        blind_to: "agents that report nothing; what a tool call did; whether an owner who is not absent was there; who asked, where prompts and requests come under different names",
        fields: "time, user, method (prompt, request, tool, mcp, bypass), object (MCP server), kind; directory: absent",
        example: "ana@example.com used the MCP server jira-helper, which nobody in the company had used in 41 days (2 events)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        let kind = Beside::new(Signs, Work::new(world));
        Box::new(Runner::new(Arc::new(kind), lag))
    },
};

/// Single events.
struct Signs;

/// Closed days without which nothing is the company's first.
const HISTORY_DAYS: Day = 7;
const BYPASS: &str = "bypass";

impl Rule for Signs {
    const LISTS: Option<Attribute> = Some(Attribute::Tool);

    fn wants(&self, row: &Row<'_>, _: Stream) -> bool {
        matches!(row.method(), Some(Method::Mcp | Method::Bypass))
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        let value = match event.row.method()? {
            Method::Bypass => BYPASS.into(),
            _ => format!("mcp {}", event.row.object()?).into(),
        };
        Some(Sign { value, marks: 0 })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let name = &case.on.who.name;
        let Some(server) = case.value.strip_prefix("mcp ") else {
            let verdict = Verdict {
                summary: format!(
                    "{name} let an AI agent work without permission checks ({})",
                    case.how()
                ),
                also: case.also(),
                next_steps: vec![
                    format!(
                        "ask {name} why, and where the agent ran: a container without secrets is harmless"
                    )
                    .into(),
                    "switch the mode off by managed settings if nobody needs it".into(),
                ],
                quiet: "permission checks left on".into(),
                ..case.verdict(Severity::Medium)
            };
            let is_known = case.is_known_value();
            return Some(if is_known {
                case.evidence_only(verdict)
            } else {
                verdict
            });
        };
        if case.on.frozen.knows(Attribute::Tool, case.value) {
            return None;
        }
        let verdict = Verdict {
            causes: vec![format!("the MCP server {server}")],
            summary: format!(
                "{name} used the MCP server {server}, which nobody in the company had used {} ({})",
                match case.on.frozen.history_days {
                    0 => "before".to_owned(),
                    days => format!(
                        "in {}",
                        phrase::count(u64::from(days.unsigned_abs()), "day")
                    ),
                },
                case.how()
            ),
            also: case.also(),
            next_steps: vec![
                format!("look at who makes {server}, what it can reach and what it sends where")
                    .into(),
                "allow it or forbid it in the managed settings of the agents".into(),
            ],
            quiet: "an MCP server that somebody in the company had used on an earlier day".into(),
            ..case.verdict(Severity::Medium)
        };
        // In a company that is new here every server would be the first.
        let is_new_here = case.on.frozen.history_days < HISTORY_DAYS;
        Some(if is_new_here {
            case.evidence_only(verdict)
        } else {
            verdict
        })
    }
}

/// Requests and prompts by day.
struct Work {
    min_requests: u64,
    times_usual: f64,
}

/// One day's.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Worked {
    prompts: u64,
    requests: u64,
    refs: Refs,
    sample: Sample,
}

/// Usual requests per prompt.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Usual {
    day: Day,
    n: i64,
    total: i64,
}

/// Requests per prompt, in eighths: most people are between one and a hundred.
const PARTS: u64 = 8;
/// Days before a usual is known.
const KNOWN_DAYS: i64 = 5;

impl Usual {
    fn per_prompt(&self, day: Day) -> Option<f64> {
        let [n, total] = HABIT.forward(&[self.n, self.total], self.day, day);
        let is_known = KNOWN_DAYS * HABIT.weight(day) <= n;
        is_known.then(|| ((total as f64 / n as f64 / ONE as f64).exp2() - 1.0) / PARTS as f64)
    }
}

impl Worked {
    fn per_prompt(&self) -> f64 {
        self.requests as f64 / self.prompts.max(1) as f64
    }
}

impl Work {
    fn new(world: &World) -> Self {
        Work {
            min_requests: world.param(&ENTRY, "min_requests") as u64,
            times_usual: world.param(&ENTRY, "times_usual"),
        }
    }
}

impl Counted for Work {
    type Base = Usual;
    type Day = Worked;
    type Lesson = Option<i64>;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        let counts = matches!(
            row.method(),
            Some(Method::Prompt | Method::Request | Method::Tool | Method::Mcp | Method::Bypass)
        );
        counts && stream != Stream::Service && row.outcome() != Outcome::Failure
    }

    fn add(&self, day: &mut Worked, event: &Event<'_>) {
        let count = event.row.count();
        match event.row.method() {
            Some(Method::Prompt) => day.prompts = day.prompts.saturating_add(count),
            Some(Method::Request | Method::Tool | Method::Mcp) => {
                day.requests = day.requests.saturating_add(count);
                day.sample.add(&mut day.refs, event);
            }
            _ => {}
        }
    }

    fn evidence(&self, day: &Worked) -> Vec<EventRef> {
        gather(&day.refs, [[&day.sample]], usize::MAX)
    }

    fn grown(&self, _: &Worked) -> u64 {
        0 // nothing is said of it before the day is over
    }

    fn fold(&self, base: &mut Usual, day: Day, lesson: &Option<i64>) {
        let Some(x) = lesson else { return };
        let [n, total] = HABIT.forward(&[base.n, base.total], base.day, day);
        let weight = HABIT.weight(day);
        *base = Usual {
            day,
            n: n + weight,
            total: total + weight * x,
        };
    }

    fn sealed(&self, base: &Usual, day: &Worked, on: On<'_>) -> Vec<Verdict> {
        if day.requests == 0 {
            return Vec::new();
        }
        let name = &on.who.name;
        let absent = on.world.person(name).is_some_and(|person| {
            let is_in = |(first, last): &(Day, Day)| (*first..=*last).contains(&on.frozen.day);
            person.absent.iter().any(is_in)
        });
        if absent && day.prompts == 0 {
            let summary = format!(
                "an agent of {name} made {} on a day on which {name} is absent, and nobody asked it anything",
                phrase::count(day.requests, "request")
            );
            return vec![Verdict {
                value: "absent".into(),
                next_steps: vec![
                    format!(
                        "ask {name} or the manager what the agent does, and whether it should run unattended"
                    )
                    .into(),
                    Step::RevokeKey,
                ],
                quiet: format!(
                    "no request on that day, a prompt by {name}, or no absence in the directory"
                ),
                ..self.verdict(day, on, "policy", summary)
            }];
        }
        let Some(usual) = base.per_prompt(on.frozen.day) else {
            return Vec::new();
        };
        if !self.is_much(day, day.requests, usual) {
            return Vec::new();
        }
        let summary = format!(
            "agents of {name} made {} for {}, {:.1} a prompt; usual are about {usual:.1}, {:.1} or more alert",
            phrase::count(day.requests, "request"),
            phrase::count(day.prompts, "prompt"),
            day.per_prompt(),
            self.times_usual * usual.max(1.0),
        );
        vec![Verdict {
            value: "requests per prompt".into(),
            observed: day.per_prompt(),
            expected: usual,
            next_steps: vec![
                format!("ask {name} what ran, and whether it ran away").into(),
                "look at the tools it used and at what it changed".into(),
            ],
            quiet: self.quiet(day, usual),
            ..self.verdict(day, on, "own", summary)
        }]
    }

    fn close(&self, base: &Usual, day: &Worked, on: On<'_>, _: &mut Parts) -> Option<i64> {
        // A day without prompts says nothing about requests per prompt.
        (0 < day.prompts).then(|| {
            let x = x_of(day.requests.saturating_mul(PARTS) / day.prompts);
            let usual = base.per_prompt(on.frozen.day);
            let cap = usual.map_or(i64::MAX, |usual| {
                x_of((PARTS as f64 * self.times_usual * usual.max(1.0)) as u64)
            });
            x.min(cap)
        })
    }
}

impl Work {
    /// Whether so many requests are too many for the day's prompts.
    fn is_much(&self, day: &Worked, requests: u64, usual: f64) -> bool {
        let per_prompt = requests as f64 / day.prompts.max(1) as f64;
        self.min_requests <= requests && self.times_usual * usual.max(1.0) <= per_prompt
    }

    /// The most requests that are not too many.
    fn quiet(&self, day: &Worked, usual: f64) -> String {
        let (mut quiet, mut loud) = (0, day.requests);
        while quiet + 1 < loud {
            let middle = quiet + (loud - quiet) / 2;
            if self.is_much(day, middle, usual) {
                loud = middle;
            } else {
                quiet = middle;
            }
        }
        format!(
            "{} or fewer for {}",
            phrase::count(quiet, "request"),
            phrase::count(day.prompts, "prompt")
        )
    }

    fn verdict(
        &self,
        day: &Worked,
        on: On<'_>,
        baseline: &'static str,
        summary: String,
    ) -> Verdict {
        let span = (day.sample.first(&day.refs), day.sample.last(&day.refs));
        let owner = Entity {
            kind: "user".into(),
            id: on.who.name.to_string(),
        };
        Verdict {
            also: if on.who.stream == Stream::Agent {
                vec![owner]
            } else {
                Vec::new()
            },
            summary,
            observed: day.requests as f64,
            // Only the whole day says it.
            detected_at: on.world.calendar.end(on.frozen.day),
            evidence: gather(&day.refs, [[&day.sample]], 12),
            ..Verdict::of(
                Severity::Medium,
                baseline,
                span,
                u64::from(day.sample.count),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{MONDAY, directory_of, trial, trial_with};
    use super::*;
    use crate::directory::Person;
    use crate::event::Draft;

    fn worked(method: Method, count: u64) -> Draft<'static> {
        Draft {
            activity: Some(Activity::AiUse),
            outcome: Some(Outcome::Success),
            user: Some("ana@example.com"),
            app: Some("claude code"),
            method: Some(method),
            count: Some(count),
            ..Draft::default()
        }
    }

    const MEDIUM: Option<Severity> = Some(Severity::Medium);

    #[test]
    fn the_first_server_of_the_company_is_told_once() {
        let mut trial = trial("agent_risk");
        let used = |user, server| Draft {
            user: Some(user),
            object: Some(server),
            ..worked(Method::Mcp, 1)
        };
        trial.add(0, 600, used("ana", "files"));
        trial.add(10, 600, used("ben", "files"));
        trial.add(10, 601, used("ben", "jira-helper"));
        trial.add(14, 601, used("ana", "jira-helper"));
        let alerts = trial.end();
        let said: Vec<_> = alerts
            .iter()
            .map(|alert| (alert.is_muted(), alert.entity.id.as_str()))
            .collect();
        assert_eq!(said, [(true, "ana"), (false, "ben")]);
        // Which server it was is not guessed.
        trial.add(18, 600, worked(Method::Mcp, 1));
        assert_eq!(trial.severities(), []);
    }

    #[test]
    fn working_without_checks_is_told_the_first_time() {
        let mut trial = trial("agent_risk");
        for day in [0, 20, 40] {
            trial.add(day, 600, worked(Method::Bypass, 1));
        }
        assert_eq!(trial.severities(), [MEDIUM, None, None]);
    }

    #[test]
    fn far_more_requests_per_prompt_than_usual() {
        let mut trial = trial("agent_risk");
        for day in 0..10 {
            trial.add(day, 600, worked(Method::Prompt, 20));
            trial.add(day, 601, worked(Method::Request, 100));
        }
        // Much work, but asked for.
        trial
            .add(12, 600, worked(Method::Prompt, 400))
            .add(12, 601, worked(Method::Tool, 2000));
        assert_eq!(trial.severities(), []);
        trial
            .add(14, 600, worked(Method::Prompt, 2))
            .add(14, 601, worked(Method::Request, 700));
        let alerts = trial.end();
        assert_eq!(alerts.len(), 1);
        assert!(
            alerts[0].summary.contains(
                "700 requests for 2 prompts, 350.0 a prompt; usual are about 5.0, 50.0 or more"
            ),
            "{}",
            alerts[0].summary
        );
        // Who is not known for prompts is not judged by them.
        let mut trial = super::super::rehearsal::trial("agent_risk");
        for day in 0..10 {
            trial.add(
                day,
                601,
                worked(Method::Request, 10 + 10_000 * u64::from(day == 9)),
            );
        }
        assert_eq!(trial.severities(), []);
    }

    /// Who asks while on holiday is there; who does not, is not.
    #[test]
    fn an_agent_at_work_while_its_owner_is_away() {
        let person = Person {
            absent: vec![(MONDAY + 7, MONDAY + 13)],
            ..Person::default()
        };
        let mut trial = trial_with("agent_risk", |settings| {
            settings.directory = directory_of("ana@example.com", person);
        });
        trial.add(6, 600, worked(Method::Request, 40));
        trial
            .add(8, 600, worked(Method::Prompt, 1))
            .add(8, 601, worked(Method::Request, 40));
        assert_eq!(trial.severities(), []);
        trial.add(10, 600, worked(Method::Request, 40));
        assert_eq!(trial.severities(), [MEDIUM]);
    }
}
