//! What could not be read: where it lies, why, and how large it is. Part of `alerts.db`.
//!
//! Invariant: never the content; and a record that is read again is not counted again.

use rusqlite::{TransactionBehavior, named_params, params};

use super::StoreError;
use super::alerts::{AlertReader, AlertStore};

/// The newest entries that are kept, so that a topic full of rubbish does not fill the disk. The
/// counts go on.
const ENTRIES_MAX: i64 = 100_000;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS quarantine (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    origin TEXT NOT NULL, offset INTEGER NOT NULL, element INTEGER NOT NULL,
    source TEXT NOT NULL, reason TEXT NOT NULL, bytes INTEGER NOT NULL,
    recorded_ms INTEGER NOT NULL DEFAULT 0, arrival_ms INTEGER, history INTEGER NOT NULL DEFAULT 0,
    outcome TEXT NOT NULL DEFAULT 'open',
    UNIQUE (origin, offset, element)
) STRICT;
CREATE TABLE IF NOT EXISTS quarantine_counts (
    source TEXT NOT NULL, reason TEXT NOT NULL, entries INTEGER NOT NULL,
    PRIMARY KEY (source, reason)
) STRICT;";

/// A record, or one element of an envelope, that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// File, or topic/partition.
    pub origin: String,
    /// Line in the file, or offset in the partition.
    pub offset: u64,
    /// Place within the record, for records that hold several.
    pub element: u32,
    /// The configured source.
    pub source: String,
    /// Why; a fixed text.
    pub reason: String,
    /// Size of the record, in bytes.
    pub bytes: u64,
    /// When the record arrived, ms; `None` for files, which have no arrival.
    pub arrival_ms: Option<i64>,
    /// Held before the first start, where nothing counts as late.
    pub is_history: bool,
}

/// What became of an entry since it was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing.
    Open,
    /// It was read and judged.
    Replayed,
    /// It was read, but after its day was closed.
    TooLate,
}

impl Outcome {
    const ALL: [Outcome; 3] = [Outcome::Open, Outcome::Replayed, Outcome::TooLate];

    /// The word in the store and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Open => "open",
            Outcome::Replayed => "replayed",
            Outcome::TooLate => "too late",
        }
    }
}

/// An entry as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its number: the id.
    pub number: u64,
    /// When it was set aside, ms.
    pub recorded_ms: i64,
    /// What became of it.
    pub outcome: Outcome,
    /// What was set aside.
    pub entry: QuarantineEntry,
}

/// Which entries; the default takes all.
#[derive(Debug, Clone, Default)]
pub struct QuarantineFilter {
    /// A part of the reason, in any case.
    pub reason: Option<String>,
    /// The source.
    pub source: Option<String>,
    /// Set aside since, ms.
    pub since_ms: Option<i64>,
    /// Only those that nothing became of.
    pub is_open: bool,
}

/// How many entries a source has for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineCount {
    /// The source.
    pub source: String,
    /// The reason.
    pub reason: String,
    /// Entries since the store was made.
    pub entries: u64,
}

impl AlertStore {
    /// Adds entries that are not there yet, in one commit; how many were new. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be written; nothing was added then.
    pub fn set_aside(&self, entries: &[QuarantineEntry]) -> Result<u64, StoreError> {
        let mut writer = self.writer();
        let written = record(&mut writer.connection, entries);
        written.map_err(|source| writer.error(source))
    }

    /// Notes what became of entries, by number. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be written; nothing was noted then.
    pub fn settle(&self, entries: &[(u64, Outcome)]) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let written = settle(&mut writer.connection, entries);
        written.map_err(|source| writer.error(source))
    }
}

impl AlertReader {
    /// Entries by source and reason.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn quarantine_counts(&self) -> Result<Vec<QuarantineCount>, StoreError> {
        let query = "SELECT source, reason, entries FROM quarantine_counts ORDER BY 1, 2";
        self.database().rows(query, |row| {
            Ok(QuarantineCount {
                source: row.get(0)?,
                reason: row.get(1)?,
                entries: row.get(2)?,
            })
        })
    }

    /// The entries that are kept, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn quarantined(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, StoreError> {
        let query =
            "SELECT number, recorded_ms, outcome, origin, offset, element, source, reason, bytes,
                            arrival_ms, history
                     FROM quarantine
                     WHERE (:reason IS NULL OR instr(lower(reason), lower(:reason)))
                       AND (:source IS NULL OR source = :source)
                       AND (:since IS NULL OR :since <= recorded_ms)
                       AND (NOT :open OR outcome = 'open')
                     ORDER BY number";
        let which = named_params! {
            ":reason": filter.reason, ":source": filter.source, ":since": filter.since_ms,
            ":open": filter.is_open,
        };
        self.database().rows_with(query, which, |row| {
            let word: String = row.get(2)?;
            let outcome = Outcome::ALL
                .into_iter()
                .find(|known| known.as_str() == word);
            let entry = QuarantineEntry {
                origin: row.get(3)?,
                offset: row.get(4)?,
                element: row.get(5)?,
                source: row.get(6)?,
                reason: row.get(7)?,
                bytes: row.get(8)?,
                arrival_ms: row.get(9)?,
                is_history: row.get(10)?,
            };
            Ok(Quarantined {
                number: row.get(0)?,
                recorded_ms: row.get(1)?,
                outcome: outcome.unwrap_or(Outcome::Open),
                entry,
            })
        })
    }
}

