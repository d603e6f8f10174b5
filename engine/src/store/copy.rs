//! Copies of a state folder, made while a service may be writing it.
//!
//! Invariant: each file is copied as of one moment, and the state's moment is the earlier: a copy's state
//! may be older than its alerts, never newer. A folder appears under its name when it is whole.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::alerts::AlertStore;
use super::lock::FolderLock;
use super::state::StateStore;
use super::{Database, StoreError, make_folder, text_of};

/// Why a copy was not made or not put in place.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is something where the copy is to be.
    #[error("{0} is not empty; name a folder that does not exist yet")]
    NotEmpty(PathBuf),
    /// A folder cannot be moved into its place.
    #[error(
        "cannot put {path} in place; check permissions and space; of a mount point name a folder inside"
    )]
    Place {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A copy under a name of its own, beside the place where it is to be; removed if it gets no further.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    target: PathBuf,
}

impl Draft {
    /// Copies both databases of `from`, and what came through its doors and was not read yet, to be put at `target`.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn copy(from: &Path, target: &Path) -> Result<Self, CopyError> {
        let path = beside(target, ".partial");
        let draft = Draft {
            path: path.clone(),
            target: target.to_owned(),
        };
        if path.exists() {
            // Of a copy that was killed.
            std::fs::remove_dir_all(&path).map_err(|source| draft.error(source))?;
        }
        make_folder(&path)?;
        // Before the state, whose positions may then lie behind its end: so what is missing was read.
        crate::spool::copy(from, &path).map_err(|source| draft.error(source))?;
        for place in [StateStore::path, AlertStore::path] {
            let database = Database::open_read_only(place(from))?;
            let copy = place(&path);
            let copied = database
                .connection
                .execute("VACUUM INTO ?1", [text_of(&copy)?]);
            copied.map_err(|source| database.error(source))?;
            sync(&copy).map_err(|source| draft.error(source))?;
        }
        Ok(draft)
    }

    /// Where it lies until it is put in place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A log that is not the continuation of what subscribers have seen gets another name, so that they
    /// start anew instead of missing what gets cursors that they have seen already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn rename_log(&self) -> Result<(), CopyError> {
        let path = AlertStore::path(&self.path);
        let renamed = rusqlite::Connection::open(&path).and_then(|connection| {
            let name = "UPDATE meta SET value = lower(hex(randomblob(8))) WHERE name = 'store_id'";
            connection.execute(name, ())
        });
        renamed.map_err(|source| super::sqlite_error(&path, source))?;
        Ok(())
    }

    /// Puts it in place, where nothing or an empty folder is.
    ///
    /// # Errors
    /// When something is there.
    pub fn put(self) -> Result<(), CopyError> {
        if !is_free(&self.target) {
            return Err(CopyError::NotEmpty(self.target.clone()));
        }
        self.rename()
    }

    /// Puts it in the place of a folder that no process has, and tells where that one lies now.
    ///
    /// # Errors
    /// When a process has the folder, or it cannot be moved.
    pub fn replace(self) -> Result<Option<PathBuf>, CopyError> {
        if is_free(&self.target) {
            return self.rename().map(|()| None);
        }
        let _lock = FolderLock::take(&self.target)?;
        let aside = (1..)
            .map(|number| beside(&self.target, &format!(".before-{number}")))
            .find(|path| !path.exists())
            .expect("there is always a number more");
        std::fs::rename(&self.target, &aside).map_err(|source| self.error(source))?;
        let target = self.target.clone();
        self.rename().inspect_err(|_| {
            // As it was; where this fails too, the error names the folder that is missing.
            let _ = std::fs::rename(&aside, &target);
        })?;
        Ok(Some(aside))
    }

    fn rename(self) -> Result<(), CopyError> {
        let place = || {
            // Not every file system can sync a folder.
            let _ = sync(&self.path);
            std::fs::rename(&self.path, &self.target)?;
            let _ = self.target.parent().map(sync);
            Ok(())
        };
        place().map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> CopyError {
        let path = self.target.clone();
        CopyError::Place { path, source }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Whether nothing would be lost by putting a folder there: what is there is no state.
pub fn is_free(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    // Without the slash that completion in a shell leaves at the end.
    let mut name: OsString = path.components().as_path().into();
    name.push(suffix);
    name.into()
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    })?
    .sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::AlertReader;
    use crate::store::alerts::tests::{alert, store};
    use nightjar_detectors::core::StateRow;

    fn row(key: u8) -> StateRow {
        StateRow {
            shard: 1,
            detector: "d".into(),
            key: vec![key],
            version: 1,
            bytes: Some(vec![key; 3000]),
        }
    }

    fn state(folder: &Path) -> StateStore {
        let log = AlertReader::open(folder).unwrap();
        StateStore::open(folder, "t", log.zone().unwrap()).unwrap()
    }

    /// A copy made while both files are being written is of one moment each, the state's the earlier.
    #[test]
    fn a_copy_beside_a_writer_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (
            folder.path().join("state"),
            folder.path().join("copies/first"),
        );
        std::fs::create_dir(folder.path().join("copies")).unwrap();
        let alerts = store(&from);
        let _lock = FolderLock::take(&from).unwrap();
        let mut written = state(&from);
        let mut checkpoint = |number: u8| {
            alerts
                .publish(&[alert(&number.to_string(), 1)], None)
                .unwrap();
            written.checkpoint(&[row(number)], &[number]).unwrap();
        };
        checkpoint(0);
        std::thread::scope(|scope| {
            let copying = scope.spawn(|| Draft::copy(&from, &to).unwrap().put().unwrap());
            let mut number = 1;
            while !copying.is_finished() && number < 250 {
                checkpoint(number);
                number += 1;
            }
        });
        let stored = state(&to).load().unwrap().unwrap();
        let last = usize::from(stored.meta[0]);
        assert_eq!(stored.rows.len(), last + 1, "one checkpoint, not a mixture");
        assert!(last < AlertReader::open(&to).unwrap().all().unwrap().len());
        assert!(!is_free(&to) && !to.with_extension("partial").exists());
        let refused = Draft::copy(&from, &to)
            .unwrap()
            .put()
            .unwrap_err()
            .to_string();
        assert!(refused.ends_with("first is not empty; name a folder that does not exist yet"));
    }

    /// The old folder is kept, and nobody's folder is taken from under him.
    #[test]
    fn a_folder_is_replaced_when_nobody_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let names = |path: &Path| AlertReader::open(path).unwrap().log().unwrap().store_id;
        for path in [&from, &to] {
            store(path);
            state(path).checkpoint(&[row(1)], b"").unwrap();
        }
        let (old, backup) = (names(&to), names(&from));
        let lock = FolderLock::take(&to).unwrap();
        let refused = Draft::copy(&from, &to).unwrap().replace().unwrap_err();
        assert!(
            refused.to_string().contains("in use by process"),
            "{refused}"
        );
        assert_eq!(names(&to), old);
        drop(lock);
        let draft = Draft::copy(&from, &to).unwrap();
        draft.rename_log().unwrap();
        let aside = draft.replace().unwrap().unwrap();
        assert_eq!(
            (names(&aside), aside),
            (old, folder.path().join("to.before-1"))
        );
        assert_ne!(names(&to), backup);
        FolderLock::take(&to).unwrap();
    }
}
