//! Partition clocks and admission: when a record arrived, and whether it came in time.
//!
//! Invariant: arrival never goes back within a partition, so a day that was closed by the clocks can
//! never have made an admitted event too late. Only here is the wall clock read, as an argument.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A topic's partition, or what came to a source through a door of our own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    /// Topic, or source.
    pub topic: String,
    /// Number on Kafka; below zero a door's.
    pub number: i32,
}

impl Partition {
    /// Stands for a number: what came over HTTP.
    pub const HTTP: i32 = -1;
    /// Stands for a number: what was read in a watched folder.
    pub const FOLDER: i32 = -2;

    /// Whether it came through a door and not over Kafka.
    pub fn is_door(&self) -> bool {
        self.number < 0
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.number {
            Partition::HTTP => write!(out, "{}/http", self.topic),
            Partition::FOLDER => write!(out, "{}/folder", self.topic),
            number => write!(out, "{}/{number}", self.topic),
        }
    }
}

/// When a record came, as far as is known: not before the one, not after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// Its lateness counts from here; `None` where it may have been there always, and is on time.
    pub since_ms: Option<i64>,
    /// It may be no further ahead of this than any clock may be wrong.
    pub until_ms: i64,
}

impl Came {
    /// At a time that is known.
    pub fn at(arrival_ms: i64) -> Self {
        Came {
            since_ms: Some(arrival_ms),
            until_ms: arrival_ms,
        }
    }
}

/// Arrival of the records of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrival(Option<i64>);

impl Arrival {
    /// Continues after the arrival of an earlier record.
    pub fn after(last_ms: Option<i64>) -> Self {
        Arrival(last_ms)
    }

    /// Arrival of the last record, ms.
    pub fn last(self) -> Option<i64> {
        self.0
    }

    /// Arrival of the next record: its Kafka timestamp, never before the record ahead of it; one that
    /// is too far ahead of the wall clock counts as read now.
    pub fn next(&mut self, timestamp_ms: Option<i64>, now_ms: i64, future_limit_ms: i64) -> i64 {
        let stamped = timestamp_ms.filter(|stamp| *stamp <= now_ms.saturating_add(future_limit_ms));
        let arrival = stamped.unwrap_or(now_ms).max(self.0.unwrap_or(i64::MIN));
        self.0 = Some(arrival);
        arrival
    }
}

/// One partition as the sealing clock sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    /// Arrival of the last record read, or an idle clock used already.
    clock_ms: Option<i64>,
    /// Wall clock since when the partition is at its end and silent.
    quiet_since_ms: Option<i64>,
    /// The wall clock is followed up to here; `None`: wherever it goes.
    bound_ms: Option<i64>,
    /// Counts as having passed every day: read to the present end for `--once`.
    passed: bool,
}

/// The clocks of all partitions.
#[derive(Debug, Clone, Default)]
pub struct Clocks {
    partitions: BTreeMap<Partition, State>,
    /// `None`: idle partitions hold up everybody.
    idle_after_ms: Option<i64>,
}

impl Clocks {
    /// No partitions yet. `idle_after_ms`: silence after which a partition no longer holds up others.
    pub fn new(idle_after_ms: Option<i64>) -> Self {
        Clocks {
            partitions: BTreeMap::new(),
            idle_after_ms,
        }
    }

    /// Takes a partition in, at its stored clock if it has one. A partition found while others already
    /// have a sealing clock starts there.
    pub fn add(&mut self, partition: Partition, clock_ms: Option<i64>) {
        let state = State {
            clock_ms,
            ..State::default()
        };
        self.partitions.entry(partition).or_insert(state);
    }

    /// Removes a partition that does not exist any more.
    pub fn remove(&mut self, partition: &Partition) {
        self.partitions.remove(partition);
    }

    /// Records were read, the last with this arrival.
    pub fn read(&mut self, partition: &Partition, arrival_ms: i64) {
        let state = self.partitions.entry(partition.clone()).or_default();
        state.clock_ms = Some(
            state
                .clock_ms
                .map_or(arrival_ms, |clock| clock.max(arrival_ms)),
        );
        state.quiet_since_ms = None;
    }

    /// The partition was found read to its end.
    pub fn at_end(&mut self, partition: &Partition, now_ms: i64) {
        let state = self.partitions.entry(partition.clone()).or_default();
        state.quiet_since_ms.get_or_insert(now_ms);
    }

    /// What may come yet was not there at this time: a silent partition's clock goes no further.
    pub fn bound(&mut self, partition: &Partition, bound_ms: i64) {
        let state = self.partitions.entry(partition.clone()).or_default();
        state.bound_ms = Some(bound_ms);
    }

    /// The partition counts as having passed every day.
    pub fn pass(&mut self, partition: &Partition) {
        self.partitions.entry(partition.clone()).or_default().passed = true;
    }

    /// Whether every partition has passed every day.
    pub fn all_passed(&self) -> bool {
        self.partitions.values().all(|state| state.passed)
    }

