//! What a detector says about one principal on one day.
//!
//! Eager: under its baseline a verdict is a monotone function of the day's events. More events never
//! withdraw it nor lower its surprise or severity.

use serde::{Deserialize, Serialize};

use crate::alert::{Class, Entity, Severity};
use crate::catalog::Step;
use crate::event::Kind;
use crate::evidence::EventRef;
use crate::time::PANE_MS;

/// Kinds of principals that are judged apart: each has its own peers and calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stream {
    /// People, and whatever is not known to be something else.
    Person,
    /// Service accounts and API keys.
    Service,
    /// AI agents.
    Agent,
    /// Accounts shared by several people.
    Shared,
    /// The company as a whole.
    Company,
    /// Addresses that rows came from.
    Address,
}

impl Stream {
    /// How many there are.
    pub const COUNT: usize = Stream::Address as usize + 1;

    /// The stream of a row's kind.
    pub fn of(kind: Option<Kind>) -> Stream {
        match kind {
            Some(Kind::Service) => Stream::Service,
            Some(Kind::Agent) => Stream::Agent,
            Some(Kind::Shared) => Stream::Shared,
            Some(Kind::Person | Kind::BreakGlass | Kind::Unknown) | None => Stream::Person,
        }
    }

    /// The word for sentences and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Person => "person",
            Stream::Service => "service",
            Stream::Agent => "agent",
            Stream::Shared => "shared",
            Stream::Company => "company",
            Stream::Address => "address",
        }
    }

    /// `entity.kind` of an alert about it.
    pub fn entity_kind(self) -> &'static str {
        match self {
            Stream::Service | Stream::Agent => "service",
            Stream::Person | Stream::Shared => "user",
            Stream::Company => "tenant",
            Stream::Address => "ip",
        }
    }
}

/// One statement, before budget overlays and ids are put on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What is new, where the alert is about a value (a place, a pair of places): part of the
    /// alert's identity for habits, empty for amounts.
    pub value: String,
    /// What makes it the same finding on another day, where that is finer than `value`.
    pub same_as: String,
    /// Values that would be a common cause if many crossed with the same.
    pub causes: Vec<String>,
    /// The model's surprise, round(-1000 log10 p); `None` for physics and policy.
    pub surprise: Option<u32>,
    /// A detection, or a standing weakness: posture is not counted as an incident.
    pub class: Class,
    /// Severity before suppression.
    pub severity: Severity,
    /// Lowered or muted by the detector's own knowledge: (effect, reason, by).
    pub overlay: Option<(&'static str, &'static str, String)>,
    /// Named instead of the principal (a tool), where the verdict is about a part of it.
    pub about: Option<Entity>,
    /// The other parts of a pair.
    pub also: Vec<Entity>,
    /// One plain sentence.
    pub summary: String,
    /// `[start, end)` in ms.
    pub window: (i64, i64),
    /// When the alert was due, event time in ms.
    pub detected_at: i64,
    /// First and last event time in ms.
    pub span: (i64, i64),
    /// Events in the window.
    pub event_count: u64,
    /// Measured.
    pub observed: f64,
    /// Whether `observed` is an estimate.
    pub approximate: bool,
    /// Usual.
    pub expected: f64,
    /// `own`, `peers`, `tenant`, `physics` or `policy`.
    pub baseline: &'static str,
    /// Active days the principal's own baseline rests on.
    pub days: u32,
    /// Values for a sparkline.
    pub history: Vec<f64>,
    /// The smallest events by (time, uid).
    pub evidence: Vec<EventRef>,
    /// What to do next.
    pub next_steps: Vec<Step>,
    /// What would have kept it quiet, as a phrase.
    pub quiet: String,
}

impl Verdict {
    /// A statement of policy, structure or physics about some events: without value, cause or history.
    pub fn of(
        severity: Severity,
        baseline: &'static str,
        span: (i64, i64),
        events: u64,
    ) -> Verdict {
        Verdict {
            value: String::new(),
            same_as: String::new(),
            causes: Vec::new(),
            surprise: None,
            class: Class::Detection,
            severity,
            overlay: None,
            about: None,
            also: Vec::new(),
            summary: String::new(),
            window: (span.0, span.1 + 1),
            detected_at: span.0 / PANE_MS * PANE_MS + PANE_MS,
            span,
            event_count: events,
            observed: events as f64,
            approximate: false,
            expected: 0.0,
            baseline,
            days: 0,
            history: Vec::new(),
            evidence: Vec::new(),
            next_steps: Vec::new(),
            quiet: String::new(),
        }
    }

    /// The finding's name across days: a repeat has the same.
    pub fn repeats_as(&self) -> &str {
        if self.same_as.is_empty() {
            &self.value
        } else {
            &self.same_as
        }
    }
}
