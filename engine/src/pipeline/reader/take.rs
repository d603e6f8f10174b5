//! One thing that was read, into its partition's track, its source's intake and the clocks.
//!
//! Invariant: arrival never goes back within a partition, whatever its records say.

use std::collections::BTreeMap;

use nightjar_detectors::time::Day;
use tracing::warn;

use super::Track;
use crate::clock::{Came, Clocks};
use crate::intake::Intake;
use crate::pipeline::health::Health;
use crate::setup::Setup;
use crate::source::Brought;

/// What a poll changes.
pub(super) struct Taking<'a> {
    pub tracks: &'a mut [Track],
    pub intakes: &'a mut BTreeMap<String, Intake>,
    pub clocks: &'a mut Clocks,
    pub begun_again: &'a mut Vec<usize>,
    pub health: &'a mut Vec<Health>,
    pub setup: &'a Setup,
    pub now_ms: i64,
    /// The latest day that may be judged.
    pub ready: Day,
}

impl Taking<'_> {
    /// Takes what a poll brings.
    pub fn take(&mut self, brought: Brought<'_>) {
        let (setup, ready) = (self.setup, self.ready);
        match brought {
            Brought::Record {
                partition,
                offset,
                timestamp_ms,
                payload,
            } => self.record(partition, offset, timestamp_ms, payload),
            Brought::Entry {
                partition,
                offset,
                came,
                origin,
                entry,
            } => {
                if !self.moves_to(partition, offset) {
                    return;
                }
                let came = self.settled(partition, came);
                let (intake, track) = self.begin(partition, origin);
                intake.decoded(&entry, came);
                let latest_ms = intake.latest_ms();
                track.hold(latest_ms, ready, setup);
            }
            Brought::End {
                partition,
                next_offset,
                looked_ms,
            } => {
                let track = &mut self.tracks[partition];
                if let Some(next_offset) = next_offset {
                    track.has_moved |= track.next_offset < next_offset;
                    track.next_offset = track.next_offset.max(next_offset);
                }
                if let Some(looked_ms) = looked_ms {
                    self.clocks.bound(&track.partition, looked_ms);
                }
                self.clocks.at_end(&track.partition, self.now_ms);
            }
            Brought::Gap {
                partition,
                from,
                to,
            } => {
                let track = &mut self.tracks[partition];
                (track.next_offset, track.has_moved) = (to, true);
                if to < from {
                    self.begun_again.push(partition);
                }
                self.health.extend(Health::jump(&track.partition, from, to));
            }
            Brought::Trouble { text } => warn!("{text}"),
        }
    }

    fn record(
        &mut self,
        partition: usize,
        offset: i64,
        timestamp_ms: Option<i64>,
        payload: Option<&[u8]>,
    ) {
        if !self.moves_to(partition, offset) {
            return;
        }
        let (setup, ready, now_ms) = (self.setup, self.ready, self.now_ms);
        let limit_ms = setup.config.admission.future_limit_ms;
        let track = &mut self.tracks[partition];
        let ahead_ms = timestamp_ms.map(|stamp| stamp.saturating_sub(now_ms));
        let ahead_ms = ahead_ms.filter(|ahead| limit_ms < *ahead);
        track.ahead_ms = track.ahead_ms.max(ahead_ms);
        let arrival = track.arrival.next(timestamp_ms, now_ms, limit_ms);
        self.clocks.read(&track.partition, arrival);
        let (intake, track) = self.begin(partition, None);
        match payload {
            Some(payload) => intake.record(payload, offset as u64, Some(arrival)),
            None => intake.tombstone(offset as u64),
        }
        let latest_ms = intake.latest_ms();
        track.hold(latest_ms, ready, setup);
    }

    /// The partition's next record; tells whether it is still to be read.
    fn moves_to(&mut self, partition: usize, offset: i64) -> bool {
        let track = &mut self.tracks[partition];
        if track.is_beyond_goal(offset) {
            return false;
        }
        track.next_offset = offset + 1;
        (track.has_moved, track.heard_ms) = (true, self.now_ms);
        true
    }

    /// When a door's record came, by its partition's clock: that of its last record, where nothing else is known.
    fn settled(&mut self, partition: usize, came: Came) -> Came {
        let limit_ms = self.setup.config.admission.future_limit_ms;
        let track = &mut self.tracks[partition];
        let since_ms = match came.since_ms {
            Some(since_ms) => Some(track.arrival.next(Some(since_ms), self.now_ms, limit_ms)),
            None => track.arrival.last(),
        };
        if let Some(since_ms) = since_ms {
            self.clocks.read(&track.partition, since_ms);
        }
        Came {
            since_ms,
            until_ms: came.until_ms.max(since_ms.unwrap_or(i64::MIN)),
        }
    }

    fn begin(&mut self, partition: usize, origin: Option<&str>) -> (&mut Intake, &mut Track) {
        let track = &mut self.tracks[partition];
        let intake = self.intakes.get_mut(&track.partition.topic);
        let intake = intake.expect("one for each topic");
        intake.begin(origin.unwrap_or(&track.origin));
        (intake, track)
    }
}

impl Track {
    /// Counts the record at hand among those that wait for their day, if it does.
    fn hold(&mut self, latest_ms: Option<i64>, ready: Day, setup: &Setup) {
        let day = latest_ms.map(|latest| setup.world.calendar.day(latest));
        if let Some(day) = day.filter(|day| ready < *day) {
            *self.held.entry(day).or_default() += 1;
        }
    }
}
