//! Files to rows by day, on several threads: whoever reads a file decodes it, and gives blocks away
//! to those who have no file left to read.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender};

use super::{BacktestError, Read};
use crate::days::DayStore;
use crate::intake::{Intake, SourceCounts, UnrecognisedBySource};
use crate::query::Condition;
use crate::setup::Setup;
use crate::source::file::{LogFile, Piece, read as read_file};
use crate::store::quarantine::QuarantineEntry;

/// Rows of a batch on its way to the days.
const BATCH_ROWS: usize = 8192;

/// What is to be read, and how.
pub struct Inputs<'a> {
    /// The files.
    pub files: &'a [LogFile],
    /// Threads that read and decode.
    pub threads: usize,
    /// Rows beyond this size in memory are spilled to disk.
    pub memory_bytes: usize,
    /// Where to.
    pub spill_folder: PathBuf,
    /// Only rows for which this holds are read.
    pub condition: Option<&'a Condition>,
    /// Set by Ctrl-C.
    pub stop: &'a AtomicBool,
    /// Told how many bytes of the files were read.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// Lines of a file, given away by its reader.
struct Block {
    file: usize,
    bytes: Vec<u8>,
    first_record: u64,
}

/// What the workers share.
struct Shared<'a> {
    setup: &'a Setup,
    inputs: &'a Inputs<'a>,
    next_file: AtomicUsize,
    days: Mutex<DayStore>,
}

/// Reads files into rows by day.
///
/// # Errors
/// When a file cannot be opened, a source's format is not known, or rows cannot be spilled.
pub fn read(setup: &Setup, inputs: &Inputs<'_>) -> Result<Read, BacktestError> {
    let days = DayStore::new(inputs.memory_bytes, inputs.spill_folder.clone());
    let next_file = AtomicUsize::new(0);
    let shared = Shared {
        setup,
        inputs,
        next_file,
        days: Mutex::new(days),
    };
    let threads = inputs.threads.max(1);
    let (give, take) = crossbeam_channel::bounded::<Block>(threads);
    let workers: Vec<Result<Worker<'_>, BacktestError>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                let (shared, give, take) = (&shared, give.clone(), take.clone());
                scope.spawn(move || Worker::new(shared).work(give, take))
            })
            .collect();
        // Only the workers may hold the giving end, or the last of them would wait for ever.
        drop(give);
        handles
            .into_iter()
            .map(|h| h.join().expect("a reader panicked"))
            .collect()
    });
    let mut counts = SourceCounts::new();
    let mut unrecognised = UnrecognisedBySource::new();
    let mut rejected = Vec::new();
    for worker in workers {
        let worker = worker?;
        for (source, part) in worker.counts {
            counts.entry(source).or_default().add(part);
        }
        for (source, part) in worker.unrecognised {
            unrecognised
                .entry(source)
                .or_default()
                .add(part.parts, &part.keys);
        }
        rejected.extend(worker.rejected);
    }
    if inputs.stop.load(Ordering::Relaxed) {
        return Err(BacktestError::Interrupted);
    }
    rejected
        .sort_by(|a, b| (&a.origin, a.offset, a.element).cmp(&(&b.origin, b.offset, b.element)));
    Ok(Read {
        days: shared.days.into_inner().expect("no reader panicked"),
        counts,
        rejected,
        unrecognised,
        files: inputs.files.len(),
        bytes: inputs.files.iter().map(|file| file.bytes).sum(),
    })
}

