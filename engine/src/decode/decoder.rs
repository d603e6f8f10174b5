//! From bytes to rows: envelopes are opened, the format is recognised, its program is run.
//!
//! Invariant: nothing but memory is kept from record to record, so what a record becomes does not depend
//! on the records before it.

use std::sync::Arc;

use super::capture::{Captured, Reader, Slot};
use super::column::Column;
use super::compile::{Compiled, ENVELOPES};
use super::convert::HashKey;
use super::fill::Filler;
use super::finish::{Ids, finish};
use super::guess::Guesses;
use super::program::{Program, Texts, holds};
use super::row::{Row, Written};
use super::scan::{Cursor, unescape};
use super::tree::SlotId;
use super::{DecodeOptions, FormatError, Formats, Reject, Sink};

/// Envelopes within envelopes that are opened.
const DEPTH_MAX: usize = 3;

/// Decodes records. One a thread: it keeps its memory from record to record, and nothing else.
#[derive(Debug)]
pub struct Decoder {
    formats: Arc<Formats>,
    options: DecodeOptions,
    key: HashKey,
    compiled: Compiled,
    memory: Memory,
}

/// What is used again for each record.
#[derive(Debug)]
struct Memory {
    captured: Captured,
    guesses: Guesses,
    overridden: Vec<(SlotId, Slot)>,
    written: Written,
    ids: Ids,
    /// Records that lay in others as quoted text, with their escapes resolved.
    unquoted: Vec<String>,
}

/// The record at hand.
struct Record<'s> {
    offset: u64,
    sink: &'s mut dyn Sink,
}

impl Decoder {
    /// A decoder of one format, or of all (`None`: each record is recognised by itself).
    ///
    /// # Errors
    /// If there is no format of this name.
    pub fn new(
        formats: Arc<Formats>,
        format: Option<&str>,
        options: DecodeOptions,
    ) -> Result<Decoder, FormatError> {
        let compiled = formats.compiled(format)?;
        Ok(Decoder {
            key: HashKey::new(options.seed),
            memory: Memory {
                captured: Captured::new(compiled.slots),
                guesses: Guesses::new(&compiled.tree),
                overridden: Vec::new(),
                written: Written::default(),
                ids: Ids::new(options.seed),
                unquoted: Vec::new(),
            },
            formats,
            options,
            compiled,
        })
    }

    /// The formats it was made of.
    pub fn formats(&self) -> &Arc<Formats> {
        &self.formats
    }

    /// Decodes one record and hands everything in it to the sink.
    pub fn decode(&mut self, record: &[u8], offset: u64, sink: &mut dyn Sink) {
        let mut at = Record { offset, sink };
        if let Err(reason) = self.outermost(record, &mut at) {
            at.sink.reject(reason);
        }
    }

