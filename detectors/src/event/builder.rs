//! Rows into a batch. A decoder fills one [`Draft`] a row; the builder appends it to every column.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, DictionaryArray, PrimitiveArray, RecordBatch,
    StringArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowDictionaryKeyType, Float64Type, Int8Type, Int16Type, Int32Type, TimestampMillisecondType,
    UInt32Type, UInt64Type,
};

use super::{Activity, Kind, Method, Network, Outcome, Reason, pipeline_schema};

/// One row before it is appended. Text is borrowed from the record wherever it can be.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)] // the fields are the canonical columns, documented in the README
pub struct Draft<'a> {
    /// Milliseconds since 1970-01-01 UTC.
    pub time: i64,
    pub uid: &'a str,
    pub activity: Option<Activity>,
    pub outcome: Option<Outcome>,
    pub user: Option<&'a str>,
    pub target_user: Option<&'a str>,
    pub is_admin: Option<bool>,
    pub interactive: Option<bool>,
    pub mfa: Option<bool>,
    pub device_managed: Option<bool>,
    pub ip: Option<&'a str>,
    pub country: Option<&'a str>,
    pub region: Option<&'a str>,
    pub city: Option<&'a str>,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub radius_km: Option<f64>,
    pub asn: Option<u32>,
    pub network: Option<Network>,
    pub device: Option<&'a str>,
    pub app: Option<&'a str>,
    pub object: Option<&'a str>,
    pub kind: Option<Kind>,
    /// How many activities the row stands for; `None` is 1.
    pub count: Option<u64>,
    pub bytes: Option<u64>,
    pub tokens: Option<u64>,
    pub model: Option<&'a str>,
    pub sensitivity: Option<&'a str>,
    pub session: Option<&'a str>,
    pub method: Option<Method>,
    pub reason: Option<Reason>,
    /// Index of the lateness class among the builder's classes.
    pub class: u8,
    /// Record number within the origin.
    pub offset: u64,
    pub late: bool,
    /// Dedup key: [`Draft::content_key`] of the mapped columns, before enrichment.
    pub key: u64,
}

impl Draft<'_> {
    /// Hash of the uid and of all mapped columns; not of source, position or lateness. The same
    /// record read twice, or from two topics, has the same key; the same uid with other content
    /// has another. `seed` comes from the tenant.
    pub fn content_key(&self, seed: u64, scratch: &mut Vec<u8>) -> u64 {
        const NONE: u8 = 0xff;
        let texts = self.texts();
        let bytes = texts.iter().flatten().map(|text| text.len()).sum::<usize>();
        // All is as if every text were missing; those that are there are written over it.
        scratch.clear();
        scratch.resize(8 + TEXTS * 4 + bytes + TAIL_BYTES, NONE);
        let (time, mut rest) = scratch.split_at_mut(8);
        time.copy_from_slice(&self.time.to_le_bytes());
        for text in texts {
            // A length before each text, so that no two rows run together the same way.
            let (length, after) = rest.split_at_mut(4);
            rest = after;
            if let Some(text) = text {
                length.copy_from_slice(&(text.len() as u32).to_le_bytes());
                let (place, after) = rest.split_at_mut(text.len());
                place.copy_from_slice(text.as_bytes());
                rest = after;
            }
        }
        rest.copy_from_slice(&self.key_tail());
        xxhash_rust::xxh3::xxh3_64_with_seed(scratch, seed)
    }

    /// What a row's key takes from the columns that are no texts.
    fn key_tail(&self) -> [u8; TAIL_BYTES] {
        let mut tail = [0; TAIL_BYTES];
        let flags = [
            self.is_admin,
            self.interactive,
            self.mfa,
            self.device_managed,
        ];
        tail[..4].copy_from_slice(&flags.map(|flag| flag.map_or(2, u8::from)));
        let words = [
            self.activity.map(|v| v as u8),
            self.outcome.map(|v| v as u8),
            self.network.map(|v| v as u8),
            self.kind.map(|v| v as u8),
            self.method.map(|v| v as u8),
            self.reason.map(|v| v as u8),
        ];
        tail[4..10].copy_from_slice(&words.map(|word| word.unwrap_or(u8::MAX)));
        for (at, float) in [self.lat, self.lon, self.radius_km].into_iter().enumerate() {
            let bits = float.map_or(u64::MAX, f64::to_bits);
            tail[10 + at * 8..18 + at * 8].copy_from_slice(&bits.to_le_bytes());
        }
        let numbers = [self.asn.map(u64::from), self.count, self.bytes, self.tokens];
        for (at, number) in numbers.into_iter().enumerate() {
            let place = &mut tail[34 + at * 9..43 + at * 9];
            place[0] = u8::from(number.is_some());
            place[1..].copy_from_slice(&number.unwrap_or(0).to_le_bytes());
        }
        tail
    }

    fn texts(&self) -> [Option<&str>; 13] {
        [
            Some(self.uid),
            self.user,
            self.target_user,
            self.ip,
            self.country,
            self.region,
            self.city,
            self.device,
            self.app,
            self.object,
            self.model,
            self.sensitivity,
            self.session,
        ]
    }
}

