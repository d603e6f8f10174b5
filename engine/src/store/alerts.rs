//! `alerts.db`: the alert log. One row an alert, at the cursor of its newest revision.
//!
//! Invariant: an alert is visible after its commit and not before; cursors only grow; content that did
//! not change keeps its cursor, so what is computed again is not seen again.

mod reader;

pub use reader::{AlertReader, Filter, Log, Page};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono_tz::Tz;
use nightjar_detectors::alert::Alert;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::watch;

use super::{Database, Durability, StoreError, audit, late, pseudonym, quarantine};

/// `peak` and `shown`: the highest severity and whether any revision was not muted, so that whoever
/// was shown an alert can be told that it was lowered or muted. `content` is a hash; `recorded_ms` is
/// when the newest revision was written.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS alerts (
    id TEXT NOT NULL PRIMARY KEY, cursor INTEGER NOT NULL UNIQUE, revision INTEGER NOT NULL,
    state TEXT NOT NULL, detector TEXT NOT NULL, entity TEXT NOT NULL,
    severity INTEGER NOT NULL, peak INTEGER NOT NULL,
    muted INTEGER NOT NULL, shown INTEGER NOT NULL,
    content BLOB NOT NULL, json TEXT NOT NULL, recorded_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS alerts_by_detector ON alerts (detector);
CREATE INDEX IF NOT EXISTS alerts_by_incident ON alerts (json_extract(json, '$.incident'));
INSERT OR IGNORE INTO meta VALUES ('store_id', lower(hex(randomblob(8))));
INSERT OR IGNORE INTO meta VALUES ('last_cursor', 0);
INSERT OR IGNORE INTO meta VALUES ('expired_cursor', 0);";

const UPSERT: &str = "
INSERT INTO alerts VALUES (?1, ?2, 1, 'open', ?3, ?4, ?5, ?5, ?6, NOT ?6, ?7, ?8,
    CAST(unixepoch('subsec') * 1000 AS INTEGER))
ON CONFLICT (id) DO UPDATE SET
    cursor = excluded.cursor, revision = revision + 1,
    detector = excluded.detector, entity = excluded.entity,
    severity = excluded.severity, peak = max(peak, excluded.peak),
    muted = excluded.muted, shown = max(shown, excluded.shown),
    content = excluded.content, json = excluded.json, recorded_ms = excluded.recorded_ms
RETURNING revision";

/// Columns that the first stores did not have.
const ADDED: [(&str, &str, &str); 5] = [
    ("alerts", "recorded_ms", "INTEGER NOT NULL DEFAULT 0"),
    ("quarantine", "recorded_ms", "INTEGER NOT NULL DEFAULT 0"),
    ("quarantine", "arrival_ms", "INTEGER"),
    ("quarantine", "history", "INTEGER NOT NULL DEFAULT 0"),
    ("quarantine", "outcome", "TEXT NOT NULL DEFAULT 'open'"),
];

/// An alert that a commit made visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub id: String,
    /// Its place in the log.
    pub cursor: u64,
    /// 1 for a new alert.
    pub revision: u32,
}

/// The log, open for writing. Clones share one connection.
#[derive(Debug, Clone)]
pub struct AlertStore {
    writer: Arc<Mutex<Database>>,
    path: PathBuf,
    commits: Arc<watch::Sender<u64>>,
}

