//! Decoding: the bytes of one record into rows of the canonical event.
//!
//! Invariant: rows are a function of the record, the formats and the options alone, never of the records
//! before it; only places that a format names leave a record, and no reason for a refusal quotes it.

mod capture;
mod column;
mod compile;
mod convert;
mod country;
mod fill;
mod formats;
mod keys;
mod language;
mod program;
mod scan;
mod time;
mod tree;

pub use column::Column;
pub use compile::Mistake;
pub use formats::{ClassInfo, Format, FormatError, Formats};
pub use tree::PathError;

use std::sync::Arc;

use nightjar_detectors::event::{Activity, Draft};

use capture::{Captured, Piece, Place, Reader, Slot};
use compile::{Compiled, ENVELOPES};
use convert::HashKey;
use fill::Filler;
use program::{Program, Row, Texts, holds};
use scan::{Cursor, unescape};
use tree::SlotId;

/// Largest record that is read.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// Envelopes within envelopes that are opened.
const DEPTH_MAX: usize = 3;

/// The name of the AI tool behind a host, if it is one. The host is in lower case.
pub type ToolLookup = dyn Fn(&str) -> Option<Arc<str>> + Send + Sync;

/// What decoding needs to know besides the formats.
#[derive(Clone)]
pub struct DecodeOptions {
    /// Comes from the tenant; keys the hashes of names and the dedup keys.
    pub seed: u64,
    /// Names of files and documents are kept as they are.
    pub show_objects: bool,
    /// AI tools by host.
    pub tools: Arc<ToolLookup>,
    /// Larger records are refused, bytes.
    pub record_bytes_max: usize,
}

impl DecodeOptions {
    /// Options of a tenant: hashed names, no AI tools, [`RECORD_BYTES_MAX`].
    pub fn new(seed: u64) -> Self {
        DecodeOptions {
            seed,
            show_objects: false,
            tools: Arc::new(|_| None),
            record_bytes_max: RECORD_BYTES_MAX,
        }
    }
}

impl std::fmt::Debug for DecodeOptions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("DecodeOptions")
            .field("show_objects", &self.show_objects)
            .finish_non_exhaustive()
    }
}

/// Takes what comes out of a record.
pub trait Sink {
    /// One activity.
    fn row(&mut self, row: Draft<'_>);
    /// A record, or one element of a list of records, that cannot be read.
    fn reject(&mut self, reason: Reject);
    /// A record that was recognised and is no activity, such as a proxy's hit on any other host.
    fn ignored(&mut self);
}

/// Why a record was set aside. Says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Reject {
    /// No bytes, or only white space or zeros.
    #[error("the record is empty")]
    Empty,
    /// Larger than [`DecodeOptions::record_bytes_max`].
    #[error("the record is too large")]
    TooLarge,
    /// Not UTF-8.
    #[error("the record is not valid UTF-8")]
    InvalidUtf8,
    /// Broken or cut off.
    #[error("the record is not valid JSON")]
    NotJson,
    /// No format knows it.
    #[error("the record is of no known format")]
    NotRecognised,
    /// No time in it.
    #[error("the record has no time")]
    MissingTime,
    /// A time that cannot be read.
    #[error("the record's time cannot be read")]
    BadTime,
    /// A time outside the years 2000 to 2100.
    #[error("the record's time is outside the years 2000 to 2100")]
    TimeOutOfRange,
    /// A value whose type does not fit its column.
    #[error("the record's {column} has the wrong type")]
    WrongType {
        /// The column.
        column: &'static str,
    },
    /// More envelopes around it than are opened.
    #[error("the record lies in too many envelopes")]
    TooDeep,
}

