//! Decoding, from the outside: golden rows per format, the traps of real logs, bad input, privacy.

#![allow(missing_docs)]

mod envelopes;
mod golden;
mod hostile;
mod identity;
mod privacy;
mod real;
mod traps;
mod user_formats;
mod vendor_golden;

use std::path::PathBuf;
use std::sync::Arc;

use nightjar::decode::{DecodeOptions, Decoder, Formats, Reject, Sink};
use nightjar_detectors::event::{Draft, Events, EventsBuilder, row_json};
use serde_json::Value;

/// Everything that came out of one or more records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Out {
    pub rows: Vec<Value>,
    pub classes: Vec<String>,
    pub keys: Vec<u64>,
    pub rejects: Vec<Reject>,
    pub ignored: usize,
}

struct Collector {
    builder: EventsBuilder,
    classes: Vec<String>,
    out: Out,
}

impl Sink for Collector {
    fn row(&mut self, row: Draft<'_>) {
        self.builder.push(&row);
        self.out
            .classes
            .push(self.classes[usize::from(row.class)].clone());
        self.out.keys.push(row.key);
    }
    fn reject(&mut self, reason: Reject) {
        self.out.rejects.push(reason);
    }
    fn ignored(&mut self) {
        self.out.ignored += 1;
    }
}

/// A tenant's options: one AI tool at one host and those below it.
pub fn options() -> DecodeOptions {
    DecodeOptions {
        tools: Arc::new(|host: &str| {
            let known = host == "tool.example" || host.ends_with(".tool.example");
            known.then(|| Arc::from("Tool Chat"))
        }),
        ..DecodeOptions::new(7)
    }
}

pub fn decoder(format: Option<&str>) -> Decoder {
    Decoder::new(Arc::new(Formats::shipped()), format, options()).expect("a known format")
}

/// What a decoder makes of a record.
pub fn decode_with(decoder: &mut Decoder, record: &[u8]) -> Out {
    let classes: Vec<String> = decoder
        .formats()
        .classes()
        .iter()
        .map(|class| class.name.clone())
        .collect();
    let names: Vec<&str> = classes.iter().map(String::as_str).collect();
    let mut builder = EventsBuilder::new(&names);
    builder.begin("", "");
    let mut collector = Collector {
        builder,
        classes,
        out: Out::default(),
    };
    decoder.decode(record, 0, &mut collector);
    let batch = collector.builder.finish();
    let events = Events::new(&batch).expect("canonical");
    let without_source = |mut row: Value| {
        row.as_object_mut().map(|row| row.remove("source"));
        row
    };
    collector.out.rows = events
        .rows()
        .map(|row| without_source(row_json(row)))
        .collect();
    collector.out
}

/// What the decoder for all formats makes of a record.
pub fn decode(record: &[u8]) -> Out {
    decode_with(&mut decoder(None), record)
}

/// The one row of a record.
pub fn one_row(record: &Value) -> Value {
    let out = decode(record.to_string().as_bytes());
    assert_eq!(
        (out.rows.len(), out.rejects.len()),
        (1, 0),
        "{out:?} of {record}"
    );
    out.rows[0].clone()
}

pub struct Sample {
    pub format: String,
    pub name: String,
    /// The record as JSON; the text of a line that is none; nothing where it is no text.
    pub record: Value,
    pub bytes: Vec<u8>,
    /// Its line in the file.
    pub line: serde_json::Map<String, Value>,
    pub rows: Vec<Value>,
    pub ignored: usize,
}

impl Sample {
    /// The record as a text, where it is one.
    pub fn text(&self) -> Option<String> {
        (!self.record.is_null()).then(|| String::from_utf8(self.bytes.clone()).expect("a text"))
    }
}

/// The bytes behind base64 with its padding.
fn base64(text: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let digit = digits.iter().position(|digit| *digit == byte);
        bits = bits << 6 | digit.expect("base64") as u32;
        count += 6;
        if 8 <= count {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decode")
}

/// The hand-written samples of every format.
pub fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    for format in Formats::shipped().all() {
        let text = std::fs::read_to_string(fixtures().join(format!("{}.ndjson", format.name)))
            .unwrap_or_else(|_| panic!("format {} has no samples", format.name));
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("a sample");
            let (record, bytes) = match (&line["text"], &line["base64"]) {
                (Value::String(text), _) => (line["text"].clone(), text.clone().into_bytes()),
                (_, Value::String(text)) => (Value::Null, base64(text)),
                _ => (
                    line["record"].clone(),
                    line["record"].to_string().into_bytes(),
                ),
            };
            samples.push(Sample {
                format: format.name.clone(),
                name: line["name"].as_str().unwrap_or_default().to_owned(),
                record,
                bytes,
                line: line.as_object().cloned().unwrap_or_default(),
                rows: line["rows"].as_array().cloned().unwrap_or_default(),
                ignored: line["ignored"].as_u64().unwrap_or(0) as usize,
            });
        }
    }
    samples
}

/// A sample of one row, whatever formats there are.
pub fn one_sample() -> Sample {
    let okta = |sample: &Sample| sample.format == "okta" && sample.rows.len() == 1;
    samples().into_iter().find(okta).expect("a sample of okta")
}
