//! The canary: a marker stands in every place of every format that nobody may read, and is looked for in
//! all that Nightjar prints, logs and stores.
//!
//! Invariant: what may leave a record is listed here by hand, beside the formats' files, not read from
//! them: whoever names one more place of a record has to say here that it may leave.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

#[path = "canary/ai_formats.rs"]
mod ai_formats;
mod common;
#[path = "canary/formats.rs"]
mod formats;
#[path = "canary/saas.rs"]
mod saas;
#[path = "canary/schema_formats.rs"]
mod schema_formats;
#[path = "canary/web_formats.rs"]
mod web_formats;

use std::path::Path;
use std::time::Duration;

use common::{Done, Folder, Running, company, done, files, nightjar, records, until, write_setup};
use formats::{FORMATS, Format};
use nightjar::clock::Partition;
use nightjar::source::embedded::EmbeddedBroker;
use serde_json::{Map, Value, json};

/// In lower case: users are stored so.
const MARKER: &str = "zqxcanary";

/// In place of a key: of a record that nobody knows the names of keys are told, but none that looks like data.
const MARKED_KEY: &str = "zqxcanary@example.com";

fn is_marked(bytes: &[u8]) -> bool {
    let lower = bytes.to_ascii_lowercase();
    memchr::memmem::find(&lower, MARKER.as_bytes()).is_some()
}

/// What leaks is a test's business; the line says which.
#[track_caller]
fn assert_clean(what: &str, bytes: &[u8]) {
    if is_marked(bytes) {
        let text = String::from_utf8_lossy(bytes);
        let line = text
            .lines()
            .find(|line| is_marked(line.as_bytes()))
            .unwrap_or_default();
        let start: String = line.chars().take(600).collect();
        panic!("the marker is in {what}: {start}");
    }
}

#[track_caller]
fn assert_clean_run(what: &str, done: &Done) {
    assert_clean(&format!("standard output of {what}"), &done.out);
    assert_clean(&format!("standard error of {what}"), &done.err);
}

