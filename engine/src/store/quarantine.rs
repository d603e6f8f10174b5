//! What could not be read: where it lies, why, and how large it is. Part of `alerts.db`.
//!
//! Invariant: never the content; and a record that is read again is not counted again.

use rusqlite::{TransactionBehavior, params};

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
    pub fn quarantined(&self) -> Result<Vec<QuarantineEntry>, StoreError> {
        let query = "SELECT origin, offset, element, source, reason, bytes FROM quarantine
                     ORDER BY number";
        self.database().rows(query, |row| {
            Ok(QuarantineEntry {
                origin: row.get(0)?,
                offset: row.get(1)?,
                element: row.get(2)?,
                source: row.get(3)?,
                reason: row.get(4)?,
                bytes: row.get(5)?,
            })
        })
    }
}

fn record(
    connection: &mut rusqlite::Connection,
    entries: &[QuarantineEntry],
) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO quarantine (origin, offset, element, source, reason, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
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
        }
    }

    /// After a restart the same records are read again; they are counted once.
    #[test]
    fn a_record_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = AlertStore::open(folder.path(), "t", Tz::UTC).unwrap();
        assert_eq!(store.set_aside(&[entry(1, 0), entry(1, 1)]).unwrap(), 2);
        assert_eq!(store.set_aside(&[entry(1, 1), entry(2, 0)]).unwrap(), 1);
        let reader = store.reader().unwrap();
        assert_eq!(
            reader.quarantined().unwrap(),
            [entry(1, 0), entry(1, 1), entry(2, 0)]
        );
        let counts = reader.quarantine_counts().unwrap();
        assert_eq!(counts.len(), 1);
        assert_eq!((counts[0].source.as_str(), counts[0].entries), ("okta", 3));
    }

    /// A flood keeps the newest entries and the whole count.
    #[test]
    fn a_flood_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let store = AlertStore::open(folder.path(), "t", Tz::UTC).unwrap();
        let kept = ENTRIES_MAX as u64;
        let flood: Vec<_> = (0..kept + 50).map(|offset| entry(offset, 0)).collect();
        store.set_aside(&flood).unwrap();
        let reader = store.reader().unwrap();
        let entries = reader.quarantined().unwrap();
        assert_eq!((entries.len() as u64, entries[0].offset), (kept, 50));
        assert_eq!(reader.quarantine_counts().unwrap()[0].entries, kept + 50);
    }
}
