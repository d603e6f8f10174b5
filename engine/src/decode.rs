//! Decoding: the bytes of one record into rows of the canonical event.
//!
//! Invariant: rows are a function of the record, the formats and the options alone, never of the records
//! before it; only places that a format names leave a record, and no reason for a refusal quotes it.

mod capture;
mod column;
mod compile;
mod convert;
mod country;
mod cut;
mod decoder;
mod fill;
mod finish;
mod foreign;
mod formats;
mod guess;
mod keys;
mod language;
mod mistakes;
mod pairs;
mod program;
mod reader;
mod recognition;
mod row;
mod scan;
mod scopes;
mod time;
mod tree;
mod unknown;

pub use column::Column;
pub use compile::Mistake;
pub(crate) use country::country_code;
pub use decoder::Decoder;
pub use formats::{ClassInfo, Format, FormatError, Formats};
pub use tree::PathError;
pub(crate) use unknown::keep_first;

use std::collections::BTreeSet;
use std::sync::Arc;

use nightjar_detectors::event::Draft;

/// Largest record that is read.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// The name of the AI tool behind a host, or of that which a log calls by another name, if it is one. What is looked
/// up is in lower case.
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
    /// AI tools by the names that other logs give them, so that each has one name whoever tells of it.
    pub names: Arc<ToolLookup>,
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
            names: Arc::new(|_| None),
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
    /// After the refusals of a record: how many of its parts are of no known format, and names of their keys,
    /// without those that look like data.
    fn unrecognised(&mut self, _parts: u64, _keys: &BTreeSet<String>) {}
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
        column: Column,
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
