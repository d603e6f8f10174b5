//! `nightjar run`: the service.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tracing::info;

use crate::backtest::summary::Summary;
use crate::config::{self, Config};
use crate::door::Doors;
use crate::grpc::Status;
use crate::pipeline::{self, Finished, Options, RunError};
use crate::setup::Setup;
use crate::source::SourceOptions;
use crate::source::kafka::{KafkaOptions, Topics};
use crate::store::alerts::AlertStore;
use crate::store::lock::FolderLock;
use crate::store::state::StateStore;
use crate::store::{StoreError, verify};

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar run -c nightjar.toml
  nightjar run -c nightjar.toml --once     # read to the present end, close all days, print the digest
  NIGHTJAR__KAFKA__BROKERS='[\"kafka:9092\"]' nightjar run -c nightjar.toml")]
pub struct RunArgs {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read to the present end of all partitions and files, close everything, print the summary and end
    #[arg(long)]
    once: bool,
    /// Threads that judge
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
}

/// Runs until Ctrl-C or SIGTERM, or to the present end with `--once`.
///
/// # Errors
/// When the configuration, the state folder, the address or Kafka cannot be used.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let setup = Arc::new(Setup::load(args.config.as_deref())?);
    let mut options = options_of(&setup, args)?;
    let mut service = Service::open(&setup)?;
    let doors = Doors::open(&setup, args.once, &service.runtime)?;
    options.sources.spool = doors.as_ref().map(|doors| doors.spool().clone());
    let started = Instant::now();
    let finished = service.run(&setup, &options, &stop)?;
    drop(doors);
    if args.once && stop.load(Ordering::Relaxed) {
        info!("stopped before the end; run it again for the summary");
    } else if args.once {
        let text = summary(&setup, &service.alerts, &finished, started)?;
        super::print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn options_of(setup: &Setup, args: &RunArgs) -> anyhow::Result<Options> {
    let config = &setup.config;
    Ok(Options {
        threads: args
            .threads
            .map_or_else(super::default_threads, usize::from),
        once: args.once,
        sources: SourceOptions {
            kafka: kafka_options(config)?,
            spool: None,
        },
        revise_every: pipeline::REVISE_EVERY,
        held_rows_max: pipeline::HELD_ROWS_MAX,
    })
}

/// Where the configured topics are, and how they are reached; nothing where all comes through doors.
pub(super) fn kafka_options(config: &Config) -> anyhow::Result<Option<KafkaOptions>> {
    let has_doors = config.files.watch.is_some() || config.hec.listen.is_some();
    let topics = match &config.kafka.topics {
        config::Topics::List(topics) if topics.is_empty() && has_doors => return Ok(None),
        config::Topics::List(topics) if topics.is_empty() => {
            anyhow::bail!(
                "nothing to read; set kafka.topics, for instance topics = [\"okta\"], or files.watch, or hec.listen"
            )
        }
        config::Topics::List(topics) => Topics::List(topics.clone()),
        config::Topics::Pattern(pattern) => {
            Topics::Pattern(regex::Regex::new(pattern).context("kafka.topics is not a pattern")?)
        }
    };
    Ok(Some(kafka_with(config, topics)))
}

/// How the configuration reaches Kafka, for these topics.
pub(super) fn kafka_with(config: &Config, topics: Topics) -> KafkaOptions {
    KafkaOptions {
        brokers: config.kafka.brokers.clone(),
        topics,
        options: config.kafka.options.clone(),
        group: format!("nightjar-{}", config.tenant),
    }
}

/// The stores of one state folder and the address of the alert service, both held.
pub(super) struct Service {
    pub alerts: AlertStore,
    pub address: std::net::SocketAddr,
    runtime: tokio::runtime::Runtime,
    listener: Option<TcpListener>,
    status: watch::Sender<Status>,
    _lock: FolderLock,
}

impl Service {
    /// Takes the state folder and the address.
    pub fn open(setup: &Setup) -> anyhow::Result<Self> {
        let config = &setup.config;
        let lock = FolderLock::take(&config.state.dir)?;
        let alerts = AlertStore::open(&config.state.dir, &config.tenant, config.zone)?;
        verify::check_alerts(&config.state.dir)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("cannot start the alert service's threads")?;
        let listener = runtime.block_on(crate::grpc::listen(config.grpc.listen))?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        info!("alerts on http://{address}");
        let (status, _) = watch::channel(Status::default());
        Ok(Service {
            alerts,
            address,
            runtime,
            listener: Some(listener),
            status,
            _lock: lock,
        })
    }

    /// What the engine says about itself, once a second.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs the pipeline on this thread and serves its alerts meanwhile.
    pub fn run(
        &mut self,
        setup: &Arc<Setup>,
        options: &Options,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<Finished> {
        let config = &setup.config;
        let state = StateStore::open(&config.state.dir, &config.tenant, config.zone)
            .map_err(|error| with_what_is_whole(error.into(), &config.state.dir))?;
        let watching = self.status.subscribe();
        let (end, ended) = oneshot::channel::<()>();
        self.serve_monitoring(config)?;
        let listener = self.listener.take().context("the service runs already")?;
        let serving = self.runtime.spawn(crate::grpc::serve(
            listener,
            self.alerts.clone(),
            watching,
            crate::grpc::Options::default(),
            async move {
                let _ = ended.await;
            },
        ));
        let finished = pipeline::run(setup, options, &self.alerts, state, &self.status, stop)
            .map_err(|error| with_what_is_whole(error.into(), &config.state.dir));
        let _ = end.send(());
        self.runtime
            .block_on(serving)
            .context("the alert service broke down")??;
        finished
    }
}

/// Where the state is damaged, says that the alerts beside it are not: they were looked through at the
/// start.
fn with_what_is_whole(error: anyhow::Error, folder: &Path) -> anyhow::Error {
    let run_error = error.downcast_ref::<RunError>();
    let store_error = match run_error {
        Some(RunError::Store(error)) => Some(error),
        _ => error.downcast_ref::<StoreError>(),
    };
    match store_error.and_then(StoreError::damaged) {
        Some(path) if path == StateStore::path(folder) => error.context(format!(
            "the state cannot be used; the alerts are whole, `nightjar alerts --state {}` shows them",
            folder.display()
        )),
        _ => error,
    }
}

impl Service {
    /// Metrics and health, where they are wanted. They end with the process.
    fn serve_monitoring(&self, config: &Config) -> anyhow::Result<()> {
        let Some(address) = config.http.listen else {
            return Ok(());
        };
        let listener = self.runtime.block_on(crate::http::listen(address))?;
        info!("metrics on http://{}/metrics", listener.local_addr()?);
        let watching = self.status.subscribe();
        self.runtime.spawn(crate::http::serve(listener, watching));
        Ok(())
    }
}

/// The summary of `--once`: what this run read, and the digest over all of alerts.db.
fn summary(
    setup: &Setup,
    alerts: &AlertStore,
    finished: &Finished,
    started: Instant,
) -> anyhow::Result<String> {
    let all = alerts.reader()?.all()?;
    let days = finished.days;
    let summary = Summary::new(
        &finished.counts,
        &finished.tallies,
        &all,
        days,
        started.elapsed(),
    );
    let mut text = summary.text(setup.config.detection.budget_per_day);
    text.push_str(&format!("digest: {}\n", summary.digest()));
    Ok(text)
}
