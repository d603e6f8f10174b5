//! Records of the quarantine are read again, with the formats as they are now, and judged as if they had
//! been read when they came.
//!
//! Invariant: each record is admitted by its own arrival, and a row only enters days that no detector
//! reading it has closed: so the final alerts are those of a run that could read it from the first.
//! Nothing is published here; what follows is told by the next run, behind whose positions all this lies.

mod fetch;

pub use fetch::{FetchError, Found, Wanted, fetch};

use std::collections::BTreeMap;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use nightjar_detectors::core::{Core, RestoreError};
use nightjar_detectors::event::Events;

use crate::days::{DayStore, SpillError};
use crate::decode::FormatError;
use crate::intake::Intake;
use crate::pipeline::Meta;
use crate::setup::Setup;
use crate::source::kafka::KafkaOptions;
use crate::store::StoreError;
use crate::store::alerts::AlertStore;
use crate::store::late::{LateEntry, TooLate};
use crate::store::lock::FolderLock;
use crate::store::quarantine::{Outcome, QuarantineFilter, Quarantined};
use crate::store::state::StateStore;

/// Why records cannot be read again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A store cannot be used, or a service has it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored state cannot be read.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Its positions cannot be read.
    #[error(
        "the state folder's positions cannot be read; restore a backup or start with an empty state folder"
    )]
    Meta(#[source] postcard::Error),
    /// No state was stored yet, or the history is not behind it.
    #[error(
        "the service has not finished reading what the topics held before its first start; it reads these records with the present formats when it goes on, so run it first"
    )]
    History,
    /// A source's format is not known.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Kafka does not answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Rows could not be kept.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// Rows could not be divided.
    #[error("rows that were read again cannot be divided")]
    Arrow(#[from] ArrowError),
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was read and judged.
    Read,
    /// It was read; rows of it belong to closed days, or came later than is allowed.
    TooLate,
    /// It cannot be read, for this reason.
    Bad(String),
    /// It is no longer there, for this reason.
    Gone(String),
}

/// One record of the quarantine, however many of its elements were set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The first of its entries.
    pub entry: Quarantined,
    /// What became of it.
    pub fate: Fate,
}

/// A record's entries.
type ByRecord = BTreeMap<Wanted, Vec<Quarantined>>;

