//! What the language of formats can say, each as a story.

use std::sync::Arc;

use nightjar::decode::{DecodeOptions, Decoder, Formats, Reject};
use serde_json::{Value, json};

use crate::{Out, decode, decode_with, decoder, one_row, samples};

/// A decoder for all shipped formats and these.
fn with_formats(texts: &[(&str, &str)]) -> Decoder {
    let folder = tempfile::tempdir().expect("a folder");
    let mut paths = Vec::new();
    for (name, text) in texts {
        let path = folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).expect("writable");
        paths.push(path);
    }
    let formats = Formats::with_files(&paths).expect("good files");
    Decoder::new(Arc::new(formats), None, DecodeOptions::new(1)).expect("all formats")
}

fn read(format: &str, record: &Value) -> Out {
    decode_with(
        &mut with_formats(&[("doors", format)]),
        record.to_string().as_bytes(),
    )
}

const DOORS: &str = r#"
title = "Doors"
lateness = "1h"
recognise = [{ door = { exists = true } }]
json = ["extra", "extra.inner", "places"]

[columns]
time = "at"
user = "extra.who"
city = ["places[1].city", "extra.inner.city"]
lon = "extra.where[0]"
lat = "extra.where[1]"
activity = [
  { constant = "login", when = { "groups[*]" = "staff" } },
  { constant = "share", when = { "groups[*]" = { not = ["guests", "banned"], exists = true } } },
]
object = "groups[*]"
count = { sum = ["numbers[*]"] }
"#;

fn door(more: Value) -> Value {
    let mut record = json!({ "door": { "id": 7 }, "at": "2026-03-02T09:00:00Z" });
    for (key, value) in more.as_object().expect("an object") {
        record[key] = value.clone();
    }
    record
}

#[test]
fn json_in_a_text_is_read_as_if_it_stood_there() {
    let inner = json!({ "city": "Köln \"Süd\"" });
    let extra =
        json!({ "who": "Ana@Example.com", "where": [13.4, 52.5], "inner": inner.to_string() });
    let plain = json!({ "who": "Ana@Example.com", "where": [13.4, 52.5], "inner": inner });
    let as_text = read(DOORS, &door(json!({ "extra": extra.to_string() })));
    let row = &as_text.rows[0];
    assert_eq!(
        (&row["user"], &row["city"]),
        (&json!("ana@example.com"), &json!("Köln \"Süd\""))
    );
    assert_eq!((&row["lon"], &row["lat"]), (&json!(13.4), &json!(52.5)));
    let same = |mut out: Out| {
        out.rows[0]["uid"].take();
        out.rows
    };
    assert_eq!(
        same(as_text),
        same(read(DOORS, &door(json!({ "extra": plain }))))
    );
    // A list in a text, its elements by number.
    let places = json!([{ "city": "Bonn" }, { "city": "Ulm" }]).to_string();
    assert_eq!(
        read(DOORS, &door(json!({ "places": places }))).rows[0]["city"],
        "Ulm"
    );
}

/// Cut anywhere, the text says nothing, and the record is read all the same.
#[test]
fn json_that_is_cut_off_says_nothing() {
    let extra = json!({ "where": [1, 2], "who": "ana@example.com" }).to_string();
    for end in 0..extra.len() {
        let out = read(DOORS, &door(json!({ "extra": extra[..end] })));
        assert_eq!(out.rejects, [], "{end}");
        assert!(out.rows[0].get("user").is_none() && out.rows[0].get("lon").is_none());
    }
}

/// Neither depth nor size of JSON within JSON is a danger.
#[test]
fn json_in_json_has_limits() {
    let mut text = json!({ "who": "ana" }).to_string();
    for _ in 0..12 {
        text = json!({ "who": "ana", "inner": text }).to_string();
    }
    assert_eq!(read(DOORS, &door(json!({ "extra": text }))).rows.len(), 1);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read(DOORS, &door(json!({ "extra": deep }))).rows.len(), 1);
    let large = json!({ "fill": "x".repeat(5 << 20), "who": "ana" }).to_string();
    let out = read(DOORS, &door(json!({ "extra": large })));
    assert_eq!((out.rejects, out.rows[0].get("user")), (vec![], None));
}

