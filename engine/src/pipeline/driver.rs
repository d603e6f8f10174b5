//! Judges what the reader sends, publishes, closes days, checkpoints.
//!
//! Invariant: rows are judged only when their day is ready, and held back until then; alerts are
//! stored before the state that no longer needs their input; after a restart no open verdict is
//! published before the replay has passed what alerts.db knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use nightjar_detectors::alert::Alert;
use nightjar_detectors::core::{Core, SealedDay};
use nightjar_detectors::shard::Tally;
use nightjar_detectors::time::Day;
use tokio::sync::watch;
use tracing::{info, warn};

use super::chunk::Chunk;
use super::health::{Health, Nurse};
use super::history::Past;
use super::meta::{Meta, Position};
use super::patience::PatientAlerts;
use super::screen::Screen;
use super::writer::{Checkpoint, Writer};
use super::{Gate, RunError, ready_day};
use crate::clock::Partition;
use crate::days::{DayStore, SpillError, by_day};
use crate::grpc::Status;
use crate::intake::SourceCounts;
use crate::setup::Setup;
use crate::store::retention::Pruned;

/// Between two publications of open verdicts while there is more to read.
const PUBLISH_EVERY: Duration = Duration::from_millis(25);
const PUBLISH_EVERY_CATCHING_UP: Duration = Duration::from_millis(500);
/// While catching up, judging what is open may take this part of the time at most: a tenth.
const PUBLISH_SHARE: u32 = 10;
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
const CHECKPOINT_EVERY_CATCHING_UP: Duration = Duration::from_secs(60);
const STATUS_EVERY: Duration = Duration::from_secs(1);
const PRUNE_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Clock steps in which days are closed: fine enough that every held-back day is judged between the
/// closing of what it needs and its own.
const STEP_MS: i64 = 6 * 3_600_000;

/// What a run did since it was started.
#[derive(Debug, Default)]
pub struct Finished {
    /// What became of the records, by source.
    pub counts: SourceCounts,
    /// What became of the rows, by source.
    pub tallies: BTreeMap<Arc<str>, Tally>,
    /// Days that were judged.
    pub days: usize,
    /// The most rows that waited for their day at once.
    pub held_rows_max: usize,
}

pub(super) struct Driver<'a> {
    setup: &'a Setup,
    core: Core,
    meta: Meta,
    held: DayStore,
    alerts: &'a PatientAlerts,
    writer: Writer,
    gate: Arc<Gate>,
    status: super::status::Board<'a>,
    partitions: Vec<Partition>,
    clock_ms: Option<i64>,
    /// What alerts.db reflects, while the replay has not passed it.
    replay_until: BTreeMap<Partition, i64>,
    screen: Screen,
    nurse: Nurse,
    finished: Finished,
    judged_days: BTreeSet<Day>,
    is_dirty: bool,
    has_open_changes: bool,
    is_catching_up: bool,
    checkpoint_soon: bool,
    last_publication: Instant,
    publication_took: Duration,
    last_checkpoint: Instant,
    last_prune: Option<Instant>,
}

impl<'a> Driver<'a> {
    pub fn new(
        setup: &'a Setup,
        core: Core,
        mut meta: Meta,
        alerts: &'a PatientAlerts,
        writer: Writer,
        gate: Arc<Gate>,
        status: &'a watch::Sender<Status>,
    ) -> Result<Self, RunError> {
        // Never spilled: a checkpoint holds these rows, and pausing keeps them few.
        let mut held = DayStore::new(usize::MAX, setup.config.state.dir.join("held"));
        for batch in meta.take_held().map_err(SpillError::Arrow)? {
            held.push(&setup.world.calendar, batch)?;
        }
        let replay_until = match alerts.positions()? {
            Some(bytes) => postcard::from_bytes(&bytes).map_err(RunError::Meta)?,
            None => BTreeMap::new(),
        };
        let now = Instant::now();
        Ok(Driver {
            status: super::status::Board::new(status),
            setup,
            core,
            meta,
            held,
            alerts,
            writer,
            gate,
            partitions: Vec::new(),
            clock_ms: None,
            replay_until,
            screen: Screen::new(super::REVISE_EVERY),
            nurse: Nurse::default(),
            finished: Finished::default(),
            judged_days: BTreeSet::new(),
            is_dirty: false,
            has_open_changes: true,
            is_catching_up: false,
            checkpoint_soon: false,
            last_publication: now,
            publication_took: Duration::ZERO,
            last_checkpoint: now,
            last_prune: None,
        })
    }