/// Databases with their logs, and whatever else lies there.
#[track_caller]
fn assert_clean_folder(folder: &Path) {
    for file in files(folder) {
        assert_clean(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }
}

/// A command that says as much as it can.
fn talkative(args: &[&str]) -> std::process::Command {
    let mut command = nightjar(args);
    command
        .env("NIGHTJAR_LOG", "trace")
        .env("RUST_BACKTRACE", "1");
    command
}

/// The marker wherever the format may not look: instead of values, and in keys and values of its own in
/// every object.
fn planted(format: &Format, record: &Value) -> Value {
    walk(record, "", &|path, value| {
        if format.may_stay(record, path) {
            value.clone()
        } else {
            marked(value)
        }
    })
}

/// One value after the other, `change` decides; objects get the marker besides.
fn walk(value: &Value, path: &str, change: &dyn Fn(&str, &Value) -> Value) -> Value {
    match value {
        Value::Object(fields) => {
            let below = |key: &String, field: &Value| {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                (key.clone(), walk(field, &path, change))
            };
            let mut fields: Map<String, Value> = fields
                .iter()
                .map(|(key, field)| below(key, field))
                .collect();
            fields.extend(words());
            Value::Object(fields)
        }
        Value::Array(elements) => {
            let below = |element: &Value| {
                let name = ["name", "Name", "type", "key"]
                    .iter()
                    .find_map(|key| element[key].as_str());
                let name = name.unwrap_or_default().replace('.', "_");
                walk(element, &format!("{path}[{name}]"), change)
            };
            Value::Array(elements.iter().map(below).collect())
        }
        scalar => change(path, scalar),
    }
}

/// The marker and what was there, so that different values stay different.
fn marked(value: &Value) -> Value {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    Value::String(format!("{MARKER} {text}"))
}

/// What people type and vendors may deliver some day.
fn words() -> Map<String, Value> {
    let said = json!([{"role": "user", "content": MARKER, "parts": [{"text": MARKER}]}]);
    let words = json!({
        (MARKED_KEY): MARKER,
        "prompt": MARKER, "completion": MARKER, "messages": said, "response": {"choices": said},
        "body": {"text": MARKER}, "password": MARKER, "passwd": [MARKER], "secret": MARKER,
        "Subject": MARKER, "headers": {"authorization": MARKER, "cookie": MARKER},
        "content": {(MARKER): {(MARKER): [MARKER, 1, null, true]}},
    });
    words.as_object().unwrap().clone()
}

/// A record as it is, the marker planted, and in everything that can be wrong with it.
fn variants(format: &Format, record: &Value) -> Vec<Vec<u8>> {
    let whole = planted(format, record);
    let text = whole.to_string();
    let mut all = vec![text.clone().into_bytes()];
    // Cut off behind the marker, at several places.
    let marks: Vec<usize> = text
        .match_indices(MARKER)
        .map(|(at, _)| at + MARKER.len())
        .collect();
    for part in 1..=6 {
        all.push(text.as_bytes()[..marks[(marks.len() - 1) * part / 6]].to_vec());
    }
    all.push(format!("{text} {MARKER}").into_bytes());
    all.push(text.replacen(',', &format!(", {MARKER}, "), 1).into_bytes());
    all.push(
        text.replacen(MARKER, &format!("{MARKER}\u{0}\\q"), 2)
            .into_bytes(),
    );
    let mut invalid = text.clone().into_bytes();
    invalid.insert(marks[marks.len() / 2], 0xff);
    all.push(invalid);
    all.push(format!("{MARKER} is no record").into_bytes());
    all.push(
        json!([MARKER, {"user": MARKER}, [[MARKER]]])
            .to_string()
            .into_bytes(),
    );
    // Each place that may be read in turn: absent, of a wrong type, and, where it is no text, the marker.
    for path in paths(record) {
        let swapped = |by: Value| {
            let swap = |at: &str, value: &Value| match at == path {
                true => by.clone(),
                false if format.may_stay(record, at) => value.clone(),
                false => marked(value),
            };
            walk(record, "", &swap).to_string().into_bytes()
        };
        if format.may_stay(record, &path) {
            all.push(swapped(Value::Null));
            all.push(swapped(json!({(MARKED_KEY): [MARKER, {(MARKER): MARKER}]})));
        }
        if format.is_typed(&path) {
            all.push(swapped(json!([MARKER])));
            all.push(swapped(json!(MARKER)));
            all.push(swapped(json!(format!("2026-03-02T10:00:00 {MARKER}"))));
            all.push(swapped(json!(format!("10.0.0.1 {MARKER}"))));
        }
    }
    all
}

fn paths(record: &Value) -> Vec<String> {
    let found = std::cell::RefCell::new(Vec::new());
    walk(record, "", &|path, value| {
        found.borrow_mut().push(path.to_owned());
        value.clone()
    });
    found.into_inner()
}

fn samples(format: &Format) -> impl Iterator<Item = Value> {
    format
        .samples
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
}

fn lines(records: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend(record);
        bytes.push(b'\n');
    }
    bytes
}

/// However a record is broken, nothing of what it says comes out of any command.
#[test]
fn no_unnamed_field_is_ever_shown_or_stored() {
    for format in FORMATS {
        let folder = Folder::new();
        let all: Vec<_> = samples(format)
            .flat_map(|record| variants(format, &record))
            .collect();
        let good: Vec<_> = samples(format)
            .map(|record| planted(format, &record).to_string().into_bytes())
            .collect();
        let good = folder.write("good/a.ndjson", lines(good));
        let all = folder.write("all/a.ndjson", lines(all));

        let read = done(talkative(&["normalize", &good])).ended(0);
        assert_clean_run(format.name, &read);
        let is_understood = !read.out.is_empty() && read.err().ends_with(", 0 set aside\n");
        assert!(is_understood, "{}: {}", format.name, read.err());

        for named in ["auto", format.name] {
            let args = ["normalize", &all, "--format", named];
            let read = done(talkative(&args)).ended(0);
            assert_clean_run(&args.join(" "), &read);
            assert!(
                read.err().contains("the record is not valid JSON"),
                "{}",
                read.err()
            );
        }
        let state = folder.at("state");
        let args = [
            "backtest",
            &all,
            "--alerts",
            "-",
            "--save-state",
            &state,
            "--threads",
            "2",
        ];
        let read = done(talkative(&args)).ended(0);
        assert_clean_run(&args.join(" "), &read);
        assert!(20 < read.counts("all")[4], "{}", read.err());
        assert_clean_folder(&folder.path().join("state"));
    }
}

