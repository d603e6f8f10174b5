//! Rows into a batch. A decoder fills one [`Draft`] a row; the builder appends it to every column.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Float64Builder, Int8Builder, Int16Builder,
    Int32Builder, PrimitiveBuilder, StringArray, StringBuilder, TimestampMillisecondBuilder,
    UInt32Builder, UInt64Builder,
};
use arrow::array::{DictionaryArray, RecordBatch};
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, Int8Type, Int16Type, Int32Type,
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
        scratch.clear();
        scratch.extend_from_slice(&self.time.to_le_bytes());
        for text in self.texts() {
            // A length before each text, so that no two rows run together the same way.
            let bytes = text.map(str::as_bytes);
            let length = bytes.map_or(u32::MAX, |bytes| bytes.len() as u32);
            scratch.extend_from_slice(&length.to_le_bytes());
            scratch.extend_from_slice(bytes.unwrap_or_default());
        }
        let flags = [
            self.is_admin,
            self.interactive,
            self.mfa,
            self.device_managed,
        ];
        scratch.extend(flags.map(|flag| flag.map_or(2, u8::from)));
        let word = |byte: Option<u8>| byte.unwrap_or(u8::MAX);
        scratch.push(word(self.activity.map(|v| v as u8)));
        scratch.push(word(self.outcome.map(|v| v as u8)));
        scratch.push(word(self.network.map(|v| v as u8)));
        scratch.push(word(self.kind.map(|v| v as u8)));
        for float in [self.lat, self.lon, self.radius_km] {
            scratch.extend_from_slice(&float.map_or(u64::MAX, f64::to_bits).to_le_bytes());
        }
        let numbers = [self.asn.map(u64::from), self.count, self.bytes, self.tokens];
        for number in numbers {
            scratch.push(u8::from(number.is_some()));
            scratch.extend_from_slice(&number.unwrap_or(0).to_le_bytes());
        }
        xxhash_rust::xxh3::xxh3_64_with_seed(scratch, seed)
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
#[derive(Debug)]
pub struct EventsBuilder {
    classes: Arc<StringArray>,
    sources: Words,
    origins: Words,
    source: i16,
    origin: i32,
    rows: usize,
    time: TimestampMillisecondBuilder,
    text: [StringBuilder; 13],
    words: [Int8Builder; 5],
    flags: [BooleanBuilder; 5],
    floats: [Float64Builder; 3],
    asn: UInt32Builder,
    numbers: [UInt64Builder; 5],
    source_keys: Int16Builder,
    origin_keys: Int32Builder,
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
            rows: 0,
            time: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            text: Default::default(),
            words: Default::default(),
            flags: Default::default(),
            floats: Default::default(),
            asn: UInt32Builder::new(),
            numbers: Default::default(),
            source_keys: PrimitiveBuilder::new(),
            origin_keys: PrimitiveBuilder::new(),
        }
    }

    /// Where the following rows come from: the configured source, and the file or partition.
    pub fn begin(&mut self, source: &str, origin: &str) {
        self.source = self.sources.index(source) as i16;
        self.origin = self.origins.index(origin) as i32;
    }

    /// Rows appended since the last [`EventsBuilder::finish`].
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether nothing was appended since the last [`EventsBuilder::finish`].
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends one row.
    pub fn push(&mut self, row: &Draft<'_>) {
        let rows = self.rows;
        self.rows += 1;
        self.time.append_value(row.time);
        for (column, value) in self.text.iter_mut().zip(row.texts()) {
            if let Some(value) = value {
                column.reach(rows);
                column.append_value(value);
            }
        }
        let words = [
            Some(row.activity.unwrap_or(Activity::Other) as i8),
            Some(row.outcome.unwrap_or(Outcome::Unknown) as i8),
            row.network.map(|network| network as i8),
            row.kind.map(|kind| kind as i8),
            Some(row.class as i8),
        ];
        append(&mut self.words, words, rows);
        let flags = [
            row.is_admin,
            row.interactive,
            row.mfa,
            row.device_managed,
            Some(row.late),
        ];
        for (column, value) in self.flags.iter_mut().zip(flags) {
            if let Some(value) = value {
                column.reach(rows);
                column.append_value(value);
            }
        }
        append(&mut self.floats, [row.lat, row.lon, row.radius_km], rows);
        append(std::slice::from_mut(&mut self.asn), [row.asn], rows);
        let numbers = [
            Some(row.count.unwrap_or(1)),
            row.bytes,
            row.tokens,
            Some(row.offset),
            Some(row.key),
        ];
        append(&mut self.numbers, numbers, rows);
        self.source_keys.append_value(self.source);
        self.origin_keys.append_value(self.origin);
    }

    /// The rows appended so far as one batch; the builder starts anew with the same source.
    pub fn finish(&mut self) -> RecordBatch {
        // The next batch is likely to be as large, so it need not grow step by step.
        let rows = std::mem::take(&mut self.rows);
        self.text.iter_mut().for_each(|column| column.reach(rows));
        self.words.iter_mut().for_each(|column| column.reach(rows));
        self.flags.iter_mut().for_each(|column| column.reach(rows));
        self.floats.iter_mut().for_each(|column| column.reach(rows));
        self.asn.reach(rows);
        self.numbers
            .iter_mut()
            .for_each(|column| column.reach(rows));
        let source = self.sources.0.get(self.source as usize).cloned();
        let origin = self.origins.0.get(self.origin as usize).cloned();
        let mut text = self
            .text
            .iter_mut()
            .map(|b| Arc::new(finish_text(b, rows)) as ArrayRef);
        let mut next_text = || text.next().expect("thirteen text columns");
        let [uid, user, target] = [next_text(), next_text(), next_text()];
        let [ip, country, region, city] = [next_text(), next_text(), next_text(), next_text()];
        let [device, app, object] = [next_text(), next_text(), next_text()];
        let [model, sensitivity, session] = [next_text(), next_text(), next_text()];
        let [activity, outcome, network, kind, class] = &mut self.words;
        let [admin, interactive, mfa, managed, late] = &mut self.flags;
        let [lat, lon, radius] = &mut self.floats;
        let [count, bytes, tokens, offset, key] = &mut self.numbers;
        let word_column =
            |keys: &mut Int8Builder, all: Arc<StringArray>| dictionary::<Int8Type>(keys, all);
        let names = |all: Vec<&'static str>| Arc::new(StringArray::from(all));
        let activities = names(Activity::ALL.iter().map(|word| word.as_str()).collect());
        let outcomes = names(Outcome::ALL.iter().map(|word| word.as_str()).collect());
        let networks = names(Network::ALL.iter().map(|word| word.as_str()).collect());
        let kinds = names(Kind::ALL.iter().map(|word| word.as_str()).collect());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.time.finish()),
            uid,
            dictionary::<Int16Type>(
                &mut self.source_keys,
                Arc::new(StringArray::from(self.sources.0.clone())),
            ),
            word_column(activity, activities),
            word_column(outcome, outcomes),
            user,
            target,
            Arc::new(admin.finish()),
            Arc::new(interactive.finish()),
            Arc::new(mfa.finish()),
            Arc::new(managed.finish()),
            ip,
            country,
            region,
            city,
            finish(lat, rows),
            finish(lon, rows),
            finish(radius, rows),
            Arc::new(self.asn.finish()),
            word_column(network, networks),
            device,
            app,
            object,
            word_column(kind, kinds),
            finish(count, rows),
            finish(bytes, rows),
            finish(tokens, rows),
            model,
            sensitivity,
            session,
            word_column(class, self.classes.clone()),
            dictionary::<Int32Type>(
                &mut self.origin_keys,
                Arc::new(StringArray::from(self.origins.0.clone())),
            ),
            finish(offset, rows),
            Arc::new(late.finish()),
            finish(key, rows),
        ];
        drop(text);
        self.sources.0.clear();
        self.origins.0.clear();
        if let (Some(source), Some(origin)) = (source, origin) {
            self.begin(&source, &origin);
        }
        RecordBatch::try_new(pipeline_schema(), columns)
            .expect("every push appends to every column")
    }
}

