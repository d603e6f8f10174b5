//! Records in memory, as a broker or a file would give them.
//!
//! Invariant: times ascend and cover whole days, so that days are opened, judged and closed.

use std::collections::BTreeMap;

use nightjar::generate::{Company, Plan, events_256, events_okta};

/// Days that a workload covers.
pub const DAYS: u64 = 5;
/// The generated streams cover this many days whatever their length.
const STREAM_DAYS: u64 = 30;
const SEED: u64 = 11;

/// One format's records, one behind the other.
pub struct Workload {
    /// For the table.
    pub name: &'static str,
    /// The engine's name of the format.
    pub format: &'static str,
    bytes: Vec<u8>,
    /// Where each record ends.
    ends: Vec<usize>,
}

impl Workload {
    /// Events of 256 bytes, spread over [`DAYS`] days.
    pub fn small(users: u32, events: u64) -> Self {
        let lines = events_256(users, events * STREAM_DAYS / DAYS, SEED);
        Workload::of(
            "events of 256 bytes",
            "nightjar",
            lines.take(events as usize),
        )
    }

    /// Okta records of about 2 KB, spread over [`DAYS`] days.
    pub fn okta(users: u32, events: u64) -> Self {
        let lines = events_okta(users, events * STREAM_DAYS / DAYS, SEED);
        Workload::of("Okta records of 2 KB", "okta", lines.take(events as usize))
    }

    /// Some lines.
    pub fn of(
        name: &'static str,
        format: &'static str,
        lines: impl Iterator<Item = String>,
    ) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for line in lines {
            bytes.extend_from_slice(line.as_bytes());
            ends.push(bytes.len());
        }
        Workload {
            name,
            format,
            bytes,
            ends,
        }
    }

    /// The records in order.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.bytes[start..*end])
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Their size.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// What a generated company logs in some days, by format.
pub fn by_format(users: u32, days: u32) -> Vec<Workload> {
    let company = Company::new(&Plan {
        users,
        days,
        seed: SEED,
        ..Plan::default()
    });
    let mut lines: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for record in (0..days).flat_map(|day| company.day(day)) {
        lines.entry(record.source).or_default().push(record.json);
    }
    let sources = Company::sources().iter();
    let workload = |(source, format): &(&'static str, &'static str)| {
        Workload::of(
            format,
            format,
            lines.remove(source).unwrap_or_default().into_iter(),
        )
    };
    sources.map(workload).collect()
}

/// A stream over thirty days for the state's size, one day after the other: `per_day` events a day.
pub fn thirty_days(users: u32, per_day: u64) -> impl Iterator<Item = Workload> {
    let mut lines = events_256(users, per_day * STREAM_DAYS, SEED);
    (0..STREAM_DAYS)
        .map(move |_| Workload::of("one day", "nightjar", lines.by_ref().take(per_day as usize)))
}
