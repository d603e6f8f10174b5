//! What a request holds: its parameters, and its events as records by source.
//!
//! Invariant: every event of a request was looked at before one is taken; bounded memory, however it is packed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::answer::Answer;
use crate::config::Token;
use crate::source::file::into_lines;

/// Longer names of channels are none.
const CHANNEL_CHARS_MAX: usize = 100;
const IDS_MAX: usize = 100_000;

/// Records by source.
pub type Sorted = BTreeMap<String, Vec<Vec<u8>>>;

/// What a request says besides its body.
#[derive(Debug, Default)]
pub struct Parameters {
    channel: Option<String>,
    sourcetype: Option<String>,
}

impl Parameters {
    /// From the query, and the header for the channel.
    pub fn of(request: &Request) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(key, _)| *key == name);
            found.map(|(_, value)| unescaped(value))
        };
        let header = request.headers().get("x-splunk-request-channel");
        let header = header.map(|header| String::from_utf8_lossy(header.as_bytes()).into_owned());
        Parameters {
            channel: header.or_else(|| value("channel")),
            sourcetype: value("sourcetype"),
        }
    }

    /// The channel.
    pub fn channel(&self) -> Result<Option<String>, Answer> {
        let is_bad = |channel: &String| {
            let is_legal = |c: char| c.is_ascii_alphanumeric() || "-_.{}".contains(c);
            channel.is_empty()
                || CHANNEL_CHARS_MAX < channel.len()
                || !channel.chars().all(is_legal)
        };
        match &self.channel {
            Some(channel) if is_bad(channel) => Err(Answer::BadChannel),
            channel => Ok(channel.clone()),
        }
    }
}

/// `%3A` and `+` of a query.
fn unescaped(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        match (
            first,
            code.and_then(|code| u8::from_str_radix(code, 16).ok()),
        ) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a body is packed.
pub fn is_gzip(headers: &HeaderMap) -> Result<bool, Answer> {
    match headers
        .get(header::CONTENT_ENCODING)
        .map(|encoding| encoding.as_bytes())
    {
        None | Some(b"" | b"identity") => Ok(false),
        Some(encoding) if encoding.eq_ignore_ascii_case(b"gzip") => Ok(true),
        Some(_) => Err(Answer::BadEncoding),
    }
}

/// A body without its packing.
pub fn unpacked(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Answer> {
    let mut unpacked = Vec::new();
    let limit = bytes_max as u64 + 1;
    let read = flate2::read::MultiGzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut unpacked);
    match read {
        Err(_) => Err(Answer::Malformed),
        Ok(bytes) if bytes_max < bytes => Err(Answer::TooLarge),
        Ok(_) => Ok(unpacked),
    }
}

/// An event as Splunk's senders wrap it. It is a record as it is: decoding looks through the wrapping.
#[derive(serde::Deserialize)]
struct Wrapped<'a> {
    event: Option<Event>,
    #[serde(borrow)]
    sourcetype: Option<Cow<'a, str>>,
}

#[derive(PartialEq)]
enum Event {
    Blank,
    Filled,
}

/// Events one after the other, or in a list, each to its source.
pub fn sort_events(
    token: &Token,
    parameters: &Parameters,
    body: Vec<u8>,
) -> Result<Sorted, Answer> {
    let lines = into_lines(&body);
    drop(body);
    let mut sorted = Sorted::new();
    for (number, line) in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .enumerate()
    {
        let wrapped: Wrapped<'_> =
            serde_json::from_slice(line).map_err(|_| Answer::BadFormat(number))?;
        match wrapped.event {
            None => return Err(Answer::NoEvent(number)),
            Some(Event::Blank) => return Err(Answer::BlankEvent(number)),
            Some(Event::Filled) => {}
        }
        let sourcetype = wrapped
            .sourcetype
            .as_deref()
            .or(parameters.sourcetype.as_deref());
        let source = token.source_of(sourcetype);
        if !sorted.contains_key(source) {
            sorted.insert(source.to_owned(), Vec::new());
        }
        if let Some(records) = sorted.get_mut(source) {
            records.push(line.to_vec());
        }
    }
    match sorted.is_empty() {
        true => Err(Answer::NoData),
        false => Ok(sorted),
    }
}

/// Lines, or JSON values that may span lines, each a record.
pub fn sort_lines(token: &Token, parameters: &Parameters, body: Vec<u8>) -> Result<Sorted, Answer> {
    let lines = crate::source::file::as_lines(body);
    let lines = crate::intake::lines(&lines, 1);
    let records: Vec<Vec<u8>> = lines.map(|(_, line)| line.to_vec()).collect();
    if records.is_empty() {
        return Err(Answer::NoData);
    }
    let source = token.source_of(parameters.sourcetype.as_deref());
    Ok(Sorted::from([(source.to_owned(), records)]))
}

/// The ids that a sender asks for.
pub fn asked_ids(body: &[u8]) -> Result<Vec<u64>, Answer> {
    #[derive(serde::Deserialize)]
    struct Asked {
        acks: Vec<u64>,
    }
    match serde_json::from_slice::<Asked>(body) {
        Ok(asked) if asked.acks.len() <= IDS_MAX => Ok(asked.acks),
        Ok(_) => Err(Answer::TooLarge),
        Err(_) => Err(Answer::Malformed),
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an event")
    }

    fn visit_str<E>(self, text: &str) -> Result<Event, E> {
        Ok(match text.trim().is_empty() {
            true => Event::Blank,
            false => Event::Filled,
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Event, E> {
        Ok(Event::Filled)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Event, E> {
        Ok(Event::Filled)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Event, E> {
        Ok(Event::Filled)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Event, E> {
        Ok(Event::Filled)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Event, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Event::Filled)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Event, A::Error> {
        let mut event = Event::Blank;
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            event = Event::Filled;
        }
        Ok(event)
    }
}
