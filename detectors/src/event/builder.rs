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

use super::{Activity, Kind, Network, Outcome, pipeline_schema};

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
        ];
        tail[4..8].copy_from_slice(&words.map(|word| word.unwrap_or(u8::MAX)));
        for (at, float) in [self.lat, self.lon, self.radius_km].into_iter().enumerate() {
            let bits = float.map_or(u64::MAX, f64::to_bits);
            tail[8 + at * 8..16 + at * 8].copy_from_slice(&bits.to_le_bytes());
        }
        let numbers = [self.asn.map(u64::from), self.count, self.bytes, self.tokens];
        for (at, number) in numbers.into_iter().enumerate() {
            let place = &mut tail[32 + at * 9..41 + at * 9];
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
/// A push writes values only; which of them are there is one word a row, turned into the columns'
/// bitmaps when the batch is finished. Most columns of most rows are null.
#[derive(Debug)]
pub struct EventsBuilder {
    classes: Arc<StringArray>,
    sources: Words,
    origins: Words,
    source: i16,
    origin: i32,
    /// One bit a nullable column, one word a row.
    present: Vec<u64>,
    time: Vec<i64>,
    text: [Text; TEXTS],
    words: [Vec<i8>; 5],
    flags: [Vec<bool>; 5],
    floats: [Vec<f64>; 3],
    asn: Vec<u32>,
    numbers: [Vec<u64>; 5],
    source_keys: Vec<i16>,
    origin_keys: Vec<i32>,
}

const TEXTS: usize = 13;
/// Bytes of a dedup key's input behind the texts.
const TAIL_BYTES: usize = 68;

// First bits of the nullable columns of each kind in a row's word.
const TEXT_BIT: usize = 0;
const WORD_BIT: usize = TEXT_BIT + TEXTS;
const FLAG_BIT: usize = WORD_BIT + 5;
const FLOAT_BIT: usize = FLAG_BIT + 5;
const NUMBER_BIT: usize = FLOAT_BIT + 3;
const ASN_BIT: usize = NUMBER_BIT + 5;

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
}

impl EventsBuilder {
    /// A builder whose rows belong to these lateness classes (at most 127).
    pub fn new(classes: &[&str]) -> Self {
        EventsBuilder {
            classes: Arc::new(StringArray::from(classes.to_vec())),
            sources: Words::default(),
            origins: Words::default(),
            source: 0,
            origin: 0,
            present: Vec::new(),
            time: Vec::new(),
            text: Default::default(),
            words: Default::default(),
            flags: Default::default(),
            floats: Default::default(),
            asn: Vec::new(),
            numbers: Default::default(),
            source_keys: Vec::new(),
            origin_keys: Vec::new(),
        }
    }

    /// Where the following rows come from: the configured source, and the file or partition.
    pub fn begin(&mut self, source: &str, origin: &str) {
        self.source = self.sources.index(source) as i16;
        self.origin = self.origins.index(origin) as i32;
    }

    /// Rows appended since the last [`EventsBuilder::finish`].
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Whether nothing was appended since the last [`EventsBuilder::finish`].
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// Appends one row.
    pub fn push(&mut self, row: &Draft<'_>) {
        let mut present = 0u64;
        self.time.push(row.time);
        for (at, (column, value)) in self.text.iter_mut().zip(row.texts()).enumerate() {
            if let Some(value) = value {
                column.bytes.extend_from_slice(value.as_bytes());
                present |= 1 << (TEXT_BIT + at);
            }
            column.ends.push(column.bytes.len() as i32);
        }
        let words = [
            Some(row.activity.unwrap_or(Activity::Other) as i8),
            Some(row.outcome.unwrap_or(Outcome::Unknown) as i8),
            row.network.map(|network| network as i8),
            row.kind.map(|kind| kind as i8),
            Some(row.class as i8),
        ];
        present |= append(&mut self.words, words) << WORD_BIT;
        let flags = [
            row.is_admin,
            row.interactive,
            row.mfa,
            row.device_managed,
            Some(row.late),
        ];
        present |= append(&mut self.flags, flags) << FLAG_BIT;
        let floats = [row.lat, row.lon, row.radius_km];
        present |= append(&mut self.floats, floats) << FLOAT_BIT;
        let numbers = [
            Some(row.count.unwrap_or(1)),
            row.bytes,
            row.tokens,
            Some(row.offset),
            Some(row.key),
        ];
        present |= append(&mut self.numbers, numbers) << NUMBER_BIT;
        present |= u64::from(row.asn.is_some()) << ASN_BIT;
        self.asn.push(row.asn.unwrap_or_default());
        self.source_keys.push(self.source);
        self.origin_keys.push(self.origin);
        self.present.push(present);
    }

