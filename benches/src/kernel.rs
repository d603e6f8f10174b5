//! What the kernel says of this process; nothing where it does not say.

use std::fs::read_to_string;
use std::time::Instant;

/// The largest resident size so far, bytes.
pub fn peak_bytes() -> Option<u64> {
    let status = read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// How long this thread has been on a core.
pub fn core_seconds() -> Option<f64> {
    let text = read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds as f64 / 1e9)
}

/// Measures this thread's work: its time on a core where the kernel tells, so that other processes matter
/// little.
pub struct Stopwatch {
    start: Instant,
    on_core: Option<f64>,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Stopwatch {
            start: Instant::now(),
            on_core: core_seconds(),
        }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        let on_core = self.on_core.zip(core_seconds()).map(|(from, to)| to - from);
        on_core.unwrap_or_else(|| self.start.elapsed().as_secs_f64())
    }
}
