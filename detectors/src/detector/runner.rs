//! Runs one kind of detector over the principals of one shard.
//!
//! Invariant: a principal without an open day is not touched, whatever is opened or closed.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::slot::{Head, Slot};
use super::{
    Detector, Event, FrozenDays, Judged, Kind, Latest, Left, On, Subjects, Theirs, Verdicts,
};
use crate::company::{Frozen, Parts};
use crate::event::Row;
use crate::time::Day;
use crate::verdict::{Stream, Verdict};
use crate::world::{Who, World};

/// Where a principal's state is.
enum Place<K: Kind> {
    Nowhere,
    /// As it was read back, whole and not yet needed.
    Stored(Box<[u8]>),
    Live(Box<Slot<K>>),
}

/// The principals of one detector, by index.
struct Places<K: Kind>(Vec<Place<K>>);

impl<K: Kind> Places<K> {
    /// A principal's state, made when there is none.
    fn at(&mut self, entity: u32) -> &mut Slot<K> {
        let place = self.place(entity);
        if let Place::Nowhere = place {
            *place = Place::Live(Box::default());
        }
        self.known(entity).expect("it was made")
    }

    /// A principal's state, decoded when it was not yet.
    fn known(&mut self, entity: u32) -> Option<&mut Slot<K>> {
        let place = self.0.get_mut(entity as usize)?;
        if let Place::Stored(row) = place {
            let slot = Slot::decode(row).expect("a row with a right checksum is one of ours");
            *place = Place::Live(Box::new(slot));
        }
        match place {
            Place::Live(slot) => Some(slot),
            _ => None,
        }
    }

    fn place(&mut self, entity: u32) -> &mut Place<K> {
        let index = entity as usize;
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || Place::Nowhere);
        }
        &mut self.0[index]
    }
}

/// One detector over the principals of one shard.
pub struct Runner<K: Kind> {
    kind: Arc<K>,
    /// k of this detector.
    lag: i32,
    places: Places<K>,
    /// Principals with an open day.
    active: BTreeMap<Day, Vec<u32>>,
    /// Principals whose closed day is kept for the day after.
    kept: BTreeMap<Day, Vec<u32>>,
    touched: Vec<(Day, u32)>,
    dirty: Vec<u32>,
    /// The last day closed here.
    closed: Option<Day>,
}

impl<K: Kind> Runner<K> {
    /// An empty runner. `lag`: the baseline of day d holds the days up to d - lag.
    pub fn new(kind: Arc<K>, lag: i32) -> Self {
        Runner {
            kind,
            lag,
            places: Places(Vec::new()),
            active: BTreeMap::new(),
            kept: BTreeMap::new(),
            touched: Vec::new(),
            dirty: Vec::new(),
            closed: None,
        }
    }

    /// What was learned of a principal from all closed days.
    pub fn learned(&mut self, entity: u32) -> Option<K::Base> {
        let kind = self.kind.clone();
        let slot = self.places.known(entity)?;
        Some(slot.baseline(&kind, Day::MAX).into_owned())
    }

