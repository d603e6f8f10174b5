//! The doors of a company without Kafka: what comes through them is judged as if it had come over Kafka, or as a
//! backtest would, whatever dies meanwhile; and nothing of a record stays on the way.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::BTreeMap;

mod common;
#[path = "doors/sender.rs"]
mod sender;

use common::{
    Done, Folder, Running, company, done, files, nightjar, records, run, until, write_setup,
};
use nightjar::clock::Partition;
use nightjar::generate::Company;
use nightjar::source::embedded::EmbeddedBroker;
use sender::{Sender, TOKEN, gzip};
use serde_json::{Value, json};

const MARKER: &str = "zqxcanary";
const HOUR_MS: i64 = 3_600_000;

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_millis() as i64
}

/// The service, or another command, on a configuration; on free ports.
fn command(args: &[&str], config: &str) -> std::process::Command {
    let mut command = nightjar(args);
    command
        .args(["-c", config])
        .env("NIGHTJAR__GRPC__LISTEN", "127.0.0.1:0")
        .env("NIGHTJAR__KAFKA__TOPICS", "[]")
        .env("NIGHTJAR__STATE__CHECKPOINT_EVERY", "50ms");
    command
}

fn once(config: &str) -> Done {
    done(command(&["run", "--once"], config)).ended(0)
}

/// What a company's logs hold is read as a backtest reads it, and once.
#[test]
fn a_watched_folder_gives_the_alerts_of_a_backtest() {
    let (company, folder) = (company(), Folder::new());
    let config = write_setup(&company, &folder);
    let mut logs = BTreeMap::<String, String>::new();
    for record in records(&company) {
        // In files of four days, as they would be rotated.
        let name = format!(
            "{}/audit.log.{}",
            record.source,
            record.time_ms / (96 * HOUR_MS)
        );
        *logs.entry(name).or_default() += &(record.json + "\n");
    }
    for (name, text) in &logs {
        folder.write(&format!("logs/{name}"), text);
        // A backtest knows no names of rotation.
        folder.write(
            &format!("same/{}.log", name.replace("/audit.log.", "/")),
            text,
        );
    }
    let want = run(["backtest", &folder.at("same"), "-c", &config]).ended(0);
    let toml = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{toml}\n[files]\nwatch = \"logs\"\n")).unwrap();
    let got = once(&config);
    assert_eq!(got.digest(), want.digest());
    for source in ["okta", "m365", "proxy"] {
        assert_eq!(got.counts(source), want.counts(source), "{source}");
    }
    let again = once(&config);
    assert_eq!(again.digest(), want.digest());
    let alerts = run(["alerts", "--state", &folder.at("nightjar-state"), "--json"])
        .ended(0)
        .alerts();
    assert!(!alerts.is_empty() && alerts.iter().all(|alert| alert["history"] != json!(false)));
}

/// One half of every source comes over Kafka, the other through the folder: they are judged together.
#[test]
fn kafka_and_a_folder_are_read_together() {
    let (company, folder) = (company(), Folder::new());
    let config = write_setup(&company, &folder);
    let sources: Vec<&str> = Company::sources()
        .iter()
        .map(|(source, _)| *source)
        .collect();
    let topics: Vec<(&str, i32)> = sources.iter().map(|source| (*source, 2)).collect();
    let broker = EmbeddedBroker::start(&topics).unwrap();
    let (mut same, mut half) = (BTreeMap::<_, String>::new(), BTreeMap::<_, String>::new());
    for (number, record) in records(&company).into_iter().enumerate() {
        let line = record.json.clone() + "\n";
        *same.entry(record.source).or_default() += &line;
        if number % 3 == 0 {
            *half.entry(record.source).or_default() += &line;
            continue;
        }
        let partition = Partition {
            topic: record.source.to_owned(),
            number: (number % 2) as i32,
        };
        let payload = Some(record.json.as_bytes());
        broker
            .produce(&partition, record.arrival_ms, payload)
            .unwrap();
    }
    broker.flush(std::time::Duration::from_secs(20)).unwrap();
    for (source, text) in &same {
        folder.write(&format!("same/{source}/1.log"), text);
    }
    for (source, text) in &half {
        folder.write(&format!("half/{source}/1.log"), text);
    }
    let want = run(["backtest", &folder.at("same"), "-c", &config]).ended(0);
    let mut command = command(&["run", "--once"], &config);
    command
        .env("NIGHTJAR__FILES__WATCH", folder.at("half"))
        .env(
            "NIGHTJAR__KAFKA__BROKERS",
            format!("[{:?}]", broker.bootstrap_servers()),
        )
        .env("NIGHTJAR__KAFKA__TOPICS", format!("{sources:?}"));
    let got = done(command).ended(0);
    assert_eq!(got.digest(), want.digest());
    assert_eq!(got.counts("okta"), want.counts("okta"));
}

