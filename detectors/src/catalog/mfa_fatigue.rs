//! Flags: prompts for a second factor that somebody refuses or lets pass. Why: whoever has the password asks
//! until the owner gives in. Method: three in an hour. Blind to: owners who give in at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rule::Finding;
use super::{Entry, Page, Param, Step, phrase};
use crate::alert::Severity;
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, On, Runner};
use crate::event::{Activity, Outcome, Reason, Row};
use crate::evidence::{EventRef, Refs, gather};
use crate::model::familiar::mark_of;
use crate::panes::Panes;
use crate::time::{Day, PANE_MS};
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "mfa_fatigue",
    activities: &[Activity::MfaChallenge, Activity::Login],
    attack: &["T1621"],
    family: "access",
    needs: &[&["user"], &["reason"]],
    params: &[
        Param {
            name: "min_prompts",
            default: 3.0,
            unit: "count",
            help: "fewer refused or unanswered prompts never alert",
        },
        Param {
            name: "window",
            default: 60.0,
            unit: "minutes",
            help: "the prompts must lie within this time, and a success after them too",
        },
    ],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "three prompts for a second factor within an hour that a person refused or did not answer; a prompt that the person reported as fraud",
        why: "prompts that nobody asked for mean that somebody else has the password; the owner who is tired of them lets him in",
        method: "structure: prompts by correlation id, so that several records of one prompt count once (256 a day at most, the smallest ids), in a sliding window that does not cross midnight. Medium; high when a prompt or a login with a second factor succeeds within an hour after the third refusal, or when fraud was reported, which needs no second prompt. Wrong codes are not refusals. Eager",
        blind_to: "owners who accept the first prompt; vendors that do not say why a prompt failed",
        fields: "time, user, activity, outcome, reason (mfa_denied, mfa_timeout, fraud), session (the prompt's correlation id), mfa, ip, country",
        example: "ana@example.com refused or did not answer 7 prompts for a second factor in 42 minutes, asked for from 203.0.113.7 (BR); then one was accepted at 03:12",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(MfaFatigue::new(world)), lag))
    },
};

/// Prompts of one person and day.
const PROMPTS_MAX: usize = 256;
/// Mark of a finding: reported by the person.
const FRAUD: u16 = 1;

/// The detector with its parameters.
pub struct MfaFatigue {
    min_prompts: usize,
    window_ms: i64,
}

/// One person's day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    refs: Refs,
    refused: Option<Box<Finding>>,
    /// Refused prompts by mark of the correlation id, with the time of the first refusal.
    prompts: BTreeMap<u32, i64>,
    /// The latest success of a pane, ms within it.
    passed: Panes<u32>,
    /// Changes since the day was read back.
    #[serde(skip)]
    changes: u32,
}

impl MfaFatigue {
    fn new(world: &World) -> Self {
        MfaFatigue {
            min_prompts: (world.param(&ENTRY, "min_prompts") as usize).max(1),
            window_ms: (world.param(&ENTRY, "window") * 60_000.0) as i64,
        }
    }

    /// The most prompts in a window, with the first and last of them, the earliest of equals; and the times
    /// at which there were enough.
    fn busiest(&self, open: &Open) -> Option<Busiest> {
        let mut times: Vec<i64> = open.prompts.values().copied().collect();
        times.sort_unstable();
        let mut best: Option<(usize, (i64, i64))> = None;
        let mut reached = Vec::new();
        let mut first = 0;
        for (last, time) in times.iter().enumerate() {
            while self.window_ms < time - times[first] {
                first += 1;
            }
            let count = last + 1 - first;
            if self.min_prompts <= count {
                reached.push(*time);
            }
            if best.is_none_or(|(best, _)| best < count) {
                best = Some((count, (times[first], *time)));
            }
        }
        let (count, span) = best.filter(|_| !reached.is_empty())?;
        Some(Busiest {
            count,
            span,
            reached,
        })
    }

