//! The stories of whoever evaluates: the curve is what other budgets give, a planted deed is noticed exactly
//! from where it is said to be, labels that cannot be met are refused.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{NaiveDate, TimeZone, Timelike};
use chrono_tz::Tz;
use common::{Folder, company, records, run, write_setup};
use nightjar::generate::Company;
use serde_json::Value;

/// A company's logs, one file a source, with its setup and labels.
struct Stage {
    folder: Folder,
    company: Company,
    config: String,
    labels: String,
}

impl Stage {
    fn new() -> Self {
        let (folder, company) = (Folder::new(), company());
        let mut logs = BTreeMap::<&str, String>::new();
        for record in records(&company) {
            writeln!(logs.entry(record.source).or_default(), "{}", record.json).unwrap();
        }
        for (source, lines) in logs {
            folder.write(&format!("logs/{source}/all.ndjson"), lines);
        }
        let config = write_setup(&company, &folder);
        let labels = serde_json::to_string_pretty(&company.labels()).unwrap();
        let labels = folder.write("labels.json", labels);
        Stage {
            folder,
            company,
            config,
            labels,
        }
    }

    /// One document from `backtest --json` with more arguments.
    fn json(&self, more: &[&str]) -> Value {
        let logs = self.folder.at("logs");
        let args = ["backtest", &logs, "-c", &self.config, "--json"];
        let done = run(args.iter().chain(more)).ended(0);
        serde_json::from_str(&done.out()).unwrap()
    }

    /// With another budget.
    fn with_budget(&self, budget: f64) -> String {
        let config = self.company.config_toml();
        let config = format!("{config}\n[detection]\nbudget_per_day = {budget}\n");
        self.folder.write("other.toml", config)
    }
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

/// Looking changes nothing, and each point of the curve is what a run with its budget gives.
#[test]
fn the_curve_is_what_other_budgets_give() {
    let stage = Stage::new();
    let logs = stage.folder.at("logs");
    let plain = run(["backtest", &logs, "-c", &stage.config]).ended(0);
    let all = stage.json(&["--labels", &stage.labels, "--sweep", "--inject"]);
    assert_eq!(all["digest"], plain.digest());
    assert!(0 < all["score"]["user_days"].as_u64().unwrap());
    assert!(!all["score"]["scenarios"].as_array().unwrap().is_empty());
    assert!(!all["calibration"].as_array().unwrap().is_empty());
    let days = number(&all["days"]);
    let total = all["sweep"]["total"].as_array().unwrap();
    for place in [1, 8, 11] {
        let budget = number(&total[place]["budget_per_day"]);
        let other = stage.with_budget(budget);
        let args = [
            "backtest",
            &logs,
            "-c",
            &other,
            "--json",
            "--labels",
            &stage.labels,
        ];
        let one: Value = serde_json::from_str(&run(args).ended(0).out()).unwrap();
        let incidents = number(&total[place]["incidents_per_day"]) * days;
        assert_eq!(incidents.round(), number(&one["incidents"]), "at {budget}");
        let found = one["score"]["scenarios"].as_array().unwrap().iter();
        let found: f64 = found.map(|row| number(&row["found"])).sum();
        assert_eq!(
            number(&total[place]["recall"]["found"]),
            found,
            "at {budget}"
        );
        for curve in all["sweep"]["detectors"].as_array().unwrap() {
            let name = curve["detector"].as_str().unwrap();
            let shown = number(&curve["points"][place]["alerts_per_day"]) * days;
            assert_eq!(
                shown.round(),
                number(&one["detectors"][name]["alerts"]),
                "{name} at {budget}"
            );
        }
    }
    let rising: Vec<f64> = total
        .iter()
        .map(|point| number(&point["incidents_per_day"]))
        .collect();
    assert!(rising[0] < rising[11], "{rising:?}");
}

/// The records of deeds, planted on a day into people's histories.
struct Deeds {
    zone: Tz,
    day: NaiveDate,
    zones: BTreeMap<String, Tz>,
    lines: String,
    count: u32,
}

impl Deeds {
    fn new(day: &str, directory_csv: &str) -> Self {
        let lines = directory_csv.lines().skip(1);
        let zone = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            Some((cells[0].to_owned(), cells.get(5)?.parse().ok()?))
        };
        Deeds {
            zone: chrono_tz::Europe::Berlin,
            day: day.parse().unwrap(),
            zones: lines.filter_map(zone).collect(),
            lines: String::new(),
            count: 0,
        }
    }

