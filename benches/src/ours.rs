//! The ways through the engine that are measured.

use std::sync::atomic::AtomicBool;

use nightjar::backtest::{self, Judged, Read};
use nightjar::config::Config;
use nightjar::intake::Intake;
use nightjar::setup::Setup;
use nightjar_detectors::core::Core;

use crate::Workload;

/// Rows of a batch, as in a backtest.
const BATCH_ROWS: usize = 8192;

/// The defaults, with the format given.
pub fn setup(format: &str) -> Setup {
    let setup = Setup::of(Config::defaults()).expect("the defaults are valid");
    setup
        .with_format(Some(format))
        .expect("a format of the catalog")
}

/// The defaults; every record is recognised by itself among all formats.
pub fn setup_of_all_formats() -> Setup {
    Setup::of(Config::defaults()).expect("the defaults are valid")
}

/// Bytes to batches, which are dropped. Gives the number of rows.
pub fn decode(setup: &Setup, workload: &Workload) -> usize {
    let mut intake = Intake::new(setup, "bench").expect("a format of the catalog");
    intake.begin("memory");
    let mut rows = 0;
    for (number, record) in workload.records().enumerate() {
        intake.record(record, number as u64, None);
        if BATCH_ROWS <= intake.waiting() {
            rows += intake.take_batch().num_rows();
        }
    }
    rows + intake.take_batch().num_rows()
}

/// Bytes to rows by day, the first half of a backtest.
pub fn read(setup: &Setup, workload: &Workload) -> Read {
    let records = workload.records().map(|record| ("bench", record));
    backtest::read_records(setup, records).expect("a format of the catalog")
}

/// Rows by day to final alerts, the second half, with every detector.
pub fn judge(setup: &Setup, read: Read) -> Judged {
    let stop = AtomicBool::new(false);
    let judged = backtest::judge(setup, 1, read.days, &stop, &|_| {});
    let mut judged = judged.expect("nothing was spilled");
    judged.seal_all();
    judged
}

/// A core that has seen these days, the last of them still open. Also the number of events.
pub fn train(setup: &Setup, days: impl Iterator<Item = Workload>) -> (Core, usize) {
    let mut core = Core::new(setup.world.clone(), 1);
    let mut events = 0;
    for workload in days {
        events += workload.len();
        let mut days = read(setup, &workload).days;
        for day in days.days() {
            core.require(day);
            let batches = days.take(day).expect("nothing was spilled");
            core.observe(&batches)
                .expect("the intake makes canonical batches");
        }
    }
    (core, events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_gives_a_row() {
        for workload in [Workload::small(50, 500), Workload::okta(50, 500)] {
            assert_eq!(
                decode(&setup(workload.format), &workload),
                500,
                "{}",
                workload.name
            );
        }
    }
}