/// The columns of a log workspace come as objects or as text, whatever collects them.
#[test]
fn rows_of_a_log_workspace_mean_the_same_with_their_columns_as_text() {
    let mut seen = 0;
    for sample in samples()
        .iter()
        .filter(|sample| sample.format == "sentinel_table")
    {
        let mut record = sample.record.clone();
        let columns = record.as_object_mut().expect("a record");
        for (_, value) in columns
            .iter_mut()
            .filter(|(_, value)| value.is_object() || value.is_array())
        {
            *value = json!(value.to_string());
            seen += 1;
        }
        for decoder in [&mut decoder(None), &mut decoder(Some("sentinel_table"))] {
            let out = decode_with(decoder, record.to_string().as_bytes());
            assert_eq!(out.rows, sample.rows, "{}", sample.name);
        }
    }
    assert!(10 <= seen, "{seen}");
}

#[test]
fn any_element_of_a_list_can_be_tested() {
    let activity =
        |groups: Value| read(DOORS, &door(json!({ "groups": groups }))).rows[0]["activity"].clone();
    assert_eq!(activity(json!(["guests", "Staff"])), "login");
    assert_eq!(activity(json!("staff")), "login");
    assert_eq!(activity(json!(["cleaners", "visitors"])), "share");
    assert_eq!(activity(json!(["cleaners", "banned"])), "other");
    assert_eq!(activity(json!([])), "share");
    assert_eq!(activity(json!(null)), "other");
    let out = read(
        DOORS,
        &door(json!({ "groups": ["staff", null, "all doors"], "numbers": [1, "2", 3] })),
    );
    assert_eq!(
        (&out.rows[0]["count"], out.rows[0]["object"].is_string()),
        (&json!(6), true)
    );
}

const PAGES: &str = r#"
title = "Pages of use"
lateness = "1h"
rows = "pages[].days[].uses"
recognise = [{ "pages[].days[].uses[].tool" = { exists = true }, pages = { exists = true } }]

[pairs]
tags = { name = "key", values = ["value.text", "value.number", "value"] }

[columns]
time = "day"
user = "owner"
app = "tool"
device = "tags.device"
count = "n"
activity = { constant = "upload" }
"#;

/// Wherever a parent's field stands, it is its own rows' and nobody else's.
#[test]
fn rows_see_the_fields_of_what_is_around_them() {
    let record = r#"{"owner":"all@example.com","pages":[
        {"days":[{"uses":[{"tool":"a","n":1},{"tool":"b","day":"2026-03-09T00:00:00Z"}],"day":"2026-03-02T00:00:00Z"},{"day":"2026-03-03T00:00:00Z","uses":[]}],"owner":"ana@example.com"},
        {"days":{"day":"2026-03-04T00:00:00Z","uses":{"tool":"c","tags":[{"key":"device","value":{"text":"d7"}}]}}},
        {"owner":"ben@example.com","days":[{"uses":[{"tool":"d","tags":[{"key":"device","value":5}]}]}]}
    ],"day":"2026-03-05T00:00:00Z"}"#;
    let out = decode_with(&mut with_formats(&[("pages", PAGES)]), record.as_bytes());
    let told: Vec<String> = out
        .rows
        .iter()
        .map(|row| {
            format!(
                "{} {} {} {}",
                row["app"],
                row["user"],
                &row["time"].as_str().expect("time")[..10],
                row["device"]
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            r#""a" "ana@example.com" 2026-03-02 null"#,
            r#""b" "ana@example.com" 2026-03-09 null"#,
            r#""c" "all@example.com" 2026-03-04 "d7""#,
            r#""d" "ben@example.com" 2026-03-05 "5""#,
        ]
    );
    assert_eq!((out.rejects, out.ignored), (vec![], 0));
    let empty = decode_with(
        &mut with_formats(&[("pages", PAGES)]),
        br#"{"pages":[{"days":[{"uses":[]}]}]}"#,
    );
    assert_eq!(empty.rejects, [Reject::NotRecognised]);
}

