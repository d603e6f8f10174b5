//! The state folder: what was found (`alerts.db`) and what was learned (`state.db`), both SQLite.
//!
//! Invariant: one process writes a folder, a commit is there whole or not at all, and a file is only
//! used for the tenant and zone that it was made for.

pub mod alerts;
pub mod audit;
pub mod copy;
pub mod erase;
pub mod late;
pub mod lock;
mod migration;
mod pseudonym;
pub mod quarantine;
pub mod retention;
pub mod state;
pub mod verify;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use rusqlite::types::FromSql;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Params, Row, TransactionBehavior};

use migration::{STEPS, Step, version_after};

/// A reader waits so long for a lock before it gives up; writers hold it for milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Whoever wants the log cut waits so long for readers, which end within milliseconds too; the next
/// commit tries again.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);
/// Pages in the write-ahead log before SQLite moves them into the database.
const WAL_PAGES: u32 = 2_000;
/// A longer log is moved into the database at once and cut, however readers follow one another.
const WAL_BYTES_MAX: u64 = 32 << 20;

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
    /// SQLite says no: no space, no permission, a broken disk.
    #[error("cannot read or write {path}; check the space on its disk and its permissions")]
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
    /// Written by an earlier version, and only opened for reading.
    #[error(
        "{path} has format {found}, this program reads {known}; start `nightjar run` on the folder, which brings it up to date and keeps a copy"
    )]
    Older {
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
    /// The file is no database, or parts of it are not.
    #[error(
        "{path} is damaged or no nightjar store; `nightjar state verify` says how far, `nightjar state restore` brings back a backup"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A row is not what it should be.
    #[error(
        "{path} holds a damaged {what}; `nightjar state verify` says how far, `nightjar state restore` brings back a backup"
    )]
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
    /// Whether it may be over soon: a full disk, a folder that cannot be written now, somebody else's
    /// long transaction. What is committed can still be read and served.
    pub fn may_pass(&self) -> bool {
        let StoreError::Sqlite { source, .. } = self else {
            return false;
        };
        matches!(
            source.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::DatabaseBusy
            )
        )
    }

    /// The file whose content is not what was written, if that is it.
    pub fn damaged(&self) -> Option<&Path> {
        match self {
            StoreError::Damaged { path, .. } | StoreError::Corrupt { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// What SQLite said about a file.
fn sqlite_error(path: &Path, source: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { path, source }
        }
        _ => StoreError::Sqlite { path, source },
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
    is_writer: bool,
}

impl Database {
    /// Opens a file for writing, makes it if it is new, brings it up to date, and checks whose it is.
    fn open(
        path: PathBuf,
        tables: &str,
        durability: Durability,
        tenant: &str,
        zone: Tz,
    ) -> Result<Self, StoreError> {
        let mut database = Self::open_at(path, durability, STEPS)?;
        let made = database.make_tables(tables, tenant, zone);
        made.map_err(|source| database.error(source))?;
        database.check_owner("tenant", tenant)?;
        database.check_owner("zone", zone.name())?;
        Ok(database)
    }

    /// Opens a file for writing, at the version that these steps lead to.
    fn open_at(path: PathBuf, durability: Durability, steps: &[Step]) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let opened = Connection::open(&path).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            Ok(connection)
        });
        let mut database = Database {
            connection: opened.map_err(|source| sqlite_error(&path, source))?,
            path,
            is_writer: true,
        };
        database.refuse_newer(version_after(steps))?;
        let prepared = prepare(&database.connection, durability);
        prepared.map_err(|source| database.error(source))?;
        migration::migrate(&mut database, steps)?;
        Ok(database)
    }

    /// Opens a file that some process may be writing, for reading.
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
        let database = Database {
            connection: opened.map_err(|source| sqlite_error(&path, source))?,
            path,
            is_writer: false,
        };
        let known = version_after(STEPS);
        database.refuse_newer(known)?;
        match database.schema_version()? {
            Some(found) if found < known => Err(StoreError::Older {
                path: database.path.clone(),
                found,
                known,
            }),
            _ => Ok(database),
        }
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
        insert.execute(("schema_version", version_after(STEPS)))?;
        insert.execute(("tenant", tenant))?;
        insert.execute(("zone", zone.name()))?;
        drop(insert);
        transaction.commit()
    }

    /// `None` for a file without tables.
    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        let query = "SELECT 1 FROM sqlite_schema WHERE name = 'meta'";
        let found = self.connection.query_row(query, (), |_| Ok(())).optional();
        match found.map_err(|source| self.error(source))? {
            Some(()) => self.meta("schema_version"),
            None => Ok(None),
        }
    }

    fn refuse_newer(&self, known: u32) -> Result<(), StoreError> {
        match self.schema_version()? {
            Some(found) if known < found => Err(StoreError::Newer {
                path: self.path.clone(),
                found,
                known,
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

    /// Size of the write-ahead log.
    fn wal_bytes(&self) -> u64 {
        let mut name = self.path.clone().into_os_string();
        name.push("-wal");
        std::fs::metadata(name).map_or(0, |file| file.len())
    }

    /// To be called after a commit: SQLite itself never cuts a log that always has some reader.
    fn stay_small(&self) {
        if WAL_BYTES_MAX < self.wal_bytes() {
            self.cut_wal();
        }
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

    /// Moves the log into the database and cuts it, if no reader holds it up. What fails here is no
    /// loss: the commits stand in the log.
    fn cut_wal(&self) {
        let _ = self.connection.busy_timeout(CUT_TIMEOUT);
        let cut = "PRAGMA wal_checkpoint(TRUNCATE)";
        let _ = self.connection.query_row(cut, (), |_| Ok(()));
        let _ = self.connection.busy_timeout(BUSY_TIMEOUT);
    }

    fn error(&self, source: rusqlite::Error) -> StoreError {
        sqlite_error(&self.path, source)
    }

    fn corrupt(&self, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt {
            path: self.path.clone(),
            what: what.into(),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // SQLite does so only where nobody reads.
        if self.is_writer {
            self.cut_wal();
        }
    }
}

fn prepare(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    // Only heeded by a file that is new, and only before the journal's mode is set.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
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

/// A path as SQLite takes it.
fn text_of(path: &Path) -> Result<&str, StoreError> {
    path.to_str().ok_or_else(|| StoreError::Folder {
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "its name is not UTF-8"),
    })
}

/// Makes the folder. It holds who did what and when: only its owner may look inside.
fn make_folder(folder: &Path) -> Result<(), StoreError> {
    private_folder()
        .create(folder)
        .map_err(|source| StoreError::Folder {
            path: folder.to_owned(),
            source,
        })
}

/// Makes folders that only their owner may look into.
pub(crate) fn private_folder() -> std::fs::DirBuilder {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}
