//! Decisions that mute or lower what is expected: exceptions, snoozes, feedback.
//!
//! Invariant: a decision holds on days of the tenant, so that no clock is read, and what goes far beyond it
//! is never muted.

use crate::alert::{Entity, Severity, Suppressed};
use crate::company::Judge;
use crate::time::{Day, day_text};
use crate::verdict::Verdict;

/// A p-value below the threshold divided by this is far beyond what alerts: such a verdict is only lowered,
/// unless the decision itself says how much it expects.
pub const FAR: f64 = 10.0;

/// What kind of decision it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Decision {
    /// A rule with an owner.
    #[default]
    Exception,
    /// Nobody wants to hear of it for a while.
    Snooze,
    /// An alert was answered with: that is expected.
    Expected,
}

impl Decision {
    /// Every kind.
    pub const ALL: [Decision; 3] = [Decision::Exception, Decision::Snooze, Decision::Expected];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        ["exception", "snooze", "expected"][self as usize]
    }

    /// The reason in an alert.
    pub const fn reason(self) -> &'static str {
        ["exception", "snoozed", "expected"][self as usize]
    }

    /// Whether a reason in an alert is one of these.
    pub fn is_reason(reason: &str) -> bool {
        Decision::ALL.iter().any(|kind| kind.reason() == reason)
    }
}

/// What a decision does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Effect {
    /// Not shown and not counted.
    #[default]
    Mute,
    /// Shown one severity lower.
    Lower,
}

impl Effect {
    /// Every effect.
    pub const ALL: [Effect; 2] = [Effect::Mute, Effect::Lower];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        ["mute", "lower"][self as usize]
    }
}

/// What an alert must be about besides its principal. An alert that also is about something else of the
/// kind is not within the scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A country, ISO 3166-1 alpha-2: places in it, and journeys between it and the person's home country.
    Country(String),
    /// A network by its number, as in `AS3320`.
    System(String),
    /// Addresses as numbers, IPv4 mapped into IPv6: first and last of each range.
    Addresses(Vec<(u128, u128)>),
    /// An application or AI tool, lower case.
    App(String),
}

/// One decision, with the days on which it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// What kind.
    pub kind: Decision,
    /// Names of detectors; empty: all.
    pub detectors: Vec<String>,
    /// Name of the principal, lower case, `*` for any run of characters; `None`: all but the company.
    pub entity: Option<String>,
    /// `entity.kind` of the alert: user, service, ip, tool …
    pub entity_kind: Option<String>,
    /// What it is about.
    pub scope: Option<Scope>,
    /// What is done.
    pub effect: Effect,
    /// The largest amount that is expected; beyond, the alert is only lowered.
    pub at_most: Option<f64>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// First day on which it holds.
    pub from: Day,
    /// Last day.
    pub expires: Day,
}

/// What is decided about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The detector.
    pub detector: &'static str,
    /// The tenant's day.
    pub day: Day,
    /// The principal of the alert.
    pub entity: &'a Entity,
    /// What is said.
    pub verdict: &'a Verdict,
    /// The person's home country, where the directory has it.
    pub home: Option<&'a str>,
    /// What judged it; `None` of physics and policy.
    pub judge: Option<&'a Judge>,
}

/// What the decisions do to a verdict, with the severity that it keeps: of those that cover it, the first
/// that mutes, else the first.
pub fn decide(exceptions: &[Exception], on: Subject<'_>) -> Option<(Severity, Suppressed)> {
    let covering = exceptions.iter().filter(|rule| rule.covers(on));
    let mut decided = covering.map(|rule| rule.decide(on));
    let first = decided.next()?;
    if first.1.effect == MUTED {
        return Some(first);
    }
    Some(decided.find(|(_, by)| by.effect == MUTED).unwrap_or(first))
}

const MUTED: &str = "muted";

impl Exception {
    /// Whether it holds on a day.
    pub fn holds_on(&self, day: Day) -> bool {
        (self.from..=self.expires).contains(&day)
    }

    fn covers(&self, on: Subject<'_>) -> bool {
        let is_its = |name: &String| name == on.detector;
        self.holds_on(on.day)
            && (self.detectors.is_empty() || self.detectors.iter().any(is_its))
            && self.is_about(on.entity)
            && self.scope.as_ref().is_none_or(|scope| scope.covers(on))
    }