/// A record of the company of this story, with something in it that nobody may keep.
fn event(time_ms: i64, user: &str, activity: &str, number: i64) -> Value {
    json!({
        "time": time_ms, "uid": format!("{user}-{time_ms}-{number}"), "activity": activity, "outcome": "success",
        "user": format!("{user}@example.com"), "app": "drive", "object": format!("file-{number}"), "count": 1,
        "ip": "192.0.2.7", "country": "DE", "prompt": MARKER, MARKER: MARKER,
    })
}

/// Thirty quiet days up to a day ago, then a day with a theft two hours ago.
fn story(now_ms: i64) -> (Vec<Value>, Vec<Value>) {
    let (mut past, mut live) = (Vec::new(), Vec::new());
    let border = now_ms - 20 * HOUR_MS;
    let mut time_ms = now_ms - 30 * 24 * HOUR_MS;
    while time_ms < now_ms {
        for number in 0..6 {
            let user = format!("u{number}");
            let events = match time_ms < border {
                true => &mut past,
                false => &mut live,
            };
            events.push(event(time_ms + number * 60_000, &user, "login", number));
            events.push(event(
                time_ms + number * 61_000,
                &user,
                "download",
                time_ms % 997,
            ));
        }
        time_ms += 3 * HOUR_MS;
    }
    let theft = now_ms - 2 * HOUR_MS;
    live.extend((0..300).map(|number| event(theft + number * 300, "u3", "download", number)));
    live.retain(|event| event["time"].as_i64().unwrap() < now_ms);
    live.sort_by_key(|event| event["time"].as_i64());
    (past, live)
}

