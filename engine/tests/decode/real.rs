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

/// A format that is not known yet is refused, and nothing of its prompts comes out.
#[test]
fn prompts_of_unknown_formats_stay_inside() {
    let Some(folder) = data() else { return };
    let path =
        folder.join("splunk_bedrock_claude/aws_bedrock_claude_possible_prompt_injection.ndjson");
    for line in std::fs::read_to_string(path).expect("readable").lines() {
        let out = decode(line.as_bytes());
        assert!(!format!("{out:?}").contains("instructions"));
    }
}
