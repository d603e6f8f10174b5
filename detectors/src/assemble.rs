//! From verdicts to alerts: ids, overlays (common cause, phase, repeat) and the wire form.
//!
//! Invariant: a pure function of the day's verdicts, of what was frozen for the day and of the alerts
//! of earlier closed days.

mod book;

pub use book::Book;

use std::collections::BTreeMap;

use crate::alert::{Alert, Baseline, Class, Entity, Severity, Suppressed, Window, four_digits};
use crate::catalog::{Entry, Maker};
use crate::company::{Frozen, Phase};
use crate::event::time_text;
use crate::evidence::EventRef;
use crate::exception::{self, Subject};
use crate::origin::Origins;
use crate::time::day_text;
use crate::verdict::{Stream, Verdict};
use crate::world::{Who, World};

/// The verdicts of one detector and day, by principal.
pub type Claims = BTreeMap<Who, Vec<Verdict>>;

/// Members of a common cause must exceed this number, and a tenth of the active principals.
const COMMON_CAUSE_MIN: f64 = 5.0;
const COMMON_CAUSE_SHARE: f64 = 0.1;
const EVIDENCE_MAX: usize = 12;

/// Makes the alerts of one detector.
#[derive(Clone, Copy)]
pub struct Assembler<'a> {
    pub(crate) world: &'a World,
    pub(crate) entry: &'static Entry,
    pub(crate) book: &'a Book,
    pub(crate) origins: &'a Origins,
}