    fn outermost(&mut self, record: &[u8], at: &mut Record<'_>) -> Result<(), Reject> {
        if self.options.record_bytes_max.min(u32::MAX as usize >> 1) < record.len() {
            return Err(Reject::TooLarge);
        }
        let record = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record);
        let text = std::str::from_utf8(record);
        let trimmed = text.map(|text| {
            text.trim_matches(|letter: char| letter == '\0' || letter.is_ascii_whitespace())
        });
        match trimmed {
            Ok("") => Err(Reject::Empty),
            Ok(text) => self.text(text, 0, at),
            Err(_) => Err(Reject::InvalidUtf8),
        }
    }

    /// A text that holds one record, a list of records, or a record behind a collector's own words.
    fn text(&mut self, text: &str, depth: usize, at: &mut Record<'_>) -> Result<(), Reject> {
        match text.as_bytes().first() {
            Some(b'{') => self.record(text, depth, at),
            Some(b'[') => self.list(text, depth, at),
            Some(b'"') => self.quoted(text, depth, at),
            _ => match text.find('{') {
                // A syslog-like header; a record that is no JSON at all has none, or a long one.
                Some(start) if start <= 256 => self.record(&text[start..], depth, at),
                _ => Err(Reject::NotJson),
            },
        }
    }

    /// A list of records. Elements fail one by one, unless none is a record.
    fn list(&mut self, text: &str, depth: usize, at: &mut Record<'_>) -> Result<(), Reject> {
        let mut cursor = Cursor::new(text);
        cursor.at = 1;
        let (mut read, mut failed) = (0usize, Vec::new());
        if cursor.take(b']') {
            at.sink.ignored();
            return if cursor.finished() {
                Ok(())
            } else {
                Err(Reject::NotJson)
            };
        }
        loop {
            cursor.peek();
            let start = cursor.at;
            cursor.skip().map_err(|_| Reject::NotJson)?;
            let element = &text[start..cursor.at];
            // A list in a list is nobody's envelope, and would be opened without end.
            let result = match element.starts_with('[') {
                true => Err(Reject::NotRecognised),
                false => self.text(element, depth, at),
            };
            match result {
                Ok(()) => read += 1,
                Err(reason) => failed.push(reason),
            }
            if cursor.take(b',') {
                continue;
            }
            if !cursor.take(b']') || !cursor.finished() {
                return Err(Reject::NotJson);
            }
            break;
        }
        if read == 0 {
            return Err(failed.first().copied().unwrap_or(Reject::NotRecognised));
        }
        for reason in failed {
            at.sink.reject(reason);
        }
        Ok(())
    }

    /// JSON as text within JSON.
    fn quoted(&mut self, text: &str, depth: usize, at: &mut Record<'_>) -> Result<(), Reject> {
        let mut cursor = Cursor::new(text);
        let span = cursor.string().map_err(|_| Reject::NotJson)?;
        let content = &text[span.start..span.end];
        if !content.contains('{') {
            return Err(Reject::NotRecognised);
        }
        // Each level of quoting doubles the backslashes, so a record has few of them.
        if !span.escaped {
            return self.text(content.trim_ascii(), depth, at);
        }
        let mut unquoted = self.memory.unquoted.pop().unwrap_or_default();
        unquoted.clear();
        let result = match unescape(content, &mut unquoted) {
            Ok(()) => self.text(unquoted.trim_ascii(), depth, at),
            Err(_) => Err(Reject::NotJson),
        };
        self.memory.unquoted.push(unquoted);
        result
    }

    /// An object: a record of a known format, or an envelope around one.
    fn record(&mut self, text: &str, depth: usize, at: &mut Record<'_>) -> Result<(), Reject> {
        self.capture(text)?;
        if let Some(program) = self.recognised(text, false) {
            return self.emit(program, text, at);
        }
        let mut reason = Reject::NotRecognised;
        if !self.memory.captured.envelopes.is_empty() {
            match self.envelopes(text, depth, at) {
                Ok(()) => return Ok(()),
                Err(inner) => reason = inner,
            }
            // The envelopes have used the slots.
            self.capture(text)?;
        }
        match self.recognised(text, true) {
            Some(program) => self.emit(program, text, at),
            None => Err(reason),
        }
    }

    fn capture(&mut self, text: &str) -> Result<(), Reject> {
        self.memory.captured.clear();
        let mut reader = Reader {
            tree: &self.compiled.tree,
            cursor: Cursor::new(text),
            out: &mut self.memory.captured,
            guesses: &mut self.memory.guesses,
        };
        reader.record().map_err(|_| Reject::NotJson)
    }

    /// The first format whose marks the record bears. A function of the record alone.
    fn recognised(&self, text: &str, last: bool) -> Option<usize> {
        let captured = &self.memory.captured;
        let texts = Texts {
            record: text,
            unescaped: &captured.unescaped,
            constants: &self.compiled.constants,
        };
        let knows = |program: &Program| {
            program.last == last
                && program
                    .recognise
                    .iter()
                    .any(|tests| holds(tests, &captured.slots, texts))
        };
        self.compiled.programs.iter().position(knows)
    }

    /// Opens the values that may hold a record, in the order of [`ENVELOPES`].
    fn envelopes(&mut self, text: &str, depth: usize, at: &mut Record<'_>) -> Result<(), Reject> {
        if DEPTH_MAX <= depth {
            return Err(Reject::TooDeep);
        }
        let found = std::mem::take(&mut self.memory.captured.envelopes);
        let mut reason = Reject::NotRecognised;
        for position in 0..ENVELOPES.len() as u8 {
            for (_, start, end) in found.iter().filter(|(envelope, ..)| *envelope == position) {
                match self.text(&text[*start..*end], depth + 1, at) {
                    Ok(()) => return Ok(()),
                    Err(Reject::TooDeep) => reason = Reject::TooDeep,
                    Err(_) => {}
                }
            }
        }
        self.memory.captured.envelopes = found;
        Err(reason)
    }

    /// Hands over the rows of a recognised record.
    fn emit(&mut self, program: usize, text: &str, at: &mut Record<'_>) -> Result<(), Reject> {
        let has_rows = self.compiled.programs[program].has_rows && self.memory.captured.has_rows;
        if !has_rows {
            self.row(program, text, true, at);
            return Ok(());
        }
        self.memory.ids.begin();
        let ends = std::mem::take(&mut self.memory.captured.row_ends);
        let rows = std::mem::take(&mut self.memory.captured.row_slots);
        let mut start = 0;
        for end in &ends {
            let slots = &mut self.memory.captured.slots;
            for (id, slot) in &rows[start..*end] {
                let before = std::mem::replace(&mut slots[usize::from(*id)], *slot);
                self.memory.overridden.push((*id, before));
            }
            start = *end;
            self.row(program, text, false, at);
            let slots = &mut self.memory.captured.slots;
            for (id, before) in self.memory.overridden.drain(..) {
                slots[usize::from(id)] = before;
            }
        }
        if ends.is_empty() {
            at.sink.ignored();
        }
        self.memory.captured.row_ends = ends;
        self.memory.captured.row_slots = rows;
        Ok(())
    }

    /// Hands over one row, which may be the only one of its record.
    fn row(&mut self, program: usize, text: &str, only: bool, at: &mut Record<'_>) {
        let program = &self.compiled.programs[program];
        let memory = &mut self.memory;
        let mut filled = program.always;
        for id in memory.captured.touched() {
            filled |= program.fills(id);
        }
        for (id, _) in &memory.overridden {
            filled |= program.fills(*id);
        }
        memory.written.clear();
        let mut filler = Filler {
            program,
            texts: Texts {
                record: text,
                unescaped: &memory.captured.unescaped,
                constants: &self.compiled.constants,
            },
            slots: &memory.captured.slots,
            key: &self.key,
            tools: &*self.options.tools,
            written: &mut memory.written,
            row: Row::default(),
        };
        match filler.run(filled) {
            Err(reason) => return at.sink.reject(reason),
            Ok(false) => return at.sink.ignored(),
            Ok(true) if !filler.row.has(Column::Time) => {
                return at.sink.reject(Reject::MissingTime);
            }
            Ok(true) => {}
        }
        finish(&mut filler, self.options.show_objects);
        let class = filler.class();
        let mut row = filler.row.finish(&memory.written);
        (row.class, row.offset) = (class, at.offset);
        memory.ids.hand_over(row, only, at.sink);
    }
}
