//! `nightjar forget`: a person is erased from everything that was kept.
//!
//! Invariant: nothing is changed while a service has the folder, and nothing without consent; no list of
//! erased persons is kept, which would be a way of remembering them.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use clap::Args;
use nightjar_detectors::core::{Core, Forgotten};
use nightjar_detectors::directory::Directory;
use nightjar_detectors::event::Events;
use nightjar_detectors::policy::Policy;
use nightjar_detectors::settings::Settings;
use nightjar_detectors::world::World;

use super::folder::{FolderArgs, who};
use crate::pipeline::Meta;
use crate::setup::{Setup, SetupError};
use crate::store::alerts::{AlertReader, AlertStore};
use crate::store::erase::Erased;
use crate::store::lock::FolderLock;
use crate::store::state::StateStore;

/// Arguments of `forget`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar forget ana@example.com -c nightjar.toml --dry-run
  nightjar forget ana@example.com -c nightjar.toml
  nightjar forget ana@example.com --state nightjar-state --yes

Stop the service first. With -c, the other names that the directory gives a person are erased too, and days that
are still open count in the company's sums as that configuration judges them.")]
pub struct ForgetArgs {
    /// The person: the user name as alerts show it
    user: String,
    #[command(flatten)]
    folder: FolderArgs,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Only say what would be erased
    #[arg(long)]
    dry_run: bool,
}

/// What was kept of a person.
struct Kept {
    forgotten: Forgotten,
    erased: Erased,
    waiting: usize,
}

