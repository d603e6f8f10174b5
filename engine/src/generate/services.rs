//! What machines do, every day and at night.
//!
//! Invariant: a service is steady: its amounts move by tenths, and by the type of day.

use super::chance::{Chance, mood};
use super::log::Log;
use super::people::Person;
use super::places::{BERLIN, Link, Spot};
use super::shifts::is_weekend;
use super::vendors::Moment;
use super::vendors::files::{self, Document, Operation};
use super::vendors::models::{self, Call};
use super::{Company, local_ms};

/// Accounts of services and their other names.
pub const ACCOUNTS: [(&str, &str); 5] = [
    ("svc-backup@example.com", ""),
    (
        "svc-warehouse",
        "arn:aws:iam::111122223333:user/svc-warehouse",
    ),
    (INVOICES, ""),
    ("svc-search-index", ""),
    ("svc-translate", ""),
];

/// The service whose key runs away.
pub const INVOICES: &str = "svc-invoice-bot";

/// Number of the server among the addresses.
const SERVER: u32 = 70;

/// Writes down a day of all services.
pub fn run(company: &Company, day: u32, log: &mut Log) {
    let chance = &mut Chance::of(company.plan.seed, "services", &[u64::from(day)]);
    back_up(company, day, chance, log);
    let weekend = is_weekend(company.date(day));
    let spot = Spot::new(&BERLIN, Link::Office, SERVER, 0);
    for hour in 0..24 {
        for _ in 0..4 {
            let time_ms = minute(company, day, f64::from(hour) * 60.0 + chance.unit() * 20.0);
            let (number, bytes) = (chance.below(900), chance.log_normal(20e6, 0.3) as u64);
            let json = files::aws_service("svc-warehouse", time_ms, &spot, number, bytes, chance);
            log.add("aws", time_ms, json, chance);
        }
        for _ in 0..if weekend { 1 } else { 3 } {
            let at = f64::from(hour) * 60.0 + 30.0 + chance.unit() * 10.0;
            call("svc-search-index", company, day, at, 2_400.0, chance, log);
        }
    }
    let invoices = steady(company, "invoices", day, if weekend { 24.0 } else { 70.0 });
    for _ in 0..chance.round(invoices) {
        let at = 480.0 + chance.unit() * 600.0;
        call(INVOICES, company, day, at, 5_200.0, chance, log);
    }
    // Texts come in bursts.
    let bursts = if weekend { 1 } else { 3 };
    for burst in 0..bursts {
        let begin = 540.0 + f64::from(burst) * 170.0 + 30.0 * chance.unit();
        for _ in 0..chance.round(steady(company, "texts", day, 14.0)) {
            let at = begin + 12.0 * chance.unit();
            call("svc-translate", company, day, at, 3_100.0, chance, log);
        }
    }
}

fn steady(company: &Company, what: &str, day: u32, usual: f64) -> f64 {
    usual * (1.0 + 0.12 * mood(company.plan.seed, what, 0, day).clamp(-2.5, 2.5))
}

fn minute(company: &Company, day: u32, minute: f64) -> i64 {
    local_ms(company.date(day), minute, BERLIN.zone)
}

/// A backup of the document libraries at night.
fn back_up(company: &Company, day: u32, chance: &mut Chance, log: &mut Log) {
    let mut account = Person::new(company.plan.seed, SERVER, company.plan.days);
    account.email = "svc-backup@example.com".to_owned();
    account.name = "Backup".to_owned();
    let device = files::server("backup");
    let session = chance.hex(22);
    let spot = Spot::new(&BERLIN, Link::Office, SERVER, 0);
    let libraries = ["finance", "sales", "people"];
    for _ in 0..chance.round(steady(company, "backup", day, 60.0)) {
        let person = chance.below(u64::from(company.plan.users)) as usize;
        let library = company.people[person].department;
        if !libraries.contains(&library.name()) {
            continue;
        }
        let time_ms = minute(company, day, 70.0 + chance.unit() * 50.0);
        let at = Moment {
            time_ms,
            person: &account,
            spot: &spot,
            device: &device,
            session: &session,
        };
        let document = Document {
            library,
            number: chance.below(320),
        };
        let json = files::m365(at, Operation::Downloaded, document, chance);
        log.add("m365", time_ms, json, chance);
    }
}

/// A service's call through the gateway.
pub fn call(
    service: &str,
    company: &Company,
    day: u32,
    at_minute: f64,
    usual_tokens: f64,
    chance: &mut Chance,
    log: &mut Log,
) {
    let time_ms = minute(company, day, at_minute);
    let spot = Spot::new(&BERLIN, Link::Office, SERVER, 0);
    let session = format!("{service}-{day:04}");
    let call = Call {
        time_ms,
        user: service,
        team: "services",
        alias: service,
        spot: &spot,
        session: &session,
        model: 2,
        tokens: chance.log_normal(usual_tokens, 0.25) as u64,
    };
    let json = models::litellm(&call, chance);
    log.add("litellm", time_ms, json, chance);
}
