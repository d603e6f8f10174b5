//! Tables with heads (CSV, TSV): every row becomes a JSON record whose keys are the heads.
//!
//! Invariant: an empty cell is no value; a cell that holds a JSON object or list is that value, so that a column such
//! as AuditData is read like the record it is; anything else is text.

use std::io::Read;
use std::ops::ControlFlow;

use csv::ByteRecord;
use serde::de::IgnoredAny;

use super::read::{RECORD_BYTES_MAX, Stand};

const BLOCK_BYTES: usize = 1 << 20;

/// Reads a whole table.
pub(super) fn read(input: impl Read, delimiter: u8, stand: &mut Stand<'_>) -> ControlFlow<()> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .buffer_capacity(BLOCK_BYTES)
        .from_reader(input);
    let heads: Vec<Vec<u8>> = match reader.byte_headers() {
        Ok(heads) => heads.iter().map(head).collect(),
        Err(error) => return stand.broken(reason(&error)),
    };
    let mut row = ByteRecord::new();
    let mut lines = Vec::with_capacity(2 * BLOCK_BYTES);
    loop {
        match reader.read_byte_record(&mut row) {
            Ok(true) if RECORD_BYTES_MAX < row.as_slice().len() => {
                give(&mut lines, stand)?;
                stand.too_large(row.as_slice().len() as u64)?;
            }
            Ok(true) => write(&mut lines, &heads, &row),
            Ok(false) => return give(&mut lines, stand),
            Err(error) => {
                give(&mut lines, stand)?;
                return stand.broken(reason(&error));
            }
        }
        if BLOCK_BYTES <= lines.len() {
            give(&mut lines, stand)?;
        }
    }
}

fn give(lines: &mut Vec<u8>, stand: &mut Stand<'_>) -> ControlFlow<()> {
    if lines.is_empty() {
        return ControlFlow::Continue(());
    }
    let flow = stand.lines(lines);
    lines.clear();
    flow
}

/// A head as a JSON key, without the mark that some programs begin a file with.
fn head(cell: &[u8]) -> Vec<u8> {
    let cell = cell.strip_prefix(b"\xef\xbb\xbf").unwrap_or(cell);
    let mut key = Vec::with_capacity(cell.len() + 3);
    text(&mut key, cell.trim_ascii());
    key.push(b':');
    key
}

fn write(out: &mut Vec<u8>, heads: &[Vec<u8>], row: &ByteRecord) {
    let mut divider = b'{';
    for (head, cell) in heads.iter().zip(row) {
        if cell.is_empty() {
            continue;
        }
        out.push(divider);
        divider = b',';
        out.extend_from_slice(head);
        if is_json(cell) {
            // Line ends inside a JSON value can only be white space.
            out.extend(cell.iter().map(|byte| match byte {
                b'\n' | b'\r' => b' ',
                byte => *byte,
            }));
        } else {
            text(out, cell);
        }
    }
    if divider == b'{' {
        out.push(b'{');
    }
    out.extend_from_slice(b"}\n");
}

fn is_json(cell: &[u8]) -> bool {
    matches!(cell.first(), Some(b'{' | b'[')) && serde_json::from_slice::<IgnoredAny>(cell).is_ok()
}

/// A JSON string. What is not UTF-8 stays so, for the decoder to refuse.
fn text(out: &mut Vec<u8>, cell: &[u8]) {
    out.push(b'"');
    for byte in cell {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// What is wrong, without content.
fn reason(error: &csv::Error) -> String {
    let what = match error.kind() {
        csv::ErrorKind::Io(error) => error.kind().to_string(),
        _ => "it is not a table".to_owned(),
    };
    format!("the file cannot be read further: {what}")
}
