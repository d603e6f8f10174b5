//! `nightjar quarantine`: what could not be read, where it lies, and reading it again.
//!
//! Invariant: a record's content is shown by `show --bytes` alone, to standard output alone, and never
//! before that is in the audit trail.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use nightjar_detectors::event::time_text;
use serde_json::{Value, json};

use super::folder::{FolderArgs, since, who};
use crate::config::Config;
use crate::replay::{self, Fate, Found, Replayed, Wanted};
use crate::setup::{Setup, SetupError};
use crate::source::kafka::{KafkaOptions, Topics};
use crate::store::alerts::AlertReader;
use crate::store::audit::{Deed, audit_beside};
use crate::store::quarantine::{Outcome, QuarantineFilter, Quarantined};
use crate::table::{columns, moment};

/// Arguments of `quarantine`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar quarantine list -c nightjar.toml --source okta --since 7d
  nightjar quarantine list --state nightjar-state --summary
  nightjar quarantine show okta/0@81723 -c nightjar.toml
  nightjar quarantine replay -c nightjar.toml --source doors    # after its format was mended")]
pub struct QuarantineArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the entries: where each record lies, why it was set aside, and its size
    #[command(after_help = "\
Examples:
  nightjar quarantine list -c nightjar.toml --reason time
  nightjar quarantine list --state nightjar-state --summary")]
    List {
        #[command(flatten)]
        which: Which,
        /// Counts by source and reason instead
        #[arg(long)]
        summary: bool,
        /// One entry a line, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows one record's entries, and its bytes for whoever may see them
    #[command(after_help = "\
Examples:
  nightjar quarantine show 17 -c nightjar.toml
  nightjar quarantine show okta/0@81723 -c nightjar.toml --bytes | jq .")]
    Show {
        /// An entry's number, or where the record lies: topic/partition@offset or file@record
        #[arg(value_name = "ID|POSITION")]
        record: String,
        #[command(flatten)]
        folder: FolderArgs,
        /// Read the record again and print it; that is entered in the audit trail
        #[arg(long)]
        bytes: bool,
        /// As JSON
        #[arg(long, conflicts_with = "bytes")]
        json: bool,
    },
    /// Reads the records again, with the formats as they are now, and judges what can be read
    ///
    /// A record is admitted by when it arrived. What belongs to a day that is closed by now is told, and
    /// entered in the late ledger. The service must be stopped; it tells the alerts when it starts.
    #[command(after_help = "\
Examples:
  nightjar quarantine replay -c nightjar.toml
  nightjar quarantine replay -c nightjar.toml --source doors --since 2d --json")]
    Replay {
        #[command(flatten)]
        which: Which,
        /// One record a line, as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    folder: FolderArgs,
    /// Only for reasons with this text in them
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only what was set aside since: a date, a time, or how long ago (7d)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<i64>,
}

impl Which {
    fn filter(&self) -> QuarantineFilter {
        QuarantineFilter {
            reason: self.reason.clone(),
            source: self.source.clone(),
            since_ms: self.since,
            is_open: false,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the folder cannot be read, a record cannot be found, or Kafka does not answer.
pub fn run(args: &QuarantineArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::List {
            which,
            summary,
            json,
        } => {
            let reader = AlertReader::open(&which.folder.config()?.state.dir)?;
            super::print(&list(&reader, &which.filter(), *summary, *json)?)?;
        }
        What::Show {
            record,
            folder,
            bytes,
            json,
        } => {
            let config = folder.config()?;
            let reader = AlertReader::open(&config.state.dir)?;
            let found = find(&reader, record)?;
            if *bytes {
                print_bytes(&config, &found)?;
            } else {
                super::print(&entries(&found, *json, reader.zone()?))?;
            }
        }
        What::Replay { which, json } => {
            let setup = Setup::of(which.folder.config()?).map_err(SetupError)?;
            let kafka = reach(&setup.config);
            let replayed = replay::replay(&setup, &kafka, &which.filter())?;
            let counted = counts(&replayed);
            let deed = Deed {
                who: who(),
                action: "quarantine replay",
                subject: which.source.clone().unwrap_or_else(|| "all sources".into()),
                detail: counted.clone(),
            };
            audit_beside(&setup.config.state.dir, &deed)?;
            super::print(&told(&replayed, *json, &counted))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whatever topics the records lie in are read.
fn reach(config: &Config) -> KafkaOptions {
    super::run::kafka_with(config, Topics::List(Vec::new()))
}

fn list(
    reader: &AlertReader,
    filter: &QuarantineFilter,
    summary: bool,
    json: bool,
) -> anyhow::Result<String> {
    let found = reader.quarantined(filter)?;
    if !summary {
        return Ok(entries(&found, json, reader.zone()?));
    }
    // [kept, replayed, too late] beside all that were ever counted.
    let mut sums = BTreeMap::<(&str, &str), [u64; 3]>::new();
    for Quarantined { entry, outcome, .. } in &found {
        let sum = sums.entry((&entry.source, &entry.reason)).or_default();
        sum[0] += 1;
        sum[1] += u64::from(*outcome == Outcome::Replayed);
        sum[2] += u64::from(*outcome == Outcome::TooLate);
    }
    let all = reader.quarantine_counts()?;
    let ever = |source: &str, reason: &str| {
        let mut counts = all.iter();
        let count = counts.find(|count| count.source == source && count.reason == reason);
        count.map_or(0, |count| count.entries)
    };
    if json {
        let line = |((source, reason), [kept, replayed, late]): (&(&str, &str), &[u64; 3])| {
            let ever = ever(source, reason);
            let line = json!({"source": source, "reason": reason, "kept": kept, "ever": ever,
                              "replayed": replayed, "too_late": late});
            format!("{line}\n")
        };
        return Ok(sums.iter().map(line).collect());
    }
    let line = |((source, reason), sum): (&(&str, &str), &[u64; 3])| {
        let numbers = [sum[0], ever(source, reason), sum[1], sum[2]].map(|n| n.to_string());
        let mut line = vec![(*source).to_owned()];
        line.extend(numbers);
        line.push((*reason).to_owned());
        line
    };
    let lines: Vec<_> = sums.iter().map(line).collect();
    let heads = ["SOURCE", "KEPT", "EVER", "REPLAYED", "TOO LATE", "REASON"];
    Ok(match lines.is_empty() {
        true => "nothing is set aside\n".to_owned(),
        false => columns(&heads, &lines),
    })
}

fn position(entry: &Quarantined) -> String {
    format!("{}@{}", entry.entry.origin, entry.entry.offset)
}

fn entries(found: &[Quarantined], json: bool, zone: Tz) -> String {
    if json {
        let line = |entry: &Quarantined| format!("{}\n", entry_json(entry));
        return found.iter().map(line).collect();
    }
    let line = |found: &Quarantined| {
        let entry = &found.entry;
        vec![
            found.number.to_string(),
            moment(found.recorded_ms, zone),
            entry.source.clone(),
            position(found),
            entry.bytes.to_string(),
            found.outcome.as_str().to_owned(),
            entry.reason.clone(),
        ]
    };
    let lines: Vec<_> = found.iter().map(line).collect();
    let heads = [
        "ID",
        "SET ASIDE",
        "SOURCE",
        "POSITION",
        "BYTES",
        "STATE",
        "REASON",
    ];
    let table = match lines.is_empty() {
        true => String::new(),
        false => columns(&heads, &lines),
    };
    let plural = if lines.len() == 1 { "entry" } else { "entries" };
    format!("{table}{} {plural}\n", lines.len())
}

fn entry_json(found: &Quarantined) -> Value {
    let entry = &found.entry;
    json!({
        "id": found.number, "recorded": time_text(found.recorded_ms), "source": entry.source,
        "position": position(found), "element": entry.element, "reason": entry.reason,
        "bytes": entry.bytes, "arrival": entry.arrival_ms.map(time_text), "state": found.outcome.as_str(),
    })
}

/// The entries of one record.
fn find(reader: &AlertReader, record: &str) -> anyhow::Result<Vec<Quarantined>> {
    let mut all = reader.quarantined(&QuarantineFilter::default())?;
    all.retain(|entry| position(entry) == record || entry.number.to_string() == record);
    anyhow::ensure!(
        !all.is_empty(),
        "the quarantine holds no record {record}; `nightjar quarantine list` shows what it holds"
    );
    Ok(all)
}

fn print_bytes(config: &Config, found: &[Quarantined]) -> anyhow::Result<()> {
    let wanted = Wanted::of(&found[0].entry);
    let deed = Deed {
        who: who(),
        action: "quarantine show",
        subject: position(&found[0]),
        detail: "the record's bytes were read".to_owned(),
    };
    audit_beside(&config.state.dir, &deed)?;
    eprintln!(
        "reading {} again; that {} did so is in the audit trail",
        deed.subject, deed.who
    );
    let mut printed = Ok(());
    replay::fetch(&reach(config), &[&wanted], &mut |_, bytes| {
        printed = match bytes {
            Found::Bytes(bytes) => write_raw(bytes),
            Found::Gone(why) => Err(anyhow::anyhow!("the record cannot be read again: {why}")),
        };
    })?;
    printed
}

fn write_raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.write_all(b"\n"));
    written
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

fn counts(replayed: &[Replayed]) -> String {
    let count = |is_so: fn(&Fate) -> bool| replayed.iter().filter(|r| is_so(&r.fate)).count();
    format!(
        "read now {}, too late {}, still bad {}, gone {}",
        count(|fate| *fate == Fate::Read),
        count(|fate| *fate == Fate::TooLate),
        count(|fate| matches!(fate, Fate::Bad(_))),
        count(|fate| matches!(fate, Fate::Gone(_))),
    )
}

/// What became of the records; those that were read in time are only counted for people.
fn told(replayed: &[Replayed], json: bool, counted: &str) -> String {
    let words = |fate: &Fate| match fate {
        Fate::Read => ("read", None),
        Fate::TooLate => ("too late", None),
        Fate::Bad(why) => ("still bad", Some(why.clone())),
        Fate::Gone(why) => ("gone", Some(why.clone())),
    };
    if json {
        let line = |record: &Replayed| {
            let (fate, why) = words(&record.fate);
            let entry = &record.entry;
            let line = json!({"id": entry.number, "source": entry.entry.source,
                              "position": position(entry), "fate": fate, "why": why});
            format!("{line}\n")
        };
        return replayed.iter().map(line).collect();
    }
    let others = replayed.iter().filter(|record| record.fate != Fate::Read);
    let lines: Vec<_> = others
        .map(|record| {
            let (fate, why) = words(&record.fate);
            let why = why.unwrap_or_else(|| "see `nightjar ledger late`".to_owned());
            vec![
                fate.to_owned(),
                record.entry.entry.source.clone(),
                position(&record.entry),
                why,
            ]
        })
        .collect();
    let table = match lines.is_empty() {
        true => String::new(),
        false => columns(&["", "SOURCE", "POSITION", "WHY"], &lines),
    };
    format!("{table}{counted}\n")
}