    /// Applies a change to a principal's open day and keeps the books about it.
    fn change(&mut self, entity: u32, day: Day, change: impl FnOnce(&K, &mut K::Open)) {
        let slot = self.places.at(entity);
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(entity);
        }
        let (open, new) = slot.open_at(day);
        change(&self.kind, &mut open.open);
        if !open.touched {
            open.touched = true;
            self.touched.push((day, entity));
        }
        if new {
            self.active.entry(day).or_default().push(entity);
        }
    }

    fn forget_day_before(&mut self, day: Day) {
        let kept = self.kept.split_off(&day);
        let past = std::mem::replace(&mut self.kept, kept);
        for entity in past.into_values().flatten() {
            let Some(slot) = self.places.known(entity) else {
                continue;
            };
            if slot.before.as_ref().is_some_and(|(known, _)| *known < day) {
                slot.before = None;
                if !slot.dirty {
                    slot.dirty = true;
                    self.dirty.push(entity);
                }
            }
        }
    }

    /// The verdicts of one open day, unless it is below its bars.
    fn judge(&mut self, entity: u32, day: Day, on: On<'_>) -> Vec<Verdict> {
        let (kind, lag) = (&*self.kind, self.lag);
        let Some(slot) = self.places.known(entity) else {
            return Vec::new();
        };
        let Some(place) = slot.open.iter().position(|open| open.day == day) else {
            return Vec::new();
        };
        let open = &mut slot.open[place];
        open.touched = false;
        if let Some(bars) = &open.bars
            && !kind.reaches(&open.open, bars)
        {
            return Vec::new();
        }
        if let Some(closed) = self.closed {
            slot.settle(kind, closed + 1 - lag);
        }
        let base = slot.baseline(kind, on.frozen.through);
        let judged = Judged {
            base: &*base,
            open: &slot.open[place].open,
            before: slot.day(day - 1),
            on,
        };
        let amount = kind.amount(&judged);
        let verdicts = kind.verdicts(&judged, &amount);
        let bars = verdicts.is_empty().then(|| kind.bars(&judged, &amount));
        slot.open[place].bars = bars;
        verdicts
    }

    /// Closes a principal's day: its final verdicts; what it teaches the company goes into `parts`.
    fn close(&mut self, entity: u32, day: Day, on: On<'_>, parts: &mut Parts) -> Vec<Verdict> {
        let (kind, lag) = (&*self.kind, self.lag);
        let Some(slot) = self.places.known(entity) else {
            return Vec::new();
        };
        let Some(place) = slot.open.iter().position(|open| open.day == day) else {
            return Vec::new();
        };
        // Days are closed in order: no open day is before this one.
        slot.settle(kind, day - lag);
        let base = slot.baseline(kind, on.frozen.through);
        let judged = Judged {
            base: &*base,
            open: &slot.open[place].open,
            before: slot.day(day - 1),
            on,
        };
        let amount = kind.amount(&judged);
        *parts.active.entry(on.who.stream).or_default() += 1;
        if K::STATISTICAL
            && let Some(judge) = on.judge()
        {
            let score = kind.score(&amount);
            parts.verdict(on.who.stream, score);
            parts.judged(on.who.stream, judge.p(score));
        }
        let mut said = kind.verdicts(&judged, &amount);
        let latest = || Latest {
            base: &slot.base,
            pending: &slot.pending,
        };
        said.extend(kind.sealed_verdicts(&judged, latest(), &amount));
        let summary = kind.close(&judged, latest(), amount, parts);
        let closed = slot.open.remove(place);
        slot.pending.push((day, summary));
        slot.settle(kind, day + 1 - lag);
        if K::LOOKBACK {
            slot.before = Some((day, closed.open));
        }
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(entity);
        }
        said
    }
}

