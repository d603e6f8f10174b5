//! The state folder's lock: one process a folder.
//!
//! Invariant: the lock is the operating system's, so it ends with its process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::{StoreError, make_folder};

/// The folder is this process's until this is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the folder, and makes it if there is none.
    ///
    /// # Errors
    /// When another process has it, or it cannot be written.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        make_folder(folder)?;
        let io = |source| StoreError::Folder {
            path: folder.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("lock"))
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (path, process) = (folder.to_owned(), holder(&mut file));
                return Err(StoreError::Locked { path, process });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        // The number is for the sentence above only; the lock does not depend on it, nor on room for it.
        let mut tell = || {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())
        };
        let _ = tell();
        Ok(FolderLock { _file: file })
    }

    /// The process that has the folder, if one has.
    pub fn holder(folder: &Path) -> Option<String> {
        let mut file = File::open(folder.join("lock")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder(&mut file)),
            _ => None,
        }
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(20).read_to_string(&mut text) {
        Ok(_) if text.parse::<u32>().is_ok() => text,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second one is told who the first is; when the first is gone, the folder is free.
    #[test]
    fn a_folder_has_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new").join("state");
        let first = FolderLock::take(&folder).unwrap();
        let refused = FolderLock::take(&folder).unwrap_err().to_string();
        let process = std::process::id();
        assert!(
            refused.contains(&format!("in use by process {process}; stop it")),
            "{refused}"
        );
        assert_eq!(FolderLock::holder(&folder), Some(process.to_string()));
        drop(first);
        assert_eq!(FolderLock::holder(&folder), None);
        FolderLock::take(&folder).unwrap();
    }
}
