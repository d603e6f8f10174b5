//! Replay of files through the very detectors of the service: read everything by day, then judge the
//! days in order.
//!
//! Invariant: the final alerts depend on the set of records and on the settings alone, not on files,
//! their order, or the number of threads.

pub mod hindsight;
mod read;
pub mod summary;

pub use read::{Inputs, read, read_records};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use nightjar_detectors::alert::Alert;
use nightjar_detectors::core::{Core, SealedDay};
use nightjar_detectors::shard::Tally;
use nightjar_detectors::time::Day;

use crate::days::{DayStore, SpillError};
use crate::decode::FormatError;
use crate::evaluate::misses::Near;
use crate::evaluate::score::Shown;
use crate::intake::{SourceCounts, UnrecognisedBySource};
use crate::pipeline::Meta;
use crate::setup::Setup;
use crate::source::file::FileError;
use crate::store::StoreError;
use crate::store::alerts::AlertStore;
use crate::store::lock::FolderLock;
use crate::store::quarantine::QuarantineEntry;
use crate::store::state::StateStore;

/// What ends a backtest early.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// A path means nothing, or a file cannot be opened.
    #[error(transparent)]
    File(#[from] FileError),
    /// A source's format is not known.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Rows could not be spilled.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// A trained state cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A state would be overwritten.
    #[error("{0} holds a state already; name an empty folder")]
    StateExists(String),
    /// Ctrl-C.
    #[error("interrupted; nothing was stored")]
    Interrupted,
    /// Hindsight needs other days, and not many.
    #[error(
        "--hindsight judges each day against all the others and takes 2 to 31 days, but there are {0}; leave it out, or limit the days with --where"
    )]
    HindsightDays(usize),
    /// `--where` fails on a row.
    #[error("the condition of --where fails on a row")]
    Condition(#[source] arrow::error::ArrowError),
}

/// What was read of the files.
pub struct Read {
    /// The rows by day.
    pub days: DayStore,
    /// What became of the records, by source.
    pub counts: SourceCounts,
    /// What was set aside.
    pub rejected: Vec<QuarantineEntry>,
    /// What of it is of no known format.
    pub unrecognised: UnrecognisedBySource,
    /// Number of files.
    pub files: usize,
    /// Their size on disk.
    pub bytes: u64,
}

/// What a replay gave.
pub struct Judged {
    /// The core after the last day was fed.
    pub core: Core,
    /// Final alerts of closed days by id, muted ones included.
    pub alerts: BTreeMap<String, Alert>,
    /// The first and the last day that had rows.
    pub span: Option<(Day, Day)>,
    /// Days with rows, ascending.
    pub days: Vec<Day>,
    /// For an evaluation: the alerts of calibrated detectors at each of the other budgets.
    pub others: Vec<Vec<Shown>>,
    /// And how near the days of those whom it named came.
    pub near: Vec<Near>,
}

impl Judged {
    fn take(&mut self, sealed: Vec<SealedDay>) {
        let world = self.core.world().clone();
        for closed in sealed {
            let alerts = closed.alerts.into_iter();
            self.alerts
                .extend(alerts.map(|alert| (alert.id.clone(), alert)));
            let count = self.others.len().max(closed.others.len());
            self.others.resize_with(count, Vec::new);
            for (shown, alerts) in self.others.iter_mut().zip(&closed.others) {
                let alerts = alerts.iter();
                shown.extend(alerts.filter_map(|alert| Shown::of(alert, &world.calendar)));
            }
            let (detector, day) = (closed.detector, closed.day);
            let near = closed.scores.into_iter();
            self.near.extend(near.map(|score| Near {
                detector,
                day,
                score,
            }));
        }
    }

    /// Stores the trained state in an empty folder for `run` to go on from, as it is before the last days
    /// are closed, with the alerts so far.
    ///
    /// # Errors
    /// When the folder cannot be used or holds a state.
    pub fn save(
        &mut self,
        setup: &Setup,
        rejected: &[QuarantineEntry],
        folder: &Path,
    ) -> Result<(), BacktestError> {
        let _lock = FolderLock::take(folder)?;
        let config = &setup.config;
        let mut state = StateStore::open(folder, &config.tenant, config.zone)?;
        if state.engine()?.is_some() {
            return Err(BacktestError::StateExists(folder.display().to_string()));
        }
        let alerts = AlertStore::open(folder, &config.tenant, config.zone)?;
        let open = self
            .core
            .changes()
            .into_iter()
            .flat_map(|(_, _, alerts)| alerts);
        let so_far: Vec<Alert> = self.alerts.values().cloned().chain(open).collect();
        alerts.publish(&so_far, None)?;
        alerts.set_aside(rejected)?;
        state.checkpoint(&self.core.snapshot().rows, &Meta::default().encode())?;
        Ok(())
    }

    /// Closes every day that had rows; the alerts are then final.
    pub fn seal_all(&mut self) {
        let sealed = self.core.seal_all();
        self.take(sealed);
    }

    /// The tenant's day that an alert is about.
    pub fn day_of(&self, alert: &Alert) -> Option<Day> {
        let start = chrono::DateTime::parse_from_rfc3339(&alert.window.start).ok()?;
        Some(self.core.world().calendar.day(start.timestamp_millis()))
    }

    /// Rows by source: new ones, repeats, and such of closed days.
    pub fn tallies(&self) -> &BTreeMap<Arc<str>, Tally> {
        self.core.tallies()
    }
}

/// Feeds the days in order to a core. The last days stay open: see [`Judged::seal_all`].
///
/// # Errors
/// When spilled rows cannot be read back, or on Ctrl-C.
pub fn judge(
    setup: &Setup,
    threads: usize,
    days: DayStore,
    stop: &AtomicBool,
    progress: &dyn Fn(Day),
) -> Result<Judged, BacktestError> {
    let core = Core::new(setup.world.clone(), threads);
    judge_by(core, days, stop, &mut |day, _| progress(day))
}

/// Like [`judge`] by an empty core; `look` sees every day's rows when they are judged.
///
/// # Errors
/// As [`judge`].
pub fn judge_by(
    core: Core,
    mut days: DayStore,
    stop: &AtomicBool,
    look: &mut dyn FnMut(Day, &[RecordBatch]),
) -> Result<Judged, BacktestError> {
    let all = days.days();
    let mut judged = Judged {
        core,
        alerts: BTreeMap::new(),
        span: all.first().copied().zip(all.last().copied()),
        days: all.clone(),
        others: Vec::new(),
        near: Vec::new(),
    };
    for day in all {
        if stop.load(Ordering::Relaxed) {
            return Err(BacktestError::Interrupted);
        }
        let sealed = judged.core.require(day);
        judged.take(sealed);
        let batches = days.take(day)?;
        judged
            .core
            .observe(&batches)
            .expect("the intake makes canonical batches");
        look(day, &batches);
    }
    Ok(judged)
}
