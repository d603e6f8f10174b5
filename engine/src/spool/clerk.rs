//! The thread that takes what comes through the doors: decodes it, appends what is kept, puts it on disk.
//!
//! Invariant: who delivered is answered after the disk; of what could not be put there nothing is kept, and the
//! deliverer knows it. The record itself is gone when it was decoded.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::batch::{FileKey, Head, Mark};
use super::entry::Recorder;
use super::log::Log;
use super::{Delivery, Job, Payload, Spool, SpoolError};
use crate::clock::Partition;
use crate::decode::Decoder;
use crate::setup::Setup;

/// Deliveries that are put on disk together.
const GROUP_MAX: usize = 64;

/// Takes deliveries until nobody is left who could bring one.
pub(super) struct Clerk {
    setup: Arc<Setup>,
    spool: Arc<Spool>,
    folder: PathBuf,
    logs: BTreeMap<Partition, Log>,
    decoders: BTreeMap<String, Decoder>,
}

impl Clerk {
    pub fn new(setup: Arc<Setup>, spool: Arc<Spool>, folder: PathBuf) -> Self {
        Clerk {
            setup,
            spool,
            folder,
            logs: BTreeMap::new(),
            decoders: BTreeMap::new(),
        }
    }

    pub fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut group = Vec::new();
            let mut job = Some(first);
            while let Some(next) = job.take() {
                match next {
                    Job::Keep(delivery) => group.push(delivery),
                    Job::Begin(partition, reply) => {
                        // Nobody is left to hear it where the service is stopping.
                        let _ = reply.send(self.begin(&partition));
                    }
                    Job::Roll(partition) => self.roll(&partition),
                    Job::Stop => return self.keep(group),
                }
                if group.len() < GROUP_MAX {
                    job = jobs.try_recv().ok();
                }
            }
            self.keep(group);
        }
    }

    /// Opens a partition's log.
    pub fn begin(&mut self, partition: &Partition) -> Result<BTreeMap<FileKey, Mark>, SpoolError> {
        if !self.logs.contains_key(partition) {
            if !self.decoders.contains_key(&partition.topic) {
                let format = self.setup.format_of(&partition.topic);
                let options = self.setup.decode_options();
                let decoder = Decoder::new(self.setup.formats.clone(), format, options)?;
                self.decoders.insert(partition.topic.clone(), decoder);
            }
            let folder = super::folder_of(&self.folder, partition);
            let log = Log::open(&folder, partition).map_err(|source| SpoolError::Io {
                path: folder,
                source: Arc::new(source),
            })?;
            self.spool.add(log.shared.clone());
            self.logs.insert(partition.clone(), log);
        }
        Ok(self.logs[partition].marks().clone())
    }

    fn roll(&mut self, partition: &Partition) {
        if let Some(log) = self.logs.get_mut(partition)
            && let Err(error) = log.roll()
        {
            // What was read stays until there is room.
            tracing::debug!(%error, %partition, "no new segment could be begun");
        }
    }

    /// Appends all, puts it on disk once a log, and answers.
    fn keep(&mut self, group: Vec<Delivery>) {
        let mut touched = BTreeSet::new();
        let mut failed = BTreeMap::<Partition, SpoolError>::new();
        let mut answers = Vec::with_capacity(group.len());
        for delivery in group {
            let partition = delivery.partition.clone();
            self.spool.took(delivery.payload.bytes());
            let (delivery, reply) = delivery.answering();
            let kept = match failed.get(&partition) {
                Some(error) => Err(error.clone()),
                None => self.append(delivery),
            };
            touched.insert(partition.clone());
            if let Err(error) = kept {
                failed.insert(partition.clone(), error);
            }
            answers.push((partition, reply));
        }
        for partition in touched {
            let Some(log) = self.logs.get_mut(&partition) else {
                continue;
            };
            let settled = log.settle(!failed.contains_key(&partition));
            if let Err(error) = settled {
                let error = trouble(log, error);
                failed.entry(partition).or_insert(error);
            }
        }
        self.spool.tell_news();
        for (partition, reply) in answers {
            let answer = match failed.get(&partition) {
                Some(error) => Err(error.clone()),
                None => Ok(()),
            };
            let _ = reply.send(answer);
        }
    }

    fn append(&mut self, delivery: Delivery) -> Result<(), SpoolError> {
        self.begin(&delivery.partition)?;
        let (Some(log), Some(decoder)) = (
            self.logs.get_mut(&delivery.partition),
            self.decoders.get_mut(&delivery.partition.topic),
        ) else {
            return Err(SpoolError::Stopped);
        };
        let mut recorder = Recorder::new(decoder);
        let first = log.end();
        match &delivery.payload {
            Payload::Nothing => {}
            Payload::Records(records) => {
                for (record, number) in records.iter().zip(first..) {
                    recorder.record(record, number);
                }
            }
            Payload::Lines {
                bytes,
                first_record,
                skip,
            } => {
                for (number, line) in crate::intake::lines(bytes, *first_record) {
                    if *skip < number {
                        recorder.record(line, number);
                    }
                }
            }
            Payload::SetAside {
                record,
                bytes,
                reason,
            } => {
                recorder.set_aside(*record, *bytes, reason);
            }
        }
        let (entries, count) = recorder.finish();
        let head = Head {
            first,
            count,
            since_ms: delivery.came.since_ms,
            until_ms: delivery.came.until_ms,
            origin: delivery.origin,
            marks: delivery.mark.into_iter().collect(),
        };
        log.append(&head, &entries)
            .map_err(|error| trouble(log, error))
    }
}

fn trouble(log: &Log, error: io::Error) -> SpoolError {
    SpoolError::Io {
        path: log.shared.folder.clone(),
        source: Arc::new(error),
    }
}
