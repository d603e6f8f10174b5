//! What is said to be quiet is quiet, and one more is not: stories of every detector that has a limit.

use super::rehearsal::{Trial, alerts, at, login, settings, strange, trial};
use crate::alert::Alert;
use crate::event::{Activity, Draft, Method, Outcome, Reason};

/// The first number in a text, without its commas.
fn number(text: &str) -> u64 {
    let digits = |c: char| c.is_ascii_digit() || c == ',';
    let from = text.find(|c: char| c.is_ascii_digit()).unwrap();
    let text = &text[from..];
    let number = text.split(|c| !digits(c)).next().unwrap();
    number.replace(',', "").parse().unwrap()
}

/// The number in the sentence of a loud day; exactly as many are quiet, and one more is not.
fn inverts(run: impl Fn(u64) -> Option<Alert>, loud: u64) -> Alert {
    let alert = run(loud).unwrap();
    let limit = number(&alert.quiet);
    assert!(run(limit).is_none(), "{limit} of {}", alert.quiet);
    assert!(run(limit + 1).is_some(), "{limit} of {}", alert.quiet);
    alert
}

fn shown(trial: &mut Trial) -> Option<Alert> {
    trial.end().into_iter().find(|alert| !alert.is_muted())
}

const USERS: [&str; 5] = ["ana", "ben", "cem", "dan", "eva"];

fn download<'a>(user: &'a str, object: &'a str) -> Draft<'a> {
    Draft {
        object: Some(object),
        ..super::rehearsal::event(user, Activity::Download, 0)
    }
}

/// Thirty days of a few files; then so many by one person.
fn downloads(files: u64) -> Option<Alert> {
    let mut trial = trial("mass_download");
    for day in 0..30 {
        for (n, user) in USERS.into_iter().enumerate() {
            for file in 0..(5 + (day as usize * 7 + n * 3) % 11) {
                let object = format!("{user} {day} {file}");
                trial.add(day, 540, download(user, &object));
            }
        }
    }
    for file in 0..files {
        trial.add(35, 600, download("ana", &format!("new {file}")));
    }
    shown(&mut trial)
}

#[test]
fn files() {
    let alert = inverts(downloads, 400);
    assert!(
        alert.quiet.ends_with("files or fewer in one day"),
        "{}",
        alert.quiet
    );
    assert!(
        alert
            .summary
            .contains(", nearly all of them never taken before; usual for this account are about"),
        "{}",
        alert.summary
    );
}

/// Of bytes the limit is rounded down.
#[test]
fn bytes() {
    let run = |tenths_of_mb: u64| {
        let mut trial = trial("mass_download");
        for day in 0..30 {
            for user in USERS {
                let row = Draft {
                    bytes: Some(1_000_000 + 100_000 * (day as u64 % 7)),
                    ..download(user, "report")
                };
                trial.add(day, 540, row);
            }
        }
        let row = Draft {
            bytes: Some(tenths_of_mb * 100_000),
            ..download("ana", "report")
        };
        trial.add(35, 600, row);
        shown(&mut trial)
    };
    let quiet = run(90_000).unwrap().quiet;
    let (amount, rest) = quiet.split_once(" MB or less").unwrap();
    assert_eq!(rest, " in one day");
    let limit = amount.replace('.', "").parse().unwrap();
    assert!(run(limit).is_none(), "{quiet}");
    assert!(run(limit + 1).is_some(), "{quiet}");
}

#[test]
fn calls_and_tokens() {
    let run = |tokens: bool| {
        move |amount: u64| {
            let mut trial = trial("ai_usage_spike");
            let used = |user, count, size| Draft {
                app: Some("claude"),
                count: Some(count),
                tokens: tokens.then_some(size),
                ..super::rehearsal::event(user, Activity::AiUse, 0)
            };
            for day in 0..30 {
                for (n, user) in USERS.into_iter().enumerate() {
                    let count = 4 + (day as u64 * 5 + n as u64) % 9;
                    trial.add(day, 540, used(user, count, 4000 * count));
                }
            }
            trial.add(
                35,
                600,
                if tokens {
                    used("ana", 1, amount)
                } else {
                    used("ana", amount, 0)
                },
            );
            shown(&mut trial)
        }
    };
    let calls = inverts(run(false), 5000);
    assert!(
        calls.quiet.ends_with(" calls or fewer in one day"),
        "{}",
        calls.quiet
    );
    let tokens = inverts(run(true), 90_000_000);
    assert!(
        tokens.quiet.ends_with(" tokens or fewer in one day"),
        "{}",
        tokens.quiet
    );
}

