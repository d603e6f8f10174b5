//! Spray: the failures of one address for many users, and who got in.
//!
//! Invariant: users are kept by hash, the smallest [`USERS_MAX`]; an address that had more is read as one with
//! enough of them, so that nothing falls when more come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PasswordGuessing, Taught, Try};
use crate::alert::{Entity, Severity};
use crate::catalog::{Step, phrase};
use crate::detector::{Event, Judged, On, Theirs};
use crate::evidence::{Refs, Sample, gather};
use crate::model::familiar::mark_of;
use crate::panes::Panes;
use crate::shard::route_of;
use crate::time::PANE_MS;
use crate::verdict::Verdict;

/// Users of one address and day, of each kind.
const USERS_MAX: usize = 1024;
/// Users by name of one address and day.
const NAMES_MAX: usize = 256;
/// Failures of one user that count in an hour.
const COUNTED_MAX: u32 = 8;
/// Panes of an hour.
const HOUR_PANES: u16 = 12;
/// People who log in from an address on its usual days that make it a shared one.
const SHARED_USERS: u32 = 5;
/// Days before an address's own past is asked.
const USED_TO_DAYS: u32 = 3;
/// Times the usual that is no longer usual.
const USUAL_TIMES: u32 = 3;
/// Times the least that is more than an attempt.
const MANY_TIMES: u32 = 4;
/// Users who are told by name; with more the address is told beside them.
const VICTIMS_MAX: usize = 8;

/// One address's day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Tries {
    refs: Refs,
    wrong: Sample,
    /// Failures by user and pane.
    users: BTreeMap<u64, Panes<u8>>,
    is_over: bool,
    /// Who had the right password.
    right: BTreeMap<u64, Right>,
}

/// One user's right passwords at this address.
#[derive(Debug, Serialize, Deserialize)]
struct Right {
    name: Box<str>,
    /// The latest login.
    entered: Option<i64>,
    /// The latest that another control held up.
    held: Option<i64>,
}

/// What the failures amount to.
#[derive(Debug, Default, PartialEq)]
struct Spray {
    /// The most users in an hour, and their counted failures.
    users: u32,
    failures: u32,
    /// First and last pane of these.
    panes: (u16, u16),
    /// First pane of the first hour with enough, and the pane in which it had.
    begun: Option<(u16, u16)>,
}

impl Tries {
    pub fn add(&mut self, what: Try, event: &Event<'_>) {
        let row = event.row;
        let user = route_of(event.world.seed, event.user);
        if what == Try::Wrong {
            self.wrong.add(&mut self.refs, event);
            let panes = self.users.entry(user).or_default();
            let count = panes.at(event.pane);
            *count = count.saturating_add(row.count().min(255) as u8);
            if USERS_MAX < self.users.len() {
                self.is_over = true;
                self.users.pop_last();
            }
            return;
        }
        let right = self.right.entry(user).or_insert_with(|| Right {
            name: event.user.into(),
            entered: None,
            held: None,
        });
        let time = if what == Try::In {
            &mut right.entered
        } else {
            &mut right.held
        };
        *time = Some(row.time()).max(*time);
        if NAMES_MAX < self.right.len() {
            self.right.pop_last();
        }
    }

    pub fn has_failures(&self) -> bool {
        !self.users.is_empty()
    }

    pub fn erase(&mut self, theirs: &Theirs<'_>) -> usize {
        let right = self.right.remove(&theirs.user);
        let users = self.users.remove(&theirs.user);
        let shown = self.wrong.erase(&mut self.refs, theirs);
        shown + usize::from(right.is_some()) + usize::from(users.is_some())
    }

    /// People who logged in.
    fn entered(&self) -> u32 {
        let entered = self.right.values().filter(|right| right.entered.is_some());
        entered.count() as u32
    }

