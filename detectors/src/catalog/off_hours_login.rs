//! Flags: interactive activity in an hour of the day in which this person, and people like them, are
//! hardly ever active. Why: a stolen password or token is used on the thief's clock. Method: habit of
//! 24 local hours, weekday and weekend apart. Blind to: attacks during office hours; rotating shifts.

use serde::{Deserialize, Serialize};

use super::{Entry, Page, Param, Step, phrase};
use crate::alert::{Class, Severity};
use crate::company::{Level, Parts};
use crate::detector::{Answer, Detector, Event, Judged, Kind, Latest, On, Runner, Size};
use crate::event::{Activity, Outcome, Row};
use crate::evidence::{Refs, Sample, gather};
use crate::model::fixed::surprise;
use crate::model::habit::{Hours, Learn, expected_tests, own_hour_mass, per_day, tail_mass};
use crate::model::magnitude::LEARN_CAP;
use crate::panes::Panes;
use crate::time::{Day, PANE_MS};
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "off_hours_login",
    activities: &[
        Activity::Login,
        Activity::MfaChallenge,
        Activity::Download,
        Activity::Upload,
        Activity::Share,
        Activity::AiUse,
    ],
    attack: &["T1078.004"],
    family: "time",
    needs: &[&["user"]],
    params: &[Param {
        name: "min_known_hours",
        default: 8.0,
        unit: "count",
        help: "nobody is judged while the company has fewer user-hours than this",
    }],
    statistical: true,
    share: 1.0,
    page: Page {
        flags: "a successful interactive login, or interactive activity, in an hour that is improbable for this person",
        why: "stolen credentials are used on the thief's clock; a stolen token never logs in, so activity counts too",
        method: "habit over 24 local hours, weekday and weekend apart, circular kernel .1 .2 .4 .2 .1, backing off to the company's hours with 4 pseudo user-hours (interpolated backoff, MacKay & Bauman Peto 1995); the day's least probable hour, corrected for the hours expected of this person (Sidak 1967); calibrated by rank. Local time is the directory's zone for the person, else the tenant's. Eager",
        blind_to: "attacks inside the person's usual hours; rotating shifts and the first three days of a joiner, where the hour says little; services and shared accounts, which are not judged",
        fields: "time, user, activity, outcome, interactive, kind; directory: zone, admin, on_call",
        example: "carla@example.com was active at 03:10 (Europe/Berlin); 0.10 % of this person's activity is in hours as improbable as this (38 days known)",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(
            std::sync::Arc::new(OffHoursLogin::new(world)),
            lag,
        ))
    },
};

const EVIDENCE_MAX: usize = 12;

/// The detector with its parameters.
pub struct OffHoursLogin {
    min_known_hours: f64,
}

impl OffHoursLogin {
    fn new(world: &World) -> Self {
        OffHoursLogin {
            min_known_hours: world.param(&ENTRY, "min_known_hours"),
        }
    }
}

/// Activity of one day by local hour.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    refs: Refs,
    hours: Panes<Hour>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Hour {
    logins: u64,
    is_admin: bool,
    sample: Sample,
}

/// Hours learned from closed days.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Learned {
    hours: Hours,
    days: u32,
    /// Distinct hours over all days.
    distinct: u64,
}

/// A closed day: the hours as bits, and which of them were so improbable that they teach little.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Taught {
    usual: u32,
    odd: u32,
}

