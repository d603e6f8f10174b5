//! Looks a state folder through: SQLite's own check, and every row.
//!
//! Invariant: reads only, beside a service too; goes on behind what is damaged; and tells no content.

use std::collections::BTreeMap;
use std::path::Path;

use chrono_tz::Tz;
use nightjar_detectors::core::StateRow;
use serde::Serialize;

use super::alerts::{AlertReader, AlertStore};
use super::lock::FolderLock;
use super::state::{StateStore, read_row};
use super::{Database, StoreError};

/// Most findings of SQLite that are told of one file.
const FINDINGS_MAX: u32 = 5;

/// What is in a folder, and what is wrong with it.
#[derive(Debug, Default, Serialize)]
pub struct Inspection {
    /// The process that has the folder.
    pub in_use_by: Option<String>,
    /// The tenant.
    pub tenant: String,
    /// The zone of the tenant's days.
    #[serde(serialize_with = "as_name")]
    pub zone: Tz,
    /// The databases.
    pub files: Vec<FileSize>,
    /// The state by detector and version; `dedup` and `core` are the engine's own.
    pub parts: Vec<Part>,
    /// The alert log; `None` if it cannot be read.
    pub alerts: Option<Log>,
    /// What is wrong.
    pub problems: Vec<String>,
    /// The rows that are what was written.
    #[serde(skip)]
    pub rows: Vec<StateRow>,
    /// The engine's blob; `None` before the first checkpoint.
    #[serde(skip)]
    pub meta: Option<Vec<u8>>,
}

/// One database.
#[derive(Debug, Serialize)]
pub struct FileSize {
    /// Its name.
    pub file: &'static str,
    /// Version of its tables.
    pub version: u32,
    /// Its size.
    pub bytes: u64,
    /// What is not moved into it yet.
    pub log_bytes: u64,
}

/// Rows of one detector and version.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The detector.
    pub detector: String,
    /// Version of the rows.
    pub version: u16,
    /// Their number.
    pub rows: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// The alert log.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// Its name.
    pub store_id: String,
    /// Alerts in it, muted ones included.
    pub alerts: u64,
    /// The last cursor.
    pub last_cursor: u64,
    /// Records set aside since it was begun.
    pub quarantined: u64,
    /// What input it reflects, in the engine's encoding.
    #[serde(skip)]
    pub positions: Option<Vec<u8>>,
}

/// Looks a folder through.
///
/// # Errors
/// When there is no store, or one that this program does not know: nothing can be said of it then.
pub fn inspect(folder: &Path) -> Result<Inspection, StoreError> {
    let mut found = Inspection {
        in_use_by: FolderLock::holder(folder),
        ..Inspection::default()
    };
    if let Some(state) = found.opened(StateStore::open_read_only(folder))? {
        let database = state.database();
        found.look_at("state.db", database);
        let rows = found.rows_of(database);
        found.noted(rows);
        let meta = state.engine();
        found.meta = found.noted(meta).flatten();
    }
    if let Some(alerts) = found.opened(AlertReader::open(folder))? {
        found.look_at("alerts.db", alerts.database());
        let log = found.log_of(&alerts);
        found.alerts = found.noted(log);
    }
    Ok(found)
}

/// What can be told of the alerts when the state beside them is damaged.
///
/// # Errors
/// When the alerts are damaged too.
pub fn check_alerts(folder: &Path) -> Result<(), StoreError> {
    let database = Database::open_read_only(AlertStore::path(folder))?;
    match findings(&database, "quick_check")?.first() {
        None => Ok(()),
        Some(_) => Err(database.corrupt("page")),
    }
}

impl Inspection {
    /// A damaged file is a finding; none, or one of another version, is not this folder's fault.
    fn opened<T>(&mut self, opened: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match opened {
            Err(error) if error.damaged().is_none() => Err(error),
            opened => Ok(self.noted(opened)),
        }
    }

