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

/// Large rows make a poor clustered index, so the key is an index beside the table. SQLite notices
/// damage to its own structure only; `sum` notices it in what is stored, which would else be learned from.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS rows (
    shard INTEGER NOT NULL, detector TEXT NOT NULL, key BLOB NOT NULL,
    version INTEGER NOT NULL, sum INTEGER NOT NULL, bytes BLOB NOT NULL,
    UNIQUE (shard, detector, key)
) STRICT;
CREATE TABLE IF NOT EXISTS engine (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL, sum INTEGER NOT NULL, bytes BLOB NOT NULL
) STRICT;";

/// So many free pages a checkpoint go back to the disk, where more than a quarter of the file is free:
/// what is needed again tomorrow stays.
const FREED_PAGES_MAX: u64 = 2_000;

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

    /// Opens a file that some process may be writing, for reading.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open_read_only(folder: &Path) -> Result<Self, StoreError> {
        let database = Database::open_read_only(Self::path(folder))?;
        Ok(StateStore { database })
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
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
        let query = "SELECT version, bytes, sum FROM engine";
        let engine = self.database.connection.query_row(query, (), |row| {
            let bytes: Vec<u8> = row.get(1)?;
            let is_whole = sum_of(&[], &bytes) == row.get::<_, i64>(2)?;
            Ok((row.get::<_, u16>(0)?, bytes, is_whole))
        });
        let engine = engine
            .optional()
            .map_err(|source| self.database.error(source))?;
        match engine {
            Some((found, ..)) if META_VERSION < found => Err(StoreError::Newer {
                path: self.database.path.clone(),
                found: found.into(),
                known: META_VERSION.into(),
            }),
            Some((.., false)) => Err(self.database.corrupt("row of positions")),
            engine => Ok(engine.map(|(_, bytes, _)| bytes)),
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
        let query = "SELECT shard, detector, key, version, bytes, sum FROM rows";
        let mut statement = self.database.connection.prepare(query).map_err(error)?;
        let mut rows = statement.query(()).map_err(error)?;
        let mut detector: Arc<str> = "".into();
        while let Some(row) = rows.next().map_err(error)? {
            let (row, is_whole) = read_row(row, &mut detector).map_err(error)?;
            if !is_whole {
                return Err(self
                    .database
                    .corrupt(format!("row of {}", row.detector))
                    .into());
            }
            take(row)?;
        }
        Ok(())
    }

    /// Stores what changed since the last checkpoint, and the engine's blob with it.
    ///
    /// # Errors
    /// When it cannot be written; the last checkpoint then still stands.
    pub fn checkpoint(&mut self, rows: &[StateRow], meta: &[u8]) -> Result<(), StoreError> {
        let written = self.write(rows, meta);
        written.map_err(|source| self.database.error(source))?;
        self.database.stay_small();
        self.give_back();
        Ok(())
    }

    /// Gives free pages back to the disk. That it fails is no loss.
    fn give_back(&self) {
        let connection = &self.database.connection;
        let count = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        let (Ok(free), Ok(all)) = (count("freelist_count"), count("page_count")) else {
            return;
        };
        if FREED_PAGES_MAX < free && all < 4 * free {
            let vacuum = format!("PRAGMA incremental_vacuum({FREED_PAGES_MAX})");
            // A row for each page that is freed: it goes on only as far as they are asked for.
            let _ = self.database.rows(&vacuum, |_| Ok(()));
        }
    }

    /// As a disk with so many pages would be.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        let connection = &self.database.connection;
        let limit = format!("PRAGMA max_page_count = {pages}");
        connection.query_row(&limit, (), |_| Ok(())).unwrap();
    }

    /// As a file system that was mounted anew for reading only.
    #[cfg(test)]
    pub(crate) fn forbid_writing(&self, is_forbidden: bool) {
        let connection = &self.database.connection;
        connection
            .pragma_update(None, "query_only", is_forbidden)
            .unwrap();
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
            "INSERT INTO rows VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET version = excluded.version, sum = excluded.sum,
                 bytes = excluded.bytes",
        )?;
        let mut delete = transaction
            .prepare_cached("DELETE FROM rows WHERE shard = ?1 AND detector = ?2 AND key = ?3")?;
        for row in rows {
            write_row(&mut upsert, &mut delete, row)?;
        }
        drop((upsert, delete));
        transaction.execute(
            "INSERT OR REPLACE INTO engine VALUES (1, ?1, ?2, ?3)",
            params![META_VERSION, sum_of(&[], meta), meta],
        )?;
        transaction.commit()
    }
}

