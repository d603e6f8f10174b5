//! What the state costs: checkpoints while events are judged, and a restart.
//!
//! `cargo bench -p nightjar-benches --bench state -- [--json] [--users N] [--per-day N] [--every-ms N]`
//!
//! Days alternate between such with and without checkpoints, so that a slower minute of the machine hits
//! both alike. Judging is one thread, writing another, as in the service; of judging the time on a core is
//! shown, of writing the time that passes. Nothing is asserted.

use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use nightjar::store::state::StateStore;
use nightjar_benches::kernel::Stopwatch;
use nightjar_benches::{Workload, ours, workload};
use nightjar_detectors::core::{Core, StateRow};
use serde::Serialize;

/// Days before the first that is measured.
const TRAINED: usize = 3;
/// Measured days, every second one with checkpoints.
const MEASURED: usize = 4;
/// Batches between two looks at the open verdicts, as when catching up.
const LOOK_EVERY: usize = 32;
/// The service's own pace, to which the cost is scaled.
const LIVE_EVERY_SECONDS: f64 = 10.0;

/// What the command line says.
struct Options {
    json: bool,
    users: u32,
    per_day: u64,
    every: Duration,
}

/// Medians and the like, in milliseconds.
#[derive(Serialize)]
struct Spread {
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Serialize)]
struct Report {
    users: usize,
    bytes_per_user: usize,
    bytes_on_disk: u64,
    checkpoints: usize,
    /// How long judging stands still for one.
    checkpoint_encode: Spread,
    /// Until it is on disk.
    checkpoint_whole: Spread,
    events_per_second_without: f64,
    events_per_second_with: f64,
    /// Share of the judging thread that one checkpoint in ten seconds takes.
    cost_at_ten_seconds: f64,
    restart_to_first_event_seconds: f64,
    restart_to_first_look_seconds: f64,
    peak_bytes: Option<u64>,
}

/// Times of the checkpoints, and of judging without and with them.
#[derive(Default)]
struct Times {
    encode: Vec<f64>,
    whole: Vec<f64>,
    judging: [f64; 2],
    events: [usize; 2],
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        eprintln!("usage: [--json] [--users N] [--per-day N] [--every-ms N]");
        return ExitCode::from(2);
    };
    let folder = tempfile::tempdir().expect("a folder for the state");
    let report = measure(&options, folder.path());
    if options.json {
        let text = serde_json::to_string_pretty(&report).expect("plain data");
        println!("{text}");
    } else {
        print(&report);
    }
    ExitCode::SUCCESS
}

fn options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        json: false,
        users: 100_000,
        per_day: 800_000,
        every: Duration::from_secs(1),
    };
    while let Some(word) = words.next() {
        let mut number = || words.next()?.parse::<u64>().ok().filter(|n| 0 < *n);
        match word.as_str() {
            // Cargo says this to every bench.
            "--bench" => {}
            "--json" => options.json = true,
            "--users" => options.users = number()? as u32,
            "--per-day" => options.per_day = number()?,
            "--every-ms" => options.every = Duration::from_millis(number()?),
            _ => return None,
        }
    }
    Some(options)
}

fn measure(options: &Options, folder: &Path) -> Report {
    let setup = ours::setup("nightjar");
    let mut days = workload::thirty_days(options.users, options.per_day);
    let (mut core, _) = ours::train(&setup, days.by_ref().take(TRAINED));
    core.changes();
    let mut store = open(folder);
    store
        .checkpoint(&core.snapshot().rows, b"bench")
        .expect("the state can be written");
    let mut times = Times::default();
    for (number, day) in days.by_ref().take(MEASURED).enumerate() {
        let with = number % 2 == 1;
        store = judge_day(&setup, &mut core, &day, store, options, with, &mut times);
    }
    // As the service does before a checkpoint.
    core.changes();
    let (bytes, users) = core.state_size();
    store
        .checkpoint(&core.snapshot().rows, b"bench")
        .expect("the state can be written");
    drop((core, store));
    let next = days.next().expect("thirty days are more than these");
    let (first, look) = restart(&setup, &next, folder);
    let speed = |with: usize| times.events[with] as f64 / times.judging[with];
    let encode = Spread::of(&mut times.encode);
    Report {
        users,
        bytes_per_user: bytes / users.max(1),
        bytes_on_disk: disk_bytes(folder),
        checkpoints: times.whole.len(),
        cost_at_ten_seconds: encode.p50_ms / 1000.0 / LIVE_EVERY_SECONDS,
        checkpoint_encode: encode,
        checkpoint_whole: Spread::of(&mut times.whole),
        events_per_second_without: speed(0),
        events_per_second_with: speed(1),
        restart_to_first_event_seconds: first,
        restart_to_first_look_seconds: look,
        peak_bytes: nightjar_benches::kernel::peak_bytes(),
    }
}

