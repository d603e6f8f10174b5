//! The canonical rows of log files, for commands that look at them and judge nothing.
//!
//! Invariant: every file is read once, in order, and what cannot be read is told by position and reason.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::intake::{Counts, Intake, SourceCounts, UnrecognisedBySource};
use crate::logins::LoginsByClass;
use crate::setup::Setup;
use crate::source::file::{self, LogFile, Piece};
use crate::store::quarantine::QuarantineEntry;

/// What a command does with the rows of one source, and with what was set aside before them.
pub type Take<'a> = dyn FnMut(&str, &RecordBatch, Vec<QuarantineEntry>) -> anyhow::Result<()> + 'a;

/// What became of the records.
#[derive(Debug, Default)]
pub struct ReadRows {
    /// Counts by source.
    pub counts: SourceCounts,
    /// What no format knows, by key names.
    pub unrecognised: UnrecognisedBySource,
    /// Logins that another format tells too.
    pub other_logins: LoginsByClass,
}

/// Reads all files that `paths` mean; `progress` shows a bar on a terminal.
///
/// # Errors
/// When a path means nothing, a file cannot be opened, Ctrl-C came, or `take` fails.
pub fn read(
    setup: &Setup,
    paths: &[String],
    progress: bool,
    stop: &AtomicBool,
    take: &mut Take<'_>,
) -> anyhow::Result<ReadRows> {
    let files = file::list(paths)?;
    let bar = bar(files.iter().map(|file| file.bytes).sum(), progress);
    let mut all = ReadRows::default();
    for file in &files {
        let mut intake = Intake::new(setup, &file.source)?;
        one(file, &mut intake, &bar, stop, take)?;
        let counts = all.counts.entry(file.source.clone()).or_default();
        counts.add(intake.take_counts());
        let more = intake.take_unrecognised();
        let known = all.unrecognised.entry(file.source.clone()).or_default();
        known.add(more.parts, &more.keys);
        for (class, logins) in intake.take_other_logins() {
            *all.other_logins.entry(class).or_default() += logins;
        }
    }
    bar.finish_and_clear();
    Ok(all)
}

/// All sources together.
pub fn sum(counts: &SourceCounts) -> Counts {
    let mut all = Counts::default();
    counts.values().for_each(|counts| all.add(*counts));
    all
}

/// Hidden where the rows themselves go to the terminal.
fn bar(bytes: u64, is_shown: bool) -> ProgressBar {
    let target = match is_shown {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("reading {wide_bar} {bytes}/{total_bytes} {eta}");
    ProgressBar::with_draw_target(Some(bytes), target)
        .with_style(style.unwrap_or(ProgressStyle::default_bar()))
}

fn one(
    file: &LogFile,
    intake: &mut Intake,
    bar: &ProgressBar,
    stop: &AtomicBool,
    take: &mut Take<'_>,
) -> anyhow::Result<()> {
    intake.begin(&file.path.to_string_lossy());
    let mut hand_over = |intake: &mut Intake| {
        let rejected = intake.take_rejected();
        take(&file.source, &intake.take_batch(), rejected)
    };
    let mut failure = None;
    file::read(&file.path, &|bytes| bar.inc(bytes), &mut |piece| {
        match piece {
            Piece::Lines {
                bytes,
                first_record,
            } => intake.lines(bytes, first_record),
            Piece::TooLarge { record, bytes } => {
                intake.set_aside(record, bytes, "record is larger than 64 MiB");
            }
            Piece::Broken { record, reason } => intake.set_aside(record, 0, &reason),
        }
        failure = hand_over(intake).err();
        match failure.is_some() || stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    anyhow::ensure!(!stop.load(Ordering::Relaxed), "interrupted");
    hand_over(intake)
}
