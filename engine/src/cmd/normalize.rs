//! `nightjar normalize`: the canonical rows of logs, to see how they are understood.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use clap::Args;
use nightjar_detectors::event::{CANONICAL_COLUMNS, Events, canonical_schema, row_json};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::rows;
use crate::query::Condition;
use crate::setup::Setup;
use crate::store::quarantine::QuarantineEntry;

/// Arguments of `normalize`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar normalize samples/logs/okta | head -n 3
  nightjar normalize audit.json.gz --format m365_audit > rows.ndjson
  nightjar normalize logs/ --where \"user = 'ana@example.com'\" --to ana.parquet")]
pub struct NormalizeArgs {
    /// Log files, folders of them, or patterns
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of all files; `auto` recognises it record by record
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Only rows for which this holds: SQL over the canonical columns
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Write the rows to a Parquet file instead
    #[arg(long, value_name = "FILE.parquet")]
    to: Option<PathBuf>,
}

/// Prints the rows as NDJSON; what cannot be read goes to standard error with position and reason.
///
/// # Errors
/// When a path means nothing or standard output cannot be written.
pub fn run(args: &NormalizeArgs) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let setup = Setup::load(args.config.as_deref())?.with_format(args.format.as_deref())?;
    let condition = args
        .condition
        .as_deref()
        .map(Condition::parse)
        .transpose()?;
    let mut out = match &args.to {
        Some(path) => Output::Parquet(parquet(path)?),
        None => Output::Lines(BufWriter::new(std::io::stdout().lock())),
    };
    let progress = args.to.is_some() || !std::io::stdout().is_terminal();
    let read = rows::read(
        &setup,
        &args.paths,
        progress,
        &stop,
        &mut |_, batch, rejected| {
            list(&rejected);
            match &condition {
                Some(condition) => out.write(&condition.apply(batch)?),
                None => out.write(batch),
            }
        },
    )?;
    out.finish()?;
    super::tell_unrecognised(&read.unrecognised);
    let all = rows::sum(&read.counts);
    eprintln!(
        "{} records: {} rows, {} without activity, {} set aside",
        all.records, all.rows, all.ignored, all.quarantined
    );
    super::ensure_readable(all)?;
    Ok(ExitCode::SUCCESS)
}

fn list(rejected: &[QuarantineEntry]) {
    for entry in rejected {
        eprintln!(
            "{}@{}: {} ({} bytes)",
            entry.origin, entry.offset, entry.reason, entry.bytes
        );
    }
}

/// Where the rows go.
enum Output {
    Lines(BufWriter<StdoutLock<'static>>),
    Parquet(Box<ArrowWriter<File>>),
}

fn parquet(path: &Path) -> anyhow::Result<Box<ArrowWriter<File>>> {
    let file = File::create(path);
    let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
    let packed = WriterProperties::builder().set_compression(Compression::ZSTD(Default::default()));
    let writer = ArrowWriter::try_new(file, canonical_schema(), Some(packed.build()))?;
    Ok(Box::new(writer))
}

impl Output {
    fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        match self {
            Output::Lines(out) => {
                for row in Events::new(batch)?.rows() {
                    serde_json::to_writer(&mut *out, &row_json(row))?;
                    out.write_all(b"\n")?;
                }
            }
            Output::Parquet(out) => {
                let canonical: Vec<usize> = (0..CANONICAL_COLUMNS).collect();
                out.write(&batch.project(&canonical)?)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Output::Lines(mut out) => out.flush()?,
            Output::Parquet(out) => {
                out.close()?;
            }
        }
        Ok(())
    }
}
