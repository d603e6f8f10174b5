//! A row in the making, and the texts that had to be written anew for it.
//!
//! Invariant: a row borrows its texts from the record and the formats; what was written is laid over it
//! at the end, when nothing is written any more.

use nightjar_detectors::event::{Activity, Draft, Kind, Method, Network, Outcome, Reason};

use super::capture::Piece;
use super::column::Column;

/// A value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Constant {
    Text(Piece),
    Activity(Activity),
    Outcome(Outcome),
    Network(Network),
    Kind(Kind),
    Method(Method),
    Reason(Reason),
    Flag(bool),
    Number(u64),
    Float(f64),
    System(u32),
}

impl Constant {
    /// A word of the column's word list.
    pub(crate) fn word(column: Column, text: &str) -> Option<Constant> {
        match column {
            Column::Activity => Activity::parse(text).map(Constant::Activity),
            Column::Outcome => Outcome::parse(text).map(Constant::Outcome),
            Column::Network => Network::parse(text).map(Constant::Network),
            Column::Kind => Kind::parse(text).map(Constant::Kind),
            Column::Method => Method::parse(text).map(Constant::Method),
            Column::Reason => Reason::parse(text).map(Constant::Reason),
            _ => None,
        }
    }
}

/// The row.
#[derive(Debug, Default)]
pub(crate) struct Row<'a> {
    /// The bits of the columns that have a value.
    pub(crate) set: u32,
    pub(crate) draft: Draft<'a>,
    /// The object is a keyed hash already.
    pub(crate) object_hashed: bool,
}

impl<'a> Row<'a> {
    #[inline(always)]
    pub(crate) fn has(&self, column: Column) -> bool {
        self.set & column.bit() != 0
    }

    pub(crate) fn put_time(&mut self, time_ms: i64) {
        self.draft.time = time_ms;
        self.set |= Column::Time.bit();
    }

    /// Puts a value that is no text, of the column's type.
    pub(crate) fn put(&mut self, column: Column, value: Constant) {
        let draft = &mut self.draft;
        match (column, value) {
            (_, Constant::Activity(word)) => draft.activity = Some(word),
            (_, Constant::Outcome(word)) => draft.outcome = Some(word),
            (_, Constant::Network(word)) => draft.network = Some(word),
            (_, Constant::Kind(word)) => draft.kind = Some(word),
            (_, Constant::Method(word)) => draft.method = Some(word),
            (_, Constant::Reason(word)) => draft.reason = Some(word),
            (_, Constant::System(number)) => draft.asn = Some(number),
            (Column::IsAdmin, Constant::Flag(flag)) => draft.is_admin = Some(flag),
            (Column::Interactive, Constant::Flag(flag)) => draft.interactive = Some(flag),
            (Column::Mfa, Constant::Flag(flag)) => draft.mfa = Some(flag),
            (Column::DeviceManaged, Constant::Flag(flag)) => draft.device_managed = Some(flag),
            (Column::Lat, Constant::Float(float)) => draft.lat = Some(float),
            (Column::Lon, Constant::Float(float)) => draft.lon = Some(float),
            (Column::RadiusKm, Constant::Float(float)) => draft.radius_km = Some(float),
            (Column::Count, Constant::Number(number)) => draft.count = Some(number),
            (Column::Bytes, Constant::Number(number)) => draft.bytes = Some(number),
            (Column::Tokens, Constant::Number(number)) => draft.tokens = Some(number),
            // The compiler checks constants against their columns.
            _ => return,
        }
        self.set |= column.bit();
    }

    #[inline(always)]
    pub(crate) fn put_text(&mut self, column: Column, text: &'a str) {
        lay(&mut self.draft, column, text);
        self.set |= column.bit();
    }

    /// The whole row.
    pub(crate) fn finish<'w>(self, written: &'w Written) -> Draft<'w>
    where
        'a: 'w,
    {
        let mut draft: Draft<'w> = self.draft;
        let mut start = 0;
        for (column, end) in &written.ends {
            lay(&mut draft, *column, &written.texts[start..*end]);
            start = *end;
        }
        draft.activity.get_or_insert(Activity::Other);
        draft.outcome.get_or_insert(Outcome::Unknown);
        draft.count.get_or_insert(1);
        draft
    }
}

#[inline(always)]
fn lay<'a>(draft: &mut Draft<'a>, column: Column, text: &'a str) {
    let place = match column {
        Column::Uid => {
            draft.uid = text;
            return;
        }
        Column::User => &mut draft.user,
        Column::TargetUser => &mut draft.target_user,
        Column::Ip => &mut draft.ip,
        Column::Country => &mut draft.country,
        Column::Region => &mut draft.region,
        Column::City => &mut draft.city,
        Column::Device => &mut draft.device,
        Column::App => &mut draft.app,
        Column::Object => &mut draft.object,
        Column::Model => &mut draft.model,
        Column::Sensitivity => &mut draft.sensitivity,
        Column::Session => &mut draft.session,
        _ => return,
    };
    *place = Some(text);
}

/// Texts that were changed on their way into the row, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Written {
    texts: String,
    /// Which column each is for, and where it ends; of two for one column the later counts.
    ends: Vec<(Column, usize)>,
}

impl Written {
    /// Forgets the row before.
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.ends.clear();
    }

    pub(crate) fn push(&mut self, column: Column, write: impl FnOnce(&mut String)) {
        write(&mut self.texts);
        self.ends.push((column, self.texts.len()));
    }

    /// What was written for a column.
    pub(crate) fn get(&self, column: Column) -> Option<&str> {
        let at = self.ends.iter().rposition(|(known, _)| *known == column)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before].1);
        Some(&self.texts[start..self.ends[at].1])
    }
}
