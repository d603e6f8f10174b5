//! Mistakes that people make: each is answered by one sentence that says what is wrong and what to do.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::net::TcpListener;
use std::time::Duration;

use common::{Done, Folder, Running, done, nightjar, run};
use nightjar::clock::Partition;
use nightjar::source::embedded::EmbeddedBroker;

const RECORD: &str = r#"{"time":"2026-03-02T10:00:00Z","uid":"1","activity":"login","outcome":"success","user":"ana@example.com"}"#;

/// The answer: one line on standard error that begins with the program's name, written for people.
#[track_caller]
fn sentence(done: &Done) -> String {
    let err = done.err();
    assert_eq!(err.lines().count(), 1, "not one sentence: {err}");
    let text = err
        .trim_end()
        .strip_prefix("nightjar: ")
        .unwrap_or_else(|| panic!("{err}"));
    assert_is_for_people(text);
    text.to_owned()
}

/// No dump of a value as Rust shows it to programmers.
#[track_caller]
fn assert_is_for_people(text: &str) {
    for dump in [
        "Os {",
        "BrokerTransport",
        "Error {",
        "Error(",
        "Some(",
        "None",
        " { ",
        "::",
        "RUST_",
        "panicked",
    ] {
        assert!(!text.contains(dump), "{dump} in: {text}");
    }
    assert!(!text.ends_with('.'), "{text}");
}

#[track_caller]
fn refused(args: &[&str], code: i32, words: &[&str]) {
    let done = run(args).ended(code);
    let text = sentence(&done);
    for word in words {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
    assert!(done.out.is_empty(), "{}", done.out());
}

/// Problems of a configuration, one a line, each with its place.
#[track_caller]
fn misconfigured(text: &str, expected: &[&str]) {
    let folder = Folder::new();
    let log = folder.write("app/log.ndjson", RECORD);
    let config = folder.write("nightjar.toml", text);
    let check = ["check", "-c", &config];
    let backtest = ["backtest", &log, "-c", &config];
    for args in [&check[..], &backtest, &["run", "-c", &config]] {
        let done = run(args).ended(64);
        let said = done.out() + &done.err();
        let problems: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with(&config))
            .collect();
        // Only `check` goes on behind the first problem of what the configuration names.
        let is_told =
            problems.len() == expected.len() || args[0] != "check" && !problems.is_empty();
        assert!(is_told, "{args:?}: {said}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(
                problem.starts_with(&format!("{config}:{expected}")),
                "{problem}, not {expected}"
            );
            assert!(problem.contains("; "), "says not what to do: {problem}");
            assert_is_for_people(problem);
        }
    }
}

/// Paths that mean nothing.
#[test]
fn wrong_paths() {
    let folder = Folder::new();
    let (nowhere, none) = (folder.at("nowhere"), folder.at("none"));
    let log = folder.write("app/log.ndjson", RECORD);
    folder.write("none/notes.md", "no log");
    for command in ["backtest", "normalize"] {
        refused(
            &[command, &nowhere],
            1,
            &[&nowhere, "does not exist; name a log file"],
        );
        refused(
            &[command, &none],
            1,
            &[&none, "holds no log files; they end in .ndjson"],
        );
        let pattern = folder.at("none/*.gz");
        refused(&[command, &pattern], 1, &[&pattern, "holds no log files"]);
        refused(&[command, "[x"], 1, &["[x is not a valid pattern; "]);
    }
    let file = folder.at("nowhere/alerts.ndjson");
    refused(
        &["backtest", &log, "-q", "--alerts", &file],
        1,
        &[&file, "cannot be written; "],
    );
    refused(
        &["backtest", &log, "-q", "--labels", &nowhere],
        1,
        &[&nowhere, "cannot be read"],
    );
    let inside_a_file = folder.at("app/log.ndjson/state");
    refused(
        &["backtest", &log, "-q", "--save-state", &inside_a_file],
        1,
        &[
            &inside_a_file,
            "; name a folder that this user may write to",
        ],
    );
    refused(
        &["alerts", "--state", &nowhere],
        1,
        &["alerts.db does not exist; give the folder"],
    );
    folder.write("company/logs/okta/1.ndjson", RECORD);
    let company = folder.at("company");
    refused(
        &["generate", "--out", &company],
        1,
        &["holds logs already; choose another folder"],
    );
    let absent = run(["check", "-c", &nowhere]).ended(64);
    let text = absent.out() + &absent.err();
    assert!(
        text.starts_with(&format!("{nowhere}: cannot be read")),
        "{text}"
    );
    assert_is_for_people(text.trim_end());
}

