//! What real AI use shows, where the records are at hand: prompts of a size nobody had, in a sample of two days; and
//! bursts on top of what clients of a language model asked for in two weeks.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use common::{Folder, run};
use nightjar::backtest;
use nightjar::config::Config;
use nightjar::setup::Setup;
use nightjar_detectors::catalog::CATALOG;
use nightjar_detectors::core::Core;
use nightjar_detectors::time::Day;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// The folder of real data, where there is one.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("NIGHTJAR_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: NIGHTJAR_DATA is not set");
    }
    folder
}

/// Who sent the records of a log: (session as the log names it, principal).
fn senders(log: &str) -> BTreeSet<(String, String)> {
    let sender = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let name = record["identity"]["arn"].as_str().unwrap().to_owned();
        let mut parts = name.rsplit('/');
        let (session, role) = (parts.next().unwrap(), parts.next().unwrap());
        let principal = if session.contains('@') { session } else { role };
        (session.to_owned(), principal.to_owned())
    };
    log.lines().map(sender).collect()
}

/// The seven who sent far larger prompts than anybody on the other day are found, the five others are not, alone or
/// beside what else happened on these days.
#[test]
fn hindsight_finds_who_sent_unusually_large_prompts() {
    let Some(folder) = data() else { return };
    let folder = folder.join("splunk_bedrock_claude");
    let path = folder.join("aws_bedrock_claude_unusually_large_prompts.ndjson");
    let log = std::fs::read_to_string(&path).unwrap();
    let ordinary = ["vg", "ak", "jj", "ml", "rd"].map(|name| format!("{name}@foo.com"));
    let (usual, outliers): (Vec<_>, Vec<_>) = senders(&log)
        .into_iter()
        .partition(|(_, principal)| ordinary.contains(principal));
    assert_eq!((usual.len(), outliers.len()), (5, 7));
    let all = folder.join("*.ndjson");
    for path in [path.to_str().unwrap(), all.to_str().unwrap()] {
        let args = ["backtest", path, "--hindsight", "--alerts", "-"];
        let alerts = run(args).ended(0).alerts();
        let is_told = |alert: &&Value| alert["detector"] == "ai_usage_spike";
        let told = alerts.iter().filter(is_told);
        let told: Vec<_> = told.filter(|alert| alert["suppressed"].is_null()).collect();
        let of = |(_, principal): &&(String, String)| {
            told.iter()
                .any(|alert| alert["entity"]["id"] == **principal)
        };
        println!(
            "{} of 7 outliers, {} of 5 ordinary, {} alerts",
            outliers.iter().filter(of).count(),
            usual.iter().filter(of).count(),
            told.len()
        );
        assert_eq!(outliers.iter().filter(of).count(), 7, "{told:#?}");
        assert_eq!(usual.iter().filter(of).count(), 0, "{told:#?}");
        let source = |alert: &&Value| alert["baseline"]["source"] == "hindsight";
        assert!(alerts.iter().all(|alert| source(&alert)));
    }
}

/// Hindsight needs other days, and is no way to judge months.
#[test]
fn hindsight_wants_a_short_sample() {
    let folder = Folder::new();
    for days in [1, 32] {
        let mut lines = String::new();
        for day in 0..days {
            let at = chrono::DateTime::from_timestamp(1_770_000_000 + day * 86_400, 0).unwrap();
            let time = at.to_rfc3339();
            let line = serde_json::json!({ "time": time, "activity": "login", "user": "ana" });
            writeln!(lines, "{line}").unwrap();
        }
        let log = folder.write("app/log.ndjson", lines);
        let err = run(["backtest", &log, "--hindsight"]).ended(1).err();
        assert!(err.contains("2 to 31 days"), "{err}");
        assert!(err.contains(&format!("there are {days}")), "{err}");
    }
}

const SLICES: usize = 144;
const SLICE_SECS: i64 = 600;
const DAYS: usize = 14;
/// A Monday.
const START_SECS: i64 = 1_728_259_200;
/// Days that are learned before any is counted.
const FIRST_COUNTED: usize = 7;

/// Requests of one client by day and slice of ten minutes.
type Client = [[u64; SLICES]; DAYS];

fn clients(path: &std::path::Path) -> BTreeMap<String, Client> {
    let mut clients = BTreeMap::<String, Client>::new();
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    for batch in builder.build().unwrap() {
        let batch = batch.unwrap();
        let names = arrow::compute::cast(&batch.columns()[0], &arrow::datatypes::DataType::Utf8);
        let names = names.unwrap();
        let times = batch.column(1).as_primitive::<Int64Type>().values();
        let rates = batch.column(2).as_primitive::<Float64Type>().values();
        for (row, name) in names.as_string::<i32>().iter().enumerate() {
            let client = clients.entry(name.unwrap().to_owned());
            let slice = (times[row] / SLICE_SECS) as usize;
            let calls = (rates[row] * SLICE_SECS as f64).round() as u64;
            client.or_insert([[0; SLICES]; DAYS])[slice / SLICES][slice % SLICES] = calls;
        }
    }
    clients
}

/// One record: so many calls of a client in a slice.
fn record(client: &str, what: &str, day: usize, slice: usize, calls: u64) -> String {
    let at = START_SECS + (day * SLICES + slice) as i64 * SLICE_SECS;
    let time = chrono::DateTime::from_timestamp(at, 0).unwrap();
    serde_json::json!({
        "time": time.to_rfc3339(), "uid": format!("{client} {what} {day} {slice}"), "activity": "ai_use",
        "outcome": "success", "user": client, "kind": "service", "app": "llm api", "count": calls,
    })
    .to_string()
}

