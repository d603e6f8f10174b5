//! `nightjar query`: SQL over the events of logs, over alerts and over the quarantine.

use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::reader::{ReaderBuilder, infer_json_schema_from_seekable};
use clap::{Args, ValueEnum};
use nightjar_detectors::event::{CANONICAL_COLUMNS, canonical_schema};
use serde::Serialize;
use serde_json::json;

use super::rows;
use crate::query::Tables;
use crate::setup::Setup;
use crate::store::alerts::AlertReader;
use crate::store::quarantine::QuarantineEntry;

/// Arguments of `query`.
#[derive(Debug, Args)]
#[command(after_help = "\
Tables: events (the canonical rows of PATH), quarantine (what of PATH could not be read), and alerts (with --alerts
or --state). Columns: README, or  nightjar query 'DESCRIBE events' PATH

Examples:
  nightjar query \"SELECT user, count(*) AS n FROM events WHERE activity = 'login' GROUP BY user ORDER BY n DESC\" logs/
  nightjar query 'SELECT reason, count(*) FROM quarantine GROUP BY reason' export/ --format m365_audit
  nightjar query 'SELECT detector, severity, count(*) FROM alerts GROUP BY 1, 2' --state nightjar-state")]
pub struct QueryArgs {
    /// One SQL statement that reads
    sql: String,
    /// Log files, folders of them, or patterns
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of all files; `auto` recognises it record by record
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Alerts from a file, as `backtest --alerts` writes it
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    alerts: Option<PathBuf>,
    /// Alerts from a state folder
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How rows are written
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// As NDJSON; the same as --output json
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
    Csv,
}

/// Runs one statement and prints its rows.
///
/// # Errors
/// When something cannot be read, or the SQL cannot be run.
pub fn run(args: &QueryArgs) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let tables = Tables::default();
    if !args.paths.is_empty() {
        let setup = Setup::load(args.config.as_deref())?.with_format(args.format.as_deref())?;
        let (mut events, mut rejected) = (Vec::new(), Vec::new());
        let canonical: Vec<usize> = (0..CANONICAL_COLUMNS).collect();
        rows::read(
            &setup,
            &args.paths,
            true,
            &stop,
            &mut |_, batch, mut bad| {
                rejected.append(&mut bad);
                if 0 < batch.num_rows() {
                    events.push(batch.project(&canonical)?);
                }
                Ok(())
            },
        )?;
        tables.add("events", canonical_schema(), events)?;
        let (schema, bad) = json_table(rejected.iter().map(quarantine_row), QUARANTINE_SHAPE)?;
        tables.add("quarantine", schema, bad)?;
    }
    if let Some((schema, alerts)) = alerts(args)? {
        tables.add("alerts", schema, alerts)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let (schema, found) = runtime.block_on(tables.run(&args.sql))?;
    print(
        &schema,
        &found,
        if args.json { Output::Json } else { args.output },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// A row that gives the table its columns when there is nothing in it.
const QUARANTINE_SHAPE: &str =
    r#"{"source":"","origin":"","offset":0,"element":0,"reason":"","bytes":0}"#;

fn quarantine_row(entry: &QuarantineEntry) -> serde_json::Value {
    json!({
        "source": entry.source,
        "origin": entry.origin,
        "offset": entry.offset,
        "element": entry.element,
        "reason": entry.reason,
        "bytes": entry.bytes,
    })
}

fn alerts(args: &QueryArgs) -> anyhow::Result<Option<(SchemaRef, Vec<RecordBatch>)>> {
    let table = match (&args.alerts, &args.state) {
        (Some(file), _) => lines_table(std::fs::read(file).with_context(|| cannot_read(file))?)?,
        (None, Some(folder)) => {
            let all = AlertReader::open(folder)?.all()?;
            json_table(all.iter(), "{}")?
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(table))
}

fn cannot_read(path: &Path) -> String {
    format!("{} cannot be read", path.display())
}

fn json_table<T: Serialize>(
    values: impl ExactSizeIterator<Item = T>,
    shape: &str,
) -> anyhow::Result<(SchemaRef, Vec<RecordBatch>)> {
    let is_empty = values.len() == 0;
    let mut lines = Vec::new();
    for value in values {
        serde_json::to_writer(&mut lines, &value)?;
        lines.push(b'\n');
    }
    if !is_empty {
        return lines_table(lines);
    }
    let (schema, _) = lines_table(shape.as_bytes().to_vec())?;
    Ok((schema, Vec::new()))
}

fn lines_table(lines: Vec<u8>) -> anyhow::Result<(SchemaRef, Vec<RecordBatch>)> {
    let mut lines = BufReader::new(std::io::Cursor::new(lines));
    let (schema, _) = infer_json_schema_from_seekable(&mut lines, None)?;
    let schema = Arc::new(schema);
    let batches = ReaderBuilder::new(schema.clone()).build(lines)?;
    Ok((schema, batches.collect::<Result<_, _>>()?))
}

fn print(schema: &SchemaRef, found: &[RecordBatch], output: Output) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Table => {
            let table =
                arrow::util::pretty::pretty_format_batches_with_schema(schema.clone(), found)?;
            writeln!(out, "{table}")?;
        }
        Output::Json => {
            let mut writer = arrow::json::LineDelimitedWriter::new(&mut out);
            found.iter().try_for_each(|batch| writer.write(batch))?;
            writer.finish()?;
        }
        Output::Csv => {
            let mut writer = arrow::csv::Writer::new(&mut out);
            found.iter().try_for_each(|batch| writer.write(batch))?;
        }
    }
    Ok(())
}