/// Builds batches of [`pipeline_schema`]. One builder reads one source and one origin at a time.
///
/// Texts go to their columns at once, where there is one; all else is kept row by row and turned into
/// columns when the batch is finished. Most columns of most rows are null, and many of whole batches.
#[derive(Debug)]
pub struct EventsBuilder {
    classes: Arc<StringArray>,
    sources: Words,
    origins: Words,
    /// Where rows come from: the first row, and the keys of its source and origin.
    runs: Vec<(usize, i16, i32)>,
    rows: Vec<Fixed>,
    text: [Text; TEXTS],
}

const TEXTS: usize = 13;
/// Bytes of a dedup key's input behind the texts.
const TAIL_BYTES: usize = 70;

// First bits of the nullable columns of each kind in a row's word.
const TEXT_BIT: usize = 0;
const WORD_BIT: usize = TEXT_BIT + TEXTS;
const FLAG_BIT: usize = WORD_BIT + 7;
const FLOAT_BIT: usize = FLAG_BIT + 5;
const NUMBER_BIT: usize = FLOAT_BIT + 3;
const ASN_BIT: usize = NUMBER_BIT + 5;
/// The flags' values follow.
const VALUE_BIT: usize = ASN_BIT + 1;

/// What a row holds besides texts.
#[derive(Debug)]
struct Fixed {
    /// One bit a nullable column: whether it has a value. One bit a flag: its value.
    bits: u64,
    time: i64,
    floats: [f64; 3],
    numbers: [u64; 5],
    asn: u32,
    words: [i8; 7],
}

/// The texts of the rows that have one.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    ends: Vec<i32>,
}

#[derive(Debug, Default)]
struct Words(Vec<String>);

impl Words {
    fn index(&mut self, word: &str) -> usize {
        match self.0.iter().rposition(|known| known == word) {
            Some(index) => index,
            None => {
                self.0.push(word.to_owned());
                self.0.len() - 1
            }
        }
    }

    /// Takes the words; one of them stays as the first.
    fn renew(&mut self, kept: usize) -> Arc<StringArray> {
        let kept = self.0.get(kept).cloned();
        let words = std::mem::replace(&mut self.0, kept.into_iter().collect());
        Arc::new(StringArray::from(words))
    }
}

impl EventsBuilder {
    /// A builder whose rows belong to these lateness classes (at most 127).
    pub fn new(classes: &[&str]) -> Self {
        EventsBuilder {
            classes: Arc::new(StringArray::from(classes.to_vec())),
            sources: Words::default(),
            origins: Words::default(),
            runs: Vec::new(),
            rows: Vec::new(),
            text: Default::default(),
        }
    }

    /// Where the following rows come from: the configured source, and the file or partition.
    pub fn begin(&mut self, source: &str, origin: &str) {
        let keys = (self.sources.index(source), self.origins.index(origin));
        self.runs
            .push((self.rows.len(), keys.0 as i16, keys.1 as i32));
    }

