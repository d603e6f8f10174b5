//! Reading the alert log: in cursor order, by id, or all of it.
//!
//! Invariant: each answer is of one moment between two commits.

use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use nightjar_detectors::alert::{Alert, Severity};
use nightjar_detectors::incident::Incident;
use rusqlite::{OptionalExtension, Row, named_params};

use super::AlertStore;
use crate::store::{Database, StoreError};

/// A page ends after so much JSON, so that it fits into a gRPC message of the default size.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// Which alerts; the default takes all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The least severity.
    pub severity_min: Severity,
    /// Any of these; empty for all.
    pub detectors: Vec<String>,
    /// The id of the entity, or of one of the others that the alert is about.
    pub entity: Option<String>,
    /// Muted alerts too.
    pub muted: bool,
    /// Go by the highest severity of all revisions, and take a muted alert if a revision was not:
    /// for readers that were shown the earlier revisions.
    pub withdrawn: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Filter {
            severity_min: Severity::Info,
            detectors: Vec::new(),
            entity: None,
            muted: true,
            withdrawn: false,
        }
    }
}

/// A part of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// In cursor order.
    pub alerts: Vec<Alert>,
    /// Up to here the log was read: where the next page begins.
    pub cursor: u64,
    /// There was nothing more.
    pub complete: bool,
}

/// What log this is, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A name that no other log has.
    pub store_id: String,
    /// Up to this cursor alerts may have been deleted for their age.
    pub expired: u64,
    /// The last cursor.
    pub last: u64,
}

/// A connection for reading.
#[derive(Debug)]
pub struct AlertReader {
    database: Database,
}

