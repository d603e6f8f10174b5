//! The canonical event: one row says who did what, to what, from where, when, and how much.
//!
//! Invariant: a batch that [`Events::new`] accepted has every column in its place and type, so
//! that nothing behind it checks again. Names follow OCSF in spirit; the README maps them.

mod builder;
mod json;
mod view;

pub use builder::{Draft, EventsBuilder};
pub use json::{row_json, time_text};
pub use view::{Events, Row};

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// A word list that is a dictionary column on the outside and a byte on the inside.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }
        impl $name {
            /// Every value, in the order of the dictionary.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The word as it stands in the column and in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
            /// The value of a word, or `None` for any other word.
            pub fn parse(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What was done.
    Activity {
        /// A sign-in, interactive or not.
        Login = "login",
        /// A second factor was asked for.
        MfaChallenge = "mfa_challenge",
        /// Content left the service: downloads, copies, prints, sync.
        Download = "download",
        /// Content was put into a service.
        Upload = "upload",
        /// Access to content was given to others.
        Share = "share",
        /// An AI tool was used.
        AiUse = "ai_use",
        /// A role or privilege was granted.
        RoleGrant = "role_grant",
        /// An application was given consent.
        AppConsent = "app_consent",
        /// A device was registered.
        DeviceRegister = "device_register",
        /// A factor was added, removed or reset.
        MfaChange = "mfa_change",
        /// A mailbox rule was made or changed.
        MailboxRule = "mailbox_rule",
        /// An account was made, changed, locked or removed.
        AccountChange = "account_change",
        /// Audit logging was changed.
        AuditChange = "audit_change",
        /// Anything else that a format names.
        Other = "other",
    }
}

words! {
    /// How it ended.
    Outcome {
        /// It was done.
        Success = "success",
        /// It was refused or failed.
        Failure = "failure",
        /// The vendor does not say.
        Unknown = "unknown",
    }
}

words! {
    /// What the principal is.
    Kind {
        /// A human being.
        Person = "person",
        /// A service account, service principal or API key.
        Service = "service",
        /// An AI agent that acts by itself.
        Agent = "agent",
        /// An account used by several people.
        Shared = "shared",
        /// An emergency account: every use is worth a look.
        BreakGlass = "break_glass",
        /// Not said by directory or vendor.
        Unknown = "unknown",
    }
}

words! {
    /// The class of the network an address belongs to.
    Network {
        /// The company's own, as configured.
        Corporate = "corporate",
        /// A home connection.
        Residential = "residential",
        /// A mobile carrier.
        Mobile = "mobile",
        /// A hosting or cloud provider.
        Hosting = "hosting",
        /// A VPN or proxy shared by strangers.
        Vpn = "vpn",
        /// Not known.
        Unknown = "unknown",
        // In this order for good: rows' keys count by place.
        /// A relay that hides the address and keeps the region, such as iCloud Private Relay.
        Relay = "relay",
        /// An exit of the Tor network.
        Tor = "tor",
        /// A company's traffic through its security provider's egress.
        Sase = "sase",
        /// A satellite link, whose address is where it comes down.
        Satellite = "satellite",
    }
}

impl Network {
    /// Whether an address of this class says little about where its user is, so that a strange place is no strong sign.
    /// Tor does too, but nobody is behind it by accident.
    pub const fn blurs_place(self) -> bool {
        matches!(
            self,
            Network::Vpn
                | Network::Hosting
                | Network::Mobile
                | Network::Relay
                | Network::Sase
                | Network::Satellite
        )
    }
}

fn words() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))
}

/// Number of canonical columns; the bookkeeping columns of [`pipeline_schema`] follow them.
pub const CANONICAL_COLUMNS: usize = 30;

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
