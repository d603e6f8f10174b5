//! What a checkpoint holds besides the detectors' state: positions, clocks, rows held back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::Field;
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
    /// The last day that, like all before it, has rows of the history alone.
    pub history_through: Option<Day>,
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
        let batches = StreamReader::try_new(held.as_slice(), None)?;
        batches.map(|batch| with_all_columns(&batch?)).collect()
    }
}

/// A batch that an earlier version wrote has no values in the columns that came since.
fn with_all_columns(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = pipeline_schema();
    let column = |field: &Arc<Field>| {
        let known = batch.column_by_name(field.name()).cloned();
        known.unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
    };
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema.clone(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_detectors::event::{Draft, Events, EventsBuilder};

    /// A checkpoint of a version with fewer columns is read, the new ones null.
    #[test]
    fn rows_held_back_by_an_earlier_version_are_read() {
        let mut builder = EventsBuilder::new(&["c"]);
        builder.begin("s", "o");
        builder.push(&Draft {
            uid: "u",
            session: Some("x"),
            offset: 7,
            ..Draft::default()
        });
        let batch = builder.finish();
        let mut meta = Meta::default();
        meta.set_held([&batch].into_iter()).unwrap();
        assert_eq!(meta.take_held().unwrap(), std::slice::from_ref(&batch));

        let new = ["method", "reason"].map(|name| batch.schema().index_of(name).unwrap());
        let old: Vec<usize> = (0..batch.num_columns())
            .filter(|at| !new.contains(at))
            .collect();
        let old = batch.project(&old).unwrap();
        let mut writer = StreamWriter::try_new(&mut meta.held, &old.schema()).unwrap();
        writer.write(&old).unwrap();
        writer.finish().unwrap();
        let read = meta.take_held().unwrap();
        let events = Events::new(&read[0]).unwrap();
        let row = events.row(0);
        assert_eq!(
            (row.session(), row.method(), row.offset()),
            (Some("x"), None, 7)
        );
    }
}
