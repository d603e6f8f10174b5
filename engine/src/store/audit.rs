//! The audit trail: who did what with what Nightjar keeps. Part of `alerts.db`.
//!
//! Invariant: entries are only added; only age and an erasure change the trail, and the latter leaves a
//! pseudonym.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, named_params, params};

use super::alerts::{AlertReader, AlertStore};
use super::{BUSY_TIMEOUT, Database, StoreError};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL,
    who TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;";

const INSERT: &str = "INSERT INTO audit (at_ms, who, action, subject, detail)
     VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER), ?1, ?2, ?3, ?4)";

/// What is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Who did it: a user of the operating system or of the alert service.
    pub who: String,
    /// What: `quarantine show`, `forget`, `triage`, ...
    pub action: &'static str,
    /// With what: a position, an alert's id, a pseudonym.
    pub subject: String,
    /// More, for people.
    pub detail: String,
}

/// An entry as it is read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs)] // as in Deed
pub struct Audited {
    /// When, ms.
    pub at_ms: i64,
    pub who: String,
    pub action: String,
    pub subject: String,
    pub detail: String,
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// By this user.
    pub who: Option<String>,
    /// Since.
    pub since_ms: Option<i64>,
}

impl AlertStore {
    /// Adds an entry.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn audit(&self, deed: &Deed) -> Result<(), StoreError> {
        let writer = self.writer();
        let written = add(&writer.connection, deed);
        written.map_err(|source| writer.error(source))
    }
}

/// Adds an entry to a store that another process may be writing: one statement, between two of its
/// commits. Everything else in the file is for whoever holds the folder.
///
/// # Errors
/// When there is no store, or it cannot be written.
pub fn audit_beside(folder: &Path, deed: &Deed) -> Result<(), StoreError> {
    let path = AlertStore::path(folder);
    if !path.exists() {
        return Err(StoreError::Missing { path });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let written = Connection::open_with_flags(&path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch(TABLES)?;
        add(&connection, deed)
    });
    written.map_err(|source| StoreError::Sqlite { path, source })
}

pub(super) fn add(connection: &Connection, deed: &Deed) -> rusqlite::Result<()> {
    let fields = params![deed.who, deed.action, deed.subject, deed.detail];
    connection.execute(INSERT, fields).map(drop)
}

impl AlertReader {
    /// The audit trail, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<Audited>, StoreError> {
        let database: &Database = self.database();
        let query = "SELECT at_ms, who, action, subject, detail FROM audit
                     WHERE (:who IS NULL OR who = :who) AND (:since IS NULL OR :since <= at_ms)
                     ORDER BY number";
        let which = named_params! {":who": filter.who, ":since": filter.since_ms};
        database.rows_with(query, which, |row| {
            Ok(Audited {
                at_ms: row.get(0)?,
                who: row.get(1)?,
                action: row.get(2)?,
                subject: row.get(3)?,
                detail: row.get(4)?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::tests::{alert, store};

    /// A command beside a running service leaves its entry, and the service goes on.
    #[test]
    fn an_entry_is_added_beside_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.publish(&[alert("a", 1)], None).unwrap();
        let deed = Deed {
            who: "ana".into(),
            action: "quarantine show",
            subject: "okta/0@7".into(),
            detail: String::new(),
        };
        audit_beside(folder.path(), &deed).unwrap();
        store.publish(&[alert("b", 1)], None).unwrap();
        store
            .audit(&Deed {
                who: "ben".into(),
                ..deed
            })
            .unwrap();
        let reader = store.reader().unwrap();
        let who = |filter| -> Vec<String> {
            let found = reader.audit(&filter).unwrap();
            found.into_iter().map(|entry| entry.who).collect()
        };
        assert_eq!(who(AuditFilter::default()), ["ana", "ben"]);
        let future = Some(i64::MAX);
        assert!(
            who(AuditFilter {
                since_ms: future,
                ..AuditFilter::default()
            })
            .is_empty()
        );
        assert_eq!(reader.all().unwrap().len(), 2);
    }
}