/// Reads the open entries of the quarantine that a filter takes again. Holds the folder meanwhile.
///
/// # Errors
/// When a service has the folder, a store cannot be used, or Kafka does not answer; the state is then as
/// it was.
pub fn replay(
    setup: &Setup,
    kafka: &KafkaOptions,
    filter: &QuarantineFilter,
) -> Result<Vec<Replayed>, ReplayError> {
    let config = &setup.config;
    let _lock = FolderLock::take(&config.state.dir)?;
    let alerts = AlertStore::open(&config.state.dir, &config.tenant, config.zone)?;
    let mut state = StateStore::open(&config.state.dir, &config.tenant, config.zone)?;
    let stored = state.load()?.ok_or(ReplayError::History)?;
    let mut meta = Meta::decode(&stored.meta).map_err(ReplayError::Meta)?;
    if meta.history.is_some() {
        return Err(ReplayError::History);
    }
    let filter = QuarantineFilter {
        is_open: true,
        ..filter.clone()
    };
    let mut records = ByRecord::new();
    for entry in alerts.reader()?.quarantined(&filter)? {
        records
            .entry(Wanted::of(&entry.entry))
            .or_default()
            .push(entry);
    }
    let mut judge = Judge {
        setup,
        core: Core::new(setup.world.clone(), 1),
        held: DayStore::new(usize::MAX, config.state.dir.join("held")),
        intakes: BTreeMap::new(),
        late: Vec::new(),
        is_changed: false,
    };
    judge.core.restore(stored.rows)?;
    for batch in meta.take_held()? {
        judge.held.push(&setup.world.calendar, batch)?;
    }
    let mut replayed = Vec::new();
    let mut failure = None;
    let wanted: Vec<&Wanted> = records.keys().collect();
    fetch(kafka, &wanted, &mut |wanted, found| {
        let entry = records[wanted][0].clone();
        match judge.fate(&entry, found) {
            Ok(fate) => replayed.push(Replayed { entry, fate }),
            Err(error) => failure = Some(error),
        }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    // The state goes first: what it holds already is a repeat when the marks of it are lost.
    meta.set_held(judge.held.batches())?;
    if judge.is_changed {
        let rows = judge.core.snapshot().rows;
        state.checkpoint(&rows, &meta.encode())?;
    }
    alerts.enter_late(&judge.late)?;
    alerts.settle(&outcomes(&records, &replayed))?;
    replayed.sort_by_key(|record| record.entry.number);
    Ok(replayed)
}

fn outcomes(records: &ByRecord, replayed: &[Replayed]) -> Vec<(u64, Outcome)> {
    let mut outcomes = Vec::new();
    for record in replayed {
        let outcome = match record.fate {
            Fate::Read => Outcome::Replayed,
            Fate::TooLate => Outcome::TooLate,
            Fate::Bad(_) | Fate::Gone(_) => continue,
        };
        let entries = &records[&Wanted::of(&record.entry.entry)];
        outcomes.extend(entries.iter().map(|entry| (entry.number, outcome)));
    }
    outcomes
}

struct Judge<'a> {
    setup: &'a Setup,
    core: Core,
    /// Rows whose day may not be judged yet.
    held: DayStore,
    /// By source, and whether what it reads came before the first start.
    intakes: BTreeMap<(String, bool), Intake>,
    late: Vec<LateEntry>,
    is_changed: bool,
}

impl Judge<'_> {
    /// Reads one record and judges its rows.
    fn fate(&mut self, record: &Quarantined, found: Found<'_>) -> Result<Fate, ReplayError> {
        let entry = &record.entry;
        let bytes = match found {
            Found::Bytes(bytes) if bytes.len() as u64 == entry.bytes => bytes,
            // A file's name goes on to the next when it is rotated.
            Found::Bytes(_) => return Ok(Fate::Gone("another record lies there now".into())),
            Found::Gone(why) => return Ok(Fate::Gone(why)),
        };
        let key = (entry.source.clone(), entry.is_history);
        if !self.intakes.contains_key(&key) {
            let intake = Intake::new(self.setup, &entry.source)?;
            let intake = match entry.is_history {
                true => intake.without_lateness(),
                false => intake,
            };
            self.intakes.insert(key.clone(), intake);
        }
        let intake = self.intakes.get_mut(&key).expect("just made");
        intake.begin(&entry.origin);
        intake.record(bytes, entry.offset, entry.arrival_ms);
        let rejected = intake.take_rejected();
        let mut late = intake.take_late();
        let batch = intake.take_batch();
        late.append(&mut self.judge(&batch, entry.arrival_ms)?);
        let fate = match rejected.into_iter().next() {
            Some(rejected) => Fate::Bad(rejected.reason),
            None if late.is_empty() => Fate::Read,
            None => Fate::TooLate,
        };
        // Of a record that is read in part, rows that were judged long ago would count as late.
        if fate == Fate::TooLate {
            self.late.append(&mut late);
        }
        Ok(fate)
    }

    /// Judges the rows that are on time and whose days are open; gives those of closed days.
    fn judge(
        &mut self,
        batch: &RecordBatch,
        arrival_ms: Option<i64>,
    ) -> Result<Vec<LateEntry>, ReplayError> {
        let calendar = &self.setup.world.calendar;
        let events = Events::new(batch).expect("the intake makes canonical batches");
        let (mut late, mut is_open) = (Vec::new(), Vec::new());
        for (number, row) in (0..).zip(events.rows()) {
            let day = calendar.day(row.time());
            is_open.push(!row.late() && self.core.is_open(day, row.activity()));
            if row.late() || is_open[number as usize] {
                continue;
            }
            late.push(LateEntry {
                source: row.source().to_owned(),
                origin: row.origin().to_owned(),
                offset: row.offset(),
                row: number,
                user: row.user().map(str::to_owned),
                time_ms: row.time(),
                lateness_ms: arrival_ms.map(|arrival_ms| arrival_ms - row.time()),
                class: row.class().to_owned(),
                why: TooLate::Replayed,
            });
        }
        let open = filter_record_batch(batch, &BooleanArray::from(is_open))?;
        for (day, part) in crate::days::by_day(calendar, &open)? {
            self.is_changed = true;
            if self.core.is_ready(day) {
                self.core
                    .observe(&[part])
                    .expect("the intake makes canonical batches");
            } else {
                self.held.push(calendar, part)?;
            }
        }
        Ok(late)
    }
}
