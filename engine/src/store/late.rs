//! The late ledger: rows that came too late to be judged. Part of `alerts.db`.
//!
//! Invariant: never the content, and a pseudonym instead of the name; a row that is read again is not
//! entered again.

use rusqlite::{TransactionBehavior, named_params, params};

use super::StoreError;
use super::alerts::{AlertReader, AlertStore};
use super::pseudonym::Pseudonyms;

/// The newest entries that are kept: a source that is days behind must not fill the disk.
const ENTRIES_MAX: i64 = 100_000;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS late (
    number INTEGER PRIMARY KEY AUTOINCREMENT, recorded_ms INTEGER NOT NULL,
    source TEXT NOT NULL, origin TEXT NOT NULL, offset INTEGER NOT NULL, row INTEGER NOT NULL,
    user TEXT, time_ms INTEGER NOT NULL, lateness_ms INTEGER, class TEXT NOT NULL, why TEXT NOT NULL,
    UNIQUE (origin, offset, row)
) STRICT;";

/// Why a row was not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooLate {
    /// It came after its allowed lateness.
    Arrived,
    /// It could be read only after its day was closed.
    Replayed,
}

impl TooLate {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            TooLate::Arrived => "arrived after its allowed lateness",
            TooLate::Replayed => "read again after its day was closed",
        }
    }
}

/// A row that was not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateEntry {
    /// The configured source.
    pub source: String,
    /// File, or topic/partition.
    pub origin: String,
    /// Record in the file, or offset in the partition.
    pub offset: u64,
    /// Number of the row within the record.
    pub row: u32,
    /// The acting principal; stored as a pseudonym.
    pub user: Option<String>,
    /// Event time, ms.
    pub time_ms: i64,
    /// Arrival less event time; `None` for files.
    pub lateness_ms: Option<i64>,
    /// Class of lateness.
    pub class: String,
    /// Why.
    pub why: TooLate,
}

/// An entry as it is read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs)] // as in LateEntry
pub struct Late {
    /// When it was entered, ms.
    pub recorded_ms: i64,
    pub source: String,
    pub position: String,
    /// The principal's pseudonym.
    pub user: Option<String>,
    pub time_ms: i64,
    pub lateness_ms: Option<i64>,
    pub class: String,
    pub why: String,
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct LateFilter {
    /// Of this source.
    pub source: Option<String>,
    /// Of this user, by name.
    pub user: Option<String>,
    /// Entered since.
    pub since_ms: Option<i64>,
}

impl AlertStore {
    /// Enters rows that are not there yet, in one commit. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be written; nothing was entered then.
    pub fn enter_late(&self, entries: &[LateEntry]) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let pseudonyms = Pseudonyms::of_store(&writer)?;
        let written = enter(&mut writer.connection, pseudonyms, entries);
        written.map_err(|source| writer.error(source))
    }
}

impl AlertReader {
    /// Entries of the late ledger, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn late(&self, filter: &LateFilter) -> Result<Vec<Late>, StoreError> {
        let database = self.database();
        let user = match &filter.user {
            Some(name) => Some(Pseudonyms::of_store(database)?.of(name)),
            None => None,
        };
        let query = "SELECT recorded_ms, source, origin || '@' || offset, user, time_ms, lateness_ms, class, why
                     FROM late
                     WHERE (:source IS NULL OR source = :source) AND (:user IS NULL OR user = :user)
                       AND (:since IS NULL OR :since <= recorded_ms)
                     ORDER BY number";
        let which =
            named_params! {":source": filter.source, ":user": user, ":since": filter.since_ms};
        database.rows_with(query, which, |row| {
            Ok(Late {
                recorded_ms: row.get(0)?,
                source: row.get(1)?,
                position: row.get(2)?,
                user: row.get(3)?,
                time_ms: row.get(4)?,
                lateness_ms: row.get(5)?,
                class: row.get(6)?,
                why: row.get(7)?,
            })
        })
    }
}

fn enter(
    connection: &mut rusqlite::Connection,
    pseudonyms: Pseudonyms,
    entries: &[LateEntry],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO late (recorded_ms, source, origin, offset, row, user, time_ms, lateness_ms, class, why)
         VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for entry in entries {
        insert.execute(params![
            entry.source,
            entry.origin,
            entry.offset,
            entry.row,
            entry.user.as_deref().map(|name| pseudonyms.of(name)),
            entry.time_ms,
            entry.lateness_ms,
            entry.class,
            entry.why.as_str(),
        ])?;
    }
    drop(insert);
    transaction.execute(
        "DELETE FROM late WHERE number <= (SELECT max(number) FROM late) - ?1",
        [ENTRIES_MAX],
    )?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::tests::store;

    /// A late row is entered once, found by its user's name, and does not say the name.
    #[test]
    fn the_ledger_knows_who_without_saying() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let entry = LateEntry {
            source: "okta".into(),
            origin: "okta/0".into(),
            offset: 7,
            row: 0,
            user: Some("ana@example.com".into()),
            time_ms: 1_000,
            lateness_ms: Some(500),
            class: "okta".into(),
            why: TooLate::Arrived,
        };
        let other = LateEntry {
            row: 1,
            user: None,
            ..entry.clone()
        };
        store.enter_late(&[entry.clone(), other]).unwrap();
        store.enter_late(&[entry]).unwrap();
        let reader = store.reader().unwrap();
        let of = |user: &str| {
            let user = Some(user.to_owned());
            reader
                .late(&LateFilter {
                    user,
                    ..LateFilter::default()
                })
                .unwrap()
        };
        assert_eq!(reader.late(&LateFilter::default()).unwrap().len(), 2);
        let found = of("Ana@Example.com");
        assert_eq!((found.len(), found[0].position.as_str()), (1, "okta/0@7"));
        assert!(
            found[0]
                .user
                .as_ref()
                .is_some_and(|user| user.starts_with("person-"))
        );
        assert!(of("ben@example.com").is_empty());
    }
}