    /// Tells what only grows no more often than this.
    pub fn revising_every(mut self, every: Duration) -> Self {
        self.screen = Screen::new(every);
        self
    }

    /// Counts what the history held as part of this run.
    pub fn after(mut self, past: Past) -> Self {
        self.finished.counts = past.counts;
        self.judged_days = past.days;
        self
    }

    /// Works until the reader has ended and everything of it is judged and stored.
    pub fn run(mut self, chunks: &Receiver<Chunk>) -> Result<Finished, RunError> {
        self.gate.set(ready_day(&self.core));
        loop {
            // What is read cannot be kept: more of it would only fill the memory.
            self.alerts.wait_for_checkpoints();
            let is_last = match chunks.recv_timeout(PUBLISH_EVERY) {
                Ok(chunk) => self.take(chunk)?,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if is_last {
                self.close_everything()?;
            }
            // A writer that gave up says why when it is finished with.
            if is_last || self.writer.has_failed() {
                break;
            }
            self.publish_when_due(chunks.is_empty())?;
            self.checkpoint_when_due()?;
            self.prune_when_due()?;
            self.publish_outages()?;
            self.status.measure(chunks.len(), &self.writer);
            self.status
                .tell_when_due(STATUS_EVERY, &self.core, self.alerts);
        }
        self.publish_open(true)?;
        self.publish_outages()?;
        self.checkpoint()?;
        let Driver {
            writer,
            mut finished,
            core,
            judged_days,
            ..
        } = self;
        writer.finish()?;
        finished.tallies = core.tallies().clone();
        finished.days = judged_days.len();
        info!("stopped at a checkpoint");
        Ok(finished)
    }

    /// Takes one chunk: rows first, then the clocks that came with them. Tells whether it is the last.
    fn take(&mut self, chunk: Chunk) -> Result<bool, RunError> {
        self.is_dirty |= !chunk.moved.is_empty();
        self.is_catching_up = chunk.is_catching_up;
        if !chunk.rejected.is_empty() {
            self.alerts.set_aside(&chunk.rejected)?;
        }
        if !chunk.late.is_empty() {
            self.alerts.enter_late(&chunk.late)?;
        }
        self.partitions.extend(chunk.added.iter().cloned());
        self.heed_comings_and_goings(&chunk);
        let calendar = &self.setup.world.calendar;
        let ready = self.gate.ready_day();
        let mut now = Vec::new();
        for batch in &chunk.batches {
            for (day, part) in by_day(calendar, batch).map_err(SpillError::Arrow)? {
                self.judged_days.insert(day);
                self.meta.history_through = self.meta.history_through.map(|of| of.min(day - 1));
                if day <= ready {
                    now.push(part);
                } else {
                    self.held.push(calendar, part)?;
                }
            }
        }
        let held = self.held.rows();
        self.finished.held_rows_max = self.finished.held_rows_max.max(held);
        self.observe(&now);
        for moved in &chunk.moved {
            let position = Position {
                next_offset: moved.next_offset,
                clock_ms: moved.clock_ms,
            };
            self.meta
                .positions
                .insert(self.partitions[moved.partition].clone(), position);
        }
        self.status.note(&chunk, &self.partitions, &self.meta);
        self.publish_health(&chunk.health)?;
        for (source, counts) in chunk.counts {
            self.finished.counts.entry(source).or_default().add(counts);
        }
        if let Some(clock_ms) = chunk.sealing_clock_ms {
            self.advance(clock_ms)?;
        }
        self.forget_passed_positions();
        Ok(chunk.is_last)
    }

    /// What is not being read cannot be passed by a replay, and what is read from its beginning again
    /// has passed nothing.
    fn heed_comings_and_goings(&mut self, chunk: &Chunk) {
        self.is_dirty |= !chunk.topic_ids.is_empty();
        self.meta.topic_ids.extend(chunk.topic_ids.iter().cloned());
        for partition in &chunk.gone {
            self.meta.positions.remove(partition);
            self.replay_until.remove(partition);
            self.is_dirty = true;
        }
        for index in &chunk.begun_again {
            self.replay_until.remove(&self.partitions[*index]);
        }
        if chunk.is_whole && !self.replay_until.is_empty() {
            let read: BTreeSet<&Partition> = self.partitions.iter().collect();
            self.replay_until
                .retain(|partition, _| read.contains(partition));
            self.has_open_changes = true;
        }
    }

    /// Blind spots are told whatever is being replayed.
    fn publish_health(&mut self, health: &[Health]) -> Result<(), RunError> {
        let now_ms = chrono::Utc::now().timestamp_millis();
        let alerts = self.nurse.alerts(health, &self.setup.world, now_ms);
        if alerts.is_empty() {
            return Ok(());
        }
        for alert in &alerts {
            warn!(source = alert.entity.id, "{}", alert.summary);
        }
        self.alerts.publish(&alerts, None)?;
        Ok(())
    }

    fn publish_outages(&mut self) -> Result<(), RunError> {
        let over = self.alerts.take_outages().into_iter();
        let over: Vec<Health> = over.map(Health::NotStored).collect();
        self.publish_health(&over)
    }

    fn observe(&mut self, batches: &[arrow::array::RecordBatch]) {
        if !batches.is_empty() {
            self.core
                .observe(batches)
                .expect("the intake makes canonical batches");
            self.has_open_changes = true;
        }
    }

    /// Moves the sealing clock on, in steps, so that held-back days are judged before they are closed.
    fn advance(&mut self, clock_ms: i64) -> Result<(), RunError> {
        let mut at = self.clock_ms.unwrap_or(clock_ms).min(clock_ms);
        if let Some(first) = self.held.days().first() {
            at = at.min(self.setup.world.calendar.start(*first));
        }
        loop {
            at = at.saturating_add(STEP_MS).min(clock_ms);
            let sealed = self.core.advance(at);
            self.take_sealed(sealed)?;
            self.release()?;
            if clock_ms <= at {
                break;
            }
        }
        self.clock_ms = Some(clock_ms);
        Ok(())
    }

    /// Judges the held-back days that are ready.
    fn release(&mut self) -> Result<(), RunError> {
        let ready = ready_day(&self.core);
        self.gate.set(ready);
        for day in self
            .held
            .days()
            .into_iter()
            .filter(|day| Some(*day) <= ready)
        {
            let batches = self.held.take(day)?;
            self.observe(&batches);
        }
        Ok(())
    }

    /// The end of `--once`: everything is judged and closed.
    fn close_everything(&mut self) -> Result<(), RunError> {
        for day in self.held.days() {
            let sealed = self.core.require(day);
            self.take_sealed(sealed)?;
            let batches = self.held.take(day)?;
            self.observe(&batches);
        }
        let sealed = self.core.seal_all();
        self.take_sealed(sealed)
    }

    /// Final alerts overwrite whatever was published of the day.
    fn take_sealed(&mut self, sealed: Vec<SealedDay>) -> Result<(), RunError> {
        for day in sealed {
            self.screen.close(day.detector, day.day);
            self.is_dirty = true;
            // An idle clock that closed a day must not be forgotten by a crash.
            self.checkpoint_soon = true;
            let mut alerts = day.alerts;
            // What waits for the end of a day is of the history if the whole day is.
            let is_history = self.meta.history_through.is_some_and(|of| day.day <= of);
            alerts
                .iter_mut()
                .for_each(|alert| alert.history = is_history);
            self.publish(&alerts)?;
        }
        Ok(())
    }

    fn publish(&mut self, alerts: &[Alert]) -> Result<(), RunError> {
        if alerts.is_empty() {
            return Ok(());
        }
        let is_replay = !self.replay_until.is_empty();
        let offsets = self.meta.offsets();
        let positions = postcard::to_allocvec(&offsets).expect("offsets are plain data");
        let positions = Some(positions.as_slice()).filter(|_| !is_replay);
        self.alerts.publish(alerts, positions)?;
        Ok(())
    }

    fn publish_when_due(&mut self, is_idle: bool) -> Result<(), RunError> {
        let every = if self.is_catching_up {
            PUBLISH_EVERY_CATCHING_UP.max(self.publication_took * PUBLISH_SHARE)
        } else {
            PUBLISH_EVERY
        };
        if (is_idle && !self.is_catching_up) || every <= self.last_publication.elapsed() {
            self.publish_open(false)?;
        }
        Ok(())
    }

    /// Publishes what is due of the open days; all of it with `all`.
    fn publish_open(&mut self, all: bool) -> Result<(), RunError> {
        if !self.replay_until.is_empty() {
            return Ok(());
        }
        self.last_publication = Instant::now();
        if std::mem::take(&mut self.has_open_changes) {
            for (detector, day, alerts) in self.core.changes() {
                self.screen.offer(detector, day, alerts);
            }
        }
        let due = self.screen.due(self.last_publication, all);
        self.publish(&due)?;
        self.publication_took = self.last_publication.elapsed();
        Ok(())
    }

    /// Once the replay is behind what alerts.db knows, open verdicts are published again.
    fn forget_passed_positions(&mut self) {
        if self.replay_until.is_empty() || self.partitions.is_empty() {
            return;
        }
        let positions = &self.meta.positions;
        let has_passed = |(partition, until): (&Partition, &i64)| {
            positions
                .get(partition)
                .is_none_or(|at| *until <= at.next_offset)
        };
        if self.replay_until.iter().all(has_passed) {
            self.replay_until.clear();
            self.has_open_changes = true;
        }
    }

    fn checkpoint_when_due(&mut self) -> Result<(), RunError> {
        let default = if self.is_catching_up {
            CHECKPOINT_EVERY_CATCHING_UP
        } else {
            CHECKPOINT_EVERY
        };
        let every = self.setup.config.state.checkpoint_every.unwrap_or(default);
        let is_due = self.checkpoint_soon || every <= self.last_checkpoint.elapsed();
        if is_due && self.is_dirty && self.writer.is_free() {
            self.publish_open(false)?;
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Deletes once a day, and at the start, what has been kept long enough.
    fn prune_when_due(&mut self) -> Result<(), RunError> {
        let is_due = |last: Instant| PRUNE_EVERY <= last.elapsed();
        if self.last_prune.is_none_or(is_due) {
            self.last_prune = Some(Instant::now());
            let now_ms = chrono::Utc::now().timestamp_millis();
            let pruned = self.alerts.prune(&self.setup.config.retention, now_ms)?;
            if pruned != Pruned::default() {
                let (alerts, entries) = (pruned.alerts, pruned.entries);
                info!(alerts, entries, "deleted what has been kept long enough");
            }
        }
        Ok(())
    }

    /// Encodes what changed; the writer stores it.
    fn checkpoint(&mut self) -> Result<(), RunError> {
        self.meta
            .set_held(self.held.batches())
            .map_err(SpillError::Arrow)?;
        let rows = self.core.snapshot().rows;
        let meta = self.meta.encode();
        self.writer.write(Checkpoint {
            rows,
            meta,
            offsets: self.meta.offsets(),
        });
        self.meta.held.clear();
        self.is_dirty = false;
        self.checkpoint_soon = false;
        self.last_checkpoint = Instant::now();
        Ok(())
    }
}
