//! Impossible travel: the rule set keeps the last place of a user in a cache and enriches events with places. The
//! same two logins, with the places where the vendor's own record has them.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Value, json};

use crate::{at, put};

/// The login that the cache of a test stands for, and the one that is judged; without a cache the latter alone.
pub fn logins(test: &Value) -> Vec<Value> {
    let log = &test["log"];
    let places = at(log, "p_enrichment.ipinfo_location");
    let place = places
        .and_then(Value::as_object)
        .and_then(|by_field| by_field.values().next());
    let Some(time) = at(log, "p_event_time").and_then(time_of) else {
        return vec![log.clone()];
    };
    let mut all: Vec<Value> = before(test)
        .iter()
        .filter_map(|known| {
            let time = known.get("p_event_time").and_then(time_of)?;
            Some(login(log, known, time, "198.51.100.7"))
        })
        .collect();
    match place {
        Some(place) => all.push(login(log, place, time, "203.0.113.9")),
        None => all.push(log.clone()),
    }
    all
}

fn login(log: &Value, place: &Value, time: DateTime<Utc>, ip: &str) -> Value {
    let mut login = log.clone();
    let text = json!(time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
    let id = json!(time.timestamp().to_string());
    let is_okta = at(log, "client").is_some();
    let (time_place, id_place, ip_place) = match (is_okta, at(log, "event").is_some()) {
        (true, _) => ("published", "uuid", "client.ipAddress"),
        (false, true) => ("event.timestamp", "event.id", "event.ip_address"),
        (false, false) => ("eventTime", "eventID", "sourceIPAddress"),
    };
    put(&mut login, time_place, text);
    put(&mut login, id_place, id);
    put(&mut login, ip_place, json!(ip));
    if is_okta {
        let number = |name: &str| {
            let text = place[name].as_str().unwrap_or_default();
            json!(text.parse::<f64>().ok())
        };
        let context = json!({
            "city": place["city"],
            "country": place["country"],
            "state": place["region"],
            "geolocation": { "lat": number("lat"), "lon": number("lng") },
        });
        put(&mut login, "client.geographicalContext", context);
    }
    login
}

/// What the cache held.
fn before(test: &Value) -> Vec<Value> {
    let mocks = match &test["mocks"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    let cache = mocks
        .as_array()
        .into_iter()
        .flatten()
        .find(|mock| mock["objectName"] == "get_string_set");
    let text = cache.and_then(|mock| mock["returnValue"].as_str());
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn time_of(text: &Value) -> Option<DateTime<Utc>> {
    let text = text.as_str()?.trim_end_matches('Z').replace('T', " ");
    let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(time.and_utc())
}