impl AlertStore {
    /// Where the file lies in a state folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("alerts.db")
    }

    /// Opens or makes the file. The caller holds the folder's lock.
    ///
    /// # Errors
    /// When the file is another tenant's or zone's, newer than this code, or cannot be used.
    pub fn open(folder: &Path, tenant: &str, zone: Tz) -> Result<Self, StoreError> {
        let path = Self::path(folder);
        let tables = [
            TABLES,
            quarantine::TABLES,
            late::TABLES,
            audit::TABLES,
            pseudonym::TABLES,
        ]
        .concat();
        // Subscribers have acted on what they saw, so not even power loss may take it back.
        let database = Database::open(path.clone(), &tables, Durability::Full, tenant, zone)?;
        complete(&database.connection).map_err(|source| database.error(source))?;
        let last = database.meta("last_cursor")?.unwrap_or(0);
        Ok(AlertStore {
            writer: Arc::new(Mutex::new(database)),
            path,
            commits: Arc::new(watch::Sender::new(last)),
        })
    }

    /// Makes alerts visible, in one commit with `positions`: what input they reflect, in the caller's
    /// encoding; without them those of the last commit stand. New and changed alerts get the next
    /// cursors; the others keep theirs and are not in the answer. Blocks on the disk: not for async
    /// threads.
    ///
    /// # Errors
    /// When it cannot be written; nothing of it is visible then.
    pub fn publish(
        &self,
        alerts: &[Alert],
        positions: Option<&[u8]>,
    ) -> Result<Vec<Published>, StoreError> {
        let mut writer = self.writer();
        let written = publish(&mut writer, alerts, positions);
        let published = written.map_err(|source| writer.error(source))?;
        writer.stay_small();
        // Still under the lock, so that the number that readers wait for never goes back.
        if let Some(last) = published.last() {
            self.commits.send_replace(last.cursor);
        }
        Ok(published)
    }

    /// The positions of the last commit; `None` before the first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn positions(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.writer().meta("positions")
    }

    /// The last cursor that was given.
    pub fn last_cursor(&self) -> u64 {
        *self.commits.borrow()
    }

    /// Alerts per detector, muted ones included.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn counts(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let query = "SELECT detector, count(*) FROM alerts GROUP BY detector";
        let counts = self
            .writer()
            .rows(query, |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(counts.into_iter().collect())
    }

    /// Tells the last cursor after each commit that moved it.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// A reader with a connection of its own, which neither waits for the writer nor holds it up.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn reader(&self) -> Result<AlertReader, StoreError> {
        AlertReader::open_file(self.path.clone())
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, Database> {
        // A transaction that a panic interrupted was rolled back when it was dropped.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the columns that a file of an earlier build lacks. What is deleted is overwritten, too.
fn complete(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "secure_delete", true)?;
    for (table, column, kind) in ADDED {
        let query = "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2";
        let found = connection.query_row(query, [table, column], |_| Ok(()));
        if found.optional()?.is_some() {
            continue;
        }
        connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {kind};"))?;
        if column == "recorded_ms" {
            let now = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
            connection.execute_batch(&format!("UPDATE {table} SET recorded_ms = {now};"))?;
        }
    }
    Ok(())
}

fn publish(
    database: &mut Database,
    alerts: &[Alert],
    positions: Option<&[u8]>,
) -> rusqlite::Result<Vec<Published>> {
    let transaction = database
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)?;
    let query = "SELECT value FROM meta WHERE name = 'last_cursor'";
    let mut cursor: u64 = transaction.query_row(query, (), |row| row.get(0))?;
    let mut published = Vec::new();
    for alert in alerts {
        if let Some(revision) = put(&transaction, alert, cursor + 1)? {
            cursor += 1;
            published.push(Published {
                id: alert.id.clone(),
                cursor,
                revision,
            });
        }
    }
    let mut set = transaction.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?;
    set.execute(params!["last_cursor", cursor])?;
    if let Some(positions) = positions {
        set.execute(params!["positions", positions])?;
    }
    drop(set);
    transaction.commit()?;
    Ok(published)
}

/// Writes an alert whose content is not there yet; its revision, or `None`.
fn put(transaction: &Transaction<'_>, alert: &Alert, cursor: u64) -> rusqlite::Result<Option<u32>> {
    let content = content(alert);
    let mut known = transaction.prepare_cached("SELECT content FROM alerts WHERE id = ?1")?;
    let known = known
        .query_row([&alert.id], |row| row.get::<_, [u8; 32]>(0))
        .optional()?;
    if known == Some(content) {
        return Ok(None);
    }
    let json = serde_json::to_string(alert)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let mut upsert = transaction.prepare_cached(UPSERT)?;
    let fields = params![
        alert.id,
        cursor,
        alert.detector,
        alert.entity.id,
        alert.severity as u8,
        alert.is_muted(),
        content,
        json,
    ];
    upsert.query_row(fields, |row| row.get(0)).map(Some)
}

/// What makes a revision: the canonical content and the marks that it leaves out. Where a reader finds
/// the evidence is not part of it.
pub(super) fn content(alert: &Alert) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(alert.canonical_json().as_bytes());
    hasher.update(&[u8::from(alert.late)]);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
pub(crate) mod tests;
