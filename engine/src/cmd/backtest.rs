//! `nightjar backtest`: replays log files through the detectors of the service.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nightjar_detectors::alert::Alert;
use nightjar_detectors::core::Core;
use nightjar_detectors::time::Day;
use serde_json::Value;

use crate::backtest::summary::Summary;
use crate::backtest::{self, BacktestError, Inputs, Judged, Read, hindsight};
use crate::days::DayStore;
use crate::evaluate::labels::Labels;
use crate::evaluate::seen::Seen;
use crate::evaluate::{Evaluation, Wanted, sweep};
use crate::query::Condition;
use crate::setup::Setup;
use crate::source::file::{self, LogFile};
use crate::store::quarantine::QuarantineEntry;

/// Rows kept in memory before days are spilled to disk.
const MEMORY_BYTES: usize = 4 << 30;
/// Records set aside that are listed one by one.
const LISTED_MAX: usize = 10;

/// Arguments of `backtest`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar backtest samples/logs -c samples/nightjar.toml --labels samples/labels.json
  nightjar backtest 'export/*.json.gz' --format m365_audit --alerts alerts.ndjson
  nightjar backtest samples/logs -c samples/nightjar.toml --sweep      # what other budgets would give
  nightjar backtest samples/logs -c samples/nightjar.toml --inject     # which thefts would go unnoticed, and why
  nightjar backtest samples/logs -c samples/nightjar.toml --json | jq .incidents
  nightjar backtest logs/ --where \"source <> 'proxy' AND kind = 'person'\"
  nightjar backtest trial/ --hindsight      # two days of logs: each judged against the other
  nightjar backtest logs/2026-02 -c nightjar.toml --save-state nightjar-state   # train, then `run`")]
pub struct BacktestArgs {
    /// Log files (NDJSON, JSON arrays, CSV, Parquet, Arrow; also .gz, .zst, .zip), folders of them, patterns, or `-`
    /// for standard input; the name of a file's folder is its source
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of all files; `auto` recognises it record by record
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// First day whose alerts are reported (earlier days are still learned)
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<chrono::NaiveDate>,
    /// Last day whose alerts are reported
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<chrono::NaiveDate>,
    /// Only rows for which this holds are read: SQL over the canonical columns
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Where to write the final alerts as NDJSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    alerts: Option<PathBuf>,
    /// What really happened, a JSON list as `generate` writes it: recall, time to detection, false incidents by
    /// cause, why attacks were missed, calibration
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The curve of alerts a day, and with labels of recall, over budgets and the alphas that they give each
    /// detector: each point is what a run with that budget gives
    #[arg(long)]
    sweep: bool,
    /// Plants thefts, bursts of AI use and logins of graded size into everybody's own history, on the first weekday
    /// after the last day, and says which would go unnoticed, for whom and why; with --json for everybody
    #[arg(long)]
    inject: bool,
    /// For a sample too short to have a past, of 2 to 31 days: judges each day against all the others, those after
    /// it too, by as few as five principal-days; `baseline.source` of such alerts is `hindsight`. What stretches
    /// over midnight is not seen, and no service would have said the same
    #[arg(long, conflicts_with_all = ["labels", "sweep", "inject", "save_state"])]
    hindsight: bool,
    /// One JSON document on standard output instead of tables
    #[arg(long)]
    json: bool,
    /// Folder for the trained state, for `run` to go on from; the last days stay open in it
    #[arg(long, value_name = "DIR")]
    save_state: Option<PathBuf>,
    /// Threads that read and judge
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// Print the digest only
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
}

