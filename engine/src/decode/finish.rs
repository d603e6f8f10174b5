//! The last steps of a row: what depends on several columns, its ids, and the way to the sink.
//!
//! Invariant: the dedup key is taken last, so it covers everything that the sink sees.

use std::collections::HashMap;
use std::fmt::Write;

use nightjar_detectors::event::{Activity, Draft};

use super::capture::{Piece, Place};
use super::column::Column;
use super::convert;
use super::fill::Filler;
use super::program::{Row, Texts};

/// What depends on several columns.
pub(crate) fn finish(row: &mut Row, filler: &mut Filler<'_>, show_objects: bool) {
    const PLACE: u32 = Column::Lat.bit() | Column::Lon.bit();
    if row.set & PLACE != 0 {
        let (lat, lon) = (row.float(Column::Lat), row.float(Column::Lon));
        // 0,0 is what vendors write for nowhere.
        let somewhere = lat.zip(lon).is_some_and(|(lat, lon)| {
            lat.abs() <= 90.0 && lon.abs() <= 180.0 && (lat != 0.0 || lon != 0.0)
        });
        if !somewhere {
            row.set &= !(PLACE | Column::RadiusKm.bit());
        }
    }
    let named = matches!(
        row.activity(),
        Activity::Download
            | Activity::Upload
            | Activity::Share
            | Activity::AiUse
            | Activity::MailboxRule
            | Activity::Other
    );
    if let Some(object) = row.piece(Column::Object)
        && named
        && !show_objects
        && !row.object_hashed
    {
        let hashed = filler.hashed(object);
        row.put_piece(Column::Object, hashed);
    }
}

/// Gives a row its ids.
pub(crate) struct Ids<'m> {
    pub(crate) seed: u64,
    /// How many rows of the record are alike; `None` where the record is one row.
    pub(crate) alike: Option<&'m mut HashMap<u64, u32>>,
    pub(crate) hash_bytes: &'m mut Vec<u8>,
}

impl Ids<'_> {
    /// The whole row: an id where the vendor gives none, a number where rows of one record are alike in
    /// everything (they are as many as the vendor said), and the dedup key.
    pub(crate) fn draft<'a>(
        self,
        row: &mut Row,
        record: &'a str,
        constants: &'a str,
        arena: &'a mut String,
    ) -> Draft<'a> {
        let seed = self.seed;
        if !row.has(Column::Uid) {
            let hash = draft(
                row,
                Texts {
                    record,
                    arena,
                    constants,
                },
            )
            .content_key(seed, self.hash_bytes);
            put_uid(row, arena, |arena| convert::push_hex(hash, arena));
        }
        let Some(alike) = self.alike else {
            return keyed(row, record, constants, arena, seed, self.hash_bytes);
        };
        let texts = Texts {
            record,
            arena,
            constants,
        };
        let key = draft(row, texts).content_key(seed, self.hash_bytes);
        let alike = alike.entry(key).or_default();
        *alike += 1;
        let number = *alike;
        if number == 1 {
            return keyed(row, record, constants, arena, seed, self.hash_bytes);
        }
        let uid = row.piece(Column::Uid).unwrap_or_default();
        let name = Texts {
            record,
            arena,
            constants,
        }
        .get(uid)
        .to_owned();
        put_uid(row, arena, |arena| {
            // Writing to a String cannot fail.
            _ = write!(arena, "{name}#{number}");
        });
        keyed(row, record, constants, arena, seed, self.hash_bytes)
    }
}

/// The row with its dedup key.
fn keyed<'a>(
    row: &Row,
    record: &'a str,
    constants: &'a str,
    arena: &'a str,
    seed: u64,
    hash_bytes: &mut Vec<u8>,
) -> Draft<'a> {
    let mut draft = draft(
        row,
        Texts {
            record,
            arena,
            constants,
        },
    );
    draft.key = draft.content_key(seed, hash_bytes);
    draft
}

fn put_uid(row: &mut Row, arena: &mut String, write: impl FnOnce(&mut String)) {
    let start = arena.len() as u32;
    write(arena);
    let end = arena.len() as u32;
    row.put_piece(
        Column::Uid,
        Piece {
            place: Place::Arena,
            start,
            end,
        },
    );
}

fn draft<'a>(row: &Row, texts: Texts<'a>) -> Draft<'a> {
    let text = |column| row.piece(column).map(|piece| texts.get(piece));
    Draft {
        time: row.time,
        uid: text(Column::Uid).unwrap_or_default(),
        activity: Some(row.activity()),
        outcome: Some(row.outcome()),
        user: text(Column::User),
        target_user: text(Column::TargetUser),
        is_admin: row.flag(Column::IsAdmin),
        interactive: row.flag(Column::Interactive),
        mfa: row.flag(Column::Mfa),
        device_managed: row.flag(Column::DeviceManaged),
        ip: text(Column::Ip),
        country: text(Column::Country),
        region: text(Column::Region),
        city: text(Column::City),
        lat: row.float(Column::Lat),
        lon: row.float(Column::Lon),
        radius_km: row.float(Column::RadiusKm),
        asn: row.has(Column::Asn).then_some(row.system),
        network: row.network(),
        device: text(Column::Device),
        app: text(Column::App),
        object: text(Column::Object),
        kind: row.kind(),
        count: Some(row.number(Column::Count).unwrap_or(1)),
        bytes: row.number(Column::Bytes),
        tokens: row.number(Column::Tokens),
        model: text(Column::Model),
        sensitivity: text(Column::Sensitivity),
        session: text(Column::Session),
        class: 0,
        offset: 0,
        late: false,
        key: 0,
    }
}
