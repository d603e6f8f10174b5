//! The canonical columns as a format file names them, and where a row in the making keeps each.
//!
//! Invariant: every column of [`Draft`] that a format may fill is here once.
//!
//! [`Draft`]: nightjar_detectors::event::Draft

use nightjar_detectors::event::{Activity, Kind, Network, Outcome};

/// A column of the canonical event.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the canonical columns, documented in the README
pub enum Column {
    Time,
    Uid,
    Activity,
    Outcome,
    User,
    TargetUser,
    IsAdmin,
    Interactive,
    Mfa,
    DeviceManaged,
    Ip,
    Country,
    Region,
    City,
    Lat,
    Lon,
    RadiusKm,
    Asn,
    Network,
    Device,
    App,
    Object,
    Kind,
    Count,
    Bytes,
    Tokens,
    Model,
    Sensitivity,
    Session,
}

/// Where a column's value is kept until the row is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    Time,
    Text(usize),
    Flag(usize),
    Float(usize),
    Number(usize),
    Word(usize),
    System,
}

impl Column {
    /// Every column, in the order of the schema.
    pub const ALL: [Column; 29] = [
        Column::Time,
        Column::Uid,
        Column::Activity,
        Column::Outcome,
        Column::User,
        Column::TargetUser,
        Column::IsAdmin,
        Column::Interactive,
        Column::Mfa,
        Column::DeviceManaged,
        Column::Ip,
        Column::Country,
        Column::Region,
        Column::City,
        Column::Lat,
        Column::Lon,
        Column::RadiusKm,
        Column::Asn,
        Column::Network,
        Column::Device,
        Column::App,
        Column::Object,
        Column::Kind,
        Column::Count,
        Column::Bytes,
        Column::Tokens,
        Column::Model,
        Column::Sensitivity,
        Column::Session,
    ];

    /// The column's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Column::Time => "time",
            Column::Uid => "uid",
            Column::Activity => "activity",
            Column::Outcome => "outcome",
            Column::User => "user",
            Column::TargetUser => "target_user",
            Column::IsAdmin => "is_admin",
            Column::Interactive => "interactive",
            Column::Mfa => "mfa",
            Column::DeviceManaged => "device_managed",
            Column::Ip => "ip",
            Column::Country => "country",
            Column::Region => "region",
            Column::City => "city",
            Column::Lat => "lat",
            Column::Lon => "lon",
            Column::RadiusKm => "radius_km",
            Column::Asn => "asn",
            Column::Network => "network",
            Column::Device => "device",
            Column::App => "app",
            Column::Object => "object",
            Column::Kind => "kind",
            Column::Count => "count",
            Column::Bytes => "bytes",
            Column::Tokens => "tokens",
            Column::Model => "model",
            Column::Sensitivity => "sensitivity",
            Column::Session => "session",
        }
    }

    /// The bit of this column in a set of columns.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// A value of the wrong type here sets the record aside; elsewhere it is only unknown.
    pub(crate) const fn is_needed(self) -> bool {
        use Column::{Activity, Bytes, Count, Time, Tokens, Uid, User};
        matches!(self, Time | Uid | User | Activity | Count | Bytes | Tokens)
    }

    #[inline(always)]
    pub(crate) const fn home(self) -> Home {
        match self {
            Column::Time => Home::Time,
            Column::Uid => Home::Text(0),
            Column::User => Home::Text(1),
            Column::TargetUser => Home::Text(2),
            Column::Ip => Home::Text(3),
            Column::Country => Home::Text(4),
            Column::Region => Home::Text(5),
            Column::City => Home::Text(6),
            Column::Device => Home::Text(7),
            Column::App => Home::Text(8),
            Column::Object => Home::Text(9),
            Column::Model => Home::Text(10),
            Column::Sensitivity => Home::Text(11),
            Column::Session => Home::Text(12),
            Column::IsAdmin => Home::Flag(0),
            Column::Interactive => Home::Flag(1),
            Column::Mfa => Home::Flag(2),
            Column::DeviceManaged => Home::Flag(3),
            Column::Lat => Home::Float(0),
            Column::Lon => Home::Float(1),
            Column::RadiusKm => Home::Float(2),
            Column::Count => Home::Number(0),
            Column::Bytes => Home::Number(1),
            Column::Tokens => Home::Number(2),
            Column::Activity => Home::Word(0),
            Column::Outcome => Home::Word(1),
            Column::Network => Home::Word(2),
            Column::Kind => Home::Word(3),
            Column::Asn => Home::System,
        }
    }

    /// This column's word list, where it has one.
    pub(crate) fn words(self) -> Option<Vec<&'static str>> {
        Some(match self {
            Column::Activity => Activity::ALL.iter().map(|word| word.as_str()).collect(),
            Column::Outcome => Outcome::ALL.iter().map(|word| word.as_str()).collect(),
            Column::Network => Network::ALL.iter().map(|word| word.as_str()).collect(),
            Column::Kind => Kind::ALL.iter().map(|word| word.as_str()).collect(),
            _ => return None,
        })
    }

    /// The byte of a word of this column's word list.
    pub(crate) fn word(self, text: &str) -> Option<u8> {
        match self {
            Column::Activity => Activity::parse(text).map(|word| word as u8),
            Column::Outcome => Outcome::parse(text).map(|word| word as u8),
            Column::Network => Network::parse(text).map(|word| word as u8),
            Column::Kind => Kind::parse(text).map(|word| word as u8),
            _ => None,
        }
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}