    /// The first success within a window after enough refusals. What is later in its five minutes may hide a
    /// success, so these count as a whole.
    fn accepted(&self, open: &Open, busiest: &Busiest, on: On<'_>) -> Option<i64> {
        let panes = open.passed.iter().map(|(pane, within)| {
            let start = on.world.calendar.pane_start(on.frozen.day, pane);
            (start, start + i64::from(*within))
        });
        let mut after = panes.filter(|(start, time)| {
            let is_soon = |reached: &i64| reached <= time && *start <= reached + self.window_ms;
            busiest.reached.iter().any(is_soon)
        });
        after.next().map(|(_, time)| time)
    }
}

/// Refused prompts that came close together.
struct Busiest {
    count: usize,
    span: (i64, i64),
    reached: Vec<i64>,
}

/// Whether the owner said no, or nothing.
fn is_refusal(row: &Row<'_>) -> bool {
    row.outcome() == Outcome::Failure
        && matches!(
            row.reason(),
            Some(Reason::MfaDenied | Reason::MfaTimeout | Reason::Fraud)
        )
}

/// Whether a second factor was given just now.
fn is_passed(row: &Row<'_>) -> bool {
    row.outcome() == Outcome::Success
        && row.interactive() != Some(false)
        && (row.activity() == Activity::MfaChallenge || row.mfa() == Some(true))
}

impl Kind for MfaFatigue {
    type Base = u32;
    type Summary = ();
    type Open = Open;
    type Amount = Option<Verdict>;
    type Bars = u32;