impl Kind for OffHoursLogin {
    type Base = Learned;
    type Summary = Taught;
    type Open = Open;
    type Amount = Vec<(u16, u32)>;
    /// The hours that were judged, as bits.
    type Bars = u32;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        if stream != Stream::Person || row.outcome() == Outcome::Failure {
            return false;
        }
        match row.activity() {
            Activity::Login => {
                row.interactive() != Some(false) && row.outcome() == Outcome::Success
            }
            _ => row.interactive() == Some(true),
        }
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let (clock, _) = event.world.clock(event.user);
        let hour = open.hours.at(u16::from(clock.hour(event.row.time())));
        hour.logins += u64::from(event.row.activity() == Activity::Login);
        hour.is_admin |= event.row.is_admin() == Some(true);
        hour.sample.add(&mut open.refs, event);
    }

    fn fold(&self, base: &mut Learned, day: Day, summary: &Taught) {
        let bits = |mask: u32| (0..24).filter(move |hour| mask >> hour & 1 == 1);
        base.hours.fold(day, bits(summary.usual), Learn::Fully);
        base.hours.fold(day, bits(summary.odd), Learn::Alerted);
        base.days += 1;
        base.distinct += u64::from((summary.usual | summary.odd).count_ones());
    }

    /// Surprise of each active hour.
    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<(u16, u32)> {
        self.surprises(judged.base, judged.open, judged.on)
            .collect()
    }

    fn score(&self, amount: &Vec<(u16, u32)>) -> u32 {
        amount
            .iter()
            .map(|(_, surprise)| *surprise)
            .max()
            .unwrap_or(0)
    }

    fn verdicts(&self, judged: &Judged<'_, Self>, amount: &Vec<(u16, u32)>) -> Vec<Verdict> {
        let Some(judge) = judged.on.judge() else {
            return Vec::new();
        };
        let mut crossing: Vec<(u16, u32)> = amount
            .iter()
            .copied()
            .filter(|(_, surprise)| judge.needed <= *surprise)
            .collect();
        // The least probable hour; of equals the earliest on the clock.
        crossing.sort_by_key(|(hour, surprise)| (std::cmp::Reverse(*surprise), *hour));
        let Some((hour, surprise)) = crossing.first().copied() else {
            return Vec::new();
        };
        vec![self.verdict(
            judged.base,
            judged.open,
            hour,
            surprise,
            &crossing,
            judged.on,
        )]
    }

    fn bars(&self, judged: &Judged<'_, Self>, _: &Vec<(u16, u32)>) -> u32 {
        hour_bits(judged.open)
    }

    fn reaches(&self, open: &Open, bars: &u32) -> bool {
        hour_bits(open) & !bars != 0
    }

    /// A login in the likeliest, and in the least likely, of the hours never used.
    fn plant(&self, base: &Learned, on: On<'_>) -> Option<Answer> {
        if on.who.stream != Stream::Person {
            return None;
        }
        let mut day = Open::default();
        for hour in 0..24 {
            day.hours.at(hour);
        }
        let is_unused = |(hour, _): &(u16, u32)| {
            let mut counts = base.hours.counts.iter();
            counts.all(|counts| counts[usize::from(*hour)] == 0)
        };
        let hours = self.surprises(base, &day, on).filter(is_unused);
        let mut hours: Vec<(u16, u32)> = hours.collect();
        hours.sort_by_key(|(hour, surprise)| (*surprise, *hour));
        let needed = on.judge().map(|judge| judge.needed);
        let size = |name: &str, (hour, surprise): &(u16, u32)| Size {
            name: name.to_owned(),
            detail: format!("{hour:02}:00"),
            amount: 0,
            crosses: needed.is_some_and(|needed| needed <= *surprise),
            surprise: Some(*surprise),
            repeats_as: format!("{hour:02}"),
        };
        let hardest = hours.first();
        let easiest = hours.last();
        let hardest = hardest.map(|hour| size("a login in the likeliest hour never used", hour));
        let easiest = easiest.map(|hour| size("a login in the least likely hour never used", hour));
        Some(Answer {
            days: base.days,
            least: None,
            floor: 0,
            sizes: hardest.into_iter().chain(easiest).collect(),
        })
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        _latest: Latest<'_, Self>,
        amount: Vec<(u16, u32)>,
        parts: &mut Parts,
    ) -> Taught {
        let mut taught = Taught { usual: 0, odd: 0 };
        let is_judged = judged.on.judge().is_some();
        for (hour, surprise) in amount {
            let odd = is_judged && LEARN_CAP <= surprise;
            *(if odd {
                &mut taught.odd
            } else {
                &mut taught.usual
            }) |= 1 << hour;
            parts.hours[usize::from(odd)][usize::from(hour)] += 1;
        }
        parts.outcomes(
            Level::Hour,
            u64::from((taught.usual | taught.odd).count_ones()),
        );
        taught
    }
}

fn hour_bits(open: &Open) -> u32 {
    open.hours
        .iter()
        .fold(0, |bits, (hour, _)| bits | 1 << hour)
}