/// What a client has on a day besides: three slices of so many times its busiest slice of the five days before.
fn burst(name: &str, client: &Client, number: usize, day: usize, times: u64) -> Vec<String> {
    let active: Vec<usize> = (0..SLICES)
        .filter(|slice| 0 < client[day][*slice])
        .collect();
    // Any of its active slices, but for each time of day some client's.
    let chosen = active[(number * 7_919 + day * 104_729) % active.len()].min(SLICES - 3);
    let past = client[day.saturating_sub(5)..day].iter().flatten();
    let busiest = past.copied().max().unwrap_or(0).max(50);
    let slices = chosen..chosen + 3;
    slices
        .map(|slice| record(name, "burst", day, slice, times * busiest))
        .collect()
}

/// The detector alone, told within the hour: it learns until the day before yesterday.
fn setup(folder: &Folder) -> Setup {
    let mut text = "[sources.llm]\nformat = \"nightjar\"\nallowed_lateness = \"1h\"\n".to_owned();
    for entry in CATALOG
        .iter()
        .filter(|entry| entry.name != "ai_usage_spike")
    {
        writeln!(text, "[detectors.{}]\nenabled = false", entry.name).unwrap();
    }
    let file = folder.write("nightjar.toml", text);
    Setup::of(Config::load(Some(file.as_ref()), std::iter::empty()).unwrap()).unwrap()
}

/// Rows by day.
fn rows(setup: &Setup, records: &[String]) -> BTreeMap<Day, Vec<RecordBatch>> {
    let records = records.iter().map(|record| ("llm", record.as_bytes()));
    let mut days = backtest::read_records(setup, records).unwrap().days;
    let all = days.days();
    let take = |day: Day| (day, days.take(day).unwrap());
    all.into_iter().map(take).collect()
}

/// How surprising each client's day was, by day and client, when these days are judged in order.
fn surprises(
    setup: &Setup,
    names: &BTreeSet<String>,
    days: &BTreeMap<Day, Vec<RecordBatch>>,
) -> BTreeMap<(Day, String), u32> {
    let mut core = Core::new(setup.world.clone(), 1).evaluating(Vec::new(), names.clone());
    let mut sealed = Vec::new();
    for (day, batches) in days {
        sealed.extend(core.require(*day));
        core.observe(batches).unwrap();
    }
    sealed.extend(core.seal_all());
    let scores = sealed.into_iter().flat_map(|closed| {
        let day = closed.day;
        let scores = closed.scores.into_iter();
        scores.map(move |score| ((day, score.who.name.to_string()), score.surprise))
    });
    scores.collect()
}

/// Half an hour at three times the busiest ten minutes of five days is told from what real clients do by themselves:
/// of the threshold that one client-day in ten is above.
#[test]
fn bursts_of_real_clients_stand_out() {
    let Some(folder) = data() else { return };
    let own = Folder::new();
    let setup = setup(&own);
    let clients = clients(&folder.join("llm_api_traces/language_m-mid.parquet"));
    let names: BTreeSet<String> = clients.keys().cloned().collect();
    let mut records = Vec::new();
    for (name, client) in &clients {
        for (at, calls) in client.iter().flatten().enumerate() {
            if 0 < *calls {
                records.push(record(name, "calls", at / SLICES, at % SLICES, *calls));
            }
        }
    }
    let days = rows(&setup, &records);
    let first = setup.world.calendar.day(START_SECS * 1000);
    let counted = first + FIRST_COUNTED as Day;
    let mut clean: Vec<u32> = surprises(&setup, &names, &days)
        .into_iter()
        .filter_map(|((day, _), surprise)| (counted <= day).then_some(surprise))
        .collect();
    clean.sort_unstable_by(|a, b| b.cmp(a));
    let cells = clients.len() * (DAYS - FIRST_COUNTED);
    let limits = [0.3, 0.1, 0.03].map(|share| clean[(share * cells as f64) as usize]);
    println!("{} clients, {} active days", clients.len(), clean.len());
    println!("alerts per client-day .3, .1, .03 beyond {limits:?}");
    let mut recall = BTreeMap::new();
    for times in [2, 3, 5, 10] {
        let mut found = Vec::new();
        for number in FIRST_COUNTED..DAYS {
            let day = first + number as Day;
            let active = clients.iter().enumerate();
            let active = active.filter(|(_, (_, client))| client[number].iter().any(|n| 0 < *n));
            let bursts: Vec<String> = active
                .flat_map(|(at, (name, client))| burst(name, client, at, number, times))
                .collect();
            let mut until: BTreeMap<_, _> =
                days.range(..=day).map(|(d, b)| (*d, b.clone())).collect();
            for (day, batches) in rows(&setup, &bursts) {
                until.entry(day).or_default().extend(batches);
            }
            let all = surprises(&setup, &names, &until).into_iter();
            found.extend(all.filter_map(|((of, _), surprise)| (of == day).then_some(surprise)));
        }
        assert_eq!(found.len(), clean.len());
        let above = |limit: &u32| found.iter().filter(|s| limit < s).count() as f64;
        let shares = limits.map(|limit| above(&limit) / found.len() as f64);
        println!("x{times}: recall {shares:.3?}");
        recall.insert(times, shares);
    }
    assert!(0.86 <= recall[&3][1], "{recall:?}");
    assert!(0.90 <= recall[&5][1], "{recall:?}");
}
