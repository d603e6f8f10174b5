//! The statistics: from what was learned (integers) to how improbable today is (an integer).
//!
//! Units, used throughout:
//! - *x*: log2(1 + count) in Q12, 4096 is one doubling;
//! - *weight*: an integer, a fresh day weighs 4096 to 8191 (see [`fixed::Decay`]);
//! - *surprise*: -1000 log10 p, rounded, 0 to 30,000; 3000 means p = 0.001;
//! - *day*: days since 1970-01-01 in the tenant's zone.
//!
//! Invariant: whatever is stored, or merged between shards, is an integer, and merging is addition;
//! so the same days give the same bits in any order and however the fold is split. Floats live only
//! between a baseline and a surprise, and the rounding to a surprise hides their last bits.

pub mod calibration;
pub mod combine;
pub mod device;
pub mod familiar;
pub mod fixed;
pub mod habit;
pub mod magnitude;
pub mod population;
pub mod slow;
pub mod student;
