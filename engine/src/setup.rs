//! Everything that is read once at start: configuration, formats, directory, geo databases.
//!
//! Invariant: two commands with the same files make the same [`Setup`], so that they judge alike.

use std::path::Path;
use std::sync::Arc;

use nightjar_detectors::world::World;

use crate::config::{Config, ConfigErrors, Lateness};
use crate::decode::Formats;
use crate::enrich::Enricher;

/// What every command that detects works with.
pub struct Setup {
    /// The configuration.
    pub config: Config,
    /// All formats, with the user's.
    pub formats: Arc<Formats>,
    /// Directory, networks, geo databases.
    pub enricher: Arc<Enricher>,
    /// AI tools by host.
    pub tools: crate::decode::Tools,
    /// Allowed lateness by source and class.
    pub lateness: Lateness,
    /// Settings and calendar of detection.
    pub world: Arc<World>,
}
