use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

fn plan(users: u32, days: u32, seed: u64) -> Plan {
    let start = NaiveDate::from_ymd_opt(2026, 3, 2).expect("a date");
    Plan {
        users,
        days,
        seed,
        start,
        zone: Tz::Europe__Berlin,
    }
}

fn files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                found.push((path.strip_prefix(folder).expect("inside").to_owned(), bytes));
            }
        }
    }
    found.sort();
    found
}

/// The same arguments give the same bytes, and another seed gives others.
#[test]
fn a_plan_is_all_there_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let make = |name: &str, seed| {
        let out = folder.path().join(name);
        let written = write(&Company::new(&plan(20, 8, seed)), &out, &mut |_| ()).expect("written");
        (written, files(&out))
    };
    let (first, again, other) = (make("first", 7), make("again", 7), make("other", 8));
    assert!(first == again);
    assert!(first.1 != other.1);
    let size: u64 = first
        .1
        .iter()
        .filter(|(path, _)| path.starts_with("logs"))
        .map(|(_, b)| b.len() as u64)
        .sum();
    assert_eq!(first.0.bytes, size);
    let sources: Vec<&str> = first.0.records.keys().copied().collect();
    assert_eq!(sources.len(), Company::sources().len(), "{sources:?}");
}

/// A day can be made without the days before it, in any order, by a company of its own.
#[test]
fn days_know_nothing_of_each_other() {
    let plan = plan(20, 24, 3);
    let company = Company::new(&plan);
    let forward: Vec<_> = (0..24).map(|day| company.day(day)).collect();
    for day in (0..24).rev().step_by(5) {
        assert!(
            Company::new(&plan).day(day) == forward[day as usize],
            "day {day}"
        );
    }
}

/// Every record is one line of JSON of a vendor's usual size, in its time, and of its own vendor.
#[test]
fn records_are_whole() {
    let company = Company::new(&plan(40, 24, 7));
    let (from, to) = (company.midnight_ms(0), company.midnight_ms(24));
    let mut sizes = BTreeMap::<&str, (usize, usize)>::new();
    for day in 0..24 {
        for record in company.day(day) {
            assert!(record.json.len() < 16 * 1024 && !record.json.contains('\n'));
            assert!(!record.json.contains('$'), "{}", record.json);
            assert!((from..to).contains(&record.time_ms) && record.time_ms <= record.arrival_ms);
            let value: Value = serde_json::from_str(&record.json).expect("JSON");
            let marker = match record.source {
                "okta" => "published",
                "entra" => "callerIpAddress",
                "m365" => "CreationTime",
                "google" => "actor",
                "aws" => "eventName",
                "litellm" => "request_id",
                "proxy" => "host",
                "agents" => "attributes",
                _ => "activity",
            };
            assert!(value.get(marker).is_some(), "{}", record.json);
            let size = sizes.entry(record.source).or_default();
            *size = (size.0 + record.json.len(), size.1 + 1);
        }
    }
    let mean = |source| sizes[source].0 / sizes[source].1;
    assert!((1_700..2_600).contains(&mean("okta")), "{}", mean("okta"));
    for source in ["entra", "m365", "google", "aws", "litellm"] {
        assert!(
            (500..2_400).contains(&mean(source)),
            "{source} {}",
            mean(source)
        );
    }
}

/// Labels name accounts of the directory and times of the period; the promises about days hold.
#[test]
fn labels_keep_their_promises() {
    for (users, days, seed) in [(60, 35, 7), (40, 24, 7), (20, 20, 1), (60, 50, 2)] {
        let company = Company::new(&plan(users, days, seed));
        let directory = company.directory_csv();
        let accounts: BTreeSet<&str> = directory
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').next())
            .collect();
        let others = services::ACCOUNTS.len() + company.accounts.len();
        assert_eq!(accounts.len(), users as usize + others);
        let labels = company.labels();
        let ids: BTreeSet<&str> = labels.iter().map(|label| label.id.as_str()).collect();
        assert_eq!(ids.len(), labels.len());
        let day_of = |text: &str| {
            let time = chrono::DateTime::parse_from_rfc3339(text).expect("a time");
            let date = time.with_timezone(&company.plan.zone).date_naive();
            (date - company.plan.start).num_days()
        };
        let mut found_late = BTreeSet::new();
        let mut a_day = BTreeMap::<i64, u32>::new();
        for label in &labels {
            let entity = label.entity.as_str();
            let is_source = Company::sources().iter().any(|(name, _)| *name == entity);
            assert!(
                accounts.contains(entity) || is_source || entity == TENANT,
                "{label:?}"
            );
            assert!(label.start <= label.end, "{label:?}");
            let (first, last) = (day_of(&label.start), day_of(&label.end));
            assert!(0 <= first && last < i64::from(days), "{label:?}");
            assert_eq!(label.attack, label.difficulty != "harmless");
            if !label.attack {
                continue;
            }
            assert!(
                15 <= first && days as f64 * 0.57 <= first as f64,
                "{label:?}"
            );
            if label.difficulty != "hard" {
                assert_eq!(first, last, "{label:?}");
                *a_day.entry(first).or_default() += 1;
            }
            if label.difficulty == "easy" && i64::from(days) - 3 <= first {
                found_late.extend(label.detectors.clone());
            }
        }
        for detector in MISSION {
            assert!(found_late.contains(detector), "{detector} {found_late:?}");
        }
        assert!(a_day.values().all(|attacks| *attacks <= 4), "{a_day:?}");
    }
}