/// A column that is filled when a value comes: what was missing before is made up for then, so that a
/// column nobody fills costs a row nothing.
trait Sparse: ArrayBuilder {
    /// Appends this many nulls.
    fn append_missing(&mut self, missing: usize);

    /// Brings the column to this length.
    #[inline]
    fn reach(&mut self, rows: usize) {
        let missing = rows - self.len();
        if 0 < missing {
            self.append_missing(missing);
        }
    }
}

impl Sparse for StringBuilder {
    fn append_missing(&mut self, missing: usize) {
        self.append_nulls(missing);
    }
}

impl Sparse for BooleanBuilder {
    fn append_missing(&mut self, missing: usize) {
        self.append_nulls(missing);
    }
}

impl<T: ArrowPrimitiveType> Sparse for PrimitiveBuilder<T> {
    fn append_missing(&mut self, missing: usize) {
        self.append_nulls(missing);
    }
}

/// Appends the values of one row to their columns.
#[inline]
fn append<T: ArrowPrimitiveType, const N: usize>(
    columns: &mut [PrimitiveBuilder<T>],
    values: [Option<T::Native>; N],
    rows: usize,
) {
    for (column, value) in columns.iter_mut().zip(values) {
        if let Some(value) = value {
            column.reach(rows);
            column.append_value(value);
        }
    }
}

/// Finishes a column; the next begins with room for `rows`.
fn finish<T: ArrowPrimitiveType>(column: &mut PrimitiveBuilder<T>, rows: usize) -> ArrayRef {
    let array = column.finish();
    *column = PrimitiveBuilder::with_capacity(rows);
    Arc::new(array)
}

/// Like [`finish`], with room for as much text.
fn finish_text(column: &mut StringBuilder, rows: usize) -> StringArray {
    let array = column.finish();
    *column = StringBuilder::with_capacity(rows, array.value_data().len());
    array
}

fn dictionary<K: ArrowDictionaryKeyType>(
    keys: &mut PrimitiveBuilder<K>,
    words: Arc<StringArray>,
) -> ArrayRef {
    let array = DictionaryArray::<K>::try_new(keys.finish(), words);
    Arc::new(array.expect("keys come from the word list"))
}
