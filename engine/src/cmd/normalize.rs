//! `nightjar normalize`: the canonical rows of logs, to see how they are understood.

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nightjar_detectors::event::{Events, row_json};

use crate::intake::{Counts, Intake, UnrecognisedBySource};
use crate::setup::Setup;
use crate::source::file::{self, LogFile, Piece};

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
    let setup = Setup::load(args.config.as_deref())?.with_format(args.format.as_deref())?;
    let files = file::list(&args.paths)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut all = Counts::default();
    let mut unrecognised = UnrecognisedBySource::new();
    for file in &files {
        let mut intake = Intake::new(&setup, &file.source)?;
        print(file, &mut intake, &mut out)?;
        all.add(intake.take_counts());
        let more = intake.take_unrecognised();
        let known = unrecognised.entry(file.source.clone()).or_default();
        known.add(more.parts, &more.keys);
    }
    out.flush()?;
    super::tell_unrecognised(&unrecognised);
    eprintln!(
        "{} records: {} rows, {} without activity, {} set aside",
        all.records, all.rows, all.ignored, all.quarantined
    );
    let unreadable = 0 < all.records && all.rows + all.ignored == 0;
    Ok(if unreadable {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print(file: &LogFile, intake: &mut Intake, out: &mut impl Write) -> anyhow::Result<()> {
    intake.begin(&file.path.to_string_lossy());
    let mut failure = None;
    file::read(&file.path, &|_| (), &mut |piece| {
        match piece {
            Piece::Lines {
                bytes,
                first_record,
            } => intake.lines(bytes, first_record),
            Piece::TooLarge { record, bytes } => {
                intake.set_aside(record, bytes, "record is larger than 64 MiB");
            }
            Piece::Broken { record, reason } => intake.set_aside(record, 0, &reason),
        }
        match write_rows(intake, out) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    write_rows(intake, out)?;
    failure.map_or(Ok(()), Err)
}

fn write_rows(intake: &mut Intake, out: &mut impl Write) -> anyhow::Result<()> {
    for entry in intake.take_rejected() {
        eprintln!(
            "{}@{}: {} ({} bytes)",
            entry.origin, entry.offset, entry.reason, entry.bytes
        );
    }
    let batch = intake.take_batch();
    for row in Events::new(&batch)?.rows() {
        serde_json::to_writer(&mut *out, &row_json(row))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
