//! A format is mended: what was set aside is read again, and the alerts are those of a run that could
//! read it from the first. What is too late by then is told.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::time::Duration;

use common::{Folder, Running, company, done, nightjar, records, run, until, write_setup};
use nightjar::clock::Partition;
use nightjar::generate::Record;
use nightjar::pipeline::Meta;
use nightjar::source::embedded::EmbeddedBroker;
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;
/// The days that come over Kafka.
const LIVE_DAYS: i64 = 5;

fn format(time: &str) -> String {
    format!(
        "title = \"Doors of the office\"\nlateness = \"1h\"\nrecognise = [{{ kind = \"badge\" }}]\n\
         [columns]\ntime = \"{time}\"\nuser = \"who\"\nactivity = {{ constant = \"login\" }}\n\
         outcome = {{ constant = \"success\" }}\ncountry = \"country\"\n"
    )
}

fn write_config(folder: &Folder, name: &str, format: &str, brokers: &str) -> String {
    let format = folder.write(&format!("{name}/doors.toml"), format);
    folder.write(
        &format!("{name}.toml"),
        format!(
            "tenant = \"example\"\nzone = \"Europe/Berlin\"\nformats = [{format:?}]\n\
             [directory]\nfile = \"directory.csv\"\n[sources.okta]\nformat = \"okta\"\n\
             [sources.doors]\nformat = \"doors\"\n[admission]\nidle_after = \"never\"\n\
             [kafka]\nbrokers = [{brokers:?}]\ntopics = [\"okta\", \"doors\"]\n\
             [kafka.options]\n\"fetch.wait.max.ms\" = \"20\"\n\
             [state]\ndir = \"state\"\ncheckpoint_every = \"50ms\"\n[grpc]\nlisten = \"127.0.0.1:0\"\n"
        ),
    )
}

/// Logins of one person at night, abroad: two on closed days, two on the last one, and what no format
/// can read.
fn doors(who: &str, last_day_ms: i64) -> Vec<(i64, String)> {
    let at = |day: i64, minute: i64| last_day_ms - day * DAY_MS + (3 * 60 + minute) * 60_000;
    let time = |ms| {
        chrono::DateTime::from_timestamp_millis(ms)
            .unwrap()
            .to_rfc3339()
    };
    let badge = |ms, country: &str| {
        let record = json!({"kind": "badge", "who": who, "when": time(ms), "country": country});
        (ms, record.to_string())
    };
    vec![
        badge(at(3, 0), "BR"),
        badge(at(2, 0), "BR"),
        badge(at(0, 0), "BR"),
        (at(0, 1), json!({"kind": "badge", "who": who}).to_string()),
        badge(at(0, 5), "JP"),
    ]
}

fn produce(broker: &EmbeddedBroker, topic: &str, arrival_ms: i64, bytes: &[u8]) {
    let partition = Partition {
        topic: topic.to_owned(),
        number: 0,
    };
    broker.produce(&partition, arrival_ms, Some(bytes)).unwrap();
}

/// Records behind the last checkpoint.
fn read_so_far(folder: &Folder) -> i64 {
    let state = rusqlite::Connection::open(folder.at("state/state.db")).unwrap();
    let query = "SELECT bytes FROM engine";
    let read = state.query_row(query, (), |row| row.get::<_, Vec<u8>>(0));
    // The service may hold the file for a moment.
    let Ok(bytes) = read else { return 0 };
    let positions = Meta::decode(&bytes).unwrap().positions;
    positions
        .values()
        .map(|position| position.next_offset)
        .sum()
}

