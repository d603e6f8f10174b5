//! What the engine says about itself: plain values, filled by the engine, sent by the service.

use chrono_tz::Tz;

use crate::clock::Partition;

/// Where the engine is on its way to the present.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Reading what the topics held before the first start.
    #[default]
    History,
    /// Behind, for instance after a restart.
    CatchingUp,
    /// At the present end of its sources.
    Live,
}

impl Phase {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::History => "history",
            Phase::CatchingUp => "catching up",
            Phase::Live => "live",
        }
    }
}

/// A picture of the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The tenant.
    pub tenant: String,
    /// The zone of the tenant's days.
    pub zone: Tz,
    /// Fingerprint of the detection settings.
    pub config: String,
    /// Start of the process, ms.
    pub started_ms: i64,
    /// When this was true, ms; 0 before anything live was read.
    pub told_ms: i64,
    /// How far it is.
    pub phase: Phase,
    /// Why nothing is read now; `None` while all is well.
    pub trouble: Option<String>,
    /// Portions that were read and wait to be judged.
    pub queue: usize,
    /// How long the last checkpoint took, ms.
    pub checkpoint_ms: u64,
    /// By name.
    pub sources: Vec<SourceStatus>,
    /// By name.
    pub detectors: Vec<DetectorStatus>,
}

/// One source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its name.
    pub source: String,
    /// Records read since the start of the process.
    pub records: u64,
    /// Rows that were new and in time.
    pub rows: u64,
    /// Rows seen before.
    pub repeats: u64,
    /// Rows whose id another record had lately with other content.
    pub conflicts: u64,
    /// Rows that came after their allowed lateness.
    pub late: u64,
    /// Records that could not be read.
    pub quarantined: u64,
    /// Rows that tell a login which another format tells too.
    pub other_logins: u64,
    /// By number.
    pub partitions: Vec<PartitionStatus>,
}

impl SourceStatus {
    /// Up to this arrival time all records were read; `None` while a partition has none.
    pub fn watermark_ms(&self) -> Option<i64> {
        let clocks = self.partitions.iter().map(|partition| partition.clock_ms);
        clocks.min().flatten()
    }

    /// Records not read yet.
    pub fn lag(&self) -> u64 {
        self.partitions.iter().map(PartitionStatus::lag).sum()
    }

    /// Whether some partition waits for others.
    pub fn is_paused(&self) -> bool {
        self.partitions.iter().any(|partition| partition.paused)
    }
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Which.
    pub partition: Partition,
    /// The next record to read.
    pub position: i64,
    /// One past the last record there is.
    pub end: i64,
    /// Arrival of the last record read, ms.
    pub clock_ms: Option<i64>,
    /// Ahead of the others, waiting for them.
    pub paused: bool,
}

impl PartitionStatus {
    /// Records not read yet.
    pub fn lag(&self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.position)).unwrap_or(0)
    }
}

/// One detector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DetectorStatus {
    /// Its name.
    pub detector: String,
    /// The last day that is closed for it, `YYYY-MM-DD`.
    pub sealed_day: Option<String>,
    /// Alerts in the log, muted ones included.
    pub alerts: u64,
}
