//! Data, AI tools and what they are given.

use super::Oddity;

pub const ALL: &[Oddity] = &[];
