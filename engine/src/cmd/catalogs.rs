//! `nightjar detectors` and `nightjar formats`: what there is, for people and for machines.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nightjar_detectors::catalog::{CATALOG, Entry};
use nightjar_detectors::event::Activity;
use serde_json::{Value, json};

use crate::decode::{Format, Formats};

/// Arguments of `detectors`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar detectors
  nightjar detectors mass_download
  nightjar detectors --json | jq '.[].params'")]
pub struct DetectorsArgs {
    /// Only this one, with its whole page
    name: Option<String>,
    /// As JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// As the README's table
    #[arg(long)]
    markdown: bool,
    /// The README's table of techniques, zero-trust pillars and sources
    #[arg(long, conflicts_with_all = ["json", "markdown"])]
    coverage: bool,
}

/// Arguments of `formats`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar formats
  nightjar formats --with my.toml")]
pub struct FormatsArgs {
    /// Also a format file of your own
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// As JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// As the README's table
    #[arg(long)]
    markdown: bool,
}

/// Prints the detectors.
///
/// # Errors
/// When there is none of that name.
pub fn detectors(args: &DetectorsArgs) -> anyhow::Result<ExitCode> {
    let chosen: Vec<&Entry> = match &args.name {
        None => CATALOG.iter().collect(),
        Some(name) => {
            let entry = CATALOG.iter().find(|entry| entry.name == name);
            let known: Vec<&str> = CATALOG.iter().map(|entry| entry.name).collect();
            let none = || {
                anyhow::anyhow!(
                    "there is no detector {name}; there are {}",
                    known.join(", ")
                )
            };
            vec![entry.ok_or_else(none)?]
        }
    };
    let text = if args.json {
        let all: Vec<Value> = chosen.into_iter().map(entry_json).collect();
        serde_json::to_string_pretty(&all)? + "\n"
    } else if args.markdown {
        detectors_markdown()
    } else if args.coverage {
        coverage_markdown(&Formats::with_files(&[])?)
    } else {
        chosen
            .into_iter()
            .map(|entry| page(entry, args.name.is_some()))
            .collect()
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn entry_json(entry: &Entry) -> Value {
    let param = |p: &nightjar_detectors::catalog::Param| json!({"name": p.name, "default": p.default, "unit": p.unit, "help": p.help});
    json!({
        "name": entry.name,
        "attack": entry.attack,
        "family": entry.family,
        "pillar": entry.pillar(),
        "eager": entry.is_eager(),
        "statistical": entry.statistical,
        "activities": entry.activities.iter().map(|a| a.as_str()).collect::<Vec<_>>(),
        "params": entry.params.iter().map(param).collect::<Vec<_>>(),
        "flags": entry.page.flags,
        "why": entry.page.why,
        "method": entry.page.method,
        "blind_to": entry.page.blind_to,
        "fields": entry.page.fields,
        "example": entry.page.example,
    })
}

fn page(entry: &Entry, is_whole: bool) -> String {
    let mut text = format!("{}\n  Flags     {}\n", entry.name, entry.page.flags);
    if is_whole {
        text += &format!("  Why       {}\n", entry.page.why);
        text += &format!("  Method    {}\n", entry.page.method);
        text += &format!("  Blind to  {}\n", entry.page.blind_to);
        text += &format!("  Fields    {}\n", entry.page.fields);
        text += &format!("  Example   {}\n", entry.page.example);
        text += &format!("  Told      {}\n", told(entry));
        text += &format!("  Counts    {}\n", counted(entry));
    }
    text += &format!("  ATT&CK    {}\n", entry.attack.join(", "));
    if is_whole {
        text += if entry.params.is_empty() {
            "  Settings  none\n"
        } else {
            "  Settings\n"
        };
    }
    for param in entry.params {
        let value = format!("{} = {}", param.name, param.default);
        text += &format!("  {value:34} {} ({})\n", param.help, param.unit);
    }
    text + "\n"
}

fn told(entry: &Entry) -> &'static str {
    if entry.is_eager() {
        "at once (eager): more events only add to it"
    } else {
        "when the day is closed (sealed), all or the part that Method names"
    }
}

fn counted(entry: &Entry) -> String {
    let family = entry.family;
    if entry.statistical {
        format!("as evidence of {family}; by its rank in the company's past, within the budget")
    } else {
        format!("as evidence of {family}; by rule, in the first week too")
    }
}

/// The README's table of detectors.
pub fn detectors_markdown() -> String {
    let mut text = String::from(
        "| detector | flags | ATT&CK | parameters | blind to |\n|---|---|---|---|---|\n",
    );
    for entry in CATALOG {
        let params: Vec<String> = entry
            .params
            .iter()
            .map(|p| format!("`{} = {}`", p.name, p.default))
            .collect();
        let (attack, params) = (entry.attack.join(", "), params.join(", "));
        let page = entry.page;
        text += &format!(
            "| `{}` | {} | {attack} | {params} | {} |\n",
            entry.name, page.flags, page.blind_to
        );
    }
    text
}

/// Prints the formats.
///
/// # Errors
/// When a file of one's own is not a format.
pub fn formats(args: &FormatsArgs) -> anyhow::Result<ExitCode> {
    let formats = Formats::with_files(&args.with)?;
    let text = if args.json {
        let all: Vec<Value> = formats.all().map(format_json).collect();
        serde_json::to_string_pretty(&all)? + "\n"
    } else if args.markdown {
        formats_markdown(&formats)
    } else {
        formats.all().map(format_text).collect()
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn format_json(format: &Format) -> Value {
    let class = |class: &crate::decode::ClassInfo| {
        json!({
            "name": class.name,
            "allowed_lateness_hours": class.default_lateness_ms as f64 / HOUR_MS as f64,
            "activities": class.activities.iter().map(|a| a.as_str()).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": format.name,
        "title": format.title,
        "classes": format.classes.iter().map(class).collect::<Vec<_>>(),
        "columns": format.columns,
    })
}

const HOUR_MS: i64 = 3_600_000;

/// `okta 1 h`, `m365_audit 24 h, m365_audit.copilot 72 h`.
fn lateness(format: &Format) -> String {
    let of = |class: &crate::decode::ClassInfo| {
        format!("{} {} h", class.name, class.default_lateness_ms / HOUR_MS)
    };
    format.classes.iter().map(of).collect::<Vec<_>>().join(", ")
}

fn columns(format: &Format) -> String {
    let names = json!(format.columns);
    let names = names
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(", ")
}

/// Whether a format's records tell a detector anything.
fn feeds(format: &Format, entry: &Entry) -> bool {
    let activities = format.classes.iter().flat_map(|class| &class.activities);
    let activities: Vec<_> = activities.copied().collect();
    let columns: Vec<&str> = format
        .columns
        .iter()
        .map(|column| column.as_str())
        .collect();
    entry.is_fed_by(&activities, &columns)
}

/// The detectors that a format feeds; those that read everything are not named.
fn fed(format: &Format) -> String {
    let fed = CATALOG.iter().filter(|entry| !reads_all(entry));
    let fed = fed.filter(|entry| feeds(format, entry));
    fed.map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

fn reads_all(entry: &Entry) -> bool {
    entry.activities.len() == Activity::ALL.len()
}

/// The README's table of what is covered: techniques, pillars of zero trust, and the formats that tell of them.
pub fn coverage_markdown(formats: &Formats) -> String {
    let mut text = String::from(
        "| detector | ATT&CK, ATLAS | zero-trust pillar | fed by |\n|---|---|---|---|\n",
    );
    for entry in CATALOG {
        let fed_by = if reads_all(entry) {
            "every format".to_owned()
        } else {
            let names = formats.all().filter(|format| feeds(format, entry));
            names
                .map(|f| f.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let attack = entry.attack.join(", ");
        let (name, pillar) = (entry.name, entry.pillar());
        text += &format!("| `{name}` | {attack} | {pillar} | {fed_by} |\n");
    }
    text
}

fn format_text(format: &Format) -> String {
    format!(
        "{}\n  {}\n  Columns           {}\n  Detectors         {}\n  Allowed lateness  {}\n\n",
        format.name,
        format.title,
        columns(format),
        fed(format),
        lateness(format)
    )
}

/// The README's table of formats.
pub fn formats_markdown(formats: &Formats) -> String {
    let mut text = String::from(
        "| format | what | columns | feeds | allowed lateness |\n|---|---|---|---|---|\n",
    );
    for format in formats.all() {
        text += &format!(
            "| `{}` | {} | {} | {} | {} |\n",
            format.name,
            format.title,
            columns(format),
            fed(format),
            lateness(format)
        );
    }
    text
}