/// A row of `shard, detector, key, version, bytes, sum`, and whether it is what was written. Neighbours mostly
/// are of the same detector, whose name they share.
pub(super) fn read_row(
    row: &Row<'_>,
    detector: &mut Arc<str>,
) -> rusqlite::Result<(StateRow, bool)> {
    let name = row.get_ref(1)?.as_str()?;
    if **detector != *name {
        *detector = name.into();
    }
    let (key, bytes): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(4)?);
    let is_whole = sum_of(&key, &bytes) == row.get::<_, i64>(5)?;
    let row = StateRow {
        shard: row.get(0)?,
        detector: detector.clone(),
        key,
        version: row.get(3)?,
        bytes: Some(bytes),
    };
    Ok((row, is_whole))
}

fn sum_of(key: &[u8], bytes: &[u8]) -> i64 {
    use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
    xxh3_64_with_seed(bytes, xxh3_64(key)).cast_signed()
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
            sum_of(&row.key, bytes),
            bytes
        ])?,
        None => delete.execute(params![row.shard, &*row.detector, row.key])?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::WAL_BYTES_MAX;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

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
                "UPDATE meta SET value = 99 WHERE name = 'schema_version'",
                (),
            )
            .unwrap();
        let refused = StateStore::open(folder.path(), "t", ZONE)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("has format 99, this program knows"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(StateStore::path(folder.path()), [7; 4096]).unwrap();
        let refused = StateStore::open(folder.path(), "t", ZONE).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    }

    /// A disk that loses or invents bits is noticed, also where SQLite does not look.
    #[test]
    fn what_is_not_what_was_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = StateStore::open(folder.path(), "t", ZONE).unwrap();
        store.checkpoint(&[row(1, Some(b"learned"))], b"m").unwrap();
        for (change, what) in [
            ("UPDATE rows SET bytes = x'00'", "row of d"),
            ("UPDATE engine SET bytes = x'00'", "row of positions"),
        ] {
            store.database.connection.execute(change, ()).unwrap();
            let refused = store.load().unwrap_err();
            assert!(refused.damaged().is_some());
            let refused = refused.to_string();
            assert!(
                refused.contains(&format!("state.db holds a damaged {what}; ")),
                "{refused}"
            );
        }
    }

    /// Readers that follow one another without a pause would let the log grow without end.
    #[test]
    fn the_log_stays_short_whoever_reads() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = StateStore::open(folder.path(), "t", ZONE).unwrap();
        store.checkpoint(&[row(0, Some(b"a"))], b"").unwrap();
        let done = AtomicBool::new(false);
        let read_and_hold = |begun: &Barrier| {
            let reader = StateStore::open_read_only(folder.path()).unwrap();
            begun.wait();
            while !done.load(Ordering::Relaxed) {
                let moment = reader.database.connection.unchecked_transaction().unwrap();
                reader
                    .database
                    .rows("SELECT length(bytes) FROM rows", |_| Ok(()))
                    .unwrap();
                std::thread::sleep(Duration::from_millis(3));
                moment.commit().unwrap();
            }
        };
        let begun = Barrier::new(4);
        let longest = std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| read_and_hold(&begun));
            }
            begun.wait();
            let page = vec![7; 1 << 20];
            let mut longest = 0;
            for number in 0..160 {
                let changed = [row(number % 4, Some(&page))];
                store.checkpoint(&changed, b"").unwrap();
                longest = longest.max(store.database.wal_bytes());
            }
            done.store(true, Ordering::Relaxed);
            longest
        });
        assert!(longest <= WAL_BYTES_MAX + (4 << 20), "{longest} bytes");
        // One that only has the file open does not keep the log from being emptied at the end.
        let _reader = StateStore::open_read_only(folder.path()).unwrap();
        let path = store.database.path.with_extension("db-wal");
        drop(store);
        assert_eq!(std::fs::metadata(path).map_or(0, |file| file.len()), 0);
    }

    /// What a flood needed goes back to the disk when it is over.
    #[test]
    fn the_file_shrinks_after_a_flood() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = StateStore::open(folder.path(), "t", ZONE).unwrap();
        let page = vec![7; 1 << 20];
        let flood: Vec<_> = (0..64).map(|key| row(key, Some(&page))).collect();
        store.checkpoint(&flood, b"").unwrap();
        let over: Vec<_> = (0..63).map(|key| row(key, None)).collect();
        for _ in 0..12 {
            store.checkpoint(&over, b"").unwrap();
        }
        let path = store.database.path.clone();
        drop(store);
        let bytes = std::fs::metadata(path).unwrap().len();
        assert!(bytes < 16 << 20, "{bytes} bytes");
    }
}