/// Lines that are no JSON: what stands under a key that no format names, and beside all keys, is nowhere.
#[test]
fn no_word_of_a_line_is_shown_or_stored() {
    let good = [
        format!(
            "<134>Mar  2 10:00:00 {MARKER} CEF:0|Example|Gateway|1|{MARKER}|User login: {MARKER}|3|rt=1772445600123 suser=ana@example.com src=203.0.113.10 msg={MARKER} said reason={MARKER} cs1Label={MARKER} cs1={MARKER} fname={MARKER}.docx requestClientApplication={MARKER}"
        ),
        format!(
            "LEEF:1.0|Example|Gateway|1|login failed {MARKER}|devTime=1772445601000\tusrName=ana@example.com\tsrc=203.0.113.10\tmsg={MARKER}\t{MARKER}={MARKER}"
        ),
        format!(
            "LEEF:2.0|Example|Gateway|1|login|^|devTime=1772445602000^usrName=ana@example.com^reason={MARKER} {MARKER}"
        ),
        format!(
            "date=2026-03-02 time=10:00:03 {MARKER} user=ana@example.com srcip=10.0.0.8 hostname=chatgpt.com url=\"/{MARKER}?q={MARKER}\" msg=\"{MARKER} {MARKER}\" {MARKER}={MARKER}"
        ),
        format!(
            "1772445604.123 180 10.0.0.8 TCP_MISS/200 411 GET https://chatgpt.com/{MARKER}?q={MARKER} ana@example.com DIRECT/192.0.2.1 {MARKER}"
        ),
    ];
    let mut all: Vec<Vec<u8>> = Vec::new();
    for line in &good {
        let marks: Vec<usize> = line
            .match_indices(MARKER)
            .map(|(at, _)| at + MARKER.len())
            .collect();
        all.extend(marks.iter().map(|end| line.as_bytes()[..*end].to_vec()));
        all.push(
            line.replace("2026", MARKER)
                .replace("17724", MARKER)
                .into_bytes(),
        );
        all.push(line.replace('|', " ").into_bytes());
        all.push(line.replace('=', ":").into_bytes());
        all.push(
            json!({"message": line, (MARKED_KEY): MARKER})
                .to_string()
                .into_bytes(),
        );
    }
    let folder = Folder::new();
    let good = folder.write("good/a.log", good.join("\n"));
    let read = done(talkative(&["normalize", &good])).ended(0);
    assert_clean_run("normalize", &read);
    assert_eq!(read.out().lines().count(), 5, "{}", read.err());
    let all = folder.write("all/a.log", lines(all));
    assert_clean_run("normalize", &done(talkative(&["normalize", &all])).ended(0));
    let state = folder.at("state");
    let args = ["backtest", &all, "--alerts", "-", "--save-state", &state];
    assert_clean_run("backtest", &done(talkative(&args)).ended(0));
    assert_clean_folder(&folder.path().join("state"));
}

/// Of a record that no format knows its source is told and the names of its keys, nothing else.
#[test]
fn what_is_not_read_is_told_by_the_names_of_its_keys() {
    let record = json!({"badge": MARKER, "opened_at": MARKER, "door": {(MARKER): MARKER}, (MARKED_KEY): MARKER});
    let folder = Folder::new();
    let log = folder.write(
        "doors/a.ndjson",
        format!("{record}\n{record}\n[{record}]\n"),
    );
    let said =
        "3 records of source doors are of no known format; their keys: badge, door, opened_at";
    for command in ["normalize", "backtest"] {
        let read = done(talkative(&[command, &log]));
        assert_clean_run(command, &read);
        assert!(read.err().contains(said), "{}", read.err());
    }
}

/// Collectors' envelopes are looked through, and their own words left where they are.
#[test]
fn no_envelope_lets_anything_out() {
    for format in FORMATS {
        let record = samples(format).next().unwrap();
        let record = planted(format, &record);
        let folder = Folder::new();
        let bare = folder.write("logs/bare.ndjson", lines([record.to_string().into_bytes()]));
        let bare = done(talkative(&["normalize", &bare])).ended(0).out();
        assert!(!bare.is_empty());
        for (name, text) in envelopes(&record) {
            let path = folder.write(&format!("logs/{name}.ndjson"), lines([text.into_bytes()]));
            let read = done(talkative(&["normalize", &path]));
            assert_clean_run(&format!("{} in {name}", format.name), &read);
            assert_eq!(
                read.out(),
                bare,
                "{} in {name}: {}",
                format.name,
                read.err()
            );
        }
        // And around records that cannot be read.
        let mut broken = Vec::new();
        for variant in variants(format, &samples(format).next().unwrap()) {
            if let Ok(text) = String::from_utf8(variant) {
                let record = serde_json::from_str(&text).unwrap_or(Value::String(text));
                broken.extend(envelopes(&record).map(|(_, text)| text.into_bytes()));
            }
        }
        let path = folder.write("logs/broken.ndjson", lines(broken));
        assert_clean_run(format.name, &done(talkative(&["normalize", &path])));
    }
}

