//! How each vendor writes down what somebody did.
//!
//! Invariant: a record is a function of the moment and of the numbers drawn for it; no vendor knows
//! of another, and nothing here decides what happens.

pub mod agents;
pub mod audits;
pub mod files;
pub mod logins;
pub mod models;

use chrono::{DateTime, SecondsFormat};

use super::people::{Device, Person};
use super::places::Spot;

/// Somebody, somewhere, at some time, with some device.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    pub time_ms: i64,
    pub person: &'a Person,
    pub spot: &'a Spot,
    pub device: &'a Device,
    pub session: &'a str,
}

impl Moment<'_> {
    /// The same, so much later.
    pub fn after(self, millis: i64) -> Self {
        Moment {
            time_ms: self.time_ms + millis,
            ..self
        }
    }
}

/// RFC 3339 with milliseconds.
fn millis(time_ms: i64) -> String {
    text(time_ms, SecondsFormat::Millis)
}

/// RFC 3339 with whole seconds.
pub fn seconds(time_ms: i64) -> String {
    text(time_ms, SecondsFormat::Secs)
}

fn text(time_ms: i64, format: SecondsFormat) -> String {
    DateTime::from_timestamp_millis(time_ms)
        .unwrap_or_default()
        .to_rfc3339_opts(format, true)
}
