//! Whatever collectors wrap around a record, the row is the same.

use nightjar::decode::Reject;
use serde_json::{Value, json};

use crate::{decode, decode_with, decoder, one_sample, samples};

fn wrapped(record: &Value, text: &str) -> Vec<Value> {
    vec![
        json!({ "@timestamp": "2026-03-05T00:00:00Z", "@version": "1", "message": text, "host": { "name": "h" }, "agent": { "type": "filebeat" } }),
        json!({ "timestamp": "2026-03-05T00:00:00Z", "source_type": "kafka", "message": text, "host": "vector" }),
        json!({ "log": text, "stream": "stdout", "time": "2026-03-05T00:00:00Z" }),
        json!({ "log": record }),
        json!({ "records": [record] }),
        json!({ "Records": [record] }),
        json!({ "time": 1772668800, "host": "hec", "source": "s", "sourcetype": "_json", "event": record }),
        json!({ "time": 1772668800, "event": text }),
        json!({ "_raw": text, "_time": 1772668800.0, "cribl_pipe": "main" }),
        json!({ "ddsource": "x", "service": "y", "message": text }),
        json!({ "id": "dd", "attributes": record, "timestamp": "2026-03-05T00:00:00Z" }),
        json!({ "version": "0", "id": "eb", "source": "aws.x", "time": "2026-03-05T00:00:00Z", "detail-type": "x", "detail": record }),
        json!({ "schema": { "type": "struct" }, "payload": record }),
        json!({ "payload": text }),
        json!({ "CreationDate": "2026-03-05T00:00:00", "UserIds": "u", "Operations": "o", "AuditData": text }),
        json!({ "event": { "original": text, "dataset": "x" }, "ecs": { "version": "8" } }),
        json!({ "resourceLogs": [{ "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "x" } }] }, "scopeLogs": [{ "scope": {}, "logRecords": [{ "timeUnixNano": "1772668800000000000", "severityText": "INFO", "body": { "stringValue": text } }] }] }] }),
        json!({ "timestamp": 1772668800, "body": text }),
        json!([record]),
        json!(text),
        json!({ "message": json!({ "records": [record] }).to_string() }),
    ]
}

#[test]
fn an_envelope_changes_nothing() {
    let mut auto = decoder(None);
    for sample in samples() {
        let mut own = decoder(Some(&sample.format));
        let Some(text) = sample.text() else { continue };
        let bare = decode(&sample.bytes);
        for envelope in wrapped(&sample.record, &text) {
            for decoder in [&mut auto, &mut own] {
                let out = decode_with(decoder, envelope.to_string().as_bytes());
                // A proxy's record that is no activity may be refused in an envelope, and an envelope that looks
                // like a proxy's own record is one.
                if sample.ignored == 0 {
                    assert_eq!(out.rows, bare.rows, "{envelope}");
                    assert_eq!(out.keys, bare.keys, "{envelope}");
                }
            }
        }
    }
}

#[test]
fn a_line_may_begin_with_time_and_host() {
    let sample = one_sample();
    let line = format!("2026-03-05T00:00:00.000Z collector01 {}", sample.record);
    assert_eq!(decode(line.as_bytes()).rows, sample.rows);
    let syslog = format!(
        "<134>1 2026-03-05T00:00:00Z host app - - [x] {}\n",
        sample.record
    );
    assert_eq!(decode(syslog.as_bytes()).rows, sample.rows);
}

/// A list gives its good records, whatever its bad ones are; each bad one is counted.
#[test]
fn one_bad_element_does_not_spoil_a_list() {
    let good = one_sample();
    let list = json!({ "records": [good.record, { "unknown": 1 }, 5, good.record, { "eventSource": "s", "eventName": "n", "eventVersion": "1" }] });
    let out = decode(list.to_string().as_bytes());
    assert_eq!(out.rows.len(), 2);
    assert_eq!(
        out.keys[0], out.keys[1],
        "a repeated record is a repeat, in one list too"
    );
    let mut rejects = out.rejects;
    rejects.sort();
    assert_eq!(
        rejects,
        [Reject::NotJson, Reject::NotRecognised, Reject::MissingTime]
    );
    assert_eq!(decode(br#"{"records":[]}"#).ignored, 1);
}

#[test]
fn envelopes_end_somewhere() {
    let mut record = one_sample().record.to_string();
    for _ in 0..3 {
        record = json!({ "message": record }).to_string();
    }
    assert_eq!(decode(record.as_bytes()).rows.len(), 1);
    record = json!({ "message": record }).to_string();
    assert_eq!(decode(record.as_bytes()).rejects, [Reject::TooDeep]);
}
