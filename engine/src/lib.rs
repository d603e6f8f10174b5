//! Nightjar's engine: from vendor events to explained alerts.
//!
//! Invariant: detection itself lives in `nightjar-detectors`; here is everything that reads or writes.

pub mod clock;
pub mod source;