/// Where the longer window allows more than the shorter, both are told.
#[test]
fn windows_that_do_not_imply_each_other_are_all_told() {
    let mut trial = trial("mass_download");
    for day in 0..30 {
        for user in USERS {
            // A file every quarter of an hour: many in a day, few in ten minutes.
            for file in 0..40 {
                let object = format!("{user} {day} {file}");
                trial.add(day, 480 + 15 * file, download(user, &object));
            }
        }
    }
    for file in 0..900 {
        trial.add(35, 600, download("ana", &format!("new {file}")));
    }
    let quiet = shown(&mut trial).unwrap().quiet;
    let (hour, day) = quiet
        .split_once(" files or fewer in one hour and ")
        .unwrap();
    assert!(day.ends_with(" files or fewer in one day"), "{quiet}");
    assert!(number(hour) < number(day), "{quiet}");
}

#[test]
fn files_that_add_up() {
    let run = |new: u64| {
        let mut trial = trial("slow_collection");
        for day in 0..100 {
            let new = if 60 <= day { new } else { 2 };
            for n in 0..8 {
                trial.add(day, 540 + n, download("ana", &format!("common {n}")));
            }
            for n in 0..new {
                trial.add(day, 600, download("ana", &format!("{day} {n}")));
            }
        }
        trial.end()
    };
    let all = run(12);
    let loud = all.iter().find(|alert| !alert.is_muted()).unwrap();
    let limit = number(&loud.quiet);
    assert!((limit as f64) < loud.observed, "{}", loud.quiet);
    assert!(!loud.baseline.history.is_empty());
    assert!(run(3).is_empty());
}

/// Nobody alerts in an hour that is said to be quiet, everybody in the others.
#[test]
fn hours() {
    let run = |hour: i64| {
        let mut trial = trial("off_hours_login");
        for day in 0..40 {
            for user in USERS {
                for hour in 8..18 {
                    trial.add(day, 60 * hour, login(user, 0));
                }
            }
        }
        trial.add(44, 60 * hour, login("ana", 0));
        shown(&mut trial)
    };
    let quiet = run(3).unwrap().quiet;
    let hours = quiet.strip_prefix("activity between ").unwrap();
    let hours = hours.strip_suffix(" on a weekday (UTC)").unwrap();
    let (from, to) = hours.split_once(" and ").unwrap();
    let (from, to) = (number(from) as i64, number(to) as i64);
    for hour in 0..24 {
        let is_quiet = (from..to).contains(&hour);
        assert_eq!(run(hour).is_none(), is_quiet, "{hour} of {quiet}");
    }
}

#[test]
fn countries() {
    let run = |country: &'static str| {
        let mut trial = trial("unusual_location");
        let from = |user, country| Draft {
            country: Some(country),
            asn: None,
            ..login(user, 0)
        };
        for day in 0..40 {
            for user in USERS {
                trial.add(day, 540, from(user, if day % 3 == 0 { "PL" } else { "DE" }));
            }
        }
        trial.add(44, 540, from("ana", country));
        shown(&mut trial)
    };
    let alert = run("BR").unwrap();
    assert_eq!(
        alert.quiet,
        "a login from DE or PL, in a usual region and network, or through one of the company's own networks ([[networks]])"
    );
    assert_eq!(
        alert.summary,
        "ana logged in from the country BR, where neither this person nor anybody else of the company has been (40 days known, 2 countries used in them)"
    );
    assert!(run("DE").is_none() && run("PL").is_none());
}

#[test]
fn travel() {
    let run = |minutes: i64| {
        let place = |time, city, lat, lon, device| Draft {
            city: Some(city),
            lat: Some(lat),
            lon: Some(lon),
            radius_km: Some(10.0),
            device: Some(device),
            ..login("ana", time)
        };
        let there = Draft {
            ip: Some("203.0.113.7"),
            asn: Some(28573),
            ..place(
                at(1, 60 + minutes),
                "S\u{e3}o Paulo",
                -23.55,
                -46.63,
                "phone",
            )
        };
        let rows = [place(at(1, 60), "Berlin", 52.52, 13.4, "laptop"), there];
        alerts(settings("impossible_travel"), &rows).pop()
    };
    let alert = run(30).unwrap();
    let (hours, rest) = alert.quiet.split_once(" h ").unwrap();
    assert!(
        rest.contains("(900 km/h or slower), less than 500 km"),
        "{}",
        alert.quiet
    );
    let minutes = 60 * number(hours) + number(rest);
    assert!(run(minutes as i64).is_none());
    // The speed is rounded to whole kilometres an hour: half of one is no more than a minute here.
    assert!(run(minutes as i64 - 2).is_some());
}

