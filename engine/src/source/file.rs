//! Log files: which ones a path means, and their records in whole lines.
//!
//! Invariant: a file gives its records in order, each once, numbered from 1; a broken file gives what
//! could be read and says where it ended.

mod columnar;
mod read;
mod split;
mod table;

pub use read::{Piece, RECORD_BYTES_MAX, is_lines, read};
pub(crate) use split::{as_lines, into_lines};

use std::io;
use std::path::{Path, PathBuf};

const EXTENSIONS: [&str; 11] = [
    "ndjson", "jsonl", "json", "log", "txt", "csv", "tsv", "parquet", "arrow", "ipc", "zip",
];

/// Means standard input.
pub const STDIN: &str = "-";

/// A file of one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFile {
    /// Name of the folder it lies in, as a topic's name is on Kafka.
    pub source: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Size on disk.
    pub bytes: u64,
}

/// What is wrong with a path.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing there.
    #[error(
        "{0} does not exist; name a log file, a folder of them, or a pattern such as 'logs/*.gz'"
    )]
    Missing(String),
    /// Nothing to read there.
    #[error(
        "{0} holds no log files; they end in .ndjson, .jsonl, .json, .log, .txt, .csv or .tsv, also with .gz or .zst, or in .zip, .parquet, .arrow or .ipc"
    )]
    NoLogs(String),
    /// Not a pattern.
    #[error("{0} is not a valid pattern; write [[] where a bracket is meant")]
    Pattern(String, #[source] glob::PatternError),
    /// Cannot be opened or listed.
    #[error("{path} cannot be read")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The files that paths mean: files themselves, folders with all below them, patterns, and `-` for standard
/// input. Sorted, each once.
///
/// # Errors
/// When a path means nothing.
pub fn list(paths: &[String]) -> Result<Vec<LogFile>, FileError> {
    let mut files = Vec::new();
    for text in paths {
        let path = Path::new(text);
        if text == STDIN {
            files.push(LogFile {
                source: "stdin".to_owned(),
                path: path.to_owned(),
                bytes: 0,
            });
        } else if path.is_file() {
            files.push(log_file(path)?);
        } else if path.is_dir() {
            let before = files.len();
            walk(path, &mut files)?;
            if files.len() == before {
                return Err(FileError::NoLogs(text.clone()));
            }
        } else if text.contains(['*', '?', '[']) {
            expand(text, &mut files)?;
        } else {
            return Err(FileError::Missing(text.clone()));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn expand(text: &str, files: &mut Vec<LogFile>) -> Result<(), FileError> {
    let found = glob::glob(text).map_err(|error| FileError::Pattern(text.to_owned(), error))?;
    let before = files.len();
    for path in found.flatten() {
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(log_file(&path)?);
        }
    }
    if files.len() == before {
        return Err(FileError::NoLogs(text.to_owned()));
    }
    Ok(())
}

fn walk(folder: &Path, files: &mut Vec<LogFile>) -> Result<(), FileError> {
    let io = |source| FileError::Io {
        path: folder.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else if is_log(&path) {
            files.push(log_file(&path)?);
        }
    }
    Ok(())
}

/// Whether a file's name is that of a log.
pub(crate) fn is_log(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase());
    let Some(name) = name.filter(|name| !name.starts_with('.')) else {
        return false;
    };
    let plain = name
        .strip_suffix(".gz")
        .or(name.strip_suffix(".zst"))
        .unwrap_or(&name);
    plain
        .rsplit_once('.')
        .is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

fn log_file(path: &Path) -> Result<LogFile, FileError> {
    let io = |source| FileError::Io {
        path: path.to_owned(),
        source,
    };
    let whole = path.canonicalize().map_err(io)?;
    let folder = whole.parent().and_then(Path::file_name);
    let source = folder.map_or("files".into(), |name| name.to_string_lossy().into_owned());
    let bytes = path.metadata().map_err(io)?.len();
    Ok(LogFile {
        source,
        path: path.to_owned(),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, name: &str) {
        std::fs::write(folder.join(name), b"").unwrap();
    }

    #[test]
    fn paths_mean_files_folders_and_patterns() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("okta")).unwrap();
        file(&folder.path().join("okta"), "1.ndjson.gz");
        file(&folder.path().join("okta"), "2.json");
        file(&folder.path().join("okta"), "notes.md");
        let at = |below: &str| vec![folder.path().join(below).to_string_lossy().into_owned()];
        let found = list(&at("")).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|file| file.source == "okta"));
        assert_eq!(list(&at("okta/*.gz")).unwrap().len(), 1);
        assert_eq!(list(&at("okta/notes.md")).unwrap().len(), 1);
        assert!(matches!(list(&at("nothing")), Err(FileError::Missing(_))));
        assert!(matches!(list(&at("*.zip")), Err(FileError::NoLogs(_))));
    }
}
