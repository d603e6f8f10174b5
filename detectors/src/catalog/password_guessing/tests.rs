//! Stories of passwords that were tried, and of mistakes that look like it.

use super::super::rehearsal::{alerts, at, login, said, settings, strange, trial};
use super::ENTRY;
use crate::alert::{Alert, Severity};
use crate::core::StateRow;
use crate::event::{Draft, Kind, Outcome, Reason};

const NAMES: [&str; 30] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s",
    "t", "u", "v", "w", "x", "y", "z", "aa", "bb", "cc", "dd",
];

fn failed(row: Draft<'_>, reason: Option<Reason>) -> Draft<'_> {
    Draft {
        outcome: Some(Outcome::Failure),
        reason,
        ..row
    }
}

fn wrong(row: Draft<'_>) -> Draft<'_> {
    failed(row, Some(Reason::BadPassword))
}

/// Ten days on which everybody logs in from the office.
fn company(users: usize) -> Vec<Draft<'static>> {
    let days = 0..10;
    days.flat_map(|day| {
        NAMES[..users]
            .iter()
            .map(move |name| login(name, at(day, 540)))
    })
    .collect()
}

/// Seven users, three times each, within 40 minutes.
fn spray(day: i32) -> impl Iterator<Item = Draft<'static>> {
    let users = NAMES[..7].iter().enumerate();
    users.flat_map(move |(n, name)| {
        let minute = 100 + 6 * n as i64;
        (0..3).map(move |second| {
            let row = wrong(strange(name, at(day, minute)));
            Draft {
                time: row.time + second,
                ..row
            }
        })
    })
}

fn shown(alerts: &[Alert]) -> Vec<(&str, Severity)> {
    let shown = alerts.iter().filter(|alert| !alert.is_muted());
    shown
        .map(|alert| (&*alert.entity.id, alert.severity))
        .collect()
}

fn own_network() -> Option<String> {
    Some("own_network".to_owned())
}

#[test]
fn a_spray_is_told_as_an_attempt() {
    let mut rows = company(9);
    rows.extend(spray(12));
    let got = alerts(settings(ENTRY.name), &rows);
    assert_eq!(shown(&got), [("203.0.113.7", Severity::Low)]);
    assert_eq!(
        got[0].summary,
        "203.0.113.7 failed for 7 users 21 times in 40 minutes; 5 users or more alert"
    );
    assert!(got[0].also.is_empty(), "a spray must not join its victims");
}

#[test]
fn whoever_got_in_is_told_by_name() {
    let mut rows = company(9);
    rows.extend(spray(12));
    rows.push(strange("h", at(12, 192)));
    let got = alerts(settings(ENTRY.name), &rows);
    assert_eq!(shown(&got), [("h", Severity::High)]);
    let victim = got.iter().find(|alert| alert.entity.id == "h");
    let victim = victim.expect("h is told");
    assert_eq!(
        victim.summary,
        "203.0.113.7 failed for 7 users 21 times in 40 minutes; then h logged in from there at 03:12"
    );
    assert_eq!(victim.also[0].id, "203.0.113.7");
}

#[test]
fn a_right_password_is_grave_though_something_held() {
    for reason in [
        Reason::MfaRequired,
        Reason::ExpiredPassword,
        Reason::Blocked,
    ] {
        let mut rows = company(9);
        rows.extend(spray(12));
        rows.push(failed(strange("h", at(12, 150)), Some(reason)));
        let got = alerts(settings(ENTRY.name), &rows);
        assert_eq!(shown(&got), [("h", Severity::High)]);
    }
}

/// One less of either, other reasons, services: no spray.
#[test]
fn what_is_no_spray_is_left_alone() {
    let four = |row: &Draft<'_>| !["e", "f", "g"].contains(&row.user.unwrap_or_default());
    let mut rows = company(9);
    rows.extend(spray(11).filter(four));
    rows.extend(spray(12).step_by(2).take(14));
    for reason in [
        Reason::UnknownUser,
        Reason::DisabledAccount,
        Reason::MfaRequired,
    ] {
        rows.extend(spray(13).map(|row| failed(row, Some(reason))));
    }
    rows.extend(spray(14).map(|row| Draft {
        kind: Some(Kind::Service),
        ..row
    }));
    let renewed = |row| Draft {
        interactive: Some(false),
        ..failed(row, None)
    };
    rows.extend(spray(15).map(renewed));
    assert_eq!(said(settings(ENTRY.name), &rows), []);
}

