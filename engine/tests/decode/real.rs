//! Real records of the supported vendors, where they are at hand.

use std::path::{Path, PathBuf};

use nightjar::decode::Reject;
use serde_json::Value;

use crate::{decode, decode_with, decoder};

/// The folder of real data, where there is one.
pub fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("NIGHTJAR_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: NIGHTJAR_DATA is not set");
    }
    folder
}

/// The format that a collector's name for a log and the log itself speak of; some logs are stubs that
/// lack even the name of the event.
fn expected(log: &Value, kind: &str) -> Option<&'static str> {
    let category = log["category"].as_str().unwrap_or_default();
    let has = |key: &str| {
        log.as_object()
            .is_some_and(|log| log.keys().any(|known| known.eq_ignore_ascii_case(key)))
    };
    match kind {
        "Okta.SystemLog" if has("eventType") && has("actor") => Some("okta"),
        "AWS.CloudTrail" if has("eventName") && has("eventSource") => Some("aws_cloudtrail"),
        "GSuite.ActivityEvent" if has("id") => Some("google_workspace"),
        "Azure.Audit" if category.ends_with("SignInLogs") => Some("entra_signin"),
        "OpenAI.Audit" => Some("openai_audit"),
        "Anthropic.Activity" => Some("anthropic_activity"),
        "AWS.BedrockModelInvocation" => Some("aws_bedrock"),
        "CiscoUmbrella.DNS" => Some("cisco_umbrella"),
        kind if kind.starts_with("Microsoft365.Audit") => Some("m365_audit"),
        _ => None,
    }
}

#[test]
fn every_event_of_a_supported_vendor_is_recognised() {
    let Some(folder) = data() else { return };
    let text = std::fs::read_to_string(folder.join("vendor_events/rule_tests.jsonl"))
        .expect("the vendors' events");
    let mut auto = decoder(None);
    let (mut read, mut without_time) = (0, 0);
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a line");
        let log = &line["log"];
        let kinds = line["log_types"]
            .as_array()
            .filter(|kinds| kinds.len() == 1);
        let kind = log["p_log_type"]
            .as_str()
            .or_else(|| kinds.and_then(|kinds| kinds[0].as_str()));
        let Some(format) = kind.and_then(|kind| expected(log, kind)) else {
            continue;
        };
        let out = decode_with(&mut auto, log.to_string().as_bytes());
        let named = decode_with(&mut decoder(Some(format)), log.to_string().as_bytes());
        assert_eq!(out, named, "{format}");
        if out.rejects == [Reject::MissingTime] {
            without_time += 1;
            continue;
        }
        assert_eq!(out.rejects, [], "{format}: {}", line["test"]);
        assert!(
            out.classes
                .iter()
                .all(|class| class.split('.').next() == Some(format)),
            "{format}"
        );
        read += out.rows.len();
    }
    assert!(300 <= read, "{read} rows, {without_time} without a time");
}

/// Every JSON file below a folder.
pub fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            found.push(path);
        }
    }
}

#[test]
fn files_of_an_attack_tool_are_read_whole() {
    let Some(folder) = data() else { return };
    let mut paths = Vec::new();
    files(&folder.join("stratus_red_team"), &mut paths);
    let mut rows = 0;
    for path in paths {
        let out = decode(&std::fs::read(&path).expect("readable"));
        assert_eq!(out.rejects, [], "{}", path.display());
        rows += out.rows.len();
    }
    assert!(300 <= rows, "{rows}");
}

/// Every record of these files becomes the row that was read off it; nothing of its prompts comes out.
#[test]
fn invocations_of_models_become_what_they_say() {
    let Some(folder) = data() else { return };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/files/splunk_bedrock_claude.ndjson");
    let golden = std::fs::read_to_string(golden).expect("the expected rows");
    let mut auto = decoder(None);
    for line in golden.lines() {
        let expected: Value = serde_json::from_str(line).expect("a line");
        let file = expected["file"].as_str().expect("a file");
        let text = std::fs::read_to_string(folder.join(file)).expect("readable");
        let number = expected["line"].as_u64().expect("a line number") as usize;
        let record = text.lines().nth(number).expect("as many lines");
        let out = decode_with(&mut auto, record.as_bytes());
        assert!(!format!("{out:?}").contains("instructions"));
        let rows = expected["rows"].as_array().expect("rows");
        assert_eq!(out.rows.len(), rows.len(), "{file} {number}");
        for (row, expected) in out.rows.iter().zip(rows) {
            for (column, value) in expected.as_object().expect("columns") {
                assert_eq!(&row[column], value, "{file} {number} {column}");
            }
        }
    }
}
