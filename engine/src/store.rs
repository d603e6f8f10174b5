//! The state folder: what was found (`alerts.db`) and what was learned (`state.db`), both SQLite.
//!
//! Invariant: one process writes a folder, a commit is there whole or not at all, and a file is only
//! used for the tenant and zone that it was made for.

pub mod alerts;
pub mod audit;
pub mod erase;
pub mod late;
pub mod lock;
mod pseudonym;
pub mod quarantine;
pub mod retention;
pub mod state;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use rusqlite::types::FromSql;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Params, Row, TransactionBehavior};

/// Version of the tables written by this code.
const SCHEMA_VERSION: u32 = 1;
/// A reader waits so long for a lock before it gives up; writers hold it for milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Pages in the write-ahead log before SQLite moves them into the database, and what the log is cut
/// back to after a large commit.
const WAL_PAGES: u32 = 2_000;
const WAL_BYTES_MAX: u32 = 32 << 20;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or written.
    #[error("cannot use the state folder {path}; name a folder that this user may write to")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the folder.
    #[error("state folder {path} is in use by process {process}; stop it or use another folder")]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Its process id, or `unknown`.
        process: String,
    },
    /// There is no store where one was to be read.
    #[error(
        "{path} does not exist; give the folder that [state] dir names, once `nightjar run` has started"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// SQLite says no: damaged, not a database, no space, no permission.
    #[error(
        "cannot read or write {path}; check that it is a nightjar store, the space on its disk and its permissions"
    )]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Written by a later version.
    #[error(
        "{path} has format {found}, this program knows {known}; use the newer program or another state folder"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version of this code.
        known: u32,
    },
    /// Another tenant's or another zone's days.
    #[error(
        "{path} was made for {what} {found}, not {given}; correct {what} in the configuration or use another state folder"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// `tenant` or `zone`.
        what: &'static str,
        /// The file's.
        found: String,
        /// The configuration's.
        given: String,
    },
    /// A row is not what it should be.
    #[error("{path} holds a damaged {what}; restore a backup or use another state folder")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What.
        what: String,
    },
    /// A reader holds back what was to be removed for good.
    #[error(
        "{path} is being read, so that its log still holds what was erased; close `nightjar alerts` and other readers of the folder, and give the command again"
    )]
    Read {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// Whether the disk is full: what is committed can still be read and served.
    pub fn is_full(&self) -> bool {
        match self {
            StoreError::Sqlite { source, .. } => {
                source.sqlite_error_code() == Some(ErrorCode::DiskFull)
            }
            StoreError::Folder { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

/// How durable a commit of a file is.
#[derive(Debug, Clone, Copy)]
enum Durability {
    /// Survives power loss as soon as it returns.
    Full,
    /// Survives a kill; power loss may take the last commits, each one whole.
    Whole,
}

/// One SQLite file and its name for errors.
#[derive(Debug)]
struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Opens a file for writing, makes it if it is new, and checks whose it is.
    fn open(
        path: PathBuf,
        tables: &str,
        durability: Durability,
        tenant: &str,
        zone: Tz,
    ) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let opened = Connection::open(&path).and_then(|connection| {
            prepare(&connection, durability)?;
            Ok(connection)
        });
        let connection = opened.map_err(|source| StoreError::Sqlite {
            path: path.clone(),
            source,
        })?;
        let mut database = Database { connection, path };
        database.refuse_newer()?;
        let made = database.make_tables(tables, tenant, zone);
        made.map_err(|source| database.error(source))?;
        database.check_owner("tenant", tenant)?;
        database.check_owner("zone", zone.name())?;
        Ok(database)
    }

    /// Opens a file that some process writes, for reading.
    fn open_read_only(path: PathBuf) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { path });
        }
        let flags =
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(&path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            Ok(connection)
        });
        let connection = opened.map_err(|source| StoreError::Sqlite {
            path: path.clone(),
            source,
        })?;
        let database = Database { connection, path };
        database.refuse_newer()?;
        Ok(database)
    }

    /// The tables and the owner's mark come into being together.
    fn make_tables(&mut self, tables: &str, tenant: &str, zone: Tz) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT;",
        )?;
        transaction.execute_batch(tables)?;
        let mut insert = transaction.prepare("INSERT OR IGNORE INTO meta VALUES (?1, ?2)")?;
        insert.execute(("schema_version", SCHEMA_VERSION))?;
        insert.execute(("tenant", tenant))?;
        insert.execute(("zone", zone.name()))?;
        drop(insert);
        transaction.commit()
    }

    fn refuse_newer(&self) -> Result<(), StoreError> {
        let query = "SELECT 1 FROM sqlite_schema WHERE name = 'meta'";
        let found = self.connection.query_row(query, (), |_| Ok(())).optional();
        if found.map_err(|source| self.error(source))?.is_none() {
            return Ok(());
        }
        let found: Option<u32> = self.meta("schema_version")?;
        match found {
            Some(found) if SCHEMA_VERSION < found => Err(StoreError::Newer {
                path: self.path.clone(),
                found,
                known: SCHEMA_VERSION,
            }),
            _ => Ok(()),
        }
    }

    fn check_owner(&self, what: &'static str, given: &str) -> Result<(), StoreError> {
        let found: String = self.meta(what)?.unwrap_or_default();
        if found == given {
            return Ok(());
        }
        let (path, given) = (self.path.clone(), given.to_owned());
        Err(StoreError::Foreign {
            path,
            what,
            found,
            given,
        })
    }

    fn meta<T: FromSql>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let query = "SELECT value FROM meta WHERE name = ?1";
        let found = self.connection.query_row(query, [name], |row| row.get(0));
        found.optional().map_err(|source| self.error(source))
    }

    /// All rows of a query without parameters.
    fn rows<T>(
        &self,
        query: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.rows_with(query, (), read)
    }

    /// All rows of a query.
    fn rows_with<T>(
        &self,
        query: &str,
        parameters: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self
            .connection
            .prepare(query)
            .and_then(|mut statement| statement.query_map(parameters, read)?.collect());
        rows.map_err(|source| self.error(source))
    }

    /// Writes the file anew and empties its log, so that nothing that was deleted is left in either.
    fn purge(&self) -> Result<(), StoreError> {
        let purged = self
            .connection
            .execute_batch("PRAGMA temp_store = MEMORY; VACUUM;");
        purged.map_err(|source| self.error(source))?;
        let query = "PRAGMA wal_checkpoint(TRUNCATE)";
        let is_held = self.connection.query_row(query, (), |row| row.get(0));
        match is_held.map_err(|source| self.error(source))? {
            false => Ok(()),
            true => Err(StoreError::Read {
                path: self.path.clone(),
            }),
        }
    }

    fn error(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Sqlite {
            path: self.path.clone(),
            source,
        }
    }

    fn corrupt(&self, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt {
            path: self.path.clone(),
            what: what.into(),
        }
    }
}

fn prepare(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Whole => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Makes the folder. It holds who did what and when: only its owner may look inside.
fn make_folder(folder: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|source| StoreError::Folder {
        path: folder.to_owned(),
        source,
    })
}
