//! Nightjar beside a bare loop and an ordinary one, decoding by format, and the size of the state.
//!
//! `cargo bench -p nightjar-benches --bench side_by_side -- [--json] [--rounds N] [--events N] [--per-day N]`
//!
//! Everything runs on one thread, in alternating rounds, so that a slower minute of the machine hits all
//! alike; the medians are shown. Nothing is asserted.

use std::process::ExitCode;
use std::time::Instant;

use nightjar_benches::kernel::{core_seconds, peak_bytes};
use nightjar_benches::{Workload, bare, ours, owned, workload};
use serde::Serialize;

const USERS: u32 = 10_000;

/// What the command line says.
struct Options {
    json: bool,
    rounds: usize,
    /// Events of 256 bytes; a fifth as many Okta records.
    events: u64,
    /// Events a user and day for the size of the state.
    per_day: u64,
}

/// One row of the table: medians over the rounds.
#[derive(Serialize)]
struct Line {
    workload: &'static str,
    what: &'static str,
    seconds: f64,
    events_per_second: f64,
    megabytes_per_second: f64,
    /// Speed in that of the bare loop.
    ratio: f64,
    /// Speed in that of the ordinary loop.
    ratio_ordinary: f64,
}

/// Decoding of one format, recognised among all.
#[derive(Serialize)]
struct Format {
    format: &'static str,
    records: usize,
    bytes_per_record: usize,
    records_per_second: f64,
    megabytes_per_second: f64,
}

#[derive(Serialize)]
struct State {
    users: usize,
    days: u32,
    events: usize,
    bytes_per_user: usize,
    peak_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Report {
    rounds: usize,
    lines: Vec<Line>,
    formats: Vec<Format>,
    state: State,
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        eprintln!("usage: [--json] [--rounds N] [--events N] [--per-day N]");
        return ExitCode::from(2);
    };
    // First, so that the peak is that of a service and not of the workloads held in memory.
    let state = state(options.per_day);
    let mut lines = compare(&Workload::small(USERS, options.events), options.rounds);
    lines.extend(compare(
        &Workload::okta(USERS, options.events / 5),
        options.rounds,
    ));
    let report = Report {
        rounds: options.rounds,
        lines,
        formats: by_format(options.rounds),
        state,
    };
    if options.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&report).expect("plain data")
        );
    } else {
        print(&report);
    }
    ExitCode::SUCCESS
}

fn options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        json: false,
        rounds: 5,
        events: 1_000_000,
        per_day: 10,
    };
    while let Some(word) = words.next() {
        let mut number = || words.next()?.parse::<u64>().ok().filter(|n| 0 < *n);
        match word.as_str() {
            // Cargo says this to every bench.
            "--bench" => {}
            "--json" => options.json = true,
            "--rounds" => options.rounds = number()? as usize,
            "--events" => options.events = number()?,
            "--per-day" => options.per_day = number()?,
            _ => return None,
        }
    }
    Some(options)
}

fn compare(workload: &Workload, rounds: usize) -> Vec<Line> {
    let setup = ours::setup(workload.format);
    let mut seconds: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        seconds[0].push(timed(|| bare::count(workload)));
        seconds[1].push(timed(|| owned::count(workload)));
        seconds[2].push(timed(|| ours::decode(&setup, workload)));
        seconds[3].push(timed(|| ours::judge(&setup, ours::read(&setup, workload))));
    }
    let [bare, ordinary, decode, backtest] = seconds.map(median);
    let line = |(what, seconds): (&'static str, f64)| Line {
        workload: workload.name,
        what,
        seconds,
        events_per_second: workload.len() as f64 / seconds,
        megabytes_per_second: workload.bytes() as f64 / 1e6 / seconds,
        ratio: bare / seconds,
        ratio_ordinary: ordinary / seconds,
    };
    let whats = [
        ("bare loop", bare),
        ("ordinary loop", ordinary),
        ("decode", decode),
        ("backtest", backtest),
    ];
    whats.into_iter().map(line).collect()
}

/// What a company of 300 logs in a week, decoded with all formats loaded.
fn by_format(rounds: usize) -> Vec<Format> {
    let setup = ours::setup_of_all_formats();
    let measure = |workload: &Workload| {
        let seconds = (0..rounds).map(|_| timed(|| ours::decode(&setup, workload)));
        let seconds = median(seconds.collect());
        Format {
            format: workload.format,
            records: workload.len(),
            bytes_per_record: workload.bytes() / workload.len().max(1),
            records_per_second: workload.len() as f64 / seconds,
            megabytes_per_second: workload.bytes() as f64 / 1e6 / seconds,
        }
    };
    workload::by_format(300, 7).iter().map(measure).collect()
}

/// Dropping what the work gives belongs to the work. Seconds of this thread on a core where the kernel
/// tells, so that other processes matter little; nothing that is measured waits.
fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let (start, on_core) = (Instant::now(), core_seconds());
    drop(std::hint::black_box(work()));
    let on_core = on_core.zip(core_seconds()).map(|(from, to)| to - from);
    on_core.unwrap_or_else(|| start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn state(per_day: u64) -> State {
    let days = workload::thirty_days(USERS, per_day * u64::from(USERS));
    let (core, events) = ours::train(&ours::setup("nightjar"), days);
    let (bytes, users) = core.state_size();
    State {
        users,
        days: 30,
        events,
        bytes_per_user: bytes / users.max(1),
        peak_bytes: peak_bytes(),
    }
}

fn print(report: &Report) {
    println!(
        "one thread, {} users, medians of {} rounds\n",
        USERS, report.rounds
    );
    println!(
        "{:<22} {:<14} {:>12} {:>8} {:>10} {:>14}",
        "", "", "events/s", "MB/s", "bare loop", "ordinary loop"
    );
    for line in &report.lines {
        println!(
            "{:<22} {:<14} {:>12.0} {:>8.0} {:>9.2}x {:>13.2}x",
            line.workload,
            line.what,
            line.events_per_second,
            line.megabytes_per_second,
            line.ratio,
            line.ratio_ordinary
        );
    }
    println!("\ndecoding, recognised among all formats");
    println!(
        "{:<22} {:>8} {:>12} {:>12} {:>8}",
        "", "records", "bytes each", "records/s", "MB/s"
    );
    for line in &report.formats {
        println!(
            "{:<22} {:>8} {:>12} {:>12.0} {:>8.0}",
            line.format,
            line.records,
            line.bytes_per_record,
            line.records_per_second,
            line.megabytes_per_second
        );
    }
    let State {
        users,
        days,
        events,
        bytes_per_user,
        peak_bytes,
    } = &report.state;
    println!(
        "\nstate of {users} users after {days} days ({events} events): {bytes_per_user} bytes a user"
    );
    if let Some(peak_bytes) = peak_bytes {
        println!(
            "largest resident size meanwhile: {} MB",
            peak_bytes / 1_000_000
        );
    }
}
