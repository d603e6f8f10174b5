//! `nightjar detectors` and `nightjar formats`: what there is, for people and for machines.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nightjar_detectors::catalog::{CATALOG, Entry};
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
            let none = || anyhow::anyhow!("there is no detector {name}; there are {}", known.join(", "));
            vec![entry.ok_or_else(none)?]
        }
    };
    let text = if args.json {
        let all: Vec<Value> = chosen.into_iter().map(entry_json).collect();
        serde_json::to_string_pretty(&all)? + "\n"
    } else if args.markdown {
        detectors_markdown()
    } else {
        chosen.into_iter().map(|entry| page(entry, args.name.is_some())).collect()
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn entry_json(entry: &Entry) -> Value {
    let param = |p: &nightjar_detectors::catalog::Param| {
        json!({"name": p.name, "default": p.default, "unit": p.unit, "help": p.help})
    };
    json!({
        "name": entry.name,
        "attack": entry.attack,
        "family": entry.family,
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
    }
    text += &format!("  ATT&CK    {}\n", entry.attack.join(", "));
    for param in entry.params {
        let value = format!("{} = {}", param.name, param.default);
        text += &format!("  {value:34} {} ({})\n", param.help, param.unit);
    }
    text + "\n"
}

/// The README's table of detectors.
pub fn detectors_markdown() -> String {
    let mut text = String::from("| detector | flags | ATT&CK | parameters | blind to |\n|---|---|---|---|---|\n");
    for entry in CATALOG {
        let params: Vec<String> =
            entry.params.iter().map(|p| format!("`{} = {}`", p.name, p.default)).collect();
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
        formats.all().map(|format| format_text(&formats, format)).collect()
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
