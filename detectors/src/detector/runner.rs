//! Runs one kind of detector over the principals of one shard.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Detector, Event, FrozenDays, Judged, Kind, Latest, On, Verdicts};
use crate::company::{Frozen, Parts};
use crate::event::Row;
use crate::evidence::EventRef;
use crate::time::Day;
use crate::verdict::Stream;
use crate::world::{Who, World};

/// All that is kept of one principal.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Slot<K: Kind> {
    /// Fold of the oldest closed days.
    base: K::Base,
    /// Closed days that some open day's baseline must not hold yet, ascending.
    pending: Vec<(Day, K::Summary)>,
    /// Open days, ascending.
    open: Vec<(Day, K::Open)>,
    /// The last closed day, for kinds that look back.
    before: Option<(Day, K::Open)>,
    #[serde(skip)]
    dirty: bool,
    #[serde(skip)]
    touched: Option<Day>,
}

impl<K: Kind> Default for Slot<K> {
    fn default() -> Self {
        Slot {
            base: K::Base::default(),
            pending: Vec::new(),
            open: Vec::new(),
            before: None,
            dirty: false,
            touched: None,
        }
    }
}

impl<K: Kind> Slot<K> {
    /// The fold of the days up to `through`.
    fn baseline(&self, kind: &K, through: Day) -> Cow<'_, K::Base> {
        let mut base = Cow::Borrowed(&self.base);
        for (day, summary) in self.pending.iter().filter(|(day, _)| *day <= through) {
            kind.fold(base.to_mut(), *day, summary);
        }
        base
    }

    /// Folds for good the days that every open day may see.
    fn settle(&mut self, kind: &K, through: Day) {
        let settled = self.pending.partition_point(|(day, _)| *day <= through);
        for (day, summary) in self.pending.drain(..settled) {
            kind.fold(&mut self.base, day, &summary);
        }
    }

    fn open_at(&mut self, day: Day) -> (&mut K::Open, bool) {
        let place = self.open.partition_point(|(known, _)| *known < day);
        let new = self.open.get(place).is_none_or(|(known, _)| *known != day);
        if new {
            self.open.insert(place, (day, K::Open::default()));
        }
        (&mut self.open[place].1, new)
    }

    fn day(&self, day: Day) -> Option<&K::Open> {
        let closed = self.before.as_ref().filter(|(known, _)| *known == day);
        let open = self.open.iter().find(|(known, _)| *known == day);
        open.or(closed).map(|(_, open)| open)
    }
}

/// One detector over the principals of one shard.
pub struct Runner<K: Kind> {
    kind: Arc<K>,
    /// k of this detector.
    lag: i32,
    slots: Vec<Option<Box<Slot<K>>>>,
    /// Principals with an open day.
    active: BTreeMap<Day, Vec<u32>>,
    /// Principals whose closed day is kept for the day after.
    kept: BTreeMap<Day, Vec<u32>>,
    touched: Vec<(Day, u32)>,
    dirty: Vec<u32>,
    /// The company's share of the events since the last [`Detector::absorb`].
    company: BTreeMap<Day, K::Open>,
}

impl<K: Kind> Runner<K> {
    /// An empty runner. `lag`: the baseline of day d holds the days up to d - lag.
    pub fn new(kind: Arc<K>, lag: i32) -> Self {
        Runner {
            kind,
            lag,
            slots: Vec::new(),
            active: BTreeMap::new(),
            kept: BTreeMap::new(),
            touched: Vec::new(),
            dirty: Vec::new(),
            company: BTreeMap::new(),
        }
    }

