//! `state.db`: the detection state as rows, and the engine's own blob beside it.
//!
//! Invariant: a checkpoint is one transaction. What is read back is one checkpoint, never a mixture.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono_tz::Tz;
use nightjar_detectors::core::StateRow;
use rusqlite::{OptionalExtension, Row, Statement, params};

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
    /// All rows, in the order in which they were first written.
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
    /// As [`StateStore::engine`] and [`StateStore::rows`].
    pub fn load(&self) -> Result<Option<Stored>, StoreError> {
        let Some(meta) = self.engine()? else {
            return Ok(None);
        };
        let mut rows = Vec::new();
        self.rows(|row| {
            rows.push(row);
            Ok::<_, StoreError>(())
        })?;
        Ok(Some(Stored { rows, meta }))
    }

    /// The engine's blob of the last checkpoint; `None` before the first.
    ///
    /// # Errors
    /// When it is newer than this code, or cannot be read.
    pub fn engine(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let query = "SELECT version, bytes FROM engine";
        let engine = self.database.connection.query_row(query, (), |row| {
            Ok((row.get::<_, u16>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let engine = engine
            .optional()
            .map_err(|source| self.database.error(source))?;
        match engine {
            Some((found, _)) if META_VERSION < found => Err(StoreError::Newer {
                path: self.database.path.clone(),
                found: found.into(),
                known: META_VERSION.into(),
            }),
            engine => Ok(engine.map(|(_, meta)| meta)),
        }
    }

    /// Gives the rows of the last checkpoint, one after the other, in any order: all of them together
    /// may be larger than what the memory should hold twice.
    ///
    /// # Errors
    /// When something cannot be read, or `take` says so. A row's version is for `take` to judge.
    pub fn rows<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(StateRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let error = |source| self.database.error(source);
        // As they lie in the file: by key they would be read from all over it.
        let query = "SELECT shard, detector, key, version, bytes FROM rows";
        let mut statement = self.database.connection.prepare(query).map_err(error)?;
        let mut rows = statement.query(()).map_err(error)?;
        let mut detector: Arc<str> = "".into();
        while let Some(row) = rows.next().map_err(error)? {
            take(read_row(row, &mut detector).map_err(error)?)?;
        }
        Ok(())
    }

    /// Stores what changed since the last checkpoint, and the engine's blob with it.
    ///
    /// # Errors
    /// When it cannot be written; the last checkpoint then still stands.
    pub fn checkpoint(&mut self, rows: &[StateRow], meta: &[u8]) -> Result<(), StoreError> {
        let written = self.write(rows, meta);
        written.map_err(|source| self.database.error(source))
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

/// Neighbours mostly are of the same detector, whose name they share.
fn read_row(row: &Row<'_>, detector: &mut Arc<str>) -> rusqlite::Result<StateRow> {
    let name = row.get_ref(1)?.as_str()?;
    if **detector != *name {
        *detector = name.into();
    }
    Ok(StateRow {
        shard: row.get(0)?,
        detector: detector.clone(),
        key: row.get(2)?,
        version: row.get(3)?,
        bytes: Some(row.get(4)?),
    })
}

fn write_row(
    upsert: &mut Statement<'_>,
    delete: &mut Statement<'_>,
    row: &StateRow,
) -> rusqlite::Result<()> {
    match &row.bytes {
        Some(bytes) => upsert.execute(params![
            row.shard,
            &*row.detector,
            row.key,
            row.version,
            bytes
        ])?,
        None => delete.execute(params![row.shard, &*row.detector, row.key])?,
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
        let store = StateStore::open(folder.path(), "t", ZONE).unwrap();
        let stored = store.load().unwrap().unwrap();
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
        let store = StateStore::open(after.path(), "t", ZONE).unwrap();
        let stored = store.load().unwrap().unwrap();
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
