//! `nightjar tools`: the inventory of AI tools that logs tell of.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nightjar_detectors::event::Events;

use super::rows;
use crate::inventory::{Inventory, Line};
use crate::setup::Setup;
use crate::table::Columns;

/// Arguments of `tools`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar tools samples/logs -c samples/nightjar.toml
  nightjar tools proxy.ndjson.gz --format web_proxy --status unknown
  nightjar tools logs/ --json | jq '.[] | select(.people > 10)'")]
pub struct ToolsArgs {
    /// Log files, folders of them, or patterns
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Configuration file; it says which tools are sanctioned
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of all files; `auto` recognises it record by record
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Only tools of this status: sanctioned, tolerated, unsanctioned, unknown
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Prints which AI tools are used, by how many people, how often, how much and since when.
///
/// # Errors
/// When a path means nothing, a file cannot be opened, or there is no such status.
pub fn run(args: &ToolsArgs) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let status = args.status.as_deref().map(status_of).transpose()?;
    let setup = Setup::load(args.config.as_deref())?.with_format(args.format.as_deref())?;
    let mut inventory = Inventory::default();
    let read = rows::read(&setup, &args.paths, true, &stop, &mut |_, batch, _| {
        let events = Events::new(batch)?;
        events.rows().for_each(|row| inventory.take(row));
        Ok(())
    })?;
    let mut lines = inventory.lines(setup.tools());
    lines.retain(|line| status.is_none_or(|status| line.status == status));
    if args.json {
        super::print(&(serde_json::to_string_pretty(&lines)? + "\n"))?;
    } else {
        super::print(&text(&lines))?;
    }
    super::tell_unrecognised(&read.unrecognised);
    super::ensure_readable(rows::sum(&read.counts))?;
    Ok(ExitCode::SUCCESS)
}

fn status_of(word: &str) -> anyhow::Result<&'static str> {
    let mut all = crate::config::ToolStatus::ALL.iter().map(|s| s.as_str());
    all.find(|known| *known == word).ok_or_else(|| {
        anyhow::anyhow!(
            "there is no status {word}; there are sanctioned, tolerated, unsanctioned and unknown"
        )
    })
}

/// The day of an RFC 3339 time, UTC.
fn day_of(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

fn text(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "no use of AI tools in these logs; `nightjar coverage` shows what they hold\n"
            .to_owned();
    }
    let heads = [
        "TOOL", "VENDOR", "CATEGORY", "STATUS", "PEOPLE", "SERVICES", "CALLS", "TOKENS", "BYTES",
        "FIRST", "LAST",
    ];
    let mut table = Columns::new(&heads);
    for line in lines {
        let number = |n: u64| {
            if n == 0 {
                "-".to_owned()
            } else {
                n.to_string()
            }
        };
        table.row([
            line.tool.clone(),
            line.vendor.clone(),
            line.category.clone(),
            line.status.to_owned(),
            number(line.people),
            number(line.services),
            number(line.calls),
            number(line.tokens),
            number(line.bytes),
            day_of(&line.first).to_owned(),
            day_of(&line.last).to_owned(),
        ]);
    }
    table.text()
}
