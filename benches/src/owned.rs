//! The loop as most would write it: every field that Nightjar fills, as text of its own, and the same count.
//!
//! Serde derives the structs; the compiler does not know which of the fields the count needs.

use std::hint::black_box;

use serde::Deserialize;

use crate::Workload;
use crate::bare::{Event, Windows};

#[derive(Deserialize)]
#[allow(dead_code)] // filled, as the canonical columns are
struct Small {
    time: String,
    uid: Option<String>,
    activity: Option<String>,
    outcome: Option<String>,
    user: Option<String>,
    target_user: Option<String>,
    is_admin: Option<bool>,
    interactive: Option<bool>,
    mfa: Option<bool>,
    device_managed: Option<bool>,
    ip: Option<String>,
    country: Option<String>,
    region: Option<String>,
    city: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    radius_km: Option<f64>,
    asn: Option<u32>,
    network: Option<String>,
    device: Option<String>,
    app: Option<String>,
    object: Option<String>,
    kind: Option<String>,
    count: Option<u64>,
    bytes: Option<u64>,
    tokens: Option<u64>,
    model: Option<String>,
    sensitivity: Option<String>,
    session: Option<String>,
    method: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct Okta {
    published: String,
    uuid: Option<String>,
    event_type: Option<String>,
    actor: Actor,
    client: Client,
    device: Option<Device>,
    authentication_context: Option<Authentication>,
    outcome: Option<Outcome>,
    security_context: Option<Security>,
    debug_context: Option<Debug>,
    target: Option<Vec<Target>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct Actor {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    alternate_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct Client {
    device: Option<String>,
    ip_address: Option<String>,
    geographical_context: Option<Place>,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Place {
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
    geolocation: Option<Position>,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Position {
    lat: Option<f64>,
    lon: Option<f64>,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Device {
    id: Option<String>,
    managed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct Authentication {
    external_session_id: Option<String>,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Outcome {
    result: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct Security {
    as_number: Option<u32>,
    is_proxy: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct Debug {
    debug_data: Option<DebugData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct DebugData {
    device_fingerprint: Option<String>,
    dt_hash: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct Target {
    #[serde(rename = "type")]
    kind: Option<String>,
    alternate_id: Option<String>,
    display_name: Option<String>,
}

/// The same sums as [`crate::bare::count`].
pub fn count(workload: &Workload) -> (u64, u64) {
    let mut windows = Windows::default();
    for record in workload.records() {
        match workload.format {
            "okta" => {
                if let Ok(okta) = serde_json::from_slice::<Okta>(record) {
                    let okta = black_box(okta);
                    windows.add(&Event {
                        time: &okta.published,
                        user: okta.actor.alternate_id.as_deref().unwrap_or_default(),
                        ip: okta.client.ip_address.as_deref().unwrap_or_default(),
                        activity: okta.event_type.as_deref().unwrap_or_default(),
                        bytes: 0,
                    });
                }
            }
            _ => {
                if let Ok(small) = serde_json::from_slice::<Small>(record) {
                    let small = black_box(small);
                    windows.add(&Event {
                        time: &small.time,
                        user: small.user.as_deref().unwrap_or_default(),
                        ip: small.ip.as_deref().unwrap_or_default(),
                        activity: small.activity.as_deref().unwrap_or_default(),
                        bytes: small.bytes.unwrap_or_default(),
                    });
                }
            }
        }
    }
    windows.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both loops answer the same question.
    #[test]
    fn the_sums_are_those_of_the_bare_loop() {
        for workload in [Workload::small(50, 500), Workload::okta(50, 500)] {
            assert_eq!(count(&workload), crate::bare::count(&workload));
        }
    }
}