    const STATISTICAL: bool = false;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        // Fraud may be reported in a record of its own, of any outcome.
        stream == Stream::Person
            && (is_refusal(row) || is_passed(row) || row.reason() == Some(Reason::Fraud))
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let row = event.row;
        let is_fraud = row.reason() == Some(Reason::Fraud);
        open.changes += 1;
        if !is_fraud && !is_refusal(&row) {
            let start = event.world.calendar.pane_start(event.day, event.pane);
            let within = (row.time() - start).clamp(0, PANE_MS - 1) as u32;
            let latest = open.passed.at(event.pane);
            *latest = within.max(*latest);
            return;
        }
        let refused = open.refused.get_or_insert_default();
        let marks = if is_fraud { FRAUD } else { 0 };
        refused.add(&mut open.refs, event, marks, None);
        let prompt = mark_of(event.world.seed, row.session().unwrap_or(row.uid()));
        let first = open.prompts.entry(prompt).or_insert(row.time());
        *first = row.time().min(*first);
        if PROMPTS_MAX < open.prompts.len() {
            open.prompts.pop_last();
        }
    }

    fn evidence(&self, open: &Open) -> Vec<EventRef> {
        let refused = open.refused.iter();
        let samples = refused.map(|refused| [&refused.sample]);
        gather(&open.refs, samples, usize::MAX)
    }

    fn fold(&self, base: &mut u32, _: Day, (): &()) {
        *base += 1;
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Option<Verdict> {
        let (open, on) = (judged.open, judged.on);
        let refused = open.refused.as_deref()?;
        let busiest = self.busiest(open);
        let is_fraud = refused.has(FRAUD);
        if busiest.is_none() && !is_fraud {
            return None;
        }
        let accepted = busiest.as_ref();
        let accepted = accepted.and_then(|busiest| self.accepted(open, busiest, on));
        let sample = &refused.sample;
        let all = (sample.first(&open.refs), sample.last(&open.refs));
        let (count, span, due) = match &busiest {
            Some(busiest) => (busiest.count, busiest.span, busiest.reached[0]),
            None => (open.prompts.len(), all, all.0),
        };
        let severity = if is_fraud || accepted.is_some() {
            Severity::High
        } else {
            Severity::Medium
        };
        let name = &on.who.name;
        let (clock, _) = on.world.clock(name);
        let end = match accepted {
            Some(time) => format!("; then one was accepted at {}", clock.text(time)),
            None if is_fraud => "; the owner reported fraud".to_owned(),
            None => String::new(),
        };
        Some(Verdict {
            summary: format!(
                "{name} refused or did not answer {} for a second factor in {}, asked for from {}{end}",
                phrase::count(count as u64, "prompt"),
                phrase::count(((span.1 - span.0) / 60_000 + 1) as u64, "minute"),
                refused.places.text("an unknown address"),
            ),
            detected_at: due / PANE_MS * PANE_MS + PANE_MS,
            observed: count as f64,
            expected: self.min_prompts as f64,
            days: *judged.base,
            evidence: self.evidence(open),
            next_steps: vec![
                format!(
                    "ask {name} whether the prompts were theirs; if not, somebody else knows the password"
                )
                .into(),
                Step::LockOut(name.to_string()),
                "let prompts show a number that has to be typed".into(),
            ],
            quiet: format!(
                "{} or fewer refused or unanswered within {}{}",
                phrase::count(self.min_prompts as u64 - 1, "prompt"),
                phrase::duration((self.window_ms / 60_000) as u64),
                if is_fraud { ", none reported as fraud" } else { "" },
            ),
            ..Verdict::of(severity, "policy", span, u64::from(sample.count))
        })
    }

    fn score(&self, _: &Option<Verdict>) -> u32 {
        0
    }

    fn verdicts(&self, _: &Judged<'_, Self>, said: &Option<Verdict>) -> Vec<Verdict> {
        said.iter().cloned().collect()
    }

    fn bars(&self, judged: &Judged<'_, Self>, _: &Option<Verdict>) -> u32 {
        judged.open.changes
    }

    fn reaches(&self, open: &Open, bars: &u32) -> bool {
        open.changes != *bars && open.refused.is_some()
    }

    fn close(&self, _: &Judged<'_, Self>, _: Latest<'_, Self>, _: Option<Verdict>, _: &mut Parts) {}
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{alerts, at, event, said, settings};
    use super::*;
    use crate::event::Draft;

    fn prompt<'a>(id: &'a str, minute: i64, reason: Reason) -> Draft<'a> {
        Draft {
            outcome: Some(Outcome::Failure),
            reason: Some(reason),
            session: Some(id),
            ip: Some("203.0.113.7"),
            ..event("ana", Activity::MfaChallenge, at(0, minute))
        }
    }

    fn three() -> Vec<Draft<'static>> {
        vec![
            prompt("a", 100, Reason::MfaDenied),
            prompt("b", 120, Reason::MfaTimeout),
            prompt("c", 150, Reason::MfaDenied),
        ]
    }

    #[test]
    fn three_prompts_in_an_hour_are_told_and_an_acceptance_is_grave() {
        let mut rows = three();
        assert_eq!(
            said(settings(ENTRY.name), &rows),
            [(Severity::Medium, None)]
        );
        rows.push(event("ana", Activity::MfaChallenge, at(0, 155)));
        let alerts = alerts(settings(ENTRY.name), &rows);
        assert_eq!(alerts[0].severity, Severity::High);
        assert_eq!(
            alerts[0].summary,
            "ana refused or did not answer 3 prompts for a second factor in 51 minutes, asked for from 203.0.113.7; then one was accepted at 02:35"
        );
    }

    /// A login before the prompts, or long after them, is not their end.
    #[test]
    fn other_successes_change_nothing() {
        let login = |minute| Draft {
            mfa: Some(true),
            ..event("ana", Activity::Login, at(0, minute))
        };
        let mut rows = three();
        rows.extend([login(110), login(500)]);
        assert_eq!(
            said(settings(ENTRY.name), &rows),
            [(Severity::Medium, None)]
        );
    }

    /// One prompt in several records, wrong codes, prompts far apart, failures nobody explains.
    #[test]
    fn what_is_no_bombing_is_left_alone() {
        let mut rows = vec![
            prompt("a", 100, Reason::MfaTimeout),
            prompt("a", 101, Reason::MfaTimeout),
            prompt("b", 102, Reason::MfaFailed),
            prompt("c", 103, Reason::MfaDenied),
            prompt("d", 170, Reason::MfaDenied),
        ];
        rows.push(Draft {
            reason: None,
            ..prompt("e", 104, Reason::Other)
        });
        assert_eq!(said(settings(ENTRY.name), &rows), []);
    }

    #[test]
    fn fraud_is_grave_at_once() {
        let rows = [prompt("a", 100, Reason::Fraud)];
        assert_eq!(said(settings(ENTRY.name), &rows), [(Severity::High, None)]);
    }
}
