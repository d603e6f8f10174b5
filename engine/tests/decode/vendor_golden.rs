//! What every event of a collection of real logs must say: time, user, address, activity and outcome, written
//! down by reading the vendors' records, one file a vendor in `tests/golden`.
//!
//! A line names an event by its line in the collection. Many events are stubs without a time: they are refused
//! for that (`rejected`), and with the vendor's time put in (`with`) they say what `rows` says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::real::{data, files};
use crate::{Out, decode, decode_with, decoder};

const COLUMNS: [&str; 5] = ["time", "user", "ip", "activity", "outcome"];

/// Stands for the hash of a user name that may be a password.
const HASH: &str = "#hash";

fn golden() -> Vec<(String, Vec<Value>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("golden rows") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("readable");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a golden line"));
        found.push((name.into_owned(), lines.collect()));
    }
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    found
}

/// The columns that golden rows speak of; what a row has not is null.
fn row(row: &Value, expected: Option<&Value>) -> Value {
    let mut columns: Map<String, Value> = COLUMNS
        .iter()
        .map(|column| ((*column).to_owned(), row[*column].clone()))
        .collect();
    let is_hash = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let hashed = columns["user"].as_str().is_some_and(is_hash);
    if hashed && expected.is_some_and(|row| row["user"] == HASH) {
        columns.insert("user".into(), HASH.into());
    }
    Value::Object(columns)
}

fn merged(record: &Value, more: &Value) -> Value {
    match (record, more) {
        (Value::Object(record), Value::Object(more)) => {
            let mut all = record.clone();
            for (key, value) in more {
                let inner = merged(record.get(key).unwrap_or(&Value::Null), value);
                all.insert(key.clone(), inner);
            }
            Value::Object(all)
        }
        _ => more.clone(),
    }
}

/// What is wrong with an event, if anything is.
fn difference(vendor: &str, expected: &Value, record: &Value) -> Option<String> {
    let out = decode(record.to_string().as_bytes());
    let rejects = |out: &Out| -> Vec<&'static str> {
        out.rejects.iter().map(|reason| reason.as_str()).collect()
    };
    let mut judged = out.clone();
    if let Some(reason) = expected["rejected"].as_str() {
        if rejects(&out) != [reason] || !out.rows.is_empty() {
            return Some(format!("{:?} {:?}, not {reason}", rejects(&out), out.rows));
        }
        let more = expected.get("with")?;
        judged = decode(merged(record, more).to_string().as_bytes());
    }
    let foreign = |class: &String| !class.starts_with(vendor);
    if judged.classes.iter().any(foreign) {
        return Some(format!("taken for {:?}", judged.classes));
    }
    let wanted = expected["rows"].as_array().cloned().unwrap_or_default();
    let found: Vec<Value> = judged
        .rows
        .iter()
        .enumerate()
        .map(|(at, found)| row(found, wanted.get(at)))
        .collect();
    let wanted: Vec<Value> = wanted.iter().map(|wanted| row(wanted, None)).collect();
    (found != wanted || !judged.rejects.is_empty())
        .then(|| format!("{found:?} {:?}, not {wanted:?}", rejects(&judged)))
}

#[test]
fn every_event_says_what_its_vendors_record_says() {
    let Some(folder) = data() else { return };
    let text = std::fs::read_to_string(folder.join("vendor_events/rule_tests.jsonl"))
        .expect("the vendors' events");
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect();
    let mut wrong = Vec::new();
    for (vendor, lines) in golden() {
        assert!(!lines.is_empty(), "{vendor}");
        for expected in lines {
            let line = expected["line"].as_u64().expect("a line") as usize;
            if let Some(difference) = difference(&vendor, &expected, &events[line]["log"]) {
                wrong.push(format!("{vendor}, line {line}: {difference}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Attack techniques and what their records are.
const TECHNIQUES: [(&str, &str); 17] = [
    ("initial-access.console-login-without-mfa", "login"),
    ("persistence.iam-create-admin-user", "role_grant"),
    ("persistence.iam-create-admin-user", "account_change"),
    ("persistence.iam-backdoor-user", "account_change"),
    ("persistence.iam-backdoor-role", "role_grant"),
    ("persistence.iam-create-backdoor-role", "role_grant"),
    (
        "credential-access.secretsmanager-retrieve-secrets",
        "download",
    ),
    (
        "credential-access.secretsmanager-batch-retrieve-secrets",
        "download",
    ),
    (
        "credential-access.ssm-retrieve-securestring-parameters",
        "download",
    ),
    ("credential-access.ec2-get-password-data", "download"),
    ("discovery.ec2-download-user-data", "download"),
    ("exfiltration.ec2-share-ami", "share"),
    ("defense-evasion.cloudtrail-stop", "audit_change"),
    ("defense-evasion.cloudtrail-delete", "audit_change"),
    ("defense-evasion.cloudtrail-event-selectors", "audit_change"),
    ("defense-evasion.vpc-remove-flow-logs", "audit_change"),
    ("impact.bedrock-invoke-model", "ai_use"),
];

#[test]
fn attack_techniques_become_the_activities_that_fit() {
    let Some(folder) = data() else { return };
    let mut paths = Vec::new();
    files(&folder.join("stratus_red_team"), &mut paths);
    let name = |path: &Path| {
        let stem = path.file_stem().expect("a name").to_string_lossy();
        stem.trim_start_matches("aws.").to_owned()
    };
    let files: BTreeMap<String, &PathBuf> = paths.iter().map(|path| (name(path), path)).collect();
    for (technique, activity) in TECHNIQUES {
        let text = std::fs::read(files[technique]).expect("readable");
        let out = decode_with(&mut decoder(Some("aws_cloudtrail")), &text);
        let fits = |row: &Value| row["activity"] == activity;
        assert!(out.rows.iter().any(fits), "{technique}: {:?}", out.rows);
        if activity == "login" {
            let without = |row: &Value| fits(row) && row["mfa"] == false;
            assert!(out.rows.iter().any(without), "{technique}: {:?}", out.rows);
        }
    }
}
