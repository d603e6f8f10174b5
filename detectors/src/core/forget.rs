//! A person is taken out of the state.
//!
//! Invariant: what is left names the person nowhere and shows none of the person's events; sums over the
//! company, in which nobody can be told apart, stay, so that nobody else is judged differently.

use std::collections::BTreeSet;

use super::Core;
use super::snapshot::{StateRow, entity_key, row};
use crate::assemble::Claims;
use crate::catalog::CATALOG;
use crate::detector::{Left, Theirs};
use crate::shard::{route_of, shard_of};
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::Who;

/// What was removed.
#[derive(Debug, Default)]
pub struct Forgotten {
    /// Stored rows to remove, beside what the next snapshot changes. Some may not exist.
    pub rows: Vec<StateRow>,
    /// States that were removed: one a detector and kind of principal.
    pub states: usize,
    /// Alerts of the last two weeks that a new one might have repeated.
    pub alerts: usize,
    /// Events that stood as evidence in what is kept of the company.
    pub evidence: usize,
    /// The person's events that others' alerts may show, by time and id.
    pub events: BTreeSet<(i64, Box<str>)>,
}

impl Core {
    /// Forgets the principal of this name, whatever kinds it was seen as. For a core that holds all
    /// of a state.
    pub fn forget(&mut self, name: &str) -> Forgotten {
        let mut forgotten = Forgotten::default();
        let number = shard_of(route_of(self.world.seed, name));
        for stream in [
            Stream::Person,
            Stream::Service,
            Stream::Agent,
            Stream::Shared,
        ] {
            let who = Who {
                stream,
                name: name.into(),
            };
            let key = entity_key(&who);
            // Also of detectors that are switched off, whose rows are stored but not read.
            let rows = CATALOG
                .iter()
                .map(|entry| row(number, &entry.name.into(), key.clone(), None));
            forgotten.rows.extend(rows);
            for (index, left) in self.remove(number, &who) {
                forgotten.states += 1;
                let keys = left.events.into_iter().map(|event| (event.time, event.uid));
                forgotten.events.extend(keys);
                for (day, (mut parts, said)) in left.days {
                    parts.incidents = self.incidents(index, day, &who, said);
                    self.companies[index].adopt(day, parts);
                }
                self.is_changed = true;
            }
        }
        let events = &forgotten.events;
        let theirs = Theirs {
            events,
            user: route_of(self.world.seed, name),
        };
        let detectors = self.shards.iter_mut().flat_map(|s| &mut s.detectors);
        let shared = detectors.filter(|detector| {
            let subjects = detector.subjects();
            subjects.company || subjects.addresses
        });
        forgotten.evidence = shared.map(|detector| detector.erase(&theirs)).sum();
        forgotten.alerts = self.book.forget(name);
        for claims in self.claims.values_mut() {
            claims.retain(|who, _| &*who.name != name);
        }
        forgotten
    }

    /// What each detector had of a principal, who is gone then.
    fn remove(&mut self, number: usize, who: &Who) -> Vec<(usize, Left)> {
        let shard = &mut self.shards[number];
        let Some(entity) = shard.forget(who.stream, &who.name) else {
            return Vec::new();
        };
        let detectors = shard.detectors.iter_mut().enumerate();
        let left = detectors.filter_map(|(index, detector)| {
            let left = detector.forget(entity, who, &self.world, &self.frozen[index])?;
            Some((index, left))
        });
        left.collect()
    }

    /// The incidents that a principal's open day counts for in the budget.
    fn incidents(&self, index: usize, day: Day, who: &Who, said: Vec<Verdict>) -> u64 {
        let active = &self.detectors[index];
        let Some(frozen) = self.frozen[index].get(&day).filter(|_| !active.entry.statistical) else {
            return 0;
        };
        let claims = Claims::from([(who.clone(), said)]);
        let alerts = self.assembler(index).alerts(frozen, &claims);
        // Of a copy: what the principal was told of may not be repeated by anybody else.
        let mut book = self.book.clone();
        book.enter(active.entry.name, day, &claims, &alerts)
    }
}
