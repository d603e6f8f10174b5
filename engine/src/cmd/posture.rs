//! `nightjar posture`: the weaknesses that stand, from logs or from a state folder.
//!
//! Invariant: both ways read the same book, which the detector `posture` keeps; logs are replayed with that
//! detector alone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use nightjar_detectors::catalog::CATALOG;
use nightjar_detectors::catalog::posture::{ENTRY, Standing};
use nightjar_detectors::core::Core;
use nightjar_detectors::time::day_text;
use nightjar_detectors::world::World;
use serde_json::{Value, json};

use super::backtest::{judge, read};
use crate::config::{self, Config};
use crate::setup::{Setup, SetupError};
use crate::source::file;
use crate::store::alerts::AlertReader;
use crate::store::state::StateStore;
use crate::table::Columns;

/// Arguments of `posture`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar posture samples/logs -c samples/nightjar.toml
  nightjar posture --state nightjar-state
  nightjar posture logs/ --json | jq '.[] | select(.weakness == \"login_without_mfa\")'")]
pub struct PostureArgs {
    /// Log files, folders of them, or patterns
    #[arg(required_unless_present = "state", value_name = "PATH")]
    paths: Vec<String>,
    /// Configuration file: its directory, policy and tools count
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Instead of logs, what a service has learned: its state folder, which it may be using
    #[arg(long, value_name = "DIR", conflicts_with = "paths")]
    state: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Prints what stands.
///
/// # Errors
/// When a path means nothing, a file cannot be opened, or there is no readable state.
pub fn run(args: &PostureArgs) -> anyhow::Result<ExitCode> {
    let mut config =
        Config::load(args.config.as_deref(), config::environment()).map_err(SetupError)?;
    for entry in CATALOG {
        let own = config.detectors.entry(entry.name.to_owned()).or_default();
        own.enabled = Some(entry.name == ENTRY.name);
    }
    let standings = match &args.state {
        Some(folder) => of_state(config, folder)?,
        None => of_logs(config, args)?,
    };
    let text = if args.json {
        let all: Vec<Value> = standings.iter().map(as_json).collect();
        serde_json::to_string_pretty(&all)? + "\n"
    } else {
        text(&standings)
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn of_logs(config: Config, args: &PostureArgs) -> anyhow::Result<Vec<Standing>> {
    let stop = crate::interrupt::flag();
    let setup = Setup::of(config).map_err(SetupError)?;
    let files = file::list(&args.paths)?;
    let threads = super::default_threads();
    let read = read(&setup, None, &files, threads, args.json, &stop)?;
    super::tell_unrecognised(&read.unrecognised);
    let counts = super::rows::sum(&read.counts);
    let mut judged = judge(&setup, threads, read.days, args.json, &stop)?;
    judged.seal_all();
    super::ensure_readable(counts)?;
    Ok(judged.core.posture())
}

fn of_state(mut config: Config, folder: &Path) -> anyhow::Result<Vec<Standing>> {
    let reader = AlertReader::open(folder)?;
    (config.tenant, config.zone) = (reader.tenant()?, reader.zone()?);
    let setup = Setup::of(config).map_err(SetupError)?;
    let state = StateStore::open_read_only(folder)?;
    let stored = state
        .load()?
        .context("the folder holds no state yet; let the service run for a day")?;
    let world: Arc<World> = setup.world.clone();
    let mut core = Core::new(world, 1);
    core.restore(stored.rows)?;
    Ok(core.posture())
}

fn as_json(standing: &Standing) -> Value {
    json!({
        "weakness": standing.weakness.as_str(),
        "kind": standing.weakness.subject_kind(),
        "subject": standing.subject,
        "since": day_text(standing.since),
        "last": standing.last.map(day_text),
        "weeks": standing.weeks,
        "people": standing.people,
        "summary": standing.summary(),
        "advice": standing.weakness.advice(),
    })
}

fn text(standings: &[Standing]) -> String {
    if standings.is_empty() {
        return "no standing weakness is seen; `nightjar coverage` shows what these logs can tell\n"
            .to_owned();
    }
    let heads = ["WEAKNESS", "OF", "PEOPLE", "WEEKS", "SINCE", "LAST"];
    let mut table = Columns::new(&heads);
    for standing in standings {
        let weeks: Vec<String> = standing.weeks.iter().map(u64::to_string).collect();
        let or_dash = |text: String| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        table.row([
            standing.weakness.as_str().to_owned(),
            standing.subject.clone(),
            or_dash(
                Some(standing.people)
                    .filter(|n| 0 < *n)
                    .map_or(String::new(), |n| n.to_string()),
            ),
            or_dash(weeks.join(" ")),
            day_text(standing.since),
            or_dash(standing.last.map_or(String::new(), day_text)),
        ]);
    }
    let mut text = table.text();
    let mut told = Vec::new();
    for standing in standings {
        if !told.contains(&standing.weakness) {
            told.push(standing.weakness);
        }
    }
    text.push('\n');
    for weakness in told {
        text += &format!("{}: {}\n", weakness.as_str(), weakness.advice());
    }
    text
}
