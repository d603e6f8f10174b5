//! `nightjar exceptions`: what is muted on purpose, and what a proposal would mute before it is accepted.
//!
//! Invariant: reads only; a proposal is tried on the very alerts of a replay, and one that hides what the labels know to
//! be an attack fails.

mod trial;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use nightjar_detectors::exception::{Exception, Scope};
use nightjar_detectors::time::{Day, day_text};
use serde_json::{Value, json};

use crate::config::{self, Config, ExceptionRule};
use crate::setup::SetupError;
use crate::table::Columns;

/// Arguments of `exceptions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar exceptions list -c nightjar.toml --on 2026-03-16
  nightjar exceptions try proposal.toml logs/ -c nightjar.toml --labels labels.json
  nightjar exceptions try proposal.toml logs/ -c nightjar.toml --always --json | jq .mutes")]
pub struct ExceptionsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The configuration's exceptions, and whether they hold
    #[command(
        after_help = "Example:\n  nightjar exceptions list -c nightjar.toml --on 2026-03-16 --json"
    )]
    List(ListArgs),
    /// Replays history with and without the exceptions of a file: what they would mute and lower. With labels, exit code 1
    /// where an attack that is found without them is not found with them
    #[command(
        after_help = "Example:\n  nightjar exceptions try proposal.toml logs/ -c nightjar.toml --labels labels.json"
    )]
    Try(trial::TryArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The day on which they are to hold; today without it
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    on: Option<Day>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn day(text: &str) -> Result<Day, String> {
    config::day(text).ok_or_else(|| "write a date, as in 2026-03-16".to_owned())
}

/// Lists or tries.
///
/// # Errors
/// When the configuration or the proposal cannot be used, or the logs cannot be read.
pub fn run(args: &ExceptionsArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::List(args) => list(args),
        What::Try(args) => trial::run(args),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(args.config.as_deref(), config::environment()).map_err(SetupError)?;
    let on = args.on.unwrap_or_else(|| super::today(config.zone));
    let text = match args.json {
        true => {
            let all = config.exceptions.iter();
            let all: Vec<Value> = all.map(|known| as_json(known, on)).collect();
            serde_json::to_string_pretty(&all)? + "\n"
        }
        false => table(&config.exceptions, on),
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn state(rule: &Exception, on: Day) -> &'static str {
    match rule {
        _ if rule.holds_on(on) => "active",
        _ if on < rule.from => "not yet",
        _ => "expired",
    }
}

fn table(rules: &[ExceptionRule], on: Day) -> String {
    if rules.is_empty() {
        return "no exceptions are configured\n".to_owned();
    }
    let heads = [
        "STATE", "EFFECT", "WHAT", "FROM", "EXPIRES", "OWNER", "REASON",
    ];
    let mut table = Columns::new(&heads);
    for known in rules {
        let rule = &known.rule;
        table.row([
            state(rule, on).to_owned(),
            rule.effect.as_str().to_owned(),
            what(rule),
            day_text(rule.from),
            day_text(rule.expires),
            rule.owner.clone(),
            rule.reason.clone(),
        ]);
    }
    let active = rules.iter().filter(|known| known.rule.holds_on(on)).count();
    let (count, on) = (rules.len(), day_text(on));
    table.text() + &format!("{active} of {count} active on {on}\n")
}

/// What an exception is about, as a phrase.
fn what(rule: &Exception) -> String {
    let mut text = match rule.detectors.is_empty() {
        true => "all detectors".to_owned(),
        false => rule.detectors.join(", "),
    };
    let kind = rule.entity_kind.as_deref();
    let of = [kind, rule.entity.as_deref()];
    let of: Vec<&str> = of.into_iter().flatten().collect();
    if !of.is_empty() {
        text += &format!(" of {}", of.join(" "));
    }
    if let Some(scope) = &rule.scope {
        text += &match scope {
            Scope::Country(code) => format!(" in {code}"),
            Scope::System(number) => format!(" in {number}"),
            Scope::Addresses(_) => " from a network".to_owned(),
            Scope::App(app) => format!(" with {app}"),
        };
    }
    if let Some(limit) = rule.at_most {
        text += &format!(", at most {limit}");
    }
    text
}

fn as_json(known: &ExceptionRule, on: Day) -> Value {
    let rule = &known.rule;
    json!({
        "state": state(rule, on),
        "kind": rule.kind.as_str(),
        "effect": rule.effect.as_str(),
        "detectors": rule.detectors,
        "entity": rule.entity,
        "entity_kind": rule.entity_kind,
        "what": what(rule),
        "at_most": rule.at_most,
        "from": day_text(rule.from),
        "expires": day_text(rule.expires),
        "owner": rule.owner,
        "reason": rule.reason,
        "place": known.place.to_string(),
    })
}
