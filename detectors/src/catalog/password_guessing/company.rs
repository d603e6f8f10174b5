//! Distributed, and low and slow: the failures of all users of the company together.
//!
//! Invariant: users and addresses are counted in sets that merge and whose counts never fall; networks are
//! kept by name, the first [`NETWORKS_MAX`], and are judged only when the day is closed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PasswordGuessing, Taught, Try};
use crate::alert::Severity;
use crate::catalog::phrase;
use crate::catalog::rule::network_of;
use crate::detector::{Event, Judged, On, Theirs};
use crate::event::Network;
use crate::evidence::{Refs, Sample, gather};
use crate::model::habit::Attribute;
use crate::panes::Panes;
use crate::shard::route_of;
use crate::sketch::Distinct;
use crate::time::PANE_MS;
use crate::verdict::Verdict;

/// Networks of one day.
const NETWORKS_MAX: usize = 512;
/// Panes of a quarter of an hour.
const WINDOW_PANES: u16 = 3;
/// Days before the company's own past is asked.
const USED_TO_DAYS: u32 = 7;
/// Until then so many times the least is needed.
const EARLY_TIMES: u32 = 3;
/// Times the usual that is no longer usual.
const AT_ONCE_TIMES: u32 = 2;
const SLOW_TIMES: u32 = 3;

/// The company's day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Tries {
    refs: Refs,
    panes: Panes<Pane>,
    networks: BTreeMap<Box<str>, Users>,
}

/// Five minutes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Pane {
    users: Distinct,
    addresses: Distinct,
    sample: Sample,
}

/// One network.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Users {
    users: Distinct,
    sample: Sample,
}

/// Three panes.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    last: u16,
    users: u32,
    addresses: u64,
}

impl Tries {
    pub fn add(&mut self, what: Try, event: &Event<'_>) {
        let (row, seed) = (event.row, event.world.seed);
        if what != Try::Wrong || row.network() == Some(Network::Corporate) {
            return;
        }
        let user = route_of(seed, event.user);
        let pane = self.panes.at(event.pane);
        pane.users.insert(user, event.pane);
        if let Some(address) = row.ip() {
            pane.addresses.insert(route_of(seed, address), event.pane);
        }
        pane.sample.add(&mut self.refs, event);
        if let Some(network) = network_of(&row) {
            let of = self.networks.entry((&*network).into()).or_default();
            of.users.insert(user, event.pane);
            of.sample.add(&mut self.refs, event);
            if NETWORKS_MAX < self.networks.len() {
                self.networks.pop_last();
            }
        }
    }

    pub fn merge(&mut self, other: Tries) {
        let refs = &mut self.refs;
        for (number, theirs) in other.panes.iter() {
            let mine = self.panes.at(number);
            mine.users = Distinct::union([&mine.users, &theirs.users]);
            mine.addresses = Distinct::union([&mine.addresses, &theirs.addresses]);
            mine.sample.merge(refs, &theirs.sample, &other.refs);
        }
        for (network, theirs) in other.networks {
            let mine = self.networks.entry(network).or_default();
            mine.users = Distinct::union([&mine.users, &theirs.users]);
            mine.sample.merge(refs, &theirs.sample, &other.refs);
        }
        while NETWORKS_MAX < self.networks.len() {
            self.networks.pop_last();
        }
    }

    pub fn erase(&mut self, theirs: &Theirs<'_>) -> usize {
        let refs = &mut self.refs;
        let mut erased = 0;
        for pane in self.panes.values_mut() {
            erased += pane.sample.erase(refs, theirs);
        }
        for of in self.networks.values_mut() {
            erased += of.sample.erase(refs, theirs);
        }
        erased
    }

    fn panes_of(&self, last: u16) -> impl Iterator<Item = &Pane> {
        let first = (last + 1).saturating_sub(WINDOW_PANES);
        let within = move |(pane, _): &(u16, &Pane)| (first..=last).contains(pane);
        self.panes.iter().filter(within).map(|(_, pane)| pane)
    }

    /// Every quarter of an hour in which something failed, by its last pane.
    fn windows(&self) -> impl Iterator<Item = Window> {
        self.panes.iter().map(|(last, _)| {
            let users = Distinct::union(self.panes_of(last).map(|pane| &pane.users));
            let addresses = Distinct::union(self.panes_of(last).map(|pane| &pane.addresses));
            Window {
                last,
                users: users.count().min(u64::from(u32::MAX)) as u32,
                addresses: addresses.count(),
            }
        })
    }

    /// The networks that nobody in the company has logged in from.
    fn new_networks(&self, on: On<'_>) -> impl Iterator<Item = (&str, &Users)> {
        let all = self.networks.iter().map(|(name, users)| (&**name, users));
        all.filter(move |(name, _)| !on.frozen.knows(Attribute::Network, name))
    }

    fn slow_users(&self, on: On<'_>) -> u32 {
        let users = Distinct::union(self.new_networks(on).map(|(_, of)| &of.users));
        users.count().min(u64::from(u32::MAX)) as u32
    }
}

impl PasswordGuessing {
    fn at_once_needed(&self, days: u32, usual: u32) -> u32 {
        let least = self.distributed_users;
        if days < USED_TO_DAYS {
            return least.saturating_mul(EARLY_TIMES);
        }
        least.max(usual.saturating_mul(AT_ONCE_TIMES))
    }

