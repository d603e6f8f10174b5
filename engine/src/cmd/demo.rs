//! `nightjar demo`: a generated company, an embedded broker, the real pipeline, a gRPC subscriber.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use super::run::Service;
use crate::backtest;
use crate::clock::Partition;
use crate::generate::{Company, Plan, Record};
use crate::grpc::client::{Client, Event, Subscription};
use crate::pipeline::Options;
use crate::setup::Setup;
use crate::source::SourceOptions;
use crate::source::embedded::EmbeddedBroker;
use crate::source::kafka::{KafkaOptions, Topics};
use crate::store::alerts::Filter;
use crate::table::{Look, alert_line};

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar demo
  nightjar demo --once --json | jq -r .summary")]
pub struct DemoArgs {
    /// Alerts as JSON lines
    #[arg(long)]
    json: bool,
    /// End when the sample is done
    #[arg(long)]
    once: bool,
}

const USERS: u32 = 40;
const DAYS: u32 = 24;
/// Last days, that go through Kafka.
const LIVE_DAYS: u32 = 3;
const PARTITIONS: i32 = 4;
/// Three days pass in seconds, and so does the wait for what only grows.
const REVISE_EVERY: Duration = Duration::from_secs(2);
/// Time that the live days are played in.
const PLAY: Duration = Duration::from_secs(12);

/// Trains on the company's past, then plays its last days through Kafka.
///
/// # Errors
/// When the temporary folder, the embedded broker or the pipeline cannot be used.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let folder = Folder::make()?;
    let company = Company::new(&plan());
    say(&format!(
        "a company of {USERS} people: learning {} days of logs",
        DAYS - LIVE_DAYS
    ));
    let mut setup = setup_in(&folder.0, &company)?;
    train(&setup, &company)?;

    let topics: Vec<(&str, i32)> = Company::sources()
        .iter()
        .map(|(topic, _)| (*topic, PARTITIONS))
        .collect();
    let broker = EmbeddedBroker::start(&topics)?;
    setup.config.kafka.brokers = vec![broker.bootstrap_servers()];
    let setup = Arc::new(setup);
    let mut service = Service::open(&setup)?;
    let address = format!("http://{}", service.address);
    say(&format!(
        "its last {LIVE_DAYS} days arrive on Kafka; alerts come over gRPC from {address}"
    ));
    let from = service.alerts.last_cursor();
    let options = options_of(&setup, &topics);
    let watching = service.status();
    let (printed, finished) = std::thread::scope(|scope| {
        let subscriber = scope.spawn(|| follow(&setup, &address, from, args.json, &stop));
        let player = scope.spawn(|| {
            let produced = play(&company, &broker, &stop)?;
            while !stop.load(Ordering::Relaxed) && position_sum(&watching) < produced {
                std::thread::sleep(Duration::from_millis(50));
            }
            // The last revisions are still to come.
            let rest = Instant::now() + 2 * REVISE_EVERY;
            while !stop.load(Ordering::Relaxed) && Instant::now() < rest {
                std::thread::sleep(Duration::from_millis(50));
            }
            if args.once {
                stop.store(true, Ordering::Relaxed);
            } else if !stop.load(Ordering::Relaxed) {
                say(&format!(
                    "all {produced} records are judged; Ctrl-C ends the demo, or look closer with\n  nightjar watch --connect {address} --from 0"
                ));
            }
            anyhow::Ok(produced)
        });
        let finished = service.run(&setup, &options, &stop);
        stop.store(true, Ordering::Relaxed);
        let played = player.join().expect("the player does not panic");
        let printed = subscriber.join().expect("the subscriber does not panic");
        (played.and(printed), finished)
    });
    finished?;
    say(&format!("{} alerts were shown", printed?));
    Ok(ExitCode::SUCCESS)
}

fn plan() -> Plan {
    Plan {
        users: USERS,
        days: DAYS,
        ..Plan::default()
    }
}

