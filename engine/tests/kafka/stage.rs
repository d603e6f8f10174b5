//! A small company, a mock broker, and the ways to run Nightjar on them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use nightjar::backtest::{self, Judged};
use nightjar::clock::Partition;
use nightjar::generate::{Company, Plan, Record};
use nightjar::grpc::Status;
use nightjar::pipeline::{self, Options};
use nightjar::setup::Setup;
use nightjar::source::SourceOptions;
use nightjar::source::embedded::EmbeddedBroker;
use nightjar::source::kafka::{KafkaOptions, Topics};
use nightjar::store::alerts::{AlertReader, AlertStore};
use nightjar::store::state::StateStore;
use nightjar_detectors::alert::digest;

/// Rows of one partition that may wait for their day; few, so that the bound is felt.
pub const HELD_ROWS_MAX: u64 = 300;

/// Days that come over Kafka in most stories; the state is trained on those before.
const LIVE_DAYS: u32 = 7;

/// How records lie in partitions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Random,
    Stretches,
    OneEmpty,
    /// The stamps of one partition are an hour ahead, where the allowed lateness can bear it.
    OneAhead,
}

/// What a run ended with.
pub struct Ended {
    pub digest: String,
    pub alerts: usize,
    pub unmarked: usize,
    pub late: u64,
    pub quarantined: u64,
    /// Rows that waited for their day at once, at most.
    pub held_rows_max: usize,
}

pub struct Stage {
    company: Company,
    live_days: u32,
    broker: EmbeddedBroker,
    partitions: i32,
    folder: tempfile::TempDir,
    produced: AtomicI64,
    last_meta: Mutex<Vec<u8>>,
}

/// The records in the order in which they arrive: each a random time after it happened.
pub fn delayed(records: Vec<Record>, seed: u64) -> Vec<Record> {
    let delay = |record: &Record| {
        let hash = blake3::hash(format!("{seed}{}", record.json).as_bytes());
        i64::from(u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]])) * 50
    };
    let mut records: Vec<Record> = records
        .into_iter()
        .map(|record| Record {
            arrival_ms: record.time_ms + delay(&record),
            ..record
        })
        .collect();
    records.sort_by(|a, b| (a.arrival_ms, &a.json).cmp(&(b.arrival_ms, &b.json)));
    records
}

impl Stage {
    /// A small company.
    pub fn new(seed: u64, partitions: i32) -> Self {
        let plan = Plan {
            users: 20,
            days: 24,
            seed,
            ..Plan::default()
        };
        Stage::of(&plan, LIVE_DAYS, partitions)
    }

    /// The company of samples/, of which the last ten days come over Kafka.
    pub fn samples(partitions: i32) -> Self {
        Stage::of(&Plan::default(), 10, partitions)
    }

