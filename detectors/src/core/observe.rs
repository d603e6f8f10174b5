//! Rows in: each worker takes the rows of its shards; nothing is shared but the batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Core;
use crate::alert::Alert;
use crate::event::{Events, SchemaError};
use crate::shard::{Prepared, SHARDS, Shard, Tally, route, shard_of};
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
            .map(|batch| prepare(&self.world, batch))
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
        self.collect_company();
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
        let work = |shards: &mut [Shard], first: usize| {
            let no_tallies = |batch: &Prepared<'_>| vec![Tally::default(); batch.texts.len()];
            let mut by_text: Vec<Vec<Tally>> = batches.iter().map(no_tallies).collect();
            for (number, shard) in shards.iter_mut().enumerate() {
                for (_, batch, row) in by_shard.of(first + number) {
                    let (tallies, batch) =
                        (&mut by_text[*batch as usize], &batches[*batch as usize]);
                    let row = *row as usize;
                    let tally = &mut tallies[usize::from(batch.text_of[row])];
                    let event = batch.events.row(row);
                    if event.late() {
                        tally.late += 1;
                        continue;
                    }
                    let readers = &readers[event.activity() as usize];
                    shard.observe(world, batch, row, readers, sealed, tally);
                }
            }
            let mut sums = BTreeMap::new();
            for (batch, tallies) in batches.iter().zip(by_text) {
                for ((source, _), tally) in batch.texts.iter().zip(tallies) {
                    add_up(&mut sums, source, tally);
                }
            }
            sums
        };
        let (shards, _company) = self.shards.split_at_mut(SHARDS);
        if self.threads == 1 {
            return work(shards, 0);
        }
        let each = SHARDS.div_ceil(self.threads);
        let results: Vec<_> = std::thread::scope(|scope| {
            let work = &work;
            let handles: Vec<_> = shards
                .chunks_mut(each)
                .enumerate()
                .map(|(n, chunk)| scope.spawn(move || work(chunk, n * each)))
                .collect();
            handles
                .into_iter()
                .map(|h| h.join().expect("a worker panicked"))
                .collect()
        });
        let mut sums = BTreeMap::new();
        for (source, tally) in results.into_iter().flatten() {
            add_up(&mut sums, &source, tally);
        }
        sums
    }

    /// The second stage: what every shard saw of the company is put together.
    fn collect_company(&mut self) {
        let (shards, company) = self.shards.split_at_mut(SHARDS);
        let entity = company[0].entity(Stream::Company, &self.world.settings.tenant);
        for shard in shards {
            for (mine, theirs) in company[0].detectors.iter_mut().zip(&mut shard.detectors) {
                mine.absorb(entity, theirs.as_mut());
            }
        }
    }

    /// The alerts of open days that may have changed since the last call: eager verdicts, published
    /// the moment they are crossed. All alerts of a day and detector come together.
    pub fn changes(&mut self) -> Vec<(&'static str, Day, Vec<Alert>)> {
        let mut changed = Vec::new();
        for shard in &mut self.shards {
            let names: &[Who] = &shard.names;
            for (index, detector) in shard.detectors.iter_mut().enumerate() {
                for (day, verdicts) in detector.evaluate(&self.world, &self.frozen[index], names) {
                    let claims = self.claims.entry((index, day)).or_default();
                    for (entity, said) in verdicts {
                        let who = &names[entity as usize];
                        if !said.is_empty() {
                            claims.insert(who.clone(), said);
                            changed.push((index, day));
                        }
                    }
                }
            }
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

fn prepare<'a>(world: &World, batch: &'a RecordBatch) -> Result<Prepared<'a>, SchemaError> {
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
    let (texts, text_of) = texts(&events);
    Ok(Prepared {
        events,
        rows,
        days,
        texts,
        text_of,
    })
}

/// Shared text of a source and of an origin.
type SourceAndOrigin = (Arc<str>, Arc<str>);

/// Source and origin of the rows: each pair of texts once, and which of them a row has.
fn texts(events: &Events<'_>) -> (Vec<SourceAndOrigin>, Vec<u16>) {
    let mut known: Vec<(i16, i32)> = Vec::new();
    let mut texts = Vec::new();
    let mut text_of = Vec::with_capacity(events.len());
    for row in events.rows() {
        let keys = row.origin_keys();
        let place = known.iter().rposition(|known| *known == keys);
        text_of.push(place.unwrap_or(known.len()) as u16);
        if place.is_none() {
            known.push(keys);
            texts.push((row.source().into(), row.origin().into()));
        }
    }
    (texts, text_of)
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
    sum.late += tally.late;
}
