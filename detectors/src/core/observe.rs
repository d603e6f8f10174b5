//! Rows in: each worker takes the rows of its shards; nothing is shared but the batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Core;
use crate::alert::Alert;
use crate::event::{Events, SchemaError};
use crate::shard::{Prepared, SHARDS, Shard, Tally, route};
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
        let mut days: Vec<Day> = prepared
            .iter()
            .flat_map(|p| p.rows.iter().map(|(day, _)| *day))
            .collect();
        days.sort_unstable();
        days.dedup();
        for day in days {
            self.open(day);
        }
        let sealed = self.sealed();
        let tallies = self.spread(&prepared, &sealed);
        for (source, tally) in tallies {
            let sum = self.tallies.entry(source).or_default();
            sum.admitted += tally.admitted;
            sum.repeats += tally.repeats;
            sum.late += tally.late;
        }
        self.collect_company();
        Ok(())
    }

    /// Gives each worker its shards and the batches.
    fn spread(
        &mut self,
        batches: &[Prepared<'_>],
        sealed: &[Option<Day>],
    ) -> BTreeMap<Arc<str>, Tally> {
        let (world, readers) = (&self.world, &self.readers);
        let work = |shards: &mut [Shard], first: usize| {
            let mut tallies = BTreeMap::<Arc<str>, Tally>::new();
            for batch in batches {
                let mut by_text = vec![Tally::default(); batch.texts.len()];
                for (row, (_, shard)) in batch.rows.iter().enumerate() {
                    let place = usize::from(*shard).wrapping_sub(first);
                    let Some(shard) = shards.get_mut(place) else {
                        continue;
                    };
                    let tally = &mut by_text[usize::from(batch.text_of[row])];
                    let event = batch.events.row(row);
                    if event.late() {
                        tally.late += 1;
                        continue;
                    }
                    let readers = &readers[event.activity() as usize];
                    shard.observe(world, batch, row, readers, sealed, tally);
                }
                for ((source, _), tally) in batch.texts.iter().zip(by_text) {
                    let sum = tallies.entry(source.clone()).or_default();
                    sum.admitted += tally.admitted;
                    sum.repeats += tally.repeats;
                    sum.late += tally.late;
                }
            }
            tallies
        };
        let each = SHARDS.div_ceil(self.threads);
        let (shards, _company) = self.shards.split_at_mut(SHARDS);
        if self.threads == 1 {
            return work(shards, 0);
        }
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
        let mut all = BTreeMap::<Arc<str>, Tally>::new();
        for (source, tally) in results.into_iter().flatten() {
            let sum = all.entry(source).or_default();
            sum.admitted += tally.admitted;
            sum.repeats += tally.repeats;
            sum.late += tally.late;
        }
        all
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
    let rows = events
        .rows()
        .map(|row| (world.calendar.day(row.time()), route(world.seed, row)))
        .collect();
    let mut texts: Vec<(Arc<str>, Arc<str>)> = Vec::new();
    let mut text_of = Vec::with_capacity(events.len());
    for row in events.rows() {
        let (source, origin) = (row.source(), row.origin());
        let same = |(s, o): &(Arc<str>, Arc<str>)| &**s == source && &**o == origin;
        let place = texts.iter().rposition(same).unwrap_or_else(|| {
            texts.push((source.into(), origin.into()));
            texts.len() - 1
        });
        text_of.push(place as u16);
    }
    Ok(Prepared {
        events,
        rows,
        texts,
        text_of,
    })
}
