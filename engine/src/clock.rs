//! Partition clocks: when a record arrived.
//!
//! Invariant: a partition is named by its topic and number, everywhere.

use serde::{Deserialize, Serialize};

/// A topic's partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    /// Topic.
    pub topic: String,
    /// Number.
    pub number: i32,
}

impl std::fmt::Display for Partition {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.topic, self.number)
    }
}
