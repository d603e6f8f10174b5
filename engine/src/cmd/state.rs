//! `nightjar state`: looks a state folder through, copies it, brings a copy back.
//!
//! Invariant: a copy that is not whole never gets the name that was asked for, and no state is
//! overwritten.

mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::setup::Setup;
use crate::store::audit::{Deed, audit_beside};
use crate::store::copy::{CopyError, Draft, is_free};
use crate::store::lock::FolderLock;
use report::Report;

/// Arguments of `state`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar state verify nightjar-state
  nightjar state backup nightjar-state /backup/nightjar-monday
  nightjar state restore /backup/nightjar-monday nightjar-state")]
pub struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Reads every page and every row of a state folder and tells what is in it
    Verify(VerifyArgs),
    /// Copies a state folder, also while a service has it
    Backup(BackupArgs),
    /// Puts a copy in the place of a state folder
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 1 where something is wrong.

Examples:
  nightjar state verify nightjar-state
  nightjar state verify -c nightjar.toml   # also: would this configuration go on from it?
  nightjar state verify nightjar-state --json | jq .problems")]
struct VerifyArgs {
    /// The state folder
    #[arg(value_name = "DIR", required_unless_present = "config")]
    folder: Option<PathBuf>,
    /// Configuration file; without DIR the folder that it names
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Both databases are copied as of one moment each, looked through, and only then named TO.

Examples:
  nightjar state backup nightjar-state /backup/nightjar-monday")]
struct BackupArgs {
    /// The state folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The copy; must not exist yet
    #[arg(value_name = "TO")]
    to: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The service then reads again from the positions of the copy; subscribers are told that the log was
started anew. Who was erased since the copy was made has to be erased again.

Examples:
  nightjar state restore /backup/nightjar-monday nightjar-state
  nightjar state restore /backup/nightjar-monday nightjar-state --force")]
struct RestoreArgs {
    /// A folder that `nightjar state backup` made
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// The state folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Also where DIR holds something, which is then kept under another name
    #[arg(long)]
    force: bool,
}

/// Runs the command.
///
/// # Errors
/// When a folder cannot be read, a copy cannot be made, or it is not whole.
pub fn run(args: &StateArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        StateCommand::Verify(args) => verify(args),
        StateCommand::Backup(args) => backup(args),
        StateCommand::Restore(args) => restore(args),
    }
}

fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let setup = match &args.config {
        Some(config) => Some(Setup::load(Some(config))?),
        None => None,
    };
    let configured = setup.as_ref().map(|setup| &setup.config.state.dir);
    let folder = args.folder.as_ref().or(configured);
    let folder = folder.context("no folder; name one, or a configuration with -c")?;
    let report = Report::of(folder, setup.as_ref())?;
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.text()
    };
    super::print(&text)?;
    Ok(ExitCode::from(u8::from(!report.is_whole())))
}

fn backup(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    if !is_free(&args.to) {
        return Err(CopyError::NotEmpty(args.to.clone()).into());
    }
    let draft = Draft::copy(&args.folder, &args.to)?;
    let report = whole(draft.path(), "the copy")?;
    draft.put()?;
    super::print(&format!("{}: {}\n", args.to.display(), report.line()))?;
    Ok(ExitCode::SUCCESS)
}

fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    if let Some(process) = FolderLock::holder(&args.folder) {
        anyhow::bail!(
            "state folder {} is in use by process {process}; stop it first",
            args.folder.display()
        );
    }
    if !args.force && !is_free(&args.folder) {
        anyhow::bail!(
            "{} is not empty; with --force it is kept under another name",
            args.folder.display()
        );
    }
    let draft = Draft::copy(&args.backup, &args.folder)?;
    let report = whole(draft.path(), "the backup")?;
    draft.rename_log()?;
    let deed = Deed {
        who: super::folder::who(),
        action: "state restore",
        subject: args.backup.display().to_string(),
        detail: String::new(),
    };
    audit_beside(draft.path(), &deed)?;
    let aside = draft.replace()?;
    let mut text = format!("{}: {}\n", args.folder.display(), report.line());
    if let Some(aside) = aside {
        text += &format!("what was there is in {}\n", aside.display());
    }
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The report of a copy that is whole.
fn whole(folder: &Path, what: &str) -> anyhow::Result<Report> {
    let report = Report::of(folder, None)?;
    match report.first_problem() {
        None => Ok(report),
        Some(problem) => anyhow::bail!(
            "{what} is damaged and was not put in place: {problem}; \
             `nightjar state verify` tells all of it"
        ),
    }
}
