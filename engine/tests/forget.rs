//! A person is forgotten: no file names the person any more, and nobody else is judged differently.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Folder, Running, company, done, files, nightjar, records, run, write_setup};
use nightjar::clock::Partition;
use nightjar::generate::{Company, Record};
use nightjar::source::embedded::EmbeddedBroker;
use serde_json::Value;

const LIVE_DAYS: usize = 3;

fn alerts(state: &str) -> Vec<Value> {
    let out = run(["alerts", "--state", state, "--muted", "--json"]).ended(0);
    out.alerts()
}

/// The person with most alerts.
fn person(alerts: &[Value]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for alert in alerts
        .iter()
        .filter(|alert| alert["entity"]["kind"] == "user")
    {
        *counts
            .entry(alert["entity"]["id"].as_str().unwrap())
            .or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.unwrap().0.to_owned()
}

/// Files of a folder with this text in them, in any case.
fn with(state: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in files(std::path::Path::new(state)) {
        let bytes = std::fs::read(&file).unwrap().to_ascii_lowercase();
        if memchr::memmem::find(&bytes, text.as_bytes()).is_some() {
            found.push(file.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

fn copy(from: &str, to: &str) {
    std::fs::create_dir_all(to).unwrap();
    for file in files(std::path::Path::new(from)) {
        std::fs::copy(
            &file,
            format!("{to}/{}", file.file_name().unwrap().display()),
        )
        .unwrap();
    }
}

/// Alerts about others, as a digest sees them, by id.
fn others(state: &str, person: &str) -> BTreeMap<String, Value> {
    let of = alerts(state).into_iter().filter(|alert| {
        let kind = alert["entity"]["kind"].as_str().unwrap();
        alert["entity"]["id"] != person && kind != "tenant" && kind != "tool"
    });
    let id = |alert: &Value| alert["id"].as_str().unwrap().to_owned();
    of.map(|alert| (id(&alert), alert)).collect()
}

#[test]
fn a_person_is_in_no_file_any_more_and_the_others_go_on() {
    let company = company();
    let folder = Folder::new();
    write_setup(&company, &folder);
    let (config, state) = (folder.at("nightjar.toml"), folder.at("state"));
    let days = company.plan().days as usize - LIVE_DAYS;
    let mut logs = BTreeMap::<&str, String>::new();
    let past = (0..days as u32).flat_map(|day| company.day(day));
    for record in past {
        let log = logs.entry(record.source).or_default();
        *log += &(record.json + "\n");
    }
    for (source, log) in &logs {
        folder.write(&format!("past/{source}/log.ndjson"), log);
    }
    let past = folder.at("past");
    run([
        "backtest",
        &past,
        "-c",
        &config,
        "--save-state",
        &state,
        "--quiet",
    ])
    .ended(0);

    let before = alerts(&state);
    let name = person(&before);
    let local = name.split('@').next().unwrap().to_owned();
    assert!(with(&state, &name).contains(&"alerts.db".to_owned()));
    assert!(with(&state, &name).contains(&"state.db".to_owned()));
    copy(&state, &folder.at("control"));

    // Looking changes nothing, and without consent nothing happens.
    let looked = run(["forget", &name, "--state", &state, "--dry-run"])
        .ended(0)
        .out();
    assert!(
        looked.contains("would be erased of") && looked.contains("alerts"),
        "{looked}"
    );
    let refused = run(["forget", &name, "--state", &state]).ended(1).err();
    assert!(refused.contains("say --yes to erase"), "{refused}");
    assert_eq!(alerts(&state).len(), before.len());
    let upper = name.to_uppercase();
    let done = run(["forget", &upper, "-c", &config, "--state", &state, "--yes"]).ended(0);
    assert!(
        done.out().contains("the events still lie in Kafka"),
        "{}",
        done.out()
    );
    assert_eq!(with(&state, &name), [""; 0]);
    assert_eq!(with(&state, &local), [""; 0]);
    let again = run(["forget", &name, "--state", &state, "--yes"])
        .ended(0)
        .out();
    assert_eq!(again, format!("nothing is kept of {name}\n"));
    let audit = run(["ledger", "audit", "--state", &state, "--json"])
        .ended(0)
        .out();
    assert!(audit.contains("\"subject\":\"person-"), "{audit}");
    assert_eq!(others(&state, &name), others(&folder.at("control"), &name));

    // The last days, without the person: the same is found of the others as if nobody had been forgotten.
    let directory = company.directory_csv();
    let line = directory
        .lines()
        .find(|line| line.starts_with(&name))
        .unwrap();
    let aliases: Vec<&str> = line
        .split([',', ';', ' ', '|'])
        .filter(|word| 8 < word.len())
        .collect();
    let mut live: Vec<Record> = records(&company);
    let start = company
        .day(days as u32)
        .iter()
        .map(|record| record.time_ms)
        .min()
        .unwrap();
    live.retain(|record| {
        let json = record.json.to_lowercase();
        start <= record.time_ms
            && !json.contains(&local)
            && !aliases.iter().any(|word| json.contains(word))
    });
    live.sort_by_key(|record| record.arrival_ms);
    let topics: Vec<(&str, i32)> = Company::sources()
        .iter()
        .map(|(topic, _)| (*topic, 1))
        .collect();
    let broker = EmbeddedBroker::start(&topics).unwrap();
    for record in &live {
        let partition = Partition {
            topic: record.source.to_owned(),
            number: 0,
        };
        broker
            .produce(&partition, record.arrival_ms, Some(record.json.as_bytes()))
            .unwrap();
    }
    broker.flush(Duration::from_secs(20)).unwrap();
    for folder in [&state, &folder.at("control")] {
        let err = run_once(&config, folder, &broker).ended(0).err();
        assert!(
            folder.ends_with("control") || !err.to_lowercase().contains(&local),
            "{err}"
        );
    }
    assert_eq!(with(&state, &name), [""; 0]);
    assert!(
        before.len() < alerts(&folder.at("control")).len(),
        "the last days gave nothing"
    );
    let brief = |state: &str| -> Vec<String> {
        let all = others(state, &name).into_iter();
        all.map(|(id, alert)| format!("{} {id}", alert["detector"]))
            .collect()
    };
    assert_eq!(brief(&state), brief(&folder.at("control")));
}

fn service(
    config: &str,
    state: &str,
    broker: &EmbeddedBroker,
    more: &[&str],
) -> std::process::Command {
    let topics: Vec<&str> = Company::sources().iter().map(|(topic, _)| *topic).collect();
    let mut command = nightjar([&["run", "-c", config], more].concat());
    command
        .env(
            "NIGHTJAR__KAFKA__BROKERS",
            format!("[{:?}]", broker.bootstrap_servers()),
        )
        .env("NIGHTJAR__KAFKA__TOPICS", format!("{topics:?}"))
        .env("NIGHTJAR__STATE__DIR", state)
        .env("NIGHTJAR__ADMISSION__IDLE_AFTER", "never")
        .env("NIGHTJAR__GRPC__LISTEN", "127.0.0.1:0");
    command
}

fn run_once(config: &str, state: &str, broker: &EmbeddedBroker) -> common::Done {
    done(service(config, state, broker, &["--once"]))
}

/// While a service has the folder, nobody is erased from it, and it says who has it.
#[test]
fn a_running_service_is_to_be_stopped_first() {
    let company = company();
    let folder = Folder::new();
    let config = write_setup(&company, &folder);
    let broker = EmbeddedBroker::start(&[("okta", 1)]).unwrap();
    let state = folder.at("state");
    let mut service = Running::start(service(&config, &state, &broker, &[]));
    service.address();
    let refused = run(["forget", "ana@example.com", "--state", &state, "--yes"])
        .ended(1)
        .err();
    let id = service.id();
    assert!(
        refused.contains(&format!("in use by process {id}; stop it")),
        "{refused}"
    );
    let nowhere = run(["forget", "ana@example.com", "--state", "/nowhere", "--yes"])
        .ended(1)
        .err();
    assert!(
        nowhere.contains("/nowhere/alerts.db does not exist"),
        "{nowhere}"
    );
}
