//! Where records are collected, with the time at which the vendor delivers each.
//!
//! Invariant: delivery is never before the event, and delays stay inside each vendor's allowed
//! lateness.

use super::Record;
use super::chance::Chance;

/// Records of one day.
#[derive(Default)]
pub struct Log {
    records: Vec<Record>,
}

/// Shortest and longest ordinary delay in seconds.
fn delay_secs(source: &str) -> (i64, i64) {
    match source {
        "okta" => (2, 30),
        "entra" => (30, 420),
        "m365" => (120, 2_400),
        "google" => (60, 1_800),
        "aws" => (100, 720),
        "proxy" => (1, 60),
        _ => (1, 8),
    }
}

impl Log {
    /// Adds a record. Now and then a vendor delivers one twice.
    pub fn add(&mut self, source: &'static str, time_ms: i64, json: String, chance: &mut Chance) {
        let (from, to) = delay_secs(source);
        let arrival_ms = time_ms + 1_000 * chance.between(from, to);
        if matches!(source, "okta" | "m365") && chance.happens(0.004) {
            let again_ms = arrival_ms + 1_000 * chance.between(1, 900);
            self.records.push(Record {
                time_ms,
                arrival_ms: again_ms,
                source,
                json: json.clone(),
            });
        }
        self.records.push(Record {
            time_ms,
            arrival_ms,
            source,
            json,
        });
    }

    /// Adds a record that is delivered hours later, as Copilot's are.
    pub fn add_late(
        &mut self,
        source: &'static str,
        time_ms: i64,
        json: String,
        chance: &mut Chance,
    ) {
        let hours = if chance.happens(0.1) { 30 } else { 5 };
        let arrival_ms = time_ms + 1_000 * chance.between(900, hours * 3_600);
        self.records.push(Record {
            time_ms,
            arrival_ms,
            source,
            json,
        });
    }

    /// Changes every record of a source, or leaves it out.
    pub fn change(&mut self, source: &str, mut change: impl FnMut(Record) -> Option<Record>) {
        let records = std::mem::take(&mut self.records);
        let changed = records
            .into_iter()
            .filter_map(|record| match record.source {
                name if name == source => change(record),
                _ => Some(record),
            });
        self.records = changed.collect();
    }

    /// The records with an event time in `[from, to)`, in the order of delivery.
    pub fn into_records(self, from_ms: i64, to_ms: i64) -> Vec<Record> {
        let mut records = self.records;
        records.retain(|record| (from_ms..to_ms).contains(&record.time_ms));
        records.sort_by_key(|record| record.arrival_ms);
        records
    }
}
