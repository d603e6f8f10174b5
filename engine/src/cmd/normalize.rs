//! `nightjar normalize`: the canonical rows of logs, to see how they are understood.

use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use arrow::array::RecordBatch;
use clap::Args;
use nightjar_detectors::event::{Events, row_json};

use super::rows;
use crate::setup::Setup;
use crate::store::quarantine::QuarantineEntry;

/// Arguments of `normalize`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar normalize samples/logs/okta | head -n 3
  nightjar normalize audit.json.gz --format m365_audit > rows.ndjson")]
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
}

/// Prints the rows as NDJSON; what cannot be read goes to standard error with position and reason.
///
/// # Errors
/// When a path means nothing or standard output cannot be written.
pub fn run(args: &NormalizeArgs) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let setup = Setup::load(args.config.as_deref())?.with_format(args.format.as_deref())?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let progress = !std::io::stdout().is_terminal();
    let counts = rows::read(
        &setup,
        &args.paths,
        progress,
        &stop,
        &mut |_, batch, rejected| print(&mut out, batch, rejected),
    )?;
    out.flush()?;
    let all = rows::sum(&counts);
    eprintln!(
        "{} records: {} rows, {} without activity, {} set aside",
        all.records, all.rows, all.ignored, all.quarantined
    );
    Ok(match rows::is_all_unreadable(&counts) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn print(
    out: &mut impl Write,
    batch: &RecordBatch,
    rejected: Vec<QuarantineEntry>,
) -> anyhow::Result<()> {
    for entry in rejected {
        eprintln!(
            "{}@{}: {} ({} bytes)",
            entry.origin, entry.offset, entry.reason, entry.bytes
        );
    }
    for row in Events::new(batch)?.rows() {
        serde_json::to_writer(&mut *out, &row_json(row))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
