//! From the bytes of records to batches of admitted rows: decode, admit, enrich, build.
//!
//! Invariant: every record ends as rows, as no activity, or as an entry of the quarantine; nothing of
//! a record's content is kept of the latter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use nightjar_detectors::event::{Draft, EventsBuilder};

use crate::clock::{Came, Verdict, admit};
use crate::decode::{Decoder, FormatError, Formats, Reject, Sink, keep_first};
use crate::enrich::{EnrichCache, Enricher};
use crate::logins::{Logins, LoginsByClass};
use crate::setup::Setup;
use crate::spool::{Entry, Part};
use crate::store::late::{LateEntry, TooLate};
use crate::store::quarantine::QuarantineEntry;

/// What became of the records of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records read.
    pub records: u64,
    /// Rows they gave.
    pub rows: u64,
    /// Records that are understood and are no activity.
    pub ignored: u64,
    /// Records, or elements of an envelope, set aside.
    pub quarantined: u64,
    /// Rows that tell a login which another format tells too, so that they are other activity.
    pub other_logins: u64,
}

impl Counts {
    /// Adds another part of the same source.
    pub fn add(&mut self, other: Counts) {
        self.records += other.records;
        self.rows += other.rows;
        self.ignored += other.ignored;
        self.quarantined += other.quarantined;
        self.other_logins += other.other_logins;
    }

    /// Whether there were records and none of them could be understood.
    pub fn is_all_unreadable(&self) -> bool {
        0 < self.records && self.rows + self.ignored == 0
    }
}

/// What of a source is of no known format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unrecognised {
    /// Records, or elements of an envelope.
    pub parts: u64,
    /// Names of their keys: the first in the alphabet, without those that look like data.
    pub keys: BTreeSet<String>,
}

impl Unrecognised {
    /// Adds another part of the same source.
    pub fn add(&mut self, parts: u64, keys: &BTreeSet<String>) {
        self.parts += parts;
        for key in keys {
            if !self.keys.contains(key) {
                self.keys.insert(key.clone());
            }
        }
        keep_first(&mut self.keys);
    }

    /// A sentence on a source, or nothing.
    pub fn sentence(&self, source: &str) -> Option<String> {
        let (records, whose) = match self.parts {
            0 => return None,
            1 => ("record", "is of no known format; its"),
            _ => ("records", "are of no known format; their"),
        };
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        Some(format!(
            "{} {records} of source {source} {whose} keys: {}",
            self.parts,
            if keys.is_empty() {
                "none that can be shown".to_owned()
            } else {
                keys.join(", ")
            },
        ))
    }
}

/// What is not recognised, by source.
pub type UnrecognisedBySource = BTreeMap<String, Unrecognised>;

/// Counts by source.
pub type SourceCounts = BTreeMap<String, Counts>;

/// Entries kept in memory between two calls of [`Intake::take_rejected`] or [`Intake::take_late`];
/// more are only counted.
const ENTRIES_MAX: usize = 100_000;

/// Reads the records of one source.
pub struct Intake {
    decoder: Decoder,
    rows: Rows,
}

struct Rows {
    builder: EventsBuilder,
    enricher: Arc<Enricher>,
    logins: Arc<Logins>,
    cache: EnrichCache,
    source: String,
    origin: String,
    /// Allowed lateness by class.
    lateness_ms: Vec<i64>,
    /// Nothing is too late.
    is_history: bool,
    /// Names of the classes.
    classes: Arc<[String]>,
    future_limit_ms: i64,
    /// Of the record at hand; `None` for files, where all is on time.
    came: Option<Came>,
    offset: u64,
    record_bytes: u64,
    element: u32,
    /// Number of the next row of the record at hand.
    row: u32,
    /// Latest event time of an admitted row of the record at hand.
    latest_ms: Option<i64>,
    counts: Counts,
    rejected: Vec<QuarantineEntry>,
    late: Vec<LateEntry>,
    unrecognised: Unrecognised,
    other_logins: LoginsByClass,
}

