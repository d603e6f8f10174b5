//! Log files: which ones a path means, and their records in whole lines.
//!
//! Invariant: a file gives its records in order, each once, numbered from 1; a broken file gives what
//! could be read and says where it ended.

mod split;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use split::{Layout, Values};

/// A record longer than this is set aside unread.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

const BLOCK_BYTES: usize = 1 << 20;
const EXTENSIONS: [&str; 5] = ["ndjson", "jsonl", "json", "log", "txt"];

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
        "{0} holds no log files; they end in .ndjson, .jsonl, .json, .log or .txt, also with .gz or .zst"
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

/// The files that paths mean: files themselves, folders with all below them, and patterns. Sorted, each
/// once.
///
/// # Errors
/// When a path means nothing.
pub fn list(paths: &[String]) -> Result<Vec<LogFile>, FileError> {
    let mut files = Vec::new();
    for text in paths {
        let path = Path::new(text);
        if path.is_file() {
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

fn is_log(path: &Path) -> bool {
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

/// A stretch of a file.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Whole records, a line each. The buffer may be taken; it is used again otherwise.
    Lines {
        /// The bytes, with line ends.
        bytes: &'a mut Vec<u8>,
        /// Number of the first of them in the file.
        first_record: u64,
    },
    /// One record that is too long to be looked at.
    TooLarge {
        /// Its number.
        record: u64,
        /// Its size.
        bytes: u64,
    },
    /// The file cannot be read any further.
    Broken {
        /// Number of the record that would have come.
        record: u64,
        /// Why, without content.
        reason: String,
    },
}

/// Reads a file from its start, decompressed by what its first bytes say. `progress` is told how many
/// bytes of the file itself were read.
///
/// # Errors
/// When the file cannot be opened.
pub fn read(
    path: &Path,
    progress: &dyn Fn(u64),
    each: &mut dyn FnMut(Piece<'_>) -> ControlFlow<()>,
) -> Result<(), FileError> {
    let io = |source| FileError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let mut raw = BufReader::with_capacity(BLOCK_BYTES, Counted { file, progress });
    let magic = raw.fill_buf().map_err(io)?;
    if magic.starts_with(&[0x1f, 0x8b]) {
        read_text(flate2::bufread::MultiGzDecoder::new(raw), each);
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        read_text(
            zstd::stream::read::Decoder::with_buffer(raw).map_err(io)?,
            each,
        );
    } else {
        read_text(raw, each);
    }
    Ok(())
}

struct Counted<'p> {
    file: File,
    progress: &'p dyn Fn(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        (self.progress)(read as u64);
        Ok(read)
    }
}

/// Where the reading of one file stands.
struct Stand<'e> {
    each: &'e mut dyn FnMut(Piece<'_>) -> ControlFlow<()>,
    next_record: u64,
}

impl Stand<'_> {
    fn lines(&mut self, bytes: &mut Vec<u8>) -> ControlFlow<()> {
        let first_record = self.next_record;
        let ends = memchr::memchr_iter(b'\n', bytes).count() as u64;
        let open_end = !bytes.is_empty() && bytes.last() != Some(&b'\n');
        self.next_record += ends + u64::from(open_end);
        (self.each)(Piece::Lines {
            bytes,
            first_record,
        })
    }
}

fn read_text(mut input: impl Read, each: &mut dyn FnMut(Piece<'_>) -> ControlFlow<()>) {
    let mut stand = Stand {
        each,
        next_record: 1,
    };
    let mut buffer = Vec::with_capacity(2 * BLOCK_BYTES);
    let mut layout: Option<Layout> = None;
    let mut skipped: Option<u64> = None;
    loop {
        let read = (&mut input)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut buffer);
        let at_end = matches!(read, Ok(0) | Err(_));
        let layout = layout.get_or_insert_with(|| {
            if buffer.starts_with(b"\xef\xbb\xbf") {
                buffer.drain(..3);
            }
            split::layout_of(&buffer)
        });
        let flow = match layout {
            Layout::Lines => lines(&mut stand, &mut buffer, &mut skipped, at_end),
            Layout::Values(values) => whole_values(&mut stand, values, &mut buffer, at_end),
        };
        if flow.is_break() {
            return;
        }
        if let Err(error) = read {
            let reason = format!("the file cannot be read further: {}", error.kind());
            let _ = (stand.each)(Piece::Broken {
                record: stand.next_record,
                reason,
            });
        }
        if at_end {
            return;
        }
    }
}

/// Gives the whole lines of the buffer and keeps the rest of it.
fn lines(
    stand: &mut Stand<'_>,
    buffer: &mut Vec<u8>,
    skipped: &mut Option<u64>,
    at_end: bool,
) -> ControlFlow<()> {
    if let Some(bytes) = skipped {
        let end = memchr::memchr(b'\n', buffer);
        *bytes += end.unwrap_or(buffer.len()) as u64;
        let done = end.is_some() || at_end;
        buffer.drain(..end.map_or(buffer.len(), |end| end + 1));
        if !done {
            return ControlFlow::Continue(());
        }
        let (record, bytes) = (stand.next_record, *bytes);
        *skipped = None;
        stand.next_record += 1;
        (stand.each)(Piece::TooLarge { record, bytes })?;
    }
    let whole = match memchr::memrchr(b'\n', buffer) {
        _ if at_end => buffer.len(),
        Some(last) => last + 1,
        None if RECORD_BYTES_MAX < buffer.len() => {
            *skipped = Some(buffer.len() as u64);
            buffer.clear();
            return ControlFlow::Continue(());
        }
        None => return ControlFlow::Continue(()),
    };
    if whole == 0 {
        return ControlFlow::Continue(());
    }
    let rest = buffer[whole..].to_vec();
    buffer.truncate(whole);
    let flow = stand.lines(buffer);
    buffer.clear();
    buffer.extend_from_slice(&rest);
    flow
}

