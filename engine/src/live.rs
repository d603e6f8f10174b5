//! A look at Kafka: the last records of every partition, as they would be understood.
//!
//! Invariant: joins no group and commits nothing, ends in time, and keeps counts of the records and no record.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nightjar_detectors::event::{Events, SchemaError};

use crate::clock::Partition;
use crate::coverage::Coverage;
use crate::decode::FormatError;
use crate::intake::{Counts, Intake, Unrecognised};
use crate::logins::LoginsByClass;
use crate::setup::Setup;
use crate::source::kafka::{KafkaOptions, KafkaSource, Missing, Polled, SourceError};

const MESSAGES_MAX: usize = 1000;
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// How far a look goes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Records of a partition.
    pub records_max: u32,
    /// Time for all of it.
    pub within: Duration,
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Kafka cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A source's format is not known.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Rows are not canonical.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Time was up before the first record came.
    #[error("no record came within {} s{trouble}; allow more time with --within", within.as_secs())]
    Silent {
        /// The time.
        within: Duration,
        /// What the client said meanwhile, after a colon.
        trouble: String,
    },
}

/// What one topic holds.
#[derive(Debug, Default)]
pub struct Topic {
    /// Partitions.
    pub partitions: usize,
    /// Those that were not read to the end in time.
    pub unfinished: usize,
    /// What became of the records.
    pub counts: Counts,
    /// Why records were set aside.
    pub reasons: BTreeMap<String, u64>,
    /// What no format knows.
    pub unrecognised: Unrecognised,
    /// When the newest record was made or appended, ms.
    pub newest_ms: Option<i64>,
}

/// What there is.
#[derive(Debug, Default)]
pub struct Look {
    /// By name.
    pub topics: BTreeMap<String, Topic>,
    /// Configured, and not to be had.
    pub missing: Vec<Missing>,
    /// The columns.
    pub coverage: Coverage,
    /// Logins that another format tells too.
    pub other_logins: LoginsByClass,
    /// What went wrong on the way, each once.
    pub troubles: Vec<String>,
}

/// One partition that is read.
struct Track {
    partition: Partition,
    origin: String,
    end: i64,
    is_done: bool,
}

/// Reads the last records of all partitions of the configured topics. `stop` ends it early.
///
/// # Errors
/// When Kafka cannot be used, or gives nothing in time.
pub fn look(
    setup: &Setup,
    kafka: &KafkaOptions,
    bounds: Bounds,
    stop: &AtomicBool,
) -> Result<Look, LookError> {
    let deadline = Instant::now() + bounds.within;
    let mut source = KafkaSource::connect(kafka)?;
    let mut look = Look::default();
    let mut tracks = begin(&mut source, &mut look, bounds, deadline)?;
    let mut intakes = BTreeMap::new();
    for topic in look.topics.keys() {
        let intake = Intake::new(setup, topic)?.without_lateness();
        intakes.insert(topic.clone(), intake);
    }
    let is_open = |tracks: &[Track]| tracks.iter().any(|track| !track.is_done);
    while is_open(&tracks) && Instant::now() < deadline && !stop.load(Ordering::Relaxed) {
        source.poll(MESSAGES_MAX, POLL_TIMEOUT, &mut |polled| {
            look.take(polled, &mut tracks, &mut intakes);
        })?;
        for (index, track) in tracks.iter().enumerate() {
            if track.is_done {
                source.pause(index);
            }
        }
        look.gather(&mut intakes)?;
    }
    for track in tracks.iter().filter(|track| !track.is_done) {
        look.topic(&track.partition).unfinished += 1;
    }
    let is_nothing = look.topics.values().all(|topic| topic.counts.records == 0);
    if is_nothing && is_open(&tracks) && !stop.load(Ordering::Relaxed) {
        let trouble = look.troubles.last().map(|trouble| format!(": {trouble}"));
        return Err(LookError::Silent {
            within: bounds.within,
            trouble: trouble.unwrap_or_default(),
        });
    }
    Ok(look)
}

/// Finds the partitions and has those that hold something read from their last records on.
fn begin(
    source: &mut KafkaSource,
    look: &mut Look,
    bounds: Bounds,
    deadline: Instant,
) -> Result<Vec<Track>, SourceError> {
    let left = || deadline.saturating_duration_since(Instant::now());
    let found = source.find(left())?;
    look.missing = found.missing;
    let (mut starts, mut tracks) = (Vec::new(), Vec::new());
    for partition in found.partitions {
        look.topic(&partition).partitions += 1;
        let (low, end) = source.watermarks(&partition, left())?;
        let start = low.max(end - i64::from(bounds.records_max));
        if start < end {
            starts.push((partition.clone(), start));
            tracks.push(Track {
                origin: partition.to_string(),
                partition,
                end,
                is_done: false,
            });
        }
    }
    if !starts.is_empty() {
        source.assign(&starts)?;
    }
    Ok(tracks)
}

impl Look {
    fn topic(&mut self, partition: &Partition) -> &mut Topic {
        self.topics.entry(partition.topic.clone()).or_default()
    }

    fn take(
        &mut self,
        polled: Polled<'_>,
        tracks: &mut [Track],
        intakes: &mut BTreeMap<String, Intake>,
    ) {
        match polled {
            Polled::Record {
                partition,
                offset,
                timestamp_ms,
                payload,
            } => {
                let track = &mut tracks[partition];
                track.is_done |= track.end <= offset + 1;
                if track.end <= offset {
                    return;
                }
                let topic = self.topic(&track.partition);
                topic.newest_ms = topic.newest_ms.max(timestamp_ms);
                let intake = intakes
                    .get_mut(&track.partition.topic)
                    .expect("one for each topic");
                intake.begin(&track.origin);
                match payload {
                    Some(payload) => intake.record(payload, offset as u64, timestamp_ms),
                    None => intake.tombstone(offset as u64),
                }
            }
            Polled::End { partition, .. } => tracks[partition].is_done = true,
            Polled::Gap { .. } => {}
            Polled::Trouble { text } => {
                if !self.troubles.iter().any(|known| known == text) {
                    self.troubles.push(text.to_owned());
                }
            }
        }
    }

    /// Takes what the intakes have made of the records.
    fn gather(&mut self, intakes: &mut BTreeMap<String, Intake>) -> Result<(), SchemaError> {
        for (name, intake) in intakes {
            if 0 < intake.waiting() {
                self.coverage
                    .take(name, &Events::new(&intake.take_batch())?);
            }
            let topic = self.topics.entry(name.clone()).or_default();
            topic.counts.add(intake.take_counts());
            for rejected in intake.take_rejected() {
                *topic.reasons.entry(rejected.reason).or_default() += 1;
            }
            let more = intake.take_unrecognised();
            topic.unrecognised.add(more.parts, &more.keys);
            for (class, logins) in intake.take_other_logins() {
                *self.other_logins.entry(class).or_default() += logins;
            }
        }
        Ok(())
    }
}
