//! Rows by day: what is read ahead of its turn, in memory up to a budget and as Arrow IPC beyond it.
//!
//! Invariant: `take` gives every row of a day exactly once, whatever was spilled.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::PathBuf;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::error::ArrowError;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use nightjar_detectors::event::pipeline_schema;
use nightjar_detectors::time::{Calendar, Day};

/// What went wrong with a spilled day.
#[derive(Debug, thiserror::Error)]
pub enum SpillError {
    /// The folder for spilled days is full or cannot be written.
    #[error("cannot spill rows to {path}; free some disk space or name another folder with TMPDIR")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A spilled file cannot be written or read back.
    #[error("cannot store rows as Arrow IPC")]
    Arrow(#[from] ArrowError),
}

/// Rows waiting for their day.
#[derive(Debug)]
pub struct DayStore {
    days: BTreeMap<Day, Waiting>,
    bytes: usize,
    bytes_max: usize,
    folder: PathBuf,
    files: u32,
    made_folder: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: Vec<RecordBatch>,
    bytes: usize,
    rows: usize,
    spilled: Vec<PathBuf>,
}

impl DayStore {
    /// Keeps up to `bytes_max` in memory; more goes to files in `folder`, which is made when needed
    /// and removed at the end.
    pub fn new(bytes_max: usize, folder: PathBuf) -> Self {
        DayStore {
            days: BTreeMap::new(),
            bytes: 0,
            bytes_max,
            folder,
            files: 0,
            made_folder: false,
        }
    }

    /// Adds rows, each to its day.
    ///
    /// # Errors
    /// When the budget is exceeded and the spill folder cannot be written.
    pub fn push(&mut self, calendar: &Calendar, batch: RecordBatch) -> Result<(), SpillError> {
        for (day, part) in by_day(calendar, &batch)? {
            let size = part.get_array_memory_size();
            let waiting = self.days.entry(day).or_default();
            waiting.rows += part.num_rows();
            waiting.bytes += size;
            waiting.batches.push(part);
            self.bytes += size;
        }
        while self.bytes_max < self.bytes {
            let largest = self.days.iter().max_by_key(|(_, waiting)| waiting.bytes);
            let Some(day) = largest.map(|(day, _)| *day) else {
                break;
            };
            self.spill(day)?;
        }
        Ok(())
    }

    /// The days that have rows, ascending.
    pub fn days(&self) -> Vec<Day> {
        self.days.keys().copied().collect()
    }

    /// Rows waiting.
    pub fn rows(&self) -> usize {
        self.days.values().map(|waiting| waiting.rows).sum()
    }

    /// All rows in memory, for a checkpoint.
    pub fn batches(&self) -> impl Iterator<Item = &RecordBatch> {
        self.days.values().flat_map(|waiting| &waiting.batches)
    }

    /// Takes the rows of a day out.
    ///
    /// # Errors
    /// When a spilled file cannot be read back.
    pub fn take(&mut self, day: Day) -> Result<Vec<RecordBatch>, SpillError> {
        let Some(mut waiting) = self.days.remove(&day) else {
            return Ok(Vec::new());
        };
        self.bytes -= waiting.bytes;
        for path in waiting.spilled {
            let io = |source| SpillError::Io {
                path: path.clone(),
                source,
            };
            let reader = FileReader::try_new(BufReader::new(File::open(&path).map_err(io)?), None)?;
            for batch in reader {
                waiting.batches.push(batch?);
            }
            std::fs::remove_file(&path).map_err(io)?;
        }
        Ok(waiting.batches)
    }

    fn spill(&mut self, day: Day) -> Result<(), SpillError> {
        let Some(waiting) = self.days.get_mut(&day) else {
            return Ok(());
        };
        let path = self.folder.join(format!("{day}-{}.arrow", self.files));
        let io = |source| SpillError::Io {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(&self.folder).map_err(io)?;
        self.made_folder = true;
        self.files += 1;
        let options =
            IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let file = BufWriter::new(File::create(&path).map_err(io)?);
        let mut writer = FileWriter::try_new_with_options(file, &pipeline_schema(), options)?;
        let whole = arrow::compute::concat_batches(&pipeline_schema(), &waiting.batches)?;
        writer.write(&whole)?;
        writer.finish()?;
        waiting.spilled.push(path);
        waiting.batches.clear();
        self.bytes -= std::mem::take(&mut waiting.bytes);
        Ok(())
    }
}

impl Drop for DayStore {
    fn drop(&mut self) {
        if self.made_folder {
            // Left-over files are only a waste of space; nobody reads them again.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A batch cut by the day of its rows; the batch itself where all rows are of one day.
pub fn by_day(
    calendar: &Calendar,
    batch: &RecordBatch,
) -> Result<Vec<(Day, RecordBatch)>, ArrowError> {
    let Ok(events) = nightjar_detectors::event::Events::new(batch) else {
        return Err(ArrowError::SchemaError(
            "not a batch of canonical events".into(),
        ));
    };
    let mut rows = BTreeMap::<Day, Vec<u32>>::new();
    let mut last: Option<(Day, i64, i64)> = None;
    for (row, time) in events.times().iter().enumerate() {
        let day = match last {
            Some((day, start, end)) if (start..end).contains(time) => day,
            _ => {
                let day = calendar.day(*time);
                last = Some((day, calendar.start(day), calendar.end(day)));
                day
            }
        };
        rows.entry(day).or_default().push(row as u32);
    }
    if rows.len() == 1 {
        return Ok(rows.into_keys().map(|day| (day, batch.clone())).collect());
    }
    rows.into_iter()
        .map(|(day, rows)| Ok((day, take_record_batch(batch, &UInt32Array::from(rows))?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_detectors::event::{Draft, EventsBuilder};

    /// Spilling is invisible: the same rows come back, each once.
    #[test]
    fn a_spilled_day_is_whole() {
        let calendar = Calendar::new(chrono_tz::Europe::Berlin);
        let folder = tempfile::tempdir().unwrap();
        for bytes_max in [usize::MAX, 0] {
            let mut store = DayStore::new(bytes_max, folder.path().join("spill"));
            for n in 0..10i64 {
                let mut builder = EventsBuilder::new(&["x"]);
                builder.begin("s", "o");
                for hour in 0..48 {
                    let time = 1_772_000_000_000 + (hour + n) * 3_600_000;
                    builder.push(&Draft {
                        time,
                        uid: &format!("{n}-{hour}"),
                        ..Draft::default()
                    });
                }
                store.push(&calendar, builder.finish()).unwrap();
            }
            assert_eq!(store.rows(), 480);
            let mut seen = std::collections::BTreeSet::new();
            for day in store.days() {
                for batch in store.take(day).unwrap() {
                    let events = nightjar_detectors::event::Events::new(&batch).unwrap();
                    for row in events.rows() {
                        assert_eq!(calendar.day(row.time()), day);
                        assert!(seen.insert(row.uid().to_owned()));
                    }
                }
            }
            assert_eq!(seen.len(), 480);
        }
        assert!(!folder.path().join("spill").exists());
    }
}