    fn is_about(&self, entity: &Entity) -> bool {
        let is_named = match &self.entity {
            Some(pattern) => matches(pattern, &entity.id.to_lowercase()),
            None => true,
        };
        let is_kind = match &self.entity_kind {
            Some(kind) => *kind == entity.kind,
            // What many have in common is another statement than what one of them did.
            None => entity.kind != "tenant" || self.entity.as_ref().is_some_and(|e| !is_glob(e)),
        };
        is_named && is_kind
    }

    fn decide(&self, on: Subject<'_>) -> (Severity, Suppressed) {
        let severity = on.verdict.severity;
        let lower = Severity::ALL[(severity as usize).saturating_sub(1)];
        let beyond = self.beyond(on);
        // What may be a theft stays among what is read. The muted has the same severity, so that it does not
        // fall when the day's events go beyond the decision.
        let kept = lower.max(severity.min(Severity::Medium));
        let (severity, effect) = match (&beyond, self.effect) {
            (Some(_), _) => (kept, "lowered"),
            (None, Effect::Mute) => (kept, MUTED),
            (None, Effect::Lower) => (lower, "lowered"),
        };
        let (owner, until, reason) = (&self.owner, day_text(self.expires), &self.reason);
        let more = beyond.map_or(String::new(), |beyond| format!("; not muted: {beyond}"));
        let suppressed = Suppressed {
            effect: effect.to_owned(),
            reason: self.kind.reason().to_owned(),
            by: format!("{owner} until {until}: {reason}{more}"),
        };
        (severity, suppressed)
    }

    /// Why a verdict is more than was decided about.
    fn beyond(&self, on: Subject<'_>) -> Option<String> {
        let verdict = on.verdict;
        if verdict.severity == Severity::Critical {
            return Some("it is critical".to_owned());
        }
        if let Some(limit) = self.at_most {
            let observed = verdict.observed;
            return (limit < observed).then(|| format!("{observed} is beyond {limit}"));
        }
        let judge = on.judge?;
        let is_far = judge.p(verdict.surprise?) * FAR < judge.alpha;
        is_far.then(|| format!("{FAR} times rarer than what alerts"))
    }
}

impl Scope {
    fn covers(&self, on: Subject<'_>) -> bool {
        let about = |kinds: &[&str]| -> Vec<&str> {
            let all = std::iter::once(on.entity).chain(&on.verdict.also);
            let of_kind = all.filter(|entity| kinds.contains(&entity.kind.as_str()));
            of_kind.map(|entity| entity.id.as_str()).collect()
        };
        let all = |named: Vec<&str>, is_within: &dyn Fn(&str) -> bool| {
            !named.is_empty() && named.into_iter().all(is_within)
        };
        match self {
            Scope::Country(code) => is_in(code, on),
            Scope::System(number) => on.verdict.value == format!("network {number}"),
            Scope::Addresses(ranges) => all(about(&["ip"]), &|address| {
                let number = number_of(address);
                number.is_some_and(|number| ranges.iter().any(|(a, b)| (*a..=*b).contains(&number)))
            }),
            Scope::App(name) => all(about(&["app", "tool"]), &|app| app.to_lowercase() == *name),
        }
    }
}

/// Whether a verdict is about places of one country, or about a journey between it and home.
fn is_in(code: &str, on: Subject<'_>) -> bool {
    let value = on.verdict.value.as_str();
    let region = value.strip_prefix("region ");
    if value.strip_prefix("country ") == Some(code)
        || region.is_some_and(|region| region.starts_with(&format!("{code}, ")))
    {
        return true;
    }
    // Journeys are named by their ends, as in `Berlin, DE to Paris, FR`.
    let is_journey = |from: &str, to: &str| {
        let pair = &on.verdict.same_as;
        pair.contains(&format!(", {from} to ")) && pair.ends_with(&format!(", {to}"))
    };
    on.detector == "impossible_travel"
        && (is_journey(code, code)
            || on
                .home
                .is_some_and(|home| is_journey(code, home) || is_journey(home, code)))
}

fn number_of(address: &str) -> Option<u128> {
    match address.parse().ok()? {
        std::net::IpAddr::V4(address) => Some(address.to_ipv6_mapped().to_bits()),
        std::net::IpAddr::V6(address) => Some(address.to_bits()),
    }
}

/// Whether a name of an entity means several.
pub fn is_glob(pattern: &str) -> bool {
    pattern.contains('*')
}

/// Whether a text is as a pattern says, in which `*` stands for any run of characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