    /// Rows appended since the last [`EventsBuilder::finish`].
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was appended since the last [`EventsBuilder::finish`].
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Appends one row.
    pub fn push(&mut self, row: &Draft<'_>) {
        let mut bits = 0u64;
        for (at, (column, value)) in self.text.iter_mut().zip(row.texts()).enumerate() {
            if let Some(value) = value {
                column.bytes.extend_from_slice(value.as_bytes());
                column.ends.push(column.bytes.len() as i32);
                bits |= 1 << (TEXT_BIT + at);
            }
        }
        let words = [
            Some(row.activity.unwrap_or(Activity::Other) as i8),
            Some(row.outcome.unwrap_or(Outcome::Unknown) as i8),
            row.network.map(|network| network as i8),
            row.kind.map(|kind| kind as i8),
            row.method.map(|method| method as i8),
            row.reason.map(|reason| reason as i8),
            Some(row.class as i8),
        ];
        let flags = [
            row.is_admin,
            row.interactive,
            row.mfa,
            row.device_managed,
            Some(row.late),
        ];
        let floats = [row.lat, row.lon, row.radius_km];
        let numbers = [
            Some(row.count.unwrap_or(1)),
            row.bytes,
            row.tokens,
            Some(row.offset),
            Some(row.key),
        ];
        bits |= present(&words) << WORD_BIT | present(&flags) << FLAG_BIT;
        bits |= present(&floats) << FLOAT_BIT | present(&numbers) << NUMBER_BIT;
        bits |= present(&[row.asn]) << ASN_BIT;
        for (at, flag) in flags.into_iter().enumerate() {
            bits |= u64::from(flag.unwrap_or_default()) << (VALUE_BIT + at);
        }
        self.rows.push(Fixed {
            bits,
            time: row.time,
            floats: floats.map(Option::unwrap_or_default),
            numbers: numbers.map(Option::unwrap_or_default),
            asn: row.asn.unwrap_or_default(),
            words: words.map(Option::unwrap_or_default),
        });
    }

    /// The rows appended so far as one batch; the builder starts anew with the same source.
    pub fn finish(&mut self) -> RecordBatch {
        let columns = Columns::new(&self.rows);
        let mut next = 0;
        let text = self.text.each_mut().map(|column| {
            next += 1;
            column.finish(&columns, TEXT_BIT + next - 1)
        });
        let [uid, user, target, ip, country, region, city, rest @ ..] = text;
        let [device, app, object, model, sensitivity, session] = rest;
        let names = |all: Vec<&'static str>| Arc::new(StringArray::from(all));
        let mut lists = [
            names(Activity::ALL.iter().map(|word| word.as_str()).collect()),
            names(Outcome::ALL.iter().map(|word| word.as_str()).collect()),
            names(Network::ALL.iter().map(|word| word.as_str()).collect()),
            names(Kind::ALL.iter().map(|word| word.as_str()).collect()),
            names(Method::ALL.iter().map(|word| word.as_str()).collect()),
            names(Reason::ALL.iter().map(|word| word.as_str()).collect()),
            self.classes.clone(),
        ]
        .into_iter();
        let words = [0, 1, 2, 3, 4, 5, 6].map(|at| {
            let keys = columns.primitive::<Int8Type>(WORD_BIT + at, |row| row.words[at]);
            dictionary(keys, lists.next().expect("as many lists as columns"))
        });
        let [activity, outcome, network, kind, method, reason, class] = words;
        let [admin, interactive, mfa, managed, late] = [0, 1, 2, 3, 4].map(|at| columns.flag(at));
        let [lat, lon, radius] = [0, 1, 2].map(|at| {
            array(columns.primitive::<Float64Type>(FLOAT_BIT + at, |row| row.floats[at]))
        });
        let [count, bytes, tokens, offset, key] = [0, 1, 2, 3, 4].map(|at| {
            array(columns.primitive::<UInt64Type>(NUMBER_BIT + at, |row| row.numbers[at]))
        });
        let asn = array(columns.primitive::<UInt32Type>(ASN_BIT, |row| row.asn));
        let time: Vec<i64> = self.rows.iter().map(|row| row.time).collect();
        let time = PrimitiveArray::<TimestampMillisecondType>::new(time.into(), None);
        let [source, origin] = self.places();
        let columns: Vec<ArrayRef> = vec![
            array(time.with_timezone("UTC")),
            uid,
            source,
            activity,
            outcome,
            user,
            target,
            admin,
            interactive,
            mfa,
            managed,
            ip,
            country,
            region,
            city,
            lat,
            lon,
            radius,
            asn,
            network,
            device,
            app,
            object,
            kind,
            count,
            bytes,
            tokens,
            model,
            sensitivity,
            session,
            method,
            reason,
            class,
            origin,
            offset,
            late,
            key,
        ];
        self.rows.clear();
        RecordBatch::try_new(pipeline_schema(), columns)
            .expect("every column has a value or a null for every row")
    }