impl AlertReader {
    /// Opens the log in a state folder; a service may be writing it.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_file(AlertStore::path(folder))
    }

    pub(super) fn open_file(path: PathBuf) -> Result<Self, StoreError> {
        Ok(AlertReader {
            database: Database::open_read_only(path)?,
        })
    }

    /// The tenant's zone, for showing times.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn zone(&self) -> Result<Tz, StoreError> {
        let name: String = self.database.meta("zone")?.unwrap_or_default();
        name.parse().map_err(|_| self.database.corrupt("time zone"))
    }

    /// What log this is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log(&self) -> Result<Log, StoreError> {
        Ok(Log {
            store_id: self.database.meta("store_id")?.unwrap_or_default(),
            expired: self.database.meta("expired_cursor")?.unwrap_or(0),
            last: self.database.meta("last_cursor")?.unwrap_or(0),
        })
    }

    /// The positions of the last commit; `None` before the first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn positions(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.database.meta("positions")
    }

    /// Up to `limit` alerts whose newest revision lies after `cursor`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_from(
        &self,
        cursor: u64,
        limit: usize,
        filter: &Filter,
    ) -> Result<Page, StoreError> {
        let connection = &self.database.connection;
        // One transaction, so that the last cursor is that of the moment in which the rows are read.
        let moment = connection
            .unchecked_transaction()
            .map_err(|e| self.database.error(e))?;
        let (rows, complete) = self
            .page(cursor, limit, filter)
            .map_err(|source| self.database.error(source))?;
        let alerts = rows
            .into_iter()
            .map(|row| self.alert(row))
            .collect::<Result<Vec<_>, _>>()?;
        let cursor = match alerts.last() {
            Some(last) if !complete => last.cursor,
            _ => self.log()?.last.max(cursor),
        };
        moment
            .commit()
            .map_err(|source| self.database.error(source))?;
        Ok(Page {
            alerts,
            cursor,
            complete,
        })
    }

    /// One alert; `None` if there is none of this id.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, id: &str) -> Result<Option<Alert>, StoreError> {
        let query = "SELECT cursor, revision, state, json FROM alerts WHERE id = ?1";
        let row = self.database.connection.query_row(query, [id], stored);
        let row = row
            .optional()
            .map_err(|source| self.database.error(source))?;
        row.map(|row| self.alert(row)).transpose()
    }

    /// An incident, as its alerts make it now; `None` if nothing of it was ever shown.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn incident(&self, id: &str) -> Result<Option<Incident>, StoreError> {
        let query = "SELECT cursor, revision, state, json, shown FROM alerts
                     WHERE json_extract(json, '$.incident') = :id ORDER BY id";
        let rows = self
            .database
            .rows_with(query, named_params! {":id": id}, |row| {
                Ok((stored(row)?, row.get::<_, bool>(4)?))
            })?;
        if !rows.iter().any(|(_, shown)| *shown) {
            return Ok(None);
        }
        let alerts = rows.into_iter().map(|(row, _)| self.alert(row));
        let alerts = alerts.collect::<Result<Vec<Alert>, _>>()?;
        Ok(Incident::of(&alerts.iter().collect::<Vec<_>>()))
    }

    /// All alerts by id, muted ones included.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn all(&self) -> Result<Vec<Alert>, StoreError> {
        let query = "SELECT cursor, revision, state, json FROM alerts ORDER BY id";
        let rows = self.database.rows(query, stored)?;
        rows.into_iter().map(|row| self.alert(row)).collect()
    }

    /// Alerts that are shown lower or not at all, each with its reason, oldest first: of this entity
    /// and written since, where that is asked for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn suppressed(
        &self,
        entity: Option<&str>,
        since_ms: Option<i64>,
    ) -> Result<Vec<Alert>, StoreError> {
        let query = "SELECT cursor, revision, state, json FROM alerts
                     WHERE json_extract(json, '$.suppressed') IS NOT NULL
                       AND (:entity IS NULL OR entity = :entity) AND (:since IS NULL OR :since <= recorded_ms)
                     ORDER BY cursor";
        let which = named_params! {":entity": entity, ":since": since_ms};
        let rows = self.database.rows_with(query, which, stored)?;
        rows.into_iter().map(|row| self.alert(row)).collect()
    }

    /// The tenant that the store was made for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tenant(&self) -> Result<String, StoreError> {
        Ok(self.database.meta("tenant")?.unwrap_or_default())
    }

    pub(in crate::store) fn database(&self) -> &Database {
        &self.database
    }

    /// Rows of a page, and whether they are the last.
    fn page(
        &self,
        cursor: u64,
        limit: usize,
        filter: &Filter,
    ) -> rusqlite::Result<(Vec<Stored>, bool)> {
        let query = "
            SELECT cursor, revision, state, json FROM alerts
            WHERE :cursor < cursor
              AND :severity <= iif(:withdrawn, peak, severity)
              AND (:muted OR iif(:withdrawn, shown, NOT muted))
              AND (:detectors = '[]' OR detector IN (SELECT value FROM json_each(:detectors)))
              AND (:entity IS NULL OR entity = :entity OR :entity IN
                   (SELECT json_extract(value, '$.id') FROM json_each(alerts.json, '$.also')))
            ORDER BY cursor";
        let mut statement = self.database.connection.prepare_cached(query)?;
        let mut found = statement.query(named_params! {
            // SQLite's integers end before ours; so does any log.
            ":cursor": i64::try_from(cursor).unwrap_or(i64::MAX),
            ":severity": filter.severity_min as u8,
            ":withdrawn": filter.withdrawn,
            ":muted": filter.muted,
            ":detectors": serde_json::Value::from(filter.detectors.clone()).to_string(),
            ":entity": filter.entity,
        })?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) = found.next()? {
            if rows.len() == limit.max(1) || PAGE_BYTES_MAX < bytes {
                return Ok((rows, false));
            }
            let row = stored(row)?;
            bytes += row.json.len();
            rows.push(row);
        }
        Ok((rows, true))
    }

    fn alert(&self, row: Stored) -> Result<Alert, StoreError> {
        let parsed = serde_json::from_str::<Alert>(&row.json);
        let alert = parsed.map_err(|_| {
            self.database
                .corrupt(format!("alert at cursor {}", row.cursor))
        })?;
        Ok(Alert {
            cursor: row.cursor,
            revision: row.revision,
            state: row.state,
            ..alert
        })
    }
}

struct Stored {
    cursor: u64,
    revision: u32,
    state: String,
    json: String,
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        cursor: row.get(0)?,
        revision: row.get(1)?,
        state: row.get(2)?,
        json: row.get(3)?,
    })
}
