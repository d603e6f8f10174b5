//! Columnar files (Parquet, Arrow IPC): every row becomes a JSON record whose keys are the columns, nested as they
//! are.
//!
//! Invariant: a null is no value; a file gives its rows in order.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use arrow_ipc::reader::{FileReader, StreamReader};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::read::Stand;

/// Rows that are turned into records at a time.
const BATCH_ROWS: usize = 1024;

/// Kinds of columnar files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Parquet,
    ArrowFile,
    ArrowStream,
}

/// Tells by the first eight bytes.
pub(super) fn kind_of(magic: &[u8]) -> Option<Kind> {
    if magic.starts_with(b"PAR1") {
        Some(Kind::Parquet)
    } else if magic.starts_with(b"ARROW1") {
        Some(Kind::ArrowFile)
    } else if magic.starts_with(&[0xff, 0xff, 0xff, 0xff]) {
        Some(Kind::ArrowStream)
    } else {
        None
    }
}

/// Reads a whole file.
pub(super) fn read(
    file: File,
    kind: Kind,
    progress: &dyn Fn(u64),
    stand: &mut Stand<'_>,
) -> ControlFlow<()> {
    let bytes = file.metadata().map_or(0, |file| file.len());
    let flow = match open(file, kind) {
        Ok(batches) => give(batches, stand),
        Err(_) => stand.broken(UNREADABLE),
    };
    progress(bytes);
    flow
}

const UNREADABLE: &str = "the columnar file is damaged or uses a compression that is not supported";

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

fn open(file: File, kind: Kind) -> Result<Batches, ArrowError> {
    Ok(match kind {
        Kind::Parquet => {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
            Box::new(builder.with_batch_size(BATCH_ROWS).build()?)
        }
        Kind::ArrowFile => Box::new(FileReader::try_new(BufReader::new(file), None)?),
        Kind::ArrowStream => Box::new(StreamReader::try_new(BufReader::new(file), None)?),
    })
}

fn give(batches: Batches, stand: &mut Stand<'_>) -> ControlFlow<()> {
    for batch in batches {
        let Ok(batch) = batch else {
            return stand.broken(UNREADABLE);
        };
        let mut lines = Vec::new();
        let mut writer = LineDelimitedWriter::new(&mut lines);
        if writer.write(&batch).and_then(|()| writer.finish()).is_err() {
            return stand.broken("a column has a type that has no JSON form");
        }
        drop(writer);
        if !lines.is_empty() {
            stand.lines(&mut lines)?;
        }
    }
    ControlFlow::Continue(())
}