fn ndjson(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

const CONFIG: &str = r#"
zone = "UTC"
[hec]
listen = "127.0.0.1:0"
[[hec.tokens]]
token = { file = "token" }
source = "door"
ack = true
sourcetypes = { "other:type" = "other" }
[[hec.tokens]]
token = { file = "second" }
source = "plain"
[sources.door]
format = "nightjar"
allowed_lateness = "30h"
[admission]
idle_after = "never"
"#;

fn write_config(folder: &Folder) -> String {
    folder.write("token", format!("{TOKEN}\n"));
    folder.write("second", "another-token-0123456789\n");
    folder.write("nightjar.toml", CONFIG)
}

fn start(config: &str) -> (Running, Sender) {
    let mut service = Running::start(command(&["run"], config));
    let line = service.line_with("events for Splunk are taken on");
    let address = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    (service, Sender::to(address))
}

/// The engine's part of the last checkpoint.
fn checkpoint(folder: &Folder) -> Option<Vec<u8>> {
    let state = rusqlite::Connection::open(folder.at("nightjar-state/state.db")).ok()?;
    state
        .query_row("SELECT bytes FROM engine", (), |row| row.get(0))
        .ok()
}

/// What was acknowledged is judged, and what was not is sent again: killed in the middle of a request, twice, it
/// comes to the alerts of a backtest. What lies on disk meanwhile holds nothing of the records but what is named.
#[test]
fn a_kill_between_acks_changes_nothing() {
    let folder = Folder::new();
    let config = write_config(&folder);
    let (past, live) = story(now_ms());
    let past_log = folder.write("past/door/1.ndjson", ndjson(&past));
    folder.write("all/door/1.ndjson", ndjson(&past));
    folder.write("all/door/2.ndjson", ndjson(&live));
    let want = run(["backtest", &folder.at("all"), "-c", &config]).ended(0);
    let state = folder.at("nightjar-state");
    let trained = run(["backtest", &past_log, "-c", &config, "--save-state", &state]).ended(0);
    assert_ne!(
        trained.digest(),
        want.digest(),
        "nothing fired, so nothing is proven"
    );

    let (mut service, mut sender) = start(&config);
    let batches: Vec<&[Value]> = live.chunks(30).collect();
    let mut last = checkpoint(&folder);
    for (number, batch) in batches.iter().enumerate() {
        let body: String = batch
            .iter()
            .map(|event| json!({"event": event}).to_string())
            .collect();
        if number % 5 == 3 {
            until("a checkpoint", || checkpoint(&folder) != last);
            last = checkpoint(&folder);
            // Nobody knows whether it was taken.
            sender.post_and_leave("/services/collector/event?channel=one", &body);
            service.signal("KILL");
            drop(service);
            for file in files(std::path::Path::new(&state)) {
                let bytes = std::fs::read(&file).unwrap();
                assert!(
                    memchr::memmem::find(&bytes, MARKER.as_bytes()).is_none(),
                    "{}",
                    file.display()
                );
            }
            (service, sender) = start(&config);
        }
        let (status, answer) = sender.post("/services/collector/event?channel=one", &body);
        assert_eq!(
            (status, &answer["text"]),
            (200, &json!("Success")),
            "{answer}"
        );
        let id = answer["ackId"].as_u64().unwrap();
        let asked = json!({"acks": [id, id + 1]}).to_string();
        let (_, acks) = sender.post("/services/collector/ack?channel=one", &asked);
        assert_eq!(
            acks["acks"],
            json!({id.to_string(): true, (id + 1).to_string(): false})
        );
    }
    service.signal("KILL");
    drop(service);
    let got = once(&config);
    assert_eq!(got.digest(), want.digest());
    let alerts = run(["alerts", "--state", &state, "--json"])
        .ended(0)
        .alerts();
    assert!(alerts.iter().any(|alert| {
        let evidence = alert["evidence"].as_array().unwrap();
        evidence.iter().any(|event| {
            event["position"]
                .as_str()
                .unwrap()
                .starts_with("door/http@")
        })
    }));
}

/// Splunk's senders are answered as Splunk answers.
#[test]
fn senders_are_answered_as_splunk_does() {
    let folder = Folder::new();
    let config = write_config(&folder);
    let (service, mut sender) = start(&config);
    let event = json!({"event": event(now_ms() - 1000, "u1", "login", 1)}).to_string();
    let (event, at) = (event.as_str(), "/services/collector/event");
    let with = "/services/collector?channel=c-1";
    let cases = [
        (
            Some(TOKEN),
            with,
            event,
            200,
            json!({"text": "Success", "code": 0, "ackId": 0}),
        ),
        (
            None,
            with,
            event,
            401,
            json!({"text": "Token is required", "code": 2}),
        ),
        (
            Some("wrong-wrong-wrong"),
            with,
            event,
            403,
            json!({"text": "Invalid token", "code": 4}),
        ),
        (
            Some(TOKEN),
            at,
            event,
            400,
            json!({"text": "Data channel is missing", "code": 10}),
        ),
        (
            Some(TOKEN),
            "/services/collector?channel=%22",
            event,
            400,
            json!({"text": "Invalid data channel", "code": 11}),
        ),
        (
            Some(TOKEN),
            with,
            " \n",
            400,
            json!({"text": "No data", "code": 5}),
        ),
        (
            Some(TOKEN),
            with,
            "{\"event\": \"x\"}{\"event\"",
            400,
            json!({"text": "Invalid data format", "code": 6, "invalid-event-number": 1}),
        ),
        (
            Some(TOKEN),
            with,
            "{\"time\": 1}",
            400,
            json!({"text": "Event field is required", "code": 12, "invalid-event-number": 0}),
        ),
        (
            Some(TOKEN),
            with,
            "{\"event\": 1}{\"event\": \" \"}",
            400,
            json!({"text": "Event field cannot be blank", "code": 13, "invalid-event-number": 1}),
        ),
        (
            Some("another-token-0123456789"),
            "/services/collector/ack?channel=c",
            "{\"acks\":[0]}",
            400,
            json!({"text": "ACK is disabled", "code": 14}),
        ),
        (
            Some("another-token-0123456789"),
            at,
            event,
            200,
            json!({"text": "Success", "code": 0}),
        ),
        (
            Some(TOKEN),
            "/services/other",
            event,
            404,
            json!({"text": "The requested URL was not found on this server.", "code": 404}),
        ),
    ];
    for (token, path, body, status, answer) in cases {
        sender.token = token.map(str::to_owned);
        assert_eq!(sender.post(path, body), (status, answer), "{path} {body}");
    }
    sender.token = Some(TOKEN.to_owned());
    assert_eq!(
        sender.send("GET", "/services/collector/health", &[], b"").0,
        200
    );
    let packed = gzip(event.as_bytes());
    let header = [("Content-Encoding", "gzip")];
    assert_eq!(
        sender.send("POST", with, &header, &packed).1["ackId"],
        json!(1)
    );
    assert_eq!(sender.send("POST", with, &header, b"no gzip").0, 400);
    let bomb = gzip(&vec![b' '; 40 << 20]);
    assert_eq!(sender.send("POST", with, &header, &bomb).0, 413);
    assert_eq!(
        sender
            .send("POST", with, &[("Content-Encoding", "br")], b"x")
            .0,
        415
    );
    let channel = [("X-Splunk-Request-Channel", "c-1")];
    let wrapped = json!({"event": event, "sourcetype": "other:type"}).to_string();
    assert_eq!(
        sender.send("POST", at, &channel, wrapped.as_bytes()).1["ackId"],
        json!(2)
    );
    let raw = format!(
        "{}\n{}\n",
        self::event(now_ms(), "u2", "login", 2),
        "no record"
    );
    assert_eq!(
        sender
            .send("POST", "/services/collector/raw", &channel, raw.as_bytes())
            .1["ackId"],
        json!(3)
    );
    service.stop("TERM").ended(0);
    let read = once(&config);
    // Records, rows, repeats, late, quarantined, ignored.
    assert_eq!(read.digest().len(), 64);
    let status = run([
        "quarantine",
        "list",
        "--state",
        &folder.at("nightjar-state"),
        "--json",
    ])
    .ended(0);
    assert!(status.out().contains("door/http@"), "{}", status.out());
}

/// What is wrong with the doors is told with its place, and nobody is let in by accident.
#[test]
fn the_configuration_of_doors_is_checked() {
    let folder = Folder::new();
    folder.write("short", "x");
    folder.write("long", "0123456789abcdef");
    let config = folder.write(
        "nightjar.toml",
        "[hec]\nlisten = \"0.0.0.0:8088\"\n\
         [[hec.tokens]]\ntoken = \"0123456789abcdef\"\nsource = \"a\"\n\
         [[hec.tokens]]\ntoken = { file = \"short\" }\nsource = \"a/b\"\n\
         [[hec.tokens]]\nsource = \"c\"\n\
         [[hec.tokens]]\ntoken = { file = \"long\" }\nsource = \"d\"\n\
         [[hec.tokens]]\ntoken = { file = \"long\" }\nsource = \"e\"\n\
         [files]\nwatched = \"x\"\n",
    );
    let told = run(["check", "-c", &config]).ended(64).out();
    for words in [
        ":2: `hec.listen` `0.0.0.0:8088` can be reached from other machines",
        ":4: `hec.tokens.token` is a secret written into the file",
        ":7: `hec.tokens.token` is no good token",
        ":8: `hec.tokens.source` is `a/b`",
        "[[hec.tokens]] has no `token`",
        "has a token that an earlier one has too",
        "unknown key `watched` in [files]",
    ] {
        assert!(told.contains(words), "no `{words}` in {told}");
    }
    let alone = folder.write("alone.toml", "[hec]\nlisten = \"127.0.0.1:0\"\n");
    assert!(
        run(["check", "-c", &alone])
            .ended(64)
            .out()
            .contains("lets nobody in")
    );
    let gone = folder.write("gone.toml", "[files]\nwatch = \"nowhere\"\n");
    let told = done(command(&["run", "--once"], &gone)).ended(1).err();
    assert!(told.contains("does not exist; make it"), "{told}");
}