/// The record in everything that collectors put around it, with words of the collector's own.
fn envelopes(record: &Value) -> impl Iterator<Item = (&'static str, String)> {
    let text = record
        .as_str()
        .map_or_else(|| record.to_string(), str::to_owned);
    let own = json!({"name": MARKER, "tags": [MARKER], "labels": {(MARKER): MARKER}});
    let all = [
        (
            "logstash",
            json!({"@timestamp": MARKER, "host": own, "tags": [MARKER], "message": text}),
        ),
        (
            "beats",
            json!({"agent": own, "log": own, "event": {"original": MARKER}, "message": text}),
        ),
        (
            "vector",
            json!({"source_type": MARKER, "host": MARKER, "message": text}),
        ),
        (
            "fluent",
            json!({"log": text, "stream": MARKER, "kubernetes": own}),
        ),
        ("event_hub", json!({"records": [record], "metadata": own})),
        (
            "splunk",
            json!({"time": MARKER, "host": MARKER, "sourcetype": MARKER, "event": record}),
        ),
        ("splunk_text", json!({"fields": own, "event": text})),
        (
            "cribl",
            json!({"_raw": text, "cribl_pipe": MARKER, "_time": MARKER}),
        ),
        (
            "datadog",
            json!({"service": MARKER, "ddtags": MARKER, "message": text}),
        ),
        (
            "datadog_attributes",
            json!({"service": MARKER, "attributes": record}),
        ),
        (
            "eventbridge",
            json!({"detail-type": MARKER, "resources": [MARKER], "detail": record}),
        ),
        ("connect", json!({"schema": own, "payload": record})),
        (
            "twice",
            json!({"detail": {"message": text, "by": MARKER}, "by": own}),
        ),
        ("array", json!([record])),
        ("text", json!(text)),
    ];
    let all = all.map(|(name, value)| (name, value.to_string()));
    let plain = (
        "plain_codec",
        format!("2026-03-02T10:00:00Z {MARKER}-host {text}"),
    );
    all.into_iter()
        .chain([plain])
        .collect::<Vec<_>>()
        .into_iter()
}

/// Names of files and documents tell a lot: they leave as hashes, unless the company wants to see them.
#[test]
fn names_of_documents_leave_only_if_asked_for() {
    let record = json!({"time": "2026-03-02T10:00:00Z", "uid": "1", "activity": "download",
        "user": "ana@example.com", "object": format!("{MARKER}.docx")});
    let folder = Folder::new();
    let log = folder.write("logs/a.ndjson", record.to_string());
    let hashed = done(talkative(&["normalize", &log])).ended(0);
    assert_clean_run("normalize", &hashed);
    assert!(hashed.out().contains("\"object\""), "{}", hashed.out());
    let config = folder.write("nightjar.toml", "[detection]\nshow_objects = true\n");
    let shown = done(talkative(&["normalize", &log, "-c", &config])).ended(0);
    assert!(is_marked(&shown.out), "{}", shown.out());
}