/// Gives the values of an array, or of values that span lines, as a line each.
fn whole_values(
    stand: &mut Stand<'_>,
    values: &mut Values,
    buffer: &mut Vec<u8>,
    at_end: bool,
) -> ControlFlow<()> {
    values.push(buffer);
    buffer.clear();
    if at_end {
        values.end();
    }
    if RECORD_BYTES_MAX < values.open_bytes() {
        let bytes = values.drop_open() as u64;
        let record = stand.next_record + values.lines_waiting();
        (stand.each)(Piece::TooLarge { record, bytes })?;
    }
    let mut lines = values.take();
    if lines.is_empty() {
        ControlFlow::Continue(())
    } else {
        stand.lines(&mut lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn records(path: &Path) -> (Vec<(u64, String)>, Vec<String>) {
        let (mut found, mut notes) = (Vec::new(), Vec::new());
        read(path, &|_| (), &mut |piece| {
            match piece {
                Piece::Lines {
                    bytes,
                    first_record,
                } => {
                    let lines = bytes.split(|b| *b == b'\n');
                    for (n, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
                        let text = String::from_utf8_lossy(line).trim().to_owned();
                        found.push((first_record + n as u64, text));
                    }
                }
                Piece::TooLarge { record, bytes } => notes.push(format!("large {record} {bytes}")),
                Piece::Broken { record, .. } => notes.push(format!("broken {record}")),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        (found, notes)
    }

    fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Lines, arrays and values over several lines give the same records.
    #[test]
    fn every_layout_gives_the_same_records() {
        let folder = tempfile::tempdir().unwrap();
        let want = [
            r#"{"a":"x, ] } \" {"}"#,
            r#"{"b":[1,{"c":2}]}"#,
            r#"{"d":{}}"#,
        ];
        let wanted: Vec<(u64, String)> = want
            .iter()
            .enumerate()
            .map(|(n, text)| (n as u64 + 1, (*text).to_owned()))
            .collect();
        let plain = want.join("\n");
        let cases = [
            ("plain", plain.clone()),
            ("end", format!("{plain}\n")),
            ("crlf", want.join("\r\n")),
            ("bom", format!("\u{feff}{plain}")),
            ("array", format!("[{}]", want.join(","))),
            ("spread", format!(" [\n{}\n]\n", want.join(",\n"))),
            (
                "pretty",
                want.join("\n")
                    .replace("{\"", "{\n\"")
                    .replace("{\n\"}", "{\"}"),
            ),
        ];
        for (name, text) in cases {
            let path = file(folder.path(), name, text.as_bytes());
            let (mut found, notes) = records(&path);
            for (_, text) in &mut found {
                *text = text.replace("{ \"", "{\"");
            }
            assert_eq!(found, wanted, "{name}");
            assert!(notes.is_empty());
        }
    }

    #[test]
    fn compressed_files_are_read_and_broken_ones_say_where() {
        let folder = tempfile::tempdir().unwrap();
        let text: String = (0..30_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        let gz = gz.finish().unwrap();
        let zst = zstd::encode_all(text.as_bytes(), 1).unwrap();
        for (name, bytes) in [("a.gz", &gz), ("a.zst", &zst)] {
            let (found, notes) = records(&file(folder.path(), name, bytes));
            assert_eq!((found.len(), notes.len()), (30_000, 0), "{name}");
            assert_eq!(found[29_999].0, 30_000);
            let cut = file(folder.path(), "cut", &bytes[..bytes.len() / 2]);
            let (found, notes) = records(&cut);
            assert!(
                found.len() < 30_000 && notes.len() == 1,
                "{name}: {notes:?}"
            );
        }
        assert_eq!(records(&file(folder.path(), "empty", b"")).0.len(), 0);
    }

    /// A record of more than the limit is one record lost, and the next is read as if nothing happened.
    #[test]
    fn a_huge_record_costs_one_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = b"{\"n\":1}\n{\"n\":\"".to_vec();
        bytes.resize(RECORD_BYTES_MAX + (3 << 20), b'x');
        bytes.extend_from_slice(b"\"}\n{\"n\":3}\n");
        let (found, notes) = records(&file(folder.path(), "huge", &bytes));
        assert_eq!(
            found,
            [(1, r#"{"n":1}"#.to_owned()), (3, r#"{"n":3}"#.to_owned())]
        );
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn paths_mean_files_folders_and_patterns() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("okta")).unwrap();
        file(&folder.path().join("okta"), "1.ndjson.gz", b"");
        file(&folder.path().join("okta"), "2.json", b"");
        file(&folder.path().join("okta"), "notes.md", b"");
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