#[test]
fn prompts() {
    let run = |prompts: u64| {
        let ids: Vec<String> = (0..prompts).map(|n| n.to_string()).collect();
        let prompt = |(n, id): (usize, &String)| {
            let mut trial_row =
                super::rehearsal::event("ana", Activity::MfaChallenge, at(0, 100 + n as i64));
            trial_row.outcome = Some(Outcome::Failure);
            trial_row.reason = Some(Reason::MfaDenied);
            (trial_row, id.clone())
        };
        let mut trial = trial("mfa_fatigue");
        for (row, id) in ids.iter().enumerate().map(prompt) {
            trial.put(Draft {
                session: Some(&id),
                ..row
            });
        }
        shown(&mut trial)
    };
    let alert = inverts(run, 20);
    assert_eq!(
        alert.quiet,
        "2 prompts or fewer refused or unanswered within 1 h"
    );
}

fn wrong(user: &str, minute: i64) -> Draft<'_> {
    Draft {
        outcome: Some(Outcome::Failure),
        reason: Some(Reason::BadPassword),
        ..strange(user, at(12, minute))
    }
}

#[test]
fn failures_of_one_and_users_of_an_address() {
    let one = |failures: u64| {
        let mut trial = trial("password_guessing");
        for n in 0..failures {
            trial.put(wrong("ana", 100 + n as i64 % 8));
        }
        shown(&mut trial)
    };
    let alert = inverts(one, 40);
    assert!(
        alert.quiet.starts_with("9 failures or fewer in 10 minutes"),
        "{}",
        alert.quiet
    );
    let many = |users: u64| {
        let names: Vec<String> = (0..users).map(|n| format!("user {n}")).collect();
        let mut trial = trial("password_guessing");
        for name in &names {
            for minute in 0..4 {
                trial.put(wrong(name, 100 + minute));
            }
        }
        shown(&mut trial)
    };
    let alert = inverts(many, 12);
    assert_eq!(
        alert.quiet,
        "4 users or fewer in one hour, or 14 failures or fewer (at most 8 counted for each user)"
    );
}

#[test]
fn requests_and_events() {
    let requests = |requests: u64| {
        let worked = |method, count| Draft {
            app: Some("claude code"),
            method: Some(method),
            count: Some(count),
            ..super::rehearsal::event("ana", Activity::AiUse, 0)
        };
        let mut trial = trial("agent_risk");
        for day in 0..10 {
            trial.add(day, 600, worked(Method::Prompt, 20));
            trial.add(day, 601, worked(Method::Request, 100));
        }
        trial.add(14, 600, worked(Method::Prompt, 20));
        trial.add(14, 601, worked(Method::Request, requests));
        shown(&mut trial)
    };
    let alert = inverts(requests, 4000);
    assert!(
        alert.quiet.ends_with(" requests or fewer for 20 prompts"),
        "{}",
        alert.quiet
    );
    let events = |events: u64| {
        let mut trial = trial("volume_drop");
        for day in 0..30 {
            let count = if day == 29 { events } else { 200 };
            let row = login("ana", 0);
            trial.from("okta").add_times(day, 500, count, row.clone());
            trial.from("entra").add_times(day, 500, 200, row);
        }
        trial.end().into_iter().next()
    };
    let alert = events(50).unwrap();
    let limit = number(&alert.quiet);
    assert_eq!(alert.quiet, format!("{limit} login events or more"));
    assert!(events(limit).is_none() && events(limit - 1).is_some());
    assert_eq!(alert.baseline.history, [200.0; 4]);
}

/// The steps speak of the product that the events came from.
#[test]
fn steps_fit_the_source() {
    let steps = |format| {
        let mut trial = trial("device_code_login");
        let row = Draft {
            method: Some(Method::DeviceCode),
            ..login("ana@example.com", 0)
        };
        trial.told_by(format).add(0, 600, row);
        trial.end().remove(0).next_steps
    };
    assert!(steps("trial")[1].ends_with("refresh tokens of ana@example.com"));
    assert!(steps("okta")[1].ends_with(
        "in Okta, Directory > People > ana@example.com > More Actions > Clear User Sessions"
    ));
    assert!(steps("m365_audit.copilot")[1].contains(": in Entra, Users > ana@example.com"));
}