    /// Applies a change to a principal's open day and keeps the books about it.
    fn change(&mut self, entity: u32, day: Day, change: impl FnOnce(&K, &mut K::Open)) {
        let index = entity as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        let slot = self.slots[index].get_or_insert_default();
        let (open, new) = slot.open_at(day);
        change(&self.kind, open);
        if new {
            self.active.entry(day).or_default().push(entity);
        }
        if slot.touched != Some(day) {
            slot.touched = Some(day);
            self.touched.push((day, entity));
        }
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(entity);
        }
    }

    fn slot(&self, entity: u32) -> Option<&Slot<K>> {
        self.slots.get(entity as usize)?.as_deref()
    }

    fn forget_day_before(&mut self, day: Day) {
        let kept = self.kept.split_off(&day);
        for entity in std::mem::replace(&mut self.kept, kept)
            .into_values()
            .flatten()
        {
            let Some(slot) = self.slots.get_mut(entity as usize).and_then(Option::as_mut) else {
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
}

impl<K: Kind> Detector for Runner<K> {
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        self.kind.wants(row, stream)
    }

    fn observe(&mut self, entity: u32, event: &Event<'_>) {
        self.change(entity, event.day, |kind, open| kind.observe(open, event));
        if K::COMPANY {
            self.kind
                .observe(self.company.entry(event.day).or_default(), event);
        }
    }

    fn absorb(&mut self, entity: u32, other: &mut dyn Detector) {
        let other = other
            .as_any()
            .downcast_mut::<Self>()
            .expect("shards run the same catalog");
        for (day, part) in std::mem::take(&mut other.company) {
            self.change(entity, day, |kind, open| kind.merge(open, part));
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
        if K::LOOKBACK {
            // What happened on a day may complete a verdict of the day after.
            touched.extend(
                touched
                    .clone()
                    .iter()
                    .map(|(day, entity)| (day + 1, *entity)),
            );
        }
        touched.sort_unstable();
        touched.dedup();
        for (day, entity) in touched {
            let index = entity as usize;
            if let Some(slot) = self.slots[index].as_mut() {
                slot.touched = None;
            }
            let (Some(slot), Some(frozen)) = (self.slot(entity), days.get(&day)) else {
                continue;
            };
            let Some((_, open)) = slot.open.iter().find(|(known, _)| *known == day) else {
                continue;
            };
            let on = On {
                world,
                frozen,
                who: &names[index],
            };
            let base = slot.baseline(&self.kind, frozen.through);
            let judged = Judged {
                base: &*base,
                open,
                before: slot.day(day - 1),
                on,
            };
            let verdicts = self.kind.verdicts(&judged, &self.kind.amount(&judged));
            out.entry(day).or_default().push((entity, verdicts));
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
        let lag = self.lag;
        for entity in &active {
            let Some(slot) = self.slots[*entity as usize].as_deref_mut() else {
                continue;
            };
            let frozen = frozen.expect("a day with events was opened");
            let on = On {
                world,
                frozen,
                who: &names[*entity as usize],
            };
            let stream = on.who.stream;
            let place = slot.open.iter().position(|(known, _)| *known == day);
            let open = &slot.open[place.expect("an active principal has the day open")].1;
            let base = slot.baseline(&self.kind, frozen.through);
            let judged = Judged {
                base: &*base,
                open,
                before: slot.day(day - 1),
                on,
            };
            let amount = self.kind.amount(&judged);
            *parts.active.entry(stream).or_default() += 1;
            if K::STATISTICAL && on.judge().is_some() {
                parts.verdict(stream, self.kind.score(&amount));
            }
            let said = self.kind.verdicts(&judged, &amount);
            if !said.is_empty() {
                verdicts.push((*entity, said));
            }
            let latest = Latest {
                base: &slot.base,
                pending: &slot.pending,
            };
            let summary = self.kind.close(&judged, latest, amount, &mut parts);
            let closed = slot.open.remove(place.unwrap_or_default());
            slot.pending.push((day, summary));
            slot.settle(&self.kind, day + 1 - lag);
            if K::LOOKBACK {
                slot.before = Some(closed);
            }
            if !slot.dirty {
                slot.dirty = true;
                self.dirty.push(*entity);
            }
        }
        if K::LOOKBACK {
            self.forget_day_before(day);
            self.kept.insert(day, active);
        }
        (parts, verdicts)
    }

    fn dirty(&mut self) -> Vec<(u32, Vec<u8>)> {
        let mut out = Vec::new();
        for entity in std::mem::take(&mut self.dirty) {
            if let Some(slot) = self.slots[entity as usize].as_deref_mut() {
                slot.dirty = false;
                let bytes = postcard::to_allocvec(&*slot).expect("state is plain data");
                out.push((entity, bytes));
            }
        }
        out
    }

    fn restore(&mut self, entity: u32, bytes: &[u8]) -> Result<(), postcard::Error> {
        let slot: Slot<K> = postcard::from_bytes(bytes)?;
        for (day, _) in &slot.open {
            self.active.entry(*day).or_default().push(entity);
            self.touched.push((*day, entity));
        }
        if let Some((day, _)) = &slot.before {
            self.kept.entry(*day).or_default().push(entity);
        }
        let index = entity as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(Box::new(slot));
        Ok(())
    }

    fn forget(&mut self, entity: u32) -> Option<Vec<Arc<EventRef>>> {
        let slot = self.slots.get_mut(entity as usize)?.take()?;
        let days = slot.open.iter().chain(&slot.before);
        Some(
            days.flat_map(|(_, open)| self.kind.evidence(open))
                .collect(),
        )
    }

    fn erase(&mut self, is_theirs: &dyn Fn(&EventRef) -> bool) -> usize {
        let mut erased = 0;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            for (day, open) in slot.open.iter_mut().chain(&mut slot.before) {
                let here = self.kind.erase(open, is_theirs);
                if here == 0 {
                    continue;
                }
                erased += here;
                self.touched.push((*day, index as u32));
                if !slot.dirty {
                    slot.dirty = true;
                    self.dirty.push(index as u32);
                }
            }
        }
        erased
    }

    fn stored_bytes(&self) -> usize {
        let size = |slot: &Slot<K>| postcard::to_allocvec(slot).map_or(0, |bytes| bytes.len());
        self.slots.iter().flatten().map(|slot| size(slot)).sum()
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