impl Intake {
    /// An intake for one source, by what is configured for it.
    ///
    /// # Errors
    /// When its format is not known.
    pub fn new(setup: &Setup, source: &str) -> Result<Self, FormatError> {
        let format = setup.format_of(source);
        let classes = class_names(&setup.formats);
        Ok(Intake {
            decoder: Decoder::new(setup.formats.clone(), format, setup.decode_options())?,
            rows: Rows {
                builder: EventsBuilder::new(&classes),
                classes: classes.into_iter().map(str::to_owned).collect(),
                enricher: setup.enricher.clone(),
                logins: setup.logins.clone(),
                other_logins: LoginsByClass::new(),
                cache: EnrichCache::default(),
                source: source.to_owned(),
                origin: String::new(),
                lateness_ms: setup.lateness.for_source(source).to_vec(),
                is_history: false,
                future_limit_ms: setup.config.admission.future_limit_ms,
                came: None,
                offset: 0,
                record_bytes: 0,
                element: 0,
                row: 0,
                latest_ms: None,
                counts: Counts::default(),
                rejected: Vec::new(),
                late: Vec::new(),
                unrecognised: Unrecognised::default(),
            },
        })
    }

    /// However late, a row is on time: for what a topic held before the first start.
    pub fn without_lateness(mut self) -> Self {
        self.rows.is_history = true;
        self.rows
            .lateness_ms
            .iter_mut()
            .for_each(|lateness_ms| *lateness_ms = i64::MAX);
        self
    }

    /// The following records come from this file or partition.
    pub fn begin(&mut self, origin: &str) {
        if self.rows.origin != origin {
            self.rows.origin = origin.to_owned();
        }
        self.rows.builder.begin(&self.rows.source, origin);
    }

    /// Takes one record. `arrival_ms`: `None` where there is none, and all is on time.
    pub fn record(&mut self, bytes: &[u8], offset: u64, arrival_ms: Option<i64>) {
        let rows = &mut self.rows;
        rows.open(offset, bytes.len() as u64, arrival_ms.map(Came::at));
        self.decoder.decode(bytes, offset, rows);
    }

    /// Takes one record that was decoded when it came through a door.
    pub fn decoded(&mut self, entry: &Entry<'_>, came: Came) {
        let rows = &mut self.rows;
        let classes = rows.classes.clone();
        rows.open(entry.record, entry.bytes, Some(came));
        for part in entry.parts() {
            match part {
                Part::Row(image) => rows.row(image.draft(entry.record, &classes)),
                Part::Rejected(reason) => rows.quarantine(reason.to_owned()),
                Part::Ignored => rows.ignored(),
            }
        }
    }

    /// Takes a record without bytes, by which a compacted topic says that a key is gone: set aside like one that
    /// is empty.
    pub fn tombstone(&mut self, offset: u64) {
        self.set_aside(offset, 0, &Reject::Empty.to_string());
        self.rows.latest_ms = None;
    }

    /// Takes whole lines, each a record; empty ones are passed over. `first_record` numbers the first.
    pub fn lines(&mut self, bytes: &[u8], first_record: u64) {
        for (number, line) in lines(bytes, first_record) {
            self.record(line, number, None);
        }
    }

    /// Sets a record aside that was not even looked at.
    pub fn set_aside(&mut self, offset: u64, record_bytes: u64, reason: &str) {
        let rows = &mut self.rows;
        rows.open(offset, record_bytes, None);
        rows.quarantine(reason.to_owned());
    }

    /// Latest event time among the rows of the last record.
    pub fn latest_ms(&self) -> Option<i64> {
        self.rows.latest_ms
    }

    /// Rows waiting to be taken.
    pub fn waiting(&self) -> usize {
        self.rows.builder.len()
    }

    /// The rows since the last call.
    pub fn take_batch(&mut self) -> RecordBatch {
        self.rows.builder.finish()
    }

    /// What was set aside since the last call.
    pub fn take_rejected(&mut self) -> Vec<QuarantineEntry> {
        std::mem::take(&mut self.rows.rejected)
    }

    /// The rows that came too late since the last call.
    pub fn take_late(&mut self) -> Vec<LateEntry> {
        std::mem::take(&mut self.rows.late)
    }

    /// What was not recognised since the last call.
    pub fn take_unrecognised(&mut self) -> Unrecognised {
        std::mem::take(&mut self.rows.unrecognised)
    }

    /// Logins that another format tells too, since the last call.
    pub fn take_other_logins(&mut self) -> LoginsByClass {
        std::mem::take(&mut self.rows.other_logins)
    }