/// Two formats that have rows in one place, or in places within each other, do not meddle.
#[test]
fn rows_of_one_format_are_no_rows_of_another() {
    let other = PAGES
        .replace("pages[].days[].uses\"\nrec", "pages\"\nrec")
        .replace("\"pages[].days[].uses[].tool\"", "\"pages[].kind\"")
        .replace("app = \"tool\"", "app = \"kind\"");
    let mut decoder = with_formats(&[("pages", PAGES), ("kinds", &other)]);
    let out = decode_with(&mut decoder, br#"{"pages":[{"kind":"x","day":"2026-03-02T00:00:00Z"},{"kind":"y","day":"2026-03-03T00:00:00Z"}]}"#);
    assert_eq!((out.rows.len(), &out.classes[0]), (2, &"kinds".to_owned()));
    let out = decode_with(&mut decoder, br#"{"pages":[{"day":"2026-03-02T00:00:00Z","days":[{"uses":[{"tool":"a"},{"tool":"b"},{"tool":"c"}]}]}]}"#);
    assert_eq!((out.rows.len(), &out.classes[0]), (3, &"pages".to_owned()));
}

/// Pages that an interface answers with are lists of records.
#[test]
fn pages_are_opened() {
    let bucket = |start: u64| json!({ "object": "bucket", "start_time": start, "end_time": start + 86_400, "results": [{ "object": "organization.usage.completions.result", "input_tokens": 5, "output_tokens": 2, "num_model_requests": 3, "user_id": "u1", "model": "m" }] });
    let page = json!({ "object": "page", "has_more": false, "data": [bucket(1_772_409_600), bucket(1_772_496_000)] });
    let out = decode(page.to_string().as_bytes());
    let times: Vec<&Value> = out.rows.iter().map(|row| &row["time"]).collect();
    assert_eq!(times, ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"]);
}

/// Longitude comes first in a list of coordinates.
#[test]
fn coordinates_in_a_list_are_read_by_number() {
    let record = json!({
        "class_uid": 3002, "category_uid": 3, "activity_id": 1, "time": 1_772_442_000_000u64, "status_id": 1,
        "user": { "email_addr": "ana@example.com" }, "src_endpoint": { "ip": "203.0.113.10", "location": { "coordinates": [13.4, 52.5] } },
    });
    let row = one_row(&record);
    assert_eq!((&row["lat"], &row["lon"]), (&json!(52.5), &json!(13.4)));
}

/// Whatever a log calls an AI tool, its events are of one tool.
#[test]
fn an_ai_tool_has_one_name() {
    let options = DecodeOptions {
        names: Arc::new(|name| (name == "openai chatgpt").then(|| Arc::from("chatgpt"))),
        ..DecodeOptions::new(1)
    };
    let mut decoder =
        Decoder::new(Arc::new(Formats::shipped()), None, options).expect("all formats");
    let record = |app: &str| json!({ "_id": "1", "_insertion_epoch_timestamp": 1, "timestamp": 1_772_442_000, "user": "ana@example.com", "app": app, "appcategory": "Generative AI", "access_method": "Client" });
    let mut name = |app: &str| {
        decode_with(&mut decoder, record(app).to_string().as_bytes()).rows[0]["app"].clone()
    };
    assert_eq!(name("OpenAI ChatGPT"), "chatgpt");
    assert_eq!(name("New Tool"), "New Tool");
}

#[test]
fn contradicting_pairs_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pages.toml");
    let text = PAGES.replace(
        "[pairs]\n",
        "[pairs]\nparameters = { name = \"Name\", values = [\"intValue\", \"Value\"] }\n",
    );
    std::fs::write(
        &path,
        text.replace("rows = \"pages[].days[].uses\"\n", "rows = \"events\"\n"),
    )
    .expect("writable");
    let error = Formats::with_files(&[path]).expect_err("another order");
    let mut told = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        told += &format!(": {error}");
        source = error.source();
    }
    assert!(
        told.contains("parameters") && told.contains("order"),
        "{told}"
    );
}