impl Assembler<'_> {
    /// All alerts of a day, muted ones included, by id.
    pub fn alerts(&self, frozen: &Frozen, claims: &Claims) -> Vec<Alert> {
        let causes = self.common_causes(frozen, claims);
        let mut alerts = Vec::new();
        for (who, verdicts) in claims {
            for verdict in verdicts {
                let judged = match self.explained(frozen, who, verdict, claims, &causes) {
                    Some(folded) => (verdict.severity, Some(folded)),
                    None => self.judged(frozen, who, verdict, &causes),
                };
                alerts.push(self.alert(frozen, who, verdict, judged));
            }
        }
        for (who, verdict) in self.company_verdicts(frozen, &causes) {
            let judged = self.judged(frozen, &who, &verdict, &BTreeMap::new());
            alerts.push(self.alert(frozen, &who, &verdict, judged));
        }
        alerts.sort_by(|a, b| a.id.cmp(&b.id));
        alerts
    }

    /// The verdicts, and what is said of the company instead of its members: what a later alert may repeat.
    pub fn told(&self, frozen: &Frozen, claims: &Claims) -> Claims {
        let mut told = claims.clone();
        let causes = self.common_causes(frozen, claims);
        for (who, verdict) in self.company_verdicts(frozen, &causes) {
            told.entry(who).or_default().push(verdict);
        }
        told
    }

    fn company_verdicts(
        &self,
        frozen: &Frozen,
        causes: &BTreeMap<&str, Vec<(&Who, &Verdict)>>,
    ) -> Vec<(Who, Verdict)> {
        let causes = causes.iter();
        causes
            .map(|(cause, members)| self.company_verdict(frozen, cause, members))
            .collect()
    }

    /// An amount of the whole company that is mostly one principal's, who has an alert of the same
    /// detector and time: one deed is one incident.
    fn explained(
        &self,
        frozen: &Frozen,
        who: &Who,
        verdict: &Verdict,
        claims: &Claims,
        causes: &BTreeMap<&str, Vec<(&Who, &Verdict)>>,
    ) -> Option<Suppressed> {
        // What a rule says about a tool, a source or a standing weakness is no amount.
        let is_amount = verdict.surprise.is_some() || verdict.about.is_none();
        if who.stream != Stream::Company || verdict.class != Class::Detection || !is_amount {
            return None;
        }
        let others = claims
            .iter()
            .filter(|(who, _)| who.stream != Stream::Company);
        let pairs = others.flat_map(|(who, all)| all.iter().map(move |verdict| (who, verdict)));
        let is_shown = |who: &Who, member: &Verdict| {
            // What is expected of the principal is expected of the company too.
            let overlay = self.overlay(frozen, who, member, causes);
            overlay.is_none_or(|overlay| overlay.effect != "muted")
        };
        let (member, cause) = pairs
            .filter(|(_, member)| makes_most_of(member, verdict))
            .filter(|(who, member)| is_shown(who, member))
            .max_by_key(|(_, member)| member.surprise)?;
        let entity = entity_of(member, cause);
        Some(Suppressed {
            effect: "muted".into(),
            reason: "one_principal".into(),
            by: self.id(frozen, &entity, &cause.value),
        })
    }

    /// Causes that more than max(5, 10 % of the active) principals share.
    fn common_causes<'c>(
        &self,
        frozen: &Frozen,
        claims: &'c Claims,
    ) -> BTreeMap<&'c str, Vec<(&'c Who, &'c Verdict)>> {
        let mut by_cause = BTreeMap::<&str, BTreeMap<&Who, &Verdict>>::new();
        for (who, verdicts) in claims {
            for verdict in verdicts.iter().filter(|_| who.stream != Stream::Company) {
                for cause in &verdict.causes {
                    by_cause
                        .entry(cause)
                        .or_default()
                        .entry(who)
                        .or_insert(verdict);
                }
            }
        }
        let limit = (COMMON_CAUSE_SHARE * frozen.active).max(COMMON_CAUSE_MIN);
        by_cause.retain(|_, members| limit < members.len() as f64);
        by_cause
            .into_iter()
            .map(|(cause, members)| (cause, members.into_iter().collect()))
            .collect()
    }

    /// The severity that is shown, and why it is not the verdict's own or not shown at all. Decisions come
    /// last of what mutes: the ledger tells what would have muted it without them.
    fn judged(
        &self,
        frozen: &Frozen,
        who: &Who,
        verdict: &Verdict,
        causes: &BTreeMap<&str, Vec<(&Who, &Verdict)>>,
    ) -> (Severity, Option<Suppressed>) {
        let own = self.overlay(frozen, who, verdict, causes);
        if own.as_ref().is_some_and(|own| own.effect == "muted") {
            return (verdict.severity, own);
        }
        match self.decided(frozen, who, verdict) {
            Some((severity, by)) => (severity, Some(by)),
            None => (verdict.severity, own),
        }
    }

    /// What the company's decisions do to a verdict.
    pub(crate) fn decided(
        &self,
        frozen: &Frozen,
        who: &Who,
        verdict: &Verdict,
    ) -> Option<(Severity, Suppressed)> {
        let exceptions = &self.world.settings.policy.exceptions;
        if exceptions.is_empty() {
            return None;
        }
        let person = self.world.person(&who.name);
        let subject = Subject {
            detector: self.entry.name,
            day: frozen.day,
            entity: &entity_of(who, verdict),
            verdict,
            home: person.and_then(|person| person.country.as_deref()),
            judge: frozen.judge(who.stream),
        };
        exception::decide(exceptions, subject)
    }

    fn overlay(
        &self,
        frozen: &Frozen,
        who: &Who,
        verdict: &Verdict,
        causes: &BTreeMap<&str, Vec<(&Who, &Verdict)>>,
    ) -> Option<Suppressed> {
        let muted = |reason: &str, by: String| {
            Some(Suppressed {
                effect: "muted".into(),
                reason: reason.into(),
                by,
            })
        };
        if let Some((effect, reason, by)) = &verdict.overlay
            && *effect == "muted"
        {
            return muted(reason, by.clone());
        }
        let all_common = verdict
            .causes
            .iter()
            .all(|cause| causes.contains_key(cause.as_str()));
        if let Some(cause) = verdict.causes.first().filter(|_| all_common) {
            let tenant = self.company();
            return muted("common_cause", self.id(frozen, &tenant, cause));
        }
        let judge = frozen.judge(who.stream);
        if judge.is_some_and(|judge| judge.phase == Phase::Ledger) && verdict.surprise.is_some() {
            return muted(
                "phase",
                format!("the first week of judging {} entities", who.stream.as_str()),
            );
        }
        if let Some(day) = self.book.repeats(self.entry.name, frozen.day, who, verdict) {
            return muted("repeat", format!("the alert of {}", day_text(day)));
        }
        verdict
            .overlay
            .as_ref()
            .map(|(effect, reason, by)| Suppressed {
                effect: (*effect).into(),
                reason: (*reason).into(),
                by: by.clone(),
            })
    }

    fn company(&self) -> Entity {
        Entity {
            kind: "tenant".into(),
            id: self.world.settings.tenant.clone(),
        }
    }

    /// One statement about the company instead of one about each member.
    fn company_verdict(
        &self,
        frozen: &Frozen,
        cause: &str,
        members: &[(&Who, &Verdict)],
    ) -> (Who, Verdict) {
        let first = members[0].1;
        let limit = (COMMON_CAUSE_SHARE * frozen.active).max(COMMON_CAUSE_MIN);
        let mut evidence: Vec<EventRef> = members
            .iter()
            .flat_map(|(_, verdict)| verdict.evidence.iter().cloned())
            .collect();
        evidence.sort_by(|a, b| (a.time, &a.uid).cmp(&(b.time, &b.uid)));
        evidence.truncate(EVIDENCE_MAX);
        let ends = members.iter().map(|(_, v)| v.span);
        let span = ends
            .clone()
            .fold((i64::MAX, i64::MIN), |(a, b), (c, d)| (a.min(c), b.max(d)));
        let windows = members.iter().map(|(_, v)| v.window);
        let window = windows.fold((i64::MAX, i64::MIN), |(a, b), (c, d)| (a.min(c), b.max(d)));
        let verdict = Verdict {
            value: format!("cause {cause}"),
            same_as: String::new(),
            causes: Vec::new(),
            surprise: members.iter().filter_map(|(_, v)| v.surprise).max(),
            class: Class::Detection,
            severity: Severity::Medium,
            // What none of them would be told of is not told of all.
            overlay: first.overlay.clone().filter(|(effect, _, _)| {
                let is_muted = |(_, member): &(&Who, &Verdict)| {
                    member.overlay.as_ref().is_some_and(|o| o.0 == "muted")
                };
                *effect == "muted" && members.iter().all(is_muted)
            }),
            about: None,
            also: Vec::new(),
            summary: format!(
                "{} people had the same new thing on one day: {cause}; their own alerts are folded under this one",
                members.len()
            ),
            window,
            detected_at: members.iter().map(|(_, v)| v.detected_at).max().unwrap_or_default(),
            span,
            event_count: members.iter().map(|(_, v)| v.event_count).sum(),
            observed: members.len() as f64,
            approximate: false,
            expected: limit,
            baseline: "tenant",
            days: first.days,
            history: Vec::new(),
            evidence,
            quiet: format!("{} people or fewer with it on one day", limit as u64),
            next_steps: vec![
                "check whether the company changed something on this day: an egress, a rollout, a re-organisation".into(),
                "if not, treat the members' alerts as one campaign".into(),
            ],
        };
        (
            Who {
                stream: Stream::Company,
                name: self.world.settings.tenant.as_str().into(),
            },
            verdict,
        )
    }

    fn id(&self, frozen: &Frozen, entity: &Entity, value: &str) -> String {
        let tenant = &self.world.settings.tenant;
        let day = day_text(frozen.day);
        hash_id(&[
            tenant,
            self.entry.name,
            &entity.kind,
            &entity.id,
            value,
            &day,
        ])
    }

    /// The steps in the words of the products that the evidence is from.
    fn next_steps(&self, verdict: &Verdict) -> Vec<String> {
        let mut makers: Vec<Maker> = Vec::new();
        for event in &verdict.evidence {
            let origin = self.origins.get(event.origin);
            let maker = origin.and_then(|origin| Maker::of_format(&origin.format));
            makers.extend(maker.filter(|maker| !makers.contains(maker)));
        }
        let steps = verdict.next_steps.iter();
        steps.map(|step| step.text(&makers)).collect()
    }

    fn alert(
        &self,
        frozen: &Frozen,
        who: &Who,
        verdict: &Verdict,
        (severity, suppressed): (Severity, Option<Suppressed>),
    ) -> Alert {
        let entity = entity_of(who, verdict);
        let tenant = self.world.settings.tenant.clone();
        let judge = frozen
            .judge(who.stream)
            .filter(|_| verdict.surprise.is_some());
        let p = |surprise: u32| judge.map(|judge| four_digits(judge.p(surprise)));
        Alert {
            id: self.id(frozen, &entity, &verdict.value),
            incident: hash_id(&[&tenant, &entity.kind, &entity.id, &day_text(frozen.day)]),
            tenant,
            revision: 1,
            state: "open".into(),
            cursor: 0,
            class: verdict.class,
            detector: self.entry.name.into(),
            severity,
            entity,
            also: verdict.also.clone(),
            summary: verdict.summary.clone(),
            window: Window {
                start: time_text(verdict.window.0),
                end: time_text(verdict.window.1),
            },
            detected_at: time_text(verdict.detected_at),
            first_event_time: time_text(verdict.span.0),
            last_event_time: time_text(verdict.span.1),
            event_count: verdict.event_count,
            observed: four_digits(verdict.observed),
            approximate: verdict.approximate,
            expected: four_digits(verdict.expected),
            p_value: verdict.surprise.and_then(p),
            threshold: judge.map(|judge| four_digits(judge.alpha)),
            baseline: Baseline {
                source: verdict.baseline.into(),
                days: verdict.days,
                history: verdict
                    .history
                    .iter()
                    .map(|value| four_digits(*value))
                    .collect(),
            },
            evidence: verdict
                .evidence
                .iter()
                .map(|event| event.to_evidence(self.origins))
                .collect(),
            attack: self
                .entry
                .attack
                .iter()
                .map(|id| (*id).to_owned())
                .collect(),
            next_steps: self.next_steps(verdict),
            quiet: verdict.quiet.clone(),
            suppressed,
            cold: verdict.baseline == "peers",
            history: false,
            late: false,
            config: self.world.settings.fingerprint.clone(),
        }
    }
}

/// Whom an alert is about.
fn entity_of(who: &Who, verdict: &Verdict) -> Entity {
    let principal = || Entity {
        kind: who.stream.entity_kind().into(),
        id: who.name.to_string(),
    };
    verdict.about.clone().unwrap_or_else(principal)
}

/// Whether a principal's amount is half or more of the company's, at the same time: in events, or in what
/// was measured where both measured the same.
fn makes_most_of(member: &Verdict, company: &Verdict) -> bool {
    let overlaps = member.window.0 < company.window.1 && company.window.0 < member.window.1;
    let share = member.observed / company.observed;
    overlaps && (company.event_count <= 2 * member.event_count || (0.5..=1.0).contains(&share))
}

/// 32 hex digits that name the parts, the same on any machine and in any run.
pub fn hash_id(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
