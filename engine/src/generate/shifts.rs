//! Who works when, and where.
//!
//! Invariant: a shift is a function of the person and the day. Habits are steady: the start of a day
//! moves by minutes, not by hours, unless a person's life says so.

use chrono::{Datelike, NaiveDate, Weekday};

use super::chance::{Chance, mood};
use super::people::{Life, Person};
use super::places::{City, Link, NEW_YORK, Spot};
use super::{Company, Plan, local_ms};

/// A working day of somebody.
#[derive(Debug)]
pub struct Shift {
    pub start_ms: i64,
    /// From and to.
    pub break_ms: (i64, i64),
    pub end_ms: i64,
    pub spot: Spot,
    /// Share of a full day's work.
    pub share: f64,
}

impl Shift {
    /// Some time at work.
    pub fn moment_ms(&self, chance: &mut Chance) -> i64 {
        let morning = self.break_ms.0 - self.start_ms;
        let afternoon = self.end_ms - self.break_ms.1;
        let at = chance.below((morning + afternoon).max(1) as u64) as i64;
        if at < morning {
            self.start_ms + at
        } else {
            self.break_ms.1 + at - morning
        }
    }
}

/// First day of the joiner.
pub fn joins(plan: &Plan) -> u32 {
    plan.days * 4 / 7
}

/// Last day of the leaver.
pub fn leaves(plan: &Plan) -> u32 {
    plan.days * 5 / 7
}

/// Weeks on call, counted back from the end: the last one, and every third before it.
pub fn on_call(plan: &Plan) -> Vec<(u32, u32)> {
    let mut weeks: Vec<(u32, u32)> = (0..)
        .map(|turn| 21 * turn)
        .take_while(|back| back + 7 <= plan.days)
        .map(|back| (plan.days - back - 7, plan.days - back - 1))
        .collect();
    weeks.reverse();
    weeks
}

/// The last two working days of a month.
pub fn is_month_end(date: NaiveDate) -> bool {
    let later = date
        .iter_days()
        .skip(1)
        .take_while(|next| next.month() == date.month());
    let working_days_left = later.filter(|next| !is_weekend(*next)).count();
    working_days_left < 2 && !is_weekend(date)
}

/// Saturday or Sunday.
pub fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

/// Where a traveller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journey {
    /// Works until noon, then flies.
    Leaving,
    /// There.
    Away(&'static City),
    /// Flies back.
    Returning,
}

impl Company {
    /// First and last day of somebody's journey: from a Tuesday to the Friday.
    pub(super) fn trip(&self, person: &Person) -> Option<(u32, u32)> {
        let Life::Traveller(city) = person.life else {
            return None;
        };
        let earliest = self.plan.days * if city == &NEW_YORK { 80 } else { 43 } / 100;
        let mut tuesdays =
            (earliest..self.plan.days).filter(|day| self.date(*day).weekday() == Weekday::Tue);
        let first = tuesdays.next()?;
        Some((first, first + 3))
    }

    fn journey(&self, person: &Person, day: u32) -> Option<Journey> {
        let Life::Traveller(city) = person.life else {
            return None;
        };
        let (first, last) = self.trip(person)?;
        match day {
            _ if day < first || last < day => None,
            _ if day == first => Some(Journey::Leaving),
            _ if day == last => Some(Journey::Returning),
            _ => Some(Journey::Away(city)),
        }
    }

    /// Whether somebody works on a day.
    fn works(&self, person: &Person, day: u32) -> bool {
        let date = self.date(day);
        let weekday = date.weekday().num_days_from_monday();
        let is_away = person
            .holiday
            .is_some_and(|(from, to)| (from..=to).contains(&day));
        let is_sick = Chance::of(
            self.plan.seed,
            "sick",
            &[u64::from(person.index), u64::from(day)],
        )
        .happens(0.02);
        if self
            .scenarios
            .iter()
            .any(|scenario| scenario.needs(person.index, day))
        {
            return weekday < 5;
        }
        let is_duty = match person.life {
            Life::PartTime(days) => days >> weekday & 1 == 1,
            // Sunday to Thursday, each night into the next day.
            Life::Night => !matches!(date.weekday(), Weekday::Fri | Weekday::Sat),
            Life::Rota => {
                weekday < 5 || (weekday == 5 && (day / 7 + person.index / 20).is_multiple_of(2))
            }
            Life::Joiner => weekday < 5 && joins(&self.plan) <= day,
            Life::Leaver => weekday < 5 && day <= leaves(&self.plan),
            Life::Traveller(_) => {
                weekday < 5 && self.journey(person, day) != Some(Journey::Returning)
            }
            Life::Office | Life::OnCall => weekday < 5,
            Life::Never => false,
        };
        is_duty && !is_away && !is_sick
    }

    /// Somebody's shift on a day.
    pub(super) fn shift(&self, person: &Person, day: u32) -> Option<Shift> {
        if !self.works(person, day) {
            return None;
        }
        let who = u64::from(person.index);
        let mut chance = Chance::of(self.plan.seed, "shift", &[who, u64::from(day)]);
        let habits = &person.habits;
        let journey = self.journey(person, day);
        let date = self.date(day);
        let city = match journey {
            Some(Journey::Away(city)) => city,
            _ => person.home,
        };
        let late = habits.spread_minutes * mood(self.plan.seed, "start", who, day).clamp(-2.5, 2.5);
        let (start, length) = match journey {
            Some(Journey::Leaving) => (habits.start_minute + late, 180.0),
            Some(Journey::Away(_)) => (540.0 + late, habits.length_minutes),
            _ if is_weekend(date) && person.life == Life::Rota => (600.0 + late, 270.0),
            _ => (
                habits.start_minute + late,
                habits.length_minutes + 12.0 * chance.normal(),
            ),
        };
        let at = |minute: f64| local_ms(date, minute, city.zone);
        let lunch = start + length * 0.42 + 8.0 * chance.normal();
        let weekday = date.weekday().num_days_from_monday();
        let goes = weekday < 5 && habits.office_days >> weekday & 1 == 1 && city.has_office();
        let link = match journey {
            Some(Journey::Away(_)) if weekday.is_multiple_of(2) => Link::Hotel,
            Some(Journey::Away(_)) => Link::Office,
            _ if goes => Link::Office,
            _ => Link::Home,
        };
        Some(Shift {
            start_ms: at(start),
            break_ms: (at(lunch), at(lunch + 40.0)),
            end_ms: at(start + length),
            spot: Spot::new(city, link, person.index, day),
            share: length / 510.0,
        })
    }
}
