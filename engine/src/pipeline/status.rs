//! What the service says about itself: positions, clocks, lag, counts, once a second.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nightjar_detectors::core::Core;
use nightjar_detectors::time::day_text;
use tokio::sync::watch;

use super::chunk::Chunk;
use super::meta::Meta;
use super::writer::Writer;
use crate::clock::Partition;
use crate::grpc::{DetectorStatus, PartitionStatus, Phase, SourceStatus, Status};
use crate::intake::SourceCounts;
use crate::setup::Setup;
use crate::store::alerts::AlertStore;

/// What can be said before anything was read.
pub(super) fn first(setup: &Setup) -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION").into(),
        tenant: setup.config.tenant.clone(),
        zone: setup.config.zone,
        config: setup.world.settings.fingerprint.clone(),
        started_ms: chrono::Utc::now().timestamp_millis(),
        phase: Phase::CatchingUp,
        ..Status::default()
    }
}

/// Gathers what chunks tell, and tells it on.
pub(super) struct Board<'a> {
    send: &'a watch::Sender<Status>,
    status: Status,
    partitions: Vec<PartitionStatus>,
    gone: BTreeSet<Partition>,
    counts: SourceCounts,
    told: Option<Instant>,
}

impl<'a> Board<'a> {
    pub fn new(send: &'a watch::Sender<Status>) -> Self {
        Board {
            send,
            status: send.borrow().clone(),
            partitions: Vec::new(),
            gone: BTreeSet::new(),
            counts: SourceCounts::new(),
            told: None,
        }
    }

    /// Takes in what a chunk tells.
    pub fn note(&mut self, chunk: &Chunk, partitions: &[Partition], meta: &Meta) {
        // What went may have come back in the same chunk.
        self.gone.extend(chunk.gone.iter().cloned());
        for partition in &partitions[self.partitions.len()..] {
            self.gone.remove(partition);
            let at = meta.positions.get(partition).copied().unwrap_or_default();
            self.partitions.push(PartitionStatus {
                partition: partition.clone(),
                position: at.next_offset,
                end: at.next_offset,
                clock_ms: at.clock_ms,
                paused: false,
            });
        }
        for index in &chunk.begun_again {
            let partition = &mut self.partitions[*index];
            self.gone.remove(&partition.partition);
            partition.end = 0;
        }
        for moved in &chunk.moved {
            let partition = &mut self.partitions[moved.partition];
            partition.position = moved.next_offset;
            partition.end = partition.end.max(moved.next_offset);
            partition.clock_ms = moved.clock_ms;
        }
        if !chunk.lags.is_empty() {
            for partition in &mut self.partitions {
                partition.paused = false;
            }
        }
        for (index, lag) in &chunk.lags {
            let partition = &mut self.partitions[*index];
            partition.end = partition.position + lag;
        }
        for index in &chunk.paused {
            self.partitions[*index].paused = true;
        }
        for (source, counts) in &chunk.counts {
            self.counts.entry(source.clone()).or_default().add(*counts);
        }
        let is_live = !chunk.is_catching_up;
        self.status.phase = if is_live {
            Phase::Live
        } else {
            Phase::CatchingUp
        };
    }

    /// Notes how busy the engine is.
    pub fn measure(&mut self, queue: usize, writer: &Writer) {
        self.status.queue = queue;
        self.status.checkpoint_ms = writer.took_ms();
    }

    /// Tells it on when enough time has passed.
    pub fn tell_when_due(&mut self, every: Duration, core: &Core, alerts: &AlertStore) {
        if self.told.is_some_and(|told| told.elapsed() < every) {
            return;
        }
        self.told = Some(Instant::now());
        let mut sources = BTreeMap::<&str, SourceStatus>::new();
        for partition in &self.partitions {
            if self.gone.contains(&partition.partition) {
                continue;
            }
            let source = sources.entry(&partition.partition.topic).or_default();
            source.partitions.push(partition.clone());
        }
        for (name, source) in &mut sources {
            source.source = (*name).to_owned();
            let counts = self.counts.get(*name).copied().unwrap_or_default();
            source.records = counts.records;
            source.quarantined = counts.quarantined;
            source.other_logins = counts.other_logins;
            if let Some(tally) = core.tallies().get(*name) {
                source.rows = tally.admitted;
                source.repeats = tally.repeats;
                source.conflicts = tally.conflicts;
                source.late = tally.late;
            }
        }
        self.status.sources = sources.into_values().collect();
        // A status without counts of alerts is better than none.
        let counts = alerts.counts().unwrap_or_default();
        let detectors = core.detectors().iter().zip(core.sealed());
        self.status.detectors = detectors
            .map(|(active, sealed)| DetectorStatus {
                detector: active.entry.name.into(),
                sealed_day: sealed.map(day_text),
                alerts: counts.get(active.entry.name).copied().unwrap_or(0),
            })
            .collect();
        self.status.told_ms = chrono::Utc::now().timestamp_millis();
        self.send.send_modify(|told| {
            // Told by whoever is in it.
            let trouble = told.trouble.take();
            told.clone_from(&self.status);
            told.trouble = trouble;
        });
    }
}