/// Replays, reports, and prints the digest last.
///
/// # Errors
/// When a path means nothing, a file cannot be opened, labels cannot be met, or an output cannot be written.
pub fn run(args: &BacktestArgs) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let setup = Setup::load(args.config.as_deref())?.with_format(args.format.as_deref())?;
    let mut labels = args.labels.as_deref().map(Labels::read).transpose()?;
    let files = file::list(&args.paths)?;
    check_outputs(args)?;
    let threads = args
        .threads
        .map_or_else(super::default_threads, usize::from);
    let started = Instant::now();
    let condition = args.condition.as_deref();
    let condition = condition.map(Condition::parse).transpose()?;
    let condition = condition.as_ref();
    let is_silent = args.quiet || args.json;
    let mut read = read(&setup, condition, &files, threads, is_silent, &stop)?;
    let days = std::mem::replace(&mut read.days, DayStore::new(0, PathBuf::new()));
    let (mut judged, seen) = match args.hindsight {
        true => {
            let bar = judging(&days, is_silent);
            let judged = hindsight::judge(&setup, threads, days, &stop, &|_| bar.inc(1));
            bar.finish_and_clear();
            (judged?, Seen::new(BTreeSet::new(), &setup.config.tenant))
        }
        false => {
            let core = Core::new(setup.world.clone(), threads);
            replay(args, core, labels.as_ref(), days, &stop)?
        }
    };
    let is_reported = reported_days(args);
    let left_out = labels.as_mut().zip(judged.span).map(|(labels, span)| {
        let calendar = &setup.world.calendar;
        labels.keep_met(&seen, span, calendar, &is_reported, condition.is_some())
    });
    let left_out = left_out.transpose()?.unwrap_or(0);
    if let Some(folder) = &args.save_state {
        judged.save(&setup, &read.rejected, folder)?;
    }
    judged.seal_all();
    let elapsed = started.elapsed();
    let alerts = reported(&judged, &is_reported);
    let alerts: Vec<&Alert> = alerts.iter().collect();
    let days = judged.days.iter().copied();
    let days: Vec<Day> = days.filter(|day| is_reported(*day)).collect();
    let all = alerts.iter().copied();
    let summary = Summary::new(&read.counts, judged.tallies(), all, days.len(), elapsed);
    if let Some(path) = &args.alerts {
        write_alerts(path, &alerts)?;
    }
    if args.quiet {
        say(args, &format!("digest: {}\n", summary.digest()))?;
    } else {
        list_rejected(&read.rejected);
        super::tell_unrecognised(&read.unrecognised);
        let wanted = Wanted {
            labels: labels.as_ref(),
            left_out,
            user_days: seen.user_days(&is_reported),
            sweep: args.sweep,
            inject: args.inject,
            alerts: &alerts,
            days: &days,
            is_reported: &is_reported,
        };
        let evaluation = Evaluation::new(&mut judged, &wanted);
        let budget = setup.config.detection.budget_per_day;
        say(args, &report(args, budget, &summary, &evaluation)?)?;
    }
    super::ensure_readable(summary.counts())?;
    Ok(ExitCode::SUCCESS)
}

/// Judges the days, and looks at what the arguments ask for meanwhile.
fn replay(
    args: &BacktestArgs,
    mut core: Core,
    labels: Option<&Labels>,
    days: DayStore,
    stop: &AtomicBool,
) -> anyhow::Result<(Judged, Seen)> {
    let settings = &core.world().settings;
    let entities = labels.map(Labels::entities).unwrap_or_default();
    let mut seen = Seen::new(entities.clone(), &settings.tenant);
    if args.sweep || labels.is_some() {
        let budgets = args.sweep.then(|| sweep::budgets(settings.budget_per_day));
        core = core.evaluating(budgets.unwrap_or_default(), entities);
    }
    let mut look = |day: Day, batches: &[RecordBatch]| {
        if labels.is_some() {
            seen.look(day, batches);
        }
    };
    let judged = judge_by(core, days, args.quiet || args.json, stop, &mut look)?;
    Ok((judged, seen))
}

/// Where the alerts go to standard output, everything else goes to standard error.
fn say(args: &BacktestArgs, text: &str) -> anyhow::Result<()> {
    match args.alerts.as_deref() == Some(Path::new("-")) {
        true => eprint!("{text}"),
        false => super::print(text)?,
    }
    Ok(())
}

/// All that is told, the digest last.
fn report(
    args: &BacktestArgs,
    budget_per_day: f64,
    summary: &Summary,
    evaluation: &Evaluation,
) -> anyhow::Result<String> {
    if !args.json {
        let mut tables = summary.text(budget_per_day) + &evaluation.text();
        if args.hindsight {
            tables += "hindsight: each day was judged against all the others; a service would not have said the same\n";
        }
        return Ok(tables + &format!("digest: {}\n", summary.digest()));
    }
    let mut all = summary.json(budget_per_day);
    if args.hindsight {
        all["hindsight"] = Value::Bool(true);
    }
    if let (Value::Object(all), Value::Object(more)) = (&mut all, serde_json::to_value(evaluation)?)
    {
        all.extend(more);
    }
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

/// A mistake in the name of an output is told before the work, not after it.
fn check_outputs(args: &BacktestArgs) -> anyhow::Result<()> {
    let folder = args.alerts.as_deref().and_then(Path::parent);
    if let (Some(folder), Some(path)) = (folder, &args.alerts)
        && !folder.as_os_str().is_empty()
        && !folder.is_dir()
    {
        anyhow::bail!(
            "{} cannot be written; there is no folder {}",
            path.display(),
            folder.display()
        );
    }
    anyhow::ensure!(
        !args.json || args.alerts.as_deref() != Some(Path::new("-")),
        "--json and --alerts - both want standard output; name a file for the alerts"
    );
    match &args.save_state {
        Some(folder) if folder.join("state.db").exists() => {
            Err(BacktestError::StateExists(folder.display().to_string()).into())
        }
        _ => Ok(()),
    }
}

fn bar(length: u64, quiet: bool, template: &str) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    bar.with_style(ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar()))
}

