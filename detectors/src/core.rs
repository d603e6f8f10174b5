//! The order-free core: events in, alerts out, day by day.
//!
//! Invariant: the final alerts depend on the set of admitted events and on the settings, not on the
//! order, the batches, the threads or the restarts by which the events came. Live and backtest
//! both drive this and nothing else.

mod evaluation;
mod forget;
mod observe;
mod seal;
mod snapshot;

pub use evaluation::{Planted, Score};
pub use forget::Forgotten;
pub use snapshot::{RestoreError, Snapshot, StateRow};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alert::Alert;
use crate::assemble::{Assembler, Book, Claims};
use crate::catalog::posture::{self, PostureKind, Standing};
use crate::catalog::{self, Entry};
use crate::company::{Company, Frozen};
use crate::detector::{Detector, FrozenDays, Runner};
use crate::event::Activity;
use crate::origin::Origins;
use crate::shard::{SHARDS, Shard, Tally};
use crate::time::Day;
use crate::verdict::Stream;
use crate::world::World;

/// One enabled detector.
#[derive(Debug, Clone, Copy)]
pub struct Active {
    /// Its line in the catalog.
    pub entry: &'static Entry,
    /// Allowed lateness, ms: the largest of the classes configured for it.
    pub lateness_ms: i64,
    /// Its baseline of day d holds the days up to d - lag.
    pub lag: i32,
}

impl Active {
    /// Its weight in the division of the budget, for one stream.
    fn share(&self, stream: Stream) -> f64 {
        match stream {
            Stream::Company => self.entry.share * catalog::COMPANY_SHARE,
            _ => self.entry.share,
        }
    }
}

/// A day that one detector has closed, with its final alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedDay {
    /// The detector.
    pub detector: &'static str,
    /// The day.
    pub day: Day,
    /// All its alerts, muted ones included, by id.
    pub alerts: Vec<Alert>,
    /// What [`Core::evaluating`] asked for: the alerts at each of the other budgets; none of detectors that
    /// take no part of the budget.
    pub others: Vec<Vec<Alert>>,
    /// And how surprising the day was of those who were named there.
    pub scores: Vec<Score>,
}

/// Alpha per open day, detector and stream.
type Alphas = BTreeMap<Day, BTreeMap<(usize, Stream), f64>>;

/// How often a detector's p-values were small on the days that were closed: where nothing is wrong, one in a
/// hundred is at most 1e-2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calibration {
    /// The detector.
    pub detector: &'static str,
    /// Kind of principals.
    pub stream: Stream,
    /// Principal-days that were judged.
    pub days: u64,
    /// Of these, with p at most 1e-2, 1e-3, 1e-4.
    pub at_most: [u64; 3],
}

/// The detection state of one tenant.
pub struct Core {
    world: Arc<World>,
    threads: usize,
    detectors: Vec<Active>,
    readers: Vec<Vec<usize>>,
    /// The virtual shards, and behind them one for the company as a whole.
    shards: Vec<Shard>,
    /// What each further worker counts about the company before it is put together.
    wholes: Vec<Vec<Box<dyn Detector>>>,
    origins: Origins,
    companies: Vec<Company>,
    /// As frozen when the day was opened.
    alphas: Alphas,
    frozen: Vec<FrozenDays>,
    /// Current verdicts of open days, for eager publication.
    claims: BTreeMap<(usize, Day), Claims>,
    book: Book,
    first_day: Option<Day>,
    last_day: Option<Day>,
    /// Phases off: for tests of the laws, which would see the ledger only.
    phases: bool,
    /// See [`Core::in_hindsight`].
    hindsight: bool,
    tallies: BTreeMap<Arc<str>, Tally>,
    /// Whether days were opened or closed since the last snapshot.
    is_changed: bool,
    /// Fingerprint of the settings of the state that was read back.
    judged_by: Option<String>,
    /// See [`Calibration`], since this core was made.
    judged: BTreeMap<(usize, Stream), [u64; 4]>,
    /// Stored rows of dedup keys, by shard and day.
    key_rows: BTreeMap<(u16, Day), u32>,
    evaluation: Option<evaluation::Evaluation>,
}

impl Core {
    /// An empty core that works on `threads` threads.
    pub fn new(world: Arc<World>, threads: usize) -> Self {
        let threads = threads.max(1);
        let detectors: Vec<Active> = world
            .enabled()
            .into_iter()
            .map(|(entry, lateness_ms, lag)| Active {
                entry,
                lateness_ms,
                lag,
            })
            .collect();
        let shards = (0..=SHARDS)
            .map(|_| Shard::new(catalog::build(&world)))
            .collect();
        Core {
            readers: crate::shard::readers(&world),
            shards,
            wholes: (1..threads).map(|_| catalog::build(&world)).collect(),
            origins: Origins::default(),
            companies: detectors.iter().map(|_| Company::default()).collect(),
            alphas: BTreeMap::new(),
            frozen: detectors.iter().map(|_| FrozenDays::new()).collect(),
            claims: BTreeMap::new(),
            book: Book::default(),
            first_day: None,
            last_day: None,
            phases: true,
            hindsight: false,
            tallies: BTreeMap::new(),
            is_changed: true,
            judged_by: None,
            judged: BTreeMap::new(),
            key_rows: BTreeMap::new(),
            evaluation: None,
            threads,
            detectors,
            world,
        }
    }

