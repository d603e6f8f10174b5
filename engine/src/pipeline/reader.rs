//! The thread that reads Kafka and the doors: arrival, decoding, admission, clocks.
//!
//! Invariant: it alone moves arrivals and clocks, and a chunk carries them as they stood behind its
//! last row; a partition whose rows cannot be judged yet is paused, except the one all wait for.

mod take;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use nightjar_detectors::time::Day;

use super::chunk::{Chunk, Moved};
use super::health::Health;
use super::meta::{Meta, Position};
use super::silence::Silence;
use super::{Gate, Options, RunError};
use crate::clock::{Arrival, Clocks, Partition};
use crate::intake::Intake;
use crate::setup::Setup;
use crate::source::Sources;
use crate::source::kafka::{Missing, TopicId, Topics};
use take::Taking;

const MESSAGES_MAX: usize = 1000;
const POLL_TIMEOUT: Duration = Duration::from_millis(20);
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// One partition as it is read.
struct Track {
    partition: Partition,
    origin: String,
    next_offset: i64,
    arrival: Arrival,
    /// Rows that wait for their day.
    held: BTreeMap<Day, u64>,
    is_paused: bool,
    has_moved: bool,
    /// Where `--once` ends.
    goal: Option<i64>,
    has_passed: bool,
    /// Times in a row that the broker did not name it.
    missed: u32,
    /// Its topic was deleted: it has no clock until it is there again.
    is_gone: bool,
    /// Wall clock when it last gave a record, or was taken in.
    heard_ms: i64,
    /// How far its records' stamps were ahead of the wall clock, beyond what is allowed.
    ahead_ms: Option<i64>,
}

impl Track {
    fn is_beyond_goal(&self, offset: i64) -> bool {
        self.goal.is_some_and(|goal| goal <= offset)
    }

    fn waiting_after(&self, ready: Day) -> u64 {
        self.held
            .range(ready.saturating_add(1)..)
            .map(|(_, rows)| rows)
            .sum()
    }
}

/// Reads all partitions of the configured topics and doors.
pub(super) struct Reader {
    setup: Arc<Setup>,
    source: Sources,
    topics: Option<Topics>,
    stored: BTreeMap<Partition, Position>,
    /// Of the topics that are read, as the positions know them.
    topic_ids: BTreeMap<String, TopicId>,
    tracks: Vec<Track>,
    intakes: BTreeMap<String, Intake>,
    clocks: Clocks,
    told_clock_ms: Option<i64>,
    gate: Arc<Gate>,
    done: Receiver<BTreeMap<Partition, i64>>,
    stop: Arc<AtomicBool>,
    once: bool,
    held_rows_max: u64,
    /// No more at once than one partition may hold back, so that none holds more than twice that.
    messages_max: usize,
    last_discovery: Option<Instant>,
    discoveries: u32,
    /// Discoveries that told no ids where the positions have some.
    untold: u32,
    /// Every partition that was found is being read.
    is_complete: bool,
    last_measure: Instant,
    missing: Vec<Missing>,
    begun_again: Vec<usize>,
    health: Vec<Health>,
    silence: Silence,
}

