//! Streams of events for measurements: many users, ordinary lives, records of a known size.
//!
//! Invariant: times ascend and cover thirty days evenly; the n-th event is the same on every run.

use super::chance::Chance;
use super::people::Person;
use super::places::{Link, Spot};
use super::vendors::logins::{self, Okta};
use super::vendors::{Moment, seconds};

/// 2026-03-02T00:00:00Z.
const START_MS: i64 = 1_772_409_600_000;
const PERIOD_MS: i64 = 30 * 86_400_000;
/// Length of a line without its end.
const LINE_BYTES: usize = 256;

/// Events of the in-house application, 256 bytes each: one login for six downloads and three uses
/// of AI.
pub fn events_256(users: u32, events: u64, seed: u64) -> impl Iterator<Item = String> {
    let mut chance = Chance::of(seed, "events 256", &[]);
    (0..events).map(move |number| {
        let user = chance.below(u64::from(users.max(1)));
        let time = time_ms(number, events);
        let (place, device) = (user % 4, user % 1_000_003);
        let uid = number ^ seed << 40;
        let start = format!(
            r#"{{"time":"{}","uid":"w-{uid:016x}","outcome":"success","user":"user{user:06}@example.com","ip":"198.18.{}.{}","#,
            seconds(time),
            user / 250 % 250,
            user % 250 + 2
        );
        let rest = match chance.below(10) {
            0 => format!(
                r#""activity":"login","interactive":true,"country":"{}","asn":{},"device":"d-{device:08x}""#,
                ["DE", "DE", "PT", "US"][place as usize],
                64_496 + place
            ),
            1..7 => format!(
                r#""activity":"download","app":"casebook","bytes":{},"object":"{:016x}""#,
                2_000 + chance.below(400_000),
                chance.below(1 << 40)
            ),
            _ => format!(
                r#""activity":"ai_use","app":"assistant","model":"large-{}","tokens":{}"#,
                place,
                300 + chance.below(6_000)
            ),
        };
        let mut line = start + &rest;
        // The session fills the line.
        let frame = r#","session":""}"#.len();
        let filling = LINE_BYTES.saturating_sub(line.len() + frame);
        line.push_str(r#","session":""#);
        line.push_str(&format!("{:0filling$x}", user << 20 | number & 0xfffff));
        line.push_str("\"}");
        line
    })
}

/// Okta logins of about 2 KB.
pub fn events_okta(users: u32, events: u64, seed: u64) -> impl Iterator<Item = String> {
    let mut chance = Chance::of(seed, "events okta", &[]);
    let people: Vec<Person> = (0..users.max(1))
        .map(|index| Person::new(seed, index, 30))
        .collect();
    (0..events).map(move |number| {
        let person = chance.pick(&people);
        let spot = Spot::new(person.home, Link::Home, person.index, 0);
        let session = format!("{:022x}", number / 7);
        let at = Moment {
            time_ms: time_ms(number, events),
            person,
            spot: &spot,
            device: &person.laptop,
            session: &session,
        };
        let what = match chance.below(4) {
            0 => Okta::Start,
            1 => Okta::Factor,
            _ => Okta::Onward(number as usize % 6),
        };
        logins::okta(at, what, &mut chance)
    })
}

fn time_ms(number: u64, events: u64) -> i64 {
    START_MS + (i128::from(number) * i128::from(PERIOD_MS) / i128::from(events.max(1))) as i64
}