/// Takes records that are in memory already: (source, bytes).
///
/// # Errors
/// When a source's format is not known.
pub fn read_records<'r>(
    setup: &Setup,
    records: impl IntoIterator<Item = (&'r str, &'r [u8])>,
) -> Result<Read, BacktestError> {
    let mut days = DayStore::new(usize::MAX, PathBuf::new());
    let mut intakes = BTreeMap::<String, (Intake, u64)>::new();
    let mut bytes = 0;
    for (source, record) in records {
        if !intakes.contains_key(source) {
            let mut intake = Intake::new(setup, source)?;
            intake.begin("memory");
            intakes.insert(source.to_owned(), (intake, 0));
        }
        let (intake, number) = intakes.get_mut(source).expect("just made");
        *number += 1;
        bytes += record.len() as u64;
        intake.record(record, *number, None);
        if BATCH_ROWS <= intake.waiting() {
            days.push(&setup.world.calendar, intake.take_batch())?;
        }
    }
    let mut read = Read {
        days,
        counts: SourceCounts::new(),
        rejected: Vec::new(),
        unrecognised: UnrecognisedBySource::new(),
        files: 0,
        bytes,
    };
    for (source, (mut intake, _)) in intakes {
        read.days.push(&setup.world.calendar, intake.take_batch())?;
        let unrecognised = intake.take_unrecognised();
        read.unrecognised.insert(source.clone(), unrecognised);
        read.counts.insert(source, intake.take_counts());
        read.rejected.append(&mut intake.take_rejected());
    }
    Ok(read)
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    intakes: BTreeMap<&'a str, Intake>,
    counts: SourceCounts,
    unrecognised: UnrecognisedBySource,
    rejected: Vec<QuarantineEntry>,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared<'a>) -> Self {
        Worker {
            shared,
            intakes: BTreeMap::new(),
            counts: SourceCounts::new(),
            unrecognised: UnrecognisedBySource::new(),
            rejected: Vec::new(),
        }
    }

    fn work(mut self, give: Sender<Block>, take: Receiver<Block>) -> Result<Self, BacktestError> {
        let files = self.shared.inputs.files;
        while let number = self.shared.next_file.fetch_add(1, Ordering::Relaxed)
            && let Some(file) = files.get(number)
        {
            let mut failure = None;
            read_file(
                &file.path,
                self.shared.inputs.progress,
                &mut |piece| match self.piece(number, piece, &give) {
                    Ok(()) if !self.shared.inputs.stop.load(Ordering::Relaxed) => {
                        ControlFlow::Continue(())
                    }
                    Ok(()) => ControlFlow::Break(()),
                    Err(error) => {
                        failure = Some(error);
                        ControlFlow::Break(())
                    }
                },
            )?;
            if let Some(error) = failure {
                return Err(error);
            }
        }
        drop(give);
        for block in take {
            self.lines(block.file, &block.bytes, block.first_record)?;
        }
        for source in self.intakes.keys().copied().collect::<Vec<_>>() {
            self.flush(source)?;
        }
        for (source, intake) in &mut self.intakes {
            self.counts
                .entry((*source).to_owned())
                .or_default()
                .add(intake.take_counts());
            let unrecognised = intake.take_unrecognised();
            self.unrecognised.insert((*source).to_owned(), unrecognised);
            self.rejected.append(&mut intake.take_rejected());
        }
        Ok(self)
    }

    fn piece(
        &mut self,
        file: usize,
        piece: Piece<'_>,
        give: &Sender<Block>,
    ) -> Result<(), BacktestError> {
        match piece {
            Piece::Lines {
                bytes,
                first_record,
            } => {
                if self.shared.inputs.threads <= 1 {
                    return self.lines(file, bytes, first_record);
                }
                let block = Block {
                    file,
                    bytes: std::mem::take(bytes),
                    first_record,
                };
                match give.try_send(block) {
                    Ok(()) => Ok(()),
                    // Everybody is busy: do it here.
                    Err(back) => {
                        let block = back.into_inner();
                        self.lines(block.file, &block.bytes, block.first_record)
                    }
                }
            }
            Piece::TooLarge { record, bytes } => {
                self.set_aside(file, record, bytes, "record is larger than 64 MiB")
            }
            Piece::Broken { record, reason } => self.set_aside(file, record, 0, &reason),
        }
    }

    fn intake(&mut self, file: usize) -> Result<&mut Intake, BacktestError> {
        let file = &self.shared.inputs.files[file];
        if !self.intakes.contains_key(file.source.as_str()) {
            let intake = Intake::new(self.shared.setup, &file.source)?;
            self.intakes.insert(&file.source, intake);
        }
        let intake = self
            .intakes
            .get_mut(file.source.as_str())
            .expect("just made");
        intake.begin(&file.path.to_string_lossy());
        Ok(intake)
    }

    fn lines(&mut self, file: usize, bytes: &[u8], first_record: u64) -> Result<(), BacktestError> {
        let intake = self.intake(file)?;
        intake.lines(bytes, first_record);
        if BATCH_ROWS <= intake.waiting() {
            self.flush(&self.shared.inputs.files[file].source)?;
        }
        Ok(())
    }

    fn set_aside(
        &mut self,
        file: usize,
        record: u64,
        bytes: u64,
        reason: &str,
    ) -> Result<(), BacktestError> {
        self.intake(file)?.set_aside(record, bytes, reason);
        Ok(())
    }

    fn flush(&mut self, source: &str) -> Result<(), BacktestError> {
        let Some(intake) = self.intakes.get_mut(source) else {
            return Ok(());
        };
        if intake.waiting() == 0 {
            return Ok(());
        }
        let mut batch = intake.take_batch();
        if let Some(condition) = self.shared.inputs.condition {
            batch = condition.apply(&batch).map_err(BacktestError::Condition)?;
        }
        let mut days = self.shared.days.lock().expect("no reader panicked");
        Ok(days.push(&self.shared.setup.world.calendar, batch)?)
    }
}