    /// The counts since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.rows.counts)
    }
}

/// Lines with their numbers, without those that hold nothing. `first_record` numbers the first.
pub(crate) fn lines(bytes: &[u8], first_record: u64) -> impl Iterator<Item = (u64, &[u8])> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    let numbered = (first_record..).zip(ends).map(move |(number, end)| {
        let line = bytes.get(start..end).unwrap_or_default();
        start = end + 1;
        (number, line.strip_suffix(b"\r").unwrap_or(line))
    });
    numbered.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
}

fn class_names(formats: &Formats) -> Vec<&str> {
    formats
        .classes()
        .iter()
        .map(|class| class.name.as_str())
        .collect()
}

impl Rows {
    /// The next record is at hand.
    fn open(&mut self, offset: u64, record_bytes: u64, came: Option<Came>) {
        self.counts.records += 1;
        self.came = came;
        (self.offset, self.record_bytes) = (offset, record_bytes);
        (self.element, self.row, self.latest_ms) = (0, 0, None);
    }

    fn quarantine(&mut self, reason: String) {
        self.counts.quarantined += 1;
        if self.rejected.len() < ENTRIES_MAX {
            self.rejected.push(QuarantineEntry {
                source: self.source.clone(),
                origin: self.origin.clone(),
                offset: self.offset,
                element: self.element,
                reason,
                bytes: self.record_bytes,
                arrival_ms: self.came.and_then(|came| came.since_ms),
                is_history: self.is_history,
            });
        }
        self.element += 1;
    }

    fn note_other_login(&mut self, class: u8) {
        self.counts.other_logins += 1;
        let class = &self.classes[usize::from(class)];
        match self.other_logins.get_mut(class) {
            Some(logins) => *logins += 1,
            None => {
                self.other_logins.insert(class.clone(), 1);
            }
        }
    }
}

impl Sink for Rows {
    fn row(&mut self, row: Draft<'_>) {
        let mut late = false;
        if let Some(came) = self.came {
            let lateness_ms = self.lateness_ms[usize::from(row.class)];
            match admit(row.time, came, lateness_ms, self.future_limit_ms) {
                Verdict::OnTime => {}
                Verdict::Late => late = true,
                Verdict::TooEarly => return self.quarantine(TOO_EARLY.to_owned()),
            }
        }
        self.counts.rows += 1;
        if !late {
            self.latest_ms = self.latest_ms.max(Some(row.time));
        }
        // The enricher lends its own texts for less long than the record's.
        let mut row = row;
        row.late = late;
        if self.logins.settle(&mut row) {
            self.note_other_login(row.class);
        }
        self.enricher.enrich(&mut row, &mut self.cache);
        let came = self.came;
        if late && self.late.len() < ENTRIES_MAX {
            self.late.push(LateEntry {
                source: self.source.clone(),
                origin: self.origin.clone(),
                offset: self.offset,
                row: self.row,
                user: row.user.map(str::to_owned),
                time_ms: row.time,
                lateness_ms: came.and_then(|came| Some(came.since_ms? - row.time)),
                class: self.classes[usize::from(row.class)].clone(),
                why: TooLate::Arrived,
            });
        }
        self.row += 1;
        self.builder.push(&row);
    }

    fn reject(&mut self, reason: Reject) {
        self.quarantine(reason.to_string());
    }

    fn ignored(&mut self) {
        self.counts.ignored += 1;
    }

    fn unrecognised(&mut self, parts: u64, keys: &BTreeSet<String>) {
        self.unrecognised.add(parts, keys);
    }
}

const TOO_EARLY: &str = "event time is further ahead of its arrival than future_limit allows";

/// Rows of the `nightjar` format, for the tests of what reads rows.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::Config;

    pub(crate) fn setup() -> Setup {
        let setup = Setup::of(Config::defaults()).expect("the defaults are valid");
        setup.with_format(Some("nightjar")).expect("it is shipped")
    }

    pub(crate) fn rows(source: &str, records: &str) -> RecordBatch {
        let mut intake = Intake::new(&setup(), source).expect("its format is known");
        intake.begin("memory");
        intake.lines(records.as_bytes(), 1);
        intake.take_batch()
    }
}