    /// The columns of sources and origins, whose names start anew.
    fn places(&mut self) -> [ArrayRef; 2] {
        let (mut sources, mut origins) = (Vec::new(), Vec::new());
        let ends = self.runs.iter().skip(1).map(|run| run.0);
        for ((_, source, origin), end) in self.runs.iter().zip(ends.chain([self.rows.len()])) {
            sources.resize(end, *source);
            origins.resize(end, *origin);
        }
        let last = self.runs.last().map_or((0, 0), |run| (run.1, run.2));
        let source_names = self.sources.renew(last.0 as usize);
        let origin_names = self.origins.renew(last.1 as usize);
        self.runs = vec![(0, 0, 0)];
        let sources = PrimitiveArray::<Int16Type>::new(sources.into(), None);
        let origins = PrimitiveArray::<Int32Type>::new(origins.into(), None);
        [
            dictionary(sources, source_names),
            dictionary(origins, origin_names),
        ]
    }
}

/// One bit a value: whether it is there.
#[inline(always)]
fn present<T, const N: usize>(values: &[Option<T>; N]) -> u64 {
    let mut bits = 0;
    for (at, value) in values.iter().enumerate() {
        bits |= u64::from(value.is_some()) << at;
    }
    bits
}

fn array<T: ArrowPrimitiveType>(column: PrimitiveArray<T>) -> ArrayRef {
    Arc::new(column)
}

impl Text {
    fn finish(&mut self, columns: &Columns<'_>, bit: usize) -> ArrayRef {
        let rows = columns.rows.len();
        if self.ends.is_empty() {
            return Arc::new(StringArray::new_null(rows));
        }
        // Room for as much again, and somewhat more, so that the next batch need not move.
        let room = self.bytes.len() + self.bytes.len() / 8;
        let bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(room));
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        let (mut end, mut ends) = (0, self.ends.iter());
        for row in columns.rows {
            if row.bits >> bit & 1 != 0 {
                end = ends.next().copied().unwrap_or(end);
            }
            offsets.push(end);
        }
        self.ends.clear();
        let offsets = OffsetBuffer::new(offsets.into());
        let column = StringArray::try_new(offsets, bytes.into(), columns.nulls(bit));
        Arc::new(column.expect("only whole texts are appended"))
    }
}

/// Rows turned by 90 degrees.
struct Columns<'a> {
    rows: &'a [Fixed],
    /// One a bit of the rows.
    bitmaps: Vec<Vec<u64>>,
    /// The bits that some row has.
    any: u64,
}

impl<'a> Columns<'a> {
    fn new(rows: &'a [Fixed]) -> Self {
        let mut bitmaps = vec![Vec::new(); VALUE_BIT + 5];
        for rows in rows.chunks(64) {
            let mut block = [0; 64];
            for (word, row) in block.iter_mut().zip(rows) {
                *word = row.bits;
            }
            transpose(&mut block);
            for (bitmap, word) in bitmaps.iter_mut().zip(block) {
                bitmap.push(word);
            }
        }
        Columns {
            rows,
            bitmaps,
            any: rows.iter().fold(0, |any, row| any | row.bits),
        }
    }