impl<K: Kind> Detector for Runner<K> {
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        self.kind.wants(row, stream)
    }

    fn observe(&mut self, entity: u32, event: &Event<'_>) {
        self.change(entity, event.day, |kind, open| kind.observe(open, event));
    }

    fn subjects(&self) -> Subjects {
        K::SUBJECTS
    }

    fn absorb(&mut self, entity: u32, other: &mut dyn Detector) {
        let other = other
            .as_any()
            .downcast_mut::<Self>()
            .expect("all shards run the same catalog");
        let (kind, lag) = (other.kind.clone(), other.lag);
        let mut other = std::mem::replace(other, Runner::new(kind, lag));
        let Some(slot) = other.places.known(entity) else {
            return;
        };
        for part in std::mem::take(&mut slot.open) {
            self.change(entity, part.day, |kind, open| kind.merge(open, part.open));
        }
    }

    fn evaluate(
        &mut self,
        world: &World,
        days: &FrozenDays,
        names: &[Who],
    ) -> BTreeMap<Day, Verdicts> {
        let mut out = BTreeMap::<Day, Verdicts>::new();
        let mut touched = std::mem::take(&mut self.touched);
        if K::SEALED {
            return out;
        }
        if K::LOOKBACK {
            // What happened on a day may complete a verdict of the day after.
            touched.extend_from_within(..);
            let half = touched.len() / 2;
            for (day, _) in &mut touched[half..] {
                *day += 1;
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for (day, entity) in touched {
            let Some(frozen) = days.get(&day) else {
                continue;
            };
            let on = On {
                world,
                frozen,
                who: &names[entity as usize],
            };
            let verdicts = self.judge(entity, day, on);
            if !verdicts.is_empty() {
                out.entry(day).or_default().push((entity, verdicts));
            }
        }
        out
    }

    fn seal(
        &mut self,
        world: &World,
        day: Day,
        frozen: Option<&Frozen>,
        names: &[Who],
    ) -> (Parts, Verdicts) {
        let (mut parts, mut verdicts) = (Parts::default(), Verdicts::new());
        let active = self.active.remove(&day).unwrap_or_default();
        self.closed = Some(day);
        for entity in &active {
            let on = On {
                world,
                frozen: frozen.expect("a day with events was opened"),
                who: &names[*entity as usize],
            };
            let said = self.close(*entity, day, on, &mut parts);
            if !said.is_empty() {
                verdicts.push((*entity, said));
            }
        }
        if K::LOOKBACK {
            self.forget_day_before(day);
            self.kept.insert(day, active);
        }
        (parts, verdicts)
    }

    fn dirty(&mut self, give: &mut dyn FnMut(u32, &[u8])) {
        let mut row = Vec::new();
        for entity in std::mem::take(&mut self.dirty) {
            if let Some(slot) = self.places.known(entity) {
                slot.dirty = false;
                slot.encode(&mut row);
                give(entity, &row);
            }
        }
    }

    fn restore(&mut self, entity: u32, bytes: Vec<u8>) -> Option<()> {
        let head = Head::of(&bytes)?;
        for (day, is_quiet) in head.open {
            self.active.entry(day).or_default().push(entity);
            if !is_quiet {
                self.touched.push((day, entity));
            }
        }
        if let Some(day) = head.before {
            self.kept.entry(day).or_default().push(entity);
        }
        *self.places.place(entity) = Place::Stored(bytes.into_boxed_slice());
        Some(())
    }

    fn touch_all(&mut self) {
        let all = self.active.iter();
        let all = all.flat_map(|(day, active)| active.iter().map(|entity| (*day, *entity)));
        self.touched = all.collect();
    }

    fn is_readable(&self) -> bool {
        self.places.0.iter().all(|place| match place {
            Place::Stored(row) => Slot::<K>::decode(row).is_some(),
            _ => true,
        })
    }

    fn forget(
        &mut self,
        entity: u32,
        who: &Who,
        world: &World,
        days: &FrozenDays,
    ) -> Option<Left> {
        let slot = self.places.known(entity)?;
        let open = slot.open.iter().map(|open| &open.open);
        let all = open.chain(slot.before.iter().map(|(_, open)| open));
        let mut left = Left {
            events: all.flat_map(|open| self.kind.evidence(open)).collect(),
            days: BTreeMap::new(),
        };
        for (day, frozen) in days {
            let on = On { world, frozen, who };
            let mut parts = Parts::default();
            let said = self.close(entity, *day, on, &mut parts);
            if !parts.is_empty() {
                left.days.insert(*day, (parts, said));
            }
        }
        *self.places.place(entity) = Place::Nowhere;
        Some(left)
    }

    fn erase(&mut self, theirs: &Theirs<'_>) -> usize {
        let mut erased = 0;
        for entity in 0..self.places.0.len() as u32 {
            let Some(slot) = self.places.known(entity) else {
                continue;
            };
            let mut here = self
                .kind
                .erase_learned(&mut slot.base, &mut slot.pending, theirs);
            for open in &mut slot.open {
                let of_day = self.kind.erase(&mut open.open, theirs);
                if 0 < of_day {
                    here += of_day;
                    (open.bars, open.touched) = (None, true);
                    self.touched.push((open.day, entity));
                }
            }
            if let Some((_, open)) = &mut slot.before {
                here += self.kind.erase(open, theirs);
            }
            if 0 < here && !slot.dirty {
                slot.dirty = true;
                self.dirty.push(entity);
            }
            erased += here;
        }
        erased
    }

    fn stored_bytes(&self) -> usize {
        let mut row = Vec::new();
        let mut size = |place: &Place<K>| match place {
            Place::Nowhere => 0,
            Place::Stored(row) => row.len(),
            Place::Live(slot) => {
                slot.encode(&mut row);
                row.len()
            }
        };
        self.places.0.iter().map(&mut size).sum()
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
