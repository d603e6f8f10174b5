//! `state.db`: the detection state as rows, and the engine's own blob beside it.
//!
//! Invariant: a checkpoint is one transaction. What is read back is one checkpoint, never a mixture.

use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use nightjar_detectors::core::StateRow;
use rusqlite::{OptionalExtension, Statement, params};

use super::{Database, Durability, StoreError};

/// Version of the engine's blob; whoever changes what is in it raises this.
pub const META_VERSION: u16 = 1;

/// Large rows make a poor clustered index, so the key is an index beside the table.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS rows (
    shard INTEGER NOT NULL, detector TEXT NOT NULL, key BLOB NOT NULL,
    version INTEGER NOT NULL, bytes BLOB NOT NULL,
    UNIQUE (shard, detector, key)
) STRICT;
CREATE TABLE IF NOT EXISTS engine (
    one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, bytes BLOB NOT NULL
) STRICT;";

/// A checkpoint as it was stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// All rows, in the order of their keys.
    pub rows: Vec<StateRow>,
    /// The engine's blob.
    pub meta: Vec<u8>,
}

/// The file, open for writing.
#[derive(Debug)]
pub struct StateStore {
    database: Database,
}

impl StateStore {
    /// Where the file lies in a state folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("state.db")
    }

    /// Opens or makes the file. The caller holds the folder's lock.
    ///
    /// # Errors
    /// When the file is another tenant's or zone's, newer than this code, or cannot be used.
    pub fn open(folder: &Path, tenant: &str, zone: Tz) -> Result<Self, StoreError> {
        let path = Self::path(folder);
        // Power loss may take the last checkpoints: state may be older than alerts, and the engine
        // reads again from the positions that came back with it. SQLite loses a commit whole.
        let database = Database::open(path, TABLES, Durability::Whole, tenant, zone)?;
        Ok(StateStore { database })
    }

    /// The last checkpoint; `None` before the first.
    ///
    /// # Errors
    /// When the engine's blob is newer than this code, or something cannot be read. A row's version is
    /// for `Core::restore` to judge.
    pub fn load(&self) -> Result<Option<Stored>, StoreError> {
        let query = "SELECT version, bytes FROM engine";
        let engine = self.database.connection.query_row(query, (), |row| {
            Ok((row.get::<_, u16>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let engine = engine
            .optional()
            .map_err(|source| self.database.error(source))?;
        let Some((version, meta)) = engine else {
            return Ok(None);
        };
        if META_VERSION < version {
            return Err(StoreError::Newer {
                path: self.database.path.clone(),
                found: version.into(),
                known: META_VERSION.into(),
            });
        }
        let query = "SELECT shard, detector, key, version, bytes FROM rows
                     ORDER BY shard, detector, key";
        let rows = self.database.rows(query, |row| {
            Ok(StateRow {
                shard: row.get(0)?,
                detector: row.get(1)?,
                key: row.get(2)?,
                version: row.get(3)?,
                bytes: Some(row.get(4)?),
            })
        })?;
        Ok(Some(Stored { rows, meta }))
    }

    /// Stores what changed since the last checkpoint, and the engine's blob with it.
    ///
    /// # Errors
    /// When it cannot be written; the last checkpoint then still stands.
    pub fn checkpoint(&mut self, rows: &[StateRow], meta: &[u8]) -> Result<(), StoreError> {
        let written = self.write(rows, meta);
        written.map_err(|source| self.database.error(source))
    }

    /// Stores a checkpoint that leaves something out for good: neither the file nor its log holds it any
    /// more.
    ///
    /// # Errors
    /// When it cannot be written, or somebody reads the file.
    pub fn erase(&mut self, rows: &[StateRow], meta: &[u8]) -> Result<(), StoreError> {
        let connection = &self.database.connection;
        let secured = connection.pragma_update(None, "secure_delete", true);
        secured.map_err(|source| self.database.error(source))?;
        self.checkpoint(rows, meta)?;
        self.database.purge()
    }

    fn write(&mut self, rows: &[StateRow], meta: &[u8]) -> rusqlite::Result<()> {
        let transaction = self.database.connection.transaction()?;
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO rows VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET version = excluded.version, bytes = excluded.bytes",
        )?;
        let mut delete = transaction
            .prepare_cached("DELETE FROM rows WHERE shard = ?1 AND detector = ?2 AND key = ?3")?;
        for row in rows {
            write_row(&mut upsert, &mut delete, row)?;
        }
        drop((upsert, delete));
        transaction.execute(
            "INSERT OR REPLACE INTO engine VALUES (1, ?1, ?2)",
            params![META_VERSION, meta],
        )?;
        transaction.commit()
    }
}

fn write_row(
    upsert: &mut Statement<'_>,
    delete: &mut Statement<'_>,
    row: &StateRow,
) -> rusqlite::Result<()> {
    match &row.bytes {
        Some(bytes) => upsert.execute(params![
            row.shard,
            row.detector,
            row.key,
            row.version,
            bytes
        ])?,
        None => delete.execute(params![row.shard, row.detector, row.key])?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = Tz::Europe__Berlin;

    fn row(key: u8, bytes: Option<&[u8]>) -> StateRow {
        StateRow {
            shard: u16::from(key) * 7,
            detector: "d".into(),
            key: vec![key],
            version: 1,
            bytes: bytes.map(<[u8]>::to_vec),
        }
    }

    /// What is loaded is the sum of the checkpoints: written, overwritten, removed.
    #[test]
    fn checkpoints_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = StateStore::open(folder.path(), "t", ZONE).unwrap();
        assert_eq!(store.load().unwrap(), None);
        store
            .checkpoint(
                &[row(1, Some(b"a")), row(2, Some(b"b")), row(3, Some(b""))],
                b"m",
            )
            .unwrap();
        store
            .checkpoint(&[row(2, None), row(1, Some(b"c")), row(9, None)], b"n")
            .unwrap();
        drop(store);
        let stored = StateStore::open(folder.path(), "t", ZONE)
            .unwrap()
            .load()
            .unwrap()
            .unwrap();
        assert_eq!(stored.rows, [row(1, Some(b"c")), row(3, Some(b""))]);
        assert_eq!(stored.meta, b"n");
    }

    /// A process that was killed leaves the log behind: what was committed is read from it, what was
    /// not is gone as a whole.
    #[test]
    fn a_kill_loses_nothing_committed_and_keeps_nothing_half() {
        let folder = tempfile::tempdir().unwrap();
        let after = tempfile::tempdir().unwrap();
        let mut store = StateStore::open(folder.path(), "t", ZONE).unwrap();
        store.checkpoint(&[row(1, Some(b"a"))], b"first").unwrap();
        let transaction = store.database.connection.transaction().unwrap();
        transaction
            .execute("UPDATE rows SET bytes = x'00'", ())
            .unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), after.path().join(file.file_name())).unwrap();
        }
        assert!(after.path().join("state.db-wal").exists());
        let stored = StateStore::open(after.path(), "t", ZONE)
            .unwrap()
            .load()
            .unwrap()
            .unwrap();
        assert_eq!(
            (&stored.rows[..], &stored.meta[..]),
            (&[row(1, Some(b"a"))][..], &b"first"[..])
        );
    }

    #[test]
    fn another_tenant_zone_or_a_newer_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = StateStore::open(folder.path(), "t", ZONE).unwrap();
        let refused = StateStore::open(folder.path(), "u", ZONE)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("was made for tenant t, not u"),
            "{refused}"
        );
        let refused = StateStore::open(folder.path(), "t", Tz::UTC)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("zone Europe/Berlin, not UTC"), "{refused}");

        store.checkpoint(&[], b"").unwrap();
        let connection = &store.database.connection;
        connection
            .execute("UPDATE engine SET version = 99", ())
            .unwrap();
        assert!(matches!(
            store.load(),
            Err(StoreError::Newer { found: 99, .. })
        ));
        connection
            .execute(
                "UPDATE meta SET value = 2 WHERE name = 'schema_version'",
                (),
            )
            .unwrap();
        let refused = StateStore::open(folder.path(), "t", ZONE)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("has format 2, this program knows 1"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(StateStore::path(folder.path()), [7; 4096]).unwrap();
        let refused = StateStore::open(folder.path(), "t", ZONE).unwrap_err();
        assert!(matches!(refused, StoreError::Sqlite { .. }), "{refused}");
    }
}
