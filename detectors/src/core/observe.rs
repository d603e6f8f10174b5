//! Rows in: each worker takes the rows of its shards; nothing is shared but the batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Core;
use crate::alert::Alert;
use crate::assemble::Claims;
use crate::detector::Detector;
use crate::event::{Events, SchemaError};
use crate::origin::Origins;
use crate::shard::{Prepared, SHARDS, Shard, Tally, Worker, route, shard_of};
use crate::time::Day;
use crate::verdict::Stream;
use crate::world::{Who, World};

impl Core {
    /// Takes rows in. Every row's day must be ready; late rows are left to policy detectors.
    ///
    /// # Errors
    /// When a batch is not one of canonical events; nothing of it is taken then.
    pub fn observe(&mut self, batches: &[RecordBatch]) -> Result<(), SchemaError> {
        let prepared: Vec<Prepared<'_>> = batches
            .iter()
            .map(|batch| prepare(&self.world, &mut self.origins, batch))
            .collect::<Result<_, _>>()?;
        let mut days: Vec<Day> = prepared.iter().flat_map(|p| &p.days).copied().collect();
        days.sort_unstable();
        days.dedup();
        for day in days {
            self.open(day);
        }
        let sealed = self.sealed();
        let tallies = self.spread(&prepared, &sealed);
        for (source, tally) in tallies {
            add_up(&mut self.tallies, &source, tally);
        }
        Ok(())
    }

    /// Gives each worker its shards and their rows.
    fn spread(
        &mut self,
        batches: &[Prepared<'_>],
        sealed: &[Option<Day>],
    ) -> BTreeMap<Arc<str>, Tally> {
        let (world, readers) = (&self.world, &self.readers);
        let by_shard = ByShard::new(batches);
        let work = |shards: &mut [Shard], first: usize, mut worker: Worker<'_>| {
            let no_tallies = |batch: &Prepared<'_>| vec![Tally::default(); batch.origins.len()];
            let mut by_origin: Vec<Vec<Tally>> = batches.iter().map(no_tallies).collect();
            for (place, shard) in shards.iter_mut().enumerate() {
                for (_, number, row) in by_shard.of(first + place) {
                    let (tallies, batch) =
                        (&mut by_origin[*number as usize], &batches[*number as usize]);
                    let row = *row as usize;
                    let tally = &mut tallies[usize::from(batch.origin_of[row])];
                    let event = batch.events.row(row);
                    if event.late() {
                        tally.late += 1;
                        continue;
                    }
                    let readers = &readers[event.activity() as usize];
                    shard.observe(&mut worker, batch, (*number, row as u32), readers, tally);
                }
            }
            let mut sums = BTreeMap::new();
            for (batch, tallies) in batches.iter().zip(by_origin) {
                for ((_, source), tally) in batch.origins.iter().zip(tallies) {
                    add_up(&mut sums, source, tally);
                }
            }
            (sums, worker.by_address)
        };
        let (shards, company) = self.shards.split_at_mut(SHARDS);
        let company = &mut company[0];
        let entity = company.entity(Stream::Company, &world.settings.tenant);
        let worker = |detectors| Worker {
            world,
            sealed,
            entity,
            detectors,
            by_address: Vec::new(),
        };
        if self.threads == 1 {
            let (sums, by_address) = work(shards, 0, worker(&mut company.detectors));
            self.spread_addresses(batches, sealed, by_address);
            return sums;
        }
        let each = SHARDS.div_ceil(self.threads);
        let mut wholes = self.wholes.iter_mut();
        let results: Vec<_> = std::thread::scope(|scope| {
            let work = &work;
            let first: &mut [Box<dyn Detector>] = &mut company.detectors;
            let wholes = std::iter::once(first).chain(wholes.by_ref().map(Vec::as_mut_slice));
            let handles: Vec<_> = shards
                .chunks_mut(each)
                .enumerate()
                .zip(wholes)
                .map(|((n, chunk), detectors)| {
                    let worker = worker(detectors);
                    scope.spawn(move || work(chunk, n * each, worker))
                })
                .collect();
            handles
                .into_iter()
                .map(|h| h.join().expect("a worker panicked"))
                .collect()
        });
        // What the workers saw of the company is put together.
        for (index, mine) in company.detectors.iter_mut().enumerate() {
            if mine.subjects().company {
                for theirs in &mut self.wholes {
                    mine.absorb(entity, theirs[index].as_mut());
                }
            }
        }
        let (mut sums, mut by_address) = (BTreeMap::new(), Vec::new());
        for (tallies, rows) in results {
            for (source, tally) in tallies {
                add_up(&mut sums, &source, tally);
            }
            by_address.extend(rows);
        }
        self.spread_addresses(batches, sealed, by_address);
        sums
    }

