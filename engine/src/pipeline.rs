//! The service: Kafka and the doors to alerts, for ever or to the present end.
//!
//! ```text
//! reader ── chunks ──▶ driver ── alerts ──▶ alerts.db ──▶ subscribers
//!   ▲ gate (ready day)   │ └─── snapshots ─▶ writer ─▶ state.db
//!   └────────────────────┘
//! ```
//!
//! Invariant: what is judged, published and stored moves in the order of the chunks, and a chunk's rows are
//! taken before the clocks that came with it. Alerts are stored before the state that no longer needs
//! their input.

mod chunk;
mod driver;
mod health;
mod history;
mod meta;
mod patience;
mod reader;
mod screen;
mod silence;
mod status;
mod writer;

pub use driver::Finished;
pub use health::HEALTH_NAMES;
pub use meta::{Meta, Position};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use nightjar_detectors::core::{Core, RestoreError};
use nightjar_detectors::time::Day;
use tokio::sync::watch;
use tracing::info;

use patience::{Patience, PatientAlerts};

use crate::days::SpillError;
use crate::decode::FormatError;
use crate::grpc::{Phase, Status};
use crate::setup::Setup;
use crate::source::SourceOptions;
use crate::source::kafka::SourceError;
use crate::store::StoreError;
use crate::store::alerts::AlertStore;
use crate::store::state::StateStore;

/// Chunks on their way from the reader to the driver: a bound, so that a slow driver slows the reader.
const CHUNKS_MAX: usize = 8;

/// Rows of one partition that may wait for their day before it is paused, unless the caller knows better.
pub const HELD_ROWS_MAX: u64 = 10_000;

/// Least time between two revisions, unless the caller knows better.
pub const REVISE_EVERY: Duration = Duration::from_secs(60);

/// What ends the service.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Kafka cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored state cannot be read.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The stored positions cannot be read.
    #[error(
        "the state folder's positions cannot be read; restore a backup or start with an empty state folder"
    )]
    Meta(#[source] postcard::Error),
    /// Rows could not be spilled or stored.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// A source's format is not known.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// How to run.
pub struct Options {
    /// Threads that judge.
    pub threads: usize,
    /// Read to the present end of all partitions, close everything, and end.
    pub once: bool,
    /// What to read.
    pub sources: SourceOptions,
    /// Least time between two revisions of an alert that only grows.
    pub revise_every: Duration,
    /// Rows of one partition that may wait for their day before it is paused.
    pub held_rows_max: u64,
}

/// The latest day that may be judged; told by the driver, heeded by the reader.
#[derive(Debug)]
pub(crate) struct Gate(AtomicI32);

impl Gate {
    fn new(day: Option<Day>) -> Self {
        Gate(AtomicI32::new(day.unwrap_or(Day::MIN)))
    }

    fn set(&self, day: Option<Day>) {
        self.0.store(day.unwrap_or(Day::MIN), Ordering::Release);
    }

    fn ready_day(&self) -> Day {
        self.0.load(Ordering::Acquire)
    }
}

/// The latest day whose rows may be judged.
fn ready_day(core: &Core) -> Option<Day> {
    let of = core.detectors().iter().zip(core.sealed());
    of.map(|(active, sealed)| sealed.map(|sealed| sealed + active.lag))
        .min()
        .flatten()
}

/// Runs on the calling thread until `stop` is set, or to the end with [`Options::once`].
///
/// # Errors
/// When Kafka, a store or the stored state cannot be used, and retrying cannot help.
pub fn run(
    setup: &Arc<Setup>,
    options: &Options,
    alerts: &AlertStore,
    mut state: StateStore,
    status: &watch::Sender<Status>,
    stop: &Arc<AtomicBool>,
) -> Result<Finished, RunError> {
    // Whoever asks while the history is read, or no broker answers, is told whom this serves.
    status.send_replace(status::first(setup));
    let patience = Patience::new(status.clone(), stop.clone());
    let alerts = &PatientAlerts::new(alerts.clone(), patience.clone());
    let mut core = Core::new(setup.world.clone(), options.threads);
    let stored = state.engine()?;
    // What a watched folder holds already is read first where something has to end with it: a history, or the
    // whole run.
    if let Some(spool) = &options.sources.spool
        && (options.once || stored.is_none())
    {
        spool.wait_until_looked(stop);
    }
    let mut meta = match stored {
        Some(meta) => {
            state.rows(|row| core.restore_row(row).map_err(RunError::from))?;
            core.restored();
            Meta::decode(&meta).map_err(RunError::Meta)?
        }
        None => match history::begin(options, &mut state, stop)? {
            Some(meta) => meta,
            None => {
                info!("stopped before anything was read");
                return Ok(Finished::default());
            }
        },
    };
    let writer = writer::Writer::start(state, patience);
    let mut past = history::Past::default();
    if meta.history.is_some() {
        status.send_modify(|status| status.phase = Phase::History);
        past = history::run(setup, options, &mut core, &mut meta, alerts, &writer, stop)?;
    }
    let gate = Arc::new(Gate::new(ready_day(&core)));
    let (send, receive) = crossbeam_channel::bounded(CHUNKS_MAX);
    let reader = reader::Reader::new(setup, options, &meta, gate.clone(), writer.done(), stop)?;
    let reading = std::thread::Builder::new()
        .name("reader".into())
        .spawn(move || reader.run(&send))
        .expect("a thread can be started");
    let driver = driver::Driver::new(setup, core, meta, alerts, writer, gate, status)?;
    let finished = driver
        .after(past)
        .revising_every(options.revise_every)
        .run(&receive);
    drop(receive);
    let read = reading.join().expect("the reader does not panic");
    let finished = finished?;
    read?;
    Ok(finished)
}
