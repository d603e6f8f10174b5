//! What a look at topics and logs tells before anything is judged: formats, columns, and whose word counts on a login.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::net::TcpListener;

use common::{Folder, company, records, run};
use nightjar::clock::Partition;
use nightjar::source::embedded::EmbeddedBroker;
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;

fn config(folder: &Folder, brokers: &str, topics: &str) -> String {
    let text = format!(
        "tenant = \"example\"\n[kafka]\nbrokers = [{brokers:?}]\ntopics = {topics}\n\
         [kafka.options]\n\"fetch.wait.max.ms\" = \"20\"\n"
    );
    folder.write("nightjar.toml", text)
}

fn produce(broker: &EmbeddedBroker, topic: &str, number: i32, time_ms: i64, record: &str) {
    let partition = Partition {
        topic: topic.to_owned(),
        number,
    };
    let record = Some(record.as_bytes());
    broker.produce(&partition, time_ms, record).unwrap();
}

/// Okta in two partitions, another one that nobody knows, and one that is empty.
fn broker(now_ms: i64) -> EmbeddedBroker {
    let broker = EmbeddedBroker::start(&[("okta", 2), ("doors", 1), ("empty", 1)]).unwrap();
    let company = company();
    let okta = records(&company).into_iter().filter(|r| r.source == "okta");
    for (number, record) in okta.take(300).enumerate() {
        let time_ms = now_ms - 2 * HOUR_MS + number as i64;
        produce(&broker, "okta", (number % 2) as i32, time_ms, &record.json);
    }
    for number in 0..5 {
        let record = json!({"badge": "secret-badge", "who": "secret-person", "number": number});
        produce(&broker, "doors", 0, now_ms, &record.to_string());
    }
    produce(&broker, "doors", 0, now_ms, "{\"cut\":");
    broker.flush(std::time::Duration::from_secs(10)).unwrap();
    broker
}

/// The last records of each partition are looked at, as often as one likes: nothing is taken away, no value is shown.
#[test]
fn what_the_topics_hold_is_told() {
    let now_ms = chrono::Utc::now().timestamp_millis();
    let broker = broker(now_ms);
    let folder = Folder::new();
    let brokers = broker.bootstrap_servers();
    let config = config(&folder, &brokers, "[\"okta\", \"doors\", \"empty\"]");
    let args = ["check", "-c", &config, "--live", "--records", "100"];
    for _ in 0..2 {
        let done = run([&args[..], &["--json"]].concat()).ended(0);
        let out = done.out();
        assert!(
            !out.contains("secret") && !out.contains("@example.com"),
            "{out}"
        );
        let all: Value = serde_json::from_str(&out).unwrap();
        let topic = |name: &str| {
            let mut topics = all["topics"].as_array().unwrap().iter();
            topics.find(|topic| topic["topic"] == name).unwrap().clone()
        };
        let okta = topic("okta");
        assert_eq!(
            (&okta["partitions"], &okta["records"]),
            (&json!(2), &json!(200))
        );
        assert_eq!(okta["unfinished_partitions"], 0);
        let rows = &okta["coverage"]["rows_by_format"]["okta"];
        assert!(rows.as_u64().is_some_and(|rows| 150 < rows), "{okta}");
        assert!(okta["coverage"]["null_share"]["user"].as_f64().unwrap() < 0.1);
        let age = okta["newest_age_seconds"].as_f64().unwrap();
        assert!((7190.0..7300.0).contains(&age), "{age}");
        let doors = topic("doors");
        assert_eq!(
            (&doors["records"], &doors["set_aside"]),
            (&json!(6), &json!(6))
        );
        assert_eq!(
            doors["unrecognised"]["keys"],
            json!(["badge", "number", "who"])
        );
        assert_eq!(doors["unrecognised"]["records"], 5);
        assert_eq!(doors["reasons"].as_object().unwrap().len(), 2, "{doors}");
        assert_eq!(topic("empty")["newest"], Value::Null);
        let blind = all["blind"].as_array().unwrap();
        assert!(
            blind
                .iter()
                .any(|detector| detector["detector"] == "mass_download")
        );
    }
    let text = run(args).ended(0).out();
    for words in [
        "the configuration is valid",
        "topic empty is empty",
        "5 records of source doors are of no known format; their keys: badge, number, who",
        "no source lets mass_download see anything",
        "2 h ago",
        "okta 200",
    ] {
        assert!(text.contains(words), "no `{words}` in: {text}");
    }
    assert!(folder.files().len() == 1, "{:?}", folder.files());
}

