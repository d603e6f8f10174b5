//! The commands, one a file: arguments, what is opened, what is printed.

pub mod alerts;
pub mod backtest;
pub mod catalogs;
pub mod check;
pub mod coverage;
pub mod demo;
pub mod exceptions;
mod folder;
pub mod forget;
pub mod generate;
pub mod ledger;
pub mod normalize;
pub mod posture;
pub mod quarantine;
pub mod query;
pub mod rows;
pub mod run;
pub mod state;
pub mod tools;
pub mod watch;

use std::io::Write as _;

use nightjar_detectors::time::Day;

use crate::intake::{Counts, UnrecognisedBySource};

/// Exit code of a configuration that cannot be used.
pub const BAD_CONFIG: u8 = 64;

/// An error and what led to it, on one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // A transparent wrapper says what it wraps.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// Tells on standard error what is of no known format, by source.
pub(crate) fn tell_unrecognised(unrecognised: &UnrecognisedBySource) {
    for (source, unrecognised) in unrecognised {
        if let Some(sentence) = unrecognised.sentence(source) {
            eprintln!("{sentence}");
        }
    }
}

/// Where not one record could be understood, the command has failed whatever it printed.
///
/// # Errors
/// Says what to do.
pub fn ensure_readable(all: Counts) -> anyhow::Result<()> {
    anyhow::ensure!(
        !all.is_all_unreadable(),
        "not one record could be read; name the format with --format, see `nightjar formats`"
    );
    Ok(())
}

/// Prints to standard output. That nobody reads it any more is an error here, not a panic, and no
/// failure of the command.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Today by the clock of a zone. What is judged never asks for it.
pub(crate) fn today(zone: chrono_tz::Tz) -> Day {
    let date = chrono::Utc::now().with_timezone(&zone).date_naive();
    (date - chrono::NaiveDate::default()).num_days() as Day
}

/// Threads where none are asked for: as many as the machine has.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