    /// Judges from the first known day at full alpha. For tests: the ledger phase hides what fires.
    pub fn without_phases(mut self) -> Self {
        self.phases = false;
        self
    }

    /// Judges from the first day at full alpha by however little is known: fewer principal-days are a population,
    /// and a kind of principals without peers has those of all kinds. For an empty core that is given the other
    /// days of a short sample as if they were the past.
    pub fn in_hindsight(mut self) -> Self {
        self.hindsight = true;
        self.without_phases()
    }

    /// Settings and calendar.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// The enabled detectors.
    pub fn detectors(&self) -> &[Active] {
        &self.detectors
    }

    /// The last closed day of each detector.
    pub fn sealed(&self) -> Vec<Option<Day>> {
        self.companies.iter().map(Company::sealed).collect()
    }

    /// The first day that is not closed for every detector.
    pub fn last_day(&self) -> Option<Day> {
        self.last_day
    }

    /// Whether rows of a day may be judged: every detector has closed what its baseline needs.
    pub fn is_ready(&self, day: Day) -> bool {
        let of = |(active, company): (&Active, &Company)| {
            company
                .sealed()
                .is_some_and(|sealed| day - active.lag <= sealed)
        };
        self.detectors.iter().zip(&self.companies).all(of)
    }

    /// Whether a row of this day and activity, had it come now, is judged as if it had come in time: no
    /// detector that reads it has closed the day.
    pub fn is_open(&self, day: Day, activity: Activity) -> bool {
        let sealed = self.sealed();
        let has_closed = |index: &usize| sealed[*index].is_some_and(|sealed| day <= sealed);
        let reads = |index: usize| self.detectors[index].entry.activities.contains(&activity);
        let closed: Vec<usize> = (0..sealed.len()).filter(has_closed).collect();
        closed.len() < sealed.len() && !closed.into_iter().any(reads)
    }

    /// How often p-values were small, by detector and kind of principals.
    pub fn calibration(&self) -> Vec<Calibration> {
        let all = self.judged.iter();
        all.map(|((index, stream), [days, at_most @ ..])| Calibration {
            detector: self.detectors[*index].entry.name,
            stream: *stream,
            days: *days,
            at_most: *at_most,
        })
        .collect()
    }

    /// The weaknesses that stand, as far as days are closed; none where the detector is off.
    pub fn posture(&mut self) -> Vec<Standing> {
        let world = self.world.clone();
        let company = &mut self.shards[SHARDS];
        let entity = company.entity(Stream::Company, &world.settings.tenant);
        let name = posture::ENTRY.name;
        let index = self
            .detectors
            .iter()
            .position(|active| active.entry.name == name);
        let detector = index.map(|index| company.detectors[index].as_any());
        let runner = detector.and_then(|any| any.downcast_mut::<Runner<PostureKind>>());
        let book = runner.and_then(|runner| runner.learned(entity));
        book.map_or_else(Vec::new, |book| posture::standings(&book, &world))
    }

    /// A detector that cannot decode all that was restored; it does so only when it needs a row.
    pub fn unreadable(&self) -> Option<&'static str> {
        let is_bad = |index: &usize| {
            let mut all = self.shards.iter().map(|shard| &shard.detectors[*index]);
            !all.all(|detector| detector.is_readable())
        };
        let bad = (0..self.detectors.len()).find(is_bad)?;
        Some(self.detectors[bad].entry.name)
    }

    /// Rows by source since the start of this core.
    pub fn tallies(&self) -> &BTreeMap<Arc<str>, Tally> {
        &self.tallies
    }

    /// Bytes that the state of all principals takes when stored, and the number of principals; addresses
    /// are no principals of their own here, or the bytes of each would look few.
    pub fn state_size(&self) -> (usize, usize) {
        let bytes = |shard: &Shard| {
            shard
                .detectors
                .iter()
                .map(|d| d.stored_bytes())
                .sum::<usize>()
        };
        let names = self.shards.iter().flat_map(Shard::names);
        let principals = names.filter(|who| who.stream != Stream::Address);
        (self.shards.iter().map(bytes).sum(), principals.count())
    }

    fn assembler(&self, detector: usize) -> Assembler<'_> {
        Assembler {
            world: &self.world,
            entry: self.detectors[detector].entry,
            book: &self.book,
            origins: &self.origins,
        }
    }

    fn frozen_day(&self, detector: usize, day: Day) -> Option<&Arc<Frozen>> {
        self.frozen[detector].get(&day)
    }
}

/// Does something with every shard, each worker with its share; the results in the order of the shards.
fn by_shard<T: Send>(
    shards: &mut [Shard],
    threads: usize,
    work: impl Fn(usize, &mut Shard) -> T + Sync,
) -> Vec<T> {
    let work_on = |first: usize, chunk: &mut [Shard]| -> Vec<T> {
        let numbered = chunk.iter_mut().enumerate();
        numbered.map(|(n, shard)| work(first + n, shard)).collect()
    };
    if threads == 1 {
        return work_on(0, shards);
    }
    let each = shards.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let work_on = &work_on;
        let handles: Vec<_> = shards
            .chunks_mut(each)
            .enumerate()
            .map(|(n, chunk)| scope.spawn(move || work_on(n * each, chunk)))
            .collect();
        handles
            .into_iter()
            .flat_map(|h| h.join().expect("a worker panicked"))
            .collect()
    })
}
