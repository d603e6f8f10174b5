//! The canonical columns as a format file names them, and the type of each.
//!
//! Invariant: every column of [`Draft`] that a format may fill is here once.
//!
//! [`Draft`]: nightjar_detectors::event::Draft

use nightjar_detectors::event;

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
    Method,
    Reason,
}

/// Of what type a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Time,
    Text,
    Flag,
    Float,
    Number,
    Word,
    System,
}

impl Column {
    /// Every column, in the order of the schema.
    pub const ALL: [Column; 31] = [
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
        Column::Method,
        Column::Reason,
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
            Column::Method => "method",
            Column::Reason => "reason",
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

    pub(crate) const fn kind(self) -> Type {
        use Column::*;
        match self {
            Time => Type::Time,
            Uid | User | TargetUser | Ip | Country | Region | City | Device | App | Object
            | Model | Sensitivity | Session => Type::Text,
            IsAdmin | Interactive | Mfa | DeviceManaged => Type::Flag,
            Lat | Lon | RadiusKm => Type::Float,
            Count | Bytes | Tokens => Type::Number,
            Activity | Outcome | Network | Kind | Method | Reason => Type::Word,
            Asn => Type::System,
        }
    }

    /// This column's word list, where it has one.
    pub(crate) fn words(self) -> Option<Vec<&'static str>> {
        macro_rules! list {
            ($name:ident) => {
                event::$name::ALL.iter().map(|word| word.as_str()).collect()
            };
        }
        Some(match self {
            Column::Activity => list!(Activity),
            Column::Outcome => list!(Outcome),
            Column::Network => list!(Network),
            Column::Kind => list!(Kind),
            Column::Method => list!(Method),
            Column::Reason => list!(Reason),
            _ => return None,
        })
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}
