//! From bytes to rows: envelopes are opened, the format is recognised, its program is run.
//!
//! Invariant: nothing but memory is kept from record to record, so what a record becomes does not depend
//! on the records before it.

use std::sync::Arc;

use super::capture::{Captured, Slot};
use super::column::Column;
use super::compile::{Compiled, ENVELOPES, TELEMETRY};
use super::convert::HashKey;
use super::fill::Filler;
use super::finish::{Ids, finish};
use super::foreign::{self, otlp, otlp_protobuf};
use super::guess::Guesses;
use super::program::{Texts, holds};
use super::reader::Reader;
use super::row::{Row, Written};
use super::scan::{Broken, Cursor, unescape};
use super::tree::SlotId;
use super::unknown::KeyNames;
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
    /// Records that lay in others as quoted text, with their escapes resolved; lines on their way to JSON.
    unquoted: Vec<String>,
    nest: otlp::Record,
    /// Keys of what was not recognised in the record at hand.
    unknown: KeyNames,
}

/// The record at hand.
struct Record<'s> {
    offset: u64,
    sink: &'s mut dyn Sink,
    /// How many of its parts no format knows.
    unrecognised: u64,
}

impl Record<'_> {
    fn reject(&mut self, reason: Reject) {
        self.unrecognised += u64::from(reason == Reject::NotRecognised);
        self.sink.reject(reason);
    }
}

/// Records that lie side by side in one. They fail one by one, unless none is a record.
#[derive(Debug, Default)]
struct Several {
    read: usize,
    failed: Vec<Reject>,
}

impl Several {
    fn add(&mut self, result: Result<(), Reject>) {
        match result {
            Ok(()) => self.read += 1,
            Err(reason) => self.failed.push(reason),
        }
    }

