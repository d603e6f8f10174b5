//! `nightjar coverage`: what can be seen from logs, and what would let more be seen.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nightjar_detectors::event::Events;
use serde_json::json;

use super::rows;
use crate::coverage::{Coverage, DetectorReport, SourceReport, Words};
use crate::logins::ProviderLogins;
use crate::setup::Setup;
use crate::table::Columns;

/// Arguments of `coverage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar coverage samples/logs -c samples/nightjar.toml
  nightjar coverage export/ --json | jq '.sources[].detectors'
  nightjar coverage export/ --json | jq '.unknown'   # roles, labels and tools that nobody has decided about")]
pub struct CoverageArgs {
    /// Log files, folders of them, or patterns
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of all files; `auto` recognises it record by record
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Prints sources, columns, detectors and blind spots.
///
/// # Errors
/// When a path means nothing or a file cannot be opened.
pub fn run(args: &CoverageArgs) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let setup = Setup::load(args.config.as_deref())?.with_format(args.format.as_deref())?;
    let mut coverage = Coverage::default();
    let mut words = Words::new(&setup);
    let read = rows::read(&setup, &args.paths, true, &stop, &mut |source, batch, _| {
        let events = Events::new(batch)?;
        coverage.take(source, &events);
        words.take(source, &events);
        Ok(())
    })?;
    let report = coverage.report(&|format| columns_of(&setup, format));
    let logins = setup.logins.report(coverage.logins(), &read.other_logins);
    let blind = coverage.blind(&report);
    let unknown = words.report();
    if args.json {
        let all = json!({
            "sources": report,
            "blind": blind,
            "logins": logins,
            "unknown": unknown,
        });
        super::print(&(serde_json::to_string_pretty(&all)? + "\n"))?;
    } else {
        let mut text = sources(&report, &read.counts) + "\n" + &findings(&report, &blind, &logins);
        for words in &unknown {
            text += &(words.sentence() + "\n");
        }
        super::print(&text)?;
    }
    super::tell_unrecognised(&read.unrecognised);
    super::ensure_readable(rows::sum(&read.counts))?;
    Ok(ExitCode::SUCCESS)
}

/// The columns that a format can fill.
pub(super) fn columns_of(setup: &Setup, format: &str) -> Vec<String> {
    let format = setup.formats.get(format);
    let columns = format.map(|format| json!(format.columns));
    serde_json::from_value(columns.unwrap_or_default()).unwrap_or_default()
}

/// Columns, detectors, and what is missing for more.
pub(super) fn findings(
    report: &[SourceReport],
    blind: &[&DetectorReport],
    logins: &[ProviderLogins],
) -> String {
    let mut text = columns(report) + "\n" + &detectors(report) + &missing(report);
    for detector in blind {
        text += &format!(
            "no source lets {} see anything: {}\n",
            detector.detector,
            match detector.verdict {
                "blind" => "columns are missing",
                _ => "there are no events of its kind",
            }
        );
    }
    for sentence in logins.iter().flat_map(ProviderLogins::sentences) {
        text += &(sentence + "\n");
    }
    text
}

fn percent(share: f64) -> String {
    match share {
        0.0 => "-".to_owned(),
        share if share < 0.01 => "<1 %".to_owned(),
        share if 0.99 < share && share < 1.0 => ">99 %".to_owned(),
        share => format!("{:.0} %", 100.0 * share),
    }
}

fn sources(report: &[SourceReport], counts: &crate::intake::SourceCounts) -> String {
    let heads = [
        "SOURCE",
        "FORMATS",
        "RECORDS",
        "ROWS",
        "SET ASIDE",
        "USERS",
        "OF ALL",
        "ACTIVITIES",
    ];
    let mut table = Columns::new(&heads);
    for (source, counts) in counts {
        let found = report.iter().find(|report| report.source == *source);
        let activities = found.map(|report| {
            let of = |(activity, rows): (&&str, &u64)| format!("{activity} {rows}");
            report
                .activities
                .iter()
                .map(of)
                .collect::<Vec<_>>()
                .join(", ")
        });
        table.row([
            source.clone(),
            found
                .map(|report| report.formats.join(", "))
                .unwrap_or_default(),
            counts.records.to_string(),
            counts.rows.to_string(),
            counts.quarantined.to_string(),
            found.map_or(0, |report| report.users).to_string(),
            percent(found.map_or(0.0, |report| report.users_share)),
            activities.unwrap_or_default(),
        ]);
    }
    table.text()
}

/// Sources x columns: the share of rows that a column is null in.
fn columns(report: &[SourceReport]) -> String {
    let mut heads = vec!["NULLS"];
    heads.extend(report.iter().map(|report| report.source.as_str()));
    let mut table = Columns::new(&heads);
    let schema = nightjar_detectors::event::canonical_schema();
    for field in schema.fields().iter().filter(|field| field.is_nullable()) {
        let cell = |report: &SourceReport| match report.null_share.get(field.name()) {
            Some(share) => percent(*share),
            None => "never".to_owned(),
        };
        if report
            .iter()
            .all(|report| !report.null_share.contains_key(field.name()))
        {
            continue;
        }
        let cells = std::iter::once(field.name().clone()).chain(report.iter().map(cell));
        table.row(cells);
    }
    table.text() + "(never: the format of this source has no such column)\n"
}

fn detectors(report: &[SourceReport]) -> String {
    let mut heads = vec!["DETECTOR"];
    heads.extend(report.iter().map(|report| report.source.as_str()));
    let mut table = Columns::new(&heads);
    let names = report.first().map(|report| &report.detectors);
    for (place, detector) in names.into_iter().flatten().enumerate() {
        let cell = |report: &SourceReport| {
            let found = &report.detectors[place];
            match found.verdict {
                "no events" => "-".to_owned(),
                "in part" => format!("in part, {}", percent(found.usable_share)),
                verdict => verdict.to_owned(),
            }
        };
        table.row(std::iter::once(detector.detector.to_owned()).chain(report.iter().map(cell)));
    }
    table.text() + "\n"
}

fn missing(report: &[SourceReport]) -> String {
    let mut text = String::new();
    for source in report {
        for detector in &source.detectors {
            for missing in &detector.missing {
                text += &format!(
                    "{}: {} needs {}, which {} of its rows lack: {}\n",
                    source.source,
                    detector.detector,
                    missing.columns.join(" or "),
                    percent(missing.share),
                    missing.advice
                );
            }
        }
    }
    text
}
