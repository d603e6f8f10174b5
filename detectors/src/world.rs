//! What does not change while Nightjar runs: settings, days, local clocks.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::catalog::{CATALOG, Entry};
use crate::directory::Person;
use crate::settings::Settings;
use crate::shard::Uniform;
use crate::time::{Calendar, Day, LocalClock};
use crate::verdict::Stream;

/// Settings with everything that is looked up per event computed once.
#[derive(Debug)]
pub struct World {
    /// The settings.
    pub settings: Settings,
    /// The tenant's days.
    pub calendar: Calendar,
    tenant_clock: LocalClock,
    /// With the names of their zones.
    clocks: Vec<(LocalClock, &'static str)>,
    /// Whoever has a zone of his own, with its place in `clocks`: asked for every event.
    clock_of: HashMap<Box<str>, usize, BuildHasherDefault<Uniform>>,
    /// Seed of dedup keys, sets and routing.
    pub seed: u64,
}

impl World {
    /// Computes the calendars of all zones that the settings name.
    pub fn new(settings: Settings) -> Self {
        let mut clocks: Vec<(LocalClock, &'static str)> = Vec::new();
        let mut clock_of = HashMap::default();
        for (name, person) in &settings.directory.people {
            let Some(zone) = person.zone else { continue };
            let known = clocks.iter().position(|(_, known)| *known == zone.name());
            let place = known.unwrap_or_else(|| {
                clocks.push((LocalClock::new(zone), zone.name()));
                clocks.len() - 1
            });
            clock_of.insert(name.as_str().into(), place);
        }
        World {
            calendar: Calendar::new(settings.zone),
            tenant_clock: LocalClock::new(settings.zone),
            clocks,
            clock_of,
            seed: tenant_seed(&settings.tenant),
            settings,
        }
    }

    /// What the directory says about a user.
    pub fn person(&self, user: &str) -> Option<&Person> {
        self.settings.directory.person(user)
    }

    /// A user's local clock and where it comes from.
    pub fn clock(&self, user: &str) -> (&LocalClock, &'static str) {
        match self.clock_of.get(user) {
            Some(place) => {
                let (clock, zone) = &self.clocks[*place];
                (clock, zone)
            }
            None => (&self.tenant_clock, self.settings.zone.name()),
        }
    }

    /// Whether a user is on call on a day.
    pub fn is_on_call(&self, user: &str, day: Day) -> bool {
        let duty = |person: &Person| person.on_call.iter().any(|(a, b)| (*a..=*b).contains(&day));
        self.person(user).is_some_and(duty)
    }

    /// A parameter of a detector: as configured, else the catalog's default.
    pub fn param(&self, entry: &Entry, name: &str) -> f64 {
        let own = self
            .settings
            .detectors
            .get(entry.name)
            .and_then(|d| d.params.get(name));
        let default = || {
            entry
                .params
                .iter()
                .find(|p| p.name == name)
                .map(|p| p.default)
        };
        own.copied()
            .or_else(default)
            .unwrap_or_else(|| unreachable!("{} has no parameter {name}", entry.name))
    }

    /// The catalog's entries that are switched on, with allowed lateness (ms) and k.
    pub fn enabled(&self) -> Vec<(&'static Entry, i64, i32)> {
        let on = |entry: &&'static Entry| {
            let own = self.settings.detectors.get(entry.name);
            own.and_then(|d| d.enabled).unwrap_or(true)
        };
        CATALOG
            .iter()
            .filter(on)
            .map(|entry| {
                let lateness = self
                    .settings
                    .lateness_ms
                    .get(entry.name)
                    .copied()
                    .unwrap_or(0);
                (entry, lateness, baseline_lag(lateness))
            })
            .collect()
    }
}

/// k: the baseline of day d holds the days up to d - k, so that yesterday, which may still receive
/// late events, is never in it.
pub fn baseline_lag(lateness_ms: i64) -> i32 {
    2 + (lateness_ms / 86_400_000) as i32
}

/// Seed of everything keyed by the tenant.
pub fn tenant_seed(tenant: &str) -> u64 {
    let hash = blake3::hash(tenant.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// Who a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who {
    /// Judged among these.
    pub stream: Stream,
    /// User name, or the tenant's.
    pub name: Box<str>,
}
