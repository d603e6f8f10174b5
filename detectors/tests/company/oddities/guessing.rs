//! Passwords and second factors that are tried.

use super::Oddity;

pub const ALL: &[Oddity] = &[];