    /// The hours of the day, by their last pane.
    fn spray(&self, users_min: u32, failures_min: u32) -> Spray {
        let mut all: Vec<(u16, u64, u32)> = Vec::new();
        for (user, panes) in &self.users {
            all.extend(
                panes
                    .iter()
                    .map(|(pane, count)| (pane, *user, u32::from(*count))),
            );
        }
        all.sort_unstable();
        let mut spray = Spray::default();
        let mut within = BTreeMap::<u64, u32>::new();
        let (mut first, mut failures) = (0, 0);
        for (index, (pane, user, count)) in all.iter().enumerate() {
            while all[first].0 + HOUR_PANES <= *pane {
                let (_, gone, gone_count) = all[first];
                let sum = within.entry(gone).or_default();
                failures -= (*sum).min(COUNTED_MAX);
                *sum -= gone_count;
                failures += (*sum).min(COUNTED_MAX);
                if *sum == 0 {
                    within.remove(&gone);
                }
                first += 1;
            }
            let sum = within.entry(*user).or_default();
            failures -= (*sum).min(COUNTED_MAX);
            *sum += count;
            failures += (*sum).min(COUNTED_MAX);
            if all.get(index + 1).is_some_and(|(next, _, _)| next == pane) {
                continue;
            }
            let users = within.len() as u32;
            if users_min <= users && failures_min <= failures {
                spray.begun.get_or_insert((all[first].0, *pane));
            }
            if (spray.users, spray.failures) < (users, failures) {
                (spray.users, spray.failures) = (users, failures);
                spray.panes = (all[first].0, *pane);
            }
        }
        if self.is_over {
            let pane = all.first().map_or(0, |(pane, _, _)| *pane);
            spray.begun.get_or_insert((pane, pane));
            spray.users = USERS_MAX as u32;
        }
        spray
    }
}

impl PasswordGuessing {
    /// Users and failures that this address needs.
    fn spray_needed(&self, usual: u32) -> (u32, u32) {
        let users = self.spray_users.max(usual.saturating_mul(USUAL_TIMES));
        (users, self.spray_failures.max(users))
    }

    /// The verdicts about one address, and about who got in from it.
    pub fn judge_address(&self, tries: &Tries, judged: &Judged<'_, Self>) -> Vec<Verdict> {
        let Judged { base, on, .. } = *judged;
        let (users_min, failures_min) = self.spray_needed(base.usual[0]);
        // Of so many one cannot tell more than that there were too many to keep.
        if USERS_MAX as u32 / 2 < users_min {
            return Vec::new();
        }
        let spray = tries.spray(users_min, failures_min);
        let Some((first, reached)) = spray.begun else {
            return Vec::new();
        };
        let start = on.world.calendar.pane_start(on.frozen.day, first);
        let is_shared = USED_TO_DAYS <= base.days && SHARED_USERS <= base.usual[1];
        // On the first days of a company everybody is new everywhere.
        let is_known_company = 0.0 < on.frozen.active;
        let mut victims: Vec<&Right> = Vec::new();
        if !is_shared && is_known_company {
            let is_known = |right: &&Right| {
                let mark = mark_of(on.world.seed, &right.name);
                base.known.knows(mark, on.frozen.day)
            };
            let is_after = |right: &&Right| Some(start) <= right.entered.max(right.held);
            let right = tries.right.values();
            victims = right
                .filter(is_after)
                .filter(|right| !is_known(right))
                .collect();
        }
        let entered = tries.entered();
        let is_crowd =
            base.days < USED_TO_DAYS && SHARED_USERS <= entered && spray.users <= entered;
        let crowd = is_crowd.then(|| {
            (
                "muted",
                "shared_address",
                "many people log in from there".to_owned(),
            )
        });
        let attempt = Verdict {
            quiet: quiet(users_min, failures_min),
            ..self.attempt(tries, &spray, (users_min, reached), on, base.days)
        };
        let mut verdicts: Vec<Verdict> = victims
            .iter()
            .map(|right| Verdict {
                overlay: crowd.clone(),
                ..victim(right, start, &attempt, &spray, on)
            })
            .collect();
        let told = (1..=VICTIMS_MAX).contains(&victims.len());
        let by_name = told.then(|| {
            (
                "muted",
                "told_by_name",
                "the alerts about who got in".to_owned(),
            )
        });
        let severity = if victims.is_empty() {
            attempt.severity
        } else {
            Severity::High
        };
        verdicts.push(Verdict {
            severity,
            overlay: crowd.or(by_name),
            ..attempt
        });
        verdicts
    }