fn lines(args: &[&str]) -> Vec<Value> {
    let out = run(args).ended(0).out();
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The last days of a company come over Kafka, one record of them too late, beside doors that the
/// format cannot read.
struct Stage {
    folder: Folder,
    _broker: EmbeddedBroker,
    /// Wrong, and mended.
    configs: [String; 2],
    doors: Vec<(i64, String)>,
    produced: i64,
}

fn stage() -> Stage {
    let company = company();
    let folder = Folder::new();
    write_setup(&company, &folder);
    let mut all = records(&company);
    all.retain(|record| record.source == "okta");
    let last_ms = all.iter().map(|record| record.time_ms).max().unwrap();
    // Midnight in UTC: three hours later it is the same day in Berlin.
    let last_day_ms = last_ms.div_euclid(DAY_MS) * DAY_MS;
    let broker = EmbeddedBroker::start(&[("okta", 1), ("doors", 1)]).unwrap();
    let address = broker.bootstrap_servers();
    let configs = [
        write_config(&folder, "wrong", &format("at"), &address),
        write_config(&folder, "mended", &format("when"), &address),
    ];
    let first_live_ms = last_day_ms - LIVE_DAYS * DAY_MS;
    let (past, mut live): (Vec<Record>, Vec<Record>) = all
        .into_iter()
        .partition(|record| record.time_ms < first_live_ms);
    let at = live
        .iter()
        .position(|record| record.json.contains("SUCCESS"))
        .unwrap();
    let mut late = live.remove(at);
    late.arrival_ms = late.time_ms + 2 * DAY_MS;
    let text = |records: &[Record]| -> String {
        records
            .iter()
            .map(|record| record.json.clone() + "\n")
            .collect()
    };
    folder.write("past/okta/log.ndjson", text(&past));
    folder.write("all/okta/log.ndjson", text(&[past, live.clone()].concat()));
    live.push(late);
    live.sort_by_key(|record| record.arrival_ms);
    let label = company
        .labels()
        .into_iter()
        .find(|label| label.entity.contains('@'));
    let doors = doors(&label.unwrap().entity, last_day_ms);
    for record in &live {
        produce(&broker, "okta", record.arrival_ms, record.json.as_bytes());
    }
    for (time_ms, record) in &doors {
        produce(&broker, "doors", time_ms + 60_000, record.as_bytes());
    }
    broker.flush(Duration::from_secs(20)).unwrap();
    Stage {
        produced: (live.len() + doors.len()) as i64,
        folder,
        _broker: broker,
        configs,
        doors,
    }
}

#[test]
fn a_mended_format_is_judged_as_if_it_had_never_been_wrong() {
    let stage = stage();
    let folder = &stage.folder;
    let [wrong, mended] = &stage.configs;
    let (past, state) = (folder.at("past"), folder.at("state"));
    run([
        "backtest",
        &past,
        "-c",
        wrong,
        "--save-state",
        &state,
        "--quiet",
    ])
    .ended(0);
    let mut service = Running::start(nightjar(["run", "-c", wrong]));
    service.address();
    until("all is read", || read_so_far(folder) == stage.produced);

    // Beside the service: what is set aside, its bytes for whoever may see them, and no replay.
    let listed = run(["quarantine", "list", "--state", &state, "--source", "doors"])
        .ended(0)
        .out();
    assert!(
        listed.ends_with("\n5 entries\n") && !listed.contains("badge"),
        "{listed}"
    );
    let summary = lines(&["quarantine", "list", "-c", wrong, "--summary", "--json"]);
    assert_eq!(
        (&summary[0]["kept"], &summary[0]["ever"]),
        (&json!(5), &json!(5))
    );
    let shown = run(["quarantine", "show", "doors/0@1", "-c", wrong])
        .ended(0)
        .out();
    assert!(
        shown.contains("doors/0@1") && !shown.contains("badge"),
        "{shown}"
    );
    let bytes = run(["quarantine", "show", "doors/0@1", "-c", wrong, "--bytes"]).ended(0);
    assert_eq!(bytes.out(), stage.doors[1].1.clone() + "\n");
    assert!(
        bytes.err().contains("is in the audit trail"),
        "{}",
        bytes.err()
    );
    let audit = lines(&["ledger", "audit", "-c", wrong, "--json"]);
    assert_eq!(
        (&audit[0]["action"], &audit[0]["subject"]),
        (&json!("quarantine show"), &json!("doors/0@1"))
    );
    let refused = run(["quarantine", "replay", "-c", mended]).ended(1).err();
    assert!(refused.contains("is in use by process"), "{refused}");
    let late = lines(&["ledger", "late", "-c", wrong, "--json"]);
    assert_eq!((late.len(), &late[0]["source"]), (1, &json!("okta")));
    assert!(late[0]["user"].as_str().unwrap().starts_with("person-"));
    service.stop("TERM").ended(0);

    // Nothing can be read as long as the format is wrong; then all but one can.
    let replay = |config: &str| lines(&["quarantine", "replay", "-c", config, "--json"]);
    let fates = |replayed: &[Value]| -> Vec<String> {
        replayed
            .iter()
            .map(|record| record["fate"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(fates(&replay(wrong)), ["still bad"; 5]);
    let want = ["too late", "too late", "read", "still bad", "read"];
    assert_eq!(fates(&replay(mended)), want);
    assert_eq!(fates(&replay(mended)), ["still bad"]);
    let late = lines(&[
        "ledger", "late", "-c", mended, "--source", "doors", "--json",
    ]);
    let positions: Vec<_> = late
        .iter()
        .map(|row| row["position"].as_str().unwrap())
        .collect();
    assert_eq!(positions, ["doors/0@0", "doors/0@1"]);

    // The rest is what a backtest makes of the records that were in time, with the mended format.
    let once = done(nightjar(["run", "-c", mended, "--once"])).ended(0);
    let text: String = stage.doors[2..]
        .iter()
        .map(|(_, record)| record.clone() + "\n")
        .collect();
    folder.write("all/doors/log.ndjson", text);
    let all = folder.at("all");
    let expected = run(["backtest", &all, "-c", mended, "--alerts", "-"]).ended(0);
    let without = run(["backtest", &folder.at("all/okta"), "-c", mended]).ended(0);
    assert_eq!(once.digest(), expected.digest());
    assert_ne!(
        without.digest(),
        expected.digest(),
        "the doors changed nothing"
    );
}

/// A backtest's state keeps where its files were unreadable, and they are read again from there.
#[test]
fn records_of_files_are_read_again() {
    let folder = Folder::new();
    let [wrong, mended] = [("wrong", "at"), ("mended", "when")]
        .map(|(name, time)| write_config(&folder, name, &format(time), "127.0.0.1:1"));
    folder.write("directory.csv", company().directory_csv());
    let record = json!({"kind": "badge", "who": "ana@example.com", "when": "2026-03-02T09:00:00Z"});
    let read = json!({"kind": "badge", "who": "ben@example.com", "at": "2026-03-02T08:00:00Z"});
    let log = folder.write("doors/log.ndjson", format!("{{}}\n{record}\n{read}\n"));
    let state = folder.at("state");
    run([
        "backtest",
        &log,
        "-c",
        &wrong,
        "--save-state",
        &state,
        "--quiet",
    ])
    .ended(0);
    let position = format!("{log}@2");
    let shown = run(["quarantine", "show", &position, "-c", &mended, "--bytes"])
        .ended(0)
        .out();
    assert_eq!(shown, format!("{record}\n"));
    let told = run(["quarantine", "replay", "-c", &mended]).ended(0).out();
    assert!(
        told.ends_with("read now 1, too late 0, still bad 1, gone 0\n"),
        "{told}"
    );
    std::fs::remove_file(&log).unwrap();
    let told = run(["quarantine", "replay", "-c", &mended]).ended(0).out();
    assert!(
        told.ends_with("read now 0, too late 0, still bad 0, gone 1\n"),
        "{told}"
    );
    let unknown = run(["quarantine", "show", "nowhere@1", "-c", &mended])
        .ended(1)
        .err();
    assert!(
        unknown.contains("holds no record nowhere@1; `nightjar quarantine list`"),
        "{unknown}"
    );
}
