//! One file as whole lines, whatever its layout and compression.
//!
//! Invariant: records are numbered from 1 in the order in which they lie, also over the members of an archive.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

use super::split::{self, Layout, Values};
use super::{FileError, STDIN, columnar, table};

/// A record longer than this is set aside unread.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

const BLOCK_BYTES: usize = 1 << 20;

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

/// Reads a file from its start: text, tables and archives, decompressed by what its first bytes say, or a columnar
/// file. `progress` is told how many bytes of the file itself were read.
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
    let mut stand = Stand {
        each,
        next_record: 1,
    };
    if path == Path::new(STDIN) {
        let raw = BufReader::with_capacity(BLOCK_BYTES, io::stdin().lock());
        return unpack(raw, Shape::Text, &mut stand).map_err(io);
    }
    let mut file = File::open(path).map_err(io)?;
    let mut magic = Vec::new();
    (&file).take(8).read_to_end(&mut magic).map_err(io)?;
    file.rewind().map_err(io)?;
    let flow = if let Some(kind) = columnar::kind_of(&magic) {
        columnar::read(file, kind, progress, &mut stand)
    } else if magic.starts_with(b"PK\x03\x04") {
        archive(file, progress, &mut stand)
    } else {
        let raw = BufReader::with_capacity(BLOCK_BYTES, Counted { file, progress });
        return unpack(raw, Shape::of(path), &mut stand).map_err(io);
    };
    // Whoever took the pieces had enough of them.
    let _ = flow;
    Ok(())
}

/// Whether a file that begins so is a text with a record a line, which can be read while it grows.
pub fn is_lines(path: &Path, start: &[u8]) -> bool {
    let is_packed = start.starts_with(b"PK\x03\x04")
        || start.starts_with(&GZIP)
        || start.starts_with(&ZSTD)
        || columnar::kind_of(start).is_some();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    !is_packed && Shape::of(path) == Shape::Text && matches!(split::layout_of(start), Layout::Lines)
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How the records of a text lie, by the name of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Lines or JSON values.
    Text,
    /// A table with heads, its cells divided by this byte.
    Table(u8),
}

impl Shape {
    fn of(path: &Path) -> Shape {
        let name = path.to_string_lossy().to_ascii_lowercase();
        let plain = name.strip_suffix(".gz").or(name.strip_suffix(".zst"));
        match plain.unwrap_or(&name).rsplit_once('.') {
            Some((_, "csv")) => Shape::Table(b','),
            Some((_, "tsv")) => Shape::Table(b'\t'),
            _ => Shape::Text,
        }
    }
}

/// Decompresses by the first bytes and reads what comes out.
fn unpack(mut raw: impl BufRead, shape: Shape, stand: &mut Stand<'_>) -> io::Result<()> {
    let magic = raw.fill_buf()?;
    let _ = if magic.starts_with(&GZIP) {
        shaped(flate2::bufread::MultiGzDecoder::new(raw), shape, stand)
    } else if magic.starts_with(&ZSTD) {
        shaped(zstd::stream::read::Decoder::with_buffer(raw)?, shape, stand)
    } else {
        shaped(raw, shape, stand)
    };
    Ok(())
}

fn shaped(input: impl Read, shape: Shape, stand: &mut Stand<'_>) -> ControlFlow<()> {
    match shape {
        Shape::Text => text(input, stand),
        Shape::Table(delimiter) => table::read(input, delimiter, stand),
    }
}

/// The members of a zip archive one after the other; one that is broken does not spoil the next.
fn archive(file: File, progress: &dyn Fn(u64), stand: &mut Stand<'_>) -> ControlFlow<()> {
    let mut archive = match zip::ZipArchive::new(BufReader::new(file)) {
        Ok(archive) => archive,
        Err(_) => return stand.broken("the archive's list of members cannot be read"),
    };
    for number in 0..archive.len() {
        match archive.by_index(number) {
            Ok(member) if member.is_dir() => {}
            Ok(member) => {
                let name = member.name().unwrap_or_default();
                let shape = Shape::of(Path::new(&*name));
                let packed = member.compressed_size();
                shaped(member, shape, stand)?;
                progress(packed);
            }
            Err(_) => stand.broken("a member of the archive cannot be read")?,
        }
    }
    ControlFlow::Continue(())
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
pub(super) struct Stand<'e> {
    each: &'e mut dyn FnMut(Piece<'_>) -> ControlFlow<()>,
    next_record: u64,
}

impl Stand<'_> {
    /// Gives whole lines, each a record.
    pub(super) fn lines(&mut self, bytes: &mut Vec<u8>) -> ControlFlow<()> {
        let first_record = self.next_record;
        let ends = memchr::memchr_iter(b'\n', bytes).count() as u64;
        let open_end = !bytes.is_empty() && bytes.last() != Some(&b'\n');
        self.next_record += ends + u64::from(open_end);
        (self.each)(Piece::Lines {
            bytes,
            first_record,
        })
    }

    /// Says that one record is too long.
    pub(super) fn too_large(&mut self, bytes: u64) -> ControlFlow<()> {
        let record = self.next_record;
        self.next_record += 1;
        (self.each)(Piece::TooLarge { record, bytes })
    }

    /// Says that what follows cannot be read.
    pub(super) fn broken(&mut self, reason: impl Into<String>) -> ControlFlow<()> {
        (self.each)(Piece::Broken {
            record: self.next_record,
            reason: reason.into(),
        })
    }
}

fn text(mut input: impl Read, stand: &mut Stand<'_>) -> ControlFlow<()> {
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
        match layout {
            Layout::Lines => lines(stand, &mut buffer, &mut skipped, at_end)?,
            Layout::Values(values) => whole_values(stand, values, &mut buffer, at_end)?,
        }
        if let Err(error) = read {
            stand.broken(format!("the file cannot be read further: {}", error.kind()))?;
        }
        if at_end {
            return ControlFlow::Continue(());
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
        let bytes = *bytes;
        *skipped = None;
        stand.too_large(bytes)?;
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
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;

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
}