fn open(folder: &Path) -> StateStore {
    StateStore::open(folder, "bench", chrono_tz::Tz::UTC).expect("a state folder")
}

/// Judges one day in batches as they would come, with or without checkpoints.
fn judge_day(
    setup: &nightjar::setup::Setup,
    core: &mut Core,
    workload: &Workload,
    mut store: StateStore,
    options: &Options,
    with: bool,
    times: &mut Times,
) -> StateStore {
    let mut days = ours::read(setup, workload).days;
    let (send, receive) = sync_channel::<(Instant, Vec<StateRow>)>(1);
    let (tell, done) = sync_channel::<f64>(64);
    let writing = std::thread::spawn(move || {
        for (start, rows) in receive {
            store
                .checkpoint(&rows, b"bench")
                .expect("the state can be written");
            let _ = tell.try_send(start.elapsed().as_secs_f64());
        }
        store
    });
    let mut under_way = 0;
    for day in days.days() {
        core.require(day);
        let batches: Vec<RecordBatch> = days.take(day).expect("nothing was spilled");
        let (watch, mut last) = (Stopwatch::start(), Instant::now());
        for (number, batch) in batches.into_iter().enumerate() {
            times.events[usize::from(with)] += batch.num_rows();
            core.observe(&[batch])
                .expect("the intake makes canonical batches");
            if number % LOOK_EVERY == LOOK_EVERY - 1 {
                core.changes();
            }
            for seconds in done.try_iter() {
                times.whole.push(seconds);
                under_way -= 1;
            }
            if with && under_way == 0 && options.every <= last.elapsed() {
                last = Instant::now();
                let watch = Stopwatch::start();
                let rows = core.snapshot().rows;
                times.encode.push(watch.seconds());
                send.send((last, rows)).expect("the writer is there");
                under_way += 1;
            }
        }
        times.judging[usize::from(with)] += watch.seconds();
    }
    drop(send);
    let store = writing.join().expect("the writer does not panic");
    times.whole.extend(done.try_iter());
    store
}

/// Seconds from opening the files to the first judged event, and to the first look at all open verdicts.
fn restart(setup: &nightjar::setup::Setup, next: &Workload, folder: &Path) -> (f64, f64) {
    let mut days = ours::read(setup, next).days;
    let day = days.days()[0];
    let first = days.take(day).expect("nothing was spilled")[0].slice(0, 1);
    let watch = Stopwatch::start();
    let mut core = Core::new(setup.world.clone(), 1);
    let take = |row| {
        core.restore_row(row)
            .map_err(Box::<dyn std::error::Error>::from)
    };
    let restored = open(folder).rows(take);
    restored.expect("what was stored");
    core.restored();
    core.observe(&[first]).expect("a canonical batch");
    let event = watch.seconds();
    core.changes();
    (event, watch.seconds())
}

fn disk_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("the state folder");
    let size = |file: std::io::Result<std::fs::DirEntry>| file.ok()?.metadata().ok();
    files.filter_map(size).map(|data| data.len()).sum()
}

impl Spread {
    fn of(seconds: &mut [f64]) -> Spread {
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (share * seconds.len() as f64).ceil() as usize;
            1000.0 * seconds.get(place.max(1) - 1).copied().unwrap_or(0.0)
        };
        Spread {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        }
    }
}

fn print(report: &Report) {
    let Spread { p50_ms, p99_ms } = &report.checkpoint_encode;
    println!(
        "{} users, {} bytes a user, {:.1} MB on disk\n",
        report.users,
        report.bytes_per_user,
        report.bytes_on_disk as f64 / 1e6
    );
    println!(
        "{} checkpoints: judging stands still for {p50_ms:.0} ms (p99 {p99_ms:.0}); on disk after {:.0} ms (p99 {:.0})",
        report.checkpoints, report.checkpoint_whole.p50_ms, report.checkpoint_whole.p99_ms
    );
    println!(
        "events/s: {:.0} without, {:.0} with; one checkpoint in ten seconds costs {:.1} %",
        report.events_per_second_without,
        report.events_per_second_with,
        100.0 * report.cost_at_ten_seconds
    );
    println!(
        "restart: first event judged after {:.2} s, all open verdicts known after {:.2} s",
        report.restart_to_first_event_seconds, report.restart_to_first_look_seconds
    );
    if let Some(peak_bytes) = report.peak_bytes {
        println!("largest resident size: {} MB", peak_bytes / 1_000_000);
    }
}