    fn slow_needed(&self, usual: u32) -> u32 {
        self.slow_users.max(usual.saturating_mul(SLOW_TIMES))
    }

    /// Many users and many addresses at once.
    pub fn distributed(&self, tries: &Tries, judged: &Judged<'_, Self>) -> Option<Verdict> {
        let (base, on) = (judged.base, judged.on);
        let needed = self.at_once_needed(base.days, base.usual[0]);
        let is_enough = |window: &Window| {
            needed <= window.users && self.distributed_addresses <= window.addresses
        };
        let enough: Vec<Window> = tries.windows().filter(is_enough).collect();
        let due = enough.first()?.last;
        let most = |best: Window, next: &Window| {
            if best.users < next.users { *next } else { best }
        };
        let most = enough.iter().fold(Window::default(), most);
        let samples: Vec<_> = tries.panes_of(most.last).map(|pane| &pane.sample).collect();
        let refs = &tries.refs;
        let first = samples.iter().map(|s| s.first(refs)).min()?;
        let last = samples.iter().map(|s| s.last(refs)).max()?;
        let due = on.world.calendar.pane_start(on.frozen.day, due);
        let events = samples.iter().map(|s| u64::from(s.count)).sum();
        Some(Verdict {
            value: "distributed".into(),
            summary: format!(
                "logins of {} failed within 15 minutes, from {}, {}; the most before was {}, {} or more alert",
                phrase::count(most.users.into(), "user"),
                if most.addresses == 1 { "1 address".to_owned() } else { format!("{} addresses", most.addresses) },
                phrase::count(events, "time"),
                phrase::count(base.usual[0].into(), "user"),
                needed,
            ),
            detected_at: due + PANE_MS,
            observed: f64::from(most.users),
            expected: f64::from(needed),
            baseline: "tenant",
            days: base.days,
            evidence: gather(refs, samples.iter().map(|sample| [*sample]), 12),
            next_steps: vec![
                "look for logins after these failures, and for right passwords that another control held up".into(),
                "if the addresses are one provider's or country's, block it for a while".into(),
                "ask whether a change of the directory or of an application makes everybody fail".into(),
            ],
            quiet: format!(
                "{} or fewer within 15 minutes, or {} addresses or fewer",
                phrase::count(u64::from(needed) - 1, "user"),
                self.distributed_addresses - 1,
            ),
            ..Verdict::of(Severity::Medium, "tenant", (first, last), events)
        })
    }

    /// Many users in a day from networks that are nobody's here.
    pub fn low_and_slow(&self, tries: &Tries, judged: &Judged<'_, Self>) -> Option<Verdict> {
        let (base, on) = (judged.base, judged.on);
        let users = tries.slow_users(on);
        let needed = self.slow_needed(base.usual[1]);
        if base.days < USED_TO_DAYS || users < needed {
            return None;
        }
        let refs = &tries.refs;
        let all: Vec<(&str, &Users)> = tries.new_networks(on).collect();
        let first = all.iter().map(|(_, of)| of.sample.first(refs)).min()?;
        let last = all.iter().map(|(_, of)| of.sample.last(refs)).max()?;
        let events = all.iter().map(|(_, of)| u64::from(of.sample.count)).sum();
        let mut largest: Vec<(u64, &str)> = all
            .iter()
            .map(|(name, of)| (of.users.count(), *name))
            .collect();
        largest.sort_by_key(|(users, name)| (std::cmp::Reverse(*users), *name));
        let names: Vec<&str> = largest.iter().take(4).map(|(_, name)| *name).collect();
        Some(Verdict {
            value: "low_and_slow".into(),
            // Others who guess, from elsewhere, are no repeat.
            same_as: format!("low_and_slow {}", names.join(" ")),
            summary: format!(
                "logins of {} failed in one day from {} that nobody here has logged in from ({}), {}; the most before was {}, {needed} or more alert",
                phrase::count(users.into(), "user"),
                phrase::count(all.len() as u64, "network"),
                names.join(", "),
                phrase::count(events, "time"),
                phrase::count(base.usual[1].into(), "user"),
            ),
            observed: f64::from(users),
            expected: f64::from(needed),
            baseline: "tenant",
            days: base.days,
            evidence: gather(refs, all.iter().map(|(_, of)| [&of.sample]), 12),
            next_steps: vec![
                "compare the users: a list that somebody bought or a directory that leaked".into(),
                "look for logins of these users from new networks in the days after".into(),
            ],
            quiet: format!(
                "{} or fewer in one day, or networks that somebody here has logged in from",
                phrase::count(u64::from(needed) - 1, "user"),
            ),
            ..Verdict::of(Severity::Medium, "tenant", (first, last), events)
        })
    }

    /// What the day teaches about the company; more than what alerts is not learned.
    pub fn close_company(&self, tries: &Tries, judged: &Judged<'_, Self>) -> Taught {
        let (base, on) = (judged.base, judged.on);
        let at_once = tries
            .windows()
            .map(|window| window.users)
            .max()
            .unwrap_or(0);
        let at_once = at_once.min(self.at_once_needed(base.days, base.usual[0]));
        let slow = tries.slow_users(on).min(self.slow_needed(base.usual[1]));
        Taught {
            known: Vec::new(),
            usual: [at_once, slow],
        }
    }
}
