//! A record as it is kept until the pipeline has read it: what decoding made of it, and nothing else of it.
//!
//! Invariant: what comes out for the intake is what the decoder would have told it; a record that cannot be
//! read leaves its size and the reason.

use nightjar_detectors::event::{Activity, Draft, Kind, Method, Network, Outcome, Reason};
use serde::{Deserialize, Serialize};

use crate::decode::{Decoder, Reject, Sink};

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// Its number in its file, or in the log where it comes from none.
    pub record: u64,
    /// Its size.
    pub bytes: u64,
    parts: &'a [u8],
}

/// One thing that decoding made of a record.
#[allow(clippy::large_enum_variant)] // one is there at a time, on the stack
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Part<'a> {
    /// A row.
    #[serde(borrow)]
    Row(Image<'a>),
    /// The record, or an element of it, cannot be read, for this reason.
    Rejected(&'a str),
    /// It is no activity.
    Ignored,
}

/// A row, its words as text, so that a release with other words can read it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Image<'a> {
    time: i64,
    key: u64,
    class: &'a str,
    uid: &'a str,
    words: [Option<&'a str>; WORDS],
    texts: [Option<&'a str>; TEXTS],
    flags: [Option<bool>; FLAGS],
    place: [Option<f64>; PLACE],
    asn: Option<u32>,
    volume: [Option<u64>; VOLUME],
}

const WORDS: usize = 6;
const TEXTS: usize = 12;
const FLAGS: usize = 4;
const PLACE: usize = 3;
const VOLUME: usize = 3;

impl<'a> Entry<'a> {
    /// What decoding made of it.
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        let mut rest = self.parts;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            // A frame's checksum is right, so what cannot be read was written by another release.
            let (part, after) = postcard::take_from_bytes(rest).unwrap_or((DAMAGED, &[]));
            rest = after;
            Some(part)
        })
    }
}

const DAMAGED: Part<'static> =
    Part::Rejected("the record was kept by a release that is not this one");

impl<'a> Image<'a> {
    fn of(row: &Draft<'a>, class: &'a str) -> Self {
        Image {
            time: row.time,
            key: row.key,
            class,
            uid: row.uid,
            words: [
                row.activity.map(Activity::as_str),
                row.outcome.map(Outcome::as_str),
                row.network.map(Network::as_str),
                row.kind.map(Kind::as_str),
                row.method.map(Method::as_str),
                row.reason.map(Reason::as_str),
            ],
            texts: [
                row.user,
                row.target_user,
                row.ip,
                row.country,
                row.region,
                row.city,
                row.device,
                row.app,
                row.object,
                row.model,
                row.sensitivity,
                row.session,
            ],
            flags: [row.is_admin, row.interactive, row.mfa, row.device_managed],
            place: [row.lat, row.lon, row.radius_km],
            asn: row.asn,
            volume: [row.count, row.bytes, row.tokens],
        }
    }

    /// The row again. `classes`: names of the builder's classes.
    pub fn draft(&self, record: u64, classes: &[String]) -> Draft<'a> {
        let [activity, outcome, network, kind, method, reason] = self.words;
        let [
            user,
            target_user,
            ip,
            country,
            region,
            city,
            device,
            app,
            object,
            model,
            sensitivity,
            session,
        ] = self.texts;
        let [is_admin, interactive, mfa, device_managed] = self.flags;
        let [lat, lon, radius_km] = self.place;
        let [count, bytes, tokens] = self.volume;
        let class = classes.iter().position(|class| class == self.class);
        Draft {
            time: self.time,
            uid: self.uid,
            activity: activity.and_then(Activity::parse),
            outcome: outcome.and_then(Outcome::parse),
            user,
            target_user,
            is_admin,
            interactive,
            mfa,
            device_managed,
            ip,
            country,
            region,
            city,
            lat,
            lon,
            radius_km,
            asn: self.asn,
            network: network.and_then(Network::parse),
            device,
            app,
            object,
            kind: kind.and_then(Kind::parse),
            count,
            bytes,
            tokens,
            model,
            sensitivity,
            session,
            method: method.and_then(Method::parse),
            reason: reason.and_then(Reason::parse),
            // A class whose format was taken out of the configuration meanwhile: the first will do.
            class: class
                .and_then(|class| u8::try_from(class).ok())
                .unwrap_or(0),
            offset: record,
            late: false,
            key: self.key,
        }
    }

    /// Whether it is about one of these persons. Names are in lower case.
    pub fn names_any(&self, names: &[String]) -> bool {
        let [user, target_user, ..] = self.texts;
        let of = |text: Option<&str>| {
            text.is_some_and(|text| names.iter().any(|name| *name == text.to_lowercase()))
        };
        of(user) || of(target_user)
    }
}

/// Decodes records one after the other and appends what is kept of them.
pub(super) struct Recorder<'a> {
    decoder: &'a mut Decoder,
    entries: Vec<u8>,
    count: u32,
    parts: Vec<u8>,
}

