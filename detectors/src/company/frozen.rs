//! The company's knowledge as one day's judgement reads it: frozen when the day is opened.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Judge, SeriesKey, Sums};
use crate::model::fixed::is_weekend;
use crate::model::habit::{Attribute, TenantMasses, Values, hour_prior};
use crate::model::population::Peers;
use crate::time::Day;
use crate::verdict::Stream;

/// What distinct outcomes are counted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Level {
    Hour,
    Country,
    Region,
    Asn,
}

/// One detector's frozen knowledge for one day.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// The day that is judged.
    pub day: Day,
    /// Whether it is a Saturday or Sunday.
    pub weekend: bool,
    /// Last day of the baseline, d - k.
    pub through: Day,
    /// Days from the tenant's first event to the end of the baseline, whatever happened on them.
    pub history_days: Day,
    /// Peers' constants per series.
    peers: BTreeMap<SeriesKey, Peers>,
    no_peers: Peers,
    /// Judges of the streams that are judged on this day.
    pub(crate) judges: BTreeMap<Stream, Judge>,
    /// Principals active on a day of this type.
    pub active: f64,
    /// The tenant's masses of the hours of a day of this type.
    pub hour_prior: [f64; 24],
    /// User-hours that they rest on.
    pub known_hours: f64,
    masses: BTreeMap<Attribute, TenantMasses<String>>,
    distinct: BTreeMap<Level, f64>,
    /// All values of the attributes that are listed.
    known: BTreeMap<Attribute, BTreeSet<String>>,
}

impl Frozen {
    pub(crate) fn new(
        day: Day,
        (through, first): (Day, Day),
        sums: &Sums,
        judges: BTreeMap<Stream, Judge>,
    ) -> Self {
        let peers = sums
            .series
            .iter()
            .map(|(key, p)| (*key, p.constants(day)))
            .collect();
        let none = Values::default();
        let known = sums.values.iter().map(|(attribute, values)| {
            let values = values.known().map(String::clone);
            (*attribute, values.collect())
        });
        let masses = [Attribute::Country, Attribute::Region, Attribute::Asn]
            .into_iter()
            .map(|a| {
                (
                    a,
                    TenantMasses::new(sums.values.get(&a).unwrap_or(&none), day, a),
                )
            })
            .collect();
        let distinct = sums
            .distinct
            .iter()
            .filter(|(_, (_, [_, days]))| 0 < *days)
            .map(|(level, (_, [total, days]))| (*level, *total as f64 / *days as f64))
            .collect();
        Frozen {
            day,
            weekend: is_weekend(day),
            through,
            history_days: (through - first + 1).max(0),
            peers,
            no_peers: crate::model::population::Population::default().constants(day),
            judges,
            active: sums.tested.values().map(|mean| mean.mean(day)).sum(),
            hour_prior: hour_prior(&[&sums.hours], day, is_weekend(day)),
            known_hours: sums.hours.total(day),
            known: known
                .filter(|(attribute, _)| attribute.is_listed())
                .collect(),
            masses,
            distinct,
        }
    }

    /// Takes the peers of a series from however few days there are, where the stream is known.
    pub(crate) fn know_from_few(&mut self, sums: &Sums) {
        for (key, population) in &sums.series {
            if self.judges.contains_key(&key.stream) {
                self.peers
                    .insert(*key, population.constants_of_few(self.day));
            }
        }
    }

    /// Whether the company has had a value of an attribute that is listed.
    pub fn knows(&self, attribute: Attribute, value: &str) -> bool {
        let known = self.known.get(&attribute);
        known.is_some_and(|known| known.contains(value))
    }

    /// Peers' constants of a series; the prior where nothing is known.
    pub fn peers(&self, key: &SeriesKey) -> &Peers {
        self.peers.get(key).unwrap_or(&self.no_peers)
    }

    /// The same knowledge with the judges of another budget.
    pub(crate) fn judged_by(&self, judges: BTreeMap<Stream, Judge>) -> Frozen {
        Frozen {
            judges,
            ..self.clone()
        }
    }

    /// The judge of a stream; `None` while its population is unknown.
    pub fn judge(&self, stream: Stream) -> Option<&Judge> {
        self.judges.get(&stream)
    }

    /// The tenant's masses of an attribute.
    pub fn masses(&self, attribute: Attribute) -> &TenantMasses<String> {
        &self.masses[&attribute]
    }

    /// Distinct outcomes per active principal and day, over all principals.
    pub fn distinct_mean(&self, level: Level) -> f64 {
        self.distinct.get(&level).copied().unwrap_or(1.0)
    }
}
