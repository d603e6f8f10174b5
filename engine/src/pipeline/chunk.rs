//! What the reader hands to the driver at once.

use arrow::array::RecordBatch;

use super::health::Health;
use crate::clock::Partition;
use crate::intake::SourceCounts;
use crate::source::kafka::TopicId;
use crate::store::late::LateEntry;
use crate::store::quarantine::QuarantineEntry;

/// Rows, and how far the reading has come with them.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Partitions taken in since the last chunk; their index is their place in the order of arrival.
    pub added: Vec<Partition>,
    /// Ids of topics, where they are new or others than before.
    pub topic_ids: Vec<(String, TopicId)>,
    /// All partitions that there are, are being read.
    pub is_whole: bool,
    /// Partitions whose topic was deleted.
    pub gone: Vec<Partition>,
    /// Partitions that are read from their beginning again, in a topic made anew.
    pub begun_again: Vec<usize>,
    /// What cannot be seen, for whoever watches the watcher.
    pub health: Vec<Health>,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Partitions that moved.
    pub moved: Vec<Moved>,
    /// The least partition clock after these rows, where it changed.
    pub sealing_clock_ms: Option<i64>,
    /// What was set aside.
    pub rejected: Vec<QuarantineEntry>,
    /// Rows that came too late.
    pub late: Vec<LateEntry>,
    /// What became of the records.
    pub counts: SourceCounts,
    /// Records that Kafka still holds, per partition, when measured.
    pub lags: Vec<(usize, i64)>,
    /// Partitions that wait because they are ahead.
    pub paused: Vec<usize>,
    /// Whether more was waiting when the chunk was closed.
    pub is_catching_up: bool,
    /// Every partition was read to its goal: the last chunk.
    pub is_last: bool,
}

/// One partition's progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    /// Index of the partition.
    pub partition: usize,
    /// Offset of the next record.
    pub next_offset: i64,
    /// Arrival of the last record, or an idle clock that was used.
    pub clock_ms: Option<i64>,
}

impl Chunk {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.topic_ids.is_empty()
            && self.gone.is_empty()
            && self.begun_again.is_empty()
            && self.health.is_empty()
            && self.batches.is_empty()
            && self.moved.is_empty()
            && self.sealing_clock_ms.is_none()
            && self.rejected.is_empty()
            && self.late.is_empty()
            && self.lags.is_empty()
            && !self.is_last
    }
}
