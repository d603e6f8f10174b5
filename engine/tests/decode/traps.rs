//! The traps of real logs, each as a story.

use nightjar::decode::{Column, DecodeOptions, Decoder, Formats, Reject};
use serde_json::{Value, json};

use crate::{decode, decode_with, decoder, one_row, samples};

fn okta() -> Value {
    json!({
        "actor": { "id": "00u1", "type": "User", "alternateId": "ana@example.com" },
        "client": { "ipAddress": "198.18.0.1", "geographicalContext": { "country": "Germany", "geolocation": { "lat": 52.5, "lon": 13.4 } } },
        "eventType": "user.session.start", "outcome": { "result": "SUCCESS" },
        "published": "2026-03-02T08:00:00Z", "uuid": "u1"
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut record = okta();
    if let Some(place) = record.pointer_mut(pointer) {
        *place = value;
    }
    record
}

fn rejects(record: &[u8]) -> Vec<Reject> {
    let out = decode(record);
    assert!(out.rows.is_empty());
    out.rejects
}

#[test]
fn bad_input_is_data() {
    let time = |time: Value| rejects(with("/published", time).to_string().as_bytes());
    assert_eq!(rejects(b""), [Reject::Empty]);
    assert_eq!(rejects(b"  \r\n"), [Reject::Empty]);
    assert_eq!(rejects(&[0; 16]), [Reject::Empty]);
    assert_eq!(rejects(b"\xff\xfe{}"), [Reject::InvalidUtf8]);
    assert_eq!(rejects(b"hello"), [Reject::NotJson]);
    assert_eq!(rejects(b"{\"a\":1"), [Reject::NotJson]);
    assert_eq!(rejects(b"{\"a\":1}}"), [Reject::NotJson]);
    assert_eq!(rejects(b"{\"a\":1}"), [Reject::NotRecognised]);
    assert_eq!(rejects(b"5"), [Reject::NotJson]);
    assert_eq!(time(json!("yesterday")), [Reject::BadTime]);
    assert_eq!(
        time(json!("1970-01-01T00:00:00Z")),
        [Reject::TimeOutOfRange]
    );
    assert_eq!(
        time(json!({ "s": 1 })),
        [Reject::WrongType {
            column: Column::Time
        }]
    );
    assert_eq!(
        time(json!(true)),
        [Reject::WrongType {
            column: Column::Time
        }]
    );
    let no_time = json!({ "actor": { "type": "User" }, "client": { "device": "Computer" }, "eventType": "x" });
    assert_eq!(
        rejects(no_time.to_string().as_bytes()),
        [Reject::MissingTime]
    );
    let aws = json!({ "eventSource": "s", "eventName": "n", "eventVersion": "1", "eventTime": "2026-03-02T08:00:00Z", "userIdentity": { "userName": ["x", {}] } });
    assert_eq!(one_row(&aws)["user"], "x");
}

/// Cut anywhere, a record is refused and the next one is read as if nothing had happened.
#[test]
fn a_truncated_record_is_refused_wherever_it_is_cut() {
    let record = okta().to_string();
    let mut decoder = decoder(None);
    let whole = decode_with(&mut decoder, record.as_bytes());
    for end in 1..record.len() {
        assert_eq!(
            decode_with(&mut decoder, &record.as_bytes()[..end]).rejects,
            [Reject::NotJson]
        );
    }
    assert_eq!(decode_with(&mut decoder, record.as_bytes()), whole);
}

#[test]
fn a_record_that_is_too_large_is_refused_unread() {
    let options = DecodeOptions {
        record_bytes_max: 100,
        ..DecodeOptions::new(1)
    };
    let mut decoder = Decoder::new(Formats::shipped().into(), None, options).expect("all formats");
    let record = okta().to_string();
    assert_eq!(
        decode_with(&mut decoder, record.as_bytes()).rejects,
        [Reject::TooLarge]
    );
}

#[test]
fn nesting_is_no_danger() {
    let deep = format!("{}1{}", "{\"a\":[".repeat(100_000), "]}".repeat(100_000));
    let record = okta().to_string();
    for key in [
        "zone",
        "client",
        "target",
        "message",
        "records",
        "events",
        "parameters",
    ] {
        let nested = format!("{{\"{key}\":{deep},{}", &record[1..]);
        let out = decode(nested.as_bytes());
        assert_eq!(out.rows.len() + out.rejects.len(), 1, "{key}");
    }
    assert_eq!(rejects(deep.as_bytes()).len(), 1);
}

#[test]
fn marks_and_line_ends_around_a_record_do_not_matter() {
    let record = okta().to_string();
    let plain = decode(record.as_bytes());
    for around in [
        format!("\u{feff}{record}"),
        format!("{record}\r\n"),
        format!("  {record}\n\n"),
        format!("{record}\0\0"),
    ] {
        assert_eq!(decode(around.as_bytes()), plain);
    }
    let pretty = serde_json::to_string_pretty(&okta()).expect("json");
    assert_eq!(decode(pretty.as_bytes()), plain);
    assert_eq!(decode(pretty.replace('\n', "\r\n").as_bytes()), plain);
}

/// Of a key that stands twice, the first value that is not null counts.
#[test]
fn a_key_twice_means_its_first_value() {
    let record = okta().to_string();
    let twice = format!("{},\"uuid\":\"second\"}}", &record[..record.len() - 1]);
    assert_eq!(decode(twice.as_bytes()).rows[0]["uid"], "u1");
    let null_first = format!("{{\"uuid\":null,{}", &record[1..]);
    assert_eq!(decode(null_first.as_bytes()).rows[0]["uid"], "u1");
}

#[test]
fn the_order_of_keys_means_nothing() {
    fn reversed(value: &Value) -> String {
        match value {
            Value::Object(map) => {
                let parts: Vec<String> = map
                    .iter()
                    .rev()
                    .map(|(key, value)| format!("{}:{}", json!(key), reversed(value)))
                    .collect();
                format!("{{{}}}", parts.join(","))
            }
            Value::Array(list) => format!(
                "[{}]",
                list.iter().map(reversed).collect::<Vec<_>>().join(",")
            ),
            other => other.to_string(),
        }
    }
    for sample in samples().iter().filter(|sample| !sample.record.is_null()) {
        let out = decode(reversed(&sample.record).as_bytes());
        assert_eq!(out.rows, sample.rows, "{}: {}", sample.format, sample.name);
    }
}

#[test]
fn escapes_in_keys_and_values_are_resolved() {
    let record = okta()
        .to_string()
        .replace("\"uuid\"", "\"u\\u0075id\"")
        .replace("ana@", "\\u0061na\\u0040");
    let row = &decode(record.as_bytes()).rows[0];
    assert_eq!(
        (&row["uid"], &row["user"]),
        (&json!("u1"), &json!("ana@example.com"))
    );
}

#[test]
fn addresses_users_and_places_are_normalised() {
    let ip = |text: &str| one_row(&with("/client/ipAddress", json!(text)))["ip"].clone();
    assert_eq!(ip("[2001:DB8::1]:443"), "2001:db8::1");
    assert_eq!(ip("::ffff:198.18.0.1"), "198.18.0.1");
    assert_eq!(ip("198.18.0.1:50000"), "198.18.0.1");
    assert_eq!(ip("s3.amazonaws.com"), Value::Null);
    let country = |text: &str| {
        one_row(&with("/client/geographicalContext/country", json!(text)))["country"].clone()
    };
    assert_eq!(country("United States"), "US");
    assert_eq!(country("us"), "US");
    assert_eq!(country("Türkiye"), "TR");
    assert_eq!(country("Unknown"), Value::Null);
    let place = |place: Value| one_row(&with("/client/geographicalContext/geolocation", place));
    assert_eq!(place(json!({ "lat": "52.5", "lon": "13.4" }))["lat"], 52.5);
    assert_eq!(place(json!({ "lat": 0, "lon": 0.0 }))["lat"], Value::Null);
    assert_eq!(place(json!({ "lat": 95, "lon": 13 }))["lon"], Value::Null);
    assert_eq!(place(json!({ "lat": 52.5 }))["lat"], Value::Null);
    assert_eq!(place(json!({ "lat": 0.0, "lon": 13.4 }))["lon"], 13.4);
}

/// Without an id of the vendor's the mapped fields are the id: the same record is the same event.
#[test]
fn a_record_without_id_is_known_by_its_content() {
    let first = one_row(&with("/uuid", Value::Null));
    assert_eq!(first["uid"].as_str().map(str::len), Some(16));
    assert_eq!(one_row(&with("/uuid", Value::Null)), first);
    let mut other = with("/uuid", Value::Null);
    other["outcome"]["result"] = json!("FAILURE");
    assert_ne!(one_row(&other)["uid"], first["uid"]);
}

#[test]
fn one_value_cannot_fill_the_memory() {
    let row = one_row(&with(
        "/actor/alternateId",
        json!(format!("{}@example.com", "a".repeat(5000))),
    ));
    assert_eq!(row["user"].as_str().map(str::len), Some(16));
    let row = one_row(&with(
        "/client/geographicalContext/country",
        json!("x".repeat(5000)),
    ));
    assert_eq!(row["country"], Value::Null);
}

#[test]
fn names_of_documents_are_shown_on_request_only() {
    let record = json!({ "time": "2026-03-02T08:00:00Z", "uid": "1", "activity": "download", "object": "Plan.docx" });
    let hashed = one_row(&record)["object"].clone();
    assert_eq!(hashed.as_str().map(str::len), Some(16));
    let options = DecodeOptions {
        show_objects: true,
        ..DecodeOptions::new(7)
    };
    let mut showing = Decoder::new(Formats::shipped().into(), None, options).expect("all formats");
    assert_eq!(
        decode_with(&mut showing, record.to_string().as_bytes()).rows[0]["object"],
        "Plan.docx"
    );
    let mut other =
        Decoder::new(Formats::shipped().into(), None, DecodeOptions::new(8)).expect("all formats");
    assert_ne!(
        decode_with(&mut other, record.to_string().as_bytes()).rows[0]["object"],
        hashed
    );
}

#[test]
fn an_unknown_format_is_named_with_the_known_ones() {
    let error = Decoder::new(
        Formats::shipped().into(),
        Some("oktaa"),
        DecodeOptions::new(1),
    )
    .expect_err("unknown");
    let text = error.to_string();
    assert!(
        text.contains("oktaa") && text.contains("okta, ") && text.contains("auto"),
        "{text}"
    );
}

/// However many rows of one record are alike, they are told apart in time that grows with their number.
#[test]
fn a_hundred_thousand_equal_events_are_as_many_rows() {
    let events = vec![json!({ "name": "view" }); 100_000];
    let record = json!({ "id": { "applicationName": "drive", "time": "2026-03-02T08:00:00Z", "uniqueQualifier": "q" }, "events": events });
    let out = decode(record.to_string().as_bytes());
    let keys: std::collections::BTreeSet<u64> = out.keys.iter().copied().collect();
    assert_eq!((out.rows.len(), keys.len()), (100_000, 100_000));
    assert_eq!(out.rows[99_999]["uid"], "q#100000");
}

fn aws() -> Value {
    json!({ "eventVersion": "1.11", "eventID": "e-1", "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin",
        "eventTime": "2026-03-02T08:00:00Z", "sourceIPAddress": "203.0.113.10", "awsRegion": "eu-central-1",
        "userIdentity": { "type": "IAMUser", "userName": "ana", "arn": "arn:aws:iam::111122223333:user/ana" },
        "responseElements": { "ConsoleLogin": "Success" } })
}

fn m365() -> Value {
    json!({ "CreationTime": "2026-03-02T08:00:00", "Id": "m-1", "Operation": "FileDownloaded", "RecordType": 6,
        "OrganizationId": "o", "Workload": "SharePoint", "UserId": "ana@example.com", "ClientIP": "203.0.113.10",
        "ObjectId": "https://example.sharepoint.com/a.docx" })
}

/// One event that is delivered twice, by a second trail or a second export, is one event.
#[test]
fn the_same_uid_is_the_same_event() {
    for record in [okta(), aws(), m365()] {
        let mut again = record.clone();
        again["recipientAccountId"] = json!("444455556666");
        again["collected"] = json!("2026-03-03T08:00:00Z");
        let (first, second) = (
            decode(record.to_string().as_bytes()),
            decode(again.to_string().as_bytes()),
        );
        assert_eq!(
            (first.rows.len(), &first.keys),
            (1, &second.keys),
            "{record}"
        );
        assert_eq!(first.rows, second.rows);
    }
}

/// What is no address may be a password that was typed a line too early.
#[test]
fn a_password_in_the_place_of_a_name_is_hashed() {
    let row = one_row(&with("/actor/alternateId", json!("Tr0ub4dor&3")));
    let user = row["user"].as_str().unwrap_or_default();
    assert!(!row.to_string().contains("Tr0ub4dor"), "{row}");
    assert!(user.len() == 16 || user == "00u1", "{row}");
}

#[test]
fn users_are_the_same_however_they_are_written() {
    let user = |text: &str| {
        let mut record = m365();
        record["UserId"] = json!(text);
        one_row(&record)["user"].clone()
    };
    assert_eq!(user("ANA@Example.COM"), "ana@example.com");
    assert_eq!(user("i:0h.f|membership|ana@live.com"), "ana@live.com");
    assert_eq!(user("Not Available"), Value::Null);
}

#[test]
fn numbers_as_text_and_texts_as_numbers_are_understood() {
    let mut record = json!({ "time": 1_772_438_400_000u64, "activity": "download", "uid": 17, "user": 1234, "bytes": "27454", "count": "2", "asn": "AS64510", "lat": "52.5", "lon": "13.4" });
    let row = one_row(&record);
    assert_eq!((&row["uid"], &row["user"]), (&json!("17"), &json!("1234")));
    assert_eq!(
        (&row["bytes"], &row["count"], &row["lat"]),
        (&json!(27454), &json!(2), &json!(52.5))
    );
    record["time"] = json!("1772438400000");
    assert_eq!(one_row(&record)["time"], row["time"]);
    let mut record = m365();
    record["RecordType"] = json!("6");
    assert_eq!(one_row(&record)["activity"], "download");
}

/// Names of services stand where addresses do; the record counts, its address is unknown.
#[test]
fn a_service_is_no_address() {
    let mut record = aws();
    for text in ["AWS Internal", "signin.amazonaws.com", "garbage", "::1x"] {
        record["sourceIPAddress"] = json!(text);
        assert_eq!(one_row(&record)["ip"], Value::Null, "{text}");
    }
}
