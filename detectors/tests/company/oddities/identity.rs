//! Factors, rules, roles and applications that are changed.

use super::Oddity;

pub const ALL: &[Oddity] = &[];
