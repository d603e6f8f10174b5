//! Files of earlier versions: brought up to date when they are opened for writing.
//!
//! Invariant: all steps or none; and what the file was before stays beside it, as `state.db.v1.bak`.

use std::path::{Path, PathBuf};

use rusqlite::{Transaction, TransactionBehavior};
use tracing::info;

use super::{Database, StoreError, text_of};

/// Leads from one version of the tables to the next. Both files go through all steps: a step changes
/// the tables that it finds.
pub(super) type Step = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// The n-th leads from version n to n + 1, counted from 1.
pub(super) const STEPS: &[Step] = &[];

/// The version that these steps lead to.
pub(super) const fn version_after(steps: &[Step]) -> u32 {
    1 + steps.len() as u32
}

/// Brings an older file up to date; leaves a new one and one of this version alone.
pub(super) fn migrate(database: &mut Database, steps: &[Step]) -> Result<(), StoreError> {
    let known = version_after(steps);
    let Some(found) = database.schema_version()?.filter(|found| *found < known) else {
        return Ok(());
    };
    let done = (found as usize)
        .checked_sub(1)
        .ok_or_else(|| database.corrupt("version"))?;
    let copy = keep_copy(database, found)?;
    let gone = run(database, &steps[done..], known);
    gone.map_err(|source| database.error(source))?;
    info!(
        file = %database.path.display(),
        from = found,
        to = known,
        copy = %copy.display(),
        "brought up to date; the copy may be removed once all is well"
    );
    Ok(())
}

fn run(database: &mut Database, steps: &[Step], known: u32) -> rusqlite::Result<()> {
    let transaction = database
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in steps {
        step(&transaction)?;
    }
    transaction.execute(
        "UPDATE meta SET value = ?1 WHERE name = 'schema_version'",
        [known],
    )?;
    transaction.commit()
}

/// A copy that is there whole or not at all.
fn keep_copy(database: &Database, version: u32) -> Result<PathBuf, StoreError> {
    let copy = with_suffix(&database.path, &format!(".v{version}.bak"));
    let partial = with_suffix(&copy, ".partial");
    let io = |source| StoreError::Folder {
        path: copy.clone(),
        source,
    };
    if partial.exists() {
        std::fs::remove_file(&partial).map_err(io)?;
    }
    let copied = database
        .connection
        .execute("VACUUM INTO ?1", [text_of(&partial)?]);
    copied.map_err(|source| database.error(source))?;
    let file = std::fs::File::open(&partial).map_err(io)?;
    file.sync_all().map_err(io)?;
    std::fs::rename(&partial, &copy).map_err(io)?;
    Ok(copy)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Durability;

    const TO_2: Step =
        |transaction| transaction.execute_batch("ALTER TABLE notes RENAME COLUMN text TO words");
    const TO_3: Step =
        |transaction| transaction.execute_batch("UPDATE notes SET words = words || '!'");
    const FAILS: Step = |transaction| transaction.execute_batch("UPDATE nowhere SET x = 1");

    fn open(folder: &Path, steps: &[Step]) -> Result<Database, StoreError> {
        Database::open_at(folder.join("t.db"), Durability::Full, steps)
    }

    /// A file of version 1 with one note.
    fn old_file(folder: &Path) {
        let database = open(folder, &[]).unwrap();
        database
            .connection
            .execute_batch(
                "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT;
                 INSERT INTO meta VALUES ('schema_version', 1);
                 CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('old');",
            )
            .unwrap();
    }

    fn note(database: &Database, column: &str) -> String {
        let query = format!("SELECT {column} FROM notes");
        let note = database.connection.query_row(&query, (), |row| row.get(0));
        note.unwrap()
    }

    /// Every step that is missing is gone, in order, once; the copy is the file as it was.
    #[test]
    fn an_older_file_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        old_file(folder.path());
        drop(open(folder.path(), &[TO_2]).unwrap());
        for _ in 0..2 {
            let database = open(folder.path(), &[TO_2, TO_3]).unwrap();
            assert_eq!(database.schema_version().unwrap(), Some(3));
            assert_eq!(note(&database, "words"), "old!");
        }
        let refused = open(folder.path(), &[TO_2]).unwrap_err().to_string();
        assert!(
            refused.contains("has format 3, this program knows 2; use the newer"),
            "{refused}"
        );
        for (version, column) in [(1, "text"), (2, "words")] {
            let copy = folder.path().join(format!("t.db.v{version}.bak"));
            std::fs::rename(copy, folder.path().join("t.db")).unwrap();
            let steps = &[TO_2][..version - 1];
            assert_eq!(note(&open(folder.path(), steps).unwrap(), column), "old");
        }
    }

    /// A step that fails takes back those before it, and the next program starts from the same file.
    #[test]
    fn half_a_migration_is_none() {
        let folder = tempfile::tempdir().unwrap();
        old_file(folder.path());
        assert!(open(folder.path(), &[TO_2, FAILS]).is_err());
        let database = open(folder.path(), &[]).unwrap();
        assert_eq!(note(&database, "text"), "old");
        drop(database);
        assert_eq!(note(&open(folder.path(), &[TO_2]).unwrap(), "words"), "old");
    }
}