/// Names that do not exist are answered with those that do.
#[test]
fn wrong_names() {
    let folder = Folder::new();
    let log = folder.write("app/log.ndjson", RECORD);
    for command in ["backtest", "normalize"] {
        refused(
            &[command, &log, "--format", "okto"],
            1,
            &["\"okto\"", "okta, ", ", or auto"],
        );
    }
    refused(
        &["detectors", "mass_downlod"],
        1,
        &["mass_downlod", "mass_download, unusual_location"],
    );
    refused(
        &["watch", "--connect", "nonsense"],
        1,
        &["nonsense", "write it like http://"],
    );
}

/// Arguments that cannot be understood are usage, not failure.
#[test]
fn wrong_usage() {
    for args in [
        &[][..],
        &["frobnicate"],
        &["backtest"],
        &["normalize"],
        &["backtest", "x", "--threads", "0"],
        &["backtest", "x", "--from", "tomorrow"],
        &["backtest", "x", "--frm", "2026-03-02"],
        &["alerts", "--state", "x", "--connect", "http://127.0.0.1:1"],
        &["generate"],
        &["watch", "--severity", "awful"],
    ] {
        let done = run(args).ended(2);
        assert!(
            done.out.is_empty() && done.err().contains("Usage: ") || done.err().contains("--help")
        );
    }
}

/// Every mistake of a configuration is told with its line and a suggestion.
#[test]
fn wrong_configurations() {
    misconfigured(
        "tennant = \"x\"\n[kafka]\nbroker = [\"a:1\"]\n[detectors.mass_downlod]\nmin_objects = 3\n",
        &[
            "1: unknown key `tennant` in the top level; did you mean `tenant`?",
            "3: unknown key `broker` in [kafka]; did you mean `brokers`?",
            "4: unknown detector `mass_downlod`; did you mean `mass_download`?",
        ],
    );
    misconfigured(
        "zone = \"Mars/Base\"\n[detection]\nbudget_per_day = \"many\"\n[sources.a]\nformat = \"okto\"\n",
        &[
            "1: `zone` `Mars/Base` is not a time zone; ",
            "3: `detection.budget_per_day` is text, not a number; ",
            "5: unknown format `okto`; did you mean `okta`?",
        ],
    );
    misconfigured("tenant = \n", &["1: not valid TOML: "]);
    misconfigured(
        "[grpc]\nlisten = \"0.0.0.0:7000\"\n",
        &["2: `grpc.listen` `0.0.0.0:7000` can be reached from other machines"],
    );
    misconfigured(
        "[directory]\nfile = \"nowhere.csv\"\n[kafka.options]\n\"sasl.password\" = { env = \"NOT_SET_ANYWHERE\" }\n",
        &["4: ", "2: "],
    );
}

/// A variable of the environment is named as the place of its mistake.
#[test]
fn wrong_environment() {
    let mut command = nightjar(["check"]);
    command.env("NIGHTJAR__GRPC__LISTN", "127.0.0.1:0");
    let done = done(command).ended(64);
    let text = done.out() + &done.err();
    let expected = "environment variable NIGHTJAR__GRPC__LISTN: unknown key `listn` in [grpc]; \
                    did you mean `listen`?\n";
    assert_eq!(text, expected);
}

/// A file without one record that can be read.
#[test]
fn nothing_to_read() {
    let folder = Folder::new();
    let log = folder.write("app/log.ndjson", "{\"a\":1}\n");
    let done = run(["backtest", &log]).ended(1);
    let err = done.err();
    let last = err.lines().last().unwrap();
    assert!(
        last.contains("not one record could be read; name the format with --format"),
        "{err}"
    );
    assert_is_for_people(last);
}

fn config(folder: &Folder, tenant: &str, brokers: &str, more: &str) -> String {
    let text = format!(
        "tenant = {tenant:?}\n[kafka]\nbrokers = [{brokers:?}]\ntopics = [\"app\"]\n[kafka.options]\n\
         \"fetch.wait.max.ms\" = \"20\"\n\"reconnect.backoff.max.ms\" = \"200\"\n[state]\ndir = {:?}\n{more}",
        folder.at("state")
    );
    folder.write(&format!("{tenant}.toml"), text)
}

const ANY_PORT: &str = "[grpc]\nlisten = \"127.0.0.1:0\"\n";

