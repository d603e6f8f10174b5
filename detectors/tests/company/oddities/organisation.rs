//! Sources that fall silent or change.

use super::Oddity;

pub const ALL: &[Oddity] = &[];
