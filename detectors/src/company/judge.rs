//! When a surprise becomes an alert: budget, calibration by rank, and the phases of a cold start.

use crate::model::calibration::{Calibration, Histogram};
use crate::model::magnitude::Bar;
use crate::time::Day;

/// How far a stream's calibration has come, counted from its first judged day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Days 1-7: to the ledger only.
    Ledger,
    /// Days 8-14: a third of alpha.
    Early,
    /// From day 15.
    Full,
}

/// Part of the budget that noise may use; the rest is room for what is real.
pub const NOISE_SHARE: f64 = 0.4;

/// What turns one stream's surprise into an alert on one day.
#[derive(Debug, Clone)]
pub struct Judge {
    /// Smallest surprise that alerts; beyond the largest surprise when nothing can.
    pub needed: u32,
    /// The same with a cheap test in front.
    pub bar: Bar,
    /// The probability behind `needed`.
    pub alpha: f64,
    /// Phase of the stream.
    pub phase: Phase,
    calibration: Calibration,
}

impl Judge {
    /// The judge of one stream on one day.
    pub fn new(histogram: &Histogram, day: Day, alpha: f64, phase: Phase) -> Self {
        let calibration = Calibration::new(histogram, day);
        let alpha = if phase == Phase::Early {
            alpha / 3.0
        } else {
            alpha
        };
        let needed = calibration.needed(alpha);
        Judge {
            needed,
            bar: Bar::new(needed),
            alpha,
            phase,
            calibration,
        }
    }

    /// Whether past verdicts are enough to tell how improbable a rare one is.
    pub fn has_tail(&self) -> bool {
        self.calibration.has_tail()
    }

    /// Calibrated probability of a surprise at least this large on a day without attack.
    pub fn p(&self, surprise: u32) -> f64 {
        self.calibration.p(surprise)
    }
}

/// The phase of a day, given the first judged day.
pub fn phase(first_judged: Day, day: Day, phases: bool) -> Phase {
    match day - first_judged + 1 {
        _ if !phases => Phase::Full,
        ..=7 => Phase::Ledger,
        8..=14 => Phase::Early,
        _ => Phase::Full,
    }
}
