//! A person is taken out of the state.
//!
//! Invariant: what is left names the person nowhere and shows none of the person's events; sums over the
//! company, in which nobody can be told apart, stay, so that nobody else is judged differently.

use std::collections::BTreeSet;

use super::Core;
use super::snapshot::{StateRow, entity_key, row};
use crate::catalog::CATALOG;
use crate::evidence::EventRef;
use crate::shard::{SHARDS, route_of, shard_of};
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
                .map(|entry| row(number, entry.name, key.clone(), None));
            forgotten.rows.extend(rows);
            let Some(entity) = shard.forget(stream, name) else {
                continue;
            };
            let kept = shard.detectors.iter_mut().map(|d| d.forget(entity));
            for events in kept.flatten() {
                forgotten.states += 1;
                let keys = events.iter().map(|event| (event.time, event.uid.clone()));
                forgotten.events.extend(keys);
            }
        }
        let events = &forgotten.events;
        let is_theirs = |event: &EventRef| events.contains(&(event.time, event.uid.clone()));
        let company = self.shards[SHARDS].detectors.iter_mut();
        forgotten.evidence = company.map(|detector| detector.erase(&is_theirs)).sum();
        forgotten.alerts = self.book.forget(name);
        for claims in self.claims.values_mut() {
            claims.retain(|who, _| &*who.name != name);
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// An event that the company shows as evidence goes with the person whose it is.
    #[test]
    fn a_sample_loses_the_events_of_a_person() {
        let mut sample = crate::evidence::Sample::default();
        for (time, uid) in [(1, "a"), (2, "b"), (3, "c")] {
            sample.add(time, uid, || {
                Arc::new(EventRef {
                    time,
                    uid: uid.into(),
                    source: "s".into(),
                    origin: "o".into(),
                    offset: 0,
                })
            });
        }
        assert_eq!(sample.erase(&|event| &*event.uid == "b"), 1);
        let left: Vec<&str> = sample.events().map(|event| &*event.uid).collect();
        assert_eq!((left, sample.count), (vec!["a", "c"], 3));
    }
}