/// Everybody sits behind one address, mistypes, and gets in: nobody is told by name.
#[test]
fn an_office_is_judged_by_its_own_past() {
    let mistyped = |day, users: usize| {
        let users = NAMES[..users].iter();
        users.flat_map(move |name| [1, 2, 3].map(|n| wrong(login(name, at(day, 530 + n)))))
    };
    let mut rows = company(30);
    for day in 0..10 {
        rows.extend(mistyped(day, 5));
    }
    rows.extend(mistyped(12, 12));
    rows.extend(NAMES.iter().map(|name| login(name, at(12, 540))));
    let got = alerts(settings(ENTRY.name), &rows);
    assert_eq!(shown(&got), []);
    rows.extend(mistyped(13, 20));
    rows.extend(NAMES.iter().map(|name| login(name, at(13, 540))));
    let got = alerts(settings(ENTRY.name), &rows);
    assert_eq!(shown(&got), [("198.51.100.1", Severity::Low)]);
}

#[test]
fn many_failures_of_one_user_are_judged_by_where_they_came_from() {
    let burst = |row: fn(&'static str, i64) -> Draft<'static>, day, times| {
        (0..times).map(move |n| wrong(row("a", at(day, 600) + n * 50_000)))
    };
    let mut rows = company(3);
    rows.extend(burst(login, 12, 10));
    assert_eq!(
        said(settings(ENTRY.name), &rows),
        [(Severity::Low, own_network())]
    );
    let mut rows = company(3);
    rows.extend(burst(strange, 12, 9));
    assert_eq!(said(settings(ENTRY.name), &rows), []);
    rows.extend(burst(strange, 13, 10));
    assert_eq!(
        said(settings(ENTRY.name), &rows),
        [(Severity::Medium, None)]
    );
    // The owner's own login is no break-in.
    rows.push(login("a", at(13, 615)));
    assert_eq!(
        said(settings(ENTRY.name), &rows),
        [(Severity::Medium, None)]
    );
    rows.push(strange("a", at(13, 616)));
    let got = alerts(settings(ENTRY.name), &rows);
    assert_eq!(
        got[0].summary,
        "logins of a failed 10 times in 8 minutes, from 203.0.113.7 (BR); then somebody logged in from a new network at 10:16"
    );
    assert_eq!(got[0].severity, Severity::High);
}

/// Nobody is known yet: a burst is low, and still told.
#[test]
fn a_stranger_is_judged_too() {
    let rows: Vec<_> = (0..10)
        .map(|n| wrong(login("a", at(0, 600) + n * 1000)))
        .collect();
    assert_eq!(said(settings(ENTRY.name), &rows), [(Severity::Low, None)]);
}

/// Ten users, ten addresses, a failure each.
fn scattered(day: i32, minutes: i64, network: u32) -> Vec<Draft<'static>> {
    const ADDRESSES: [&str; 10] = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "192.0.2.4",
        "192.0.2.5",
        "192.0.2.6",
        "192.0.2.7",
        "192.0.2.8",
        "192.0.2.9",
        "192.0.2.10",
    ];
    let rows = NAMES[..10].iter().zip(ADDRESSES).enumerate();
    rows.map(|(n, (name, address))| Draft {
        ip: Some(address),
        asn: Some(network),
        ..wrong(login(name, at(day, 60 + minutes * n as i64)))
    })
    .collect()
}

#[test]
fn many_addresses_at_once_are_one_attack() {
    let mut rows = company(10);
    rows.push(wrong(login("a", at(3, 500))));
    for day in 0..9 {
        rows.push(wrong(login("b", at(day, 500))));
    }
    rows.extend(scattered(12, 1, 3320));
    let got = alerts(settings(ENTRY.name), &rows);
    assert_eq!(shown(&got), [("trial", Severity::Medium)]);
    assert!(
        got[0]
            .summary
            .starts_with("logins of 10 users failed within 15 minutes, from 10 addresses")
    );
}

#[test]
fn slow_guessing_is_seen_in_hindsight() {
    let mut rows = company(10);
    for day in 0..9 {
        rows.push(wrong(login("b", at(day, 500))));
    }
    // From the company's own network it is ten people who mistype in a day.
    rows.extend(scattered(12, 60, 3320));
    assert_eq!(said(settings(ENTRY.name), &rows), []);
    rows.extend(scattered(13, 60, 64512));
    let got = alerts(settings(ENTRY.name), &rows);
    assert_eq!(shown(&got), [("trial", Severity::Medium)]);
    assert!(
        got[0]
            .summary
            .contains("from 1 network that nobody here has logged in from (AS64512)")
    );
}

/// An address remembers by name who got in from it, until that person is forgotten.
#[test]
fn who_is_forgotten_is_nowhere() {
    let mut trial = trial(ENTRY.name);
    for row in spray(0) {
        trial.put(row);
    }
    trial.put(strange("hilda", at(0, 200)));
    let holds = |row: &StateRow| {
        let bytes = row.bytes.as_deref().unwrap_or_default();
        bytes.windows(5).any(|part| part == b"hilda")
    };
    assert!(trial.core().snapshot().rows.iter().any(holds));
    assert_eq!(trial.core().forget("hilda").evidence, 1);
    let rows = trial.core().snapshot().rows;
    assert!(!rows.is_empty() && !rows.iter().any(holds));
}