impl<'a> Recorder<'a> {
    pub fn new(decoder: &'a mut Decoder) -> Self {
        Recorder {
            decoder,
            entries: Vec::new(),
            count: 0,
            parts: Vec::new(),
        }
    }

    /// Decodes a record and keeps what came out.
    pub fn record(&mut self, bytes: &[u8], record: u64) {
        self.parts.clear();
        let names = self.decoder.formats().clone();
        let mut sink = Keeper {
            parts: &mut self.parts,
            classes: names.classes(),
        };
        self.decoder.decode(bytes, record, &mut sink);
        self.push(record, bytes.len() as u64);
    }

    /// Keeps that a record was not even looked at.
    pub fn set_aside(&mut self, record: u64, bytes: u64, reason: &str) {
        self.parts.clear();
        keep(&mut self.parts, &Part::Rejected(reason));
        self.push(record, bytes);
    }

    fn push(&mut self, record: u64, bytes: u64) {
        let entry = Entry {
            record,
            bytes,
            parts: &self.parts,
        };
        append(&mut self.entries, &entry);
        self.count += 1;
    }

    /// What was kept, and of how many records.
    pub fn finish(self) -> (Vec<u8>, u32) {
        (self.entries, self.count)
    }
}

/// Takes what decoding tells.
struct Keeper<'a> {
    parts: &'a mut Vec<u8>,
    classes: &'a [crate::decode::ClassInfo],
}

impl Sink for Keeper<'_> {
    fn row(&mut self, row: Draft<'_>) {
        let class = &self.classes[usize::from(row.class)].name;
        keep(self.parts, &Part::Row(Image::of(&row, class)));
    }

    fn reject(&mut self, reason: Reject) {
        keep(self.parts, &Part::Rejected(&reason.to_string()));
    }

    fn ignored(&mut self) {
        keep(self.parts, &Part::Ignored);
    }
}

fn keep(parts: &mut Vec<u8>, part: &Part<'_>) {
    append(parts, part);
}

/// Appends a value in postcard's form.
pub(super) fn append<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    *bytes = postcard::to_extend(value, std::mem::take(bytes)).expect("memory can be written");
}

/// The entries of a frame.
fn all(mut entries: &[u8], count: u32) -> impl Iterator<Item = Entry<'_>> {
    (0..count).map_while(move |_| {
        let (entry, rest) = postcard::take_from_bytes(entries).ok()?;
        entries = rest;
        Some(entry)
    })
}

/// Entries of which nothing is kept but that they were.
pub(super) fn emptied(entries: &[u8], count: u32) -> Vec<u8> {
    let mut kept = Vec::new();
    for entry in all(entries, count) {
        append(
            &mut kept,
            &Entry {
                parts: &[],
                ..entry
            },
        );
    }
    kept
}

/// Entries without the rows about these persons, and how many rows went.
pub(super) fn without(entries: &[u8], count: u32, names: &[String]) -> (Vec<u8>, usize) {
    let (mut kept, mut removed) = (Vec::new(), 0);
    for entry in all(entries, count) {
        let mut parts = Vec::new();
        for part in entry.parts() {
            match part {
                Part::Row(image) if image.names_any(names) => {
                    removed += 1;
                    keep(&mut parts, &Part::Ignored);
                }
                part => keep(&mut parts, &part),
            }
        }
        append(
            &mut kept,
            &Entry {
                parts: &parts,
                ..entry
            },
        );
    }
    (kept, removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every column comes back: a new one that is forgotten here would be lost on this way only.
    #[test]
    fn a_row_comes_back_as_it_was() {
        let row = Draft {
            time: 1,
            uid: "u",
            activity: Some(Activity::Download),
            outcome: Some(Outcome::Success),
            user: Some("ana@example.com"),
            target_user: Some("t"),
            is_admin: Some(true),
            interactive: Some(false),
            mfa: Some(true),
            device_managed: Some(false),
            ip: Some("192.0.2.1"),
            country: Some("DE"),
            region: Some("BE"),
            city: Some("Berlin"),
            lat: Some(52.5),
            lon: Some(13.4),
            radius_km: Some(5.0),
            asn: Some(64_500),
            network: Some(Network::Vpn),
            device: Some("d"),
            app: Some("a"),
            object: Some("o"),
            kind: Some(Kind::Service),
            count: Some(3),
            bytes: Some(4),
            tokens: Some(5),
            model: Some("m"),
            sensitivity: Some("s"),
            session: Some("z"),
            method: Some(Method::Export),
            reason: Some(Reason::Locked),
            class: 1,
            offset: 7,
            late: false,
            key: 99,
        };
        let mut bytes = Vec::new();
        append(&mut bytes, &Part::Row(Image::of(&row, "second")));
        let entry = Entry {
            record: 7,
            bytes: 100,
            parts: &bytes,
        };
        let classes = ["first".to_owned(), "second".to_owned()];
        let Some(Part::Row(image)) = entry.parts().next() else {
            panic!("a row went in");
        };
        assert_eq!(
            format!("{:?}", image.draft(7, &classes)),
            format!("{row:?}")
        );
        assert!(image.names_any(&["ana@example.com".to_owned()]));
    }
}