    fn end(self, at: &mut Record<'_>) -> Result<(), Reject> {
        if self.read == 0 {
            return Err(self
                .failed
                .first()
                .copied()
                .unwrap_or(Reject::NotRecognised));
        }
        for reason in self.failed {
            at.reject(reason);
        }
        Ok(())
    }
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
                nest: otlp::Record::default(),
                unknown: KeyNames::default(),
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
        let mut at = Record {
            offset,
            sink,
            unrecognised: 0,
        };
        if let Err(reason) = self.outermost(record, &mut at) {
            at.reject(reason);
        }
        if at.unrecognised != 0 {
            let keys = self.memory.unknown.keys();
            at.sink.unrecognised(at.unrecognised, keys);
        }
        self.memory.unknown.clear();
    }

    fn outermost(&mut self, record: &[u8], at: &mut Record<'_>) -> Result<(), Reject> {
        if self.options.record_bytes_max.min(u32::MAX as usize >> 1) < record.len() {
            return Err(Reject::TooLarge);
        }
        // The tag of an export request's first field.
        if record.first() == Some(&b'\n')
            && let Some(result) = self.telemetry(record, at)
        {
            return result;
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
            _ => self.line(text, depth, at),
        }
    }

    /// A line that is no JSON, or not from its start.
    fn line(&mut self, text: &str, depth: usize, at: &mut Record<'_>) -> Result<(), Reject> {
        let mut json = self.memory.unquoted.pop().unwrap_or_default();
        // The keys of a line are not told: in prose anything may stand before a sign.
        let result = if foreign::marked_line(text, &mut json) {
            self.object(&json, depth, at)
        } else {
            let result = match text.find('{') {
                // A syslog-like header; a record that is no JSON at all has none, or a long one.
                Some(start) if start <= 256 => self.record(&text[start..], depth, at),
                _ => Err(Reject::NotJson),
            };
            match result {
                Err(Reject::NotJson | Reject::NotRecognised)
                    if foreign::plain_line(text, &mut json) =>
                {
                    self.object(&json, depth, at)
                }
                other => other,
            }
        };
        self.memory.unquoted.push(json);
        result
    }

    /// An export request of OpenTelemetry's collector in protobuf; `None` where the bytes are none.
    fn telemetry(&mut self, bytes: &[u8], at: &mut Record<'_>) -> Option<Result<(), Reject>> {
        let mut is_one = false;
        let result = self.nest(1, at, |nest, each| {
            is_one = otlp_protobuf::read(bytes, nest, each);
            Ok(())
        });
        is_one.then_some(result)
    }

    /// The records in a nest of resources and scopes.
    fn nest(
        &mut self,
        depth: usize,
        at: &mut Record<'_>,
        read: impl FnOnce(&mut otlp::Record, &mut dyn FnMut(&str)) -> Result<(), Broken>,
    ) -> Result<(), Reject> {
        let mut nest = std::mem::take(&mut self.memory.nest);
        let mut several = Several::default();
        let whole = read(&mut nest, &mut |record| {
            several.add(self.text(record, depth, at))
        });
        self.memory.nest = nest;
        whole.map_err(|Broken| Reject::NotJson)?;
        several.end(at)
    }

    /// A list of records. Elements fail one by one, unless none is a record.
    fn list(&mut self, text: &str, depth: usize, at: &mut Record<'_>) -> Result<(), Reject> {
        let mut cursor = Cursor::new(text);
        cursor.at = 1;
        let mut several = Several::default();
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
            several.add(match element.starts_with('[') {
                true => Err(Reject::NotRecognised),
                false => self.text(element, depth, at),
            });
            if cursor.take(b',') {
                continue;
            }
            if !cursor.take(b']') || !cursor.finished() {
                return Err(Reject::NotJson);
            }
            return several.end(at);
        }
    }

    /// A record as text within JSON.
    fn quoted(&mut self, text: &str, depth: usize, at: &mut Record<'_>) -> Result<(), Reject> {
        let mut cursor = Cursor::new(text);
        let span = cursor.string().map_err(|_| Reject::NotJson)?;
        let content = &text[span.start..span.end];
        if !foreign::may_hold_record(content) {
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

    /// A record's own text, of which it is told what is not read.
    fn record(&mut self, text: &str, depth: usize, at: &mut Record<'_>) -> Result<(), Reject> {
        let result = self.object(text, depth, at);
        if result == Err(Reject::NotRecognised) {
            self.memory.unknown.add(text);
        }
        result
    }

    /// An object: a record of a known format, or an envelope around one.
    fn object(&mut self, text: &str, depth: usize, at: &mut Record<'_>) -> Result<(), Reject> {
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
        let Memory {
            captured, guesses, ..
        } = &mut self.memory;
        let mut reader = Reader::new(&self.compiled.tree, text, captured, guesses);
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
        let table = &self.compiled.recognition;
        let mut candidates = table.candidates(captured.touched(), last);
        while candidates != 0 {
            let at = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            let mut tables = self.compiled.programs[at].recognise.iter();
            if tables.any(|tests| holds(tests, &captured.slots, texts)) {
                return Some(at);
            }
        }
        None
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
                let inner = &text[*start..*end];
                let result = match TELEMETRY.contains(&ENVELOPES[usize::from(position)]) {
                    true => self.nest(depth + 1, at, |nest, each| otlp::read(inner, nest, each)),
                    false => self.text(inner, depth + 1, at),
                };
                match result {
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
        let rows = self.compiled.programs[program].rows;
        let Some(list) = rows.filter(|list| self.memory.captured.scopes.saw(*list)) else {
            self.row(program, text, true, at);
            return Ok(());
        };
        self.memory.ids.begin();
        let scopes = std::mem::take(&mut self.memory.captured.scopes);
        let mut empty = true;
        for row in scopes.elements(list) {
            let slots = &mut self.memory.captured.slots;
            let overridden = &mut self.memory.overridden;
            scopes.values(row, &mut |id, slot| {
                let before = std::mem::replace(&mut slots[usize::from(id)], slot);
                overridden.push((id, before));
            });
            empty = false;
            self.row(program, text, false, at);
            // What was overridden twice is put back twice.
            let slots = &mut self.memory.captured.slots;
            while let Some((id, before)) = self.memory.overridden.pop() {
                slots[usize::from(id)] = before;
            }
        }
        if empty {
            at.sink.ignored();
        }
        self.memory.captured.scopes = scopes;
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
            Err(reason) => return at.reject(reason),
            Ok(false) => return at.sink.ignored(),
            Ok(true) if !filler.row.has(Column::Time) => {
                return at.reject(Reject::MissingTime);
            }
            Ok(true) => {}
        }
        finish(&mut filler, &self.options);
        let class = filler.class();
        let mut row = filler.row.finish(&memory.written);
        (row.class, row.offset) = (class, at.offset);
        memory.ids.hand_over(row, only, at.sink);
    }
}
