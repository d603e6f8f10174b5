//! Ctrl-C, SIGTERM and readers that have seen enough: everything ends at a clean place.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::Duration;

use common::{Folder, Running, company, done, nightjar, records, run, until, write_setup};
use flate2::Compression;
use flate2::write::GzEncoder;
use nightjar::clock::Partition;
use nightjar::source::embedded::EmbeddedBroker;

/// Whether a process has taken the signal into its own hands.
fn catches(process: u32, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap_or("0");
    u64::from_str_radix(caught.trim(), 16).is_ok_and(|caught| caught >> (signal - 1) & 1 == 1)
}

/// Ctrl-C ends a backtest that would take long, says so, and leaves nothing.
#[test]
fn an_interrupted_backtest_leaves_nothing() {
    let folder = Folder::new();
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    for record in records(&company()) {
        writeln!(gz, "{}", record.json).unwrap();
    }
    // The same company many times over, as members of one file: many seconds of work.
    folder.write("app/log.ndjson.gz", gz.finish().unwrap().repeat(60));
    std::fs::create_dir(folder.path().join("tmp")).unwrap();
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        let (log, state, alerts) = (
            folder.at("app"),
            folder.at("state"),
            folder.at("alerts.ndjson"),
        );
        let args = [
            "backtest",
            &log,
            "--save-state",
            &state,
            "--alerts",
            &alerts,
            "--threads",
            "1",
        ];
        let mut command = nightjar(args);
        command.env("TMPDIR", folder.at("tmp"));
        let backtest = Running::start(command);
        until("the signal is heeded", || catches(backtest.id(), number));
        let done = backtest.stop(name).ended(1);
        assert_eq!(done.err(), "nightjar: interrupted; nothing was stored\n");
        assert!(done.out.is_empty());
        assert_eq!(std::fs::read_dir(folder.at("tmp")).unwrap().count(), 0);
        assert_eq!(folder.files().len(), 1, "{:?}", folder.files());
    }
}

fn okta() -> (Folder, EmbeddedBroker, String) {
    let company = company();
    let folder = Folder::new();
    let broker = EmbeddedBroker::start(&[("okta", 1)]).unwrap();
    let partition = Partition {
        topic: "okta".to_owned(),
        number: 0,
    };
    let mut log = String::new();
    for record in records(&company)
        .iter()
        .filter(|record| record.source == "okta")
    {
        broker
            .produce(&partition, record.arrival_ms, Some(record.json.as_bytes()))
            .unwrap();
        log.push_str(&record.json);
        log.push('\n');
    }
    broker.flush(Duration::from_secs(20)).unwrap();
    folder.write("okta/log.ndjson", log);
    write_setup(&company, &folder);
    let config = folder.write(
        "run.toml",
        format!(
            "tenant = \"example\"\nzone = \"Europe/Berlin\"\n[directory]\nfile = \"directory.csv\"\n\
             [kafka]\nbrokers = [{:?}]\ntopics = [\"okta\"]\n[kafka.options]\n\"fetch.wait.max.ms\" = \"20\"\n\
             [state]\ndir = {:?}\n[grpc]\nlisten = \"127.0.0.1:0\"\n",
            broker.bootstrap_servers(),
            folder.at("state"),
        ),
    );
    (folder, broker, config)
}

/// SIGTERM and Ctrl-C end the service with 0 at a checkpoint, wherever it stands, and the next run goes on
/// from there to the alerts of one backtest.
#[test]
fn a_stopped_service_goes_on_where_it_was() {
    let (folder, _broker, config) = okta();
    for (words, signal) in [
        ("alerts on http", "TERM"),
        ("reading ", "INT"),
        ("reading partition=okta/0", "TERM"),
    ] {
        let mut service = Running::start(nightjar(["run", "-c", &config]));
        service.line_with(words);
        let id = service.id();
        until("the signal is heeded", || catches(id, 15));
        let done = service.stop(signal).ended(0);
        assert!(
            done.err().contains(" stopped "),
            "after {words}: {}",
            done.err()
        );
        assert!(folder.path().join("state/state.db").exists());
    }
    let once = done(nightjar(["run", "-c", &config, "--once"])).ended(0);
    let (log, backtest) = (folder.at("okta"), ["--alerts", "-"]);
    let expected = run([&["backtest", &log, "-c", &config][..], &backtest].concat()).ended(0);
    assert!(5 < expected.alerts().len());
    assert_eq!(once.digest(), expected.digest());
}

/// `| head -1`: one line, no complaint.
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = Folder::new();
    let log: String = records(&company())
        .into_iter()
        .map(|record| record.json + "\n")
        .collect();
    let log = folder.write("app/log.ndjson", log);
    let mut command = nightjar(["normalize", &log]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    drop(out);
    assert!(line.starts_with("{\"activity\""), "{line}");
    let done = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&done.stderr);
    assert_eq!((done.status.code(), &*err), (Some(0), ""));
}

/// Nobody reads at all.
#[test]
fn a_closed_pipe_is_quiet_everywhere() {
    let (folder, _broker, config) = okta();
    let (log, state, out) = (
        folder.at("okta"),
        folder.at("trained"),
        folder.at("company"),
    );
    for args in [
        &["backtest", &log, "-c", &config][..],
        &[
            "backtest",
            &log,
            "-c",
            &config,
            "--save-state",
            &state,
            "--alerts",
            "-",
        ],
        &["backtest", &log, "-c", &config, "--quiet"],
        &["run", "-c", &config, "--once"],
        &["normalize", &log],
        &["alerts", "--state", &state],
        &["alerts", "--state", &state, "--json"],
        &["alerts", "--state", &state, "--digest"],
        &["check", "-c", &config],
        &["check", "--schema"],
        &["detectors"],
        &["detectors", "--markdown"],
        &["detectors", "mass_download"],
        &["formats"],
        &["formats", "--markdown"],
        &["generate", "--users", "20", "--days", "2", "--out", &out],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = nightjar(args);
        let ended = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{args:?}: {err}");
        assert!(
            !err.contains("panicked") && !err.contains("ipe"),
            "{args:?}: {err}"
        );
    }
}

/// The demonstration takes its folder with it, whenever it is stopped.
#[test]
fn an_interrupted_demo_leaves_nothing() {
    let folder = Folder::new();
    for words in ["learning", "arrive on Kafka", "reading partition="] {
        let mut command = nightjar(["demo", "--json"]);
        command.env("TMPDIR", folder.path());
        let mut demo = Running::start(command);
        demo.line_with(words);
        until("the signal is heeded", || catches(demo.id(), 2));
        let done = demo.stop("INT").ended(0);
        assert!(!done.err().contains("all "), "{}", done.err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
