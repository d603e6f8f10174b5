//! What a detector is: an order-free day, a fold of closed days, and a verdict from the two.
//!
//! Invariant: [`Runner`] alone decides which days a baseline holds. A detector never sees a day
//! later than the one it judges by, so no detector can break the order law.

mod runner;
mod slot;

pub use runner::Runner;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::company::{Frozen, Judge, Parts};
use crate::event::Row;
use crate::evidence::EventRef;
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::{Who, World};

/// One admitted event on its way into a detector.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Its columns.
    pub row: Row<'a>,
    /// The tenant's day it belongs to.
    pub day: Day,
    /// Its pane of that day.
    pub pane: u16,
    /// Judged among these; [`Stream::Company`] or [`Stream::Address`] on its way to what is known of these.
    pub stream: Stream,
    /// The acting principal; empty where the row names none.
    pub user: &'a str,
    /// Number of its origin.
    pub origin: u32,
    /// Settings and clocks.
    pub world: &'a World,
}

/// Whom a detector judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subjects {
    /// Every acting principal.
    pub users: bool,
    /// Every address that rows came from.
    pub addresses: bool,
    /// The company as a whole.
    pub company: bool,
}

impl Subjects {
    /// Every acting principal.
    pub const USERS: Subjects = Subjects {
        users: true,
        addresses: false,
        company: false,
    };
    /// The company as a whole.
    pub const COMPANY: Subjects = Subjects {
        users: false,
        addresses: false,
        company: true,
    };
    /// Every acting principal, and the company as a whole.
    pub const USERS_AND_COMPANY: Subjects = Subjects {
        users: true,
        addresses: false,
        company: true,
    };
}

/// What a person's events are known by who is to be forgotten.
pub struct Theirs<'a> {
    /// By time and id, as far as the person's own state told.
    pub events: &'a std::collections::BTreeSet<(i64, Box<str>)>,
    /// [`crate::shard::route_of`] the person's name.
    pub user: u64,
}

impl Theirs<'_> {
    /// Whether an event is theirs.
    pub fn has(&self, time: i64, uid: &str) -> bool {
        self.events.contains(&(time, uid.into()))
    }
}

/// What is left of a principal who was forgotten.
pub struct Left {
    /// The events that the company or others may show.
    pub events: Vec<EventRef>,
    /// What the open days would have taught the company and said of the principal, had they been closed.
    pub days: BTreeMap<Day, (Parts, Vec<Verdict>)>,
}

/// The circumstances of a judgement: day, principal, company.
#[derive(Debug, Clone, Copy)]
pub struct On<'a> {
    /// Settings and clocks.
    pub world: &'a World,
    /// The company's knowledge, frozen for the day.
    pub frozen: &'a Frozen,
    /// Who is judged.
    pub who: &'a Who,
}

impl On<'_> {
    /// The judge of the principal's stream; `None` while its population is unknown.
    pub fn judge(&self) -> Option<&Judge> {
        self.frozen.judge(self.who.stream)
    }
}

