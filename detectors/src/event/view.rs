//! A batch whose columns were checked once, and one row of it.

use arrow::array::{
    Array, AsArray, BooleanArray, DictionaryArray, Float64Array, PrimitiveArray, RecordBatch,
    StringArray, TimestampMillisecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{Int8Type, Int16Type, Int32Type, TimestampMillisecondType};

use super::{Activity, Kind, Method, Network, Outcome, Reason, SchemaError, pipeline_schema};

/// A checked view over a batch of [`pipeline_schema`].
#[derive(Debug, Clone)]
pub struct Events<'a> {
    batch: &'a RecordBatch,
    time: &'a TimestampMillisecondArray,
    uid: &'a StringArray,
    user: &'a StringArray,
    activity: WordColumn<'a>,
    outcome: WordColumn<'a>,
    network: WordColumn<'a>,
    kind: WordColumn<'a>,
    method: WordColumn<'a>,
    reason: WordColumn<'a>,
    texts: [&'a StringArray; 11],
    flags: [&'a BooleanArray; 5],
    floats: [&'a Float64Array; 3],
    asn: &'a UInt32Array,
    numbers: [&'a UInt64Array; 5],
    sources: &'a DictionaryArray<Int16Type>,
    origins: &'a DictionaryArray<Int32Type>,
    classes: &'a DictionaryArray<Int8Type>,
}

/// Where the columns of one type stand in the schema.
const TEXTS: [usize; 11] = [6, 11, 12, 13, 14, 20, 21, 22, 27, 28, 29];
const FLAGS: [usize; 5] = [7, 8, 9, 10, 35];
const FLOATS: [usize; 3] = [15, 16, 17];
const NUMBERS: [usize; 5] = [24, 25, 26, 34, 36];

/// Dictionary keys, and what each key means as the byte of the enum.
#[derive(Debug, Clone)]
struct WordColumn<'a> {
    keys: &'a PrimitiveArray<Int8Type>,
    bytes: Vec<u8>,
}

impl<'a> WordColumn<'a> {
    fn new(batch: &'a RecordBatch, index: usize, byte: impl Fn(&str) -> Option<u8>) -> Self {
        let array: &DictionaryArray<Int8Type> = batch.column(index).as_dictionary();
        let words = array.values().as_string::<i32>();
        let bytes = (0..words.len())
            .map(|i| byte(words.value(i)).unwrap_or(u8::MAX))
            .collect();
        WordColumn {
            keys: array.keys(),
            bytes,
        }
    }

    fn byte(&self, row: usize) -> Option<u8> {
        (!self.keys.is_null(row)).then(|| self.bytes[self.keys.value(row) as usize])
    }
}

fn byte_of<T: Copy>(all: &[T], byte: Option<u8>) -> Option<T> {
    all.get(usize::from(byte?)).copied()
}

impl<'a> Events<'a> {
    /// Checks the batch's columns.
    ///
    /// # Errors
    /// Names the first column that is not where [`pipeline_schema`] has it.
    pub fn new(batch: &'a RecordBatch) -> Result<Self, SchemaError> {
        let expected = pipeline_schema();
        let found = batch.schema();
        for (index, field) in expected.fields().iter().enumerate() {
            let other = found.fields().get(index);
            let same = other
                .is_some_and(|o| o.name() == field.name() && o.data_type() == field.data_type());
            if !same {
                return Err(SchemaError {
                    index,
                    expected: format!("{} {}", field.name(), field.data_type()),
                    found: other.map_or("missing".to_owned(), |o| {
                        format!("{} {}", o.name(), o.data_type())
                    }),
                });
            }
        }
        Ok(Events {
            batch,
            time: batch.column(0).as_primitive::<TimestampMillisecondType>(),
            uid: batch.column(1).as_string(),
            user: batch.column(5).as_string(),
            activity: WordColumn::new(batch, 3, |w| Activity::parse(w).map(|v| v as u8)),
            outcome: WordColumn::new(batch, 4, |w| Outcome::parse(w).map(|v| v as u8)),
            network: WordColumn::new(batch, 19, |w| Network::parse(w).map(|v| v as u8)),
            kind: WordColumn::new(batch, 23, |w| Kind::parse(w).map(|v| v as u8)),
            method: WordColumn::new(batch, 30, |w| Method::parse(w).map(|v| v as u8)),
            reason: WordColumn::new(batch, 31, |w| Reason::parse(w).map(|v| v as u8)),
            texts: TEXTS.map(|index| batch.column(index).as_string()),
            flags: FLAGS.map(|index| batch.column(index).as_boolean()),
            floats: FLOATS.map(|index| batch.column(index).as_primitive()),
            asn: batch.column(18).as_primitive(),
            numbers: NUMBERS.map(|index| batch.column(index).as_primitive()),
            sources: batch.column(2).as_dictionary(),
            origins: batch.column(33).as_dictionary(),
            classes: batch.column(32).as_dictionary(),
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batch itself.
    pub fn batch(&self) -> &'a RecordBatch {
        self.batch
    }

    /// Event times, milliseconds since 1970-01-01 UTC.
    pub fn times(&self) -> &'a [i64] {
        self.time.values()
    }

    /// Row `index`; panics beyond the end.
    pub fn row(&self, index: usize) -> Row<'_> {
        assert!(index < self.len(), "row {index} of {}", self.len());
        Row {
            events: self,
            index,
        }
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }
}

/// One row of [`Events`]. Methods are the columns; `None` where the vendor does not say.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    events: &'a Events<'a>,
    index: usize,
}

#[allow(missing_docs)] // the methods are the canonical columns, documented in the README
impl<'a> Row<'a> {
    fn text_at(self, place: usize) -> Option<&'a str> {
        let array = self.events.texts[place];
        (!array.is_null(self.index)).then(|| array.value(self.index))
    }

    fn flag_at(self, place: usize) -> Option<bool> {
        let array = self.events.flags[place];
        (!array.is_null(self.index)).then(|| array.value(self.index))
    }

    fn number_at(self, place: usize) -> Option<u64> {
        let array = self.events.numbers[place];
        (!array.is_null(self.index)).then(|| array.value(self.index))
    }

    fn float_at(self, place: usize) -> Option<f64> {
        let array = self.events.floats[place];
        (!array.is_null(self.index)).then(|| array.value(self.index))
    }

    /// Position of the row in its batch.
    pub fn index(self) -> usize {
        self.index
    }

    pub fn time(self) -> i64 {
        self.events.time.value(self.index)
    }

    pub fn uid(self) -> &'a str {
        self.events.uid.value(self.index)
    }

    pub fn source(self) -> &'a str {
        let column = self.events.sources;
        let words: &StringArray = column.values().as_string();
        words.value(column.keys().value(self.index) as usize)
    }

    /// Source, origin and class as the batch's dictionaries number them.
    pub(crate) fn origin_keys(self) -> (i16, i32, i8) {
        let Events {
            sources,
            origins,
            classes,
            ..
        } = self.events;
        (
            sources.keys().value(self.index),
            origins.keys().value(self.index),
            classes.keys().value(self.index),
        )
    }

    pub fn activity(self) -> Activity {
        byte_of(Activity::ALL, self.events.activity.byte(self.index)).unwrap_or(Activity::Other)
    }

    pub fn outcome(self) -> Outcome {
        byte_of(Outcome::ALL, self.events.outcome.byte(self.index)).unwrap_or(Outcome::Unknown)
    }

    pub fn user(self) -> Option<&'a str> {
        let user = self.events.user;
        (!user.is_null(self.index)).then(|| user.value(self.index))
    }

    pub fn target_user(self) -> Option<&'a str> {
        self.text_at(0)
    }

    pub fn is_admin(self) -> Option<bool> {
        self.flag_at(0)
    }

    pub fn interactive(self) -> Option<bool> {
        self.flag_at(1)
    }

    pub fn mfa(self) -> Option<bool> {
        self.flag_at(2)
    }

    pub fn device_managed(self) -> Option<bool> {
        self.flag_at(3)
    }

    pub fn ip(self) -> Option<&'a str> {
        self.text_at(1)
    }

    pub fn country(self) -> Option<&'a str> {
        self.text_at(2)
    }

    pub fn region(self) -> Option<&'a str> {
        self.text_at(3)
    }

    pub fn city(self) -> Option<&'a str> {
        self.text_at(4)
    }

    /// Latitude and longitude in degrees, when both are known.
    pub fn coordinates(self) -> Option<(f64, f64)> {
        self.float_at(0).zip(self.float_at(1))
    }

    pub fn radius_km(self) -> Option<f64> {
        self.float_at(2)
    }

    pub fn asn(self) -> Option<u32> {
        let column = self.events.asn;
        (!column.is_null(self.index)).then(|| column.value(self.index))
    }

    pub fn network(self) -> Option<Network> {
        byte_of(Network::ALL, self.events.network.byte(self.index))
    }

    pub fn device(self) -> Option<&'a str> {
        self.text_at(5)
    }

    pub fn app(self) -> Option<&'a str> {
        self.text_at(6)
    }

    pub fn object(self) -> Option<&'a str> {
        self.text_at(7)
    }

    pub fn kind(self) -> Option<Kind> {
        byte_of(Kind::ALL, self.events.kind.byte(self.index))
    }

    pub fn count(self) -> u64 {
        self.events.numbers[0].value(self.index)
    }

    pub fn bytes(self) -> Option<u64> {
        self.number_at(1)
    }

    pub fn tokens(self) -> Option<u64> {
        self.number_at(2)
    }

    pub fn model(self) -> Option<&'a str> {
        self.text_at(8)
    }

    pub fn sensitivity(self) -> Option<&'a str> {
        self.text_at(9)
    }

    pub fn session(self) -> Option<&'a str> {
        self.text_at(10)
    }

    pub fn method(self) -> Option<Method> {
        byte_of(Method::ALL, self.events.method.byte(self.index))
    }

    pub fn reason(self) -> Option<Reason> {
        byte_of(Reason::ALL, self.events.reason.byte(self.index))
    }

    /// The lateness class its format gave it.
    pub fn class(self) -> &'a str {
        let column = self.events.classes;
        let words: &StringArray = column.values().as_string();
        words.value(column.keys().value(self.index) as usize)
    }

    /// The format of its record, which the class begins with.
    pub fn format(self) -> &'a str {
        let class = self.class();
        class.split_once('.').map_or(class, |(format, _)| format)
    }

    /// File, or topic and partition.
    pub fn origin(self) -> &'a str {
        let column = self.events.origins;
        let words: &StringArray = column.values().as_string();
        words.value(column.keys().value(self.index) as usize)
    }

    /// Record number within the origin.
    pub fn offset(self) -> u64 {
        self.events.numbers[3].value(self.index)
    }

    /// Whether a column, by its place in the schema, says anything here.
    pub fn is_filled(self, column: usize) -> bool {
        !self.events.batch.column(column).is_null(self.index)
    }

    /// Whether it arrived after its allowed lateness.
    pub fn late(self) -> bool {
        self.events.flags[4].value(self.index)
    }

    /// Dedup key, taken before enrichment.
    pub fn key(self) -> u64 {
        self.events.numbers[4].value(self.index)
    }
}