/// Those that judge by habits and amounts.
const MISSION: [&str; 5] = [
    "off_hours_login",
    "unusual_location",
    "impossible_travel",
    "mass_download",
    "ai_usage_spike",
];
/// The others that an attack is planted for.
const OTHERS: [&str; 21] = [
    "password_guessing",
    "mfa_fatigue",
    "session_replay",
    "device_code_login",
    "login_without_mfa",
    "new_device",
    "dormant_account",
    "company_policy",
    "leaver_active",
    "mailbox_rule",
    "mfa_method_changed",
    "bulk_export",
    "audit_disabled",
    "app_consent",
    "privilege_growth",
    "shadow_ai",
    "sensitive_to_ai",
    "agent_risk",
    "slow_collection",
    "volume_drop",
    "field_missing",
];

/// In the company of samples/ every detector has an attack, each story happens once, and nobody is
/// the victim of two on one day.
#[test]
fn every_detector_has_an_attack() {
    let company = Company::new(&Plan::default());
    let labels = company.labels();
    let attacks = || labels.iter().filter(|label| label.attack);
    for detector in MISSION.iter().chain(&OTHERS) {
        let has = attacks().any(|label| label.detectors.iter().any(|name| name == detector));
        assert!(has, "{detector}");
    }
    for (story, parts) in [
        ("stolen_mailbox", ["unusual_location", "mailbox_rule"]),
        ("stopped_spray", ["password_guessing", "password_guessing"]),
        ("collecting_leaver", ["leaver_active", "mass_download"]),
        ("consent_and_rule", ["app_consent", "mailbox_rule"]),
    ] {
        let told: Vec<&Label> = attacks().filter(|label| label.scenario == story).collect();
        assert_eq!(told.len(), 1, "{story}");
        for part in parts {
            assert!(told[0].detectors.iter().any(|name| name == part), "{story}");
        }
    }
    let mut days = BTreeSet::new();
    for told in &company.scenarios {
        let is_attack = told.kind.difficulty() != "harmless" && told.days.0 == told.days.1;
        if let Some(person) = told.person.filter(|_| is_attack) {
            assert!(days.insert((person, told.days)), "{told:?}");
        }
    }
    for harmless in [
        "password_typos",
        "help_desk_reset",
        "new_phone",
        "role_activation",
    ] {
        let label = labels.iter().find(|label| label.scenario == harmless);
        assert!(label.is_some_and(|label| !label.attack), "{harmless}");
    }
}

/// A source that loses events gives fewer downloads than a week before, and one that renames a field
/// has no event with the old name; on other days both are whole.
#[test]
fn sources_suffer_on_their_day_alone() {
    let company = Company::new(&Plan::default());
    let count = |day: u32, source: &str, text: &str| {
        let records = company.day(day);
        let mine = records.iter().filter(|record| record.source == source);
        mine.filter(|record| record.json.contains(text)).count()
    };
    let day_of = |is: fn(&Kind) -> bool| {
        let told = company.scenarios.iter().find(|told| is(&told.kind));
        told.expect("planted").days.0
    };
    let lost = day_of(|kind| matches!(kind, Kind::LostEvents));
    let downloads = |day| count(day, "google", r#""name":"download""#);
    assert!(downloads(lost) * 4 < downloads(lost - 7) * 3);
    let renamed = day_of(|kind| matches!(kind, Kind::LostField));
    let named = |day| count(day, "entra", r#""deviceId":"#);
    assert_eq!(named(renamed), 0);
    assert!(0 < named(renamed - 1) + named(renamed - 7));
}

/// Nobody but thieves is in two towns at once, and nobody works outside of the company's towns.
#[test]
fn ordinary_people_are_where_they_can_be() {
    let company = Company::new(&plan(60, 35, 7));
    for day in 0..35 {
        for person in &company.people {
            let Some(shift) = company.shift(person, day) else {
                continue;
            };
            assert!(shift.start_ms < shift.break_ms.0 && shift.break_ms.1 < shift.end_ms);
            let towns = ["Berlin", "Hamburg", "Munich", "Lisbon", "New York"];
            assert!(towns.contains(&shift.spot.city.name));
        }
    }
}

/// Lines for measurements have the size that they promise.
#[test]
fn workloads_have_their_size() {
    for line in events_256(10_000, 500, 1) {
        assert_eq!(line.len(), 256, "{line}");
        serde_json::from_str::<Value>(&line).expect("JSON");
    }
    let sizes: usize = events_okta(100, 200, 1).map(|line| line.len()).sum();
    assert!((1_700..2_600).contains(&(sizes / 200)));
}