/// A whole company with the marker in all its records: alerts, their evidence, what was learned.
#[test]
fn no_alert_and_no_state_holds_the_marker() {
    let company = company();
    let folder = Folder::new();
    let config = write_setup(&company, &folder);
    let mut logs = std::collections::BTreeMap::<&str, Vec<u8>>::new();
    for record in records(&company) {
        let log = logs.entry(record.source).or_default();
        log.extend(marked_record(record.source, &record.json));
        log.push(b'\n');
    }
    for (source, log) in &logs {
        assert!(is_marked(log));
        folder.write(&format!("logs/{source}/all.ndjson"), log);
    }
    let (logs, state, alerts) = (
        folder.at("logs"),
        folder.at("state"),
        folder.at("alerts.ndjson"),
    );
    let args = [
        "backtest",
        &logs,
        "-c",
        &config,
        "--alerts",
        "-",
        "--save-state",
        &state,
    ];
    let read = done(talkative(&args)).ended(0);
    assert_clean_run("backtest", &read);
    let detectors: std::collections::BTreeSet<String> = read
        .alerts()
        .iter()
        .map(|alert| alert["detector"].to_string())
        .collect();
    assert!(4 <= detectors.len(), "{detectors:?} of {}", read.err());
    assert_clean_folder(&folder.path().join("state"));

    let args = ["backtest", &logs, "-c", &config, "--alerts", &alerts];
    assert_clean_run("backtest", &done(talkative(&args)).ended(0));
    assert_clean("the alert file", &std::fs::read(&alerts).unwrap());
    for more in [&["--json", "--muted"][..], &["--muted"], &["--digest"]] {
        let args = [&["alerts", "--state", &state], more].concat();
        let read = done(talkative(&args)).ended(0);
        assert_clean_run(&args.join(" "), &read);
        assert!(!read.out.is_empty());
    }
}

fn marked_record(source: &str, json: &str) -> Vec<u8> {
    let format = FORMATS
        .iter()
        .find(|format| format.source == source)
        .unwrap();
    planted(format, &serde_json::from_str(json).unwrap())
        .to_string()
        .into_bytes()
}

/// The same through Kafka: records from before the first start and such that arrive later, good ones and
/// broken ones.
#[test]
fn nothing_leaks_on_the_way_from_kafka() {
    let topics: Vec<(&str, i32)> = FORMATS.iter().map(|format| (format.source, 1)).collect();
    let broker = EmbeddedBroker::start(&topics).unwrap();
    let produce = || {
        for format in FORMATS {
            let partition = Partition {
                topic: format.source.to_owned(),
                number: 0,
            };
            let now_ms = chrono::Utc::now().timestamp_millis();
            // Few enough for the broker, which keeps 5 MiB a partition.
            let all = samples(format).flat_map(|record| variants(format, &record));
            for record in all.step_by(5) {
                broker.produce(&partition, now_ms, Some(&record)).unwrap();
            }
            broker.produce(&partition, now_ms, None).unwrap();
            broker.produce(&partition, now_ms, Some(b"")).unwrap();
        }
        broker.flush(Duration::from_secs(20)).unwrap();
    };
    produce();
    let folder = Folder::new();
    let config = folder.write("nightjar.toml", kafka_config(&broker, &folder));
    let state = folder.path().join("state");

    let once = done(talkative(&["run", "-c", &config, "--once"])).ended(0);
    assert_clean_run("run --once", &once);
    assert!(100 < quarantined(&once), "{}", once.out());
    assert_clean_folder(&state);

    // A second state, whose service is at work when the records come.
    let folder = Folder::new();
    let config = folder.write("nightjar.toml", kafka_config(&broker, &folder));
    let mut service = Running::start(talkative(&["run", "-c", &config]));
    service.line_with("reading partition=proxy/0");
    produce();
    let state = folder.at("state");
    let expected = 2 * quarantined(&once);
    until("all records are read", || expected <= set_aside(&folder));
    let args = ["alerts", "--state", &state, "--json", "--muted"];
    assert_clean_run("alerts", &done(talkative(&args)).ended(0));
    let ended = service.stop("TERM").ended(0);
    assert_clean_run("run", &ended);
    assert_clean_folder(&folder.path().join("state"));
}

fn kafka_config(broker: &EmbeddedBroker, folder: &Folder) -> String {
    let topics: Vec<&str> = FORMATS.iter().map(|format| format.source).collect();
    format!(
        "[kafka]\nbrokers = [{:?}]\ntopics = {topics:?}\n[kafka.options]\n\"fetch.wait.max.ms\" = \"20\"\n\
         [state]\ndir = {:?}\n[grpc]\nlisten = \"127.0.0.1:0\"\n",
        broker.bootstrap_servers(),
        folder.at("state"),
    )
}

fn quarantined(done: &Done) -> u64 {
    FORMATS
        .iter()
        .map(|format| done.counts(format.source)[4])
        .sum()
}

/// Records that the service has set aside so far.
fn set_aside(folder: &Folder) -> u64 {
    let store = nightjar::store::alerts::AlertReader::open(&folder.path().join("state")).unwrap();
    store
        .quarantine_counts()
        .unwrap()
        .iter()
        .map(|counts| counts.entries)
        .sum()
}