/// A port of this machine on which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A broker that is away is told and waited for; whoever stops the service meanwhile gets his way.
#[test]
fn an_unreachable_broker_is_waited_for() {
    let brokers = format!("127.0.0.1:{}", closed_port());
    let started = [&[][..], &["--once"]].map(|more| {
        let folder = Folder::new();
        let config = config(&folder, "example", &brokers, ANY_PORT);
        let service = Running::start(nightjar([&["run", "-c", &config][..], more].concat()));
        (folder, service)
    });
    for (_folder, mut service) in started {
        let told = service.line_with("retrying");
        assert!(told.contains(&brokers), "{told}");
        assert_is_for_people(&told);
        let done = service.stop("TERM").ended(0);
        assert!(done.out.is_empty(), "{}", done.out());
    }
}

/// And once it is back, everything goes on.
#[test]
fn a_broker_that_comes_back_is_read() {
    let broker = EmbeddedBroker::start(&[("app", 1)]).unwrap();
    let partition = Partition {
        topic: "app".to_owned(),
        number: 0,
    };
    broker
        .produce(&partition, 1_772_445_600_000, Some(RECORD.as_bytes()))
        .unwrap();
    broker.flush(Duration::from_secs(20)).unwrap();
    broker.set_reachable(false).unwrap();
    let folder = Folder::new();
    let config = config(&folder, "example", &broker.bootstrap_servers(), ANY_PORT);
    let mut service = Running::start(nightjar(["run", "-c", &config, "--once"]));
    service.line_with("retrying");
    broker.set_reachable(true).unwrap();
    let read = service.end().ended(0);
    assert_eq!(read.counts("app")[..2], [1, 1]);
}

/// A topic that does not exist is named; `--once` has nothing to wait for and fails.
#[test]
fn an_unknown_topic_is_named() {
    let broker = EmbeddedBroker::start(&[("okta", 1)]).unwrap();
    let folder = Folder::new();
    let config = config(&folder, "example", &broker.bootstrap_servers(), ANY_PORT);
    let mut service = Running::start(nightjar(["run", "-c", &config]));
    let told = service.line_with("topic app");
    assert!(told.contains("does not exist"), "{told}");
    assert_is_for_people(&told);
    service.stop("TERM").ended(0);
}

/// A state folder belongs to one process, one tenant.
#[test]
fn a_state_folder_is_nobody_elses() {
    let broker = EmbeddedBroker::start(&[("app", 1)]).unwrap();
    let folder = Folder::new();
    let brokers = broker.bootstrap_servers();
    let first = config(&folder, "first", &brokers, ANY_PORT);
    let second = config(&folder, "second", &brokers, ANY_PORT);
    let log = folder.write("app/log.ndjson", RECORD);
    let state = folder.at("state");
    let mut service = Running::start(nightjar(["run", "-c", &first]));
    service.address();
    let process = format!("is in use by process {}; ", service.id());
    refused(&["run", "-c", &first], 1, &[&state, &process]);
    refused(
        &["backtest", &log, "-q", "-c", &first, "--save-state", &state],
        1,
        &["; "],
    );
    service.line_with("reading");
    service.stop("TERM").ended(0);
    refused(
        &["run", "-c", &second],
        1,
        &["was made for tenant first, not second; "],
    );
    refused(
        &["backtest", &log, "-q", "-c", &first, "--save-state", &state],
        1,
        &[&state, "holds a state already; name an empty folder"],
    );
    let zone = folder.write(
        "zone.toml",
        "tenant = \"first\"\nzone = \"Asia/Tokyo\"\n[kafka]\ntopics = [\"app\"]\n",
    );
    let mut command = nightjar(["run", "-c", &zone]);
    command
        .env("NIGHTJAR__STATE__DIR", &state)
        .env("NIGHTJAR__GRPC__LISTEN", "127.0.0.1:0");
    let done = done(command).ended(1);
    assert!(
        sentence(&done).contains("was made for zone UTC, not Asia/Tokyo; "),
        "{}",
        done.err()
    );
}

/// A port that somebody else has.
#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new();
    let more = format!("[grpc]\nlisten = {address:?}\n");
    let config = config(&folder, "example", "127.0.0.1:1", &more);
    refused(&["run", "-c", &config], 1, &[&address, "grpc.listen"]);
}

/// Nothing to read is a mistake of the configuration that only `run` can know.
#[test]
fn no_topics() {
    let folder = Folder::new();
    let config = folder.write("nightjar.toml", "[kafka]\ntopics = []\n");
    let mut command = nightjar(["run", "-c", &config]);
    command.current_dir(folder.path());
    assert!(sentence(&done(command).ended(1)).contains("set kafka.topics"));
}

/// Nobody answers where a service should be.
#[test]
fn no_service() {
    let address = format!("http://127.0.0.1:{}", closed_port());
    for command in ["alerts", "watch"] {
        refused(
            &[command, "--connect", &address],
            1,
            &[&address, "start `nightjar run`"],
        );
    }
}
