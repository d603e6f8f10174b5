//! What a checkpoint holds besides the detectors' state: positions, clocks, rows held back.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use nightjar_detectors::event::pipeline_schema;
use nightjar_detectors::time::Day;
use serde::{Deserialize, Serialize};

use crate::clock::Partition;
use crate::source::kafka::TopicId;

/// How far one partition was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Offset of the next record.
    pub next_offset: i64,
    /// Arrival of the last record, or an idle clock that was used, ms.
    pub clock_ms: Option<i64>,
}

/// What the topics held before the first start, while it is being read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Where each partition ended then.
    pub ends: BTreeMap<Partition, i64>,
    /// The last day that was judged.
    pub fed_through: Option<Day>,
}

/// The engine's own part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// By partition.
    pub positions: BTreeMap<Partition, Position>,
    /// Being read; `None` before and after.
    pub history: Option<History>,
    /// Rows whose day may not be judged yet, as an Arrow IPC stream.
    pub held: Vec<u8>,
    /// Ids of the topics that the positions are of, where the broker tells them.
    pub topic_ids: BTreeMap<String, TopicId>,
}

impl Meta {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("positions are plain data")
    }

    /// Back from bytes.
    ///
    /// # Errors
    /// When they are not those of a [`Meta`].
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }

    /// Offsets alone: what a commit of alerts reflects.
    pub fn offsets(&self) -> BTreeMap<Partition, i64> {
        let offset = |(partition, position): (&Partition, &Position)| {
            (partition.clone(), position.next_offset)
        };
        self.positions.iter().map(offset).collect()
    }

    /// Stores the rows that are held back.
    ///
    /// # Errors
    /// When Arrow cannot encode them.
    pub fn set_held<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a RecordBatch>,
    ) -> Result<(), ArrowError> {
        self.held.clear();
        let batches: Vec<_> = batches.cloned().collect();
        if batches.is_empty() {
            return Ok(());
        }
        let whole = arrow::compute::concat_batches(&pipeline_schema(), &batches)?;
        let mut writer = StreamWriter::try_new(&mut self.held, &pipeline_schema())?;
        writer.write(&whole)?;
        writer.finish()
    }

    /// The rows that were held back.
    ///
    /// # Errors
    /// When they cannot be decoded.
    pub fn take_held(&mut self) -> Result<Vec<RecordBatch>, ArrowError> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return Ok(Vec::new());
        }
        StreamReader::try_new(held.as_slice(), None)?.collect()
    }
}
