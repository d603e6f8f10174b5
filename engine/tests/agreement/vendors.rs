//! Where the vendors' records have what makes an event another one: time, id, user, address.

use serde_json::{Value, json};

use crate::{at, put};

/// How a vendor writes times.
#[derive(Clone, Copy)]
enum Style {
    Text,
    Seconds,
    Millis,
}

/// A vendor's places. Of each group all that a record has are set, else the first.
pub struct Vendor {
    /// What the names of its logs begin with.
    log: &'static str,
    style: Style,
    time: &'static [&'static str],
    uid: &'static str,
    user: &'static [&'static str],
    ip: &'static str,
}

const fn vendor(
    log: &'static str,
    style: Style,
    time: &'static [&'static str],
    uid: &'static str,
    user: &'static [&'static str],
    ip: &'static str,
) -> Vendor {
    Vendor {
        log,
        style,
        time,
        uid,
        user,
        ip,
    }
}

const VENDORS: [Vendor; 19] = [
    vendor(
        "Okta.",
        Style::Text,
        &["published"],
        "uuid",
        &["actor.alternateId"],
        "client.ipAddress",
    ),
    vendor(
        "AWS.CloudTrail",
        Style::Text,
        &["eventTime"],
        "eventID",
        &[
            "userIdentity.userName",
            "userIdentity.arn",
            "userIdentity.sessionContext.sessionIssuer.arn",
        ],
        "sourceIPAddress",
    ),
    vendor(
        "GSuite.",
        Style::Text,
        &["id.time"],
        "id.uniqueQualifier",
        &["actor.email"],
        "ipAddress",
    ),
    vendor(
        "Box.",
        Style::Text,
        &["created_at"],
        "event_id",
        &["created_by.login"],
        "ip_address",
    ),
    vendor(
        "OneLogin.",
        Style::Text,
        &["created_at"],
        "uuid",
        &["actor_user_name", "user_name"],
        "ipaddr",
    ),
    vendor(
        "Duo.",
        Style::Text,
        &["isotimestamp"],
        "txid",
        &["user.name"],
        "access_device.ip",
    ),
    vendor(
        "Azure.Audit",
        Style::Text,
        &[
            "time",
            "properties.createdDateTime",
            "properties.activityDateTime",
        ],
        "properties.id",
        &["properties.userPrincipalName"],
        "callerIpAddress",
    ),
    vendor(
        "Snowflake.Login",
        Style::Text,
        &["EVENT_TIMESTAMP"],
        "EVENT_ID",
        &["USER_NAME"],
        "CLIENT_IP",
    ),
    vendor(
        "Snowflake.Query",
        Style::Text,
        &["START_TIME"],
        "QUERY_ID",
        &["USER_NAME"],
        "CLIENT_IP",
    ),
    vendor(
        "Snowflake.Grants",
        Style::Text,
        &["CREATED_ON"],
        "QUERY_ID",
        &["GRANTED_BY"],
        "CLIENT_IP",
    ),
    vendor(
        "Notion.",
        Style::Text,
        &["event.timestamp"],
        "event.id",
        &["event.actor.person.email"],
        "event.ip_address",
    ),
    vendor(
        "GitHub.",
        Style::Millis,
        &["created_at"],
        "_document_id",
        &["actor"],
        "actor_ip",
    ),
    vendor(
        "Slack.",
        Style::Seconds,
        &["date_create"],
        "id",
        &["actor.user.email"],
        "context.ip_address",
    ),
    vendor(
        "Salesforce.",
        Style::Text,
        &["TIMESTAMP_DERIVED", "TIMESTAMP", "EventDate"],
        "REQUEST_ID",
        &["USER_NAME"],
        "CLIENT_IP",
    ),
    vendor(
        "Zoom.",
        Style::Text,
        &["time"],
        "id",
        &["operator"],
        "ip_address",
    ),
    vendor(
        "Dropbox.",
        Style::Text,
        &["timestamp"],
        "id",
        &["actor.user.email"],
        "origin.geo_location.ip_address",
    ),
    vendor(
        "Microsoft365.",
        Style::Text,
        &["CreationTime"],
        "Id",
        &["UserId"],
        "ClientIP",
    ),
    vendor(
        "Auth0.",
        Style::Text,
        &["data.date", "date"],
        "data.log_id",
        &["data.user_name"],
        "data.ip",
    ),
    vendor(
        "OpenAI.",
        Style::Seconds,
        &["effective_at"],
        "id",
        &["actor.session.user.email"],
        "actor.session.ip_address",
    ),
];

const ANTHROPIC: Vendor = vendor(
    "Anthropic.",
    Style::Text,
    &["created_at"],
    "id",
    &["actor.email_address"],
    "actor.ip_address",
);

/// The vendor of a test's event.
pub fn vendor_of(log: &str) -> Option<&'static Vendor> {
    let mut all = VENDORS.iter().chain([&ANTHROPIC]);
    all.find(|vendor| log.starts_with(vendor.log))
}

impl Vendor {
    /// Gives a record a time and an id of its own.
    pub fn stamp(&self, record: &mut Value, time: chrono::DateTime<chrono::Utc>, id: &str) {
        let value = match self.style {
            Style::Text => json!(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
            Style::Seconds => json!(time.timestamp()),
            Style::Millis => json!(time.timestamp_millis()),
        };
        // Other spellings of the same time would win.
        if let (Some(record), "GitHub.") = (record.as_object_mut(), self.log) {
            record.remove("@timestamp");
            record.remove("at_sign_timestamp");
        }
        for path in present(record, self.time) {
            put(record, path, value.clone());
        }
        put(record, self.uid, json!(id));
    }

    /// Makes somebody else the actor.
    pub fn act_as(&self, record: &mut Value, number: u32) {
        for path in present(record, self.user) {
            let name = match path.rsplit('.').next() {
                Some("arn") => format!("arn:aws:iam::123456789012:user/person{number}"),
                _ => format!("person{number}@example.com"),
            };
            put(record, path, json!(name));
        }
    }

    /// From another address.
    pub fn come_from(&self, record: &mut Value, number: u32) {
        put(
            record,
            self.ip,
            json!(format!("203.0.113.{}", 1 + number % 250)),
        );
        if at(record, "properties.ipAddress").is_some() {
            let ip = at(record, self.ip).cloned().unwrap_or_default();
            put(record, "properties.ipAddress", ip);
        }
    }
}

/// Those of the places that a record has, else the first.
fn present(record: &Value, places: &[&'static str]) -> Vec<&'static str> {
    let there: Vec<&str> = places
        .iter()
        .copied()
        .filter(|path| at(record, path).is_some())
        .collect();
    if there.is_empty() {
        places.iter().copied().take(1).collect()
    } else {
        there
    }
}