    /// Lets silent partitions' clocks follow the wall clock. A clock used once is kept, so that a
    /// record that comes later cannot have arrived before it.
    pub fn tick(&mut self, now_ms: i64) {
        let Some(idle_after_ms) = self.idle_after_ms else {
            return;
        };
        for state in self.partitions.values_mut() {
            let quiet = state
                .quiet_since_ms
                .is_some_and(|since| idle_after_ms <= now_ms - since);
            if quiet {
                let idle = now_ms - idle_after_ms;
                let idle = state.bound_ms.map_or(idle, |bound| idle.min(bound));
                state.clock_ms = Some(state.clock_ms.map_or(idle, |clock| clock.max(idle)));
            }
        }
    }

    /// Least clock of all partitions that have not passed; `None` while one has no clock, or when
    /// there are none.
    pub fn sealing_clock(&self) -> Option<i64> {
        let open = self.partitions.values().filter(|state| !state.passed);
        open.map(|state| state.clock_ms).min().flatten()
    }

    /// The clock of one partition.
    pub fn of(&self, partition: &Partition) -> Option<i64> {
        self.partitions.get(partition)?.clock_ms
    }
}

/// Whether a row may be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Within its allowed lateness.
    OnTime,
    /// Later than that.
    Late,
    /// Further ahead of its arrival than any clock may be wrong.
    TooEarly,
}

/// Judges the time of a row against the arrival of its record.
pub fn admit(time_ms: i64, came: Came, lateness_ms: i64, future_limit_ms: i64) -> Verdict {
    if came.until_ms.saturating_add(future_limit_ms) < time_ms {
        Verdict::TooEarly
    } else if (came.since_ms).is_some_and(|since_ms| lateness_ms < since_ms - time_ms) {
        Verdict::Late
    } else {
        Verdict::OnTime
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> Partition {
        Partition {
            topic: "t".into(),
            number,
        }
    }

    #[test]
    fn arrival_never_goes_back_and_the_future_is_guarded() {
        let mut arrival = Arrival::default();
        assert_eq!(arrival.next(Some(1_000), 5_000, 100), 1_000);
        assert_eq!(arrival.next(Some(900), 5_000, 100), 1_000);
        assert_eq!(arrival.next(Some(9_000), 5_000, 100), 5_000);
        assert_eq!(arrival.next(None, 5_500, 100), 5_500);
    }

    /// An empty partition holds up nobody, unless told to.
    #[test]
    fn an_idle_partition_follows_the_wall_clock() {
        for (idle_after, expected) in [(Some(300), Some(1_700)), (None, None)] {
            let mut clocks = Clocks::new(idle_after);
            clocks.add(partition(0), None);
            clocks.add(partition(1), None);
            clocks.read(&partition(0), 1_900);
            assert_eq!(clocks.sealing_clock(), None);
            clocks.at_end(&partition(1), 1_000);
            clocks.tick(1_200);
            assert_eq!(clocks.sealing_clock(), None);
            clocks.tick(2_000);
            assert_eq!(clocks.sealing_clock(), expected);
        }
    }

    #[test]
    fn lateness_is_measured_from_arrival() {
        let admitted = |time_ms, came| admit(time_ms, came, 500, 100);
        assert_eq!(admitted(1_000, Came::at(1_500)), Verdict::OnTime);
        assert_eq!(admitted(1_000, Came::at(1_501)), Verdict::Late);
        assert_eq!(admitted(1_601, Came::at(1_500)), Verdict::TooEarly);
    }

    /// What came between two looks at a folder has the benefit of the doubt.
    #[test]
    fn what_came_at_some_time_is_judged_by_the_best_of_it() {
        let admitted = |time_ms, since_ms| {
            let until_ms = 9_000;
            admit(time_ms, Came { since_ms, until_ms }, 500, 100)
        };
        assert_eq!(admitted(1_000, Some(1_500)), Verdict::OnTime);
        assert_eq!(admitted(9_100, Some(1_500)), Verdict::OnTime);
        assert_eq!(admitted(9_101, Some(1_500)), Verdict::TooEarly);
        assert_eq!(admitted(999, Some(1_500)), Verdict::Late);
        assert_eq!(admitted(1, None), Verdict::OnTime);
    }

    /// A folder that was not looked at for long may hold anything since.
    #[test]
    fn a_silent_folder_is_trusted_up_to_the_last_look() {
        let folder = partition(Partition::FOLDER);
        let mut clocks = Clocks::new(Some(300));
        clocks.add(folder.clone(), None);
        clocks.bound(&folder, 1_000);
        clocks.at_end(&folder, 1_000);
        clocks.tick(1_300);
        assert_eq!(clocks.sealing_clock(), Some(1_000));
        clocks.tick(9_000);
        assert_eq!(clocks.sealing_clock(), Some(1_000));
        clocks.bound(&folder, 8_900);
        clocks.tick(9_000);
        assert_eq!(clocks.sealing_clock(), Some(8_700));
    }
}
