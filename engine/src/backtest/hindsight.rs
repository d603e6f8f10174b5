//! Hindsight: each day judged against all the other days, for samples too short to have a past.
//!
//! Invariant: a day is judged by a core of its own that has learned every other day once and this day never; the
//! others are moved back together by whole weeks, so that weekdays, hours, gaps and their order stay.
//! What stretches over midnight is not seen. Outside the laws: a service never knows what comes after.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, RecordBatch, TimestampMillisecondArray};
use nightjar_detectors::core::Core;
use nightjar_detectors::event::Events;
use nightjar_detectors::time::{Calendar, Day};

use super::{BacktestError, Judged};
use crate::days::DayStore;
use crate::setup::Setup;

/// What `baseline.source` of an alert says, whatever the baseline was.
pub const SOURCE: &str = "hindsight";

/// More days than this have a past, and judging each by all others takes the square of their number.
const DAYS_MAX: usize = 31;

/// Judges each day against all the others. All days are closed in the end, and the alerts final.
///
/// # Errors
/// When there are too few days or too many, spilled rows cannot be read back, or on Ctrl-C.
pub fn judge(
    setup: &Setup,
    threads: usize,
    mut store: DayStore,
    stop: &AtomicBool,
    progress: &dyn Fn(Day),
) -> Result<Judged, BacktestError> {
    let days = store.days();
    let (Some(first), Some(last), 2..=DAYS_MAX) = (days.first(), days.last(), days.len()) else {
        return Err(BacktestError::HindsightDays(days.len()));
    };
    let rows: BTreeMap<Day, Vec<RecordBatch>> = days
        .iter()
        .map(|day| Ok((*day, store.take(*day)?)))
        .collect::<Result<_, BacktestError>>()?;
    let new_core = || Core::new(setup.world.clone(), threads).in_hindsight();
    let mut judged = Judged {
        core: new_core(),
        alerts: BTreeMap::new(),
        span: Some((*first, *last)),
        days: days.clone(),
        others: Vec::new(),
        near: Vec::new(),
    };
    for day in &days {
        judged.core = new_core();
        let lags = judged.core.detectors().iter().map(|active| active.lag);
        let last = days.iter().rfind(|other| *other != day).unwrap_or(last);
        let weeks = weeks_back(*day, *last, lags.max().unwrap_or(0));
        for (other, batches) in rows.iter().filter(|(other, _)| *other != day) {
            if stop.load(Ordering::Relaxed) {
                return Err(BacktestError::Interrupted);
            }
            let past = other - 7 * weeks;
            let batches = moved(&setup.world.calendar, *other, past, batches);
            judged.core.require(past);
            observe(&mut judged.core, &batches);
        }
        judged.core.require(*day);
        observe(&mut judged.core, &rows[day]);
        let mut sealed = judged.core.seal_all();
        sealed.retain(|closed| closed.day == *day);
        for alert in sealed.iter_mut().flat_map(|closed| &mut closed.alerts) {
            SOURCE.clone_into(&mut alert.baseline.source);
        }
        judged.take(sealed);
        progress(*day);
    }
    Ok(judged)
}

/// By how many weeks days up to `last` are moved back to lie in the baseline of `day`.
fn weeks_back(day: Day, last: Day, lag: i32) -> i32 {
    ((last - (day - lag)).max(0) + 6) / 7
}

/// The rows of one day on another, at the same time after midnight.
fn moved(calendar: &Calendar, from: Day, to: Day, batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let (start, end) = (calendar.start(to), calendar.end(to));
    let by = start - calendar.start(from);
    let moved = |batch: &RecordBatch| {
        let events = Events::new(batch).expect("the intake makes canonical batches");
        let times = events.times().iter();
        // Where that day is an hour shorter, its last hour holds two.
        let times = times.map(|time| (time + by).min(end - 1));
        let times = TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC");
        let mut columns: Vec<Arc<dyn Array>> = batch.columns().to_vec();
        columns[0] = Arc::new(times);
        RecordBatch::try_new(batch.schema(), columns).expect("only times have changed")
    };
    batches.iter().map(moved).collect()
}

fn observe(core: &mut Core, batches: &[RecordBatch]) {
    core.observe(batches)
        .expect("the intake makes canonical batches");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All others lie in the baseline, and not a week further away than they must.
    #[test]
    fn the_others_are_moved_just_far_enough() {
        for (day, last, lag) in [(100, 101, 2), (101, 101, 2), (100, 130, 5), (130, 130, 2)] {
            let weeks = weeks_back(day, last, lag);
            assert!(last - 7 * weeks <= day - lag);
            assert!(weeks == 0 || day - lag < last - 7 * (weeks - 1));
        }
    }
}