impl Reader {
    /// A reader that goes on behind the stored positions.
    pub fn new(
        setup: &Arc<Setup>,
        options: &Options,
        meta: &Meta,
        gate: Arc<Gate>,
        done: Receiver<BTreeMap<Partition, i64>>,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self, RunError> {
        Ok(Reader {
            source: Sources::connect(&options.sources)?,
            topics: options
                .sources
                .kafka
                .as_ref()
                .map(|kafka| kafka.topics.clone()),
            stored: meta.positions.clone(),
            topic_ids: meta.topic_ids.clone(),
            tracks: Vec::new(),
            intakes: BTreeMap::new(),
            clocks: Clocks::new(setup.config.admission.idle_after_ms),
            told_clock_ms: None,
            setup: setup.clone(),
            gate,
            done,
            stop: stop.clone(),
            once: options.once,
            held_rows_max: options.held_rows_max,
            messages_max: usize::try_from(options.held_rows_max)
                .map_or(MESSAGES_MAX, |held| held.clamp(1, MESSAGES_MAX)),
            last_discovery: None,
            discoveries: 0,
            untold: 0,
            is_complete: false,
            last_measure: Instant::now(),
            missing: Vec::new(),
            begun_again: Vec::new(),
            health: Vec::new(),
            silence: Silence::new(&setup.config),
        })
    }

    /// Reads until told to stop, until everything was read with `--once`, or until nobody listens.
    pub fn run(mut self, out: &Sender<Chunk>) -> Result<(), RunError> {
        while !self.stop.load(Ordering::Relaxed) {
            let mut chunk = Chunk::default();
            self.discover(&mut chunk)?;
            self.pause_and_resume();
            let polled = self.poll()?;
            chunk.is_catching_up = self.messages_max <= polled;
            self.close(&mut chunk)?;
            let is_last = chunk.is_last;
            if !chunk.is_empty() && out.send(chunk).is_err() {
                break;
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Pauses who is ahead of what may be judged, but never the partition that all others wait for.
    fn pause_and_resume(&mut self) {
        let ready = self.gate.ready_day();
        let least = self.clocks.sealing_clock();
        for (index, track) in self.tracks.iter_mut().enumerate() {
            if ready != Day::MAX {
                track.held = track.held.split_off(&ready.saturating_add(1));
            }
            let is_awaited = self.clocks.of(&track.partition) <= least;
            let is_ahead = self.held_rows_max < track.waiting_after(ready) && !is_awaited;
            let should_pause = is_ahead || track.has_passed || track.is_gone;
            if should_pause != track.is_paused {
                if should_pause {
                    self.source.pause(index);
                } else {
                    self.source.resume(index);
                }
                track.is_paused = should_pause;
            }
        }
    }

    fn poll(&mut self) -> Result<usize, RunError> {
        let mut taking = Taking {
            tracks: &mut self.tracks,
            intakes: &mut self.intakes,
            clocks: &mut self.clocks,
            begun_again: &mut self.begun_again,
            health: &mut self.health,
            setup: &self.setup,
            now_ms: chrono::Utc::now().timestamp_millis(),
            ready: self.gate.ready_day(),
        };
        let take = &mut |brought: crate::source::Brought<'_>| taking.take(brought);
        Ok(self.source.poll(self.messages_max, POLL_TIMEOUT, take)?)
    }

    /// Puts everything since the last chunk into this one.
    fn close(&mut self, chunk: &mut Chunk) -> Result<(), RunError> {
        self.clocks.tick(chrono::Utc::now().timestamp_millis());
        for track in &mut self.tracks {
            let is_there = track.goal.is_some_and(|goal| goal <= track.next_offset);
            if is_there && !track.has_passed {
                track.has_passed = true;
                self.clocks.pass(&track.partition);
            }
        }
        for (index, track) in self.tracks.iter_mut().enumerate() {
            if track.is_gone {
                continue;
            }
            let clock_ms = self.clocks.of(&track.partition);
            if clock_ms != track.arrival.last() {
                // An idle clock was used: no later record may count as having come before it.
                track.arrival = Arrival::after(clock_ms);
                track.has_moved = true;
            }
            if std::mem::take(&mut track.has_moved) {
                let next_offset = track.next_offset;
                chunk.moved.push(Moved {
                    partition: index,
                    next_offset,
                    clock_ms,
                });
            }
        }
        for (source, intake) in &mut self.intakes {
            if 0 < intake.waiting() {
                chunk.batches.push(intake.take_batch());
            }
            chunk.rejected.append(&mut intake.take_rejected());
            chunk.late.append(&mut intake.take_late());
            let counts = intake.take_counts();
            if counts != Default::default() {
                chunk.counts.insert(source.clone(), counts);
            }
        }
        let clock_ms = self.clocks.sealing_clock();
        if self.told_clock_ms < clock_ms {
            self.told_clock_ms = clock_ms;
            chunk.sealing_clock_ms = clock_ms;
        }
        chunk.is_whole = self.is_complete;
        chunk.begun_again = std::mem::take(&mut self.begun_again);
        chunk.is_last = self.once && self.is_complete && self.clocks.all_passed();
        self.measure(chunk);
        chunk.health = std::mem::take(&mut self.health);
        if let Ok(offsets) = self.done.try_recv() {
            let offsets: Vec<_> = offsets.into_iter().collect();
            self.source.commit(&offsets);
        }
        Ok(())
    }

    fn measure(&mut self, chunk: &mut Chunk) {
        if self.last_measure.elapsed() < MEASURE_EVERY {
            return;
        }
        self.last_measure = Instant::now();
        let lag = |index: usize| Some((index, self.source.lag(index)?));
        chunk.lags = (0..self.tracks.len()).filter_map(lag).collect();
        let paused = self
            .tracks
            .iter()
            .enumerate()
            .filter(|(_, track)| track.is_paused);
        chunk.paused = paused.map(|(index, _)| index).collect();
        self.listen();
    }

    /// Looks for what cannot be seen: clocks that are wrong, sources that have fallen silent.
    fn listen(&mut self) {
        for track in &mut self.tracks {
            if let Some(ahead_ms) = track.ahead_ms.take() {
                let topic = track.partition.topic.clone();
                self.health.push(Health::Ahead { topic, ahead_ms });
            }
        }
        if self.once {
            return;
        }
        let now_ms = chrono::Utc::now().timestamp_millis();
        for track in self.tracks.iter().filter(|track| !track.is_gone) {
            // Who waits for others is not asked, and so not silent.
            let heard_ms = if track.is_paused {
                now_ms
            } else {
                track.heard_ms
            };
            self.silence.heard(&track.partition.topic, heard_ms);
        }
        self.health.extend(self.silence.look(now_ms));
    }
}
