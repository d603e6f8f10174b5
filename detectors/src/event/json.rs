//! A row as canonical JSON: columns in schema order, absent ones left out.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value};

use super::Row;

/// The canonical columns of a row as one JSON object, for `normalize` and for tests.
pub fn row_json(row: Row<'_>) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            out.insert(name.to_owned(), value);
        }
    };
    put("time", time_text(row.time()).into());
    put("uid", row.uid().into());
    put("source", row.source().into());
    put("activity", row.activity().as_str().into());
    put("outcome", row.outcome().as_str().into());
    put("user", row.user().into());
    put("target_user", row.target_user().into());
    put("is_admin", row.is_admin().into());
    put("interactive", row.interactive().into());
    put("mfa", row.mfa().into());
    put("device_managed", row.device_managed().into());
    put("ip", row.ip().into());
    put("country", row.country().into());
    put("region", row.region().into());
    put("city", row.city().into());
    put("lat", row.coordinates().map(|at| at.0).into());
    put("lon", row.coordinates().map(|at| at.1).into());
    put("radius_km", row.radius_km().into());
    put("asn", row.asn().into());
    put("network", row.network().map(|v| v.as_str()).into());
    put("device", row.device().into());
    put("app", row.app().into());
    put("object", row.object().into());
    put("kind", row.kind().map(|v| v.as_str()).into());
    put("count", row.count().into());
    put("bytes", row.bytes().into());
    put("tokens", row.tokens().into());
    put("model", row.model().into());
    put("sensitivity", row.sensitivity().into());
    put("session", row.session().into());
    put("method", row.method().map(|v| v.as_str()).into());
    put("reason", row.reason().map(|v| v.as_str()).into());
    Value::Object(out)
}

/// RFC 3339 in UTC, with milliseconds where there are any.
pub fn time_text(time_ms: i64) -> String {
    DateTime::from_timestamp_millis(time_ms).map_or_else(
        || time_ms.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
    )
}