    fn of(plan: &Plan, live_days: u32, partitions: i32) -> Self {
        let company = Company::new(plan);
        let topics: Vec<(&str, i32)> = Company::sources()
            .iter()
            .map(|(topic, _)| (*topic, partitions))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("directory.csv"), company.directory_csv()).unwrap();
        std::fs::write(folder.path().join("nightjar.toml"), company.config_toml()).unwrap();
        Stage {
            broker: EmbeddedBroker::start(&topics).unwrap(),
            company,
            live_days,
            partitions,
            folder,
            produced: AtomicI64::new(0),
            last_meta: Mutex::default(),
        }
    }

    fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn setup(&self) -> Setup {
        let mut setup = Setup::load(Some(&self.folder.path().join("nightjar.toml"))).unwrap();
        setup.config.state.dir = self.state_dir();
        setup.config.state.checkpoint_every = Some(Duration::from_millis(50));
        setup.config.admission.idle_after_ms = None;
        setup
    }

    /// All records of the company.
    pub fn all(&self) -> Vec<Record> {
        (0..self.company.plan().days)
            .flat_map(|day| self.company.day(day))
            .collect()
    }

    /// The records that the state is trained on, and those that come over Kafka.
    pub fn split(&self) -> (Vec<Record>, Vec<Record>) {
        let days = self.company.plan().days;
        let live = days - self.live_days;
        let records =
            |days: std::ops::Range<u32>| days.flat_map(|day| self.company.day(day)).collect();
        (records(0..live), records(live..days))
    }

    fn judge(&self, setup: &Setup, records: &[Record]) -> Judged {
        let records = records
            .iter()
            .map(|record| (record.source, record.json.as_bytes()));
        let read = backtest::read_records(setup, records).unwrap();
        backtest::judge(setup, 2, read.days, &AtomicBool::new(false), &|_| ()).unwrap()
    }

    pub fn backtest(&self, records: &[Record]) -> Ended {
        let setup = self.setup();
        let mut judged = self.judge(&setup, records);
        judged.seal_all();
        let alerts = judged.alerts.values();
        Ended {
            digest: digest(alerts),
            alerts: judged.alerts.len(),
            unmarked: 0,
            late: 0,
            quarantined: 0,
            held_rows_max: 0,
        }
    }

    /// Saves the state after these records.
    pub fn train(&self, records: &[Record]) {
        let setup = self.setup();
        self.judge(&setup, records)
            .save(&setup, &[], &self.state_dir())
            .unwrap();
    }

    pub fn produce(&self, records: &[Record], layout: Layout) {
        for (n, record) in records.iter().enumerate() {
            let hash = blake3::hash(record.json.as_bytes());
            let random = i32::from(hash.as_bytes()[0]);
            let number = match layout {
                Layout::Random | Layout::OneAhead => random % self.partitions,
                Layout::Stretches => (n * self.partitions as usize / records.len()) as i32,
                Layout::OneEmpty => random % (self.partitions - 1),
            };
            let partition = Partition {
                topic: record.source.to_owned(),
                number,
            };
            let is_ahead = layout == Layout::OneAhead
                && number == 0
                && ["m365", "nightjar"].contains(&record.source);
            let ahead_ms = if is_ahead { 3_600_000 } else { 0 };
            let payload = Some(record.json.as_bytes());
            self.broker
                .produce(&partition, record.arrival_ms + ahead_ms, payload)
                .unwrap();
        }
        self.broker.flush(Duration::from_secs(20)).unwrap();
        self.produced
            .fetch_add(records.len() as i64, Ordering::Relaxed);
    }

    fn options(&self, once: bool) -> Options {
        let topics = Company::sources()
            .iter()
            .map(|(topic, _)| (*topic).to_owned())
            .collect();
        Options {
            threads: 2,
            once,
            revise_every: Duration::ZERO,
            held_rows_max: HELD_ROWS_MAX,
            sources: SourceOptions {
                kafka: Some(KafkaOptions {
                    brokers: vec![self.broker.bootstrap_servers()],
                    topics: Topics::List(topics),
                    options: EmbeddedBroker::reader_options(),
                    group: "nightjar-test".into(),
                }),
                spool: None,
            },
        }
    }

    /// Runs the pipeline in this process, to the end of `--once` or until everything was read.
    fn run(&self, once: bool) -> (pipeline::Finished, AlertReader) {
        let setup = Arc::new(self.setup());
        let dir = self.state_dir();
        let alerts = AlertStore::open(&dir, &setup.config.tenant, setup.config.zone).unwrap();
        let state = StateStore::open(&dir, &setup.config.tenant, setup.config.zone).unwrap();
        let (status, watching) = tokio::sync::watch::channel(Status::default());
        let stop = Arc::new(AtomicBool::new(false));
        let finished = std::thread::scope(|scope| {
            if !once {
                scope.spawn(|| {
                    let has_read = || self.produced.load(Ordering::Relaxed) <= read_sum(&watching);
                    wait("everything to be read", has_read);
                    stop.store(true, Ordering::Relaxed);
                });
            }
            pipeline::run(&setup, &self.options(once), &alerts, state, &status, &stop).unwrap()
        });
        (finished, alerts.reader().unwrap())
    }

    /// `run --once`.
    pub fn run_once(&self) -> Ended {
        let (finished, reader) = self.run(true);
        let alerts = reader.all().unwrap();
        Ended {
            held_rows_max: finished.held_rows_max,
            digest: digest(&alerts),
            alerts: alerts.len(),
            unmarked: alerts.iter().filter(|alert| !alert.history).count(),
            late: finished.tallies.values().map(|tally| tally.late).sum(),
            quarantined: finished
                .counts
                .values()
                .map(|counts| counts.quarantined)
                .sum(),
        }
    }

    /// Partitions of all topics together.
    pub fn partitions_in_all(&self) -> usize {
        self.partitions as usize * Company::sources().len()
    }

    /// `run`, stopped in order when it has read what there is.
    pub fn run_until_read(&self) {
        self.run(false);
    }

    /// `run` as a process of its own.
    pub fn spawn(&self) -> Life {
        let topics: Vec<&str> = Company::sources().iter().map(|(topic, _)| *topic).collect();
        let child = Command::new(env!("CARGO_BIN_EXE_nightjar"))
            .args(["run", "-c"])
            .arg(self.folder.path().join("nightjar.toml"))
            .env(
                "NIGHTJAR__KAFKA__BROKERS",
                format!("[{:?}]", self.broker.bootstrap_servers()),
            )
            .env("NIGHTJAR__KAFKA__TOPICS", format!("{topics:?}"))
            .env("NIGHTJAR__STATE__DIR", self.state_dir())
            .env("NIGHTJAR__STATE__CHECKPOINT_EVERY", "50ms")
            .env("NIGHTJAR__ADMISSION__IDLE_AFTER", "never")
            .env("NIGHTJAR__GRPC__LISTEN", "127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Life(child.unwrap())
    }

    /// Alerts in the store.
    pub fn stored_alerts(&self) -> usize {
        AlertReader::open(&self.state_dir())
            .unwrap()
            .all()
            .unwrap()
            .len()
    }

    /// Whether a checkpoint with other positions was written since the last call.
    pub fn has_new_checkpoint(&self) -> bool {
        let state = rusqlite::Connection::open(StateStore::path(&self.state_dir())).unwrap();
        let read = state.query_row("SELECT bytes FROM engine", (), |row| {
            row.get::<_, Vec<u8>>(0)
        });
        // The service may hold the file for a moment.
        let Ok(meta) = read else { return false };
        let mut last = self.last_meta.lock().unwrap();
        let is_new = !last.is_empty() && *last != meta;
        *last = meta;
        is_new
    }
}

/// Records that the pipeline has read so far.
fn read_sum(watching: &tokio::sync::watch::Receiver<Status>) -> i64 {
    let status = watching.borrow();
    let partitions = status.sources.iter().flat_map(|source| &source.partitions);
    partitions.map(|partition| partition.position).sum()
}

/// Waits for something that will come to pass.
pub fn wait(what: &str, has_happened: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !has_happened() {
        assert!(Instant::now() < deadline, "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running service.
pub struct Life(Child);

impl Life {
    /// SIGKILL.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, which ends it in order.
    pub fn terminate(mut self) {
        let pid = self.0.id().to_string();
        // A process that has hardly begun would just die of it.
        wait("the signal to be heeded", || heeds_sigterm(&pid));
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(self.0.wait().unwrap().success());
    }
}

/// Whether a process has taken SIGTERM into its own hands.
fn heeds_sigterm(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|caught| u64::from_str_radix(caught.trim(), 16).ok());
    caught.is_some_and(|caught| (caught >> 14) & 1 == 1)
}

impl Drop for Life {
    fn drop(&mut self) {
        // Ended already, unless a test has failed.
        let _ = self.0.kill();
    }
}