/// Where we are; on standard error, so that standard output is alerts only.
fn say(text: &str) {
    eprintln!("{text}");
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn make() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("nightjar-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn setup_in(folder: &Path, company: &Company) -> anyhow::Result<Setup> {
    std::fs::write(folder.join("directory.csv"), company.directory_csv())?;
    let config = folder.join("nightjar.toml");
    std::fs::write(&config, company.config_toml())?;
    let mut setup = Setup::load(Some(&config))?;
    setup.config.state.dir = folder.join("state");
    setup.config.grpc.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    // The company lives in its own time, not in the present.
    setup.config.admission.idle_after_ms = None;
    Ok(setup)
}

fn train(setup: &Setup, company: &Company) -> anyhow::Result<()> {
    let past: Vec<Record> = (0..DAYS - LIVE_DAYS)
        .flat_map(|day| company.day(day))
        .collect();
    let records = past
        .iter()
        .map(|record| (record.source, record.json.as_bytes()));
    let read = backtest::read_records(setup, records)?;
    let never = AtomicBool::new(false);
    let threads = super::default_threads();
    let mut judged = backtest::judge(setup, threads, read.days, &never, &|_| ())?;
    judged.save(setup, &read.rejected, &setup.config.state.dir)?;
    Ok(())
}

fn options_of(setup: &Setup, topics: &[(&str, i32)]) -> Options {
    let names = topics.iter().map(|(topic, _)| (*topic).to_owned());
    let kafka = KafkaOptions {
        brokers: setup.config.kafka.brokers.clone(),
        topics: Topics::List(names.collect()),
        options: EmbeddedBroker::reader_options(),
        group: "nightjar-demo".into(),
    };
    Options {
        threads: super::default_threads(),
        once: false,
        revise_every: REVISE_EVERY,
        held_rows_max: crate::pipeline::HELD_ROWS_MAX,
        sources: SourceOptions {
            kafka: Some(kafka),
            spool: None,
        },
    }
}

/// Produces the last days in arrival order, in [`PLAY`]; gives the number of records.
fn play(company: &Company, broker: &EmbeddedBroker, stop: &AtomicBool) -> anyhow::Result<i64> {
    let mut chance = ChaCha8Rng::seed_from_u64(7);
    let mut arrivals: Vec<Record> = (DAYS - LIVE_DAYS..DAYS)
        .flat_map(|day| company.day(day))
        .collect();
    arrivals.sort_by(|a, b| (a.arrival_ms, &a.json).cmp(&(b.arrival_ms, &b.json)));
    let started = Instant::now();
    let all = arrivals.len().max(1);
    for (number, record) in arrivals.iter().enumerate() {
        let due = PLAY.mul_f64(number as f64 / all as f64);
        let wait = due.saturating_sub(started.elapsed());
        if Duration::from_millis(10) < wait {
            broker.flush(Duration::from_secs(5))?;
            std::thread::sleep(wait);
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let number = (chance.next_u32() % PARTITIONS as u32) as i32;
        let partition = Partition {
            topic: record.source.to_owned(),
            number,
        };
        broker.produce(&partition, record.arrival_ms, Some(record.json.as_bytes()))?;
    }
    broker.flush(Duration::from_secs(10))?;
    Ok(arrivals.len() as i64)
}

/// Prints the alerts behind a cursor as they come, until the service ends; gives their number.
fn follow(
    setup: &Setup,
    address: &str,
    from: u64,
    json: bool,
    stop: &AtomicBool,
) -> anyhow::Result<usize> {
    let look = Look::for_stdout(setup.config.zone);
    let filter = Filter {
        muted: false,
        ..Filter::default()
    };
    let subscription = Subscription {
        from_cursor: Some(from),
        filter,
        ..Subscription::default()
    };
    super::watch::runtime()?.block_on(async {
        let client = Client::connect(address).await?;
        let mut events = client.subscribe(subscription).await?;
        let mut printed = 0;
        loop {
            match events.next().await {
                Ok(Event::Alert(alert)) => {
                    printed += 1;
                    let line = if json {
                        serde_json::to_string(&alert)?
                    } else {
                        alert_line(&alert, &look)
                    };
                    // Whoever reads has seen enough.
                    if super::print(&format!("{line}\n")).is_err() {
                        stop.store(true, Ordering::Relaxed);
                        return Ok(printed);
                    }
                }
                Ok(Event::Incident(_) | Event::Heartbeat(_) | Event::Gap(_)) => {}
                Err(_) if stop.load(Ordering::Relaxed) => return Ok(printed),
                Err(error) => return Err(error.into()),
            }
        }
    })
}

/// Records that the pipeline has read so far.
fn position_sum(watching: &tokio::sync::watch::Receiver<crate::grpc::Status>) -> i64 {
    let status = watching.borrow();
    let partitions = status.sources.iter().flat_map(|source| &source.partitions);
    partitions.map(|partition| partition.position).sum()
}