impl Reject {
    /// A short word that stays the same, for counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reject::Empty => "empty",
            Reject::TooLarge => "too_large",
            Reject::InvalidUtf8 => "invalid_utf8",
            Reject::NotJson => "not_json",
            Reject::NotRecognised => "not_recognised",
            Reject::MissingTime => "missing_time",
            Reject::BadTime => "bad_time",
            Reject::TimeOutOfRange => "time_out_of_range",
            Reject::WrongType { .. } => "wrong_type",
            Reject::TooDeep => "too_deep",
        }
    }
}

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
#[derive(Debug, Default)]
struct Memory {
    captured: Captured,
    overridden: Vec<(SlotId, Slot)>,
    /// Dedup keys of the rows of this record.
    keys: Vec<u64>,
    hash_bytes: Vec<u8>,
    unescaped: Vec<String>,
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
                ..Memory::default()
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
        if DEPTH_MAX <= depth {
            return Err(Reject::TooDeep);
        }
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
            match self.text(&text[start..cursor.at], depth + 1, at) {
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
        if DEPTH_MAX <= depth {
            return Err(Reject::TooDeep);
        }
        if !span.escaped {
            return self.text(content.trim_ascii(), depth + 1, at);
        }
        let mut unescaped = self.memory.unescaped.pop().unwrap_or_default();
        unescaped.clear();
        let result = match unescape(content, &mut unescaped) {
            Ok(()) => self.text(unescaped.trim_ascii(), depth + 1, at),
            Err(_) => Err(Reject::NotJson),
        };
        self.memory.unescaped.push(unescaped);
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
        };
        reader.record().map_err(|_| Reject::NotJson)
    }

    /// The first format whose marks the record bears. A function of the record alone.
    fn recognised(&self, text: &str, last: bool) -> Option<usize> {
        let captured = &self.memory.captured;
        let texts = Texts {
            record: text,
            arena: &captured.arena,
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
        self.memory.keys.clear();
        let has_rows = self.compiled.programs[program].has_rows && self.memory.captured.has_rows;
        if !has_rows {
            self.row(program, text, at);
            return Ok(());
        }
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
            self.row(program, text, at);
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

    fn row(&mut self, program: usize, text: &str, at: &mut Record<'_>) {
        let program = &self.compiled.programs[program];
        let (slots, arena) = (&self.memory.captured.slots, &mut self.memory.captured.arena);
        let mut filler = Filler {
            record: text,
            constants: &self.compiled.constants,
            arena,
            slots,
            key: &self.key,
            tools: &*self.options.tools,
        };
        let mut row = Row::default();
        match filler.run(program, &mut row) {
            Err(reason) => return at.sink.reject(reason),
            Ok(false) => return at.sink.ignored(),
            Ok(true) if !row.has(Column::Time) => return at.sink.reject(Reject::MissingTime),
            Ok(true) => {}
        }
        finish(&mut row, &mut filler, self.options.show_objects);
        let class = self.class(program, text);
        self.hand_over(&mut row, class, text, at);
    }

    fn class(&self, program: &Program, text: &str) -> u8 {
        let captured = &self.memory.captured;
        let texts = Texts {
            record: text,
            arena: &captured.arena,
            constants: &self.compiled.constants,
        };
        let other = program
            .classes
            .iter()
            .find(|(_, when)| holds(when, &captured.slots, texts));
        other.map_or(program.class, |(class, _)| *class)
    }

    /// Gives the row its ids and hands it to the sink.
    fn hand_over(&mut self, row: &mut Row, class: u8, text: &str, at: &mut Record<'_>) {
        let Memory {
            captured,
            keys,
            hash_bytes,
            ..
        } = &mut self.memory;
        let (seed, constants) = (self.options.seed, self.compiled.constants.as_str());
        if !row.has(Column::Uid) {
            let texts = Texts {
                record: text,
                arena: &captured.arena,
                constants,
            };
            let hash = draft(row, texts).content_key(seed, hash_bytes);
            let start = captured.arena.len() as u32;
            convert::push_hex(hash, &mut captured.arena);
            let end = captured.arena.len() as u32;
            row.put_piece(
                Column::Uid,
                Piece {
                    place: Place::Arena,
                    start,
                    end,
                },
            );
        }
        let uid = row.piece(Column::Uid).unwrap_or_default();
        let mut same = 1;
        loop {
            let texts = Texts {
                record: text,
                arena: &captured.arena,
                constants,
            };
            let mut draft = draft(row, texts);
            draft.key = draft.content_key(seed, hash_bytes);
            if !keys.contains(&draft.key) {
                keys.push(draft.key);
                draft.class = class;
                draft.offset = at.offset;
                return at.sink.row(draft);
            }
            // Rows of one record that are alike in everything are still as many as the vendor said.
            same += 1;
            let name = format!("{}#{same}", texts.get(uid));
            let start = captured.arena.len() as u32;
            captured.arena.push_str(&name);
            let end = captured.arena.len() as u32;
            row.put_piece(
                Column::Uid,
                Piece {
                    place: Place::Arena,
                    start,
                    end,
                },
            );
        }
    }
}

/// What depends on several columns.
fn finish(row: &mut Row, filler: &mut Filler<'_>, show_objects: bool) {
    const PLACE: u32 = Column::Lat.bit() | Column::Lon.bit();
    if row.set & PLACE != 0 {
        let (lat, lon) = (row.float(Column::Lat), row.float(Column::Lon));
        // 0,0 is what vendors write for nowhere.
        let somewhere = lat.zip(lon).is_some_and(|(lat, lon)| {
            lat.abs() <= 90.0 && lon.abs() <= 180.0 && (lat != 0.0 || lon != 0.0)
        });
        if !somewhere {
            row.set &= !(PLACE | Column::RadiusKm.bit());
        }
    }
    let named = matches!(
        row.activity(),
        Activity::Download | Activity::Upload | Activity::Share | Activity::AiUse | Activity::Other
    );
    if let Some(object) = row.piece(Column::Object)
        && named
        && !show_objects
        && !row.object_hashed
    {
        let hashed = filler.hashed(object);
        row.put_piece(Column::Object, hashed);
    }
}

fn draft<'a>(row: &Row, texts: Texts<'a>) -> Draft<'a> {
    let text = |column| row.piece(column).map(|piece| texts.get(piece));
    Draft {
        time: row.time,
        uid: text(Column::Uid).unwrap_or_default(),
        activity: Some(row.activity()),
        outcome: Some(row.outcome()),
        user: text(Column::User),
        target_user: text(Column::TargetUser),
        is_admin: row.flag(Column::IsAdmin),
        interactive: row.flag(Column::Interactive),
        mfa: row.flag(Column::Mfa),
        device_managed: row.flag(Column::DeviceManaged),
        ip: text(Column::Ip),
        country: text(Column::Country),
        region: text(Column::Region),
        city: text(Column::City),
        lat: row.float(Column::Lat),
        lon: row.float(Column::Lon),
        radius_km: row.float(Column::RadiusKm),
        asn: row.has(Column::Asn).then_some(row.system),
        network: row.network(),
        device: text(Column::Device),
        app: text(Column::App),
        object: text(Column::Object),
        kind: row.kind(),
        count: Some(row.number(Column::Count).unwrap_or(1)),
        bytes: row.number(Column::Bytes),
        tokens: row.number(Column::Tokens),
        model: text(Column::Model),
        sensitivity: text(Column::Sensitivity),
        session: text(Column::Session),
        class: 0,
        offset: 0,
        late: false,
        key: 0,
    }
}
