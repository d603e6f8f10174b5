//! The last steps of a row: what depends on several columns, its ids, and the way to the sink.
//!
//! Invariant: the dedup key is taken last, so it covers everything that the sink sees.

use std::collections::HashMap;
use std::fmt::Write;

use nightjar_detectors::event::{Activity, Draft, Method};

use super::column::Column;
use super::convert;
use super::fill::Filler;
use super::{DecodeOptions, Sink};

/// What depends on several columns.
pub(crate) fn finish(filler: &mut Filler<'_, '_>, options: &DecodeOptions) {
    if filler.row.draft.activity == Some(Activity::AiUse) {
        filler.name_tool(&*options.names);
    }
    let row = &mut filler.row;
    if row.has(Column::Lat) || row.has(Column::Lon) {
        let draft = &mut row.draft;
        // 0,0 is what vendors write for nowhere.
        let somewhere = draft.lat.zip(draft.lon).is_some_and(|(lat, lon)| {
            lat.abs() <= 90.0 && lon.abs() <= 180.0 && (lat != 0.0 || lon != 0.0)
        });
        if !somewhere {
            (draft.lat, draft.lon, draft.radius_km) = (None, None, None);
        }
    }
    let named = matches!(
        row.draft.activity.unwrap_or(Activity::Other),
        Activity::Download
            | Activity::Upload
            | Activity::Share
            | Activity::AiUse
            | Activity::MailboxRule
            | Activity::Other
    );
    // Where mail is forwarded to is no name of a document.
    let is_forward = row.draft.method == Some(Method::Forward)
        && row.draft.object.is_some_and(convert::is_address);
    if named
        && row.has(Column::Object)
        && !options.show_objects
        && !row.object_hashed
        && !is_forward
    {
        filler.hash_object();
    }
}

/// Gives rows their ids.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    /// How many rows of the record at hand are alike, by their dedup key.
    alike: HashMap<u64, u32>,
    hash_bytes: Vec<u8>,
}

impl Ids {
    /// The ids of a tenant's rows; the seed keys them.
    pub(crate) fn new(seed: u64) -> Self {
        Ids {
            seed,
            alike: HashMap::new(),
            hash_bytes: Vec::new(),
        }
    }

    /// The following rows are of another record.
    pub(crate) fn begin(&mut self) {
        self.alike.clear();
    }

    /// Hands over a whole row: with an id where the vendor gives none, a number where rows of one record
    /// are alike in everything (they are as many as the vendor said), and the dedup key. `only`: it is
    /// the one row of its record.
    pub(crate) fn hand_over(&mut self, row: Draft<'_>, only: bool, sink: &mut dyn Sink) {
        let (mut hex, mut numbered) = (String::new(), String::new());
        // Lives shorter than the texts of the record: its id may be ours.
        let mut row: Draft<'_> = row;
        if row.uid.is_empty() {
            let hash = row.content_key(self.seed, &mut self.hash_bytes);
            convert::push_hex(hash, &mut hex);
            row.uid = &hex;
        }
        row.key = row.content_key(self.seed, &mut self.hash_bytes);
        if !only {
            let alike = self.alike.entry(row.key).or_default();
            *alike += 1;
            if *alike != 1 {
                // Writing to a String cannot fail.
                _ = write!(numbered, "{}#{alike}", row.uid);
                row.uid = &numbered;
                row.key = row.content_key(self.seed, &mut self.hash_bytes);
            }
        }
        sink.row(row);
    }
}
