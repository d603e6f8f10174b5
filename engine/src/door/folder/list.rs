//! The log files of a watched folder.
//!
//! Invariant: a file's source is the folder it lies in, as in a backtest; names that rotation gives count too.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::source::file::is_log;
use crate::spool::FileKey;

/// A file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub source: String,
    pub path: PathBuf,
    pub key: FileKey,
    pub size: u64,
    pub modified_ms: i64,
}

/// All log files below a folder, sorted by path.
///
/// # Errors
/// When the folder cannot be listed.
pub fn files(root: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    // So that its name is there where the path ends in `..` or is a link.
    let name = root.canonicalize()?;
    walk(root, source_of(&name), &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    // Two names of one file: the first will do.
    let mut keys = std::collections::BTreeSet::new();
    found.retain(|file| keys.insert((file.source.clone(), file.key)));
    Ok(found)
}

fn source_of(folder: &Path) -> String {
    let name = folder.file_name();
    name.map_or("files".into(), |name| name.to_string_lossy().into_owned())
}

fn walk(folder: &Path, source: String, found: &mut Vec<Found>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        // What goes while it is listed is not there.
        let Ok(metadata) = path.metadata() else {
            continue;
        };
        if is_hidden {
            continue;
        }
        if metadata.is_dir() {
            match walk(&path, source_of(&path), found) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                walked => walked?,
            }
        } else if metadata.is_file() && is_log(&without_rotation(&path)) {
            found.push(Found {
                source: source.clone(),
                key: FileKey {
                    device: metadata.dev(),
                    inode: metadata.ino(),
                },
                size: metadata.size(),
                modified_ms: metadata.mtime() * 1000 + metadata.mtime_nsec() / 1_000_000,
                path,
            });
        }
    }
    Ok(())
}

/// `audit.log.1`, `audit.log-20260301` and `audit.log.2.gz` are what `audit.log` was.
fn without_rotation(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = name
        .strip_suffix(".gz")
        .or(name.strip_suffix(".zst"))
        .unwrap_or(&name);
    let is_of_rotation = |c: char| c.is_ascii_digit() || "-._".contains(c);
    PathBuf::from(plain.trim_end_matches(is_of_rotation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_names_of_logs() {
        for name in [
            "audit.log",
            "audit.log.1",
            "audit.log-20260301",
            "audit.log.2026-03-01.gz",
            "a.ndjson.zst",
            "1.json",
        ] {
            assert!(is_log(&without_rotation(Path::new(name))), "{name}");
        }
        for name in ["notes.md", "audit.log.part", "1", "a.mp4"] {
            assert!(!is_log(&without_rotation(Path::new(name))), "{name}");
        }
    }
}
