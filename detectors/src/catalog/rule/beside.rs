//! A rule with something counted beside it, per principal or for the company: one detector of both.
//!
//! Invariant: what is counted merges in any order; what may fall as it grows is said only of whole days.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Known, Open, Rule, Ruled, Taught};
use crate::company::Parts;
use crate::detector::{Event, Judged, Kind, Latest, On, Subjects, Theirs};
use crate::event::Row;
use crate::evidence::EventRef;
use crate::time::Day;
use crate::verdict::{Stream, Verdict};

/// What is counted beside a rule.
pub trait Counted: Send + Sync + 'static {
    /// Learned from closed days.
    type Base: Default + Clone + Serialize + DeserializeOwned + Send;
    /// An open day: merges in any order.
    type Day: Default + Serialize + DeserializeOwned + Send;
    /// What a closed day teaches.
    type Lesson: Clone + Serialize + DeserializeOwned + Send;

    /// Whether it is counted of the company, and not of each principal.
    const OF_COMPANY: bool = false;

    /// Whether a row counts.
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool;
    /// Adds an event.
    fn add(&self, day: &mut Self::Day, event: &Event<'_>);
    /// Adds another part of the company's day.
    fn merge(&self, _day: &mut Self::Day, _other: Self::Day) {}
    /// The events that a day keeps as evidence.
    fn evidence(&self, _day: &Self::Day) -> Vec<EventRef> {
        Vec::new()
    }
    /// Takes a person's events out of the company's day; how many.
    fn erase(&self, _day: &mut Self::Day, _theirs: &Theirs<'_>) -> usize {
        0
    }
    /// Grows with every event.
    fn grown(&self, day: &Self::Day) -> u64;
    /// Learns a closed day.
    fn fold(&self, base: &mut Self::Base, day: Day, lesson: &Self::Lesson);
    /// What can be said at once.
    fn eager(&self, _day: &Self::Day, _on: On<'_>) -> Vec<Verdict> {
        Vec::new()
    }
    /// What can be said of a whole day only.
    fn sealed(&self, _base: &Self::Base, _day: &Self::Day, _on: On<'_>) -> Vec<Verdict> {
        Vec::new()
    }
    /// What a closed day teaches, and what it tells the company.
    fn close(
        &self,
        base: &Self::Base,
        day: &Self::Day,
        on: On<'_>,
        parts: &mut Parts,
    ) -> Self::Lesson;
}

/// A rule and what is counted beside it.
pub struct Beside<R, C> {
    rule: Ruled<R>,
    counted: C,
}

impl<R, C> Beside<R, C> {
    /// Both as one detector.
    pub fn new(rule: R, counted: C) -> Self {
        Beside {
            rule: Ruled(rule),
            counted,
        }
    }
}

impl<R: Rule, C: Counted> Kind for Beside<R, C> {
    type Base = (Known, C::Base);
    type Summary = (Taught, C::Lesson);
    type Open = (Open, C::Day);
    type Amount = Vec<Verdict>;
    type Bars = (u32, u64);

    const STATISTICAL: bool = false;
    const SUBJECTS: Subjects = if C::OF_COMPANY {
        Subjects::USERS_AND_COMPANY
    } else {
        Subjects::USERS
    };

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        let is_company = stream == Stream::Company;
        let is_counted = is_company == C::OF_COMPANY && self.counted.wants(row, stream);
        is_counted || !is_company && self.rule.wants(row, stream)
    }

    fn observe(&self, (open, day): &mut Self::Open, event: &Event<'_>) {
        let is_company = event.stream == Stream::Company;
        if is_company == C::OF_COMPANY && self.counted.wants(&event.row, event.stream) {
            self.counted.add(day, event);
        }
        if !is_company {
            self.rule.observe(open, event);
        }
    }

    fn merge(&self, (_, day): &mut Self::Open, (_, other): Self::Open) {
        self.counted.merge(day, other);
    }

    fn evidence(&self, (open, day): &Self::Open) -> Vec<EventRef> {
        let mut events = self.rule.evidence(open);
        events.extend(self.counted.evidence(day));
        events
    }

    fn erase(&self, (_, day): &mut Self::Open, theirs: &Theirs<'_>) -> usize {
        self.counted.erase(day, theirs)
    }

    fn fold(&self, (known, base): &mut Self::Base, day: Day, (taught, lesson): &Self::Summary) {
        known.fold(day, taught);
        self.counted.fold(base, day, lesson);
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<Verdict> {
        let ((known, _), (open, day), on) = (judged.base, judged.open, judged.on);
        let mut said = self.rule.say(known, open, on);
        said.extend(self.counted.eager(day, on));
        said
    }

    fn score(&self, _: &Vec<Verdict>) -> u32 {
        0
    }

    fn verdicts(&self, _: &Judged<'_, Self>, said: &Vec<Verdict>) -> Vec<Verdict> {
        said.clone()
    }

    fn sealed_verdicts(
        &self,
        judged: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        _: &Vec<Verdict>,
    ) -> Vec<Verdict> {
        let ((_, base), (_, day)) = (judged.base, judged.open);
        self.counted.sealed(base, day, judged.on)
    }

    fn bars(&self, judged: &Judged<'_, Self>, _: &Vec<Verdict>) -> (u32, u64) {
        let (open, day) = judged.open;
        (open.changes(), self.counted.grown(day))
    }

    fn reaches(&self, (open, day): &Self::Open, bars: &(u32, u64)) -> bool {
        (open.changes(), self.counted.grown(day)) != *bars
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        said: Vec<Verdict>,
        parts: &mut Parts,
    ) -> Self::Summary {
        let ((known, base), (open, day), on) = (judged.base, judged.open, judged.on);
        let lesson = self.counted.close(base, day, on, parts);
        (self.rule.teach(known, open, on, &said, parts), lesson)
    }
}