    fn put(&mut self, minute: u32, user: &str, more: &str) {
        let time = self.day.and_hms_opt(minute / 60, minute % 60, 0).unwrap();
        let time = self.zone.from_local_datetime(&time).unwrap();
        self.count += 1;
        let (uid, time) = (self.count, time.to_rfc3339());
        writeln!(
            self.lines,
            r#"{{"time":"{time}","uid":"planted-{uid}","user":"{user}","outcome":"success",{more}}}"#
        )
        .unwrap();
    }

    fn theft(&mut self, user: &str, files: u64) {
        for n in 0..files {
            let object = format!(r#""activity":"download","object":"{user} {n}""#);
            self.put(600, user, &object);
        }
    }

    /// Over eight hours; what is left after equal shares falls into the first panes.
    fn burst(&mut self, user: &str, calls: u64) {
        for pane in 0..96 {
            let count = calls / 96 + u64::from(pane < calls % 96);
            if 0 < count {
                let use_ = format!(r#""activity":"ai_use","app":"claude.ai","count":{count}"#);
                self.put(540 + 5 * pane as u32, user, &use_);
            }
        }
    }

    fn login(&mut self, minute: u32, user: &str, country: Option<&str>) {
        let place = country.map_or(String::new(), |code| format!(r#","country":"{code}""#));
        self.put(minute, user, &format!(r#""activity":"login"{place}"#));
    }

    /// At an hour of the person's own clock.
    fn login_at_hour(&mut self, user: &str, hour: u32) {
        let own = self.zones.get(user).copied().unwrap_or(self.zone);
        let is_it = |tenants: &u32| {
            let time = self.day.and_hms_opt(*tenants, 20, 0).unwrap();
            let time = self.zone.from_local_datetime(&time).unwrap();
            time.with_timezone(&own).hour() == hour
        };
        let tenants = (0..24).find(is_it).unwrap();
        self.login(60 * tenants + 20, user, None);
    }
}

/// The bar, or just below it. Of more than 512 files the number is an estimate.
fn planted(detector: &str, least: u64, is_below: bool) -> u64 {
    match (detector, is_below) {
        ("mass_download", true) if 512 < least => (least * 3 / 4).max(512),
        ("mass_download", false) if 512 < least => least * 4 / 3,
        (_, true) => least - 1,
        (_, false) => least,
    }
}

/// Whether a deed makes an alert, muted or not.
fn is_said(deed: &Value) -> bool {
    let reason = deed["reason"].as_str().unwrap_or_default();
    deed["noticed"] == true
        || reason.starts_with("muted")
        || reason.starts_with("in the first week")
}

/// What is said of planted deeds comes true: the very events are appended for everybody, once at the bar and
/// once below it.
#[test]
fn a_deed_is_noticed_from_its_bar_on() {
    let stage = Stage::new();
    let all = stage.json(&["--inject"]);
    let day = all["inject"]["day"].as_str().unwrap();
    let principals = all["inject"]["principals"].as_array().unwrap();
    let people = principals.iter().filter(|of| of["kind"] == "person");
    // Nobody takes as many files as the largest bars.
    let is_small = |of: &&Value| of["least"].as_u64().is_none_or(|least| least < 5000);
    let people: Vec<&Value> = people.filter(is_small).collect();
    let mut checked = BTreeMap::<(&str, bool), usize>::new();
    for below in [0, 1] {
        let mut deeds = Deeds::new(day, &stage.company.directory_csv());
        let mut expected = Vec::new();
        for of in &people {
            let (detector, user) = (
                of["detector"].as_str().unwrap(),
                of["principal"].as_str().unwrap(),
            );
            let is_odd = user.bytes().fold(0, u8::wrapping_add) % 2 == 1;
            let least = of["least"].as_u64();
            let amount = least.map(|least| planted(detector, least, below == 1));
            // The hard deed once, the easy one the other time.
            let deed = of["deeds"].as_array().unwrap().get(below as usize);
            let detail = deed.map_or("", |deed| deed["detail"].as_str().unwrap());
            match (detector, amount) {
                ("mass_download", Some(files)) => deeds.theft(user, files),
                ("ai_usage_spike", Some(calls)) => deeds.burst(user, calls),
                // Each login is of another person: it has an hour and a place.
                ("off_hours_login", _) if deed.is_some() && is_odd => {
                    deeds.login_at_hour(user, detail[..2].parse().unwrap());
                }
                ("unusual_location", _) if deed.is_some() && !is_odd => {
                    deeds.login(720, user, Some(detail));
                }
                _ => continue,
            }
            let is_noticed = match amount {
                Some(_) => below == 0,
                None => deed.is_some_and(is_said),
            };
            expected.push((detector, user, is_noticed));
        }
        stage
            .folder
            .write("logs/nightjar/planted.ndjson", &deeds.lines);
        let path = stage.folder.at("alerts.ndjson");
        stage.json(&["--alerts", &path]);
        let alerts = std::fs::read_to_string(&path).unwrap();
        let alerts: Vec<Value> = alerts
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        // Muted or not: whoever is planted together has a common cause.
        let says = |detector: &str, user: &str| {
            alerts.iter().any(|alert| {
                let evidence = alert["evidence"].as_array().unwrap();
                let is_planted =
                    |event: &Value| event["uid"].as_str().unwrap().starts_with("planted-");
                alert["detector"] == detector
                    && alert["entity"]["id"] == user
                    && evidence.iter().any(is_planted)
            })
        };
        for (detector, user, is_noticed) in expected {
            assert_eq!(
                says(detector, user),
                is_noticed,
                "{detector} of {user}, {below} below"
            );
            *checked.entry((detector, is_noticed)).or_default() += 1;
        }
    }
    for detector in [
        "mass_download",
        "ai_usage_spike",
        "off_hours_login",
        "unusual_location",
    ] {
        assert!(checked.contains_key(&(detector, true)), "{checked:?}");
    }
    assert!(10 < checked[&("mass_download", false)], "{checked:?}");
}

/// A label that could never be met is a mistake in the labels, told with its line.
#[test]
fn labels_that_cannot_be_met_are_refused() {
    let folder = Folder::new();
    let line = r#"{"time":"2026-03-02T09:00:00Z","uid":"1","user":"ana@example.com","activity":"login","outcome":"success"}"#;
    let log = folder.write("nightjar/log.ndjson", line);
    let label = |id: &str, entity: &str, start: &str, end: &str| {
        format!(
            r#"{{"id":"{id}","scenario":"night_login","difficulty":"easy","attack":true,"detectors":["off_hours_login"],"entity":"{entity}","start":"{start}","end":"{end}"}}"#
        )
    };
    let (early, late) = ("2026-03-02T08:00:00Z", "2026-03-02T10:00:00Z");
    let refused = |label: &str| {
        let labels = folder.write("labels.json", format!("[\n{label}\n]"));
        let done = run(["backtest", &log, "--labels", &labels]).ended(1);
        assert!(!done.out().contains("digest"), "{}", done.out());
        done.err()
    };
    let told = refused(&label("one", "ana@example.com", late, early));
    assert!(
        told.contains("labels.json:2: label one ends before it starts"),
        "{told}"
    );
    let told = refused(&label("two", "eve@example.com", early, late));
    assert!(
        told.contains("labels.json:2: label two names eve@example.com"),
        "{told}"
    );
    let told = refused(&label(
        "three",
        "ana@example.com",
        "2026-04-01T08:00:00Z",
        "2026-04-01T09:00:00Z",
    ));
    assert!(
        told.contains("label three lies outside the days of the data, 2026-03-02 to 2026-03-02"),
        "{told}"
    );
    let labels = label("four", "ana@example.com", early, late);
    let labels = folder.write("labels.json", format!("[\n{labels}\n]"));
    let done = run(["backtest", &log, "--labels", &labels]).ended(0);
    assert!(
        done.out().contains("not found: night_login (four, easy)"),
        "{}",
        done.out()
    );
    let both = run(["backtest", &log, "--json", "--alerts", "-"]).ended(1);
    assert!(
        both.err().contains("name a file for the alerts"),
        "{}",
        both.err()
    );
}