    fn noted<T>(&mut self, read: Result<T, StoreError>) -> Option<T> {
        read.map_err(|error| self.problems.push(crate::cmd::chain(&error)))
            .ok()
    }

    fn look_at(&mut self, file: &'static str, database: &Database) {
        let bytes = std::fs::metadata(&database.path).map_or(0, |file| file.len());
        let version = database.schema_version();
        let version = self.noted(version).flatten().unwrap_or(0);
        self.files.push(FileSize {
            file,
            version,
            bytes,
            log_bytes: database.wal_bytes(),
        });
        let findings = findings(database, "integrity_check");
        for finding in self.noted(findings).unwrap_or_default() {
            self.problems.push(format!("{file}: {finding}"));
        }
        let owner = |name| database.meta::<String>(name);
        let (tenant, zone) = (self.noted(owner("tenant")), self.noted(owner("zone")));
        let (tenant, zone) = (tenant.flatten(), zone.flatten());
        let zone = zone.and_then(|zone| zone.parse().ok());
        let (Some(tenant), Some(zone)) = (tenant, zone) else {
            self.problems
                .push(format!("{file}: tenant and zone are missing"));
            return;
        };
        if !self.tenant.is_empty() && (&self.tenant, self.zone) != (&tenant, zone) {
            self.problems.push(format!(
                "{file}: belongs to another tenant or zone than state.db"
            ));
        }
        (self.tenant, self.zone) = (tenant, zone);
    }

    fn rows_of(&mut self, database: &Database) -> Result<(), StoreError> {
        let query = "SELECT shard, detector, key, version, bytes, sum FROM rows";
        let mut parts = BTreeMap::<(String, u16), Part>::new();
        let mut damaged = BTreeMap::<String, u64>::new();
        let mut name = "".into();
        let read = database.rows(query, |row| {
            let (row, is_whole) = read_row(row, &mut name)?;
            let part = parts
                .entry((row.detector.to_string(), row.version))
                .or_default();
            part.rows += 1;
            part.bytes += row.bytes.as_ref().map_or(0, Vec::len) as u64;
            if is_whole {
                self.rows.push(row);
            } else {
                *damaged.entry(row.detector.to_string()).or_default() += 1;
            }
            Ok(())
        });
        for ((detector, version), part) in parts {
            let part = Part {
                detector,
                version,
                ..part
            };
            self.parts.push(part);
        }
        for (detector, rows) in damaged {
            let problem = format!("state.db: {rows} rows of {detector} are not what was written");
            self.problems.push(problem);
        }
        read.map(|_| ())
    }

    fn log_of(&mut self, reader: &AlertReader) -> Result<Log, StoreError> {
        let log = reader.log()?;
        let query = "SELECT count(*), coalesce(max(cursor), 0) FROM alerts";
        let counted = reader.database().rows(query, |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?))
        })?;
        let (alerts, last) = counted.first().copied().unwrap_or_default();
        if log.last < last {
            self.problems.push(format!(
                "alerts.db: an alert has cursor {last}, though {} was the last one given",
                log.last
            ));
        }
        for alert in reader.all()? {
            if alert.cursor == 0 || alert.id.is_empty() {
                let problem = "alerts.db: an alert is without id or cursor";
                self.problems.push(problem.to_owned());
            }
        }
        let counts = reader.quarantine_counts()?;
        Ok(Log {
            store_id: log.store_id,
            alerts,
            last_cursor: log.last,
            quarantined: counts.iter().map(|count| count.entries).sum(),
            positions: reader.positions()?,
        })
    }
}

fn as_name<S: serde::Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.name())
}

/// What SQLite finds wrong with a file.
fn findings(database: &Database, check: &str) -> Result<Vec<String>, StoreError> {
    let check = format!("PRAGMA {check}({FINDINGS_MAX})");
    let mut findings: Vec<String> = database.rows(&check, |row| row.get(0))?;
    findings.retain(|finding| finding != "ok");
    Ok(findings)
}
