//! The canonical event: one row says who did what, to what, from where, when, and how much.
//!
//! Invariant: a batch that [`Events::new`] accepted has every column in its place and type, so
//! that nothing behind it checks again. Names follow OCSF in spirit; the README maps them.

mod builder;
mod json;
mod view;
mod words;

pub use builder::{Draft, EventsBuilder};
pub use json::{row_json, time_text};
pub use view::{Events, Row};
pub use words::{Activity, Kind, Method, Network, Outcome, Reason};

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

fn words() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))
}

/// Number of canonical columns; the bookkeeping columns of [`pipeline_schema`] follow them.
pub const CANONICAL_COLUMNS: usize = 32;

static PIPELINE: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let flag = |name| Field::new(name, DataType::Boolean, true);
    let number = |name, kind| Field::new(name, kind, true);
    Arc::new(Schema::new(vec![
        Field::new(
            "time",
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            false,
        ),
        Field::new("uid", DataType::Utf8, false),
        Field::new(
            "source",
            DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8)),
            false,
        ),
        Field::new("activity", words(), false),
        Field::new("outcome", words(), false),
        text("user"),
        text("target_user"),
        flag("is_admin"),
        flag("interactive"),
        flag("mfa"),
        flag("device_managed"),
        text("ip"),
        text("country"),
        text("region"),
        text("city"),
        number("lat", DataType::Float64),
        number("lon", DataType::Float64),
        number("radius_km", DataType::Float64),
        number("asn", DataType::UInt32),
        Field::new("network", words(), true),
        text("device"),
        text("app"),
        text("object"),
        Field::new("kind", words(), true),
        Field::new("count", DataType::UInt64, false),
        number("bytes", DataType::UInt64),
        number("tokens", DataType::UInt64),
        text("model"),
        text("sensitivity"),
        text("session"),
        Field::new("method", words(), true),
        Field::new("reason", words(), true),
        // Bookkeeping: not part of the event, of its hash or of its JSON.
        Field::new("class", words(), false),
        Field::new(
            "origin",
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            false,
        ),
        Field::new("offset", DataType::UInt64, false),
        Field::new("late", DataType::Boolean, false),
        Field::new("key", DataType::UInt64, false),
    ]))
});

/// The canonical columns, in order. See the README for what each one means.
pub fn canonical_schema() -> SchemaRef {
    let fields: Vec<_> = PIPELINE.fields()[..CANONICAL_COLUMNS].to_vec();
    Arc::new(Schema::new(fields))
}

/// The canonical columns and behind them what the pipeline keeps beside a row: `class` (the
/// lateness class its format gave it), `origin` (file, or topic and partition), `offset` (record
/// number in that origin), `late` (arrived after its allowed lateness; judged by policy only) and
/// `key` (dedup key, taken before enrichment).
pub fn pipeline_schema() -> SchemaRef {
    PIPELINE.clone()
}

/// A batch that is not one of canonical events.
#[derive(Debug, thiserror::Error)]
#[error("column {index} should be {expected} but is {found}")]
pub struct SchemaError {
    /// Position of the column.
    pub index: usize,
    /// Name and type of the column that belongs there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}