/// A topic that is not there is told beside those that are, and fails the command.
#[test]
fn a_topic_that_is_missing_is_told() {
    let broker = broker(chrono::Utc::now().timestamp_millis());
    let folder = Folder::new();
    let config = config(&folder, &broker.bootstrap_servers(), "[\"okta\", \"otka\"]");
    let done = run(["check", "-c", &config, "--live"]).ended(1);
    assert!(done.out().contains("\nokta "), "{}", done.out());
    let err = done.err();
    assert_eq!(
        err,
        "nightjar: topic otka does not exist: create it, or correct kafka.topics\n"
    );
}

/// Whoever does not answer is named in one sentence, in time.
#[test]
fn a_broker_that_is_away_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let brokers = listener.local_addr().unwrap().to_string();
    drop(listener);
    let folder = Folder::new();
    let config = config(&folder, &brokers, "[\"okta\"]");
    let look = |more: &[&str]| {
        let args = ["check", "-c", &config, "--live", "--within", "1s"];
        run([&args[..], more].concat()).ended(1).err()
    };
    for err in [look(&[]), look(&["--json"])] {
        assert_eq!(err.lines().count(), 1, "{err}");
        let start = format!("nightjar: no broker of {brokers} answers");
        assert!(err.starts_with(&start), "{err}");
    }
    let nothing = folder.write("nothing.toml", "tenant = \"example\"");
    let err = run(["check", "-c", &nothing, "--live"]).ended(1).err();
    assert!(err.contains("nothing to read; set kafka.topics"), "{err}");
    let done = run(["check", "-c", &config, "--live", "--within", "soon"]).ended(2);
    assert!(done.err().contains("as in 30s or 2m"), "{}", done.err());
}

/// Four sign-ins as Entra, as Sentinel's table, as an application and as the audit log tell them.
fn write_logins(folder: &Folder) {
    let mut logs: [(&str, Vec<Value>); 3] =
        ["entra", "sentinel", "m365"].map(|name| (name, Vec::new()));
    for number in 0..4 {
        let user = format!("person{number}@example.com");
        let time = format!("2026-03-02T10:0{number}:00Z");
        let place = json!({"city": "Munich", "countryOrRegion": "DE",
                           "geoCoordinates": {"latitude": 48.1, "longitude": 11.5}});
        logs[0].1.push(json!({
            "category": "SignInLogs", "time": time, "resultType": 0,
            "properties": {"createdDateTime": time, "id": format!("e-{number}"), "userPrincipalName": user,
                "isInteractive": true, "ipAddress": "198.51.100.7", "location": place, "status": {"errorCode": 0}},
        }));
        logs[1].1.push(json!({
            "Type": "SigninLogs", "TimeGenerated": time, "CreatedDateTime": time, "Id": format!("s-{number}"),
            "UserPrincipalName": user, "AppDisplayName": "Teams", "ResultType": "0", "IPAddress": "198.51.100.7",
            "IsInteractive": true, "LocationDetails": place,
        }));
        logs[1].1.push(json!({
            "Type": "CloudAppEvents", "TimeGenerated": time, "Timestamp": time, "ReportId": format!("c-{number}"),
            "ActionType": "UserLoggedIn", "Application": "Microsoft 365", "IPAddress": "198.51.100.7",
            "RawEventData": {"UserId": user},
        }));
        logs[2].1.push(json!({
            "CreationTime": time.trim_end_matches('Z'), "Id": format!("m-{number}"), "Operation": "UserLoggedIn",
            "RecordType": 15, "ResultStatus": "Success", "UserId": user, "UserType": 0, "OrganizationId": "o",
            "Workload": "AzureActiveDirectory", "ClientIP": "198.51.100.7",
            "ExtendedProperties": [{"Name": "RequestType", "Value": "OAuth2:Authorize"}],
        }));
    }
    for (name, records) in logs {
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        folder.write(&format!("logs/{name}/log.ndjson"), lines);
    }
}

