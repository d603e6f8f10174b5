//! A person is taken out of the state.
//!
//! Invariant: what is left names the person nowhere and shows none of the person's events; sums over the
//! company, in which nobody can be told apart, stay, so that nobody else is judged differently.

use std::collections::BTreeSet;

use super::Core;
use super::snapshot::{StateRow, entity_key, row};
use crate::catalog::CATALOG;
use crate::detector::Theirs;
use crate::shard::{route_of, shard_of};
use crate::verdict::Stream;
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
        let shard = &mut self.shards[number];
        for stream in [
            Stream::Person,
            Stream::Service,
            Stream::Agent,
            Stream::Shared,
        ] {
            let key = entity_key(&Who {
                stream,
                name: name.into(),
            });
            // Also of detectors that are switched off, whose rows are stored but not read.
            let rows = CATALOG
                .iter()
                .map(|entry| row(number, &entry.name.into(), key.clone(), None));
            forgotten.rows.extend(rows);
            let Some(entity) = shard.forget(stream, name) else {
                continue;
            };
            let kept = shard.detectors.iter_mut().map(|d| d.forget(entity));
            for events in kept.flatten() {
                forgotten.states += 1;
                let keys = events.into_iter().map(|event| (event.time, event.uid));
                forgotten.events.extend(keys);
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
}