impl OffHoursLogin {
    /// Surprise of each active hour, corrected for the hours a day expected of this person.
    fn surprises<'o>(
        &self,
        base: &Learned,
        open: &'o Open,
        on: On<'_>,
    ) -> impl Iterator<Item = (u16, u32)> + 'o {
        let of = self.by_hour(base, on);
        open.hours.iter().map(move |(hour, _)| (hour, of(hour)))
    }

    /// Surprise of any hour.
    fn by_hour(&self, base: &Learned, on: On<'_>) -> impl Fn(u16) -> u32 + use<> {
        let frozen = on.frozen;
        let mass = own_hour_mass(&base.hours, &frozen.hour_prior, frozen.day, frozen.weekend);
        let mean = frozen.distinct_mean(Level::Hour);
        let tests = expected_tests(base.distinct as f64, f64::from(base.days), mean);
        let known = self.min_known_hours <= frozen.known_hours;
        move |hour| {
            let p = if known {
                per_day(tail_mass(&mass, usize::from(hour)), tests)
            } else {
                1.0
            };
            surprise(p)
        }
    }

    /// The hours that would not have alerted.
    fn quiet(&self, base: &Learned, zone: &str, on: On<'_>) -> String {
        let needed = on.judge().map_or(0, |judge| judge.needed);
        let of = self.by_hour(base, on);
        let hours = phrase::hours(|hour| of(hour) < needed);
        let days = if on.frozen.weekend {
            "Saturday or Sunday"
        } else {
            "weekday"
        };
        if hours.is_empty() {
            return format!("no activity on a {days}");
        }
        format!(
            "activity between {} on a {days} ({zone})",
            phrase::any_of(&hours, 4)
        )
    }

    fn verdict(
        &self,
        base: &Learned,
        open: &Open,
        hour: u16,
        surprise: u32,
        crossing: &[(u16, u32)],
        on: On<'_>,
    ) -> Verdict {
        let frozen = on.frozen;
        let mass = own_hour_mass(&base.hours, &frozen.hour_prior, frozen.day, frozen.weekend);
        let at = |hour: u16| {
            open.hours
                .iter()
                .find(|(known, _)| *known == hour)
                .map(|(_, h)| h)
        };
        let empty = Hour::default();
        let seen = at(hour).unwrap_or(&empty);
        let firsts = crossing
            .iter()
            .filter_map(|(hour, _)| at(*hour))
            .map(|h| h.sample.first(&open.refs));
        let (first, last) = (seen.sample.first(&open.refs), seen.sample.last(&open.refs));
        let due = firsts.min().unwrap_or(first);
        let (clock, zone) = on.world.clock(&on.who.name);
        let own = 0 < base.days;
        let share = 100.0 * tail_mass(&mass, usize::from(hour));
        let is_admin = seen.is_admin
            || on
                .world
                .person(&on.who.name)
                .is_some_and(|person| person.admin);
        let duty = on.world.is_on_call(&on.who.name, frozen.day);
        Verdict {
            value: String::new(),
            same_as: format!("{hour:02}"),
            causes: crossing.iter().map(|(hour, _)| format!("activity between {hour:02}:00 and {:02}:00", (hour + 1) % 24)).collect(),
            surprise: Some(surprise),
            class: Class::Detection,
            severity: match (is_admin, duty) {
                (true, false) => Severity::Medium,
                (true, true) | (false, false) => Severity::Low,
                (false, true) => Severity::Info,
            },
            overlay: duty.then(|| ("lowered", "on_call", "directory".to_owned())),
            about: None,
            also: Vec::new(),
            summary: format!(
                "{} {} at {} ({zone}); {} of {} activity is in hours as improbable as this ({})",
                on.who.name,
                if 0 < seen.logins { "logged in" } else { "was active" },
                clock.text(first),
                percent(share),
                if own { "this person's" } else { "the company's" },
                phrase::days_known(base.days),
            ),
            window: (due / PANE_MS * PANE_MS, last / PANE_MS * PANE_MS + PANE_MS),
            detected_at: due / PANE_MS * PANE_MS + PANE_MS,
            span: (first, last),
            event_count: seen.sample.count.into(),
            observed: f64::from(hour),
            approximate: false,
            expected: mass.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0.0, |(h, _)| h as f64),
            baseline: if own { "own" } else { "peers" },
            days: base.days,
            history: base.hours.effective(frozen.day, frozen.weekend).to_vec(),
            evidence: gather(&open.refs, [[&seen.sample]], EVIDENCE_MAX),
            next_steps: vec![
                format!("ask {} whether this was them", on.who.name).into(),
                Step::LockOut(on.who.name.to_string()),
                "look at address, device and what was done next; with a new place or device treat it as a takeover".into(),
            ],
            quiet: self.quiet(base, zone, on),
        }
    }
}

fn percent(share: f64) -> String {
    if share < 0.01 {
        "less than 0.01 %".to_owned()
    } else {
        format!("{share:.2} %")
    }
}
