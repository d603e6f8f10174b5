//! A user's own format file, good and bad.

use std::sync::Arc;

use nightjar::decode::{Column, DecodeOptions, Decoder, FormatError, Formats};
use serde_json::json;

use crate::decode_with;

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("writable");
    path
}

const DOORS: &str = r#"
title = "Doors of the office"
lateness = "2d"
zone = "+01:00"
recognise = [{ "door.id" = { exists = true }, kind = "badge" }]
rows = "swipes"

[pairs]
fields = { name = "k", values = ["v", "n"] }

[columns]
time = "at"
user = { path = "fields.holder", before = " (" }
activity = { constant = "login" }
outcome = { path = "ok", values = { 1 = "success" }, else = "failure" }
device = "door.id"
count = { sum = ["fields.in", "fields.out"], minus = ["fields.void"] }

[[rule]]
when = { "fields.holder" = { prefix = "Test" } }
ignore = true
"#;

#[test]
fn a_users_format_works_like_the_shipped_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let formats = Formats::with_files(&[write(&folder, "doors.toml", DOORS)]).expect("a good file");
    let doors = formats.get("doors").expect("named after its file");
    assert_eq!(doors.title, "Doors of the office");
    assert!(doors.columns.contains(&Column::Count) && !doors.columns.contains(&Column::Ip));
    assert_eq!(
        formats
            .classes()
            .last()
            .map(|class| class.default_lateness_ms),
        Some(2 * 86_400_000)
    );
    let mut decoder =
        Decoder::new(Arc::new(formats), None, DecodeOptions::new(1)).expect("all formats");
    let record = json!({ "kind": "badge", "door": { "id": "d7" }, "swipes": [
        { "at": "2026-03-02 09:00:00", "ok": "1", "fields": [{ "k": "holder", "v": "Ana (guest)" }, { "k": "in", "n": 3 }, { "k": "out", "n": "2" }, { "k": "void", "n": 1 }] },
        { "at": "2026-03-02 09:01:00", "ok": 0, "fields": { "holder": "ben" } },
        { "at": "2026-03-02 09:02:00", "ok": 0, "fields": { "holder": "Test card" } }
    ] });
    let out = decode_with(&mut decoder, record.to_string().as_bytes());
    assert_eq!((out.rows.len(), out.ignored), (2, 1));
    assert_eq!(
        (&out.rows[0]["user"], &out.rows[0]["count"]),
        (&json!("ana"), &json!(4))
    );
    assert_eq!(out.rows[0]["time"], "2026-03-02T08:00:00Z");
    assert_eq!(
        (&out.rows[1]["outcome"], &out.rows[1]["device"]),
        (&json!("failure"), &json!("d7"))
    );
}

fn mistake(change: impl Fn(&str) -> String) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Formats::with_files(&[write(&folder, "doors.toml", &change(DOORS))])
        .expect_err("a bad file");
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

#[test]
fn mistakes_are_named() {
    let replaced = |from: &'static str, to: &'static str| mistake(|text| text.replace(from, to));
    let cases = [
        (replaced("title =", "titel ="), "titel"),
        (replaced("device =", "devise ="), "devise"),
        (replaced("before =", "befor ="), "befor"),
        (replaced("exists = true", "exist = true"), "exist"),
        (replaced("prefix =", "prefiks ="), "prefiks"),
        (replaced("ignore = true", "ignored = true"), "ignored"),
        (replaced("\"2d\"", "\"2 days\""), "2 days"),
        (replaced("\"+01:00\"", "\"CET\""), "CET"),
        (replaced("\"login\"", "\"logon\""), "logon"),
        (replaced("\"door.id\"\n", "\"door..id\"\n"), "door..id"),
        (replaced("time = \"at\"", ""), "time"),
        (
            replaced(
                "{ path = \"fields.holder\", before = \" (\" }",
                "{ before = \"x\" }",
            ),
            "user",
        ),
    ];
    for (text, word) in cases {
        assert!(
            text.contains("doors") && text.contains(word),
            "{word}: {text}"
        );
    }
}

/// Every mistake is told with its line and with what may have been meant.
#[test]
fn mistakes_have_a_place_and_a_way_out() {
    let replaced = |from: &'static str, to: &'static str| mistake(|text| text.replace(from, to));
    let cases = [
        (
            replaced("title =", "titel ="),
            "doors.toml:2: unknown key `titel`; did you mean `title`?",
        ),
        (
            replaced("device =", "devise ="),
            "doors.toml:16: unknown word `devise`; did you mean `device`?",
        ),
        (
            replaced("before =", "befor ="),
            "doors.toml:13: unknown key `befor`; did you mean `before`?",
        ),
        (
            replaced("prefix =", "prefiks ="),
            "doors.toml:20: unknown key `prefiks`; did you mean `prefix`?",
        ),
        (
            replaced("\"login\"", "\"logim\""),
            "doors.toml:14: there is no activity \"logim\"; did you mean `login`?",
        ),
        (
            replaced("\"door.id\"\n", "\"door..id\"\n"),
            "doors.toml:16: path \"door..id\" is not understood; write it as",
        ),
        (
            replaced("\"2d\"", "\"2 days\""),
            "doors.toml:3: \"2 days\" is no duration; write it as 30m, 1h or 3d",
        ),
        (
            replaced("time = \"at\"", ""),
            "doors.toml:11: no column `time`",
        ),
        (
            replaced("rows = \"swipes\"", "rows = swipes"),
            "doors.toml:6: ",
        ),
    ];
    for (text, told) in cases {
        assert!(text.contains(told), "{told}\n{text}");
    }
}

#[test]
fn a_name_can_be_taken_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(&folder, "okta.toml", DOORS);
    assert!(matches!(
        Formats::with_files(&[path]),
        Err(FormatError::Twice { .. })
    ));
    let missing = folder.path().join("none.toml");
    assert!(matches!(
        Formats::with_files(&[missing]),
        Err(FormatError::Read { .. })
    ));
}

/// What the page about the language shows is the language.
#[test]
fn the_documented_example_is_a_good_file() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/formats/README.md");
    let text = std::fs::read_to_string(page).expect("the page");
    let example = text
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(&folder, "doors.toml", example.expect("an example"));
    let formats = Formats::with_files(&[path]).expect("a good file");
    assert_eq!(
        formats.get("doors").map(|doors| doors.classes.len()),
        Some(2)
    );
}
