//! `nightjar backtest`: replays log files through the detectors of the service.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nightjar_detectors::alert::Alert;
use nightjar_detectors::time::{Day, day_text};

use crate::backtest::score::{read_labels, score};
use crate::backtest::summary::{Summary, score_text};
use crate::backtest::{self, BacktestError, Inputs, Judged, Read};
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
  nightjar backtest logs/ --where \"source <> 'proxy' AND kind = 'person'\"
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
    /// What really happened, to score the alerts against
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Folder for the trained state, for `run` to go on from; the last days stay open in it
    #[arg(long, value_name = "DIR")]
    save_state: Option<PathBuf>,
    /// Threads that read and judge
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// Print the digest only
    #[arg(short, long)]
    quiet: bool,
}

/// Replays, reports, and prints the digest last.
///
/// # Errors
/// When a path means nothing, a file cannot be opened, or an output cannot be written.
pub fn run(args: &BacktestArgs) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let setup = Setup::load(args.config.as_deref())?.with_format(args.format.as_deref())?;
    let labels = args.labels.as_deref().map(read_labels).transpose()?;
    let files = file::list(&args.paths)?;
    check_outputs(args)?;
    let threads = args
        .threads
        .map_or_else(super::default_threads, usize::from);
    let started = Instant::now();
    let condition = args.condition.as_deref();
    let condition = condition.map(Condition::parse).transpose()?;
    let condition = condition.as_ref();
    let read = read(&setup, condition, &files, threads, args.quiet, &stop)?;
    let Read {
        days,
        counts,
        rejected,
        unrecognised,
        ..
    } = read;
    let mut judged = judge(&setup, threads, days, args.quiet, &stop)?;
    if let Some(folder) = &args.save_state {
        judged.save(&setup, &rejected, folder)?;
    }
    judged.seal_all();
    let elapsed = started.elapsed();
    let alerts = reported(args, &judged);
    let days = judged.days;
    let summary = Summary::new(
        &counts,
        judged.tallies(),
        alerts.iter().copied(),
        days,
        elapsed,
    );
    if let Some(path) = &args.alerts {
        write_alerts(path, &alerts)?;
    }
    // Where the alerts go to standard output, everything else goes to standard error.
    let to_stderr = args.alerts.as_deref() == Some(Path::new("-"));
    let say = |text: &str| {
        if to_stderr {
            eprint!("{text}");
            return Ok(());
        }
        super::print(text)
    };
    if !args.quiet {
        list_rejected(&rejected);
        super::tell_unrecognised(&unrecognised);
        say(&summary.text(setup.config.detection.budget_per_day))?;
        if let Some(labels) = &labels {
            let score = score(labels, alerts.iter().copied(), &setup.world.calendar)?;
            say(&score_text(&score))?;
        }
    }
    say(&format!("digest: {}\n", summary.digest()))?;
    super::ensure_readable(summary.counts())?;
    Ok(ExitCode::SUCCESS)
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

/// Judges days behind a progress bar.
pub(super) fn judge(
    setup: &Setup,
    threads: usize,
    days: crate::days::DayStore,
    quiet: bool,
    stop: &AtomicBool,
) -> anyhow::Result<Judged> {
    let bar = bar(
        days.days().len() as u64,
        quiet,
        "judging {wide_bar} {pos}/{len} days {eta}",
    );
    let judged = backtest::judge(setup, threads, days, stop, &|_| bar.inc(1));
    bar.finish_and_clear();
    Ok(judged?)
}

/// The alerts of the days that are to be reported.
fn reported<'a>(args: &BacktestArgs, judged: &'a Judged) -> Vec<&'a Alert> {
    let epoch = chrono::NaiveDate::default();
    let day = |date: chrono::NaiveDate| (date - epoch).num_days() as Day;
    let from = args.from.map(|date| day_text(day(date)));
    let to = args.to.map(|date| day_text(day(date)));
    let is_reported = |alert: &&Alert| {
        let day = judged.day_of(alert).map(day_text);
        from.as_ref().is_none_or(|from| Some(from) <= day.as_ref())
            && to.as_ref().is_none_or(|to| day.as_ref() <= Some(to))
    };
    judged.alerts.values().filter(is_reported).collect()
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