    /// The rows appended so far as one batch; the builder starts anew with the same source.
    pub fn finish(&mut self) -> RecordBatch {
        let rows = self.present.len();
        let present = Present::new(&renew(&mut self.present, rows));
        let source = self.sources.0.get(self.source as usize).cloned();
        let origin = self.origins.0.get(self.origin as usize).cloned();
        let mut next = 0;
        let text = self.text.each_mut().map(|column| {
            next += 1;
            column.finish(present.nulls(TEXT_BIT + next - 1), rows)
        });
        let [uid, user, target, ip, country, region, city, rest @ ..] = text;
        let [device, app, object, model, sensitivity, session] = rest;
        let names = |all: Vec<&'static str>| Arc::new(StringArray::from(all));
        let mut lists = [
            names(Activity::ALL.iter().map(|word| word.as_str()).collect()),
            names(Outcome::ALL.iter().map(|word| word.as_str()).collect()),
            names(Network::ALL.iter().map(|word| word.as_str()).collect()),
            names(Kind::ALL.iter().map(|word| word.as_str()).collect()),
            self.classes.clone(),
        ]
        .into_iter();
        let [activity, outcome, network, kind, class] =
            primitives::<Int8Type, 5>(&mut self.words, &present, WORD_BIT)
                .map(|keys| dictionary(keys, lists.next().expect("as many lists as columns")));
        let mut next = 0;
        let [admin, interactive, mfa, managed, late] = self.flags.each_mut().map(|column| {
            next += 1;
            let values = BooleanBuffer::from(renew(column, rows));
            Arc::new(BooleanArray::new(
                values,
                present.nulls(FLAG_BIT + next - 1),
            )) as ArrayRef
        });
        let [lat, lon, radius] =
            primitives::<Float64Type, 3>(&mut self.floats, &present, FLOAT_BIT).map(array);
        let [count, bytes, tokens, offset, key] =
            primitives::<UInt64Type, 5>(&mut self.numbers, &present, NUMBER_BIT).map(array);
        let time = PrimitiveArray::<TimestampMillisecondType>::new(
            renew(&mut self.time, rows).into(),
            None,
        );
        let asn = PrimitiveArray::<UInt32Type>::new(
            renew(&mut self.asn, rows).into(),
            present.nulls(ASN_BIT),
        );
        let sources = Arc::new(StringArray::from(std::mem::take(&mut self.sources.0)));
        let origins = Arc::new(StringArray::from(std::mem::take(&mut self.origins.0)));
        let source_keys =
            PrimitiveArray::<Int16Type>::new(renew(&mut self.source_keys, rows).into(), None);
        let origin_keys =
            PrimitiveArray::<Int32Type>::new(renew(&mut self.origin_keys, rows).into(), None);
        let columns: Vec<ArrayRef> = vec![
            array(time.with_timezone("UTC")),
            uid,
            dictionary(source_keys, sources),
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
            array(asn),
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
            class,
            dictionary(origin_keys, origins),
            offset,
            late,
            key,
        ];
        if let (Some(source), Some(origin)) = (source, origin) {
            self.begin(&source, &origin);
        }
        RecordBatch::try_new(pipeline_schema(), columns)
            .expect("every push appends to every column")
    }
}

/// Appends a value to each column; the bits of those that are there.
#[inline(always)]
fn append<T: Default, const N: usize>(columns: &mut [Vec<T>; N], values: [Option<T>; N]) -> u64 {
    let mut present = 0;
    for (at, (column, value)) in columns.iter_mut().zip(values).enumerate() {
        present |= u64::from(value.is_some()) << at;
        column.push(value.unwrap_or_default());
    }
    present
}

/// Takes a column's values and leaves room for as many again.
fn renew<T>(column: &mut Vec<T>, rows: usize) -> Vec<T> {
    std::mem::replace(column, Vec::with_capacity(rows))
}

fn primitives<T: ArrowPrimitiveType, const N: usize>(
    columns: &mut [Vec<T::Native>; N],
    present: &Present,
    first_bit: usize,
) -> [PrimitiveArray<T>; N] {
    let mut bit = first_bit;
    columns.each_mut().map(|column| {
        let rows = column.len();
        bit += 1;
        PrimitiveArray::new(renew(column, rows).into(), present.nulls(bit - 1))
    })
}

fn array<T: ArrowPrimitiveType>(column: PrimitiveArray<T>) -> ArrayRef {
    Arc::new(column)
}

impl Text {
    fn finish(&mut self, nulls: Option<NullBuffer>, rows: usize) -> ArrayRef {
        let size = self.bytes.len();
        let bytes = renew(&mut self.bytes, size);
        let offsets = std::iter::once(0).chain(renew(&mut self.ends, rows));
        let offsets = OffsetBuffer::new(offsets.collect::<Vec<i32>>().into());
        let column = StringArray::try_new(offsets, bytes.into(), nulls);
        Arc::new(column.expect("only whole texts are appended"))
    }
}

/// The words of the rows, turned by 90 degrees: one bitmap a column.
struct Present {
    bitmaps: Vec<Vec<u64>>,
    rows: usize,
}

impl Present {
    fn new(words: &[u64]) -> Self {
        let mut bitmaps = vec![Vec::new(); ASN_BIT + 1];
        for rows in words.chunks(64) {
            let mut block = [0; 64];
            block[..rows.len()].copy_from_slice(rows);
            transpose(&mut block);
            for (bitmap, word) in bitmaps.iter_mut().zip(block) {
                bitmap.push(word);
            }
        }
        Present {
            bitmaps,
            rows: words.len(),
        }
    }

    /// The nulls of a column, `None` where there are none.
    fn nulls(&self, bit: usize) -> Option<NullBuffer> {
        let bytes = self.bitmaps[bit].iter().flat_map(|word| word.to_le_bytes());
        let buffer = BooleanBuffer::new(bytes.collect::<Vec<u8>>().into(), 0, self.rows);
        let nulls = NullBuffer::new(buffer);
        (nulls.null_count() != 0).then_some(nulls)
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
                assert_eq!(row.session(), Some("x").filter(|_| n == 149));
                assert_eq!((row.uid(), row.source(), row.count()), ("u", "s", 1));
            }
            assert_eq!(batch.column(1).null_count(), 0);
        }
    }
}