/// Logins, and other activity that is interactive, by source.
fn activities(folder: &Folder, config: &str, sources: [&str; 3]) -> Vec<[u64; 2]> {
    let paths = sources.map(|source| folder.at(&format!("logs/{source}")));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let done = run([&["normalize", "-c", config][..], &paths].concat()).ended(0);
    let rows: Vec<Value> = done
        .out()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |source: &str, activity: &str| {
        let is_it = |row: &&Value| row["source"] == source && row["activity"] == activity;
        rows.iter().filter(is_it).count() as u64
    };
    let mut found: Vec<(&str, [u64; 2])> = sources
        .iter()
        .map(|source| (*source, [of(source, "login"), of(source, "other")]))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, counts)| counts).collect()
}

/// One sign-in that three logs tell in four records is one login, whichever of them is read first; the others are activity.
#[test]
fn one_login_that_several_formats_tell_counts_once() {
    let folder = Folder::new();
    write_logins(&folder);
    let sources = "[sources.entra]\nformat = \"entra_signin\"\n[sources.sentinel]\nformat = \"sentinel_table\"\n";
    // By source: entra, m365, sentinel.
    let cases = [
        ("", [[4, 0], [4, 0], [8, 0]]),
        (sources, [[4, 0], [0, 4], [0, 8]]),
        (
            "[sources.sentinel]\nformat = \"sentinel_table\"",
            [[0, 4], [0, 4], [4, 4]],
        ),
        ("[logins]\nentra = \"m365_audit\"", [[0, 4], [4, 0], [0, 8]]),
        (
            "[sources.entra]\nformat = \"entra_signin\"\n[logins]\nentra = \"all\"",
            [[4, 0], [4, 0], [8, 0]],
        ),
    ];
    for (number, (text, expected)) in cases.into_iter().enumerate() {
        let config = folder.write(&format!("{number}.toml"), text);
        for order in [["entra", "m365", "sentinel"], ["sentinel", "m365", "entra"]] {
            assert_eq!(activities(&folder, &config, order), expected, "{text}");
        }
    }
    let config = folder.write("said.toml", sources);
    let logs = folder.at("logs");
    let text = run(["backtest", &logs, "-c", &config]).ended(0);
    let text = text.out() + &text.err();
    assert!(
        text.contains("8 logins of source sentinel are told by another format too"),
        "{text}"
    );
}

/// `coverage` says when two formats tell of one provider's logins, and what to write; and then that it is heeded.
#[test]
fn logins_that_count_twice_are_told() {
    let folder = Folder::new();
    write_logins(&folder);
    let logs = folder.at("logs");
    let text = run(["coverage", &logs]).ended(0).out();
    assert!(
        text.contains(
            "so that one login may count more than once: set [logins] entra = \"entra_signin\""
        ),
        "{text}"
    );
    let config = folder.write("nightjar.toml", "[logins]\nentra = \"entra_signin\"");
    let done = run(["coverage", &logs, "-c", &config, "--json"]).ended(0);
    let all: Value = serde_json::from_str(&done.out()).unwrap();
    let entra = &all["logins"][0];
    assert_eq!(entra["authority"], "entra_signin");
    assert_eq!(entra["counted"], json!({"entra_signin": 4}));
    assert_eq!(entra["advice"], Value::Null);
    let other = json!({"m365_audit": 4, "sentinel_table": 4, "sentinel_table.app_logins": 4});
    assert_eq!(entra["other"], other);
}

/// A provider or a format that does not exist is told with its line and the nearest one.
#[test]
fn wrong_logins_are_told() {
    let folder = Folder::new();
    for (text, expected) in [
        (
            "[logins]\nentar = \"okta\"",
            ":2: unknown key `entar` in [logins]; did you mean `entra`?",
        ),
        (
            "[logins]\nentra = \"entra_sign\"",
            ":2: unknown format `entra_sign` in `logins.entra`; did you mean `entra_signin`?",
        ),
        (
            "[logins]\nokta = \"litellm\"",
            ":2: `litellm` in `logins.okta` tells of no logins; ",
        ),
    ] {
        let config = folder.write("nightjar.toml", text);
        let out = run(["check", "-c", &config]).ended(64).out();
        assert!(out.contains(expected), "{out}");
    }
}