fn settle(
    connection: &mut rusqlite::Connection,
    entries: &[(u64, Outcome)],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut update =
        transaction.prepare_cached("UPDATE quarantine SET outcome = ?2 WHERE number = ?1")?;
    for (number, outcome) in entries {
        update.execute(params![number, outcome.as_str()])?;
    }
    drop(update);
    transaction.commit()
}

fn record(
    connection: &mut rusqlite::Connection,
    entries: &[QuarantineEntry],
) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO quarantine
             (origin, offset, element, source, reason, bytes, arrival_ms, history, recorded_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CAST(unixepoch('subsec') * 1000 AS INTEGER))",
    )?;
    let mut count = transaction.prepare_cached(
        "INSERT INTO quarantine_counts VALUES (?1, ?2, 1)
         ON CONFLICT DO UPDATE SET entries = entries + 1",
    )?;
    let mut added = 0;
    for entry in entries {
        let fields = params![
            entry.origin,
            entry.offset,
            entry.element,
            entry.source,
            entry.reason,
            entry.bytes,
            entry.arrival_ms,
            entry.is_history,
        ];
        if insert.execute(fields)? == 1 {
            count.execute(params![entry.source, entry.reason])?;
            added += 1;
        }
    }
    drop((insert, count));
    // Old entries lie before every position that is read again, so they cannot come back.
    transaction.execute(
        "DELETE FROM quarantine WHERE number <= (SELECT max(number) FROM quarantine) - ?1",
        [ENTRIES_MAX],
    )?;
    transaction.commit()?;
    Ok(added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Tz;

    fn entry(offset: u64, element: u32) -> QuarantineEntry {
        QuarantineEntry {
            origin: "okta/0".into(),
            offset,
            element,
            source: "okta".into(),
            reason: "not JSON".into(),
            bytes: 12,
            arrival_ms: Some(5),
            is_history: true,
        }
    }

    fn kept(reader: &AlertReader, filter: &QuarantineFilter) -> Vec<QuarantineEntry> {
        let found = reader.quarantined(filter).unwrap();
        found.into_iter().map(|found| found.entry).collect()
    }

    /// Entries are found by reason, source and what became of them.
    #[test]
    fn entries_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = AlertStore::open(folder.path(), "t", Tz::UTC).unwrap();
        let other = QuarantineEntry {
            source: "m365".into(),
            reason: "no time".into(),
            ..entry(2, 0)
        };
        store.set_aside(&[entry(1, 0), other.clone()]).unwrap();
        let reader = store.reader().unwrap();
        let all = QuarantineFilter::default();
        let by = |filter: QuarantineFilter| kept(&reader, &filter);
        let reason = Some("Not json".to_owned());
        assert_eq!(
            by(QuarantineFilter {
                reason,
                ..all.clone()
            }),
            [entry(1, 0)]
        );
        let source = Some("m365".to_owned());
        assert_eq!(
            by(QuarantineFilter {
                source,
                ..all.clone()
            }),
            std::slice::from_ref(&other)
        );
        let since_ms = Some(i64::MAX);
        assert_eq!(
            by(QuarantineFilter {
                since_ms,
                ..all.clone()
            }),
            []
        );
        let first = reader.quarantined(&all).unwrap()[0].number;
        store.settle(&[(first, Outcome::TooLate)]).unwrap();
        assert_eq!(
            by(QuarantineFilter {
                is_open: true,
                ..all.clone()
            }),
            [other]
        );
        assert_eq!(
            reader.quarantined(&all).unwrap()[0].outcome,
            Outcome::TooLate
        );
    }

    /// After a restart the same records are read again; they are counted once.
    #[test]
    fn a_record_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = AlertStore::open(folder.path(), "t", Tz::UTC).unwrap();
        assert_eq!(store.set_aside(&[entry(1, 0), entry(1, 1)]).unwrap(), 2);
        assert_eq!(store.set_aside(&[entry(1, 1), entry(2, 0)]).unwrap(), 1);
        let reader = store.reader().unwrap();
        let all = kept(&reader, &QuarantineFilter::default());
        assert_eq!(all, [entry(1, 0), entry(1, 1), entry(2, 0)]);
        let counts = reader.quarantine_counts().unwrap();
        assert_eq!(counts.len(), 1);
        assert_eq!((counts[0].source.as_str(), counts[0].entries), ("okta", 3));
    }

    /// A flood keeps the newest entries and the whole count.
    #[test]
    fn a_flood_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let store = AlertStore::open(folder.path(), "t", Tz::UTC).unwrap();
        let most = ENTRIES_MAX as u64;
        let flood: Vec<_> = (0..most + 50).map(|offset| entry(offset, 0)).collect();
        store.set_aside(&flood).unwrap();
        let reader = store.reader().unwrap();
        let entries = kept(&reader, &QuarantineFilter::default());
        assert_eq!((entries.len() as u64, entries[0].offset), (most, 50));
        assert_eq!(reader.quarantine_counts().unwrap()[0].entries, most + 50);
    }
}
