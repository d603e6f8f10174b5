//! Which: a categorical with memory, mixed down a chain of ever wider sources (interpolated backoff:
//! Jelinek & Mercer 1980; MacKay & Bauman Peto 1995).
//!
//! [`Hours`] for the hour of the day, [`Values`] for place, device, app and tool. The p-value of an
//! outcome is the mass of all outcomes no more probable than it.
//!
//! Invariant: sources are integers; masses sum to one and leave room for the unseen.

mod hours;
mod tenant;
mod values;

pub use hours::{Hours, hour_mass, hour_prior, own_hour_mass};
pub use tenant::{OwnMasses, TenantMasses};
pub use values::{Attribute, Masses, Values, value_mass, value_p};

use super::fixed::HABIT;

/// Two masses this near each other are a tie: the order of additions must not decide.
const TIE: f64 = 1.0 + 1e-9;

/// How well a closed day's outcome is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learn {
    /// As it is.
    Fully,
    /// With a tenth of the weight, because it alerted and nobody has called it expected: an intruder
    /// must not teach.
    Alerted,
}

impl Learn {
    /// What one outcome of `day` adds.
    fn weight(self, day: i32) -> i64 {
        match self {
            Learn::Fully => HABIT.weight(day),
            Learn::Alerted => HABIT.weight(day) / 10,
        }
    }
}

/// p of outcome `i`: the mass of the outcomes no more probable than it; ties count. 1 for an outcome
/// that is not in `mass`.
pub fn tail_mass(mass: &[f64], i: usize) -> f64 {
    let Some(limit) = mass.get(i).map(|own| own * TIE) else {
        return 1.0;
    };
    let tail: f64 = mass.iter().filter(|other| **other <= limit).sum();
    tail.min(1.0)
}

/// p of the least of `tests` p-values (Sidak 1967). `tests` comes from the baseline, never from the
/// day itself, so that the verdict is eager.
pub fn per_day(p: f64, tests: f64) -> f64 {
    if 1.0 <= p {
        return 1.0;
    }
    -(tests.max(1.0) * (-p).ln_1p()).exp_m1()
}

/// Distinct outcomes per active day, shrunk to the peers' mean by three pseudo-days.
pub fn expected_tests(sum_tests: f64, days: f64, peers_mean: f64) -> f64 {
    const PSEUDO_DAYS: f64 = 3.0;
    (sum_tests + PSEUDO_DAYS * peers_mean) / (days + PSEUDO_DAYS)
}