/// A detector's own part: what a day collects, what is learned from it, what it says.
pub trait Kind: Send + Sync + 'static {
    /// Learned from closed days.
    type Base: Default + Clone + Serialize + DeserializeOwned + Send;
    /// What one closed day teaches.
    type Summary: Clone + Serialize + DeserializeOwned + Send;
    /// An open day: merges in any order.
    type Open: Default + Serialize + DeserializeOwned + Send;
    /// What a day amounts to under its baseline: computed once for score, verdicts and closing.
    type Amount;
    /// How far a day without a verdict may grow before it has to be judged again.
    type Bars: Send;

    /// Whether surprises are calibrated against the population; not so for physics and policy.
    const STATISTICAL: bool = true;
    /// Whether the verdict of a day also reads the day before.
    const LOOKBACK: bool = false;
    /// Whom it judges.
    const SUBJECTS: Subjects = Subjects::USERS;
    /// Whether its verdict may fall again while the day goes on: told when the day is closed.
    const SEALED: bool = false;
    /// Whether a row of one of its activities counts; asked with [`Stream::Company`] and
    /// [`Stream::Address`] for these.
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool;
    /// Adds an event to its day. Commutes.
    fn observe(&self, open: &mut Self::Open, event: &Event<'_>);
    /// Adds another part of the same day; for detectors that judge the company.
    fn merge(&self, _open: &mut Self::Open, _other: Self::Open) {}
    /// The events that a day keeps as evidence; for detectors that judge users, and the company or addresses too.
    fn evidence(&self, _open: &Self::Open) -> Vec<EventRef> {
        Vec::new()
    }
    /// Takes a person's events out of a day; for detectors that judge the company or addresses. How many.
    fn erase(&self, _open: &mut Self::Open, _theirs: &Theirs<'_>) -> usize {
        0
    }
    /// Takes a person out of what was learned, where names are part of it. How many entries.
    fn erase_learned(
        &self,
        _: &mut Self::Base,
        _: &mut [(Day, Self::Summary)],
        _: &Theirs<'_>,
    ) -> usize {
        0
    }
    /// Learns a closed day.
    fn fold(&self, base: &mut Self::Base, day: Day, summary: &Self::Summary);
    /// What the day amounts to.
    fn amount(&self, judged: &Judged<'_, Self>) -> Self::Amount;
    /// The largest surprise of the day, alerting or not: what calibration is made of.
    fn score(&self, amount: &Self::Amount) -> u32;
    /// The day's verdicts.
    fn verdicts(&self, judged: &Judged<'_, Self>, amount: &Self::Amount) -> Vec<Verdict>;
    /// What can be said beside them only of a whole day, because it may fall while the day goes on.
    /// `latest` holds all days before it, which have been closed in their order.
    fn sealed_verdicts(
        &self,
        _: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        _: &Self::Amount,
    ) -> Vec<Verdict> {
        Vec::new()
    }
    /// The bars of a day that has just been judged and gave no verdict.
    fn bars(&self, judged: &Judged<'_, Self>, amount: &Self::Amount) -> Self::Bars;
    /// Whether the day has come so far that it may have a verdict now: an integer comparison, where
    /// judging takes logarithms.
    fn reaches(&self, open: &Self::Open, bars: &Self::Bars) -> bool;
    /// What the closed day teaches. `latest` holds all days before it.
    fn close(
        &self,
        judged: &Judged<'_, Self>,
        latest: Latest<'_, Self>,
        amount: Self::Amount,
        parts: &mut Parts,
    ) -> Self::Summary;
}

/// One principal's day as it is judged.
pub struct Judged<'a, K: Kind + ?Sized> {
    /// What the day is judged by.
    pub base: &'a K::Base,
    /// The day.
    pub open: &'a K::Open,
    /// The day before, for detectors that look back.
    pub before: Option<&'a K::Open>,
    /// The circumstances.
    pub on: On<'a>,
}

/// All closed days before one: a fold, and the days that are not folded yet, ascending. In two parts,
/// because most detectors need little of it.
pub struct Latest<'a, K: Kind + ?Sized> {
    /// The fold.
    pub base: &'a K::Base,
    /// The rest.
    pub pending: &'a [(Day, K::Summary)],
}

/// Frozen knowledge of the open days of one detector.
pub type FrozenDays = BTreeMap<Day, Arc<Frozen>>;

/// One day's verdicts by index of principal.
pub type Verdicts = Vec<(u32, Vec<Verdict>)>;

/// One detector in one shard, whatever its kind.
pub trait Detector: Send {
    /// See [`Kind::wants`].
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool;
    /// Adds an event of the principal with this index.
    fn observe(&mut self, entity: u32, event: &Event<'_>);
    /// See [`Kind::SUBJECTS`].
    fn subjects(&self) -> Subjects;
    /// Takes over what another detector of the same kind collected about a principal.
    fn absorb(&mut self, entity: u32, other: &mut dyn Detector);
    /// The verdicts, where there are any, of everything touched since the last call, by day.
    fn evaluate(
        &mut self,
        world: &World,
        days: &FrozenDays,
        names: &[Who],
    ) -> BTreeMap<Day, Verdicts>;
    /// Closes a day: its final verdicts and what it teaches the company.
    fn seal(
        &mut self,
        world: &World,
        day: Day,
        frozen: Option<&Frozen>,
        names: &[Who],
    ) -> (Parts, Verdicts);
    /// Gives the state of the principals that changed since the last call.
    fn dirty(&mut self, give: &mut dyn FnMut(u32, &[u8]));
    /// Puts a principal's state back; `None` when the bytes are damaged. It is decoded when it is needed.
    fn restore(&mut self, entity: u32, bytes: Vec<u8>) -> Option<()>;
    /// Judges all open days again at the next [`Detector::evaluate`]: the settings are others.
    fn touch_all(&mut self);
    /// Whether all rows that were put back, and not needed since, can be decoded.
    fn is_readable(&self) -> bool;
    /// Removes a principal; what stays, or `None` where nothing is kept. `days`: all open days.
    fn forget(
        &mut self,
        entity: u32,
        who: &Who,
        world: &World,
        days: &FrozenDays,
    ) -> Option<Left>;
    /// Takes a person's events out of all open days; how many.
    fn erase(&mut self, theirs: &Theirs<'_>) -> usize;
    /// Bytes that the state of all principals takes when stored.
    fn stored_bytes(&self) -> usize;
    /// Itself, for [`Detector::absorb`].
    fn as_any(&mut self) -> &mut dyn Any;
}