    fn attempt(
        &self,
        tries: &Tries,
        spray: &Spray,
        (users_min, reached): (u32, u16),
        on: On<'_>,
        days: u32,
    ) -> Verdict {
        let address = &on.who.name;
        let sample = &tries.wrong;
        let span = (sample.first(&tries.refs), sample.last(&tries.refs));
        let severity = if users_min * MANY_TIMES <= spray.users {
            Severity::Medium
        } else {
            Severity::Low
        };
        let due = on.world.calendar.pane_start(on.frozen.day, reached);
        Verdict {
            summary: format!(
                "{}; {} alert",
                spray.text(address),
                phrase::count(users_min.into(), "user") + " or more"
            ),
            detected_at: due + PANE_MS,
            observed: f64::from(spray.users),
            approximate: tries.is_over,
            expected: f64::from(users_min),
            days,
            evidence: gather(&tries.refs, [[sample]], 12),
            next_steps: vec![
                Step::Block(address.to_string()),
                "look for logins from it, and from its network, in the days before".into(),
                "let leaked and common passwords be refused".into(),
            ],
            ..Verdict::of(severity, "policy", span, u64::from(sample.count))
        }
    }

    /// What the day teaches about the address.
    pub fn close_address(
        &self,
        tries: &Tries,
        judged: &Judged<'_, Self>,
        said: &[Verdict],
    ) -> Taught {
        let (base, on) = (judged.base, judged.on);
        let is_crowd = |verdict: &Verdict| {
            let overlay = verdict.overlay.as_ref();
            overlay.is_some_and(|(_, reason, _)| *reason == "shared_address")
        };
        let is_attack = said.iter().any(|verdict| !is_crowd(verdict));
        let (users_min, failures_min) = self.spray_needed(base.usual[0]);
        let users = tries.spray(users_min, failures_min).users;
        let mut known: Vec<u32> = Vec::new();
        for right in tries.right.values().filter(|right| right.entered.is_some()) {
            let mark = mark_of(on.world.seed, &right.name);
            // What alerted must not teach that it is usual.
            if !is_attack || base.known.knows(mark, on.frozen.day) {
                known.push(mark);
            }
        }
        known.sort_unstable();
        let usual = if is_attack {
            // A step toward it, so that a company that has grown is not told every day.
            [users.min(base.usual[0] + 1), base.usual[1]]
        } else {
            [users, tries.entered()]
        };
        Taught { known, usual }
    }
}

/// The hour that would have been no spray.
fn quiet(users_min: u32, failures_min: u32) -> String {
    format!(
        "{} or fewer in one hour, or {} or fewer (at most {COUNTED_MAX} counted for each user)",
        phrase::count(u64::from(users_min) - 1, "user"),
        phrase::count(u64::from(failures_min) - 1, "failure"),
    )
}

impl Spray {
    fn text(&self, address: &str) -> String {
        format!(
            "{address} failed for {} {} in {}",
            phrase::count(self.users.into(), "user"),
            phrase::count(self.failures.into(), "time"),
            phrase::count(minutes(self.panes).into(), "minute"),
        )
    }
}

fn minutes((first, last): (u16, u16)) -> u32 {
    u32::from(last - first + 1) * 5
}

/// Somebody whose password was found.
fn victim(right: &Right, start: i64, attempt: &Verdict, spray: &Spray, on: On<'_>) -> Verdict {
    let (address, name) = (&on.who.name, &right.name);
    let (clock, _) = on.world.clock(name);
    let entered = right.entered.filter(|time| start <= *time);
    let time = entered.or(right.held).unwrap_or(start);
    let end = match entered {
        Some(_) => format!("then {name} logged in from there at {}", clock.text(time)),
        None => format!(
            "at {} the password of {name} was right and another control held",
            clock.text(time)
        ),
    };
    Verdict {
        severity: Severity::High,
        value: format!("found by {address}"),
        about: Some(Entity {
            kind: "user".into(),
            id: name.to_string(),
        }),
        also: vec![Entity {
            kind: "ip".into(),
            id: address.to_string(),
        }],
        summary: format!("{}; {end}", spray.text(address)),
        span: (attempt.span.0, attempt.span.1.max(time)),
        next_steps: vec![
            format!("ask {name} whether the login from {address} was theirs").into(),
            Step::LockOut(name.to_string()),
            format!("look at what was done from {address}").into(),
            Step::Block(address.to_string()),
        ],
        quiet: format!(
            "{}; or an address that {name} had logged in from before",
            attempt.quiet
        ),
        ..attempt.clone()
    }
}
