//! Brute force: the failures of one person.
//!
//! Invariant: failures are kept by time, the earliest [`FAILURES_MAX`]; a day that had more is read as one with
//! enough of them, so that nothing falls when more come.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{PasswordGuessing, Taught, Try};
use crate::alert::Severity;
use crate::catalog::rule::{Finding, network_mark, network_of};
use crate::catalog::{Step, phrase};
use crate::company::Parts;
use crate::detector::{Event, Judged, On};
use crate::evidence::{EventRef, Refs, gather};
use crate::model::familiar::mark_of;
use crate::model::habit::Attribute;
use crate::time::PANE_MS;
use crate::verdict::Verdict;

/// Failures of one person and day.
const FAILURES_MAX: usize = 512;
/// Networks of one person and day.
const NETWORKS_MAX: usize = 32;
const WINDOW_MS: i64 = 10 * 60_000;
/// Days with logins before a network can be called new.
const USED_TO_DAYS: u32 = 3;

/// One person's day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Tries {
    refs: Refs,
    /// Time, what tells events of one moment apart, network.
    wrong: BTreeSet<(i64, u32, u32)>,
    is_over: bool,
    finding: Option<Box<Finding>>,
    /// The latest right password that another control held up, by network.
    held: BTreeMap<u32, i64>,
    /// The latest login, by network, with the network's name.
    entered: BTreeMap<u32, (i64, Box<str>)>,
}

impl Tries {
    pub fn add(&mut self, what: Try, event: &Event<'_>) {
        let (row, seed) = (event.row, event.world.seed);
        let network = network_mark(&row, seed);
        match what {
            Try::In => {
                let named = || (row.time(), (&*network_of(&row).unwrap_or_default()).into());
                let (latest, _) = self.entered.entry(network).or_insert_with(named);
                *latest = row.time().max(*latest);
                if NETWORKS_MAX < self.entered.len() {
                    self.entered.pop_last();
                }
            }
            Try::Held => {
                let latest = self.held.entry(network).or_insert(row.time());
                *latest = row.time().max(*latest);
                if NETWORKS_MAX < self.held.len() {
                    self.held.pop_last();
                }
            }
            Try::Wrong => {
                let finding = self.finding.get_or_insert_default();
                finding.add(&mut self.refs, event, 0, None);
                let apart = mark_of(seed, row.uid());
                // One row may stand for several failures.
                for n in 0..row.count().min(FAILURES_MAX as u64) as u32 {
                    self.wrong
                        .insert((row.time(), apart.wrapping_add(n), network));
                }
                while FAILURES_MAX < self.wrong.len() {
                    self.is_over = true;
                    self.wrong.pop_last();
                }
            }
        }
    }

    pub fn has_failures(&self) -> bool {
        !self.wrong.is_empty()
    }

    pub fn evidence(&self) -> Vec<EventRef> {
        let finding = self.finding.iter();
        let samples = finding.map(|finding| [&finding.sample]);
        gather(&self.refs, samples, usize::MAX)
    }

    /// The most failures within ten minutes, with the first and last of them, and when there first were enough.
    fn busiest(&self, needed: usize, counts: impl Fn(u32) -> bool) -> Busiest {
        let wrong = self.wrong.iter().filter(|(_, _, network)| counts(*network));
        let times: Vec<i64> = wrong.map(|(time, _, _)| *time).collect();
        let mut busiest = Busiest::default();
        let mut first = 0;
        for (last, time) in times.iter().enumerate() {
            while WINDOW_MS < time - times[first] {
                first += 1;
            }
            let count = last + 1 - first;
            if busiest.count < count {
                (busiest.count, busiest.span) = (count, (times[first], *time));
            }
            if needed <= count {
                busiest.reached.get_or_insert(*time);
            }
        }
        busiest
    }