    fn bitmap(&self, bit: usize) -> BooleanBuffer {
        let bytes = self.bitmaps[bit].iter().flat_map(|word| word.to_le_bytes());
        BooleanBuffer::new(bytes.collect::<Vec<u8>>().into(), 0, self.rows.len())
    }

    /// The nulls of a column, `None` where there are none.
    fn nulls(&self, bit: usize) -> Option<NullBuffer> {
        let nulls = NullBuffer::new(self.bitmap(bit));
        (nulls.null_count() != 0).then_some(nulls)
    }

    fn primitive<T: ArrowPrimitiveType>(
        &self,
        bit: usize,
        value: impl Fn(&Fixed) -> T::Native,
    ) -> PrimitiveArray<T> {
        if self.any >> bit & 1 == 0 {
            return PrimitiveArray::new_null(self.rows.len());
        }
        let values: Vec<T::Native> = self.rows.iter().map(value).collect();
        PrimitiveArray::new(values.into(), self.nulls(bit))
    }

    fn flag(&self, at: usize) -> ArrayRef {
        let values = self.bitmap(VALUE_BIT + at);
        Arc::new(BooleanArray::new(values, self.nulls(FLAG_BIT + at)))
    }
}

/// Swaps rows and columns of a square of bits, half by half.
fn transpose(block: &mut [u64; 64]) {
    let mut width = 32;
    let mut mask = u64::MAX >> 32;
    while width != 0 {
        for at in (0..64).filter(|at| at & width == 0) {
            let swapped = ((block[at] >> width) ^ block[at + width]) & mask;
            block[at] ^= swapped << width;
            block[at + width] ^= swapped;
        }
        width >>= 1;
        mask ^= mask << width;
    }
}

fn dictionary<K: ArrowDictionaryKeyType>(
    keys: PrimitiveArray<K>,
    words: Arc<StringArray>,
) -> ArrayRef {
    let array = DictionaryArray::<K>::try_new(keys, words);
    Arc::new(array.expect("keys come from the word list"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Array;

    /// Which columns of a row are null does not depend on the rows around it.
    #[test]
    fn nulls_stay_with_their_rows() {
        let mut builder = EventsBuilder::new(&["c"]);
        builder.begin("s", "o");
        for round in 0..2 {
            let rows = 150;
            for n in 0..rows {
                let name = format!("user{n}");
                builder.push(&Draft {
                    time: n,
                    uid: "u",
                    user: (n % 3 == 0).then_some(name.as_str()),
                    mfa: (n % 5 == 0).then_some(n % 2 == 0),
                    lat: (n % 7 == 0).then_some(n as f64),
                    asn: (n % 11 == 0).then_some(n as u32),
                    bytes: (n % 13 == 0).then_some(n as u64),
                    kind: (n % 2 == 1).then_some(Kind::Service),
                    method: (n % 17 == 0).then_some(Method::Legacy),
                    reason: (n % 19 == 0).then_some(Reason::Other),
                    session: Some("x").filter(|_| n == 149),
                    ..Draft::default()
                });
            }
            assert_eq!(builder.len(), 150);
            let batch = builder.finish();
            let events = crate::event::Events::new(&batch).expect("canonical");
            for (n, row) in events.rows().enumerate() {
                let name = format!("user{n}");
                assert_eq!(row.user(), (n % 3 == 0).then_some(name.as_str()), "{round}");
                assert_eq!(row.mfa(), (n % 5 == 0).then_some(n % 2 == 0));
                assert_eq!(row.asn(), (n % 11 == 0).then_some(n as u32));
                assert_eq!(row.bytes(), (n % 13 == 0).then_some(n as u64));
                assert_eq!(row.kind(), (n % 2 == 1).then_some(Kind::Service));
                assert_eq!(row.method(), (n % 17 == 0).then_some(Method::Legacy));
                assert_eq!(row.reason(), (n % 19 == 0).then_some(Reason::Other));
                assert_eq!(row.session(), Some("x").filter(|_| n == 149));
                assert_eq!((row.uid(), row.source(), row.count()), ("u", "s", 1));
            }
            assert_eq!(batch.column(1).null_count(), 0);
        }
    }
}
