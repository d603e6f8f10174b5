//! Passwords and second factors that are tried.

use super::super::Diary;
use super::Oddity;
use nightjar_detectors::event::{Activity, Outcome, Reason};

pub const ALL: &[Oddity] = &[spray, brute_force, distributed, slow, tired_owner, fraud];

fn someone(number: u64) -> String {
    format!("person{}@example.com", number % 12)
}

/// A failed login of somebody.
fn wrong(diary: &mut Diary<'_>, minute: u64, user: String, ip: String, place: usize) {
    let event = diary.add(minute, Activity::Login);
    event.outcome = Outcome::Failure;
    event.reason = Some(Reason::BadPassword);
    event.user = user;
    event.ip = Some(ip);
    event.place = Some(place);
    event.device = "guesser".into();
}

fn spray(diary: &mut Diary<'_>) {
    let address = "203.0.113.66".to_owned();
    for n in 0..24 {
        wrong(diary, 90 + n, someone(n % 7), address.clone(), 2);
    }
    if diary.dice.roll(2) == 0 {
        let event = diary.add(100, Activity::Login);
        event.user = someone(7);
        event.ip = Some(address);
        event.place = Some(2);
        if event.time % 2 == 0 {
            event.outcome = Outcome::Failure;
            event.reason = Some(Reason::MfaRequired);
        }
    }
}

fn brute_force(diary: &mut Diary<'_>) {
    let user = diary.user.clone();
    let place = 2 * diary.dice.roll(2) as usize;
    for n in 0..30 {
        wrong(
            diary,
            130 + n / 4,
            user.clone(),
            "203.0.113.67".into(),
            place,
        );
    }
    if diary.dice.roll(2) == 0 {
        diary.add(135, Activity::Login).place = Some(2);
    }
}

fn distributed(diary: &mut Diary<'_>) {
    for n in 0..12 {
        wrong(diary, 200 + n, someone(n), format!("192.0.2.{n}"), 2);
    }
}

fn slow(diary: &mut Diary<'_>) {
    for n in 0..10 {
        wrong(diary, 60 * n, someone(n), format!("192.0.2.1{n}"), 3);
    }
}

fn refused(diary: &mut Diary<'_>, minute: u64, prompt: u64, reason: Reason) {
    let session = format!("{} {prompt}", diary.user);
    let event = diary.add(minute, Activity::MfaChallenge);
    event.outcome = Outcome::Failure;
    event.reason = Some(reason);
    event.session = Some(session);
}

fn tired_owner(diary: &mut Diary<'_>) {
    for n in 0..3 + diary.dice.roll(6) {
        refused(diary, 160 + 9 * n, n, Reason::MfaTimeout);
        refused(diary, 161 + 9 * n, n, Reason::MfaDenied);
    }
    if diary.dice.roll(2) == 0 {
        diary.add(200, Activity::MfaChallenge);
    }
}

fn fraud(diary: &mut Diary<'_>) {
    refused(diary, 170, 0, Reason::Fraud);
}