    pub fn close(
        &self,
        judged: &Judged<'_, PasswordGuessing>,
        said: &[Verdict],
        parts: &mut Parts,
    ) -> Taught {
        let (base, on) = (judged.base, judged.on);
        let is_told = said.iter().any(|verdict| verdict.overlay.is_none());
        let mut known = Vec::new();
        for (mark, (_, network)) in self.entered.iter().filter(|(mark, _)| **mark != 0) {
            // What alerted must not teach that it is usual.
            if is_told && !base.known.knows(*mark, on.frozen.day) {
                continue;
            }
            known.push(*mark);
            let users = parts.values.entry(Attribute::Network).or_default();
            users.entry(network.to_string()).or_default()[0] += 1;
        }
        Taught {
            known,
            ..Taught::default()
        }
    }
}

#[derive(Debug, Default)]
struct Busiest {
    count: usize,
    span: (i64, i64),
    reached: Option<i64>,
}

impl PasswordGuessing {
    /// The verdict about one person.
    pub fn judge_person(&self, tries: &Tries, judged: &Judged<'_, Self>) -> Vec<Verdict> {
        let Judged { base, on, .. } = *judged;
        let needed = self.user_failures;
        let all = tries.busiest(needed, |_| true);
        let Some(finding) = tries.finding.as_deref() else {
            return Vec::new();
        };
        if all.reached.is_none() && !tries.is_over {
            return Vec::new();
        }
        let is_used_to = USED_TO_DAYS <= base.days;
        let is_known = |network: u32| base.known.knows(network, on.frozen.day);
        let is_new = |network: u32| is_used_to && network != 0 && !is_known(network);
        let new = tries.busiest(needed, is_new);
        let entered = tries.entered.iter();
        let entered = entered.map(|(network, (time, _))| (*network, *time));
        let after = |(network, time): &(u32, i64)| {
            is_new(*network) && new.reached.is_some_and(|reached| reached <= *time)
        };
        let entered = entered.filter(after).map(|(_, time)| time).min();
        let held = tries.held.iter().map(|(network, time)| (*network, *time));
        let held = held.filter(after).map(|(_, time)| time).min();
        let severity = match new.reached {
            Some(_) if entered.or(held).is_some() => Severity::High,
            Some(_) => Severity::Medium,
            None => Severity::Low,
        };
        let mut networks = tries.wrong.iter().map(|(_, _, network)| *network);
        let is_own = networks.all(is_known) && !tries.is_over;
        let shown = if new.reached.is_some() { &new } else { &all };
        let name = &on.who.name;
        let end = end_of(entered, held, name, on);
        let due = shown.reached.unwrap_or(shown.span.0);
        vec![Verdict {
            overlay: is_own.then(|| ("muted", "own_network", "the user's own networks".to_owned())),
            summary: format!(
                "logins of {name} failed {} in {}, from {}{end}",
                phrase::count(shown.count as u64, "time"),
                phrase::count(((shown.span.1 - shown.span.0) / 60_000 + 1) as u64, "minute"),
                finding.places.text("an unknown address"),
            ),
            detected_at: due / PANE_MS * PANE_MS + PANE_MS,
            observed: shown.count as f64,
            approximate: tries.is_over,
            expected: needed as f64,
            days: base.days,
            evidence: tries.evidence(),
            next_steps: vec![
                format!(
                    "ask {name} whether it was them; a phone with an old password fails like this too"
                )
                .into(),
                Step::LockOut(name.to_string()),
                Step::Block("the addresses".into()),
            ],
            quiet: format!(
                "{} or fewer in 10 minutes, or all from {}",
                phrase::count(needed as u64 - 1, "failure"),
                phrase::known_network(name),
            ),
            ..Verdict::of(
                severity,
                "policy",
                shown.span,
                u64::from(finding.sample.count),
            )
        }]
    }
}

/// What came of it, as the end of a sentence.
fn end_of(entered: Option<i64>, held: Option<i64>, name: &str, on: On<'_>) -> String {
    let (clock, _) = on.world.clock(name);
    match (entered, held) {
        (Some(time), _) => format!(
            "; then somebody logged in from a new network at {}",
            clock.text(time)
        ),
        (None, Some(time)) => format!(
            "; at {} the password was right and another control held",
            clock.text(time)
        ),
        (None, None) => String::new(),
    }
}