    /// The second stage: what was admitted goes on to the shards of its addresses.
    fn spread_addresses(
        &mut self,
        batches: &[Prepared<'_>],
        sealed: &[Option<Day>],
        mut rows: Vec<(u64, u32, u32)>,
    ) {
        // Rows of an address follow each other.
        rows.sort_unstable();
        for (route, number, row) in rows {
            let batch = &batches[number as usize];
            let readers = &self.readers[batch.events.row(row as usize).activity() as usize];
            let shard = &mut self.shards[shard_of(route)];
            shard.observe_address(&self.world, sealed, batch, row, readers);
        }
    }

    /// The verdicts of what was touched, by detector and day. All threads judge; in the end the order of the shards
    /// does not matter, since a principal is in one of them.
    fn evaluate(&mut self) -> Vec<(usize, Day, Claims)> {
        let (world, frozen) = (&self.world, &self.frozen);
        let of_shard = |shard: &mut Shard| {
            let names: &[Who] = &shard.names;
            let mut all = Vec::new();
            for (index, detector) in shard.detectors.iter_mut().enumerate() {
                for (day, verdicts) in detector.evaluate(world, &frozen[index], names) {
                    let named = verdicts.into_iter();
                    let named = named.map(|(entity, said)| (names[entity as usize].clone(), said));
                    all.push((index, day, named.collect()));
                }
            }
            all
        };
        if self.threads == 1 {
            return self.shards.iter_mut().flat_map(of_shard).collect();
        }
        let each = self.shards.len().div_ceil(self.threads);
        std::thread::scope(|scope| {
            let of_shard = &of_shard;
            let chunks = self.shards.chunks_mut(each);
            let handles: Vec<_> = chunks
                .map(|chunk| {
                    let work = move || chunk.iter_mut().flat_map(of_shard).collect::<Vec<_>>();
                    scope.spawn(work)
                })
                .collect();
            let done = handles.into_iter();
            done.flat_map(|h| h.join().expect("a worker panicked"))
                .collect()
        })
    }

    /// The alerts of open days that may have changed since the last call: eager verdicts, published
    /// the moment they are crossed. All alerts of a day and detector come together.
    pub fn changes(&mut self) -> Vec<(&'static str, Day, Vec<Alert>)> {
        let mut changed = Vec::new();
        for (index, day, said) in self.evaluate() {
            self.claims.entry((index, day)).or_default().extend(said);
            changed.push((index, day));
        }
        changed.sort_unstable();
        changed.dedup();
        let assemble = |(index, day): (usize, Day)| {
            let frozen = self.frozen_day(index, day)?;
            let claims = self.claims.get(&(index, day))?;
            let alerts = self.assembler(index).alerts(frozen, claims);
            Some((self.detectors[index].entry.name, day, alerts))
        };
        changed.into_iter().filter_map(assemble).collect()
    }
}

fn prepare<'a>(
    world: &World,
    origins: &mut Origins,
    batch: &'a RecordBatch,
) -> Result<Prepared<'a>, SchemaError> {
    let events = Events::new(batch)?;
    let (mut day, mut end) = (Day::MIN, i64::MIN);
    let (mut start, mut days) = (i64::MAX, Vec::new());
    let mut rows = Vec::with_capacity(events.len());
    for row in events.rows() {
        let time = row.time();
        if time < start || end <= time {
            day = world.calendar.day(time);
            (start, end) = (world.calendar.start(day), world.calendar.end(day));
            days.push(day);
        }
        rows.push((day, route(world.seed, row)));
    }
    let (origins, origin_of) = number_origins(&events, origins);
    Ok(Prepared {
        events,
        rows,
        days,
        origins,
        origin_of,
    })
}

/// The origins of the rows: number and source of each, and which of them a row has.
fn number_origins(events: &Events<'_>, all: &mut Origins) -> (Vec<(u32, Arc<str>)>, Vec<u16>) {
    let mut known: Vec<(i16, i32, i8)> = Vec::new();
    let mut origins = Vec::new();
    let mut origin_of = Vec::with_capacity(events.len());
    let mut last = 0;
    for row in events.rows() {
        let keys = row.origin_keys();
        if known.get(last) != Some(&keys) {
            let place = known.iter().rposition(|known| *known == keys);
            last = place.unwrap_or(known.len());
            if place.is_none() {
                known.push(keys);
                let number = all.number(row.source(), row.origin(), row.format());
                origins.push((number, row.source().into()));
            }
        }
        origin_of.push(last as u16);
    }
    (origins, origin_of)
}

/// The rows of all batches by shard, and within it by route, so that the rows of a principal follow
/// each other and find its state near.
struct ByShard {
    /// (route, batch, row)
    rows: Vec<(u64, u32, u32)>,
    /// Where the rows of each shard begin, and the end.
    starts: [usize; SHARDS + 1],
}

impl ByShard {
    fn new(batches: &[Prepared<'_>]) -> Self {
        let mut starts = [0; SHARDS + 1];
        for (_, route) in batches.iter().flat_map(|batch| &batch.rows) {
            starts[shard_of(*route) + 1] += 1;
        }
        for shard in 0..SHARDS {
            starts[shard + 1] += starts[shard];
        }
        let mut next = starts;
        let mut rows = vec![(0, 0, 0); starts[SHARDS]];
        for (number, batch) in batches.iter().enumerate() {
            for (row, (_, route)) in batch.rows.iter().enumerate() {
                let place = &mut next[shard_of(*route)];
                rows[*place] = (*route, number as u32, row as u32);
                *place += 1;
            }
        }
        for shard in 0..SHARDS {
            rows[starts[shard]..starts[shard + 1]].sort_unstable();
        }
        ByShard { rows, starts }
    }

    fn of(&self, shard: usize) -> &[(u64, u32, u32)] {
        &self.rows[self.starts[shard]..self.starts[shard + 1]]
    }
}

/// Adds up rows by source.
fn add_up(sums: &mut BTreeMap<Arc<str>, Tally>, source: &Arc<str>, tally: Tally) {
    let sum = sums.entry(source.clone()).or_default();
    sum.admitted += tally.admitted;
    sum.repeats += tally.repeats;
    sum.conflicts += tally.conflicts;
    sum.late += tally.late;
}