/// Runs the command.
///
/// # Errors
/// When a service has the folder, somebody reads it, or it cannot be written.
pub fn run(args: &ForgetArgs) -> anyhow::Result<ExitCode> {
    let config = args.folder.config()?;
    let folder = config.state.dir.clone();
    let settings = match &args.folder.config {
        Some(_) => {
            let setup = Setup::of(config).map_err(SetupError)?;
            Some(setup.world.settings.clone())
        }
        None => None,
    };
    let none = Directory::default();
    let directory = settings.as_ref().map_or(&none, |known| &known.directory);
    let names = names(&args.user, directory);
    anyhow::ensure!(!names[0].is_empty(), "name the person whom to forget");
    // Also says so where there is no store.
    AlertReader::open(&folder)?;
    let _lock = FolderLock::take(&folder)?;
    if !args.yes {
        super::print(&told(
            &names,
            &forget(&folder, settings.as_ref(), &names, true)?,
            true,
        ))?;
        if args.dry_run || !is_meant(&names[0])? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    super::print(&told(
        &names,
        &forget(&folder, settings.as_ref(), &names, false)?,
        false,
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The canonical name, and the others that the directory has.
fn names(user: &str, directory: &Directory) -> Vec<String> {
    let user = user.trim().to_lowercase();
    let canonical = directory.canonical(&user).to_owned();
    let aliases = directory.aliases.iter();
    let others = aliases
        .filter(|(_, of)| **of == canonical)
        .map(|(alias, _)| alias.clone());
    let mut names: Vec<String> = std::iter::once(canonical.clone()).chain(others).collect();
    if !names.contains(&user) {
        names.push(user);
    }
    names
}

fn is_meant(name: &str) -> anyhow::Result<bool> {
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "nothing was erased; say --yes to erase, or --dry-run to look only"
    );
    let mut err = std::io::stderr();
    write!(err, "Erase {name}? This cannot be undone. Type yes: ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let is_meant = answer.trim() == "yes";
    if !is_meant {
        eprintln!("nothing was erased");
    }
    Ok(is_meant)
}

fn forget(
    folder: &Path,
    settings: Option<&Settings>,
    names: &[String],
    dry_run: bool,
) -> anyhow::Result<Kept> {
    let reader = AlertReader::open(folder)?;
    let (tenant, zone) = (reader.tenant()?, reader.zone()?);
    drop(reader);
    let alerts = AlertStore::open(folder, &tenant, zone)?;
    let mut state = StateStore::open(folder, &tenant, zone)?;
    let settings = everything(settings, tenant, zone);
    let mut core = Core::new(Arc::new(World::new(settings)), 1);
    let stored = state.load()?;
    let mut meta = Meta::default();
    if let Some(stored) = stored.clone() {
        core.restore(stored.rows)?;
        meta = Meta::decode(&stored.meta).context("the state folder's positions cannot be read")?;
    }
    let mut forgotten = Forgotten::default();
    for name in names {
        let more = core.forget(name);
        forgotten.rows.extend(more.rows);
        forgotten.states += more.states;
        forgotten.alerts += more.alerts;
        forgotten.evidence += more.evidence;
        forgotten.events.extend(more.events);
    }
    let mut waiting = forget_waiting(&mut meta, names)?;
    waiting += forget_spooled(folder, &meta, names, dry_run)?;
    // The alerts go first: what of the person the state still knows helps to find them once more.
    let erased = alerts.erase(names, &forgotten.events, &who(), dry_run)?;
    if !dry_run {
        if stored.is_some() {
            let mut rows = core.snapshot().rows;
            rows.extend(std::mem::take(&mut forgotten.rows));
            state.erase(&rows, &meta.encode())?;
        }
        alerts.purge()?;
        remove_spilled(folder)?;
    }
    Ok(Kept {
        forgotten,
        erased,
        waiting,
    })
}

/// Settings under which every detector reads its part of the state, whatever is switched off: those of the
/// configuration, so that what the person's open days add to the company's sums is what it would have been.
fn everything(settings: Option<&Settings>, tenant: String, zone: chrono_tz::Tz) -> Settings {
    let mut settings = settings.cloned().unwrap_or_else(|| Settings {
        tenant: String::new(),
        zone,
        budget_per_day: 1.0,
        lateness_ms: Default::default(),
        detectors: Default::default(),
        directory: Directory::default(),
        policy: Policy::default(),
        fingerprint: String::new(),
    });
    for detector in settings.detectors.values_mut() {
        detector.enabled = None;
    }
    (settings.tenant, settings.zone) = (tenant, zone);
    settings
}

/// Rows that wait for their day name people too.
fn forget_waiting(meta: &mut Meta, names: &[String]) -> anyhow::Result<usize> {
    let (mut kept, mut removed) = (Vec::<RecordBatch>::new(), 0);
    for batch in meta.take_held()? {
        let events = Events::new(&batch)?;
        let is_theirs =
            |name: Option<&str>| name.is_some_and(|name| names.iter().any(|n| n == name));
        let others: BooleanArray = events
            .rows()
            .map(|row| Some(!is_theirs(row.user()) && !is_theirs(row.target_user())))
            .collect();
        let left = filter_record_batch(&batch, &others)?;
        removed += batch.num_rows() - left.num_rows();
        kept.push(left);
    }
    meta.set_held(kept.iter())?;
    Ok(removed)
}

/// Rows that came through a door and were not read yet; those that were go altogether.
fn forget_spooled(
    folder: &Path,
    meta: &Meta,
    names: &[String],
    dry_run: bool,
) -> anyhow::Result<usize> {
    let doors = meta
        .positions
        .iter()
        .filter(|(partition, _)| partition.is_door());
    let positions = doors.map(|(partition, at)| {
        let next = u64::try_from(at.next_offset).unwrap_or(0);
        (partition.clone(), next)
    });
    crate::spool::forget(folder, &positions.collect(), names, dry_run).context(
        "cannot erase from what came through the doors; check the permissions of the folder spool",
    )
}

/// Days that a killed service had spilled: they are read again from Kafka in any case.
fn remove_spilled(folder: &Path) -> anyhow::Result<()> {
    for name in ["history", "held"] {
        let spilled = folder.join(name);
        if spilled.is_dir() {
            std::fs::remove_dir_all(&spilled)
                .with_context(|| format!("cannot remove {}", spilled.display()))?;
        }
    }
    Ok(())
}

fn told(names: &[String], kept: &Kept, dry_run: bool) -> String {
    let Kept {
        forgotten,
        erased,
        waiting,
    } = kept;
    let done = if dry_run { "would be erased" } else { "erased" };
    let lines = [
        (forgotten.states, "states of detectors"),
        (forgotten.alerts, "remembered findings"),
        (forgotten.evidence, "events in what is kept of the company"),
        (*waiting, "rows that waited for their day"),
        (erased.alerts, "alerts"),
        (erased.mentions, "mentions in alerts about others"),
        (erased.late, "entries of the late ledger"),
        (erased.quarantined, "entries of the quarantine"),
        (erased.audited, "names in the audit trail, now pseudonyms"),
    ];
    let mut text = format!("{done} of {}:\n", names.join(", "));
    for (count, what) in lines.iter().filter(|(count, _)| 0 < *count) {
        text += &format!("  {count:>7}  {what}\n");
    }
    if lines.iter().all(|(count, _)| *count == 0) {
        return format!("nothing is kept of {}\n", names.join(", "));
    }
    if !dry_run {
        text += "the events still lie in Kafka, or in the watched folder; a replay from the start would learn them again, and so would\n\
                 new events of the same person. Sums over the company stay. Backups, the directory file,\n\
                 exported alerts and what subscribers were sent are for you to look after.\n";
    }
    text
}
