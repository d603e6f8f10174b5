//! `nightjar generate`: writes a made-up company into a folder.
//!
//! Invariant: logs that are there are never mixed with new ones.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::generate::{Company, Plan, Written, write};

/// Write a made-up company: logs in the vendors' own shapes, a directory, a configuration, and
/// labels that say what in them is an attack.
///
/// The same arguments give the same bytes.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  nightjar generate --out company
  nightjar generate --users 60 --days 35 --seed 7 --start 2026-03-02 --out samples
  nightjar backtest company/logs -c company/nightjar.toml --labels company/labels.json")]
pub struct GenerateArgs {
    /// How many people work there
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(20..=20_000))]
    pub users: u32,
    /// How many days; attacks begin after four sevenths of them, not before the sixteenth day
    #[arg(long, default_value_t = 35, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub days: u32,
    /// Another seed is another company
    #[arg(long, default_value_t = 8)]
    pub seed: u64,
    /// The first day
    #[arg(long, default_value = "2026-03-02", value_name = "DATE")]
    pub start: NaiveDate,
    /// The zone whose midnights bound the days
    #[arg(long, default_value = "Europe/Berlin")]
    pub zone: Tz,
    /// The folder to write into
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace the logs that are there
    #[arg(long)]
    pub force: bool,
}

/// Writes the company and says what was written.
pub fn run(args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    make_room(&args.out, args.force)?;
    let plan = Plan {
        users: args.users,
        days: args.days,
        seed: args.seed,
        start: args.start,
        zone: args.zone,
    };
    let company = Company::new(&plan);
    let bar = progress_bar(plan.days);
    let written = write(&company, &args.out, &mut |days| {
        bar.set_position(u64::from(days))
    })?;
    bar.finish_and_clear();
    super::print(&summary(&company, &args.out, &written))?;
    Ok(ExitCode::SUCCESS)
}

fn progress_bar(days: u32) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} days");
    ProgressBar::new(u64::from(days))
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Refuses a folder with logs, or takes away those of our sources.
fn make_room(out: &Path, force: bool) -> anyhow::Result<()> {
    let logs = out.join("logs");
    let is_empty = !logs.exists()
        || fs::read_dir(&logs)
            .with_context(|| cannot_read(&logs))?
            .next()
            .is_none();
    if is_empty {
        return Ok(());
    }
    if !force {
        bail!(
            "{} holds logs already; choose another folder, or replace them with --force",
            logs.display()
        );
    }
    for (source, _) in Company::sources() {
        let folder = logs.join(source);
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| cannot_read(&folder))? {
            let path = entry.with_context(|| cannot_read(&folder))?.path();
            if path.to_string_lossy().ends_with(".ndjson.gz") {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
    }
    Ok(())
}

fn cannot_read(folder: &Path) -> String {
    format!("cannot read {}; it should be a folder", folder.display())
}

fn summary(company: &Company, out: &Path, written: &Written) -> String {
    let plan = company.plan();
    let mut text = format!(
        "{} people, {} days from {}, seed {}\n",
        plan.users, plan.days, plan.start, plan.seed
    );
    for (source, records) in &written.records {
        text.push_str(&format!("{source:<10} {records:>9} records\n"));
    }
    let total: u64 = written.records.values().sum();
    let attacks = company.labels().iter().filter(|label| label.attack).count();
    text.push_str(&format!(
        "{:<10} {total:>9} records, {:.1} MB compressed\n{attacks} attacks and {} harmless oddities in {}\n",
        "total",
        written.bytes as f64 / 1e6,
        written.labels - attacks,
        out.join("labels.json").display()
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs that are there are refused, and replaced when that is asked for.
    #[test]
    fn logs_are_not_mixed() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path();
        let args = |days, force| GenerateArgs {
            users: 20,
            days,
            seed: 1,
            start: NaiveDate::from_ymd_opt(2026, 3, 2).expect("a date"),
            zone: Tz::Europe__Berlin,
            out: out.to_owned(),
            force,
        };
        let files = || {
            fs::read_dir(out.join("logs/okta"))
                .expect("a folder")
                .count()
        };
        run(&args(3, false)).expect("an empty folder is fine");
        assert_eq!(files(), 3);
        let refused = run(&args(2, false)).expect_err("there are logs");
        assert!(refused.to_string().contains("--force"), "{refused}");
        run(&args(2, true)).expect("replaced");
        assert_eq!(files(), 2);
    }
}
