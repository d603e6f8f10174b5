//! The knowledge of a sample that is too short to have a past, for a replay in hindsight: fewer principal-days
//! are enough, and a kind of principals without peers has those of all kinds.
//!
//! Invariant: nothing here is learned or stored; what is learned is the same in hindsight.

use std::collections::BTreeMap;

use super::{DailyMean, SeriesKey, Sums};
use crate::model::fixed::MAGNITUDE;
use crate::model::population::Population;
use crate::verdict::Stream;

/// A population under this many principal-days judges nothing, in hindsight too.
pub const HINDSIGHT_ENTITY_DAYS: u64 = 5;

/// Kinds of principals that may be peers of each other where there is nobody else.
const KINDS: [Stream; 4] = [
    Stream::Person,
    Stream::Service,
    Stream::Agent,
    Stream::Shared,
];

impl Sums {
    /// Gives kinds that are not known the peers of all kinds. How surprising their days were stays their own.
    pub(crate) fn pooled(mut self) -> Sums {
        let mut series = BTreeMap::<_, Population>::new();
        for (key, population) in &self.series {
            if KINDS.contains(&key.stream) {
                let all = series.entry((key.measure, key.span)).or_default();
                all.add(population);
            }
        }
        let (mut tested, mut entity_days) = (DailyMean::default(), 0);
        for kind in KINDS {
            if let Some(mean) = self.tested.get(&kind) {
                tested.add(mean);
            }
            entity_days += self.entity_days.get(&kind).copied().unwrap_or(0);
        }
        if entity_days == 0 {
            return self;
        }
        let known = self.known(HINDSIGHT_ENTITY_DAYS);
        for stream in KINDS.into_iter().filter(|kind| !known.contains(kind)) {
            for ((measure, span), population) in &series {
                let key = SeriesKey {
                    stream,
                    measure: *measure,
                    span: *span,
                };
                self.series.insert(key, population.clone());
            }
            self.tested.insert(stream, tested.clone());
            self.entity_days.insert(stream, entity_days);
        }
        self
    }

    /// The streams with at least so many principal-days.
    pub(crate) fn known(&self, entity_days: u64) -> Vec<Stream> {
        let all = self.entity_days.iter();
        let known = all.filter(|(_, days)| entity_days <= **days);
        known.map(|(stream, _)| *stream).collect()
    }
}

impl DailyMean {
    /// Adds the daily numbers of others.
    fn add(&mut self, other: &DailyMean) {
        let day = self.day.max(other.day);
        let mut sums = MAGNITUDE.forward(&self.sums, self.day, day);
        let theirs = MAGNITUDE.forward(&other.sums, other.day, day);
        for (at, (sum, theirs)) in sums.iter_mut().zip(theirs).enumerate() {
            // They were counted on the same days.
            *sum = if at % 2 == 0 {
                *sum + theirs
            } else {
                (*sum).max(theirs)
            };
        }
        *self = DailyMean { day, sums };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::company::{Frozen, Judge, Parts, Phase};
    use crate::model::calibration::Histogram;
    use crate::model::magnitude::{DayCount, Series};
    use crate::model::population::contribution;
    use crate::panes::Span;

    fn day_of_people(day: i32, people: u64) -> Parts {
        let mut parts = Parts::default();
        let closed = DayCount {
            day,
            count: 1000,
            cap: None,
        };
        for _ in 0..people {
            let key = SeriesKey {
                stream: Stream::Person,
                measure: 0,
                span: Span::ALL[0],
            };
            *parts.series.entry(key).or_default() += contribution(&Series::default(), closed);
        }
        parts.active.insert(Stream::Person, people);
        parts
    }

    /// A service on whose other days there were only people is judged by them, and by nobody where
    /// even they are too few.
    #[test]
    fn a_kind_without_peers_has_those_of_all_kinds() {
        let day = 20_000;
        for (people, are_known) in [(4, false), (5, true)] {
            let mut sums = Sums::default();
            sums.fold(day, &day_of_people(day, people));
            let sums = sums.pooled();
            let known = sums.known(HINDSIGHT_ENTITY_DAYS);
            assert_eq!(known.contains(&Stream::Service), are_known, "{known:?}");
            assert_eq!(known.contains(&Stream::Person), are_known, "{known:?}");
            assert!(!known.contains(&Stream::Company), "{known:?}");
            let judges = known.iter().map(|stream| {
                let judge = Judge::new(&Histogram::default(), day, 0.01, Phase::Full);
                (*stream, judge)
            });
            let mut frozen = Frozen::new(day + 9, (day, day), &sums, judges.collect());
            frozen.know_from_few(&sums);
            let of = |stream| {
                let (measure, span) = (0, Span::ALL[0]);
                let peers = frozen.peers(&SeriesKey {
                    stream,
                    measure,
                    span,
                });
                (peers.m, peers.known)
            };
            assert_eq!(of(Stream::Service), of(Stream::Person));
            assert_eq!(of(Stream::Service).1, are_known);
        }
    }
}
