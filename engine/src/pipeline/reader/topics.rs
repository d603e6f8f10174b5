//! Partitions come, go, and come back.
//!
//! Invariant: a partition is read from its stored position, or the jump is said; one whose topic was
//! deleted has no clock, and is read from its beginning when it is there again.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::{Reader, Track};
use crate::clock::{Arrival, Partition};
use crate::intake::Intake;
use crate::pipeline::RunError;
use crate::pipeline::chunk::Chunk;
use crate::pipeline::health::Health;
use crate::source::kafka::{Discovered, Missing};

const DISCOVER_EVERY: Duration = Duration::from_secs(10);
const BROKER_TIMEOUT: Duration = Duration::from_secs(5);
/// A broker that comes up may not know all topics at once.
const MISSED_MAX: u32 = 2;

/// A broker that told ids once and keeps silent about them so often has forgotten how.
const UNTOLD_MAX: u32 = 5;

/// A partition that is there and not read yet.
struct New {
    partition: Partition,
    low: i64,
    high: i64,
}

impl Reader {
    /// Looks for partitions that came, went or came back.
    pub(super) fn discover(&mut self, chunk: &mut Chunk) -> Result<(), RunError> {
        let is_due = self
            .last_discovery
            .is_none_or(|last| DISCOVER_EVERY <= last.elapsed());
        let is_due = is_due || (self.is_complete && self.source.has_new_doors());
        if !is_due || (self.once && self.is_complete) {
            return Ok(());
        }
        let found = match self.source.discover(BROKER_TIMEOUT) {
            Ok(found) => found,
            Err(error) if error.may_pass() => {
                if self.last_discovery.is_none() {
                    warn!("{error}; retrying");
                }
                self.ask_again_soon();
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if self.untold < UNTOLD_MAX && self.is_untold(&found) {
            self.untold += 1;
            self.ask_again_soon();
            return Ok(());
        }
        self.last_discovery = Some(Instant::now());
        self.is_complete = true;
        self.compare_ids(&found, chunk);
        for index in 0..self.tracks.len() {
            if is_there(&found, &self.tracks[index].partition) {
                self.tracks[index].missed = 0;
                self.welcome_back(index)?;
            } else {
                self.miss(index, chunk);
            }
        }
        self.discoveries += 1;
        if MISSED_MAX <= self.discoveries && !self.once {
            self.miss_stored(&found, chunk);
        }
        self.note_missing(found.missing);
        let is_known = |partition: &Partition| {
            let mut known = self.tracks.iter();
            known.any(|track| track.partition == *partition)
        };
        let new: Vec<Partition> = found
            .partitions
            .into_iter()
            .filter(|partition| !is_known(partition))
            .collect();
        let new = new.into_iter().filter_map(|partition| {
            let (low, high) = self.marks(&partition)?;
            Some(New {
                partition,
                low,
                high,
            })
        });
        let new = new.collect();
        self.take_in(new, chunk)
    }

    /// Whether there are stored positions of which it is not known yet if their topic is the one of then: what is read
    /// from there cannot be unread.
    fn is_untold(&self, found: &Discovered) -> bool {
        found.partitions.iter().any(|partition| {
            let topic = &partition.topic;
            if partition.is_door() {
                return false;
            }
            let has_id = self.topic_ids.contains_key(topic);
            has_id && self.stored.contains_key(partition) && !found.ids.contains_key(topic)
        })
    }

    /// A topic with another id than the positions are of is another one, whatever its offsets say.
    fn compare_ids(&mut self, found: &Discovered, chunk: &mut Chunk) {
        for (topic, id) in &found.ids {
            let before = self.topic_ids.insert(topic.clone(), *id);
            if before == Some(*id) {
                continue;
            }
            chunk.topic_ids.push((topic.clone(), *id));
            if before.is_none() {
                continue;
            }
            for index in 0..self.tracks.len() {
                let partition = &self.tracks[index].partition;
                let is_of_topic = partition.topic == *topic && !partition.is_door();
                if is_of_topic && !self.tracks[index].is_gone {
                    self.lose(index, chunk);
                }
            }
            let of_topic =
                |partition: &&Partition| partition.topic == *topic && !partition.is_door();
            let stored: Vec<Partition> = self.stored.keys().filter(of_topic).cloned().collect();
            if !stored.is_empty() {
                let topic = topic.clone();
                self.health.push(Health::Anew { topic });
            }
            for partition in stored {
                self.stored.remove(&partition);
                chunk.gone.push(partition);
            }
        }
    }

    fn ask_again_soon(&mut self) {
        self.is_complete = false;
        self.last_discovery = Instant::now().checked_sub(DISCOVER_EVERY * 9 / 10);
    }

    fn note_missing(&mut self, missing: Vec<Missing>) {
        if missing != self.missing {
            for missing in &missing {
                warn!("topic {} {}", missing.topic, missing.reason);
            }
            self.missing = missing;
        }
    }

    /// What a partition holds. Without an answer (it may have gone meanwhile) it is asked for again.
    fn marks(&mut self, partition: &Partition) -> Option<(i64, i64)> {
        match self.source.watermarks(partition, BROKER_TIMEOUT) {
            Ok(marks) => Some(marks),
            Err(error) => {
                warn!("{error}; retrying");
                self.ask_again_soon();
                None
            }
        }
    }

    /// The broker does not name a partition that is being read.
    fn miss(&mut self, index: usize, chunk: &mut Chunk) {
        let track = &mut self.tracks[index];
        track.missed += 1;
        if track.is_gone || track.missed < MISSED_MAX {
            return;
        }
        let topic = track.partition.topic.clone();
        self.health.push(Health::Gone { topic });
        self.lose(index, chunk);
    }

    /// A partition is no more: it must not hold up the days of those that are there.
    fn lose(&mut self, index: usize, chunk: &mut Chunk) {
        let track = &mut self.tracks[index];
        (track.is_gone, track.has_moved) = (true, false);
        self.clocks.remove(&track.partition);
        self.source.pause(index);
        track.is_paused = true;
        chunk.gone.push(track.partition.clone());
    }

    /// What was read before this start and is not there now is begun anew if it comes back.
    fn miss_stored(&mut self, found: &Discovered, chunk: &mut Chunk) {
        let (topics, health) = (&self.topics, &mut self.health);
        self.stored.retain(|partition, _| {
            if partition.is_door() {
                // A door that was taken out of the configuration, and all that it brought was read.
                chunk.gone.push(partition.clone());
                return false;
            }
            let topics = topics.as_ref();
            let is_named = topics.is_some_and(|topics| topics.names(&partition.topic));
            let is_gone = is_named && !is_there(found, partition);
            if is_gone {
                let topic = partition.topic.clone();
                health.push(Health::Gone { topic });
                chunk.gone.push(partition.clone());
            }
            !is_gone
        });
    }

    /// A partition that was gone is there again: its topic is another one.
    fn welcome_back(&mut self, index: usize) -> Result<(), RunError> {
        if !self.tracks[index].is_gone {
            return Ok(());
        }
        let partition = self.tracks[index].partition.clone();
        let Some((low, _)) = self.marks(&partition) else {
            return Ok(());
        };
        let track = &mut self.tracks[index];
        let clock_ms = track.arrival.last().max(self.told_clock_ms);
        track.arrival = Arrival::after(clock_ms);
        (track.next_offset, track.is_gone, track.is_paused) = (low, false, false);
        (track.has_moved, track.held) = (true, Default::default());
        self.clocks.add(partition.clone(), clock_ms);
        self.source.restart(index, low)?;
        self.begun_again.push(index);
        let topic = partition.topic;
        self.health.push(Health::Anew { topic });
        Ok(())
    }

    /// Begins to read partitions, all at once: what is fetched ahead is shared among them.
    fn take_in(&mut self, new: Vec<New>, chunk: &mut Chunk) -> Result<(), RunError> {
        if new.is_empty() {
            return Ok(());
        }
        let now_ms = chrono::Utc::now().timestamp_millis();
        // One that appears later starts at the present clock, so that it reopens no day.
        let present_ms = self.told_clock_ms.or_else(|| self.stored_clock());
        let mut starts = Vec::with_capacity(new.len());
        for New {
            partition,
            low,
            high,
        } in new
        {
            let stored = self.stored.remove(&partition);
            let clock_ms = match stored {
                Some(at) if at.clock_ms.is_some() || self.told_clock_ms.is_none() => at.clock_ms,
                _ => present_ms,
            };
            let position = stored.map_or(low, |at| at.next_offset);
            let next_offset = if (low..=high).contains(&position) {
                position
            } else {
                low
            };
            if next_offset != position {
                if next_offset < position {
                    self.begun_again.push(self.tracks.len());
                }
                let jump = Health::jump(&partition, position, next_offset);
                self.health.extend(jump);
            }
            if !self.intakes.contains_key(&partition.topic) {
                let intake = Intake::new(&self.setup, &partition.topic)?;
                self.intakes.insert(partition.topic.clone(), intake);
            }
            self.clocks.add(partition.clone(), clock_ms);
            info!(partition = %partition, next_offset, end = high, "reading");
            chunk.added.push(partition.clone());
            starts.push((partition.clone(), next_offset));
            self.tracks.push(Track {
                origin: partition.to_string(),
                partition,
                next_offset,
                arrival: Arrival::after(clock_ms),
                held: Default::default(),
                is_paused: false,
                has_moved: true,
                goal: self.once.then_some(high),
                has_passed: false,
                missed: 0,
                is_gone: false,
                heard_ms: now_ms,
                ahead_ms: None,
            });
        }
        self.source.assign(&starts)?;
        Ok(())
    }

    /// The sealing clock of the process before: the least clock, if all had one.
    fn stored_clock(&self) -> Option<i64> {
        let topics = self.topics.as_ref();
        let is_read = |partition: &Partition| match partition.is_door() {
            true => self.source.has_door(partition),
            false => topics.is_some_and(|topics| topics.names(&partition.topic)),
        };
        let named = self
            .stored
            .iter()
            .filter(|(partition, _)| is_read(partition));
        named.map(|(_, at)| at.clock_ms).min().flatten()
    }
}

/// Whether the broker names a partition, or its topic as one that cannot be had at present.
fn is_there(found: &Discovered, partition: &Partition) -> bool {
    let mut missing = found.missing.iter();
    // What a door brought is there until it was read, and then nobody misses it.
    partition.is_door()
        || found.partitions.binary_search(partition).is_ok()
        || missing.any(|missing| missing.topic == partition.topic && !missing.is_absent)
}