fn judging(days: &DayStore, quiet: bool) -> ProgressBar {
    let days = days.days().len() as u64;
    bar(days, quiet, "judging {wide_bar} {pos}/{len} days {eta}")
}

/// Reads files behind a progress bar.
pub(super) fn read(
    setup: &Setup,
    condition: Option<&Condition>,
    files: &[LogFile],
    threads: usize,
    quiet: bool,
    stop: &AtomicBool,
) -> anyhow::Result<Read> {
    let bytes = files.iter().map(|file| file.bytes).sum();
    let bar = bar(
        bytes,
        quiet,
        "reading {wide_bar} {bytes}/{total_bytes} {eta}",
    );
    let spill_folder = std::env::temp_dir().join(format!("nightjar-{}", std::process::id()));
    let inputs = Inputs {
        files,
        threads,
        memory_bytes: MEMORY_BYTES,
        spill_folder,
        condition,
        stop,
        progress: &|bytes| bar.inc(bytes),
    };
    let read = backtest::read(setup, &inputs);
    bar.finish_and_clear();
    Ok(read?)
}

/// Judges days of files behind a progress bar.
pub(super) fn judge(
    setup: &Setup,
    threads: usize,
    days: DayStore,
    quiet: bool,
    stop: &AtomicBool,
) -> anyhow::Result<Judged> {
    let core = Core::new(setup.world.clone(), threads);
    judge_by(core, days, quiet, stop, &mut |_, _| ())
}

/// Judges days by an empty core behind a progress bar.
pub(super) fn judge_by(
    core: Core,
    days: DayStore,
    quiet: bool,
    stop: &AtomicBool,
    look: &mut dyn FnMut(Day, &[RecordBatch]),
) -> anyhow::Result<Judged> {
    let bar = judging(&days, quiet);
    let judged = backtest::judge_by(core, days, stop, &mut |day, batches| {
        look(day, batches);
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok(judged?)
}

/// Whether a day is to be reported.
fn reported_days(args: &BacktestArgs) -> impl Fn(Day) -> bool + use<> {
    let epoch = chrono::NaiveDate::default();
    let day = |date: chrono::NaiveDate| (date - epoch).num_days() as Day;
    let (from, to) = (args.from.map(day), args.to.map(day));
    move |day| from.is_none_or(|from| from <= day) && to.is_none_or(|to| day <= to)
}

/// The alerts of the days that are to be reported.
fn reported(judged: &Judged, is_reported: &dyn Fn(Day) -> bool) -> Vec<Alert> {
    let all = judged.alerts.values();
    let within = all.filter(|alert| judged.day_of(alert).is_some_and(is_reported));
    within.cloned().collect()
}

fn write_alerts(path: &Path, alerts: &[&Alert]) -> anyhow::Result<()> {
    let out: Box<dyn Write> = if path == Path::new("-") {
        Box::new(std::io::stdout().lock())
    } else {
        let file = std::fs::File::create(path);
        Box::new(file.with_context(|| format!("{} cannot be written", path.display()))?)
    };
    let mut out = BufWriter::new(out);
    for alert in alerts {
        serde_json::to_writer(&mut out, alert)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

fn list_rejected(rejected: &[QuarantineEntry]) {
    for entry in rejected.iter().take(LISTED_MAX) {
        eprintln!(
            "{}@{}: {} ({} bytes)",
            entry.origin, entry.offset, entry.reason, entry.bytes
        );
    }
    if LISTED_MAX < rejected.len() {
        let more = rejected.len() - LISTED_MAX;
        eprintln!("and {more} more records set aside; `nightjar normalize` lists them all");
    }
}
